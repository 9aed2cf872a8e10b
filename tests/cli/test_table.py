"""The tables of README.md, and what they are made of."""

import json

import pandas as pd
import pytest
from _authors import CASES
from _reference import CASES as SECOND
from _weights import PORTS, port_cases

from keras_seg import models
from keras_seg.cli import table

# Multiply-accumulates in 10^9 as torchvision and the papers state them, at the same sizes; the
# same layers with the same strides. Theirs have three to five digits.
PUBLISHED = {
    "alexnet_one_tower": 0.714, "vgg16": 15.47, "vgg19": 19.63, "resnet18": 1.814,
    "resnet34": 3.664, "densenet121": 2.834, "densenet161": 7.728, "densenet169": 3.360,
    "densenet201": 4.291, "squeezenet1_0": 0.819, "squeezenet1_1": 0.349, "mobilenet_v1": 0.569,
    "mobilenet_v2": 0.301, "mobilenet_v3_large": 0.217, "efficientnet_b0": 0.386,
    "convnext_tiny": 4.456,
}  # fmt: skip


def test_every_segmentation_network_of_pictures_has_its_multiply_adds():
    pictures = [n for n in models.names("segmentation") if models.facts(n).dimensions[0] == 2]
    known = table.costs("segmentation")
    assert sorted(known.index) == pictures
    assert known["macs"].min() > 0


@pytest.mark.parametrize(
    ("name", "published"),
    [
        # ERFNet at 512x1024.
        ("erfnet", 26.60),
        # ContextNet cn14 and Fast-SCNN at 1024x2048, four times the pixels: 5.630 and 6.708.
        ("contextnet_cn14", 5.630 / 4),
        ("fast_scnn", 6.708 / 4),
        # Width 18 at 1024x2048: 147.4.
        ("hrnet_v2_w18", 147.4 / 4),
    ],
)
def test_multiply_adds_of_segmentation_networks_are_the_known_ones(name, published):
    # Counted by hand from the layer tables, in units of 1e9.
    found = table.costs("segmentation").loc[name, "macs"] / 1e9
    assert found == pytest.approx(published, rel=3e-3)


def test_the_scores_of_shipped_networks_stand_in_their_rows():
    lines = table.markdown_table("segmentation").splitlines()
    (line,) = [x for x in lines if "`contextnet_cn14`" in x]
    # 65.2 is the mean of the classes in its card.
    assert "| 65.2 CamVid val |" in line


def test_every_classifier_has_its_costs():
    assert sorted(table.costs().index) == models.names("classification")
    assert all(models.facts(name).image_size for name in models.names("classification"))


@pytest.mark.parametrize(("name", "published"), PUBLISHED.items())
def test_multiply_accumulates_are_the_published_ones(name, published):
    assert table.costs().loc[name, "macs"] / 1e9 == pytest.approx(published, rel=3e-3)


def test_every_comparison_has_its_row_and_is_close():
    compared = pd.read_csv(table.COMPARED).set_index(["network", "package", "theirs"])
    wanted = {
        (name, "keras.applications", models.facts(name).imagenet)
        for name in models.names("classification")
        if models.facts(name).imagenet
    }
    for case in port_cases():
        stored = json.loads((PORTS / f"{case}.json").read_text())
        wanted.add((stored["ours"], stored["package"], stored["theirs"]))
    wanted |= {(case.name, case.package, case.source) for case in CASES.values()}
    for family, case in SECOND:
        name = case if case in models.names() else f"{family}_{case}"
        if name in models.names():
            wanted.add((name, "second implementation", f"tests/reference/{family}.py"))
    assert set(compared.index) == wanted
    assert (compared["difference"] <= 1e-4).all()


def test_the_page_on_weights_shows_these_rows():
    page = (PORTS.parents[2] / "docs" / "weights.md").read_text()
    rows = page.partition("|---|---|---|---|\n")[2].partition("<!-- end of weights -->")[0]
    stored = pd.read_csv(table.COMPARED, dtype=str).itertuples(index=False)
    assert rows.splitlines() == [f"| `{a}` | {b} | `{c}` | {d} |" for a, b, c, d in stored]


def test_cells_of_a_classifier():
    (line,) = [x for x in table.markdown_table("classification").splitlines() if "`vgg16`" in x]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    # 64 x 3 x 9 x 224^2 and so on: 15.47e9, which is 15.5 in three digits.
    assert cells[1:4] == ["138,357,544 total, 1000 classes", "138 M", "15.5 G at 224x224"]
    assert cells[5].startswith("keras.applications, timm, torchvision: ")


def test_a_segmentation_network_names_what_it_was_compared_with():
    (line,) = [x for x in table.markdown_table("segmentation").splitlines() if "`segnet`" in x]
    assert "| alexgkendall/SegNet-Tutorial, pytorchcv, second implementation: " in line
