"""What keras_seg stored in an export: names and colors of the classes, how files become pixels."""

import json
import zipfile
from pathlib import Path

NOTES = "keras_seg.json"  # marks an export of keras_seg


def read_notes(path):
    """Read the metadata that `keras_seg` stored in an export.

    Args:
        path: SavedModel folder, .tflite or .onnx file.

    Returns:
        dict with "class_names", "palette" and "input_spec", or None for exports of other programs.
    """
    path = Path(path)
    if path.suffix == ".onnx":
        return _onnx_notes(path)
    try:
        if path.is_dir():
            return json.loads((path / "assets.extra" / NOTES).read_text("utf-8"))
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(NOTES))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def _onnx_notes(path):
    """The metadata of an .onnx file; None for exports of other programs."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        stored = onnx.load(str(path), load_external_data=False).metadata_props
        return json.loads({entry.key: entry.value for entry in stored}[NOTES])
    except (OSError, KeyError, ValueError, DecodeError):
        return None
