"""SBD as its archive `benchmark.tgz` unpacks, drawn small; masks in MATLAB files."""

import h5py
import numpy as np
import pytest
from _mat_files import cells, matrix, write, write_sbd
from PIL import Image

import pipelines
from pipelines.read import limits, read_label

MASK = np.array([[0, 15, 20], [1, 0, 0]], np.uint8)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "benchmark_RELEASE/dataset"
    for name in ("2008_000002", "2008_000003", "2008_000007"):
        for part in ("img", "cls", "inst"):
            (root / part).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (3, 2)).save(root / f"img/{name}.jpg")
        write_sbd(root / f"cls/{name}.mat", MASK)
        write(root / f"inst/{name}.mat", matrix("GTinst", MASK))
    (root / "train.txt").write_text("2008_000002\n2008_000003\n")
    (root / "val.txt").write_text("2008_000007\n")
    # The demo of the owners' code has the same folders.
    demo = tmp_path / "benchmark_RELEASE/benchmark_code_RELEASE/demo/datadir"
    for part in ("img", "cls"):
        (demo / part).mkdir(parents=True)
    return root


@pytest.mark.parametrize("up", [0, 1, 2])
def test_masks_are_read_from_matlab_files(folder, up):
    root = [folder, folder.parent, folder.parent.parent][up]
    data = pipelines.load("sbd", root)
    assert data.num_classes == 21
    assert data.class_names[15] == "person"
    assert {split: data.num_examples(split) for split in data.splits} == {"train": 2, "val": 1}
    assert np.array_equal(data.example("val", 0)[1], MASK)
    assert data.check().faults.empty
    _, label = next(iter(data.train_batches(2)))
    assert np.array_equal(label[0], MASK)


def test_other_lists_leave_validation_out(folder):
    (folder / "train_noval.txt").write_text("2008_000003\r\n2008_000007\r\n")
    data = pipelines.load("sbd", folder, train_list="train_noval")
    assert [path[-15:-4] for path, _ in data.paths("train")] == ["2008_000003"]
    assert "1 pictures of 'train_noval' are in split 'val' too" in data.notes[0]
    listed = folder.parent / "mine.txt"
    listed.write_text("2008_000002\n")
    assert pipelines.load("sbd", folder, train_list=listed).num_examples("train") == 1


def test_missing_files_are_named(folder, tmp_path):
    with pytest.raises(ValueError, match=r"list of the dataset does not exist.*nothing\.txt"):
        pipelines.load("sbd", folder, train_list="nothing")
    (folder / "cls/2008_000003.mat").unlink()
    with pytest.raises(ValueError, match=r"does not exist. Received: .*2008_000003\.mat"):
        pipelines.load("sbd", folder)
    with pytest.raises(ValueError, match=r"SBD was not found. Received: root="):
        pipelines.load("sbd", tmp_path / "benchmark_RELEASE/dataset/img")


def test_voc_takes_the_pictures_of_sbd_without_its_validation(folder, tmp_path):
    """VOC's training pictures and all of SBD, less VOC's validation pictures."""
    root = tmp_path / "VOCdevkit/VOC2012"
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / part).mkdir(parents=True)
    (tmp_path / "VOCdevkit/VOC2007/JPEGImages").mkdir(parents=True)
    (tmp_path / "VOCdevkit/VOC2007/ImageSets/Segmentation").mkdir(parents=True)
    for name in ("2007_000032", "2008_000002", "2008_000003"):
        Image.new("RGB", (3, 2)).save(root / f"JPEGImages/{name}.jpg")
        Image.new("P", (3, 2)).save(root / f"SegmentationClass/{name}.png")
    (root / "SegmentationClass/2008_000002.png").unlink()
    (root / "ImageSets/Segmentation/train.txt").write_text("2007_000032\n")
    (root / "ImageSets/Segmentation/val.txt").write_text("2008_000003\n")
    data = pipelines.load("pascal_voc", tmp_path, sbd=tmp_path / "benchmark_RELEASE")
    assert data.paths("train") == [
        (str(root / "JPEGImages/2007_000032.jpg"), str(root / "SegmentationClass/2007_000032.png")),
        (str(root / "JPEGImages/2008_000002.jpg"), str(folder / "cls/2008_000002.mat")),
        (str(folder / "img/2008_000007.jpg"), str(folder / "cls/2008_000007.mat")),
    ]
    assert "1 pictures of 'train' and SBD are in split 'val' too" in data.notes[0]
    assert np.array_equal(data.example("train", 2)[1], MASK)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [True, False])
