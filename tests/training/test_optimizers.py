"""Decay of weights, and that each number of a recipe reaches the optimizer."""

import json

import keras
import numpy as np
import pytest
from _process import run_on

from keras_seg import models, recipes
from keras_seg.training.optimizers import with_l2
from keras_seg.training.recipes import recipe


def kernel_and_bias():
    """A network of one kernel and one bias, all ones, and its two weights."""
    dense = keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), dense])
    return model, dense.kernel, dense.bias


def after(steps, made, weights, gradient=0.0):
    for _ in range(steps):
        made.apply([np.full(w.shape, gradient, "float32") for w in weights], weights)
    return [float(np.ravel(w.numpy())[0]) for w in weights]


def rmsprop_by_hand(w, gradients, rate, rho, momentum, epsilon):
    """Hinton's RMSprop as in TensorFlow, where epsilon is inside the root."""
    mean_square = velocity = 0.0
    for gradient in gradients:
        g = gradient(w)
        mean_square = rho * mean_square + (1 - rho) * g * g
        velocity = momentum * velocity + rate * g / np.sqrt(mean_square + epsilon)
        w -= velocity
    return w


def test_l2_is_the_gradient_of_half_the_sum_of_squares():
    model, kernel, bias = kernel_and_bias()
    mine = recipe("small_data", optimizer="sgd", schedule="constant", warmup_epochs=0, averaging=0)
    mine = recipe(mine, learning_rate=0.5, weight_decay=0, l2=0.1)
    made = recipes.optimizer(mine, model, steps_per_epoch=10)
    # kernel: 1 - 0.5 * (0.2 + 0.1 * 1) = 0.85; the bias is a vector: 1 - 0.5 * 0.2 = 0.9.
    assert after(1, made, [kernel, bias], 0.2) == pytest.approx([0.85, 0.9])
    # 0.85 - 0.5 * (0.2 + 0.085) = 0.7075
    assert after(1, made, [kernel, bias], 0.2) == pytest.approx([0.7075, 0.8])


def test_the_decay_of_contextnet_is_that_of_a_penalty_in_the_loss():
    # Without a gradient of its own, so that the decay alone moves the weight. Decoupled, five steps
    # at a constant rate leave (1 - 0.045 * 4e-5) ** 5 = 0.999991; momentum alone makes it more.
    model, kernel, _ = kernel_and_bias()
    made = recipes.optimizer(recipe("contextnet", schedule="constant"), model, steps_per_epoch=10)
    expected = rmsprop_by_hand(1.0, [lambda w: 4e-5 * w] * 200, 0.045, 0.9, 0.9, 1.0)
    # 200 steps of 10 * 0.045 * 4e-5, less what momentum has not yet: 1 - 0.0034.
    assert expected == pytest.approx(0.9966, abs=2e-4)
    assert after(200, made, [kernel])[0] == pytest.approx(expected, abs=1e-6)


def test_the_decay_of_fc_densenet_is_that_of_a_penalty_in_the_loss():
    # "Pure noise": gradients of +1e-3 and -1e-3, which cancel. The first step has no mean yet, so
    # that it is larger; by hand, with Lasagne's RMSprop of rho 0.9 and epsilon 1e-6.
    model, kernel, _ = kernel_and_bias()
    paper = recipe("fc_densenet").first()
    made = recipes.optimizer(recipe(paper, schedule="constant"), model, steps_per_epoch=10)
    noise = [1e-3, -1e-3] * 20
    gradients = [lambda w, g=g: g + 2e-4 * w for g in noise]
    expected = rmsprop_by_hand(1.0, gradients, 1e-3, 0.9, 0.0, 1e-6)
    for g in noise:
        found = after(1, made, [kernel], g)[0]
    assert found == pytest.approx(expected, abs=1e-5)
    # Decoupled decay would have taken 40 * 1e-3 * 2e-4 = 8e-6 from the same steps.
    without = rmsprop_by_hand(1.0, [lambda w, g=g: g for g in noise], 1e-3, 0.9, 0.0, 1e-6)
    assert without - expected > 100 * 8e-6


