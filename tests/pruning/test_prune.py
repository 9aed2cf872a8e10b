"""Which filters are removed, and what the smaller model is."""

import re

import keras
import numpy as np
import pytest
from _pruning import pixels, scattered, tiny
from keras import layers

import keras_seg
from keras_seg import export
from keras_seg.layers import BatchNormalization


def chain(kernels, norm=None):
    """1x1 convolutions in a row, with given kernels (in, out)."""
    image = x = keras.Input((4, 4, len(kernels[0])))
    made = []
    for number, kernel in enumerate(kernels, start=1):
        made.append(layers.Conv2D(kernel.shape[1], 1, use_bias=False, name=f"conv{number}"))
        x = made[-1](x)
        if norm is not None and number == 1:
            bn = BatchNormalization(name="bn")
            x = bn(x)
            bn.gamma.assign(norm)
    model = keras.Model(image, x)
    for layer, kernel in zip(made, kernels, strict=True):
        layer.kernel.assign(kernel[np.newaxis, np.newaxis])
    return model


def kept(model, first):
    """Which columns of the first kernel are left."""
    left = model.get_layer("conv1").get_weights()[0][0, 0]
    return [int(np.flatnonzero((first == column[:, None]).all(0))[0]) for column in left.T]


LAST = np.arange(8.0).reshape(4, 2)


@pytest.mark.parametrize(
    ("criterion", "left"),
    [
        # Sums of absolute weights: 4, 3, 5, 2.
        ("l1", [0, 2]),
        # Scales 0.1, -0.9, 0.5, 0.6.
        ("bn_scale", [1, 3]),
        # Points (4, 0), (0, 3), (-5, 0), (2, 0). Distances, summed:
        # 5 + 9 + 2 = 16; 5 + 5.83 + 3.61 = 14.44; 9 + 5.83 + 7 = 21.83; 2 + 3.61 + 7 = 12.61.
        ("geometric_median", [0, 2]),
    ],
)
def test_the_filters_with_the_lowest_values_are_removed(criterion, left):
    first = np.array([[4.0, 0.0, -5.0, 2.0], [0.0, 3.0, 0.0, 0.0]])
    model = chain([first, LAST], norm=np.array([0.1, -0.9, 0.5, 0.6]))
    pruned = keras_seg.prune(model, 0.5, criterion=criterion)
    assert kept(pruned, first) == left
    np.testing.assert_array_equal(pruned.get_layer("conv2").get_weights()[0][0, 0], LAST[left])
    gamma = pruned.get_layer("bn").get_weights()[0]
    np.testing.assert_allclose(gamma, np.array([0.1, -0.9, 0.5, 0.6])[left], rtol=1e-6)


def test_l1_and_the_geometric_median_differ():
    # Sums 9, 10, 11, 4: l1 removes the last. Distances to the others, on a line: 1 + 2 + 5 = 8,
    # 1 + 1 + 6 = 8, 2 + 1 + 7 = 10, 5 + 6 + 7 = 18: the median removes one of the first two.
    first = np.array([[9.0, 10.0, 11.0, 4.0]])
    model = chain([first, LAST])
    assert kept(keras_seg.prune(model, 0.25), first) == [0, 1, 2]
    assert 3 in kept(keras_seg.prune(model, 0.25, criterion="geometric_median"), first)


def test_layers_whose_channels_are_added_decide_together():
    # Each layer's sums by their mean: 1/2.5, 2/2.5, 3/2.5, 4/2.5 and 40/20, 20/20, 10/20, 10/20:
    # 2.4, 1.8, 1.7, 2.1.
    image = keras.Input((4, 4, 1))
    one = layers.Conv2D(4, 1, name="conv1")
    other = layers.Conv2D(4, 1, name="other")
    x = layers.Add()([one(image), other(image)])
    model = keras.Model(image, layers.Conv2D(2, 1)(x))
    one.kernel.assign(np.array([1.0, 2, 3, 4])[None, None, None])
    other.kernel.assign(np.array([40.0, 20, 10, 10])[None, None, None])
    pruned = keras_seg.prune(model, 0.5)
    assert pruned.get_layer("conv1").get_weights()[0].ravel().tolist() == [1, 4]
    assert pruned.get_layer("other").get_weights()[0].ravel().tolist() == [40, 10]


