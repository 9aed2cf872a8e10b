"""Pictures of another size."""

import numpy as np
import pytest

from pipelines.read.pixels import resized
from pipelines.read.spec import InputSpec


def test_a_picture_is_scaled_to_cover_and_cut_at_its_center():
    # Columns of 4 pixels with the numbers 0, 1, ... 9; half the size keeps the middle 4 of 10.
    wide = np.repeat(np.arange(10, dtype=np.uint8), 4)[None, :, None].repeat(16, 0)
    assert resized(wide, (8, 8))[0, ::2, 0].tolist() == [3, 4, 5, 6]
    assert resized(wide.transpose(1, 0, 2), (8, 8))[::2, 0, 0].tolist() == [3, 4, 5, 6]


def test_smaller_pictures_are_means_of_whole_pixels():
    checks = np.indices((8, 8)).sum(axis=0, dtype=np.uint8)[..., None] % 2 * 200
    assert np.unique(resized(checks, (4, 4))).tolist() == [100]


@pytest.mark.parametrize("channels", [1, 3, 4, 7])
def test_any_number_of_channels(channels):
    flat = np.full((20, 30, channels), 1, np.uint8) * np.arange(channels, dtype=np.uint8)
    for size in ((10, 10), (50, 64)):
        found = resized(flat, size)
        assert found.shape == (*size, channels)
        np.testing.assert_array_equal(found[3, 4], np.arange(channels))


def test_without_a_size_nothing_changes():
    picture = np.zeros((3, 4, 1), np.uint8)
    assert resized(picture, None) is picture


def test_a_spec_has_its_size_in_json_only_if_there_is_one():
    assert "size" not in InputSpec().to_dict()
    spec = InputSpec(size=[32, 48])
    assert InputSpec.from_dict(spec.to_dict()) == spec
    with pytest.raises(ValueError, match=r"`size` must be .height, width.*dimensions=3"):
        InputSpec(dimensions=3, size=(32, 32))
