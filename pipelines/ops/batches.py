"""Ops on batches: mix pictures, or resize all of them.

Such an op has `op.on_batch = True` and takes what an op on examples takes, with an additional first
axis: `image` uint8 (b, h, w, c), `label` uint8 (b, h, w) and one `seed` int32 (2,) for all. In a
list of ops it comes after those on examples.
"""

import tensorflow as tf

from pipelines.ops.example import (
    IGNORE_CLASS,
    Example,
    Op,
    check_count,
    check_number,
    check_scale,
    fold_in,
    nearest,
    to_pixels,
)


def on_batch(op: Op, mixes: bool = True) -> Op:
    """Mark an op as one that takes batches, and perhaps mixes their pictures."""
    op.on_batch = True  # type: ignore[attr-defined]
    op.mixes = mixes  # type: ignore[attr-defined]
    return op


def cutmix(probability: float = 0.5) -> Op:
    """Paste a rectangle of the batch's next picture, with its mask, at the same place.

    For volumes, a box.

    Yun et al.: CutMix, arXiv 1905.04899; for masks as in French et al., arXiv 1906.01916. The
    share of the picture that is pasted over is uniform in 0..1.

    Args:
        probability: share of mixed pictures, 0..1.

    Returns:
        op(batch) -> batch.

    Raises:
        ValueError: if the probability is outside 0..1.

    >>> import numpy as np
    >>> label = np.repeat(np.arange(2, dtype="uint8"), 64).reshape(2, 8, 8)
    >>> batch = {"image": label[..., None], "label": label, "seed": (0, 1)}
    >>> cutmix(1.0)(batch)["label"].shape
    TensorShape([2, 8, 8])
    """
    check_number("cutmix", "probability", probability, 0, 1)

    def op(batch: Example) -> Example:
        axes = len(batch["label"].shape) - 1
        count, *sizes = tf.unstack(tf.shape(batch["label"]), num=axes + 1)
        draws = tf.random.stateless_uniform([2 + axes, count, 1], batch["seed"])
        chance, share, *starts = tf.unstack(draws)
        side = tf.sqrt(share) if axes == 2 else share ** (1 / axes)
        pasted = tf.reshape(chance < probability, [count] + [1] * axes)
        for axis, (start, size) in enumerate(zip(starts, sizes, strict=True)):
            size = tf.cast(size, tf.float32)
            middles = tf.range(size) + 0.5
            first = start * (1 - side) * size
            within = tf.logical_and(middles >= first, middles < first + side * size)
            shape = [count] + [1] * axis + [-1] + [1] * (axes - 1 - axis)
            pasted = tf.logical_and(pasted, tf.reshape(within, shape))
        return _paste(batch, pasted)

    return on_batch(op)


def classmix(probability: float = 0.5) -> Op:
    """Paste half of the classes of the batch's next picture, pixel by pixel, with their mask.

    Olsson et al.: ClassMix, arXiv 2007.07936.

    Args:
        probability: share of mixed pictures, 0..1.

    Returns:
        op(batch) -> batch. Half of the classes that a mask shows, rounded up, are pasted;
        ignored pixels never are.

    Raises:
        ValueError: if the probability is outside 0..1.

    >>> import numpy as np
    >>> label = np.repeat(np.arange(2, dtype="uint8"), 64).reshape(2, 8, 8)
    >>> batch = {"image": label[..., None], "label": label, "seed": (0, 1)}
    >>> classmix(1.0)(batch)["label"][:, 0, 0].numpy().tolist()
    [1, 0]
    """
    check_number("classmix", "probability", probability, 0, 1)

    def op(batch: Example) -> Example:
        seed = batch["seed"]
        other = tf.roll(batch["label"], -1, axis=0)
        count = tf.shape(other)[0]
        ids = tf.cast(tf.reshape(other, [count, -1]), tf.int32)
        shown = tf.math.bincount(ids, minlength=256, axis=-1)[:, :IGNORE_CLASS] > 0
        scores = tf.random.stateless_uniform(tf.stack([count, IGNORE_CLASS]), fold_in(seed, 0))
        scores = tf.where(shown, scores, -1.0)
        half = (tf.reduce_sum(tf.cast(shown, tf.int32), axis=1) + 1) // 2
        ranks = tf.argsort(tf.argsort(scores, direction="DESCENDING", stable=True))
        chosen = tf.logical_and(shown, ranks < half[:, None])
        lucky = tf.random.stateless_uniform(tf.stack([count, 1]), fold_in(seed, 1)) < probability
        chosen = tf.pad(tf.logical_and(chosen, lucky), [[0, 0], [0, 1]])
        pasted = tf.gather(chosen, tf.cast(other, tf.int32), batch_dims=1)
        return _paste(batch, pasted)

    return on_batch(op)


