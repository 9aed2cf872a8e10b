import cv2
import keras
import numpy as np
import pytest
from _process import run_on
from keras import layers, ops
from PIL import Image

from keras_seg import models
from keras_seg.inference.segmenter import Segmenter
from keras_seg.layers import ResizeLike
from keras_seg.show import show_predictions

# A pixel's class is its strongest channel: red 0, green 1, blue 2.
IDENTITY = np.eye(3, dtype=np.float32)[None, None]


def strongest_channel(input_shape=(None, None, 3), aux=False):
    image = keras.Input(input_shape)
    logits = layers.Conv2D(3, 1, use_bias=False, name="logits")(image)
    outputs = logits
    if aux:
        outputs = {"logits": logits, "aux_context": layers.Conv2D(3, 1, name="aux")(image)}
    model = keras.Model(image, outputs)
    model.get_layer("logits").set_weights([IDENTITY])
    return model


def blurring():
    """A model that looks at its neighbors, so that padding could change the result."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 5, padding="same", activation="relu")(image)
    return keras.Model(image, layers.Conv2D(4, 3, padding="same")(x))


def picture(height, width, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(strongest_channel())


@pytest.mark.parametrize(("height", "width"), [(1, 1), (37, 51), (31, 200), (32, 32), (721, 961)])
def test_labels_have_the_pictures_own_size(segmenter, height, width):
    image = picture(height, width)
    labels = segmenter(image)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, image.argmax(axis=-1))


def test_a_segmenter_shows_its_network_classes_and_engine():
    network = strongest_channel()
    network.name = "streets"
    shown = repr(Segmenter(network, engine="keras"))
    assert shown == "<Segmenter 'streets': 3 classes, engine 'keras'>"


def test_labels_are_those_of_model_predict():
    model = blurring()
    batch = np.stack([picture(40, 56, seed=seed) for seed in range(2)])
    expected = model.predict(batch.astype("float32"), verbose=0)
    segmenter = Segmenter(model)
    np.testing.assert_array_equal(segmenter.labels(batch), expected.argmax(axis=-1))
    # Pixels up to 255 give logits of some hundreds: 1e-3 is float32's last digits.
    np.testing.assert_allclose(segmenter.logits(batch), expected, atol=1e-3)
    assert segmenter.logits(batch).dtype == np.float32


def test_small_pictures_are_continued_by_their_edge():
    segmenter = Segmenter(blurring())
    small = picture(20, 40)
    continued = np.pad(small, ((0, 12), (0, 0), (0, 0)), mode="edge")
    np.testing.assert_array_equal(segmenter(small), segmenter(continued)[:20])


def test_a_list_gives_a_list(segmenter):
    images = [picture(33, 40), picture(40, 33)]
    labels = segmenter(images)
    assert [label.shape for label in labels] == [(33, 40), (40, 33)]
    assert segmenter([]) == []


@pytest.mark.parametrize("ending", ["png", "bmp", "webp"])
def test_files_are_read_as_red_green_blue(segmenter, tmp_path, ending):
    image = np.zeros((34, 35, 3), np.uint8)
    image[:, :10, 0] = 200
    image[:, 10:20, 1] = 200
    image[:, 20:, 2] = 200
    path = tmp_path / f"grün.{ending}"
    lossless = [cv2.IMWRITE_WEBP_QUALITY, 101] if ending == "webp" else []
    _, data = cv2.imencode(f".{ending}", image[..., ::-1], lossless)
    path.write_bytes(data.tobytes())
    for name in (path, str(path)):
        np.testing.assert_array_equal(segmenter(name), image.argmax(axis=-1))


def test_files_with_alpha_gray_or_16_bits_are_read(segmenter, tmp_path):
    image = picture(34, 35)
    expected = image.argmax(axis=-1)
    cv2.imwrite(str(tmp_path / "alpha.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGRA))
    cv2.imwrite(str(tmp_path / "deep.png"), image[..., ::-1].astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "gray.png"), image[..., 0])
    np.testing.assert_array_equal(segmenter(tmp_path / "alpha.png"), expected)
    np.testing.assert_array_equal(segmenter(tmp_path / "deep.png"), expected)
    assert not segmenter(tmp_path / "gray.png").any()  # All channels equal: the first one wins.


def test_gray_becomes_color_and_alpha_is_dropped(segmenter):
    image = picture(34, 35)
    for gray in (image[..., 0], image[..., :1]):
        assert not segmenter(gray).any()
    with_alpha = np.dstack([image, np.full((34, 35), 255, np.uint8)])
    np.testing.assert_array_equal(segmenter(with_alpha), image.argmax(axis=-1))


def test_a_gray_model_takes_color_pictures(tmp_path):
    image = keras.Input((None, None, 1))
    model = keras.Model(image, layers.Conv2D(2, 1, name="logits")(image))
    # Class 1 where gray > 100: logits (0, gray - 100).
    model.get_layer("logits").set_weights([np.array([[[[0.0, 1.0]]]]), np.array([0.0, -100.0])])
    segmenter = Segmenter(model)
    color = np.zeros((32, 40, 3), np.uint8)
    color[:, 20:] = 150
    cv2.imwrite(str(tmp_path / "color.png"), color)
    for one in (color, color[..., 0], tmp_path / "color.png"):
        np.testing.assert_array_equal(segmenter(one), color[..., 0] > 100)


def test_numbers_0_to_255_of_any_type_are_pixels(segmenter):
    image = picture(32, 32)
    for dtype in ("float32", "float64", "int32", "uint16"):
        np.testing.assert_array_equal(segmenter(image.astype(dtype)), image.argmax(axis=-1))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.full((32, 32, 3), 0.5, np.float32), r"look like 0\.\.1.*Multiply by 255"),
        (np.full((32, 32, 3), -1.0, np.float32), r"in 0\.\.255.*-1\.0\.\.-1\.0"),
        (np.full((32, 32, 3), np.nan, np.float32), r"in 0\.\.255.*nan"),
        (np.full((32, 32, 3), 4000, np.uint16), r"in 0\.\.255.*dtype=uint16"),
        (np.zeros((2, 32, 32, 3), np.uint8), r"segmenter\.labels\(batch\)"),
        (np.zeros((0, 32, 3), np.uint8), "at least one pixel"),
        (np.zeros((32, 32, 5), np.uint8), "takes pictures with 3 channels"),
        ("/no/such.png", r"A file does not exist\. Received: '/no/such\.png'"),
    ],
)
def test_what_is_no_picture_is_refused(segmenter, wrong, words):
    with pytest.raises(ValueError, match=words):
        segmenter(wrong)


@pytest.mark.parametrize("wrong", [None, {"a": 1}, np.zeros((4, 4), bool)])
def test_what_is_no_array_of_numbers_is_refused(segmenter, wrong):
    with pytest.raises(TypeError, match="must be a path or an array of numbers"):
        segmenter(wrong)


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_a_broken_file_is_named(segmenter, tmp_path, content):
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read as a picture.*broken\.png"):
        segmenter(tmp_path / "broken.png")


def test_a_batch_of_floats_or_of_other_channels_is_refused(segmenter):
    for batch in (np.zeros((1, 32, 32, 3), np.float32), np.zeros((1, 32, 32, 4), np.uint8)):
        with pytest.raises(ValueError, match=r"must be uint8 \(b, h, w, 3\)"):
            segmenter.labels(batch)


def test_an_empty_batch_is_refused(segmenter):
    with pytest.raises(ValueError, match="at least one picture"):
        segmenter.labels(np.zeros((0, 32, 32, 3), np.uint8))


def test_a_model_of_one_size_names_that_size():
    segmenter = Segmenter(strongest_channel((40, 48, 3)))
    assert segmenter(picture(40, 48)).shape == (40, 48)
    with pytest.raises(ValueError, match="for pictures of 40x48 pixels"):
        segmenter(picture(48, 40))


def test_auxiliary_outputs_are_not_computed():
    segmenter = Segmenter(strongest_channel(aux=True))
    assert [layer.name for layer in segmenter.network.layers if layer.weights] == ["logits"]
    image = picture(32, 32)
    np.testing.assert_array_equal(segmenter(image), image.argmax(axis=-1))


def test_the_network_without_training_heads_keeps_its_name():
    model = models.build("contextnet_cn14_160", (64, 64, 3), 2, auxiliary_head=True)
    assert Segmenter(model).network.name == "contextnet_cn14_160"


def test_a_model_without_logits_is_refused():
    image = keras.Input((None, None, 3))
    flat = keras.Model(image, layers.GlobalAveragePooling2D()(image))
    masks = keras.Model(image, {"masks": layers.Conv2D(3, 1)(image)})
    for model, received in ((flat, r"output \(None, 3\)"), (masks, r"outputs \{")):
        with pytest.raises(ValueError, match=rf"needs one output of logits.*{received}"):
            Segmenter(model)


def test_a_model_of_probabilities_or_of_one_class_is_refused():
    image = keras.Input((None, None, 3))
    scores = layers.Conv2D(3, 1)(image)
    for ending in (layers.Conv2D(3, 1, activation="softmax")(image), layers.Softmax()(scores)):
        with pytest.raises(ValueError, match=r"must return logits.*returns probabilities"):
            Segmenter(keras.Model(image, ending))
    inside = keras.Model(image, layers.Softmax(name="soft")(scores))
    resizing = keras.Model(image, ops.image.resize(image, (8, 8)))
    for ending in (
        inside(image),
        keras.Sequential([layers.Identity(), inside])(image),
        resizing(ops.cast(inside(image), "float16")),
        layers.UpSampling2D()(layers.Activation("linear")(layers.Dropout(0.5)(inside(image)))),
    ):
        with pytest.raises(ValueError, match=r"whose layer 'soft' returns probabilities"):
            Segmenter(keras.Model(image, ending))
    for function in (ops.softmax, ops.sigmoid):
        ending = ResizeLike()([function(scores), image])
        with pytest.raises(ValueError, match=r"must return logits.*'(softmax|sigmoid)\w*' returns"):
            Segmenter(keras.Model(image, ending))
    # Behind a convolution, or as a factor, they are what a network needs.
    for ending in (layers.Conv2D(2, 1)(inside(image)), scores * ops.sigmoid(scores)):
        Segmenter(keras.Model(image, layers.Identity()(ending)))
    with pytest.raises(ValueError, match="logits of at least two classes"):
        Segmenter(keras.Model(image, layers.Conv2D(1, 1)(image)))


def test_a_model_of_one_small_size_sees_no_margin():
    image = keras.Input((8, 8, 1))
    mean = layers.GlobalAveragePooling2D(keepdims=True)(image)
    difference = layers.Subtract()([image, mean])
    model = keras.Model(image, layers.Concatenate()([difference, -difference]))
    pixels = np.zeros((8, 8), "uint8")
    pixels[:4], pixels[4] = 200, 110  # The mean is 114; with the last row repeated it is 28.
    np.testing.assert_array_equal(Segmenter(model)(pixels), pixels <= 110)


def test_names_may_be_an_array():
    assert Segmenter(strongest_channel(), np.array(["a", "b", "c"])).class_names[1] == "b"


@pytest.mark.parametrize("color", [(0.1, 0.5, 1.0), (0, 0, 256), (1, 2)])
def test_colors_are_bytes(color):
    with pytest.raises(ValueError, match=r"whole numbers 0\.\.255 per class.*Received: palette="):
        Segmenter(strongest_channel(), palette=[color] * 3)


def test_a_frozen_segmenter_sees_new_weights_after_refresh():
    model = strongest_channel()
    segmenter, image = Segmenter(model), picture(32, 32)
    segmenter(image)
    model.get_layer("logits").set_weights([-IDENTITY])  # Now the weakest channel wins.
    segmenter.refresh()
    np.testing.assert_array_equal(segmenter(image), image.argmin(axis=-1))


def test_a_live_segmenter_follows_the_weights():
    model = strongest_channel()
    segmenter, image = Segmenter(model, engine="keras"), picture(32, 32)
    np.testing.assert_array_equal(segmenter(image), image.argmax(axis=-1))
    model.get_layer("logits").set_weights([-IDENTITY])
    np.testing.assert_array_equal(segmenter(image), image.argmin(axis=-1))


def test_batch_statistics_and_dropout_stay_off():
    image = keras.Input((None, None, 3))
    x = layers.Dropout(0.9)(layers.BatchNormalization(name="bn")(image))
    model = keras.Model(image, x)
    segmenter = Segmenter(model, engine="keras")
    pixels = picture(32, 32)
    np.testing.assert_array_equal(segmenter(pixels), pixels.argmax(axis=-1))
    np.testing.assert_array_equal(model.get_layer("bn").moving_mean, np.zeros(3))


@pytest.mark.long
def test_a_contextnet_can_be_trained_and_validated_in_turn():
    from keras_seg import models

    model = models.build("contextnet_cn14", num_classes=3)
    segmenter, image = Segmenter(model, engine="keras"), picture(40, 72)[None]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss=loss)
    for _ in range(2):
        model.train_on_batch(image, np.zeros((1, 40, 72), np.uint8))
        expected = model(image.astype("float32"), training=False)
        np.testing.assert_allclose(segmenter.logits(image), expected, atol=1e-4)


def test_show_draws_each_picture_with_its_labels(segmenter):
    figure = segmenter.show([picture(40, 60), picture(60, 40)])
    assert len(figure.axes) == 4
    assert type(figure) is type(
        show_predictions([picture(4, 4)], None, [np.zeros((4, 4), int)], ["a"])
    )
    assert len(segmenter.show(picture(40, 60)).axes) == 2


SCRIPT = """
import sys
import keras, numpy as np
from keras_seg import models
from keras_seg import Segmenter

