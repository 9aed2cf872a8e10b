"""The command `serve`, which imports neither Keras nor TensorFlow."""

import importlib.util
from pathlib import Path

PACKAGES = ("fastapi", "uvicorn", "grpc", "prometheus_client")


def add_arguments(command):
    """Add the arguments of `serve`.

    Args:
        command: `argparse.ArgumentParser` of the command.
    """
    command.add_argument("run", help="a run's name in saved_models, or its folder")
    command.add_argument(
        "--single", action="store_true", help="run a small server in this process, with LiteRT"
    )
    command.add_argument(
        "--file",
        help=".tflite file (default: model_int8.tflite of the run, else int8_weights, fp16, fp32)",
    )
    command.add_argument(
        "--name", help="the model's name for clients (default: that of the run's folder)"
    )
    command.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 for all, without passwords or encryption "
        "(default: %(default)s, this machine only)",
    )
    command.add_argument(
        "--port", type=int, default=8501, help="port of HTTP; 0 for a free one (%(default)s)"
    )
    command.add_argument(
        "--grpc-port", type=int, default=8500, help="port of gRPC; 0 for a free one (%(default)s)"
    )
    command.add_argument(
        "--workers", type=int, help="pictures computed at a time (default: one per core)"
    )


def serve_command(options):
    """Serves a run until Ctrl-C."""
    from keras_seg import _check
    from keras_seg.find_run import find_run

    folder = find_run(options.run)
    if options.workers is not None:
        _check.positive_integer("serve", "workers", options.workers)
    _require_packages()
    from keras_seg.serve.single import serve_single
    from keras_seg.serve.versions import find_file

    file = options.file and Path(options.file)
    serve_single(
        options.name or folder.resolve().name,
        (lambda: file) if file else lambda: find_file(folder),
        options.host,
        options.port,
        options.grpc_port,
        options.workers,
    )


def _require_packages():
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"`serve` needs the packages {', '.join(PACKAGES)}. Received: no {missing[0]}. "
            "Install them with `pip install keras_seg[serve]`, or -r requirements-serve.txt."
        )
