"""Checks that the demo makes on the network's forms; `make demo` itself runs the whole of it."""

import numpy as np
import pandas as pd
import pytest

from keras_seg.cli import demo


class TwoPictures:
    """Two pictures of 2x4 pixels: truth is 0 on the left half, 1 on the right half."""

    class_names = ("left", "right")

    def eval_batches(self, split, batch_size):
        truth = np.array([[[0, 0, 1, 1]] * 2], "uint8")
        return [(truth[..., None], truth)] * 2


def table(keras, exported, agreement):
    rows = {"Keras": (keras, 1.0), "TFLite fp32": (exported, agreement)}
    return pd.DataFrame.from_dict(rows, "index", columns=["mean IoU", "pixels as in Keras"])


def test_comparison_counts_pixels_that_differ_from_keras():
    forms = {"Keras": lambda image: image[..., 0], "wrong": lambda image: 0 * image[..., 0]}
    found = demo._compare(forms, TwoPictures())
    # All left: IoU of left is 4 / 8, of right 0 / 4, mean 0.25; half of the pixels differ.
    assert found.loc["Keras"].tolist() == [1.0, 1.0]
    assert found.loc["wrong"].tolist() == [0.25, 0.5]


def test_sound_forms_pass():
    demo._require_sound(table(0.7, 0.7, 0.9995))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (
            (0.7, 0.7, 0.99),
            r"must agree with .* on 99.9% of pixels.*Received: .*'TFLite fp32': 0.99",
        ),
        ((0.7, 0.6, 1.0), r"may lose 0.02 mean IoU at most.*Received: .*0.6"),
        ((0.1, 0.1, 1.0), r"should reach a mean IoU of.*Received: 0.100"),
    ],
)
def test_forms_that_are_not_sound_are_refused(numbers, words):
    with pytest.raises(ValueError, match=words):
        demo._require_sound(table(*numbers))
