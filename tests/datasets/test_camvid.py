"""CamVid as SegNet's authors published it, drawn small with the true layout."""

import numpy as np
import pytest
from PIL import Image

import pipelines

NAMES = [
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Two training pictures and one for validation, 6x12 pixels, all ids in every mask."""
    for split, names in (("train", ["0001TP_1", "0001TP_2"]), ("val", ["0016E5_1"])):
        (tmp_path / split).mkdir()
        (tmp_path / f"{split}annot").mkdir()
        for name in names:
            Image.new("RGB", (12, 6)).save(tmp_path / split / f"{name}.png")
            mask = np.tile(np.arange(12, dtype=np.uint8), (6, 1))
            Image.fromarray(mask).save(tmp_path / f"{split}annot" / f"{name}.png")
    return tmp_path


def test_eleven_classes_have_names_and_void_is_ignored(folder):
    data = pipelines.load("camvid", folder)
    assert list(data.class_names) == NAMES
    assert data.palette[0] == (128, 128, 128)
    assert data.palette[3] == (128, 64, 128)
    assert data.splits == ("train", "val")
    _, label = data.example("val", 0)
    assert label[0].tolist() == [*range(11), 255]


def test_lists_of_public_copies_carry_other_prefixes(folder):
    (folder / "train.txt").write_text(
        "/SegNet/CamVid/train/0001TP_2.png /SegNet/CamVid/trainannot/0001TP_2.png\n"
    )
    data = pipelines.load("camvid", folder)
    assert data.paths("train") == [
        (str(folder / "train/0001TP_2.png"), str(folder / "trainannot/0001TP_2.png"))
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train/0001TP_9.png trainannot/0001TP_9.png", r"does not exist.*0001TP_9\.png.*line 1"),
        ("train/0001TP_1.png", r"a picture and a mask in each line.*train\.txt', line 1"),
    ],
)
def test_broken_lists_are_refused_by_line(folder, line, message):
    (folder / "train.txt").write_text(line)
    with pytest.raises(ValueError, match=message):
        pipelines.load("camvid", folder)


@pytest.mark.parametrize(
    ("change", "root", "options", "message"),
    [
        (
            lambda folder: (folder / "val.txt").write_text("\n"),
            ".",
            {},
            r"Split 'val' of dataset 'camvid' has no pictures",
        ),
        (
            lambda folder: (folder / "none").mkdir(),
            "none",
            {},
            r"No split of CamVid was found. Received: root=",
        ),
        (
            lambda folder: None,
            ".",
            {"grouped": False},
            r"hold eleven classes. Received: grouped=False",
        ),
    ],
    ids=["empty list", "no split", "eleven classes"],
)
def test_what_is_not_camvid_is_refused(folder, change, root, options, message):
    change(folder)
    with pytest.raises(ValueError, match=message):
        pipelines.load("camvid", folder / root, **options)


def test_an_id_beyond_void_is_named(folder):
    Image.new("L", (12, 6), 12).save(folder / "trainannot/0001TP_1.png")
    with pytest.raises(ValueError, match=r"neither classes nor ignored.*\[12\].*0001TP_1\.png"):
        pipelines.load("camvid", folder).train_batches(1)


def test_cache_is_memory_or_none(folder):
    assert pipelines.load("camvid", folder, cache=None).num_examples("train") == 2
    with pytest.raises(ValueError, match=r"`cache` must be 'memory', 'disk' or None. Received"):
        pipelines.load("camvid", folder, cache="moon")


def test_the_real_camvid_has_367_and_101_pairs(camvid):
    data = pipelines.load("camvid", camvid)
    assert (data.num_examples("train"), data.num_examples("val")) == (367, 101)
    image, label = next(iter(data.eval_batches("val", 4)))
    assert image.shape == (4, 360, 480, 3)
    assert label.shape == (4, 360, 480)


COLORS = {"Sky": (128, 128, 128), "Wall": (64, 192, 0), "Void": (0, 0, 0), "Child": (192, 128, 64)}


def draw_colors(path, names):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array([[COLORS[name] for name in names]], np.uint8)).save(path)


@pytest.fixture
def owners_form(tmp_path):
    """The owners' archives, one picture of each part of SegNet's split."""
    for name in ("0001TP_006690", "0001TP_008550", "0016E5_07959", "Seq05VD_f00000"):
        (tmp_path / "701_StillsRaw_full").mkdir(exist_ok=True)
        Image.new("RGB", (4, 1)).save(tmp_path / f"701_StillsRaw_full/{name}.png")
        draw_colors(
            tmp_path / f"LabeledApproved_full/{name}_L.png", ["Sky", "Wall", "Void", "Child"]
        )
    return tmp_path


def test_owners_colors_become_the_eleven_classes(owners_form):
    data = pipelines.load("camvid", owners_form)
    assert {split: data.num_examples(split) for split in data.splits} == {
        "train": 1, "val": 1, "test": 2
    }  # fmt: skip
    # A wall is a building and a child a pedestrian, as SegNet's authors grouped them.
    assert data.example("train", 0)[1].tolist() == [[0, 1, 255, 9]]
    assert list(data.class_names) == NAMES


def test_folders_may_be_links_to_another_disk(owners_form, tmp_path_factory):
    root = tmp_path_factory.mktemp("links")
    for name in ("701_StillsRaw_full", "LabeledApproved_full"):
        (root / name).symlink_to(owners_form / name)
    assert pipelines.load("camvid", root).num_examples("test") == 2


def test_owners_classes_may_be_kept(owners_form):
    data = pipelines.load("camvid", owners_form, grouped=False)
    assert data.num_classes == 31
    label = data.example("train", 0)[1][0].tolist()
    assert [data.class_names[i] for i in label if i != 255] == ["Sky", "Wall", "Child"]
    assert data.palette[label[0]] == COLORS["Sky"]


def test_copies_with_label_folders_are_read(tmp_path):
    for split in ("train", "val"):
        (tmp_path / f"CamVid/{split}").mkdir(parents=True)
        Image.new("RGB", (2, 1)).save(tmp_path / f"CamVid/{split}/0001TP_1.png")
        draw_colors(tmp_path / f"CamVid/{split}_labels/0001TP_1_L.png", ["Sky", "Void"])
    data = pipelines.load("camvid", tmp_path)
    assert data.splits == ("train", "val")
    assert data.example("val", 0)[1].tolist() == [[0, 255]]


def test_copies_with_index_masks_of_32_classes_are_read(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for name in ("0006R0_f00930", "0006R0_f00960"):
        Image.new("RGB", (3, 1)).save(tmp_path / f"images/{name}.png")
        mask = Image.fromarray(np.array([[21, 30, 7]], np.uint8))  # sky, void, child
        mask.save(tmp_path / f"labels/{name}_P.png")
    (tmp_path / "valid.txt").write_text("0006R0_f00960.png\n")
    data = pipelines.load("camvid", tmp_path)
    assert (data.num_examples("train"), data.num_examples("val")) == (1, 1)
    assert data.example("val", 0)[1].tolist() == [[0, 255, 9]]


def test_the_split_is_that_of_the_lists(camvid):
    from pipelines.datasets._camvid_split import split_of

    for split in ("train", "val"):
        lines = (camvid / f"{split}.txt").read_text().splitlines()
        assert {split_of(line.split()[0].split("/")[-1]) for line in lines} == {split}


def test_a_name_that_is_not_camvids_is_refused(owners_form):
    Image.new("RGB", (4, 1)).save(owners_form / "701_StillsRaw_full/holiday.png")
    draw_colors(owners_form / "LabeledApproved_full/holiday_L.png", ["Sky"] * 4)
    with pytest.raises(ValueError, match=r"named after their drive.*Received: 'holiday'"):
        pipelines.load("camvid", owners_form)


def test_the_form_of_kaggle_has_a_table_and_three_splits(tmp_path):
    for split in ("train", "val", "test"):
        (tmp_path / f"CamVid/{split}").mkdir(parents=True)
        Image.new("RGB", (2, 1)).save(tmp_path / f"CamVid/{split}/0001TP_006690.png")
        draw_colors(tmp_path / f"CamVid/{split}_labels/0001TP_006690_L.png", ["Child", "Void"])
    (tmp_path / "CamVid/class_dict.csv").write_text("name,r,g,b\nAnimal,64,128,64\n")
    (tmp_path / "CamVid/metadata.csv").write_text("image_id,split\n")
    data = pipelines.load("camvid", tmp_path)
    assert data.splits == ("train", "val", "test")
    assert data.example("test", 0)[1].tolist() == [[9, 255]]
    by_table = pipelines.from_folders(
        tmp_path / "CamVid/train", tmp_path / "CamVid/train_labels",
        {(192, 128, 64): "child", (0, 0, 0): None}, splits=(1.0,),
    )  # fmt: skip
    assert by_table.example("train", 0)[1].tolist() == [[0, 255]]


def test_the_owners_archives_may_have_no_folder_and_junk_of_a_mac(owners_form):
    """LabeledApproved_full.zip unpacks where one stands, with a list of colors beside it."""
    for path in (owners_form / "LabeledApproved_full").iterdir():
        path.rename(owners_form / path.name)
    (owners_form / "label_colors.txt").write_text("64 128 64\tAnimal\n")
    junk = owners_form / "__MACOSX/701_StillsRaw_full"
    junk.mkdir(parents=True)
    (junk / "._0001TP_006690.png").write_bytes(b"Mac OS X")
    (owners_form / "._0001TP_006690_L.png").write_bytes(b"Mac OS X")
    data = pipelines.load("camvid", owners_form)
    assert sum(data.num_examples(split) for split in data.splits) == 4


def test_lists_of_windows_are_read(folder):
    line = "\ufeff/SegNet/CamVid/train/0001TP_2.png /SegNet/CamVid/trainannot/0001TP_2.png\r\n"
    (folder / "train.txt").write_bytes(line.encode())
    assert pipelines.load("camvid", folder).num_examples("train") == 1
