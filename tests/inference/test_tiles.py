import os

import cv2
import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from keras_seg import models
from keras_seg.inference import blocks, tiled
from keras_seg.inference.segmenter import Segmenter
from keras_seg.inference.stride import output_stride


def picture(height, width, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def local_model(input_shape=(None, None, 3), num_classes=4):
    """Sees 13 pixels to each side: 2 + 1 in full size, (1 + 1) * 4 + 2 in a quarter of it."""
    image = keras.Input(input_shape)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    full = layers.Conv2D(6, 5, padding="same", activation="relu")(x)
    x = layers.AveragePooling2D(4)(full)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.UpSampling2D(4)(x)
    x = layers.Concatenate()([full, x])
    return keras.Model(image, layers.Conv2D(num_classes, 3, padding="same")(x))


@pytest.fixture(scope="module")
def segmenter():
    keras.utils.set_random_seed(1)
    return Segmenter(local_model())


def whole(segmenter, image, **tiling):
    """All blocks put together."""
    found = np.full((*image.shape[:2], segmenter.num_classes), np.nan, np.float32)
    for rows, columns, values in blocks(segmenter, image, **tiling):
        assert np.isnan(found[rows, columns]).all()  # Each pixel once.
        found[rows, columns] = values
    return found


@pytest.mark.parametrize("blend", ["gaussian", "linear"])
@pytest.mark.parametrize(("height", "width"), [(200, 132), (64, 196), (40, 36)])
def test_tiles_equal_the_whole_picture(segmenter, blend, height, width):
    image = picture(height, width)
    tiling = {"tile": 64, "overlap": 40, "blend": blend, "margin": 13}
    expected = segmenter.probabilities(image)
    # Float32 sums in another order.
    np.testing.assert_allclose(whole(segmenter, image, **tiling), expected, atol=1e-5)
    np.testing.assert_array_equal(segmenter.tiles(image, **tiling), segmenter(image))


def test_an_overlap_of_the_receptive_field_is_enough(segmenter):
    image = picture(128, 128)  # 13 + 1 + 13 pixels.
    found = whole(segmenter, image, tile=64, overlap=27, margin=13)
    np.testing.assert_allclose(found, segmenter.probabilities(image), atol=1e-5)


def test_without_a_margin_the_edges_of_tiles_show(segmenter):
    image = picture(128, 128)
    found = whole(segmenter, image, tile=64, overlap=0)
    difference = np.abs(found - segmenter.probabilities(image)).max(axis=-1)
    assert difference[60:68].max() > 1e-3
    assert difference[:50, :50].max() < 1e-5


def compare_tiles(name):
    """Probabilities by tiles of 128, and those of the whole picture of 256x384."""
    keras.utils.set_random_seed(0)
    segmenter = Segmenter(models.build(name, num_classes=3))
    image = cv2.resize(picture(8, 12), (384, 256), interpolation=cv2.INTER_CUBIC)
    return whole(segmenter, image, tile=128), segmenter.probabilities(image)


@pytest.mark.long
def test_the_default_of_a_large_network_is_near_the_whole_picture():
    """A deep network sees further than the overlap, but most of what it sees is near."""
    found, expected = compare_tiles("fc_densenet_mobile")
    assert expected.std() > 0.1
    assert np.abs(found - expected).max() < 0.1


@pytest.mark.long
def test_tiles_of_a_network_with_global_context_show_no_edges():
    """ContextNet averages the whole picture: tiles differ, but steps between pixels stay small."""
    found, expected = compare_tiles("contextnet_cn14_160")
    assert np.abs(found - expected).mean() < 0.1
    steps, whole_steps = (np.abs(np.diff(values, axis=1)).max() for values in (found, expected))
    assert steps < 1.5 * whole_steps


def test_other_sizes_are_continued_by_their_edge(segmenter):
    image = picture(131, 70)  # Its coarse grid has a stride of 4: 132 rows, 72 columns.
    continued = np.pad(image, ((0, 1), (0, 2), (0, 0)), mode="edge")
    found = whole(segmenter, image, tile=48, overlap=28, margin=13)
    expected = segmenter.probabilities(continued)[:131, :70]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_picture_smaller_than_a_tile_is_one_tile(segmenter):
    image = picture(40, 52)
    np.testing.assert_array_equal(segmenter.tiles(image), segmenter(image))
    assert segmenter.tiles(picture(1, 1)).shape == (1, 1)


def test_a_seam_of_a_far_seeing_network_is_a_slope():
    """A class probability that jumps from tile to tile changes by small steps in between."""

    class Jump(Segmenter):
        def _probabilities(self, batch):
            value = batch[:, :1, :1, :1] / np.float32(255)  # The tile's first pixel, everywhere.
            share = np.broadcast_to(value, (*batch.shape[:3], 1))
            return np.concatenate([share, 1 - share], axis=-1)

    image = np.zeros((64, 112, 3), np.uint8)
    image[:, 48:] = 255
    jump = Jump(local_model(num_classes=2))
    for blend, largest in (("linear", 1 / 9), ("gaussian", 0.3)):
        row = whole(jump, image, tile=64, overlap=16, blend=blend)[0, :, 0]
        # Tiles at 0 and 48: pixels 48..63 are shared, the outer 4 of which are margin.
        assert (row[:52] == 0).all()
        assert (row[60:] == 1).all()
        steps = np.diff(row)
        assert (steps >= 0).all()
        assert steps.max() <= largest + 1e-6  # Linear: eight pixels, nine steps.


def test_blocks_are_distributions(segmenter):
    found = whole(segmenter, picture(150, 170), tile=64, overlap=16)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)


