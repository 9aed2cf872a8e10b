"""Every op, found by scan, treats a volume as it treats a picture, or says that it cannot."""

import inspect

import numpy as np
import pytest
import tensorflow as tf
from _ops import names

from pipelines import ops

DEPTH, HEIGHT, WIDTH, STEP = 18, 24, 30, 8
EVERY = [getattr(ops, name) for name in ops.__all__]
FOR_PICTURES = [
    ops.elastic, ops.grayscale, ops.jpeg_artifacts, ops.mosaic, ops.multi_scale,
    ops.random_perspective,
]  # fmt: skip
BATCHED = [ops.cutmix, ops.classmix]
FACTORIES = [f for f in EVERY if f not in FOR_PICTURES and f not in BATCHED]
SIZED = [f for f in FACTORIES if "depth" in inspect.signature(f).parameters]
STILL = [f for f in FACTORIES if f.__module__.split(".")[-1] in ("color", "quality")]
STILL.append(ops.cutout)
MOVING = [f for f in FACTORIES if f not in STILL]
SEEDS = [(0, 1), (7, 8), (123, 45)]


def make(factory):
    if factory is ops.random_flip:
        return factory(0.5, axes=("depth", "height", "width"))
    return factory(32, 36, depth=28) if factory in SIZED else factory()


def coordinates():
    """A volume that holds 8 x slice, row and column of each pixel, and the three as masks."""
    places = np.mgrid[:DEPTH, :HEIGHT, :WIDTH].astype(np.uint8)
    return np.stack([*(places * STEP), np.full_like(places[0], 200)], axis=-1), places


def example(seed=(0, 1), image=None, label=None):
    volume, places = coordinates()
    return {
        "image": tf.constant(volume if image is None else image),
        "label": tf.constant(places[0] if label is None else label),
        "seed": tf.constant(seed, tf.int32),
    }


@pytest.mark.parametrize("factory", FACTORIES, ids=names)
def test_op_gives_the_same_in_a_graph_as_eagerly(factory):
    op = make(factory)
    eager = op(example())
    (mapped,) = list(tf.data.Dataset.from_tensors(example()).map(op))
    np.testing.assert_array_equal(mapped["image"], eager["image"])
    np.testing.assert_array_equal(mapped["label"], eager["label"])


@pytest.mark.parametrize("factory", FACTORIES, ids=names)
def test_op_keeps_types_channels_and_ids(factory):
    label = np.where(coordinates()[1][1] < 12, 3, 17).astype(np.uint8)  # 4..16 would be blends
    for seed in SEEDS:
        result = make(factory)(example(seed, label=label))
        assert result["image"].dtype == result["label"].dtype == tf.uint8
        assert result["image"].shape == (*result["label"].shape, 4)
        assert set(np.unique(result["label"]).tolist()) <= {3, 17, 255}


@pytest.mark.parametrize("factory", MOVING, ids=names)
def test_mask_lies_on_the_same_pixels_as_the_volume(factory):
    volume, places = coordinates()
    for seed in SEEDS:
        for axis in range(3):
            result = make(factory)(example(seed, volume, places[axis]))
            labels, pixels = result["label"].numpy(), result["image"].numpy()
            inside = labels != 255
            # The nearest pixel is at most half a pixel away; rounding to uint8 adds 0.5 / STEP.
            distance = np.abs(pixels[inside][:, axis] / STEP - labels[inside])
            assert distance.max() <= 0.5 + 0.5 / STEP
            assert (pixels[..., 3] == np.where(inside, 200, 128)).all()


@pytest.mark.parametrize("factory", STILL, ids=names)
def test_op_that_moves_nothing_leaves_the_mask_alone(factory):
    for seed in SEEDS:
        np.testing.assert_array_equal(make(factory)(example(seed))["label"], coordinates()[1][0])


@pytest.mark.parametrize("factory", FACTORIES, ids=names)
def test_same_seed_gives_the_same_and_another_seed_something_else(factory):
    op = make(factory)
    first, again = op(example((1, 2))), op(example((1, 2)))
    np.testing.assert_array_equal(first["image"], again["image"])
    if factory not in (ops.resize, ops.pad, ops.center_crop, ops.repeat_augment):
        assert len({op(example((1, i)))["image"].numpy().tobytes() for i in range(24)}) > 1


