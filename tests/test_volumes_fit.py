"""Volumes (b, d, h, w, c) through losses, metrics, fit, prediction, figures and export."""

import sys

import keras
import numpy as np
import pytest
from PIL import Image

import keras_seg
from keras_seg import Segmenter, analyse, losses, metrics, models
from keras_seg.export import saved_model, tflite
from keras_seg.inference import augmented, ensemble, mc_dropout, tiled
from keras_seg.losses.pixels import labels_like
from keras_seg.run_files import pick_examples
from keras_seg.scores import evaluate_segmenter
from keras_seg.show import show_predictions
from pipelines import Dataset
from pipelines.read import InputSpec, as_image

SIDE = 32
SMALL = {"layers_per_block": (1, 1, 1), "growth_rate": 4}


def network(channels=2, classes=3):
    return models.fc_densenet103_3d((None, None, None, channels), classes, **SMALL)


def pointwise(classes=3, channels=1):
    """A network whose class follows from the value: 0..84, 85..169 and 170..255."""
    image = keras.Input((None, None, None, channels))
    logits = keras.layers.Conv3D(classes, 1, name="logits")
    model = keras.Model(image, logits(image))
    kernel = np.zeros((1, 1, 1, channels, classes), "float32")
    kernel[0, 0, 0, 0] = np.arange(classes)  # Classes meet at 85 and 170: k x - 85 k (k + 1) / 2.
    logits.set_weights([kernel, -85 * np.arange(classes) * (np.arange(classes) + 1) / 2])
    return model


