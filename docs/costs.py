"""Measure what each classifier costs at its paper's size, for the table in README.md.

`python docs/costs.py` measures all, `python docs/costs.py resnet` those whose name says resnet;
`make readme` then writes the table. A .tflite file of each network is written, with random weights.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402

from keras_seg import analyse, export, models  # noqa: E402
from keras_seg.cli import table  # noqa: E402


def costs(name):
    """Multiply-accumulates for one image, and bytes of the .tflite file with 16-bit weights."""
    facts = models.facts(name)
    model = models.build(name, (facts.image_size, facts.image_size, facts.channels))
    macs = int(analyse.summary(model).loc["total", "macs"])
    with tempfile.TemporaryDirectory() as folder:
        # Random weights: logits lie close together, and which is largest says nothing.
        report = export.tflite(model, Path(folder, "model.tflite"), "fp16", min_agreement=0.0)
    return {"macs": macs, "tflite_bytes": report.num_bytes}


if __name__ == "__main__":
    for name in models.names("classification"):
        if all(word in name for word in sys.argv[1:]):
            known = table.costs()
            known.loc[name] = costs(name)
            known.sort_index().to_csv(table.COSTS)
            print(name, *known.loc[name], flush=True)  # noqa: T201
            keras.backend.clear_session()
