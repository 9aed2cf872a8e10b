"""The page in Chromium, where `make test-browser` has installed what it needs."""

import json
import os
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from _browser import CHROMIUM, DRIVER, Browser
from _export import NAMES, PALETTE, network
from _serving import FILE, OTHER_FILE, RUN, SIZE, picture
from PIL import Image

from keras_seg.export import LiteRTSegmenter, tflite
from keras_seg.web.packages import package_files
from keras_seg.web.server import Server, routes

AXE = os.environ.get("AXE_CORE", "")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (AXE and CHROMIUM and DRIVER), reason="needs Chromium and npm: make test-browser"
    ),
]
READY, SHOWN, FAILED = (
    f"document.body.dataset.state === '{state}'" for state in ("ready", "shown", "failed")
)
OVERLAY = """
const canvas = document.getElementById("overlay");
const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
return [canvas.height, canvas.width, Array.from(new Uint32Array(data.buffer))];
"""
CAMERA = "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"


class Page:
    """The page of a file in a browser of its own."""

    def __init__(self, file, profile, *flags, **options):
        self.server = Server(routes(file, "street"), port=0)
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()
        self.browser = Browser(profile, *flags, **options)
        self.browser.open(self.server.address)

    def colors(self):
        """The overlay, uint8 (h, w, 4)."""
        height, width, values = self.browser.run(OVERLAY)
        return np.asarray(values, "<u4").view("u1").reshape(height, width, 4)

    def choose(self, path, state=SHOWN):
        self.browser.choose("#file", Path(path).resolve())
        self.browser.wait(state)

    def close(self):
        self.browser.close()
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def open_page(tmp_path):
    """A function that opens the page of a file and waits until it can be used."""
    opened = []

    def open_(*flags, file=FILE, state=READY, **options):
        page = Page(file, tmp_path / f"profile{len(opened)}", *flags, **options)
        opened.append(page)
        page.browser.wait(state)
        return page

    yield open_
    for page in opened:
        page.close()


@pytest.fixture
def street(tmp_path):
    path = tmp_path / "street.png"
    Image.fromarray(picture()).save(path)
    return path


@pytest.fixture(scope="module")
def fp32(tmp_path_factory):
    """The shipped network in floating point."""
    from keras_seg.run import Run

    run, path = Run(RUN), tmp_path_factory.mktemp("run") / "model_fp32.tflite"
    names, palette = run.settings["class_names"], run.settings["palette"]
    tflite(run.model, path, size=SIZE, class_names=names, palette=palette)
    return path


def agreement(page, file, path):
    """The share of pixels that have the color of LiteRTSegmenter's label."""
    segmenter = LiteRTSegmenter(file)
    palette = np.asarray(segmenter.palette, "uint8")
    assert len(np.unique(palette, axis=0)) == len(palette)
    found = page.colors()
    assert (found[..., 3] == 255).all()
    labels = segmenter(np.asarray(Image.open(path)))
    assert len(np.unique(labels)) > 2
    return np.mean((found[..., :3] == palette[labels]).all(-1))


def test_labels_are_those_of_litert_in_python(open_page, fp32, street):
    page = open_page(file=fp32)
    page.choose(street)
    assert agreement(page, fp32, street) >= 0.999


def test_8_bits_differ_where_scores_are_nearly_equal(open_page, street):
    page = open_page()
    page.choose(street)
    # LiteRTSegmenter does not round the enlarged scores, the file does.
    assert agreement(page, FILE, street) >= 0.98
    assert page.browser.run("return crossOriginIsolated") is True  # which threads need


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("fp32", {"outputs": "labels"}),
        ("fp32", {"outputs": "both", "input_type": "uint8"}),
        ("fp16", {}),
        ("int8_weights", {}),
    ],
)
def test_other_kinds_of_files_run(mode, options, open_page, tmp_path):
    file, pixels = tmp_path / "model.tflite", picture(size=(64, 80))
    notes = {"class_names": NAMES, "palette": PALETTE, "min_agreement": 0.9}
    tflite(network(0), file, mode, size=(64, 80), **notes, **options)
    path = tmp_path / "small.png"
    Image.fromarray(pixels).save(path)
    page = open_page(file=file)
    page.choose(path)
    labels = LiteRTSegmenter(file)(pixels)
    colors = np.asarray(PALETTE, "uint8")[labels]
    assert len(np.unique(labels)) > 1
    assert np.mean((page.colors()[..., :3] == colors).all(-1)) >= 0.999


