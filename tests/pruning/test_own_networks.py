"""Networks that are not of this package, as Keras's users write them."""

import keras
import numpy as np
import pytest
from _pruning import assert_close, outputs, scattered, without
from keras import layers, ops

import keras_seg
from keras_seg.export import fold
from keras_seg.pruning import groups
from keras_seg.pruning.groups import find
from keras_seg.pruning.prune import chosen, rebuilt


def conv(filters, size=3, **options):
    return layers.Conv2D(filters, size, **{"padding": "same", **options})


def residual(x):
    x = layers.ReLU()(layers.BatchNormalization()(conv(16)(x)))
    for _ in range(2):
        y = conv(16)(layers.ReLU()(layers.BatchNormalization()(x)))
        x = layers.ReLU()(layers.Add()([x, conv(16)(y)]))
    return x


def concatenations(x):
    a = conv(8)(x)
    b = layers.Concatenate()([a, conv(16)(a)])
    c = layers.Concatenate()([b, conv(8)(b), a])
    return layers.BatchNormalization()(layers.Concatenate()([c, layers.Add()([c, conv(40, 1)(c)])]))


def separable(x):
    x = layers.SeparableConv2D(16, 3, padding="same", activation="relu")(x)
    x = layers.SeparableConv2D(16, 3, depth_multiplier=2, padding="same")(x)
    return layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(x)


def grouped(x):
    x = conv(32, groups=4)(conv(16)(x))
    return layers.ReLU()(conv(16, groups=8)(conv(32, groups=32)(x)))


def gates(x):
    x = conv(16, activation="relu")(x)
    g = layers.Dense(16, activation="sigmoid")(layers.GlobalAveragePooling2D()(x))
    x = layers.Multiply()([g, x])  # Without an axis of height and width.
    g = conv(8, 1, activation="relu")(layers.GlobalMaxPooling2D(keepdims=True)(x))
    return layers.Multiply()([x, layers.Reshape((1, 1, 16))(conv(16, 1, activation="tanh")(g))])


def up_and_down(x):
    a = conv(8, activation="relu")(x)
    b = conv(16, activation="relu")(layers.MaxPooling2D()(a))
    up = layers.Conv2DTranspose(8, 2, strides=2)(b)
    return layers.Concatenate()([up, a, layers.UpSampling2D(interpolation="bilinear")(b)])


def sides(x):
    x = conv(8, padding="valid")(layers.ZeroPadding2D(1)(conv(16)(x)))
    return layers.Concatenate()([x, layers.ZeroPadding2D(2)(layers.Cropping2D(2)(x))])


def one_activation_everywhere(x):
    relu = layers.ReLU()  # No weights: it ties nothing.
    return relu(conv(8)(relu(conv(16)(relu(conv(8)(x))))))


def shared_at_two_sizes(x):
    shared, norm = conv(8), layers.BatchNormalization()
    a = conv(8)(x)
    return layers.Add()([shared(a), layers.UpSampling2D()(norm(shared(layers.MaxPooling2D()(a))))])


def nested_at_two_sizes(x):
    inside = keras.Input((None, None, 8))
    block = keras.Model(inside, layers.ReLU()(layers.BatchNormalization()(conv(8)(inside))))
    a = conv(8)(x)
    return layers.Add()([block(a), layers.UpSampling2D()(block(layers.MaxPooling2D()(a)))])


def nested_with_many_maps(x):
    one, two = keras.Input((8, 8, 8), name="one"), keras.Input((8, 8, 8), name="two")
    total = layers.Add()([one, two])
    block = keras.Model({"one": one, "two": two}, {"a": conv(8)(total), "b": conv(16)(total)})
    made = block({"one": conv(8)(x), "two": conv(8)(x)})
    return layers.Concatenate()([made["a"], made["b"]])


def slopes(x):
    x = layers.PReLU(shared_axes=[1, 2])(conv(8)(x))
    x = layers.PReLU(shared_axes=[1])(conv(8)(layers.PReLU()(x)))
    x = layers.PReLU(shared_axes=[1, 2, 3])(x)  # One slope for all channels.
    return conv(8, activation=layers.PReLU(shared_axes=[1, 2]))(x)


