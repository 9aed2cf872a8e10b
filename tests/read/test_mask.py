"""Masks: one-hot arrays, gray values of few bits, and what JPEG does to ids."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pipelines import from_folders
from pipelines.read.mask import is_volume, read_colors, read_label

RANDOM = np.random.default_rng(0)


def first_example(folder, classes):
    data = from_folders(folder / "images", folder / "masks", classes, splits=(1.0,))
    return data.example("train", 0)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
@pytest.mark.parametrize("axis", [-1, 0])
def test_one_hot_arrays_become_class_ids(tmp_path, classes, dtype, axis):
    ids = RANDOM.integers(0, classes, (40, 50))
    np.save(tmp_path / "a.npy", np.moveaxis(np.eye(classes, dtype=dtype)[ids], -1, axis))
    assert not is_volume(tmp_path / "a.npy")
    assert np.array_equal(read_label(tmp_path / "a.npy"), ids)


def test_arrays_of_two_channels_that_are_not_one_hot_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((40, 50, 2), np.uint8))
    with pytest.raises(ValueError, match=r"or be one-hot.*\(40, 50, 2\) that is not one-hot.*argm"):
        read_label(tmp_path / "a.npy")


def gray_png(path, ids, bits):
    """Write a gray PNG of 1, 2 or 4 bits, PNG specification, 11.2 and 7.2."""
    height, width = ids.shape
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    digits = np.unpackbits(ids[..., None], axis=-1)[..., -bits:].reshape(height, -1)
    rows = np.packbits(digits, axis=-1)
    content = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())  # a row begins with a 0
    chunks = ((b"IHDR", header), (b"IDAT", content), (b"IEND", b""))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )
    )


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_gray_pngs_of_few_bits_hold_ids_as_they_are_stored(tmp_path, bits):
    ids = RANDOM.integers(0, 2**bits, (5, 7)).astype(np.uint8)
    ids[0, 0] = 2**bits - 1
    gray_png(tmp_path / "a.png", ids, bits)
    assert np.array_equal(read_label(tmp_path / "a.png"), ids)


@pytest.mark.parametrize("cache", ["memory", None])
def test_gray_pngs_of_two_bits_have_their_classes_in_batches(tmp_path, cache):
    ids = np.repeat(np.arange(4, dtype=np.uint8), 8)[None].repeat(32, 0)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        gray_png(tmp_path / folder / "a.png", ids, 2)
    folders = tmp_path / "images", tmp_path / "masks"
    data = from_folders(*folders, 4, splits=(1.0,), cache=cache)
    ((image, label),) = data.eval_batches("train")
    assert np.array_equal(label[0], ids)
    assert np.array_equal(image[0, ..., 0], 85 * ids)  # 3 is white in a picture


@pytest.mark.parametrize(("largest", "bytes_each"), [(3, 1), (200, 1), (255, 1), (300, 2)])
def test_pgm_masks_hold_ids_as_they_are_stored(tmp_path, largest, bytes_each):
    ids = np.arange(largest + 1).reshape(1, -1)
    numbers = ids.astype(f">u{bytes_each}").tobytes()
    (tmp_path / "a.pgm").write_bytes(b"P5 %d 1 %d\n" % (largest + 1, largest) + numbers)
    assert np.array_equal(read_label(tmp_path / "a.pgm"), ids)


def test_ids_in_a_jpeg_are_refused(tmp_path):
    ids = np.kron(RANDOM.integers(0, 4, (5, 5)), np.ones((8, 8))).astype(np.uint8)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        Image.fromarray(ids).save(tmp_path / folder / "a.jpg", quality=95)
    for read in (read_label, read_colors):
        with pytest.raises(ValueError, match=r"must not be JPEG.*a\.jpg.*Save the mask as PNG"):
            read(tmp_path / "masks/a.jpg")
    for classes in (None, 2, 4, {0: "a", 255: "b"}):
        with pytest.raises(ValueError, match=r"must not be JPEG.*a\.jpg"):
            first_example(tmp_path, classes)


@pytest.mark.parametrize("value", [1, 96])
def test_a_jpeg_of_black_and_nearly_black_is_refused(tmp_path, value):
    ids = np.zeros((64, 64), np.uint8)
    ids[16:48, 16:48], ids[:8] = value, 255
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        Image.fromarray(ids).save(tmp_path / folder / "a.jpg", quality=90)
    data = from_folders(
        tmp_path / "images", tmp_path / "masks", {0: "a", 255: "b"}, ignore=(), splits=(1.0,)
    )
    with pytest.raises(ValueError, match=r"must not be JPEG.*neither clearly black nor clearly"):
        data.example("train", 0)
