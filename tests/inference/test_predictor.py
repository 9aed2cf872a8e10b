"""What every kind of predictor shares, with one whose answer can be worked out by hand."""

import numpy as np
import pytest

from keras_seg.inference.predictor import Predictor


class Brightness(Predictor):
    """Class 1 is as probable as a pixel's first channel is bright."""

    num_classes, num_channels, output_stride, fixed_size = 2, 3, 1, None
    class_names, palette = ("dark", "bright"), [(0, 0, 0), (255, 255, 255)]

    def _probabilities(self, batch):
        bright = batch[..., 0].astype("float32") / 255
        return np.stack([1 - bright, bright], axis=-1)


@pytest.fixture
def picture():
    image = np.zeros((4, 6, 3), np.uint8)
    image[:, 3:] = 200  # 200 / 255 = 0.784: brighter than half
    return image


def test_call_gives_the_more_probable_class_at_the_pictures_size(picture):
    labels = Brightness()(picture)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, np.repeat([[0, 0, 0, 1, 1, 1]], 4, axis=0))


def test_list_gives_a_list(picture):
    found = Brightness()([picture, picture[:2]])
    assert [labels.shape for labels in found] == [(4, 6), (2, 6)]


def test_gray_picture_becomes_color(picture):
    np.testing.assert_array_equal(Brightness()(picture[..., 0]), Brightness()(picture))


def test_probabilities_of_picture_batch_and_list_agree(picture):
    predictor = Brightness()
    one = predictor.probabilities(picture)
    np.testing.assert_allclose(one[0, 5], [1 - 200 / 255, 200 / 255], rtol=1e-6)
    np.testing.assert_array_equal(predictor.probabilities(picture[None])[0], one)
    np.testing.assert_array_equal(predictor.probabilities([picture])[0], one)


def test_batch_of_labels_has_no_channels(picture):
    assert Brightness().labels(np.stack([picture, picture])).shape == (2, 4, 6)


def test_figure_shows_every_picture(picture):
    # A row of panels per picture: the picture itself, and what was found in it.
    assert len(Brightness().show([picture, picture]).axes) >= 4


def test_predictor_without_probabilities_cannot_be_made():
    with pytest.raises(TypeError, match="_probabilities"):
        Predictor()
