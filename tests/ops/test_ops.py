"""Every op, found by scan, keeps picture and mask together; each does what its name says."""

import numpy as np
import pytest
import tensorflow as tf
from _ops import FACTORIES, HEIGHT, STEP, WIDTH, coordinates, example, names

from pipelines import ops
from pipelines.graph.batches import apply_ops

# These move no pixel: the mask comes out as it went in, and the picture may change anyhow.
STILL = [f for f in FACTORIES if f.__module__.split(".")[-1] in ("color", "quality")]
STILL.append(ops.cutout)
MOVING = [factory for factory in FACTORIES if factory not in STILL]
FIXED = (ops.resize, ops.pad, ops.center_crop, ops.repeat_augment)  # nothing random
SEEDS = [(0, 1), (7, 8), (123, 45)]


@pytest.mark.parametrize("factory", FACTORIES, ids=names)
def test_op_gives_the_same_in_a_graph_as_eagerly(factory):
    op = factory()
    eager = op(example())
    graph = tf.data.Dataset.from_tensors(example()).map(op)
    (mapped,) = list(graph)
    np.testing.assert_array_equal(mapped["image"], eager["image"])
    np.testing.assert_array_equal(mapped["label"], eager["label"])


@pytest.mark.parametrize("factory", FACTORIES, ids=names)
def test_op_keeps_types_and_gives_picture_and_mask_one_size(factory):
    result = factory()(example())
    assert result["image"].dtype == tf.uint8
    assert result["label"].dtype == tf.uint8
    assert result["image"].shape[:2] == result["label"].shape
    assert result["image"].shape[2] == 3


@pytest.mark.parametrize("factory", FACTORIES, ids=names)
def test_mask_holds_only_ids_of_the_input_and_ignore(factory):
    label = np.where(coordinates()[1] < 20, 3, 17).astype(np.uint8)  # 4..16 would be blends
    for seed in SEEDS:
        ids = np.unique(factory()(example(seed, label=label))["label"])
        assert set(ids.tolist()) <= {3, 17, 255}


@pytest.mark.parametrize("factory", MOVING, ids=names)
def test_mask_lies_on_the_same_pixels_as_the_picture(factory):
    image, rows, columns = coordinates()
    for seed in SEEDS:
        for channel, label in ((0, rows), (1, columns)):
            result = factory()(example(seed, image, label))
            labels, pixels = result["label"].numpy(), result["image"].numpy()[..., channel]
            inside = labels != 255
            # The nearest pixel is at most half a pixel away; rounding to uint8 adds 0.5 / STEP.
            distance = np.abs(pixels[inside] / STEP - labels[inside])
            assert distance.max() <= 0.5 + 0.5 / STEP
            assert inside.any()
            # Constant 200 in the picture, 128 where there is no picture.
            assert (result["image"].numpy()[..., 2] == np.where(inside, 200, 128)).all()


@pytest.mark.parametrize("factory", STILL, ids=names)
def test_op_that_moves_nothing_leaves_the_mask_alone(factory):
    for seed in SEEDS:
        np.testing.assert_array_equal(factory()(example(seed))["label"], coordinates()[1])


@pytest.mark.parametrize("factory", FACTORIES, ids=names)
def test_same_seed_gives_the_same_and_another_seed_something_else(factory):
    op = factory()
    first, again = op(example((1, 2))), op(example((1, 2)))
    np.testing.assert_array_equal(first["image"], again["image"])
    np.testing.assert_array_equal(first["label"], again["label"])
    if factory in FIXED:
        return
    results = {op(example((1, i)))["image"].numpy().tobytes() for i in range(24)}
    assert len(results) > 1


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("factory", FACTORIES, ids=names)
def test_op_takes_pictures_that_are_not_rgb(factory, channels):
    image = np.full((HEIGHT, WIDTH, channels), 200, np.uint8)
    assert factory()(example(image=image))["image"].shape[2] == channels


