"""Plain tf.data datasets in place of a data set of `pipelines`."""

import colorsys
import dataclasses
import hashlib
from functools import cached_property
from typing import Any

import numpy as np

from keras_seg import _check

# Pictures of a second pass that tell whether passes differ: a change that meets one picture in ten
# escapes them once in a thousand times, and then costs no more than the end of a stopped run.
SECOND_LOOK = 64


class PlainData:
    """Two `tf.data.Dataset`s with the attributes and methods that `fit` uses.

    Args:
        train: batches of (uint8 pictures (b, h, w, c), integer labels (b, h, w)), one epoch long;
            of volumes (b, d, h, w, c) and (b, d, h, w), of classifiers class ids (b,). Masks may be
            followed by weights of their pixels in the loss, float (b, h, w). Results of an
            interrupted run are repeatable only if these batches are.
        val: the same for validation, or None.
        num_classes: classes, the ignored one not counted.
        ignore_class: label id to ignore.

    Raises:
        ValueError: the batches are not pairs of uint8 pictures and labels, are empty, or infinite.

    >>> import tensorflow as tf
    >>> images, labels = tf.zeros((4, 32, 32, 3), "uint8"), tf.zeros((4, 32, 32), "uint8")
    >>> batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(2)
    >>> PlainData(batches, None, num_classes=3).splits
    ('train',)
    """

    name = "data"
    task = "segmentation"

    def __init__(self, train, val=None, num_classes=2, ignore_class=255):
        self._batches = {"train": train} if val is None else {"train": train, "val": val}
        for split, batches in self._batches.items():
            spec: Any = getattr(batches, "element_spec", None)
            axes = [len(x.shape or ()) for x in spec] if isinstance(spec, tuple) else []
            if split == "train" and axes in ([4, 3, 3], [5, 4, 4]) and spec[2].dtype.is_floating:
                axes = axes[:2]
            if axes not in ([4, 3], [5, 4], [4, 1], [5, 1]):
                raise ValueError(
                    "`fit` needs batches of (pictures (b, h, w, c), labels (b, h, w)), or both "
                    "with a depth, or for classification of (pictures (b, h, w, c), class ids "
                    f"(b,)). Received: {split} batches of {spec}. Use .batch(...), and "
                    "labels without a last axis."
                )
            if spec[0].dtype != "uint8" or not spec[1].dtype.is_integer:
                raise ValueError(
                    "`fit` needs uint8 pictures with pixels 0..255, and integer labels. Received: "
                    f"{split} batches of {spec}. Convert them in .map(...) with tf.cast, without "
                    "scaling: the network does its own normalization."
                )
            if int(batches.cardinality()) in (-1, 0):
                end = "end" if batches.cardinality() else "any picture"
                raise ValueError(
                    "`fit` needs a finite number of batches, at least one: those of one epoch. "
                    f"Received: {split} batches without {end}. Leave out .repeat(), .skip() and "
                    "the like."
                )
        self._names = {}
        axes = {len(batches.element_spec[1].shape) for batches in self._batches.values()}
        if axes == {1}:
            self.task, ignore_class = "classification", None
        elif 1 in axes:
            raise ValueError(
                "`fit` needs masks, or one class per picture, in all batches. Received: train "
                f"{train.element_spec}, val {getattr(val, 'element_spec', None)}. Use the same "
                "labels for both."
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
        """Generated names, one per picture of a split.

        Training pictures are named after their bytes, in any order, so that `fit` distinguishes
        data sets of the same size. If the batches change pictures at random, every pass has other
        bytes, and pictures are only numbered. The first pictures of a second pass show whether this
        is so.

        Args:
            split: "train" or "val".

        Returns:
            list of (picture, label), a name given twice for each pair.

        Raises:
            ValueError: there is no such split.
        """
        batches = self._split(split)
        if split not in self._names:
            marks = self._marks() if split == "train" else [""] * sum(1 for _ in batches.unbatch())
            self._names[split] = [f"{split} {i}{mark}" for i, mark in enumerate(marks)]
        return [(name, name) for name in self._names[split]]

    def _marks(self):
        digests, _ = self._seen
        again = (_digest(*pair) for pair in self._batches["train"].unbatch().take(SECOND_LOOK))
        same = set(digests).issuperset(again)
        return [f" {digest}" if same else "" for digest in sorted(digests)]

    @cached_property
    def _seen(self):
        """A digest of each training picture, and the pixels of each class: one pass for both."""
        digests, pixels = [], np.zeros(self.num_classes, np.int64)
        for image, label, *weights in self._batches["train"].unbatch():
            if self.task == "segmentation" and label.shape != image.shape[:-1]:
                raise ValueError(
                    "`fit` needs labels of the size of their pictures. Received: a training label "
                    f"of {tuple(label.shape)} for a picture of {tuple(image.shape)}. Resize it "
                    "with nearest neighbor."
                )
            digests.append(_digest(image, label, *weights))
            pixels += self._count(label.numpy().ravel())
        return digests, pixels

    def _count(self, ids):
        """Pixels of each class, once it is known that all ids are classes or ignored."""
        ids = ids if self.ignore_class is None else ids[ids != self.ignore_class]
        if ids.size and not 0 <= ids.min() <= ids.max() < self.num_classes:
            ignored = (
                "" if self.ignore_class is None else f", and {self.ignore_class} where ignored"
            )
            raise ValueError(
                f"`fit` needs labels with ids 0..{self.num_classes - 1}{ignored}. "
                f"Received: ids {ids.min()}..{ids.max()} in a training label. "
                "Convert them in .map(...), or build the model for more classes."
            )
        return np.bincount(ids, minlength=self.num_classes)

    def train_batches(self, batch_size, ops=None, seed=0, first_epoch=0, epochs=1):
        """The training batches as they were given, `epochs` times.

        Args:
            batch_size: not used, like `ops`, `seed` and `first_epoch`: the batches exist already.
            ops: see `batch_size`.
            seed: see `batch_size`.
            first_epoch: see `batch_size`.
            epochs: how many times.

        Returns:
            `tf.data.Dataset`.
        """
        return self._batches["train"].repeat(epochs)

    def recorded(self, recipe):
        """The recipe with the size of these batches, without the fields that do not apply to them.

        Args:
            recipe: a `Recipe`.

        Returns:
            `Recipe` with the size of the first batch, no crop size and no augmentation.
        """
        own = {"crop_size": None, "augmentation": ()}
        for images, *_ in self._batches["train"].take(1):
            own["batch_size"] = int(images.shape[0])
        before = {name: value for name, value in recipe.before.items() if name not in own}
        return dataclasses.replace(recipe, before=before, **own)

    def eval_batches(self, split, batch_size=1):
        """The batches of a split; single pictures for a `batch_size` of 1.

        Args:
            split: "train" or "val".
            batch_size: 1, or any other number for the batches as they were given.

        Returns:
            `tf.data.Dataset`.

        Raises:
            ValueError: there is no such split.
        """
        batches = self._split(split).map(lambda image, label, *_: (image, label))
        return batches.unbatch().batch(1) if batch_size == 1 else batches

    def eval_order(self, split, batch_size=1):
        """The index in `paths(split)` of each picture of `eval_batches`: their own order.

        Args:
            split: "train" or "val".
            batch_size: not used.

        Returns:
            list of int.

        Raises:
            ValueError: there is no such split.
        """
        return list(range(len(self.paths(split))))

    def class_weights(self, method="enet", c=1.02):
        """One weight per class by its share of the labels: 1 / ln(c + share), as ENet has it.

        Args:
            method: "enet".
            c: above 1; smaller values give larger weights to rare classes.

        Returns:
            list of float, in the order of the classes.

        Raises:
            ValueError: the method is another one.
        """
        _check.one_of("way to weigh classes of plain tf.data datasets", "method", method, ["enet"])
        _, pixels = self._seen
        return (1 / np.log(c + pixels / max(pixels.sum(), 1))).tolist()

    def _split(self, split):
        _check.one_of("split of the data", "split", split, self._batches)
        return self._batches[split]


def _digest(*parts):
    """A short digest of a picture with its label and, where there are any, its weights."""
    content = b"".join(part.numpy().tobytes() for part in parts)
    return hashlib.blake2b(content, digest_size=8).hexdigest()