@pytest.mark.parametrize(
    ("ratio", "multiple", "left"),
    [
        (0.5, 1, 12),
        (0.5, 8, 16),  # 12 is between 8 and 16: to the even multiple.
        (0.7, 8, 8),
        (0.99, 1, 1),
        (0.99, 8, 8),
        (0.0, 8, 24),
        (0.5, 32, 24),  # Fewer channels than that: it stays.
    ],
)
def test_numbers_of_channels(ratio, multiple, left):
    model = chain([np.ones((3, 24)), np.ones((24, 2))])
    pruned = keras_seg.prune(model, ratio, multiple=multiple)
    assert pruned.get_layer("conv1").filters == left
    assert pruned.get_layer("conv2").filters == 2


def test_widths_are_given_by_layer():
    model = tiny("contextnet_cn14", width=0.25)
    pruned = keras_seg.prune(model, widths={"fusion_context_conv": 9, "context_stem_conv": 5})
    for name in ("fusion_context_conv", "fusion_detail_conv"):  # Added: the second one follows.
        assert pruned.get_layer(name).filters == 9
    assert pruned.get_layer("context_stem_conv").filters == 5
    assert (
        pruned.get_layer("context_last_conv").filters
        == model.get_layer("context_last_conv").filters
    )


def test_pruned_to_the_shapes_of_another_model():
    large = scattered(tiny("contextnet_cn14", width=0.2, auxiliary_head=True))
    small = tiny("contextnet_cn14", width=0.1, auxiliary_head=True)
    pruned = keras_seg.prune(large, to=small)
    assert [x.shape for x in pruned.weights] == [x.shape for x in small.weights]
    assert set(pruned.output) == {"logits", "aux_context"}
    small.set_weights(pruned.get_weights())
    image = pixels("contextnet_cn14")
    for key, value in small(image, training=False).items():
        np.testing.assert_allclose(value, pruned(image, training=False)[key], atol=1e-5)


@pytest.mark.long
def test_the_pruned_network_trains_loads_and_is_exported(tmp_path):
    model = scattered(tiny("contextnet_cn14", width=0.2))
    pruned = keras_seg.prune(model, 0.5)
    pruned.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [np.array(x) for x in pruned.get_weights()]
    pruned.fit(pixels("contextnet_cn14"), np.ones((1, 40, 40)), verbose=0)
    assert any((old != new).any() for old, new in zip(before, pruned.get_weights(), strict=True))
    again = keras_seg.prune(pruned, 0.5)  # Compiled ones can be pruned, too.
    assert again.count_params() < pruned.count_params()
    file = tmp_path / "small.tflite"
    report = export.tflite(again, file, size=(64, 64))
    assert report.agreement > 0.99
    again.save(tmp_path / "again.keras")
    loaded = keras.models.load_model(tmp_path / "again.keras")
    assert loaded.count_params() == again.count_params()


def test_fold_and_prune_in_any_order():
    model = scattered(tiny("contextnet_cn14"))
    image = pixels("contextnet_cn14")
    first = export.fold(keras_seg.prune(model, 0))
    np.testing.assert_allclose(first(image), keras_seg.prune(export.fold(model), 0)(image))


@pytest.mark.parametrize("options", [{"recompute": True}, {"attention": True}])
def test_blocks_and_attention_are_pruned(options):
    model = scattered(tiny("fc_densenet_mobile", growth_rate=8, **options))
    pruned = keras_seg.prune(model, 0.5)
    assert pruned.count_params() < 0.5 * model.count_params()
    image = pixels("fc_densenet_mobile")
    same = keras_seg.prune(model, 0)(image, training=False)
    np.testing.assert_array_equal(same, model(image, training=False))
    config = pruned.get_config()
    assert keras.Model.from_config(config).count_params() == pruned.count_params()


MODEL = chain([np.ones((3, 4)), np.ones((4, 2))])


def unknown():
    class Own(layers.Layer):
        def call(self, inputs):
            return inputs

    image = keras.Input((4, 4, 3))
    return keras.Model(image, layers.Conv2D(2, 1)(Own(name="mine")(layers.Conv2D(4, 1)(image))))


