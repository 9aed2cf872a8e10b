"""The page for phone developers: the file's own names and numbers; edits are kept."""

import logging
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from keras_seg.export import tflite
from keras_seg.export.delegates import fallbacks
from keras_seg.export.phone import PAGE, write_phone_page
from keras_seg.find_run import find_run


@pytest.fixture
def folder(tmp_path):
    """A folder with the shipped files, which are linked."""
    for file in find_run("contextnet_cn14-camvid").glob("*.tflite"):
        (tmp_path / file.name).symlink_to(file.resolve())
    return tmp_path


def test_the_page_has_the_numbers_of_each_file(folder):
    path = write_phone_page(folder)
    text = Path(path).read_text()
    files = list(folder.glob("*.tflite"))
    assert files
    assert [text.count(f"## {file.name}\n") for file in files] == [1] * len(files)
    for file in files:
        section = text.split(f"## {file.name}\n")[1].split("\n## ")[0]
        interpreter = Interpreter(str(file))
        image, found = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        _, height, width, channels = image["shape"]
        assert f"{np.dtype(image['dtype']).name} (1, {height}, {width}, {channels})" in section
        bytes_in = height * width * channels * np.dtype(image["dtype"]).itemsize
        assert f"ByteBuffer.allocateDirect({bytes_in})" in section
        bytes_out = np.prod(found["shape"]) * np.dtype(found["dtype"]).itemsize
        assert f"ByteBuffer.allocateDirect({bytes_out})" in section
        if found["quantization"][0]:
            assert f"{found['quantization'][0]:.6g}, {found['quantization'][1]} |" in section
        assert "| 3 | road | #804080 |" in section  # 128, 64, 128 in the data set
        assert f"| GPU | {fallbacks(file)['GPU']} |" in section
        assert "fall back: floats only |" in section  # Core ML takes no 8 bits


def test_a_page_as_it_was_written_is_replaced_and_an_edited_one_is_kept(folder, caplog):
    path = write_phone_page(folder)
    before = path.read_text()
    assert write_phone_page(folder) == path
    assert path.read_text() == before
    path.write_text(before + "\nOur app uses model_int8.tflite.\n")
    edited = path.read_text()
    with caplog.at_level(logging.WARNING):
        assert write_phone_page(folder) is None
    assert (folder / PAGE).read_text() == edited
    assert "was edited and is kept. Move it" in caplog.text


@pytest.mark.export
@pytest.mark.long
def test_a_file_for_four_channels_has_a_table_and_no_snippets(tmp_path):
    model = keras.Sequential([keras.Input((32, 40, 4)), keras.layers.Conv2D(2, 1)])
    tflite(model, tmp_path / "model_fp32.tflite", min_agreement=0.0)
    text = write_phone_page(tmp_path).read_text()
    assert "| input | `image` | float32 (1, 32, 40, 4) | none |" in text
    assert "No snippets" in text
    assert "```" not in text
