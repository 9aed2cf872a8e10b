"""What the ops that bend, blur and hide do, beyond what every op must."""

import numpy as np
import pytest
import tensorflow as tf
from _ops import HEIGHT, STEP, WIDTH, coordinates, example

from pipelines import ops
from pipelines.ops.example import to_pixels
from pipelines.ops.sampling import displace, project


def test_pixels_are_rounded_and_clipped():
    values = np.arange(-20, 2800, dtype=np.float32) / 10 + 0.01
    np.testing.assert_array_equal(
        to_pixels(tf.constant(values)), np.clip(np.floor(values + 0.5), 0, 255)
    )
    whole = tf.range(256, dtype=tf.float32)
    np.testing.assert_array_equal(to_pixels(whole), np.arange(256))


def test_projecting_by_a_shift_moves_whole_pixels():
    matrix = tf.constant([[1.0, 0, 3], [0, 1, -2], [0, 0, 1]])
    moved = project(example(), matrix)
    # Row r shows row r - 2, column c shows column c + 3.
    np.testing.assert_array_equal(moved["label"][2:, :-3], coordinates()[1][:-2, 3:])
    np.testing.assert_array_equal(moved["image"][2:, :-3], coordinates()[0][:-2, 3:])
    assert (moved["label"].numpy()[:2] == 255).all()
    assert (moved["image"].numpy()[:, -3:] == 128).all()


def test_projecting_by_half_a_turn_mirrors_both_axes():
    turned = project(example(), tf.constant([[-1.0, 0, 0], [0, -1, 0], [0, 0, 1]]))
    np.testing.assert_array_equal(turned["image"], coordinates()[0][::-1, ::-1])


def test_displacing_by_a_shift_moves_whole_pixels():
    rows, columns = tf.fill((HEIGHT, WIDTH), -2.0), tf.fill((HEIGHT, WIDTH), 3.0)
    moved = displace(example(), rows, columns)
    np.testing.assert_array_equal(moved["label"][2:, :-3], coordinates()[1][:-2, 3:])
    np.testing.assert_array_equal(moved["image"][2:, :-3], coordinates()[0][:-2, 3:])
    assert (moved["label"].numpy()[:2] == 255).all()


def test_displacing_by_half_a_pixel_takes_the_mean_of_two():
    half = displace(example(), tf.fill((HEIGHT, WIDTH), 0.5), tf.zeros((HEIGHT, WIDTH)))
    assert int(half["image"][0, 0, 0]) == STEP // 2


def test_rotation_by_nothing_changes_nothing():
    for op in (ops.random_rotation(0), ops.random_affine(0, 0, 0, 1, 1), ops.elastic(0, 10)):
        np.testing.assert_array_equal(op(example())["image"], coordinates()[0])
        np.testing.assert_array_equal(op(example())["label"], coordinates()[1])
    np.testing.assert_array_equal(ops.random_perspective(0.0)(example())["label"], coordinates()[1])


def test_rotation_turns_about_the_middle_within_its_range():
    label = np.zeros((41, 41), np.uint8)
    label[20, 20:] = 1  # a hand that points to the right
    angles = []
    for i in range(20):
        turned = ops.random_rotation(60)(example((0, i), np.zeros((41, 41, 3), np.uint8), label))
        rows, columns = np.nonzero(turned["label"].numpy() == 1)
        far = np.hypot(rows - 20, columns - 20).argmax()
        angles.append(np.degrees(np.arctan2(20 - rows[far], columns[far] - 20)))
    assert max(np.abs(angles)) < 62  # 60, and 1.4 degrees of half a pixel at 20
    assert max(angles) > 20
    assert min(angles) < -20


def test_affine_scale_enlarges():
    label = np.zeros((40, 40), np.uint8)
    label[15:25, 15:25] = 1
    op = ops.random_affine(0, 0, 0, 2.0, 2.0)
    large = op(example((0, 1), np.zeros((40, 40, 3), np.uint8), label))["label"].numpy()
    assert (large == 1).sum() == 20 * 20


def test_perspective_moves_corners_at_most_as_far_as_it_says():
    image = np.full((101, 101, 3), 200, np.uint8)
    for i in range(10):
        label = ops.random_perspective(0.1)(example((4, i), image, np.zeros((101, 101), np.uint8)))
        outside = label["label"].numpy() == 255
        # A corner moves by 10 pixels, so the quarter of the picture in its middle stays inside.
        assert not outside[25:76, 25:76].any()