keras.utils.set_random_seed(0)
model = keras.saving.load_model(sys.argv[1], compile=False)
segmenter = Segmenter(model)
image = np.load(sys.argv[2])
labels = segmenter(image)
model.layers[-2].set_weights([-weight for weight in model.layers[-2].get_weights()])
np.savez(sys.argv[3], labels=labels, logits=segmenter.logits(image[None]))
"""


@pytest.mark.slow
@pytest.mark.backends
@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's save under numpy 2.
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_give_the_same_labels(backend, tmp_path):
    model = models.build("contextnet_cn14_160", num_classes=5)
    image = picture(37, 51)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "image.npy", image)
    names = [tmp_path / name for name in ("model.keras", "image.npy", "found.npz")]
    run_on(backend, SCRIPT, *names)
    found = np.load(names[-1])
    segmenter = Segmenter(model)
    logits = segmenter.logits(image[None])
    # Float32 sums in another order: a pixel may change only where two logits are equal to 1e-4.
    top = np.sort(logits[0], axis=-1)
    clear = top[..., -1] - top[..., -2] > 1e-4
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(found["labels"][clear], segmenter(image)[clear])
    # The script turned the classifier's weights round after its first call: logits follow.
    np.testing.assert_allclose(found["logits"], -logits, atol=1e-4)


@pytest.mark.parametrize("changes", [{"class_names": 3}, {"class_names": "abc"}, {"palette": 3}])
def test_names_and_colors_come_in_lists(changes):
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(3, 1)])
    with pytest.raises(TypeError, match=rf"{next(iter(changes))}` needs a list with one entry per"):
        Segmenter(model, **changes)


def test_a_picture_that_the_memory_cannot_hold_is_named(segmenter, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.new("RGB", (50, 40)).save(path)
    monkeypatch.setattr("keras_seg.inference.segmenter.LARGE", 2000)
    monkeypatch.setattr("pipelines.read.memory.free_memory", lambda: 2000)
    with pytest.raises(
        ValueError, match=r"into memory.*a\.png' of 40 x 50 pixels \(it needs.*tiles\("
    ):
        segmenter(path)
    with pytest.raises(ValueError, match=r"into memory. Received: 1 picture of 40 x 50 pixels"):
        segmenter.labels(np.zeros((1, 40, 50, 3), "uint8"))
    monkeypatch.setattr("keras_seg.inference.segmenter.LARGE", 2001)
    assert segmenter(path).shape == (40, 50)  # whose free memory is not looked at


def test_memory_that_runs_out_in_the_network_names_the_picture(segmenter, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.new("RGB", (50, 40)).save(path)

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(segmenter, "_functions", fail)
    with pytest.raises(ValueError, match=r"into memory.*a\.png' of 40 x 50 pixels \(MemoryError"):
        segmenter(path)


def of_two_inputs():
    images = [keras.Input((None, None, 3)), keras.Input((None, None, 3))]
    return keras.Model(images, layers.Conv2D(2, 1)(layers.Add()(images)))


def of_classes(count):
    return keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(count, 1)])


@pytest.mark.parametrize(
    ("create", "error", "message"),
    [
        (lambda: Segmenter(of_two_inputs()), ValueError, "one input. Received: .* with 2 inputs"),
        (lambda: Segmenter(of_classes(256)), ValueError, "a model with 256 classes"),
        (
            lambda: Segmenter(of_classes(3), ["road", "sky"]),
            ValueError,
            "`class_names` needs one entry.*2 entries",
        ),
        (
            lambda: Segmenter(of_classes(3), ["road", "sky", "car"], [(0, 0, 0)]),
            ValueError,
            "`palette` needs one entry.*1 entries",
        ),
        (
            lambda: Segmenter(of_classes(3), palette=[1, 2, 3]),
            ValueError,
            r"one color \(r, g, b\) of whole numbers",
        ),
        (
            lambda: Segmenter("contextnet_cn14"),
            TypeError,
            "must be a keras.Model. Received: str. Build one with",
        ),
    ],
)
def test_what_does_not_fit_is_refused(create, error, message):
    with pytest.raises(error, match=message):
        create()


def test_logits_are_those_of_the_output_where_heads_share_a_layer():
    image, resize = keras.Input((None, None, 3)), ResizeLike()
    small = [layers.Conv2D(4, 8, strides=8, padding="same")(image) for _ in range(2)]
    aux, logits = (resize([x, image]) for x in small)  # The output's call is the second one.
    model = keras.Model(image, {"logits": logits, "aux": aux})
    pixels = picture(64, 64)
    expected = model(pixels[None].astype("float32"))["logits"][0]
    np.testing.assert_array_equal(Segmenter(model)(pixels), np.argmax(expected, axis=-1))


def test_a_size_that_the_network_cannot_compute_is_named():
    image = keras.Input((None, None, 3))
    x = layers.UpSampling2D(4)(layers.MaxPooling2D(4)(image))
    model = keras.Model(image, layers.Concatenate()([x, image]), name="unet")
    segmenter = Segmenter(model)
    assert segmenter(picture(40, 36)).shape == (40, 36)
    with pytest.raises(ValueError, match=r"'unet' cannot.*by 4. Received: 41x36.*multiples of 4"):
        segmenter(picture(41, 36))


def test_logits_smaller_than_the_picture_are_refused():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, layers.Conv2D(4, 3, strides=4, padding="same")(image), name="small")
    with pytest.raises(
        ValueError, match=r"logits of its picture's size.*logits of 10x12 for 40x48"
    ):
        Segmenter(model)(picture(40, 48))
