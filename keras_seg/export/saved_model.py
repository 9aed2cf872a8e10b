"""SavedModel for TF Serving and for any TensorFlow, without Keras."""

import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from keras_seg import _check
from keras_seg.export import (
    comparison,
    exportable,
    picture_batches,
    publish,
    serving_files,
    signatures,
)
from keras_seg.export.report import ExportReport


def saved_model(  # noqa: PLR0913 - all but two have a default
    model,
    folder,
    class_names=None,
    palette=None,
    pictures=None,
    data=None,
    min_agreement=0.999,
    input_spec=None,
    size=None,
):
    """Write a SavedModel that takes uint8 pictures of any size and returns their label maps.

    Signatures, all on one set of weights:
    - "serving_default": input `image` uint8 (b, h, w, c), output `labels` (b, h, w), uint8 up to
      256 classes and int32 beyond.
    - "probabilities": the same input, output `probabilities` float32 (b, h, w, num_classes).
    - "encoded": input `image_bytes` string (b,), JPEG or PNG files of any sizes. Output
      `mask_png_bytes` string (b,), PNG files of the pictures' own sizes whose pixels are class ids
      and whose colors are the palette; and `class_shares` float32 (b, num_classes). For gray and
      RGB pictures that the input spec does not scale.
    - "fixed_size", with `size`: as "serving_default" for pictures of one size, which a server can
      batch.

    For a model of volumes, all of these have a depth before the height, and "encoded" is missing;
    for a classifier, the outputs are int32 (b,) and (b, num_classes). It loads without Keras,
    computes in float32, and stores each weight once, as a constant. Class names and palette are
    assets (`labels.txt`, `palette.csv`) and, with the input spec, in
    `assets.extra/keras_seg.json`; `assets.extra/tf_serving_warmup_requests` has a request for each
    signature, which TF Serving runs before it offers the model.

    Before it is kept, it is loaded and compared with the Keras model: on `data`, else on
    `pictures`, else on noise, and in each case also at an odd size if the model takes that; and
    "encoded" with "serving_default".
    Nothing is replaced. TF Serving serves the highest version number: write to `<run>/1`, then to
    `<run>/2`, and it changes to the new version without a pause.

    Args:
        model: Functional or Sequential Keras model from pixels 0..255 to logits (or a dict with
            "logits"). Outputs named `aux_*` are left out.
        folder: where to write, such as "saved_models/my_run/1"; must not exist.
        class_names: names in the order of ids.
        palette: colors (r, g, b) 0..255 in the order of ids.
        input_spec: how files are converted to pixels, `data.input_spec`; stored for programs that
            read files.
        pictures: uint8 pictures for the comparison, in a form that `calibration` of `tflite`
            accepts; 16 are used.
        data: batches (image, label) for the comparison, all are used; adds the mean IoU, or for
            classifiers the accuracy, of both.
        min_agreement: least share of pixels, 0..1, with the label of the Keras model.
        size: (height, width) of the pictures of the signature "fixed_size"; None for none.

    Returns:
        ExportReport.

    Raises:
        ValueError: if an argument is wrong, the folder exists, the backend is not TensorFlow, or
            the export does not agree with the Keras model.

    >>> report = saved_model(model, "saved_models/my_run/1")  # doctest: +SKIP
    >>> print(report)  # doctest: +SKIP
    """
    exportable.require_tensorflow("saved_model")
    _check.share("saved_model", "min_agreement", min_agreement, below_one=False)
    exported = exportable.logits_model(model)
    exportable.require_no_simulation("saved_model", exported)
    notes = exportable.class_notes(exported.output_shape[-1], class_names, palette)
    notes["input_spec"] = exportable.spec_notes(exported, input_spec)
    _check_size(exported.input_shape[1:], size)
    batches, words = picture_batches.comparison_batches("saved_model", exported, pictures, data)
    with publish.published("saved_model", folder, replace=False) as draft:
        write(exported, draft, notes, size)
        publish.write_notes(draft, notes)
        found, parts, shape = _compare(exported, draft, batches, words)
        # A request that the model refuses would keep TensorFlow Serving from loading it.
        warm_up = _warm_up(parts["signatures"], shape, size)
        serving_files.write_warm_up(draft, warm_up)
        comparison.require("saved_model", folder, found, min_agreement)
        files = [file for file in draft.rglob("*") if file.is_file()]
        parts["num_bytes"] = sum(file.stat().st_size for file in files)
    return ExportReport(Path(folder), "SavedModel", **parts, **vars(found))


