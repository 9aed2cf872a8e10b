"""The hyperparameters of a training, as one object."""

import dataclasses
import json
from pathlib import Path

import keras
import pandas as pd

from keras_seg import _check
from keras_seg.run_files import write_text
from keras_seg.training.recipe_checks import LOSS_FIELDS, OPTIMIZER_FIELDS, check, plain
from keras_seg.training.recipe_checks import OPTIMIZERS as OPTIMIZERS
from keras_seg.training.recipe_checks import SCHEDULES as SCHEDULES


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The hyperparameters of a training.

    Attributes:
        name: the recipe's name.
        epochs: passes over the training pictures.
        batch_size: pictures per step.
        crop_size: (height, width) of training crops in pixels, for volumes (depth, height, width);
            None takes the data set's own picture size.
        augmentation: pairs (op of `pipelines.ops`, its arguments), in order. "height" and "width"
            of a crop, and "depth" of a volume's, come from `crop_size`; an op with other ones is
            refused. Op functions are accepted, too.
        optimizer: "adamw", "rmsprop" or "sgd"; or a Keras optimizer with its own learning rate and
            weight decay; the six fields for these are then None or {}. Each training uses a copy,
            and run.json stores its configuration.
        optimizer_options: further arguments of an optimizer given by name.
        learning_rate: rate after the warm-up.
        schedule: "constant", "poly", "exponential" (per epoch) or "cosine".
        schedule_options: further arguments of the schedule.
        warmup_epochs: epochs of linear rise of the learning rate.
        weight_decay: decoupled weight decay, as in AdamW: each update takes
            learning_rate * weight_decay * w from the weight w.
        l2: coupled weight decay, as in papers with an L2 penalty in the loss: adds l2 * w to the
            gradient, the gradient of l2 / 2 * sum(w ** 2). A paper's c * sum(w ** 2), without the
            half, is l2=2 * c. The reported loss is without it.
        no_decay: weights that are excluded from both: "vectors" (of fewer than two dimensions:
            biases, scales and offsets of normalization), "bias" (biases and offsets alone),
            "depthwise" (kernels of depthwise convolutions).
        rate_factors: factors of the learning rate by pattern of the weights' paths, such as
            {"^(?!encoder_)": 10} for all but an encoder's; the first pattern that is found in a
            path is used. Decoupled weight decay keeps the rate without the factor.
        loss: a name of `keras_seg.losses.names()`; or pairs (weight, name) for a weighted sum; or a
            Keras loss, which is used without the three fields below.
        loss_options: further arguments of a loss given by name.
        label_smoothing: share of the target spread over all classes, 0..1; cross-entropy only.
        class_weights: one weight per class in the loss; or arguments of the data set's
            `class_weights`, such as {"method": "enet"}, to compute them; or None.
        auxiliary_weight: weight of each auxiliary head's loss; 0 builds no such heads.
        averaging: use an exponential moving average of the weights over this share of the
            training's steps, 0..1; 0 for the last weights.
        swa: use the mean of the weights at the ends of the last epochs, this share of all epochs,
            0..1 (stochastic weight averaging); 0 for the last weights.
        statistics_batches: batches of the training set over which the statistics of batch
            normalization are re-estimated before each validation; 0 keeps the moving averages. For
            small batches; required by `swa`.
        accumulate: batches per update, with the gradient of one batch that is so many times larger.
            Batch normalization uses the statistics of each batch.
        precision: "float32"; "mixed_bfloat16" or "mixed_float16" (with a loss scale) compute in
            16 bits and keep weights, losses and the saved network in 32. For GPUs; for networks
            given by name.
        validate_every: measure the mean IoU after every so many epochs, and after the last one.
        validation_loss: also measure the training loss on the validation pictures, as `val_loss`:
            with its class weights, without augmentation, auxiliary heads and weight decay.
        patience: stop after this many measurements without a better mean IoU; None to never stop
            early.
        options: arguments of the architecture's builder.
        freeze: "encoder" to keep the encoder's weights and batch statistics fixed,
            "encoder_batch_norm" for its batch normalization alone (scales, offsets, statistics),
            for networks with an encoder that are given by name; None to train all. With
            before={"freeze": "encoder"} only the decoder is trained first.
        before: changed fields of a preceding training that is otherwise the same, such as
            {"crop_size": (224, 224), "learning_rate": 1e-3}. The main training starts from its best
            weights.
        prune_from: train networks of larger width first, as ContextNet's paper: 2.0 trains one of
            twice the width, then prunes it to 1.5, 1.25 and 1 times, with a training after each.
            Filters with the lowest L1 norm are removed, see `keras_seg.prune`. For networks given
            by name that have a width; None to train only the network itself.
        after_pruning: changed fields of the trainings that follow a pruning, such as
            {"epochs": 50, "learning_rate": 1e-4}.

    Raises:
        ValueError: a field is out of range.

    >>> Recipe("mine", epochs=10, batch_size=4).optimizer
    'adamw'
    """

    name: str
    epochs: int
    batch_size: int
    crop_size: tuple | None = None
    augmentation: tuple = ()
    optimizer: str | dict | keras.optimizers.Optimizer = "adamw"
    optimizer_options: dict = dataclasses.field(default_factory=dict)
    learning_rate: float | None = 1e-3
    schedule: str | None = "poly"
    schedule_options: dict = dataclasses.field(default_factory=dict)
    warmup_epochs: float | None = 0
    weight_decay: float | None = 0.0
    l2: float = 0.0
    no_decay: tuple = ("vectors",)
    rate_factors: dict = dataclasses.field(default_factory=dict)
    loss: str | tuple | keras.losses.Loss = "cross_entropy"
    loss_options: dict = dataclasses.field(default_factory=dict)
    label_smoothing: float = 0.0
    class_weights: tuple | dict | None = None
    auxiliary_weight: float = 0.4
    averaging: float = 0.0
    swa: float = 0.0
    statistics_batches: int = 0
    accumulate: int = 1
    precision: str = "float32"
    validate_every: int = 1
    validation_loss: bool = False
    patience: int | None = None
    options: dict = dataclasses.field(default_factory=dict)
    freeze: str | None = None
    before: dict = dataclasses.field(default_factory=dict)
    prune_from: float | None = None
    after_pruning: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if isinstance(self.optimizer, keras.optimizers.Optimizer):
            values["optimizer"] = keras.optimizers.serialize(self.optimizer)
        if isinstance(values["optimizer"], dict):
            left_out = {name for name in OPTIMIZER_FIELDS if values[name] == _defaults()[name]}
            values |= {name: OPTIMIZER_FIELDS[name] for name in left_out}
        for name, value in values.items():
            object.__setattr__(self, name, plain(value))
        check(self)
        known = set(values) - {"before", "prune_from", "after_pruning"}
        # All trainings with pruning are of one network, but for its width.
        for name, fields in (("before", known), ("after_pruning", known - {"options"})):
            for field in getattr(self, name):
                subject = f"field of a recipe '{self.name}' in {name}="
                _check.one_of(subject, "field", field, fields)
        self.first()  # Raises for fields that are out of range.
        if self.after_pruning:
            changed(self, {**self.after_pruning, "after_pruning": {}})  # This, too.

    def first(self):
        """The recipe of the preceding training, or None."""
        return changed(self, {"before": {}, **self.before}) if self.before else None

    def to_dict(self):
        """The fields by name, in types of JSON and TOML.

        Returns:
            dict; `Recipe(**fields)` is the same recipe.

        Raises:
            ValueError: the recipe has ops or a loss as objects.

        >>> Recipe("mine", epochs=10, batch_size=4).to_dict()["epochs"]
        10
        """
        objects: list = [op for op in self.augmentation if callable(op)]
        if isinstance(self.loss, keras.losses.Loss):
            objects.append(self.loss)
        if objects:
            raise ValueError(
                f"Recipe '{self.name}' can only be saved with a loss and ops given by name. "
                f"Received: {objects[0]!r}. Pass names and arguments, such as ('random_flip', "
                f"{{}})."
            )
        return dataclasses.asdict(self)

    def save(self, path):
        """Write the recipe as a JSON file; `fit(..., recipe=path)` reads it.

        Args:
            path: the file, which ends with .json.

        Raises:
            ValueError: the path ends otherwise, or the recipe has ops or a loss as objects.

        >>> import tempfile
        >>> Recipe("mine", epochs=10, batch_size=4).save(Path(tempfile.mkdtemp()) / "mine.json")
        """
        if Path(path).suffix != ".json":
            raise ValueError(
                f"`Recipe.save` writes JSON. Received: path='{path}'. Pass a path with .json."
            )
        write_text(path, json.dumps(self.to_dict(), indent=1) + "\n")

    def _repr_html_(self):
        """The fields as a table, for a notebook."""
        values = {field: repr(getattr(self, field)) for field in self.__dataclass_fields__}
        return pd.DataFrame({"recipe": values}).to_html()


def changed(recipe, changes):
    """A recipe with some of its fields changed.

    Args:
        recipe: a `Recipe`.
        changes: dict of its fields.

    Returns:
        `Recipe`. A new optimizer, schedule or loss starts with its default options.

    >>> changed(Recipe("mine", epochs=10, batch_size=4), {"epochs": 2}).epochs
    2
    """
    old, new = (isinstance(x, str) for x in (recipe.optimizer, changes.get("optimizer", "")))
    if not new:
        changes = {**OPTIMIZER_FIELDS, **changes}
    elif "optimizer" in changes and not old:
        changes = {**{name: _defaults()[name] for name in OPTIMIZER_FIELDS}, **changes}
    if isinstance(changes.get("loss"), keras.losses.Loss):
        changes = {**LOSS_FIELDS, **changes}
    for field in ("optimizer", "schedule", "loss"):
        # Options of one optimizer, schedule or loss do not apply to another.
        if changes.get(field, getattr(recipe, field)) != getattr(recipe, field):
            changes = {f"{field}_options": {}, **changes}
    return dataclasses.replace(recipe, **changes)


def _defaults():
    """Default by field, of those that have one."""
    fields = dataclasses.fields(Recipe)
    values = {x.name: x.default for x in fields if x.default is not dataclasses.MISSING}
    made = {x.name: x.default_factory for x in fields}
    return values | {k: f() for k, f in made.items() if f is not dataclasses.MISSING}