def tied():
    image = keras.Input((4, 4, 3))
    x = layers.Add()([layers.Conv2D(4, 1, name=name)(image) for name in ("one", "two")])
    return keras.Model(image, layers.Conv2D(2, 1)(x))


def first_channels():
    image = keras.Input((8, 8, 3), name="image")
    return keras.Model(image, layers.Conv2D(2, 1, data_format="channels_first")(image))


REFUSED = [
    (MODEL, {}, "`prune` needs one of ratio, widths and to. Received: none of them"),
    (MODEL, {"ratio": 0.5, "to": MODEL}, "Received: ratio and to. Pass ratio=0.5"),
    (MODEL, {"ratio": 1.0}, "`prune` needs ratio from 0 below 1. Received: ratio=1.0"),
    (MODEL, {"ratio": 0.5, "multiple": 0}, "needs multiple to be a whole number of at least 1"),
    (MODEL, {"ratio": 0.5, "criterion": "l2"}, "Unknown criterion of `prune`"),
    (MODEL, {"ratio": 0.5, "criterion": "bn_scale"}, "Received: a model without. Use criterion="),
    (MODEL, {"widths": {"conv": 2}}, "Did you mean 'conv1'? Received: widths='conv'"),
    (MODEL, {"widths": {"conv1": 5}}, "widths={'conv1': 5}. It has up to 4 channels in steps of 1"),
    (MODEL, {"widths": {"conv1": 0}}, "cannot give layer 'conv1' this number of channels"),
    (MODEL, {"widths": {"conv1": 1.5}}, "Received: widths={'conv1': 1.5}"),
    (MODEL, {"widths": {"conv1": True}}, "Received: widths={'conv1': True}"),
    (
        tied(),
        {"widths": {"one": 2, "two": 3}},
        "layers whose channels are tied. Received: 2 for 'one' and 3 for 'two'. Leave out one",
    ),
    (
        MODEL,
        {"to": chain([np.ones((3, 5)), np.ones((5, 2))])},
        "with 5 channels of 'conv1' in place of 4. Build both with the same options",
    ),
    (
        MODEL,
        {"to": chain([np.ones((3, 2)), np.ones((2, 7))])},
        "differs in its numbers of channels only. Received: (1, 1, 2, 7) for 'conv2/kernel'",
    ),
    (
        unknown(),
        {"ratio": 0.5},
        "layer 'mine' of the class Own, which is not registered. Call keras_seg.pruning.register",
    ),
    (first_channels(), {"ratio": 0.5}, "with data_format='channels_first'"),
]


@pytest.mark.parametrize(("model", "arguments", "words"), REFUSED)
def test_arguments_out_of_their_range_are_refused(model, arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        keras_seg.prune(model, **arguments)


def test_a_model_without_a_graph_is_refused():
    class Own(keras.Model):
        pass

    with pytest.raises(TypeError, match="`prune` needs a model whose layers form a graph"):
        keras_seg.prune(Own(), 0.5)


def test_a_filter_that_belongs_to_two_groups_has_no_one_width():
    # The first three channels of `wide` are added to `one`, the others to `two`.
    image = keras.Input((4, 4, 3))
    one, two, wide = (
        layers.Conv2D(n, 1, name=name)(image) for name, n in (("one", 3), ("two", 4), ("wide", 7))
    )
    x = layers.Add()([layers.Concatenate()([one, two]), wide])
    model = keras.Model(image, layers.Conv2D(2, 1)(x))
    with pytest.raises(ValueError, match="It has 2 groups of channels; pass ratio or to"):
        keras_seg.prune(model, widths={"wide": 4})
    pruned = keras_seg.prune(model, 0.5)
    # 3 * 0.5 = 1.5 is rounded to 2; 4 * 0.5 = 2.
    assert [pruned.get_layer(x).filters for x in ("one", "two", "wide")] == [2, 2, 4]


def test_widths_are_a_dict_of_whole_numbers():
    pruned = keras_seg.prune(MODEL, widths={"conv1": np.int64(3)})
    assert pruned.get_layer("conv1").filters == 3
    with pytest.raises(TypeError, match=r"a dict of layers' names.*Received: widths=4"):
        keras_seg.prune(MODEL, widths=4)
