"""ONNX and OpenVINO: any size, compared with Keras, run without Keras and TensorFlow."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import keras
import numpy as np
import pytest
from _export import NAMES, PALETTE, network
from keras import layers

from keras_seg import export
from keras_seg.layers import MirrorPadding2D
from pipelines.read import InputSpec

pytestmark = pytest.mark.export
KINDS = ("onnx", "openvino")
# What is written, what runs it.
WRITTEN = {"onnx": "model.onnx", "openvino": "1"}
SEGMENTERS = {"onnx": export.OnnxSegmenter, "openvino": export.OpenVinoSegmenter}
CLASSIFIERS = {"onnx": export.OnnxClassifier, "openvino": export.OpenVinoClassifier}
SPEC = InputSpec(value_range=(0, 4095))


@pytest.fixture(scope="module")
def model():
    return network(0)


@pytest.fixture(scope="module", params=KINDS)
def written(request, model, tmp_path_factory):
    kind = request.param
    for package in {"onnx": ("onnx", "onnxruntime", "tf2onnx"), "openvino": ("openvino",)}[kind]:
        pytest.importorskip(package, reason=f"needs pip install keras_seg[{kind}]")
    path = tmp_path_factory.mktemp("run") / WRITTEN[kind]
    write = getattr(export, kind)
    return kind, path, write(model, path, NAMES, PALETTE, input_spec=SPEC)


def test_labels_and_scores_are_those_of_keras_at_any_size(written, model):
    kind, path, _ = written
    segmenter = SEGMENTERS[kind](path)
    for shape in [(2, 37, 51, 3), (1, 32, 32, 3), (1, 64, 96, 3), (1, 101, 33, 3)]:
        pictures = np.random.default_rng(1).integers(0, 256, shape).astype("uint8")
        logits = np.asarray(model(pictures.astype("float32"))["logits"])
        labels, scores = segmenter.labels_and_scores(pictures)
        assert labels.dtype == "uint8"
        assert labels.shape == shape[:3]
        assert np.mean(labels == logits.argmax(-1)) >= 0.999
        assert len(np.unique(labels)) > 1
        np.testing.assert_allclose(scores, logits, atol=1e-5 * np.ptp(logits))
        np.testing.assert_array_equal(segmenter.labels(pictures), labels)
        np.testing.assert_array_equal(segmenter.scores(pictures), scores)
    gray = pictures[0, ..., 0]
    np.testing.assert_array_equal(segmenter(gray), segmenter(np.stack([gray] * 3, -1)))


def test_report_tells_what_was_written_and_how_it_was_compared(written):
    kind, path, report = written
    assert report.format == {"onnx": "ONNX", "openvino": "OpenVINO"}[kind]
    assert report.agreement >= 0.999
    assert report.max_difference < 1e-3
    # Two of three 1x1/3x3 convolutions (the auxiliary one is gone), one depthwise.
    convolutions = {"onnx": ["Conv"], "openvino": ["Convolution", "GroupConvolution"]}[kind]
    assert sum(report.operations[name] for name in convolutions) == 3
    assert report.inputs == {"image": "uint8 (None, None, None, 3)"}
    assert report.outputs == {
        "labels": "uint8 (None, None, None)", "logits": "float32 (None, None, None, 3)",
    }  # fmt: skip
    assert report.pictures == "5 noise pictures, one of them noise of 101x115"
    files = [path] if kind == "onnx" else list(path.iterdir())
    assert report.num_bytes == sum(file.stat().st_size for file in files)


def test_names_palette_and_input_spec_are_in_the_file(written):
    kind, path, _ = written
    segmenter = SEGMENTERS[kind](path)
    assert segmenter.class_names == list(NAMES)
    assert segmenter.palette == [list(color) for color in PALETTE]
    assert segmenter.input_spec == SPEC
    assert (segmenter.size, segmenter.num_channels, segmenter.num_classes) == (None, 3, 3)
    # As other programs find them.
    if kind == "onnx":
        import onnx

        (entry,) = onnx.load(path).metadata_props
        assert entry.key == "keras_seg.json"
        stored = entry.value
    else:
        entry = ElementTree.parse(path / "model.xml").getroot().find("rt_info/keras_seg")
        stored = entry.get("value") or entry.text
        assert SEGMENTERS[kind](path / "model.xml").class_names == list(NAMES)
    assert json.loads(stored)["class_names"] == list(NAMES)
    assert "/tmp" not in stored


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_that_differs_from_keras_is_not_kept(kind, model, tmp_path, monkeypatch):
    monkeypatch.setattr(
        SEGMENTERS[kind], "labels_and_scores",
        lambda self, pictures: (np.full(pictures.shape[:3], 3, "uint8"), None),
    )  # fmt: skip
    with pytest.raises(ValueError, match=rf"`{kind}` compares an export.*Nothing was written"):
        getattr(export, kind)(model, tmp_path / WRITTEN[kind])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_an_export_of_another_size_than_keras_is_not_kept(kind, model, tmp_path, monkeypatch):
    monkeypatch.setattr(
        SEGMENTERS[kind], "labels_and_scores",
        lambda self, pictures: (np.zeros((1, 2, 2), "uint8"), None),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"labels of shape \(4, 128, 192\).*shape=\(1, 2, 2\)"):
        getattr(export, kind)(model, tmp_path / WRITTEN[kind])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_an_earlier_onnx_file_is_replaced_and_another_one_never_lost(model, tmp_path):
    pytest.importorskip("tf2onnx", reason="needs pip install keras_seg[onnx]")
    path = tmp_path / "model.onnx"
    for names in (None, list(NAMES)):
        export.onnx(model, path, names)
        assert export.OnnxSegmenter(path).class_names == names
    path.write_bytes(b"not ours")
    with pytest.raises(ValueError, match="which is something else"):
        export.onnx(model, path)
    assert path.read_bytes() == b"not ours"


def test_an_openvino_model_is_never_replaced(model, tmp_path):
    (tmp_path / "1").mkdir()
    with pytest.raises(ValueError, match=r"which exists\. For example, write to .*2'"):
        export.openvino(model, tmp_path / "1")
    assert list((tmp_path / "1").iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_classifiers_give_one_class_per_picture(kind, tmp_path):
    image = keras.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(image))
    model = keras.Model(image, layers.Dense(3)(x))
    report = getattr(export, kind)(model, tmp_path / WRITTEN[kind], NAMES)
    assert report.outputs == {"labels": "int32 (None)", "logits": "float32 (None, 3)"}
    classifier = CLASSIFIERS[kind](tmp_path / WRITTEN[kind])
    pictures = np.random.default_rng(1).integers(0, 256, (3, 40, 50, 3)).astype("uint8")
    logits = np.asarray(model(pictures.astype("float32")))
    np.testing.assert_allclose(classifier.scores(pictures), logits, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(classifier.labels(pictures), logits.argmax(-1))
    assert classifier(pictures[0]) == logits[0].argmax()
    with pytest.raises(ValueError, match=r"one class per pixel.*read by \w+Classifier"):
        SEGMENTERS[kind](tmp_path / WRITTEN[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_volumes_have_a_depth(kind, tmp_path):
    image = keras.Input((None, None, None, 1))
    model = keras.Model(image, layers.Conv3D(2, 3, padding="same")(image))
    getattr(export, kind)(model, tmp_path / WRITTEN[kind])
    segmenter = SEGMENTERS[kind](tmp_path / WRITTEN[kind])
    volume = np.random.default_rng(1).integers(0, 256, (9, 20, 30)).astype("uint8")
    logits = np.asarray(model(volume[None, ..., None].astype("float32")))[0]
    np.testing.assert_array_equal(segmenter(volume), logits.argmax(-1))
    with pytest.raises(ValueError, match=r"\(b, d, h, w, 1\).*shape=\(20, 30, 1\)"):
        segmenter.labels(volume[0, ..., None])


@pytest.mark.long
def test_exports_run_where_neither_keras_nor_tensorflow_can_be_imported(written):
    kind, path, _ = written
    code = f"""
