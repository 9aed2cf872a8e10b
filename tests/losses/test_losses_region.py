import math

import numpy as np
import pytest

from keras_seg.losses import DiceLoss, LovaszSoftmax, TverskyLoss
from keras_seg.losses.region import RegionLoss

LN3 = math.log(3)
TOLERANCE = 1e-6  # A few float32 operations on numbers around 1.

# Softmax (3/4, 1/4) twice.
LOGITS = np.array([[[[LN3, 0], [LN3, 0]]]], "float32")
LABELS = np.array([[[0, 1]]], "uint8")
REGION_LOSSES = [DiceLoss, TverskyLoss, LovaszSoftmax]


def some_pixels(num_classes=4):
    random = np.random.default_rng(2)
    labels = random.integers(0, num_classes - 1, (2, 5, 6)).astype("uint8")  # The last is absent.
    labels[0, :2] = 255
    return labels, random.normal(0, 2, (2, 5, 6, num_classes)).astype("float32")


def classes(labels, logits, ids):
    """For each class in the labels: its id, probabilities and truths of the counted pixels."""
    power = np.exp(logits.astype("float64"))
    softmax = (power / power.sum(-1, keepdims=True))[labels != 255]
    truth = labels[labels != 255]
    return [(c, softmax[:, c], (truth == c).astype(float)) for c in ids if (truth == c).any()]


def tversky(p, g, alpha, beta):
    """Salehi et al. 2017, equation 2."""
    return (p * g).sum() / (
        (p * g).sum() + alpha * (p * (1 - g)).sum() + beta * ((1 - p) * g).sum()
    )


def dice(p, g):
    """Sudre et al. 2017, equation 2."""
    return 2 * (p * g).sum() / (p.sum() + g.sum())


def lovasz(p, g):
    """Berman et al. 2018, equations 3, 8 and 9, by their definitions as functions of sets."""
    truth = set(np.flatnonzero(g))

    def jaccard_loss(wrong):  # |M| / |{y = c} u M|
        return len(wrong) / len(truth | wrong)

    errors = np.where(g == 1, 1 - p, p)
    order = [int(i) for i in np.argsort(-errors)]
    return sum(
        errors[i] * (jaccard_loss({*order[: k + 1]}) - (jaccard_loss({*order[:k]}) if k else 0))
        for k, i in enumerate(order)
    )


def test_dice_loss_is_worked_out_by_hand():
    # Class 0: 2 * 3/4 / (3/2 + 1) = 3/5. Class 1: 2 * 1/4 / (1/2 + 1) = 1/3.
    expected = (2 / 5 + 2 / 3) / 2
    assert float(DiceLoss(2)(LABELS, LOGITS)) == pytest.approx(expected, abs=TOLERANCE)


def test_tversky_loss_is_worked_out_by_hand():
    # Class 0: TP 3/4, FP 3/4, FN 1/4. Class 1: TP 1/4, FP 1/4, FN 3/4.
    zero = 1 - 0.75 / (0.75 + 0.3 * 0.75 + 0.7 * 0.25)
    one = 1 - 0.25 / (0.25 + 0.3 * 0.25 + 0.7 * 0.75)
    found = TverskyLoss(2)(LABELS, LOGITS)
    assert float(found) == pytest.approx((zero + one) / 2, abs=TOLERANCE)


def test_lovasz_softmax_is_worked_out_by_hand():
    # Class 0: errors 3/4 (another class) and 1/4 (its own); 1 - IoU is 1/2 with the first one
    # wrong and 1 with both: 3/4 * 1/2 + 1/4 * 1/2 = 1/2.
    # Class 1: errors 3/4 (its own) and 1/4: 1 - IoU is 1 and 1: 3/4 * 1 + 1/4 * 0 = 3/4.
    found = LovaszSoftmax(2)(LABELS, LOGITS)
    assert float(found) == pytest.approx((1 / 2 + 3 / 4) / 2, abs=TOLERANCE)


