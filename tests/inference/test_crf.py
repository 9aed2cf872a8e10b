"""Dense CRF: sums over all pairs against the exact ones, mean field by hand, and pictures."""

import numpy as np
import pytest

from keras_seg.inference import dense_crf
from keras_seg.inference.crf import Lattice, mean_field, normalized


@pytest.mark.parametrize(("dimensions", "reach"), [(2, 3), (3, 3), (5, 2)])
def test_sums_are_nearly_those_over_all_pairs(dimensions, reach):
    rng = np.random.default_rng(0)
    points, values = rng.uniform(0, reach, (300, dimensions)), rng.uniform(0, 1, (300, 2))
    pairs = np.exp(-((points[:, None] - points[None]) ** 2).sum(-1) / 2)
    exact = normalized(lambda x: pairs @ x)(values)
    found = normalized(Lattice(points))(values)
    # Figure 6 of Adams et al.: the lattice's kernel is not quite a Gaussian one.
    assert np.abs(found - exact).mean() < 0.03 * exact.mean()
    assert np.abs(found - exact).max() < 0.12 * exact.max()


def test_each_point_gives_all_of_its_value_to_the_corners_around_it():
    points = np.random.default_rng(0).normal(0, 4, (200, 5))
    shares = Lattice(points).shares
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-9)
    assert shares.min() >= -1e-9


def test_distant_points_do_not_meet():
    lattice = Lattice(np.array([[0.0, 0.0], [0.1, 0.0], [50.0, 50.0]]))
    found = lattice(np.array([[0.0], [0.0], [1.0]]))
    assert found[:2].tolist() == [[0], [0]]
    assert found[2] > 0


def test_mean_field_by_hand():
    # Two points that see only each other, weight 2. One update: q1 ~ p1 * exp(2 * p2).
    first, second = np.array([0.6, 0.4]), np.array([0.3, 0.7])
    one, two = first * np.exp(2 * second), second * np.exp(2 * first)
    expected = np.stack([one / one.sum(), two / two.sum()])
    found = mean_field(np.stack([first, second]), [(2.0, lambda q: q[::-1])], iterations=1)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_labels_follow_the_colors_of_the_picture():
    picture = np.zeros((24, 32, 3), "uint8")
    picture[:, 14:] = (200, 180, 40)
    truth = np.zeros((24, 32), int)
    truth[:, 14:] = 1
    # Blunt probabilities: the border is 3 pixels off, and single pixels are wrong.
    guess = np.roll(truth, 3, axis=1)
    guess[:, :3] = 0
    guess[[5, 12, 20], [4, 25, 9]] ^= 1
    probabilities = np.where(np.arange(2) == guess[..., None], 0.6, 0.4)
    assert (guess != truth).sum() > 70
    found = dense_crf(picture, probabilities)
    np.testing.assert_array_equal(found.argmax(-1), truth)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)


def test_no_iteration_changes_nothing():
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], (5, 4))
    picture = np.zeros((5, 4, 1), "uint8")
    found = dense_crf(picture, probabilities, iterations=0)
    np.testing.assert_allclose(found, probabilities, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"picture": np.zeros((4, 5))},
            r"needs a picture \(h, w, c\).*Received: \(4, 5\) and \(4, 6",
        ),
        ({"picture": np.zeros((4, 5, 3))}, r"Received: \(4, 5, 3\) and \(4, 6, 2\)"),
        ({"iterations": -1}, "`dense_crf` needs iterations"),
        ({"appearance": (-1, 67, 3)}, "`dense_crf` needs w1"),
        ({"appearance": (4, 67, 0)}, "`dense_crf` needs beta"),
        ({"smoothness": (3, 0)}, "`dense_crf` needs gamma"),
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused(arguments, words):
    known = {"picture": np.zeros((4, 6, 3)), "probabilities": np.full((4, 6, 2), 0.5)}
    with pytest.raises(ValueError, match=words):
        dense_crf(**{**known, **arguments})
