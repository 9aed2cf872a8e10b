"""Whole files of every kind that is read, and ways to damage them."""

import gzip
import io
import struct
import zipfile
import zlib

import cv2
import nibabel
import numpy as np
import tifffile
from _mat_files import sbd_file
from PIL import Image

SIZE = (33, 40)  # height and width
DEPTH = 12
KINDS = {
    "PNG": "png", "16-bit png": "png", "16-bit color png": "png", "palette png": "png",
    "JPEG": "jpg", "exif jpeg": "jpg", "progressive jpeg": "jpg", "JPEG2000": "jp2",
    "BMP": "bmp", "GIF": "gif", "WEBP": "webp", "PPM": "ppm",
    "TIFF": "tif", "stack": "tif", "bands": "tif", "tiled": "tif", "tiled bands": "tif",
    "jpeg tiff": "tif", "npy": "npy", "matlab": "mat",
}  # fmt: skip
VOLUMES = {"volume npy": "npy", "npz": "npz", "nii": "nii", "nii.gz": "nii.gz", "pages": "tif"}


def pixels(channels=3):
    """A picture, uint8, the same at every call."""
    random = np.random.default_rng(0)
    rough = random.integers(0, 255, (9, 10, channels)).astype(np.uint8)
    return cv2.resize(rough, SIZE[::-1]).reshape(*SIZE, channels)


def voxels():
    """A volume, uint8 (depth, height, width)."""
    return np.random.default_rng(0).integers(0, 3, (DEPTH, *SIZE)).astype(np.uint8)


def content(kind):
    """The bytes of a whole file of some kind."""
    file = io.BytesIO()
    if kind in VOLUMES or kind in ("bands", "tiled", "tiled bands", "jpeg tiff"):
        _write_deep(kind, file)
    elif kind == "npy":
        np.save(file, pixels())
    elif kind == "matlab":
        file.write(sbd_file(pixels()[..., 0]))
    elif kind == "16-bit png":
        Image.fromarray(pixels()[..., 0].astype(np.uint16) * 257).save(file, "PNG")
    elif kind == "16-bit color png":
        file.write(cv2.imencode(".png", pixels().astype(np.uint16) * 250)[1].tobytes())
    elif kind == "palette png":
        Image.fromarray(pixels()).quantize(16).save(file, "PNG")
    elif kind == "stack":
        pages = [Image.fromarray(pixels()[..., i]) for i in range(3)]
        pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    elif kind == "exif jpeg":
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(pixels()).save(file, "JPEG", exif=exif)
    elif kind == "progressive jpeg":
        Image.fromarray(pixels()).save(file, "JPEG", progressive=True)
    else:
        Image.fromarray(pixels()).save(file, kind)
    return file.getvalue()


def _write_deep(kind, file):
    """Write a TIFF of tiles or many bands, or a volume."""
    bands = {"photometric": "minisblack", "planarconfig": "contig"}
    if kind == "bands":
        tifffile.imwrite(file, pixels(5).astype(np.uint16) * 9, compression="lzw", **bands)
    elif kind == "tiled":
        tifffile.imwrite(file, pixels(), tile=(16, 16), photometric="rgb", compression="zlib")
    elif kind == "tiled bands":
        tifffile.imwrite(file, pixels(5), tile=(16, 16), **bands)
    elif kind == "jpeg tiff":
        tifffile.imwrite(file, pixels(), compression="jpeg", photometric="ycbcr")
    elif kind == "pages":
        tifffile.imwrite(file, voxels(), photometric="minisblack")
    elif kind == "volume npy":
        np.save(file, voxels())
    elif kind == "npz":
        np.savez_compressed(file, voxels())
    else:
        image = nibabel.Nifti1Image(voxels().T, np.eye(4)).to_bytes()
        file.write(gzip.compress(image) if kind == "nii.gz" else image)


def damage(data, random):
    """Truncate, flip bytes, declare absurd numbers, zero a header, or put something else there."""
    data = bytearray(data)
    way = random.integers(8)
    if way == 0:
        return bytes(data[: random.integers(len(data) + 1)])
    if way == 1:
        return b"" if random.random() < 0.3 else random.bytes(random.integers(1, 500))
    if way == 2:  # numbers of the header become huge, or small ones
        start = random.integers(max(1, min(64, len(data) - 4)))
        number = [b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0" * 4, b"\0\0\x7f\xff", b"\xff\x7f\0\0"]
        data[start : start + 4] = number[random.integers(len(number))]
        return bytes(data)
    if way == 3:  # a piece is missing, or there twice
        start, stop = sorted(random.integers(len(data), size=2))
        return bytes(data[:start] + data[stop:] if random.random() < 0.5 else data + data[start:])
    if way == 4:  # the header, or a part of it, is zeros
        start = random.integers(64)
        stop = min(len(data), start + random.integers(4, 128))
        data[start:stop] = bytes(max(0, stop - start))
        return bytes(data)
    end = min(len(data), 200 if way == 5 else len(data))
    for place in random.integers(end, size=random.integers(1, 12)):
        data[place] = random.integers(256)
    return bytes(data)


def damage_inside(data, random):
    """Damage what is packed, and pack it again with right checksums: decoders get further."""
    if data[:2] == b"\x1f\x8b":
        return gzip.compress(damage(gzip.decompress(data), random))
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (name,) = archive.namelist()
            inside = damage(archive.read(name), random)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, inside)
        return file.getvalue()
    if data[:4] == b"\x89PNG":
        return png_with_checksums(damage(data, random))
    return damage(data, random)


def png_with_checksums(data):
    """Make the checksums of a PNG's parts right."""
    parts, at = [bytes(data[:8])], 8
    while at + 12 <= len(data):
        length = struct.unpack(">I", data[at : at + 4])[0]
        body = bytes(data[at + 4 : at + 8 + length])
        parts += [data[at : at + 4], body, struct.pack(">I", zlib.crc32(body))]
        at += 12 + length
    return b"".join(parts)
