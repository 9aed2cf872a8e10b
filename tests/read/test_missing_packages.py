"""Without an optional package, its files are refused with the words that install it."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import tifffile
from _mat_files import sbd_file

from pipelines.read import InputSpec, geotiff, read_image, read_label


def write_matlab(path):
    path.write_bytes(sbd_file(np.ones((4, 5), np.uint8)))


def write_hdf5(path):
    with h5py.File(path, "w") as file:
        file["mask"] = np.ones((4, 5), np.uint8)


@pytest.mark.parametrize(
    ("package", "extra", "name", "write"),
    [
        ("scipy.io", "matlab", "a.mat", write_matlab),
        ("h5py", "matlab", "a.mat", write_hdf5),
        ("nibabel", "medical", "a.nii", lambda path: path.write_bytes(b"")),
        ("nibabel", "medical", "a.nii.gz", lambda path: path.write_bytes(b"")),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_extra(
    tmp_path, monkeypatch, package, extra, name, write
):
    path = tmp_path / name
    write(path)
    monkeypatch.setitem(sys.modules, package, None)  # what `import` finds where it is missing
    words = rf"package {package.split('.')[0]}.*Received: '.*{name}'.*keras_seg\[{extra}\]"
    with pytest.raises(ImportError, match=words):
        read_label(path)
    if extra == "medical":
        with pytest.raises(ImportError, match=words):
            read_image(path, InputSpec(1, 3))


def test_a_georeference_is_not_lost_for_want_of_rasterio(tmp_path, monkeypatch):
    path = tmp_path / "map.tif"
    scale = (33550, "d", 3, (0.5, 0.5, 0.0), True)  # ModelPixelScale
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8), extratags=[scale])
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(ImportError, match=r"package rasterio.*map\.tif.*keras_seg\[geo\]"):
        geotiff.georeference(path)


WITHOUT_CODECS = """
import sys
sys.modules["imagecodecs"] = None
if len(sys.argv) > 2:
    sys.modules["rasterio"] = None
from pipelines.read import read_image
from pipelines.read.rows import open_rows
try:
    read_image(sys.argv[1])
except ValueError as error:
    print(error)
rows = open_rows(sys.argv[1])
print(rows if rows is None else int(rows.read(0, 16).sum()))
"""


@pytest.mark.parametrize("other", [(), ("rasterio",)])
def test_tiffs_of_other_codecs_name_the_extra_or_are_read_by_rasterio(tmp_path, other):
    """In a process of its own: tifffile looks for the package when it is imported."""
    path = tmp_path / "map.tif"
    tifffile.imwrite(path, np.full((16, 16, 3), 7, np.uint8), photometric="rgb", compression="lzw")
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_CODECS, str(path), *other]
    said, rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )[:2]
    assert "package imagecodecs, which is not installed" in said
    assert f'in {str(path)!r}. Install it (pip install "keras_seg[tiff]")' in said
    assert rows == ("None" if other else str(16 * 16 * 3 * 7))