@pytest.mark.parametrize("factory", BATCHED, ids=names)
def test_batches_of_volumes_are_mixed_with_their_masks(factory):
    label = np.repeat(np.arange(3, dtype=np.uint8), 8**3).reshape(3, 8, 8, 8)
    batch = {"image": np.stack([label, label + 9], axis=-1), "label": label, "seed": (0, 1)}
    mixed = factory(1.0)(batch)
    np.testing.assert_array_equal(mixed["image"][..., 0], mixed["label"])
    assert (mixed["label"].numpy() != label).any()
    assert (factory(0.0)(batch)["label"].numpy() == label).all()


def test_cutmix_pastes_one_box():
    label = np.repeat(np.arange(2, dtype=np.uint8), 16**3).reshape(2, 16, 16, 16)
    for seed in range(8):
        batch = {"image": label[..., None], "label": label, "seed": (0, seed)}
        pasted = ops.cutmix(1.0)(batch)["label"].numpy()[0] == 1
        sides = [
            pasted.any(axis=axes).sum() for axes in ((1, 2), (0, 2), (0, 1))
        ]  # of slices, rows and columns
        assert pasted.sum() == np.prod(sides)
        assert max(sides) - min(sides) <= 1  # the same share of each axis, to a pixel


@pytest.mark.parametrize("factory", FOR_PICTURES, ids=names)
def test_op_for_pictures_alone_says_so_by_its_name(factory):
    given = example()
    if hasattr(factory(), "on_batch"):
        given = {**given, **{key: given[key][None] for key in ("image", "label")}}
    with pytest.raises(ValueError, match=rf"`{names(factory)}` is for pictures.*Received: image"):
        factory()(given)


@pytest.mark.parametrize("factory", SIZED, ids=names)
def test_size_is_known_to_the_graph_and_depth_is_asked_for(factory):
    def unknown(example):
        shapes = {"image": (None, None, None, 4), "label": (None,) * 3, "seed": (2,)}
        return {key: tf.ensure_shape(value, shapes[key]) for key, value in example.items()}

    graph = tf.data.Dataset.from_tensors(example()).map(unknown)
    spec = graph.map(factory(32, 36, depth=28)).element_spec
    assert spec["image"].shape == (28, 32, 36, 4)
    assert spec["label"].shape == (28, 32, 36)
    with pytest.raises(
        ValueError, match=rf"`{names(factory)}` needs depth for volumes.*For example, pass"
    ):
        graph.map(factory(32, 36))
    picture = {"image": np.zeros((9, 9, 3), "uint8"), "label": np.zeros((9, 9), "uint8")}
    with pytest.raises(ValueError, match=r"Received: depth=28 for an image.*Leave depth out"):
        factory(32, 36, depth=28)({**picture, "seed": (0, 1)})
    with pytest.raises(ValueError, match=r"and depth for volumes. Received: .*, depth=0"):
        factory(32, 36, depth=0)


def test_crops_cut_each_axis():
    middle = ops.center_crop(10, 12, depth=8)(example())
    # Of 18 slices, 24 rows and 30 columns 10, 14 and 18 are left over, half of them before.
    np.testing.assert_array_equal(middle["image"], coordinates()[0][5:13, 7:17, 9:21])
    starts = {int(ops.random_crop(24, 30, depth=16)(example((0, i)))["label"][0, 0, 0])
              for i in range(40)}  # fmt: skip
    assert starts == {0, 1, 2}
    padded = ops.pad(26, 34, depth=20)(example())["label"].numpy()
    np.testing.assert_array_equal(padded[1:19, 1:25, 2:32], coordinates()[1][0])
    assert (padded != 255).sum() == DEPTH * HEIGHT * WIDTH
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"at most \(17, 24, 30\) pixels"):
        ops.pad(24, 30, depth=17)(example())


