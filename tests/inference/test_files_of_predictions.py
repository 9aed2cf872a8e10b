"""Pictures, folders and videos in; label maps and overlays out; nothing lost."""

import cv2
import keras
import numpy as np
import pytest
from PIL import Image

from keras_seg.inference import files
from keras_seg.inference.files import predict_files
from keras_seg.inference.segmenter import Segmenter

PALETTE = [(10, 20, 30), (200, 0, 0)]


@pytest.fixture
def segmenter():
    """Class 1 where a pixel is brighter than 100 in red: logits 100 and the red value."""
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)])
    kernel = np.zeros((1, 1, 3, 2), "float32")
    kernel[0, 0, 0, 1] = 1
    model.set_weights([kernel, np.array([100, 0], "float32")])
    return Segmenter(model, ["dark", "bright"], PALETTE)


def write_picture(path):
    """Left half dark, right half bright; 40 high, 48 wide."""
    image = np.zeros((40, 48, 3), np.uint8)
    image[:, 24:] = 220
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def test_a_picture_gets_a_label_map_and_an_overlay_beside_it(segmenter, tmp_path):
    picture = write_picture(tmp_path / "street.png")
    written = predict_files(segmenter, [picture])
    assert written == [
        tmp_path / "predicted" / "street_labels.png",
        tmp_path / "predicted" / "street_overlay.png",
    ]
    labels = Image.open(written[0])
    assert labels.mode == "P"
    assert (np.asarray(labels) == np.repeat([[0] * 24 + [1] * 24], 40, axis=0)).all()
    assert np.asarray(labels.convert("RGB"))[0, 47].tolist() == [200, 0, 0]
    assert np.asarray(Image.open(written[1])).shape == (40, 48, 3)


def test_a_folder_gives_every_picture_and_leaves_other_files(segmenter, tmp_path):
    write_picture(tmp_path / "in" / "a.png")
    write_picture(tmp_path / "in" / "b.JPG")
    (tmp_path / "in" / "notes.txt").write_text("not a picture")
    written = predict_files(segmenter, [tmp_path / "in"], out=tmp_path / "out")
    assert [path.name for path in written] == [
        "a_labels.png",
        "a_overlay.png",
        "b_labels.png",
        "b_overlay.png",
    ]


def test_pictures_of_one_stem_do_not_replace_each_other(segmenter, tmp_path):
    write_picture(tmp_path / "a.png")
    write_picture(tmp_path / "a.bmp")
    written = predict_files(segmenter, [tmp_path])
    assert [path.name for path in written if "labels" in path.name] == [
        "a_bmp_labels.png",
        "a_png_labels.png",
    ]


