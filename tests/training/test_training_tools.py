"""Gradient accumulation, averages of weights, mixed precision, trainings in two stages."""

import keras
import numpy as np
import pytest
from _training import CLASSES, Breaks, check_same, squares, tiny

import keras_seg
import pipelines
from keras_seg import callbacks, models

PLAIN = {"averaging": 0.0, "augmentation": (), "warmup_epochs": 0}


def linear(name="linear", auxiliary=False):
    """A network without batch normalization and dropout."""
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    logits = keras.layers.Conv2D(3, 1, name="logits")(x)
    if auxiliary:
        logits = {
            "logits": logits,
            "aux_x": keras.layers.Conv2D(3, 1)(keras.layers.MaxPooling2D(4)(x)),
        }
    return keras.Model(image, logits, name=name)


@pytest.fixture(scope="module")
def data():
    """Pictures of which each has another share of void."""
    images, labels = squares(8, 0)
    for number, label in enumerate(labels):
        label[: 3 * number] = 255
    splits = {"train": (images, labels), "val": squares(2, 1)}
    return pipelines.Dataset.from_arrays("toy", CLASSES, None, splits)


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [
        {"loss": ((1.0, "cross_entropy"), (0.5, "focal")), "optimizer": "sgd"},
        *(
            pytest.param(changes, marks=pytest.mark.slow)
            for changes in (
                {"optimizer": "sgd", "learning_rate": 0.1},
                {"optimizer": "adamw", "learning_rate": 0.01, "schedule": "exponential"},
                {"loss": "focal", "class_weights": None, "optimizer": "sgd", "learning_rate": 0.1},
                {"loss": "boundary", "class_weights": None, "optimizer": "sgd"},
            )
        ),
    ],
)
def test_small_batches_together_do_what_a_large_one_does(data, tmp_path, changes):
    changes = {**PLAIN, "epochs": 2, **changes}
    ends, start = {}, linear(auxiliary=True).get_weights()
    for batch_size, accumulate in ((4, 1), (1, 4), (2, 2)):
        model = linear(auxiliary=True)
        model.set_weights(start)
        run = keras_seg.fit(
            model,
            data,
            folder=tmp_path / str(accumulate),
            batch_size=batch_size,
            accumulate=accumulate,
            **changes,
        )
        ends[accumulate] = run.history["learning_rate"].tolist(), model.get_weights()
    rates, one = ends[1]
    for accumulate in (4, 2):
        assert ends[accumulate][0] == pytest.approx(rates)
        for a, b in zip(one, ends[accumulate][1], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(start, one, strict=True))


def test_region_losses_accumulate_as_the_mean_of_their_parts(data, tmp_path):
    run = keras_seg.fit(
        linear(), data, folder=tmp_path, epochs=1, batch_size=2, accumulate=2, loss="dice", **PLAIN
    )
    assert np.isfinite(run.history["loss"]).all()


def same_tiny():
    """The same network each time, with the same seeds of its dropout."""
    keras.utils.set_random_seed(7)
    return tiny()


def interrupted_and_not(data, folder, stop, changes, model=same_tiny):
    """The same training twice: in one go, and stopped by a callback and called again."""
    whole = keras_seg.fit(model(), data, folder=folder / "a", **changes)
    part = folder / "b"
    with pytest.raises(KeyboardInterrupt):
        keras_seg.fit(model(), data, folder=part, callbacks=[stop], **changes)
    again = keras_seg.fit(model(), data, folder=part, **changes)
    assert len(list(part.iterdir())) == len(list((folder / "a").iterdir()))
    check_same(whole, again)


@pytest.mark.slow
def test_accumulated_gradients_are_kept_through_an_interruption(data, tmp_path):
    changes = {"epochs": 3, "batch_size": 2, "accumulate": 2}
    interrupted_and_not(data, tmp_path, Breaks(epoch=2, step=2), changes)


