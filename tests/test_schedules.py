import math

import keras
import pytest
import tensorflow as tf

from keras_seg import schedules

TOLERANCE = 1e-6  # Relative: float32 holds seven digits.


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_poly_falls_by_its_power_and_stays_at_zero():
    schedule = schedules.Poly(0.5, decay_steps=10, power=2)
    # 0.5 * (1 - t/10)^2 = 0.5, 0.125 (t=5), 0.005 (t=9), 0.
    assert rates(schedule, [0, 5, 9, 10, 99]) == pytest.approx([0.5, 0.125, 0.005, 0, 0])


def test_contextnet_paper_rate_at_half_time():
    # 0.045 * 0.5 ** 0.98 = 0.0228141
    schedule = schedules.Poly(0.045, decay_steps=1000, power=0.98)
    assert float(schedule(500)) == pytest.approx(0.0228141, rel=1e-5)


def test_exponential_steps_down_once_per_epoch():
    schedule = schedules.Exponential(1e-3, steps_per_epoch=3, rate=0.5)
    expected = [1e-3] * 3 + [5e-4] * 3 + [2.5e-4]
    assert rates(schedule, range(7)) == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize("steps", [41, 55])
def test_compiled_schedules_change_at_the_first_step_of_an_epoch(steps):
    # Compilers make of a division by 41 a product with 1 / 41 in float32, where 41 * (1 / 41) < 1.
    decay = schedules.Exponential(1.0, steps_per_epoch=steps, rate=0.5)
    restart = schedules.CosineRestarts(1.0, period_steps=steps)
    compiled = tf.function(lambda step: (decay(step), restart(step)))
    found = [float(rate) for rate in compiled(tf.constant(steps))]
    assert found == pytest.approx([0.5, 1.0], rel=TOLERANCE)  # One epoch after the first step.


def test_cosine_falls_by_half_a_cosine_to_its_lowest():
    schedule = schedules.CosineRestarts(2.0, period_steps=100, lowest=0.1)
    # lowest + 0.9 * (1 + cos(pi * 0.25)) / 2 = 0.1 + 0.9 * 0.853553 = 0.868198, times 2.
    assert rates(schedule, [0, 25, 50, 100]) == pytest.approx([2.0, 1.736396, 1.1, 2.0], rel=1e-5)


@pytest.mark.parametrize("factor", [2, 1.5])
def test_cosine_restarts_after_periods_that_grow(factor):
    first = 64
    schedule = schedules.CosineRestarts(1.0, period_steps=first, period_factor=factor)
    start = 0.0
    for period in range(8):
        length = first * factor**period
        middle = start + length / 2
        if middle.is_integer():
            assert float(schedule(middle)) == pytest.approx(0.5, abs=1e-4), period
        assert float(schedule(math.ceil(start))) > 0.99, period
        last = math.ceil(start + length) - 1
        # 1 - share of the period is at most 1 / length; cosine is flat there.
        assert float(schedule(last)) < (math.pi / length) ** 2 / 4 + 1e-4, period
        start += length


@pytest.mark.parametrize(
    "make",
    [
        lambda **more: schedules.Poly(0.8, 100, **more),
        lambda **more: schedules.Exponential(0.8, 10, **more),
        lambda **more: schedules.CosineRestarts(0.8, 10, 2, **more),
    ],
)
def test_warm_up_rises_to_the_rate_and_then_the_schedule_begins(make):
    warm, cold = make(warmup_steps=4), make()
    # Quarters of 0.8.
    assert rates(warm, range(4)) == pytest.approx([0.2, 0.4, 0.6, 0.8], rel=TOLERANCE)
    later = [4, 5, 9, 17, 40]
    expected = rates(cold, [step - 4 for step in later])
    assert rates(warm, later) == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.Poly(0.1, 50, power=0.7, warmup_steps=3),
        schedules.Exponential(0.1, 5, rate=0.9, warmup_steps=3),
        schedules.CosineRestarts(0.1, 7, period_factor=2, lowest=0.2, warmup_steps=3),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_schedule_survives_saving_with_its_optimizer(schedule):
    optimizer = keras.optimizers.SGD(schedule)
    again = keras.optimizers.SGD.from_config(optimizer.get_config())._learning_rate
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    assert rates(again, [0, 4, 20]) == rates(schedule, [0, 4, 20])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: schedules.Poly(0.1, 0), "`Poly` needs decay_steps"),
        (lambda: schedules.Exponential(0.1, 0), "`Exponential` needs steps_per_epoch"),
        (lambda: schedules.CosineRestarts(0.1, 0), "`CosineRestarts` needs period_steps"),
        (
            lambda: schedules.CosineRestarts(0.1, 10, period_factor=0.5),
            r"period_factor to be a finite number of at least 1. Received: period_factor=0",
        ),
    ],
)
def test_lengths_and_factors_below_one_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_schedule_without_decay_says_what_is_missing():
    with pytest.raises(TypeError, match=r"`_WarmUp` needs a decay\(step\).*Define it"):
        schedules._WarmUp(0.1)(0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: schedules.Poly(None, 10),
            "`Poly` needs initial_learning_rate to be a finite number of at",
        ),
        (
            lambda: schedules.Poly(1.0, 10, power=-1),
            "needs power to be a finite number of at least 0. Rec",
        ),
        (
            lambda: schedules.Poly(1.0, 10, warmup_steps=-5),
            "needs warmup_steps to be a whole number of at",
        ),
        (
            lambda: schedules.Exponential(1.0, 10, rate="1"),
            "needs rate to be a finite number above 0. Rec",
        ),
        (
            lambda: schedules.CosineRestarts(1.0, 10, lowest=2),
            "of at least 0 and up to 1. Received: lowes",
        ),
        (
            lambda: schedules.CosineRestarts(1.0, 10, float("nan")),
            "needs period_factor to be a finite num",
        ),
    ],
)
def test_numbers_out_of_range_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