def test_a_tiled_segmenter_takes_batches(segmenter):
    batch = np.stack([picture(100, 132, seed=seed) for seed in range(2)])
    by_tiles = tiled(segmenter, tile=64, overlap=40, margin=13)
    np.testing.assert_array_equal(by_tiles.labels(batch), segmenter.labels(batch))
    np.testing.assert_allclose(
        by_tiles.probabilities(batch), segmenter.probabilities(batch), atol=1e-5
    )
    fixed = tiled(Segmenter(local_model((40, 48, 3))))
    assert fixed(batch[0]).shape == (100, 132)


def test_a_tiled_segmenter_takes_no_picture_for_a_batch(segmenter):
    with pytest.raises(ValueError, match=r"A batch must be uint8 \(b, h, w, 3\)"):
        tiled(segmenter, tile=64).labels(np.zeros((40, 50, 3), "uint8"))


def test_a_network_of_one_size_gives_its_tile():
    segmenter = Segmenter(local_model((40, 48, 3)))
    assert segmenter.tiles(picture(100, 130), overlap=9).shape == (100, 130)
    with pytest.raises(ValueError, match=r"built for tiles of 40x48.*picture of 39x130"):
        segmenter.tiles(picture(39, 130))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"blend": "cosine"}, "Unknown blend.*Available"),
        ({"overlap": -1}, "needs overlap to be a whole number"),
        ({"margin": 10, "overlap": 16}, "margin of at most half the overlap.*margin=10"),
        ({"tile": 64, "overlap": 62}, "overlap that is smaller than a tile.*overlap=62"),
        ({"tile": 0}, "needs tile to be a whole number"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(segmenter, wrong, words):
    with pytest.raises(ValueError, match=words):
        segmenter.tiles(picture(200, 200), **wrong)


# Files


@pytest.mark.parametrize("ending", ["npy", "png", "tif", "bmp"])
def test_labels_go_from_disk_to_disk(segmenter, tmp_path, ending):
    image, source = picture(150, 131), tmp_path / f"map.{ending}"
    if ending == "npy":
        np.save(source, image)
    else:
        cv2.imwrite(str(source), image[..., ::-1])
    tiling = {"tile": 64, "overlap": 16}
    expected = segmenter.tiles(image, **tiling)
    segmenter.palette = [(1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12)]
    assert segmenter.tiles(source, tmp_path / "out.npy", **tiling) == tmp_path / "out.npy"
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)
    segmenter.tiles(str(source), tmp_path / "out.png", **tiling)
    written = Image.open(tmp_path / "out.png")
    assert written.mode == "P"
    np.testing.assert_array_equal(np.asarray(written), expected)
    colors = np.asarray(segmenter.palette)[expected]
    np.testing.assert_array_equal(np.asarray(written.convert("RGB")), colors)
    segmenter.palette = None
    assert sorted(os.listdir(tmp_path)) == sorted([source.name, "out.npy", "out.png"])


