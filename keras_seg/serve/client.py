"""`Client`: calls a server like a segmenter, over REST or gRPC, without Keras or TensorFlow."""

import io
import math
import os
from numbers import Real
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

# Of a request: servers of ours take as many pictures, and REST's limits are JSON's, 64 MB and ten
# million numbers.
_MAX_PICTURES, _MAX_NUMBERS = 64, 8_000_000


class Client:
    """Segments pictures on a server: `python -m keras_seg serve`, or TensorFlow Serving.

    Pictures are paths, bytes of JPEG or PNG files, or uint8 arrays. Files go as they are to the
    server's signature "encoded"; arrays go as pixels over gRPC and as PNG files over REST. Gray
    and RGB are converted to each other where the model needs it. It may be used by several threads.

    Args:
        url: "http://host:8501/<model>" or "https://..." for REST; "grpc://host:8500/<model>" or
            "grpcs://..." for gRPC. The letter s is for encryption. TensorFlow Serving's own form,
            "http://host:8501/v1/models/<model>", has the same meaning.
        version: number that every answer must have; None for the server's present one.
        class_names: names that the model must have, in the order of ids; a tuple or list. A server
            that does not tell names, such as TensorFlow Serving, must have as many classes.
        timeout: seconds for a request, with all repetitions.
        retries: repetitions when the server cannot be reached or is busy.

    Attributes:
        model: the model's name.
        class_names: names in the order of ids, or None where the server does not tell them.
        palette: colors (r, g, b) in the order of ids, or None.
        num_classes: number of classes, or None where the server does not tell it.
        version: number of the version that gave the latest answer, or None before the first and
            where the server does not tell it.

    Raises:
        ValueError: a wrong argument, a request that the server refuses, or another model than the
            expected one.
        ConnectionError: the server cannot be reached.
        TimeoutError: the server takes too long.

    >>> client = Client("http://127.0.0.1:8501/contextnet_cn14-camvid")  # doctest: +SKIP
    >>> client("street.jpg").shape  # doctest: +SKIP
    (360, 480)
    """

    def __init__(self, url, version=None, class_names=None, timeout=30.0, retries=3):
        parts = urlsplit(url if isinstance(url, str) else "")
        model = parts.path.strip("/").removeprefix("v1/models/")
        if parts.scheme not in _KINDS or not parts.hostname or not model or "/" in model:
            raise ValueError(
                "`Client` needs a URL with one of the schemes http, https, grpc and grpcs, a host "
                f"and the model's name. Received: url={url!r}. For example, pass "
                "'http://127.0.0.1:8501/contextnet_cn14-camvid'."
            )
        if not isinstance(timeout, Real) or not 0 < timeout < math.inf or not _is_whole(retries):
            raise ValueError(
                "`Client` needs a finite timeout above 0 seconds, and retries from 0. "
                f"Received: timeout={timeout!r}, retries={retries!r}."
            )
        if version is not None and not _is_whole(version):
            raise ValueError(
                "`Client` needs a whole number from 0 as version, or None. "
                f"Received: version={version!r}."
            )
        if not isinstance(class_names, tuple | list | None):
            raise ValueError(
                "`Client` needs class_names as a tuple or list, or None. "
                f"Received: class_names={class_names!r}."
            )
        self.model, self._wanted = model, version
        self._expected = None if class_names is None else list(class_names)
        self._remote = _remote(parts, model, version, timeout, retries)
        self.version = self.class_names = self.palette = self.num_classes = None
        self._signatures = {}
        self._describe()

    def _describe(self):
        """Ask what the model is, and compare it with what is expected."""
        described = self._remote.metadata()
        self._signatures = described["signatures"]
        notes = described.get("keras_seg") or {}
        self.class_names, self.palette = notes.get("class_names"), notes.get("palette")
        self.num_classes = notes.get("num_classes") or _num_classes(self._signatures)
        self._described = described["version"]
        self._check_version(self._described)
        expected, names = self._expected, self.class_names
        if expected is None or names == expected:
            return
        if names is not None or self.num_classes not in (None, len(expected)):
            raise ValueError(
                f"`Client` expects a model with the classes {expected}. Received: model "
                f"{self.model!r}, version {self._described}, with {names or self.num_classes}. "
                "Deploy the expected model, or change `class_names`."
            )

    def _check_version(self, version):
        """Raise unless it is the expected one; ask again what the model is where it is new."""
        if version is None:
            return
        self.version = version
        if self._wanted is not None and version != self._wanted:
            raise ValueError(
                f"`Client` expects version {self._wanted} of model {self.model!r}. "
                f"Received: an answer of version {version}. Deploy it, or change `version`."
            )
        if version != self._described:
            self._describe()

    def __call__(self, picture):
        """Label map of one picture.

        Args:
            picture: path or bytes of a JPEG or PNG file; or uint8 array (h, w, c), or (h, w).

        Returns:
            Array (h, w) of class ids.
        """
        if isinstance(picture, str | os.PathLike | bytes):
            return _ids(self.png(picture))
        picture = np.asarray(picture)
        picture = picture[..., np.newaxis] if picture.ndim == 2 else picture
        return self.labels(picture[np.newaxis])[0]

    def png(self, picture):
        """Label map of one picture as a PNG file, whose pixels are class ids.

        Args:
            picture: path or bytes of a JPEG or PNG file; or uint8 array (h, w, c), or (h, w).

        Returns:
            bytes; with the palette, which browsers show.
        """
        return self._ask("encoded", [_content(picture)])["mask_png_bytes"][0]

    def class_shares(self, picture):
        """Share of each class in a picture.

        Args:
            picture: as of `png`.

        Returns:
            float32 (num_classes,), which sum to 1.
        """
        return self._ask("encoded", [_content(picture)])["class_shares"][0]

    def labels(self, pictures):
        """Label maps of a batch, as of a segmenter.

        Args:
            pictures: uint8 (b, h, w, c). Large batches are sent in several requests.

        Returns:
            Array (b, h, w) of class ids: uint8 up to 256 classes, int32 beyond.
        """
        pictures = _batch(pictures)
        if self._remote.sends_pixels or not self._has_files(pictures):
            return self._ask_in_parts("serving_default", "labels", pictures, 1)
        found = [_ids(self.png(picture)) for picture in pictures]
        return np.stack(found)

    def probabilities(self, pictures):
        """Probabilities of the classes in each pixel.

        Args:
            pictures: uint8 (b, h, w, c). Large batches are sent in several requests.

        Returns:
            float32 (b, h, w, num_classes).
        """
        classes = self.num_classes or 1
        return self._ask_in_parts("probabilities", "probabilities", _batch(pictures), classes)

    def _has_files(self, pictures):
        return "encoded" in self._signatures and pictures.shape[-1] in (1, 3)

    def _ask_in_parts(self, signature, output, pictures, numbers):
        """An output of a batch, with so many numbers for each pixel."""
        _, height, width, channels = pictures.shape
        each = height * width * max(channels, numbers)
        step = max(1, min(_MAX_PICTURES, _MAX_NUMBERS // each))
        parts = [pictures[start : start + step] for start in range(0, len(pictures), step)]
        return np.concatenate(
            [self._ask(signature, self._with_channels(signature, part))[output] for part in parts]
        )

    def _with_channels(self, signature, pictures):
        """Pictures with the channels of a signature's input, as servers convert files."""
        inputs = self._signatures.get(signature, {}).get("inputs", {})
        wanted = [shape[-1] for shape in inputs.values() if shape and shape[-1] > 0]
        if wanted in ([], [pictures.shape[-1]]):
            return pictures
        from pipelines.read.pixels import to_channels  # takes a moment

        found = [to_channels(picture, wanted[0]) for picture in pictures]
        found = [picture for picture in found if picture is not None]
        return np.stack(found) if found else pictures  # the server says what it needs

    def _ask(self, signature, value):
        if signature not in self._signatures:
            raise ValueError(
                f"`Client` needs the signature {signature!r}. Received: model {self.model!r} with "
                f"{sorted(self._signatures)}. Export it again, or use another method."
            )
        outputs, version = self._remote.predict(signature, value, self._signatures[signature])
        self._check_version(version)
        return outputs

    def close(self):
        """Close the connections."""
        self._remote.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def _remote(parts, model, version, timeout, retries):
    """The connection for a URL; each imports its own package."""
    secure = parts.scheme in ("https", "grpcs")
    port = parts.port or _KINDS[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    settings = (f"{host}:{port}", model, version, timeout, retries, secure)
    if parts.scheme.startswith("http"):
        from keras_seg.serve.rest_remote import RestRemote

        return RestRemote(*settings)
    from keras_seg.serve.grpc_remote import GrpcRemote

    return GrpcRemote(*settings)


def _is_whole(value):
    return not isinstance(value, bool) and hasattr(value, "__index__") and value >= 0


_KINDS = {"http": 8501, "https": 443, "grpc": 8500, "grpcs": 443}


def _num_classes(signatures):
    """The number of classes from the shapes of the outputs, or None."""
    for name, output in (("encoded", "class_shares"), ("probabilities", "probabilities")):
        shape = signatures.get(name, {}).get("outputs", {}).get(output, (-1,))
        if shape and shape[-1] > 0:
            return shape[-1]
    return None


def _content(picture):
    """The bytes of a picture's file."""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | os.PathLike):
        return Path(picture).read_bytes()
    pixels = np.asarray(picture)
    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    if pixels.dtype != np.uint8 or pixels.shape[2:] not in ((), (3,)) or pixels.ndim < 2:
        raise _no_pictures(pixels)
    _require_pixels(pixels)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _batch(pictures):
    pictures = np.asarray(pictures)
    if pictures.dtype != np.uint8 or pictures.ndim != 4:
        raise _no_pictures(pictures)
    _require_pixels(pictures)
    return pictures


def _require_pixels(array):
    if not array.size:
        raise ValueError(
            "`Client` needs at least one picture of at least one pixel. "
            f"Received: shape={array.shape}. Leave out what is empty."
        )


def _no_pictures(array):
    return ValueError(
        "`Client` needs pictures as paths, as bytes of JPEG or PNG files, as a uint8 array "
        "(h, w, c), or as a batch (b, h, w, c). "
        f"Received: shape={array.shape}, dtype={array.dtype}. Convert them to uint8."
    )


def _ids(png):
    return np.asarray(Image.open(io.BytesIO(png)))
