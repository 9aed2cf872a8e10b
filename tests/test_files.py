"""Pictures and masks from files: what is read, and what is refused with the file's name."""

import numpy as np
import pytest
from PIL import Image

from pipelines.files import read_header, read_image, read_label

EXIF_ORIENTATION, ROTATED = 0x0112, 6  # 6: turn by 90 degrees clockwise to display


def test_pictures_are_rgb_in_this_order(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (4, 2), (255, 10, 0)).save(path)
    image = read_image(path)
    assert image.shape == (2, 4, 3)
    assert image[0, 0].tolist() == [255, 10, 0]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "CMYK", "LA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_every_kind_are_converted(tmp_path, mode, channels):
    path = tmp_path / ("picture.jpg" if mode == "CMYK" else "picture.png")
    Image.new(mode, (4, 2)).save(path)
    image = read_image(path, channels)
    assert image.shape == (2, 4, channels)
    assert image.dtype == np.uint8


def test_orientation_of_the_camera_is_honoured(tmp_path):
    path = tmp_path / "turned.png"
    picture = Image.new("RGB", (4, 2))
    picture.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = ROTATED
    picture.save(path, exif=exif)
    image = read_image(path)
    assert image.shape == (4, 2, 3)
    assert image[0, 1, 0] == 255  # the top left corner goes to the top right
    assert read_header(path) == (4, 2, 3)


def test_palette_masks_give_indices_and_not_colours(tmp_path):
    path = tmp_path / "mask.png"
    mask = Image.new("P", (3, 1))
    mask.putdata([0, 1, 15])
    mask.putpalette([0, 0, 0, 128, 0, 0, *[9] * 39, 192, 128, 128])
    mask.save(path)
    assert read_label(path).tolist() == [[0, 1, 15]]


@pytest.mark.parametrize("mode", ["1", "L", "I;16"])
def test_masks_give_the_numbers_in_the_file(tmp_path, mode):
    path = tmp_path / "mask.png"
    values = {"1": [[True, False]], "L": [[1, 255]], "I;16": [[1, 4000]]}[mode]
    kind = {"1": bool, "L": np.uint8, "I;16": np.uint16}[mode]
    Image.fromarray(np.array(values, kind)).save(path)
    assert read_label(path).tolist() == [[int(v) for v in values[0]]]


def test_grey_masks_stored_as_rgb_are_read(tmp_path):
    path = tmp_path / "mask.png"
    Image.fromarray(np.full((2, 2, 3), 7, np.uint8)).save(path)
    assert read_label(path).tolist() == [[7, 7], [7, 7]]


def test_colour_masks_are_refused_by_name(tmp_path):
    path = tmp_path / "colours.png"
    Image.new("RGB", (2, 2), (128, 0, 0)).save(path)
    with pytest.raises(ValueError, match=r"one class id per pixel.*colours\.png"):
        read_label(path)


def test_float_masks_are_refused_by_name(tmp_path):
    path = tmp_path / "real.tiff"
    Image.new("F", (2, 2), 0.5).save(path)
    with pytest.raises(ValueError, match=r"whole numbers.*real\.tiff"):
        read_label(path)


def test_sixteen_bit_pictures_are_refused_by_name(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.zeros((2, 2), np.uint16)).save(path)
    with pytest.raises(ValueError, match=r"8 bits per channel.*deep\.png"):
        read_image(path)


@pytest.mark.parametrize("read", [read_image, read_label, read_header])
def test_missing_files_are_named(tmp_path, read):
    with pytest.raises(ValueError, match=r"does not exist. Received: .*nothing\.png"):
        read(tmp_path / "nothing.png")


@pytest.mark.parametrize("read", [read_image, read_label])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_truncated_files_are_named(tmp_path, suffix, read):
    path = tmp_path / f"half{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"cannot be read.*half\{suffix}"):
        read(path)


def test_files_that_are_no_pictures_are_named(tmp_path):
    path = tmp_path / "letter.png"
    path.write_text("Dear reader")
    with pytest.raises(ValueError, match=r"cannot be read.*letter\.png"):
        read_header(path)
