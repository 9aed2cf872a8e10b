"""Drawn scans: the same seed gives the same bytes, and labels say what is where."""

import itertools

import numpy as np
import pytest

import pipelines
from pipelines.datasets.scan_volumes import scan_volumes
from pipelines.drawn.scan.anatomy import BODY, LESION, ORGAN, OUTSIDE, VESSEL
from pipelines.drawn.scan.drawing import draw_scan
from pipelines.drawn.scan.noise import blurred, smooth_noise

SIZE = (40, 48, 56)


@pytest.fixture(scope="module")
def scans():
    return [draw_scan(SIZE, np.random.SeedSequence(7, spawn_key=(0, i))) for i in range(6)]


def test_same_seed_gives_the_same_bytes_and_more_volumes_continue():
    first = pipelines.load("scan_volumes", num_volumes=3, size=(32, 32, 32), seed=3)
    more = scan_volumes(num_volumes=7, size=(32, 32, 32), seed=3)
    assert [first.num_examples(split) for split in first.splits] == [1, 1, 1]
    assert [more.num_examples(split) for split in more.splits] == [5, 1, 1]
    for split in ("train", "val", "test"):
        for mine, theirs in zip(first.example(split, 0), more.example(split, 0), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    other = scan_volumes(num_volumes=3, size=(32, 32, 32), seed=4)
    assert (other.example("train", 0)[0] != first.example("train", 0)[0]).mean() > 0.5


def test_volumes_have_their_shapes_and_every_class_comes_up(scans):
    for values, label in scans:
        assert values.shape == (*SIZE, 2)
        assert values.dtype == label.dtype == np.uint8
        assert set(np.unique(label).tolist()) >= {OUTSIDE, BODY, ORGAN, VESSEL}
    counts = np.bincount(np.concatenate([label.ravel() for _, label in scans]), minlength=5)
    shares = counts / counts.sum()
    assert len(shares) == 5
    assert (shares > 0.001).all()
    assert max(shares[VESSEL], shares[LESION]) < 0.05  # rare


def test_lesions_lie_in_the_organ_and_the_organ_in_the_body(scans):
    for _, label in scans:
        for inner, allowed in ((LESION, (ORGAN, VESSEL, BODY)), (ORGAN, (BODY, VESSEL, LESION))):
            near = label == inner
            for axis, step in itertools.product(range(3), (1, -1)):
                around = np.roll(label, step, axis)
                rim = near & (around != inner)
                rim[(slice(None),) * axis + (0 if step == 1 else -1,)] = False  # np.roll goes round
                assert np.isin(around[rim], allowed).all()


def test_the_agent_lights_up_the_organ_and_vessels(scans):
    before, after = (
        [np.mean([v[..., c][la == k].mean() for v, la in scans]) for k in (BODY, ORGAN, VESSEL)]
        for c in range(2)
    )
    assert after[1] - before[1] > 15  # 152 - 118 in the table of grays, but for borders
    assert after[2] - before[2] > 40  # 205 - 108, but vessels are thin and blurred
    assert abs(after[0] - before[0]) < 20


def test_no_gray_belongs_to_lesions_or_vessels_alone(scans):
    values = np.concatenate([v[..., 1].ravel() for v, _ in scans])
    labels = np.concatenate([la.ravel() for _, la in scans])
    lesion, vessel = (np.percentile(values[labels == k], (25, 75)) for k in (LESION, VESSEL))
    for low, high in (lesion, vessel):
        within = labels[(values >= low) & (values <= high)]
        assert (within == BODY).mean() > 0.3


def test_noise_has_unit_variance_and_is_smooth():
    noise = smooth_noise(np.random.default_rng(0), (64, 64, 64), 4)
    assert abs(noise.mean()) < 0.1
    assert noise.std() == pytest.approx(1, abs=0.05)
    steps = np.diff(noise, axis=1)
    assert steps.std() < 0.5  # a cell of 4 voxels: neighbors share most of their numbers


def test_blur_is_a_gaussian_along_each_axis():
    values = np.zeros((21, 21, 21), np.float32)
    values[10, 10, 10] = 1
    found = blurred(values, (1.0, 2.0, 1.5))
    assert found.sum() == pytest.approx(1, abs=1e-5)
    places = np.arange(21) - 10
    for axis, width in enumerate((1.0, 2.0, 1.5)):
        profile = found.sum(axis=tuple(other for other in range(3) if other != axis))
        # Cut off at three widths, a Gaussian's variance is 2 % smaller.
        assert (profile * places**2).sum() == pytest.approx(width**2, rel=0.04)
