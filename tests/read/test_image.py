"""Pictures and masks from files: what is read, and what is refused with the file's name."""

import re
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from pipelines.read import InputSpec, decode, read_colors, read_image, read_label
from pipelines.read.image import read_header

EXIF_ORIENTATION, ROTATED = 0x0112, 6  # 6: turn by 90 degrees clockwise to display


def write_tiff(path, numbers, planar, compressed):
    """Write a TIFF of any number of channels by the letter of TIFF 6.0; Pillow does not."""
    height, width, channels = numbers.shape
    parts = [numbers[..., i] for i in range(channels)] if planar == 2 else [numbers]
    parts = [part.tobytes() for part in parts]
    parts = [zlib.compress(part) for part in parts] if compressed else parts
    starts = np.cumsum([8] + [len(part) for part in parts]).tolist()
    bits, kind = numbers.dtype.itemsize * 8, 3 if numbers.dtype.kind == "f" else 1
    tags = [
        (256, "I", [width]), (257, "I", [height]), (258, "H", [bits] * channels),
        (259, "H", [8 if compressed else 1]), (262, "H", [1]), (273, "I", starts[:-1]),
        (277, "H", [channels]), (278, "I", [height]), (279, "I", [len(part) for part in parts]),
        (284, "H", [planar]), (338, "H", [0] * (channels - 1)), (339, "H", [kind] * channels),
    ]  # fmt: skip
    entries, extra = b"", b""
    for tag, letter, values in tags:
        data = struct.pack(f"<{len(values)}{letter}", *values)
        if len(data) > 4:
            data, extra = struct.pack("<I", starts[-1] + len(extra)), extra + data
        number = struct.pack("<HHI", tag, {"H": 3, "I": 4}[letter], len(values))
        entries += number + data.ljust(4, b"\0")
    header = b"II*\0" + struct.pack("<I", starts[-1] + len(extra))
    table = struct.pack("<H", len(tags)) + entries + bytes(4)
    path.write_bytes(header + b"".join(parts) + extra + table)
    return path


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
    image = read_image(path, InputSpec(channels))
    assert image.shape == (2, 4, channels)
    assert image.dtype == np.uint8


def test_orientation_of_the_camera_is_honored(tmp_path):
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


def test_palette_masks_give_indices_and_not_colors(tmp_path):
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


def test_pgm_pictures_of_16_bits_are_scaled_as_other_files(tmp_path):
    numbers = np.array([[0, 257, 65535]], ">u2")
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 65535\n" + numbers.tobytes())
    assert read_image(tmp_path / "a.pgm", InputSpec(1))[..., 0].tolist() == [[0, 1, 255]]
    spec = InputSpec(1, value_range=(0, 514))
    assert read_image(tmp_path / "a.pgm", spec)[..., 0].tolist() == [[0, 128, 255]]  # 127.5


def test_gray_masks_stored_as_rgb_are_read(tmp_path):
    path = tmp_path / "mask.png"
    Image.fromarray(np.full((2, 2, 3), 7, np.uint8)).save(path)
    assert read_label(path).tolist() == [[7, 7], [7, 7]]


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        (
            "colors.png",
            lambda path: Image.new("RGB", (2, 2), (128, 0, 0)).save(path),
            r"one class id per pixel.*colors\.png",
        ),
        (
            "real.tiff",
            lambda path: Image.new("F", (2, 2), 0.5).save(path),
            r"whole numbers.*real\.tiff",
        ),
        (
            "m.npy",
            lambda path: np.save(path, np.zeros((2, 3, 4, 5), "uint8")),
            r"Masks must be \(height, width\).*\(2, 3, 4, 5\)",
        ),
    ],
    ids=["colors", "real numbers", "axes"],
)
def test_masks_without_one_id_per_pixel_are_refused(tmp_path, name, write, words):
    write(tmp_path / name)
    with pytest.raises(ValueError, match=words):
        read_label(tmp_path / name)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, suffix, channels):
    path = str(tmp_path / f"deep{suffix}")
    numbers = np.full((2, 3, channels), 257 * 100, np.uint16)  # 257 * 255 = 65535
    numbers[0, 0] = 65535
    numbers[1, 2, -1] = 0
    cv2.imwrite(path, numbers[..., ::-1].squeeze())
    image = read_image(path, InputSpec(channels))
    assert image.dtype == np.uint8
    assert image[0, 0].tolist() == [255] * channels
    assert image[0, 1].tolist() == [100] * channels
    assert image[1, 2, -1] == 0


