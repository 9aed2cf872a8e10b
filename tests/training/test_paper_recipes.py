"""The recipes of papers against the numbers that the papers and their authors' files print."""

import keras
import numpy as np
import pytest

from keras_seg import models, recipes
from keras_seg.training.recipes import recipe

# Per paper: rate, batch, momentum (None for Adam), and what is added to the gradient per weight.
PRINTED = {
    "fast_scnn": (0.045, 12, 0.9, 4e-5),
    "enet": (5e-4, 10, None, 2e-4),
    "erfnet": (5e-4, 6, None, 1e-4),
    "unet": (1e-4, 1, 0.99, 0),  # the rate is ours
    "segnet": (1e-3, 4, 0.9, 5e-4),
    # 1e-10 and 5e-4 beside a sum over 187,500 pixels; 1e-10 * 187,500 and 5e-4 / 187,500.
    "fcn": (1.875e-5, 1, 0.99, 2.66667e-9),
    "deeplab_v2": (2.5e-4, 10, 0.9, 5e-4),
    "deeplab_v3_plus": (0.007, 16, 0.9, 4e-5),
    "pspnet": (0.01, 16, 0.9, 1e-4),
    "icnet": (0.01, 16, 0.9, 1e-4),
    "hrnet": (0.01, 12, 0.9, 5e-4),
    "refinenet": (5e-5, 1, 0.9, 5e-4),
}


@pytest.mark.parametrize("name", PRINTED)
def test_a_step_is_the_one_of_the_paper(name):
    rate, batch, momentum, decay = PRINTED[name]
    paper = recipe(name)
    assert paper.batch_size == batch
    kernel = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    weight = kernel.weights[0]
    weight.assign([[2.0]])
    made = recipes.optimizer(paper, kernel, steps_per_epoch=1000)
    made.build([weight])
    made.apply([np.full((1, 1), 0.5, "float32")])
    # SGD subtracts rate * (gradient + decay * weight), Adam's first step the rate itself.
    expected = rate if momentum is None else rate * (0.5 + decay * 2.0)
    assert 2.0 - float(weight[0, 0]) == pytest.approx(expected, rel=0.02)
    assert paper.l2 == pytest.approx(decay, rel=1e-4)
    assert paper.weight_decay == 0
    assert getattr(made, "momentum", None) == momentum


@pytest.mark.parametrize(
    ("name", "iterations", "pictures"),
    [
        ("segnet", 40_000, 367),
        ("fcn", 100_000, 8_498),
        ("deeplab_v2", 20_000, 10_582),
        ("deeplab_v3_plus", 30_000, 10_582),
        ("icnet", 30_000, 2_975),
    ],
)
def test_epochs_are_the_iterations_of_the_paper(name, iterations, pictures):
    paper = recipe(name)
    assert paper.epochs == round(iterations * paper.batch_size / pictures)


def test_the_rate_of_enet_falls_to_a_tenth_in_100_epochs():
    rate = recipes.learning_rate(recipe("enet"), steps_per_epoch=10)
    assert float(rate(1000)) == pytest.approx(5e-5, rel=1e-3)


def test_refinenet_is_trained_at_ten_times_the_rate_first():
    assert recipe("refinenet").first().learning_rate == 5e-4


def test_every_segmentation_network_of_a_paper_names_its_recipe():
    missing = [x for x in models.names("segmentation") if models.facts(x).recipe is None]
    assert missing == []


@pytest.mark.parametrize(
    ("name", "network", "options", "expected"),
    [
        # voc-fcn8s/train.prototxt: lr_mult 1 and 2.
        ("fcn", "fcn8s", models.facts("fcn8s").tiny, {"fc6/kernel": 1, "fc6/bias": 2}),
        # Models/segnet_train.prototxt: the same; normalizations have 1.
        ("segnet", "segnet", models.facts("segnet").tiny,
         {"encoder1_conv1/bias": 2, "encoder1_conv1_bn/beta": 1, "logits/kernel": 1}),
        # deeplab-pytorch, main.py: "1x", "10x" and "20x".
        ("deeplab_v2", "deeplab_v2", models.facts("deeplab_v2").tiny,
         {"encoder_conv1_conv/kernel": 1, "aspp3/kernel": 10, "aspp3/bias": 20}),
        # gen_net_opts_model_type1.m: input_featnet_lr_multiplier=0.1.
        ("refinenet", "refinenet", models.facts("refinenet").tiny,
         {"encoder_conv1_conv/kernel": 0.1, "refine1_reduce/kernel": 1, "logits_conv/bias": 1}),
        # pspnet101_cityscapes_713.prototxt and semseg, tool/train.py: lr_mult 10, and new modules.
        ("pspnet", "pspnet", {**models.facts("pspnet").tiny, "auxiliary_head": True},
         {"encoder_conv1_1_conv/kernel": 1, "pyramid6_conv/kernel": 10, "head_bn/gamma": 10,
          "logits_conv/bias": 10, "aux_stage4/kernel": 10, "aux_stage4_head_conv/kernel": 10}),
    ],
)  # fmt: skip
def test_layers_have_the_learning_rates_of_the_authors_files(name, network, options, expected):
    model = models.build(network, (32, 32, 3), 2, **options)
    made = recipes.optimizer(recipe(name), model, steps_per_epoch=10)
    weights = {weight.path: weight for weight in model.trainable_variables}
    found = {path: made.rate_factors.get(id(weights[path]), 1) for path in expected}
    assert found == expected
