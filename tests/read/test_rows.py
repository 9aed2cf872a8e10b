"""Rows of large pictures are the rows of the whole picture, whatever kind of file they lie in."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

from keras_seg.inference.volume_tiles import open_volume
from pipelines.read import InputSpec, rows
from pipelines.read.geotiff import open_gdal
from pipelines.read.rows import open_rows
from pipelines.read.tiff_rows import open_tiff

CODECS = {"zlib": None, "lzw": "imagecodecs", "packbits": None, None: None}


def picture(height=150, width=131, channels=3, dtype="uint8", seed=0):
    random = np.random.default_rng(seed)
    most = np.iinfo(dtype).max + 1 if np.dtype(dtype).kind in "ui" else 1000
    return (random.random((height, width, channels)) * most).astype(dtype)


def smooth(channels=3):
    """A picture for whose rows a PNG's writer uses all five filters."""
    return cv2.resize(picture(20, 17, channels), (131, 150)).reshape(150, 131, channels)


def check_rows(found, expected):
    """Rows read in overlapping bands, as tiles read them, are those of the whole picture."""
    assert found is not None, "read as a whole"
    assert (found.height, found.width, found.channels) == expected.shape
    assert found.dtype == expected.dtype
    height = len(expected)
    for top, bottom in [(0, 40), (25, 90), (25, 26), (80, height), (0, height)]:
        np.testing.assert_array_equal(found.read(top, bottom), expected[top:bottom])


# TIFF


@pytest.mark.parametrize("compression", list(CODECS))
@pytest.mark.parametrize("pieces", [{}, {"rowsperstrip": 40}, {"tile": (64, 48)}])
@pytest.mark.parametrize(
    ("channels", "dtype", "planes"),
    [
        (1, "uint8", False), (3, "uint8", False), (4, "uint8", False), (3, "uint8", True),
        (1, "uint16", False), (3, "uint16", False), (5, "uint16", True), (4, "float32", True),
        (2, "int16", False), (1, "float64", False),
    ],
)  # fmt: skip
def test_tiffs_are_read_by_strips_and_tiles(tmp_path, compression, pieces, channels, dtype, planes):
    if CODECS[compression]:
        pytest.importorskip(CODECS[compression])
    image = picture(channels=channels, dtype=dtype)
    tifffile.imwrite(
        tmp_path / "map.tif",
        np.moveaxis(image, -1, 0) if planes else image.squeeze(),
        compression=compression,
        photometric="rgb" if channels in (3, 4) else "minisblack",
        planarconfig=("separate" if planes else "contig") if channels > 1 else None,
        **pieces,
    )
    check_rows(open_rows(tmp_path / "map.tif"), image)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("options", [
    {"compression": "tiff_adobe_deflate", "tiffinfo": {317: 2}},  # horizontal differences
    {"compression": "tiff_lzw", "tiffinfo": {317: 2}},
    {"big_tiff": True}, {"compression": "packbits"},
])  # fmt: skip
def test_tiffs_of_another_writer_are_read(tmp_path, mode, options):
    if options.get("compression") == "tiff_lzw":
        pytest.importorskip("imagecodecs")
    image = picture(channels=len(mode))
    Image.fromarray(image.squeeze()).save(tmp_path / "map.tif", strip_size=5000, **options)
    check_rows(open_rows(tmp_path / "map.tif"), image)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("predictor", [False, True])
def test_tiffs_of_both_byte_orders_are_read(tmp_path, order, predictor):
    image = picture(dtype="uint16")
    with tifffile.TiffWriter(tmp_path / "map.tif", byteorder=order) as file:
        compression = "zlib" if predictor else None
        file.write(image, photometric="rgb", compression=compression, predictor=predictor)
    check_rows(open_rows(tmp_path / "map.tif"), image)


