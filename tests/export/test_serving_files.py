"""Files for TF Serving, read with the schemas of its own .proto files."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from _export import NAMES, PALETTE, network
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from keras_seg.export import saved_model, serving_files

pytestmark = pytest.mark.export

# The fields that are used of tensorflow_serving/apis/{model,predict,prediction_log}.proto and of
# tensorflow_serving/{config/model_server_config,servables/tensorflow/session_bundle_config}.proto:
# message: {field: (number, type)}; a star is a map from strings, brackets are a list. The last
# three are those of tensorflow/core/framework, in tensor.proto and tensor_shape.proto.
SCHEMA = {
    "ModelSpec": {"name": (1, "string"), "signature_name": (3, "string")},
    "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "*TensorProto")},
    "PredictLog": {"request": (1, "PredictRequest")},
    "PredictionLog": {"predict_log": (6, "PredictLog")},
    "ModelConfig": {
        "name": (1, "string"), "base_path": (2, "string"), "model_platform": (4, "string"),
    },
    "ModelConfigList": {"config": (1, "[ModelConfig]")},
    "ModelServerConfig": {"model_config_list": (1, "ModelConfigList")},
    "Int64Value": {"value": (1, "int64")},
    "BatchingParameters": {
        "max_batch_size": (1, "Int64Value"), "batch_timeout_micros": (2, "Int64Value"),
        "max_enqueued_batches": (3, "Int64Value"), "num_batch_threads": (4, "Int64Value"),
    },
    "Dim": {"size": (1, "int64")},
    "TensorShapeProto": {"dim": (2, "[Dim]")},
    "TensorProto": {
        "dtype": (1, "int32"), "tensor_shape": (2, "TensorShapeProto"),
        "tensor_content": (4, "bytes"), "int_val": (7, "[int32]"), "string_val": (8, "[bytes]"),
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def messages():
    """The classes of the schema by name."""
    kinds = descriptor_pb2.FieldDescriptorProto
    plain = {"string": kinds.TYPE_STRING, "int64": kinds.TYPE_INT64, "bytes": kinds.TYPE_BYTES}
    plain["int32"] = kinds.TYPE_INT32
    file = descriptor_pb2.FileDescriptorProto(name="serving.proto", syntax="proto3", package="s")

    def add(message, name, number, kind):
        field = message.field.add(name=name, number=number, label=kinds.LABEL_OPTIONAL)
        if kind.startswith("["):
            field.label, kind = kinds.LABEL_REPEATED, kind[1:-1]
        if kind.startswith("*"):
            field.label = kinds.LABEL_REPEATED
            entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
            entry.options.map_entry = True
            add(entry, "key", 1, "string")
            add(entry, "value", 2, kind[1:])
            kind = f"{message.name}.{entry.name}"
        if kind in plain:
            field.type = plain[kind]
        else:
            field.type, field.type_name = kinds.TYPE_MESSAGE, f".s.{kind}"

    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            add(message, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    find = pool.FindMessageTypeByName
    return {name: message_factory.GetMessageClass(find(f"s.{name}")) for name in SCHEMA}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "1"
    saved_model(network(0), folder, NAMES, PALETTE, size=(64, 96))
    return folder


def requests(folder):
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    return [record.numpy() for record in tf.data.TFRecordDataset(str(path))]


def test_each_signature_has_a_warm_up_request_that_it_answers(folder, messages):
    served = tf.saved_model.load(str(folder)).signatures
    seen = []
    for record in requests(folder):
        log = messages["PredictionLog"].FromString(record)
        assert log.SerializeToString(deterministic=True) == record  # nothing unknown was in it
        request = log.predict_log.request
        inputs = {
            name: tf.io.parse_tensor(tensor.SerializeToString(), served_type(served, request, name))
            for name, tensor in request.inputs.items()
        }
        assert served[request.model_spec.signature_name](**inputs)
        seen.append((request.model_spec.signature_name, *inputs))
    assert sorted(seen) == [
        ("encoded", "image_bytes"), ("fixed_size", "image"), ("probabilities", "image"),
        ("serving_default", "image"),
    ]  # fmt: skip


def test_warm_up_requests_have_a_size_that_the_model_takes(tmp_path, messages):
    # Maps are put together without cropping: heights and widths must be multiples of 10.
    image = keras.Input((None, None, 3))
    coarse = keras.layers.UpSampling2D(10)(keras.layers.MaxPooling2D(10)(image))
    logits = keras.layers.Conv2D(2, 1)(keras.layers.Concatenate()([image, coarse]))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 30, 50, 3), dtype=np.uint8)
    saved_model(keras.Model(image, logits), tmp_path / "1", pictures=pictures)
    for record in requests(tmp_path / "1"):
        request = messages["PredictionLog"].FromString(record).predict_log.request
        kind = tf.string if "image_bytes" in request.inputs else tf.uint8
        (tensor,) = request.inputs.values()
        value = tf.io.parse_tensor(tensor.SerializeToString(), kind)
        picture = tf.io.decode_png(value[0]) if kind == tf.string else value[0]
        assert picture.shape == (30, 50, 3)


def served_type(served, request, name):
    return served[request.model_spec.signature_name].structured_input_signature[1][name].dtype


def test_the_real_schema_reads_the_warm_up_requests(folder):
    """Where tensorflow-serving-api is installed."""
    package = "tensorflow_serving.apis.prediction_log_pb2"
    module = pytest.importorskip(package)
    for record in requests(folder):
        log = module.PredictionLog.FromString(record)
        assert log.predict_log.request.model_spec.signature_name
        (tensor,) = log.predict_log.request.inputs.values()
        assert tf.make_ndarray(tensor).size


def test_configuration_is_read_by_the_schema(tmp_path, messages):
    serving_files.write_configuration(tmp_path, 'streets "2"', max_batch_size=4)
    models = text_format.Parse(
        (tmp_path / "models.config").read_text(), messages["ModelServerConfig"]()
    )
    (config,) = models.model_config_list.config
    assert (config.name, config.model_platform) == ('streets "2"', "tensorflow")
    assert config.base_path == '/models/streets "2"'
    batching = text_format.Parse(
        (tmp_path / "batching.config").read_text(), messages["BatchingParameters"]()
    )
    assert batching.max_batch_size.value == 4
    assert batching.batch_timeout_micros.value == 5000


def test_a_configuration_that_somebody_changed_stays(tmp_path):
    (tmp_path / "models.config").write_text("mine")
    serving_files.write_configuration(tmp_path, "streets")
    assert (tmp_path / "models.config").read_text() == "mine"
    assert (tmp_path / "batching.config").is_file()


def test_versions_count_up_from_the_highest(tmp_path):
    assert serving_files.next_version(tmp_path) == 1
    for name in ("2", "10", "figures", ".3.abc.partial"):
        (tmp_path / name).mkdir()
    assert serving_files.next_version(tmp_path) == 11


def test_a_run_writes_its_next_version_and_the_configuration(tmp_path, monkeypatch):
    run_module = importlib.import_module("keras_seg.run")
    (tmp_path / "3").mkdir()
    (tmp_path / "run.json").write_text(
        '{"class_names": ["road"], "palette": [[0, 0, 0]], "task": "segmentation"}'
    )
    asked = []
    monkeypatch.setattr(
        "keras_seg.export.saved_model", lambda model, folder, **rest: asked.append((folder, rest))
    )
    monkeypatch.setattr(run_module.Run, "model", None)
    run_module.Run(tmp_path).export_saved_model(size=(64, 96))
    ((folder, rest),) = asked
    assert folder == tmp_path / "4"
    assert rest["size"] == (64, 96)
    assert f'name: "{tmp_path.name}"' in (tmp_path / "models.config").read_text()


def test_numbers_of_several_bytes_are_varints(messages):
    value = messages["Int64Value"]
    for number in (0, 1, 127, 128, 300, 2**31):
        assert value.FromString(b"\x08" + serving_files._varint(number)).value == number


def test_requests_of_more_than_a_megabyte_are_read_back(messages, tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (1, 600, 800, 3)).astype("uint8")
    requests_given = [("serving_default", "image", tf.make_tensor_proto(picture))]
    serving_files.write_warm_up(tmp_path, requests_given)
    (record,) = requests(tmp_path)
    log = messages["PredictionLog"].FromString(record)
    assert log.predict_log.request.inputs["image"].tensor_content == picture.tobytes()
