"""What the programs that run an export of any size have in common."""

import abc
import dataclasses
import importlib
from pathlib import Path

import numpy as np

from pipelines.read import InputSpec, as_image


def require_package(subject, package, extra):
    """Import an optional package.

    Args:
        subject: name of the caller.
        package: name of the module.
        extra: the extra in `pyproject.toml` that installs it.

    Returns:
        The module.

    Raises:
        ImportError: it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"`{subject}` needs the package {package}. Received: {error}. "
            f'Install it (pip install "keras_seg[{extra}]").'
        ) from None


def require_file(subject, path, kind, how):
    """Raise unless there is a file.

    Args:
        subject: name of the caller.
        path: where it should be.
        kind: what it is, such as "an .onnx file".
        how: how to write one.

    Raises:
        ValueError: there is none.
    """
    if not Path(path).is_file():
        raise ValueError(
            f"`{subject}` needs {kind}. Received: path={str(path)!r}, which is not a file. "
            f"Write one with {how}."
        )


class Runner(abc.ABC):
    """Base class: uint8 pictures in, labels and scores out; a subclass runs its file.

    Attributes:
        size: (height, width) of the pictures it takes, or (depth, height, width) of volumes; None
            for any.
        num_channels: channels of a picture.
        num_classes: number of classes.
        class_names: names in the order of ids, or None if the file does not contain them.
        palette: colors (r, g, b) in the order of ids, or None.
        input_spec: how files are converted to pixels.
    """

    _classifies = False

    def _describe(self, path, shape, scores_shape, notes):
        """Set the attributes; raise if the file is of another kind.

        Args:
            path: the export.
            shape: shape of the input, with anything but a number for unknown sizes.
            scores_shape: shape of the scores.
            notes: what keras_seg stored in the file, or None.
        """
        if notes is None or (len(scores_shape) == 2) != self._classifies:
            found = "another program's" if notes is None else f"scores of shape {scores_shape}"
            raise ValueError(
                f"`{type(self).__name__}` needs an export of keras_seg with one "
                f"{'class per picture' if self._classifies else 'class per pixel'}. "
                f"Received: {str(path)!r}, {found}. Export the network with keras_seg.export; the "
                f"other kind is read by {_other(type(self).__name__)}."
            )
        sizes = tuple(n if isinstance(n, int) and n > 0 else None for n in shape[1:-1])
        self._sizes = sizes
        self.size = None if None in sizes else sizes
        self.num_channels, self.num_classes = int(shape[-1]), int(scores_shape[-1])
        self.class_names, self.palette = notes["class_names"], notes["palette"]
        self.input_spec = InputSpec.from_dict(notes["input_spec"])

    @abc.abstractmethod
    def _run(self, pictures, names) -> dict:
        """Return the outputs of these names, "labels" and "logits", as a dict."""

    def __call__(self, picture):
        """Label map of one picture; class id of a classifier.

        Args:
            picture: path of a picture, read as in training, or array uint8 (h, w, c), or (h, w).

        Returns:
            Array (h, w) of class ids; of a classifier int.

        Raises:
            ValueError: if the picture has another size or dtype, or cannot be read.
        """
        spec = self.input_spec
        if self._classifies and self.size:
            spec = dataclasses.replace(spec, size=self.size)
        found = self.labels(as_image(picture, spec)[np.newaxis])[0]
        return int(found) if self._classifies else found

    def labels(self, pictures):
        """Label maps of a batch.

        Args:
            pictures: uint8 (b, h, w, c).

        Returns:
            Array (b, h, w), of a classifier (b,), of class ids: uint8 up to 256 classes, int32
            beyond and for classifiers.

        Raises:
            ValueError: if the pictures have another size or dtype.
        """
        return self._run(self._checked(pictures), ["labels"])["labels"]

    def scores(self, pictures):
        """Logits of a batch.

        Args:
            pictures: uint8 (b, h, w, c).

        Returns:
            float32 (b, h, w, num_classes), of a classifier (b, num_classes).

        Raises:
            ValueError: if the pictures have another size or dtype.
        """
        return self._run(self._checked(pictures), ["logits"])["logits"]

    def labels_and_scores(self, pictures):
        """Label maps and logits of a batch, from one run.

        Args:
            pictures: uint8 (b, h, w, c).

        Returns:
            (labels (b, h, w), float32 logits (b, h, w, num_classes)); of a classifier (b,) and
            (b, num_classes).

        Raises:
            ValueError: if the pictures have another size or dtype.
        """
        found = self._run(self._checked(pictures), ["labels", "logits"])
        return found["labels"], found["logits"]

    def _checked(self, pictures):
        pictures = np.asarray(pictures)
        fits = pictures.ndim == len(self._sizes) + 2 and pictures.dtype == np.uint8
        expected = (*self._sizes, self.num_channels)
        fits = fits and all(
            want in (None, have) for want, have in zip(expected, pictures.shape[1:], strict=True)
        )
        if not fits:
            names = "hw" if len(self._sizes) == 2 else "dhw"
            wanted = [str(n or name) for n, name in zip(self._sizes, names, strict=True)]
            raise ValueError(
                "This export takes batches of uint8 pictures "
                f"(b, {', '.join(wanted)}, {self.num_channels}). "
                f"Received: shape={pictures.shape}, dtype={pictures.dtype}. "
                "Pass pixels 0..255 as they are, without scaling."
            )
        return pictures


def _other(name):
    """The name of the class for the other task.

    >>> _other("OnnxSegmenter")
    'OnnxClassifier'
    """
    if name.endswith("Segmenter"):
        return name.replace("Segmenter", "Classifier")
    return name.replace("Classifier", "Segmenter")


def words(dtype, shape):
    """Description of a tensor, as in `ExportReport`.

    >>> words("uint8", ("b", 3))
    'uint8 (None, 3)'
    """
    sizes = [n if isinstance(n, int) and n >= 0 else None for n in shape]
    return f"{dtype} ({', '.join(map(str, sizes))})"