def vectors(x):
    x = conv(8, strides=2, activation="relu")(x)
    x = layers.Concatenate()([layers.Flatten()(x), layers.GlobalMaxPooling2D()(conv(8)(x))])
    x = layers.Dropout(0.5)(layers.BatchNormalization()(layers.Dense(16, activation="relu")(x)))
    return layers.RepeatVector(3)(layers.Dense(8)(x))


def normalized(x):
    return conv(8, 1)(conv(32, 1, activation="gelu")(layers.LayerNormalization()(conv(8)(x))))


def another_axis(x):
    return layers.BatchNormalization(axis=1)(conv(8)(x))  # As many rows as channels.


def across(x):
    def shares(x):
        return ops.exp(x) / ops.sum(ops.exp(x), axis=-1, keepdims=True)

    x = conv(8, activation=shares)(conv(8, activation="softmax")(x))
    x = layers.DepthwiseConv2D(3, activation="softmax")(conv(8, activation="sparsemax")(x))
    return layers.SeparableConv2D(8, 3, activation="log_softmax")(x)


def numbers_of_channels(x):
    x = conv(8, bias_initializer=keras.initializers.Constant(np.arange(8.0)))(x)
    x = layers.Dropout(0.3, noise_shape=(None, 1, 1, 8))(x)
    return layers.Reshape((8, 8, 8))(layers.Reshape((64, -1))(x))


def functions(x):
    x = conv(16)(x)
    x = ops.concatenate([ops.relu(x) + conv(16)(x), x], axis=-1)
    x = x * ops.sigmoid(ops.mean(x, axis=[1, 2], keepdims=True)) * 2.0
    x = ops.where(x > 0, x, 0.1 * x) / ops.sqrt(ops.cast(8, "float32"))
    x = ops.image.resize(ops.max_pool(x, 2, 2), (8, 8))
    x = keras.activations.silu(x[:, 1:-1, 1:-1])
    return ops.flip(ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), axis=1)


def functions_of_axes(x):
    x = ops.reshape(conv(8)(x), (-1, 64, 8))
    x = ops.transpose(layers.Dense(8)(x), (1, 0, 2))
    x = ops.swapaxes(ops.moveaxis(ops.transpose(x, (1, 0, 2)), 1, 1), 1, -2)
    x = ops.squeeze(ops.expand_dims(ops.reshape(x, (-1, 8, 8, 8)), 1), 1)
    parts = [*ops.unstack(ops.stack([x, conv(8)(x)], axis=1), axis=1), *ops.split(x, 2, axis=1)]
    return ops.concatenate([parts[0] + parts[1], ops.concatenate(parts[2:], axis=1)], axis=-1)


def halves(x):
    a, b = ops.split(conv(16)(x), 2, axis=-1)
    return layers.Concatenate()([conv(8)(a), b])


def image_of_as_many_channels(x):
    x = layers.RandomFlip()(layers.RandomContrast(0.1)(layers.RandomBrightness(0.1)(x)))
    return layers.Add()([x, conv(3)(conv(8)(x))])


def own_activation(x):
    def leaky(x):
        return ops.relu(x) - 0.1 * ops.relu(-x)

    return layers.Activation(leaky)(conv(8, activation=leaky)(x))


# Channels stay that are compared with others, or taken by their numbers.
def constants(x):
    return conv(8)(x) * np.arange(8, dtype="float32")


def unequal_parts(x):
    a, b = ops.split(conv(8)(x), [2], axis=-1)
    return layers.Concatenate()([a, b])


def slices(x):
    x = conv(8)(x)
    return layers.Concatenate()([x[..., :4], x[..., 4:], x[..., 0][..., None], x[..., ::2]])


def shuffled_by_layers(x):
    x = layers.Permute((1, 2, 4, 3))(layers.Reshape((8, 8, 2, 4))(conv(8)(x)))
    return layers.Reshape((8, 8, 8))(x)


def shuffled_by_functions(x):
    x = ops.transpose(ops.reshape(conv(8)(x), (-1, 8, 8, 2, 4)), (0, 1, 2, 4, 3))
    return ops.reshape(x, (-1, 8, 8, 8))


