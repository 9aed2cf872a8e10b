"""Public data sets through `from_folders` and `from_csv`: names and colors as owners made them.

Each tree is drawn small, with the names, suffixes and oddities of the real archive.
"""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from _mat_files import matrix, record, write
from _trees import RANDOM, SIZE, colored, counts, gray, ids, photo, save
from PIL import Image

from pipelines import from_csv, from_folders


def test_drive_has_tif_pictures_and_gif_masks(tmp_path):
    for i in (21, 22):
        photo(tmp_path / f"training/images/{i}_training.tif")
        gray(tmp_path / f"training/1st_manual/{i}_manual1.gif", [0, 255])
        gray(tmp_path / f"training/mask/{i}_training_mask.gif", [255])
    photo(tmp_path / "test/images/01_test.tif")
    data = from_folders(
        {"train": tmp_path / "training/images", "test": tmp_path / "test/images"},
        {"train": tmp_path / "training/1st_manual"},
        ["background", "vessel"],
    )
    assert counts(data) == {"train": 2, "test": 1}
    assert ids(data) == [0, 1]
    assert ids(data, "test") == [255]  # its owners keep the masks
    assert data.name == tmp_path.name


def test_carvana_has_gif_masks(tmp_path):
    for i in (1, 2, 3):
        photo(tmp_path / f"train/0cdf5b5d0ce1_{i:02d}.jpg")
        gray(tmp_path / f"train_masks/0cdf5b5d0ce1_{i:02d}_mask.gif", [0, 1], mode="P")
    data = from_folders(tmp_path / "train", tmp_path / "train_masks", ["background", "car"])
    assert counts(data) == {"train": 1, "val": 1, "test": 1}
    assert ids(data) == [0, 1]


