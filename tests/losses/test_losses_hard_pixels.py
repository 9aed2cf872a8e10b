import math

import numpy as np
import pytest

from keras_seg.losses import FocalLoss, OhemCrossEntropy, SparseCrossEntropy

TOLERANCE = 1e-6  # A few float32 operations on numbers around 1.


def some_pixels(num_classes=4):
    random = np.random.default_rng(1)
    labels = random.integers(0, num_classes, (2, 7, 6)).astype("uint8")
    labels[0, :2] = 255
    return labels, random.normal(0, 2, (2, 7, 6, num_classes)).astype("float32")


def row(*probabilities):
    """One row of pixels of class 0, each with this probability of it among two classes."""
    logits = [[math.log(p), math.log(1 - p)] for p in probabilities]
    return np.zeros((1, 1, len(logits)), "uint8"), np.array([[logits]], "float32")


def probabilities_of_truth(labels, logits):
    """Softmax of the true class of every pixel that counts, in float64."""
    power = np.exp(logits.astype("float64"))
    softmax = power / power.sum(-1, keepdims=True)
    counted = labels != 255
    return softmax[counted][np.arange(counted.sum()), labels[counted]], labels[counted]


def test_focal_loss_is_worked_out_by_hand():
    labels, logits = row(3 / 4, 1 / 4)
    # (1 - p)^2 * -ln p: 1/16 * ln(4/3) and 9/16 * ln 4.
    expected = (math.log(4 / 3) / 16 + 9 * math.log(4) / 16) / 2
    assert float(FocalLoss(2)(labels, logits)) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_loss_follows_equation_5_of_its_paper(gamma):
    labels, logits = some_pixels()
    alpha = np.array([1.0, 2.0, 0.5, 3.0])
    p, truth = probabilities_of_truth(labels, logits)
    loss = -alpha[truth] * (1 - p) ** gamma * np.log(p)
    found = FocalLoss(4, gamma=gamma, class_weights=alpha)(labels, logits)
    assert float(found) == pytest.approx(loss.sum() / alpha[truth].sum(), rel=1e-5)


def test_focal_loss_with_gamma_0_is_cross_entropy():
    labels, logits = some_pixels()
    expected = float(SparseCrossEntropy(4)(labels, logits))
    assert float(FocalLoss(4, gamma=0)(labels, logits)) == pytest.approx(expected, abs=TOLERANCE)


def test_hardest_share_is_worked_out_by_hand():
    labels, logits = row(1 / 2, 3 / 4, 1 / 4, 9 / 10, 1 / 100)
    labels[0, 0, 4] = 255  # The hardest of all, but ignored.
    # Half of four pixels: those with 1/4 and 1/2. A quarter: the one with 1/4.
    half = (math.log(4) + math.log(2)) / 2
    loss = OhemCrossEntropy(2, share=0.5)
    assert float(loss(labels, logits)) == pytest.approx(half, abs=TOLERANCE)
    loss = OhemCrossEntropy(2, share=0.25)
    assert float(loss(labels, logits)) == pytest.approx(math.log(4), abs=TOLERANCE)


def test_threshold_keeps_every_pixel_below_it():
    labels, logits = row(1 / 2, 3 / 4, 1 / 4, 9 / 10)
    # Below 0.8: 1/2, 3/4 and 1/4. Below 0.2: none, so that the share of one pixel is kept.
    three = (math.log(2) + math.log(4 / 3) + math.log(4)) / 3
    loss = OhemCrossEntropy(2, share=0.01, threshold=0.8)
    assert float(loss(labels, logits)) == pytest.approx(three, abs=TOLERANCE)
    loss = OhemCrossEntropy(2, share=0.01, threshold=0.2)
    assert float(loss(labels, logits)) == pytest.approx(math.log(4), abs=TOLERANCE)


def test_share_is_rounded_up_to_whole_pixels():
    # 0.15 * 20 = 3 pixels, although the product is a little more than 3 in float32.
    labels, logits = row(*np.linspace(0.05, 0.9, 20))
    hardest = -np.log(np.linspace(0.05, 0.9, 20)[:3]).mean()
    loss = OhemCrossEntropy(2, share=0.15)
    assert float(loss(labels, logits)) == pytest.approx(hardest, abs=TOLERANCE)


@pytest.mark.parametrize("share", [0.05, 0.15, 0.5, 1.0])
def test_share_follows_top_k_of_deeplab(share):
    labels, logits = some_pixels()
    losses = -np.log(probabilities_of_truth(labels, logits)[0])
    expected = np.sort(losses)[::-1][: math.ceil(share * losses.size)].mean()
    found = OhemCrossEntropy(4, share=share)(labels, logits)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("threshold", "share"), [(0.7, 0.1), (0.01, 0.3), (1.0, 0.1)])
def test_threshold_follows_hrnet(threshold, share):
    # Sort the probabilities; the limit is the threshold, or that of the first pixel after the
    # `min_kept` lowest ones if it is higher; average the losses below the limit.
    labels, logits = some_pixels()
    p = np.sort(probabilities_of_truth(labels, logits)[0])
    min_kept = math.ceil(share * p.size)
    limit = max(p[min(min_kept, p.size - 1)], threshold)
    found = OhemCrossEntropy(4, share=share, threshold=threshold)(labels, logits)
    assert float(found) == pytest.approx(-np.log(p[p < limit]).mean(), rel=1e-5)


def test_class_weights_weigh_hard_pixels_but_do_not_choose_them():
    labels, logits = some_pixels()
    weights = np.array([1.0, 2.0, 0.5, 3.0])
    p, truth = probabilities_of_truth(labels, logits)
    hard = np.argsort(p)[: math.ceil(0.2 * p.size)]
    expected = (weights[truth[hard]] * -np.log(p[hard])).sum() / weights[truth[hard]].sum()
    found = OhemCrossEntropy(4, share=0.2, class_weights=weights)(labels, logits)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_equally_hard_pixels_are_all_kept():
    labels, logits = row(1 / 2, 1 / 2, 1 / 2, 3 / 4)
    loss = OhemCrossEntropy(2, share=0.25)
    assert float(loss(labels, logits)) == pytest.approx(math.log(2), abs=TOLERANCE)


@pytest.mark.parametrize(
    ("loss", "options", "words"),
    [
        (FocalLoss, {"gamma": -1}, r"gamma to be a finite number of at least 0.*gamma=-1"),
        (OhemCrossEntropy, {"share": 0}, "needs a share above 0"),
        (OhemCrossEntropy, {"share": 15}, r"needs share from 0 up to 1.*share=15"),
        (OhemCrossEntropy, {"threshold": -0.7}, "needs threshold from 0 up to 1"),
    ],
)
def test_arguments_out_of_range_are_refused(loss, options, words):
    with pytest.raises(ValueError, match=words):
        loss(2, **options)