def test_a_range_of_values_says_what_is_black_and_white(tmp_path):
    np.save(tmp_path / "real.npy", np.array([[-5.0, 10.0, 20.0, np.nan]]))
    image = read_image(tmp_path / "real.npy", InputSpec(1, value_range=(0, 20)))
    assert image[0, :, 0].tolist() == [0, 128, 255, 0]  # 10 / 20 * 255 = 127.5, to even
    with pytest.raises(ValueError, match=r"8 or 16 bits.*float64.*real\.npy.*`value_range="):
        read_image(tmp_path / "real.npy", InputSpec(1))


def test_turned_pictures_of_sixteen_bits_are_turned_too(tmp_path):
    for orientation in range(1, 9):
        path = tmp_path / f"{orientation}.png"
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        picture = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
        picture.save(path, exif=exif)
        wanted = np.asarray(ImageOps.exif_transpose(Image.open(path)))
        pixels = np.arange(6).reshape(2, 3)
        assert decode.turned(pixels, orientation).tolist() == wanted.tolist(), orientation


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [2, 4, 5, 13])
@pytest.mark.parametrize(("planar", "compressed"), [(1, False), (2, False), (1, True), (2, True)])
def test_tiff_files_of_many_channels_are_read(tmp_path, kind, channels, planar, compressed):
    numbers = (np.arange(6 * 8 * channels) % 251).reshape(6, 8, channels).astype(kind)
    path = write_tiff(tmp_path / "bands.tif", numbers, planar, compressed)
    assert read_header(path) == (6, 8, channels)
    image = read_image(path, InputSpec(channels, 2, None if kind == np.uint8 else (0, 255)))
    assert image.tolist() == numbers.astype(int).tolist()


def test_tiff_files_with_a_predictor_and_tiles_are_read(tmp_path):
    numbers = np.random.default_rng(0).integers(0, 255, (40, 50, 4)).astype(np.uint8)
    path = str(tmp_path / "four.tif")
    # OpenCV writes LZW with a predictor; the order of its channels is blue, green, red, alpha.
    cv2.imwrite(path, numbers[..., [2, 1, 0, 3]])
    assert read_image(path, InputSpec(4)).tolist() == numbers.tolist()
    assert read_image(path, InputSpec(3)).tolist() == numbers[..., :3].tolist()


def test_stacks_of_pages_and_arrays_are_channels(tmp_path):
    pages = [Image.new("L", (4, 2), value) for value in (1, 2, 3, 4, 5)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    assert read_header(tmp_path / "stack.tif") == (2, 4, 5)
    assert read_image(tmp_path / "stack.tif", InputSpec(5))[0, 0].tolist() == [1, 2, 3, 4, 5]
    np.save(tmp_path / "last.npy", np.zeros((40, 50, 6), np.uint8))
    np.save(tmp_path / "first.npy", np.zeros((6, 40, 50), np.uint8))
    for name in ("last", "first"):
        assert read_header(tmp_path / f"{name}.npy") == (40, 50, 6)
        assert read_image(tmp_path / f"{name}.npy", InputSpec(6)).shape == (40, 50, 6)


def test_files_of_one_channel_each_are_put_together(tmp_path):
    paths = tuple(str(tmp_path / f"{name}.png") for name in ("red", "nir"))
    for value, path in enumerate(paths):
        Image.new("L", (4, 2), value).save(path)
    assert read_header(paths) == (2, 4, 2)
    assert read_image(paths, InputSpec(2))[0, 0].tolist() == [0, 1]
    Image.new("L", (4, 3)).save(paths[1])
    with pytest.raises(ValueError, match=r"have the same size. Received: .*nir\.png' of \(3, 4\)"):
        read_image(paths, InputSpec(2))


def test_alpha_is_dropped_unless_four_channels_are_wanted(tmp_path):
    Image.new("RGBA", (2, 2), (1, 2, 3, 4)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0, 0].tolist() == [1, 2, 3]
    assert read_image(tmp_path / "a.png", InputSpec(4))[0, 0].tolist() == [1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"must have the 5 channels.*3 channels in .*a\.png"):
        read_image(tmp_path / "a.png", InputSpec(5))


def test_masks_may_be_arrays(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0, 300]]))
    np.save(tmp_path / "b.npy", np.array([[0.0, 2.0]]))
    np.save(tmp_path / "c.npy", np.array([[0.0, 2.5]]))
    np.save(tmp_path / "d.npy", np.array([["a"]]))
    assert read_label(tmp_path / "a.npy").tolist() == [[0, 300]]
    assert read_label(tmp_path / "b.npy").tolist() == [[0, 2]]
    with pytest.raises(ValueError, match=r"whole numbers.*c\.npy"):
        read_label(tmp_path / "c.npy")
    with pytest.raises(ValueError, match=r"must hold numbers.*d\.npy"):
        read_label(tmp_path / "d.npy")


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4, 5), (0, 4)])
def test_arrays_of_another_shape_are_named(tmp_path, shape):
    path = tmp_path / "shape.npy"
    np.save(path, np.zeros(shape, np.uint8))
    words = re.escape(f"an array of the shape {shape}, not (h, w) or (h, w, c)")
    with pytest.raises(ValueError, match=rf"cannot be read.*shape\.npy.*{words}"):
        read_header(path)
    if len(shape) != 4:  # Of more axes, the first of each is taken.
        with pytest.raises(ValueError, match=r"Masks must be \(height, width\).*shape\.npy"):
            read_label(path)


