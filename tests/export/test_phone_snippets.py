"""The snippets of `phone.md`: Kotlin is compiled and run, Swift is parsed.

LiteRT's and Android's classes are stubs with the documented signatures (phone_stubs/). The bytes
that Kotlin gives to the interpreter are compared with numpy's; what it gets back for them comes
from LiteRT.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from keras_seg.export import LiteRTSegmenter, tflite
from keras_seg.export.phone import PAGE, write_phone_page

pytestmark = [pytest.mark.export, pytest.mark.phones, pytest.mark.slow]
STUBS = sorted((Path(__file__).parent / "phone_stubs").glob("*.java"))
SIZE = (32, 40)
CASES = {  # channels, classes, how the file is written
    "fp32": (3, 3, {"mode": "fp32"}),
    "fp16": (3, 3, {"mode": "fp16"}),
    "int8_weights": (3, 3, {"mode": "int8_weights"}),
    "int8": (3, 3, {"mode": "int8"}),
    "uint8_pixels": (3, 3, {"mode": "fp32", "input_type": "uint8"}),
    "labels": (3, 3, {"mode": "fp32", "outputs": "labels"}),
    "int8_labels": (3, 3, {"mode": "int8", "outputs": "labels"}),
    "both": (3, 3, {"mode": "fp32", "outputs": "both"}),
    "many_classes": (3, 200, {"mode": "fp32"}),
    "many_labels": (3, 200, {"mode": "fp32", "outputs": "labels"}),
    "gray": (1, 3, {"mode": "fp32"}),
    "gray_int8": (1, 3, {"mode": "int8"}),
}


@pytest.fixture(scope="module")
def kotlinc():
    found = shutil.which(os.environ.get("KOTLINC", "kotlinc"))
    if not (found and shutil.which("java") and shutil.which("javac")):
        pytest.skip("needs kotlinc, java and javac, see `make test-phones`")
    return found


@pytest.fixture(scope="module")
def parser():
    reason = "needs tree-sitter-swift, see `make test-phones`"
    tree_sitter = pytest.importorskip("tree_sitter", reason=reason)
    swift = pytest.importorskip("tree_sitter_swift", reason=reason)
    return tree_sitter.Parser(tree_sitter.Language(swift.language()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a file for each case."""
    path = tmp_path_factory.mktemp("phone")
    for name, (channels, classes, how) in CASES.items():
        keras.utils.set_random_seed(classes)
        layers = [keras.Input((*SIZE, channels)), keras.layers.Conv2D(classes, 3, padding="same")]
        calibration = pictures()[..., :channels] if how["mode"] == "int8" else None
        model = keras.Sequential(layers)
        tflite(model, path / f"{name}.tflite", calibration=calibration, min_agreement=0.0, **how)
    return path


@pytest.fixture(scope="module")
def snippets(folder):
    """The blocks of code of the page, by language and file."""
    write_phone_page(folder)
    page = (folder / PAGE).read_text()
    sections = re.split(r"^## (\w+)\.tflite\n", page, flags=re.M)
    found = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert sorted(found) == sorted(CASES)
    return {
        language: {
            name: re.findall(rf"```{language}\n(.*?)```", section, re.S)
            for name, section in found.items()
        }
        for language in ("kotlin", "swift")
    }


def pictures():
    """Two pictures, as what a class keeps from the first may not change the second."""
    return np.random.default_rng(3).integers(0, 256, (2, *SIZE, 3)).astype("uint8")


def inputs(name):
    """What the file of a case should get."""
    if CASES[name][0] == 3:
        return pictures()
    return np.stack([np.array(Image.fromarray(one).convert("L")) for one in pictures()])[..., None]


def run_by_litert(file, images):
    """The file's output for each picture, as Java's Interpreter.run calls it: the first graph."""
    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for image in images:
        interpreter.set_tensor(taken["index"], image[None].astype(taken["dtype"]))
        interpreter.invoke()
        found.append(interpreter.get_tensor(given["index"]))
    return taken["dtype"], np.concatenate(found)


@pytest.fixture(scope="module")
def ran(kotlinc, folder, snippets):  # skips before files are written
    """The folder, after Kotlin has written `.taken` and `.ids` of each case."""
    sources = []
    for name, (code,) in snippets["kotlin"].items():
        sources.append(folder / f"{name}.kt")
        sources[-1].write_text(f"package {name}\n\n{code}")
        (folder / f"{name}.rgb").write_bytes(pictures().tobytes())
        _, outputs = run_by_litert(folder / f"{name}.tflite", inputs(name))
        (folder / f"{name}.given").write_bytes(outputs.tobytes())
    stubs, jar = folder / "stubs", folder / "snippets.jar"
    call("javac", "-d", stubs, *STUBS)
    call(kotlinc, "-Werror", "-cp", stubs, "-include-runtime", "-d", jar, *sources)
    classes = f"{stubs}{os.pathsep}{jar}"
    call("java", "-cp", classes, "Run", folder, SIZE[1], len(pictures()), *CASES)
    return folder


def call(*command):
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", CASES)
def test_kotlin_gives_the_bytes_of_numpy_and_the_labels_of_litert(name, ran):
    images, file = inputs(name), ran / f"{name}.tflite"
    dtype, outputs = run_by_litert(file, images)
    assert (ran / f"{name}.taken").read_bytes() == images.astype(dtype).tobytes()
    labels = outputs if outputs.ndim == 3 else outputs.argmax(-1)
    assert len(np.unique(labels)) > 1
    found = np.fromfile(ran / f"{name}.ids", ">i4").reshape(labels.shape)
    np.testing.assert_array_equal(found, labels)
    np.testing.assert_array_equal(found, LiteRTSegmenter(file).labels(images))


def test_a_byte_above_127_is_no_negative_label(ran):
    found = np.fromfile(ran / "many_labels.ids", ">i4")
    assert found.min() >= 0
    assert found.max() > 127


@pytest.mark.parametrize("name", CASES)
def test_swift_is_parsed_without_error(name, parser, snippets):
    (code,) = snippets["swift"][name]
    assert not parser.parse(code.encode()).root_node.has_error
    assert parser.parse(code.rstrip().rstrip("}").encode()).root_node.has_error
