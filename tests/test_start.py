"""What is said where keras_seg cannot work in the folder or with the backend that it finds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def start(code, folder, **changes):
    """Run Python in a folder; what it wrote to stderr, or the output where it succeeded."""
    done = subprocess.run(
        [sys.executable, *code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **changes},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr if done.returncode else done.stdout


@pytest.mark.parametrize(
    "code", [["-m", "keras_seg", "--version"], ["-c", "import pipelines, keras_seg"]]
)
def test_a_folder_that_hides_pipelines_is_named(tmp_path, code):
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "__init__.py").touch()
    shown = start(code, tmp_path)
    assert f"Received: '{tmp_path.resolve() / 'pipelines'}' in the place of" in shown
    assert "Rename that folder" in shown


def test_a_folder_without_python_hides_nothing(tmp_path):
    (tmp_path / "pipelines").mkdir()
    code = ["-c", "import keras_seg, pipelines; print(pipelines.__file__)"]
    assert start(code, tmp_path).strip() == str(ROOT / "pipelines" / "__init__.py")


def test_a_backend_that_is_not_installed_is_named(tmp_path):
    # An import hook stands in for a machine without JAX.
    code = (
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'jax' else find(name, *a)\n"
        "import keras_seg"
    )
    shown = start(["-c", code], tmp_path, KERAS_BACKEND="jax")
    assert "Received: KERAS_BACKEND=jax, which is not installed" in shown
    assert "pip install jax" in shown


@pytest.mark.parametrize(
    ("variable", "ours"), [("TF_CPP_MIN_LOG_LEVEL", "2"), ("TF_ENABLE_ONEDNN_OPTS", "1")]
)
@pytest.mark.parametrize("package", ["keras_seg", "pipelines"])
def test_tensorflows_settings_are_ours_unless_the_user_says_otherwise(
    package, variable, ours, tmp_path
):
    code = ["-c", f"import {package}, os; print(os.environ['{variable}'])"]
    assert start(code, tmp_path, **{variable: "0"}).strip() == "0"
    environment = {key: value for key, value in os.environ.items() if key != variable}
    done = subprocess.run(
        [sys.executable, *code],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == ours
