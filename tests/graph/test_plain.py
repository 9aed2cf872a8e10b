import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines import from_folders
from pipelines.graph.plain import Plain


@pytest.fixture
def pair(tmp_path):
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    ids = random.integers(0, 3, (6, 8), dtype=np.uint8)
    paths = str(tmp_path / "a.png"), str(tmp_path / "a_label.png")
    Image.fromarray(image).save(paths[0])
    Image.fromarray(ids).save(paths[1])
    return paths, image, ids


def test_plain_files_are_read_by_tensorflow_alone(pair):
    paths, image, ids = pair
    # Id 2 is void in this data set, so the reader made 255 of it.
    label = np.where(ids == 2, 255, ids).astype(np.uint8)
    plain = Plain([paths], 3)
    plain.learn(0, image, label)
    assert plain.usable
    found_image, found_label = plain.reader(np.array([0]))(tf.constant(0, tf.int64))
    np.testing.assert_array_equal(found_image, image)
    np.testing.assert_array_equal(found_label, label)


@pytest.mark.parametrize("swapped", [(0, 2, 1), (1, 2, 0)])
def test_ids_that_change_places_keep_their_pixels(pair, swapped):
    paths, image, ids = pair
    label = np.array(swapped, np.uint8)[ids]
    plain = Plain([paths], 3)
    plain.learn(0, image, label)
    _, found = plain.reader(np.array([0]))(tf.constant(0, tf.int64))
    np.testing.assert_array_equal(found, label)


def test_mask_with_a_palette_is_left_to_python(pair):
    paths, image, ids = pair
    picture = Image.fromarray(ids)
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(paths[1])
    plain = Plain([paths], 3)
    plain.learn(0, image, ids)
    assert not plain.usable


def test_pictures_that_tensorflow_reads_otherwise_are_left_to_python(pair):
    paths, image, ids = pair
    plain = Plain([paths], 3)
    plain.learn(0, image[::-1], ids)
    assert not plain.usable


def test_other_numbers_of_channels_are_left_to_python(pair):
    paths, _, _ = pair
    assert not Plain([paths], 4).usable


def test_an_id_with_two_meanings_is_left_to_python(pair):
    paths, image, ids = pair
    label = ids.copy()
    label[ids == 1] = 0
    label[np.unravel_index(np.argmax(ids == 1), ids.shape)] = 1
    plain = Plain([paths], 3)
    plain.learn(0, image, label)
    assert not plain.usable


def test_pictures_of_a_value_range_or_of_bands_are_left_to_python(tmp_path):
    """The first four pictures, by which TensorFlow's pixels are judged, tell no difference."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for i in range(6):
        pixels = np.zeros((32, 32, 3), np.uint8)
        pixels[..., 0] = 0 if i < 4 else 200
        Image.fromarray(pixels).save(tmp_path / f"images/{i}.png")
        Image.fromarray(pixels[..., 0] // 200).save(tmp_path / f"masks/{i}.png")
    folders = tmp_path / "images", tmp_path / "masks", ["soil", "crop"]
    for options in ({"bands": (2, 1, 0)}, {"value_range": (0, 400)}):
        data = from_folders(*folders, splits={"train": 1.0}, cache=None, **options)
        images = next(image for image, _ in data.eval_batches("train", 6)).numpy()
        for index in range(6):
            np.testing.assert_array_equal(images[index], data.example("train", index)[0])
