"""The command that starts TensorFlow Serving in Docker."""

import shlex
import shutil
from pathlib import Path


def docker_command(folder, port=8501, grpc_port=8500):
    """The command that serves the SavedModels of a run with TensorFlow Serving.

    Args:
        folder: the run's folder, with the versions `1`, `2`, ... and `models.config`.
        port: port of REST.
        grpc_port: port of gRPC.

    Returns:
        str for a shell; None if the run has no SavedModel.

    >>> docker_command("no such folder")
    """
    folder = Path(folder).resolve()
    if not (folder / "models.config").is_file() or not list(folder.glob("[0-9]*/saved_model.pb")):
        return None
    inside = f"/models/{folder.name}"
    words = [
        "docker", "run", "--rm", "-p", f"127.0.0.1:{grpc_port}:8500", "-p",
        f"127.0.0.1:{port}:8501", "-v", f"{folder}:{inside}:ro", "tensorflow/serving",
        f"--model_config_file={inside}/models.config",
    ]  # fmt: skip
    return shlex.join(words)


def has_docker():
    """Whether the program `docker` is installed."""
    return shutil.which("docker") is not None
