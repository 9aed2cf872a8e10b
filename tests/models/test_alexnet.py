"""AlexNet and All-CNN: sizes from their papers, halves that do not meet, wrong options."""

import keras
import numpy as np
import pytest
from _architectures import without_values

from keras_seg import models
from keras_seg.models import encoders

SIDES = {
    # Kernels 11 with stride 4, poolings of 3 with stride 2: 227 -> 55 -> 27 -> 13 -> 6.
    ("alexnet", 227): {"conv1": 55, "pool1": 27, "conv2": 27, "pool2": 13, "conv5": 13, "pool5": 6},
    ("alexnet_one_tower", 224): {"conv1": 55, "pool1": 27, "pool2": 13, "pool5": 6},
    # The paper's 6x6 maps at the end of both.
    ("all_cnn_imagenet", 224): {"conv1": 55, "conv3": 27, "conv6": 13, "conv9": 6, "conv11": 6},
    ("all_cnn_c", 32): {"conv2": 32, "conv3": 16, "conv6": 8, "conv8": 6},
}


@pytest.mark.parametrize(("name", "size"), SIDES, ids=str)
def test_maps_have_the_sizes_of_the_paper(name, size):
    model = models.build(name, (size, size, 3), **models.facts(name).tiny)
    found = {layer: model.get_layer(layer).output.shape[1] for layer in SIDES[name, size]}
    assert found == SIDES[name, size]


def test_all_cnn_averages_6x6_pixels_of_images_of_224_or_without_padding_of_227():
    for name, size, options in (
        ("all_cnn_imagenet", 224, {}),
        ("all_cnn_imagenet", 227, {"padding": 0}),
        ("all_cnn_c", 32, {}),
    ):
        model = models.build(name, (size, size, 3), **models.facts(name).tiny, **options)
        assert model.get_layer("pool").input.shape[1:3] == (6, 6), (name, options)


def test_maps_of_all_cnn_have_the_image_at_their_middle():
    # 224 pixels: 55, 27. In place of strides of 2, valid kernels dilated by 1 and 2 remove 2 and 4
    # pixels, which the maps get back.
    for name, size, output_stride, expected in (
        ("all_cnn_imagenet", 224, 32, [55, 27, 13, 6]),
        ("all_cnn_imagenet", 224, 16, [55, 27, 13, 13]),
        ("all_cnn_imagenet", 224, 8, [55, 27, 27, 27]),
        ("all_cnn_c", 32, 32, [32, 16, 8]),
    ):
        image = keras.Input((size, size, 3))
        maps = encoders.features(name, image, output_stride, **models.facts(name).tiny)
        assert [x.shape[1] for x in maps.values()] == expected, (name, output_stride)


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
        ("all_cnn_imagenet", {"padding": -1}, "needs padding to be a whole number of at least 0"),
        ("squeezenet1_0", {"first": (7,)}, r"needs first to be 2 whole numbers.*\(7, 96\)"),
        ("squeezenet1_0", {"pool_after": (1, 4)}, r"needs pool_after to be 3 whole numbers"),
        ("squeezenet1_0", {"pool_after": (1, 4, 4)}, "three different modules from 1 to 9"),
        ("squeezenet1_0", {"pool_after": (1, 4, 10)}, "three different modules from 1 to 9"),
        ("resnet50", {"blocks": (3, 4, 6)}, r"`resnet` needs blocks to be 4 whole.*\(3, 4, 6, 3\)"),
        ("resnet50", {"bn_epsilon": 0}, "`resnet` needs bn_epsilon to be a finite number above 0"),
        (
            "densenet_cifar_40_12",
            {"block_dropout_rate": 1},
            "needs block_dropout_rate from 0 below",
        ),
        ("repvgg_b1g2", {"width": 0.3}, r"channels that its groups divide.*groups=2.*\[19, 38,"),
        ("replknet31b", {"small_kernel": 4}, "`replknet` needs odd kernels.*small_kernel=4"),
        ("replknet31b", {"kernels": (31, 29, 27, 3)}, "none smaller than the small kernel"),
        ("slak_tiny", {"kernels": (50, 49, 47, 13)}, r"`slak` needs odd kernels.*\(50, 49,"),
        ("slak_tiny", {"layer_scale": None}, "`slak` needs layer_scale to be a finite number"),
        ("convnext_tiny", {"layer_scale": 0}, "`convnext` needs layer_scale to be a finite number"),
        ("wrn_28_10", {"blocks": (4, 4)}, "`wide_resnet` needs blocks to be 3 whole numbers"),
        *(
            (name, {"squeeze_ratio": -1}, "needs squeeze_ratio to be a whole number")
            for name in (
                "wrn_28_10",
                "convnext_tiny",
                "mobilenet_v2",
                "replknet31b",
                "xception",
                "xception65",
                "slak_tiny",
            )
        ),
        ("wrn_28_10", {"block_dropout_rate": 1}, "needs block_dropout_rate from 0 below 1"),
    ],
    ids=str,
)
def test_wrong_options_are_refused(name, options, words):
    with pytest.raises(ValueError, match=words):
        models.build(name, **options)


