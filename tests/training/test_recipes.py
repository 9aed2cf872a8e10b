import dataclasses
import json
import re

import keras
import numpy as np
import pytest

from keras_seg import models, recipes, schedules
from keras_seg.training.network import augmentation
from keras_seg.training.recipes import Recipe, recipe


@pytest.fixture(scope="module")
def network():
    return models.build("contextnet_cn14_160", (64, 64, 3), num_classes=4)


def test_recipe_of_the_contextnet_paper_has_its_numbers(network):
    # Poudel et al., section 3.1.
    paper = recipe("contextnet")
    optimizer = recipes.optimizer(paper, network, steps_per_epoch=10)
    assert isinstance(optimizer, keras.optimizers.RMSprop)
    assert (optimizer.rho, optimizer.momentum, optimizer.epsilon) == (0.9, 0.9, 1.0)
    assert paper.auxiliary_weight == 0.4
    schedule = optimizer._learning_rate
    assert isinstance(schedule, schedules.Poly)
    assert (schedule.initial_learning_rate, schedule.power) == (0.045, 0.98)
    assert schedule.decay_steps == 1000 * 10


@pytest.mark.long
@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_makes_an_optimizer_and_names_ops_that_exist(name, network):
    from pipelines import ops

    recipes.optimizer(recipe(name), network, steps_per_epoch=10)
    for op, arguments in recipe(name).augmentation:
        if "crop" in op:
            arguments = {**arguments, "height": 64, "width": 64}
        assert callable(getattr(ops, op)(**arguments))


def test_the_decay_of_contextnet_is_that_of_ordinary_kernels(network):
    optimizer = recipes.optimizer(recipe("contextnet"), network, steps_per_epoch=10)
    optimizer.build(network.trainable_variables)
    decayed = {v.path for v in network.trainable_variables if id(v) not in optimizer.l2_excluded}
    kernels = {
        layer.kernel.path
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D)
        and not isinstance(layer, keras.layers.DepthwiseConv2D)
    }
    assert decayed == kernels
    assert decayed == {
        v.path for v in network.trainable_variables if optimizer._use_weight_decay(v)
    }


@pytest.mark.parametrize("name", models.names())
def test_the_recipe_of_each_architecture_exists(name):
    assert models.facts(name).recipe in {None, *recipes.RECIPES}


@pytest.mark.parametrize("optimizer", recipes.OPTIMIZERS)
def test_weight_decay_of_zero_changes_no_weight(optimizer, network):
    made = recipes.optimizer(recipe("small_data", optimizer=optimizer, weight_decay=0), network, 10)
    weight = keras.Variable(np.ones((3, 3)))
    made.build([weight])
    made.apply([np.zeros((3, 3), "float32")])
    np.testing.assert_array_equal(weight.numpy(), np.ones((3, 3)))


def test_average_spans_its_share_of_the_training(network):
    # 3 % of 150 epochs of 10 steps are 45 steps: momentum 1 - 1/45.
    made = recipes.optimizer(recipe("small_data", averaging=0.03, epochs=150), network, 10)
    assert made.use_ema
    assert made.ema_momentum == pytest.approx(1 - 1 / 45)
    assert not recipes.optimizer(recipe("small_data", averaging=0), network, 10).use_ema


@pytest.mark.parametrize("schedule", recipes.SCHEDULES)
@pytest.mark.parametrize("optimizer", recipes.OPTIMIZERS)
def test_schedule_and_optimizer_can_be_changed_alone(schedule, optimizer, network):
    changed = recipe("contextnet", schedule=schedule, optimizer=optimizer, warmup_epochs=1)
    made = recipes.optimizer(changed, network, steps_per_epoch=10)
    assert isinstance(made, recipes.OPTIMIZERS[optimizer])
    # Warm-up of 10 steps to 0.045: the first step has a tenth.
    assert float(made.learning_rate) == pytest.approx(0.0045, rel=1e-5)


def test_options_of_the_same_optimizer_stay():
    assert recipe("contextnet", optimizer="rmsprop").optimizer_options["rho"] == 0.9
    assert recipe("contextnet", optimizer="sgd").optimizer_options == {}
    given = recipe("contextnet", optimizer="sgd", optimizer_options={"momentum": 0.9})
    assert given.optimizer_options == {"momentum": 0.9}


def rate(step, **changes):
    made = recipe("small_data", learning_rate=1.0, warmup_epochs=0, epochs=4, **changes)
    return float(recipes.learning_rate(made, steps_per_epoch=10)(step))


