"""Engines of segmenters: equal labels, a remembered choice, files of the run, refusals."""

import functools
import logging
import threading
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_seg import Segmenter, models
from keras_seg.inference import choice, engines
from keras_seg.inference.choice import Choice, faster
from keras_seg.inference.compiled import device_names
from keras_seg.inference.litert import LiteRTSegmenter
from keras_seg.layers import ResizeLike

pytest.importorskip("tensorflow")
SIZE = (64, 80)


@functools.cache
def network(name=None):
    """A registered network, or three layers with logits at an eighth of the size."""
    keras.utils.set_random_seed(0)
    if name:
        return models.build(name, (None, None, 3), 5, **models.facts(name).tiny)
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 8, strides=8, padding="same", activation="relu")(image)
    x = keras.layers.Conv2D(5, 3, padding="same", name="logits")(x)
    return keras.Model(image, ResizeLike()([x, image]))


def picture(size=SIZE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), "uint8")


def same(found, expected):
    """Only pixels whose two best classes are equal to rounding may differ."""
    return found.shape == expected.shape and (found == expected).mean() >= 0.999


@pytest.mark.parametrize(
    "name",
    [
        None,
        *(
            pytest.param(name, marks=pytest.mark.long)
            for name in ("contextnet_cn14", "fc_densenet56")
        ),
    ],
)
@pytest.mark.parametrize("size", [SIZE, (37, 51), (9, 40)])  # the last one is padded
def test_engines_give_the_same_labels(name, size):
    image = picture(size)
    expected = Segmenter(network(name), engine="keras")(image)
    for engine in ("graph", "litert", "openvino", "auto"):
        found = Segmenter(network(name), engine=engine)(image)
        assert found.dtype == np.uint8
        assert same(found, expected), engine


@pytest.mark.parametrize("engine", ["litert", "openvino"])
def test_probabilities_of_an_engine_are_those_of_the_model(engine):
    batch = np.stack([picture(), picture(seed=1)])
    reference, found = (Segmenter(network(), engine=one) for one in ("keras", engine))
    np.testing.assert_allclose(
        found.probabilities(batch), reference.probabilities(batch), atol=1e-4
    )
    np.testing.assert_allclose(found.logits(batch), reference.logits(batch), rtol=1e-3, atol=1e-3)
    assert same(found.labels(batch), reference.labels(batch))


def test_openvino_networks_of_several_threads_are_not_bound_to_the_same_core():
    # With pinning, OpenVINO's default, each network of one thread ran on the first core.
    segmenter = Segmenter(network(), engine="openvino")
    with engines.sharing(engines.num_cores()):
        segmenter(picture())
    (opened,) = [one for idle in segmenter._converted["openvino"]._idle.values() for one in idle]
    (compiled,) = opened._compiled.values()
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert not compiled.get_property("ENABLE_CPU_PINNING")


def test_openvino_without_an_enlargement_labels_the_logits():
    image = keras.Input((None, None, 3))
    flat = keras.Model(image, keras.layers.Conv2D(4, 3, padding="same")(image))
    expected = Segmenter(flat, engine="keras")(picture())
    assert same(Segmenter(flat, engine="openvino")(picture()), expected)


def test_the_engine_is_chosen_once_per_size(monkeypatch):
    asked = []

    def noted(functions, batch):
        asked.append(batch.shape)
        return "litert"

    monkeypatch.setattr(choice, "faster", noted)
    segmenter = Segmenter(network())
    expected = segmenter(picture())
    assert (asked, segmenter.chosen) == ([], {})
    monkeypatch.setattr(choice, "SECONDS", 0)
    segmenter(picture())
    assert asked == [(1, *SIZE, 3)]
    assert segmenter.chosen == {SIZE: "litert"}
    monkeypatch.setattr(segmenter, "_compiled", None)  # no longer needed
    assert same(segmenter(picture()), expected)
    assert len(asked) == 1
    segmenter.refresh()
    assert segmenter.chosen == {}