def write(model, folder, notes, size=None):
    """Write the SavedModel with its signatures and assets.

    Args:
        model: from `exportable.logits_model`.
        folder: where to write.
        notes: dict with "class_names", "palette" and "input_spec".
        size: (height, width) of the signature "fixed_size"; None for none.
    """
    offered = signatures.signatures(model, notes, size)
    with tempfile.TemporaryDirectory() as temporary:
        exportable.save(folder, offered, serving_files.write_assets(temporary, notes))


def _warm_up(names, shape, size):
    """One request for each signature: (name, input name, TensorProto) of a black picture."""
    import tensorflow as tf

    requests = []
    for name in names:
        if name == "encoded":
            file = _png(np.zeros(shape, np.uint8))
            requests.append((name, "image_bytes", tf.make_tensor_proto([file])))
            continue
        one = (1, *size, shape[-1]) if name == "fixed_size" else (1, *shape)
        # One number for all pixels: a hundred bytes for a picture of any size.
        requests.append((name, "image", tf.make_tensor_proto(0, tf.uint8, one)))
    return requests


def _png(picture):
    """The bytes of a PNG file of a picture uint8 (h, w, c)."""
    import tensorflow as tf

    return tf.io.encode_png(picture).numpy()


def _check_size(shape, size):
    """Raise unless the size is (height, width) that a model of pictures can have."""
    if size is None:
        return
    sides = tuple(size) if isinstance(size, tuple | list) else ()
    whole = len(sides) == 2 and all(hasattr(n, "__index__") and n >= 1 for n in sides)
    fits = whole and len(shape) == 3
    if not fits or any(n not in (None, m) for n, m in zip(shape[:2], sides, strict=True)):
        raise ValueError(
            "`saved_model` needs size=(height, width) in pixels, for models of pictures, equal to "
            f"that of the model if it is fixed. Received: size={size!r}, model input={shape}. "
            "For example, pass size=(360, 480)."
        )


def _compare(model, folder, batches, words):
    """Load the folder as a server does, compare it, and tell the shape of the last picture."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    serve, probabilities = (loaded.signatures[n] for n in ("serving_default", "probabilities"))

    last = []

    def reference(image):
        last[:] = image.shape[1:]
        return np.asarray(tf.nn.softmax(model(image.astype("float32"), training=False)))

    def exported(image):
        image = tf.constant(image)
        return np.asarray(serve(image)["labels"]), probabilities(image)["probabilities"].numpy()

    compared = comparison.compare(reference, exported, batches, words)
    if "encoded" in loaded.signatures:
        # The size of the last picture is odd where the model takes that.
        _require_same_labels(folder, loaded.signatures, last)
    constants = {"Const", "Placeholder", "Identity", "NoOp"}
    nodes = _nodes(serve)
    operations = {name: nodes.count(name) for name in set(nodes) - constants}
    (image,) = serve.structured_input_signature[1].values()
    parts = {"operations": operations, "inputs": {"image": _words(image)}}
    parts["outputs"] = {name: _words(spec) for name, spec in serve.structured_outputs.items()}
    others = sorted(set(loaded.signatures) - {"serving_default"})
    parts["signatures"] = ("serving_default", *others)
    return compared, parts, tuple(last)


def _require_same_labels(folder, offered, shape):
    """Raise unless "encoded" gives the labels of "serving_default" for a picture."""
    import tensorflow as tf

    (picture,) = picture_batches.noise(1, shape)
    png = offered["encoded"](image_bytes=tf.constant([_png(picture)]))["mask_png_bytes"]
    labels = offered["serving_default"](image=tf.constant(picture[np.newaxis]))["labels"].numpy()
    found = np.asarray(Image.open(io.BytesIO(png.numpy()[0])))
    if not np.array_equal(found, labels[0]):
        share = np.mean(found == labels[0]) if found.shape == labels[0].shape else 0.0
        raise ValueError(
            '`saved_model` needs equal labels from its signatures "encoded" and "serving_default". '
            f"Received: agreement={share:.5f} on noise of {picture.shape}. Nothing was written to "
            f"{str(folder)!r}. Please report this."
        )


def _nodes(function):
    """The operations of a loaded signature and of the functions it calls."""
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return [node.op for node in nodes if not node.op.endswith("PartitionedCall")]


def _words(spec):
    return f"{spec.dtype.name} ({', '.join(str(n) for n in spec.shape)})"
