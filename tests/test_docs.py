"""The pages of docs: their code runs, on small trees of the layouts that it names."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import keras_seg
import pipelines
from keras_seg import models, recipes

DOCS = Path(__file__).parents[1] / "docs"
RANDOM = np.random.default_rng(0)


def photo(path):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RANDOM.integers(0, 255, (32, 40, 3), np.uint8)).save(path)


def mask(path, values):
    """Stripes of these ids or colors."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.array(values, np.uint8)
    rows = values[np.arange(32) // 8 % len(values)]
    Image.fromarray(np.repeat(rows[:, None], 40, axis=1)).save(path)


def draw_folders():
    """The trees of the page, below the present folder."""
    for i in (1, 2, 3):
        photo(f"carvana/train/car_{i:02d}.jpg")
        mask(f"carvana/train_masks/car_{i:02d}_mask.gif", [0, 255])
        photo(f"Kvasir-SEG/images/{i}.jpg")
        mask(f"Kvasir-SEG/masks/{i}.jpg", [0, 255])
        photo(f"cwfid/images/{i:03d}_image.png")
        mask(f"cwfid/annotations/{i:03d}_annotation.png", [(0, 0, 0), (0, 255, 0), (255, 0, 0)])
        photo(f"deepglobe/train/{i}_sat.jpg")
        mask(f"deepglobe/train/{i}_mask.png", [(0, 255, 255), (0, 0, 255)])
        photo(f"scans/{i}/visible.jpg")
        mask(f"scans/{i}/truth.png", [0, 1])
        photo(f"pets/images/Abyssinian_{i}.jpg")
        mask(f"pets/annotations/trimaps/Abyssinian_{i}.png", [1, 2, 3])
    Path("pets/annotations/trainval.txt").write_text("Abyssinian_1 1 1 1\nAbyssinian_2 1 1 1\n")
    Path("pets/annotations/test.txt").write_text("Abyssinian_3 1 1 1\n")
    Path("cwfid/train.txt").write_text("001_image.png\n002_image.png\n")
    photo("DRIVE/training/images/21_training.tif")
    mask("DRIVE/training/1st_manual/21_manual1.gif", [0, 255])
    photo("DRIVE/test/images/01_test.tif")
    for split in ("Train", "Val"):
        photo(f"LoveDA/{split}/Rural/images_png/0.png")
        mask(f"LoveDA/{split}/Rural/masks_png/0.png", [0, 1, 7])
        for kind in ("labelids", "instanceids"):
            mask(f"IDD/gtFine/{split.lower()}/0/5_gtFine_{kind}.png", [0, 1, 2])
        photo(f"IDD/leftImg8bit/{split.lower()}/0/5_leftImg8bit.png")
    table = "name,r,g,b\nurban_land,0,255,255\nwater,0,0,255\n"
    Path("deepglobe/class_dict.csv").write_text(table)
    rows = [f"{i},train,train/{i}_sat.jpg,train/{i}_mask.png\n" for i in (1, 2)]
    Path("deepglobe/metadata.csv").write_text(
        "image_id,split,sat_image_path,mask_path\n" + "".join(rows) + "3,valid,train/3_sat.jpg,\n"
    )


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(), re.M | re.S)


@pytest.mark.slow
def test_the_code_about_data_sets_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    draw_folders()
    names, opened = {}, []
    for block in blocks("datasets.md"):
        exec(block, names)
        opened.append(names["data"])
    out = capsys.readouterr().out
    assert "<Dataset 'oxford_pets': 3 classes, train=2, test=1>" in out
    assert "0 is read as 'background', 255 as 'car'" in out
    assert "Dataset 'metadata' (2 in train, 1 in val)" in out
    assert opened[1].splits == ("train", "val")  # IDD, the last of its block
    assert names["report"].faults.empty
    assert len(list(names["batches"])) == 2
    # Half of the pixels have each of the two colors.
    assert names["weights"] == pytest.approx([1, 1])
    assert (tmp_path / "sheet.png").stat().st_size > 10_000
    assert all(path.name != "repairs.csv" for path in tmp_path.rglob("*"))


@pytest.mark.parametrize(
    ("script", "page"),
    [
        ("docs/budget.py", "budget.md"),
        ("docs/contextnet.py", "contextnet.md"),
        ("docs/drives.py", "drives.md"),
        ("docs/finetune.py", "deploy.md"),
        ("tests/benchmarks/bench_scaling.py", "scaling.md"),
    ],
)
def test_a_page_has_the_place_for_the_table_of_its_script(script, page):
    marks = re.findall(r'"(<!-- [^"]* -->)', (DOCS.parent / script).read_text())
    begin, end = ((DOCS / page).read_text().split(mark) for mark in marks)
    assert (len(begin), len(end)) == (2, 2)
    assert len(begin[0]) < len(end[0])


