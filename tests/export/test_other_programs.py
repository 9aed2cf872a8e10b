"""A SavedModel in programs without Keras: a C++ program without Python, and a Python without it."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from _export import NAMES, PALETTE, network
from tensorflow.core.protobuf import saved_model_pb2

from keras_seg.export import picture_batches, saved_model

pytestmark = [pytest.mark.export, pytest.mark.slow]

SOURCE = Path(__file__).parents[1] / "reference" / "saved_model.cc"
SIZE = (61, 83)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(folder, picture, labels of Keras)."""
    folder, model = tmp_path_factory.mktemp("run") / "1", network(0)
    saved_model(model, folder, NAMES, PALETTE)
    picture = picture_batches.noise(1, (*SIZE, 3), seed=5)[0]
    logits = np.asarray(model(picture[np.newaxis].astype("float32"))["logits"])
    return folder, picture, logits.argmax(-1)[0]


def test_a_program_in_cpp_gets_the_labels_of_keras(exported, tmp_path):
    compiler, tensorflow = shutil.which("g++") or shutil.which("clang++"), Path(tf.__file__).parent
    libraries = [tensorflow / f"libtensorflow_{name}.so.2" for name in ("cc", "framework")]
    if compiler is None or not all(path.is_file() for path in libraries):
        pytest.skip("needs g++ or clang++, and TensorFlow's libraries for Linux")
    folder, picture, wanted = exported
    program = tmp_path / "saved_model"
    command = [compiler, "-std=c++17", SOURCE, "-I", tensorflow / "include", *libraries]
    command += [f"-Wl,-rpath,{tensorflow}", "-o", program]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    content = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signature = content.meta_graphs[0].signature_def["serving_default"]
    name, _ = signature.inputs["image"].name.split(":")
    output, index = signature.outputs["labels"].name.split(":")
    arguments = [program, folder, name, output, index, *picture.shape]
    done = subprocess.run(
        list(map(str, arguments)), input=picture.tobytes(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    found = np.frombuffer(done.stdout, "uint8").reshape(SIZE)
    np.testing.assert_array_equal(found, wanted)


def test_a_python_where_keras_cannot_be_imported_gets_the_labels_of_keras(exported, tmp_path):
    folder, picture, wanted = exported
    np.save(tmp_path / "picture.npy", picture)
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('keras', 'tf_keras'))); "
        "import numpy as np, tensorflow as tf; folder, data = sys.argv[1:]; "
        "serve = tf.saved_model.load(folder).signatures['serving_default']; "
        "image = tf.constant(np.load(data + '/picture.npy')[None]); "
        "np.save(data + '/labels.npy', serve(image=image)['labels'].numpy())"
    )
    command = [sys.executable, "-c", code, str(folder), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy")[0], wanted)
