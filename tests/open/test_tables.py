"""A table of files, one row for each picture."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines import from_csv


@pytest.fixture
def rows(tmp_path):
    """Twelve pictures filled with their number, and masks of one class."""
    (tmp_path / "data").mkdir()
    for i in range(12):
        Image.new("RGB", (32, 32), (i, i, i)).save(tmp_path / f"data/{i}.png")
        Image.new("L", (32, 32), 255 - i).save(tmp_path / f"data/{i}_nir.png")
        Image.new("L", (32, 32)).save(tmp_path / f"data/{i}_m.png")
    return pd.DataFrame(
        {
            "image": [f"data/{i}.png" for i in range(12)],
            "mask": [f"data/{i}_m.png" for i in range(12)],
        }
    )


def write(rows, folder):
    rows.to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def drawn(data, epochs=1):
    """Numbers of the pictures of some epochs, in order."""
    batches = data.train_batches(data.num_examples("train"), epochs=epochs)
    return [image.numpy()[:, 0, 0, 0].tolist() for image, _ in batches]


def test_paths_start_at_the_table_and_splits_come_from_their_column(rows, tmp_path):
    rows["split"] = ["train"] * 8 + ["valid"] * 3 + ["test"]
    data = from_csv(write(rows, tmp_path), ["sky"])
    assert data.name == "rows"
    assert [data.num_examples(split) for split in ("train", "val", "test")] == [8, 3, 1]
    assert data.paths("test") == [(str(tmp_path / "data/11.png"), str(tmp_path / "data/11_m.png"))]


def test_without_a_column_shares_divide(rows, tmp_path):
    data = from_csv(rows, ["sky"], root=tmp_path, splits=(0.5, 0.5))
    assert [data.num_examples(split) for split in data.splits] == [6, 6]
    assert data.paths("val") == from_csv(rows, ["sky"], root=tmp_path, splits=(0.5, 0.5)).paths(
        "val"
    )


def test_rows_of_one_group_stay_together(rows, tmp_path):
    rows["patient"] = [i // 4 for i in range(12)]
    data = from_csv(rows, ["sky"], root=tmp_path, splits=(0.67, 0.33))
    assert [data.num_examples(split) for split in data.splits] == [8, 4]
    found = {int(path.split("/")[-1].split(".")[0]) // 4 for path, _ in data.paths("val")}
    assert len(found) == 1


def test_columns_may_have_any_name_and_channels_several(rows, tmp_path):
    rows.columns = ["rgb file", "truth"]
    rows["nir file"] = [f"data/{i}_nir.png" for i in range(12)]
    columns = {"picture": ["rgb file", "nir file"], "mask": "truth"}
    data = from_csv(rows, ["sky"], columns, root=tmp_path, splits=(1.0,))
    assert data.num_channels == 4
    assert data.example("train", 5)[0][0, 0].tolist() == [5, 5, 5, 250]


def test_weights_say_how_often_a_picture_is_drawn(rows, tmp_path):
    rows["weight"] = [1.0] * 10 + [4.0, 0.5]
    data = from_csv(rows, ["sky"], root=tmp_path, splits=(1.0,))
    assert data.weights("train").tolist() == rows["weight"].tolist()
    counts = np.bincount(np.ravel(drawn(data, epochs=60)), minlength=12) / 60
    # Of 12 pictures in an epoch, weight w of 14.5 in all comes 12 * w / 14.5 times: 0.83, 3.31,
    # 0.41. The error of a mean of 60 zeros and ones is at most 0.5 / sqrt(60) = 0.065; 3 of it.
    assert counts[:10] == pytest.approx(np.full(10, 12 / 14.5), abs=0.2)
    assert counts[10:] == pytest.approx([48 / 14.5, 6 / 14.5], abs=0.2)
    assert drawn(data) == drawn(data)


def test_equal_weights_draw_each_picture_once(rows, tmp_path):
    rows["weight"] = 2.0
    (numbers,) = drawn(from_csv(rows, ["sky"], root=tmp_path, splits=(1.0,)))
    assert sorted(numbers) == list(range(12))


def test_a_row_without_mask_counts_for_nothing(rows, tmp_path):
    rows.loc[3, "mask"] = None
    data = from_csv(rows, ["sky"], root=tmp_path, splits=(1.0,))
    assert (data.example("train", 3)[1] == 255).all()
    assert len(data.check().void_only) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(weight=-1.0), r"numbers above 0. Received: .*-1\.0.* in row 0"),
        (lambda t: t.assign(weight="much"), r"numbers above 0. Received: 'much' in row 0"),
        (lambda t: t.assign(mask="data/no.png"), r"does not exist. Received: .*no\.png' in row 0"),
        (lambda t: t.assign(image=None), r"needs a picture. Received: nothing in row 0"),
        (
            lambda t: t.rename(columns={"mask": "x"}),
            r"a column for the mask. Received: \['image', 'x",
        ),
        (
            lambda t: pd.concat([t, t[:1]]),
            r"Each picture needs one row. Received: .*0\.png.*row 12",
        ),
        (
            lambda t: pd.concat([t, t[:1].assign(image="data/./0.png")]),
            r"Each picture needs one row. Received: \['data/\./0\.png'\] twice, again in row 12",
        ),
        (lambda t: t[:0], r"a header and at least one row. Received: a table without rows"),
    ],
)
def test_rows_that_do_not_work_are_refused(rows, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        from_csv(change(rows), ["sky"], root=tmp_path)


NO_TABLE = r"a header and at least one row. Received: .*bad\.csv'"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"must be a CSV file. Received: '.*bad\.csv'"),
        (b"", NO_TABLE),
        (b"image,mask\n", NO_TABLE),
        (b"\xff\xfe\x00\x9c", NO_TABLE),
        (b'a,b\n"x', NO_TABLE),
    ],
)
def test_files_that_are_no_tables_are_refused(tmp_path, content, words):
    if content is not None:
        (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        from_csv(tmp_path / "bad.csv", ["sky"])


def test_columns_have_known_names(rows, tmp_path):
    with pytest.raises(ValueError, match=r"names columns of the table for picture.*'color': 'x'"):
        from_csv(rows, ["sky"], {"color": "x"}, root=tmp_path)
