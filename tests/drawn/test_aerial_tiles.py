"""Drawn land: one scale at every size, shadows, any direction. See also test_drawn_datasets."""

import cv2
import numpy as np
import pytest

from pipelines.datasets.aerial_tiles import aerial_tiles

CAR = 6


def all_labels(*arguments):
    data = aerial_tiles(*arguments)
    return [data.example("train", index)[1] for index in range(data.num_examples("train"))]


@pytest.mark.parametrize(("count", "size"), [(20, 96), (4, 384)])
def test_scale_does_not_change_with_size(count, size):
    # A car is 3.9 to 4.8 m long and 1.75 to 2 m wide; a pixel is half a meter: 27 to 38 pixels.
    areas = []
    for label in all_labels(count, (size, size), 3):
        number, _, stats, _ = cv2.connectedComponentsWithStats((label == CAR).astype(np.uint8))
        left, top, wide, tall, area = stats[1:number].T
        whole = (left > 0) & (top > 0) & (left + wide < size) & (top + tall < size)
        areas += area[whole].tolist()
    assert len(areas) > 10
    assert 27 <= np.median(areas) <= 38
