"""The `Dataset`: class names, colors, splits, and batches for training and evaluation."""

import os
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from pipelines.arguments import check_not_mixed, check_reading, check_sources, check_whole
from pipelines.examples import Examples
from pipelines.find import class_sources
from pipelines.find.array_source import ArraySource
from pipelines.find.classes import MAX_CLASSES, Classes, Color
from pipelines.find.joined import Joined
from pipelines.find.sources import Source
from pipelines.read.spec import InputSpec

if TYPE_CHECKING:
    import tensorflow as tf
    from matplotlib.figure import Figure

    from pipelines.check.report import Report
    from pipelines.find.splits import Group
    from pipelines.ops.example import Op


class Dataset(Examples):
    """Pictures with a class for every pixel, in splits such as train, val and test.

    Or pictures with one class each, which have a class id in place of a mask.

    Attributes:
        name: short name, used for run folders.
        task: "segmentation" for pictures with masks, "classification" for one class per picture.
        class_names: one name per class id.
        palette: one (red, green, blue) 0..255 per class.
        ignore_class: the id of ignored pixels in batches, always 255; None without masks.
        num_classes: number of classes, without the ignored one.
        num_channels: channels of the pictures.
        dimensions: 2 for pictures, 3 for volumes, whose arrays have the depth as an axis before
            height and width.
        input_spec: how files are converted to pixels; stored in runs and exports.
        splits: names of the splits.
        categories: the category of each class by name, such as {"car": "vehicle"}; or empty.
        notes: sentences about what was found or assumed when the dataset was opened.
        unmatched: files that were left out because they have no partner.
        opened_by: its function and arguments, and what `reading` has changed, for
            `pipelines.reopen`; None if not JSON types, and for folds and other parts of a dataset.
        held_out_groups: of a fold, the groups of its split "held_out"; else empty.
    """

    def __init__(
        self,
        name: str,
        classes: Classes,
        sources: Mapping[str, Source],
        cache: str | None = "memory",
        cache_limit: int | None = None,
        on_error: str = "raise",
    ):
        """Create a dataset; files are read when they are needed.

        Args:
            name: short name, used for run folders.
            classes: names, colors and ids in files.
            sources: what each split is read from.
            cache: "memory" or "disk" keep decoded pictures if they fit, None reads files in every
                epoch. In both cases every file of a split is read once before its first batch, to
                validate it.
            cache_limit: most bytes to keep for a split; None for a share of the free memory or
                disk. If they do not fit, a warning is logged and files are read in every epoch.
            on_error: "raise" raises for a file that cannot be read; "skip" leaves the pair out,
                logs it, and lists it in `skipped`.

        Raises:
            ValueError: if there is no split, a split is empty, or splits differ in their channels.
        """
        check_reading(cache, cache_limit, on_error)
        check_sources(name, sources)
        self.name = name
        self.class_names = classes.names
        self.palette = list(classes.palette)
        self.num_classes = len(classes.names)
        self.categories = dict(zip(classes.names, classes.categories, strict=False))
        first = next(iter(sources.values()))
        if hasattr(first, "class_ids"):
            self.task, self.ignore_class = "classification", None
        self.num_channels = first.num_channels
        self.dimensions = getattr(first, "dimensions", 2)
        self.input_spec = getattr(first, "input_spec", None) or InputSpec(
            self.num_channels, self.dimensions
        )
        self.splits = tuple(sources)
        self._sources = dict(sources)
        self._reading = {"cache": cache, "cache_limit": cache_limit, "on_error": on_error}
        self._stores = {}
        self._lock = Lock()

    @classmethod
    def from_arrays(
        cls,
        name: str,
        class_names: Sequence[str],
        palette: Sequence[Color] | None,
        splits: Mapping[str, tuple[np.ndarray, np.ndarray]],
    ) -> "Dataset":
        """Create a dataset from arrays in memory; they are not copied.

        Args:
            name: short name, used for run folders.
            class_names: one name per class id, in order.
            palette: one (red, green, blue) 0..255 per class; None picks distinct ones.
            splits: name -> (images uint8 (n, h, w, c), labels uint8 (n, h, w)), or of volumes (n,
                d, h, w, c) and (n, d, h, w). Labels hold class ids, and 255 for ignored pixels. For
                classification, labels are class ids (n,), of any whole-number type.

        Returns:
            the dataset.

        Raises:
            ValueError: if shapes, types or ids do not fit.

        >>> images, labels = np.zeros((4, 32, 32, 3), "uint8"), np.zeros((4, 32, 32), "uint8")
        >>> data = Dataset.from_arrays("toy", ["sky"], None, {"train": (images, labels)})
        >>> data.num_examples("train")
        4
        """
        is_class = [np.ndim(labels) == 1 for _, labels in splits.values()]
        most = class_sources.MAX_CLASSES if any(is_class) else MAX_CLASSES
        classes = Classes.make(class_names, palette=palette, most=most)
        sources = {}
        for (split, (images, labels)), one in zip(splits.items(), is_class, strict=True):
            where = f"{name}/{split}"
            if one:
                sources[split] = class_sources.ClassArrays(where, images, labels, classes.names)
            else:
                sources[split] = ArraySource(where, images, labels, len(classes.names))
        return cls(name, classes, sources)

    def __repr__(self) -> str:
        counts = ", ".join(f"{split}={len(source)}" for split, source in self._sources.items())
        return f"<Dataset {self.name!r}: {self.num_classes} classes, {counts}>"

    def train_batches(
        self,
        batch_size: int,
        ops: "Sequence[Op | tuple[str, dict]] | None" = None,
        seed: int = 0,
        first_epoch: int = 0,
        epochs: int = 1,
    ) -> "tf.data.Dataset":
        """Return shuffled, augmented batches of split "train".

        The order of each epoch depends on (seed, epoch) only, so a stopped training that continues
        with `first_epoch` gets the same batches as an uninterrupted one. An epoch has `num_examples
        // batch_size` batches; the pictures left out differ by epoch.

        Args:
            batch_size: pictures per batch, at most the number in the split.
            ops: ops to apply to each example, in order; see `pipelines.ops`. An op, or a pair
                (name, arguments) as in recipes.
            seed: 0..2**31-1; the same arguments give the same batches.
            first_epoch: number of the first epoch, from 0.
            epochs: number of epochs in the returned dataset.

        Returns:
            tf.data.Dataset of image uint8 (b, h, w, c) and label uint8 (b, h, w), or for
            classification int32 (b,).

        Raises:
            ValueError: if a number is out of range, a file is faulty, sizes differ in a batch, or
                an op mixes pictures with one class each.
        """
        from pipelines.graph import batches
        from pipelines.ops import resolve

        count = self.num_examples("train")
        if isinstance(batch_size, int) and batch_size > count:
            raise ValueError(
                "A batch has at most as many pictures as there are for training. Received: "
                f"batch_size={batch_size}, and dataset {self.name!r} has {count} in split 'train'. "
                f"Give batch_size={count} or less, on the command line `--batch-size {count}`."
            )
        check_whole("batch_size", batch_size, 1, count)
        check_whole("seed", seed, 0, 2**31 - 1)
        check_whole("first_epoch", first_epoch, 0, 2**31 - 1)
        check_whole("epochs", epochs, 1, 2**31 - 1 - first_epoch)
        numbers = range(first_epoch, first_epoch + epochs)
        ops = resolve(ops)
        if self.task == "classification":
            check_not_mixed(self.name, ops)
        return batches.train_batches(self._store("train"), batch_size, ops, seed, numbers)

    def eval_batches(self, split: str, batch_size: int = 1) -> "tf.data.Dataset":
        """Return each picture of a split once, unchanged.

        Batches contain pictures of one size, so the last batch of a size can be smaller; no picture
        is dropped or resized. The order is that of the files for pictures of one size and for
        batches of 1; `eval_order` has it for others.

        Args:
            split: a name from `splits`.
            batch_size: most pictures per batch.

        Returns:
            tf.data.Dataset of image uint8 (b, h, w, c) and label uint8 (b, h, w), or for
            classification int32 (b,).

        Raises:
            ValueError: if there is no such split, or a file is faulty.
        """
        from pipelines.graph import batches

        self._source(split)
        check_whole("batch_size", batch_size, 1, 2**31 - 1)
        return batches.eval_batches(self._store(split), batch_size)

    def eval_order(self, split: str, batch_size: int = 1) -> list[int]:
        """Return the index in `paths(split)` of each picture of `eval_batches`, in their order.

        Args:
            split: a name from `splits`.
            batch_size: as for `eval_batches`.

        Returns:
            list of every index once.

        Raises:
            ValueError: if there is no such split, or a file is faulty.

        >>> images, labels = np.zeros((3, 32, 32, 3), "uint8"), np.zeros((3, 32, 32), "uint8")
        >>> data = Dataset.from_arrays("toy", ["sky"], None, {"val": (images, labels)})
        >>> data.eval_order("val", batch_size=2)
        [0, 1, 2]
        """
        from pipelines.graph import batches

        self._source(split)
        check_whole("batch_size", batch_size, 1, 2**31 - 1)
        return batches.eval_order(self._store(split), batch_size).tolist()

    def class_weights(self, method: str = "enet", **options: float) -> list[float]:
        """Return one weight per class for the loss, from the pixels of split "train".

        Args:
            method: a method of `pipelines.class_weights.class_weights`.
            options: further arguments of the method.

        Returns:
            list of num_classes weights.
        """
        from pipelines.class_weights import class_weights

        return [float(weight) for weight in class_weights(self, method, **options)]

    def folds(
        self,
        group: "Group | None" = None,
        num_folds: int | None = 5,
        split: str = "train",
        seed: int = 0,
    ) -> list["Dataset"]:
        """Divide a split into folds for cross-validation, `keras_seg.cross_validate`.

        Scores of pictures that resemble those of the training are too high. Pictures of one drive,
        patient or flight belong to one group, and groups are held out as a whole.

        Args:
            group: the group of each picture: a regular expression for its path below their common
                folder, whose first bracket (or whole match) is the group; a function of this path
                without extension; a list in the order of `paths(split)`; "auto" for names without
                the number at their end, such as 0001TP for 0001TP_006690.png; "near_duplicates"
                for pictures that look alike, which reads all of them; None for pictures that are
                independent.
            num_folds: how many folds, of about the same size; None for one fold per group.
            split: the split to divide; the others are left out. Open the dataset with
                splits=(1.0,) to divide all pictures.
            seed: seed of the division.

        Returns:
            datasets with the splits "train" and "held_out", and an attribute `held_out_groups`.
            Their names end with -fold1, -fold2, ...

        Raises:
            ValueError: if there is no such split, an expression does not match, or there are fewer
                groups than folds.

        >>> images, labels = np.zeros((6, 32, 32, 3), "uint8"), np.zeros((6, 32, 32), "uint8")
        >>> data = Dataset.from_arrays("toy", ["sky"], None, {"train": (images, labels)})
        >>> data.folds(group=["a", "a", "b", "b", "c", "c"], num_folds=None)
        [<Dataset 'toy-fold1': 1 classes, train=4, held_out=2>, ...]
        """
        from pipelines.folds import folds

        # Without the pictures that on_error="skip" leaves out, as in `paths`.
        return folds(self, self._source(split), group, num_folds, seed)

    def joined(self, *splits: str) -> "Dataset":
        """Add the pictures of other splits to "train", to train on all of them in the end.

        Scores of pictures that were trained on are too high, so the splits that are added are no
        splits of their own anymore. The name of the dataset gets their names, such as
        "camvid-train-val", and its runs have their own folders.

        Args:
            splits: names of one or more splits other than "train".

        Returns:
            the dataset with the split "train" and those that were not added.

        Raises:
            ValueError: if there is no such split, or the names are not different ones.

        >>> images, labels = np.zeros((2, 32, 32, 3), "uint8"), np.zeros((2, 32, 32), "uint8")
        >>> splits = {name: (images, labels) for name in ("train", "val", "test")}
        >>> Dataset.from_arrays("toy", ["sky"], None, splits).joined("val")
        <Dataset 'toy-train-val': 1 classes, train=4, test=2>
        """
        names = ("train", *splits)
        sources = [self._source(split) for split in names]
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(
                "`joined` needs one or more different splits, which are added to 'train'. "
                f"Received: {splits}. Available: {[x for x in self.splits if x != 'train']}."
            )
        rest = {name: x for name, x in self._sources.items() if name not in names}
        data = self.with_sources({"train": Joined(sources), **rest})
        data.name = "-".join((self.name, *names))
        return data

    def check(self, fix: str | os.PathLike | None = None) -> "Report":
        """Read every file, and report statistics, faults and duplicates.

        Faulty files are listed in the report with their paths; they do not raise.

        Args:
            fix: a new folder for repaired masks and `repairs.csv`, a list of the repairs. The
                repaired dataset is `report.fixed`. The original files are not changed.

        Returns:
            a report: `print` shows it as text, a notebook as tables; its pandas tables are
            `splits`, `classes`, `faults`, `duplicates` and others.

        Raises:
            ValueError: if `fix` is a folder with files in it, or the data are in memory or have no
                masks.
        """
        from pipelines.check.repair import check_folder, repair
        from pipelines.check.report import check

        if fix is None:
            return check(self)
        check_folder(fix, self)
        return repair(self, check(self), fix)

    def show(self, split: str = "train", num_images: int = 8) -> "Figure":
        """Draw a contact sheet of pictures with their masks laid over them, or their classes.

        Args:
            split: a name from `splits`.
            num_images: pictures, spread evenly over the split, or over its classes for
                classification.

        Returns:
            a matplotlib Figure.
        """
        from pipelines.show.class_sheet import class_sheet, varied
        from pipelines.show.contact_sheet import contact_sheet

        count = self.num_examples(split)
        check_whole("num_images", num_images, 1, 2**31 - 1)
        class_ids = getattr(self._source(split), "class_ids", None)
        if class_ids is not None:
            indices = varied(class_ids, num_images)
            images, ids = zip(*(self.example(split, int(i)) for i in indices), strict=True)
            return class_sheet(images, [self.class_names[label] for label in ids])
        indices = np.unique(np.linspace(0, count - 1, min(num_images, count)).astype(int))
        examples = [self.example(split, int(index)) for index in indices]
        return contact_sheet(examples, self.class_names, self.palette)
