"""Volumes (d, h, w, c) go the way of pictures: from arrays and files to batches and reports."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import pipelines
from pipelines import Dataset, from_csv, from_folders
from pipelines.read import InputSpec, mask, read_image, read_label
from pipelines.read.faults import FileFault

SIZE = (10, 40, 36)


def volume(seed=0, channels=2, size=SIZE):
    """A volume and its mask, whose first channel holds 50 times the class."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 3, size).astype(np.uint8)
    image = random.integers(0, 255, (*size, channels)).astype(np.uint8)
    image[..., 0] = label * 50
    return image, label


def arrays(count=6, size=SIZE):
    images, labels = zip(*(volume(seed, size=size) for seed in range(count)), strict=True)
    return np.stack(images), np.stack(labels)


def dataset(**splits):
    counts = splits or {"train": 6, "val": 3}
    names = ["air", "body", "lesion"]
    parts = {split: arrays(count) for split, count in counts.items()}
    return Dataset.from_arrays("scans", names, None, parts)


def write(folder, ending, count=4, size=SIZE, channels=1):
    """Write pictures and masks into two folders, in one of the formats."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for seed in range(count):
        image, label = volume(seed, channels, size)
        image = image[..., 0] if channels == 1 else image
        for kind, array in (("images", image), ("masks", label)):
            path = folder / kind / f"case{seed}{ending}"
            if ending == ".npy":
                np.save(path, array)
            elif ending == ".npz":
                np.savez_compressed(path, array)
            elif ending == ".tif":
                pages = [Image.fromarray(page) for page in array]
                pages[0].save(path, save_all=True, append_images=pages[1:])
    return folder / "images", folder / "masks"


def test_arrays_become_batches():
    data = dataset()
    assert data.dimensions == 3
    (image, label), *rest = data.train_batches(
        2, [("random_crop", dict(height=32, width=32, depth=8))]
    )
    assert image.shape == (2, 8, 32, 32, 2)
    assert label.shape == (2, 8, 32, 32)
    assert len(rest) == 2
    np.testing.assert_array_equal(image[..., 0], label * 50)
    (image, label), last = data.eval_batches("val", 2)
    np.testing.assert_array_equal(image, arrays(2)[0])
    np.testing.assert_array_equal(last[1], arrays(3)[1][2:])


def test_volumes_are_shuffled_by_seed_and_epoch():
    data = dataset()

    def order(**arguments):
        batches = data.train_batches(1, **arguments)
        return [image.numpy().tobytes() for image, _ in batches]

    assert order(seed=1) == order(seed=1)
    assert order(seed=1) != order(seed=2)
    assert order(seed=1, epochs=2)[6:] == order(seed=1, first_epoch=1)
    assert set(order(seed=1)) == {image.tobytes() for image in arrays()[0]}


def test_pixels_are_counted_and_weighed():
    data = dataset()
    sizes, counts = data.measure("train")
    assert sizes.tolist() == [list(SIZE)] * 6
    labels = arrays()[1]
    assert counts[:, :3].sum(axis=0).tolist() == np.bincount(labels.ravel()).tolist()
    shares = np.bincount(labels.ravel()) / labels.size
    expected = 1 / (shares * 3)  # "inverse": 1 / (p * number of classes)
    np.testing.assert_allclose(data.class_weights("inverse"), expected)


def test_report_and_figure_of_volumes(tmp_path):
    data = dataset(train=4)
    report = data.check()
    assert report.splits.loc["train", "sizes"] == "10x40x36"
    assert report.crop == (32, 32, 32)
    assert "crops of 32x32x32" in str(report)
    assert len(report.duplicates) == 0
    figure = data.show(num_images=4)
    assert len(figure.axes) == 4
    # The first channel of the middle slice, half of it the color of its class.
    image, label = data.example("train", 0)
    shown = figure.axes[0].images[0].get_array()
    gray, color = image[5, 7, 9, 0], np.array(data.palette[label[5, 7, 9]])
    assert np.abs(shown[7, 9] - (0.5 * gray + 0.5 * color)).max() <= 0.5
    with pytest.raises(
        ValueError, match=r"`fix` supports masks of pictures only. Received: 'scans'"
    ):
        data.check(fix=tmp_path / "fixed")


def test_equal_volumes_of_two_splits_are_found():
    image, label = arrays(3)
    parts = {"train": (image, label), "val": (image[1:2], label[1:2])}
    report = Dataset.from_arrays("scans", ["a", "b", "c"], None, parts).check()
    assert report.duplicates[["path", "other_path", "equal"]].to_numpy().tolist() == [
        ["scans/train/00001", "scans/val/00000", True]
    ]


@pytest.mark.parametrize("ending", [".npy", ".npz", ".tif"])
def test_folders_of_volumes(tmp_path, ending):
    data = from_folders(
        *write(tmp_path, ending), classes=["air", "body", "lesion"], splits=(0.5, 0.5)
    )
    assert (data.dimensions, data.num_channels) == (3, 1)
    assert data.measure("train")[0].tolist() == [list(SIZE)] * 2
    for split in data.splits:
        for (image, label), (path, _) in zip(
            data.eval_batches(split), data.paths(split), strict=True
        ):
            expected, mask = volume(int(path.split("case")[1][0]), 1)
            np.testing.assert_array_equal(image[0], expected)
            np.testing.assert_array_equal(label[0], mask)
    assert data.check().valid


@pytest.mark.parametrize("cache", ["memory", "disk", None])
def test_channels_and_sizes_of_volumes_in_every_cache(tmp_path, cache):
    images, masks = write(tmp_path, ".npy", channels=4)
    odd, label = volume(9, 4, (7, 33, 35))
    np.save(images / "odd.npy", np.moveaxis(odd, -1, 0))  # channels first
    np.save(masks / "odd.npy", label)
    data = from_folders(
        images, masks, ["air", "body", "lesion"], splits={"train": 1.0}, cache=cache
    )
    assert data.num_channels == 4
    batches = {tuple(image.shape): (image, label) for image, label in data.eval_batches("train", 4)}
    assert set(batches) == {(4, *SIZE, 4), (1, 7, 33, 35, 4)}
    np.testing.assert_array_equal(batches[1, 7, 33, 35, 4][0][0], odd)
    np.testing.assert_array_equal(batches[1, 7, 33, 35, 4][1][0], label)


def test_modalities_in_folders_of_their_own(tmp_path):
    images, masks = write(tmp_path / "a", ".npy")
    others, _ = write(tmp_path / "b", ".npy")
    data = from_folders([images, others], masks, ["air", "body", "lesion"], splits={"train": 1.0})
    image, label = data.example("train", 1)
    assert image.shape == (*SIZE, 2)
    np.testing.assert_array_equal(image[..., 1], label * 50)


def test_table_of_volumes(tmp_path):
    images, masks = write(tmp_path, ".npy", 2)
    rows = pd.DataFrame({
        "image": sorted(map(str, images.iterdir())), "mask": sorted(map(str, masks.iterdir())),
        "split": ["train", "val"],
    })  # fmt: skip
    data = from_csv(rows, ["air", "body", "lesion"])
    assert data.dimensions == 3
    np.testing.assert_array_equal(data.example("val", 0)[0], volume(1, 1)[0])


def test_a_volume_without_a_mask_is_known_by_its_axes(tmp_path):
    np.save(tmp_path / "a.npy", volume()[0])
    rows = pd.DataFrame({"image": ["a.npy"], "mask": [None], "split": ["test"]})
    data = from_csv(rows, ["air"], root=tmp_path)
    assert data.dimensions == 3
    assert (data.example("test", 0)[1] == 255).all()
    assert data.example("test", 0)[1].shape == SIZE


def test_numbers_of_other_types_are_scaled_as_those_of_pictures_are(tmp_path):
    deep = (np.arange(6 * 40 * 40).reshape(6, 40, 40) * 6).astype(np.uint16)
    np.save(tmp_path / "a.npy", deep)
    found = read_image(tmp_path / "a.npy", InputSpec(1, 3))[..., 0]
    np.testing.assert_array_equal(found, np.rint(deep / 257))  # 65535 / 255
    houndsfield = np.linspace(-1000, 3000, 6 * 40 * 40).reshape(6, 40, 40)
    for dtype in (np.int16, np.float32):
        np.save(tmp_path / "b.npy", houndsfield.astype(dtype))
        with pytest.raises(FileFault, match=r"8 or 16 bits per channel.*b.npy.*Give `value_range"):
            read_image(tmp_path / "b.npy", InputSpec(1, 3))
        found = read_image(tmp_path / "b.npy", InputSpec(1, 3, (-200, 300)))[..., 0].astype(float)
        window = np.clip((houndsfield + 200) / 500 * 255, 0, 255)
        assert np.abs(found - window).max() <= 0.5 + 255 / 500  # whole numbers in int16


@pytest.mark.parametrize(("shape", "volume"), [
    ((40, 36), False), ((1, 40, 36), False), ((40, 36, 1), False), ((40, 36, 3), False),
    ((2, 40, 36), True), ((10, 40, 36), True), ((40, 36, 5), True),
])  # fmt: skip
def test_a_mask_says_by_its_axes_whether_it_is_a_volume(tmp_path, shape, volume):
    np.save(tmp_path / "mask.npy", np.ones(shape, np.uint8))
    assert mask.is_volume(tmp_path / "mask.npy") == volume
    assert read_label(tmp_path / "mask.npy").shape == (shape if volume else (40, 36))


def test_pages_of_another_size_are_no_slices(tmp_path):
    page, thumbnail = (Image.fromarray(np.ones(size, np.uint8)) for size in ((40, 36), (10, 9)))
    page.save(tmp_path / "mask.tif", save_all=True, append_images=[thumbnail])
    assert read_label(tmp_path / "mask.tif").shape == (40, 36)


def test_a_stack_that_is_cut_off_is_damaged_and_not_shorter(tmp_path):
    images, masks = write(tmp_path, ".tif", 3)
    path = images / "case1.tif"
    data = from_folders(images, masks, ["air", "body", "lesion"], splits={"train": 1.0})
    path.write_bytes(path.read_bytes()[:-2000])  # the last of 10 pages of 40x36 bytes, and more
    rule = r"cannot be read.*case1\.tif' \(the page after page \d is missing\)"
    with pytest.raises(FileFault, match=rule):
        read_image(path, InputSpec(1, 3))
    assert data.check().faults[["kind", "path"]].to_numpy().tolist() == [["unreadable", str(path)]]


def test_one_damaged_mask_does_not_make_pictures_of_volumes(tmp_path):
    images, masks = write(tmp_path, ".npy", 3)
    np.save(masks / "case0.npy", np.zeros((40, 36), np.uint8))
    data = from_folders(images, masks, ["air", "body", "lesion"], splits={"train": 1.0})
    assert data.dimensions == 3
    assert data.check().faults["path"].tolist() == [str(masks / "case0.npy")]


def test_masks_of_volumes_hold_whole_numbers(tmp_path):
    np.save(tmp_path / "mask.npy", np.full(SIZE, 2.0))
    assert read_label(tmp_path / "mask.npy").dtype == np.int64
    np.save(tmp_path / "mask.npy", np.full(SIZE, 0.5))
    with pytest.raises(FileFault, match=r"Masks must hold whole numbers. Received: float64"):
        read_label(tmp_path / "mask.npy")
    np.save(tmp_path / "mask.npy", np.full(SIZE, "a"))
    with pytest.raises(FileFault, match=r"Arrays must hold numbers.*mask.npy"):
        read_label(tmp_path / "mask.npy")


def test_a_mask_has_the_size_of_its_volume(tmp_path):
    images, masks = write(tmp_path, ".npy", 2)
    np.save(masks / "case1.npy", np.zeros((9, 40, 36), np.uint8))
    data = from_folders(images, masks, ["air", "body", "lesion"], splits={"train": 1.0})
    with pytest.raises(FileFault, match=r"size of its picture.*\(10, 40, 36\).*\(9, 40, 36\)"):
        data.example("train", 1)
    assert data.check().faults["kind"].tolist() == ["size mismatch"]
    assert data.reading(on_error="skip").num_examples("train") == 1


def test_a_picture_among_volumes_is_named(tmp_path):
    images, masks = write(tmp_path, ".npy", 2)
    np.save(images / "case1.npy", np.zeros((40, 36), np.uint8))
    data = from_folders(images, masks, ["air", "body", "lesion"], splits={"train": 1.0})
    rule = r"In a data set of volumes, pictures must be volumes.*Received: \(40, 36\).*case1.npy"
    with pytest.raises(FileFault, match=rule):
        data.train_batches(1)
    Image.new("L", (36, 40)).save(images / "case1.png")
    (images / "case1.npy").unlink()
    data = from_folders(images, masks, ["air", "body", "lesion"], splits={"train": 1.0})
    with pytest.raises(FileFault, match=r"Received: a file .png in .*case1.png"):
        data.train_batches(1)


def test_a_volume_among_pictures_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", volume()[0])
    Image.new("L", (36, 40)).save(tmp_path / "a_mask.png")
    data = from_folders(tmp_path, tmp_path, ["air"], splits={"train": 1.0})
    with pytest.raises(FileFault, match=r"Files .npz, .nii and .nii.gz hold volumes.*a.npz"):
        data.train_batches(1)


def test_npz_files_hold_one_array(tmp_path):
    np.savez(tmp_path / "two.npz", a=np.zeros(SIZE), b=np.zeros(SIZE))
    with pytest.raises(FileFault, match=r"A .npz file must hold one array.*two.npz"):
        read_label(tmp_path / "two.npz")
    np.savez(tmp_path / "flat.npz", np.zeros((40, 36)))
    with pytest.raises(FileFault, match=r"Masks in .npz files must be volumes.*\(40, 36\)"):
        read_label(tmp_path / "flat.npz")
    whole = io.BytesIO()
    np.savez(whole, np.zeros(SIZE))
    (tmp_path / "half.npz").write_bytes(whole.getvalue()[:5000])
    with pytest.raises(FileFault, match=r"damaged or has an unsupported format.*half.npz"):
        read_label(tmp_path / "half.npz")


def test_splits_are_all_of_pictures_or_all_of_volumes():
    flat = np.zeros((2, 40, 36, 2), np.uint8), np.zeros((2, 40, 36), np.uint8)
    with pytest.raises(ValueError, match=r"All splits need pictures \(2\), or all volumes \(3\)"):
        Dataset.from_arrays("mixed", ["a", "b", "c"], None, {"train": arrays(2), "val": flat})


def test_nifti_files_are_turned_upright(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    stored = np.zeros((6, 8, 4), np.int16)  # x to the right, y to the front, z up
    stored[5, 7, 3] = 2  # right, front, top of the head
    nibabel.Nifti1Image(stored, np.eye(4)).to_filename(tmp_path / "a_seg.nii.gz")
    flipped = nibabel.Nifti1Image(stored[::-1], np.diag([-1.0, 1, 1, 1]))  # x to the left
    flipped.to_filename(tmp_path / "b_seg.nii.gz")
    for name in "ab":
        label = read_label(tmp_path / f"{name}_seg.nii.gz")
        assert label.shape == (4, 8, 6)
        # The last slice, the first row, the column of the patient's right: the first one.
        assert np.argwhere(label == 2).tolist() == [[3, 0, 0]]
        nibabel.Nifti1Image(np.stack([stored] * 2, axis=-1) * 100, np.eye(4)).to_filename(
            tmp_path / f"{name}.nii.gz"
        )
    data = from_folders(
        tmp_path, tmp_path, ["air", "body", "lesion"], splits={"train": 1.0}, value_range=(0, 255)
    )
    image, label = data.example("train", 0)
    assert image.shape == (4, 8, 6, 2)
    np.testing.assert_array_equal(image[..., 1], label * 100)
    assert data.check().valid


def test_repairs_of_a_nifti_header_are_logged_once_with_the_file(tmp_path, caplog, capfd):
    nibabel = pytest.importorskip("nibabel")
    path = tmp_path / "scan.nii"
    nibabel.Nifti1Image(np.ones((6, 8, 4), np.uint8), np.eye(4)).to_filename(path)
    header = bytearray(path.read_bytes())
    header[80:84] = np.float32(-1).tobytes()  # pixdim[1], the width of a voxel, at byte 80
    path.write_bytes(header)
    for _ in range(2):
        assert read_label(path).shape == (4, 8, 6)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"{path}: invalid NIfTI header, repaired in memory: pixdim" in caplog.text
    assert "pixdim" not in capfd.readouterr().err
    header[70:72] = b"\xff\x7f"  # datatype, at byte 70: not one of the standard's
    (tmp_path / "other.nii").write_bytes(header)
    with pytest.raises(FileFault, match=r"cannot be read.*other\.nii"):
        read_label(tmp_path / "other.nii")
    assert "data code" not in capfd.readouterr().err


def test_names_of_nifti_files_are_matched():
    from pipelines.find.names import key_of

    assert key_of("scans/A_seg.nii.gz", "scans") == "A_seg"
    assert pipelines.find.pairs.suffix_of("A.NII.GZ") == ".nii.gz"
