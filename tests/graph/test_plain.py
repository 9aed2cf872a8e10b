import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

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