@pytest.mark.parametrize(
    ("loss", "reference"),
    [
        (DiceLoss, lambda p, g: 1 - dice(p, g)),
        (TverskyLoss, lambda p, g: 1 - tversky(p, g, 0.3, 0.7)),
        (LovaszSoftmax, lovasz),
    ],
)
def test_losses_follow_the_formulas_of_their_papers(loss, reference):
    labels, logits = some_pixels()
    expected = np.mean([reference(p, g) for _, p, g in classes(labels, logits, range(4))])
    assert float(loss(4)(labels, logits)) == pytest.approx(expected, rel=1e-5)

    pictures = [classes(labels[[i]], logits[[i]], range(4)) for i in range(2)]
    expected = np.mean([reference(p, g) for picture in pictures for _, p, g in picture])
    found = loss(4, per_picture=True)(labels, logits)
    assert float(found) == pytest.approx(expected, rel=1e-5)

    weights = [0.0, 2.0, 1.0, 5.0]
    found = loss(4, class_weights=weights)(labels, logits)
    expected = sum(weights[c] * reference(p, g) for c, p, g in classes(labels, logits, (1, 2))) / 3
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_tversky_with_other_costs_follows_its_formula():
    labels, logits = some_pixels()
    found = TverskyLoss(4, alpha=1.0, beta=2.0)(labels, logits)
    expected = np.mean([1 - tversky(p, g, 1, 2) for _, p, g in classes(labels, logits, range(4))])
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_lovasz_softmax_of_certain_predictions_is_one_minus_iou():
    labels, logits = some_pixels()
    called = logits.argmax(-1)
    certain = 200 * np.eye(4, dtype="float32")[called]
    counted = labels != 255
    iou = [
        ((called == c) & (labels == c)).sum() / (((called == c) | (labels == c)) & counted).sum()
        for c in range(3)
    ]
    found = LovaszSoftmax(4)(labels, certain)
    assert float(found) == pytest.approx(1 - np.mean(iou), abs=TOLERANCE)


@pytest.mark.parametrize("loss", REGION_LOSSES)
def test_perfect_predictions_cost_nothing(loss):
    labels = some_pixels()[0]
    perfect = 200 * np.eye(4, dtype="float32")[np.where(labels == 255, 0, labels)]
    # On some processors the probabilities of TensorFlow's softmax end at 1 - 6e-8.
    assert float(loss(4)(labels, perfect)) == pytest.approx(0, abs=TOLERANCE)


@pytest.mark.parametrize("loss", REGION_LOSSES)
def test_infinite_logits_of_ignored_pixels_do_not_reach_the_loss(loss):
    logits = np.array([[[[0, 0], [np.inf, -np.inf]]]], "float32")
    labels = np.array([[[0, 255]]], "uint8")
    expected = float(loss(2)(labels[:, :, :1], logits[:, :, :1]))
    assert float(loss(2)(labels, logits)) == pytest.approx(expected, abs=TOLERANCE)


def test_a_million_pixels_keep_their_digits():
    # All of class 0 and all called it with probability p: each class-0 pixel has the same error
    # 1 - p, and the steps of 1 - IoU add up to 1. So the loss is 1 - p = 1/4, to the last digits.
    labels = np.zeros((1, 1000, 1000), "uint8")
    logits = np.broadcast_to(LOGITS[:, :, :1], (1, 1000, 1000, 2))
    assert float(LovaszSoftmax(2)(labels, logits)) == pytest.approx(1 / 4, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": -1}, "alpha to be a finite number of at least 0"),
        ({"beta": 0}, "needs beta above 0"),
    ],
)
def test_costs_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        TverskyLoss(2, **options)


def test_a_region_loss_says_what_each_class_costs():
    class Unfinished(RegionLoss):
        pass

    words = r"`Unfinished` needs class_losses\(probability, truth\). Received: none. Define it"
    with pytest.raises(TypeError, match=words):
        Unfinished(2)(LABELS, LOGITS)
