"""The interface of segmenters, ensembles and the like: from pictures to labels."""

from abc import ABC, abstractmethod
from os import PathLike

import numpy as np

from keras_seg.inference import tiles
from pipelines.read import InputSpec, as_image
from pipelines.read.memory import fitting

TOO_LARGE = "Use `segmenter.tiles(picture)`, on the command line `--tile 512`."
PROPERTIES = (
    "num_classes", "num_channels", "dimensions", "class_names", "palette", "fixed_size",
    "input_spec",
)  # fmt: skip


def share_properties(predictor, segmenter):
    """Copy the classes, channels and colors of a segmenter to a predictor."""
    for name in PROPERTIES:
        setattr(predictor, name, getattr(segmenter, name))


def require_predictor(subject, value):
    """Raise unless this is a segmenter or has its interface.

    Args:
        subject: name of the caller, such as "tiled".
        value: what was received.

    Raises:
        TypeError: if it does not.
    """
    if not isinstance(value, Predictor):
        raise TypeError(
            f"`{subject}` needs a Segmenter, or an object with its interface. "
            f"Received: {type(value).__name__}. Pass Segmenter(model), or `run.segmenter()`."
        )


class Predictor(ABC):
    """Base class: pictures in; label maps, probabilities and figures out.

    A subclass computes the probabilities of a batch; everything else is implemented here.

    Attributes:
        num_classes: number of classes.
        num_channels: channels of the pictures.
        dimensions: 2 for pictures; 3 for volumes (d, h, w) or (d, h, w, c), which then replace
            pictures (h, w) or (h, w, c) throughout.
        class_names: one name per class.
        palette: one color (r, g, b) in 0..255 per class, or None.
        output_stride: pixels of the picture per pixel of the coarsest feature map. A crop that
            starts at a multiple of it has the same grid of coarse features as the whole picture.
        fixed_size: (height, width), or (depth, height, width), if the network takes one size
            only, else None.
        input_spec: how files are converted to pixels, as in training.
        workers: pictures that a stream gives it at the same time.
    """

    num_classes: int
    num_channels: int
    class_names: tuple
    palette: list | None
    output_stride: int
    fixed_size: tuple | None
    _input_spec: InputSpec | None = None
    dimensions: int = 2
    workers: int = 1

    @property
    def input_spec(self) -> InputSpec:
        """How files are converted to pixels; a default spec if none was set."""
        return self._input_spec or InputSpec(self.num_channels, self.dimensions)

    @input_spec.setter
    def input_spec(self, spec: InputSpec) -> None:
        self._input_spec = spec

    def read(self, picture) -> np.ndarray:
        """Return the uint8 pixels (h, w, c) or (d, h, w, c) of a path or an array."""
        return as_image(picture, self.input_spec)

    @abstractmethod
    def _probabilities(self, batch: np.ndarray) -> np.ndarray:
        """Return float32 probabilities (b, h, w, num_classes) of uint8 pixels (b, h, w, c)."""

    def __call__(self, picture):
        """Return the label map of a picture, at the picture's own size.

        Args:
            picture: path of a picture, or array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) with
                red, green, blue in 0..255; or a list of those. If the model takes three channels,
                gray is converted to color and alpha is dropped. For a model of volumes, an array
                (d, h, w) or (d, h, w, c) in 0..255, or the path of a .npy, .npz or NIfTI file or
                of a TIFF stack.

        Returns:
            uint8 class ids (h, w), or (d, h, w); a list of those for a list.

        Raises:
            ValueError: if a file is not a picture, an array has the wrong shape or range, or the
                picture does not fit into memory.
        """
        if isinstance(picture, list | tuple):
            return [self(one) for one in picture]
        what = f"'{picture}'" if isinstance(picture, str | PathLike) else "a picture"
        pixels = self.read(picture)
        with fitting(f"{what} of {' x '.join(map(str, pixels.shape[:-1]))} pixels", TOO_LARGE):
            return self.labels(pixels[None])[0]

    def labels(self, batch) -> np.ndarray:
        """Return the class ids of a batch, for evaluation and callbacks.

        Args:
            batch: uint8 pixels (b, h, w, num_channels); of volumes (b, d, h, w, num_channels).

        Returns:
            uint8 class ids (b, h, w), or (b, d, h, w).

        Raises:
            ValueError: if `batch` has another shape or dtype.
        """
        return self._probabilities(self._checked(batch)).argmax(axis=-1).astype(np.uint8)

    def probabilities(self, picture):
        """Return the probability of each class at every pixel.

        Args:
            picture: as in `__call__`, or a uint8 batch (b, h, w, num_channels).

        Returns:
            float32 (h, w, num_classes) in 0..1, which sum to 1 over the classes;
            (b, h, w, num_classes) for a batch; a list for a list.

        Raises:
            ValueError: as in `__call__`.
        """
        if isinstance(picture, list | tuple):
            return [self.probabilities(one) for one in picture]
        if np.ndim(picture) == self.dimensions + 2:
            return self._probabilities(self._checked(picture))
        return self._probabilities(self.read(picture)[None])[0]

    def _checked(self, batch) -> np.ndarray:
        """Return a batch as an array; raise if it is not a batch."""
        batch = np.asarray(batch)
        received = f"Received: shape={batch.shape}, dtype={batch.dtype}. "
        axes = self.dimensions + 2
        if batch.ndim != axes or batch.shape[-1] != self.num_channels or batch.dtype != np.uint8:
            sizes = "h, w" if self.dimensions == 2 else "d, h, w"
            raise ValueError(
                f"A batch must be uint8 (b, {sizes}, {self.num_channels}). {received}"
                "Call the segmenter itself, `segmenter(picture)`, for single and other pictures."
            )
        if 0 in batch.shape:
            raise ValueError(
                f"A batch needs at least one picture of at least 1x1 pixel. {received}"
                "Leave empty pictures out."
            )
        return batch

    def tiles(self, picture, out=None, tile=None, overlap=None, blend="gaussian", margin=None):
        """Segment a picture of any size tile by tile, in bounded memory.

        Besides the network, memory holds the label map (with `out`, one row of its tiles), one row
        of tiles of the picture, and num_classes * 4 bytes for each pixel of an overlap as wide as
        the picture. Files in .npy, .tif and .png format, `numpy.memmap` and similar arrays are read
        in parts, and with rasterio also .vrt, .jp2 and .img files; other files are read at once.
        For a volume, a row of tiles is all tiles of the same slices.

        With `pip install "keras_seg[geo]"` and a .tif file as `out`, a georeferenced picture gives
        a GeoTIFF with the same coordinate reference system and transform, the palette, and 255
        (its nodata value) where the picture has no data.

        Args:
            picture: path, array, or any uint8 object that is sliced like an array
                (`numpy.memmap`, h5py, zarr).
            out: .npy, .png or .tif file to write the label map to (.npy for volumes); None
                returns the label map.
            tile: side of a tile in pixels, or (height, width), or (depth, height, width); rounded
                up to a multiple of `output_stride`. None for 512, or 96 for volumes. Larger tiles
                give more context and are faster.
            overlap: least number of pixels that adjacent tiles share; a quarter of a tile if None.
            blend: how probabilities are blended in the overlap: "gaussian" or "linear".
            margin: outer pixels of a tile to discard, where the padding at the tile's edge affects
                the prediction; a quarter of the overlap if None. With a margin of half the
                receptive field, and a picture whose sides are multiples of `output_stride`, the
                result equals that of the whole picture.

        Returns:
            uint8 class ids (h, w), or (d, h, w), or the path written.

        Raises:
            ValueError: if the sizes are inconsistent, the picture cannot be read, or `out` exists
                or has an unsupported extension.
            ImportError: if the picture is a GeoTIFF, `out` is a .tif file, and rasterio, which
                writes the georeference, is not installed.
        """
        return tiles.labels(self, picture, out, tile, overlap, blend, margin)

    def stream(self, source, *, drop=None, smoothing=0.0, draw=False):
        """Iterate over the frames of a video, camera or folder with their labels.

        Reading, network and drawing work at the same time; the order is kept.

        Args:
            source: path of a video; folder of pictures; number of a camera; address of a network
                camera, such as "rtsp://..."; or any iterable of pictures.
            drop: None to segment each frame, or "latest" to skip those that arrive while the
                network is busy.
            smoothing: share, 0 up to but not 1, of earlier frames in the probabilities of a frame.
            draw: whether to draw overlays as well.

        Returns:
            `keras_seg.inference.Stream`: an iterator of frames with `index`, `image`, `labels` and
            `overlay`, to use in a `with` block; its `rate` is in frames per second.

        Raises:
            ValueError: an argument is out of its range, or the source cannot be read.
            TypeError: the source is of another type.
        """
        from keras_seg.inference.stream import Stream

        return Stream(self, source, drop=drop, smoothing=smoothing, draw=draw)

    def show(self, picture):
        """Plot one picture, or a list of pictures, with the predicted classes.

        Args:
            picture: path or array, as in `__call__`, or a list of those; of a volume, the middle
                slice is drawn.

        Returns:
            Figure with one row of panels per picture.

        Raises:
            ValueError: as in `__call__`.
        """
        from keras_seg.show import show_predictions

        pictures = picture if isinstance(picture, list | tuple) else [picture]
        images = [self.read(one) for one in pictures]
        labels = [self.labels(image[None])[0] for image in images]
        return show_predictions(images, None, labels, self.class_names, self.palette)
