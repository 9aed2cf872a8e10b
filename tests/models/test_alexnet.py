"""AlexNet and All-CNN: sizes from their papers, halves that do not meet, wrong options."""

import keras
import numpy as np
import pytest

from keras_seg import models

SIDES = {
    # Kernels 11 with stride 4, poolings of 3 with stride 2: 227 -> 55 -> 27 -> 13 -> 6.
    ("alexnet", 227): {"conv1": 55, "pool1": 27, "conv2": 27, "pool2": 13, "conv5": 13, "pool5": 6},
    ("alexnet_one_tower", 224): {"conv1": 55, "pool1": 27, "pool2": 13, "pool5": 6},
    # The paper's 6x6 maps at the end of both.
    ("all_cnn_imagenet", 227): {"conv1": 55, "conv3": 27, "conv6": 13, "conv9": 6, "conv11": 6},
    ("all_cnn_c", 32): {"conv2": 32, "conv3": 16, "conv6": 8, "conv8": 6},
}


@pytest.mark.parametrize(("name", "size"), SIDES, ids=str)
def test_maps_have_the_sizes_of_the_paper(name, size):
    model = models.build(name, (size, size, 3), **models.facts(name).tiny)
    found = {layer: model.get_layer(layer).output.shape[1] for layer in SIDES[name, size]}
    assert found == SIDES[name, size]


def test_halves_of_alexnet_do_not_meet_in_grouped_convolutions():
    model = models.alexnet((64, 64, 3), **models.facts("alexnet").tiny)
    for name, groups in (("conv2", 2), ("conv3", 1), ("conv4", 2), ("conv5", 2)):
        layer = model.get_layer(name)
        channels = layer.input.shape[-1]
        x = np.zeros((channels + 1, 5, 5, channels), "float32")
        x[range(1, channels + 1), :, :, range(channels)] = 1
        found = np.array(layer(x))[..., 0]
        changed = np.abs(found[1:] - found[0]).max((1, 2)) > 0
        assert changed.mean() == 1 / groups, name


def test_response_normalization_stands_behind_the_first_two_convolutions():
    def norms(**options):
        model = models.alexnet((64, 64, 3), **models.facts("alexnet").tiny, **options)
        return [x.name for x in model.layers if "Response" in type(x).__name__]

    assert norms() == ["pool1_norm", "pool2_norm"]
    assert norms(local_response=False) == []


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("alexnet", {"filters": (96, 255, 384, 384, 256)}, "needs filters that its groups divide"),
        ("alexnet", {"filters": (96, 256)}, "needs filters to be 5 whole numbers"),
        ("alexnet", {"groups": 0}, "needs groups to be a whole number"),
        ("alexnet", {"padding": -1}, "needs padding to be a whole number"),
        ("alexnet", {"dense_units": 0}, "needs dense_units to be a whole number"),
        ("alexnet", {"dropout_rate": 1}, "needs dropout_rate from 0 below 1"),
        ("all_cnn_c", {"width": 0}, "`all_cnn` needs width to be a finite number above 0"),
        ("all_cnn_c", {"input_dropout_rate": 1}, "needs input_dropout_rate from 0 below 1"),
        ("all_cnn_imagenet", {"dropout_rate": -1}, "needs dropout_rate from 0 below 1"),
        ("squeezenet1_0", {"first": (7,)}, r"needs first to be 2 whole numbers.*\(7, 96\)"),
        ("squeezenet1_0", {"pool_after": (1, 4)}, r"needs pool_after to be 3 whole numbers"),
        ("squeezenet1_0", {"pool_after": (1, 4, 4)}, "three different modules from 1 to 9"),
        ("squeezenet1_0", {"pool_after": (1, 4, 10)}, "three different modules from 1 to 9"),
        ("resnet50", {"blocks": (3, 4, 6)}, r"`resnet` needs blocks to be 4 whole.*\(3, 4, 6, 3\)"),
        ("resnet50", {"bn_epsilon": 0}, "`resnet` needs bn_epsilon to be a finite number above 0"),
        ("wrn_28_10", {"blocks": (4, 4)}, "`wide_resnet` needs blocks to be 3 whole numbers"),
        ("wrn_28_10", {"squeeze_ratio": -1}, "needs squeeze_ratio to be a whole number"),
        ("wrn_28_10", {"block_dropout_rate": 1}, "needs block_dropout_rate from 0 below 1"),
    ],
    ids=str,
)
def test_wrong_options_are_refused(name, options, words):
    with pytest.raises(ValueError, match=words):
        models.build(name, **options)


@pytest.mark.long
def test_squeeze_and_excite_is_an_option_of_wide_and_grouped_blocks():
    for name in ("wrn_16_8", "resnext50", "resnet18"):
        options = dict(models.facts(name).tiny)
        plain = models.build(name, (32, 32, 3), 5, **options)
        model = models.build(name, (32, 32, 3), 5, squeeze_ratio=4, **options)
        excited = [x for x in model.layers if x.name.endswith("_se_excite")]
        blocks = [x for x in model.layers if isinstance(x, keras.layers.Add)]
        assert len(excited) == len(blocks) > 0
        # Each block of c channels has c * r + r + r * c + c parameters more, r = max(1, c // 4).
        more = sum(
            2 * c * r + r + c
            for c in (x.output.shape[-1] for x in excited)
            for r in [max(1, c // 4)]
        )
        assert model.count_params() == plain.count_params() + more
