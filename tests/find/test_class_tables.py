"""Tables of classes, however people write them."""

import json

import pandas as pd
import pytest

from pipelines.find.class_tables import as_classes, color_classes, id_classes


def test_names_start_at_the_offset_and_ids_below_are_ignored():
    classes = as_classes(["cat", "dog"], label_offset=1)
    assert classes.file_ids == (1, 2)
    assert classes.ignored_ids == (0, 255)


def test_a_mapping_of_ids_is_moved_by_the_offset():
    assert as_classes({0: "cat", 4: "dog"}, label_offset=1).file_ids == (1, 5)


def test_colors_of_one_name_are_one_class_with_its_first_color():
    classes = as_classes({(1, 0, 0): "car", (2, 0, 0): "bus", (3, 0, 0): "car", (9, 9, 9): None})
    assert classes.names == ("car", "bus")
    assert classes.palette == ((1, 0, 0), (2, 0, 0))
    assert dict(classes.colors) == {(1, 0, 0): 0, (2, 0, 0): 1, (3, 0, 0): 0, (9, 9, 9): 255}


def test_colors_may_be_colours():
    table = pd.DataFrame({"name": ["sky", "road"], "Colour": ["#804080", "1, 2, 3"]})
    assert as_classes(table).palette == ((128, 64, 128), (1, 2, 3))


def test_a_csv_file_of_names_and_colors_is_read(tmp_path):
    # As it stands in public copies of CamVid, DeepGlobe and others.
    (tmp_path / "class_dict.csv").write_text("name, r, g, b\nurban_land,0,255,255\nwater,0,0,255\n")
    classes = as_classes(tmp_path / "class_dict.csv")
    assert classes.names == ("urban_land", "water")
    assert classes.palette == ((0, 255, 255), (0, 0, 255))
    assert classes.colors == (((0, 255, 255), 0), ((0, 0, 255), 1))


def test_a_pandas_table_with_ids_reads_ids_and_keeps_colors():
    table = pd.DataFrame({"ID": [3, 5], "Name": ["a", "b"], "R": [1, 2], "G": [1, 2], "B": [1, 2]})
    classes = as_classes(table)
    assert (classes.file_ids, classes.palette, classes.colors) == ((3, 5), ((1,) * 3, (2,) * 3), ())
    assert as_classes(table[["ID", "Name"]]).names == ("a", "b")


@pytest.mark.parametrize(
    ("classes", "error", "words"),
    [
        (pd.DataFrame({"x": [1]}), ValueError, r"column `name`.*Received: columns \['x'\]"),
        ("no.csv", ValueError, r"must be a CSV file. Received: 'no\.csv'.*names as a list"),
        (1.5, TypeError, r"`classes` must be a number.*Received: classes=1\.5"),
    ],
    ids=["table", "file", "number"],
)
def test_tables_that_do_not_work_are_refused(classes, error, words):
    with pytest.raises(error, match=words):
        as_classes(classes)


def test_found_classes_are_named_after_what_was_found():
    assert color_classes([(255, 0, 16)]).names == ("#ff0010",)
    classes = id_classes([2, 7], {2: (1, 2, 3)})
    assert (classes.names, classes.file_ids, classes.palette[0]) == (
        ("class 2", "class 7"), (2, 7), (1, 2, 3)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("id,name\nx,road\n", r"whole numbers in 0\.\..*Received: 'x' in column 'id'.*t\.csv"),
        ("id,name\n1.5,road\n", r"Received: .*1\.5.* in column 'id'"),
        ("id,name\n-1,road\n", r"Received: .*-1.* in column 'id'"),
        ("name,r,g,b\nroad,0,300,0\n", r"in 0..255. Received: .*300.* in column 'g'"),
        ({(0, 300, 0): "road"}, r"are \(red, green, blue\) of 0..255. Received: \(0, 300, 0\)"),
        ({-1: "road"}, r"must be in 0..16777215. Received: \[-1\]. Correct them"),
        ({"road": 1}, r"are \{id: name\}.*Received: classes=\{.road.: 1\}. Exchange keys"),
    ],
)
def test_ids_and_colors_that_cannot_be_are_refused(tmp_path, table, message):
    if isinstance(table, str):
        (tmp_path / "t.csv").write_text(table)
        table = tmp_path / "t.csv"
    with pytest.raises(ValueError, match=message):
        as_classes(table)


