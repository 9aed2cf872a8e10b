"""SavedModel for TF Serving and for any TensorFlow, without Keras."""

import itertools
from pathlib import Path

import numpy as np

from keras_seg import _check
from keras_seg.export import comparison, exportable, picture_batches, publish
from keras_seg.export.report import ExportReport


def saved_model(  # noqa: PLR0913 - each is one thing a person sets, all but two have a default
    model,
    folder,
    class_names=None,
    palette=None,
    pictures=None,
    data=None,
    min_agreement=0.999,
    input_spec=None,
):
    """Write a SavedModel that takes uint8 pictures of any size and returns their label maps.

    Signature "serving_default": input `image` uint8 (b, h, w, c), output `labels` (b, h, w), uint8
    up to 256 classes and int32 beyond. Signature "probabilities": the same input, output
    `probabilities` float32 (b, h, w, num_classes). For a model of volumes, all of these have a
    depth before the height; for a classifier, they are int32 (b,) and (b, num_classes).
    It loads without Keras, computes in float32, stores each weight once,
    as a constant, and contains class names, palette and input spec in
    `assets.extra/keras_seg.json`.

    Before it is kept, it is loaded and compared with the Keras model: on `data`, else on
    `pictures`, else on noise, and in each case also at an odd size if any size is allowed.
    An earlier export of keras_seg in the folder is replaced; anything else there is an error. TF
    Serving serves the highest version number: name the folders `<run>/1`, `<run>/2` to keep both.

    Args:
        model: Functional or Sequential Keras model from pixels 0..255 to logits (or a dict with
            "logits"). Outputs named `aux_*` are left out.
        folder: where to write, such as "saved_models/my_run/1".
        class_names: names in the order of ids.
        palette: colors (r, g, b) 0..255 in the order of ids.
        input_spec: how files become pixels, `data.input_spec`; stored for programs that read files.
        pictures: uint8 pictures for the comparison, in a form that `calibration` of `tflite` may
            have; 16 are used.
        data: batches (image, label) for the comparison, all are used; adds the mean IoU, or for
            classifiers the accuracy, of both.
        min_agreement: least share of pixels, 0..1, with the label of the Keras model.

    Returns:
        ExportReport.

    Raises:
        ValueError: if an argument is wrong, the backend is not TensorFlow, or the export does not
            agree with the Keras model.

    >>> report = saved_model(model, "saved_models/my_run/1")  # doctest: +SKIP
    >>> print(report)  # doctest: +SKIP
    """
    exportable.require_tensorflow("saved_model")
    _check.share("saved_model", "min_agreement", min_agreement, below_one=False)
    exported = exportable.logits_model(model)
    notes = exportable.class_notes(exported.output_shape[-1], class_names, palette)
    notes["input_spec"] = exportable.spec_notes(exported, input_spec)
    shape = exported.input_shape[1:]
    classes = len(exported.output_shape) == 2
    batches, words = _comparison_batches(shape, pictures, data, classes)
    with publish.published("saved_model", folder) as draft:
        write(exported, draft)
        publish.write_notes(draft, notes)
        found, parts = _compare(exported, draft, batches, words)
        comparison.require("saved_model", folder, found, min_agreement)
        files = [file for file in draft.rglob("*") if file.is_file()]
        parts["num_bytes"] = sum(file.stat().st_size for file in files)
    return ExportReport(Path(folder), "SavedModel", **parts, **vars(found))


def write(model, folder):
    """Write the SavedModel with the signatures for servers.

    Args:
        model: from `exportable.logits_model`.
        folder: where to write.
    """
    import tensorflow as tf

    shape = (None, *model.input_shape[1:])
    image = tf.TensorSpec(shape, tf.uint8, name="image")
    logits = exportable.frozen(model, shape, "uint8")
    of_maps = len(model.output_shape) > 2
    label_type = tf.uint8 if of_maps and model.output_shape[-1] <= 256 else tf.int32

    @tf.function(input_signature=[image], autograph=False)
    def labels(image):
        found = tf.argmax(logits(image), axis=-1, output_type=tf.int32)
        return {"labels": tf.cast(found, label_type)}

    @tf.function(input_signature=[image], autograph=False)
    def probabilities(image):
        return {"probabilities": tf.nn.softmax(logits(image))}

    signatures = {"serving_default": labels, "probabilities": probabilities}
    exportable.save(folder, signatures)


def _comparison_batches(shape, pictures, data, classes):
    """Batches for the comparison, and their description."""
    size = shape[:-1]
    # Odd sizes, large enough for networks that begin without padding, such as Inception (75).
    usual, strange = ((128, 192), (101, 115)) if len(size) == 2 else ((32, 48, 64), (33, 35, 37))
    if data is not None:
        batches = picture_batches.labeled_batches("saved_model", data, shape, size, classes)
        words = "labeled pictures"
    elif pictures is not None:
        taken = picture_batches.take_pictures("saved_model", pictures, 16, shape)
        batches = ((picture[np.newaxis], None, None) for picture in taken)
        words = "given pictures"
    else:
        standard = [length or default for length, default in zip(size, usual, strict=True)]
        batches = [(np.stack(picture_batches.noise(4, (*standard, shape[-1]))), None, None)]
        words = "noise pictures"
    if None in size:
        odd = [length or default for length, default in zip(size, strange, strict=True)]
        batches = itertools.chain(
            batches, [(np.stack(picture_batches.noise(1, (*odd, shape[-1]))), None, None)]
        )
        words += f", one of them noise of {'x'.join(map(str, odd))}"
    return batches, words


def _compare(model, folder, batches, words):
    """Load the folder as a server does and compare it with the Keras model."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    serve, probabilities = (loaded.signatures[n] for n in ("serving_default", "probabilities"))

    def reference(image):
        return np.asarray(tf.nn.softmax(model(image.astype("float32"), training=False)))

    def exported(image):
        image = tf.constant(image)
        return np.asarray(serve(image)["labels"]), probabilities(image)["probabilities"].numpy()

    compared = comparison.compare(reference, exported, batches, words)
    constants = {"Const", "Placeholder", "Identity", "NoOp"}
    nodes = _nodes(serve)
    operations = {name: nodes.count(name) for name in set(nodes) - constants}
    (image,) = serve.structured_input_signature[1].values()
    parts = {"operations": operations, "inputs": {"image": _words(image)}}
    parts["outputs"] = {name: _words(spec) for name, spec in serve.structured_outputs.items()}
    return compared, parts


def _nodes(function):
    """The operations of a loaded signature and of the functions it calls."""
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return [node.op for node in nodes if not node.op.endswith("PartitionedCall")]


def _words(spec):
    return f"{spec.dtype.name} ({', '.join(str(n) for n in spec.shape)})"
