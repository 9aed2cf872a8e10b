"""`Client` against our server in another process, and against one that knows only the standard."""

import http.server
import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from _serving import FILE, NAME, ROOT, RUN, encoded, picture, require_packages, serving

import keras_seg
from keras_seg.inference.litert import LiteRTSegmenter
from keras_seg.serve import Client
from keras_seg.serve.signatures import MAX_BATCH
from pipelines import Dataset

require_packages()

CLASSES = LiteRTSegmenter(FILE).class_names


@pytest.fixture(scope="module")
def server():
    with serving(RUN, "--single", "--workers", 1) as one:
        yield one


@pytest.fixture(scope="module")
def urls(server):
    return {"rest": f"{server.http}/{NAME}", "grpc": f"grpc://{server.grpc}/{NAME}"}


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_a_client_gives_the_labels_of_the_file_itself(kind, urls, tmp_path):
    pixels = picture(7)
    labels = LiteRTSegmenter(FILE)(pixels)
    path = tmp_path / "street.png"
    path.write_bytes(encoded(pixels))
    with Client(urls[kind], class_names=CLASSES) as client:
        for given in (path, str(path), path.read_bytes(), pixels):
            np.testing.assert_array_equal(client(given), labels)
        np.testing.assert_array_equal(client.labels(np.stack([pixels, pixels]))[1], labels)
        counted = np.bincount(labels.ravel(), minlength=11) / labels.size
        np.testing.assert_allclose(client.class_shares(pixels), counted, atol=1e-6)
        small = picture(8, (32, 40))[np.newaxis]
        scores = client.probabilities(small)
        assert (scores.shape, scores.dtype) == ((1, 32, 40, 11), np.float32)
        np.testing.assert_array_equal(scores.argmax(-1), client.labels(small))
        assert client.class_names == CLASSES
        assert tuple(client.palette[0]) == (128, 128, 128)
        assert (client.num_classes, client.version) == (11, int(FILE.stat().st_mtime))


@pytest.mark.parametrize("kind", ["rest", "grpc"])
@pytest.mark.parametrize("before", ["", "v1/models/"])  # the latter as TensorFlow Serving has it
def test_evaluate_scores_a_server_as_its_file(kind, before, urls):
    pixels = np.stack([picture(1), picture(2)])
    labels = LiteRTSegmenter(FILE).labels(pixels)
    labels[0, :100] = 1
    data = Dataset.from_arrays("streets", CLASSES, None, {"val": (pixels, labels)})
    expected = keras_seg.evaluate(FILE, data).confusion
    assert expected.trace() < expected.sum() == labels.size
    found = keras_seg.evaluate(urls[kind].replace(NAME, before + NAME), data).confusion
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_another_model_than_the_expected_one_is_an_error(kind, urls):
    with pytest.raises(ValueError, match=r"expects a model with the classes \['road'\].*'sky'"):
        Client(urls[kind], class_names=["road"])
    with pytest.raises(ValueError, match=r"has the version .*Received: 7"):
        Client(urls[kind], version=7)
    with pytest.raises(ValueError, match=r"Received: 'other'"):
        Client(urls[kind].replace(NAME, "other"))
    client = Client(urls[kind], version=int(FILE.stat().st_mtime))
    with pytest.raises(ValueError, match=r"complete JPEG or PNG file .*Received: 3 bytes"):
        client(b"abc")


