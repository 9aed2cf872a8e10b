"""The page's server: what it answers, and that nothing else can be reached."""

import base64
import contextlib
import hashlib
import http.client
import json
import re
import shutil
import threading

import pytest
from _serving import FILE, OTHER_FILE, RUN

from keras_seg.export.edit import File
from keras_seg.web import packages, server
from keras_seg.web.description import describe
from keras_seg.web.server import Server, routes

STATIC = server._STATIC


@pytest.fixture(scope="module")
def fake_packages(tmp_path_factory):
    """A folder with the names of the packages' files, each with its name as content."""
    folder = tmp_path_factory.mktemp("packages")
    for package in packages.PACKAGES:
        for name in package.files:
            path = folder / package.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    return folder


@pytest.fixture(scope="module")
def contents(fake_packages):
    return routes(FILE, "street", fake_packages)


@contextlib.contextmanager
def running(contents):
    with Server(contents, port=0) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield served
        finally:
            served.shutdown()
            thread.join()


def ask(served, path, method="GET"):
    connection = http.client.HTTPConnection(*served.server_address[:2], timeout=20)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def changed(path, change):
    """A copy of the shipped file with another tensor."""
    file = File(FILE)
    change(
        file, file.graph.tensors[file.graph.inputs[0]], file.graph.tensors[file.graph.outputs[0]]
    )
    file.write(path)
    return path


def test_the_description_is_that_of_the_file():
    settings = json.loads((RUN / "run.json").read_text())
    found = describe(FILE)
    assert [one["name"] for one in found["classes"]] == settings["class_names"]
    assert [one["color"] for one in found["classes"]] == settings["palette"]
    assert found["size"] == [360, 480]
    assert (found["channels"], found["has_scores"]) == (3, True)
    # Its input is uint8 with the pixels as they are, see phone.md.
    assert (found["scale"], found["zero"]) == (1.0, 0)
    assert describe(OTHER_FILE)["file"] == "model_int8.tflite"


def test_any_number_of_classes_has_names_and_colors(tmp_path):
    def many(_, __, scores):
        scores.shape = [*scores.shape[:-1], 150]

    found = describe(changed(tmp_path / "many.tflite", many))
    assert len({one["name"] for one in found["classes"]}) == 150
    assert len({tuple(one["color"]) for one in found["classes"]}) > 140


def test_files_that_a_browser_cannot_open_are_refused(tmp_path):
    def signed(file, _, scores):
        scores.type = file.schema.TensorType.INT8

    def of_four_channels(_, image, __):
        image.shape = [*image.shape[:-1], 4]

    def of_labels(file, _, scores):
        scores.shape = list(scores.shape[:-1])
        file.model.signatureDefs[0].signatureKey = b"labels"

    with pytest.raises(ValueError, match=r"scores as float32, int32, uint8. Received: .* and int8"):
        describe(changed(tmp_path / "signed.tflite", signed))
    with pytest.raises(ValueError, match=r"3 colors of 8 bits. Received: .*, for 4 channels"):
        describe(changed(tmp_path / "four.tflite", of_four_channels))
    with pytest.raises(ValueError, match=r"number of its classes. Received: .*without it"):
        describe(changed(tmp_path / "labels.tflite", of_labels))


def test_all_that_the_page_loads_is_there_and_nothing_is_elsewhere(contents):
    loaded = set()
    for path in STATIC.iterdir():
        text = path.read_text()
        assert not re.search(r"https?://|//cdn|@import", text), path.name
        loaded |= set(re.findall(r"[\"'](/[\w./-]*)[\"']", text))
        loaded |= {f"/{name}" for name in re.findall(r"from \"\./([\w.]+)\"", text)}
    folders = {path for path in loaded if path.endswith("/")}
    assert folders == {"/packages/core/wasm/"}
    assert loaded - folders <= set(contents)
    assert {path for path in contents if path.startswith("/packages/core/wasm/")}


def test_each_file_is_answered_with_its_type(contents):
    with running(contents) as served:
        for path, content in contents.items():
            answer, body = ask(served, path)
            assert (answer.status, body) == (200, content.read()), path
            assert answer.headers["Content-Type"] == content.type
        answer, body = ask(served, "/?again=1")
        assert (answer.status, b"<title>" in body) == (200, True)
        answer, body = ask(served, "/model.tflite", "HEAD")
        assert (int(answer.headers["Content-Length"]), body) == (FILE.stat().st_size, b"")
        assert ask(served, "/", "POST")[0].status == 501
    assert contents["/model.tflite"].read() == FILE.read_bytes()
    assert json.loads(contents["/model.json"].read())["name"] == "street"


@pytest.mark.parametrize(
    "path",
    ["/../server.py", "/%2e%2e/server.py", "/static/../server.py", "//etc/passwd", "/etc/passwd",
     "/packages/core/dist/../../../server.py", "/packages/", "/index.html/", "..", "/model.json%0"],
)  # fmt: skip
def test_no_other_path_is_answered(path, contents):
    with running(contents) as served:
        answer, body = ask(served, path)
    assert (answer.status, body) == (404, b"No such page.\n")


def test_browsers_are_told_to_load_nothing_from_elsewhere(contents):
    with running(contents) as served:
        answer, page = ask(served, "/")
    policy = dict(
        part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    (inline,) = re.findall(rb"<script type=\"importmap\">(.*?)</script>", page, re.S)
    checksum = base64.b64encode(hashlib.sha256(inline).digest()).decode()
    assert f"'sha256-{checksum}'" in policy["script-src"].split()
    for header in ("Cross-Origin-Opener-Policy", "Cross-Origin-Embedder-Policy"):
        assert answer.headers[header]  # threads need both


def test_a_port_in_use_is_an_error_and_another_machine_cannot_connect(contents):
    with running(contents) as served:
        assert served.server_address[0] == "127.0.0.1"
        port = served.server_address[1]
        assert served.address == f"http://127.0.0.1:{port}/"
        with pytest.raises(OSError, match=rf"free port. Received: 127.0.0.1:{port} \("):
            Server(contents, port=port)


def test_missing_packages_are_named_before_the_server_starts(tmp_path, fake_packages):
    partly = tmp_path / "packages"
    shutil.copytree(fake_packages, partly)
    (partly / "core/wasm/litert_wasm_internal.wasm").unlink()
    with pytest.raises(
        ValueError, match=r"no core/wasm/litert_wasm_internal.wasm in '.*--install`"
    ):
        routes(FILE, "street", partly)