def test_kvasir_masks_are_jpeg_files(tmp_path):
    """Edges of 0/255 masks that were stored as JPEG hold all kinds of gray."""
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[20:45, 13:51] = 255
    for name in ("cju0qkwl35piu0993l0dewei2", "cju0qoxqj9q6s0835b43399p4"):
        noise = RANDOM.integers(0, 255, (64, 64, 3), np.uint8)
        save(Image.fromarray(noise), tmp_path / f"images/{name}.jpg")
        save(Image.fromarray(mask), tmp_path / f"masks/{name}.jpg", quality=80)
    (tmp_path / "kavsir_bboxes.json").write_text("{}")
    for classes in (["background", "polyp"], None):
        data = from_folders(tmp_path / "images", tmp_path / "masks", classes, splits=(1.0,))
        assert data.num_classes == 2
        assert "The masks hold 0 and 255" in data.notes[0]
        assert np.array_equal(data.example("train", 0)[1], mask[..., 0] // 255)
    assert data.check().valid


def test_isic_masks_are_0_and_255(tmp_path):
    for i in range(3):
        photo(tmp_path / f"ISIC-2017_Training_Data/ISIC_000000{i}.jpg")
        gray(
            tmp_path / f"ISIC-2017_Training_Part1_GroundTruth/ISIC_000000{i}_segmentation.png",
            [0, 255],
        )
    (tmp_path / "ISIC-2017_Training_Data/ISIC-2017_Training_Data_metadata.csv").write_text("a,b")
    folders = (
        tmp_path / "ISIC-2017_Training_Data",
        tmp_path / "ISIC-2017_Training_Part1_GroundTruth",
    )
    data = from_folders(*folders, ["skin", "lesion"])
    assert ids(data) == [0, 1]
    assert data.notes == ("The masks hold 0 and 255: 0 is read as 'skin', 255 as 'lesion'.",)
    # The archive of 2017 has superpixels beside the pictures, which have no masks.
    photo(tmp_path / "ISIC-2017_Training_Data/ISIC_0000000_superpixels.png")
    with pytest.raises(ValueError, match=r"_superpixels\.png.*on_unmatched='skip'"):
        from_folders(*folders, ["skin", "lesion"])
    data = from_folders(*folders, ["skin", "lesion"], on_unmatched="skip")
    assert sum(counts(data).values()) == 3


@pytest.mark.parametrize("explicit", [True, False])
def test_massachusetts_roads_has_a_folder_of_masks_for_each_split(tmp_path, explicit):
    for split in ("train", "val", "test"):
        photo(tmp_path / f"tiff/{split}/10228690_15.tiff")
        gray(tmp_path / f"tiff/{split}_labels/10228690_15.tif", [0, 255])
    root, splits = tmp_path / "tiff", ("train", "val", "test")
    images = {split: root / split for split in splits} if explicit else root
    labels = {split: root / f"{split}_labels" for split in splits} if explicit else root
    data = from_folders(images, labels, ["ground", "road"])
    assert counts(data) == {"train": 1, "val": 1, "test": 1}
    assert ids(data, "val") == [0, 1]


def test_inria_has_tif_masks(tmp_path):
    for name in ("austin1", "chicago12"):
        photo(tmp_path / f"AerialImageDataset/train/images/{name}.tif")
        gray(tmp_path / f"AerialImageDataset/train/gt/{name}.tif", [0, 255])
    root = tmp_path / "AerialImageDataset/train"
    data = from_folders(root / "images", root / "gt", ["ground", "building"], group=r"([a-z]+)\d",
                        splits=(0.5, 0.5))  # fmt: skip
    assert counts(data) == {"train": 1, "val": 1}
    assert data.name == "AerialImageDataset"


DEEPGLOBE = (
    "name,r,g,b\nurban_land,0,255,255\nagriculture_land,255,255,0\nrangeland,255,0,255\n"
    "forest_land,0,255,0\nwater,0,0,255\nbarren_land,255,255,255\nunknown,0,0,0\n"
)


def test_deepglobe_has_colors_and_a_class_table(tmp_path):
    for i in (119, 855):
        photo(tmp_path / f"train/{i}_sat.jpg")
        colored(tmp_path / f"train/{i}_mask.png", [(0, 255, 255), (0, 0, 255)])
    photo(tmp_path / "valid/1_sat.jpg")
    (tmp_path / "class_dict.csv").write_text(DEEPGLOBE)
    table = tmp_path / "class_dict.csv"
    data = from_folders(tmp_path / "train", tmp_path / "train", table, splits=(0.5, 0.5))
    assert data.class_names[:2] == ("urban_land", "agriculture_land")
    assert data.palette[0] == (0, 255, 255)
    assert ids(data) == [0, 4]
    rows = (
        "image_id,split,sat_image_path,mask_path\n119,train,train/119_sat.jpg,train/119_mask.png\n"
    )
    (tmp_path / "metadata.csv").write_text(rows + "1,valid,valid/1_sat.jpg,\n")
    data = from_csv(tmp_path / "metadata.csv", table)
    assert counts(data) == {"train": 1, "val": 1}
    assert ids(data, "val") == [255]


def test_suim_has_bmp_masks_and_further_ones_by_class(tmp_path):
    colors = [(0, 0, 0), (0, 0, 255), (255, 255, 255)]
    for part, name in (("train_val", "d_r_1_"), ("TEST", "d_r_122_")):
        photo(tmp_path / f"{part}/images/{name}.jpg")
        colored(tmp_path / f"{part}/masks/{name}.bmp", colors)
    gray(tmp_path / "TEST/masks/RO/d_r_122_.bmp", [0, 255])
    names = {(0, 0, 0): "water", (0, 0, 255): "diver", (255, 255, 255): "sea floor"}
    data = from_folders(
        {"train": tmp_path / "train_val/images", "test": tmp_path / "TEST/images"},
        {"train": tmp_path / "train_val/masks", "test": tmp_path / "TEST/masks/*.bmp"},
        names,
    )
    assert counts(data) == {"train": 1, "test": 1}
    assert ids(data, "test") == [0, 1, 2]


def test_loveda_counts_from_one_and_zero_is_no_data(tmp_path):
    for split in ("Train", "Val"):
        for scene, number in (("Rural", 0), ("Urban", 1366)):
            photo(tmp_path / f"{split}/{scene}/images_png/{number}.png")
            gray(tmp_path / f"{split}/{scene}/masks_png/{number}.png", [0, 1, 7])
    names = ["background", "building", "road", "water", "barren", "forest", "agriculture"]
    data = from_folders(tmp_path, tmp_path, names, label_offset=1)
    assert counts(data) == {"train": 2, "val": 2}
    assert ids(data) == [255, 0, 6]
    urban = from_folders(
        tmp_path / "Train/*/images_png", tmp_path / "Train/*/masks_png", names, label_offset=1,
        splits=(0.5, 0.5),
    )  # fmt: skip
    assert counts(urban) == {"train": 1, "val": 1}


def test_cwfid_names_pictures_and_masks_in_other_ways(tmp_path):
    for i in (1, 2, 60):
        photo(tmp_path / f"images/{i:03d}_image.png")
        colored(tmp_path / f"annotations/{i:03d}_annotation.png", [(0, 0, 0), (0, 255, 0)])
        gray(tmp_path / f"masks/{i:03d}_mask.png", [0, 255])
    colors = {(0, 0, 0): "soil", (0, 255, 0): "crop", (255, 0, 0): "weed"}
    data = from_folders(tmp_path / "images", tmp_path / "annotations", colors)
    assert ids(data) == [0, 1]


def test_supervisely_keeps_the_suffix_of_the_picture(tmp_path):
    root = tmp_path / "project/ds0"
    for name in ("bridge", "b.ridge"):
        photo(root / f"img/{name}.jpeg")
        gray(root / f"masks_machine/{name}.jpeg.png", [0, 1])
        (root / "ann").mkdir(exist_ok=True)
        (root / f"ann/{name}.jpeg.json").write_text("{}")
    names = ["background", "person"]
    data = from_folders(root / "img", root / "masks_machine", names, (0.5, 0.5))
    assert counts(data) == {"train": 1, "val": 1}
    with pytest.raises(ValueError, match=r"has no pictures. Received: .*ann', which holds \.json"):
        from_folders(root / "img", root / "ann", 2)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("x.png", "x_L.png"),
        ("x.JPG", "x.PNG"),
        ("DSC_0001.TIF", "dsc_0001.png"),
        ("x.jpg", "x_color_mask.gif"),
        ("x.jpg", "x-mask.png"),
        ("x y.jpg", "x y mask.png"),
        ("Übung 7.jpg", "Übung 7_gt.png"),
        ("caf\u00e9.jpg", "cafe\u0301.png"),  # the same name as Windows and as a Mac write it
        ("道路.jpg", "道路_label.png"),
        ("a.b.c.jpg", "a.b.c.png"),
    ],
)
def test_names_of_all_kinds_are_matched(tmp_path, image, mask):
    photo(tmp_path / "images" / image)
    gray(tmp_path / "masks" / mask, [0, 1])
    for junk in ("Thumbs.db", ".DS_Store", "._x.png", "desktop.ini", "__MACOSX/._x.png",
                 ".ipynb_checkpoints/x-checkpoint.png", "notes.txt"):  # fmt: skip
        for folder in ("images", "masks"):
            path = tmp_path / folder / junk
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"junk")
    data = from_folders(tmp_path / "images", tmp_path / "masks", 2, splits=(1.0,))
    assert counts(data) == {"train": 1}
    assert ids(data) == [0, 1]
    ((_, label),) = [*data.train_batches(1)]
    assert label.shape == (1, *SIZE[::-1])


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("train/images/a.jpg", "train/masks/a.png"),  # Roboflow, YOLO and many on Kaggle
        ("images/train/a.jpg", "labels/train/a.png"),  # BDD100K
        ("train-org-img/6279.jpg", "train-label-img/6279_lab.png"),  # FloodNet
        ("train/Images/000000.png", "train/Labels/000000.png"),  # UAVid
        ("train/a.jpg", "trainannot/a.png"),
        ("Train/Tile 1/images/p.jpg", "Train/Tile 1/masks/p.png"),
        ("train/JPEGImages/a.jpg", "train/SegmentationClassPNG/a.png"),  # labelme2voc
        ("train/Original/1.tif", "train/Ground Truth/1.tif"),  # CVC-ClinicDB
        ("train/a_jpg.rf.0a1b.jpg", "train/a_jpg.rf.0a1b_mask.png"),  # Roboflow
        ("train/a.jpg", "train/a.png"),
        ("train/img_1.png", "train/mask_1.png"),
        ("train/a.ppm", "train/a_mask.bmp"),
        ("images/train/IMG_6532.jpg", "masks/train/IMG_6532.png"),
        ("train_img/IMG_6532-1.jpg", "train_lab/IMG_6532-1.png"),  # DeepCrack
        ("train/case_00000/imaging.tif", "train/case_00000/segmentation.tif"),  # KiTS
        ("train/imagesTr/a.png", "train/labelsTr/a.png"),
    ],
)
def test_one_folder_with_everything_is_told_apart(tmp_path, image, mask):
    photo(tmp_path / image)
    gray(tmp_path / mask, [0, 1])
    data = from_folders(tmp_path, tmp_path, 2)
    assert data.paths("train") == [(str(tmp_path / image), str(tmp_path / mask))]


