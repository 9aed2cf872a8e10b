"""Damaged files of every kind in use: an error that names the file, or what the file holds."""

import shutil
import time
from functools import cache

import keras
import numpy as np
import pytest
from _damaged import DEPTH, KINDS, SIZE, VOLUMES, content, damage, damage_inside
from PIL import Image

from keras_seg import Segmenter
from keras_seg.inference.files import predict_files
from pipelines import from_folders
from pipelines.read import InputSpec
from pipelines.read.volume import read_volume

PALETTE = [(0, 0, 0), (9, 9, 9), (200, 0, 0)]
SPECS = {
    "bands": InputSpec(3, value_range=(0, 2300), bands=(4, 2, 0)),
    "tiled bands": InputSpec(3, bands=(4, 2, 0)),
}
# Two damaged files of each kind in every run, many in `make test-slow`.
some_and_many = pytest.mark.parametrize("count", [2, pytest.param(60, marks=pytest.mark.slow)])
SLOWEST = 10  # seconds for one file


@cache
def segmenter(dimensions):
    """Classes by the value of a single pixel, so that tiles give exactly what the whole gives."""
    layer = keras.layers.Conv2D if dimensions == 2 else keras.layers.Conv3D
    shape = (*[None] * dimensions, 3 if dimensions == 2 else 1)
    model = keras.Sequential([keras.Input(shape), layer(3, 1)])
    kernel = np.zeros(model.get_weights()[0].shape, "float32")
    kernel[..., 0, 1], kernel[..., 0, 2] = 1, 2
    model.set_weights([kernel, np.array([0, -60, -200], "float32")])
    return Segmenter(model, palette=PALETTE)


def opened(kind):
    found = segmenter(3 if kind in VOLUMES else 2)
    found.input_spec = SPECS.get(kind, InputSpec(found.num_channels, found.dimensions))
    return found


def predicted(segment, path):
    """The label map that `predict` writes."""
    shutil.rmtree(path.parent / "out", ignore_errors=True)
    written, _ = predict_files(segment, [path], path.parent / "out")
    if written.suffix == ".png":
        return np.asarray(Image.open(written))
    return read_volume(written)[..., 0]


def ways(segment):
    """Every way from a path to labels."""
    return {
        "a call": segment,
        "tiles": lambda path: segment.tiles(path, tile=32),
        "predict": lambda path: predicted(segment, path),
    }


def check_ways(segment, path):
    """Each way gives labels, the same as the others, or an error of ours; return their number."""
    found = []
    for name, way in ways(segment).items():
        start = time.monotonic()
        words = f"{path} Received: "
        try:
            found.append(way(path))
        except ValueError as error:
            words = str(error)
        assert str(path) in words, (name, words)
        assert "Received: " in words, (name, words)
        assert time.monotonic() - start < SLOWEST, (name, path)
    for labels in found[1:]:
        np.testing.assert_array_equal(labels, found[0])
    return len(found)


@pytest.mark.filterwarnings("ignore")  # Pillow's, and nibabel's, about odd headers
@some_and_many
@pytest.mark.parametrize("kind", sorted({*KINDS, *VOLUMES} - {"matlab"}))
def test_a_damaged_file_is_named_or_read_the_same_in_every_way(tmp_path, kind, count):
    segment = opened(kind)
    path = tmp_path / f"picture.{(KINDS | VOLUMES)[kind]}"
    whole = content(kind)
    path.write_bytes(whole)
    assert check_ways(segment, path) == 3
    random = np.random.default_rng(sum(kind.encode()))
    for index in range(count):
        path.write_bytes((damage, damage_inside)[index % 2](whole, random))
        check_ways(segment, path)


def folders(root, suffix, pictures, masks, shape):
    """Folders of pictures and masks; masks that are None are sound .npy files."""
    images, labels = root / "images", root / "masks"
    images.mkdir()
    labels.mkdir()
    for index, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
        (images / f"{index:03}.{suffix}").write_bytes(picture)
        if mask is None:
            np.save(labels / f"{index:03}.npy", np.zeros(shape, np.uint8))
        else:
            (labels / f"{index:03}.{suffix}").write_bytes(mask)
    return images, labels


@pytest.mark.filterwarnings("ignore")
@some_and_many
@pytest.mark.parametrize("kind", sorted({*KINDS, *VOLUMES} - {"matlab", "exif jpeg"}))
def test_check_reports_the_file_that_is_damaged_and_not_its_partner(tmp_path, kind, count):
    random = np.random.default_rng(sum(kind.encode()))
    whole, spec = content(kind), SPECS.get(kind)
    damaged = [(damage, damage_inside)[i % 2](whole, random) for i in range(2 * count)]
    # Sound pairs, more than damaged ones; damaged pictures; damaged masks.
    sound = 3 * count
    pictures = [*[whole] * sound, *damaged[:count], *[whole] * count]
    masks = [*[None] * (sound + count), *damaged[count:]]
    suffix, shape = (KINDS | VOLUMES)[kind], (DEPTH, *SIZE) if kind in VOLUMES else SIZE
    images, labels = folders(tmp_path, suffix, pictures, masks, shape)
    options = {"value_range": spec.value_range, "num_channels": 5} if spec else {}
    faults = from_folders(images, labels, 3, splits=(1.0,), **options).check().faults
    allowed = {f"{images}/{index:03}" for index in range(sound, sound + count)}
    allowed |= {f"{labels}/{index:03}" for index in range(sound + count, sound + 2 * count)}
    assert {path.removesuffix(f".{suffix}") for path in faults["path"]} <= allowed
