"""The numbers of a training, as data. A recipe is a name or a `Recipe`; `fit` changes any field."""

import dataclasses
import math

import keras

from keras_seg import _check, losses, schedules

OPTIMIZERS = {
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
SCHEDULES = ("constant", "poly", "exponential", "cosine")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a training is made of.

    Attributes:
        name: the recipe's name.
        epochs: passes over the training pictures.
        batch_size: pictures per step.
        crop_size: (height, width) in pixels of what the network sees while training; None takes
            the data set's own picture size.
        augmentation: pairs (op of `pipelines.ops`, its arguments), in order. "height" and "width"
            of a crop come from `crop_size`. Ops themselves are welcome too.
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
        patience: stop after so many epochs without a better mean IoU; None never.
        options: arguments of the architecture's builder.

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
    patience: int | None = None
    options: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        subject = f"recipe '{self.name}'"
        _check.positive_integer(subject, "epochs", self.epochs)
        _check.positive_integer(subject, "batch_size", self.batch_size)
        _check.one_of("optimizer", "optimizer", self.optimizer, OPTIMIZERS)
        _check.one_of("schedule", "schedule", self.schedule, SCHEDULES)
        losses.options_of(self.loss)  # Refuses what is no loss.
        _check.share(subject, "label_smoothing", self.label_smoothing)
        _check.share(subject, "averaging", self.averaging)
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

    def _check_crop_size(self, subject):
        size = self.crop_size
        if size is None:
            return
        pair = isinstance(size, tuple | list) and len(size) == 2
        if not pair or not all(hasattr(side, "__index__") and side >= 32 for side in size):
            raise ValueError(
                f"`{subject}` needs crop_size=(height, width) of at least 32 pixels each. "
                f"Received: crop_size={size!r}. Pass None for the pictures' own size."
            )


STREET_AUGMENTATION = (
    ("random_scale_crop", {"low": 0.5, "high": 2.0}),
    ("random_flip", {}),
    ("color_jitter", {}),
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        # Poudel et al. 2018, section 3.1. Batch size: "16 or more" (section 2.2.3). The paper
        # does not say how strong its weight decay is; 4e-5 is MobileNet's, which it follows.
        Recipe(
            "contextnet",
            epochs=1000,
            batch_size=16,
            augmentation=STREET_AUGMENTATION,
            optimizer="rmsprop",
            optimizer_options={"rho": 0.9, "momentum": 0.9, "epsilon": 1.0},
            learning_rate=0.045,
            schedule="poly",
            schedule_options={"power": 0.98},
            weight_decay=4e-5,
            auxiliary_weight=0.4,
        ),
        # Jegou et al. 2017, section 4.1, and the authors' configuration file. Their L2 loss,
        # 1e-4 * w**2, pulls with 2e-4 * w; a flip is horizontal in their code, vertical in the
        # text. The second stage, whole pictures at a rate of 1e-4, is another call of `fit`.
        Recipe(
            "fc_densenet",
            epochs=750,
            batch_size=3,
            crop_size=(224, 224),
            augmentation=(("random_crop", {}), ("random_flip", {})),
            optimizer="rmsprop",
            learning_rate=1e-3,
            schedule="exponential",
            schedule_options={"rate": 0.995},
            weight_decay=2e-4,
            patience=100,
        ),
        # A few hundred pictures on a laptop: small batches for many steps, an optimizer that
        # needs no tuning, and averaged weights, which validate far better than the last ones.
        Recipe(
            "small_data",
            epochs=150,
            batch_size=8,
            augmentation=STREET_AUGMENTATION,
            optimizer="adamw",
            learning_rate=3e-3,
            schedule="poly",
            schedule_options={"power": 0.9},
            warmup_epochs=2,
            weight_decay=0.02,
            class_weights={"method": "enet", "c": 1.1},
            auxiliary_weight=0.4,
            averaging=0.03,
        ),
    )
}


