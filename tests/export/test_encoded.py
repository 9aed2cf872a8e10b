"""JPEG and PNG bytes into pixels, label maps into PNG bytes: as Pillow and our reader do it."""

import io
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_seg.export import encoded
from pipelines.read import InputSpec, read_image

PALETTE = [(128, 64, 128), (0, 128, 255), (0, 99, 0)]


def picture(mode="RGB", size=(37, 23)):
    """A soft picture, as JPEG changes sharp ones much."""
    small = np.random.default_rng(0).integers(0, 256, (5, 4, 4)).astype("uint8")
    return Image.fromarray(small, "RGBA").resize(size, Image.Resampling.BICUBIC).convert(mode)


def saved(image, path, **options):
    image.save(path, **options)
    return path


def deep_png(path):
    """A 16-bit RGB PNG, which Pillow cannot write."""
    import cv2

    values = np.random.default_rng(1).integers(0, 65536, (23, 37, 3)).astype("uint16")
    cv2.imwrite(str(path), values)
    return path


FILES = {
    "rgb.png": lambda path: saved(picture(), path),
    "alpha.png": lambda path: saved(picture("RGBA"), path),
    "gray.png": lambda path: saved(picture("L"), path),
    "palette.png": lambda path: saved(picture("P"), path),
    "deep.png": deep_png,
    "rgb.jpg": lambda path: saved(picture(), path, quality=90),
    "halved_colors.jpg": lambda path: saved(picture(), path, quality=60, subsampling=2),
    "progressive.jpg": lambda path: saved(picture(), path, progressive=True),
    "gray.jpg": lambda path: saved(picture("L"), path),
}


@pytest.fixture(scope="module")
def decode():
    """`decoded` in graphs, as in a SavedModel, by number of channels."""
    functions = {
        channels: tf.function(
            lambda content, channels=channels: encoded.decoded(content, channels),
            input_signature=[tf.TensorSpec((), tf.string)],
            autograph=False,
        )
        for channels in (1, 3)
    }
    return lambda path, channels: functions[channels](tf.constant(path.read_bytes())).numpy()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", FILES)
def test_pixels_are_those_of_our_reader(name, channels, tmp_path, decode):
    path = FILES[name](tmp_path / name)
    np.testing.assert_array_equal(decode(path, channels), read_image(path, InputSpec(channels)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("byte_order", [b"II", b"MM"])
def test_photographs_are_turned_as_pillow_turns_them(orientation, byte_order, tmp_path, decode):
    image = picture()
    exif = Image.Exif()
    exif[0x010F] = "A camera"  # Entries around the one that is wanted.
    exif[0x0112] = orientation
    exif[0x0131] = "1.0"
    exif.endian = {b"II": "<", b"MM": ">"}[byte_order]
    path = saved(image, tmp_path / "photo.jpg", exif=exif)
    assert b"Exif\0\0" + byte_order in path.read_bytes()
    np.testing.assert_array_equal(decode(path, 3), read_image(path))


def chunk(kind, content):
    length, check = (
        number.to_bytes(4, "big") for number in (len(content), zlib.crc32(kind + content))
    )
    return length + kind + content + check


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("byte_order", [b"II", b"MM"])
def test_pngs_are_turned_as_pillow_turns_them(orientation, byte_order, tmp_path, decode):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.endian = {b"II": "<", b"MM": ">"}[byte_order]
    path = saved(picture(), tmp_path / "photo.png", exif=exif)
    assert b"eXIf" + byte_order in path.read_bytes()
    np.testing.assert_array_equal(decode(path, 3), read_image(path))


@pytest.mark.parametrize("name", ["rgb.png", "deep.png"])
def test_pngs_are_turned_by_a_chunk_behind_their_pixels(name, tmp_path, decode):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = FILES[name](tmp_path / name)
    content = path.read_bytes()
    turned = chunk(b"eXIf", exif.tobytes()[6:])
    # Behind the pixels, and before them and another chunk with those four letters in it.
    for end, added in ((-12, b""), (33, chunk(b"tEXt", b"eXIf"))):
        path.write_bytes(content[:end] + added + turned + content[end:])
        found = decode(path, 3)
        assert found.shape == (37, 23, 3)
        if added:
            np.testing.assert_array_equal(found, read_image(path))


@pytest.mark.parametrize("length", [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x81\0\0\0"])
def test_chunks_that_are_longer_than_the_file_end_the_search(length):
    for content in (length, length + b"IDAT", length + b"eXIfMM\0", b"\0\0\0\1eXIf"):
        found = encoded._exif_of_png(tf.constant(b"\x89PNG\r\n\x1a\n" + content)).numpy()
        assert found.tolist() == ([77, 77, 0] if b"MM" in content else [])


@pytest.mark.parametrize(
    ("length", "size"),
    # "Exif", two zeros, 8 bytes of header, 2 of a count, 12 of the entry, 4 of the next directory.
    [(8, (23, 37)), (20, (23, 37)), (31, (37, 23)), (32, (37, 23))],
)
def test_exif_data_that_end_early_are_read_as_far_as_they_go(length, size, tmp_path, decode):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert len(exif.tobytes()) == 32
    path = saved(picture(), tmp_path / "photo.jpg", exif=exif.tobytes()[:length])
    assert decode(path, 3).shape == (*size, 3)


def test_exif_data_are_found_behind_other_segments(tmp_path, decode):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = saved(picture(), tmp_path / "photo.jpg", exif=exif).read_bytes()
    other = b"\xff\xe1\x80\x04" + b"Exif?!" + bytes(0x7FFC)  # 0x8004 bytes with their length
    (tmp_path / "photo.jpg").write_bytes(content[:2] + other + content[2:])
    assert decode(tmp_path / "photo.jpg", 3).shape == (37, 23, 3)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_bytes_that_are_no_picture_are_an_error(content, tmp_path, decode):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(path, 3)


@pytest.mark.parametrize("size", [(1, 1), (23, 37), (300, 70)])
def test_pixels_of_the_png_are_class_ids_and_its_colors_the_palette(size):
    labels = np.random.default_rng(0).integers(0, 3, size)
    png = encoded.label_png(tf.constant(labels, tf.int32), PALETTE, 3).numpy()
    with Image.open(io.BytesIO(png)) as check:
        check.verify()  # every check sum
    image = Image.open(io.BytesIO(png))
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image), labels)
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), np.array(PALETTE)[labels])


def test_pngs_without_palette_are_gray():
    labels = np.arange(6, dtype="int32").reshape(2, 3)
    image = Image.open(io.BytesIO(encoded.label_png(tf.constant(labels), None, 6).numpy()))
    assert image.mode == "L"
    np.testing.assert_array_equal(np.asarray(image), labels)


def test_more_than_256_classes_have_16_bits():
    labels = np.array([[0, 255, 256, 299]], "int32")
    image = Image.open(io.BytesIO(encoded.label_png(tf.constant(labels), PALETTE, 300).numpy()))
    assert image.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(image), labels)
