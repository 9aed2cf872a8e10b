"""Streams of frames: sources, order, dropping, smoothing, errors."""

import threading
import time

import cv2
import keras
import numpy as np
import pytest
from _process import run_on

from keras_seg import Segmenter
from keras_seg.inference import Stream

PALETTE = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def strongest_channel():
    """Labels are the strongest channel of a pixel."""
    image = keras.Input((None, None, 3))
    logits = keras.layers.Conv2D(3, 1, use_bias=False, name="logits")(image)
    model = keras.Model(image, logits)
    model.get_layer("logits").set_weights([np.eye(3, dtype="float32")[None, None]])
    return model


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(strongest_channel(), palette=PALETTE)


def plain(channel, height=40, width=56):
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., channel] = 200
    return picture


def write_video(path, channels):
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, 5, (56, 40))
    for channel in channels:
        writer.write(cv2.cvtColor(plain(channel), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def most(labels):
    return int(np.bincount(labels.ravel()).argmax())


def test_a_video_gives_its_frames_with_labels(segmenter, tmp_path):
    path = write_video(tmp_path / "drive.avi", [0, 1, 2, 1])
    with segmenter.stream(path) as stream:
        frames = list(stream)
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [most(frame.labels) for frame in frames] == [0, 1, 2, 1]
    assert frames[0].image.shape == (40, 56, 3)
    assert most(frames[0].image.argmax(axis=-1)) == 0  # red first
    assert frames[0].overlay is None
    assert stream.rate > 0


def test_a_folder_and_an_iterable_give_the_labels_of_the_segmenter(segmenter, tmp_path):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (40, 50 + n, 3), "uint8") for n in range(3)]
    for n, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"{n}.png"), picture[..., ::-1])
    expected = [segmenter(picture) for picture in pictures]
    for source in (tmp_path, pictures, iter(pictures), sorted(tmp_path.iterdir())):
        with segmenter.stream(source) as stream:
            for frame, labels in zip(stream, expected, strict=True):
                np.testing.assert_array_equal(frame.labels, labels)


def test_overlays_are_drawn_when_asked_for(segmenter):
    with segmenter.stream([plain(1)], draw=True) as stream:
        (frame,) = stream
    # Half of the picture's 200 and half of the class's 255.
    assert frame.overlay[0, 0].tolist() in ([0, 227, 0], [0, 228, 0])


def test_smoothing_keeps_a_share_of_earlier_frames(segmenter):
    # Logits of 200 and 0: probabilities of 1 and 0. A share of 0.6 of the first frame is 0.6 in
    # the second, 0.36 in the third; the new class has 0.4, then 0.64.
    with segmenter.stream([plain(0), plain(1), plain(1)], smoothing=0.6) as stream:
        assert [most(frame.labels) for frame in stream] == [0, 0, 1]


def test_smoothing_begins_again_at_another_size(segmenter):
    with segmenter.stream([plain(0), plain(1, 48, 64)], smoothing=0.9) as stream:
        assert [most(frame.labels) for frame in stream] == [0, 1]


def test_the_latest_frame_replaces_those_that_wait(segmenter):
    class Slow(Segmenter):
        def labels(self, batch):
            time.sleep(0.1)
            return super().labels(batch)

    def camera():
        for _ in range(40):
            yield plain(0)
            time.sleep(0.005)

    slow = Slow(segmenter.model, palette=PALETTE)
    with slow.stream(camera(), drop="latest") as stream:
        indices = [frame.index for frame in stream]
    assert indices == sorted(indices)
    assert indices[-1] == 39
    assert len(indices) + stream.dropped == 40
    assert stream.dropped > 20


def test_a_slow_reader_of_the_latest_frames_gets_new_ones(segmenter):
    sent = []

    def camera():
        while True:
            time.sleep(0.005)
            sent.append(len(sent))
            yield plain(0)

    with segmenter.stream(camera(), drop="latest") as stream:
        next(stream)
        for _ in range(3):
            before = len(sent)
            time.sleep(0.5)
            # Not one of those that were found while the reader was busy with the frame before.
            assert next(stream).index > (before + len(sent)) / 2


def test_a_source_may_draw_each_frame_into_the_same_array(segmenter):
    picture = plain(0)

    def source():
        for n in range(6):
            picture[...] = plain(n % 3)
            yield picture

    with segmenter.stream(source()) as stream:
        frames = list(stream)
    assert [most(frame.labels) for frame in frames] == [0, 1, 2, 0, 1, 2]
    assert [most(frame.image.argmax(axis=-1)) for frame in frames] == [0, 1, 2, 0, 1, 2]


def test_a_stream_that_is_left_behind_stops(segmenter):
    closed = threading.Event()

    def camera():
        try:
            while True:
                yield plain(0)
        finally:
            closed.set()

    for _ in segmenter.stream(camera()):
        break
    assert closed.wait(10)


def test_a_slow_reader_gets_every_frame(segmenter):
    with segmenter.stream([plain(n % 3) for n in range(12)]) as stream:
        found = []
        for frame in stream:
            time.sleep(0.01)
            found.append(most(frame.labels))
    assert found == [n % 3 for n in range(12)]


