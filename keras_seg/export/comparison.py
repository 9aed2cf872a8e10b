"""Compares an export with the Keras model on pictures."""

import contextlib
import dataclasses
import itertools
import operator

import numpy as np
from tqdm.auto import tqdm

from keras_seg.export.litert import labels_from_scores


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The result of a comparison; the fields are those of `ExportReport`."""

    pictures: str
    agreement: float
    max_difference: float
    keras_mean_iou: float | None
    mean_iou: float | None
    keras_own_size_mean_iou: float | None = None
    keras_accuracy: float | None = None
    accuracy: float | None = None


def take_pictures(subject, pictures, num_pictures, shape):
    """The first pictures of an array or an iterable, resized to one size.

    Args:
        subject: name of the calling function.
        pictures: uint8 array (n, h, w, c), or an iterable of pictures (h, w, c), of batches
            (b, h, w, c), or of tuples that start with one of these.
        num_pictures: maximum number of pictures.
        shape: (height, width, channels); other sizes are resized, None keeps a size. For volumes
            (depth, height, width, channels); these are never resized.

    Returns:
        list of uint8 arrays (h, w, c) or (d, h, w, c).

    Raises:
        ValueError: if there is no picture, or one is not uint8 or has other channels.
        TypeError: if `pictures` is not an iterable of pictures.
    """
    if isinstance(pictures, str) or not hasattr(pictures, "__iter__"):
        raise TypeError(
            f"`{subject}` needs pictures as an array, or as an iterable of pictures or of batches. "
            f"Received: {type(pictures).__name__}. For example, pass data.train_batches(4)."
        )

    def each():
        for item in pictures:
            item = np.asarray(item[0] if isinstance(item, tuple | list) else item)
            yield from item if item.ndim == len(shape) + 1 else [item]

    taken = list(bar(itertools.islice(each(), num_pictures), "read images", num_pictures))
    for picture in taken or [np.zeros(0)]:
        check_pictures(subject, picture, shape)
    return [resized(picture[np.newaxis], shape[:-1])[0] for picture in taken]


def bar(batches, words, total=None):
    """A progress bar around batches, shown in terminals and notebooks only.

    Args:
        batches: an iterable.
        words: description shown before the bar.
        total: number of batches; None uses the length of `batches`.

    Returns:
        An iterable of the same batches.

    >>> list(bar([1, 2], "compare"))
    [1, 2]
    """
    # A tf.data.Dataset of unknown length refuses `len` with a TypeError, which this hint allows.
    total = total or operator.length_hint(batches) or None
    return tqdm(batches, words, total, disable=None, leave=False)


def check_pictures(subject, pictures, shape):
    """Raise unless these are uint8 pictures (..., h, w, c), or volumes (..., d, h, w, c).

    Volumes also have the size that the model has, if it has one.
    """
    *sizes, channels = shape
    fits = pictures.ndim in (len(shape), len(shape) + 1) and pictures.shape[-1] == channels
    if fits and len(sizes) == 3:
        given = pictures.shape[-4:-1]
        fits = all(want in (None, have) for want, have in zip(sizes, given, strict=True))
    if not fits or pictures.dtype != "uint8":
        what, names = ("pictures", "hw") if len(sizes) == 2 else ("volumes", "dhw")
        wanted = [str(size or name) for size, name in zip(sizes, names, strict=True)]
        axes = ", ".join(wanted if what == "volumes" else names)
        raise ValueError(
            f"`{subject}` needs at least one of uint8 {what} ({axes}, {channels}) with pixels "
            f"0..255. Received: shape={pictures.shape}, dtype={pictures.dtype}. "
            f"Pass an array, or an iterable of {what} or of batches."
        )


def resized(images, size, nearest=False):
    """Resize images.

    Args:
        images: array (b, h, w, c), or volumes that already have the size.
        size: (height, width); None in it keeps the size.
        nearest: whether to use the nearest neighbor, as for label maps, or to interpolate.

    Returns:
        Array (b, height, width, c) of the same dtype.
    """
    if None in size or images.shape[1:-1] == tuple(size):
        return images
    import tensorflow as tf

    method = "nearest" if nearest else "bilinear"
    result = np.asarray(tf.image.resize(images, size, method=method, antialias=not nearest))
    return result if nearest else np.round(result).astype(images.dtype)


def noise(num_pictures, shape, seed=0):
    """Pictures of coarse and fine noise, for a comparison without real pictures.

    Args:
        num_pictures: number of pictures.
        shape: (height, width, channels), or (depth, height, width, channels).
        seed: the same seed gives the same pictures.

    Returns:
        list of uint8 arrays of that shape.

    >>> noise(2, (32, 40, 3))[0].shape
    (32, 40, 3)
    """
    generator = np.random.default_rng(seed)
    *sizes, channels = shape
    block = np.ones((*(16,) * len(sizes), 1))
    pictures = []
    for _ in range(num_pictures):
        coarse = generator.uniform(0, 255, (*(size // 16 + 1 for size in sizes), channels))
        soft = np.kron(coarse, block)[tuple(slice(size) for size in sizes)]
        fine = generator.normal(0, 16, shape)
        pictures.append((soft + fine).clip(0, 255).astype("uint8"))
    return pictures


def labeled_batches(subject, data, shape, size, classes=False):
    """Batches (image, label) as numpy arrays, resized.

    Args:
        subject: name of the calling function.
        data: iterable of (image uint8 (b, h, w, c), label integer (b, h, w)), or of volumes.
        shape: (height, width, channels) of the model's input; its channels are checked.
        size: (height, width) to resize to; None in it keeps the size. Volumes are not resized.
        classes: whether labels are class ids (b,) instead of label maps.

    Yields:
        (image, label, own): image and label resized, and own=(image, label) at their original
        size.

    Raises:
        ValueError: if an element is not such a pair, or there is none.
    """
    item = None
    for item in bar(data, "compare"):
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise ValueError(
                f"`{subject}` needs data=batches of (image, label). "
                f"Received: an element of type {type(item).__name__}. "
                "For example, pass dataset.eval_batches('val', 4)."
            )
        image, label = np.asarray(item[0]), np.asarray(item[1])
        check_pictures(subject, image, shape)
        if label.shape != (image.shape[:1] if classes else image.shape[:-1]):
            wanted = "class ids (b,)" if classes else "labels (b, h, w) of the size"
            one = "class id" if classes else "label map"
            raise ValueError(
                f"`{subject}` needs {wanted} of their images (b, h, w, c). "
                f"Received: image shape={image.shape}, label shape={label.shape}. "
                f"Pass one {one} for each picture."
            )
        own = (image, label)
        if None not in size and image.shape[1:-1] != tuple(size):
            if not classes:
                label = resized(label[..., np.newaxis], size, nearest=True)[..., 0]
            image = resized(image, size)
        yield image, label, own
    if item is None:
        raise ValueError(
            "An export is compared with the Keras model on at least one batch of pictures. "
            "Received: data without any. For example, pass dataset.eval_batches('val', 4), not an "
            "exhausted iterator."
        )


@contextlib.contextmanager
def _full_precision():
    """Disable TF32 on GPUs, whose 11-bit precision would distort the comparison."""
    import tensorflow as tf

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


@_full_precision()
def compare(reference, exported, batches, words, any_size=False):
    """Run the Keras model and the export on the same pictures.

    Args:
        reference: callable from uint8 (b, h, w, c) to float scores (b, h, w, num_classes).
        exported: callable from the same to (labels (b, h, w), scores (b, h, w, num_classes)).
        batches: at least one (image, label, own), as from `labeled_batches`; label and own are
            None for pictures without labels.
        words: description of the pictures, such as "noise pictures".
        any_size: whether the reference also takes pictures at their original size.

    Returns:
        Comparison; mean IoU, or of classifiers accuracy, over the labeled batches only.
    """
    num_pictures = num_same = num_pixels = 0
    largest, tally = 0.0, _Tally()
    for image, label, own in batches:
        scores = np.asarray(reference(image))
        labels, exported_scores = exported(image)
        expected = labels_from_scores(scores)
        num_pictures += len(image)
        num_pixels += expected.size
        num_same += np.count_nonzero(expected == labels)
        # A difference of nan counts as infinite.
        difference = np.nan_to_num(np.abs(scores - exported_scores), nan=np.inf)
        largest = max(largest, float(difference.max()))
        if label is None:
            continue
        if scores.ndim == 2:
            tally.hit(len(label), keras_accuracy=expected == label, accuracy=labels == label)
            continue
        tally.add(scores.shape[-1], keras_mean_iou=(label, expected), mean_iou=(label, labels))
        if any_size:
            again = own[0].shape == image.shape
            found = expected if again else labels_from_scores(np.asarray(reference(own[0])))
            tally.add(scores.shape[-1], keras_own_size_mean_iou=(own[1], found))
            tally.differ |= not again
    means = tally.means()
    if not tally.differ:
        means.pop("keras_own_size_mean_iou", None)
    none = {"keras_mean_iou": None, "mean_iou": None}
    return Comparison(f"{num_pictures} {words}", num_same / num_pixels, largest, **(none | means))


class _Tally:
    """Confusion matrices by the name of their mean IoU; pictures that are right by another."""

    def __init__(self):
        self.matrices = {}
        self.hits, self.pictures = {}, 0
        self.differ = False  # whether a picture's own size is another than the export's

    def add(self, num_classes, **pairs):
        """Count (truth, found) for each name."""
        from keras_seg.metrics import confusion_matrix  # here, as it imports keras

        for name, (truth, found) in pairs.items():
            matrix = confusion_matrix(truth, found, num_classes)
            self.matrices[name] = self.matrices.get(name, 0) + matrix

    def hit(self, pictures, **right):
        """Count the pictures of a classifier that are right, for each name."""
        self.pictures += pictures
        for name, found in right.items():
            self.hits[name] = self.hits.get(name, 0) + int(np.sum(found))

    def means(self):
        """Mean IoU, or accuracy, by name."""
        from keras_seg.metrics import mean_iou

        shares = {name: hits / self.pictures for name, hits in self.hits.items()}
        return shares | {name: mean_iou(matrix) for name, matrix in self.matrices.items()}


def count_of(found):
    """The number of pictures of a comparison, with which their description begins.

    >>> count_of(Comparison("12 noise pictures", 1.0, 0.0, None, None))
    12
    """
    return int(found.pictures.split()[0])


def require(subject, path, found, min_agreement, max_iou_drop=None):
    """Raise unless an export agrees with the Keras model.

    Args:
        subject: name of the calling function.
        path: where the export would have been written.
        found: result of `compare`.
        min_agreement: least share of pixels with the same label, or None.
        max_iou_drop: largest loss of mean IoU, or of accuracy, 0..1, or None; needs labeled
            pictures.

    Raises:
        ValueError: if the export does not agree.
    """
    received = f"agreement={found.agreement:.5f}"
    rules = []
    if not np.isfinite(found.max_difference):
        rules.append("scores to be finite numbers")
        received += f", max_difference={found.max_difference}"
    if min_agreement is not None and found.agreement < min_agreement:
        rules.append(f"labels as in Keras on at least {min_agreement:.2%} of the pixels")
    if max_iou_drop is not None and found.keras_mean_iou is not None:
        if not found.keras_mean_iou - found.mean_iou <= max_iou_drop:
            rules.append(f"a loss of mean IoU of at most {max_iou_drop}")
            received += f", mean IoU={found.mean_iou:.4f} after {found.keras_mean_iou:.4f}"
    if max_iou_drop is not None and found.keras_accuracy is not None:
        # One picture more or less is no loss: of few pictures it is a large share.
        if not found.keras_accuracy - found.accuracy <= max(max_iou_drop, 1.5 / count_of(found)):
            rules.append(f"a loss of accuracy of at most {max_iou_drop}")
            received += f", accuracy={found.accuracy:.4f} after {found.keras_accuracy:.4f}"
    if rules:
        raise ValueError(
            f"`{subject}` compares an export with the Keras model before it keeps it, and needs "
            f"{' and '.join(rules)}. Received: {received} on {found.pictures}. Nothing was written "
            f"to {str(path)!r}. Check that the model is trained and, for int8, calibrated on "
            "training pictures; or accept the difference with `min_agreement`."
        )
