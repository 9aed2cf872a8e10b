"""Where batches come from: memory, a folder or the files, always with the same pixels."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import pipelines
from pipelines import ops
from pipelines.graph import memory

AUGMENT = [ops.random_scale_crop(32, 32), ops.random_flip()]
SIZES = [(40, 32), (48, 36), (40, 32), (48, 36), (40, 32)]
NAMES = [str(i) for i in range(5)]


def bytes_of(batches):
    return [(image.numpy().tobytes(), label.numpy().tobytes()) for image, label in batches]


def save_pairs(folder, suffix=".png", ids=range(5)):
    """Five noisy pictures of two sizes, with masks of two ids each."""
    rng = np.random.default_rng(0)
    for i, (width, height) in enumerate(SIZES):
        pixels = rng.integers(0, 256, (height // 4, width // 4, 3), np.uint8)
        Image.fromarray(pixels).resize((width, height)).save(folder / f"{i}{suffix}")
        mask = np.full((height, width), ids[i], np.uint8)
        mask[:4] = ids[0]
        Image.fromarray(mask).save(folder / f"{i}_mask.png")


def dataset(folder, classes=NAMES, **options):
    data = pipelines.from_folders(folder, folder, classes, splits={"train": NAMES})
    return data.reading(**options)


@pytest.fixture
def pairs(tmp_path):
    save_pairs(tmp_path)
    return tmp_path


def same_everywhere(folder, classes=NAMES):
    """Batches of the three ways to read, which must agree; returns the store of the files."""
    inside = dataset(folder, classes)
    for cache in ("disk", None):
        outside = dataset(folder, classes, cache=cache)
        for make in (
            lambda data: data.train_batches(2, AUGMENT, epochs=2),
            lambda data: data.eval_batches("train", 2),
        ):
            assert bytes_of(make(inside)) == bytes_of(make(outside))
    return outside._store("train")


def test_memory_disk_and_files_give_the_same_batches(pairs):
    assert same_everywhere(pairs)._plain.usable


@pytest.mark.long
def test_jpeg_files_give_the_same_batches(tmp_path):
    save_pairs(tmp_path, ".jpg")
    assert same_everywhere(tmp_path)._plain.usable


@pytest.mark.long
def test_ids_that_are_no_positions_give_the_same_batches(tmp_path):
    save_pairs(tmp_path, ids=[7, 30, 255, 2, 11])
    classes = {30: "a", 7: "b", 2: "c", 11: "d"}
    assert same_everywhere(tmp_path, classes)._plain.usable


@pytest.mark.long
def test_palette_masks_are_read_in_python(pairs):
    mask = Image.open(pairs / "3_mask.png").convert("P")
    mask.putpalette([0, 0, 0, 255, 0, 0, 9, 9, 9, 0, 255, 0])
    mask.save(pairs / "3_mask.png")
    pipelines.from_folders(pairs, pairs, NAMES, splits={"train": NAMES})
    store = same_everywhere(pairs)
    assert not store._plain.usable


@pytest.mark.long
@pytest.mark.parametrize("mode", ["P", "L", "RGBA"])
def test_pictures_of_other_kinds_are_read_in_python(pairs, mode):
    Image.open(pairs / "4.png").convert(mode).save(pairs / "4.png")
    assert not same_everywhere(pairs)._plain.usable


def test_pictures_without_masks_are_read_in_python(pairs):
    data = dataset(pairs, cache=None)
    source = data._sources["train"]
    source._pairs = [(image, "") for image, _ in source._pairs]
    labels = [label.numpy() for _, label in data.eval_batches("train")]
    assert all((label == 255).all() for label in labels)


@pytest.mark.long
def test_turned_pictures_are_read_in_python(tmp_path):
    save_pairs(tmp_path, ".jpg")
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.open(tmp_path / "4.jpg").save(tmp_path / "4.jpg", exif=exif)
    assert not same_everywhere(tmp_path)._plain.usable


def test_plain_files_and_decoded_ones_on_disk_need_no_python(pairs):
    for cache in ("disk", None):
        graph = dataset(pairs, cache=cache).train_batches(2, AUGMENT)
        text = str(tf.raw_ops.DatasetToGraphV2(input_dataset=graph._variant_tensor).numpy())
        assert "PyFunc" not in text


def test_folder_of_decoded_pictures_goes_with_the_dataset(pairs, monkeypatch, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("pipelines.graph.caches.scratch_folder", lambda: scratch)
    data = dataset(pairs, cache="disk")
    list(data.train_batches(2, AUGMENT))
    (folder,) = scratch.iterdir()
    # Raw bytes: four for every pixel.
    assert sum(file.stat().st_size for file in folder.iterdir()) == 4 * (3 * 40 * 32 + 2 * 48 * 36)
    data._store("train")._cache._end()
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_pictures_that_do_not_fit_are_read_from_files_with_a_word(
    pairs, cache, monkeypatch, caplog
):
    expected = bytes_of(dataset(pairs).train_batches(2, AUGMENT))
    monkeypatch.setattr(memory, "free_memory", lambda: 1000)
    monkeypatch.setattr(memory, "free_disk", lambda: 1000)
    with caplog.at_level(logging.WARNING):
        data = dataset(pairs, cache=cache)
        assert bytes_of(data.train_batches(2, AUGMENT)) == expected
    assert data._store("train")._cache is None
    assert "do not fit" in caplog.text
    assert f"free {cache}" in caplog.text


def test_a_limit_keeps_the_cache_small(pairs, caplog):
    needed = 4 * (3 * 40 * 32 + 2 * 48 * 36)
    with caplog.at_level(logging.WARNING):
        assert dataset(pairs, cache_limit=needed)._store("train")._cache is not None
        assert caplog.text == ""
        assert dataset(pairs, cache_limit=needed - 1)._store("train")._cache is None
    assert "cache_limit" in caplog.text


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"cache": "ram"}, ValueError, r"'memory', 'disk' or None. Received: cache='ram'"),
        ({"on_error": "ignore"}, ValueError, r"'raise' or 'skip'. Received: on_error='ignore'"),
        ({"cache_limit": 1.5}, TypeError, r"`cache_limit` must be a whole number"),
    ],
    ids=str,
)
def test_how_to_read_is_checked(pairs, changes, error, words):
    with pytest.raises(error, match=words):
        dataset(pairs, **changes)


def truncate(path):
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize("cache", ["memory", "disk", None])
def test_a_truncated_picture_stops_training_with_its_path(pairs, cache):
    truncate(pairs / "2.png")
    with pytest.raises(ValueError, match=r"Received: .*2\.png"):
        dataset(pairs, cache=cache).train_batches(2, AUGMENT)


@pytest.mark.long
@pytest.mark.parametrize("cache", ["memory", "disk", None])
@pytest.mark.parametrize("name", ["2.png", "2_mask.png"])
def test_skip_leaves_faulty_pairs_out_and_counts_them(pairs, cache, name, caplog):
    truncate(pairs / name)
    data = dataset(pairs, cache=cache, on_error="skip")
    with caplog.at_level(logging.WARNING):
        assert data.num_examples("train") == 4
    assert "1 of 5 pairs cannot be read and are skipped" in caplog.text
    assert name in caplog.text
    (picture, fault) = next(iter(data.skipped("train").items()))
    assert Path(picture).name == "2.png"
    assert name in fault
    assert [Path(image).name for image, _ in data.paths("train")] == [
        "0.png", "1.png", "3.png", "4.png"
    ]  # fmt: skip
    labels = [label.numpy()[0, -1, -1] for _, label in data.eval_batches("train", 1)]
    assert labels == [0, 1, 3, 4]
    np.testing.assert_array_equal(
        data.example("train", 2)[1], list(data.eval_batches("train"))[2][1][0]
    )
    trained = [int(i) for _, label in data.train_batches(1) for i in label.numpy()[:, -1, -1]]
    assert sorted(trained) == [0, 1, 3, 4]
    assert data.train_batches(2, AUGMENT).cardinality() == 2


def test_skip_survives_a_file_without_a_header(pairs):
    # The header is what sizes come from, so it is met before any pixel.
    data = dataset(pairs, on_error="skip")
    (pairs / "1.png").write_bytes(b"no picture")
    assert data.num_examples("train") == 4
    assert len(list(data.eval_batches("train"))) == 4


def test_nothing_is_skipped_where_nothing_is_wrong(pairs):
    assert dataset(pairs, on_error="skip").skipped("train") == {}
    assert dataset(pairs).skipped("train") == {}


def test_a_split_without_a_sound_pair_is_refused(pairs):
    data = dataset(pairs, on_error="skip")
    for i in range(5):
        truncate(pairs / f"{i}.png")
    with pytest.raises(ValueError, match=r"No pair of .* can be read. Received: 5 pairs"):
        data.num_examples("train")


def test_a_picture_that_changed_since_its_header_was_read_is_named(pairs):
    data = dataset(pairs)
    data._sources["train"].sizes()
    Image.new("RGB", (30, 30)).save(pairs / "2.png")
    Image.new("L", (30, 30)).save(pairs / "2_mask.png")
    with pytest.raises(ValueError, match=r"size in its header. Received: .*2\.png"):
        data.eval_batches("train", 1)


def test_free_memory_and_disk_are_sensible_numbers():
    assert 1e6 < memory.free_memory() < 1e14
    assert 1e6 < memory.free_disk() < 1e17


def test_scratch_folder_is_the_one_that_is_asked_for(monkeypatch, tmp_path):
    import tempfile

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert memory.scratch_folder() == tmp_path
    monkeypatch.delenv("TMPDIR")
    assert os.access(memory.scratch_folder(), os.W_OK)


def test_batches_do_not_depend_on_threads_or_reading(pairs):
    expected = bytes_of(dataset(pairs).train_batches(2, AUGMENT, seed=3, epochs=2))
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.autotune.enabled = False
    for cache in ("memory", "disk", None):
        graph = dataset(pairs, cache=cache).train_batches(2, AUGMENT, seed=3, epochs=2)
        assert bytes_of(graph.with_options(options)) == expected