def test_perspective_moves_a_corner_to_another():
    from pipelines.ops.warp import _CORNERS, _through_corners

    corners = _CORNERS + np.array([(0.1, 0), (0, -0.2), (0.05, 0.1), (-0.1, 0)], np.float32)
    matrix = _through_corners(tf.constant(corners)).numpy()
    points = np.concatenate([_CORNERS, np.ones((4, 1))], axis=1) @ matrix.T
    np.testing.assert_allclose(points[:, :2] / points[:, 2:], corners, atol=1e-5)


def test_elastic_moves_pixels_within_its_strength():
    result = ops.elastic(3, 12)(example())
    label, rows = result["label"].numpy(), coordinates()[1].astype(int)
    inside = label != 255
    moves = np.abs(label.astype(int) - rows)[inside]
    # Between knots a bicubic field overshoots by at most an eighth for each axis.
    assert 1 <= moves.max() <= 3 * (1 + 1 / 8) ** 4 + 0.5


def test_vertical_flip_mirrors_rows():
    flipped = ops.random_vertical_flip(1.0)(example())
    np.testing.assert_array_equal(flipped["image"], coordinates()[0][::-1])
    np.testing.assert_array_equal(flipped["label"], coordinates()[1][::-1])


def test_turns_come_up_equally_often():
    image = np.arange(9, dtype=np.uint8).reshape(3, 3, 1)
    corners = [
        int(ops.random_turn()(example((0, i), image, image[..., 0]))["label"][0, 0])
        for i in range(80)
    ]
    # 80 draws of 4: 20 +- 4 * 3.9.
    assert all(5 <= corners.count(corner) <= 35 for corner in (0, 2, 6, 8))
    assert set(corners) == {0, 2, 6, 8}


def test_square_pictures_keep_their_known_size_when_turned():
    spec = {
        "image": tf.TensorSpec((8, 8, 3), tf.uint8),
        "label": tf.TensorSpec((8, 8), tf.uint8),
        "seed": tf.TensorSpec((2,), tf.int32),
    }
    shapes = tf.function(ops.random_turn()).get_concrete_function(spec).structured_outputs
    assert shapes["image"].shape == (8, 8, 3)


def test_blur_is_a_gaussian_about_the_pixel():
    image = np.zeros((21, 21, 1), np.uint8)
    image[10, 10] = 255
    blurred = ops.gaussian_blur(2.0, 2.0, 1.0)(example((0, 1), image, image[..., 0]))
    values = blurred["image"].numpy()[..., 0].astype(int)
    assert values.argmax() == 10 * 21 + 10
    assert abs(values[10, 10] - 255 / (2 * np.pi * 4)) <= 1  # 10.1
    np.testing.assert_array_equal(values, values.T)
    np.testing.assert_array_equal(values, values[::-1, ::-1])


def test_noise_has_the_strength_it_draws():
    image = np.full((64, 64, 3), 128, np.uint8)
    deviations = [
        ops.gaussian_noise(20)(example((0, i), image, image[..., 0]))["image"].numpy().std()
        for i in range(12)
    ]
    assert max(deviations) < 21
    assert max(deviations) > 12
    assert min(deviations) < 8


def test_jpeg_of_best_quality_is_close_and_of_worst_is_not():
    picture = coordinates()[0]

    def error(quality):
        stored = ops.jpeg_artifacts(quality, quality, 1.0)(example())["image"].numpy()
        return np.abs(stored.astype(int) - picture).mean()

    assert error(100) < 2
    assert error(1) > 5


def test_gamma_bends_and_keeps_black_and_white():
    image = np.array([[0, 128, 255]], np.uint8)[..., None]
    values = ops.random_gamma(2.0, 2.0)(example((0, 1), image, image[..., 0]))["image"].numpy()
    assert values[0, :, 0].tolist() == [0, 64, 255]  # 255 * (128 / 255)^2 = 64.25


def test_grayscale_takes_a_share_of_the_pictures():
    image = np.full((2, 2, 3), (200, 100, 50), np.uint8)
    gray = [
        np.ptp(ops.grayscale(0.5)(example((0, i), image, image[..., 0]))["image"].numpy()) == 0
        for i in range(64)
    ]
    assert 16 <= sum(gray) <= 48


