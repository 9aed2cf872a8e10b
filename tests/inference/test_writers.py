"""Label maps in files: palettes, georeferences, and nothing half-written."""

import sys

import cv2
import keras
import numpy as np
import pytest
import tifffile
from keras import layers
from PIL import Image

from keras_seg import Segmenter
from keras_seg.inference.writers import require_writable, write_labels
from keras_seg.whole_files import draft, require_folder
from pipelines.read import geotiff

PALETTE = [(1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12)]
TILING = {"tile": 64, "overlap": 16}


@pytest.fixture(scope="module")
def segmenter():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3, padding="same")])
    return Segmenter(model, palette=PALETTE)


def picture(height=300, width=270):
    noise = np.random.default_rng(0).integers(0, 256, (30, 27, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height))


def write_map(path, image, **options):
    """Write a GeoTIFF: UTM zone 32 north, pixels of 0.5 m, from (400000, 5600000) down."""
    rasterio = pytest.importorskip("rasterio")
    transform = rasterio.Affine(0.5, 0, 400_000, 0, -0.5, 5_600_000)
    height, width, channels = image.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=channels, dtype=image.dtype,
        crs="EPSG:25832", transform=transform, compress="deflate", photometric="RGB", **options,
    ) as file:  # fmt: skip
        file.write(np.moveaxis(image, -1, 0))


@pytest.mark.parametrize("heights", [[300], [64, 64, 64, 64, 44], [255, 2, 43], [1] * 300])
def test_tiffs_are_written_from_bands_of_any_height(tmp_path, heights):
    labels = np.random.default_rng(0).integers(0, 4, (300, 270), dtype=np.uint8)
    bands = np.split(labels, np.cumsum(heights)[:-1])
    write_labels(tmp_path / "map.tif", iter(bands), labels.shape, PALETTE)
    with Image.open(tmp_path / "map.tif") as written:  # Another reader than the writer.
        assert written.mode == "P"
        np.testing.assert_array_equal(np.asarray(written), labels)
        colors = np.asarray(written.convert("RGB"))
    np.testing.assert_array_equal(colors, np.asarray(PALETTE)[labels])


def test_a_label_map_of_a_plain_tiff_is_a_plain_tiff(segmenter, tmp_path):
    image = picture()
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="rgb")
    assert segmenter.tiles(tmp_path / "in.tif", tmp_path / "out.tif", **TILING)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), segmenter(image))
    assert geotiff.georeference(tmp_path / "out.tif") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.tif", "out.tif"]


@pytest.mark.parametrize("size", [(300, 270), (600, 270), (100, 90)])
def test_a_georeference_is_kept(segmenter, tmp_path, size):
    rasterio = pytest.importorskip("rasterio")
    image = picture(*size)
    write_map(tmp_path / "ortho.tif", image)
    segmenter.tiles(tmp_path / "ortho.tif", tmp_path / "classes.tif", **TILING)
    with rasterio.open(tmp_path / "classes.tif") as written:
        assert written.crs.to_epsg() == 25832
        assert written.transform == rasterio.Affine(0.5, 0, 400_000, 0, -0.5, 5_600_000)
        assert (written.count, written.dtypes, written.nodata) == (1, ("uint8",), 255)
        assert [written.colormap(1)[index][:3] for index in range(4)] == PALETTE
        np.testing.assert_array_equal(written.read(1), segmenter.tiles(image, **TILING))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes.tif", "ortho.tif"]


def test_where_the_picture_has_no_data_the_map_has_none(segmenter, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    image = picture().clip(1, 255)
    image[:40, :30] = 0
    write_map(tmp_path / "ortho.tif", image, nodata=0)
    segmenter.tiles(tmp_path / "ortho.tif", tmp_path / "classes.tif", **TILING)
    with rasterio.open(tmp_path / "classes.tif") as written:
        labels = written.read(1)
    assert (labels[:40, :30] == 255).all()
    expected = segmenter.tiles(image, **TILING)
    np.testing.assert_array_equal(labels[40:], expected[40:])
    np.testing.assert_array_equal(labels[:40, 30:], expected[:40, 30:])


def test_a_world_file_beside_a_picture_is_a_georeference(segmenter, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    Image.fromarray(picture()).save(tmp_path / "ortho.png")
    # Pixel width, two rotations, pixel height, center of the first pixel: ESRI's world file.
    (tmp_path / "ortho.pgw").write_text("0.5\n0\n0\n-0.5\n100.25\n199.75\n")
    segmenter.tiles(tmp_path / "ortho.png", tmp_path / "classes.tif", **TILING)
    with rasterio.open(tmp_path / "classes.tif") as written:
        assert written.transform == rasterio.Affine(0.5, 0, 100, 0, -0.5, 200)


def test_without_rasterio_a_georeference_is_not_dropped_silently(segmenter, tmp_path, monkeypatch):
    write_map(tmp_path / "ortho.tif", picture())
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(ImportError, match=r"rasterio.*not installed.*ortho\.tif.*keras_seg\[geo\]"):
        segmenter.tiles(tmp_path / "ortho.tif", tmp_path / "classes.tif", **TILING)
    segmenter.tiles(tmp_path / "ortho.tif", tmp_path / "classes.png", **TILING)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes.png", "ortho.tif"]


@pytest.mark.parametrize(("name", "dimensions", "words"), [
    ("map.jpg", 2, r"label maps as \.npy or \.png or \.tif or \.tiff. Received: out='map\.jpg'"),
    ("map.png", 3, r"label maps of volumes as \.npy. Received: out='map\.png'"),
])  # fmt: skip
def test_other_endings_are_refused(name, dimensions, words):
    with pytest.raises(ValueError, match=words):
        require_writable(name, dimensions)


def test_a_name_is_refused_before_the_picture_is_read(segmenter, tmp_path):
    with pytest.raises(ValueError, match=r"Received: out='.*map\.jpg'"):
        segmenter.tiles(tmp_path / "none.png", tmp_path / "map.jpg")


def test_a_folder_that_cannot_be_written_is_named(segmenter, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match=r"`tiles` needs a writable folder.*file' \(File exists\)"):
        segmenter.tiles(picture(), tmp_path / "file" / "map.png")
    with pytest.raises(
        ValueError, match=r"`predict` needs a writable folder.*deeper' \(Not a directory\)"
    ):
        require_folder("predict", tmp_path / "file" / "deeper")


def test_a_draft_leaves_what_was_there_until_it_is_complete(tmp_path):
    path = tmp_path / "map.png"
    path.write_text("old")

    def stops_half_way():
        with draft("tiles", path) as temporary:
            temporary.write_text("half")
            assert path.read_text() == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stops_half_way()
    assert [file.name for file in tmp_path.iterdir()] == ["map.png"]
    with draft("tiles", path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
