"""Networks that were trained on JAX or torch are exported on TensorFlow."""

import pytest
from _process import run_on

pytestmark = [pytest.mark.backends, pytest.mark.slow]

TRAIN = """
import sys
import keras_seg, pipelines

data = pipelines.shapes(num_images=12, size=(64, 96), seed=0)
options = {"epochs": 1, "batch_size": 4, "precision": sys.argv[2]}
keras_seg.fit("contextnet_cn14_160", data, folder=sys.argv[1], **options)
"""

# Exports compare themselves with the Keras model: "fp32" needs 99.9 % equal labels.
EXPORT = """
import sys
from pathlib import Path
import keras, keras_seg, pipelines

data = pipelines.shapes(num_images=12, size=(64, 96), seed=0)
(folder,) = Path(sys.argv[1]).iterdir()
run = keras_seg.Run(folder, data)
assert run.settings["backend"] != keras.backend.backend() == "tensorflow"
assert run.export_saved_model().agreement >= 0.999
for mode, least in (("fp32", 0.999), ("fp16", 0.99), ("int8", 0.9)):
    report = run.export_tflite(mode, size=(64, 96))
    assert report.agreement >= least, (mode, report)
"""


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_run_of_another_backend_is_exported(backend, precision, tmp_path):
    run_on(backend, TRAIN, tmp_path, precision)
    run_on("tensorflow", EXPORT, tmp_path)
