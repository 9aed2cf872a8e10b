"""The Inception networks and Xception: sizes from their papers, forms, auxiliary heads, options."""

import keras
import numpy as np
import pytest
from _architectures import without_values

from keras_seg import models

# Height and channels of maps at the papers' sizes of images: tables 1 of GoogLeNet and of
# Inception v3, figure 5 of Inception v2, figures 3, 9, 14 and 15 of Inception v4, figure 5 of
# Xception.
SHAPES = {
    ("googlenet", 224): {
        "conv1_relu": (112, 64), "pool1": (56, 64), "conv2_relu": (56, 192), "pool2": (28, 192),
        "inception3a": (28, 256), "inception3b": (28, 480), "inception4a": (14, 512),
        "inception4d": (14, 528), "inception4e": (14, 832), "inception5b": (7, 1024),
    },
    ("inception_v2", 224): {
        "conv1_relu": (112, 64), "pool2": (28, 192), "inception3a": (28, 256),
        "inception3b": (28, 320), "inception3_last": (14, 576), "inception4a": (14, 576),
        "inception5a": (7, 1024), "inception5b": (7, 1024),
    },
    ("inception_v3", 299): {
        "conv1_relu": (149, 32), "conv2_relu": (147, 32), "pool1": (73, 64),
        "conv5_relu": (71, 192), "squares1": (35, 256), "squares3": (35, 288),
        "lines4": (17, 768), "reduction2": (8, 1280),
        "wide2": (8, 2048),
    },
    ("inception_v4", 299): {
        "stem1": (73, 160), "stem2": (71, 192), "stem3": (35, 384), "a4": (35, 384),
        "b7": (17, 1024), "c3": (8, 1536),
    },
    ("inception_resnet_v1", 299): {
        "conv5_relu": (71, 192), "conv6_relu": (35, 256), "reduction_a": (17, 896),
        "reduction_b": (8, 1792),
    },
    ("xception", 299): {
        "block1_conv2_relu": (147, 64), "block4_add": (19, 728), "block13_add": (10, 1024),
        "block14_sepconv2_act": (10, 2048),
    },
}  # fmt: skip
SMALL = {"blocks": (1, 1, 1), "width": 0.125}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), SHAPES, ids=str)
def test_maps_have_the_sizes_and_channels_of_the_paper(name, size):
    model = models.build(name, (size, size, 3))
    for layer, (side, channels) in SHAPES[name, size].items():
        assert model.get_layer(layer).output.shape == (None, side, side, channels), layer


def test_sizes_of_googlenet_are_those_of_the_paper():
    model = models.googlenet((224, 224, 3), **models.facts("googlenet").tiny)
    shapes = SHAPES["googlenet", 224]
    for layer in shapes.keys() & {x.name for x in model.layers}:
        assert model.get_layer(layer).output.shape[1] == shapes[layer][0], layer


def test_auxiliary_heads_of_googlenet_read_4a_and_4d():
    model = models.googlenet((224, 224, 3), 10, auxiliary_head=True, width=0.125, dense_units=8)
    for name, place in (("aux_1", "inception4a"), ("aux_2", "inception4d")):
        assert model.get_layer(f"{name}_grid").input is model.get_layer(place).output
        # 14 pixels, windows of 5, stride 3: the paper's 4x4 maps.
        assert model.get_layer(f"{name}_pool").output.shape[1:3] == (4, 4)


def test_grids_of_auxiliary_heads_change_nothing_at_the_papers_size():
    model = models.inception_v3((299, 299, 3), 10, auxiliary_head=True, **SMALL)
    grid = model.get_layer("aux_grid")
    assert grid.input.shape[1:3] == (17, 17)
    x = np.random.default_rng(0).normal(size=(1, *grid.input.shape[1:])).astype("float32")
    np.testing.assert_allclose(grid(x), x, rtol=1e-6)
    # 17 pixels, windows of 5, stride 3: 5x5, which one kernel of that size reads.
    assert model.get_layer("aux_whole_conv").output.shape[1:3] == (1, 1)


def test_zeros_around_the_last_map_are_not_averaged():
    model = models.inception_v3((139, 139, 3), 5, **SMALL)
    crop = model.get_layer("full32_crop")
    assert crop.output.shape == model.get_layer("wide1").output.shape


def test_the_papers_inception_resnet_v2_begins_like_inception_v4():
    options = {"released": False, "blocks": (1, 1, 1)}
    model = models.inception_resnet_v2((299, 299, 3), 10, **options)
    # Figure 15 and table 1: 384 channels, 384 + 384 + 384, and 1152 + 384 + 288 + 320.
    for layer, shape in (
        ("stem3", (35, 35, 384)), ("reduction_a", (17, 17, 1152)), ("reduction_b", (8, 8, 2144)),
    ):  # fmt: skip
        assert model.get_layer(layer).output.shape[1:] == shape
    released = models.inception_resnet_v2((299, 299, 3), 10, blocks=(1, 1, 1))
    names = {layer.name for layer in released.layers}
    assert {"conv7_conv", "mixed"} <= names
    assert "c1_relu" not in names
    assert "c1_relu" in {layer.name for layer in model.layers}


