import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.inference import augmented, blocks, ensemble, tiled
from keras_seg.inference.segmenter import Segmenter


def picture(height, width, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def blurring(seed, input_shape=(None, None, 3), num_classes=4):
    keras.utils.set_random_seed(seed)
    image = keras.Input(input_shape)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    x = layers.Conv2D(8, 5, padding="same", activation="relu")(x)
    return Segmenter(keras.Model(image, layers.Conv2D(num_classes, 3, padding="same")(x)))


@pytest.fixture(scope="module")
def one():
    return blurring(1)


@pytest.fixture(scope="module")
def other():
    return blurring(2)


def test_probabilities_are_the_softmax_of_the_logits(one):
    image = picture(37, 51)
    logits = one.logits(image[None])[0]
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    found = one.probabilities(image)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(one.probabilities(image[None])[0], found)
    assert [each.shape for each in one.probabilities([image, image[:33]])] == [
        (37, 51, 4),
        (33, 51, 4),
    ]


def test_mirror_images_are_mirrored_back(one):
    image = picture(37, 51)
    mirrored = one.probabilities(image[:, ::-1])[:, ::-1]
    expected = (one.probabilities(image) + mirrored) / 2
    for flips in (True, "horizontal"):
        found = augmented(one, flips).probabilities(image)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_all_flips_make_the_result_turn_with_the_picture(one):
    image, turning = picture(37, 51), augmented(one, "all")
    expected = turning.probabilities(image)
    for step in ((1, -1), (-1, 1), (-1, -1)):
        turned = turning.probabilities(image[:: step[0], :: step[1]])
        np.testing.assert_allclose(turned[:: step[0], :: step[1]], expected, atol=1e-6)


def test_a_picture_is_not_taken_for_a_batch(one, other):
    for predictor in (augmented(one), ensemble([one, other])):
        with pytest.raises(ValueError, match=r"A batch must be uint8 \(b, h, w, 3\)"):
            predictor.labels(picture(37, 51))


def test_without_flips_and_scales_nothing_changes(one):
    image = picture(37, 51)
    found = augmented(one, flips=None).probabilities(image)
    np.testing.assert_array_equal(found, one.probabilities(image))


def test_one_scale_may_be_a_number(one):
    assert augmented(one, scales=0.5).scales == augmented(one, scales=(0.5,)).scales == (0.5,)


def test_scales_look_at_the_resized_picture():
    """A network that sees colors alone tells the same of a plain picture at every size."""
    image = keras.Input((None, None, 3))
    plain = Segmenter(keras.Model(image, layers.Conv2D(3, 1)(layers.Rescaling(0.01)(image))))
    color = np.full((40, 60, 3), (200, 100, 50), np.uint8)
    color[:, 30:] = (10, 220, 90)
    found = augmented(plain, None, scales=(0.5, 1.0, 2.0)).probabilities(color)
    assert found.shape == (40, 60, 3)
    expected = plain.probabilities(color)
    # Resizing mixes at the edge only: within two pixels of column 30.
    far = np.abs(np.arange(60) - 29.5) > 3
    np.testing.assert_allclose(found[:, far], expected[:, far], atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)


def test_two_classes_and_one_channel_keep_their_axis():
    gray = blurring(3, (None, None, 1), num_classes=2)
    found = augmented(gray, "all", scales=(0.5, 1.0)).probabilities(picture(40, 50, 1))
    assert found.shape == (40, 50, 2)


def test_as_many_classes_as_ade20k_has_are_resized():
    """A network that answers the same everywhere does so at every scale."""
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(150, 1)])
    logits = np.linspace(-2, 2, 150, dtype="float32")
    model.set_weights([np.zeros((1, 1, 3, 150)), logits])
    found = augmented(Segmenter(model), None, scales=(0.5, 1.5)).probabilities(picture(37, 51))
    expected = np.broadcast_to(np.exp(logits) / np.exp(logits).sum(), (37, 51, 150))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_tiles_of_augmented_networks_equal_their_whole_picture(one):
    # 3/4 and 5/4 of a pixel grid meet every fourth pixel.
    both = augmented(one, scales=(0.75, 1.0, 1.25))
    assert both.output_stride == 4
    image = picture(96, 160)
    found = both.tiles(image, tile=64, overlap=40, margin=16)
    # Floats add up in another order where two classes are equal.
    assert (found == both(image)).mean() > 0.999


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"flips": ["all"]}, "needs flips 'horizontal', 'all' or None.*'all'"),
        ({"flips": "vertical"}, "needs flips 'horizontal', 'all' or None.*'vertical'"),
        ({"scales": ()}, "at least one scale"),
        ({"scales": (1.0, 0.0)}, "each above 0"),
    ],
)
def test_unknown_augmentations_are_refused(one, wrong, words):
    with pytest.raises(ValueError, match=words):
        augmented(one, **wrong)