def test_the_device_is_known_on_torch_for_which_keras_has_no_list(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    monkeypatch.setattr(keras.distribution, "list_devices", None)
    monkeypatch.setattr(keras.ops, "zeros", lambda shape: SimpleNamespace(device="cuda:0"))
    assert device_names() == ["cuda:0"]


def test_the_engine_can_be_chosen_before_predictions(monkeypatch):
    monkeypatch.setattr(choice, "faster", lambda engines, batch: "litert")
    segmenter = Segmenter(network())
    segmenter.choose_engine(picture())
    assert segmenter.chosen == {SIZE: "litert"}
    assert same(segmenter(picture()), Segmenter(network(), engine="keras")(picture()))
    segmenter.choose_engine(picture((9, 40)))  # labeled with 32 rows
    assert segmenter.chosen == {SIZE: "litert", (32, 40): "litert"}
    other = Segmenter(network(), engine="graph")
    other.choose_engine(picture())
    assert other.chosen == {}


def test_the_seconds_of_each_size_are_summed(monkeypatch):
    monkeypatch.setattr(choice, "SECONDS", 0.1)

    def slow(batch):
        threading.Event().wait(0.03)
        return batch

    chosen = Choice({"graph": slow, "litert": slow})
    for _ in range(3):  # 0.09 seconds or a little more, of two sizes
        chosen.labels(np.zeros((1, 4, 6)))
        chosen._spent[4, 6] = min(chosen._spent[4, 6], 0.09)
        chosen.labels(np.zeros((1, 4, 8)))
        chosen._spent[4, 8] = min(chosen._spent[4, 8], 0.06)
    assert chosen.chosen == {}
    chosen.labels(np.zeros((1, 4, 6)))
    assert list(chosen.chosen) == [(4, 6)]


def test_waiting_for_another_thread_is_not_counted(monkeypatch):
    monkeypatch.setattr(choice, "SECONDS", 0.35)

    def slow(batch):
        threading.Event().wait(0.05)
        return batch

    chosen = Choice({"graph": slow, "litert": slow})
    batch = np.zeros((1, 4, 6))
    threads = [threading.Thread(target=chosen.labels, args=(batch,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 4 * 0.05 seconds of work; with waiting, 0.05 + 0.1 + 0.15 + 0.2.
    assert 0.2 <= chosen._spent[4, 6] < 0.35
    assert chosen.chosen == {}


def test_batches_and_probabilities_choose_nothing(monkeypatch):
    monkeypatch.setattr(choice, "SECONDS", 0)
    segmenter = Segmenter(network())
    segmenter.labels(np.stack([picture()] * 2))
    segmenter.probabilities(picture())
    assert segmenter.chosen == {}


def test_an_engine_with_other_labels_or_an_error_is_not_chosen():
    labels = np.zeros((1, 40, 50), np.uint8)
    other = labels.copy()
    other[0, 0, :3] = 1  # 3 of 2000 pixels, more than 1 in 1000

    def slow(batch):
        threading.Event().wait(0.002)
        return labels

    def fails(batch):
        raise ValueError("cannot be converted")

    assert faster({"graph": slow, "litert": lambda batch: labels}, labels) == "litert"
    assert faster({"graph": slow, "litert": lambda batch: other}, labels) == "graph"
    assert faster({"graph": slow, "litert": fails}, labels) == "graph"


def test_the_choice_is_logged(caplog, monkeypatch):
    monkeypatch.setattr(choice, "SECONDS", 0)
    chosen = Choice({"graph": lambda batch: batch, "litert": lambda batch: batch + 1})
    with caplog.at_level(logging.INFO, "keras_seg"):
        chosen.labels(np.zeros((1, 4, 6)))
    assert caplog.messages == ["Pictures of 4x6: engine 'graph'."]


@pytest.mark.parametrize("engine", ["litert", "openvino"])
def test_refresh_uses_the_new_weights(engine):
    model = keras.models.clone_model(network())
    segmenter = Segmenter(model, engine=engine)
    segmenter(picture())
    bias = next(w for w in model.weights if "logits" in w.path and w.path.endswith("bias"))
    bias.assign([0, 0, 1e6, 0, 0])
    segmenter.refresh()
    assert (segmenter(picture()) == 2).all()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with int8 files of two sizes; the second one is named by its size."""
    from keras_seg.export import tflite

    folder = tmp_path_factory.mktemp("run")
    for name, size in (("model_int8", SIZE), ("model_int8_48x64", (48, 64))):
        pictures = np.stack([picture(size, seed) for seed in range(4)])
        tflite(
            network(), folder / f"{name}.tflite", "int8", size=size, calibration=pictures,
            min_agreement=0.5,
        )  # fmt: skip
    return folder


@pytest.mark.long
def test_int8_runs_the_files_of_the_run_at_their_sizes(exported):
    segmenter = Segmenter(network(), engine="litert-int8", folder=exported)
    for name, size in (("model_int8", SIZE), ("model_int8_48x64", (48, 64))):
        expected = LiteRTSegmenter(exported / f"{name}.tflite")(picture(size))
        np.testing.assert_array_equal(segmenter(picture(size)), expected)
    with pytest.raises(ValueError, match=r"64x64 pixels, for which.*size=\(64, 64\)"):
        segmenter(picture((64, 64)))


@pytest.mark.long
def test_labels_of_an_int8_file_come_from_its_small_scores(exported):
    segmenter = LiteRTSegmenter(exported / "model_int8.tflite")
    labels, scores = segmenter.labels(picture()[None]), segmenter.scores(picture()[None])
    assert segmenter._small
    # The file rounds the enlarged scores: classes within a step of each other may swap.
    step = segmenter._output["quantization"][0]
    chosen = np.take_along_axis(scores, labels[..., None].astype(int), -1)[..., 0]
    assert (scores.max(-1) - chosen).max() <= 2 * step


@pytest.mark.parametrize("engine", ["litert", "openvino"])
def test_threads_have_networks_of_their_own(engine):
    segmenter = Segmenter(network(), engine=engine)
    expected = segmenter(picture())
    found = []
    threads = [threading.Thread(target=lambda: found.append(segmenter(picture()))) for _ in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for labels in found:
        np.testing.assert_array_equal(labels, expected)


def test_networks_of_few_sizes_are_kept(monkeypatch):
    monkeypatch.setattr(engines, "MAX_SIZES", 1)
    segmenter = Segmenter(network(), engine="litert")
    for size in (SIZE, (32, 48)):
        segmenter(picture(size))
    kept = segmenter._converted["litert"]
    assert list(kept._contents) == [(32, 48)]
    assert [size for size, _ in kept._idle] == [(32, 48)]


def volumes():
    image = keras.Input((None, None, None, 1))
    return keras.Model(image, keras.layers.Conv3D(2, 1)(image))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "litrt"}, "engine of `Segmenter`.*litrt"),
        ({"engine": "litert-int8"}, r"8-bit file of a run.*folder=None.*run\.segmenter"),
        ({"engine": "litert", "model": volumes}, "label pictures.*engine='litert' for.*volumes"),
        ({"engine": "openvino", "model": volumes}, "label pictures.*engine='openvino'"),
    ],
)
def test_an_impossible_engine_is_named(options, words):
    with pytest.raises(ValueError, match=words):
        Segmenter(options.pop("model", network)(), **options)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(choice, "_has", lambda package: False)
    with pytest.raises(ImportError, match=r"needs the package ai-edge-litert.*pip install ai-edge"):
        Segmenter(network(), engine="litert")
    with pytest.raises(ImportError, match=r"needs the package openvino.*pip install openvino"):
        Segmenter(network(), engine="openvino")
    assert Segmenter(network())._choice is None


@pytest.mark.parametrize("missing", ["openvino", "ai-edge-litert"])
def test_auto_chooses_among_the_installed_engines(missing, monkeypatch):
    monkeypatch.setattr(choice, "_has", lambda package: package != missing)
    left = {"openvino": "litert", "ai-edge-litert": "openvino"}[missing]
    assert list(Segmenter(network())._choice.engines) == ["graph", left]


def test_other_backends_have_keras_alone(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"engine='graph'.*TensorFlow.*backend='jax'"):
        choice.require_engine("graph", 2, None)
    assert choice.converted_engines("auto", network(), None) == {}
    for engine in ("litert", "openvino"):
        with pytest.raises(ValueError, match=r"float32 networks that run on TensorFlow.*'jax'"):
            choice.converted_engines(engine, network(), None)[engine].labels(picture()[None])


def test_mixed_precision_is_not_converted():
    image = keras.Input((None, None, 3))
    half = keras.Model(image, keras.layers.Conv2D(3, 1, dtype="mixed_bfloat16")(image))
    assert Segmenter(half)._choice is None
    with pytest.raises(ValueError, match=r"float32 networks.*layers in \['bfloat16'\]"):
        Segmenter(half, engine="litert")(picture())


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("litert", r"needs a network that TensorFlow can convert.*'waves'"),
        ("openvino", r"needs a network that OpenVINO can convert.*'waves'"),
    ],
)
def test_a_network_that_cannot_be_converted_is_named(engine, words):
    image = keras.Input((None, None, 3))
    found = keras.ops.erfinv(image / 256)  # an operation of neither
    model = keras.Model(image, keras.layers.Conv2D(3, 1)(found), name="waves")
    with pytest.raises(ValueError, match=words):
        Segmenter(model, engine=engine)(picture())


def test_nothing_is_said_of_temporary_files(caplog):
    import tensorflow as tf

    logger = tf.get_logger()
    before = logger.level
    logger.setLevel("INFO")  # as in a notebook
    logger.addHandler(caplog.handler)
    try:
        Segmenter(network(), engine="litert")(picture())
        assert logger.level == logging.INFO
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(before)
    assert "Assets written" not in caplog.text