import sys
sys.modules["keras"] = sys.modules["tensorflow"] = None
import numpy as np
from keras_seg import export
segmenter = export.{SEGMENTERS[kind].__name__}({str(path)!r})
print(segmenter(np.zeros((40, 50, 3), "uint8")).shape, segmenter.class_names)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == f"(40, 50) {list(NAMES)}", found.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_that_need_a_quotient_are_those_of_keras(kind, tmp_path):
    # 101 + 40 is padded to 144: (141 - 12) / 4 is 33 and not 32, as if it were rounded toward zero;
    # the first pixel is at -20, whose remainder must not be negative.
    image = keras.Input((None, None, 3))
    model = keras.Model(image, layers.Conv2D(2, 1)(MirrorPadding2D(20, 4, 12)(image)))
    report = getattr(export, kind)(model, tmp_path / WRITTEN[kind])
    assert report.max_difference < 1e-3  # of logits of hundreds


@pytest.mark.parametrize("kind", KINDS)
def test_gelu_and_grouped_convolutions_have_a_counterpart(kind, tmp_path):
    # TensorFlow computes GELU with Erfc, which ONNX lacks; Keras compiles groups with XLA on CPUs.
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 1, activation="gelu")(layers.Rescaling(1 / 255)(image))
    x = layers.Conv2D(8, 3, padding="same", groups=4)(x)
    model = keras.Model(image, layers.Conv2D(3, 1)(x))
    report = getattr(export, kind)(model, tmp_path / WRITTEN[kind])
    assert report.max_difference < 1e-5  # of logits of about 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_operation_without_a_counterpart_is_refused(kind, tmp_path):
    image = keras.Input((None, None, 3))
    x = layers.Lambda(_unknown_operation, output_shape=lambda shape: shape)(image)
    model = keras.Model(image, layers.Conv2D(3, 1)(x))
    with pytest.raises(
        ValueError, match=rf"(?s)`{kind}` needs a model that .* can convert.*Betainc"
    ):
        getattr(export, kind)(model, tmp_path / WRITTEN[kind])
    assert list(tmp_path.iterdir()) == []