@pytest.mark.parametrize(
    ("url", "arguments", "words"),
    [
        ("http://localhost:8501", {}, "the model's name. Received: url='http://localhost:8501'"),
        ("ftp://localhost/model", {}, "schemes http, https, grpc and grpcs"),
        ("http://localhost/model", {"timeout": 0}, "timeout above 0 seconds"),
        ("http://localhost/model", {"timeout": None}, r"Received: timeout=None, retries=3"),
        ("http://localhost/model", {"timeout": float("inf")}, "a finite timeout"),
        ("http://localhost/model", {"retries": -1}, r"Received: timeout=30.0, retries=-1"),
        ("http://localhost/model", {"retries": 1.5}, r"retries=1\.5"),
        ("grpc://localhost/model", {"version": "abc"}, r"number .* as version.*version='abc'"),
        ("grpc://localhost/model", {"version": True}, "Received: version=True"),
        ("http://localhost/model", {"class_names": "abc"}, "as a tuple or list, .*='abc'"),
        (5, {}, "Received: url=5"),
    ],
)
def test_wrong_arguments_are_errors(url, arguments, words):
    with pytest.raises(ValueError, match=words):
        Client(url, **arguments)


def test_what_is_no_picture_is_not_sent(urls):
    client = Client(urls["grpc"])
    for wrong in (np.zeros((4, 4, 3), "float32"), np.zeros(3, "uint8")):
        with pytest.raises(ValueError, match="needs pictures as paths"):
            client(wrong)
    with pytest.raises(ValueError, match="needs pictures as paths"):
        client.png(np.zeros((4, 4, 2), "uint8"))


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_what_is_empty_is_not_sent(kind, urls):
    client, nothing = Client(urls[kind]), np.zeros((0, 4, 4, 3), "uint8")
    words = r"at least one picture of at least one pixel. Received: shape=\(.*0, .*Leave out"
    for call, given in (
        (client.labels, nothing),
        (client.probabilities, nothing),
        (client, nothing[:, 0]),
        (client.png, nothing[:, 0]),
        (client.class_shares, nothing[:, 0, :, 0]),
    ):
        with pytest.raises(ValueError, match=words):
            call(given)


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_gray_arrays_are_made_rgb_where_the_model_needs_it(kind, urls):
    gray = picture(3)[..., 0]
    rgb = np.stack([gray] * 3, axis=-1)
    labels = LiteRTSegmenter(FILE)(rgb)
    client = Client(urls[kind])
    for given in (gray, gray[..., np.newaxis], rgb):
        np.testing.assert_array_equal(client(given), labels)
    small = rgb[np.newaxis, :16, :16]
    scores = client.probabilities(small[..., :1])
    np.testing.assert_array_equal(scores, client.probabilities(small))
    with pytest.raises(ValueError, match=r"needs uint8 \(-1, -1, -1, 3\)"):
        client.labels(small[..., :2])


def test_large_batches_are_sent_in_several_requests(urls, monkeypatch):
    module = sys.modules[Client.__module__]
    assert module._MAX_PICTURES <= MAX_BATCH
    batch = np.stack([picture(seed, (20, 30)) for seed in range(3)])
    client, sent = Client(urls["grpc"]), []
    whole = client.labels(batch)
    predict = client._remote.predict

    def counted(signature, value, described):
        sent.append(len(value))
        return predict(signature, value, described)

    monkeypatch.setattr(client._remote, "predict", counted)
    monkeypatch.setattr(module, "_MAX_PICTURES", 2)
    np.testing.assert_array_equal(client.labels(batch), whole)
    monkeypatch.setattr(module, "_MAX_NUMBERS", 20 * 30 * 3)
    np.testing.assert_array_equal(client.labels(batch), whole)
    monkeypatch.setattr(module, "_MAX_NUMBERS", 2 * 20 * 30 * 11)
    assert client.probabilities(batch).shape == (3, 20, 30, 11)
    assert sent == [2, 1, 1, 1, 1, 2, 1]


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_is_not_there_is_a_connection_error(scheme):
    words = (
        r"server that can be reached. Received from .*127.0.0.1:9.*. Check the address, and that"
    )
    with pytest.raises(ConnectionError, match=words):
        Client(f"{scheme}://127.0.0.1:9/model", timeout=2, retries=1)