@pytest.mark.parametrize("factory", FACTORIES, ids=names)
def test_op_takes_a_picture_of_one_pixel(factory):
    image, label = np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8)
    result = factory()(example(image=image, label=label))
    assert result["image"].shape[:2] == result["label"].shape


@pytest.mark.parametrize(
    "factory",
    [ops.random_crop, ops.center_crop, ops.pad, ops.resize, ops.random_scale_crop, ops.class_crop],
    ids=names,
)  # fmt: skip
def test_size_is_known_to_the_graph(factory):
    def unknown(example):
        shapes = {"image": (None, None, 3), "label": (None, None), "seed": (2,)}
        return {key: tf.ensure_shape(value, shapes[key]) for key, value in example.items()}

    spec = tf.data.Dataset.from_tensors(example()).map(unknown).map(factory(64, 72)).element_spec
    assert spec["image"].shape == (64, 72, 3)
    assert spec["label"].shape == (64, 72)


@pytest.mark.parametrize(
    "factory", [ops.random_crop, ops.center_crop, ops.pad, ops.resize, ops.class_crop], ids=names
)
@pytest.mark.parametrize("size", [(0, 5), (5, 2.5), (True, 5)])
def test_sizes_are_whole_numbers_of_pixels(factory, size):
    with pytest.raises(ValueError, match=r"needs height and width as whole numbers.*Received"):
        factory(*size)


@pytest.mark.parametrize("low_high", [(0, 1), (2, 1), (-1, 2)])
def test_scales_are_a_range_above_zero(low_high):
    with pytest.raises(ValueError, match=r"needs 0 < low <= high.*Received: low="):
        ops.random_scale(*low_high)
    with pytest.raises(ValueError, match=r"needs 0 < low <= high.*Received: low="):
        ops.random_scale_crop(8, 8, *low_high)


def test_random_scale_stays_in_its_range():
    heights = [ops.random_scale(0.5, 1.5)(example((0, i)))["label"].shape[0] for i in range(40)]
    assert min(heights) >= 20  # 0.5 * 40
    assert max(heights) <= 60  # 1.5 * 40
    assert max(heights) - min(heights) > 20


def test_random_crop_reaches_every_offset():
    tops = {int(ops.random_crop(37, 56)(example((0, i)))["label"][0, 0]) for i in range(60)}
    assert tops == {0, 1, 2, 3}  # 40 - 37 rows to spare


def test_random_scale_crop_without_scaling_is_a_crop():
    result = ops.random_scale_crop(20, 30, 1.0, 1.0)(example())
    rows = result["label"].numpy()
    np.testing.assert_array_equal(np.diff(rows, axis=0), 1)
    np.testing.assert_array_equal(result["image"][..., 0], rows * STEP)


def test_random_scale_crop_enlarges_what_it_keeps():
    image = ops.random_scale_crop(20, 28, 2.0, 2.0)(example())["image"].numpy().astype(int)
    # 10 rows become 20: the value rises by STEP every two rows, save at the clamped rim.
    assert image[18, 0, 0] - image[2, 0, 0] == 8 * STEP
    assert image[0, 26, 1] - image[0, 2, 1] == 12 * STEP


def test_random_scale_crop_surrounds_small_pictures_by_ignore():
    result = ops.random_scale_crop(40, 56, 0.5, 0.5)(example())
    assert (result["label"].numpy() != 255).sum() == 20 * 28
    assert (result["image"].numpy()[result["label"].numpy() == 255] == 128).all()


def test_flip_mirrors_columns_in_about_half_of_the_examples():
    columns = coordinates()[2]
    firsts = [
        int(ops.random_flip(0.5)(example((3, i), label=columns))["label"][0, 0]) for i in range(64)
    ]
    assert set(firsts) == {0, WIDTH - 1}
    # 64 fair coins: 32 +- 4 * 4 with all but certainty.
    assert 16 <= firsts.count(0) <= 48


def test_flip_needs_a_probability():
    with pytest.raises(
        ValueError, match=r"random_flip` needs probability in 0..1. Received: probability=2"
    ):
        ops.random_flip(2)


