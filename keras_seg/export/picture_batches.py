"""Pictures on which an export is compared with the Keras model."""

import itertools
import operator

import numpy as np
from tqdm.auto import tqdm

from keras_seg.export.refusals import refusals

# Sizes of noise by number of dimensions; large enough for networks that begin without padding,
# such as Inception (75).
_USUAL = {2: (128, 192), 3: (32, 48, 64)}
_ODD = {2: (101, 115), 3: (33, 35, 37)}


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

    taken = list(bar(itertools.islice(each(), num_pictures), "read pictures", num_pictures))
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


def some_size(sizes, odd=False):
    """Return a size that a model takes.

    Args:
        sizes: (height, width), or (depth, height, width), of the model; None for any.
        odd: whether the sizes that are free are odd numbers.

    Returns:
        list of int.

    >>> some_size((None, 64), odd=True)
    [101, 64]
    """
    defaults = (_ODD if odd else _USUAL)[len(sizes)]
    return [size or default for size, default in zip(sizes, defaults, strict=True)]


def takes(model, picture):
    """Whether a Keras model computes a picture of a size.

    Some networks of any size need a multiple of a number, such as a U-Net that puts maps together
    without cropping them.

    Args:
        model: from `exportable.logits_model`.
        picture: uint8 (h, w, c) or (d, h, w, c).

    Returns:
        bool.
    """
    try:
        model(picture[np.newaxis].astype("float32"), training=False)
    except refusals():
        return False
    return True


def comparison_batches(subject, model, pictures=None, data=None):
    """Batches on which an export of any size is compared, and their description.

    Args:
        subject: name of the calling function.
        model: from `exportable.logits_model`.
        pictures: pictures as `take_pictures` accepts; 16 are used.
        data: batches (image, label), which are all used; else `pictures`, else noise.

    Returns:
        (iterable of (image, label, own), description); the last batch is noise of an odd size if
        the model takes any size.
    """
    shape, classes = model.input_shape[1:], len(model.output_shape) == 2
    size = shape[:-1]
    if data is not None:
        batches = labeled_batches(subject, data, shape, size, classes)
        words = "labeled pictures"
    elif pictures is not None:
        taken = take_pictures(subject, pictures, 16, shape)
        batches = ((picture[np.newaxis], None, None) for picture in taken)
        words = "given pictures"
    else:
        batches = [(np.stack(noise(4, (*some_size(size), shape[-1]))), None, None)]
        words = "noise pictures"
    if None in size:
        odd = some_size(size, odd=True)
        (picture,) = noise(1, (*odd, shape[-1]))
        words_of_size = "x".join(map(str, odd))
        if takes(model, picture):
            batches = itertools.chain(batches, [(picture[np.newaxis], None, None)])
            words += f", one of them noise of {words_of_size}"
        else:
            words += f"; the model does not take {words_of_size}"
    return batches, words
