import keras
import numpy as np
import pytest
from _process import run_on
from keras import layers

from keras_seg.inference import ensemble, entropy, heat_map, mc_dropout
from keras_seg.inference.segmenter import Segmenter
from keras_seg.layers import Recompute


def picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def network(rate=0.5, nested=False):
    image = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    x = layers.Conv2D(8, 3, padding="same")(x)
    x = layers.BatchNormalization(name="bn")(x)
    if nested:
        inside = keras.Input((None, None, 8))
        block = keras.Model(inside, layers.SpatialDropout2D(rate)(inside))
        x = Recompute(block, name="recomputed")(x)
        x = keras.Sequential([keras.Input((None, None, 8)), layers.Dropout(rate)])(x)
    else:
        x = layers.Dropout(rate)(x)
    model = keras.Model(image, layers.Conv2D(3, 1)(x))
    # Moving statistics that are not those of any batch.
    bn = model.get_layer("bn")
    bn.set_weights([np.full(8, value, "float32") for value in (1.5, 0.5, -0.3, 4.0)])
    return model


def test_entropy_is_that_of_shannon():
    # -(0.5 ln 0.5 + 2 * 0.25 ln 0.25) / ln 3 = (0.5 + 1) ln 2 / ln 3 = 0.94639
    found = entropy([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_allclose(found, [0.946395, 0, 1], atol=1e-5)
    assert found.dtype == np.float32


@pytest.mark.parametrize("wrong", [np.ones((4, 1)), np.full((4, 2), 1.5), np.float32(1), [-1, 2]])
def test_what_is_no_distribution_has_no_entropy(wrong):
    with pytest.raises(ValueError, match=r"probabilities \(\.\.\., num_classes\) in 0\.\.1"):
        entropy(wrong)


def test_a_heat_map_grows_brighter():
    shades = heat_map(np.linspace(0, 1, 5)[None]).astype(int).sum(axis=-1)[0]
    assert (np.diff(shades) > 0).all()
    np.testing.assert_array_equal(heat_map([[-1.0, 2.0]]), heat_map([[0.0, 1.0]]))
    with pytest.raises(ValueError, match=r"one number per pixel.*shape=\(2, 3, 4\)"):
        heat_map(np.zeros((2, 3, 4)))


@pytest.mark.parametrize("nested", [False, True])
def test_only_dropout_is_as_in_training(nested):
    """With a dropout that drops next to nothing, samples are the network as it is."""
    segmenter, image = Segmenter(network(1e-7, nested)), picture(33, 40)
    sampled = mc_dropout(segmenter, samples=2)
    assert len(sampled._generators) == 1 + nested
    found = sampled.uncertainty(image)
    np.testing.assert_allclose(found.probabilities, segmenter.probabilities(image), atol=1e-5)
    np.testing.assert_allclose(found.mutual_information, 0, atol=1e-5)
    np.testing.assert_allclose(found.variance, 0, atol=1e-6)


def test_sampling_leaves_the_network_as_it_was():
    model = network()
    before, image = model.get_weights(), picture(33, 40)
    segmenter = Segmenter(model)
    expected = segmenter.probabilities(image)
    mc_dropout(segmenter, samples=2).uncertainty(image)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.layers[1].output.shape == (None, None, None, 3)  # Used once, as before.
    np.testing.assert_array_equal(Segmenter(model).probabilities(image), expected)


def test_dropout_gives_a_mean_of_different_samples():
    """Logits are 40 d, where d is kept (as 1 / 0.5 = 2) or dropped with equal probability."""
    image = keras.Input((None, None, 3))
    x = layers.Dropout(0.5)(layers.Rescaling(0.0, offset=1.0)(image))
    model = keras.Model(image, layers.Conv2D(2, 1, use_bias=False, name="logits")(x))
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, 0] = (20, 0)
    model.get_layer("logits").set_weights([kernel])
    found = mc_dropout(Segmenter(model), samples=64).uncertainty(picture(32, 32))
    # Kept: certain (1, 0); dropped: (0.5, 0.5). In the mean 0.75 of class 0, and of the samples'
    # entropies 0.5. The standard error over 1024 pixels of 64 samples is 0.25 / 256 = 0.001.
    assert abs(found.probabilities[..., 0].mean() - 0.75) < 0.005
    mean_entropy = found.entropy - found.mutual_information
    assert abs(mean_entropy.mean() - 0.5) < 0.01
    assert found.mutual_information.min() >= 0
    # H(0.75) - 0.5 = 0.8113 - 0.5, in bits.
    assert abs(found.mutual_information.mean() - 0.3113) < 0.02
    # Both classes' probabilities are 0.25 off their mean: 1/16, of 64 samples 63/64 of it.
    assert abs(found.variance.mean() - 63 / 64 / 16) < 0.002


def test_the_same_seed_gives_the_same_numbers():
    segmenter, image = Segmenter(network()), picture(33, 40)
    sampled = mc_dropout(segmenter, samples=3, seed=4)
    first = sampled.probabilities(image)
    np.testing.assert_array_equal(sampled.probabilities(image), first)
    again = mc_dropout(segmenter, samples=3, seed=4)
    np.testing.assert_array_equal(again.probabilities(image), first)
    other = mc_dropout(segmenter, samples=3, seed=5)
    assert not np.array_equal(other.probabilities(image), first)


def test_it_has_the_face_of_a_segmenter():
    segmenter, image = Segmenter(network()), picture(80, 100)
    sampled = mc_dropout(segmenter, samples=2)
    np.testing.assert_array_equal(sampled(image), sampled.probabilities(image).argmax(axis=-1))
    assert sampled.tiles(image, tile=64, overlap=16).shape == (80, 100)


def test_what_cannot_be_sampled_is_refused():
    for rate in (None, 0.0):
        model = (
            network(rate)
            if rate is not None
            else keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 1)])
        )
        with pytest.raises(ValueError, match=r"needs a network with dropout.*has none"):
            mc_dropout(Segmenter(model))
    segmenter = Segmenter(network())
    with pytest.raises(TypeError, match=r"needs a Segmenter.*Received: Ensemble"):
        mc_dropout(ensemble([segmenter]))
    with pytest.raises(ValueError, match="samples to be a whole number of at least 1"):
        mc_dropout(segmenter, samples=0)


