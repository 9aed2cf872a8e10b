"""The clients of TensorFlow Serving and of Triton, where they are installed, call our server.

pip install tritonclient[grpc]; pip install --no-deps tensorflow-serving-api
"""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from _serving import FILE, NAME, RUN, encoded, ids, picture, require_packages, serving

from keras_seg.inference.litert import LiteRTSegmenter

require_packages()

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    with serving(RUN, "--single", "--workers", 1) as one:
        yield one


def test_tensorflow_servings_own_client(server):
    apis = "tensorflow_serving.apis."
    predict = pytest.importorskip(f"{apis}predict_pb2")
    service = pytest.importorskip(f"{apis}prediction_service_pb2_grpc")
    described = pytest.importorskip(f"{apis}get_model_metadata_pb2")
    pixels = picture(0)
    labels = LiteRTSegmenter(FILE)(pixels)
    with grpc.insecure_channel(server.grpc) as channel:
        stub = service.PredictionServiceStub(channel)
        request = predict.PredictRequest()
        request.model_spec.name = NAME
        request.inputs["image"].CopyFrom(tf.make_tensor_proto(pixels[np.newaxis]))
        found = tf.make_ndarray(stub.Predict(request).outputs["labels"])
        np.testing.assert_array_equal(found[0], labels)

        request = predict.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = NAME, "encoded"
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([encoded(pixels)]))
        response = stub.Predict(request)
        (png,) = tf.make_ndarray(response.outputs["mask_png_bytes"])
        np.testing.assert_array_equal(ids(png), labels)
        assert response.model_spec.version.value == int(FILE.stat().st_mtime)

        request = described.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = NAME
        signatures = described.SignatureDefMap()
        assert stub.GetModelMetadata(request).metadata["signature_def"].Unpack(signatures)
        assert sorted(signatures.signature_def) == ["encoded", "probabilities", "serving_default"]


def test_tritons_own_client(server):
    triton = pytest.importorskip("tritonclient.grpc")
    pixels = picture(1)
    labels = LiteRTSegmenter(FILE)(pixels)
    client = triton.InferenceServerClient(server.grpc)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(NAME)
    assert [one.name for one in client.get_model_metadata(NAME).inputs] == ["image", "image_bytes"]
    image = triton.InferInput("image", [1, *pixels.shape], "UINT8")
    image.set_data_from_numpy(pixels[np.newaxis])
    found = client.infer(NAME, [image]).as_numpy("labels")
    np.testing.assert_array_equal(found[0], labels)
    files = triton.InferInput("image_bytes", [1], "BYTES")
    files.set_data_from_numpy(np.array([encoded(pixels)], dtype=object))
    (png,) = client.infer(NAME, [files]).as_numpy("mask_png_bytes")
    np.testing.assert_array_equal(ids(png), labels)
    with pytest.raises(triton.InferenceServerException, match=r"NOT_FOUND.*Received: 7"):
        client.infer(NAME, [files], model_version="7")
    client.close()
