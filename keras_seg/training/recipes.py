"""The numbers of a training, as data. A recipe is a name or a `Recipe`; `fit` changes any field."""

import keras

from keras_seg import _check, losses, schedules
from keras_seg.training.accumulate import RatePerUpdate
from keras_seg.training.recipe import OPTIMIZERS as OPTIMIZERS
from keras_seg.training.recipe import SCHEDULES as SCHEDULES
from keras_seg.training.recipe import Recipe as Recipe
from keras_seg.training.recipe import changed

STREET_AUGMENTATION = (
    ("random_scale_crop", {"low": 0.5, "high": 2.0}),
    ("random_flip", {}),
    ("color_jitter", {}),
)

SCHEDULE_OPTIONS = {
    "constant": ("warmup_steps",),
    "poly": ("warmup_steps", "power"),
    "exponential": ("warmup_steps", "rate"),
    "cosine": ("warmup_steps", "period_epochs", "period_steps", "period_factor", "lowest"),
}

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
        # Jegou et al. 2017, section 4.1, and the authors' configuration file: crops first, then
        # whole pictures at a tenth of the rate, the patience of each their own. Their L2 loss,
        # 1e-4 * w**2, pulls with 2e-4 * w; a flip is horizontal in their code, vertical in the
        # text. Their scores are those of batch statistics, which measuring anew stands for: it
        # scores as well, and what a picture gets does not depend on its neighbours in a batch.
        Recipe(
            "fc_densenet",
            epochs=750,
            batch_size=3,
            augmentation=(("random_crop", {}), ("random_flip", {})),
            optimizer="rmsprop",
            learning_rate=1e-4,
            schedule="exponential",
            schedule_options={"rate": 0.995},
            weight_decay=2e-4,
            statistics_batches=32,
            patience=50,
            before={"crop_size": (224, 224), "learning_rate": 1e-3, "patience": 100},
        ),
        # What "Tiramisu Architecture for Semantic Segmentation: A Complete Technical Guide" calls
        # modern: AdamW, cosine warm restarts (50 epochs, then twice as long each time; 750 are
        # four periods), ENet's class weights, crops, flips and colour jitter, batches of 3 to 5.
        Recipe(
            "tiramisu_guide",
            epochs=750,
            batch_size=4,
            crop_size=(224, 224),
            augmentation=(("random_crop", {}), ("random_flip", {}), ("color_jitter", {})),
            optimizer="adamw",
            learning_rate=1e-3,
            schedule="cosine",
            schedule_options={"period_epochs": 50, "period_factor": 2},
            weight_decay=1e-4,
            class_weights={"method": "enet", "c": 1.02},
            auxiliary_weight=0.0,
            statistics_batches=32,
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
# The paper's, cut to half an hour of a fast GPU. The authors' code took 120 seconds for an epoch of
# crops on a Titan X (their README), so that 80 of them and 20 of whole pictures (3.4 times the
# pixels) would take 5 hours there. Small maps wait for memory: 2 TB/s are 6 times as fast as that
# card's, and 16 bits twice as fast again, which makes 25 minutes. Rates fall faster, to where four
# and a half times as many epochs would have led.
RECIPES["fc_densenet_short"] = changed(
    RECIPES["fc_densenet"],
    {
        "name": "fc_densenet_short",
        "epochs": 20,
        "schedule_options": {"rate": 0.978},
        "precision": "mixed_bfloat16",
        "validate_every": 5,
        "patience": None,
        "before": {**RECIPES["fc_densenet"].before, "epochs": 80, "patience": None},
    },
)


def recipe(name, **changes):
    """A named recipe, with some of its fields changed.

    Args:
        name: "small_data" (a few hundred pictures on a laptop), "contextnet", "fc_densenet" (the
            papers' own), "fc_densenet_short" (for half an hour of a GPU), "tiramisu_guide" (what
            a well-known guide to FC-DenseNet recommends), or a `Recipe`.
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
    return changed(name, changes)


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
        steps_per_epoch: batches of one epoch.

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
    rate = learning_rate(recipe, steps_per_epoch // recipe.accumulate)
    if recipe.accumulate > 1:
        rate = RatePerUpdate(rate, recipe.accumulate)
    made = OPTIMIZERS[recipe.optimizer](
        learning_rate=rate,
        weight_decay=recipe.weight_decay,
        gradient_accumulation_steps=recipe.accumulate if recipe.accumulate > 1 else None,
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
        steps_per_epoch: updates of the weights in one epoch.

    Returns:
        a Keras schedule.

    >>> learning_rate(recipe("contextnet"), 10).power
    0.98
    """
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    steps = max(recipe.epochs * steps_per_epoch - warmup, 1)
    options = {"warmup_steps": warmup, **recipe.schedule_options}
    for option in recipe.schedule_options:
        subject = f"option of schedule '{recipe.schedule}'"
        _check.one_of(subject, "option", option, SCHEDULE_OPTIONS[recipe.schedule])
    if recipe.schedule == "poly":
        return schedules.Poly(recipe.learning_rate, steps, **options)
    if recipe.schedule == "exponential":
        return schedules.Exponential(recipe.learning_rate, steps_per_epoch, **options)
    if recipe.schedule == "cosine":
        period = options.pop("period_epochs", None)
        if period is not None:
            options["period_steps"] = round(period * steps_per_epoch)
        return schedules.CosineRestarts(recipe.learning_rate, **{"period_steps": steps, **options})
    # A polynomial of power 0 is constant.
    return schedules.Poly(recipe.learning_rate, steps, **{**options, "power": 0})
