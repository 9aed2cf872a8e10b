"""What a SavedModel offers beside labels: files in and out, pictures of one size."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from _export import NAMES, PALETTE, network
from keras import layers
from PIL import Image

from keras_seg.export import saved_model
from pipelines.read import InputSpec

pytestmark = pytest.mark.export


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "1"
    report = saved_model(network(0), folder, NAMES, PALETTE, size=(64, 96))
    return folder, report, tf.saved_model.load(str(folder)).signatures


def pictures(*sizes):
    generator = np.random.default_rng(5)
    return [generator.integers(0, 256, (*size, 3)).astype("uint8") for size in sizes]


def png(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def test_files_of_several_sizes_give_masks_of_their_own_sizes(exported):
    _, _, served = exported
    given = pictures((37, 51), (64, 32), (101, 33))
    found = served["encoded"](image_bytes=tf.constant([png(picture) for picture in given]))
    shares = found["class_shares"].numpy()
    assert shares.shape == (3, 3)
    for picture, mask, share in zip(given, found["mask_png_bytes"].numpy(), shares, strict=True):
        labels = served["serving_default"](image=tf.constant(picture[np.newaxis]))["labels"][0]
        image = Image.open(io.BytesIO(mask))
        np.testing.assert_array_equal(np.asarray(image), labels)
        assert image.getpalette()[:9] == [value for color in PALETTE for value in color]
        counts = [np.sum(labels == label) for label in range(3)]
        np.testing.assert_allclose(share, np.array(counts) / picture[..., 0].size, rtol=1e-6)


def test_no_file_gives_no_mask(exported):
    _, _, served = exported
    found = served["encoded"](image_bytes=tf.constant([], tf.string))
    assert found["mask_png_bytes"].shape == (0,)
    assert found["class_shares"].shape == (0, 3)


def test_a_file_that_is_no_picture_is_an_invalid_argument(exported):
    _, _, served = exported
    with pytest.raises(tf.errors.InvalidArgumentError):
        served["encoded"](image_bytes=tf.constant([b"no picture"]))


def test_pictures_of_one_size_can_be_batched(exported):
    _, report, served = exported
    assert report.signatures == ("serving_default", "encoded", "fixed_size", "probabilities")
    batch = np.stack(pictures((64, 96), (64, 96)))
    together = served["fixed_size"](image=tf.constant(batch))["labels"].numpy()
    alone = served["serving_default"](image=tf.constant(batch))["labels"].numpy()
    np.testing.assert_array_equal(together, alone)
    (spec,) = served["fixed_size"].structured_input_signature[1].values()
    assert spec.shape.as_list() == [None, 64, 96, 3]


@pytest.mark.parametrize(
    ("channels", "spec"),
    [(4, InputSpec(4)), (3, InputSpec(3, value_range=(0, 4095))), (1, InputSpec(1, bands=(2,)))],
)
def test_files_that_a_server_cannot_read_as_in_training_are_not_offered(channels, spec, tmp_path):
    image = keras.Input((None, None, channels))
    model = keras.Model(image, layers.Conv2D(2, 1)(image))
    report = saved_model(model, tmp_path / "1", input_spec=spec)
    assert report.signatures == ("serving_default", "probabilities")


def test_gray_models_of_one_size_take_files_of_that_size(tmp_path):
    image = keras.Input((32, 40, 1))
    model = keras.Model(image, layers.Conv2D(2, 1)(image))
    saved_model(model, tmp_path / "1")
    served = tf.saved_model.load(str(tmp_path / "1")).signatures
    (picture,) = pictures((32, 40))
    (mask,) = served["encoded"](image_bytes=tf.constant([png(picture)]))["mask_png_bytes"].numpy()
    assert Image.open(io.BytesIO(mask)).size == (40, 32)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[32,40,1\]|32, 40, 1"):
        served["encoded"](image_bytes=tf.constant([png(picture[:30])]))
