"""Statistics of batch normalization re-estimated over a set of pictures."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg import callbacks, models
from keras_seg.inference.segmenter import Segmenter
from keras_seg.losses import SparseCrossEntropy
from keras_seg.scores import evaluate_segmenter
from keras_seg.training.statistics import reestimate_statistics


def network():
    image = keras.Input((None, None, 1))
    x = layers.BatchNormalization(name="first")(image)
    x = layers.Dropout(0.5)(x)
    x = layers.BatchNormalization(name="second")(x)
    return keras.Model(image, layers.Conv2D(2, 1)(x))


def test_mean_and_variance_are_those_of_all_pixels_of_batches_of_any_size():
    rng = np.random.default_rng(0)
    pictures = [rng.normal(5, 3, shape) for shape in ((2, 4, 4, 1), (1, 8, 6, 1), (3, 2, 2, 1))]
    model = network()
    assert reestimate_statistics(model, pictures) == 3
    pixels = np.concatenate([picture.ravel() for picture in pictures])
    first = model.get_layer("first")
    np.testing.assert_allclose(first.moving_mean[0], pixels.mean(), rtol=1e-5)
    np.testing.assert_allclose(first.moving_variance[0], pixels.var(), rtol=1e-4)
    # Without dropout, each batch leaves the first layer with mean 0; its variance is
    # v / (v + 1e-3), for the epsilon of that layer.
    second = model.get_layer("second")
    np.testing.assert_allclose(second.moving_mean[0], 0, atol=1e-5)
    np.testing.assert_allclose(second.moving_variance[0], 1, atol=1e-3)


def test_settings_and_other_state_stay_as_they_were():
    model = network()
    state = keras.ops.convert_to_numpy(model.layers[2].seed_generator.state)
    reestimate_statistics(model, [np.ones((1, 2, 2, 1))])
    assert model.get_layer("first").momentum == 0.99
    assert model.layers[2].rate == 0.5
    np.testing.assert_array_equal(model.layers[2].seed_generator.state, state)


def test_a_failure_leaves_the_model_as_it_was():
    model = network()

    def broken():
        yield np.full((1, 2, 2, 1), 9.0)
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        reestimate_statistics(model, broken())
    assert float(model.get_layer("first").moving_mean[0]) == 0
    with pytest.raises(ValueError, match="at least one batch"):
        reestimate_statistics(model, [])
    bare = keras.Sequential([keras.Input((2, 2, 1)), layers.Conv2D(1, 1)])
    with pytest.raises(ValueError, match=r"batch normalization. Received: model="):
        reestimate_statistics(bare, [])


def test_a_model_is_traced_once_for_a_shape():
    traced = []

    class Traced(layers.Layer):
        def call(self, x):
            traced.append(x.shape)
            return x

    image = keras.Input((None, None, 1))
    model = keras.Model(image, layers.BatchNormalization(name="bn")(Traced()(image)))
    traced.clear()
    for value in (1.0, 2.0, 3.0):
        reestimate_statistics(model, [np.full((1, 2, 2, 1), value)] * 2)
        assert float(model.get_layer("bn").moving_mean[0]) == value
    assert len(traced) == 1
    reestimate_statistics(model, [np.ones((1, 4, 4, 1))])
    assert len(traced) == 2


def test_blocks_that_are_computed_twice_are_found():
    options = {"layers_per_block": (1, 1, 1), "growth_rate": 4}
    pictures = [np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3))]
    kept = models.fc_densenet56((32, 32, 3), 2, **options)
    again = models.fc_densenet56((32, 32, 3), 2, recompute=True, **options)
    again.set_weights(kept.get_weights())
    for model in (kept, again):
        reestimate_statistics(model, pictures)
    for one, other in zip(kept.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_callback_measures_after_every_so_many_epochs_and_the_last():
    image, label = np.full((2, 4, 4, 1), 7.0), np.zeros((2, 4, 4), "uint8")
    measure = callbacks.ReestimateStatistics([(image, label)], every=2)
    seen = []
    for epochs in (2, 1):
        model = network()
        model.compile("sgd", SparseCrossEntropy(2))
        layer = model.get_layer("first")
        look = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs, layer=layer: seen.append(float(layer.moving_mean[0]))
        )
        model.fit(image, label, epochs=epochs, verbose=0, callbacks=[measure, look])
    # A moving average has hardly left 0 after one step; measured, it is the mean, 7.
    assert seen[0] < 1
    assert seen[1:] == pytest.approx([7, 7])
    with pytest.raises(ValueError, match="Received: every=0"):
        callbacks.ReestimateStatistics([], every=0)


@pytest.mark.slow
def test_on_real_pictures_it_is_at_least_as_good_as_batch_statistics(camvid):
    import pipelines

    data = pipelines.load("camvid", camvid)
    ops = [pipelines.ops.random_crop(96, 96)]
    options = {"layers_per_block": (2, 2, 2, 2, 2), "growth_rate": 8, "dropout_rate": 0.0}
    model = models.fc_densenet56((None, None, 3), data.num_classes, **options)
    # The rate ends at 0, so that the weights have settled: scores of weights that still jump, on a
    # few pictures, differ by points from run to run.
    rate = keras.optimizers.schedules.CosineDecay(2e-3, 3 * 40)
    model.compile(keras.optimizers.RMSprop(rate), SparseCrossEntropy(data.num_classes))
    batches = list(data.train_batches(3, ops=ops).take(40).as_numpy_iterator())
    for image, label in 3 * batches:
        model.train_on_batch(image, label)
    test = [
        (image[:, :224, :224], label[:, :224, :224])
        for image, label in data.eval_batches("val", 3).as_numpy_iterator()
    ]

    def score(network):
        network.set_weights(model.get_weights())
        labels = Segmenter(network).labels
        return evaluate_segmenter(labels, test, data.class_names).mean_iou

    batch = score(
        models.fc_densenet56((None, None, 3), data.num_classes, bn_mode="batch", **options)
    )
    reestimate_statistics(model, batches)
    exact = score(model)
    # Half a point is the noise that is left.
    assert exact >= batch - 0.005, f"{exact:.4f} after it, {batch:.4f} with batch statistics"
