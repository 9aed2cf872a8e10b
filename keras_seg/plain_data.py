"""Plain tf.data datasets in the place of a data set of `pipelines`."""

import colorsys

import numpy as np

from keras_seg import _check


class PlainData:
    """Two `tf.data.Dataset`s with the attributes and methods that `fit` uses.

    Args:
        train: batches of (uint8 pictures (b, h, w, c), integer labels (b, h, w)), one epoch long.
            An interrupted run continues with it as it is: only as repeatable as it is itself.
        val: the same for validation, or None.
        num_classes: classes, the ignored one not counted.
        ignore_class: label id that counts for nothing.

    >>> import tensorflow as tf
    >>> images, labels = tf.zeros((4, 32, 32, 3), "uint8"), tf.zeros((4, 32, 32), "uint8")
    >>> batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(2)
    >>> PlainData(batches, None, num_classes=3).splits
    ('train',)
    """

    name = "data"

    def __init__(self, train, val=None, num_classes=2, ignore_class=255):
        self._batches = {"train": train} if val is None else {"train": train, "val": val}
        for split, batches in self._batches.items():
            spec = getattr(batches, "element_spec", None)
            if not isinstance(spec, tuple) or [len(x.shape or ()) for x in spec] != [4, 3]:
                raise ValueError(
                    "`fit` needs batches of (pictures (b, h, w, c), labels (b, h, w)). Received: "
                    f"{split} batches of {spec}. Use .batch(...), and labels without a last axis."
                )
            if int(batches.cardinality()) == -1:
                raise ValueError(
                    "`fit` needs batches that end: one epoch. Received: "
                    f"{split} batches without end. Leave out .repeat()."
                )
        self.splits = tuple(self._batches)
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.num_channels = train.element_spec[0].shape[-1]
        self.class_names = tuple(f"class {i}" for i in range(num_classes))
        self.palette = [
            tuple(round(255 * x) for x in colorsys.hsv_to_rgb(i / num_classes, 0.7, 0.9))
            for i in range(num_classes)
        ]

    def paths(self, split):
        """Made-up names, one per picture of a split, by counting them."""
        count = sum(int(label.shape[0]) for _, label in self._split(split))
        return [(f"{split} {i}", f"{split} {i}") for i in range(count)]

    def train_batches(self, batch_size, ops=None, seed=0, first_epoch=0, epochs=1):
        """The training batches as they were given, `epochs` times."""
        return self._batches["train"].repeat(epochs)

    def eval_batches(self, split, batch_size=1):
        """The batches of a split; taken apart for a `batch_size` of 1."""
        batches = self._split(split)
        return batches.unbatch().batch(1) if batch_size == 1 else batches

    def class_weights(self, method="enet", c=1.02):
        """One weight per class by its share of the labels: 1 / ln(c + share), as ENet has it."""
        _check.one_of("way to weigh classes of plain tf.data datasets", "method", method, ["enet"])
        pixels = np.zeros(self.num_classes)
        for _, label in self._batches["train"]:
            counts = np.bincount(np.ravel(label), minlength=self.num_classes)
            pixels += counts[: self.num_classes]
        return (1 / np.log(c + pixels / max(pixels.sum(), 1))).tolist()

    def _split(self, split):
        _check.one_of("split of the data", "split", split, self._batches)
        return self._batches[split]