def test_tiffs_of_jpeg_pieces_are_read(tmp_path):
    pytest.importorskip("imagecodecs")
    Image.fromarray(smooth()).save(tmp_path / "jpeg.tif", compression="jpeg", quality=90)
    with Image.open(tmp_path / "jpeg.tif") as whole:
        check_rows(open_rows(tmp_path / "jpeg.tif"), np.asarray(whole))


def test_empty_tiles_are_zeros_as_gdal_means_them(tmp_path):
    """TIFF 6.0, section 15, by hand; GDAL leaves out tiles of zeros: offset and length 0."""
    image, side = picture(), 64
    image[:64, 64:128] = 0
    padded = np.pad(image, ((0, -150 % side), (0, -131 % side), (0, 0)))
    tiles = [
        zlib.compress(padded[y : y + side, x : x + side].tobytes())
        for y in range(0, 150, side)
        for x in range(0, 131, side)
    ]
    tiles[1] = b""
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    offsets, position = [], 8
    for tile in tiles:
        offsets.append(position if tile else 0)
        position += len(tile)
    short = {256: 131, 257: 150, 259: 8, 262: 2, 277: 3, 322: side, 323: side}
    for tag, value in short.items():
        directory[tag] = value
    directory[258] = (8, 8, 8)
    directory[324] = tuple(offsets)
    directory[325] = tuple(len(tile) for tile in tiles)
    header = struct.pack("<2sHI", b"II", 42, position)
    path = tmp_path / "map.tif"
    path.write_bytes(header + b"".join(tiles) + directory.tobytes(position))
    check_rows(open_rows(path), image)


def plain_tiff(path, image, strip_rows, counts):
    """Write a TIFF of plain strips by hand, with these lengths, or with none if that is None."""
    height, width = image.shape[:2]
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in {256: width, 257: height, 259: 1, 262: 2, 277: 3, 278: strip_rows}.items():
        directory[tag] = value
    directory[258] = (8, 8, 8)
    # Pillow adds where the directory ends, and the strips begin.
    directory[273] = tuple(top * width * 3 for top in range(0, height, strip_rows))
    if counts is not None:
        directory[279] = counts
    header = struct.pack("<2sHI", b"II", 42, 8)
    path.write_bytes(header + directory.tobytes(8) + image.tobytes())


def test_tiffs_of_plain_strips_without_lengths_and_with_holes_are_read(tmp_path):
    image = picture(150, 130)
    plain_tiff(tmp_path / "old.tif", image, 150, None)
    check_rows(open_rows(tmp_path / "old.tif"), image)
    # As GDAL leaves out strips of zeros: they are 0 bytes long, whatever lies there.
    plain_tiff(tmp_path / "holes.tif", image, 60, (60 * 390, 0, 30 * 390))
    image[60:120] = 0
    check_rows(open_rows(tmp_path / "holes.tif"), image)


def test_thumbnails_behind_the_picture_are_left_alone(tmp_path):
    image = picture()
    with tifffile.TiffWriter(tmp_path / "map.tif") as file:
        file.write(image, photometric="rgb")
        file.write(image[::2, ::2], photometric="rgb", subfiletype=1)
    check_rows(open_rows(tmp_path / "map.tif"), image)


@pytest.mark.parametrize("options", [
    {"photometric": "miniswhite"},
    {"photometric": "palette", "colormap": np.zeros((3, 256), "uint16")},
    {"photometric": "minisblack", "extratags": [(274, 3, 1, 6, True)]},  # turned
])  # fmt: skip
def test_rarer_tiffs_are_read_as_a_whole(tmp_path, options):
    tifffile.imwrite(tmp_path / "map.tif", picture(channels=1).squeeze(), **options)
    assert open_tiff(tmp_path / "map.tif") is None


def test_stacks_of_pages_are_read_as_a_whole(tmp_path):
    tifffile.imwrite(tmp_path / "map.tif", picture(3, 40, 50), photometric="minisblack")
    assert open_tiff(tmp_path / "map.tif") is None