@pytest.mark.parametrize(
    ("text", "names", "colors"),
    [
        ("Animal\r\nTraffic light\r\n", ("Animal", "Traffic light"), ()),  # fast.ai's codes.txt
        (
            "64 128 64\tAnimal\n0 64 64\t\tTraffic Light\n",  # CamVid's label_colors.txt
            ("Animal", "Traffic Light"), (((64, 128, 64), 0), ((0, 64, 64), 1)),
        ),
        (
            "# label:color_rgb:parts:actions\nroad:128,64,128::\nsky:70,130,180::\n",  # CVAT's
            ("road", "sky"), (((128, 64, 128), 0), ((70, 130, 180), 1)),
        ),
    ],
)  # fmt: skip
def test_text_files_of_public_data_sets_are_tables(tmp_path, text, names, colors):
    (tmp_path / "classes.txt").write_text(text)
    classes = as_classes(tmp_path / "classes.txt")
    assert (classes.names, classes.colors) == (names, colors)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("classes.txt", "", r"Received: (.|\n)*classes\.txt"),
        ("classes.txt", "road\nroad\n", r"Received: (.|\n)*classes\.txt"),
        ("classes.txt", "road\nroad\n", r"Read from '.*classes\.txt'"),
        ("classes.txt", "1 2 300 road\n", r"Received: (.|\n)*classes\.txt"),
        ("classes.txt", "a;b\nc;d\n", r"Received: (.|\n)*classes\.txt"),
        ("a.json", '{"images": []}', r"needs a list of rows .*images.*a\.json"),
        ("a.json", '{"images": [', r"cannot be parsed.*a\.json"),
    ],
)
def test_files_that_are_no_tables_are_refused(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=words):
        as_classes(tmp_path / name)


NUMBERED = {
    "COCO-Stuff": "0: unlabeled\n1: person\n2: traffic light\n",
    "FoodSeg103": "0\tunlabeled\r\n1\tperson\r\n2\ttraffic light\r\n",
    "RUGD": "0 unlabeled 0 0 0\n1 person 108 64 20\n2 traffic light 255 229 204\n",
    "ADE20K": "Idx\tRatio\tName\n0\t0.15\tunlabeled\n1\t0.12\tperson\n2\t0.1\ttraffic light\n",
}


@pytest.mark.parametrize(
    "text",
    [
        "Category r g b\nTerrain 210 0 200\nTraffic sign 90 200 255\n",  # Virtual KITTI
        "Terrain: (210, 0, 200)\nTraffic sign: (90, 200, 255)\n",
        "name,r,g,b\nTerrain,210,0,200\nTraffic sign,90,200,255\n",
    ],
)
def test_text_files_may_write_colors_behind_names(tmp_path, text):
    (tmp_path / "colors.txt").write_text(text)
    classes = as_classes(tmp_path / "colors.txt")
    assert classes.names == ("Terrain", "Traffic sign")
    assert classes.colors == (((210, 0, 200), 0), ((90, 200, 255), 1))


@pytest.mark.parametrize("text", NUMBERED.values(), ids=NUMBERED)
def test_text_files_may_number_their_names(tmp_path, text):
    (tmp_path / "labels.txt").write_text(text)
    classes = as_classes(tmp_path / "labels.txt")
    assert classes.names == ("unlabeled", "person", "traffic light")
    assert classes.file_ids == (0, 1, 2)
    if "108" in text:
        assert classes.palette[1] == (108, 64, 20)
        assert as_classes(tmp_path / "labels.txt", by_color=True).colors[1] == ((108, 64, 20), 1)


JSON = {
    "Dubai": {
        "classes": [{"title": "road", "color": "#804080"}, {"title": "sky", "color": "#000000"}]
    },
    "Mapillary": {
        "labels": [{"name": "road", "color": [128, 64, 128]}, {"name": "sky", "color": [0, 0, 0]}]
    },
    "COCO": [
        {"id": 7, "name": "road", "color": [128, 64, 128]},
        {"id": 8, "name": "sky", "color": [0, 0, 0]},
    ],
    "Decathlon": {"modality": {"0": "MRI"}, "labels": {"0": "road", "1": "sky"}},
    "nnU-Net": {"labels": {"road": 0, "sky": 1}},
}


@pytest.mark.parametrize("content", JSON.values(), ids=JSON)
def test_json_files_of_public_data_sets_are_tables(tmp_path, content):
    (tmp_path / "classes.json").write_text(json.dumps(content))
    classes = as_classes(tmp_path / "classes.json")
    assert classes.names == ("road", "sky")
    if "color" in str(content):
        assert classes.palette == ((128, 64, 128), (0, 0, 0))


def test_colors_are_written_in_many_ways():
    assert as_classes({"#804080": "road"}).colors == (((128, 64, 128), 0),)
    table = pd.DataFrame({"name": ["road", "sky"], "rgb": ["128, 64, 128", "[0 0 255]"]})
    assert as_classes(table).palette == ((128, 64, 128), (0, 0, 255))
    words = table.assign(rgb=["violet", "blue"])
    with pytest.raises(ValueError, match=r"as '#804080' or as three numbers.*'violet'"):
        as_classes(words)
    assert as_classes(words.assign(id=[3, 4])).file_ids == (3, 4)
    with pytest.raises(ValueError, match=r"Each color needs one class.* 'road' and 'sky'"):
        as_classes(table.assign(rgb="#804080"))
