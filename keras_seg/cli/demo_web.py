"""The command `demo-web`, which imports neither Keras nor TensorFlow."""

import logging
import signal
from pathlib import Path

log = logging.getLogger("keras_seg")


def add_arguments(command):
    """Add the arguments of `demo-web`.

    Args:
        command: `argparse.ArgumentParser` of the command.
    """
    command.add_argument("run", nargs="?", help="a run's name in saved_models, or its folder")
    command.add_argument(
        "--file",
        help=".tflite file (default: model_int8.tflite of the run, else int8_weights, fp16, fp32)",
    )
    command.add_argument(
        "--install",
        nargs="?",
        const="",
        metavar="FOLDER",
        help="first get the packages of LiteRT.js with npm, once for all runs; or take them from "
        "the archives of `npm pack` in a folder",
    )
    command.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 for all, such as a phone in the same network "
        "(default: %(default)s, this machine only)",
    )
    command.add_argument(
        "--port", type=int, default=8080, help="port; 0 for a free one (default: %(default)s)"
    )


def demo_web_command(options):
    """Serves the page until Ctrl-C; installs the packages it needs."""
    from keras_seg import _check
    from keras_seg.find_run import find_run
    from keras_seg.serve.versions import find_file
    from keras_seg.web.packages import install
    from keras_seg.web.server import serve_page

    _check.port("demo-web", "--port", options.port)
    if options.install is None and not options.run:
        raise ValueError(
            "`demo-web` needs a run or --install. Received: neither. "
            "For example, pass contextnet_cn14-camvid."
        )
    if options.install is not None:
        log.warning("LiteRT.js is in %s", install(options.install or None))
    if options.run:
        # Shells start programs in the background with this signal ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        folder = find_run(options.run)
        file = Path(options.file) if options.file else find_file(folder)
        serve_page(file, folder.resolve().name, options.host, options.port)