# PNG


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA"])
def test_pngs_are_read_by_rows(tmp_path, mode):
    image = Image.fromarray(smooth()).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(smooth(1).squeeze()))
    image.save(tmp_path / "map.png")
    expected = np.asarray(image.convert({"LA": "L", "P": "RGB"}.get(mode, mode)))
    check_rows(open_rows(tmp_path / "map.png"), expected.reshape(150, 131, -1))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pngs_of_16_bits_are_read_by_rows(tmp_path, channels):
    image = np.cumsum(picture(channels=channels), axis=0, dtype=np.uint16)
    order = [2, 1, 0, 3][:channels] if channels > 1 else [0]
    cv2.imwrite(str(tmp_path / "map.png"), image[..., order])
    check_rows(open_rows(tmp_path / "map.png"), image)


@pytest.mark.parametrize(("mode", "options"), [
    ("1", {}), ("P", {"bits": 4}), ("L", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
])  # fmt: skip
def test_rarer_pngs_are_read_as_a_whole(tmp_path, mode, options):
    Image.fromarray(smooth(1).squeeze() // 16).convert(mode).save(tmp_path / "map.png", **options)
    assert open_rows(tmp_path / "map.png") is None


# Arrays


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", ">i2"])
def test_arrays_are_read_by_rows(tmp_path, dtype):
    image = picture(dtype=np.dtype(dtype).newbyteorder("=")).astype(dtype)
    path = tmp_path / "map.npy"
    np.save(path, image)
    check_rows(open_rows(path), image)
    np.save(path, np.asfortranarray(image))
    check_rows(open_rows(path), image)
    np.save(path, np.moveaxis(image, -1, 0))  # (c, h, w), as the reader of whole files takes it
    check_rows(open_rows(path), image)
    np.save(path, image[..., 0])
    check_rows(open_rows(path), image[..., :1])


# GDAL


@pytest.mark.parametrize(("channels", "dtype"), [(1, "uint8"), (3, "uint8"), (5, "uint16")])
def test_gdal_reads_the_same_rows(tmp_path, channels, dtype):
    pytest.importorskip("rasterio")
    image = picture(channels=channels, dtype=dtype)
    photometric = "rgb" if channels == 3 else "minisblack"
    tifffile.imwrite(
        tmp_path / "map.tif", image.squeeze(), compression="zlib", photometric=photometric,
        rowsperstrip=32, planarconfig="contig" if channels > 1 else None,
    )  # fmt: skip
    check_rows(open_gdal(tmp_path / "map.tif"), image)


def test_a_virtual_raster_is_read_with_rasterio(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    from rasterio.shutil import copy

    image = picture()
    tifffile.imwrite(tmp_path / "map.tif", image, photometric="rgb", rowsperstrip=32)
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        source = rasterio.open(tmp_path / "map.tif")
    with source:
        copy(source, tmp_path / "map.vrt", driver="VRT")
    check_rows(open_rows(tmp_path / "map.vrt"), image)


def test_gdal_declines_what_it_gives_in_another_way(tmp_path):
    pytest.importorskip("rasterio")
    Image.fromarray(smooth(1).squeeze()).convert("P").save(tmp_path / "palette.tif")
    (tmp_path / "text.tif").write_text("no picture")
    assert open_gdal(tmp_path / "palette.tif") is None
    assert open_gdal(tmp_path / "text.tif") is None


def test_gdal_never_sees_boxes_that_lead_nowhere(tmp_path):
    """A length of 0 is the rest of the file, ISO/IEC 15444-1, I.4; GDAL loops on it in a box."""
    pytest.importorskip("rasterio")
    path = tmp_path / "map.jp2"
    Image.fromarray(smooth()).save(path)
    check_rows(open_gdal(path), np.asarray(Image.open(path)))
    data = bytearray(path.read_bytes())
    at = data.index(b"colr") - 4
    for length in (0, 4, 1 << 20):
        data[at : at + 4] = struct.pack(">I", length)
        path.write_bytes(data)
        assert open_gdal(path) is None


# Damage and limits


def test_damage_is_found_where_it_lies_and_named(tmp_path):
    for name, options in (("half.png", {}), ("half.tif", {"compression": "tiff_adobe_deflate"})):
        Image.fromarray(picture()).save(tmp_path / name, **options, **(
            {"strip_size": 5000} if options else {}
        ))  # fmt: skip
        data = (tmp_path / name).read_bytes()
        cut = data[:30000] + (b"" if name == "half.png" else bytes(5000) + data[35000:])
        (tmp_path / name).write_bytes(cut)
        with pytest.raises(ValueError, match=rf"must be complete.*{name}"):
            open_rows(tmp_path / name).read(0, 150)
    image = picture()
    plain_tiff(tmp_path / "plain.tif", image, 150, None)
    (tmp_path / "plain.tif").write_bytes((tmp_path / "plain.tif").read_bytes()[:30000])
    with pytest.raises(ValueError, match=r"must be complete.*plain\.tif.*ends before row 150"):
        open_rows(tmp_path / "plain.tif").read(0, 150)


@pytest.mark.parametrize(("shape", "dtype", "words"), [
    ((3,), "u1", r"must be numbers \(h, w\).*shape=\(3,\), dtype=uint8 in .*map\.npy"),
    ((0, 4, 3), "u1", r"must be numbers \(h, w\).*shape=\(0, 4, 3\)"),
    ((4, 4), "c8", r"Arrays must hold numbers.*complex64 in .*map\.npy"),
])  # fmt: skip
def test_arrays_that_are_no_picture_are_refused(tmp_path, shape, dtype, words):
    np.save(tmp_path / "map.npy", np.zeros(shape, dtype))
    with pytest.raises(ValueError, match=words):
        open_rows(tmp_path / "map.npy")


# The last has brackets that do not close, on which NumPy's reader of headers raises a TokenError.
@pytest.mark.parametrize("content", [
    b"", b"no array", b"\x93NUMPY\x01\0\xff\xff{}", b"\x93NUMPY\x01\0\x08\0{'a': (\n",
])  # fmt: skip
def test_what_is_no_array_is_refused(tmp_path, content):
    (tmp_path / "map.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read.*map\.npy"):
        open_rows(tmp_path / "map.npy")
    with pytest.raises(ValueError, match=r"cannot be read.*map\.npy"):
        open_volume(str(tmp_path / "map.npy"), InputSpec(1, 3))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"must be a file. Received: '.*none\.png'"):
        open_rows(tmp_path / "none.png")


def png_of(width, height, depth=8):
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def test_a_size_that_only_the_header_has_is_refused_at_once(tmp_path):
    (tmp_path / "short.png").write_bytes(png_of(4000, 4000))
    # Deflate packs at most 1032 bytes into one: the file's 100 hold less than 16 million pixels.
    with pytest.raises(ValueError, match=r"short\.png' \(too short for its 4000 x 4000 pixels\)"):
        open_rows(tmp_path / "short.png")


def test_a_large_progressive_jpeg_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MOST_PROGRESSIVE", 150 * 131 - 1)
    for name, progressive in (("plain.jpg", False), ("steps.jpg", True)):
        Image.fromarray(smooth()).save(tmp_path / name, progressive=progressive)
    assert open_rows(tmp_path / "plain.jpg") is None
    with pytest.raises(ValueError, match=r"A progressive JPEG.*steps\.jpg' of 150 x 131 pixels"):
        open_rows(tmp_path / "steps.jpg")


def test_a_side_that_no_picture_has_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "LONGEST_SIDE", 149)
    np.save(tmp_path / "map.npy", picture())
    with pytest.raises(ValueError, match=r"must be complete.*150 x 131 pixels by its header"):
        open_rows(tmp_path / "map.npy")