def test_output_is_not_overwritten_and_has_a_known_ending(segmenter, tmp_path):
    (tmp_path / "out.npy").write_bytes(b"dear")
    with pytest.raises(ValueError, match=r"does not replace files.*out\.npy"):
        segmenter.tiles(picture(40, 40), tmp_path / "out.npy")
    assert (tmp_path / "out.npy").read_bytes() == b"dear"
    with pytest.raises(ValueError, match=r"as \.npy or \.png or \.tif.*out\.jpg"):
        segmenter.tiles(picture(40, 40), tmp_path / "out.jpg")


def test_output_may_lie_in_a_new_folder(segmenter, tmp_path):
    assert segmenter.tiles(picture(40, 40), tmp_path / "new" / "out.png").is_file()


def test_what_stops_half_way_leaves_no_file(tmp_path):
    class Broken(Segmenter):
        def _probabilities(self, batch):
            raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        Broken(local_model()).tiles(picture(100, 100), tmp_path / "out.npy", tile=64)
    assert not os.listdir(tmp_path)


# Strides


def test_the_stride_is_that_of_the_coarsest_map(segmenter):
    assert segmenter.output_stride == 4
    inner = keras.Sequential([keras.Input((None, None, 4)), layers.MaxPooling2D(6)])
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same")(image)
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)  # Sees all: has no grid.
    x = layers.UpSampling2D(12)(inner(layers.Multiply()([x, pooled])))
    assert output_stride(keras.Model(image, x)) == 12
    assert output_stride(keras.Model(image, layers.Conv2D(2, 3)(image))) == 1


@pytest.mark.long
@pytest.mark.parametrize("name", ["contextnet_cn14", "contextnet_cn18", "fc_densenet_mobile"])
def test_the_stride_is_the_architectures(name):
    if name not in models.names():
        pytest.skip(f"needs {name}")
    assert output_stride(models.build(name, num_classes=3)) == models.facts(name).output_stride


@pytest.mark.parametrize(
    ("tile", "words"),
    [
        (128.5, r"tile to be a whole number.*Received: tile=128\.5"),
        ((64,), r"one side for all 2 axes.*Received: tile=\(64,\)"),
    ],
)
def test_numbers_are_refused_before_the_first_picture(segmenter, tile, words):
    with pytest.raises(ValueError, match=words):
        tiled(segmenter, tile)


def test_a_row_of_tiles_that_the_memory_cannot_hold_is_refused(segmenter, monkeypatch):
    monkeypatch.setattr("pipelines.read.memory.free_memory", lambda: 20_000)
    picture = np.zeros((300, 400, 3), "uint8")
    with pytest.raises(ValueError, match=r"into memory.* a row of tiles of 64 x 400.*smaller"):
        segmenter.tiles(picture, tile=64, overlap=32)


def test_the_stride_counts_calls_and_nested_models():
    image = keras.Input((None, None, 3))
    pool, enlarge = layers.MaxPooling2D(2), layers.UpSampling2D(2)
    assert output_stride(keras.Model(image, enlarge(enlarge(pool(pool(image)))))) == 4
    inside = keras.Input((None, None, 3))
    encoder = keras.Model(inside, [pool(inside), layers.MaxPooling2D(8)(inside)])
    coarse = keras.Model(image, layers.UpSampling2D(16)(encoder(pool(image))[1]))
    assert output_stride(coarse) == 16
    segmenter = Segmenter(keras.Model(image, layers.Conv2D(4, 1)(coarse(image))))
    assert segmenter.output_stride == 16
