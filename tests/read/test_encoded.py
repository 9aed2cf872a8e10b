"""Bytes of pictures give the pixels of their files."""

import cv2
import numpy as np
import pytest
from PIL import Image

from pipelines.read import InputSpec, read_image
from pipelines.read.encoded import read_encoded
from pipelines.read.faults import FileFault

RANDOM = np.random.default_rng(0)
EXIF = Image.Exif()
EXIF[0x0112] = 6  # a quarter turn


def files(folder):
    """One file of each kind that is read in a way of its own."""
    values = RANDOM.integers(0, 256, (23, 37, 4)).astype("uint8")
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1"):
        path = folder / f"{mode}.png"
        Image.fromarray(values).convert(mode).save(path, exif=EXIF if mode == "RGB" else None)
        yield path
    for mode in ("RGB", "L", "CMYK"):
        path = folder / f"{mode}.jpg"
        Image.fromarray(values[..., :3]).convert(mode).save(path, exif=EXIF)
        yield path
    for channels, name in ((3, "deep.png"), (1, "deep_gray.png")):
        path = folder / name
        cv2.imwrite(str(path), RANDOM.integers(0, 65536, (23, 37, channels)).astype("uint16"))
        yield path


def test_bytes_have_the_pixels_of_their_file(tmp_path):
    for path in files(tmp_path):
        for channels in (1, 3, 4):
            spec = InputSpec(channels)
            try:
                wanted = read_image(path, spec)
            except FileFault as fault:
                with pytest.raises(FileFault, match=fault.detail):
                    read_encoded(path.read_bytes(), spec)
                continue
            np.testing.assert_array_equal(read_encoded(path.read_bytes(), spec), wanted)


def test_the_spec_scales_values_and_sizes(tmp_path):
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), RANDOM.integers(0, 4096, (40, 60)).astype("uint16"))
    spec = InputSpec(1, value_range=(0, 4095), size=(20, 30))
    found = read_encoded(path.read_bytes(), spec)
    assert found.shape == (20, 30, 1)
    np.testing.assert_array_equal(found, read_image(path, spec))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "none of the formats PNG, JPEG"),
        (b"GIF89a" + bytes(30), "none of the formats PNG, JPEG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "cannot be read as a picture"),
    ],
)
def test_other_bytes_are_a_fault(content, words):
    with pytest.raises(FileFault, match=words):
        read_encoded(content)


def test_a_limit_of_pixels_holds_before_they_are_decoded(tmp_path):
    path = tmp_path / "large.png"
    Image.new("L", (50, 41)).save(path)
    assert read_encoded(path.read_bytes(), InputSpec(1), 2050).shape == (41, 50, 1)
    with pytest.raises(FileFault, match=r"at most 2,049 pixels. Received: 2,050 pixels"):
        read_encoded(path.read_bytes(), InputSpec(1), 2049)
