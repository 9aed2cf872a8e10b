"""What a segmenter, an ensemble and the like have in common: the way from pictures to labels."""

from abc import ABC, abstractmethod

import numpy as np

from keras_seg._pictures import read_picture


class Predictor(ABC):
    """Pictures in; label maps, probabilities and figures out.

    A kind of predictor says how a batch becomes probabilities; everything else is here.

    Attributes:
        num_classes: classes told apart.
        num_channels: channels of the pictures.
        class_names: one name per class.
        palette: one colour (r, g, b) in 0..255 per class, or None.
        output_stride: a picture cut at multiples of this many pixels meets the same grid of
            coarse features as the whole one.
        fixed_size: (height, width) where the network takes one size only, else None.
    """

    num_classes: int
    num_channels: int
    class_names: tuple
    palette: list | None
    output_stride: int
    fixed_size: tuple | None

    @abstractmethod
    def _probabilities(self, batch: np.ndarray) -> np.ndarray:
        """Return float32 probabilities (b, h, w, num_classes) of uint8 pixels (b, h, w, c)."""

    def __call__(self, picture):
        """Return the label map of a picture, at the picture's own size.

        Args:
            picture: path of a picture, or array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) with
                red, green, blue in 0..255; or a list of those. Grey becomes colour, and alpha is
                dropped, where the model wants three channels.

        Returns:
            uint8 class ids (h, w); a list of those for a list.

        Raises:
            ValueError: if a file is no picture, or an array's shape or range does not fit.
        """
        if isinstance(picture, list | tuple):
            return [self(one) for one in picture]
        return self.labels(read_picture(picture, self.num_channels)[None])[0]

    def labels(self, batch) -> np.ndarray:
        """Return the class ids of a batch: the raw way in, for evaluation and callbacks.

        Args:
            batch: uint8 pixels (b, h, w, num_channels).

        Returns:
            uint8 class ids (b, h, w).
        """
        return self._probabilities(np.asarray(batch)).argmax(axis=-1).astype(np.uint8)

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
        if np.ndim(picture) == 4:
            return self._probabilities(np.asarray(picture))
        return self._probabilities(read_picture(picture, self.num_channels)[None])[0]

    def tiles(self, picture, out=None, tile=512, overlap=None, blend="gaussian", margin=None):
        """Return the label map of a picture of any size, made of tiles, in bounded memory.

        Memory beside the network's own: the label map or, with `out`, one row of tiles of it, one
        row of tiles of the picture, and num_classes * 4 bytes for each pixel of one overlap as
        long as the picture is wide. Paths of .npy, .tif and .png files, `numpy.memmap` and the
        like are read piece by piece; other files are held whole, a JPEG in 4 bytes per pixel.

        Args:
            picture: path, array, or anything with uint8 pixels that is cut like an array
                (`numpy.memmap`, h5py, zarr).
            out: path of a .npy or .png file to write the label map to; None returns it.
            tile: side of a tile in pixels, or (height, width); rounded up to a multiple of
                `output_stride`. Larger tiles see more context and are faster.
            overlap: pixels that neighbouring tiles share at least; a quarter of a tile if None.
            blend: how probabilities change from a tile to the next in the overlap: "gaussian"
                or "linear".
            margin: outer pixels of a tile that count for nothing, since they see the tile's edge
                where the picture goes on; a quarter of the overlap if None. With half the
                receptive field, and a picture whose sides are multiples of `output_stride`,
                the result equals that of the whole picture.

        Returns:
            uint8 class ids (h, w), or the path written.

        Raises:
            ValueError: if sizes do not fit together, or `out` exists or has another ending.
        """
        from keras_seg.inference.tiles import labels

        return labels(self, picture, out, tile, overlap, blend, margin)

    def show(self, picture):
        """Return a figure of one picture, or of a list of them, with what was found in each."""
        from keras_seg.show import show_predictions

        pictures = picture if isinstance(picture, list | tuple) else [picture]
        images = [read_picture(one, self.num_channels) for one in pictures]
        labels = [self.labels(image[None])[0] for image in images]
        return show_predictions(images, None, labels, self.class_names, self.palette)
