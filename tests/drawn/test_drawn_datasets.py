"""Drawn fields, brains, land, streets: reproducible, exactly labeled, not solved by color."""

import hashlib
import re

import numpy as np
import pytest

import pipelines
from pipelines.datasets.aerial_tiles import aerial_tiles
from pipelines.datasets.brain_slices import brain_slices
from pipelines.datasets.crop_rows import crop_rows
from pipelines.datasets.street_scenes import street_scenes

# Name: function, channels, classes.
KINDS = {
    "crop_rows": (crop_rows, 3, ("soil", "crop", "weed")),
    "brain_slices": (
        brain_slices,
        4,
        ("background", "skull", "fluid", "gray matter", "white matter", "edema", "tumor core",
         "enhancing"),
    ),
    "aerial_tiles": (
        aerial_tiles, 3, ("road", "building", "tree", "grass", "field", "water", "car"),
    ),
    "street_scenes": (
        street_scenes,
        3,
        ("road", "pavement", "marking", "building", "sky", "tree", "pole", "sign", "car",
         "person"),
    ),
}  # fmt: skip
every_kind = pytest.mark.parametrize("name", KINDS)
pytestmark = pytest.mark.long


def arrays(data, split):
    """All pictures and labels of a split."""
    pairs = [data.example(split, index) for index in range(data.num_examples(split))]
    return np.stack([image for image, _ in pairs]), np.stack([label for _, label in pairs])


@pytest.fixture(scope="module")
def drawn():
    return {name: make(num_images=40, size=(96, 128)) for name, (make, _, _) in KINDS.items()}


@every_kind
def test_the_same_seed_gives_the_same_bytes(name):
    first, second, other = (KINDS[name][0](3, (64, 64), seed) for seed in (5, 5, 6))
    for split in first.splits:
        for one, two, three in zip(
            *(arrays(d, split) for d in (first, second, other)), strict=True
        ):
            assert np.array_equal(one, two)
            assert not np.array_equal(one, three)


@every_kind
def test_more_pictures_continue_what_fewer_began(name):
    few, many = (KINDS[name][0](count, (64, 64), 2) for count in (4, 14))
    for split in few.splits:
        for one, two in zip(arrays(few, split), arrays(many, split), strict=True):
            assert np.array_equal(one, two[: len(one)])


@every_kind
def test_no_picture_is_in_two_splits(name, drawn):
    data = drawn[name]
    digests = [
        hashlib.sha256(image.tobytes()).hexdigest()
        for split in data.splits
        for image in arrays(data, split)[0]
    ]
    assert len(set(digests)) == len(digests) == 40


# 15 % of 40 is 6; of 3 it is less than one, and each split gets one.
@every_kind
def test_splits_hold_seventy_and_twice_fifteen_percent(name, drawn):
    data = drawn[name]
    assert [data.num_examples(split) for split in ("train", "val", "test")] == [28, 6, 6]
    data = pipelines.load(name, num_images=3, size=(32, 32))
    assert [data.num_examples(split) for split in ("train", "val", "test")] == [1, 1, 1]


@every_kind
def test_classes_have_names_and_colors(name, drawn):
    _, channels, names = KINDS[name]
    assert tuple(drawn[name].class_names) == names
    assert len(set(drawn[name].palette)) == len(names)
    assert drawn[name].num_channels == channels
    assert drawn[name].name == name


@every_kind
def test_every_class_is_in_every_split(name, drawn):
    for split in drawn[name].splits:
        labels = arrays(drawn[name], split)[1]
        assert np.array_equal(np.unique(labels), np.arange(len(KINDS[name][2])))


@every_kind
@pytest.mark.parametrize("size", [(32, 32), (32, 200), (200, 32), (37, 51), (65, 97)])
def test_any_size_can_be_drawn(name, size):
    make, channels, names = KINDS[name]
    image, label = make(3, size).example("train", 0)
    assert image.shape == (*size, channels)
    assert label.shape == size
    assert image.dtype == label.dtype == np.uint8
    assert label.max() < len(names)


@every_kind
def test_edges_of_label_and_picture_coincide(name, drawn):
    # Where the label changes from one pixel to the next, the picture changes too: clearly more
    # there than two pixels beside it. A label that is off by a pixel or two would turn this round.
    images, labels = arrays(drawn[name], "train")
    step = np.abs(np.diff(images.astype(int), axis=2)).sum(-1)
    edge = np.diff(labels.astype(int), axis=2) != 0
    there = step[edge].mean()
    for shift in (-2, 2):
        beside = step[np.roll(edge, shift, axis=2) & ~edge].mean()
        assert there > (1.5 if name == "street_scenes" else 1.2) * beside


@every_kind
def test_color_alone_does_not_tell_the_classes(name, drawn):
    # The best table from color to class, 8 levels a channel, learned on train and used on val.
    data, count = drawn[name], len(KINDS[name][2])
    votes = np.zeros((8 ** KINDS[name][1], count))
    bins = {}
    for split in ("train", "val"):
        images, labels = arrays(data, split)
        place = np.zeros(labels.shape, int)
        for channel in range(images.shape[-1]):
            place = place * 8 + (images[..., channel] >> 5)
        bins[split] = place.ravel(), labels.ravel().astype(int)
    np.add.at(votes, bins["train"], 1)
    place, truth = bins["val"]
    predicted = votes.argmax(1)[place]
    confusion = np.bincount(truth * count + predicted, minlength=count**2).reshape(count, count)
    hits = np.diag(confusion)
    iou = hits / np.maximum(confusion.sum(0) + confusion.sum(1) - hits, 1)
    assert iou.min() < 0.25, "at least one class has no color of its own"
    assert iou.mean() < 0.6


@pytest.mark.parametrize("name", [*KINDS, "scan_volumes"])
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"count": 2}, ValueError, r"at least 3 \w+, one for .*Received: num_\w+=2\. Ask"),
        ({"size": 31}, ValueError, r"at least 32 on all sides\. Received: size=\(31, .*Draw at 32"),
        ({"seed": -1}, ValueError, r"seed from 0 up\. Received: seed=-1\. Give 0"),
        ({"count": 2.5}, TypeError, r"whole number as `num_\w+`\. Received: num_\w+=2.5"),
        ({"seed": "a"}, TypeError, r"whole number as `seed`\. Received: seed='a'\. Give an int"),
        ({"seed": True}, TypeError, r"whole number as `seed`\. Received: seed=True"),
        ({"size": 64.0}, TypeError, r"height, width\) as . whole numbers.*Received: size=\(64.0, "),
    ],
)
def test_bad_arguments_are_named(name, arguments, error, words):
    counted, sides = ("num_volumes", 3) if name == "scan_volumes" else ("num_images", 2)
    arguments = dict(arguments)
    if "count" in arguments:
        arguments[counted] = arguments.pop("count")
    if "size" in arguments:
        arguments["size"] = (arguments["size"], *(64,) * (sides - 1))
    with pytest.raises(error, match=f"`{name}` .*{words}"):
        pipelines.load(name, **arguments)


@pytest.mark.parametrize(("name", "size"), [("crop_rows", 64), ("scan_volumes", (48, 64))])
def test_sizes_of_other_dimensions_are_refused(name, size):
    with pytest.raises(
        TypeError, match=rf"height, width\) as .*Received: size={re.escape(str(size))}"
    ):
        pipelines.load(name, size=size)


def test_a_notebook_shows_the_pictures(drawn):
    # Jupyter asks a value for its picture by this name.
    assert drawn["crop_rows"].show(num_images=2)._repr_png_()[:4] == b"\x89PNG"
