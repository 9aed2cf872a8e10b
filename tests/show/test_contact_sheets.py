"""Contact sheets of `Dataset.show`: every number of classes, shape and kind of picture."""

import numpy as np
import pytest

from pipelines.show.contact_sheet import contact_sheet, overlay

RANDOM = np.random.default_rng(0)


def example(height, width, channels=3, num_classes=2):
    image = RANDOM.integers(0, 255, (height, width, channels), np.uint8)
    return image, RANDOM.integers(0, num_classes, (height, width), np.uint8)


def legend_of(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def names(count):
    return [f"class number {i}" for i in range(count)]


def palette(count):
    return [(i, 255 - i, 128) for i in range(count)]


def test_the_legend_names_what_is_shown_in_the_order_of_ids():
    image, label = example(8, 8)
    label[:] = 3
    label[:2], label[2] = 1, 255
    figure = contact_sheet([(image, label)], names(5), palette(5))
    assert legend_of(figure) == ["class number 1", "class number 3"]
    assert figure.legends[0].get_title().get_text() == ""


@pytest.mark.parametrize("count", [1, 2, 8])
def test_a_long_legend_stays_inside_the_sheet_and_says_what_it_leaves_out(count):
    examples = [example(40, 60, num_classes=150) for _ in range(count)]
    figure = contact_sheet(examples, names(150), palette(150))
    assert len(legend_of(figure)) == 48
    assert figure.legends[0].get_title().get_text() == (
        "the 48 of 150 classes with the most pixels"
    )
    figure.canvas.draw()
    box, sheet = figure.legends[0].get_window_extent(), figure.bbox
    assert box.x0 >= 0
    assert box.x1 <= sheet.width
    assert box.y1 <= sheet.height
    for axes in figure.axes:  # pictures keep most of their place
        assert axes.get_window_extent().width > 0.3 * sheet.width / min(count, 4)


@pytest.mark.parametrize(
    ("height", "width", "ratio"), [(32, 320, 0.25), (30, 40, 0.75), (90, 30, 1.5)]
)
def test_the_sheet_has_the_shape_of_its_pictures(height, width, ratio):
    figure = contact_sheet([example(height, width) for _ in range(4)], names(2), palette(2))
    size = figure.get_size_inches()
    assert size[0] == 16
    # Rows are between 1 and 6 inches high, for 4 of width; below is the legend's 0.52.
    assert size[1] == pytest.approx(4 * ratio + 0.52)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 12])
def test_pictures_of_any_channels_are_shown(channels):
    image, label = example(4, 5, channels)
    label[:] = 255
    seen = overlay(image, label, palette(2))
    first = image[..., :3] if channels >= 3 else image[..., :1].repeat(3, axis=-1)
    assert np.array_equal(seen, first)
    label[0] = 1  # half of the picture, half of the color
    expected = (first[0].astype(float) + palette(2)[1]) / 2
    assert np.abs(overlay(image, label, palette(2))[0] - expected).max() <= 0.5
