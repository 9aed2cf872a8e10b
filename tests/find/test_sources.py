"""Where the examples of a split come from."""

import numpy as np
import pytest
from PIL import Image

from pipelines.find.classes import Classes
from pipelines.find.sources import FileSource

CLASSES = Classes.make(["sky", "road"])


def save(path, mode="RGB", value=0):
    Image.new(mode, (4, 3), value).save(path)
    return str(path)


def test_a_picture_without_mask_is_ignored_pixels(tmp_path):
    source = FileSource([(save(tmp_path / "a.png"), "")], CLASSES)
    assert source.paths() == [(str(tmp_path / "a.png"), "")]
    assert (source.read(0)[1] == 255).all()
    assert source.sizes().tolist() == [[3, 4]]


def test_channels_are_those_of_the_readable_files(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"")
    pairs = [(str(tmp_path / "bad.png"), ""), (save(tmp_path / "gray.png", "L"), "")]
    assert FileSource(pairs, CLASSES).num_channels == 1
    with pytest.raises(ValueError, match=r"cannot be read.*bad\.png"):
        FileSource(pairs, CLASSES).sizes()


def test_stacks_are_named_after_their_first_file(tmp_path):
    paths = tuple(save(tmp_path / f"{i}.png", "L", i) for i in range(5))
    source = FileSource([(paths, "")], CLASSES)
    assert source.num_channels == 5
    assert source.paths()[0][0] == paths[0]
    assert source.pairs[0][0] == paths
    assert source.read(0)[0][0, 0].tolist() == [0, 1, 2, 3, 4]


def test_a_part_keeps_weights_and_takes_repaired_masks(tmp_path):
    image, label = save(tmp_path / "a.png"), save(tmp_path / "m.png", "L", 9)
    source = FileSource([(image, label)] * 3, CLASSES, weights=[1, 2, 3])
    mended = save(tmp_path / "mended.png", "L", 1)
    part = source.subset([0, 2], {2: mended})
    assert part.weights is not None
    assert part.weights.tolist() == [1, 3]
    assert np.unique(part.read(1)[1]).tolist() == [1]
    with pytest.raises(ValueError, match=r"neither classes nor ignored: \[9\]"):
        part.read(0)
