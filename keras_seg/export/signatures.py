"""The signatures of a SavedModel: what a server offers to its clients."""

from keras_seg.export import encoded, exportable


def signatures(model, notes, size=None):
    """The functions that a server offers, all on one set of weights.

    Args:
        model: from `exportable.logits_model`.
        notes: dict with "palette" and "input_spec", as `exportable` makes them.
        size: (height, width) of the signature "fixed_size"; None for none.

    Returns:
        dict {name: tf.function}, see `keras_seg.export.saved_model`.
    """
    import tensorflow as tf

    shape = (None, *model.input_shape[1:])
    logits = exportable.frozen(model, shape, "uint8")

    def labels_of(image):
        return tf.argmax(logits(image), axis=-1, output_type=tf.int32)

    def labels(image):
        return {"labels": tf.cast(labels_of(image), label_type(model))}

    def probabilities(image):
        return {"probabilities": tf.nn.softmax(logits(image))}

    pixels = _function(tf.TensorSpec(shape, tf.uint8, "image"))
    found = {"serving_default": pixels(labels), "probabilities": pixels(probabilities)}
    if takes_files(model, notes["input_spec"]):
        files = _function(tf.TensorSpec((None,), tf.string, "image_bytes"))
        found["encoded"] = files(_of_files(labels_of, model, notes["palette"]))
    if size is not None:
        fixed = (None, *size, model.input_shape[-1])
        found["fixed_size"] = _function(tf.TensorSpec(fixed, tf.uint8, "image"))(labels)
    return found


def label_type(model):
    """The dtype of labels: uint8 for maps of up to 256 classes, else int32."""
    import tensorflow as tf

    is_map = len(model.output_shape) > 2
    return tf.uint8 if is_map and model.output_shape[-1] <= 256 else tf.int32


def takes_files(model, input_spec):
    """Whether JPEG and PNG files have the pixels of a model: gray or RGB pictures with label maps.

    Args:
        model: from `exportable.logits_model`.
        input_spec: dict, see `InputSpec.to_dict`.

    Returns:
        bool; False where the files' numbers are scaled or their channels are chosen.
    """
    pictures = len(model.input_shape) == 4 and len(model.output_shape) == 4
    plain = input_spec["value_range"] is None and input_spec["bands"] is None
    return pictures and plain and model.input_shape[-1] in (1, 3)


def _function(spec):
    import tensorflow as tf

    return tf.function(input_signature=[spec], autograph=False)


def _of_files(labels_of, model, palette):
    """From JPEG or PNG files (b,) to label maps as PNG files (b,), and the share of each class."""
    import tensorflow as tf

    *sizes, channels = model.input_shape[1:]
    num_classes = model.output_shape[-1]

    def one(content):
        image = tf.ensure_shape(encoded.decoded(content, channels), (*sizes, channels))
        labels = labels_of(image[tf.newaxis])[0]
        counts = tf.math.bincount(tf.reshape(labels, [-1]), minlength=num_classes)
        return {
            "mask_png_bytes": encoded.label_png(labels, palette, num_classes),
            "class_shares": tf.cast(counts, tf.float32) / tf.cast(tf.size(labels), tf.float32),
        }

    def files(image_bytes):
        types = {
            "mask_png_bytes": tf.TensorSpec((), tf.string),
            "class_shares": tf.TensorSpec((num_classes,), tf.float32),
        }
        # One picture at a time: sizes differ, and ten at once would need ten times the memory.
        return tf.map_fn(one, image_bytes, fn_output_signature=types, parallel_iterations=1)

    return files
