"""Resizing, PNG files and the limits of a loaded version, without a server."""

import asyncio
import io
import threading

import numpy as np
import pytest
from _serving import FILE, encoded, picture
from PIL import Image

from keras_seg.serve import messages, png
from keras_seg.serve.model import Model, fitted, labels_at
from keras_seg.serve.refusals import BusyError, InvalidError
from keras_seg.serve.rest_values import to_json
from keras_seg.serve.signatures import call
from keras_seg.serve.versions import Versions
from keras_seg.serve.workers import Workers
from pipelines.read.spec import InputSpec


def test_labels_of_resized_scores_are_those_of_the_highest_resized_score():
    scores = np.random.default_rng(0).normal(size=(6, 8, 5)).astype("float32")
    for size in ((6, 8), (3, 4), (3, 40), (12, 16), (30, 20)):
        wanted = fitted(scores, size).argmax(-1)
        assert np.mean(labels_at(scores, size) == wanted) > 0.99, size  # rounding


def test_more_than_256_classes_are_32_bits_and_a_png_of_16():
    scores = np.zeros((2, 2, 300), "float32")
    scores[..., 299] = 1
    labels = labels_at(scores, (3, 4))
    assert labels.dtype == np.int32
    found = np.asarray(Image.open(io.BytesIO(png.label_png(labels))))
    np.testing.assert_array_equal(found, np.full((3, 4), 299))


def test_a_png_has_the_palette_and_ids_as_pixels():
    labels = np.array([[0, 1, 2]], "uint8")
    palette = [(128, 64, 128), (0, 128, 255), (0, 99, 0)]
    file = Image.open(io.BytesIO(png.label_png(labels, palette)))
    assert file.mode == "P"
    np.testing.assert_array_equal(np.asarray(file), labels)
    np.testing.assert_array_equal(np.asarray(file.convert("RGB"))[0], palette)


def test_a_file_that_cannot_be_served_is_named(tmp_path):
    path = tmp_path / "none.tflite"
    with pytest.raises(ValueError, match=r"needs a \.tflite file.*none\.tflite'\. No such file"):
        Versions("m", lambda: path)
    path.write_bytes(b"garbage")
    with pytest.raises(ValueError, match=r"whole \.tflite file.*none\.tflite' of 7 bytes"):
        Versions("m", lambda: path)


def test_an_answer_that_does_not_fit_into_memory_is_refused():
    model = Model("m", 1, FILE, max_pixels=5000)
    pixels = np.zeros((1, 50, 100, 3), "uint8")
    assert call(model, "", {"image": pixels})["labels"].shape == (1, 50, 100)
    with pytest.raises(InvalidError, match=r"at most 5,000 numbers.*which gives 55,000"):
        call(model, "probabilities", {"image": pixels})
    with pytest.raises(InvalidError, match=r"at most 10,000,000 numbers. .* for 10,000,001"):
        to_json({"labels": np.zeros(10_000_001, "uint8")}, by_example=False)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (InputSpec(4), r"pixels, with 4 channels\. Received: \d+ bytes \(3 channels\)"),
        (InputSpec(2, bands=(0, 3)), r"pixels, with the bands \(0, 3\)\. Received: .*3 channels"),
    ],
)
def test_a_picture_with_too_few_channels_is_told_how_many_are_needed(spec, words):
    model = Model("m", 1, FILE)
    model.spec, model.channels = spec, spec.channels
    with pytest.raises(InvalidError, match=words):
        model.decoded(encoded(picture(0, (4, 6))))


def test_a_full_queue_is_busy():
    async def ask():
        release = threading.Event()
        workers = Workers(1, max_waiting=1)
        running = [asyncio.create_task(workers.run(release.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="lets 1 requests wait"):
            await workers.run(release.wait)
        release.set()
        await asyncio.gather(*running)
        workers.close()

    asyncio.run(ask())


def test_messages_have_the_numbers_of_the_protocols():
    # Wire format: field << 3 | type, then a length or a value; 2 is bytes, 0 a varint.
    request = messages.PredictRequest()
    request.model_spec.name = "m"
    request.model_spec.version.value = 3
    assert request.SerializeToString() == b"\x0a\x07\x0a\x01m\x12\x02\x08\x03"
    infer = messages.ModelInferRequest(model_name="m", raw_input_contents=[b"ab"])
    assert infer.SerializeToString() == b"\x0a\x01m\x3a\x02ab"
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        messages.Nothing  # noqa: B018


def test_a_proto_file_of_another_form_is_an_error(tmp_path):
    path = tmp_path / "a.proto"
    path.write_text("message A {\n  oneof b {\n")
    with pytest.raises(ValueError, match=r"one message or field per line. Received: 'oneof b {'"):
        messages._file(path)
