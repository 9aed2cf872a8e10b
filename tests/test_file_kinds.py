"""Files of every kind: training, path, tiles, command line and exports see the same pixels."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import keras
import nibabel
import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

import keras_seg
from keras_seg import Segmenter
from keras_seg.cli.main import main
from keras_seg.export import LiteRTSegmenter, exportable
from keras_seg.export.publish import read_notes
from keras_seg.run import Run
from pipelines import from_folders
from pipelines.read import InputSpec, read_image
from pipelines.read.volume import read_volume

RANDOM = np.random.default_rng(0)
SIZE = (40, 48)
VOLUME = (34, 36, 33)
NAMES = ["soil", "crop", "weed"]


def numbers(channels, highest, dtype, size=SIZE):
    shape = (*size, channels) if channels > 1 else size
    return RANDOM.integers(0, highest, shape).astype(dtype)


def pillow(channels, highest=256, dtype="uint8", **options):
    return lambda p: Image.fromarray(numbers(channels, highest, dtype)).save(p, **options)


def turned_jpeg(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(cv2.resize(numbers(3, 256, "uint8", (5, 6)), SIZE[::-1])).save(path, exif=exif)


def bands(channels, highest, dtype, **options):
    options |= {"photometric": "minisblack", "planarconfig": "contig"}
    return lambda p: tifffile.imwrite(p, numbers(channels, highest, dtype), **options)


def pages(size, highest):
    return lambda p: tifffile.imwrite(
        p, numbers(1, highest, "uint8", size), photometric="minisblack"
    )


def nifti(path):
    values = numbers(1, 500, "int16", VOLUME[::-1]) - 200
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)


@dataclass
class Kind:
    """A kind of file: how it is written, and the arguments by which it is opened."""

    name: str
    ending: str
    write: object
    options: dict = field(default_factory=dict)
    size: tuple = SIZE


TWELVE = {"value_range": (0, 4095)}
KINDS = [
    Kind("rgb", ".png", pillow(3)),
    Kind("12 bits", ".png", pillow(1, 4096, "uint16"), TWELVE),
    Kind("12-bit rgb", ".png", lambda p: cv2.imwrite(str(p), numbers(3, 4096, "uint16")), TWELVE),
    Kind("16 bits", ".png", pillow(1, 65536, "uint16")),
    Kind("16-bit rgb", ".png", lambda p: cv2.imwrite(str(p), numbers(3, 65536, "uint16"))),
    Kind("alpha", ".png", pillow(4)),
    Kind("alpha kept", ".png", pillow(4), {"num_channels": 4}),
    Kind("alpha", ".tif", pillow(4)),
    Kind("alpha dropped", ".tif", pillow(4), {"num_channels": 3}),
    Kind("real bands", ".tif", bands(6, 900, "float32"), {"value_range": (0, 899)}),
    Kind("16-bit bands", ".tif", bands(5, 65536, "uint16", tile=(16, 16), compression="zlib")),
    Kind("chosen bands", ".tif", bands(6, 4096, "uint16"), TWELVE | {"bands": (5, 2, 0)}),
    Kind("pages as channels", ".tif", pages((3, *SIZE), 256)),
    Kind("gray", ".gif", pillow(1)),
    Kind("array", ".npy", lambda p: np.save(p, numbers(6, 256, "uint8"))),
    Kind(
        "chosen bands", ".npy", lambda p: np.save(p, numbers(6, 900, "int16")),
        {"value_range": (0, 899), "bands": (4, 1)},
    ),
    Kind("turned", ".jpg", turned_jpeg, size=SIZE[::-1]),
    Kind("scan", ".nii.gz", nifti, {"value_range": (-200, 300)}, VOLUME),
    Kind("scan", ".nii", nifti, {"value_range": (-200, 300)}, VOLUME),
    Kind(
        "scan", ".npz", lambda p: np.savez(p, numbers(1, 9, "int16", VOLUME)),
        {"value_range": (0, 8)}, VOLUME,
    ),
    Kind(
        "scan of channels", ".npy", lambda p: np.save(p, numbers(2, 900, "float32", VOLUME)),
        {"value_range": (0, 899)}, VOLUME,
    ),
    Kind("scan of pages", ".tif", pages(VOLUME, 256), {}, VOLUME),
]  # fmt: skip
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.name} {kind.ending}")


def opened(root, kind):
    """Four pictures, two of them for training, and masks of random ids."""
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    for index in range(4):
        kind.write(root / "images" / f"{index}{kind.ending}")
        np.save(root / "masks" / f"{index}.npy", numbers(1, 3, "uint8", kind.size))
    return from_folders(root / "images", root / "masks", NAMES, splits=(0.5, 0.5), **kind.options)


def network(data):
    """Each class for about a third of the values; a pixel depends on no other."""
    layer = keras.layers.Conv2D if data.dimensions == 2 else keras.layers.Conv3D
    shape = (*[None] * data.dimensions, data.num_channels)
    model = keras.Sequential([keras.Input(shape), layer(3, 1)])
    kernel = np.random.default_rng(1).normal(size=model.get_weights()[0].shape)
    model.set_weights([kernel, -127 * kernel.reshape(-1, 3).sum(axis=0)])
    return model


def first_of_graph(data):
    """The first picture of the split val as training gets it, its path, and its labels' names."""
    image, _ = next(iter(data.eval_batches("val", 1)))
    return image[0].numpy(), Path(data.paths("val")[0][0])


