import keras
import numpy as np
import pytest

from keras_seg.training import state

X, Y = np.ones((4, 8, 8, 3), "float32"), np.zeros((4, 8, 8))


def compiled(filters=4):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(filters, 3, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Conv2D(1, 1),
        ]
    )
    model.compile(keras.optimizers.AdamW(0.01, use_ema=True), "mse")
    return model


def step(model):
    return model.train_on_batch(X, Y)


def values(model):
    return [v.numpy() for v in [*model.variables, *model.optimizer.variables]]


def test_training_goes_on_from_the_state_as_if_nothing_had_happened(tmp_path):
    model = compiled()
    step(model)
    state.save(tmp_path / "state.npz", model, epochs_done=3, more={"count": np.array(7)})
    losses = [step(model) for _ in range(3)]
    # Built later in the same process, with other weights: Keras gives its variables other names.
    again = compiled()
    assert state.restore(tmp_path / "state.npz", again) == (3, {"count": 7})
    assert [step(again) for _ in range(3)] == losses
    for a, b in zip(values(model), values(again), strict=True):
        np.testing.assert_array_equal(a, b)


def test_raw_weights_take_the_place_of_those_in_the_model(tmp_path):
    model, again = compiled(), compiled()
    step(model)
    raw = [variable.numpy() + 1 for variable in model.trainable_variables]
    moving = [variable.numpy() for variable in model.non_trainable_variables]
    state.save(tmp_path / "state.npz", model, epochs_done=1, raw_weights=raw)
    state.restore(tmp_path / "state.npz", again)
    for a, b in zip(raw, again.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    for a, b in zip(moving, again.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


def test_state_can_be_saved_before_the_first_step(tmp_path):
    model, again = compiled(), compiled()
    state.save(tmp_path / "state.npz", model, epochs_done=0)
    assert state.restore(tmp_path / "state.npz", again) == (0, {})
    np.testing.assert_array_equal(model.get_weights()[0], again.get_weights()[0])


def test_no_file_means_no_epoch_is_done(tmp_path):
    assert state.restore(tmp_path / "state.npz", compiled()) == (0, {})


def test_nothing_but_the_state_is_left_in_the_folder(tmp_path):
    for epoch in (1, 2):
        state.save(tmp_path / "state.npz", compiled(), epoch)
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]


@pytest.mark.parametrize("damage", [lambda b: b[:1000], lambda b: b"", lambda b: b"no zip at all"])
def test_damaged_state_is_refused_with_its_path(tmp_path, damage):
    path = tmp_path / "state.npz"
    state.save(path, compiled(), epochs_done=1)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"must be readable. Received: '.*state\.npz'.*Delete it"):
        state.restore(path, compiled())


def test_state_of_another_network_is_refused(tmp_path):
    state.save(tmp_path / "state.npz", compiled(filters=4), epochs_done=1)
    with pytest.raises(ValueError, match=r"same network and optimizer.*state\.npz'.*Pass another"):
        state.restore(tmp_path / "state.npz", compiled(filters=5))
