"""The frames of a video, a camera or a folder of pictures, one after the other."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from pipelines.read import image as image_files
from pipelines.read import volume as volume_files
from pipelines.read.arrays import suffix_of

PICTURES = tuple(suffix for suffix in image_files.SUFFIXES if suffix not in volume_files.ONLY)
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")


def frames(source) -> Iterator:
    """Open a source and iterate over its frames.

    Args:
        source: path of a video; folder of pictures, in the order of their names; number of a
            camera; address of a network camera, such as "rtsp://..."; or any iterable of pictures
            (arrays or paths), also an array (n, h, w, c). An empty one has no frames.

    Returns:
        Iterator of uint8 arrays (h, w, 3), red first, for videos and cameras; of paths for folders;
        of the pictures themselves for iterables.

    Raises:
        ValueError: a file, folder or camera does not exist, cannot be opened or has no frame.
        TypeError: the source is none of these.

    >>> pictures = [np.zeros((4, 6, 3), "uint8")] * 2
    >>> [frame.shape for frame in frames(pictures)]
    [(4, 6, 3), (4, 6, 3)]
    """
    if isinstance(source, str) and "://" in source:
        return _video_frames(source, "a stream that OpenCV can open")
    if isinstance(source, str | Path):
        path = Path(source)
        if path.is_dir():
            return iter(files_in(path, PICTURES, "stream", "pictures"))
        if path.is_file() and suffix_of(path) in VIDEOS:
            return _video_frames(str(path), "a video that OpenCV can decode")
        reason = "of another type" if path.is_file() else "which does not exist"
        raise ValueError(
            "`stream` needs a video, a folder of pictures, the number of a camera, or an "
            f"iterable of pictures. Received: source='{source}', {reason}. "
            f"Known endings of videos: {' '.join(VIDEOS)}."
        )
    if isinstance(source, int) and not isinstance(source, bool):
        return _video_frames(source, "the number of a camera that is connected")
    one = source.ndim != 4 if isinstance(source, np.ndarray) else isinstance(source, dict | bytes)
    if isinstance(source, Iterable) and not one:
        return iter(source)
    raise TypeError(
        "`stream` needs a video, a folder of pictures, the number of a camera, or an iterable of "
        f"pictures. Received: {type(source).__name__}. For one picture, call the segmenter."
    )


def files_in(folder: Path, endings: tuple, subject: str, kinds: str) -> list[Path]:
    """Return the files of a folder that have one of the endings, in the order of their names.

    Args:
        folder: the folder.
        endings: such as (".png", ".jpg").
        subject: name of the caller, such as "predict".
        kinds: what the files are, such as "pictures".

    Returns:
        list of paths.

    Raises:
        ValueError: if there are none.
    """
    # Hidden files are those that systems put beside others, such as "._a.png".
    found = sorted(
        file
        for file in folder.iterdir()
        if suffix_of(file) in endings and not file.name.startswith(".") and file.is_file()
    )
    if not found:
        raise ValueError(
            f"`{subject}` needs a folder with {kinds} in it. "
            f"Received: '{folder}' without any. Known endings: {' '.join(endings)}."
        )
    return found


def _video_frames(source: str | int, wanted: str) -> Iterator[np.ndarray]:
    video = cv2.VideoCapture(source)
    more, frame = video.read()
    if not more:
        video.release()
        raise ValueError(
            f"`stream` needs {wanted}. Received: source={source!r}, from which no frame can be "
            "read. Check it in a video player; files can be converted, for example to H.264 mp4."
        )
    return _decoded(video, frame)


def _decoded(video: cv2.VideoCapture, frame: np.ndarray) -> Iterator[np.ndarray]:
    more = True
    try:
        while more:
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            more, frame = video.read()
    finally:
        video.release()