def test_the_papers_inception_resnet_v1_has_no_embedding():
    options = {"blocks": (1, 1, 1), "width": 0.125}
    names = {x.name for x in models.inception_resnet_v1((96, 96, 3), 10, **options).layers}
    plain = models.inception_resnet_v1((96, 96, 3), 10, embedding=0, **options)
    assert {"embedding", "embedding_bn"} <= names
    assert not {"embedding", "embedding_bn"} & {x.name for x in plain.layers}


@pytest.mark.parametrize(("name", "ends"), [("v1", (256, 896, 1792)), ("v2", (320, 1088, 2080))])
def test_squeeze_and_excite_ends_each_residual_module_of_inception_resnet(name, ends):
    build = getattr(models, f"inception_resnet_{name}")
    with without_values():
        plain, model = (build((96, 96, 3), 5, blocks=(1, 1, 1), squeeze_ratio=r) for r in (0, 16))
    # SE's paper: c -> c / 16 -> c with biases in each module A, B and C.
    more = sum(2 * c * (c // 16) + c // 16 + c for c in ends)
    assert model.count_params() == plain.count_params() + more
    assert model.get_layer("a1_scale").input is model.get_layer("a1_se_excite").output


def test_averages_at_the_border_count_zeros_only_where_asked():
    for count, expected in ((False, 1.0), (True, 4 / 9)):
        model = models.inception_v2((64, 64, 3), 5, **SMALL, count_padding=count)
        pooled = model.get_layer("inception3a_branch4_1_pool")
        padded = model.get_layer("inception3a_branch4_1_pool_pad") if count else None
        x = np.ones((1, *model.get_layer("pool2").output.shape[1:]), "float32")
        found = np.array(pooled(padded(x) if padded else x))
        assert found[0, 0, 0, 0] == pytest.approx(expected)
        assert found[0, 3, 3, 0] == pytest.approx(1)


def test_poolings_of_xception_are_centered_where_asked():
    image = {"num_classes": 5, "blocks": 1, "width": 0.125}
    # 34 pixels: 16, 14 within the image, and an even map before the first pooling.
    for padding, expected in (("same", 2.0), ("symmetric", 1.0)):
        model = models.xception((34, 34, 3), padding=padding, **image)
        first = model.get_layer("block2_pool")
        rows = np.arange(14, dtype="float32")[None, :, None, None]
        x = np.tile(rows, (1, 1, 14, first.input.shape[-1]))
        end = model.get_layer("block2_pool" if padding == "same" else "block2_pool_step")
        part = keras.Model(first.input, end.output)
        assert float(part(x)[0, 0, 0, 0]) == expected
        assert part.output_shape[1] == 7


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("googlenet", {"wide_kernel": 7}, r"Unknown wide_kernel of `googlenet`.*wide_kernel=7"),
        ("googlenet", {"last_pool": 4}, r"Unknown last_pool of `googlenet`"),
        ("googlenet", {"blocks": (2, 5)}, r"needs blocks to be 3 whole numbers.*\(2, 5, 2\)"),
        ("googlenet", {"blocks": (2, 6, 2)}, r"up to \(2, 5, 2\) modules.*blocks=\(2, 6, 2\)"),
        ("inception_v2", {"blocks": (3, 4, 2)}, r"up to \(2, 4, 2\) modules"),
        ("inception_v3", {"blocks": (3, 5, 9)}, r"up to \(3, 4, any\) modules"),
        ("googlenet", {"dense_units": 0}, "needs dense_units to be a whole number"),
        ("inception_v2", {"pool_filters": 0}, "needs pool_filters to be a whole number"),
        ("inception_v3", {"width": 0}, "`inception_v3` needs width to be a finite number above 0"),
        ("inception_v4", {"bn_epsilon": 0}, "needs bn_epsilon to be a finite number above 0"),
        ("inception_resnet_v1", {"squeeze_ratio": -1}, "needs squeeze_ratio to be a whole number"),
        ("inception_resnet_v2", {"squeeze_ratio": 0.5}, "needs squeeze_ratio to be a whole number"),
        ("inception_resnet_v1", {"embedding": -1}, "needs embedding to be a whole number"),
        ("inception_resnet_v2", {"blocks": 3}, r"needs blocks to be 3 whole.*\(10, 20, 10\)"),
        ("xception", {"blocks": 0}, "`xception` needs blocks to be a whole number"),
        ("xception", {"padding": "valid"}, r"Unknown padding of `xception`.*padding='valid'"),
        ("xception", {"dropout_rate": 1}, "needs dropout_rate from 0 below 1"),
        ("xception", {"input_range": "bgr"}, r"Unknown range of pixels.*input_range='bgr'"),
    ],
    ids=str,
)
def test_wrong_options_are_refused(name, options, words):
    with pytest.raises(ValueError, match=words):
        models.build(name, **options)