def predicted(folder, path, out):
    """The label map that the command line writes."""
    assert main(["predict", str(folder), str(path), "--out", str(out)]) == 0
    (file,) = out.glob("*_labels*")
    return np.asarray(Image.open(file)) if file.suffix == ".png" else read_volume(file)[..., 0]


def check_ways(run, image, path, out):
    """Path, tiles and command line give the labels of the pixels that training sees."""
    segmenter = run.segmenter()
    assert np.array_equal(segmenter.read(path), image)
    expected = Segmenter(run.model)(image)
    assert (np.bincount(expected.ravel(), minlength=3) > 0).sum() > 1
    assert np.array_equal(segmenter(path), expected)
    assert np.array_equal(segmenter.tiles(path, tile=32), expected)
    assert np.array_equal(predicted(run.folder, path, out), expected)
    return expected


@pytest.mark.long
@every_kind
def test_a_path_tiles_and_the_command_line_see_what_training_sees(tmp_path, kind):
    data = opened(tmp_path, kind)
    image, path = first_of_graph(data)
    assert np.array_equal(image, data.example("val", 0)[0])
    assert np.ptp(image) > 200  # the whole range: no number was cut off or left small
    model = network(data)
    # As run.json and the notes of exports keep it.
    stored = json.loads(json.dumps(exportable.spec_notes(model, data.input_spec)))
    assert InputSpec.from_dict(stored) == data.input_spec
    folder = tmp_path / "run"
    folder.mkdir()
    model.save(folder / "model.keras")
    palette = [[0, 0, 0], [9, 9, 9], [200, 0, 0]]
    settings = {"input_spec": stored, "palette": palette, "class_names": NAMES}
    (folder / "run.json").write_text(json.dumps(settings))
    check_ways(Run(folder), image, path, tmp_path / "out")


TRAINED = (
    "12 bits .png", "16-bit rgb .png", "alpha .png", "alpha .tif", "chosen bands .tif",
    "gray .gif", "array .npy", "scan .nii.gz",
)  # fmt: skip


@pytest.mark.slow  # 20 seconds each: a training and two exports
@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_run_and_its_exports_see_what_training_sees(tmp_path, name):
    (kind,) = (kind for kind in KINDS if f"{kind.name} {kind.ending}" == name)
    data = opened(tmp_path, kind)
    image, path = first_of_graph(data)
    changes = {"epochs": 1, "batch_size": 2, "averaging": 0}
    run = keras_seg.fit(network(data), data, folder=tmp_path / "runs", **changes)
    assert InputSpec.from_dict(run.settings["input_spec"]) == data.input_spec
    expected = check_ways(Run(run.folder), image, path, tmp_path / "out")

    saved = run.export_saved_model().path
    spec = InputSpec.from_dict(read_notes(saved)["input_spec"])
    serve = tf.saved_model.load(str(saved)).signatures["serving_default"]
    found = serve(image=tf.constant(read_image(path, spec)[None]))["labels"][0]
    # Sums of products may be rounded in another order.
    assert np.mean(found == expected) > 0.999
    if data.dimensions == 2:
        lite = LiteRTSegmenter(run.export_tflite("fp32").path)
        assert np.mean(lite(path) == expected) > 0.999
        assert np.array_equal(lite(str(path)), lite(image))
