"""What the progress bars of an export say while it reads, converts and compares."""

import re
import sys

import numpy as np
import pytest
from tqdm.auto import tqdm

from keras_seg.export import picture_batches
from keras_seg.export.conversion import CALIBRATED, run

PICTURES = np.zeros((6, 32, 32, 3), "uint8")
LABELS = np.zeros((6, 32, 32), "uint8")


def read():
    picture_batches.take_pictures("tflite", PICTURES, 4, (32, 32, 3))


def convert():
    assert run([sys.executable, "-c", f"print({CALIBRATED!r} * 5, end='')"], 5) == (0, "")


def compare():
    pairs = [(PICTURES[i : i + 2], LABELS[i : i + 2]) for i in (0, 2, 4)]
    assert len(list(picture_batches.labeled_batches("tflite", pairs, (32, 32, 3), (32, 32)))) == 3


@pytest.mark.parametrize(
    ("stage", "words", "count"),
    [(read, "read pictures", 4), (convert, "convert", 5), (compare, "compare", 3)],
)
def test_bar_names_the_stage_and_counts_its_steps(stage, words, count, monkeypatch, capsys):
    def shown(batches, *arguments, **options):
        return tqdm(batches, *arguments, **options | {"disable": False, "leave": True})

    monkeypatch.setattr(picture_batches, "tqdm", shown)
    stage()
    assert re.search(rf"\r{words}: 100%\|.*\| {count}/{count} ", capsys.readouterr().err)


def test_no_bar_is_shown_without_a_terminal(capsys):
    read()
    assert capsys.readouterr().err == ""
