"""A picture read in rows gives the pixels of the picture read whole, whatever the spec."""

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from keras_seg.inference.sources import open_picture
from pipelines.read import InputSpec, as_image

DEEP = InputSpec(3, value_range=(100, 4095))


def numbers(channels=3, dtype="uint8", most=256):
    random = np.random.default_rng(0)
    return (random.random((150, 131, channels)) * most).astype(dtype)


def write_pillow(mode, **options):
    def write(path):
        image = Image.fromarray(numbers(4), "RGBA").convert("RGB" if mode == "P" else mode)
        image.convert(mode).save(path, **options)

    return write


def write_tiff(channels, dtype, most, **options):
    color = "rgb" if channels in (3, 4) else "minisblack"
    options = {"photometric": color, **options}
    if channels > 1:
        options["planarconfig"] = "contig"
    return lambda path: tifffile.imwrite(path, numbers(channels, dtype, most), **options)


def write_deep_png(path):
    cv2.imwrite(str(path), numbers(3, "uint16", 4096))


def write_array(channels, dtype, most):
    return lambda path: np.save(path, numbers(channels, dtype, most))


def write_pages(path):
    """Three gray pages of one size, which are channels."""
    tifffile.imwrite(path, np.moveaxis(numbers(3), -1, 0), photometric="minisblack")


TURNED = [(274, 3, 1, 6, True)]
EXIF = Image.Exif()
EXIF[274] = 6  # turned to the right


@pytest.mark.parametrize(
    ("name", "write", "spec"),
    [
        ("gray.png", write_pillow("L"), InputSpec(3)),
        ("alpha.png", write_pillow("RGBA"), InputSpec(3)),
        ("alpha.png", write_pillow("RGBA"), InputSpec(4)),
        ("gray_alpha.png", write_pillow("LA"), InputSpec(1)),
        ("palette.png", write_pillow("P"), InputSpec(3)),
        ("bits.png", write_pillow("1"), InputSpec(1)),
        ("turned.png", write_pillow("RGB", exif=EXIF), InputSpec(3)),
        ("color.png", write_pillow("RGB"), InputSpec(1)),
        ("deep.png", write_deep_png, InputSpec(3)),
        ("deep.png", write_deep_png, DEEP),
        ("turned.jpg", write_pillow("RGB", exif=EXIF), InputSpec(3)),
        ("steps.jpg", write_pillow("RGB", progressive=True), InputSpec(3)),
        ("alpha.tif", write_tiff(4, "uint8", 256, tile=(64, 48)), InputSpec(3)),
        ("deep.tif", write_tiff(3, "uint16", 4096, rowsperstrip=40), DEEP),
        ("bands.tif", write_tiff(6, "uint16", 4096), InputSpec(6, value_range=(0, 4095))),
        ("bands.tif", write_tiff(6, "uint8", 256), InputSpec(3, bands=(4, 2, 0))),
        ("real.tif", write_tiff(1, "float32", 1), InputSpec(1, value_range=(0, 1))),
        ("signed.tif", write_tiff(1, "int16", 4096, compression="zlib"), InputSpec(1, 2, (-9, 99))),
        ("pages.tif", write_pages, InputSpec(3)),
        ("turned.tif", write_tiff(1, "uint8", 256, extratags=TURNED), InputSpec(3)),
        ("inverted.tif", write_tiff(1, "uint8", 256, photometric="miniswhite"), InputSpec(3)),
        ("real.npy", write_array(3, "float64", 4096), DEEP),
        ("bands.npy", write_array(5, "uint8", 256), InputSpec(2, bands=(3, 1))),
    ],
)
def test_rows_are_those_of_the_whole_picture(tmp_path, name, write, spec):
    write(tmp_path / name)
    expected = as_image(tmp_path / name, spec)
    source = open_picture(tmp_path / name, spec)
    assert source.sizes == expected.shape[:2]
    height = source.height
    for top, bottom in [(0, 40), (25, 90), (25, 26), (80, height), (0, height)]:
        np.testing.assert_array_equal(source.read(top, bottom), expected[top:bottom])


def damaged(data, seed):
    """Cut the data off, take some out, or change some bytes, most of them in the header."""
    random = np.random.default_rng(seed)
    found = bytearray(data)
    start = random.integers(0, len(found))
    if seed % 3 == 0:
        return bytes(found[:start])
    if seed % 3 == 1:
        del found[start : start + random.integers(1, 400)]
        return bytes(found)
    for _ in range(8):
        found[random.integers(0, random.choice([200, len(found)]))] = random.integers(0, 256)
    return bytes(found)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.png", write_pillow("RGB")),
        ("palette.png", write_pillow("P")),
        ("deep.png", write_deep_png),
        ("a.jpg", write_pillow("RGB", quality=90)),
        ("steps.jpg", write_pillow("RGB", progressive=True)),
        ("a.bmp", write_pillow("RGB")),
        ("a.webp", write_pillow("RGB")),
        ("a.gif", write_pillow("P")),
        ("plain.tif", write_tiff(3, "uint8", 256)),
        ("packed.tif", write_tiff(3, "uint8", 256, compression="zlib")),
        ("tiles.tif", write_tiff(5, "uint16", 4096, compression="zlib", tile=(64, 48))),
        ("a.npy", write_array(3, "uint8", 256)),
    ],
)
def test_a_damaged_file_is_named_or_read(tmp_path, name, write):
    write(tmp_path / name)
    data, words = (tmp_path / name).read_bytes(), {}
    for seed in range(30):
        path = tmp_path / f"{seed}_{name}"
        path.write_bytes(damaged(data, seed))
        try:
            source = open_picture(path, InputSpec(5 if name == "tiles.tif" else 3))
            for top in range(0, min(source.height, 1000), 100):
                rows = source.read(top, min(top + 100, source.height))
                assert rows.dtype == np.uint8
        except ValueError as error:
            words[path.name] = str(error)
    assert [file for file, said in words.items() if file not in said] == []
    assert len(words) >= 10  # A third is cut off.