def test_gradients_that_accumulate_get_l2_once_per_update():
    model, kernel, bias = kernel_and_bias()
    mine = recipe("contextnet", optimizer="sgd", schedule="constant", learning_rate=0.5, l2=0.1)
    made = recipes.optimizer(recipe(mine, accumulate=2), model, steps_per_epoch=10)
    assert after(1, made, [kernel, bias], 0.2)[0] == 1
    # The mean of 0.2 and 0.4, and 0.1 * 1: 1 - 0.5 * (0.3 + 0.1) = 0.8.
    assert after(1, made, [kernel, bias], 0.4)[0] == pytest.approx(0.8)


def test_l2_is_part_of_the_gradient_that_is_clipped():
    model, kernel, _ = kernel_and_bias()
    options = {"optimizer_options": {"clipvalue": 0.01}, "learning_rate": 0.5, "l2": 0.1}
    mine = recipe("contextnet", optimizer="sgd", schedule="constant", **options)
    made = recipes.optimizer(mine, model, steps_per_epoch=10)
    assert after(1, made, [kernel])[0] == pytest.approx(1 - 0.5 * 0.01)


@pytest.mark.parametrize("wrapped", [True, False])
def test_l2_does_not_depend_on_the_scale_of_the_loss(wrapped):
    model, kernel, bias = kernel_and_bias()
    options = {} if wrapped else {"optimizer_options": {"loss_scale_factor": 8.0}}
    mine = recipe("contextnet", optimizer="sgd", schedule="constant", learning_rate=0.5, l2=0.1)
    made = recipes.optimizer(recipe(mine, **options), model, steps_per_epoch=10)
    if wrapped:
        made = keras.optimizers.LossScaleOptimizer(made, initial_scale=8.0)
    made.build([kernel, bias])
    # The gradient of the scaled loss is 8 * 0.2.
    assert after(1, made, [kernel, bias], 1.6)[0] == pytest.approx(0.85)


def test_a_weight_without_a_gradient_stays():
    weights = [keras.Variable(np.ones((1, 1))), keras.Variable(np.ones((1, 1)))]
    made = with_l2(keras.optimizers.SGD)(0.5)
    made.l2 = 0.1
    made.build(weights)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        made.apply([np.zeros((1, 1), "float32"), None], weights)
    assert [float(w[0, 0]) for w in weights] == pytest.approx([0.95, 1.0])


@pytest.mark.parametrize(
    ("kinds", "left"),
    [
        ([], ["beta", "bias", "depthwise", "gamma", "kernel"]),
        (["vectors"], ["depthwise", "kernel"]),
        (["bias"], ["depthwise", "gamma", "kernel"]),
        (["vectors", "depthwise"], ["kernel"]),
    ],
)
@pytest.mark.parametrize("field", ["weight_decay", "l2"])
def test_kinds_of_weights_are_left_alone(kinds, left, field):
    inner = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.DepthwiseConv2D(3)])
    layers = [inner, keras.layers.Conv2D(2, 1), keras.layers.BatchNormalization()]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    for weight in model.trainable_variables:
        weight.assign(np.ones(weight.shape))
    options = {"optimizer": "sgd", "schedule": "constant", "learning_rate": 0.1, "l2": 0.0}
    mine = recipe("contextnet", **{**options, field: 0.5, "no_decay": kinds})
    made = recipes.optimizer(mine, model, steps_per_epoch=10)
    after(1, made, model.trainable_variables)
    # 1 - 0.1 * 0.5 of each weight that is decayed, in both ways with plain SGD.
    names = {id(w): w.name for w in model.trainable_variables}
    names |= {id(inner.layers[0].kernel): "depthwise"}
    values = {id(w): float(np.ravel(w.numpy())[0]) for w in model.trainable_variables}
    assert sorted({names[x] for x, value in values.items() if value < 1}) == left
    assert {round(value, 6) for value in values.values()} <= {1.0, 0.95}


def test_the_papers_say_which_weights_are_decayed():
    # ContextNet, section 3.1: none of the depthwise convolutions. FC-DenseNet in Lasagne: kernels,
    # and the scales of batch normalization; its classes call biases and offsets not regularizable.
    assert recipe("contextnet").no_decay == ("vectors", "depthwise")
    assert recipe("fc_densenet").no_decay == ("bias",)
    for name in ("contextnet", "fc_densenet", "fc_densenet_short"):
        assert recipe(name).weight_decay == 0


