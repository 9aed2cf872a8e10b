"""Damaged files of every kind, by the hundred: nothing but our own errors, each naming its file."""

import gzip
import io
import struct
import tracemalloc
import zipfile
import zlib
from functools import partial

import numpy as np
import pytest
import tifffile
from _damaged import KINDS, SIZE, VOLUMES, content, damage
from _mat_files import sbd_file
from PIL import Image

import pipelines
from pipelines.read import InputSpec, limits, read_colors, read_image, read_label
from pipelines.read.faults import FileFault, unreadable, wrong_kind
from pipelines.read.image import read_header

# Damaged files: some in every run, many in `make test-slow`.
some_and_many = pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.slow)])


def fault_of(work, *arguments):
    """Return the ValueError that something raises, or None; other errors are the test's."""
    try:
        work(*arguments)
    except ValueError as error:
        return error
    return None


def try_to_read(path, dimensions):
    """Read a file in every way; return how often that failed."""
    failures = 0
    as_picture = partial(read_image, spec=InputSpec(dimensions=dimensions))
    header = partial(read_header, dimensions=dimensions)
    for read in (as_picture, read_label, read_colors, header):
        fault = fault_of(read, path)
        if fault is not None:
            assert isinstance(fault, FileFault)
            assert str(path) in str(fault)
            assert fault.path == str(path)
            failures += 1
    return failures


@some_and_many
@pytest.mark.filterwarnings("ignore")  # Pillow's, about odd headers
@pytest.mark.parametrize("kind", KINDS | VOLUMES)
def test_damaged_files_give_faults_that_name_them(tmp_path, kind, count):
    path = tmp_path / f"damaged.{(KINDS | VOLUMES)[kind]}"
    sound = content(kind)
    random = np.random.default_rng(sum(kind.encode()))
    failures = 0
    for _ in range(count):
        path.write_bytes(damage(sound, random))
        failures += try_to_read(path, 3 if kind in VOLUMES else 2)
    assert failures > count // 2