def _unknown_operation(x):
    import tensorflow as tf

    return tf.math.betainc(x / 255.0, x / 255.0 + 1.0, x / 256.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model, folder: export.onnx(model, folder / "model.txt"), r"ends in \.onnx.*txt"),
        (lambda model, folder: export.onnx(model, folder / "a.onnx", ["a"]), "1 entries for 3"),
        (lambda model, folder: export.onnx(model, folder / "a.onnx", min_agreement=2), "up to 1"),
        (lambda model, folder: export.openvino(model, folder / "1", ["a"]), "1 entries for 3"),
        (lambda model, folder: export.OnnxSegmenter(folder / "no.onnx"), "which is not a file"),
        (lambda model, folder: export.OpenVinoSegmenter(folder / "1"), "which is not a file"),
        (lambda model, folder: export.SavedModelSegmenter(folder), "without saved_model.pb"),
    ],
)
def test_wrong_arguments_are_refused(model, tmp_path, call, words):
    with pytest.raises(ValueError, match=words):
        call(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.onnx", "a.xml"])
def test_damaged_files_are_named(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"<xml>")
    runner = export.OnnxSegmenter if name.endswith("onnx") else export.OpenVinoSegmenter
    with pytest.raises(ValueError, match=rf"that \w+( Runtime)? can read.*{name}"):
        runner(path)


def test_files_of_other_programs_are_refused(written, tmp_path):
    kind, path, _ = written
    if kind == "openvino":
        text = (path / "model.xml").read_text().replace("<keras_seg", "<another")
        text = text.replace("</keras_seg", "</another")
        (tmp_path / "model.xml").write_text(text)
        (tmp_path / "model.bin").write_bytes((path / "model.bin").read_bytes())
        other = tmp_path / "model.xml"
    else:
        import onnx

        other, content = tmp_path / "model.onnx", onnx.load(path)
        del content.metadata_props[:]
        onnx.save(content, other)
    with pytest.raises(ValueError, match=r"an export of keras_seg.*another program's"):
        SEGMENTERS[kind](other)


@pytest.mark.parametrize(("kind", "package"), [("onnx", "tf2onnx"), ("openvino", "openvino")])
def test_a_missing_package_is_named_with_its_extra(kind, package, model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"package {package}.*keras_seg\[{kind}\]"):
        getattr(export, kind)(model, tmp_path / WRITTEN[kind])


def test_pictures_of_another_type_are_refused(written):
    kind, path, _ = written
    for wrong in (np.zeros((1, 40, 40, 3), "float32"), np.zeros((1, 40, 40, 1), "uint8")):
        with pytest.raises(ValueError, match=r"uint8 pictures \(b, h, w, 3\)"):
            SEGMENTERS[kind](path).labels(wrong)