def spatial_attention(x):
    x = conv(8)(x)
    seen = [f(x, axis=-1, keepdims=True) for f in (ops.mean, ops.max)]
    return x * conv(1, 7, activation="sigmoid")(layers.Concatenate()(seen))


def other_axes(x):
    x = conv(8)(x)
    made = [
        ops.flip(x),
        ops.pad(x, [[0, 0], [0, 0], [0, 0], [1, 1]]),
        ops.stack([x, x], axis=-1)[..., 0],
    ]
    made += [ops.softmax(x), ops.expand_dims(x, -1)[..., 0], ops.moveaxis(x, -1, 1)]
    made += [ops.concatenate([x, np.ones((1, 8, 8, 1), "float32")[[0] * 2]], axis=-1)]
    return layers.Concatenate()(made)


QUICK = (nested_at_two_sizes, functions)
PRUNED = [
    block if block in QUICK else pytest.param(block, marks=pytest.mark.long)
    for block in (
        *(residual, concatenations, separable, grouped, gates, up_and_down, sides, slopes, vectors),
        *(one_activation_everywhere, shared_at_two_sizes, nested_at_two_sizes, halves),
        *(nested_with_many_maps, normalized, numbers_of_channels, functions, functions_of_axes),
        *(image_of_as_many_channels, own_activation),
    )
]
KEPT = [
    *(across, another_axis, constants, unequal_parts, slices, shuffled_by_layers),
    *(shuffled_by_functions, spatial_attention, other_axes),
]