def test_every_reader_stands_on_the_page():
    page = (DOCS / "datasets.md").read_text()
    for name in pipelines.names():
        assert f"| `{name}` |" in page, name


def test_the_page_counts_channels_and_classes_of_what_is_drawn():
    page = (DOCS / "datasets.md").read_text()
    section = page[page.index("## Drawn data sets") : page.index("## Your own folders")]
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\d+) \| (\d+) \|$", section, re.M)
    assert len(rows) == 7
    for name, channels, classes in rows:
        size = {"size": (32,) * (3 if name == "scan_volumes" else 2)}
        counted = {"num_volumes" if name == "scan_volumes" else "num_images": 3}
        data = pipelines.load(name, **size, **counted)
        assert (data.num_channels, data.num_classes) == (int(channels), int(classes)), name


@pytest.mark.slow
def test_the_code_about_training_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks("training.md"):
        exec(block, names)
    folders = sorted(path.name for path in (tmp_path / "saved_models").iterdir())
    start = "contextnet_cn14_160-shapes"
    others = [f"{start}-mine", f"{start}-two", f"{start}-two-before"]
    folds = [f"{start}-fold{number}-groups" for number in (1, 2, 3)]
    assert folders == [start, *folds, *others, "unet-data"]
    assert keras_seg.Run(f"saved_models/{others[1]}").settings["setup"]["recipe"]["swa"] == 0.5
    assert re.search(rf"{start}-two-before': .*\b1 epochs", capsys.readouterr().out)
    assert 1e-6 < names["found"].suggestion < 1


def test_every_field_on_the_page_about_training_exists():
    page = (DOCS / "training.md").read_text()
    rows = re.findall(r"^\| (`[^|]+) \|", page, re.M)
    fields = {name for row in rows for name in re.findall(r"`(\w+)", row)}
    assert fields - set(recipes.RECIPES) <= set(recipes.Recipe.__dataclass_fields__)
    assert set(recipes.RECIPES) <= fields


@pytest.mark.slow
@pytest.mark.parametrize("page", ["deploy.md", "own_code.md", "migration.md", "pruning.md"])
def test_the_code_of_other_pages_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks(page):
        exec(block, names)
    assert names["data"].num_classes == 4


def test_names_on_the_page_about_other_libraries_exist():
    page = (DOCS / "migration.md").read_text()
    built = re.findall(r"`models\.(\w+)\(", page)
    assert set(built) - {"build", "port"} <= set(models.names())
    table = page[page.index("| encoder of smp |") : page.index("An encoder can start from a file")]
    columns = re.findall(r"^\|.*\| (.*) \|$", table, re.M)
    ours = {name for column in columns[2:] for name in re.findall(r"`([a-z]\w+)`", column)}
    assert len(ours) >= 10
    assert ours <= set(models.encoders.names())
    for option in ("freeze", "decoder_filters", "encoder_weights", "output_stride"):
        assert f"`{option}" in page or f"{option}=" in page
        assert models.has_option("unet", option)


@pytest.mark.slow
def test_notes_can_be_taken_from_a_tflite_file_as_the_page_says(tmp_path):
    from keras_seg.find_run import find_run

    file = find_run("contextnet_cn14-camvid") / "model_int8.tflite"
    with zipfile.ZipFile(file) as archive:
        notes = json.loads(archive.read("keras_seg.json"))
    assert notes["class_names"][0] == "sky"


@pytest.mark.slow
def test_the_reference_is_built_from_the_docstrings_without_warnings(tmp_path):
    pytest.importorskip("pdoc")
    script = DOCS / "reference.py"
    command = [sys.executable, "-W", "error::UserWarning", script, tmp_path / "api"]
    subprocess.run(command, check=True, capture_output=True, cwd=DOCS.parent, timeout=300)
    fit = (tmp_path / "api/keras_seg.html").read_text()
    assert 'id="fit"' in fit
    assert '<h6 id="arguments">' in fit  # a section of a Google-style docstring
    assert 'id="from_folders"' in (tmp_path / "api/pipelines.html").read_text()
    assert (tmp_path / "api/keras_seg/training/callbacks.html").exists()
