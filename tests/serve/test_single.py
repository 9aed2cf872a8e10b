"""A server in a process where neither Keras nor TensorFlow can be imported, over the network."""

import asyncio
import base64
import concurrent.futures
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
import zlib

import grpc
import numpy as np
import pytest
from _serving import (
    FILE,
    NAME,
    OTHER_FILE,
    ROOT,
    RUN,
    SIZE,
    encoded,
    ids,
    picture,
    require_packages,
    serving,
)  # fmt: skip

from keras_seg.inference.litert import LiteRTSegmenter

httpx = require_packages()

from keras_seg.serve import messages, single, tensor_proto  # noqa: E402

MODEL = f"/v1/models/{NAME}"


@pytest.fixture(scope="module")
def server():
    with serving(RUN, "--single", "--workers", 2) as one:
        yield one


@pytest.fixture(scope="module")
def http(server):
    with httpx.Client(base_url=server.http, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def channel(server):
    limit = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(server.grpc, options=limit) as one:
        yield one


@pytest.fixture(scope="module")
def segmenter():
    return LiteRTSegmenter(FILE)


def ask(channel, method, request, response):
    remote = channel.unary_unary(
        f"/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=response.FromString,
    )
    return remote(request, timeout=60)


def predict(channel, inputs, signature="", version=None, **rest):
    request = messages.PredictRequest(**rest)
    request.model_spec.name, request.model_spec.signature_name = NAME, signature
    if version is not None:
        request.model_spec.version.value = version
    for name, value in inputs.items():
        proto = value if hasattr(value, "dtype") and not hasattr(value, "shape") else None
        request.inputs[name].CopyFrom(proto or tensor_proto.to_proto(value))
    method = "tensorflow.serving.PredictionService/Predict"
    return ask(channel, method, request, messages.PredictResponse)


def infer(channel, **fields):
    request = messages.ModelInferRequest(model_name=NAME, **fields)
    method = "inference.GRPCInferenceService/ModelInfer"
    return ask(channel, method, request, messages.ModelInferResponse)


def array(proto):
    return tensor_proto.to_array("output", proto, 1 << 31)


def test_every_protocol_gives_the_labels_of_the_file_itself(http, channel, segmenter):
    pixels = picture()
    labels, file = segmenter(pixels), encoded(pixels)
    assert len(np.unique(labels)) > 2
    answer = http.post("/", content=file)
    assert answer.headers["content-type"] == "image/png"
    found = {"a PNG from a PNG": ids(answer.content)}

    rest = http.post(f"{MODEL}:predict", json={"instances": pixels[np.newaxis].tolist()})
    found["REST"] = np.array(rest.json()["predictions"])[0]
    b64 = {"b64": base64.b64encode(file).decode()}
    body = {"signature_name": "encoded", "instances": [b64, {"image_bytes": b64}]}
    first, second = http.post(f"{MODEL}:predict", json=body).json()["predictions"]
    assert first == second
    found["REST, encoded"] = ids(base64.b64decode(first["mask_png_bytes"]["b64"]))

    found["Predict"] = array(predict(channel, {"image": pixels[None]}).outputs["labels"])[0]
    response = predict(channel, {"image_bytes": [file]}, "encoded")
    found["Predict, encoded"] = ids(array(response.outputs["mask_png_bytes"])[0])
    scores = array(predict(channel, {"image": pixels[None]}, "probabilities").outputs[
        "probabilities"])  # fmt: skip
    # In 8 bits the file rounds its enlarged scores, which its labels do without.
    own = segmenter.scores(pixels[np.newaxis])
    np.testing.assert_array_equal(scores.argmax(-1), own.argmax(-1))
    assert (scores[0].argmax(-1) == labels).mean() > 0.98

    raw = infer(
        channel,
        inputs=[{"name": "image", "datatype": "UINT8", "shape": (1, *pixels.shape)}],
        raw_input_contents=[pixels.tobytes()],
    )
    found["V2, raw"] = np.frombuffer(raw.raw_output_contents[0], "uint8").reshape(SIZE)
    strings = infer(
        channel,
        inputs=[{"name": "image_bytes", "datatype": "BYTES", "shape": (1,)}],
        outputs=[{"name": "mask_png_bytes"}],
        raw_input_contents=[struct.pack("<I", len(file)) + file],
    )
    content = strings.raw_output_contents[0]
    assert struct.unpack("<I", content[:4]) == (len(content) - 4,)
    found["V2, files"] = ids(content[4:])
    for way, one in found.items():
        np.testing.assert_array_equal(one, labels, err_msg=way)


def test_other_ways_to_write_a_request_have_the_same_answer(http, channel):
    pixels = picture(6, (40, 60))[np.newaxis]
    labels = array(predict(channel, {"image": pixels}).outputs["labels"])
    typed = infer(
        channel,
        inputs=[
            {"name": "image", "datatype": "UINT8", "shape": pixels.shape,
             "contents": {"uint_contents": pixels.ravel().tolist()}}
        ],
        outputs=[{"name": "labels"}],
    )  # fmt: skip
    file = encoded(pixels[0])
    b64 = {"b64": base64.b64encode(file).decode()}
    listed = messages.TensorProto(dtype=4, int_val=pixels.ravel().tolist())
    for side in pixels.shape:
        listed.tensor_shape.dim.add(size=side)
    found = {
        "V2, typed": np.frombuffer(typed.raw_output_contents[0], "uint8").reshape(labels.shape),
        "int_val": array(predict(channel, {"image": listed}).outputs["labels"]),
        "by column": ask_rest(http, {"inputs": {"image": pixels.tolist()}}),
        "by column, no name": ask_rest(http, {"inputs": pixels.tolist()}),
        "by row, with a name": ask_rest(http, {"instances": [{"image": pixels[0].tolist()}]}),
    }
    for way, one in found.items():
        np.testing.assert_array_equal(one, labels, err_msg=way)
    files = infer(
        channel,
        inputs=[
            {"name": "image_bytes", "datatype": "BYTES", "shape": (1,),
             "contents": {"bytes_contents": [file]}}
        ],
        outputs=[{"name": "mask_png_bytes"}],
    )  # fmt: skip
    np.testing.assert_array_equal(ids(files.raw_output_contents[0][4:]), labels[0])
    outputs = ask_rest(http, {"signature_name": "encoded", "inputs": b64})
    (one,) = outputs["mask_png_bytes"]
    np.testing.assert_array_equal(ids(base64.b64decode(one["b64"])), labels[0])


def ask_rest(http, body):
    answer = http.post(f"{MODEL}:predict", json=body).json()
    return answer.get("outputs") or answer["predictions"]


def test_shares_and_probabilities_sum_to_one(channel, segmenter):
    pixels = picture(1)
    labels = segmenter(pixels)
    response = predict(channel, {"image_bytes": [encoded(pixels)]}, "encoded")
    shares = array(response.outputs["class_shares"])
    counted = np.bincount(labels.ravel(), minlength=11) / labels.size
    np.testing.assert_allclose(shares[0], counted, atol=1e-7)
    both = infer(
        channel,
        inputs=[{"name": "image", "datatype": "UINT8", "shape": (1, *pixels.shape)}],
        outputs=[{"name": "probabilities"}, {"name": "labels"}],
        raw_input_contents=[pixels.tobytes()],
    )
    assert [(one.name, one.datatype, tuple(one.shape)) for one in both.outputs] == [
        ("probabilities", "FP32", (1, *SIZE, 11)), ("labels", "UINT8", (1, *SIZE)),
    ]  # fmt: skip
    scores = np.frombuffer(both.raw_output_contents[0], "float32").reshape(*SIZE, 11)
    np.testing.assert_allclose(scores.sum(-1), 1, atol=1e-5)


def test_a_picture_of_another_size_has_a_label_map_of_its_own_size(http, channel, segmenter):
    # Twice the size with equal pixels: averages of 2x2 are the small picture itself.
    small = picture(2)
    large = small.repeat(2, 0).repeat(2, 1)
    found = ids(http.post("/", content=encoded(large)).content)
    assert found.shape == (720, 960)
    agreement = np.mean(found[::2, ::2] == segmenter(small))
    assert agreement > 0.98  # borders move by part of a pixel
    labels = array(predict(channel, {"image": large[None]}).outputs["labels"])[0]
    np.testing.assert_array_equal(labels, found)
    (scores,) = predict(channel, {"image": large[None, ::4]}, "probabilities").outputs.values()
    assert array(scores).shape == (1, 180, 960, 11)


def test_a_photograph_is_turned_as_its_exif_data_say(http, segmenter):
    pixels = picture(3)
    # Orientation 3 is half a turn (Exif 2.3, 4.6.4).
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0"
    turned = encoded(pixels[::-1, ::-1].copy(), "PNG", exif=exif[6:])
    np.testing.assert_array_equal(ids(http.post("/", content=turned).content), segmenter(pixels))


def test_metadata_and_state_are_those_of_tensorflow_serving(http, channel, server):
    version = http.get(MODEL).json()["model_version_status"][0]
    assert version["state"] == "AVAILABLE"
    number = version["version"]
    assert int(number) == int(FILE.stat().st_mtime)
    assert http.get(f"{MODEL}/versions/{number}").json()["model_version_status"] == [version]
    described = http.get(f"{MODEL}/versions/{number}/metadata").json()
    assert described["model_spec"] == {"name": NAME, "signature_name": "", "version": number}
    offered = described["metadata"]["signature_def"]["signature_def"]
    assert sorted(offered) == ["encoded", "probabilities", "serving_default"]
    image = offered["serving_default"]["inputs"]["image"]
    sides = [dim["size"] for dim in image["tensor_shape"]["dim"]]
    assert (image["dtype"], sides) == ("DT_UINT8", ["-1", "-1", "-1", "3"])
    assert described["metadata"]["keras_seg"]["class_names"][:2] == ["sky", "building"]

    asked = messages.GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.name = NAME
    answer = ask(
        channel, "tensorflow.serving.PredictionService/GetModelMetadata", asked,
        messages.GetModelMetadataResponse,
    )  # fmt: skip
    packed = answer.metadata["signature_def"]
    assert packed.type_url.endswith("/tensorflow.serving.SignatureDefMap")
    definitions = messages.SignatureDefMap.FromString(packed.value).signature_def
    assert definitions["encoded"].inputs["image_bytes"].dtype == 7  # DT_STRING
    state = messages.GetModelStatusRequest(model_spec=messages.ModelSpec(name=NAME))
    (found,) = ask(
        channel, "tensorflow.serving.ModelService/GetModelStatus", state,
        messages.GetModelStatusResponse,
    ).model_version_status  # fmt: skip
    assert (found.version, found.state, found.status.error_code) == (int(number), 30, 0)


def test_open_inference_describes_server_and_model(channel):
    service = "inference.GRPCInferenceService"
    ask_ = lambda method, request, response: ask(channel, f"{service}/{method}", request, response)  # noqa: E731
    assert ask_("ServerLive", messages.ServerLiveRequest(), messages.ServerLiveResponse).live
    assert ask_("ServerReady", messages.ServerReadyRequest(), messages.ServerReadyResponse).ready
    named = messages.ModelReadyRequest(name=NAME)
    assert ask_("ModelReady", named, messages.ModelReadyResponse).ready
    about = ask_(
        "ServerMetadata", messages.ServerMetadataRequest(), messages.ServerMetadataResponse
    )
    assert about.name == "keras_seg"
    model = ask_(
        "ModelMetadata", messages.ModelMetadataRequest(name=NAME), messages.ModelMetadataResponse
    )
    tensors = {
        one.name: (one.datatype, tuple(one.shape)) for one in (*model.inputs, *model.outputs)
    }
    assert tensors == {
        "image": ("UINT8", (-1, -1, -1, 3)),
        "image_bytes": ("BYTES", (-1,)),
        "labels": ("UINT8", (-1, -1, -1)),
        "probabilities": ("FP32", (-1, -1, -1, 11)),
        "mask_png_bytes": ("BYTES", (-1,)),
        "class_shares": ("FP32", (-1, 11)),
    }
    health = ask(
        channel, "grpc.health.v1.Health/Check", messages.HealthCheckRequest(),
        messages.HealthCheckResponse,
    )  # fmt: skip
    assert health.status == 1


def png_header(width, height):
    """The beginning of a PNG that declares a size."""
    content = struct.pack(">4sIIBBBBB", b"IHDR", width, height, 8, 2, 0, 0, 0)
    check = struct.pack(">I", zlib.crc32(content))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + content + check


def black_png(width, height):
    """A PNG of black pixels, a thousandth of their size."""
    packer = zlib.compressobj(9)
    rows = bytes(1 + 3 * width)
    data = b"IDAT" + b"".join(packer.compress(rows) for _ in range(min(height, 400)))
    data += packer.flush()
    length, check = struct.pack(">I", len(data) - 4), struct.pack(">I", zlib.crc32(data))
    return png_header(width, height) + length + data + check


NOT_PICTURES = {
    "0 bytes": (b"", "0 bytes"),
    "text": (b"hello, this is no picture", "none of the formats PNG, JPEG"),
    "half": (encoded(picture())[:2000], "Received: 2000 bytes"),
    "100 megapixels": (black_png(10_000, 10_000), "100,000,000 pixels"),
    "a bomb": (black_png(60_000, 60_000), "3,600,000,000 pixels"),
    "another format": (encoded(picture(), "BMP"), "none of the formats PNG, JPEG"),
}


@pytest.mark.parametrize("kind", NOT_PICTURES)
def test_what_is_no_picture_is_refused_by_every_protocol(kind, http, channel):
    content, words = NOT_PICTURES[kind]
    b64 = {"b64": base64.b64encode(content).decode()}
    body = {"signature_name": "encoded", "instances": [b64]}
    answers = [http.post("/", content=content), http.post(f"{MODEL}:predict", json=body)]
    for answer in answers:
        assert answer.status_code == 400
        assert words in answer.json()["error"]
    packed = struct.pack("<I", len(content)) + content
    bytes_input = {"name": "image_bytes", "datatype": "BYTES", "shape": (1,)}
    for call in (
        lambda: predict(channel, {"image_bytes": [content]}, "encoded"),
        lambda: infer(channel, inputs=[bytes_input], raw_input_contents=[packed]),
    ):
        with pytest.raises(grpc.RpcError) as raised:
            call()
        assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert words in raised.value.details()
    # The server stays up.
    assert http.post("/", content=encoded(picture())).status_code == 200


def one_number(*shape):
    """A tensor where one number stands for all."""
    tensor = messages.TensorProto(dtype=4, int_val=[0])
    for side in shape:
        tensor.tensor_shape.dim.add(size=side)
    return tensor


def unfilled(dtype=4):
    """A tensor with a shape and no content."""
    tensor = messages.TensorProto(dtype=dtype)
    tensor.tensor_shape.dim.add(size=1)
    return tensor


IMAGE = np.zeros((1, 32, 32, 3), "uint8")
WRONG_PREDICTIONS = {
    "dtype": (
        {"image": IMAGE.astype("float32")}, {},
        r"'image' needs uint8 \(-1, -1, -1, 3\).*Received: float32 \(1, 32, 32, 3\)",
    ),
    "channels": ({"image": IMAGE[..., :2]}, {}, r"Received: uint8 \(1, 32, 32, 2\)"),
    "axes": ({"image": IMAGE[0]}, {}, r"Received: uint8 \(32, 32, 3\)"),
    "no pixel": ({"image": IMAGE[:, :0]}, {}, r"Received: uint8 \(1, 0, 32, 3\)|0 values"),
    "pictures": ({"image": np.zeros((65, 1, 1, 3), "uint8")}, {}, "at most 64 pictures"),
    "a bomb": ({"image": one_number(1, 316_228, 316_228, 3)}, {}, "at most 150,000,000 elements"),
    "values": ({"image": unfilled()}, {}, "Received: 0 values"),
    "a value for none": (
        {"image": one_number(0, 32, 32, 3)}, {}, r"Received: 1 values for \(0, 32, 32, 3\)",
    ),
    "type": ({"image": unfilled(22)}, {}, "unsupported type. Received: DT_UINT32"),
    "input": ({"pixels": IMAGE}, {}, r"inputs \['image'\]. Received: \['pixels'\]"),
    "no input": ({}, {}, r"inputs \['image'\]. Received: \[\]"),
    "signature": (
        {"image": IMAGE}, {"signature": "labels"},
        r"signatures \['encoded', 'probabilities', 'serving_default'\]. Received: 'labels'",
    ),
    "output": (
        {"image": IMAGE}, {"output_filter": ["scores"]},
        r"outputs \['labels'\]. Received: output_filter=\['scores'\]",
    ),
    "version": ({"image": IMAGE}, {"version": 7}, "has the version .*Received: 7"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG_PREDICTIONS)
def test_a_wrong_prediction_has_an_error_of_its_own(kind, channel):
    inputs, rest, words = WRONG_PREDICTIONS[kind]
    with pytest.raises(grpc.RpcError, match=words) as raised:
        predict(channel, inputs, **rest)
    status = "NOT_FOUND" if kind == "version" else "INVALID_ARGUMENT"
    assert raised.value.code().name == status


@pytest.mark.parametrize("kind", ["model", "signature", "input", "non-ASCII input"])
def test_the_error_of_a_long_name_reaches_the_client(kind, channel):
    request = messages.PredictRequest()
    request.model_spec.name = "m" * 20_000 if kind == "model" else NAME
    request.model_spec.signature_name = "s" * 20_000 if kind == "signature" else ""
    name = {"input": "i" * 20_000, "non-ASCII input": "道" * 20_000}.get(kind, "image")
    request.inputs[name].CopyFrom(tensor_proto.to_proto(IMAGE))
    method = "tensorflow.serving.PredictionService/Predict"
    with pytest.raises(grpc.RpcError, match=r"Received: .*\.\.\.") as raised:
        ask(channel, method, request, messages.PredictResponse)
    status = "NOT_FOUND" if kind == "model" else "INVALID_ARGUMENT"
    assert raised.value.code().name == status


def test_bytes_that_are_no_message_are_refused_without_an_error_in_the_log(channel, server):
    remote = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError, match=r"of a PredictRequest. Received: 3 bytes") as raised:
        remote(b"\xff\xff\xff", timeout=60)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert not [line for line in server.log if "Traceback" in line]


RAW = {"name": "image", "datatype": "UINT8", "shape": (1, 2, 2, 3)}
WRONG_INFERENCES = {
    "dtype": ([RAW | {"datatype": "FP32"}], [bytes(48)], "Received: float32"),
    "unknown dtype": ([RAW | {"datatype": "BF16"}], [bytes(24)], "one of the types"),
    "shape": ([RAW | {"shape": (1, 2, -2, 3)}], [bytes(12)], "at most 150,000,000 elements"),
    "content": ([RAW], [bytes(11)], "Received: 11 elements"),
    "contents": ([RAW], [bytes(12), bytes(12)], "2 entries for 1 inputs"),
    "input": ([RAW | {"name": "x"}], [bytes(12)], r"inputs=\['x'\]"),
    "typed": ([RAW | {"contents": {"uint_contents": [256] * 12}}], [], "0..255. Received: 256"),
    "files": (
        [{"name": "image_bytes", "datatype": "BYTES", "shape": (1,)}], [b"\xff\0\0\0abc"],
        "7 bytes that end within a file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG_INFERENCES)
def test_a_wrong_inference_has_an_error_of_its_own(kind, channel):
    inputs, raw, words = WRONG_INFERENCES[kind]
    with pytest.raises(grpc.RpcError, match=words) as raised:
        infer(channel, inputs=inputs, raw_input_contents=raw)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_models_and_versions_that_there_are_not_are_not_found(channel):
    for fields in ({"model_name": "other"}, {"model_version": "3"}):
        request = messages.ModelInferRequest(**{"model_name": NAME} | fields)
        with pytest.raises(grpc.RpcError, match=r"This server has|has the version") as raised:
            ask(
                channel, "inference.GRPCInferenceService/ModelInfer", request,
                messages.ModelInferResponse,
            )  # fmt: skip
        assert raised.value.code() == grpc.StatusCode.NOT_FOUND


PREDICT = f"POST {MODEL}:predict"
WRONG_REQUESTS = {
    "JSON": (PREDICT, b"{", 400, "needs JSON"),
    "depth": (PREDICT, b"[" * 100_000, 400, "needs JSON"),
    "list": (PREDICT, b"[]", 400, "Received: list"),
    "keys": (PREDICT, b'{"examples": []}', 400, "Received: ['examples']"),
    "signature": (PREDICT, b'{"signature_name": "x", "instances": []}', 400, "Received: 'x'"),
    "signature type": (PREDICT, b'{"signature_name": 1, "instances": []}', 400, "needs a string"),
    "instances": (PREDICT, b'{"instances": 3}', 400, "needs a list"),
    "no instance": (PREDICT, b'{"instances": []}', 400, "whole numbers"),
    "floats": (PREDICT, b'{"instances": [[[[0.5, 1, 2]]]]}', 400, "whole numbers"),
    "range": (PREDICT, b'{"instances": [[[[0, 1, 256]]]]}', 400, "0..255"),
    "ragged": (PREDICT, b'{"instances": [[[[0, 1], 2]]]}', 400, "equal length"),
    "axes": (PREDICT, b'{"instances": [[1, 2]]}', 400, "Received: uint8 (1, 2)"),
    "name": (PREDICT, b'{"instances": [{"x": 1}]}', 400, "input 'image'. Received: ['x']"),
    "base64": (
        PREDICT, b'{"signature_name": "encoded", "instances": [{"b64": "*"}]}', 400, "needs base64",
    ),
    "no base64": (
        PREDICT, b'{"signature_name": "encoded", "instances": ["x"]}', 400, "A file needs",
    ),
    "no files": (
        PREDICT, b'{"signature_name": "encoded", "inputs": 3}', 400, "Received: bytes (0,)",
    ),
    "half a character": (PREDICT, b'{"instances": "\\ud800"}', 400, r"Received: \ud800."),
    "model": ("POST /v1/models/other:predict", b"{}", 404, "Received: 'other'"),
    "version": (f"POST {MODEL}/versions/7:predict", b"{}", 404, "Received: 7"),
    "no version": (f"GET {MODEL}/versions/new", b"", 400, "Received: 'new'"),
    "state": ("GET /v1/models/other", b"", 404, "Received: 'other'"),
    "route": (f"POST {MODEL}:classify", b"{}", 405, "no route POST"),
    "another route": ("GET /models", b"", 404, "no route GET /models"),
    "too large": ("POST /", bytes((64 << 20) + 1), 413, "at most 67,108,864 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG_REQUESTS)
def test_a_wrong_request_has_an_error_of_its_own(kind, http):
    route, content, status, words = WRONG_REQUESTS[kind]
    answer = http.request(*route.split(), content=content)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]


def test_clients_that_go_away_leave_no_errors_in_the_log(http, server):
    host, port = server.http.removeprefix("http://").split(":")
    head = f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5000\r\n\r\n".encode()
    for _ in range(5):
        with socket.create_connection((host, int(port))) as one:
            one.sendall(head + bytes(100))
    assert http.post("/", content=encoded(picture())).status_code == 200
    assert not [line for line in server.log if "Traceback" in line]


def test_requests_at_the_same_time_get_their_own_answers(http, channel, segmenter):
    pictures = [picture(seed) for seed in range(6)]
    wanted = [segmenter(one) for one in pictures]

    def answered(one):
        if one % 2:
            return ids(http.post("/", content=encoded(pictures[one])).content)
        return array(predict(channel, {"image": pictures[one][None]}).outputs["labels"])[0]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for found, labels in zip(pool.map(answered, range(6)), wanted, strict=True):
            np.testing.assert_array_equal(found, labels)


def test_health_and_metrics(http):
    assert http.get("/health").json() == {"ready": True}
    http.post("/", content=b"")
    text = http.get("/metrics").text
    assert 'keras_seg_requests_total{protocol="http",result="invalid_argument"}' in text
    assert "keras_seg_request_seconds_bucket" in text
    assert "process_resident_memory_bytes" in text
    assert http.get("/monitoring/prometheus/metrics").status_code == 200


@pytest.mark.long
@pytest.mark.parametrize("kind", ["HTTP", "gRPC"])
def test_a_port_in_use_is_an_error(kind, server):
    used = {"HTTP": server.http.rsplit(":")[-1], "gRPC": server.grpc.rsplit(":")[-1]}[kind]
    ports = {"HTTP": ["--port", used, "--grpc-port", "0"], "gRPC": ["--port", "0"]}[kind]
    ports += ["--grpc-port", used] if kind == "gRPC" else []
    command = [sys.executable, "-m", "keras_seg", "serve", RUN, "--single", *ports]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"needs a free port for {kind}. Received: 127.0.0.1:{used}" in done.stderr


@pytest.mark.long
def test_a_new_file_is_served_without_a_restart_and_running_requests_are_answered(tmp_path):
    folder = tmp_path / "streets"
    folder.mkdir()
    path = folder / "model_int8.tflite"
    shutil.copy(FILE, path)
    (folder / "run.json").write_text("{}")
    os.utime(path, (1_000_000, 1_000_000))
    pixels = picture(4)
    with serving(folder, "--single", "--workers", 1) as server:
        with httpx.Client(base_url=server.http, timeout=60) as http:
            answer = http.post("/", content=encoded(pixels))
            assert answer.headers["x-model-version"] == "1000000"
            path.write_bytes(b"not finished")  # not taken; the earlier version stays
            wait_for(lambda: any("Version 1000000 stays" in line for line in server.log))
            assert http.post("/", content=encoded(pixels)).headers["x-model-version"] == "1000000"
            shutil.copy(OTHER_FILE, path)
            os.utime(path, (2_000_000, 2_000_000))
            wait_for(lambda: "2000000" in http.get("/v1/models/streets").text)
            answer = http.post("/", content=encoded(pixels))
            wanted = LiteRTSegmenter(OTHER_FILE)(pixels)
            assert np.any(wanted != LiteRTSegmenter(FILE)(pixels))
            np.testing.assert_array_equal(ids(answer.content), wanted)
            assert http.get("/v1/models/streets/versions/1000000").status_code == 404
            changes = 'keras_seg_version_changes_total{result="ok"} 1.0'
            assert changes in http.get("/metrics").text
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            before = begun(server)
            asked = [
                pool.submit(httpx.post, server.http, content=encoded(picture(5)), timeout=60)
                for _ in range(4)
            ]
            wait_for(lambda: begun(server) == before + len(asked))
            status = server.stop()
            for one in asked:
                assert one.result().status_code == 200
    assert status == 0


@pytest.mark.parametrize("host", ["::1", "::"])
def test_http_and_grpc_listen_on_ipv6(host):
    try:
        with single._listening(host, 0) as listening:
            socket.create_connection(("::1", listening.getsockname()[1]), 5).close()
    except OSError as error:
        pytest.skip(f"needs IPv6: {error}")

    async def started():
        remote = await single._remote(None, host, 0)
        socket.create_connection(("::1", remote.port), 5).close()
        await remote.server.stop(0)

    asyncio.run(started())
    assert single._address(host, 80) == f"[{host}]:80"


def test_a_port_of_grpc_in_use_is_an_error_with_its_reason():
    async def started(port):
        await single._remote(None, "127.0.0.1", port)

    with single._listening("127.0.0.1", 0) as used:
        words = r"free port for gRPC. Received: 127.0.0.1:\d+ \(.*bind.*\). Pass another"
        with pytest.raises(OSError, match=words):
            asyncio.run(started(used.getsockname()[1]))


def begun(server):
    """How many pictures the server has answered, or is about to."""
    text = httpx.get(f"{server.http}/metrics", timeout=60).text
    counts = r'^keras_seg_requests(?:_in_progress|_total{protocol="http",result="ok"}) (.*)$'
    return sum(map(float, re.findall(counts, text, re.MULTILINE)))


def wait_for(condition, seconds=20):
    for _ in range(seconds * 20):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(condition)
