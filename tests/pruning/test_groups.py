"""Channels that can only be removed together, by how layers use them."""

import keras
import numpy as np
import pytest
from _pruning import scattered, tiny
from keras import layers

import keras_seg
from keras_seg.layers import LocalResponseNormalization, PadChannels, SelectChannels
from keras_seg.pruning import groups, register
from keras_seg.pruning.table import TABLE


def convolution(name, filters=4, size=1, **options):
    return layers.Conv2D(filters, size, padding="same", name=name, **options)


def between(*kinds, channels=4):
    """An image, a convolution `first`, layers, and a convolution `last` whose outputs are kept."""
    image = keras.Input((8, 8, 3))
    x = convolution("first", channels)(image)
    for kind in kinds:
        x = kind(x)
    return keras.Model(image, convolution("last", 2)(x))


def halved(model):
    """The numbers of filters after half of all channels are removed, by layer."""
    found = keras_seg.prune(scattered(model), 0.5)
    return {x.name: getattr(x, "filters", None) for x in found.layers}


def test_groups_are_a_table():
    found = groups(between(layers.BatchNormalization(name="bn"), layers.ReLU()))
    row = found.loc["first"]
    assert found.index.tolist() == ["first"]
    assert row["channels"] == 4
    assert row["made_by"] == ["first"]
    assert row["followed_by"] == ["first", "bn"]  # The bias, and the normalization.
    assert row["read_by"] == ["last"]
    assert "first" in str(found)


def test_additions_and_depthwise_convolutions_tie():
    found = groups(tiny("contextnet_cn14"))
    # The stages of a residual branch: all blocks of the stage write to the same channels.
    stage = [f"context3_{block}_project_conv" for block in (1, 2, 3)]
    assert found["made_by"].tolist().count(stage) == 1
    inside = found.loc["context3_1_expand_conv"]
    assert inside["followed_by"] == [
        "context3_1_expand_bn",
        "context3_1_depthwise",
        "context3_1_depthwise_bn",
    ]
    assert inside["read_by"] == ["context3_1_project_conv"]


@pytest.mark.parametrize(
    ("kinds", "name", "expected"),
    [
        # 4 input channels in 2 groups: channels 0 and 2 go together, so do 1 and 3.
        ([convolution("middle", 8, groups=2)], "middle", 4),
        # As many groups as channels: depthwise, two filters per channel.
        ([convolution("middle", 8, groups=4)], "middle", 4),
        ([layers.DepthwiseConv2D(3, depth_multiplier=2)], "first", 2),
        ([layers.SeparableConv2D(6, 3, depth_multiplier=2, name="middle")], "middle", 3),
        ([layers.Conv2DTranspose(6, 3, name="middle")], "middle", 3),
        ([layers.PReLU(shared_axes=[1, 2])], "first", 2),
        ([layers.Reshape((64, 1, 4))], "first", 2),
        ([layers.Softmax(axis=1)], "first", 4),
        ([layers.Softmax()], "first", 4),
        ([layers.Activation("softmax")], "first", 4),
        ([layers.LayerNormalization()], "first", 4),
        ([LocalResponseNormalization()], "first", 4),
        ([layers.Rescaling([1.0, 2.0, 3.0, 4.0])], "first", 4),
        ([layers.Rescaling(2.0)], "first", 2),
        ([layers.Reshape((8, 4, 8))], "first", 4),
        ([PadChannels(4)], "first", 2),
        ([SelectChannels([3, 0, 3])], "first", 2),
    ],
)
def test_what_is_left_of_half_the_channels(kinds, name, expected):
    kinds = [type(kind).from_config(kind.get_config()) for kind in kinds]
    assert halved(between(*kinds))[name] == expected


def test_selected_channels_get_their_new_numbers():
    model = between(SelectChannels([3, 0, 3], name="select"))
    model.get_layer("first").kernel.assign(np.broadcast_to([1.0, 2.0, 3.0, 4.0], (1, 1, 3, 4)))
    pruned = keras_seg.prune(model, 0.5)  # Channels 2 and 3 stay, 0 goes.
    assert pruned.get_layer("select").channels == [1, 1]


def test_flattened_channels_repeat():
    image = keras.Input((2, 2, 3))
    x = layers.Flatten()(convolution("first")(image))
    model = keras.Model(image, layers.Dense(2, name="last")(x))
    pruned = keras_seg.prune(model, 0.5)
    assert pruned.get_layer("last").kernel.shape == (2 * 2 * 2, 2)


