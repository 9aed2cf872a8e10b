"""What a training is made of: one object that holds numbers and names."""

import dataclasses
import math

import keras

from keras_seg import _check, losses

OPTIMIZERS = {
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
SCHEDULES = ("constant", "poly", "exponential", "cosine")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a training is made of.

    Attributes:
        name: the recipe's name.
        epochs: passes over the training pictures.
        batch_size: pictures per step.
        crop_size: (height, width) in pixels of what the network sees while training, of volumes
            (depth, height, width); None takes the data set's own picture size.
        augmentation: pairs (op of `pipelines.ops`, its arguments), in order. "height" and "width"
            of a crop, and "depth" of a volume's, come from `crop_size`. Ops themselves are welcome
            too.
        optimizer: "adamw", "rmsprop" or "sgd".
        optimizer_options: further arguments of the optimizer.
        learning_rate: rate after the warm-up.
        schedule: "constant", "poly", "exponential" (per epoch) or "cosine".
        schedule_options: further arguments of the schedule.
        warmup_epochs: epochs of linear rise of the learning rate.
        weight_decay: decoupled weight decay of convolution kernels; never of depthwise kernels,
            biases or batch normalisation.
        loss: a name of `keras_seg.losses.names()`; or pairs (weight, name) for a weighted sum; or
            a Keras loss, which is taken as it is, without the two fields below.
        loss_options: further arguments of a loss given by name.
        label_smoothing: share of the target spread over all classes, 0..1; cross-entropy only.
        class_weights: one weight per class in the loss; or arguments of the data set's
            `class_weights`, such as {"method": "enet"}, to compute them; or None.
        auxiliary_weight: weight of each auxiliary head's loss; 0 builds no such heads.
        averaging: the weights that count are an exponential moving average over this share of
            the training's steps, 0..1; 0 for the last ones. A share, so that it also suits a
            training of few steps.
        swa: the weights that count are the plain mean of those at the ends of the last epochs,
            this share of all, 0..1 (stochastic weight averaging); 0 for the last ones.
        statistics_batches: batches of the training set over which the statistics of batch
            normalisation are measured anew before each validation; 0 keeps the moving averages.
            For tiny batches; `swa` needs it.
        accumulate: batches whose gradients make one update, as one batch that many times as
            large would (batch normalisation aside, which sees each batch for itself).
        precision: "float32"; "mixed_bfloat16" or "mixed_float16" (with a loss scale) compute in
            16 bits and keep weights, losses and the saved network in 32. For GPUs; for networks
            given by name.
        validate_every: measure the mean IoU after every so many epochs, and after the last one.
        patience: stop after so many measurements without a better mean IoU; None never.
        options: arguments of the architecture's builder.
        before: fields of a training that comes first and is otherwise the same, such as
            {"crop_size": (224, 224), "learning_rate": 1e-3}. This one starts from its best
            weights.

    Raises:
        ValueError: a field is out of range; says which and why.

    >>> Recipe("mine", epochs=10, batch_size=4).optimizer
    'adamw'
    """

    name: str
    epochs: int
    batch_size: int
    crop_size: tuple | None = None
    augmentation: tuple = ()
    optimizer: str = "adamw"
    optimizer_options: dict = dataclasses.field(default_factory=dict)
    learning_rate: float = 1e-3
    schedule: str = "poly"
    schedule_options: dict = dataclasses.field(default_factory=dict)
    warmup_epochs: float = 0
    weight_decay: float = 0.0
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
    patience: int | None = None
    options: dict = dataclasses.field(default_factory=dict)
    before: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        subject = f"recipe '{self.name}'"
        _check.positive_integer(subject, "epochs", self.epochs)
        _check.positive_integer(subject, "batch_size", self.batch_size)
        _check.one_of("optimizer", "optimizer", self.optimizer, OPTIMIZERS)
        _check.one_of("schedule", "schedule", self.schedule, SCHEDULES)
        losses.options_of(self.loss)  # Refuses what is no loss.
        _check.share(subject, "label_smoothing", self.label_smoothing)
        _check.share(subject, "averaging", self.averaging)
        _check.share(subject, "swa", self.swa)
        _check.positive_integer(subject, "statistics_batches", self.statistics_batches, at_least=0)
        _check.positive_integer(subject, "accumulate", self.accumulate)
        _check.positive_integer(subject, "validate_every", self.validate_every)
        _check.one_of("precision", "precision", self.precision, PRECISIONS)
        if self.averaging and self.swa:
            raise ValueError(
                f"`{subject}` needs one way to average weights. Received: "
                f"averaging={self.averaging!r} and swa={self.swa!r}. Set one of them to 0."
            )
        if self.swa and not self.statistics_batches:
            raise ValueError(
                f"`{subject}` needs statistics_batches with swa: averaged weights do not suit the "
                "statistics that batch normalisation gathered with others. Received: "
                f"swa={self.swa!r} and statistics_batches=0. Pass statistics_batches=100, say."
            )
        if self.patience is not None:
            _check.positive_integer(subject, "patience", self.patience)
        for name in ("learning_rate", "warmup_epochs", "weight_decay", "auxiliary_weight"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ValueError(
                    f"`{subject}` needs {name} to be a finite number of at least 0. "
                    f"Received: {name}={value!r}."
                )
        self._check_crop_size(subject)
        self._check_kinds(subject)
        for field in self.before:
            _check.one_of(
                f"field of a {subject} in before=", "field", field, _fields() - {"before"}
            )
        self.first()  # Refuses fields that are out of range.

    def first(self):
        """The recipe of the training that comes first, or None."""
        return changed(self, {"before": {}, **self.before}) if self.before else None

    def _check_crop_size(self, subject):
        size = self.crop_size
        if size is None:
            return
        known = isinstance(size, tuple | list) and len(size) in (2, 3)
        if not known or not all(hasattr(side, "__index__") and side >= 32 for side in size):
            raise ValueError(
                f"`{subject}` needs crop_size=(height, width) of at least 32 pixels each, or "
                "(depth, height, width) for volumes. "
                f"Received: crop_size={size!r}. Pass None for the pictures' own size."
            )

    def _check_kinds(self, subject):
        fields = ("optimizer_options", "schedule_options", "loss_options", "options", "before")
        for name in fields:
            if not isinstance(getattr(self, name), dict):
                raise ValueError(
                    f"`{subject}` needs {name} as a dict of arguments by name. "
                    f"Received: {name}={getattr(self, name)!r}. Pass {{}} for none."
                )
        ops = self.augmentation
        pairs = isinstance(ops, tuple | list) and all(callable(op) or _is_pair(op) for op in ops)
        if not pairs:
            raise ValueError(
                f"`{subject}` needs augmentation as a list of ops, or of pairs (name, arguments). "
                f"Received: augmentation={ops!r}. Pass for example [('random_flip', {{}})]."
            )
        weights = self.class_weights
        if weights is not None and (isinstance(weights, str) or not hasattr(weights, "__len__")):
            raise ValueError(
                f"`{subject}` needs class_weights as one number per class, or as arguments that "
                f"compute them. Received: class_weights={weights!r}. Pass for example "
                "{'method': 'enet'}."
            )


def _is_pair(op):
    known = isinstance(op, tuple | list) and len(op) == 2
    return known and isinstance(op[0], str) and isinstance(op[1], dict)


def changed(recipe, changes):
    """A recipe with some of its fields changed.

    Args:
        recipe: a `Recipe`.
        changes: dict of its fields.

    Returns:
        `Recipe`. Another optimizer, schedule or loss starts with options of its own.

    >>> changed(Recipe("mine", epochs=10, batch_size=4), {"epochs": 2}).epochs
    2
    """
    for field in ("optimizer", "schedule", "loss"):
        # The options of one optimizer, schedule or loss mean nothing to another.
        if changes.get(field, getattr(recipe, field)) != getattr(recipe, field):
            changes = {f"{field}_options": {}, **changes}
    return dataclasses.replace(recipe, **changes)


def _fields():
    return {field.name for field in dataclasses.fields(Recipe)}