def test_class_crop_puts_the_pixel_in_the_middle_as_far_as_the_volume_reaches():
    label = np.zeros((DEPTH, HEIGHT, WIDTH), np.uint8)
    label[9, 12, 20], label[0, 23, 0] = 4, 5
    middle = ops.class_crop(7, 7, classes=[4], depth=7)(example(label=label))["label"].numpy()
    assert middle[3, 3, 3] == 4
    corner = ops.class_crop(7, 7, classes=[5], depth=7)(example(label=label))["label"].numpy()
    assert corner[0, 6, 0] == 5


def test_resize_to_half_takes_the_mean_of_eight_pixels():
    image = ops.resize(HEIGHT // 2, WIDTH // 2, depth=DEPTH // 2)(example())["image"].numpy()
    # Slices 0 and 1 hold 0 and 8: the half-pixel grid meets them at 4; so for rows and columns.
    assert image[0, 0, 0].tolist() == [4, 4, 4, 200]
    assert image[1, 2, 3].tolist() == [20, 36, 52, 200]


@pytest.mark.parametrize(("axes", "step"), [
    ("width", (1, 1, -1)), (("depth", "height"), (-1, -1, 1)), (["height"], (1, -1, 1)),
])  # fmt: skip
def test_flip_mirrors_the_axes_it_is_given(axes, step):
    flipped = ops.random_flip(1.0, axes)(example())
    slices = tuple(slice(None, None, n) for n in step)
    np.testing.assert_array_equal(flipped["image"], coordinates()[0][slices])
    np.testing.assert_array_equal(flipped["label"], coordinates()[1][0][slices])


def test_flip_draws_for_each_axis_by_itself():
    op = ops.random_flip(0.5, ("depth", "width"))
    found = {tuple(op(example((0, i)))["image"][0, 0, 0, 0:3:2].numpy()) for i in range(40)}
    depth, width = (DEPTH - 1) * STEP, (WIDTH - 1) * STEP
    assert found == {(0, 0), (depth, 0), (0, width), (depth, width)}


@pytest.mark.parametrize("axes", [(), ("up",), ("width", "width")])
def test_flip_knows_its_axes(axes):
    with pytest.raises(ValueError, match=r"`random_flip` needs axes out of .*Received: axes="):
        ops.random_flip(axes=axes)


def test_a_picture_has_no_depth_to_flip():
    picture = {"image": np.zeros((9, 9, 3), "uint8"), "label": np.zeros((9, 9), "uint8")}
    with pytest.raises(ValueError, match=r"`random_flip` mirrors pictures.*Leave out depth"):
        ops.random_flip(axes=("depth",))({**picture, "seed": (0, 1)})


def test_vertical_flip_and_turns_stay_within_the_slices():
    np.testing.assert_array_equal(
        ops.random_vertical_flip(1.0)(example())["image"], coordinates()[0][:, ::-1]
    )
    volume, places = coordinates()
    square = {"image": volume[:, :, :24], "label": places[0][:, :, :24]}
    turned = [
        ops.random_turn()(example((0, i), square["image"], square["label"])) for i in range(24)
    ]
    corners = {tuple(result["image"][0, 0, 0, 1:3].numpy().tolist()) for result in turned}
    last = 23 * STEP
    assert corners == {(0, 0), (0, last), (last, 0), (last, last)}
    assert all((result["label"].numpy() == square["label"]).all() for result in turned)


def test_three_channels_of_a_volume_are_no_colors():
    volume = np.full((4, 4, 4, 3), (200, 128, 50), np.uint8)
    label = np.zeros((4, 4, 4), np.uint8)
    jittered = ops.color_jitter(0.5, 1.0, 0.0, 0.0)(example(image=volume, label=label))["image"]
    np.testing.assert_array_equal(jittered, volume)  # no brightness, no contrast, no hue


def test_blur_is_a_gaussian_along_all_three_axes():
    volume = np.zeros((13, 13, 13, 2), np.uint8)
    volume[6, 6, 6] = 255
    blurred = ops.gaussian_blur(1.0, 1.0, 1.0)(example(image=volume, label=volume[..., 0]))
    values = blurred["image"].numpy()[..., 1].astype(int)
    assert abs(values[6, 6, 6] - 255 / (2 * np.pi) ** 1.5) <= 1  # 16.2
    np.testing.assert_array_equal(values, values.transpose(2, 0, 1))
    np.testing.assert_array_equal(values, values[::-1])
