"""Named recipes. A recipe is a name or a `Recipe`; arguments of `fit` change its fields."""

from pathlib import Path

from keras_seg import _check, losses
from keras_seg.training.optimizers import learning_rate as learning_rate
from keras_seg.training.optimizers import optimizer as optimizer
from keras_seg.training.paper_recipes import PAPERS, STREET_AUGMENTATION
from keras_seg.training.recipe import OPTIMIZERS as OPTIMIZERS
from keras_seg.training.recipe import SCHEDULES as SCHEDULES
from keras_seg.training.recipe import Recipe as Recipe
from keras_seg.training.recipe import changed
from keras_seg.training.recipe_files import read_recipe

RECIPES = {
    recipe.name: recipe
    for recipe in (
        *PAPERS,
        # Poudel et al. 2018, section 3.1. Batch size: "16 or more" (section 2.2.3). Their weight
        # decay, of no depthwise kernel, is L2 in the loss, as in MobileNet, which they follow. How
        # strong they do not say; MobileNet's in TF-Slim is 4e-5 / 2 * sum(w**2).
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
            l2=4e-5,
            no_decay=("vectors", "depthwise"),
            auxiliary_weight=0.4,
        ),
        # Jegou et al. 2017, section 4.1, and the authors' configuration file: crops first, then
        # whole pictures at a tenth of the rate, the patience of each their own. Their L2 loss,
        # 1e-4 * sum(w**2) without a half, has the gradient 2e-4 * w; Lasagne takes kernels and the
        # scales of batch normalization, and has an epsilon of 1e-6. A flip is horizontal in their
        # code, vertical in the text. Their scores are those of batch statistics; statistics
        # re-estimated over 32 batches score as well, and no picture depends on its neighbors.
        Recipe(
            "fc_densenet",
            epochs=750,
            batch_size=3,
            augmentation=(("random_crop", {}), ("random_flip", {})),
            optimizer="rmsprop",
            optimizer_options={"rho": 0.9, "epsilon": 1e-6},
            learning_rate=1e-4,
            schedule="exponential",
            schedule_options={"rate": 0.995},
            l2=2e-4,
            no_decay=("bias",),
            statistics_batches=32,
            patience=50,
            before={"crop_size": (224, 224), "learning_rate": 1e-3, "patience": 100},
        ),
        # What "Tiramisu Architecture for Semantic Segmentation: A Complete Technical Guide" calls
        # modern: AdamW, cosine warm restarts (50 epochs, then twice as long each time; 750 are
        # four periods), ENet's class weights, crops, flips and color jitter, batches of 3 to 5.
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
            no_decay=("vectors", "depthwise"),
            class_weights={"method": "enet", "c": 1.1},
            auxiliary_weight=0.4,
            averaging=0.03,
        ),
    )
}
# The paper's, shortened to an estimated half hour on a fast GPU, see docs/training.md.
# Learning rates fall as far as in four and a half times as many epochs of the paper's recipe.
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
        name: "small_data" (a few hundred pictures on a laptop); those of papers, by the names of
            their networks: "contextnet", "fc_densenet", "fast_scnn", "enet", "erfnet", "unet",
            "segnet", "fcn", "deeplab_v2", "deeplab_v3_plus", "pspnet", "icnet", "hrnet",
            "refinenet"; "fc_densenet_short" (for half an hour of a GPU), "tiramisu_guide" (what
            a well-known guide to FC-DenseNet recommends); the path of a .json or .toml file with
            fields of a recipe, or of a run's run.json; or a `Recipe`.
        **changes: fields of `Recipe`. A new optimizer, schedule or loss starts with its default
            options.

    Returns:
        `Recipe`.

    Raises:
        ValueError: the name or a field is unknown, or a value is out of range.

    >>> recipe("small_data", epochs=3).epochs
    3
    """
    if not isinstance(name, Recipe):
        name = _found(name)
    if "class_weight" in changes:
        raise ValueError(
            "`fit` has no class_weight: Keras would take the argmax of a label map over its "
            "width. Received: class_weight. Class weights are part of the loss: pass "
            "`class_weights=[...]`, one number per class."
        )
    for field in changes:
        _check.one_of("argument of `fit`", "argument", field, Recipe.__dataclass_fields__)
    return changed(name, changes)


def _found(name):
    """The recipe with this name, or in this file."""
    if isinstance(name, Path) or str(name).endswith((".json", ".toml")):
        return read_recipe(name)
    _check.one_of("recipe", "recipe", name, RECIPES)
    return RECIPES[name]


def loss(recipe, num_classes, ignore_class=255, class_weights=None):
    """The loss of a recipe.

    Args:
        recipe: a `Recipe`.
        num_classes: classes, the ignored one not counted.
        ignore_class: label id to ignore.
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
