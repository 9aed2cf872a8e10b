"""Effective receptive fields of every layer, also through gates, pooling and keras.ops."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_seg import analyse, models


def gated(gate):
    """Two 3x3 convolutions, the second behind what looks at the whole picture."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, padding="same", name="first")(image)
    x = gate(x)
    x = layers.Conv2D(4, 3, padding="same", name="second")(x)
    return keras.Model(image, layers.GlobalAveragePooling2D(name="pool")(x))


def squeeze_excite(x):
    return x * ops.sigmoid(layers.Conv2D(4, 1, name="gate")(ops.mean(x, (1, 2), keepdims=True)))


def test_the_table_has_the_measured_field_beside_the_theoretical_one():
    table = analyse.effective_receptive_fields(gated(ops.relu), size=15)
    assert table.index.tolist() == ["first", "second"]
    # 3, and 2 more: noise reaches every pixel of the field.
    for column in ("support_height", "support_width", "field_height", "field_width"):
        assert table[column].tolist() == [3, 5]
    assert (table["side"] <= table["field_height"]).all()
    assert table["share"].tolist() == (table["side"] / table["field_height"]).tolist()


def test_gates_are_seen_by_gradients_and_left_out_of_the_arithmetic():
    table = analyse.effective_receptive_fields(gated(squeeze_excite), size=15)
    assert table["field_height"].tolist()[::2] == [3, 5]
    # The gate reads every pixel, so that what follows depends on all of them a little.
    assert table["support_height"].tolist() == [3, 15, 15]
    assert table.loc["second", "side"] < 6


def test_global_pooling_and_operations_can_be_named():
    model = gated(ops.relu)
    name = next(x.name for x in model.operations if type(x).__name__ == "Relu")
    table = analyse.effective_receptive_fields(model, [name, "pool"], size=15)
    assert table.loc[name, "support_height"] == 3
    # The mean of all positions sees all pixels; the whole picture has no share of infinity.
    assert table.loc["pool", "support_width"] == 15
    assert table.loc["pool", "field_width"] == np.inf
    assert table.loc["pool", "share"] == 0


def test_influence_of_uniform_kernels_is_that_of_luo():
    # Kernels of ones: the gradient's weights are those of the kernel with itself, (1, 2, 3, 2, 1),
    # per axis; for an output of y the squares' gradient is 2 y times that, and y is one number.
    image = keras.Input((None, None, 1))
    ones = {"padding": "same", "use_bias": False, "kernel_initializer": "ones"}
    x = layers.Conv2D(1, 3, **ones)(layers.Conv2D(1, 3, **ones)(image))
    found = analyse.effective_receptive_field(keras.Model(image, x), size=9)
    line = np.array([1, 2, 3, 2, 1]) / 3
    np.testing.assert_allclose(found.influence[2:7, 2:7], np.outer(line, line), rtol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("name", ["se_resnet50", "mobilenet_v3_small"])
def test_networks_with_squeeze_and_excite_have_a_table(name):
    model = models.build(name, (None, None, 3), 5, **models.facts(name).tiny)
    first = [x.name for x in model.layers if isinstance(x, layers.DepthwiseConv2D | layers.Conv2D)]
    table = analyse.effective_receptive_fields(model, first[:2], size=33, num_images=1)
    assert np.isfinite(table).all().all()
    assert (table["side"] > 0).all()


def test_layers_that_are_not_there_are_refused():
    for call in (analyse.effective_receptive_field, analyse.effective_receptive_fields):
        layer = "third" if call is analyse.effective_receptive_field else ["third"]
        with pytest.raises(ValueError, match=r"Unknown layer.*layer='third'"):
            call(gated(ops.relu), **{"layer" if isinstance(layer, str) else "layers": layer})
