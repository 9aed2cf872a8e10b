"""What a segmenter, an ensemble and the like have in common: the way from pictures to labels."""

from abc import ABC, abstractmethod

import numpy as np

from keras_seg.inference import tiles
from pipelines.read import InputSpec, as_image

PROPERTIES = (
    "num_classes", "num_channels", "dimensions", "class_names", "palette", "fixed_size",
    "input_spec",
)  # fmt: skip


def share_properties(predictor, segmenter):
    """Give a predictor the classes, channels and colors of the one that it is made of."""
    for name in PROPERTIES:
        setattr(predictor, name, getattr(segmenter, name))


def require_predictor(subject, value):
    """Raise unless this is a segmenter, or what this package makes of one.

    Args:
        subject: who asks, such as "tiled".
        value: what was received.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, Predictor):
        raise TypeError(
            f"`{subject}` needs a Segmenter, or what this package makes of one. "
            f"Received: {type(value).__name__}. Pass Segmenter(model), or `run.segmenter()`."
        )


class Predictor(ABC):
    """Pictures in; label maps, probabilities and figures out.

    A kind of predictor says how a batch becomes probabilities; everything else is here.

    Attributes:
        num_classes: classes told apart.
        num_channels: channels of the pictures.
        dimensions: 2 for pictures; 3 for volumes (d, h, w) or (d, h, w, c), which are then meant
            wherever pictures (h, w) or (h, w, c) are said.
        class_names: one name per class.
        palette: one color (r, g, b) in 0..255 per class, or None.
        output_stride: a picture cut at multiples of this many pixels meets the same grid of
            coarse features as the whole one.
        fixed_size: (height, width), or (depth, height, width), where the network takes one size
            only, else None.
        input_spec: how files become pixels: the one of the training.
    """

    num_classes: int
    num_channels: int
    class_names: tuple
    palette: list | None
    output_stride: int
    fixed_size: tuple | None
    _input_spec: InputSpec | None = None
    dimensions: int = 2

    @property
    def input_spec(self) -> InputSpec:
        """How files become pixels; the plain way where nothing else is set."""
        return self._input_spec or InputSpec(self.num_channels, self.dimensions)

    @input_spec.setter
    def input_spec(self, spec: InputSpec) -> None:
        self._input_spec = spec

    def read(self, picture) -> np.ndarray:
        """Return a path or an array as the uint8 pixels (h, w, c) or (d, h, w, c) it stands for."""
        return as_image(picture, self.input_spec)

    @abstractmethod
    def _probabilities(self, batch: np.ndarray) -> np.ndarray:
        """Return float32 probabilities (b, h, w, num_classes) of uint8 pixels (b, h, w, c)."""

    def __call__(self, picture):
        """Return the label map of a picture, at the picture's own size.

        Args:
            picture: path of a picture, or array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) with
                red, green, blue in 0..255; or a list of those. Gray becomes color, and alpha is
                dropped, where the model wants three channels. For a model of volumes, an array
                (d, h, w) or (d, h, w, c) in 0..255, or the path of a .npy, .npz or NIfTI file or
                of a TIFF stack.

        Returns:
            uint8 class ids (h, w), or (d, h, w); a list of those for a list.

        Raises:
            ValueError: if a file is no picture, or an array's shape or range does not fit.
        """
        if isinstance(picture, list | tuple):
            return [self(one) for one in picture]
        return self.labels(self.read(picture)[None])[0]

    def labels(self, batch) -> np.ndarray:
        """Return the class ids of a batch: the raw way in, for evaluation and callbacks.

        Args:
            batch: uint8 pixels (b, h, w, num_channels); of volumes (b, d, h, w, num_channels).

        Returns:
            uint8 class ids (b, h, w), or (b, d, h, w).

        Raises:
            ValueError: if it is no such batch.
        """
        return self._probabilities(self._checked(batch)).argmax(axis=-1).astype(np.uint8)

    def probabilities(self, picture):
        """Return how probable each class is at every pixel.

        Args:
            picture: what a call takes, or a uint8 batch (b, h, w, num_channels).

        Returns:
            float32 in 0..1, (h, w, num_classes), whose sum over the classes is 1; with b in front
            for a batch; a list for a list.

        Raises:
            ValueError: as for a call.
        """
        if isinstance(picture, list | tuple):
            return [self.probabilities(one) for one in picture]
        if np.ndim(picture) == self.dimensions + 2:
            return self._probabilities(self._checked(picture))
        return self._probabilities(self.read(picture)[None])[0]

    def _checked(self, batch) -> np.ndarray:
        """Return a batch as an array, or say why it is none."""
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
        """Return the label map of a picture of any size, made of tiles, in bounded memory.

        Memory beside the network's own: the label map or, with `out`, one row of tiles of it, one
        row of tiles of the picture, and num_classes * 4 bytes for each pixel of one overlap as
        long as the picture is wide. Paths of .npy, .tif and .png files, `numpy.memmap` and the
        like are read piece by piece, with rasterio also .vrt, .jp2 and .img files; other files
        are held whole. Of a volume, a row of tiles is all tiles of the same slices.

        With `pip install keras_seg[geo]` and a .tif file as `out`, a georeferenced picture makes
        a GeoTIFF with the same coordinate reference system and transform, the palette, and 255
        (its nodata value) where the picture has no data.

        Args:
            picture: path, array, or anything with uint8 pixels that is cut like an array
                (`numpy.memmap`, h5py, zarr).
            out: path of a .npy, .png or .tif file to write the label map to, for volumes .npy;
                None returns it.
            tile: side of a tile in pixels, or (height, width), or (depth, height, width); rounded
                up to a multiple of `output_stride`. None for 512, for volumes 96. Larger tiles
                see more context and are faster.
            overlap: pixels that neighboring tiles share at least; a quarter of a tile if None.
            blend: how probabilities change from a tile to the next in the overlap: "gaussian"
                or "linear".
            margin: outer pixels of a tile to discard, since they see the tile's edge where the
                picture goes on; a quarter of the overlap if None. With half the receptive field,
                and a picture whose sides are multiples of `output_stride`, the result equals that
                of the whole picture.

        Returns:
            uint8 class ids (h, w), or (d, h, w), or the path written.

        Raises:
            ValueError: if sizes do not fit together, the picture cannot be read, or `out` exists
                or has another ending.
            ImportError: if the picture is a GeoTIFF, `out` is a .tif file, and rasterio, which
                keeps the georeference, is not installed.
        """
        return tiles.labels(self, picture, out, tile, overlap, blend, margin)

    def show(self, picture):
        """Return a figure of one picture, or of a list of them, with what was found in each.

        Args:
            picture: path or array, as for a call, or a list of those; of volumes, the middle
                slice is drawn.

        Returns:
            figure with one row of panels per picture.

        Raises:
            ValueError: as for a call.
        """
        from keras_seg.show import show_predictions

        pictures = picture if isinstance(picture, list | tuple) else [picture]
        images = [self.read(one) for one in pictures]
        labels = [self.labels(image[None])[0] for image in images]
        return show_predictions(images, None, labels, self.class_names, self.palette)
