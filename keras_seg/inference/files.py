"""Label maps for files: pictures, videos, volumes, and folders of those."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import cv2
from tqdm.auto import tqdm

from keras_seg.inference.engines import num_cores, sharing
from keras_seg.inference.frames import PICTURES, VIDEOS, files_in
from keras_seg.inference.pipeline import Pipeline
from keras_seg.inference.predictor import TOO_LARGE
from keras_seg.inference.volume_files import label_file, predict_volume
from keras_seg.inference.writers import LabelFile, write_png
from keras_seg.show import overlay
from keras_seg.whole_files import draft, require_folder
from pipelines.read import volume as volume_files
from pipelines.read.arrays import suffix_of
from pipelines.read.memory import fitting

LABEL_LEVEL = 3  # 1.6 ms for 360x480 pixels, where level 6 takes 4 and saves a third
# 7 ms for 360x480 pixels, where Pillow's lowest level takes 28 for a file 3 % smaller.
OVERLAY = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # since OpenCV 4.12
    OVERLAY += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]


class Task(NamedTuple):
    """One file to read and the files to write for it: label map, overlay, or both."""

    source: Path
    written: tuple


def predict_files(segmenter, paths, out=None, overwrite=False, overlays=True):
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
        overlays: whether to write overlays, which take longer than label maps.

    Returns:
        list of the paths written.

    Raises:
        ValueError: if a path does not exist or has the wrong type for the network, if an output
            file exists, or if its folder is not writable.
    """
    volumes = segmenter.dimensions == 3
    files = [file for path in paths for file in _media(Path(path), volumes)]
    tasks = _plan(files, out, volumes, overlays)
    existing = [path for task in tasks for path in task.written if path.exists()]
    if existing and not overwrite:
        raise ValueError(
            f"`predict` does not replace files. Received: {len(existing)} that exist, such as "
            f"'{existing[0]}'. Pass --out with another folder, or --overwrite."
        )
    for folder in dict.fromkeys(path.parent for task in tasks for path in task.written):
        require_folder("predict", folder)
    videos = [task for task in tasks if _is_video(task.source)]
    whole = [task for task in tasks if not _is_video(task.source)]
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


def _is_video(file):
    return suffix_of(file) in VIDEOS


def _plan(files, out, volumes, overlays):
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
        if _is_video(file) and not overlays:
            raise ValueError(
                "`predict` writes an overlay and nothing else for a video. "
                f"Received: '{file}' with overlays=False. Leave out `--no-overlay`, or use "
                "`segmenter.stream`."
            )
        if _is_video(file):
            written = (folder / f"{stem}_overlay.mp4",)
        else:
            ending = label_file(file) if volumes else ".png"
            written = (folder / f"{stem}_labels{ending}",)
            written += (folder / f"{stem}_overlay.png",) if overlays else ()
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
        size = f"{image.shape[0]} x {image.shape[1]} pixels"
        with fitting(f"'{task.source}' of {size}", TOO_LARGE), sharing(segmenter.workers):
            return task, image, segmenter.labels(image[None])[0]

    def write(found):
        task, image, labels = found
        _write_picture(image, labels, segmenter.palette, *task.written)

    return Pipeline(tasks, [read, (segment, segmenter.workers), (write, num_cores())])


def _write_picture(image, labels, palette, labels_path, overlay_path=None):
    with draft("predict", labels_path) as file:
        write_png(LabelFile(file, labels.shape, palette, None, None), [labels], LABEL_LEVEL)
    if overlay_path is None:
        return
    drawn = cv2.cvtColor(overlay(image, labels, palette), cv2.COLOR_RGB2BGR)
    with draft("predict", overlay_path) as file:
        file.write_bytes(cv2.imencode(".png", drawn, OVERLAY)[1].tobytes())


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