SCRIPT = """
import json, sys
import keras, numpy as np
from keras_seg import recipes
dense = keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)
model = keras.Sequential([keras.Input((1,)), dense])
mine = recipes.recipe("contextnet", optimizer=sys.argv[2], schedule="constant", learning_rate=0.5)
mine = recipes.recipe(mine, l2=0.1, accumulate=2)
model.compile(recipes.optimizer(mine, model, 10), "mse")
x, y = np.ones((1, 1), "float32"), np.ones((1, 1), "float32")
losses = [float(np.ravel(model.train_on_batch(x, y))[0]) for _ in range(2)]
json.dump([losses, dense.kernel.numpy().tolist()], open(sys.argv[1], "w"))
"""


@pytest.mark.long
@pytest.mark.backends
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
@pytest.mark.parametrize(
    ("name", "expected"),
    # The network is right, so that only L2 pulls: g = 0.1.
    [
        ("sgd", 1 - 0.5 * 0.1),
        ("rmsprop", 1 - 0.5 * 0.1 / np.sqrt(0.1 * 0.01 + 1)),  # rho 0.9, epsilon 1
    ],
)
def test_l2_is_the_same_on_each_backend(backend, name, expected, tmp_path):
    path = tmp_path / "answer.json"
    run_on(backend, SCRIPT, path, name)
    losses, kernel = json.loads(path.read_text())
    assert losses == [0, 0]  # The penalty is not in the loss that is reported.
    assert kernel[0][0] == pytest.approx(expected, rel=1e-4)


def test_an_optimizer_object_is_copied_for_each_training():
    model, kernel, bias = kernel_and_bias()
    given = keras.optimizers.SGD(0.5, momentum=0.9)
    mine = recipe("small_data", optimizer=given, averaging=0)
    made = [recipes.optimizer(mine, model, 10) for _ in range(2)]
    assert given not in made
    assert made[0] is not made[1]
    # 1 - 0.5 * 0.2, then momentum: 0.9 - 0.5 * 0.2 - 0.9 * 0.1. `given` never moved.
    assert after(2, made[0], [kernel, bias], 0.2)[0] == pytest.approx(0.71)
    assert made[0].momentum == 0.9
    assert (mine.learning_rate, mine.schedule, mine.weight_decay) == (None, None, None)
    assert not given.built


def test_an_optimizer_object_keeps_its_schedule_and_takes_the_other_fields():
    model, kernel, bias = kernel_and_bias()
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.5, 0.25])
    mine = recipe("small_data", optimizer=keras.optimizers.SGD(rate), l2=0.1, accumulate=2)
    made = recipes.optimizer(mine, model, 10)
    assert made.use_ema
    # Two batches make the first update, at 0.5: 1 - 0.5 * (0.2 + 0.1); the second is at 0.25.
    assert after(2, made, [kernel, bias], 0.2)[0] == pytest.approx(0.85)
    assert after(2, made, [kernel, bias], 0.2)[0] == pytest.approx(0.85 - 0.25 * 0.285)


def test_a_name_takes_the_place_of_an_optimizer_object():
    mine = recipe("contextnet", optimizer=keras.optimizers.Adam(2e-3))
    again = recipe(mine, optimizer="sgd")
    assert (again.learning_rate, again.schedule, again.weight_decay) == (1e-3, "poly", 0.0)
    assert again.l2 == 4e-5


def test_each_number_of_the_optimizer_reaches_it():
    network = models.build("contextnet_cn14_160", (64, 64, 3), num_classes=4)
    mine = recipe(
        "small_data",
        optimizer="rmsprop",
        optimizer_options={"rho": 0.8, "momentum": 0.7, "epsilon": 0.5, "clipnorm": 3.0},
        weight_decay=0.01,
        l2=0.02,
        accumulate=4,
        averaging=0.1,
        epochs=5,
    )
    made = recipes.optimizer(mine, network, steps_per_epoch=8)
    assert (made.rho, made.momentum, made.epsilon, made.clipnorm) == (0.8, 0.7, 0.5, 3.0)
    assert (made.weight_decay, made.l2, made.gradient_accumulation_steps) == (0.01, 0.02, 4)
    # A tenth of 5 epochs of 8 steps: 4 steps.
    assert (made.use_ema, made.ema_momentum) == (True, 1 - 1 / 4)