def test_roboflow_writes_a_table_of_classes(tmp_path):
    photo(tmp_path / "train/a.jpg")
    gray(tmp_path / "train/a_mask.png", [0, 1])
    (tmp_path / "train/_classes.csv").write_bytes(b"Pixel Value, Class\r\n0, background\r\n1, leaf")
    data = from_folders(tmp_path, tmp_path, tmp_path / "train/_classes.csv")
    assert data.class_names == ("background", "leaf")


LISTS = {
    "lines of Windows": b"a b.jpg\r\nc.jpg\r\n",
    "a mark before them": "\ufeffa b.jpg\nc.jpg\n".encode(),
    "UTF-16": "a b.jpg\r\nc.jpg\r\n".encode("utf-16"),
    "without suffix": b"a b\nc\n\n",
    "folders of Windows": b"images\\a b.jpg\nimages\\c.jpg\n",
    "masks behind": b"a b.jpg\nc.jpg c_mask.png\n",
    "commas": b"a b.jpg\nc.jpg,c_mask.png\n",
}


@pytest.mark.parametrize("content", LISTS.values(), ids=LISTS)
def test_lists_of_every_editor_are_read(tmp_path, content):
    for name in ("a b", "c", "d"):
        photo(tmp_path / f"images/{name}.jpg")
        gray(tmp_path / f"masks/{name}.png", [0, 1])
    (tmp_path / "train.txt").write_bytes(content)
    splits = {"train": tmp_path / "train.txt", "val": ["d"]}
    data = from_folders(tmp_path / "images", tmp_path / "masks", 2, splits)
    assert [path.split("/")[-1] for path, _ in data.paths("train")] == ["a b.jpg", "c.jpg"]


