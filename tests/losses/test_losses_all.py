"""What holds for every loss: found by `losses.names()`, so that a new one is tested too."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from _process import run_on

from keras_seg import losses, recipes

ALL = losses.names()
TOLERANCE = 2e-6  # Sums of some tens of numbers around 1 in float32.


def some_pixels(shape=(2, 6, 8)):
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, shape).astype("uint8")
    labels[0, 1] = 255
    return labels, random.normal(0, 2, (*shape, 3)).astype("float32")


def loss_and_gradient(loss, labels, logits):
    logits = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = loss(labels, logits)
    return float(value), tf.convert_to_tensor(tape.gradient(value, logits)).numpy()


@pytest.mark.parametrize("name", ALL)
def test_ignored_pixels_change_neither_loss_nor_gradient(name):
    labels, logits = some_pixels()
    loss = losses.build(name, 3, class_weights=[1, 2, 3])
    value, gradient = loss_and_gradient(loss, labels, logits)
    logits[0, 1] = 1e4 * np.array([1, -1, 0])
    other_value, other_gradient = loss_and_gradient(loss, labels, logits)
    assert other_value == pytest.approx(value, abs=TOLERANCE)
    np.testing.assert_allclose(other_gradient, gradient, atol=TOLERANCE)
    assert not gradient[0, 1].any()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_ignored_pixels_without_a_number_have_no_gradient(name, wrong):
    labels, logits = some_pixels()
    loss = losses.build(name, 3, class_weights=[1, 2, 3])
    value, gradient = loss_and_gradient(loss, labels, logits)
    logits[0, 1] = wrong
    other_value, other_gradient = loss_and_gradient(loss, labels, logits)
    assert other_value == pytest.approx(value, abs=TOLERANCE)
    np.testing.assert_allclose(other_gradient, gradient, atol=TOLERANCE)
    assert not other_gradient[0, 1].any()


@pytest.mark.parametrize("name", ALL)
def test_ignored_pixels_are_not_in_the_denominator(name):
    # Rows that are ignored may as well not be there; for "boundary" too, as they make no border.
    labels, logits = some_pixels()
    labels[:, 3:] = 255
    loss = losses.build(name, 3)
    expected = float(loss(labels[:, :3], logits[:, :3]))
    assert float(loss(labels, logits)) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("name", ALL)
def test_all_pixels_ignored_give_zero_and_no_gradient(name):
    _, logits = some_pixels()
    loss = losses.build(name, 3, class_weights=[1, 2, 3])
    value, gradient = loss_and_gradient(loss, np.full((2, 6, 8), 255), logits)
    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize("name", ALL)
def test_class_weights_count_by_their_ratio(name):
    labels, logits = some_pixels()
    values = [
        float(losses.build(name, 3, class_weights=weights)(labels, logits))
        for weights in (None, [7, 7, 7], [1, 2, 3])
    ]
    if name != "boundary":  # There the weights are added to those of the border.
        assert values[1] == pytest.approx(values[0], abs=TOLERANCE)
    assert values[2] != pytest.approx(values[0], abs=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_volumes_are_measured_like_pictures(name):
    labels, logits = some_pixels((2, 3, 4, 5))
    loss = losses.build(name, 3, **({"border_weight": 0} if name == "boundary" else {}))
    expected = float(loss(labels.reshape(2, 12, 5), logits.reshape(2, 12, 5, 3)))
    assert float(loss(labels, logits)) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(2, 6, 8), (1, 2, 6, 8)])
def test_smaller_logits_are_compared_with_the_labels_under_their_centers(name, shape):
    labels, logits = some_pixels(shape)
    small = logits[..., ::2, ::2, :]
    under = labels[..., 1::2, 1::2]  # The center of 2x2 pixels is the corner of pixel (1, 1).
    loss = losses.build(name, 3)
    expected = float(loss(under, small))
    assert float(loss(labels, small)) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("name", ALL)
def test_gradient_is_finite_for_extreme_logits_and_follows_differences(name):
    labels, logits = some_pixels((1, 3, 4))
    loss = losses.build(name, 3)
    value, gradient = loss_and_gradient(loss, labels, 1e4 * logits)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()

    _, gradient = loss_and_gradient(loss, labels, logits)
    step = np.zeros_like(logits)
    step[0, 0, 0] = [0.01, -0.005, 0.02]
    slope = (float(loss(labels, logits + step)) - float(loss(labels, logits - step))) / 2
    # Central differences in float32: steps of 0.01 on values with 7 digits.
    assert (gradient * step).sum() == pytest.approx(slope, abs=2e-6)


@pytest.mark.parametrize("name", ALL)
def test_half_precision_is_summed_in_single(name):
    labels, logits = some_pixels()
    half = logits.astype("float16")
    value = losses.build(name, 3)(labels, keras.ops.convert_to_tensor(half))
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    expected = float(losses.build(name, 3)(labels, half.astype("float32")))
    assert float(value) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("name", ALL)
def test_sizes_may_be_unknown_in_a_graph(name):
    labels, logits = some_pixels()
    loss = losses.build(name, 3)
    specs = [tf.TensorSpec((None, None, None), "uint8"), tf.TensorSpec((None, None, None, 3))]
    function = tf.function(lambda y_true, y_pred: loss(y_true, y_pred), input_signature=specs)
    expected = float(loss(labels, logits))
    assert float(function(labels, logits)) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("name", ALL)
def test_a_logit_that_is_nan_is_not_hidden(name):
    labels, logits = some_pixels()
    logits[1, 2, 3] = np.nan
    assert np.isnan(float(losses.build(name, 3)(labels, logits)))


@pytest.mark.parametrize("name", ALL)
def test_losses_survive_saving(name):
    loss = losses.build(name, 3, ignore_class=9, class_weights=[1, 2, 3])
    text = json.dumps(keras.saving.serialize_keras_object(loss))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert again.get_config() == loss.get_config()
    assert repr(again) == repr(loss)
    labels, logits = some_pixels()
    labels[labels == 255] = 9
    assert float(again(labels, logits)) == float(loss(labels, logits))


@pytest.mark.parametrize("name", ALL)
def test_wrong_shapes_and_pixel_weights_are_refused(name):
    labels, logits = some_pixels()
    loss = losses.build(name, 3)
    with pytest.raises(ValueError, match=r"needs integer labels.*labels \(2, 6, 8, 1\)"):
        loss(labels[..., None], logits)
    with pytest.raises(ValueError, match=r"\(b, h, w, 3\).*logits \(2, 6, 8, 2\)"):
        loss(labels, logits[..., :2])
    if name not in ("boundary", "cross_entropy", "focal"):  # They are means over pixels.
        with pytest.raises(ValueError, match="has no weights of single pixels"):
            loss(labels, logits, sample_weight=np.ones((2, 6, 8)))
    with pytest.raises(ValueError, match="finite class weights of at least 0"):
        losses.build(name, 3, class_weights=[1, -2, 3])


def test_weighted_sum_adds_its_parts():
    labels, logits = some_pixels()
    parts = [losses.SparseCrossEntropy(3), losses.DiceLoss(3), losses.LovaszSoftmax(3)]
    expected = sum(w * float(p(labels, logits)) for w, p in zip((1, 0.5, 2), parts, strict=True))
    loss = losses.WeightedSum(zip((1, 0.5, 2), parts, strict=True))
    assert float(loss(labels, logits)) == pytest.approx(expected, abs=TOLERANCE)
    text = json.dumps(keras.saving.serialize_keras_object(loss))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert float(again(labels, logits)) == pytest.approx(expected, abs=TOLERANCE)
    assert repr(again) == repr(loss)


@pytest.mark.parametrize(
    ("parts", "error", "words"),
    [
        ([], ValueError, "needs at least one pair"),
        (["dice"], TypeError, r"needs pairs \(weight, Keras loss\).*part='dice'"),
        (
            [(-1.0, losses.DiceLoss(3))],
            ValueError,
            "weight to be a finite number of at least 0",
        ),
        (5, TypeError, r"needs pairs \(weight, Keras loss\). Received: part=5"),
    ],
    ids=["none", "name", "negative", "number"],
)
def test_weighted_sum_refuses_what_is_no_pair(parts, error, words):
    with pytest.raises(error, match=words):
        losses.WeightedSum(parts)


def test_build_gives_each_part_the_options_that_it_takes():
    loss = losses.build(
        [(1.0, "cross_entropy"), (0.5, "dice")], 2, label_smoothing=0.1, class_weights=[1, 2]
    )
    (_, entropy), (half, dice) = loss.parts
    assert (entropy.label_smoothing, entropy.class_weights) == (0.1, [1, 2])
    assert (half, dice.class_weights) == (0.5, [1, 2])


def test_build_takes_ready_losses_as_they_are():
    dice = losses.DiceLoss(3)
    assert losses.build(dice, 3) is dice
    assert losses.build([(1.0, "focal"), (1.0, dice)], 3, gamma=1.0).parts[1][1] is dice


@pytest.mark.parametrize(
    ("loss", "options", "error", "words"),
    [
        ("lovas", {}, ValueError, r"Unknown loss. Did you mean 'lovasz'"),
        ("dice", {"gamma": 2}, ValueError, r"Unknown option of loss 'dice'.*'gamma'"),
        (
            losses.DiceLoss(3),
            {"class_weights": [1, 2, 3]},
            ValueError,
            "gives options only to losses that it builds by name",
        ),
        (7, {}, TypeError, "needs a name, a Keras loss, or a list of pairs"),
        (["cross_entropy", "dice"], {}, TypeError, r"needs pairs.*'cross_entropy'"),
    ],
    ids=["name", "option", "object", "number", "names"],
)
def test_build_refuses_what_it_does_not_know(loss, options, error, words):
    with pytest.raises(error, match=words):
        losses.build(loss, 3, **options)


def test_recipe_builds_its_loss():
    recipe = recipes.recipe(
        "contextnet", loss="focal", loss_options={"gamma": 1.0}, class_weights=(1, 2, 3)
    )
    loss = recipes.loss(recipe, 3, 255, recipe.class_weights)
    assert (loss.gamma, loss.class_weights) == (1.0, [1, 2, 3])
    both = recipes.recipe("contextnet", loss=((1.0, "cross_entropy"), (0.5, "dice")))
    assert [weight for weight, _ in recipes.loss(both, 3).parts] == [1.0, 0.5]
    ready = losses.DiceLoss(3)
    own = recipes.recipe("contextnet", loss=ready)
    assert recipes.loss(own, 3, class_weights=[1, 2, 3]) is ready
    # Another loss starts without the options of the one before.
    assert recipes.recipe(recipe, loss="dice").loss_options == {}


def test_recipe_refuses_an_unknown_loss_at_once():
    with pytest.raises(ValueError, match=r"Unknown loss. Did you mean 'focal'"):
        recipes.recipe("contextnet", loss="foccal")
    smooth = recipes.recipe("contextnet", loss="dice", label_smoothing=0.1)
    with pytest.raises(ValueError, match=r"Unknown option of loss 'dice'.*label_smoothing"):
        recipes.loss(smooth, 3)


def test_auxiliary_heads_take_the_same_loss_at_their_own_size():
    pixels = keras.Input((8, 8, 3))
    heads = {
        "logits": keras.layers.Conv2D(3, 1, name="logits")(pixels),
        "aux_8": keras.layers.Conv2D(3, 1, strides=4, name="aux_8")(pixels),
    }
    model = keras.Model(pixels, heads)
    loss = losses.build([(1.0, "cross_entropy"), (0.5, "lovasz")], 3)
    model.compile("sgd", dict.fromkeys(heads, loss), loss_weights={"logits": 1.0, "aux_8": 0.4})
    random = np.random.default_rng(0)
    images = random.random((2, 8, 8, 3)).astype("float32")
    labels = random.integers(0, 3, (2, 8, 8)).astype("uint8")
    found = model(images)
    expected = float(loss(labels, found["logits"])) + 0.4 * float(loss(labels, found["aux_8"]))
    batches = tf.data.Dataset.from_tensors((images, dict.fromkeys(heads, labels)))
    history = model.fit(batches, shuffle=False, verbose=0).history
    assert history["loss"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's save under numpy 2.
def test_fit_trains_with_a_loss_object_and_finds_its_run_again(tiny_shapes, tmp_path):
    import keras_seg

    loss = losses.build([(1.0, "cross_entropy"), (0.5, "dice")], tiny_shapes.num_classes)
    pixels = keras.Input((None, None, 3))
    logits = keras.layers.Conv2D(tiny_shapes.num_classes, 1, name="logits")(pixels)
    model = keras.Model(pixels, logits, name="one_layer")
    for _ in range(2):  # The second call finds the same set-up and the finished run.
        run = keras_seg.fit(model, tiny_shapes, epochs=1, batch_size=2, loss=loss, folder=tmp_path)
    assert np.isfinite(run.history["loss"]).all()
    assert len(list(tmp_path.iterdir())) == 1


SCRIPT = """
import json, sys
import keras, numpy as np
from keras_seg import losses