def test_a_gate_of_one_channel_does_not_tie():
    image = keras.Input((8, 8, 3))
    x = convolution("first")(image)
    x = layers.Multiply()([x, convolution("gate", 1, activation="sigmoid")(x)])
    found = halved(keras.Model(image, convolution("last", 2)(x)))
    assert (found["first"], found["gate"]) == (2, 1)


def test_concatenated_rows_tie_and_concatenated_channels_do_not():
    image = keras.Input((8, 8, 3))
    one, two = convolution("one")(image), convolution("two")(image)
    for axis, count in ((1, 1), (-1, 2), (3, 2)):
        x = layers.Concatenate(axis=axis)([one, two])
        found = groups(keras.Model(image, convolution(f"last{axis % 9}", 2)(x)))
        assert len(found) == count


def test_a_shared_layer_has_the_same_channels_in_all_calls():
    image = keras.Input((8, 8, 3))
    shared = convolution("shared")
    one, two = convolution("one")(image), convolution("two")(image)
    x = layers.Concatenate()([shared(one), shared(two)])
    model = keras.Model(image, convolution("last", 2)(x))
    assert ["one", "two"] in [sorted(names) for names in groups(model)["made_by"]]
    assert keras_seg.prune(model, 0.5).get_layer("shared").kernel.shape == (1, 1, 2, 2)


def test_nested_models_are_opened():
    inner = keras.Sequential([keras.Input((8, 8, 4)), convolution("inside", 6)], name="inner")
    model = between(inner, layers.ReLU())
    pruned = keras_seg.prune(model, 0.5)
    assert groups(model).index.tolist() == ["first", "inside"]
    assert pruned.get_layer("inner").get_layer("inside").kernel.shape == (1, 1, 2, 3)
    image = np.ones((1, 8, 8, 3))
    np.testing.assert_array_equal(keras_seg.prune(model, 0)(image), model(image))


class Own(layers.Layer):
    """A layer that `prune` does not know."""

    def build(self, input_shape):
        self.factor = self.add_weight(shape=(2, input_shape[-1]), name="factor")

    def call(self, inputs):
        return inputs * self.factor[0]


def test_an_unknown_layer_can_be_registered():
    with pytest.raises(ValueError, match="is not registered"):
        groups(between(Own()))
    register(Own, "passes")
    assert halved(between(Own(name="own")))["first"] == 2


class Square(layers.Layer):
    """A layer with a weight that no channel belongs to."""

    def build(self, input_shape):
        self.factor = self.add_weight(shape=(7,), name="factor")

    def call(self, inputs):
        return inputs * self.factor[0]


def test_a_weight_without_channels_is_not_passed():
    register(Square, "passes")
    with pytest.raises(
        ValueError, match=r"passes its 4 channels.*weights of other shapes: .*factor"
    ):
        groups(between(Square()))
    register(Square, "fixes")
    assert halved(between(Square()))["first"] == 4


@pytest.mark.parametrize(
    ("kind", "relation", "error", "words"),
    [
        (layers.ReLU(), "passes", TypeError, "`register` needs a class of layers. Received: kind="),
        (dict, "passes", TypeError, "Pass the class itself"),
        (Own, "splits", ValueError, "Received: relation='splits'. Names: .'concatenates'"),
    ],
)
def test_what_cannot_be_registered(kind, relation, error, words):
    with pytest.raises(error, match=words):
        register(kind, relation)


class Gain(layers.Layer):
    """A layer that has the number of its channels in its configuration."""

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.gain = self.add_weight(shape=(channels,), name="gain")

    def call(self, inputs):
        return inputs * self.gain

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}


def test_a_layer_that_cannot_be_built_with_fewer_channels_is_named():
    register(Gain, "passes")
    with pytest.raises(ValueError, match="layer 'gain' of the class Gain, which cannot be called"):
        keras_seg.prune(between(Gain(4, name="gain")), 0.5)
    register(Gain, "fixes")
    assert halved(between(Gain(4)))["first"] == 4


class Table(layers.Layer):
    """A layer whose weights do not follow from its inputs."""

    def __init__(self, rows=(4,), **kwargs):
        super().__init__(**kwargs)
        self.table = [self.add_weight(shape=(n,), name="table") for n in rows]

    def call(self, inputs):
        return inputs


