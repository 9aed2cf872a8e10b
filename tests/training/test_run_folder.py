import json
import re

import keras
import numpy as np
import pytest

import pipelines
from keras_seg import losses, models
from keras_seg.find_run import find_run
from keras_seg.training import run_folder
from keras_seg.training.recipes import recipe


@pytest.fixture(scope="module")
def data():
    images, labels = np.zeros((2, 32, 32, 3), "uint8"), np.zeros((2, 32, 32), "uint8")
    return pipelines.Dataset.from_arrays("toy", ["road", "sky"], None, {"train": (images, labels)})


def network(filters=2, name=None):
    """A network whose layers Keras names, counting up with every one that is built."""
    image = keras.Input((None, None, 3))
    x = keras.layers.Dropout(0.1)(keras.layers.Conv2D(filters, 3, padding="same")(image))
    return keras.Model(image, keras.layers.Conv2D(2, 1)(x), name=name)


def setup(data, model=None, seed=0, **changes):
    return run_folder.setup(model or network(), data, recipe("small_data", **changes), seed)


def test_same_network_built_again_is_the_same_set_up(data):
    first, second = network(name="mine"), network(name="mine")
    assert first.layers[1].name != second.layers[1].name
    before = setup(data, first)
    assert setup(data, second) == before
    first.compile("adam", "mse")
    assert setup(data, first) == before


def test_numbers_of_numpy_are_kept_as_numbers(data):
    size = np.array([32, 64])  # A crop size as people take it from an array's shape.
    kept = setup(data, crop_size=tuple(size), epochs=np.int64(3))["recipe"]
    assert (kept["crop_size"], kept["epochs"]) == ([32, 64], 3)
    assert kept == setup(data, crop_size=(32, 64), epochs=3)["recipe"]


def test_whatever_changes_a_training_changes_its_set_up(data):
    images, labels = np.zeros((3, 32, 32, 3), "uint8"), np.zeros((3, 32, 32), "uint8")
    more = pipelines.Dataset.from_arrays("toy", ["road", "sky"], None, {"train": (images, labels)})
    setups = [
        setup(data),
        setup(data, network(filters=3)),
        setup(data, seed=1),
        setup(data, epochs=3),
        setup(data, augmentation=()),
        setup(data, augmentation=(pipelines.ops.random_scale(0.5, 2.0),)),
        setup(data, augmentation=(pipelines.ops.random_scale(0.5, 1.0),)),
        setup(data, loss=losses.SparseCrossEntropy(2)),
        setup(data, loss=losses.SparseCrossEntropy(2, label_smoothing=0.1)),
        setup(more),
    ]
    texts = [
        json.dumps({key: value for key, value in one.items() if key != "architecture"})
        for one in setups
    ]
    assert len(set(texts)) == len(texts)


def test_set_up_holds_no_address_in_memory(data):
    ops = (pipelines.ops.random_flip(), pipelines.ops.random_scale(0.5, 2.0))
    made = setup(data, augmentation=ops, loss=losses.SparseCrossEntropy(2))
    assert not re.search("0x[0-9a-f]{6}", json.dumps(made))
    assert setup(data, network(name=made["architecture"]), augmentation=ops)["recipe"] == {
        **made["recipe"],
        "loss": "cross_entropy",
        # Those of the recipe, which a loss object does not take.
        "class_weights": {"method": "enet", "c": 1.1},
    }


def test_set_up_survives_json(data):
    made = setup(data, models.build("contextnet_cn14_160", num_classes=2))
    assert json.loads(json.dumps(made)) == made
    assert made["class_names"] == ["road", "sky"]
    assert made["architecture"] == "contextnet_cn14_160"


def write(folder, settings):
    folder.mkdir()
    (folder / "run.json").write_text(settings)


def test_run_is_found_again_by_its_set_up(tmp_path):
    wanted = {"seed": 1}
    write(tmp_path / "run", json.dumps({"setup": {"seed": 0}}))
    write(tmp_path / "run-2", json.dumps({"setup": wanted}))
    assert run_folder.choose_folder(tmp_path, "run", wanted) == tmp_path / "run-2"
    assert run_folder.choose_folder(tmp_path, "run", {"seed": 2}) == tmp_path / "run-3"
    assert run_folder.choose_folder(tmp_path, "other", wanted) == tmp_path / "other"


def test_run_of_before_a_field_existed_is_found_again(data, tmp_path):
    wanted = setup(data)
    fields = {name: value for name, value in wanted["recipe"].items() if name != "accumulate"}
    write(tmp_path / "toy", json.dumps({"setup": wanted | {"recipe": fields}}))
    assert run_folder.choose_folder(tmp_path, "toy", wanted).name == "toy"
    # Not the field's default: another training.
    assert run_folder.choose_folder(tmp_path, "toy", setup(data, accumulate=2)).name == "toy-2"


@pytest.mark.parametrize("text", ["no json", "[1, 2]", '{"mine": true}', ""])
def test_folder_of_somebody_else_is_left_alone(tmp_path, text):
    write(tmp_path / "run", text)
    assert run_folder.choose_folder(tmp_path, "run", {"seed": 0}) == tmp_path / "run-2"


def test_file_and_folder_with_a_file_of_that_name_are_left_alone(tmp_path):
    (tmp_path / "run").write_text("a file")
    (tmp_path / "run-2").mkdir()
    (tmp_path / "run-2" / "notes.txt").write_text("mine")
    assert run_folder.choose_folder(tmp_path, "run", {}) == tmp_path / "run-3"


@pytest.mark.parametrize(
    "names", [[], ["state.npz"], [".state.npz.part", ".run.json.part"], ["start.npz"]]
)
def test_folder_of_a_run_that_was_killed_before_its_first_notes_is_taken(tmp_path, names):
    (tmp_path / "run").mkdir()
    for name in names:
        (tmp_path / "run" / name).write_bytes(b"half")
    assert run_folder.choose_folder(tmp_path, "run", {}) == tmp_path / "run"


def test_new_folder_is_announced_with_what_differs(data, tmp_path, caplog):
    write(tmp_path / "toy", json.dumps({"setup": setup(data)}))
    run_folder.choose_folder(tmp_path, "toy", setup(data, seed=1, epochs=3))
    (record,) = caplog.records
    assert re.search(r"New run in '.*toy-2'.*'.*toy' holds another run", record.message)
    assert "seed 0 -> 1" in record.message
    assert "epochs 150 -> 3" in record.message


def test_run_of_an_earlier_version_is_announced_as_such(data, tmp_path, caplog):
    shipped = run_folder.read(find_run("contextnet_cn14-camvid"))
    write(tmp_path / "toy", json.dumps(shipped))
    assert run_folder.choose_folder(tmp_path, "toy", setup(data)).name == "toy-2"
    assert "did not record the content of its pictures" in caplog.text


def test_environment_names_backend_and_versions():
    found = run_folder.environment()
    assert found["backend"] == keras.backend.backend()
    assert found["versions"]["keras"] == keras.__version__
    assert json.loads(json.dumps(found)) == found


def test_commit_is_none_without_git(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(run_folder.subprocess, "run", missing)
    assert run_folder.environment()["git_commit"] is None
