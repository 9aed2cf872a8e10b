"""What both exports share: report, comparison, publishing, and the model that is exported."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from _export import recomputed
from keras import layers, ops

from keras_seg.export import ExportReport, comparison, picture_batches, saved_model, tflite
from keras_seg.export import exportable as model_part
from keras_seg.export import publish as publish_part


def tiny(num_classes=3, size=(None, None), dtype=None):
    """A model with an auxiliary output."""
    image = keras.Input((*size, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, dtype=dtype)(image)
    x = layers.Conv2D(4, 3, padding="same", dtype=dtype)(x)
    logits = layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    aux = layers.Conv2D(num_classes, 1, dtype="float32", name="aux_context")(x)
    return keras.Model(image, {"logits": logits, "aux_context": aux})


def compared(agreement=1.0, difference=0.0, keras_mean_iou=None, mean_iou=None):
    return comparison.Comparison(
        "2 noise pictures", agreement, difference, keras_mean_iou, mean_iou
    )


def test_report_names_size_operations_agreement_and_both_scores():
    report = ExportReport(
        "model.tflite", "TFLite int8", 1_130_000, {"ADD": 10, "CONV_2D": 33},
        {"image": "uint8 (1, 360, 480, 3)"}, {"logits": "int8 (1, 360, 480, 11)"},
        "101 labeled pictures", 0.9934, 0.25, 0.6512, 0.6498,
    )  # fmt: skip
    text = str(report)
    for words in ("1.13 MB", "CONV_2D 33, ADD 10", "99.340 %", "101 labeled", "0.6498", "0.6512"):
        assert words in text


def test_report_names_the_score_at_the_pictures_own_size():
    report = ExportReport(
        "my run/model.tflite", "TFLite fp32", 1, {}, {}, {}, "9 <b> pictures", 1.0, 0.0, 0.52, 0.51,
        0.61,
    )  # fmt: skip
    words = (
        "mean IoU    0.5100, the Keras model has 0.5200 on the same resized pictures and 0.6100 on "
        "the pictures at their own size"
    )
    assert words in str(report)
    assert str(report).startswith("TFLite fp32: 'my run/model.tflite', 0.00 MB")
    page = report._repr_html_()
    assert page.count("<tr>") == 5
    assert "0.6100 on the pictures" in page
    assert "9 &lt;b&gt; pictures" in page


@pytest.mark.parametrize(
    ("numbers", "unit"),
    [((None, None), "agreement"), ((0.6, 0.5), "mean IoU"), ((None, None, None, 0.6, 0.5), "accu")],
)
def test_report_names_the_quantizer_and_the_scores_of_each(numbers, unit):
    report = ExportReport(
        "a", "TFLite int8", 1, {}, {}, {}, "9 pictures", 0.9, 0.0, *numbers, quantizer="ai-edge",
        quantizer_scores={"tensorflow": 0.5, "ai-edge": 0.75},
    )  # fmt: skip
    assert f"quantizer   ai-edge ({unit}" in str(report)
    assert ": tensorflow 0.5000, ai-edge 0.7500)" in str(report)
    assert report.row()["quantizer_scores"] == "tensorflow 0.5000, ai-edge 0.7500"


def test_report_row_is_flat():
    report = ExportReport("a/b", "SavedModel", 1, {"A": 2, "B": 3}, {"x": "t"}, {}, "none", 1.0, 0)
    assert report.row()["operations"] == 5
    assert report.row()["inputs"] == "x: t"


@pytest.mark.parametrize("export", [saved_model, tflite])
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_are_told_to_save_and_reload(export, backend, monkeypatch, tmp_path):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    with pytest.raises(ValueError, match=r"Received: backend='\w+'.*KERAS_BACKEND=tensorflow"):
        export(tiny(), tmp_path / "1")


def test_auxiliary_outputs_and_their_weights_are_dropped():
    model = tiny()
    exported = model_part.logits_model(model)
    assert exported.output_shape == (None, None, None, 3)
    assert exported.count_params() == model.count_params() - (4 * 3 + 3)


def test_model_made_with_a_list_of_one_input_takes_the_tensor():
    image = keras.Input((32, 32, 3))
    model = keras.Model([image], [layers.Conv2D(3, 1)(image)])
    exported = model_part.logits_model(model)
    assert exported(np.zeros((1, 32, 32, 3), "float32")).shape == (1, 32, 32, 3)


def test_a_sequential_model_need_not_have_been_called():
    model = keras.Sequential([keras.Input((32, 40, 4)), layers.Conv2D(2, 1)])
    exported = model_part.logits_model(model)
    assert exported.output_shape == (None, 32, 40, 2)
    assert exported.count_params() == 4 * 2 + 2


def test_mixed_precision_is_rebuilt_in_float32_with_the_same_weights():
    model = tiny(dtype="mixed_bfloat16")
    exported = model_part.logits_model(model)
    assert {layer.compute_dtype for layer in exported.layers} == {"float32"}
    kept = [weight for weight in model.get_weights() if weight.shape != (1, 1, 4, 3)]
    for ours in kept:
        assert any(np.array_equal(ours, theirs) for theirs in exported.get_weights())
    image = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    # bfloat16 keeps 8 bits, 3 decimal digits.
    np.testing.assert_allclose(exported(image), model(image)["logits"], atol=0.05)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_layers_inside_recomputed_blocks_are_rebuilt_in_float32_too(policy):
    model = recomputed(policy)
    exported = model_part.logits_model(model)
    assert {layer.compute_dtype for layer in exported._flatten_layers()} == {"float32"}
    image = np.random.default_rng(0).uniform(0, 1, (1, 32, 32, 3)).astype("float32")
    # bfloat16 keeps 8 bits, so numbers around 1 agree to 1/256 for each of the two convolutions.
    np.testing.assert_allclose(exported(image), model(image), atol=0.05)
    traced = tf.function(exported).get_concrete_function(tf.TensorSpec((1, 32, 32, 3)))
    types = {tensor.dtype for node in traced.graph.get_operations() for tensor in node.outputs}
    assert types.isdisjoint({tf.float16, tf.bfloat16})


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "float32"])
def test_functions_of_keras_ops_are_rebuilt_in_float32_too(policy):
    image = keras.Input((8, 10, 3), dtype="uint8")
    x = layers.Conv2D(4, 1, dtype=policy)(image / 255.0)
    x = ops.relu(ops.cast(x, "float16"))
    model = keras.Model(image, layers.Conv2D(3, 1, dtype="float32")(x - 0.5))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 10, 3)).astype("uint8")
    exported = model_part.logits_model(model)
    # bfloat16 keeps 8 bits, so numbers below 2 agree to 1/128 for each operation.
    found = exported(pixels.astype("float32"))
    np.testing.assert_allclose(found, model(pixels), atol=0.05)
    (kernel, bias), (last, end) = (x.get_weights() for x in model.layers if x.weights)
    hidden = np.maximum((pixels / 255) @ kernel[0, 0].astype(float) + bias, 0) - 0.5
    np.testing.assert_allclose(found, hidden @ last[0, 0] + end, atol=1e-5)


def test_model_with_two_inputs_is_refused():
    one, two = keras.Input((32, 32, 3)), keras.Input((32, 32, 3))
    with pytest.raises(ValueError, match=r"one input.*with 2 inputs"):
        model_part.logits_model(keras.Model([one, two], layers.Add()([one, two])))


@pytest.mark.parametrize("name", ["class_names", "palette"])
def test_class_names_and_palette_need_one_entry_for_each_class(name):
    values = {"class_names": None, "palette": None, name: [(0, 0, 0)] * 2}
    with pytest.raises(ValueError, match=rf"one entry of {name}.*2 entries for 3 classes"):
        model_part.class_notes(3, **values)


@pytest.mark.parametrize("name", ["road\nsky", "sky\r", "\nsky", "a\u2028b"])
def test_class_names_have_one_line_each(name):
    with pytest.raises(ValueError, match=r"names without line breaks. Received") as found:
        model_part.class_notes(2, ["road", name], None)
    assert repr(name) in str(found.value)
    names = ["a,b", " c"]
    assert model_part.class_notes(2, names, None)["class_names"] == names


def test_comparison_counts_pixels_and_scores_both():
    logits = np.zeros((1, 2, 2, 2), "float32")
    logits[..., 1] = [[1, 1], [-1, -1]]  # Keras: 1 1 / 0 0
    found = np.array([[[1, 0], [0, 0]]], "uint8")
    label = np.array([[[1, 1], [0, 255]]], "uint8")
    result = comparison.compare(
        lambda image: logits,
        lambda image: (found, logits + 0.5),
        [(np.zeros(1), label, None)],
        "such",
    )
    assert result.agreement == 0.75
    assert result.max_difference == 0.5
    assert result.keras_mean_iou == 1.0
    # Class 0: 1 right of 2 found; class 1: 1 right of 2 there.
    assert result.mean_iou == 0.5
    assert result.pictures == "1 such"


def test_without_scores_there_is_no_difference_of_them():
    logits = np.ones((1, 2, 2, 2), "float32")
    exported = lambda image: (np.zeros((1, 2, 2), "uint8"), None)  # noqa: E731
    found = comparison.compare(lambda image: logits, exported, [(logits, None, None)], "such")
    assert found == comparison.Comparison("1 such", 1.0, None, None, None)
    comparison.require("tflite", "a.tflite", found, 0.999)
    report = ExportReport("a", "TFLite int8", 1, {}, {}, {}, **vars(found))
    assert "comparison  100.000 % of pixels as in Keras, on 1 such" in str(report)
    assert report.row()["max_difference"] is None


def test_comparison_scores_keras_at_the_pictures_own_size_too():
    # Class 1 where the picture is white. The small picture has lost the white column.
    def reference(image):
        return np.concatenate([128.0 - image, image - 128.0], axis=-1)

    small, large = np.zeros((1, 2, 2, 1), "uint8"), np.zeros((1, 4, 4, 1), "uint8")
    large[:, :, 0] = 255
    label = (large[..., 0] > 0).astype("uint8")
    batches = [(small, label[:, ::2, ::2], (large, label))]
    exported = lambda image: (np.zeros((1, 2, 2), "uint8"), reference(image))  # noqa: E731
    result = comparison.compare(reference, exported, batches, "such", any_size=True)
    # Of 4 pixels, 2 are white: class 0 has 2 right of 4 found, class 1 none. Large: all right.
    assert (result.keras_mean_iou, result.mean_iou) == (0.25, 0.25)
    assert result.keras_own_size_mean_iou == 1.0
    same = [(small, label[:, ::2, ::2], (small, label[:, ::2, ::2]))]
    result = comparison.compare(reference, exported, same, "such", any_size=True)
    assert result.keras_own_size_mean_iou is None


def test_there_is_no_score_at_own_sizes_that_keras_does_not_take():
    def reference(image):
        if image.shape[1] % 2:
            raise tf.errors.InvalidArgumentError(None, None, "In Concatenate.call(). Not even.")
        return np.concatenate([image, 255.0 - image], axis=-1)

    def batch(side):
        own = np.zeros((1, side, side, 1), "uint8")
        return np.zeros((1, 2, 2, 1), "uint8"), np.ones((1, 2, 2), "uint8"), (own, own[..., 0] + 1)

    exported = lambda image: (np.ones((1, 2, 2), "uint8"), reference(image))  # noqa: E731
    compare = comparison.compare
    even = compare(reference, exported, [batch(4)], "such", any_size=True)
    assert (even.mean_iou, even.keras_own_size_mean_iou) == (1.0, 1.0)
    for sides in ([3], [4, 3, 4]):
        batches = [batch(side) for side in sides]
        result = compare(reference, exported, batches, "such", any_size=True)
        assert (result.mean_iou, result.keras_own_size_mean_iou) == (1.0, None)
        assert result.pictures == f"{len(sides)} such"
    words = (
        r"must take the pictures\. Received: .* \(3, 3, 1\).*Not even\. If .* keras\.Input\(\(h, w"
    )
    with pytest.raises(ValueError, match=words):
        compare(reference, exported, [(np.zeros((1, 3, 3, 1)), None, None)], "such")


def test_several_exports_are_compared_as_each_alone_and_pictures_are_read_once():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(1, 4, 4, 3))
    labels = generator.integers(0, 3, (2, 1, 4, 4)).astype("uint8")
    exports = {
        name: (lambda image, found=found, shift=shift: (found, logits + shift))
        for name, found, shift in (("a", labels[0], 0.5), ("b", labels[1], 0.25))
    }
    batch = (np.zeros((1, 4, 4, 1)), labels[0], None)
    found = comparison.compare_each(lambda image: logits, exports, iter([batch, batch]), "such")
    for name, exported in exports.items():
        alone = comparison.compare(lambda image: logits, exported, [batch, batch], "such")
        assert found[name] == alone
    assert (found["a"].mean_iou, found["a"].max_difference) == (1.0, pytest.approx(0.5))
    assert found["b"].mean_iou < 1
    assert found["b"].max_difference == pytest.approx(0.25)


def test_data_without_any_picture_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"at least one batch.*without any.*exhausted iterator"):
        saved_model(tiny(), tmp_path / "1", data=iter(()))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (compared(agreement=0.9), r"labels as in Keras on at least 99.90%.*agreement=0.90000"),
        (compared(difference=np.inf), r"scores to be finite.*max_difference=inf"),
        (compared(keras_mean_iou=0.65, mean_iou=0.6), r"loss of mean IoU.*0.6000 after 0.6500"),
        (compared(keras_mean_iou=0.65, mean_iou=np.nan), r"loss of mean IoU"),
    ],
)
def test_failed_comparison_reports_the_rule_and_the_result(result, words):
    with pytest.raises(ValueError, match=words):
        comparison.require("tflite", "a.tflite", result, 0.999, max_iou_drop=0.015)


def test_pictures_come_from_arrays_batches_and_labeled_batches():
    batch = np.zeros((2, 8, 8, 3), "uint8")
    sources = [batch, list(batch), [batch, batch], [(batch, batch[..., 0])]]
    sources.append(tf.data.Dataset.from_tensors((batch, batch[..., 0])))
    counts = [len(picture_batches.take_pictures("f", source, 3, (4, 6, 3))) for source in sources]
    assert counts == [2, 2, 3, 2, 2]
    assert picture_batches.take_pictures("f", batch, 1, (4, 6, 3))[0].shape == (4, 6, 3)


@pytest.mark.parametrize("wrong", [np.zeros((1, 8, 8, 3)), np.zeros((1, 8, 8, 1), "uint8"), []])
def test_pictures_of_another_kind_are_refused(wrong):
    with pytest.raises(ValueError, match="needs at least one of uint8 pictures"):
        picture_batches.take_pictures("tflite", wrong, 3, (8, 8, 3))


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (np.zeros((1, 8, 8, 3), "uint8"), "batches of .image, label.*type ndarray"),
        ((np.zeros((1, 8, 8, 3), "uint8"), np.zeros((1, 4, 8), "uint8")), "of the size of their"),
    ],
)
def test_data_of_another_kind_is_refused(item, words):
    with pytest.raises(ValueError, match=words):
        list(picture_batches.labeled_batches("tflite", [item], (8, 8, 3), (8, 8)))


def test_resizing_keeps_class_ids():
    label = np.array([[0, 255], [7, 3]], "uint8").reshape(1, 2, 2, 1)
    assert set(np.unique(picture_batches.resized(label, (5, 7), nearest=True))) == {0, 3, 7, 255}


def test_published_file_appears_at_the_end_and_replaces_only_ours(tmp_path):
    path = tmp_path / "model.tflite"
    for content in (b"one", b"two"):
        with publish_part.published("tflite", path) as draft:
            draft.write_bytes(content)
            publish_part.write_notes(draft, {"class_names": ["road"], "palette": None})
        assert path.read_bytes().startswith(content)
    assert publish_part.read_notes(path) == {"class_names": ["road"], "palette": None}
    assert [file.name for file in tmp_path.iterdir()] == ["model.tflite"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()  # a file where a folder is needed
    words = r"`tflite` needs a writable folder. Received: '.*file'"
    with (
        pytest.raises(ValueError, match=words),
        publish_part.published("tflite", tmp_path / "file" / "model.tflite"),
    ):
        pass


def test_a_version_that_somebody_made_meanwhile_stays(tmp_path):
    def publish():
        with publish_part.published("saved_model", tmp_path / "1", replace=False) as draft:
            for folder in (draft, tmp_path / "1"):
                folder.mkdir()
                (folder / folder.name).touch()

    with pytest.raises(OSError, match="not empty"):
        publish()
    assert [file.name for file in tmp_path.rglob("*")] == ["1", "1"]


def test_published_folder_replaces_ours_whole(tmp_path):
    folder = tmp_path / "run" / "1"
    for name in ("old", "new"):
        with publish_part.published("saved_model", folder) as draft:
            draft.mkdir()
            (draft / name).touch()
            publish_part.write_notes(draft, {"class_names": None})
    assert sorted(file.name for file in folder.iterdir()) == ["assets.extra", "new"]
    assert [file.name for file in folder.parent.iterdir()] == ["1"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_not_ours_is_never_replaced(tmp_path, kind):
    path = tmp_path / "1"
    path.write_text("mine") if kind == "file" else path.mkdir()
    with pytest.raises(ValueError, match=r"nothing else.*is something else"):
        with publish_part.published("saved_model", path):
            pytest.fail("must not come here")
    assert path.exists()


def test_an_error_leaves_the_earlier_export_and_no_draft(tmp_path):
    path = tmp_path / "model.tflite"
    with publish_part.published("tflite", path) as draft:
        draft.write_bytes(b"good")
        publish_part.write_notes(draft, {})

    def fail():
        with publish_part.published("tflite", path) as draft:
            draft.write_bytes(b"bad")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes().startswith(b"good")
    assert [file.name for file in tmp_path.iterdir()] == ["model.tflite"]


def test_a_folder_that_cannot_be_moved_into_place_leaves_the_earlier_one(tmp_path):
    folder = tmp_path / "1"
    folder.mkdir()
    (folder / "mine").touch()
    with pytest.raises(FileNotFoundError, match="no_draft"):
        publish_part._move(tmp_path / "no_draft", folder)
    assert [file.name for file in tmp_path.iterdir()] == ["1"]
    assert (folder / "mine").is_file()