@pytest.mark.parametrize(
    ("schedule", "options", "start", "middle", "end"),
    [
        # 4 epochs of 10 steps to a rate of 1 without warm-up: steps 0, 20 and 40.
        ("constant", {}, 1, 1, 1),
        ("poly", {"power": 2}, 1, 0.25, 0),
        ("exponential", {"rate": 0.5}, 1, 0.25, 0.0625),
        ("cosine", {"lowest": 0.1}, 1, 0.55, 1),  # A restart at the end of its period.
        ("cosine", {"period_epochs": 1, "period_factor": 3}, 1, 0.75, 1),  # 10 of 30 steps.
    ],
)
def test_each_number_of_a_schedule_reaches_it(schedule, options, start, middle, end):
    mine = recipe("small_data", schedule=schedule, schedule_options=options, epochs=4)
    mine = recipe(mine, learning_rate=2.0, warmup_epochs=0)
    rate = recipes.learning_rate(mine, steps_per_epoch=10)
    found = [float(rate(step)) for step in (0, 20, 40)]
    assert found == pytest.approx([2 * start, 2 * middle, 2 * end], abs=1e-5)
    warm = recipes.learning_rate(recipe(mine, warmup_epochs=0.5), steps_per_epoch=10)
    # 5 steps of linear rise: the first has a fifth.
    assert float(warm(0)) == pytest.approx(0.4)


def test_each_number_of_the_loss_reaches_it():
    mine = recipe("small_data", loss="focal", loss_options={"gamma": 1.5}, class_weights=None)
    made = recipes.loss(mine, 3, 254, class_weights=[1, 2, 3])
    assert (made.gamma, made.num_classes, made.ignore_class) == (1.5, 3, 254)
    np.testing.assert_array_equal(made.class_weights, [1, 2, 3])
    smooth = recipes.loss(recipe("small_data", label_smoothing=0.3), 3)
    # One pixel of equal logits: ln 3 whatever the smoothing; of logits 1, 0, 0 it is
    # ln(e + 2) - (0.7 + 0.3 / 3) * 1 = 1.5514 - 0.8.
    logits = np.array([[[[1.0, 0.0, 0.0]]]], "float32")
    assert float(smooth(np.zeros((1, 1, 1), "uint8"), logits)) == pytest.approx(0.7514, abs=1e-4)


@pytest.mark.parametrize(
    ("optimizer", "steps"),
    [
        # Momentum 0.9 and gradients of 1: 0.1, and 0.1 + 0.09 after the second step.
        ("sgd", [0.1, 0.29]),
        # Adam's steps are its rate while the gradient stays the same.
        ("adamw", [0.1, 0.2]),
    ],
)
def test_a_factor_of_the_rate_multiplies_each_step(optimizer, steps):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="head")])
    options = {"momentum": 0.9} if optimizer == "sgd" else {}
    mine = recipe(
        "contextnet", optimizer=optimizer, optimizer_options=options, learning_rate=0.1,
        schedule="constant", l2=0.0, weight_decay=0.0, rate_factors={"bias$": 3},
    )  # fmt: skip
    made = recipes.optimizer(mine, model, steps_per_epoch=10)
    kernel, bias = model.trainable_variables
    kernel.assign([[0.0]])
    for moved in steps:
        made.apply([np.ones((1, 1), "float32"), np.ones(1, "float32")], [kernel, bias])
        assert float(kernel[0, 0]) == pytest.approx(-moved, rel=1e-4)
        assert float(bias[0]) == pytest.approx(-3 * moved, rel=1e-4)


def test_a_factor_without_a_weight_is_logged(caplog):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="head")])
    recipes.optimizer(recipe("contextnet", rate_factors={"^tail": 10}), model, 10)
    assert "no weight of the network has a path like '^tail'" in caplog.text
