"""Writes exports under a temporary name, so that a reader never sees an incomplete one."""

import contextlib
import json
import shutil
import uuid
import zipfile
from pathlib import Path

from keras_seg.export.serving_files import next_version
from keras_seg.inference.export_notes import NOTES, read_notes
from keras_seg.whole_files import require_folder


def write_notes(path, notes):
    """Store metadata in an export, where runtimes ignore it.

    A SavedModel gets `assets.extra/keras_seg.json`, in the folder that TensorFlow reserves for
    this. A zip archive is appended to a .tflite file, as MediaPipe does: `keras_seg.json`, and
    `labels.txt` with one class name per line. Any zip program can read them.

    Args:
        path: SavedModel folder or .tflite file.
        notes: dict with "class_names", "palette" and "input_spec".
    """
    text = json.dumps(notes, ensure_ascii=False, indent=1)
    if path.is_dir():
        (path / "assets.extra").mkdir(exist_ok=True)
        (path / "assets.extra" / NOTES).write_text(text + "\n", "utf-8")
        return
    with zipfile.ZipFile(path, "a") as archive:
        # A fixed date: the same model gives the same bytes.
        archive.writestr(zipfile.ZipInfo(NOTES), text)
        if notes.get("class_names"):
            archive.writestr(zipfile.ZipInfo("labels.txt"), "\n".join(notes["class_names"]) + "\n")


@contextlib.contextmanager
def published(subject, path, replace=True):
    """Provide a temporary path; rename it to the final one if the block ends without an error.

    An earlier export of keras_seg at the final path is replaced in one step. Anything else there
    is never touched. After an error nothing is left behind.

    Args:
        subject: name of the calling function.
        path: the final path.
        replace: whether an earlier export may be there.

    Yields:
        Path in the same folder, which does not exist yet. It starts with a dot: TF Serving serves
        only folders whose name is a number.

    Raises:
        ValueError: if something else exists at the final path, or the folder is not writable.
    """
    path = Path(path)
    if path.exists() and not replace:
        next_one = path.parent / str(next_version(path.parent))
        raise ValueError(
            f"`{subject}` writes a new folder and replaces nothing. "
            f"Received: folder={str(path)!r}, which exists. For example, write to "
            f"{str(next_one)!r}: servers change to the highest version."
        )
    if path.exists() and read_notes(path) is None:
        raise ValueError(
            f"`{subject}` replaces earlier exports of keras_seg, and nothing else. "
            f"Received: path={str(path)!r}, which is something else. "
            "Choose another name, or move the existing file or folder."
        )
    require_folder(subject, path.parent)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield draft
        if replace:
            _move(draft, path)
        else:
            draft.rename(path)  # an error if somebody has made the folder meanwhile
    finally:
        _delete(draft)


def _move(draft, path):
    """Replace what is at the path by the draft, or leave everything as it was."""
    if not path.is_dir():
        draft.replace(path)
        return
    # A folder that is not empty cannot be replaced, only renamed.
    old = draft.with_suffix(".old")
    path.rename(old)
    try:
        draft.rename(path)
    except OSError:
        old.rename(path)
        raise
    _delete(old)


def _delete(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