def mosaic(probability: float = 0.5) -> Op:
    """Combine windows of four pictures of the batch into one.

    Bochkovskiy et al.: YOLOv4, arXiv 2004.10934; without its scaling, which is an op of its own.
    The four windows meet at a random point in the inner half of the picture, and each shows a
    random part of its picture.

    Args:
        probability: share of such pictures, 0..1.

    Returns:
        op(batch) -> batch. Batches of fewer than four pictures use some of them twice.

    Raises:
        ValueError: if the probability is outside 0..1.

    >>> import numpy as np
    >>> label = np.repeat(np.arange(4, dtype="uint8"), 64).reshape(4, 8, 8)
    >>> batch = {"image": label[..., None], "label": label, "seed": (0, 1)}
    >>> mosaic(1.0)(batch)["label"][0, ::7, ::7].numpy().tolist()
    [[0, 1], [2, 3]]
    """
    check_number("mosaic", "probability", probability, 0, 1)

    def op(batch: Example) -> Example:
        _require_pictures("mosaic", batch)
        image, label = batch["image"], batch["label"]
        # Pictures and masks in one array: every window is then cut once.
        both = tf.concat([image, label[..., None]], axis=-1)
        count = tf.shape(both)[0]
        draws = tf.random.stateless_uniform(tf.stack([count, 11]), batch["seed"])

        def single(item):
            index, numbers = item
            indices = (index + tf.range(4)) % count
            return tf.cond(
                numbers[0] < probability,
                lambda: _four(tf.gather(both, indices), numbers[1:]),
                lambda: both[index],
            )

        spec = tf.TensorSpec(both.shape[1:], tf.uint8)
        both = tf.map_fn(single, (tf.range(count), draws), fn_output_signature=spec)
        image = tf.ensure_shape(both[..., :-1], image.shape)
        return {**batch, "image": image, "label": tf.ensure_shape(both[..., -1], label.shape)}

    return on_batch(op)


def multi_scale(low: float = 0.75, high: float = 1.5, multiple: int = 32) -> Op:
    """Resize the whole batch by one random factor, so that sizes differ from batch to batch.

    Args:
        low: smallest factor, above 0.
        high: largest factor; factors are uniform in low..high.
        multiple: sizes are rounded to a multiple of it, and are at least that.

    Returns:
        op(batch) -> batch of unknown static size: the picture bilinear, the mask nearest.

    Raises:
        ValueError: if a number is out of range.

    >>> import numpy as np
    >>> label = np.zeros((2, 64, 96), "uint8")
    >>> batch = {"image": label[..., None], "label": label, "seed": (0, 1)}
    >>> multi_scale(0.5, 0.5)(batch)["label"].shape
    TensorShape([2, 32, 64])
    """
    check_scale("multi_scale", low, high)
    check_count("multi_scale", "multiple", multiple)

    def op(batch: Example) -> Example:
        _require_pictures("multi_scale", batch)
        image, label = batch["image"], batch["label"]
        scale = low + (high - low) * tf.random.stateless_uniform((), batch["seed"])
        old = tf.shape(label)[1:]
        steps = tf.floor(tf.cast(old, tf.float32) * scale / multiple + 0.5)
        size = tf.maximum(tf.cast(steps, tf.int32), 1) * multiple
        pixels = tf.raw_ops.ResizeBilinear(images=image, size=size, half_pixel_centers=True)
        label = tf.gather(label, nearest(old[1], size[1]), axis=2)
        label = tf.gather(label, nearest(old[0], size[0]), axis=1)
        image = tf.ensure_shape(to_pixels(pixels), (image.shape[0], None, None, image.shape[-1]))
        return {**batch, "image": image, "label": label}

    return on_batch(op, mixes=False)


def _require_pictures(subject: str, batch: Example) -> None:
    if len(batch["label"].shape) != 3:
        raise ValueError(
            f"`{subject}` is for pictures (b, h, w, c). Received: image of shape "
            f"{tuple(batch['image'].shape)}, volumes. Use cutmix or classmix."
        )


def _paste(batch: Example, pasted) -> Example:
    """Replace pixels, bool (b, h, w), by those of the next picture; the first follows the last."""
    image, label = (tf.convert_to_tensor(batch[key]) for key in ("image", "label"))
    mixed = tf.where(pasted[..., None], tf.roll(image, -1, axis=0), image)
    label_mixed = tf.where(pasted, tf.roll(label, -1, axis=0), label)
    mixed, label_mixed = (
        tf.ensure_shape(mixed, image.shape),
        tf.ensure_shape(label_mixed, label.shape),
    )
    return {**batch, "image": mixed, "label": label_mixed}


def _four(pictures, draws):
    """Put windows of four pictures (4, h, w, c) together; ten draws in 0..1 say where."""
    height, width = tf.shape(pictures)[1], tf.shape(pictures)[2]
    middle = tf.cast(tf.cast(height, tf.float32) * (0.25 + 0.5 * draws[0]), tf.int32)
    center = tf.cast(tf.cast(width, tf.float32) * (0.25 + 0.5 * draws[1]), tf.int32)

    def cut(number: int, rows, columns):
        room = tf.cast(tf.stack([height - rows, width - columns]), tf.float32) + 0.999
        top, left = tf.unstack(tf.cast(draws[2 + 2 * number : 4 + 2 * number] * room, tf.int32))
        return tf.slice(pictures[number], [top, left, 0], [rows, columns, -1])

    upper = tf.concat([cut(0, middle, center), cut(1, middle, width - center)], axis=1)
    rest = height - middle
    lower = tf.concat([cut(2, rest, center), cut(3, rest, width - center)], axis=1)
    return tf.ensure_shape(tf.concat([upper, lower], axis=0), pictures.shape[1:])
