"""The recipe of the FC-DenseNet paper, both of its trainings, for a few steps of the real thing."""

import json

import pytest
from _process import run_on

SCRIPT = """
import json, pathlib, sys
import numpy as np
import keras_seg, pipelines

drawn = pipelines.shapes(num_images=10, size=(360, 480), seed=0)
pairs = [drawn.example("train", index) for index in range(5)]
images, labels = (np.stack(part) for part in zip(*pairs))
splits = {"train": (images[:3], labels[:3]), "val": (images[3:], labels[3:])}
data = pipelines.Dataset.from_arrays("few", drawn.class_names, drawn.palette, splits)
name, folder = sys.argv[1:]
run = keras_seg.fit(name, data, recipe="fc_densenet", folder=folder, epochs=2, statistics_batches=1)
first = keras_seg.Run(f"{run.folder}-before", data)
found = [
    [one.settings["crop_size"], one.history["learning_rate"].tolist(), one.history["loss"].tolist()]
    for one in (first, run)
]
answer = [found, run.evaluate("val").mean_iou, run.settings["backend"]]
pathlib.Path(folder, "answer.json").write_text(json.dumps(answer))
"""


@pytest.mark.slow
@pytest.mark.backends
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_papers_recipe_trains_on_crops_and_then_on_whole_pictures(backend, tmp_path):
    run_on(backend, SCRIPT, "fc_densenet56", tmp_path)
    (first, second), iou, ran_on = json.loads((tmp_path / "answer.json").read_text())
    assert ran_on == backend
    assert (first[0], second[0]) == ([224, 224], [360, 480])
    # 1e-3 and 1e-4, times 0.995 after each epoch, which is one step of three pictures here.
    assert first[1] == pytest.approx([1e-3 * 0.995**n for n in (1, 2)], rel=1e-4)
    assert second[1] == pytest.approx([1e-4 * 0.995**n for n in (1, 2)], rel=1e-4)
    assert all(0 < loss < 10 for loss in first[2] + second[2])
    assert 0 <= iou <= 1