labels, logits = (np.load(path) for path in sys.argv[1:3])

def value_and_gradient(loss):
    if keras.backend.backend() == "jax":
        import jax
        return jax.jit(jax.value_and_grad(lambda x: loss(labels, x)))(logits)
    if keras.backend.backend() == "torch":
        tensor = keras.ops.convert_to_tensor(logits).requires_grad_(True)
        value = loss(labels, tensor)
        value.backward()
        return value.detach(), tensor.grad
    import tensorflow as tf
    tensor = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = loss(labels, tensor)
    return value, tape.gradient(value, tensor)

found = {}
for name in losses.names():
    value, gradient = value_and_gradient(losses.build(name, 3, class_weights=[1, 2, 3]))
    gradient = keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(gradient))
    found[name] = [float(value), gradient.tolist()]
    full = losses.build(name, 3)
    found[name + " ignored"] = [float(full(np.full_like(labels, 255), logits)), 0]
json.dump(found, open(sys.argv[3], "w"))
"""


@pytest.mark.slow
@pytest.mark.backends
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_give_the_same_losses_and_gradients(backend, tmp_path):
    labels, logits = some_pixels()
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "logits.npy", logits)
    names = [tmp_path / name for name in ("labels.npy", "logits.npy", "found.json")]
    run_on(backend, SCRIPT, *names)
    found = json.loads(names[-1].read_text())
    for name in ALL:
        loss = losses.build(name, 3, class_weights=[1, 2, 3])
        value, gradient = loss_and_gradient(loss, labels, logits)
        assert found[name][0] == pytest.approx(value, abs=TOLERANCE)
        np.testing.assert_allclose(found[name][1], gradient, atol=TOLERANCE)
        assert found[f"{name} ignored"][0] == 0


@pytest.mark.parametrize("name", losses.names())
@pytest.mark.parametrize("weights", [2.0, "12", {0: 1.0, 1: 5.0}])
def test_weights_that_are_no_list_are_refused(name, weights):
    """Of a dict, as Keras's class_weight is one, the keys would be taken for the weights."""
    with pytest.raises(
        TypeError, match=r"class_weights as a list of numbers, in the order.*Receiv"
    ):
        losses.build(name, 2, class_weights=weights)