def recipe(name, **changes):
    """A named recipe, with some of its fields changed.

    Args:
        name: "contextnet", "fc_densenet" (the papers' own), "small_data" (a few hundred pictures
            on a laptop), or a `Recipe`.
        **changes: fields of `Recipe`. Another optimizer, schedule or loss starts with
            options of its own.

    Returns:
        `Recipe`.

    Raises:
        ValueError: the name or a field is not known, or a value is out of range.

    >>> recipe("small_data", epochs=3).epochs
    3
    """
    if not isinstance(name, Recipe):
        _check.one_of("recipe", "recipe", name, RECIPES)
        name = RECIPES[name]
    if "class_weight" in changes:
        raise ValueError(
            "`fit` has no class_weight: Keras would take the argmax of a label map over its "
            "width. Received: class_weight. Class weights live in the loss: pass "
            "`class_weights=[...]`, one number per class."
        )
    for field in changes:
        _check.one_of("argument of `fit`", "argument", field, Recipe.__dataclass_fields__)
    for field in ("optimizer", "schedule", "loss"):
        # The options of one optimizer, schedule or loss mean nothing to another.
        if changes.get(field, getattr(name, field)) != getattr(name, field):
            changes = {f"{field}_options": {}, **changes}
    return dataclasses.replace(name, **changes)


def loss(recipe, num_classes, ignore_class=255, class_weights=None):
    """The loss of a recipe.

    Args:
        recipe: a `Recipe`.
        num_classes: classes, the ignored one not counted.
        ignore_class: label id that counts for nothing.
        class_weights: one weight per class, or None.

    Returns:
        `keras.losses.Loss`.

    >>> loss(recipe("contextnet", loss="focal", loss_options={"gamma": 1.0}), 11).gamma
    1.0
    """
    options = {"label_smoothing": recipe.label_smoothing or None, "class_weights": class_weights}
    if not losses.options_of(recipe.loss):
        options = {}
    options = {name: value for name, value in options.items() if value is not None}
    return losses.build(recipe.loss, num_classes, ignore_class, **options | recipe.loss_options)


def optimizer(recipe, model, steps_per_epoch):
    """The optimizer of a recipe, with its schedule.

    Args:
        recipe: a `Recipe`.
        model: the network to train.
        steps_per_epoch: steps of one epoch.

    Returns:
        `keras.optimizers.Optimizer`.

    >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)])
    >>> optimizer(recipe("contextnet"), model, steps_per_epoch=10).epsilon
    1.0
    """
    averaging = {}
    if recipe.averaging:
        horizon = max(recipe.averaging * recipe.epochs * steps_per_epoch, 1.0)
        averaging = {"use_ema": True, "ema_momentum": 1 - 1 / horizon}
    made = OPTIMIZERS[recipe.optimizer](
        learning_rate=learning_rate(recipe, steps_per_epoch),
        weight_decay=recipe.weight_decay,
        **averaging,
        **recipe.optimizer_options,
    )
    made.exclude_from_weight_decay(var_list=list(_undecayed(model)))
    return made


def _undecayed(model):
    """Biases, batch normalisation and depthwise kernels, which need no regularisation.

    Depthwise: ContextNet, section 3.1. Found by layer, because Keras matches the names that
    `exclude_from_weight_decay` takes with "kernel", the name of every kernel.
    """
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _undecayed(layer)
        elif isinstance(layer, keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D):
            yield from layer.trainable_variables
        else:
            yield from (v for v in layer.trainable_variables if len(v.shape) < 2)


def learning_rate(recipe, steps_per_epoch):
    """The learning rate of a recipe by step.

    Args:
        recipe: a `Recipe`.
        steps_per_epoch: steps of one epoch.

    Returns:
        a Keras schedule.

    >>> learning_rate(recipe("contextnet"), 10).power
    0.98
    """
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    steps = max(recipe.epochs * steps_per_epoch - warmup, 1)
    options = {"warmup_steps": warmup, **recipe.schedule_options}
    if recipe.schedule == "poly":
        return schedules.Poly(recipe.learning_rate, steps, **options)
    if recipe.schedule == "exponential":
        return schedules.Exponential(recipe.learning_rate, steps_per_epoch, **options)
    if recipe.schedule == "cosine":
        return schedules.CosineRestarts(recipe.learning_rate, **{"period_steps": steps, **options})
    # A polynomial of power 0 is constant.
    return schedules.Poly(recipe.learning_rate, steps, **{**options, "power": 0})