def png_of(width, height, interlaced=0):
    """The start of a PNG that declares a size, one bit a pixel, with a right checksum."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
    )


def bomb(path):
    """Write a small file that declares 30000x30000 pixels or 4 GB."""
    if path.suffix == ".png":
        data = zlib.compress(bytes(10))
        chunk = b"IDAT" + data
        path.write_bytes(
            png_of(30_000, 30_000) + struct.pack(">I", len(data)) + chunk
            + struct.pack(">I", zlib.crc32(chunk))
        )  # fmt: skip
    elif path.suffix == ".jpg":
        file = io.BytesIO()
        Image.new("RGB", (16, 16)).save(file, "JPEG", progressive=True)
        data = file.getvalue()
        at = data.index(b"\xff\xc2") + 5  # start of a progressive frame: length, precision, size
        path.write_bytes(data[:at] + struct.pack(">HH", 30_000, 30_000) + data[at + 4 :])
    elif path.suffix == ".npz":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("a.npy", "w", force_zip64=True) as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": (4096, 1024, 1024)}
                np.lib.format.write_array_header_1_0(file, header)
    elif path.suffix == ".gz":
        nibabel = pytest.importorskip("nibabel")
        image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
        image.header.set_data_shape((2, 2, 2))
        data = bytearray(image.to_bytes())
        data[42:48] = struct.pack("<3h", 4096, 1024, 1024)  # dim[1..3] of NIfTI-1
        path.write_bytes(gzip.compress(bytes(data)))
    elif path.suffix == ".tif":
        tifffile.imwrite(path, np.zeros((16, 16), np.uint8))
        with tifffile.TiffFile(path, mode="r+b") as file:
            file.pages[0].tags["ImageWidth"].overwrite(30_000)
            file.pages[0].tags["ImageLength"].overwrite(30_000)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.npz", "a.nii.gz", "a.tif"])
def test_bombs_are_refused_before_they_take_memory(tmp_path, name):
    path = tmp_path / name
    bomb(path)
    spec = InputSpec(1, 3 if name in ("a.npz", "a.nii.gz") else 2)
    tracemalloc.start()
    for read in (partial(read_image, spec=spec), read_label):
        with pytest.raises(
            FileFault, match=rf"may declare at most.*{name}.*read\.limits\(max_"
        ) as fault:
            read(path)
        assert fault.value.kind == "too large"
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_a_large_picture_of_one_bit_is_read(tmp_path):
    """144 million pixels are more than Pillow takes without a warning."""
    Image.new("1", (12_000, 12_000), 1).save(tmp_path / "a.png")
    assert read_header(tmp_path / "a.png") == (12_000, 12_000, 1)
    with limits(max_pixels=143_000_000), pytest.raises(FileFault, match="at most 143,000,000 pix"):
        read_header(tmp_path / "a.png")
    assert read_header(tmp_path / "a.png") == (12_000, 12_000, 1)  # the default is back


def picture(path, value=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    if value is None:
        data = content("JPEG" if path.suffix == ".jpg" else "PNG")
        path.write_bytes(data)
    else:
        ids = np.tile(np.array([value, value + 1], np.uint8), (SIZE[0], SIZE[1] // 2))
        if path.suffix == ".mat":
            path.write_bytes(sbd_file(ids))
        else:
            Image.fromarray(ids).save(path)


# Picture and mask number {}, the first id of the mask (None for colors), and lists.
LAYOUTS = {
    "camvid": ("train/{}.png", "trainannot/{}.png", 3, {}),
    "camvid in color": ("images/0001TP_{}.png", "labels/0001TP_{}_L.png", None, {}),
    "cityscapes": (
        "leftImg8bit/train/ulm/{}_leftImg8bit.png", "gtFine/train/ulm/{}_gtFine_labelIds.png", 7, {}
    ),
    "pascal_voc": (
        "JPEGImages/{}.jpg", "SegmentationClass/{}.png", 3,
        {"ImageSets/Segmentation/train.txt": "1\n2\n"},
    ),
    "ade20k": ("images/training/{}.jpg", "annotations/training/{}.png", 3, {}),
    "coco_stuff": ("images/train2017/{}.jpg", "stuffthingmaps/train2017/{}.png", 3, {}),
    "coco_stuff of 10k": (
        "images/{}.jpg", "annotations/{}.mat", 3,
        {"imageLists/train.txt": "1\n2\n", "imageLists/test.txt": "1\n"},
    ),
    "sbd": ("img/{}.jpg", "cls/{}.mat", 3, {"train.txt": "1\n2\n"}),
    "from_folders by split": ("train/images/{}.jpg", "train/masks/{}.png", 0, {}),
    "from_csv, a class table": (
        "images/{}.jpg", "masks/{}.png", 0,
        {"rows.csv": "image;mask;split\n" + "".join(
            f"images/{i}.jpg;masks/{i}.png;train\n" for i in (1, 2)),
         "classes.csv": "id,name\n0,soil\n1,crop\n"},
    ),
    "oxford_pets": (
        "images/{}.jpg", "annotations/trimaps/{}.png", 1,
        {"annotations/trainval.txt": "1 1 1 1\n2 1 1 1\n", "annotations/test.txt": "1 1 1 1\n"},
    ),
    "from_folders": ("images/{}.jpg", "masks/{}.png", 0, {}),
    "from_folders, discovering": ("images/{}.jpg", "masks/{}.png", 0, {}),
    "from_csv": (
        "images/{}.jpg", "masks/{}.png", 0,
        {"rows.csv": "image,mask,split\n" + "".join(
            f"images/{i}.jpg,masks/{i}.png,train\n" for i in (1, 2))},
    ),
}  # fmt: skip


def tree(root, name):
    """Draw the layout of a dataset, two pictures of split train; return how to open it."""
    image, mask, value, lists = LAYOUTS[name]
    for i in (1, 2):
        picture(root / image.format(i))
        picture(root / mask.format(i), value)
    for path, text in lists.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    folders = root / "images", root / "masks"
    if name == "from_folders by split":
        train = root / "train"
        return lambda: pipelines.from_folders(
            {"train": train / "images"}, {"train": train / "masks"}
        )
    if name == "from_csv, a class table":
        return lambda: pipelines.from_csv(root / "rows.csv", root / "classes.csv")
    if name == "from_csv":
        return lambda: pipelines.from_csv(root / "rows.csv", 2)
    if name == "from_folders":
        return lambda: pipelines.from_folders(*folders, 2, splits=(1.0,))
    if name == "from_folders, discovering":
        return lambda: pipelines.from_folders(*folders, splits=(1.0,))
    return lambda: pipelines.load(name.split()[0], root)


def read_all(open_it):
    data = open_it()
    for index in range(data.num_examples("train")):
        data.example("train", index)


@pytest.mark.long
@some_and_many
@pytest.mark.parametrize("name", LAYOUTS)
def test_readers_name_damaged_files(tmp_path, name, count):
    open_it = tree(tmp_path, name)
    data = open_it()
    assert data.example("train", 0)[0].shape == (*SIZE, 3)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    random = np.random.default_rng(sum(name.encode()))
    refused = 0
    for _ in range(count):
        path = files[random.integers(len(files))]
        sound = path.read_bytes()
        path.write_bytes(damage(sound, random))
        fault = fault_of(read_all, open_it)
        if fault is not None:
            refused += 1
            assert path.suffix in (".txt", ".csv") or str(path) in str(fault)
            assert "Received: " in str(fault)
        path.write_bytes(sound)
    assert refused > count // 4


def test_check_never_stops_at_damaged_files(tmp_path):
    open_it = tree(tmp_path, "from_folders")
    random = np.random.default_rng(1)
    files = sorted(tmp_path.rglob("*.*"))
    for _ in range(30):
        sound = {path: path.read_bytes() for path in files}
        for path, data in sound.items():
            path.write_bytes(damage(data, random))
        data = open_it()
        report = data.check()
        assert set(report.faults["path"]) <= {str(path) for path in files}
        assert str(report)
        for path, content_before in sound.items():
            path.write_bytes(content_before)


def test_a_fault_is_a_value_error_that_knows_its_file():
    fault = unreadable("a.png", "half of it is missing")
    assert isinstance(fault, ValueError)
    assert (fault.kind, fault.path) == ("unreadable", "a.png")
    assert "'a.png' (half of it is missing)" in str(fault)
    assert wrong_kind("b.png", "Rule.", "x", "Do.").kind == "wrong kind"