def network(block):
    """A block between the image and a convolution whose outputs are kept."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    x = block(image)
    last = conv(2, 1) if len(x.shape) == 4 else layers.Dense(2)
    return scattered(keras.Model(image, last(x)))


IMAGE = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize("block", PRUNED)
def test_pruning_is_what_it_is_for_other_networks(block):
    model = network(block)
    expected = outputs(model, IMAGE)
    config, weights = str(model.get_config()), model.get_weights()
    assert_close(outputs(keras_seg.prune(model, 0), IMAGE), expected, atol=0)
    assert_close(outputs(fold(model), IMAGE), expected, atol=1e-4)
    found = find(model)
    stays = chosen(found, [len(group.units) // 2 for group in found.groups])
    pruned = rebuilt(model, found, stays)
    assert pruned.count_params() < 0.8 * model.count_params()
    assert_close(outputs(pruned, IMAGE), without(model, found, stays, {"reads"}, IMAGE))
    zeroed = without(model, found, stays, {"makes", "follows"}, IMAGE)
    assert_close(outputs(pruned, IMAGE), zeroed)
    rounded = keras_seg.prune(model, 0.5, multiple=8)
    for new, old in zip(rounded._flatten_layers(), model._flatten_layers(), strict=True):
        assert getattr(new, "filters", 8) % 8 == 0 or new.filters == old.filters
    assert str(model.get_config()) == config
    for new, old in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("block", KEPT)
def test_channels_that_others_depend_on_stay(block):
    model = network(block)
    pruned = keras_seg.prune(model, 0.5)
    assert pruned.count_params() == model.count_params()
    assert_close(outputs(pruned, IMAGE), outputs(model, IMAGE), atol=0)


def test_a_constant_of_a_removed_filter_is_lost():
    """A filter of zeros and a sigmoid make 0.5, which pruning takes from the next layer."""
    model = network(lambda x: conv(8, activation="sigmoid")(x))
    found = find(model)
    stays = chosen(found, [4])
    pruned = rebuilt(model, found, stays)
    assert_close(outputs(pruned, IMAGE), without(model, found, stays, {"reads"}, IMAGE))
    (zeroed,) = without(model, found, stays, {"makes", "follows"}, IMAGE)
    gone = np.setdiff1d(found.groups[0].units, np.flatnonzero(stays))
    kernel = model.layers[-1].get_weights()[0][0, 0]
    (left,) = outputs(pruned, IMAGE)
    places = gone - found.groups[0].units[0]
    np.testing.assert_allclose(zeroed - left, 0.5 * kernel[places].sum(0) + 0 * left, atol=1e-5)


@pytest.mark.parametrize("dimensions", [1, 3])
def test_signals_and_volumes(dimensions):
    def kind(name):
        return getattr(layers, name.format(dimensions))

    image = keras.Input((8,) * dimensions + (2,))
    x = layers.BatchNormalization()(kind("Conv{}D")(8, 3, padding="same")(image))
    x = kind("Conv{}DTranspose")(6, 2, strides=2)(kind("MaxPooling{}D")()(x))
    model = scattered(keras.Model(image, kind("Conv{}D")(2, 1)(x)))
    found = find(model)
    stays = chosen(found, [4, 3])
    pixels = np.random.default_rng(0).normal(size=(1, *image.shape[1:])).astype("float32")
    masked = without(model, found, stays, {"reads"}, pixels)
    assert_close(outputs(rebuilt(model, found, stays), pixels), masked)


def test_every_output_keeps_its_channels():
    image = keras.Input((8, 8, 3))
    x = conv(8)(image)
    y = conv(8)(x)
    vector = layers.Dense(2)(layers.GlobalAveragePooling2D()(y))
    model = keras.Model(image, {"map": y, "labels": vector, "first": conv(4, 1)(x)})
    pruned = keras_seg.prune(scattered(model), 0.5)
    assert {key: x.shape[1:] for key, x in pruned.output.items()} == {
        "map": (8, 8, 8),
        "labels": (2,),
        "first": (8, 8, 4),
    }
    assert pruned.layers[1].filters == 4


def test_layers_of_one_name_in_two_nested_models_are_two():
    def inside(name):
        image = keras.Input((8, 8, 3))
        x = conv(4, 1, name="a")(image)
        return keras.Model(image, conv(8, 1, name="b")(x), name=name)

    image = keras.Input((8, 8, 3))
    x = layers.Concatenate()([inside("left")(image), inside("right")(image)])
    model = scattered(keras.Model(image, conv(2, 1, name="last")(x)))
    # All filters of one of them are smaller than those of the other.
    left = model.get_layer("left").get_layer("a")
    left.kernel.assign(left.kernel * 1e-3)
    found = groups(model)
    assert sorted(found.index) == ["left/a", "left/b", "right/a", "right/b"]
    assert found.loc["right/a", "read_by"] == ["right/b"]
    pruned = keras_seg.prune(model, widths={"left/a": 1, "right/b": 3})
    pairs = [("left", "a"), ("left", "b"), ("right", "a"), ("right", "b")]
    for made, expected in ((pruned, [1, 8, 4, 3]), (keras_seg.prune(model, 0.5), [2, 4, 2, 4])):
        assert [made.get_layer(x).get_layer(y).filters for x, y in pairs] == expected


def test_to_a_model_whose_layers_keras_has_named():
    def made(width):
        image = keras.Input((8, 8, 3))
        x = conv(width)(image)
        return keras.Model(image, conv(2)(layers.Add()([x, conv(width)(x)])))

    large, small = scattered(made(8)), made(4)
    assert large.layers[1].name != small.layers[1].name
    pruned = keras_seg.prune(large, to=small)
    assert [x.shape for x in pruned.weights] == [x.shape for x in small.weights]
    with pytest.raises(ValueError, match=r"with 8 channels of 'conv2d.*' in place of 4"):
        keras_seg.prune(small, to=large)


def test_a_sequence_of_unknown_length_and_words():
    image = keras.Input((None,), dtype="int32")
    x = layers.Conv1D(8, 3)(layers.Embedding(9, 8)(image))
    with pytest.raises(ValueError, match=r"kind=keras.layers.Embedding and one of"):
        groups(keras.Model(image, layers.Dense(2)(x)))


def test_any_size_can_be_flattened():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, layers.Flatten()(conv(8)(image)))
    assert keras_seg.prune(model, 0.5).count_params() == model.count_params()


@pytest.mark.long
def test_a_network_of_keras_applications():
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV3Small((32, 32, 3), 0.35, weights=None, classes=5)
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype("float32")
    pruned = keras_seg.prune(model, 0.5)
    assert pruned.count_params() < 0.5 * model.count_params()
    assert_close(outputs(keras_seg.prune(model, 0), image), outputs(model, image), atol=0)