def test_the_other_shipped_network_runs(open_page, tmp_path):
    path = tmp_path / "square.png"
    Image.fromarray(picture(size=LiteRTSegmenter(OTHER_FILE).size)).save(path)
    page = open_page(file=OTHER_FILE)
    page.choose(path)
    assert agreement(page, OTHER_FILE, path) >= 0.98


def test_nothing_is_loaded_from_elsewhere(open_page, street):
    page = open_page()
    page.choose(street)
    loaded = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    names = [name for name in page.browser.run(loaded) if not name.startswith("data:")]
    assert {f"{page.server.address}model.tflite", f"{page.server.address}app.js"} <= set(names)
    assert all(name.startswith((page.server.address, "blob:")) for name in names)
    other = Server(page.server.contents, port=0)
    with other, pytest.raises(RuntimeError, match="Failed to fetch"):
        page.browser.run(f"await fetch('{other.address}', {{mode: 'no-cors'}})")
    refused = [line for line in page.browser.log() if "Content Security Policy" in line]
    assert refused
    assert all(other.address in line for line in refused)  # our own attempt


def test_classes_are_switched_and_colors_fade(open_page, street):
    page = open_page()
    page.choose(street)
    before = page.colors()
    values, counts = np.unique(before.reshape(-1, 4), axis=0, return_counts=True)
    largest = values[counts.argmax()]
    index = LiteRTSegmenter(FILE).palette.index(largest[:3].tolist())
    share = page.browser.text(f"#legend li:nth-child({index + 1}) .share")
    assert share == f"{100 * counts.max() / counts.sum():.1f} %"
    page.browser.click(f"#legend li:nth-child({index + 1}) input")
    after, hidden = page.colors(), (before == largest).all(-1)
    assert (after[hidden, 3] == 0).all()
    assert (after[~hidden] == before[~hidden]).all()
    page.browser.click("#none")
    assert not page.colors().any()
    page.browser.click("#all")
    assert (page.colors() == before).all()
    page.browser.run(
        "const range = document.getElementById('opacity'); range.value = 25;"
        "range.dispatchEvent(new Event('input'));"
    )
    assert page.browser.text("#opacity-value") == "25 %"
    style = "return getComputedStyle(document.getElementById('overlay')).opacity"
    assert float(page.browser.run(style)) == 0.25


@pytest.mark.parametrize("phone", [False, True])
def test_pictures_keep_their_aspect_and_pages_their_width(phone, open_page, tmp_path):
    page = open_page(size=(390, 844) if phone else (1280, 900), phone=phone)
    for shape in ((90, 300), (300, 90)):
        path = tmp_path / f"{shape[0]}.png"
        Image.fromarray(picture(size=shape)).save(path)
        page.browser.run("document.body.dataset.state = 'busy'")
        page.choose(path)
        code = "const {width, height} = document.getElementById('stage').getBoundingClientRect()"
        width, height = page.browser.run(f"{code}; return [width, height]")
        assert width / height == pytest.approx(shape[1] / shape[0], rel=0.02)
        code = "return document.documentElement.scrollWidth <= window.innerWidth"
        assert page.browser.run(code) is True
    if folder := os.environ.get("SCREENSHOTS"):
        page.browser.screenshot(Path(folder) / f"page_{'phone' if phone else 'wide'}.png")


def test_videos_run_and_can_be_paused(open_page, tmp_path):
    path = tmp_path / "drive.webm"
    # OpenCV's name of VP8, which every browser plays.
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP80"), 10, SIZE[::-1])
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no WebM")
    for index in range(30):
        writer.write(np.roll(picture(), 8 * index, axis=1))
    writer.release()
    page = open_page()
    page.choose(path)
    page.browser.wait("document.getElementById('speed').textContent.includes('frames/s')")
    rate = float(page.browser.text("#speed").split(" frames/s")[0])
    assert 0 < rate <= 40
    page.browser.click("#pause")
    page.browser.wait("document.getElementById('pause').textContent === 'Play'")
    page.browser.click("#pause")
    page.browser.wait("document.getElementById('pause').textContent === 'Pause'")
    assert page.browser.text("#error") == ""


