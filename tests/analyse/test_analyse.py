"""Receptive fields and costs against the literature's numbers and arithmetic."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg import analyse, models
from keras_seg.analyse import Reach, reach
from keras_seg.layers import PositionAttention, ResizeLike


def field(*sequence, axis="height"):
    image = keras.Input((None, None, 3))
    x = image
    for layer in sequence:
        x = layer(x)
    return analyse.receptive_field(keras.Model(image, x))[axis].tolist()


def test_fields_of_single_layers_worked_out_by_hand():
    assert field(layers.Conv2D(4, 3), layers.Conv2D(4, 3)) == [3, 5]
    assert field(layers.Conv2D(4, 3, dilation_rate=4, padding="same")) == [9]  # 1 + 2 * 4
    assert field(layers.DepthwiseConv2D(5, strides=2), layers.Conv2D(4, 3)) == [5, 9]  # 5 + 2 * 2
    assert field(layers.MaxPooling2D(2), layers.BatchNormalization(), layers.ReLU()) == [2, 2, 2]
    assert field(layers.AveragePooling2D(4), layers.Conv2D(1, 3)) == [4, 12]
    assert field(layers.Conv2D(4, (3, 1)), axis="width") == [1]
    # Nearest repeats; bilinear mixes two cells of 2 pixels: 4.
    assert field(layers.MaxPooling2D(2), layers.UpSampling2D(2)) == [2, 2]
    bilinear = layers.UpSampling2D(2, interpolation="bilinear")
    assert field(layers.MaxPooling2D(2), bilinear) == [2, 4]
    # A transposed 3x3 of stride 2 puts two cells of 2 pixels under every second position.
    assert field(layers.MaxPooling2D(2), layers.Conv2DTranspose(4, 3, 2)) == [2, 4]
    # Of 5x5, three under every second one.
    same = layers.Conv2DTranspose(4, 5, 2, padding="same")
    assert field(layers.MaxPooling2D(2), same) == [2, 6]
    assert field(layers.ZeroPadding2D(1), layers.Conv2D(4, 3), layers.Cropping2D(1)) == [1, 3, 3]
    assert field(layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()) == [3, np.inf]


def test_resizing_with_aligned_corners_mixes_two_cells_but_at_the_ends():
    image = keras.Input((16, 16, 3))
    pooled = layers.MaxPooling2D(4)(image)
    found = analyse.receptive_field(
        keras.Model(image, ResizeLike(align_corners=True)([pooled, image]))
    )
    # Position 3 / 15 of 4 cells of 4 pixels lies between two of them: 8 pixels.
    assert found["height"].iloc[-1] == 8
    # From 5 cells to 3 every second one is taken.
    cells = Reach(4.0 * np.arange(5), 4.0 * np.arange(5) + 3)
    size = Reach(np.zeros(3), np.zeros(3))
    found = reach(ResizeLike(align_corners=True), [cells, size], axis=0)
    assert found.first.tolist() == [0, 8, 16]
    assert (found.last - found.first + 1).tolist() == [4, 4, 4]


@pytest.mark.parametrize("mixing", [layers.GroupNormalization(2), PositionAttention()])
def test_what_mixes_all_positions_keeps_their_number(mixing):
    found = field(layers.Conv2D(8, 3, strides=2), mixing, layers.Conv2D(4, 3))
    assert found == [3, np.inf, np.inf]


def test_models_within_a_model_are_opened():
    inner = keras.Sequential([keras.Input((None, None, 4)), layers.Conv2D(4, 3), layers.ReLU()])
    assert field(layers.Conv2D(4, 3), inner) == [3, 5, 5]


def test_branches_join_at_their_outer_ends():
    image = keras.Input((None, None, 3))
    left = layers.Conv2D(4, 7, padding="same")(image)
    right = layers.Conv2D(4, 3, padding="same")(image)
    found = analyse.receptive_field(keras.Model(image, layers.Concatenate()([left, right])))
    assert found["height"].iloc[-1] == 7


# reference: formula, interval arithmetic and gradient support of the authors' layers agree.
DENSE = {
    "fc_densenet56": (
        [3, 11, 12, 28, 30, 62, 66, 130, 138, 266, 282, 538],
        [698, 762, 794, 826, 826],
    ),
    "fc_densenet67": (
        [3, 13, 14, 34, 36, 76, 80, 160, 168, 328, 344, 664],
        [856, 952, 984, 1016, 1016],
    ),
    "fc_densenet103": (
        [3, 11, 12, 32, 34, 90, 94, 254, 262, 646, 662, 1622],
        [2038, 2198, 2262, 2294, 2294],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("recompute", [False, True])
def test_fields_of_fc_densenet(name, recompute):
    found = analyse.receptive_field(models.build(name, num_classes=11, recompute=recompute))

    def largest(part):
        rows = [row for row in found.index if row.startswith(part) and "transition" not in row]
        return found.loc[rows, "height"].max()

    down, up = DENSE[name]
    measured = [found.loc["first_conv", "height"]]
    for number in range(1, 6):
        measured += [largest(f"down{number}"), found.loc[f"down{number}_transition_pool", "height"]]
    assert [*measured, largest("bottleneck")] == down
    assert [largest(f"up{number}") for number in range(1, 6)] == up
    assert found["height"].iloc[-1] == up[-1]
    assert found.loc["bottleneck_1_conv", "stride"] == 32


# With a picture made smaller by averaging. After the fusion, beside the context's field, the
# enlarged map's second cell (8f pixels) and the dilated kernel (2 * 4 * 8 = 64) count.
@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "last_kernel_size", "context", "fused"),
    [
        ("contextnet_cn12", 1, 270, 270 + 16 + 64),
        ("contextnet_cn14", 1, 540, 540 + 32 + 64),
        ("contextnet_cn18", 1, 1080, 1080 + 64 + 64),
        ("contextnet_cn14", 3, 604, 604 + 32 + 64),
    ],
)
def test_fields_of_contextnet(name, last_kernel_size, context, fused):
    found = analyse.receptive_field(models.build(name, last_kernel_size=last_kernel_size))
    assert found.loc["detail4_pointwise_relu6", "width"] == 31
    assert found.loc["context_last_relu6", "width"] == context
    assert found.loc["fusion_relu6", "width"] == fused


def test_gradients_reach_exactly_the_theoretical_field():
    image = keras.Input((None, None, 1))
    x = layers.Conv2D(4, 3, padding="same")(image)
    x = layers.AveragePooling2D(2)(x)
    x = layers.Conv2D(4, 3, padding="same", name="deep")(x)
    model = keras.Model(image, layers.Conv2DTranspose(2, 2, 2)(x))
    theory = analyse.receptive_field(model)["height"].tolist()
    assert theory == [3, 4, 8, 8]  # 3, 3 + 1, 4 + 2 * 2, and cells of its own
    found = analyse.effective_receptive_field(model, size=32)
    assert found.support == (8, 8)
    assert 1 < found.side < 8
    assert found.influence.shape == (32, 32)
    assert found.influence.max() == 1
    assert analyse.effective_receptive_field(model, size=32, layer="deep").support == (8, 8)
    with pytest.raises(ValueError, match="Received: size=0"):
        analyse.effective_receptive_field(model, size=0)


def test_a_layer_of_ones_own_can_be_registered():
    class Shift(layers.Layer):
        def call(self, inputs):
            return inputs

    with pytest.raises(TypeError, match=r"does not support the layer Shift"):
        field(Shift())
    reach.register(Shift, lambda layer, inputs, axis: Reach(*inputs[0]))
    assert field(layers.Conv2D(4, 3), Shift()) == [3, 3]


def test_a_model_without_a_graph_is_refused():
    class Own(keras.Model):
        pass

    with pytest.raises(TypeError, match=r"layers form a graph.*Received: Own"):
        analyse.receptive_field(Own())


@pytest.mark.parametrize(
    ("name", "giga_macs"),
    [("contextnet_cn18", 3.517), ("contextnet_cn14", 5.630), ("contextnet_cn12", 14.083)],
)
def test_multiplications_of_contextnet(name, giga_macs):
    total = analyse.summary(models.build(name), (1024, 2048, 3)).loc["total"]
    assert total["macs"] / 1e9 == pytest.approx(giga_macs, abs=5e-4)
    assert total["parameters"] == models.facts(name).counts[0].total


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "crop", "picture", "maps"),
    [
        # Maps of the last block: the first convolution's 48 and the growth of the first block, the
        # growth of the last but one, its own. 48 + 4 * 12 + 4 * 12 + 4 * 12,
        ("fc_densenet56", 8.917, 30.703, 192),
        # 48 + 5 * 16 + 5 * 16 + 5 * 16,
        ("fc_densenet67", 20.902, 71.967, 288),
        # 48 + 4 * 16 + 5 * 16 + 4 * 16.
        ("fc_densenet103", 20.073, 69.068, 256),
    ],
)
def test_multiplications_of_fc_densenet(name, crop, picture, maps):
    model = models.build(name, num_classes=11)
    for shape, giga_macs in (((224, 224, 3), crop), ((360, 480, 3), picture)):
        table = analyse.summary(model, shape)
        assert table.loc["total", "macs"] / 1e9 == pytest.approx(giga_macs, abs=1e-3)
    # The last block's stack, maps of 360x480 float32, beside what it is made of.
    mib = 2 * maps * 360 * 480 * 4 / 2**20
    assert table.loc["total", "inference_mib"] == pytest.approx(mib)


def test_costs_worked_out_by_hand():
    image = keras.Input((8, 8, 2))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(image)  # 1 KiB
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2DTranspose(2, 3, 2, padding="same", name="up")(x)  # 16 * 16 * 2 * 4: 2 KiB
    table = analyse.summary(keras.Model(image, x))
    assert table["macs"].tolist() == [
        64 * 9 * 2 * 4, 0, 0, 64 * 9 * 4 * 2, 64 * 9 * 16,
    ]  # fmt: skip
    assert table["parameters"].tolist() == [76, 16, 0, 74, 166]
    assert table.loc["up", "output"] == (1, 16, 16, 2)
    kib = 1024 * table["inference_mib"]
    # The picture (0.5 KiB) and its convolution; then in place; then with the larger map.
    assert kib.tolist() == [1.5, 1, 1, 3, 3]
    kept = 1024 * table.loc["up", "training_mib"]
    # The picture, the normalization's input, the ReLU's output; the last map and both gradients.
    assert kept == 0.5 + 1 + 1 + 2 + 2 + 1


def test_multiplications_of_attention_worked_out_by_hand():
    image = keras.Input((4, 5, 16))
    table = analyse.summary(keras.Model(image, PositionAttention(name="attention")(image)))
    # Of 20 positions: queries and keys of 16 / 8 numbers and values of 16; then each position with
    # each other one, queries with keys and weights with values.
    assert table.loc["attention", "macs"] == 20 * 16 * (2 + 2 + 16) + 20 * 20 * (2 + 16)


def macs_of(layer, *inputs):
    table = analyse.summary(keras.Model(inputs[0], layer(*inputs)))
    return table["macs"].iloc[-1]


def test_multiplications_of_attention_with_heads_worked_out_by_hand():
    image = keras.Input((20, 16))
    short = layers.MaxPooling1D(4)(image)
    # 2 heads of 3 numbers for queries and keys, and of 5 for values. Of 20 positions the queries
    # and the results, of 5 the keys and values; then all pairs.
    projections = 20 * 16 * 6 + 5 * 16 * 6 + 5 * 16 * 10 + 20 * 10 * 16
    layer = layers.MultiHeadAttention(2, 3, value_dim=5)
    assert macs_of(layer, image, short) == projections + 20 * 5 * 2 * (3 + 5)
    # Along the rows of a map alone: 4 * 5 positions, each with the 5 of its row.
    image = keras.Input((4, 5, 16))
    layer = layers.MultiHeadAttention(2, 3, attention_axes=2)
    assert macs_of(layer, image, image) == 4 * 20 * 16 * 6 + 20 * 5 * 2 * (3 + 3)


def test_multiplications_of_wrapped_and_general_kernels_worked_out_by_hand():
    image = keras.Input((4, 5, 16))
    # Each of 20 positions: 16 numbers times 2 * 3.
    assert macs_of(layers.EinsumDense("bhwc,cnd->bhwnd", (4, 5, 2, 3)), image) == 20 * 16 * 6
    # Each of 4 rows: 5 positions, 3 taps, 16 channels in, 2 out.
    rows = layers.TimeDistributed(layers.Conv1D(2, 3, padding="same"))
    assert macs_of(rows, image) == 4 * 5 * 3 * 16 * 2


def test_computing_twice_takes_less_memory_and_costs_the_same():
    shape, options = (64, 64, 3), {"layers_per_block": (3, 3, 3, 3, 3), "growth_rate": 12}
    tables = [
        analyse.summary(models.fc_densenet56(shape, 11, recompute=recompute, **options))
        for recompute in (False, True)
    ]
    kept, again = (table.loc["total"] for table in tables)
    assert again["training_mib"] < kept["training_mib"] / 2
    assert (again["macs"], again["parameters"]) == (kept["macs"], kept["parameters"])
    assert list(tables[0].index) == list(tables[1].index)


@pytest.mark.long
def test_unknown_sizes_are_asked_for():
    with pytest.raises(ValueError, match=r"every size.*Received: input_shape=None"):
        analyse.summary(models.contextnet_cn14())
    with pytest.raises(ValueError, match=r"input_shape=\(32, 32, 4\)"):
        analyse.summary(models.contextnet_cn14(), (32, 32, 4))


@pytest.mark.parametrize("shape", [(8, 8, 3), (1, 8, 8, 2), (0, 8, 8, 3)])
def test_pictures_of_the_effective_field_come_in_a_batch(shape):
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, padding="same")(image))
    with pytest.raises(ValueError, match=r"in a batch, with 3 channels. Received: images of shape"):
        analyse.effective_receptive_field(model, images=np.zeros(shape))


@pytest.mark.parametrize("shape", [8, "8x8x3", (8, 8), (8.5, 8, 3), (0, 8, 3), (8, None, 3)])
def test_a_summary_needs_whole_sizes(shape):
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
    with pytest.raises(ValueError, match=r"needs every size of a picture.*Received: input_shape="):
        analyse.summary(model, shape)
