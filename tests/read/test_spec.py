"""InputSpec: what training sees of a file is what a segmenter reads, also after saving a run."""

import json
from dataclasses import dataclass

import cv2
import keras
import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from keras_seg import Segmenter
from keras_seg.export import exportable
from keras_seg.run import Run
from pipelines import from_folders
from pipelines.read import InputSpec

RANDOM = np.random.default_rng(0)
SIZE = (40, 48)


def numbers(channels, highest, dtype):
    shape = (*SIZE, channels) if channels > 1 else SIZE
    return RANDOM.integers(0, highest, shape).astype(dtype)


def turned_jpeg(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(numbers(3, 256, np.uint8)).save(path, exif=exif)


def bands(path, values):
    tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")


def nifti(path):
    values = RANDOM.integers(-200, 300, (34, 36, 33)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)


@dataclass
class Kind:
    name: str
    write: object
    value_range: tuple | None = None
    size: tuple = SIZE


KINDS = [
    Kind("a.png", lambda p: Image.fromarray(numbers(3, 256, np.uint8)).save(p)),
    Kind("a.png", lambda p: Image.fromarray(numbers(1, 4096, np.uint16)).save(p), (0, 4095)),
    Kind("a.png", lambda p: Image.fromarray(numbers(1, 65536, np.uint16)).save(p)),
    Kind("a.png", lambda p: cv2.imwrite(str(p), numbers(3, 65536, np.uint16))),
    Kind("a.png", lambda p: Image.fromarray(numbers(4, 256, np.uint8)).save(p)),
    Kind("a.tif", lambda p: Image.fromarray(numbers(4, 256, np.uint8)).save(p)),
    Kind("a.tif", lambda p: bands(p, numbers(6, 900, np.float32)), (0, 899)),
    Kind("a.tif", lambda p: bands(p, numbers(5, 65536, np.uint16))),
    Kind("a.gif", lambda p: Image.fromarray(numbers(1, 256, np.uint8)).save(p)),
    Kind("a.npy", lambda p: np.save(p, numbers(6, 256, np.uint8))),
    Kind("a.jpg", turned_jpeg, None, SIZE[::-1]),
    Kind("a.nii.gz", nifti, (-200, 300), (33, 36, 34)),
    Kind("a.npz", lambda p: np.savez(p, RANDOM.integers(0, 9, (34, 36, 33))), (0, 8), (34, 36, 33)),
    Kind(
        "a.tif", lambda p: tifffile.imwrite(p, RANDOM.integers(0, 9, (34, 36, 33), np.uint8),
        photometric="minisblack"), None, (34, 36, 33),
    ),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.name} {kind.value_range}")
def test_training_and_use_read_the_same_pixels(tmp_path, kind):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    path = tmp_path / "images" / kind.name
    kind.write(path)
    np.save(tmp_path / "masks/a.npy", np.zeros(kind.size, np.uint8))
    data = from_folders(
        tmp_path / "images", tmp_path / "masks", 2, splits=(1.0,), value_range=kind.value_range
    )
    seen, _ = data.example("train", 0)
    assert np.ptp(seen) > 100 or kind.value_range is None
    shape = (*[None] * data.dimensions, data.num_channels)
    layer = keras.layers.Conv2D if data.dimensions == 2 else keras.layers.Conv3D
    model = keras.Sequential([keras.Input(shape), layer(2, 1)])
    segmenter = Segmenter(model, input_spec=data.input_spec)
    assert np.array_equal(segmenter.read(path), seen)
    # As run.json and the notes of exports keep it.
    stored = json.loads(json.dumps(exportable.spec_notes(model, data.input_spec)))
    assert InputSpec.from_dict(stored) == data.input_spec
    model.save(tmp_path / "model.keras")
    settings = {"input_spec": stored, "palette": [[0, 0, 0], [9, 9, 9]], "class_names": ["a", "b"]}
    (tmp_path / "run.json").write_text(json.dumps(settings))
    assert np.array_equal(Run(tmp_path).segmenter().read(path), seen)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"channels": 0}, r"`channels` must be a whole number.*channels=0"),
        ({"dimensions": 4}, r"`dimensions` must be 2 .*dimensions=4"),
        ({"value_range": (5, 5)}, r"`value_range` must be two numbers.*\(5, 5\)"),
        ({"value_range": 5}, r"`value_range` must be two numbers"),
        ({"channels": 2, "bands": (1,)}, r"`bands` must be one whole number from 0.*channels=2"),
    ],
)
def test_wrong_values_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        InputSpec(**arguments)


def test_a_spec_of_another_network_is_refused():
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)])
    with pytest.raises(ValueError, match=r"InputSpec of 3 channels and 2 .*channels=1"):
        Segmenter(model, input_spec=InputSpec(1))
    with pytest.raises(ValueError, match="must be a dict with the keys channels"):
        InputSpec.from_dict({"channel": 1})