TABLES = {
    "semicolons": "image;mask\n007.jpg;Müll 007.png\n".encode("cp1252"),
    "tabs": "image\tmask\n007.jpg\tMüll 007.png\n".encode(),
    "a mark and lines of Windows": "\ufeffimage,mask\r\n007.jpg,Müll 007.png\r\n".encode(),
    "folders of Windows": "image,mask\n.\\007.jpg,.\\Müll 007.png\n".encode(),
}


@pytest.mark.parametrize("content", TABLES.values(), ids=TABLES)
def test_tables_of_every_program_are_read(tmp_path, content):
    photo(tmp_path / "007.jpg")
    gray(tmp_path / "Müll 007.png", [0, 1])
    (tmp_path / "rows.csv").write_bytes(content)
    data = from_csv(tmp_path / "rows.csv", 2, splits=(1.0,))
    assert ids(data) == [0, 1]


def test_classes_of_every_program_are_read(tmp_path):
    photo(tmp_path / "a.jpg")
    colored(tmp_path / "a_mask.png", [(0, 0, 0), (255, 0, 0)])
    table = tmp_path / "classes.csv"
    semicolons = "Name;R;G;B\nMüll;255;0;0\nBoden;0;0;0\n".encode("cp1252")
    spaces = "\ufeffname, red, green, blue\r\nMüll, 255, 0, 0\r\nBoden, 0, 0, 0\r\n".encode()
    for content in (semicolons, spaces):
        table.write_bytes(content)
        assert from_folders(tmp_path, tmp_path, table, (1.0,)).class_names == ("Müll", "Boden")
    table.write_bytes(b'"')
    with pytest.raises(ValueError, match=r"A table of classes needs a header.*classes\.csv"):
        from_folders(tmp_path, tmp_path, table, (1.0,))