SCRIPT = """
import sys
import keras, numpy as np
from keras_seg.inference import augmented, mc_dropout
from keras_seg import Segmenter

segmenter = Segmenter(keras.saving.load_model(sys.argv[1], compile=False))
image = np.load(sys.argv[2])
sampled = mc_dropout(segmenter, samples=8)
found = sampled.uncertainty(image)
assert np.array_equal(sampled.probabilities(image), found.probabilities)
np.savez(
    sys.argv[3],
    probabilities=segmenter.probabilities(image),
    tiles=segmenter.tiles(image, tile=32, overlap=8),
    augmented=augmented(segmenter, scales=(0.75, 1.0)).probabilities(image),
    mutual_information=found.mutual_information,
)
"""


@pytest.mark.slow
@pytest.mark.backends
@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's save under numpy 2.
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_give_the_same(backend, tmp_path):
    from keras_seg.inference import augmented

    model, image = network(nested=True), picture(37, 51)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "image.npy", image)
    names = [tmp_path / name for name in ("model.keras", "image.npy", "found.npz")]
    run_on(backend, SCRIPT, *names)
    found, segmenter = np.load(names[-1]), Segmenter(model)
    np.testing.assert_allclose(found["probabilities"], segmenter.probabilities(image), atol=1e-4)
    expected = augmented(segmenter, scales=(0.75, 1.0)).probabilities(image)
    np.testing.assert_allclose(found["augmented"], expected, atol=1e-4)
    assert (found["tiles"] == segmenter.tiles(image, tile=32, overlap=8)).mean() > 0.99
    # Other masks on each backend, but as much disagreement.
    expected = mc_dropout(segmenter, samples=8).uncertainty(image).mutual_information.mean()
    assert 0.8 < found["mutual_information"].mean() / expected < 1.25


def squared(values):
    return values * values


def test_networks_with_functions_of_their_own_are_sampled():
    image = keras.Input((None, None, 3))
    x = layers.Lambda(lambda pixels: pixels / 255.0)(image)
    x = layers.Dropout(1e-7)(layers.Conv2D(8, 3, padding="same", activation=squared)(x))
    shared = layers.Conv2D(8, 1)
    inside = keras.Input((None, None, 8))
    x = layers.Add()([shared(x), keras.Model(inside, shared(inside))(x)])
    segmenter, pixels = Segmenter(keras.Model(image, x)), picture(33, 40)
    found = mc_dropout(segmenter, samples=2).uncertainty(pixels)
    np.testing.assert_allclose(found.probabilities, segmenter.probabilities(pixels), atol=1e-5)
