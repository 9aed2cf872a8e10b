"""The version of a model that is served, and its change while the server runs."""

import logging
from pathlib import Path

from keras_seg.inference.export_notes import read_notes
from keras_seg.serve.model import MAX_PIXELS, Model
from keras_seg.serve.refusals import InvalidError, MissingError

log = logging.getLogger("keras_seg")

# The fastest on processors first; fp16 computes in float32 there.
_MODES = ("int8", "int8_weights", "fp16", "fp32")


def find_file(folder):
    """The .tflite file of a run that a server takes.

    Only files that `keras_seg` exported, which were compared with the Keras model.

    Args:
        folder: the run's folder.

    Returns:
        `pathlib.Path`: model_int8.tflite, else the next of int8_weights, fp16 and fp32; files of
        other sizes or outputs only if there are no others.

    Raises:
        ValueError: there is none.
    """
    folder = Path(folder)
    for pattern in ("model_{}.tflite", "model_{}_*.tflite"):
        for mode in _MODES:
            for path in sorted(folder.glob(pattern.format(mode))):
                if (read_notes(path) or {}).get("num_classes"):
                    return path
    raise ValueError(
        "A server needs a .tflite file that keras_seg exported. "
        f"Received: folder='{folder}' without one. Write it with `python -m keras_seg export "
        f"{folder.name} fp32`, or pass --file."
    )


class Versions:
    """The newest version of a model, from a file that may be replaced at any time.

    A version's number is the time at which its file was written, in seconds since 1970: it is the
    same on each server that starts with a file. It counts up: where an older file replaces another,
    it is the next number. A new file is loaded and run once before it is offered; a file that
    cannot be loaded is logged, and the earlier version stays.

    Args:
        name: the model's name for clients.
        find: function that returns the path of the present file.
        workers: threads that use it at a time.
        max_pixels: most pixels of a picture.

    Attributes:
        current: `Model`.

    Raises:
        ValueError: the first file cannot be loaded.
    """

    def __init__(self, name, find, workers=1, max_pixels=MAX_PIXELS):
        self.name, self._find = name, find
        self._options = {"workers": workers, "max_pixels": max_pixels}
        self._failed = ""  # the latest error, which is logged once
        path = Path(find())
        self._seen = _stamp(path)
        self.current = self._load(path, 0)

    def get(self, name, version=None):
        """The model of a name and a version.

        Args:
            name: its name.
            version: its number; None for the present one.

        Returns:
            `Model`.

        Raises:
            MissingError: another name or version.
        """
        model = self.current
        if name != self.name:
            raise MissingError(f"This server has the model {self.name!r}. Received: {name!r}.")
        if version is not None and version != model.version:
            raise MissingError(
                f"Model {self.name!r} has the version {model.version}. Received: {version}."
            )
        return model

    def refresh(self):
        """Change to a new file if there is one.

        Returns:
            True after a change, False if a new file could not be loaded, None otherwise.
        """
        try:
            path = Path(self._find())
            stamp = _stamp(path)
            if stamp == self._seen:
                return None
            self._seen = stamp
            self.current = self._load(path, self.current.version)
        except (ValueError, OSError, RuntimeError) as error:
            if str(error) == self._failed:
                return None
            self._failed = str(error)
            log.error("Version %s stays: %s", self.current.version, error)
            return False
        self._failed = ""
        log.info("Model %s: version %s from %s", self.name, self.current.version, path)
        return True

    def _load(self, path, before):
        version = max(int(path.stat().st_mtime), before + 1)
        return Model(self.name, version, path, **self._options)


def _stamp(path):
    if not path.is_file():
        raise ValueError(
            f"A server needs a .tflite file. Received: path='{path}'. No such file: write one with "
            "`python -m keras_seg export`, or pass another one."
        )
    stat = path.stat()
    return str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino


def version_number(text):
    """The number of a version in a request.

    Args:
        text: digits; empty for the present version.

    Returns:
        int, or None.

    Raises:
        InvalidError: it is no number.

    >>> version_number("12")
    12
    """
    if text and not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise InvalidError(f"A version is a whole number. Received: {text[:40]!r}.")
    return int(text) if text else None