def write_video(path):
    """Three gray frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (48, 40))
    for _ in range(3):
        writer.write(np.full((40, 48, 3), 220, np.uint8))
    writer.release()
    return path


def test_a_video_gives_a_video_of_the_same_length_and_size(segmenter, tmp_path):
    path = write_video(tmp_path / "drive.avi")
    written = predict_files(segmenter, [path])
    assert [one.name for one in tmp_path.glob("predicted/*")] == ["drive_overlay.mp4"]
    video = cv2.VideoCapture(str(written[0]))
    frames = [video.read()[1] for _ in range(3)]
    assert video.get(cv2.CAP_PROP_FPS) == 5
    assert [frame.shape for frame in frames] == [(40, 48, 3)] * 3
    assert not video.read()[0]
    # Gray 220 under half-transparent red: in blue, green, red order the last is the largest.
    assert frames[0][20, 24, 2] > frames[0][20, 24, 0] + 50


def test_a_video_that_stops_half_way_leaves_nothing(segmenter, tmp_path):
    class Stops(Segmenter):
        frames = 0

        def __call__(self, picture):
            self.frames += 1
            if self.frames == 3:
                raise KeyboardInterrupt
            return super().__call__(picture)

    with pytest.raises(KeyboardInterrupt):
        predict_files(
            Stops(segmenter.model, palette=PALETTE), [write_video(tmp_path / "drive.avi")]
        )
    assert not list(tmp_path.glob("predicted/*"))


def test_files_of_an_earlier_prediction_stay_unless_told_otherwise(segmenter, tmp_path):
    picture = write_picture(tmp_path / "street.png")
    labels = predict_files(segmenter, [picture])[0]
    labels.write_text("mine")
    with pytest.raises(ValueError, match=r"not replace files.*street_labels\.png.*--overwrite"):
        predict_files(segmenter, [picture])
    assert labels.read_text() == "mine"
    predict_files(segmenter, [picture], overwrite=True)
    assert np.asarray(Image.open(labels)).shape == (40, 48)


def test_a_folder_that_cannot_be_written_is_named_before_the_first_picture(segmenter, tmp_path):
    picture = write_picture(tmp_path / "street.png")
    with pytest.raises(ValueError, match=r"`predict` needs a writable folder.*street"):
        predict_files(segmenter, [picture], out=picture)


def test_labels_that_cannot_be_completed_leave_the_old_ones(segmenter, tmp_path, monkeypatch):
    written = predict_files(segmenter, [write_picture(tmp_path / "street.png")])
    before = [path.read_bytes() for path in written]

    def breaks(labels, *_):
        labels.path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(files, "write_png", breaks)
    with pytest.raises(OSError, match="disk full"):
        predict_files(segmenter, [tmp_path / "street.png"], overwrite=True)
    assert [path.read_bytes() for path in written] == before
    assert sorted((tmp_path / "predicted").iterdir()) == written


def test_two_pictures_of_one_name_cannot_share_a_folder(segmenter, tmp_path):
    names = ("left/b.png", "left/a.png", "right/b.png", "right/a.png")
    files = [write_picture(tmp_path / name) for name in names]
    with pytest.raises(ValueError, match=r"different names for one folder.*left/b\.png.*right/b"):
        predict_files(segmenter, files, out=tmp_path / "out")
    assert len(predict_files(segmenter, files)) == 8


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.png", "files or folders that exist.*missing.png"),
        ("notes.txt", "takes pictures or videos with.*notes.txt.*Known endings"),
        ("empty", "folder with pictures or videos in it.*empty"),
        ("broken.png", "cannot be read as a picture.*broken.png"),
        ("broken.mp4", "a video that OpenCV can decode.*broken.mp4"),
    ],
)
def test_what_is_no_picture_is_named(segmenter, tmp_path, name, words):
    (tmp_path / "empty").mkdir()
    for file in ("notes.txt", "broken.png", "broken.mp4"):
        (tmp_path / file).write_text("nothing to see")
    with pytest.raises(ValueError, match=words):
        predict_files(segmenter, [tmp_path / name])
    assert not list(tmp_path.glob("predicted/*"))


def test_a_video_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(
        ValueError, match=r"videos as mp4, which this build of OpenCV does not support.*such\.mp4"
    ):
        files._writer(tmp_path / "no" / "such.mp4", 25.0, (40, 48, 3))


@pytest.fixture
def volumes():
    """Class 1 where a voxel is brighter than 100."""
    model = keras.Sequential([keras.Input((None, None, None, 1)), keras.layers.Conv3D(2, 1)])
    model.set_weights([np.array([0, 1], "float32").reshape(1, 1, 1, 1, 2), np.array([100, 0.0])])
    return Segmenter(model, ["dark", "bright"], PALETTE)


def scan():
    """Bright in one corner, so that every turn of it would be seen."""
    values = np.zeros((4, 40, 36), np.uint8)
    values[:1, :10, :5] = 220
    return values


def test_a_volume_gets_a_volume_of_labels_and_its_middle_slice(volumes, tmp_path):
    np.save(tmp_path / "scan.npy", scan())
    labels, drawn = predict_files(volumes, [tmp_path])
    assert [labels.name, drawn.name] == ["scan_labels.npy", "scan_overlay.png"]
    assert np.array_equal(np.load(labels), scan() // 220)
    assert np.asarray(Image.open(drawn)).shape == (40, 36, 3)
    with pytest.raises(ValueError, match=r"does not replace files.*scan_labels\.npy"):
        predict_files(volumes, [tmp_path])


def test_a_stack_of_pages_is_a_volume_to_a_network_of_volumes(volumes, tmp_path):
    pages = [Image.fromarray(page) for page in scan()]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    labels, _ = predict_files(volumes, [tmp_path / "stack.tif"], tmp_path / "out")
    assert np.array_equal(np.load(labels), scan() // 220)


# Axes of the file that go along x, y and z, and which of them run backwards.
@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_labels_of_a_nifti_file_lie_on_its_own_voxels(volumes, tmp_path, axes, signs):
    nibabel = pytest.importorskip("nibabel")
    affine = np.eye(4)
    affine[:3, :3] = 0
    affine[axes, range(3)] = np.array(signs) * (1, 2, 3)
    affine[:3, 3] = (5, 6, 7)
    nibabel.Nifti1Image(scan(), affine).to_filename(tmp_path / "scan.nii")
    labels, _ = predict_files(volumes, [tmp_path / "scan.nii"])
    assert labels.name == "scan_labels.nii.gz"
    found = nibabel.load(labels)
    assert np.array_equal(np.asarray(found.dataobj), scan() // 220)
    np.testing.assert_allclose(found.affine, affine)
    assert found.get_data_dtype() == np.uint8


def test_a_picture_is_no_volume_to_a_network_of_volumes(volumes, tmp_path):
    picture = write_picture(tmp_path / "street.png")
    with pytest.raises(ValueError, match=r"takes volumes with this network.*street.png.*\.nii\.gz"):
        predict_files(volumes, [picture])
    with pytest.raises(ValueError, match=r"folder with volumes in it"):
        predict_files(volumes, [tmp_path])


def test_a_picture_that_the_memory_cannot_hold_names_the_option(segmenter, tmp_path, monkeypatch):
    picture = write_picture(tmp_path / "street.png")

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(segmenter, "_functions", fail)
    with pytest.raises(ValueError, match=r"street\.png' of 40 x 48 pixels.*`--tile 512`"):
        predict_files(segmenter, [picture])
    assert list((tmp_path / "predicted").iterdir()) == []


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("RESOURCE_EXHAUSTED: out of memory")]
)
def test_a_volume_that_does_not_fit_into_memory_is_named(volumes, tmp_path, monkeypatch, error):
    np.save(tmp_path / "scan.npy", scan())

    def fail(*_):
        raise error

    monkeypatch.setattr(volumes, "_functions", fail)
    with pytest.raises(
        ValueError, match=r"into memory. Received: '.*scan\.npy' of 4 x 40 x 36 voxels.*--tile"
    ):
        predict_files(volumes, [tmp_path])
    assert [path.name for path in tmp_path.rglob("*.*")] == ["scan.npy"]


def test_overlays_are_left_out_on_request(segmenter, tmp_path):
    written = predict_files(segmenter, [write_picture(tmp_path / "street.png")], overlays=False)
    assert (
        written
        == [tmp_path / "predicted" / "street_labels.png"]
        == list(written[0].parent.glob("*"))
    )
    assert np.asarray(Image.open(written[0]))[0, [23, 24]].tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"overlay and nothing else for a video.*drive\.avi"):
        predict_files(segmenter, [write_video(tmp_path / "drive.avi")], overlays=False)


def test_an_overlay_is_the_drawn_picture_without_loss(segmenter, tmp_path):
    picture = write_picture(tmp_path / "street.png")
    drawn = Image.open(predict_files(segmenter, [picture])[1])
    # Half of the picture's 0 and of (10, 20, 30); half of its 220 and of (200, 0, 0).
    assert drawn.mode == "RGB"
    assert np.asarray(drawn)[[0, 39], [0, 47]].tolist() == [[5, 10, 15], [210, 110, 110]]


def test_pictures_are_written_in_their_order_by_several_threads(segmenter, tmp_path):
    pictures = [write_picture(tmp_path / "in" / f"{n:02}.png") for n in range(20)]
    written = predict_files(segmenter, [tmp_path / "in"], out=tmp_path / "out")
    assert [path.name for path in written[::2]] == [f"{path.stem}_labels.png" for path in pictures]
    assert all(path.is_file() for path in written)
