"""The command `benchmark`: networks by name, runs and files in one table."""

import json

import numpy as np
import pytest
from _export import NAMES, network

import keras_seg
from keras_seg import export
from keras_seg.cli.main import main
from keras_seg.inference.choice import ENGINES


@pytest.mark.long
def test_a_network_by_name_has_its_costs_speed_and_the_figures_of_its_paper(capsys):
    assert main(["benchmark", "contextnet_cn14", "--sizes", "256x512", "--rounds", "1"]) == 0
    shown = capsys.readouterr().out
    assert "cores, devices" in shown
    assert "keras 3." in shown
    heading, row = (line.split() for line in shown.splitlines()[-2:])
    found = dict(zip(heading, row, strict=True))
    # With batch normalization merged, as in the decorator of contextnet_cn14.
    assert found["parameters"] == "846179"
    assert float(found["sequential"]) > 0
    assert float(found["pipelined"]) > 0
    assert found["engine"] in ENGINES[1:]  # not "auto"
    assert (found["mean_iou"], found["agreement"]) == ("-", "-")  # of runs and of files only
    # Table 7 of arXiv 1805.04554.
    assert (found["paper_fps"], found["paper_pipelined"]) == ("139.2", "299.5")


@pytest.mark.long
def test_a_file_is_compared_with_its_run_at_its_own_size(tmp_path):
    model = network(0)
    model.save(tmp_path / "model.keras")
    settings = {"class_names": NAMES, "palette": [[0, 0, 0]] * 3, "epochs_done": 1}
    (tmp_path / "run.json").write_text(json.dumps({**settings, "setup": {}}))
    report = export.openvino(model, tmp_path / "openvino" / "1", NAMES)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 60, 3)).astype("uint8")
    table = keras_seg.benchmark([report.path], [(64, 96)], pictures, rounds=2, frames=2)
    assert table["size"].tolist() == ["64x96"]
    assert table["agreement"].item() > 0.999
    low, high = map(float, table["sequential_range"].item().split("-"))
    assert low - 0.1 <= table["sequential"].item() <= high + 0.1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((["resnet18"],), "networks of pictures with label maps. Received: 'resnet18'"),
        ((["no_such_network"],), "Unknown run"),
        (([], [(64, 64)], None, 0), "rounds to be a whole number"),
        (([], [(64, 64)], None, 1, 0), "frames to be a whole number"),
    ],
)
def test_wrong_arguments_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        keras_seg.benchmark(*arguments)
