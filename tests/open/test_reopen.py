"""A data set is opened again from what its run remembers."""

import json

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