@pytest.mark.parametrize("weights", [["1", "2"], [None, 1], [1, float("nan")]])
def test_weights_are_finite_numbers(weights):
    with pytest.raises(ValueError, match=r"needs finite class weights of at least 0. Received: cl"):
        losses.build("dice", 2, class_weights=weights)


@pytest.mark.parametrize("wrong", ["255", 255.5, [255], 2**24 + 1, -(2**24) - 1])
def test_the_ignored_id_is_a_whole_number(wrong):
    with pytest.raises(ValueError, match=r"needs ignore_class to be a whole number"):
        losses.SparseCrossEntropy(2, ignore_class=wrong)


def test_numbers_of_numpy_are_numbers():
    assert losses.FocalLoss(2, gamma=np.float32(1.5)).gamma == 1.5
    assert losses.SparseCrossEntropy(2, label_smoothing=np.float32(0.5)).label_smoothing == 0.5


@pytest.mark.parametrize("name", ["dice", "tversky", "lovasz"])
@pytest.mark.parametrize("wrong", [-1, 3, 254])
@pytest.mark.parametrize("ignore_class", [255, None])
def test_labels_that_are_no_class_are_not_hidden(name, wrong, ignore_class):
    # Their probabilities counted as false positives. Of the others TensorFlow raises an error.
    labels = np.array([[[0, wrong], [1, 2]]])
    loss = losses.build(name, 3, ignore_class)
    assert np.isnan(float(loss(labels, np.zeros((1, 2, 2, 3), "float32"))))