def values(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def dataset():
    """Boxes of two kinds in noise, which a network learns in a few steps."""
    random = np.random.default_rng(0)
    labels = np.zeros((8, SIDE, SIDE, SIDE), np.uint8)
    for label in labels:
        for index in (1, 2):
            corner = random.integers(0, SIDE - 12, 3)
            label[tuple(slice(start, start + 12) for start in corner)] = index
    noise = random.normal(0, 10, (*labels.shape, 2))
    images = np.clip(labels[..., None] * np.array([100, 60]) + 20 + noise, 0, 255).astype(np.uint8)
    parts = {"train": (images[:6], labels[:6]), "val": (images[6:], labels[6:])}
    return Dataset.from_arrays("boxes", ["air", "one", "two"], None, parts)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return keras_seg.fit(
        "fc_densenet103_3d", dataset(), epochs=3, batch_size=2, learning_rate=1e-2, options=SMALL,
        averaging=0.0, folder=tmp_path_factory.mktemp("runs"),
    )  # fmt: skip


@pytest.mark.long
def test_fit_learns_volumes_with_the_usual_recipe(run):
    assert run.settings["crop_size"] == [SIDE] * 3
    assert len(run.history) == 3
    assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[0]
    assert run.history["val_mean_iou"].between(0, 1).all()
    assert run.model.input_shape == (None, None, None, None, 2)


@pytest.mark.long
def test_a_run_of_volumes_is_scored_and_shown(run):
    scores = run.evaluate("val")
    assert scores.confusion.sum() == 2 * SIDE**3
    best = run.settings["best"]["val_mean_iou"]
    assert scores.mean_iou == pytest.approx(best, abs=1e-3)
    images, truths = pick_examples(run.data, "val", 2)
    assert images[0].shape == (SIDE, SIDE, SIDE, 2)
    np.testing.assert_array_equal(truths[1], run.data.example("val", 1)[1])
    figure = run.show_pictures("val", 2)
    assert len(figure.axes) == 2 * 4
    # The middle slice, its first channel in gray.
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown[..., 2], images[0][SIDE // 2, ..., 0])
    assert (run.folder / "figures" / "val.png").is_file()


@pytest.mark.slow
def test_fit_crops_volumes_and_takes_a_built_network(tmp_path):
    model = network()
    recipe = {"augmentation": (("random_crop", {}), ("random_flip", {"axes": ("depth", "width")}))}
    run = keras_seg.fit(
        model, dataset(), epochs=1, batch_size=3, crop_size=(32, 32, 32), folder=tmp_path, **recipe
    )
    assert run.settings["crop_size"] == [32, 32, 32]
    np.testing.assert_array_equal(model.get_weights()[0], run.model.get_weights()[0])


@pytest.mark.slow
def test_fit_takes_plain_batches_of_volumes(tmp_path):
    data = dataset()
    batches = data.train_batches(2), data.eval_batches("val")
    run = keras_seg.fit(network(), batches, epochs=1, folder=tmp_path, class_weights=None)
    assert run.history["val_mean_iou"].notna().all()


@pytest.mark.parametrize("size", [(32, 32, 0), (32, 32, 32, 32), 32])
def test_crops_have_two_or_three_sides(size):
    with pytest.raises(ValueError, match=r"crop_size=.* or \(depth, height, width\) for volumes"):
        keras_seg.recipe("small_data", crop_size=size)


def test_labels_shrink_with_the_logits_of_volumes():
    labels = np.arange(4**3).reshape(1, 4, 4, 4)
    found = keras.ops.convert_to_numpy(labels_like(labels, np.zeros((1, 2, 2, 4, 3))))
    # Cells of 2x2x1: their center lies in the second slice and the second row of each.
    np.testing.assert_array_equal(found, labels[:, 1::2, 1::2])


@pytest.mark.parametrize("name", losses.names())
def test_losses_of_volumes_are_finite_and_least_for_the_truth(name):
    labels = np.random.default_rng(0).integers(0, 3, (1, 6, 7, 8)).astype("uint8")
    right = 20 * np.eye(3, dtype="float32")[labels]
    labels[0, 0] = 255
    loss = losses.build(name, 3)
    best, worst = float(loss(labels, right)), float(loss(labels, -right))
    assert np.isfinite([best, worst]).all()
    assert best < worst


def test_metrics_of_volumes():
    truth, found = np.zeros((1, 2, 2, 2), "uint8"), np.zeros((1, 2, 2, 2), "uint8")
    truth[0, 0], found[0, 0, 0], truth[0, 1, 1, 1] = 1, 1, 255
    # Of class 1 two of four are found, with none besides: 2/4. Of class 0 three of 3 + 2: 3/5.
    assert metrics.mean_iou(metrics.confusion_matrix(truth, found, 2)) == pytest.approx(0.55)
    metric = metrics.MeanIoU(2)
    metric.update_state(truth, np.eye(2, dtype="float32")[found])
    assert float(metric.result()) == pytest.approx(0.55)
    assert evaluate_segmenter(
        lambda _: found, [(truth[..., None], truth)], ["a", "b"]
    ).mean_iou == (pytest.approx(0.55))


def test_analyse_takes_volumes():
    image = keras.Input((None, None, None, 2))
    x = keras.layers.Conv3D(4, 3, padding="same", name="conv")(image)
    x = keras.layers.MaxPooling3D(2, name="pool")(x)
    model = keras.Model(image, keras.layers.Conv3D(3, (1, 3, 5), padding="same", name="last")(x))
    table = analyse.summary(model, (8, 16, 16, 2))
    # 27 * 2 * 4 weights at 8 * 16 * 16 places, and 15 * 4 * 3 at an eighth of them.
    assert table.loc["total", "macs"] == 216 * 2048 + 180 * 256
    assert table.loc["conv", "parameters"] == 216 + 4
    # 3, then 2 * 1 + 2 with the pool (4), then 2 * (taps - 1) more along each axis.
    field = analyse.receptive_field(model).loc["last", ["depth", "height", "width"]]
    assert field.tolist() == [4, 8, 12]


def test_segmenter_takes_arrays_lists_and_files(tmp_path):
    segment = Segmenter(pointwise())
    assert segment.dimensions == 3
    volume = values(7, 40, 33)  # less than 32 deep, and odd
    expected = volume // 85.0001
    np.testing.assert_array_equal(segment(volume), expected)
    np.testing.assert_array_equal(segment(volume[..., None]), expected)
    np.testing.assert_array_equal(segment([volume, volume[:3]])[1], expected[:3])
    probabilities = segment.probabilities(volume)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_array_equal(segment.labels(np.stack([volume] * 2)[..., None])[1], expected)
    np.save(tmp_path / "a.npy", volume)
    np.savez(tmp_path / "a.npz", volume)
    pages = [Image.fromarray(page) for page in volume]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    for name in ("a.npy", "a.npz", "a.tif"):
        np.testing.assert_array_equal(segment(tmp_path / name), expected)


def test_files_are_read_as_for_the_training(tmp_path):
    deep = (values(6, 20, 20).astype(np.uint16)) * 257
    np.save(tmp_path / "deep.npy", deep)
    np.testing.assert_array_equal(
        as_image(tmp_path / "deep.npy", InputSpec(1, 3))[..., 0], deep // 257
    )
    both = values(2, 6, 20, 20)
    np.save(tmp_path / "first.npy", both)
    found = as_image(tmp_path / "first.npy", InputSpec(2, 3))
    np.testing.assert_array_equal(found, np.moveaxis(both, 0, -1))
    assert as_image(both[0], InputSpec(3, 3)).shape == (6, 20, 20, 3)


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (lambda: values(9, 9), r"A volume must have shape \(d, h, w\).*shape=\(9, 9\)"),
        (lambda: values(9, 9, 9, 4), r"volumes with 1 channels. Received: shape=\(9, 9, 9, 4"),
        (lambda: np.full((9, 9, 9), -1000, np.int16), r"Scale them to 0..255 as in training"),
        (lambda: "none.npy", r"A file does not exist. Received: 'none.npy'"),
    ],
    ids=["plane", "channels", "range", "missing"],
)
def test_volumes_that_do_not_fit_are_refused(volume, words):
    with pytest.raises(ValueError, match=words):
        Segmenter(pointwise())(volume())


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        (
            "street.jpg",
            b"",
            ValueError,
            r"must be volumes: .npy or .npz.*file .jpg.*street.jpg'",
        ),
        ("bad.npy", b"bad", ValueError, r"A file cannot be read.*bad.npy"),
        ("a.nii", b"", ImportError, r'package nibabel.*a.nii.*pip install "keras_seg.medical'),
    ],
)
def test_files_without_a_volume_are_refused(tmp_path, monkeypatch, name, content, error, words):
    (tmp_path / name).write_bytes(content)
    monkeypatch.setitem(sys.modules, "nibabel", None)  # what `import` finds where it is missing
    with pytest.raises(error, match=words):
        Segmenter(pointwise())(tmp_path / name)


