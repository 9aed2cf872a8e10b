"""Figures of what convolutions see."""

import numpy as np
import pandas as pd
import pytest

from keras_seg import analyse

FIELDS = pd.DataFrame(
    {"height": [5.0, np.inf], "width": [9.0, np.inf], "stride": [2.0, 32.0]}, index=["a", "pool"]
)


def pixels(figure):
    return np.asarray(figure.axes[0].images[0].get_array())


def test_equal_dilations_leave_pixels_out_and_growing_ones_do_not():
    # Along a line, twice dilation 2: paths 1 0 2 0 3 0 2 0 1, so 5 of 9 pixels, squared.
    figure = analyse.show_dilation(3, 2, num_layers=2)
    np.testing.assert_array_equal(pixels(figure)[4], np.array([1, 0, 2, 0, 3, 0, 2, 0, 1]) * 3)
    assert "25 of 81 pixels of the 9x9 field" in figure.axes[0].get_title()
    assert (pixels(analyse.show_dilation(3, (1, 2, 3))) > 0).all()


def test_transposed_convolutions_overlap_unless_the_stride_divides_the_kernel():
    # 3 taps at steps of 2, 3 pixels: 1 1 2 1 2 1 1 along a line.
    line = np.array([1, 1, 2, 1, 2, 1, 1])
    np.testing.assert_array_equal(pixels(analyse.show_transposed(3, 3, 2)), np.outer(line, line))
    assert (pixels(analyse.show_transposed(4, 2, 2)) == 1).all()


def test_a_field_is_drawn_in_the_middle_and_the_rest_is_dark():
    image = np.full((21, 31, 3), 240, "uint8")
    figure = analyse.show_field(image, FIELDS, "a")
    (patch,) = figure.axes[0].patches
    assert (patch.get_width(), patch.get_height()) == (9, 5)
    # (31 - 9) / 2 = 11 and (21 - 5) / 2 = 8, half a pixel less for the border.
    assert patch.get_xy() == (10.5, 7.5)
    assert pixels(figure).max() == 80
    assert figure.axes[0].images[1].get_alpha().sum() == 5 * 9
    assert figure.axes[0].get_title() == "a sees 5x9 pixels, at steps of 2"
    whole = analyse.show_field(image, FIELDS, "pool")
    assert "sees the whole picture" in whole.axes[0].get_title()
    assert whole.axes[0].images[1].get_alpha().all()


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        ("show_dilation", {"kernel_size": 0}, "`show_dilation` needs kernel_size to be a whole"),
        ("show_dilation", {"dilation": (1, 0)}, "`show_dilation` needs dilation to be a whole"),
        ("show_transposed", {"stride": 0}, "`show_transposed` needs stride to be a whole"),
        ("show_field", {"image": None, "fields": FIELDS, "layer": "b"}, "Unknown layer"),
    ],
)
def test_wrong_arguments_are_refused(function, arguments, words):
    with pytest.raises(ValueError, match=words):
        getattr(analyse, function)(**arguments)
