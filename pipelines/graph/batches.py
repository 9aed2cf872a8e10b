"""tf.data graphs of batches from a store of pictures."""

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import tensorflow as tf

from pipelines.graph.store import Store
from pipelines.ops.example import Example, Op, fold_in, uniform

# Two independent streams of random numbers from one seed.
_SHUFFLE, _AUGMENT = 0, 1


def train_batches(
    store: Store,
    batch_size: int,
    ops: Sequence[Op],
    seed: int,
    epochs: range,
) -> tf.data.Dataset:
    """Shuffle, augment and batch pictures for training; see `Dataset.train_batches`."""
    count = len(store)
    kept = count // batch_size * batch_size
    read = store.reader()
    repeats = math.prod(getattr(op, "repeats", 1) for op in ops)
    single = [op for op in ops if not getattr(op, "on_batch", False)]
    together = ops[len(single) :]

    def order(epoch):
        epoch_seed = fold_in([seed, _SHUFFLE], epoch)
        indices = draw(epoch_seed, count, store.weights)
        places = tf.range(kept)
        # Repeats of a picture are consecutive examples with different numbers.
        indices, copies = tf.gather(indices, places // repeats), places % repeats
        # With weights a picture may recur, so its position is the number.
        numbers = indices + copies * count if store.weights is None else places
        return tf.fill([kept], epoch), indices, numbers

    def example(epoch, index, number):
        example_seed = fold_in(fold_in([seed, _AUGMENT], epoch), number)
        image, label = read(index)
        if store.class_ids is None:
            return apply_ops({"image": image, "label": label, "seed": example_seed}, single)
        # Ops transform a mask along with its picture; a class id does not change.
        mask = tf.zeros(tf.shape(image)[:-1], tf.uint8)
        mask = tf.ensure_shape(mask, image.shape[:-1])
        moved = apply_ops({"image": image, "label": mask, "seed": example_seed}, single)
        return {**moved, "class_id": label}

    def mix(batch):
        # The batch's seed is that of its first example, with op numbers not used before.
        mixed = apply_ops({**batch, "seed": batch["seed"][0]}, together, start=len(single))
        return {**batch, **mixed}

    # `unbatch` knows the number of examples. Asserting it would stop each worker of a tf.data
    # service that runs a share of the epochs.
    graph = tf.data.Dataset.range(epochs.start, epochs.stop).map(order).unbatch()
    graph = graph.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    _check_one_size(graph, batch_size)
    graph = graph.batch(batch_size, drop_remainder=True)
    if together:
        graph = graph.map(mix, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    label = "label" if store.class_ids is None else "class_id"
    return graph.map(lambda batch: (batch["image"], batch[label])).prefetch(tf.data.AUTOTUNE)


def draw(seed, count: int, weights: np.ndarray | None) -> tf.Tensor:
    """Return the pictures of an epoch in random order, int32 (count,).

    Without weights, each comes once. With weights, one comes `count * weight / sum of weights`
    times, rounded up or down at random so that the mean over epochs is exact.
    """
    order = tf.argsort(uniform(seed, count), stable=True)
    if weights is None:
        return order
    # Systematic sampling: `count` equidistant points over the cumulative weights.
    ends = tf.cumsum(tf.gather(weights / weights.sum() * count, order))
    start = tf.cast(uniform(fold_in(seed, 1), 1), tf.float64)
    places = tf.minimum(start + tf.range(count, dtype=tf.float64), ends[-1])
    drawn = tf.gather(order, tf.minimum(tf.searchsorted(ends, places, side="right"), count - 1))
    return tf.gather(drawn, tf.argsort(uniform(fold_in(seed, 2), count), stable=True))


def eval_batches(store: Store, batch_size: int) -> tf.data.Dataset:
    """Batch pictures of equal size; see `Dataset.eval_batches`."""
    read = store.reader()
    chunks = _chunks(store.sizes, batch_size)
    image_spec = tf.TensorSpec((*store.static_size, store.num_channels), tf.uint8)
    spec = (image_spec, store.label_spec)

    def batch(indices):
        return tf.map_fn(read, indices[indices >= 0], fn_output_signature=spec)

    graph = tf.data.Dataset.from_tensor_slices(chunks)
    graph = graph.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return graph.prefetch(tf.data.AUTOTUNE)


def eval_order(store: Store, batch_size: int) -> np.ndarray:
    """Return the index of each picture of `eval_batches`, int64 (n,)."""
    chunks = _chunks(store.sizes, batch_size)
    return chunks[chunks >= 0]


def apply_ops(example: Example, ops: Sequence[Op], start: int = 0) -> Example:
    """Apply ops in order, each with its own seed, numbered from `start`."""
    seed = example["seed"]
    for position, op in enumerate(ops, start):
        example = op({**example, "seed": fold_in(seed, position)})
    return {**example, "seed": seed}


def _chunks(sizes: np.ndarray, batch_size: int) -> np.ndarray:
    """Return the indices of each batch, int64 (num_batches, batch_size), -1 where it is short."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, size in enumerate(sizes.tolist()):
        groups.setdefault(tuple(size), []).append(index)
    batches = [
        group[start : start + batch_size]
        for group in groups.values()
        for start in range(0, len(group), batch_size)
    ]
    batches.sort(key=lambda batch: batch[0])
    chunks = np.full((len(batches), batch_size), -1, np.int64)
    for row, batch in enumerate(batches):
        chunks[row, : len(batch)] = batch
    return chunks


def _check_one_size(graph: tf.data.Dataset, batch_size: int) -> None:
    """Raise if the sizes of pictures in a batch may differ."""
    shape = cast(dict[str, tf.TensorSpec], graph.element_spec)["image"].shape
    if batch_size > 1 and not shape.is_fully_defined():
        raise ValueError(
            "All pictures of a batch must have the same size; theirs differ or an op changes them. "
            f"Received: batch_size={batch_size} with pictures of shape {tuple(shape)}. "
            "End `ops` with random_crop(height, width) or resize(height, width), "
            "or use batch_size=1."
        )
