"""The command `serve`, which imports neither Keras nor TensorFlow."""

import functools
import importlib.util
import logging
from pathlib import Path

log = logging.getLogger("keras_seg")

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
        "--ray", action="store_true", help="run Ray Serve, with one process per picture at a time"
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
        "--port",
        type=int,
        default=8501,
        help="port of HTTP; 0 for a free one (default: %(default)s)",
    )
    command.add_argument(
        "--grpc-port",
        type=int,
        default=8500,
        help="port of gRPC; 0 for a free one (default: %(default)s)",
    )
    command.add_argument(
        "--workers", type=int, help="pictures computed at a time (default: one per core)"
    )


def serve_command(options):
    """Serves a run until Ctrl-C; prints the command for Docker where that is what is asked for."""
    from keras_seg import _check
    from keras_seg.find_run import find_run

    folder = find_run(options.run)
    if options.workers is not None:
        _check.positive_integer("serve", "workers", options.workers)
    _check.port("serve", "--port", options.port)
    _check.port("serve", "--grpc-port", options.grpc_port)
    if options.single and options.ray:
        raise ValueError("`serve` needs one of --single and --ray. Received: both. Leave one out.")
    if not (options.single or options.ray) and _printed(folder, options):
        return
    _require_packages(() if options.single else ("ray",))
    from keras_seg.serve.versions import find_file

    file = options.file and Path(options.file).resolve()
    # A partial, as the processes of Ray get it, too.
    find = functools.partial(Path, file) if file else functools.partial(find_file, folder.resolve())
    address = (options.host, options.port, options.grpc_port)
    arguments = (options.name or folder.resolve().name, find, *address, options.workers)
    if options.single:
        from keras_seg.serve.single import serve_single

        serve_single(*arguments)
    else:
        from keras_seg.serve.ray_server import serve_ray

        serve_ray(*arguments)


def _printed(folder, options):
    """Print the command for TensorFlow Serving; False where Ray Serve takes its place."""
    from keras_seg.serve.docker import docker_command, has_docker

    command = docker_command(folder, options.port, options.grpc_port)
    if command is None:
        log.warning(
            "TensorFlow Serving needs a SavedModel: `python -m keras_seg export %s saved_model`.",
            folder.name,
        )
        return False
    log.warning("TensorFlow Serving:\n%s", command)
    return has_docker()


def _require_packages(more=()):
    wanted = (*PACKAGES, *more)
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        extra = "serve,ray" if more else "serve"
        raise ImportError(
            f"`serve` needs the packages {', '.join(wanted)}. Received: no {missing[0]}. "
            f'Install them with `pip install "keras_seg[{extra}]"`, or use --single, which needs '
            "requirements-serve.txt only."
        )
