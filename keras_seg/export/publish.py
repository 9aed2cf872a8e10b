"""Writes beside the final name first, so that a reader never sees half an export."""

import contextlib
import json
import shutil
import uuid
import zipfile
from pathlib import Path

from keras_seg.whole_files import require_folder

# Says that an export is ours; holds the names and colors of its classes and the input spec.
NOTES = "keras_seg.json"


def read_notes(path):
    """What `keras_seg` noted in an export.

    Args:
        path: SavedModel folder or .tflite file.

    Returns:
        dict with "class_names", "palette" and "input_spec", or None if the export is not ours.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return json.loads((path / "assets.extra" / NOTES).read_text("utf-8"))
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(NOTES))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def write_notes(path, notes):
    """Stores the notes with an export, where no runtime minds them.

    A SavedModel gets `assets.extra/keras_seg.json`, the folder that TensorFlow leaves to others.
    A .tflite file gets a zip archive after its last byte, as MediaPipe does it: `keras_seg.json`,
    and `labels.txt` with one class name a line. Any zip program lists them.

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
def published(subject, path):
    """Gives a name to write under; moves it to the final name if the block ends without an error.

    An earlier export of ours under the final name is replaced in one step. Anything else that
    stands there is never touched. After an error nothing is left behind.

    Args:
        subject: the function that asks.
        path: the final name.

    Yields:
        Path beside the final one, which does not exist yet. It starts with a dot: TF Serving
        takes only folders that are numbers.

    Raises:
        ValueError: the final name is taken by something that is not ours, or the folder cannot be
            written.
    """
    path = Path(path)
    if path.exists() and read_notes(path) is None:
        raise ValueError(
            f"`{subject}` replaces earlier exports of keras_seg, and nothing else. "
            f"Received: path={str(path)!r}, which holds something else. "
            "Choose another name, or move away what is there."
        )
    require_folder(subject, path.parent)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield draft
        _move(draft, path)
    finally:
        _delete(draft)


def _move(draft, path):
    """Puts the draft in the place of what was at the path, or leaves all as it was."""
    if not path.is_dir():
        draft.replace(path)
        return
    # A folder that is not empty cannot be replaced, only moved away.
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