def test_several_kinds_of_masks_are_chosen_by_a_pattern(tmp_path):
    """Cityscapes' own tree, as a person without its reader would try it."""
    for city in ("aachen", "bochum"):
        name = f"{city}/{city}_000000_000019"
        photo(tmp_path / f"leftImg8bit/train/{name}_leftImg8bit.png")
        for kind in ("color", "instanceIds", "labelIds"):
            gray(tmp_path / f"gtFine/train/{name}_gtFine_{kind}.png", [7, 8])
    images, labels = tmp_path / "leftImg8bit", tmp_path / "gtFine"
    with pytest.raises(ValueError, match=r"Two files stand for .*choose by a pattern"):
        from_folders(images, labels, {7: "road", 8: "pavement"})
    pattern = str(labels / "*/*/*_labelIds.png")
    data = from_folders(images, pattern, {7: "road", 8: "pavement"}, ignore=(0, 255))
    assert counts(data) == {"train": 2}
    assert ids(data) == [0, 1]


def test_folders_by_split_need_the_same_form(tmp_path):
    photo(tmp_path / "a/1.jpg")
    gray(tmp_path / "b/1.png", [0, 1])
    for images, labels in (
        ({"train": "a"}, "b"),
        ("a", {"train": "b"}),
        ({"train": "a"}, {"x": 1}),
    ):
        with pytest.raises(ValueError, match=r"both be folders, or both be \{split: folder\}"):
            from_folders(images, labels, 2)
    folders = {"train": tmp_path / "a"}, {"train": tmp_path / "b"}
    with pytest.raises(ValueError, match=r"divided already. Received: splits=\(1\.0,\)"):
        from_folders(*folders, 2, splits=(1.0,))
    assert counts(from_folders(*folders, 2)) == {"train": 1}


def test_pictures_of_several_kinds_become_one(tmp_path):
    """GIF, PNG and CMYK under the name jpg, as in archives of the web; a palette that is clear."""
    names = ["gif", "png", "cmyk", "clear", "gray"]
    noise = Image.fromarray(RANDOM.integers(0, 255, (*SIZE[::-1], 3), np.uint8))
    kinds = dict(zip(names, ("GIF", "PNG", "JPEG", "PNG", "JPEG"), strict=True))
    for name, kind in kinds.items():
        path = tmp_path / f"images/{name}.jpg"
        modes = {"cmyk": "CMYK", "clear": "P", "gray": "L"}
        options = {"transparency": bytes(range(0, 256, 16))} if name == "clear" else {}
        save(noise.convert(modes.get(name, "RGB")), path, format=kind, **options)
        gray(tmp_path / f"masks/{name}.png", [0, 1])
    data = from_folders(tmp_path / "images", tmp_path / "masks", 2, splits=(1.0,))
    assert data.num_channels == 3
    assert data.check().faults.empty
    image, _ = next(iter(data.train_batches(5)))
    assert image.shape == (5, *SIZE[::-1], 3)