def metadata(names):
    """The answer of TensorFlow Serving for a model with "encoded"."""
    shape = lambda *sides: {"dim": [{"size": str(side)} for side in sides]}  # noqa: E731
    tensors = {
        "image_bytes": {"dtype": "DT_STRING", "tensor_shape": shape(-1)},
        "mask_png_bytes": {"dtype": "DT_STRING", "tensor_shape": shape(-1)},
        "class_shares": {"dtype": "DT_FLOAT", "tensor_shape": shape(-1, names)},
    }
    encoded_ = {
        "inputs": {"image_bytes": tensors.pop("image_bytes")},
        "outputs": tensors,
        "method_name": "tensorflow/serving/predict",
    }
    init = {"inputs": {}, "outputs": {"__saved_model_init_op": {"dtype": "DT_INVALID"}}}
    init["outputs"]["__saved_model_init_op"]["tensor_shape"] = {"dim": [], "unknown_rank": True}
    definitions = {"encoded": encoded_, "__saved_model_init_op": init}
    return {
        "model_spec": {"name": "m", "signature_name": "", "version": "3"},
        "metadata": {"signature_def": {"signature_def": definitions}},
    }


class Standard(http.server.BaseHTTPRequestHandler):
    """Answers as TensorFlow Serving does, the first times that it is busy."""

    busy, seconds, asked, content = 0, 0.0, 0, b""

    def do_GET(self):
        type(self).asked += 1
        if self.seconds:
            threading.Event().wait(self.seconds)
        code = 503 if Standard.busy > 0 else 200
        Standard.busy -= 1
        body = json.dumps(metadata(5) if code == 200 else {"error": "busy"}).encode()
        body = Standard.content or body
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def standard():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Standard)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Standard.busy, Standard.seconds, Standard.asked, Standard.content = 0, 0.0, 0, b""
    yield f"http://127.0.0.1:{server.server_port}/m"
    server.shutdown()
    server.server_close()


def test_tensorflow_servings_own_url_has_the_same_meaning(standard):
    assert Client(standard.replace("/m", "/v1/models/m")).model == "m"


def test_a_server_without_class_names_must_have_as_many(standard):
    client = Client(standard, class_names=list("abcde"))
    assert (client.class_names, client.num_classes, client.version) == (None, 5, 3)
    with pytest.raises(ValueError, match=r"with 5\. Deploy"):
        Client(standard, class_names=["a"])
    with pytest.raises(ValueError, match="needs the signature 'probabilities'"):
        client.probabilities(np.zeros((1, 4, 4, 3), "uint8"))


def test_a_busy_server_is_asked_again(standard):
    Standard.busy = 2
    assert Client(standard, retries=2).version == 3
    assert Standard.asked == 3
    Standard.busy = 2
    with pytest.raises(ConnectionError, match=r"takes requests. Received from .*503, busy"):
        Client(standard, retries=1)


def test_a_slow_server_is_a_timeout(standard):
    Standard.seconds = 0.6
    with pytest.raises(TimeoutError, match=r"none in 0.2 s"):
        Client(standard, timeout=0.2)


@pytest.mark.parametrize(
    "content",
    [
        b"<html>A page</html>",
        b"\xff",
        b"{}",
        b"[]",
        b"[" * 100_000,
        b'{"model_spec": {"version": ""}, "metadata": {"signature_def": {"signature_def": {}}}}',
        b'{"metadata": {"signature_def": {"signature_def": {"a": {"inputs": 3}}}}}',
    ],
)
def test_a_server_of_another_kind_is_an_error(content, standard):
    client = Client(standard)
    Standard.content = content
    words = rf"needs a model server. Received from {standard.replace('/m', '')}.*200, .*URL"
    with pytest.raises(ValueError, match=words):
        Client(standard)
    with pytest.raises(ValueError, match=words):
        client.png(b"a file")


def test_the_client_imports_neither_keras_nor_tensorflow(urls):
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('keras', 'tensorflow', 'fastapi'))); "
        "from keras_seg.serve import Client; "
        "print([Client(url).num_classes for url in sys.argv[1:]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *urls.values()],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "[11, 11]", done.stderr