def test_plain_datasets_cannot_accumulate(data, tmp_path):
    batches = data.eval_batches("val", 2)
    with pytest.raises(ValueError, match=r"(?s)splits larger batches.*Received: accumulate=2"):
        keras_seg.fit(linear(), (batches,), folder=tmp_path, accumulate=2)


class Weights(keras.callbacks.Callback):
    """Remembers the weights as they are at the ends of epochs."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append([np.array(v) for v in self.model.trainable_variables])


def test_stochastic_average_is_the_mean_of_the_last_epochs():
    images, labels = squares(4, 0)
    model, raw, shown = linear(), Weights(), Weights()
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(True))
    labels = np.where(labels == 255, 0, labels)
    swa = callbacks.StochasticWeightAverage(first_epoch=1)
    model.fit(images, labels, batch_size=2, epochs=4, verbose=0, callbacks=[raw, swa, shown])
    for place, value in enumerate(model.trainable_variables):
        expected = np.mean([weights[place] for weights in raw.seen[1:]], axis=0)
        np.testing.assert_allclose(np.array(value), expected, atol=1e-6)
        np.testing.assert_array_equal(raw.seen[0][place], shown.seen[0][place])


def test_stochastic_average_needs_an_epoch():
    with pytest.raises(ValueError, match="first_epoch"):
        callbacks.StochasticWeightAverage(-1)


@pytest.mark.slow
def test_training_with_stochastic_averages_goes_on_as_if_nothing_had_happened(data, tmp_path):
    changes = {"epochs": 4, "batch_size": 2, "averaging": 0.0, "swa": 0.75}
    changes["statistics_batches"] = 2
    interrupted_and_not(data, tmp_path, Breaks(epoch=4, step=2), changes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "precision",
    ["mixed_bfloat16", "mixed_float16"],
)
def test_mixed_precision_trains_in_16_bits_and_keeps_32(tiny_shapes, tmp_path, precision):
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            layers = {layer.dtype_policy.name for layer in self.model.layers}
            seen.append((layers, type(self.model.optimizer).__name__))

    run = keras_seg.fit(
        "contextnet_cn14_160",
        tiny_shapes,
        folder=tmp_path,
        epochs=1,
        batch_size=2,
        precision=precision,
        options=dict(models.facts("contextnet_cn14_160").tiny),
        callbacks=[Look()],
    )
    policies, optimizer = seen[0]
    assert precision in policies
    assert optimizer == ("LossScaleOptimizer" if precision == "mixed_float16" else "AdamW")
    assert {layer.dtype_policy.name for layer in run.model.layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    assert run.evaluate("val").mean_iou == pytest.approx(run.history["val_mean_iou"].max())


def policies(layer):
    """Every dtype policy inside a layer or model; layers in recomputed blocks are no `layers`."""
    return {layer.dtype_policy.name}.union(*(policies(x) for x in layer._layers))


@pytest.mark.long
def test_mixed_precision_is_kept_in_32_bits_inside_recomputed_blocks(tiny_shapes, tmp_path):
    changes = {"epochs": 1, "batch_size": 2, "crop_size": (32, 32)}
    options = {"growth_rate": 4, "layers_per_block": (2, 2, 2), "recompute": True}
    run = keras_seg.fit(
        "fc_densenet_mobile",
        tiny_shapes,
        folder=tmp_path,
        precision="mixed_bfloat16",
        options=options,
        **changes,
    )
    assert policies(run.model) == {"float32"}
    assert run.evaluate("val").mean_iou == pytest.approx(run.history["val_mean_iou"].max())


@pytest.mark.slow
def test_scaled_gradients_are_kept_through_an_interruption(tiny_shapes, tmp_path):
    # The smallest of its kind: processors without 16-bit arithmetic take minutes for others.
    tiny_options = dict(models.facts("contextnet_cn14_160").tiny)
    changes = {
        "epochs": 2,
        "batch_size": 2,
        "precision": "mixed_float16",
        "options": tiny_options,
    }
    stop = Breaks(epoch=2, step=2)
    interrupted_and_not(tiny_shapes, tmp_path, stop, changes, lambda: "contextnet_cn14_160")


def test_mixed_precision_of_a_built_model_is_kept(data, tmp_path):
    with pytest.raises(ValueError, match=r"given by name.*set_dtype_policy"):
        keras_seg.fit(linear(), data, folder=tmp_path, precision="mixed_float16")


@pytest.mark.long
def test_second_training_starts_from_the_best_weights_of_the_first(data, tmp_path):
    model = tiny()
    run = keras_seg.fit(
        model,
        data,
        folder=tmp_path,
        epochs=1,
        batch_size=2,
        # With a rate of 0 the second training changes no weight.
        learning_rate=0.0,
        averaging=0.0,
        before={"learning_rate": 0.01, "epochs": 2},
    )
    first = keras_seg.Run(tmp_path / "tiny-toy-before")
    assert run.folder == tmp_path / "tiny-toy"
    assert (len(first.history), len(run.history)) == (2, 1)
    assert first.history["learning_rate"].max() > 0
    for a, b in zip(first.model.trainable_variables, run.model.trainable_variables, strict=True):
        np.testing.assert_array_equal(np.array(a), np.array(b))


@pytest.mark.slow
def test_two_trainings_go_on_where_they_were_interrupted(data, tmp_path):
    class StopInTheSecond(keras.callbacks.Callback):
        epochs = 0

        def on_epoch_begin(self, epoch, logs=None):
            self.epochs += 1
            if self.epochs == 4:  # The second epoch of the second training.
                raise KeyboardInterrupt

    changes = {"epochs": 2, "batch_size": 2, "before": {"learning_rate": 0.01}}
    interrupted_and_not(data, tmp_path, StopInTheSecond(), changes)


def test_changes_reach_the_first_training_unless_it_has_values_of_its_own():
    recipe = keras_seg.recipe("fc_densenet", epochs=7, learning_rate=1e-5)
    first = recipe.first()
    assert (first.epochs, first.learning_rate, first.crop_size) == (7, 1e-3, (224, 224))
    assert first.before == {}
    assert first.first() is None


@pytest.mark.long
def test_pictures_can_be_scored_now_and_then(data, tmp_path):
    run = keras_seg.fit(
        tiny(), data, folder=tmp_path, epochs=5, batch_size=2, validate_every=2, averaging=0.0
    )
    scored = run.history["val_mean_iou"].notna().tolist()
    assert scored == [False, True, False, True, True]
    assert run.settings["best"]["val_mean_iou"] == run.history["val_mean_iou"].max()


@pytest.mark.slow
def test_scores_now_and_then_survive_a_stop_before_the_first(data, tmp_path):
    changes = {"epochs": 3, "batch_size": 2, "validate_every": 3}
    interrupted_and_not(data, tmp_path, Breaks(epoch=2, step=2), changes)


def test_restarts_of_the_cosine_are_where_the_guide_has_them():
    recipe = keras_seg.recipe("tiramisu_guide")
    rate = keras_seg.recipes.learning_rate(recipe, steps_per_epoch=10)
    # Periods of 50, 100, 200 and 400 epochs: 750 in all.
    for epoch in (0, 50, 150, 350):
        assert float(rate(10 * epoch)) == pytest.approx(1e-3)
        if epoch:
            assert float(rate(10 * epoch - 1)) < 1e-6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"averaging": 0.5, "swa": 0.5}, "averaging and swa together.*averaging=0.5 and swa=0.5"),
        ({"averaging": 0.0, "swa": 0.5}, "needs statistics_batches with swa.*swa=0.5 and"),
        (
            {"optimizer": keras.optimizers.Adam(1e-3, use_ema=True)},
            "cannot use averaging with an optimizer.*averaging=0.03 and use_ema=True",
        ),
        ({"optimizer_options": {"use_ema": True}}, "averages weights itself.*use_ema=True"),
        ({"before": {"rate": 1.0}}, "in before=.*rate"),
    ],
)
def test_fields_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        keras_seg.recipe("small_data", **changes)