def test_matlab_files_of_both_orders_are_read(tmp_path, order, compressed):
    path = tmp_path / "a.mat"
    write_sbd(path, MASK, order=order, compressed=compressed)
    assert np.array_equal(read_label(path), MASK)
    wide = np.array([[0, 300, 7]], np.uint16)
    write(
        path, cells("captions", 5, order), matrix("regionMapStuff", np.ones((1, 3)), order),
        matrix("S", wide, order),
        order=order, compressed=compressed,
    )  # fmt: skip
    assert read_label(path).tolist() == [[0, 300, 7]]
    write(path, matrix("count", [[2.0]], order), matrix("mask", MASK * 1.0, order), order=order)
    assert np.array_equal(read_label(path), MASK)


def test_files_of_scipy_are_read(tmp_path):
    io = pytest.importorskip("scipy.io")
    mask = np.random.default_rng(0).integers(0, 21, (37, 50)).astype(np.uint8)
    for compressed in (True, False):
        boundaries = np.empty((20, 1), object)
        boundaries[:, 0] = [np.zeros((2, 2))] * 20
        fields = {"Boundaries": boundaries, "Segmentation": mask}
        io.savemat(tmp_path / "a.mat", {"GTcls": fields}, do_compression=compressed)
        assert np.array_equal(read_label(tmp_path / "a.mat"), mask)


def test_a_folder_of_matlab_masks_is_read(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (3, 2)).save(tmp_path / "images/a.jpg")
    (tmp_path / "images/a.mat").write_bytes(b"junk")
    write(tmp_path / "masks/a.mat", matrix("LabelMap", MASK))
    data = pipelines.from_folders(tmp_path / "images", tmp_path / "masks", 21, splits=(1.0,))
    assert np.array_equal(data.example("train", 0)[1], MASK)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"MATLAB 7.3 MAT-file".ljust(512), r"cannot be read"),
        (b"\x89HDF\r\n\x1a\n".ljust(512), r"cannot be read"),
        (b"MATLAB 5.0".ljust(124) + b"\0\1IM", r"must hold one matrix, or one of.*matrices \[\]"),
        (b"MATLAB 5.0".ljust(512), r"cannot be read"),
        (b"", r"cannot be read"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as fault:
        read_label(path)
    assert str(path) in str(fault.value)


def test_one_of_several_matrices_is_not_guessed(tmp_path):
    write(tmp_path / "a.mat", matrix("a", MASK), matrix("b", MASK))
    with pytest.raises(ValueError, match=r"must hold one matrix.*matrices \['a', 'b'\]"):
        read_label(tmp_path / "a.mat")


def test_what_unpacks_to_too_much_is_refused(tmp_path):
    write(tmp_path / "a.mat", matrix("S", np.zeros((100, 100), np.uint8)))
    assert read_label(tmp_path / "a.mat").shape == (100, 100)
    with limits(max_bytes=10_000), pytest.raises(ValueError, match=r"at most 10,000 bytes.*a\.mat"):
        read_label(tmp_path / "a.mat")


def test_masks_of_version_7_3_are_read(tmp_path):
    """MATLAB writes its columns as HDF5's rows."""
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file.create_group("GTcls")["Segmentation"] = MASK.T
    assert np.array_equal(read_label(tmp_path / "a.mat"), MASK)
