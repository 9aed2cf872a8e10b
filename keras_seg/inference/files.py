"""Label maps for files: pictures, videos, volumes, and folders of those."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from keras_seg.inference.frames import PICTURES, VIDEOS, files_in
from keras_seg.inference.pipeline import Pipeline
from keras_seg.inference.predictor import TOO_LARGE
from keras_seg.inference.volume_files import label_file, predict_volume
from keras_seg.show import overlay
from keras_seg.whole_files import draft, require_folder
from pipelines.read import volume as volume_files
from pipelines.read.arrays import suffix_of
from pipelines.read.memory import fitting


class Task(NamedTuple):
    """One file to read and the files to write for it: label map and overlay, or overlay alone."""

    source: Path
    written: tuple


def predict_files(segmenter, paths, out=None, overwrite=False):
    """Write a label map and an overlay for every picture, and an overlay for every video.

    For `street.jpg`: `street_labels.png`, a palette PNG whose pixels are class ids, and
    `street_overlay.png`. For `drive.mp4`: `drive_overlay.mp4`. For a volume `scan.nii.gz`:
    `scan_labels.nii.gz`, voxel by voxel, and the middle slice as `scan_overlay.png`; for other
    volumes `scan_labels.npy`. All file names are checked before the first file is written.

    Args:
        segmenter: a `Segmenter` with a palette.
        paths: pictures and videos, or volumes for a network of volumes, or folders of these.
        out: folder to write to; a folder `predicted` beside each file if None.
        overwrite: whether to replace existing files.

    Returns:
        list of the paths written.

    Raises:
        ValueError: if a path does not exist or has the wrong type for the network, if an output
            file exists, or if its folder is not writable.
    """
    volumes = segmenter.dimensions == 3
    files = [file for path in paths for file in _media(Path(path), volumes)]
    tasks = _plan(files, out, volumes)
    existing = [path for task in tasks for path in task.written if path.exists()]
    if existing and not overwrite:
        raise ValueError(
            f"`predict` does not replace files. Received: {len(existing)} that exist, such as "
            f"'{existing[0]}'. Pass --out with another folder, or --overwrite."
        )
    for folder in dict.fromkeys(path.parent for task in tasks for path in task.written):
        require_folder("predict", folder)
    # Of a video only the overlay is written.
    videos = [task for task in tasks if len(task.written) == 1]
    whole = [task for task in tasks if len(task.written) == 2]
    with tqdm(total=len(tasks), desc="Predicting", unit="file", disable=len(tasks) == 1) as bar:
        with _predicted(segmenter, whole, volumes) as written:
            for _ in written:
                bar.update()
        for task in videos:
            _predict_video(segmenter, task.source, *task.written)
            bar.update()
    return [path for task in tasks for path in task.written]


def _media(path, volumes):
    """The files given by a path."""
    known, kinds = (
        (volume_files.SUFFIXES, "volumes") if volumes else (PICTURES + VIDEOS, "pictures or videos")
    )
    if path.is_dir():
        return files_in(path, known, "predict", kinds)
    if not path.is_file():
        raise ValueError(
            "`predict` needs files or folders that exist. "
            f"Received: '{path}'. Check its spelling; '{Path.cwd()}' is the working folder."
        )
    if suffix_of(path) not in known:
        raise ValueError(
            f"`predict` takes {kinds} with this network. "
            f"Received: '{path}'. Known endings: {' '.join(known)}."
        )
    return [path]


def _plan(files, out, volumes):
    """What is written for each file; two files of the same stem keep their endings in the name."""
    files = list(dict.fromkeys(files))
    folders = {file: Path(out) if out else file.parent / "predicted" for file in files}
    stems = {file: file.name[: -len(suffix_of(file))] for file in files}  # a of a.nii.gz
    uses = Counter((folders[file], stems[file]) for file in files)
    tasks = []
    for file in files:
        folder = folders[file]
        alone = uses[folder, stems[file]] == 1
        stem = stems[file] if alone else file.name.replace(".", "_")
        if file.suffix.lower() in VIDEOS:
            written = (folder / f"{stem}_overlay.mp4",)
        else:
            ending = label_file(file) if volumes else ".png"
            written = (folder / f"{stem}_labels{ending}", folder / f"{stem}_overlay.png")
        tasks.append(Task(file, written))
    _require_distinct(tasks)
    return tasks


def _require_distinct(tasks):
    sources = {}
    for source, path in ((task.source, path) for task in tasks for path in task.written):
        if path in sources:
            raise ValueError(
                "`predict` needs files of different names for one folder. Received: "
                f"'{sources[path]}' and '{source}'. Omit --out to write the results "
                "beside the pictures."
            )
        sources[path] = source


def _predicted(segmenter, tasks, volumes):
    """A pipeline that reads, segments and writes pictures at the same time; volumes one by one."""
    if volumes:
        return Pipeline(tasks, [lambda task: predict_volume(segmenter, task.source, *task.written)])

    def read(task):
        return task, segmenter.read(task.source)

    def segment(found):
        task, image = found
        with fitting(f"'{task.source}' of {image.shape[0]} x {image.shape[1]} pixels", TOO_LARGE):
            return task, image, segmenter.labels(image[None])[0]

    def write(found):
        task, image, labels = found
        _write_picture(image, labels, segmenter.palette, *task.written)

    return Pipeline(tasks, [read, segment, write])


def _write_picture(image, labels, palette, labels_path, overlay_path):
    colors = np.zeros((256, 3), np.uint8)
    colors[: len(palette)] = palette
    indexed = Image.fromarray(labels).convert("P")
    indexed.putpalette(colors.tobytes())
    with draft("predict", labels_path) as file:
        indexed.save(file)
    with draft("predict", overlay_path) as file:
        # Half as large again as with the default level, in a third of the time.
        Image.fromarray(overlay(image, labels, palette)).save(file, compress_level=1)


def _predict_video(segmenter, source, overlay_path):
    video = cv2.VideoCapture(str(source))
    count = max(int(video.get(cv2.CAP_PROP_FRAME_COUNT)), 0) or None
    rate = video.get(cv2.CAP_PROP_FPS)
    video.release()
    with draft("predict", overlay_path) as file, segmenter.stream(source, draw=True) as frames:
        writer = None
        try:
            for frame in tqdm(frames, desc=source.name, total=count, unit="frame"):
                writer = writer or _writer(file, rate, frame.overlay.shape)
                writer.write(cv2.cvtColor(frame.overlay, cv2.COLOR_RGB2BGR))
        finally:
            if writer is not None:
                writer.release()


def _writer(path, frames_per_second, shape):
    height, width = shape[:2]
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter.fourcc(*"mp4v"), frames_per_second or 25.0, (width, height)
    )
    if not writer.isOpened():
        raise ValueError(
            "`predict` writes videos as mp4, which this build of OpenCV does not support. "
            f"Received: '{path}'. Install opencv-python-headless from its wheel."
        )
    return writer