def test_each_schedule_spans_the_training():
    assert rate(39, schedule="constant") == 1
    assert rate(20, schedule="poly", schedule_options={"power": 2}) == pytest.approx(0.25)
    assert rate(40, schedule="poly") == 0
    assert rate(20, schedule="exponential", schedule_options={"rate": 0.5}) == pytest.approx(0.25)
    assert rate(20, schedule="cosine") == pytest.approx(0.5, abs=1e-6)
    assert rate(10, schedule="cosine", schedule_options={"period_steps": 10}) == 1


def test_recipe_is_changed_by_field_and_left_as_it_was():
    mine = Recipe("mine", epochs=3, batch_size=2)
    assert recipe(mine, epochs=5) == dataclasses.replace(mine, epochs=5)
    assert mine.epochs == 3
    assert recipe(mine) == mine


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "small_data",
            {"class_weight": {0: 1.0}},
            r"no class_weight.*are part of the loss: pass `class_weights",
        ),
        ("context_net", {}, r"Unknown recipe\. Did you mean 'contextnet'"),
    ],
)
def test_names_that_no_recipe_has_are_refused(name, changes, words):
    with pytest.raises(ValueError, match=words):
        recipe(name, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epoch": 3}, r"Unknown argument of `fit`\. Did you mean 'epochs'\?"),
        ({"optimizer": "adamax"}, r"Unknown optimizer\. Did you mean 'adamw'\?"),
        ({"schedule": "step"}, r"Unknown schedule\..*'constant'"),
        ({"epochs": 0}, "`recipe 'small_data'` needs epochs"),
        ({"batch_size": 2.5}, "needs batch_size to be a whole number"),
        ({"patience": 0}, "needs patience to be a whole number"),
        ({"label_smoothing": 1}, "needs label_smoothing from 0 below 1"),
        ({"averaging": -0.1}, "needs averaging from 0 below 1"),
        ({"options": 3}, "needs options as a dict .* Received: options=3"),
        ({"class_weights": "median"}, "needs class_weights as one number per class, or .*'median'"),
        ({"class_weights": 2}, "needs class_weights as one number .*class_weights=2"),
        ({"learning_rate": -1}, "needs learning_rate to be a finite number of at least 0"),
        ({"learning_rate": float("nan")}, "needs learning_rate to be a finite"),
        ({"warmup_epochs": "two"}, "needs warmup_epochs to be a finite"),
        ({"weight_decay": float("inf")}, "needs weight_decay to be a finite"),
        ({"auxiliary_weight": None}, "needs auxiliary_weight to be a finite"),
        (
            {"crop_size": 480},
            r"crop_size=\(height, width\) as whole numbers from 1.*Received: crop_size=480",
        ),
        ({"crop_size": (0, 480)}, "crop_size=.height, width. as whole numbers from 1"),
        ({"l2": -1e-4}, "needs l2 to be a finite number of at least 0"),
        ({"rate_factors": 2}, "needs rate_factors as a dict .* Received: rate_factors=2"),
        ({"rate_factors": {"bias": -1}}, r"needs rate_factors\['bias'\] to be a finite number"),
        ({"rate_factors": {"(": 2}}, r"regular expressions as keys of rate_factors.*'\('"),
        ({"no_decay": "bias"}, r"no_decay as a list of kinds .*Received: no_decay='bias'"),
        ({"no_decay": ["biases"]}, r"some of \['vectors', 'bias', 'depthwise'\].*Pass \[\]"),
        (
            {"optimizer": keras.optimizers.Adam(), "learning_rate": 0.1},
            "optimizer as an object, which has its own learning_rate. Received: learning_rate=0.1",
        ),
        (
            {"loss": keras.losses.MeanSquaredError(), "label_smoothing": 0.1},
            "loss as an object, which has its own label_smoothing.*pass the name of the loss",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_words(changes, words):
    with pytest.raises(ValueError, match=words):
        recipe("small_data", **changes)


@pytest.mark.parametrize("wrong", [3, "random_flip", ["random_flip"], [("random_flip", 3)]])
def test_augmentation_that_is_no_list_of_ops_is_refused(wrong):
    with pytest.raises(ValueError, match=r"augmentation as a list of ops, or of pairs"):
        recipe("small_data", augmentation=wrong)


@pytest.mark.parametrize(
    ("size", "own"),
    [(None, {"height": 64, "width": 64}), ((64, 96), {"width": 64}), ((64, 64), {"depth": 8})],
)
def test_crops_of_another_size_than_crop_size_are_refused(size, own):
    message = f"crops as crop_size. Received: 'class_crop' with {own}, and crop_size={size}. Pass"
    with pytest.raises(ValueError, match=re.escape(message)):
        recipe("small_data", crop_size=size, augmentation=[("class_crop", own)])


def test_a_crop_may_repeat_crop_size():
    own = {"height": 64, "width": 96}
    mine = recipe("small_data", crop_size=(64, 96), augmentation=[("random_crop", own)])
    assert augmentation(mine) == [("random_crop", own)]


def test_options_of_another_schedule_are_refused():
    mine = recipe("small_data", schedule_options={"powr": 0.9})
    with pytest.raises(
        ValueError, match=r"Unknown option of schedule 'poly'. Did you mean 'power'"
    ):
        recipes.learning_rate(mine, 10)


def test_numbers_of_numpy_are_numbers():
    mine = recipe(
        "small_data",
        learning_rate=np.float32(0.5),
        epochs=np.int64(3),
        crop_size=np.array([64, 96]),
        class_weights=np.array([1.0, 2.0]),
        schedule_options={"power": np.float64(0.5)},
        averaging=np.float32(0.25),
    )
    assert (mine.learning_rate, mine.epochs, mine.averaging) == (0.5, 3, 0.25)
    assert (mine.crop_size, mine.class_weights) == ([64, 96], [1.0, 2.0])
    json.dumps(mine.to_dict())


def test_a_loss_object_leaves_nothing_to_the_fields_of_a_name():
    mine = recipe("small_data", loss=keras.losses.MeanSquaredError())
    assert (mine.class_weights, mine.label_smoothing, mine.loss_options) == (None, 0.0, {})


def test_recipe_is_saved_and_read_again(tmp_path):
    adam = keras.optimizers.Adam(2e-3)
    for mine in (recipe("fc_densenet"), recipe("small_data", optimizer=adam)):
        path = tmp_path / "mine.json"
        mine.save(path)
        again = recipe(path)
        # JSON has lists for tuples.
        assert json.dumps(again.to_dict()) == json.dumps(mine.to_dict())
        assert recipe(str(path), epochs=5) == dataclasses.replace(again, epochs=5)


def test_recipe_is_read_from_toml(tmp_path):
    (tmp_path / "mine.toml").write_text(
        'epochs = 5\nbatch_size = 4\ncrop_size = [64, 96]\noptimizer = "sgd"\n'
        'augmentation = [["random_crop", {}], ["random_flip", {}]]\n'
        "[optimizer_options]\nmomentum = 0.9\n"
    )
    mine = recipe(tmp_path / "mine.toml")
    assert (mine.name, mine.epochs, mine.crop_size) == ("mine", 5, [64, 96])
    assert mine.augmentation == [["random_crop", {}], ["random_flip", {}]]
    assert mine.optimizer_options == {"momentum": 0.9}


def test_the_recipe_of_a_run_is_read_from_its_settings(tmp_path):
    mine = recipe("contextnet", epochs=7)
    settings = {"setup": {"recipe": mine.to_dict()}, "seconds": 3}
    (tmp_path / "run.json").write_text(json.dumps(settings))
    again = recipe(tmp_path / "run.json")
    assert (again.name, again.epochs, again.l2) == ("contextnet", 7, 4e-5)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("none.json", None, r"file must exist. Received: recipe='.*none.json'"),
        ("a.json", "{", r"must be valid JSON. Received: '.*a.json' \("),
        ("a.toml", "epochs = ", r"must be valid TOML. Received: '.*a.toml'"),
        ("a.json", "[3]", r"fields by name. Received: '.*a.json' with list"),
        ("a.json", '{"epoch": 3}', r"Unknown field in '.*a.json'. Did you mean 'epochs'"),
        ("a.toml", "epochs = 3", r"needs batch_size. Received: '.*a.toml' without"),
    ],
)
def test_files_that_hold_no_recipe_are_refused(name, text, words, tmp_path):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=words):
        recipe(tmp_path / name)


def test_a_wrong_value_in_a_file_names_the_file(tmp_path):
    (tmp_path / "a.toml").write_text("epochs = 0\nbatch_size = 4\n")
    with pytest.raises(ValueError, match="needs epochs") as caught:
        recipe(tmp_path / "a.toml")
    assert "a.toml" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        (
            {"augmentation": [lambda example: example]},
            "a.json",
            r"with a loss and ops given by name. Received: <function",
        ),
        ({"loss": keras.losses.MeanSquaredError()}, "a.json", "loss and ops given by name"),
        ({}, "a.toml", r"writes JSON. Received: path='.*a.toml'"),
    ],
    ids=["op", "loss", "toml"],
)
def test_only_names_are_written_to_files(tmp_path, changes, name, words):
    with pytest.raises(ValueError, match=words):
        recipe("small_data", **changes).save(tmp_path / name)


def test_a_notebook_shows_a_recipe_as_a_table():
    table = recipe("contextnet")._repr_html_()
    assert "<table" in table
    assert "<th>l2</th>" in table