def test_a_table_made_in_pandas_reads_what_no_rule_finds(tmp_path):
    for i in range(4):
        photo(tmp_path / f"scan{i}/visible.jpg")
        gray(tmp_path / f"scan{i}/truth.png", [0, 1])
    folders = sorted(tmp_path.iterdir())
    rows = pd.DataFrame({"image": [f / "visible.jpg" for f in folders],
                         "mask": [f / "truth.png" for f in folders]})  # fmt: skip
    assert sum(counts(from_csv(rows, 2, splits=(0.5, 0.5))).values()) == 4
    assert json.dumps(counts(from_csv(rows, 2, splits=(1.0,)))) == '{"train": 4}'


def test_masks_may_lie_in_a_folder_of_the_pictures(tmp_path):
    photo(tmp_path / "a.jpg")
    gray(tmp_path / "labels/a.png", [0, 1])
    data = from_folders(tmp_path, tmp_path / "labels", 2, splits=(1.0,))
    assert data.paths("train") == [(str(tmp_path / "a.jpg"), str(tmp_path / "labels/a.png"))]


@pytest.mark.parametrize("palette", [[0, 0, 0, 255, 255, 255], [255, 255, 255, 0, 0, 0]])
def test_gif_masks_of_black_and_white_are_read_by_color(tmp_path, palette):
    """Programs number the two colors as they come: white may be 0."""
    photo(tmp_path / "a.jpg")
    mask = Image.new("P", SIZE)
    mask.putpalette(palette)
    white = palette.index(255) // 3
    mask.paste(white, (0, 0, 3, SIZE[1]))
    mask.paste(1 - white, (3, 0, *SIZE))
    save(mask, tmp_path / "a_mask.gif")
    data = from_folders(tmp_path, tmp_path, ["background", "car"], splits=(1.0,))
    assert data.example("train", 0)[1][0].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("names", [("Train", "Valid"), ("TRAINING", "validation")])
def test_splits_are_known_by_other_names(tmp_path, names):
    for name in ("a", "b"):
        photo(tmp_path / f"{name}/{name}.jpg")
        gray(tmp_path / f"{name}_masks/{name}.png", [0, 1])
    folders = dict(zip(names, ("a", "b"), strict=True))
    data = from_folders({split: tmp_path / folder for split, folder in folders.items()},
                        {split: tmp_path / f"{folder}_masks" for split, folder in folders.items()},
                        2)  # fmt: skip
    assert data.splits == ("train", "val")
    rows = pd.DataFrame({"image": ["a/a.jpg", "b/b.jpg"], "mask": ["a_masks/a.png", None],
                         "split": names})  # fmt: skip
    assert from_csv(rows, 2, root=tmp_path).splits == ("train", "val")
    with pytest.raises(ValueError, match=r"needs a split. Received: nothing in row 1"):
        from_csv(rows.assign(split=["train", None]), 2, root=tmp_path)


def test_masks_of_16_bits_with_three_channels_are_refused(tmp_path):
    """SYNTHIA: classes in red, instances in green. Pillow would keep the upper bytes, all 0."""
    photo(tmp_path / "RGB/0000000.png")
    pixels = np.zeros((*SIZE[::-1], 3), np.uint16)
    pixels[..., 2], pixels[..., 1] = 3, 7  # OpenCV's order is blue, green, red
    (tmp_path / "GT/LABELS").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "GT/LABELS/0000000.png"), pixels)
    data = from_folders(tmp_path / "RGB", tmp_path / "GT/LABELS", 13, splits=(1.0,))
    with pytest.raises(ValueError, match=r"one class id per pixel.*colors in .*000\.png"):
        data.example("train", 0)


