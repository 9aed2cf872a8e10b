"""Drawn slices: tumors lie where they can, made of what they are. See also test_drawn_datasets."""

import numpy as np
import pytest

from pipelines.datasets.brain_slices import brain_slices

SKULL, FLUID, WHITE, EDEMA, CORE, ENHANCING = 1, 2, 4, 5, 6, 7
T1, T1_AGENT, T2, FLAIR = range(4)


@pytest.fixture(scope="module")
def slices():
    data = brain_slices(num_images=40, size=(96, 96))
    pairs = [data.example("train", index) for index in range(data.num_examples("train"))]
    return [np.stack(arrays) for arrays in zip(*pairs, strict=True)]


def test_a_tumor_lies_within_the_skull(slices):
    # Each tumor pixel has skull to its left and to its right.
    for label in slices[1]:
        for row in label[(label >= EDEMA).any(1)]:
            skull, tumor = np.flatnonzero(row == SKULL), np.flatnonzero(row >= EDEMA)
            assert skull[0] < tumor[0]
            assert tumor[-1] < skull[-1]


def test_some_slices_have_no_tumor(slices):
    with_tumor = (slices[1] >= EDEMA).any((1, 2)).mean()
    assert 0.6 < with_tumor < 0.95  # Four of five are planned.


def test_channels_show_what_such_channels_show(slices):
    images, labels = slices
    mean = {kind: images[labels == kind].mean(0) for kind in (FLUID, WHITE, EDEMA, CORE, ENHANCING)}
    assert mean[FLUID][T2] > mean[WHITE][T2]  # Fluid shines in T2
    assert mean[FLUID][T1] < mean[WHITE][T1]  # and is dark in T1
    assert mean[FLUID][FLAIR] < mean[WHITE][FLAIR]  # and in FLAIR, which suppresses it,
    assert mean[EDEMA][FLAIR] > mean[WHITE][FLAIR]  # but not edema.
    assert mean[ENHANCING][T1_AGENT] > mean[ENHANCING][T1] + 40  # The agent lights up the rim
    assert abs(mean[CORE][T1_AGENT] - mean[CORE][T1]) < 40  # and leaves the core alone.
