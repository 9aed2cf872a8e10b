"""Write the API reference, one HTML page per module, from the docstrings: `make docs`."""

import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pdoc

import keras_seg
import pipelines

# The public names of the two packages, and the modules that hold more of them.
MODULES = (
    "keras_seg",
    "keras_seg.models.encoders",
    "keras_seg.training.callbacks",
    "keras_seg.training.recipes",
    "keras_seg.training.statistics",
    "pipelines",
    "pipelines.check.report",
    "pipelines.datasets",
)


def write(folder: Path) -> None:
    """Write all pages to a new folder; an older one of that name is replaced."""
    for package in (keras_seg, keras_seg.export, pipelines):
        for name in package.__all__:  # pdoc does not call a module's __getattr__
            setattr(package, name, getattr(package, name))
    shutil.rmtree(folder, ignore_errors=True)
    pdoc.render.configure(docformat="google", show_source=False)
    pdoc.pdoc(*MODULES, output_directory=folder)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