def test_cutout_hides_one_rectangle():
    image = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    for i in range(10):
        hidden = ops.cutout(1, 0.5)(example((0, i), image))["image"].numpy()[..., 0] == 128
        rows, columns = hidden.any(axis=1).sum(), hidden.any(axis=0).sum()
        assert hidden.sum() == rows * columns
        assert rows <= HEIGHT // 2 + 1
        assert columns <= WIDTH // 2 + 1


def test_coarse_dropout_ignores_what_it_hides():
    result = ops.coarse_dropout(8, 0.4)(example())
    hidden = result["label"].numpy() == 255
    assert 0 < hidden.mean() < 1
    assert (result["image"].numpy()[hidden] == 128).all()
    np.testing.assert_array_equal(result["image"].numpy()[~hidden], coordinates()[0][~hidden])


def test_class_crop_shows_rare_classes_more_often():
    label = np.zeros((HEIGHT, WIDTH), np.uint8)
    label[5:7, 50:52] = 4
    crops = [ops.class_crop(8, 8)(example((0, i), label=label))["label"] for i in range(60)]
    shown = sum(bool((crop.numpy() == 4).any()) for crop in crops)
    # Two classes: every other window is about the rare one. 30 +- 4 * 3.9, and some by chance.
    assert 15 <= shown <= 50
    by_chance = [ops.random_crop(8, 8)(example((0, i), label=label))["label"] for i in range(60)]
    assert shown > sum(bool((crop.numpy() == 4).any()) for crop in by_chance)


def test_class_crop_puts_the_pixel_in_the_middle_as_far_as_the_picture_reaches():
    label = np.zeros((HEIGHT, WIDTH), np.uint8)
    label[20, 30], label[0, 0] = 4, 5
    middle = ops.class_crop(9, 9, classes=[4])(example(label=label))["label"].numpy()
    assert middle[4, 4] == 4
    corner = ops.class_crop(9, 9, classes=[5])(example(label=label))["label"].numpy()
    assert corner[0, 0] == 5


def test_class_crop_without_its_class_is_a_random_crop():
    tops = {
        int(ops.class_crop(37, 56, classes=[99])(example((0, i)))["label"][0, 0]) for i in range(40)
    }
    assert tops == {0, 1, 2, 3}
    void = np.full((HEIGHT, WIDTH), 255, np.uint8)
    assert (ops.class_crop(8, 8)(example(label=void))["label"].numpy() == 255).all()


def test_repeat_augment_tells_the_graph_and_changes_nothing():
    op = ops.repeat_augment(3)
    assert op.repeats == 3
    np.testing.assert_array_equal(op(example())["image"], coordinates()[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ops.random_rotation(200), r"`random_rotation` needs degrees in 0..180. Received"),
        (lambda: ops.random_affine(shear=90), r"needs shear in 0..60. Received: shear=90"),
        (lambda: ops.random_affine(translation=2), r"needs translation in 0..1"),
        (lambda: ops.random_affine(low=0), r"`random_affine` needs 0 < low <= high"),
        (lambda: ops.random_perspective(0.5), r"needs strength in 0..0.2. Received: strength=0.5"),
        (lambda: ops.elastic(-1), r"`elastic` needs strength in 0..1000"),
        (lambda: ops.elastic(8, 10), r"`elastic` needs smoothness in 16..10000"),
        (lambda: ops.gaussian_blur(0), r"`gaussian_blur` needs low in 0.05..20"),
        (lambda: ops.gaussian_blur(2, 1), r"`gaussian_blur` needs high in 2..20"),
        (lambda: ops.gaussian_noise("x"), r"`gaussian_noise` needs strength in 0..128"),
        (lambda: ops.jpeg_artifacts(0), r"`jpeg_artifacts` needs low in 1..100"),
        (lambda: ops.random_gamma(0), r"`random_gamma` needs 0 < low <= high"),
        (lambda: ops.grayscale(-1), r"`grayscale` needs probability in 0..1"),
        (lambda: ops.random_vertical_flip(9), r"`random_vertical_flip` needs probability in 0..1"),
        (lambda: ops.cutout(0), r"`cutout` needs holes as a whole number from 1 up"),
        (lambda: ops.coarse_dropout(size=2), r"`coarse_dropout` needs size in 0..1"),
        (lambda: ops.class_crop(classes=[255]), r"`class_crop` needs classes in 0..254"),
        (lambda: ops.repeat_augment(0), r"`repeat_augment` needs count as a whole number from 1"),
    ],
)
def test_numbers_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
