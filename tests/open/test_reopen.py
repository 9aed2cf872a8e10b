"""A data set is opened again from what its run remembers."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import pipelines


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for part, high in (("images", 255), ("masks", 2)):
        (tmp_path / part).mkdir()
        for index in range(6):
            values = random.integers(0, high, (32, 32)).astype("uint8")
            Image.fromarray(values).save(tmp_path / part / f"{index}.png")
    return tmp_path


def again(data):
    """The data set after its description went through JSON."""
    return pipelines.reopen(json.loads(json.dumps(data.opened_by)))


def same(first, second):
    assert first.splits == second.splits
    for split in first.splits:
        assert first.paths(split) == second.paths(split)
        for index in range(first.num_examples(split)):
            for a, b in zip(first.example(split, index), second.example(split, index), strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "options",
    [
        {"classes": ["soil", "crop"]},
        {"classes": {0: "soil", 1: "crop", 7: None}, "splits": {"train": 0.5, "val": 0.5}},
        {"classes": ["soil", "crop"], "value_range": (0, 127), "group": r"(\d)", "seed": 3},
    ],
    ids=str,
)
def test_folders(folder, options):
    data = pipelines.from_folders(folder / "images", folder / "masks", **options)
    same(data, again(data))


def test_relative_paths_are_found_from_another_folder(folder, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(folder)
    data = pipelines.from_folders("images", "masks", classes=["soil", "crop"])
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert again(data).num_examples("train") == data.num_examples("train")


def test_names_stay_names_where_such_folders_and_files_exist(folder, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))
    for name in ("train", "val", "soil"):
        Path(name).mkdir()
    for name in ("crop", "0.png", "1"):
        Path(name).touch()
    Path("rest.txt").write_text("2\n3\n4\n5\n")
    for classes in (["soil", "crop"], {0: "soil", 1: "crop"}):
        for splits in ({"train": 0.5, "val": 0.5}, {"train": "rest.txt", "val": ["0.png", "1"]}):
            folders = folder / "images", folder / "masks"
            data = pipelines.from_folders(*folders, classes, splits=splits)
            monkeypatch.chdir("train")
            found = again(data)
            monkeypatch.chdir("..")
            same(data, found)
            assert found.class_names == ("soil", "crop")


def test_the_file_of_classes_is_found_from_another_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "names.txt").write_text("soil\ncrop\n")
    data = pipelines.from_folders("images", "masks", "names.txt")
    monkeypatch.chdir(folder / "images")
    assert again(data).class_names == ("soil", "crop")


def test_a_drawn_data_set_is_found_where_a_folder_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("shapes").mkdir()
    assert again(pipelines.load("shapes", num_images=10)).num_examples("train") == 6


def test_files_that_are_skipped_are_skipped_again(folder):
    (folder / "images" / "2.png").write_bytes(b"")
    folders = folder / "images", folder / "masks", ["soil", "crop"]
    data = pipelines.from_folders(*folders, splits={"train": 1.0})
    skipping = data.reading(on_error="skip").reading(cache=None)
    found = again(again(skipping))
    same(skipping, found)
    assert found.num_examples("train") == 5
    assert found._reading == {"cache": None, "cache_limit": None, "on_error": "skip"}
    assert "reading" not in data.opened_by


def test_a_repaired_data_set_is_not_opened_again_as_it_was(folder, tmp_path):
    (folder / "images" / "2.png").write_bytes(b"")
    folders = folder / "images", folder / "masks", ["soil", "crop"]
    data = pipelines.from_folders(*folders, splits={"train": 1.0})
    assert data.opened_by is not None
    assert data.check(fix=tmp_path / "fixed").fixed.opened_by is None


def test_tables_in_files(folder):
    rows = [f"images/{index}.png,masks/{index}.png" for index in range(6)]
    (folder / "pairs.csv").write_text("\n".join(["image,mask", *rows]))
    data = pipelines.from_csv(folder / "pairs.csv", classes=["soil", "crop"])
    same(data, again(data))


def test_what_json_cannot_hold_is_not_remembered(folder):
    rows = {
        "image": [f"images/{i}.png" for i in range(6)],
        "mask": [f"masks/{i}.png" for i in range(6)],
    }
    data = pipelines.from_csv(pd.DataFrame(rows), classes=["soil", "crop"], root=folder)
    assert data.opened_by is None
    with pytest.raises(ValueError, match=r"opened by `load`.*Received: None\. Pass the data set"):
        pipelines.reopen(None)