def test_a_network_of_one_size_takes_flips_but_no_scales():
    fixed = blurring(1, (40, 48, 3))
    assert augmented(fixed)(picture(40, 48)).shape == (40, 48)
    with pytest.raises(ValueError, match=r"pictures of 40x48 pixels only.*scales=\(0\.5,\)"):
        augmented(fixed, scales=(0.5,))


def test_an_ensemble_is_the_weighted_mean(one, other):
    image = picture(37, 51)
    first, second = one.probabilities(image), other.probabilities(image)
    found = ensemble([one, other]).probabilities(image)
    np.testing.assert_allclose(found, (first + second) / 2, atol=1e-6)
    found = ensemble([one, other], weights=[3, 1]).probabilities(image)
    np.testing.assert_allclose(found, 0.75 * first + 0.25 * second, atol=1e-6)
    found = ensemble([one, other], weights=[0, 1]).probabilities(image)
    np.testing.assert_allclose(found, second, atol=1e-6)


def test_an_ensemble_has_the_face_of_a_segmenter(one, other):
    both, image = ensemble([augmented(one), other]), picture(80, 100)
    expected = both.probabilities(image).argmax(axis=-1)
    np.testing.assert_array_equal(both(image), expected)
    np.testing.assert_array_equal(both.labels(image[None])[0], expected)
    assert both.labels(image[None]).dtype == np.uint8
    assert both.tiles(image, tile=64, overlap=16).shape == (80, 100)
    assert both.class_names == one.class_names
    assert len(both.show(image).axes) == 2


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        (lambda one: [], "at least one segmenter"),
        (lambda one: [one, blurring(1, num_classes=3)], "same class_names"),
        (lambda one: [one, blurring(1, (None, None, 1))], "same num_channels"),
        (lambda one: [one, blurring(1, (40, 48, 3))], "same fixed_size"),
    ],
    ids=["none", "classes", "channels", "size"],
)
def test_networks_that_do_not_fit_together_are_refused(one, networks, words):
    with pytest.raises(ValueError, match=words):
        ensemble(networks(one))


def test_label_maps_of_different_sizes_are_refused(one, monkeypatch):
    image = keras.Input((None, None, 3))
    half = Segmenter(keras.Model(image, layers.Conv2D(4, 1)(image)))
    whole = half.probabilities
    monkeypatch.setattr(half, "probabilities", lambda batch: whole(batch)[..., ::2, ::2, :])
    words = r"label maps of 48x64 and of 24x32 for a picture of 48x64. Enlarge the smaller"
    with pytest.raises(ValueError, match=words):
        ensemble([one, half])(picture(48, 64))


@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0], [[1, 1]], [1, float("nan")]])
def test_weights_that_do_not_fit_are_refused(one, other, weights):
    with pytest.raises(ValueError, match="a weight of 0 or more for each of 2"):
        ensemble([one, other], weights)


@pytest.mark.parametrize("value", [None, "run", 3, keras.layers.Dense(2)])
def test_what_is_no_segmenter_is_named(value):
    for wrap in (augmented, tiled):
        with pytest.raises(
            TypeError, match=rf"needs a Segmenter.*Received: {type(value).__name__}"
        ):
            wrap(value)
    with pytest.raises(
        TypeError, match=r"`ensemble` needs a Segmenter, or an object.*Pass Segmenter"
    ):
        ensemble([value])
    with pytest.raises(TypeError, match=r"`blocks` needs a Segmenter"):
        blocks(value, np.zeros((64, 64, 3), "uint8"))


def test_an_ensemble_of_one_that_is_not_in_a_list_is_refused(one):
    words = r"needs a list of segmenters. Received: one value of type Segmenter"
    with pytest.raises(TypeError, match=words):
        ensemble(one)


@pytest.mark.parametrize("weights", ["ab", ["a", "b"], [1, np.nan], [1, np.inf], 2.0])
def test_weights_of_an_ensemble_are_finite_numbers(one, other, weights):
    with pytest.raises(ValueError, match=r"a weight of 0 or more for each of 2 segmenters"):
        ensemble([one, other], weights)


@pytest.mark.parametrize("scales", [None, "1", [None], [np.nan]])
def test_scales_are_numbers(one, scales):
    with pytest.raises(ValueError, match=r"at least one scale, each above 0. Received: scales="):
        augmented(one, scales=scales)