def test_leaving_early_releases_the_video(segmenter, tmp_path):
    path = write_video(tmp_path / "drive.avi", [0] * 30)
    with segmenter.stream(path) as stream:
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)


def test_a_broken_picture_is_named_after_the_frames_before_it(segmenter, tmp_path):
    good, broken = tmp_path / "a.png", tmp_path / "b.png"
    cv2.imwrite(str(good), plain(2))
    broken.write_bytes(b"no picture")
    stream = segmenter.stream([good, broken])
    assert most(next(stream).labels) == 0  # OpenCV writes the last channel as red
    with pytest.raises(ValueError, match=r"b\.png"):
        next(stream)


def test_hidden_files_and_folders_are_no_frames(segmenter, tmp_path):
    for name, size in (("a.png", (40, 56)), ("b.png", (17, 90))):
        cv2.imwrite(str(tmp_path / name), plain(2, *size))
    cv2.imwrite(str(tmp_path / "c.png"), np.full((20, 30), 9, np.uint8))
    (tmp_path / "._a.png").write_bytes(b"what a system notes of a.png")
    (tmp_path / "d.png").mkdir()
    with segmenter.stream(tmp_path) as stream:
        assert [frame.labels.shape for frame in stream] == [(40, 56), (17, 90), (20, 30)]


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("missing.mp4", ValueError, "`stream` needs a video.*missing.mp4', which does not exist"),
        ("notes.txt", ValueError, "notes.txt', of another type.*Known endings of videos"),
        ("broken.mp4", ValueError, "a video that OpenCV can decode.*broken.mp4.*no frame can be"),
        ("empty", ValueError, "a folder with pictures in it.*empty.*Known endings"),
        (99, ValueError, "number of a camera that is connected.*99"),
        ("rtsp://127.0.0.1:9/x", ValueError, "a stream that OpenCV can open.*rtsp"),
        (np.zeros((4, 4, 3), "uint8"), TypeError, "Received: ndarray. For one picture"),
        (None, TypeError, "Received: NoneType"),
        (True, TypeError, "Received: bool"),
    ],
)
def test_a_source_that_has_no_frames_is_named(segmenter, tmp_path, source, error, words):
    (tmp_path / "notes.txt").write_text("a")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "empty").mkdir()
    if isinstance(source, str) and "://" not in source:
        source = tmp_path / source
    with pytest.raises(error, match=words):
        segmenter.stream(source)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"drop": "oldest"}, "drop"),
        ({"smoothing": 1.0}, r"smoothing from 0 below 1.*1\.0"),
    ],
)
def test_wrong_arguments_are_named(segmenter, changes, words):
    with pytest.raises(ValueError, match=words):
        segmenter.stream([plain(0)], **changes)


def test_volumes_are_refused():
    image = keras.Input((None, None, None, 1))
    network = keras.Model(image, keras.layers.Conv3D(2, 1)(image))
    with pytest.raises(ValueError, match=r"a network of pictures.*a network of volumes"):
        Stream(Segmenter(network), [])


def test_litert_computes_several_frames_at_a_time_in_their_order(monkeypatch):
    pytest.importorskip("tensorflow")
    monkeypatch.setattr("keras_seg.inference.segmenter.num_cores", lambda: 3)
    litert = Segmenter(strongest_channel(), palette=PALETTE, engine="litert")
    assert litert.workers == 3
    threads, labels = set(), litert.labels

    def noted(batch):
        threads.add(threading.get_ident())
        time.sleep(0.02)
        return labels(batch)

    litert.labels = noted
    with litert.stream([plain(n % 3) for n in range(12)]) as stream:
        frames = list(stream)
    assert [frame.index for frame in frames] == list(range(12))
    assert [most(frame.labels) for frame in frames] == [0, 1, 2] * 4
    assert len(threads) == 3


def test_arrays_are_frames_and_an_empty_source_has_none(segmenter):
    with segmenter.stream(np.stack([plain(1), plain(2)])) as stream:
        assert [most(frame.labels) for frame in stream] == [1, 2]
    assert list(segmenter.stream([])) == []


def test_what_is_no_segmenter_is_refused():
    with pytest.raises(TypeError, match=r"`stream` needs a Segmenter.*Received: Functional"):
        Stream(strongest_channel(), [plain(0)])


def test_a_source_may_draw_each_frame_into_the_same_memory(segmenter):
    picture = plain(0)

    def source():
        for n in range(6):
            picture[...] = plain(n % 3)
            yield memoryview(picture)

    with segmenter.stream(source()) as stream:
        assert [most(frame.labels) for frame in stream] == [0, 1, 2, 0, 1, 2]


@pytest.mark.long
def test_a_program_may_end_in_the_middle_of_a_stream():
    code = """
import keras, numpy as np
from keras_seg import Segmenter
image = keras.Input((None, None, 3))
x = keras.layers.Conv2D(32, 9, padding="same")(image)
segmenter = Segmenter(keras.Model(image, keras.layers.Conv2D(4, 9, padding="same")(x)))
stream = segmenter.stream([np.zeros((96, 96, 3), "uint8")] * 2000, draw=True)
for frame in stream:
    if frame.index == 5:
        break
"""
    run_on("tensorflow", code)
