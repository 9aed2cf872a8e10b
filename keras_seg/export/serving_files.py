"""Files around a SavedModel that servers and clients read: assets, warm-up, configuration."""

import json
from pathlib import Path

WARM_UP = "tf_serving_warmup_requests"
MODELS, BATCHING = "models.config", "batching.config"


def write_assets(folder, notes):
    """Write the files that become the assets of a SavedModel.

    `labels.txt` has a class name in each line, `palette.csv` a color after the heading
    "red,green,blue", both in the order of ids.

    Args:
        folder: where to write; exists.
        notes: dict with "class_names" and "palette"; what is None gives no file.

    Returns:
        list of paths.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> [path.name for path in write_assets(folder, {"class_names": ["sky"], "palette": None})]
    ['labels.txt']
    """
    texts = {}
    if notes["class_names"] is not None:
        texts["labels.txt"] = notes["class_names"]
    if notes["palette"] is not None:
        rows = [",".join(map(str, color)) for color in notes["palette"]]
        texts["palette.csv"] = ["red,green,blue", *rows]
    for name, lines in texts.items():
        (Path(folder) / name).write_text("\n".join(lines) + "\n", "utf-8")
    return [Path(folder) / name for name in texts]


def write_warm_up(folder, requests):
    """Write the requests that TF Serving runs when it loads a SavedModel, before it is available.

    Without them the first client waits until TensorFlow has optimized the graph.

    Args:
        folder: folder of the SavedModel.
        requests: list of (signature name, input name, TensorProto).
    """
    import tensorflow as tf

    (Path(folder) / "assets.extra").mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(Path(folder) / "assets.extra" / WARM_UP)) as file:
        for signature, name, tensor in requests:
            file.write(_prediction_log(signature, name, tensor.SerializeToString()))


def _prediction_log(signature, name, tensor):
    """A PredictionLog of TF Serving as bytes.

    Its field 6 is a PredictLog, whose field 1 is a PredictRequest: field 1 is a ModelSpec
    whose field 3 is the signature's name, field 2 a map from input names to tensors.
    (prediction_log.proto, predict.proto and model.proto in tensorflow_serving/apis)
    """
    spec = _field(1, _field(3, signature.encode()))
    entry = _field(2, _field(1, name.encode()) + _field(2, tensor))
    return _field(6, _field(1, spec + entry))


def _field(number, content):
    """A field of a protocol buffer that holds bytes: key, length, content."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value):
    r"""A whole number from 0 as protocol buffers write it: 7 bits per byte, the lowest first.

    >>> _varint(300)
    b'\xac\x02'
    """
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def next_version(folder):
    """The number of the next version in a folder of SavedModels, which TF Serving calls `folder`/1.

    Args:
        folder: folder with a subfolder for each version; need not exist.

    Returns:
        int, 1 more than the highest version.

    >>> next_version("no such folder")
    1
    """
    folder = Path(folder)
    present = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return max((int(name) for name in present if name.isdecimal()), default=0) + 1


def write_configuration(folder, name, max_batch_size=8):
    """Write `models.config` and `batching.config` for TF Serving into a folder of versions.

    Existing files are not replaced.

    Args:
        folder: folder with a subfolder for each version, mounted as /models/<name>.
        name: name of the model in the server.
        max_batch_size: requests that the server computes at a time, with batching.
    """
    models = [
        "model_config_list {",
        "  config {",
        f"    name: {json.dumps(name)}",
        f"    base_path: {json.dumps(f'/models/{name}')}",
        '    model_platform: "tensorflow"',
        "  }",
        "}",
    ]
    # A request waits at most 5 ms for others.
    batching = [
        f"max_batch_size {{ value: {max_batch_size} }}",
        "batch_timeout_micros { value: 5000 }",
        "num_batch_threads { value: 2 }",
        "max_enqueued_batches { value: 100 }",
    ]
    for file, lines in ((MODELS, models), (BATCHING, batching)):
        if not (Path(folder) / file).exists():
            (Path(folder) / file).write_text("\n".join(lines) + "\n", "utf-8")