def test_an_array_that_claims_more_than_it_holds_is_named(tmp_path):
    path = tmp_path / "bomb.npy"
    np.save(path, np.zeros((40, 40), np.uint8))
    path.write_bytes(path.read_bytes().replace(b"(40, 40), }     ", b"(9999, 9999), } "))
    with pytest.raises(ValueError, match=r"cannot be read.*bomb\.npy.*1600 bytes of data for the"):
        read_image(path, InputSpec(1))


@pytest.mark.parametrize("read", [read_image, read_label, read_header, read_colors])
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


def chunk(kind, data):
    """A chunk of a PNG file with the right checksum."""
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


HEADER = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 16, 2, 0, 0, 0))
NOISE = np.random.default_rng(0).integers(0, 256, 64 * (1 + 64 * 6)).astype("uint8").tobytes()
PIXELS = chunk(b"IDAT", zlib.compress(bytes(1) + NOISE[1:]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (HEADER + PIXELS[:9000], "Truncated File Read"),
        (HEADER + PIXELS[:9000] + b"\0\0\0\0" + PIXELS[9004:] + chunk(b"IEND", b""), "broken PNG"),
        (HEADER + chunk(b"IDAT", b"no zlib") + chunk(b"IEND", b""), "the data end too early"),
    ],
    ids=["truncated", "checksum", "no pixels"],
)
def test_a_damaged_picture_of_16_bits_is_named(tmp_path, capfd, content, reason):
    path = tmp_path / "deep.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"cannot be read.*deep\.png.*{reason}"):
        read_image(path)
    if reason != "the data end too early":
        assert capfd.readouterr().err == ""  # libpng would print a line of its own


def test_files_that_are_no_pictures_are_named(tmp_path):
    path = tmp_path / "letter.png"
    path.write_text("Dear reader")
    with pytest.raises(ValueError, match=r"cannot be read.*letter\.png"):
        read_header(path)


@pytest.mark.parametrize(
    "changed", [{258: None, 277: None}, {256: 0}, {258: 12}, {277: 5000}, {317: 3}, {262: 32803}]
)
def test_tiff_headers_that_cannot_be_are_named(tmp_path, changed):
    # Width, height, bits, color, channels: the tags that TIFF 6.0 asks for; but no pixels.
    tags = {256: 8, 257: 6, 258: 8, 262: 1, 277: 5} | changed
    entries = [
        struct.pack("<HHII", tag, 3, 1, value)
        for tag, value in sorted(tags.items())
        if value is not None
    ]
    path = tmp_path / "bands.tif"
    table = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + table)
    with pytest.raises(ValueError, match=r"Received: .*bands\.tif"):
        read_image(path)