def test_batches_and_volumes_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"A batch must be uint8 \(b, d, h, w, 1\)"):
        Segmenter(pointwise()).labels(values(9, 9, 9, 1))
    fixed = Segmenter(models.fc_densenet103_3d((32, 32, 32, 1), 3, **SMALL))
    with pytest.raises(ValueError, match=r"32x32x32 pixels \(depth x height x width\) only"):
        fixed(values(40, 32, 32))


def test_nifti_files_are_turned_upright(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    stored = np.zeros((6, 8, 4), np.uint8)  # x to the right, y to the front, z up
    stored[5, 7, 3] = 200  # right, front, top of the head
    nibabel.Nifti1Image(stored, np.eye(4)).to_filename(tmp_path / "a.nii.gz")
    found = Segmenter(pointwise())(tmp_path / "a.nii.gz")
    assert found.shape == (4, 8, 6)
    assert np.argwhere(found == 2).tolist() == [[3, 0, 0]]


@pytest.mark.long
def test_tiles_of_a_volume_make_the_whole(tmp_path):
    keras.utils.set_random_seed(0)
    segment = Segmenter(network(1))
    volume = values(56, 72, 48)
    volume[10:40, 20:60, 10:30] //= 4
    whole = segment(volume)
    assert segment.output_stride == 2  # one pool, at factor 2
    # A margin of half the receptive field hides every tile's edge.
    margin = int(analyse.receptive_field(segment.network).loc["logits_conv", "depth"] // 2) + 1
    for blend in ("gaussian", "linear"):
        found = segment.tiles(volume, tile=40, overlap=2 * margin + 4, margin=margin, blend=blend)
        np.testing.assert_array_equal(found, whole)
    np.save(tmp_path / "volume.npy", volume)
    out = segment.tiles(
        tmp_path / "volume.npy", tmp_path / "labels.npy", (32, 40, 40), 2 * margin, margin=margin
    )
    np.testing.assert_array_equal(np.load(out), whole)
    np.testing.assert_array_equal(tiled(segment)(volume), whole)  # one tile of 96
    with pytest.raises(ValueError, match=r"label maps of volumes as .npy. Received: out='a.png'"):
        segment.tiles(volume, "a.png")
    with pytest.raises(ValueError, match=r"one side for all 3 axes.*Received: tile=\(40, 40\)"):
        segment.tiles(volume, tile=(40, 40))


def test_tiles_of_a_network_of_one_size(tmp_path):
    model = models.fc_densenet103_3d((32, 32, 32, 1), 3, **SMALL)
    assert Segmenter(model).tiles(values(40, 50, 32)).shape == (40, 50, 32)
    with pytest.raises(ValueError, match=r"32x32x32 pixels \(depth.*a picture of 40x20x32"):
        Segmenter(model).tiles(values(40, 20, 32))


@pytest.mark.long
def test_mirror_images_of_a_volume_are_averaged():
    keras.utils.set_random_seed(0)
    segment, volume = Segmenter(network(1)), values(32, 34, 36)
    turned = np.zeros((32, 34, 36, 3))
    for axes in [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]:
        turned += np.flip(segment.probabilities(np.flip(volume, axes)), axes) / 8
    averaged = augmented(segment, flips="all").probabilities(volume)
    np.testing.assert_allclose(averaged, turned, atol=1e-6)
    horizontal = augmented(segment, flips="horizontal").probabilities(volume)
    assert np.abs(horizontal - averaged).max() > 1e-4
    np.testing.assert_allclose(ensemble([segment] * 2)(volume), segment(volume))


def test_scales_keep_what_is_smooth():
    segment = Segmenter(pointwise())
    ramp = np.broadcast_to(np.linspace(0, 255, 48), (40, 44, 48)).astype(np.uint8)
    scaled = augmented(segment, flips=None, scales=(0.5, 1.5)).probabilities(ramp)
    plain = segment.probabilities(ramp)
    assert scaled.shape == plain.shape
    far = np.abs(ramp.astype(int) - 85) > 12  # away from where classes change
    far &= np.abs(ramp.astype(int) - 170) > 12
    assert (scaled.argmax(axis=-1) == plain.argmax(axis=-1))[far].all()


def test_dropout_samples_of_a_volume():
    found = mc_dropout(Segmenter(network(1)), samples=2).uncertainty(values(32, 32, 33))
    assert found.entropy.shape == (32, 32, 33)
    assert found.probabilities.shape == (32, 32, 33, 3)


def test_figures_of_volumes_show_the_middle_and_count_all():
    image, truth = values(5, 40, 44, 2), np.zeros((5, 40, 44), np.uint8)
    found = truth.copy()
    found[0] = 1  # a fifth is wrong, nothing of it in the middle
    figure = show_predictions([image], [truth], [found], ["a", "b"])
    assert any(text.get_text().startswith("20.0% wrong") for text in figure.texts)
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array()[..., 0], image[2, ..., 0])
    with pytest.raises(ValueError, match=r"A prediction must have one class id per pixel of its v"):
        show_predictions([image], None, [found[:4]], ["a", "b"])
    segment = Segmenter(pointwise())
    assert len(segment.show(values(5, 40, 44)).axes) == 2  # picture and prediction


@pytest.mark.export
@pytest.mark.long
def test_saved_model_of_volumes_takes_any_size(tmp_path, run):
    import tensorflow as tf

    report = run.export_saved_model()
    assert report.agreement == 1
    assert "33x35x37" in report.pictures
    assert report.mean_iou == pytest.approx(report.keras_mean_iou)
    assert report.inputs == {"image": "uint8 (None, None, None, None, 2)"}
    serve = tf.saved_model.load(str(report.path)).signatures["serving_default"]
    volume = values(1, 34, 41, 47, 2)
    labels = serve(image=tf.constant(volume))["labels"].numpy()
    np.testing.assert_array_equal(labels, run.segmenter().labels(volume))


@pytest.mark.export
def test_saved_model_of_volumes_of_one_size(tmp_path):
    model = models.fc_densenet103_3d((32, 32, 40, 1), 3, **SMALL)
    report = saved_model(model, tmp_path / "1", pictures=values(2, 32, 32, 40, 1))
    assert report.agreement == 1
    assert report.pictures == "2 given pictures"
    with pytest.raises(
        ValueError, match=r"at least one of uint8 volumes \(32, 32, 40, 1\).*\(33, 32, 40, 1"
    ):
        saved_model(model, tmp_path / "2", pictures=values(2, 33, 32, 40, 1))


def test_tflite_is_for_pictures(tmp_path):
    with pytest.raises(
        ValueError, match=r"`tflite` exports models of pictures.*Export a SavedModel instead"
    ):
        tflite(pointwise(), tmp_path / "a.tflite", size=(32, 32))