def test_center_crop_keeps_the_middle():
    rows = ops.center_crop(20, 20)(example())["label"].numpy()
    assert rows[0, 0] == 10  # (40 - 20) / 2
    assert rows[-1, 0] == 29


def test_pad_puts_the_picture_in_the_middle():
    label = ops.pad(44, 60)(example())["label"].numpy()
    assert (label[:2] == 255).all()
    np.testing.assert_array_equal(label[2:42, 2:58], coordinates()[1])


def test_pad_refuses_a_larger_picture():
    with pytest.raises(tf.errors.InvalidArgumentError, match="pad` needs pictures of at most"):
        ops.pad(39, 100)(example())


def test_resize_to_half_takes_the_mean_of_four_pixels():
    image = ops.resize(HEIGHT // 2, WIDTH // 2)(example())["image"].numpy()
    # Rows 0 and 1 hold 0 and 4: the half-pixel grid meets them at 2.
    assert image[0, 0, 0] == 2
    assert image[1, 0, 0] == 10


def test_brightness_multiplies():
    image = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    for i in range(10):
        values = np.unique(ops.color_jitter(0, 0, 0.3, 0)(example((0, i), image))["image"])
        assert len(values) == 1
        assert 70 <= values[0] <= 130


def test_contrast_moves_values_from_mid_gray():
    image = np.zeros((2, 1, 3), np.uint8)
    image[0], image[1] = 128, 228
    results = [
        ops.color_jitter(0, 0, 0, 0.3)(example((0, i), image, np.zeros((2, 1), np.uint8)))["image"]
        for i in range(10)
    ]
    assert all((result.numpy()[0] == 128).all() for result in results)
    assert len({int(result[1, 0, 0]) for result in results}) > 5


def test_saturation_moves_colors_from_their_own_gray():
    image = np.full((HEIGHT, WIDTH, 3), (150, 100, 60), np.uint8)
    luma = 0.299 * 150 + 0.587 * 100 + 0.114 * 60  # 110.39, ITU-R BT.601
    for i in range(6):
        pixel = ops.color_jitter(0, 0.5, 0, 0)(example((0, i), image))["image"].numpy()[0, 0]
        factors = (pixel - luma) / (np.array([150, 100, 60]) - luma)
        # One factor for all channels; 0.5 of rounding over a distance of 10 from gray.
        assert np.ptp(factors) < 0.1
        assert 0.45 < factors[0] < 1.55


def test_hue_turns_colors_about_the_gray_axis():
    image = np.full((HEIGHT, WIDTH, 3), (120, 100, 80), np.uint8)
    for i in range(6):
        pixel = ops.color_jitter(0.5, 0, 0, 0)(example((0, i), image))["image"].numpy()[0, 0]
        pixel = pixel.astype(float)
        # A turn keeps the sum, 300, and the distance from gray, 20 * sqrt(2).
        assert abs(pixel.sum() - 300) <= 1.5
        assert abs(np.linalg.norm(pixel - pixel.mean()) - 28.28) < 1.5


def test_color_jitter_of_strength_zero_changes_nothing():
    np.testing.assert_array_equal(
        ops.color_jitter(0, 0, 0, 0)(example())["image"], coordinates()[0]
    )


def test_color_jitter_changes_only_brightness_and_contrast_of_gray_pictures():
    image = np.full((HEIGHT, WIDTH, 1), 128, np.uint8)
    result = ops.color_jitter(0.5, 1.0, 0.0, 0.5)(example(image=image))
    np.testing.assert_array_equal(result["image"], image)


@pytest.mark.parametrize("name", ["hue", "saturation", "brightness", "contrast"])
def test_color_strengths_have_a_range(name):
    with pytest.raises(ValueError, match=rf"needs {name} in 0..*Received: {name}=1.5"):
        ops.color_jitter(**{name: 1.5})


def test_each_op_of_a_list_draws_its_own_numbers():
    seen = []

    def remember(example):
        seen.append(tuple(example["seed"].numpy().tolist()))
        return example

    apply_ops(example(), [remember, remember])
    assert len(set(seen)) == 2