def test_a_table_of_ids_and_colors_reads_what_the_masks_hold(tmp_path):
    """RUGD's masks are colored; its list of colors numbers them too."""
    photo(tmp_path / "images/a.png")
    table = tmp_path / "colormap.txt"
    table.write_text("0 void 0 0 0\n1 dirt 108 64 20\n3 grass 0 102 0\n")
    for draw, values in ((colored, [(108, 64, 20), (0, 102, 0)]), (gray, [1, 3])):
        draw(tmp_path / "masks/a.png", values)
        data = from_folders(tmp_path / "images", tmp_path / "masks", table, (1.0,))
        assert ids(data) == [1, 2]
        assert data.palette[1] == (108, 64, 20)
    table.write_text("name,r,g,b\nvoid,0,0,0\ndirt,108,64,20\n")
    with pytest.raises(ValueError, match=r"masks hold ids, not colors: give the names"):
        from_folders(tmp_path / "images", tmp_path / "masks", table, (1.0,)).example("train", 0)


@pytest.mark.parametrize("classes", [["land", "water"], {-1: None, 0: "land", 1: "water"}])
def test_ids_below_zero_are_ignored_where_they_are_named(tmp_path, classes):
    """Sen1Floods11 has -1 where nothing is known."""
    photo(tmp_path / "a_S2Hand.png")
    mask = np.tile(np.array([-1, 0, 1, 1, 0, 0, 0, 0], np.int32), (SIZE[1], 1))
    save(Image.fromarray(mask), tmp_path / "a_LabelHand.tif")
    data = from_folders(tmp_path / "*_S2Hand.png", tmp_path / "*_LabelHand.tif", classes, (1.0,),
                        ignore=(-1, 255))  # fmt: skip
    assert ids(data) == [255, 0, 1]


@pytest.mark.parametrize("classes", [["rock", "salt"], None])
def test_tgs_salt_has_white_of_16_bits(tmp_path, classes):
    photo(tmp_path / "images/000e218f21.png")
    (tmp_path / "masks").mkdir()
    white = np.tile(np.array([0, 65535], np.uint16), (SIZE[1], SIZE[0] // 2))
    cv2.imwrite(str(tmp_path / "masks/000e218f21.png"), white)
    data = from_folders(tmp_path / "images", tmp_path / "masks", classes, (1.0,))
    assert ids(data) == [0, 1]
    assert "The masks hold 0 and 65535" in data.notes[0]


def test_crackforest_has_several_matrices_in_a_file(tmp_path):
    photo(tmp_path / "image/001.jpg")
    mask = np.tile(np.array([1, 2], np.uint16), (SIZE[1], SIZE[0] // 2))
    fields = {"Segmentation": matrix("", mask), "Boundaries": matrix("", mask)}
    write(tmp_path / "groundTruth/001.mat", record("groundTruth", fields))
    data = from_folders(tmp_path / "image", tmp_path / "groundTruth", ["road", "crack"], (1.0,),
                        label_offset=1)  # fmt: skip
    assert ids(data) == [0, 1]


def test_glas_numbers_its_glands(tmp_path):
    for i in (1, 2):
        photo(tmp_path / f"train_{i}.bmp")
        gray(tmp_path / f"train_{i}_anno.bmp", [0, 1, 2, 255])
    data = from_folders(tmp_path, tmp_path, ["tissue", "gland"], (0.5, 0.5))
    report = data.check()
    assert len(report.faults) == 2
    assert "has no pictures of" not in str(report)  # nothing was read, so nothing is known
    glands = {0: "tissue"} | dict.fromkeys(range(1, 256), "gland")
    assert ids(from_folders(tmp_path, tmp_path, glands, (0.5, 0.5))) == [0, 1]