def test_weights_that_do_not_follow_from_the_channels_are_named():
    register(Table, "passes")
    with pytest.raises(
        ValueError, match=r"weights of layer 'table' do not follow.*shapes \[\(4,\)"
    ):
        keras_seg.prune(between(Table(name="table")), 0.5)


class Row(layers.Layer):
    """A layer with fields as a convolution has them, and another kernel."""

    axis = None

    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], 3 * self.units), name="kernel")

    def call(self, inputs):
        return inputs @ self.kernel[:, : self.units]


@pytest.mark.parametrize(
    ("relation", "words"),
    [
        (
            "mixes",
            r"for layer 'row' needs 4 channels along axis -1 of its weight number 0. .*4, 12",
        ),
        ("concatenates", "'row' is registered as one that concatenates, with a field `axis`"),
        ("passes", r"passes its 4 channels.*weights of other shapes"),
    ],
)
def test_a_relation_that_does_not_fit_is_named(relation, words):
    register(Row, relation)
    with pytest.raises(ValueError, match=words):
        groups(between(Row(name="row")))
    register(Row, "fixes")
    assert halved(between(Row()))["first"] == 4


def test_mixing_needs_a_number_of_channels():
    register(Table, "mixes")
    with pytest.raises(ValueError, match="with a field `filters` or `units`"):
        groups(between(Table()))


@pytest.mark.parametrize("relation", ["passes", "fixes"])
def test_lambda_layers_can_be_registered(relation):
    model = between(layers.Lambda(lambda x: 2 * x, name="twice"))
    TABLE.pop(layers.Lambda, None)
    with pytest.raises(ValueError, match=r"layer 'twice'.*with kind=keras.layers.Lambda and one"):
        groups(model)
    register(layers.Lambda, relation)
    assert halved(model)["first"] == (2 if relation == "passes" else 4)
    TABLE.pop(layers.Lambda)


def test_the_error_names_functions_as_they_can_be_written():
    image = keras.Input((8, 8, 3))
    x = keras.ops.einsum("bhwc->bhwc", convolution("first")(image))
    model = keras.Model(image, convolution("last", 2)(x))
    with pytest.raises(ValueError, match=r"kind=keras.src.ops.numpy.Einsum and") as error:
        groups(model)
    kind = eval(str(error.value).split("kind=")[1].split(" and")[0])
    register(kind, "fixes")
    assert keras_seg.prune(model, 0.5).count_params() == model.count_params()
    TABLE.pop(kind)


def test_a_selection_keeps_one_of_its_channels():
    model = between(SelectChannels([0, 1], name="select"))
    kernel = np.broadcast_to([0.1, 0.2, 3.0, 4.0], (1, 1, 3, 4))
    model.get_layer("first").kernel.assign(kernel)
    pruned = keras_seg.prune(model, 0.5)
    # Channels 2 and 3 are the largest; of those selected, 1 is.
    assert pruned.get_layer("first").filters == 3
    assert pruned.get_layer("select").channels == [0]


@pytest.mark.parametrize(
    ("bound", "left"), [(1.0, 2), (np.float32([0.1, 0.2, 0.3, 0.4]), 4), (np.float32([0.5]), 2)]
)
def test_clipping_by_a_bound_per_channel_keeps_them(bound, left):
    assert halved(between(lambda x: keras.ops.clip(x, -1.0, bound)))["first"] == left


def test_an_activation_layer_has_weights_per_channel():
    model = between(layers.Activation(layers.PReLU(shared_axes=[1, 2])))
    assert halved(model)["first"] == 2

    def scaled(values):
        return values * np.arange(4, dtype="float32")

    assert halved(between(convolution("second", activation=scaled)))["second"] == 4


def test_all_calls_of_a_nested_model_have_the_same_channels():
    image, inside = keras.Input((8, 8, 3)), keras.Input((8, 8, 4))
    nested = keras.Model(inside, layers.ReLU()(layers.MaxPooling2D(3, 1, "same")(inside)))
    one = convolution("one")(image)
    two = layers.GroupNormalization(2)(convolution("two")(one))  # Its channels stay.
    x = layers.Concatenate()([nested(one), nested(two)])
    found = halved(keras.Model(image, convolution("last", 2)(x)))
    assert (found["one"], found["two"]) == (4, 4)


def test_a_nested_model_without_a_graph_is_named():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    model = between(Own(name="own"))
    with pytest.raises(
        TypeError, match=r"`prune` needs.*so do models inside it. Received: Own 'own'"
    ):
        keras_seg.prune(model, 0.5)