def test_thin_repvgg_keeps_a_channel():
    model = models.repvgg_a0((32, 32, 3), 5, width=1e-3, last_width=1e-3)
    assert model.get_layer("stage4_block1_add").output.shape == (None, 1, 1, 1)


def test_rates_of_dropped_blocks_are_those_of_the_authors():
    # The authors' training commands; linear over the blocks, from 0 for the first one.
    wanted = {
        "replknet31b": 0.5, "replknet31l": 0.3, "slak_tiny": 0.1, "slak_small": 0.4,
        "convnext_tiny": 0.1, "convnext_small": 0.4, "convnext_base": 0.5,
    }  # fmt: skip
    assert {name: models.options(name)["drop_path_rate"] for name in wanted} == wanted
    small = {"blocks": (1, 1, 2, 1), "filters": (8, 8, 8, 8)}
    model = models.convnext_small((32, 32, 3), 5, **small)
    rates = [x.rate for x in model.layers if x.name.endswith("_drop")]
    np.testing.assert_allclose(rates, [0.1, 0.2, 0.3, 0.4])
    model = models.efficientnet_b0((32, 32, 3), 5, width=0.5)
    # Sixteen blocks; those with a shortcut are the third, fifth, seventh, eighth, and so on.
    rates = [16 / 0.2 * x.rate for x in model.layers if x.name.endswith("_drop")]
    np.testing.assert_allclose(rates, [2, 4, 6, 7, 9, 10, 12, 13, 14])


def test_dropout_of_densenet_follows_every_convolution_but_the_first():
    # Section 3.4: 3 * 2 convolutions and 2 of transitions; with bottlenecks 2 * 3 * 2 and 2.
    for name, convolutions in (("densenet_cifar_40_12", 8), ("densenet_cifar_bc_100_12", 14)):
        with without_values():
            model = models.build(name, blocks=(2, 2, 2), block_dropout_rate=0.2)
        dropped = [x for x in model.layers if isinstance(x, keras.layers.Dropout)]
        assert len(dropped) == convolutions
        assert {x.rate for x in dropped} == {0.2}
        before = {x.input._keras_history.operation.name for x in dropped}
        kernels = [x.name for x in model.layers if isinstance(x, keras.layers.Conv2D)]
        assert set(kernels) - before == {"conv1_conv"}


@pytest.mark.parametrize(
    "name",
    ["convnext_tiny", "mobilenet_v2", "replknet31b", "resnet18", "resnext50", "slak_tiny",
     "wrn_16_8", "xception", "xception65"],
)  # fmt: skip
def test_squeeze_and_excite_is_an_option_of_every_residual_block(name):
    options = dict(models.facts(name).tiny)
    with without_values():
        plain = models.build(name, (64, 64, 3), 5, **options)
        model = models.build(name, (64, 64, 3), 5, squeeze_ratio=4, **options)
    excited = [x for x in model.layers if x.name.endswith("_se_excite")]
    sums = [x for x in model.layers if x.name.endswith("_add")]
    # Table 2 of MobileNetV2: 17 bottlenecks, 10 of which repeat size and channels.
    assert len(excited) == (17 if name == "mobilenet_v2" else len(sums)) > 0
    # Each block of c channels has c * r + r + r * c + c parameters more, r = max(1, c // 4).
    more = sum(
        2 * c * r + r + c for c in (x.output.shape[-1] for x in excited) for r in [max(1, c // 4)]
    )
    assert model.count_params() == plain.count_params() + more