def test_the_camera_runs_until_it_is_stopped(open_page):
    page = open_page(*CAMERA)
    page.browser.click("#camera")
    page.browser.wait(SHOWN)
    assert page.browser.text("#camera") == "Stop the camera"
    page.browser.wait("document.getElementById('speed').textContent.includes('frames/s')")
    page.browser.click("#camera")
    assert page.browser.text("#camera") == "Use the camera"
    assert page.browser.text("#error") == ""


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--use-fake-device-for-media-stream", "--deny-permission-prompts"), "was not allowed"),
        (("--use-fake-device-for-media-stream=device-count=0", CAMERA[1]), "No camera was found"),
    ],
)
def test_cameras_that_cannot_be_used_are_explained(flags, words, open_page):
    page = open_page(*flags)
    page.browser.click("#camera")
    page.browser.wait(FAILED)
    assert words in page.browser.text("#error")


def test_a_page_without_a_camera_says_where_browsers_have_one(open_page):
    page = open_page()
    page.browser.run("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
    page.browser.click("#camera")
    page.browser.wait(FAILED)
    assert "only to pages of https or of this machine" in page.browser.text("#error")


def test_wrong_files_are_named_and_the_page_goes_on(open_page, tmp_path, street):
    page = open_page()
    for name, content, words in (
        ("notes.txt", b"hello", "notes.txt is no picture that this browser can read"),
        ("half.png", street.read_bytes()[:60], "half.png is no picture"),
        ("broken.mp4", b"\0\0\0\x18ftypmp42", "broken.mp4 is no video that this browser can play"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        page.browser.run("document.body.dataset.state = 'busy'")
        page.choose(path, FAILED)
        assert words in page.browser.text("#error")
    page.choose(street)
    assert page.browser.text("#error") == ""


def test_a_network_that_does_not_load_is_explained(tmp_path, open_page):
    contents = routes(FILE, "street")
    del contents["/model.tflite"]
    with Server(contents, port=0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        browser = Browser(tmp_path / "own")
        try:
            browser.open(server.address)
            browser.wait(FAILED)
            assert "The network could not be loaded: " in browser.text("#error")
        finally:
            browser.close()
            server.shutdown()
            thread.join()


def test_pixels_and_scores_are_converted_as_in_python(open_page):
    page = open_page()
    code = """
    const {fill, highest} = await import("/segmenter.js");
    const pixels = Uint8ClampedArray.of(255, 0, 0, 255, 10, 200, 30, 255);
    const results = [[3, 1, 0], [1, 1, 0], [3, 2, 5]].map(([channels, scale, zero]) => {
      const input = new Float32Array(2 * channels);
      fill(input, pixels, {channels, scale, zero});
      return Array.from(input);
    });
    return [...results, Array.from(highest([1, 3, 3, 0, -2, -1], 3))];
    """
    rgb, gray, quantized, labels = page.browser.run(code)
    assert rgb == [255, 0, 0, 10, 200, 30]
    pixels = np.uint8([[[255, 0, 0], [10, 200, 30]]])
    assert gray == np.asarray(Image.fromarray(pixels).convert("L")).ravel().tolist()
    # round(255 / 2 + 5) is 132.5, rounded up; 5, 5; 10 / 2 + 5 = 10; 105; 20
    assert quantized == [133, 5, 5, 10, 105, 20]
    assert labels == [1, 0]  # the first of equal scores, as numpy.argmax


@pytest.mark.parametrize("phone", [False, True])
def test_axe_finds_nothing_to_improve(phone, open_page, street):
    page = open_page(size=(390, 844) if phone else (1280, 900), phone=phone)
    page.choose(street)
    page.browser.run_script(Path(AXE).read_text())
    found = page.browser.run(
        "const {violations, incomplete, passes} = await axe.run(document);"
        "const told = (rule) => [rule.id, rule.nodes.map((node) => node.html)];"
        "return [[...violations, ...incomplete].map(told), passes.length];"
    )
    assert found[0] == [], json.dumps(found[0], indent=1)
    assert found[1] > 20


def test_the_packages_are_installed():
    assert len(package_files()) == 8
