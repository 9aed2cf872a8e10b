"""The part of a Keras model that is exported: pixels in, float32 logits out."""

from typing import Any

from keras_seg import _check
from keras_seg.export.refusals import reason_of
from keras_seg.inference.conversion import without_messages

HALVES = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


def require_tensorflow(subject):
    """Raise unless Keras runs on TensorFlow, which writes both formats.

    Args:
        subject: name of the calling function.

    Raises:
        ValueError: if Keras runs on another backend.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"`{subject}` needs Keras on TensorFlow. "
            f"Received: backend={keras.backend.backend()!r}. "
            "Save the model with model.save('model.keras'), start Python with "
            "KERAS_BACKEND=tensorflow, load the file there and export it."
        )


def require_no_simulation(subject, model):
    """Raise for a network from `finetune_int8`, which rounds as its int8 file does.

    Args:
        subject: name of the calling function.
        model: from `logits_model`.

    Raises:
        ValueError: it is one.
    """
    from keras_seg.export import simulation  # imports Keras

    if simulation.is_simulated(model):
        raise ValueError(
            f"`{subject}` writes networks in floating point. Received: model={model.name!r} from "
            "`finetune_int8`, which was trained for the int8 file of `tflite`. Export the network "
            "from which the fine-tuning started."
        )


def logits_model(model) -> Any:
    """The part of a model from pixels to logits, in float32.

    Training-only outputs named `aux_*` and their layers are left out. A model that computes in
    another precision, or whose input is not float32, is rebuilt with the same weights:
    float32 runs everywhere, and mixed precision converts to operations that phones do not have.

    Args:
        model: Functional or Sequential model; one output, or a dict with the key "logits".

    Returns:
        keras.Model with one float32 input (b, h, w, c) and one output (b, h, w, num_classes); for
        volumes (b, d, h, w, c) and (b, d, h, w, num_classes).

    Raises:
        ValueError: if the model is not of that kind.
    """
    import keras

    from keras_seg.inference import compiled

    inputs = getattr(model, "inputs", None)
    if not inputs or len(inputs) != 1 or len(inputs[0].shape) not in (4, 5):
        raise ValueError(
            "An export needs a Functional or built Sequential model with pictures "
            "(b, h, w, channels) or volumes (b, d, h, w, channels) as its one input. "
            f"Received: model={type(model).__name__} with {len(inputs or ())} inputs. "
            "Build it with keras.Model(image, logits)."
        )
    # One input tensor, even if the model was made with a list or dict of one.
    # `outputs`: a Sequential model has no `output` before it is called.
    pruned = keras.Model(inputs[0], compiled.logits_model(model).outputs[0], name=model.name)
    if all(layer.compute_dtype == "float32" for layer in pruned._flatten_layers()):
        if inputs[0].dtype == "float32":
            return pruned
    return _in_float32(pruned)


def _in_float32(model):
    """The same model with the same weights, computing in float32."""
    import keras

    def float32_layer(layer):
        config = _float32(layer.get_config())
        # Functions of keras.ops have no dtype.
        if isinstance(layer, keras.layers.Layer):
            config["dtype"] = "float32"
        return type(layer).from_config(config)

    pixels = model.inputs[0]
    rebuilt = keras.models.clone_model(
        model,
        input_tensors=keras.Input(batch_shape=pixels.shape, dtype="float32", name=pixels.name),
        clone_function=float32_layer,
        recursive=True,
    )
    rebuilt.set_weights(model.get_weights())
    return rebuilt


def _float32(config) -> Any:
    """A layer's config with float32 for its inner layers, such as those of `Recompute`."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return "float32"
        return {
            key: "float32" if key == "dtype" and value in HALVES else _float32(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_float32(value) for value in config)
    return config


def frozen(model, shape, dtype):
    """The model as one TensorFlow function with its weights as constants.

    Batch normalization is folded into constant kernels, which is not possible with variables: the
    SavedModel is faster. Constants are also stored only once, whatever the number of signatures,
    while `model.export` writes the weights twice.

    Args:
        model: from `logits_model`.
        shape: (b, h, w, c) of the pictures, or (b, d, h, w, c), None for any.
        dtype: dtype of the pixels, "uint8" or "float32".

    Returns:
        Function from pictures to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: if the model cannot be traced for pictures of unknown size.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    @tf.function(input_signature=[tf.TensorSpec(shape, dtype, "image")], autograph=False)
    def logits(image):
        return model(tf.cast(image, tf.float32), training=False)

    try:
        traced = logits.get_concrete_function()
    except (TypeError, ValueError, NotImplementedError) as error:
        # Some layers, such as bilinear UpSampling2D, compute with the size as a number.
        if None not in shape[1:-1]:
            raise
        raise ValueError(
            "An export of any size needs a model that TensorFlow can trace for an unknown size. "
            f"Received: model={model.name!r} with input {model.input_shape}; TensorFlow reports: "
            f"{reason_of(error)} Build it for one size with keras.Input((h, w, c)), or replace the "
            "layer, such as a bilinear UpSampling2D by keras_seg.layers.ResizeLike."
        ) from error
    function = convert_variables_to_constants_v2(traced)
    return lambda image: function(image)[0]


def save(folder, signatures, assets=(), variables=()):
    """Write functions as a SavedModel, without TensorFlow's log message.

    Args:
        folder: where to write; may be a temporary name, which the user need not see.
        signatures: function or dict of functions, as `tf.saved_model.save` takes them.
        assets: paths of files that are copied to its folder `assets`.
        variables: TensorFlow variables that the functions read.
    """
    import tensorflow as tf

    # Gradients of its own, such as those of swish, cannot be saved with constants.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    module: Any = tf.Module()
    module.assets = [tf.saved_model.Asset(str(path)) for path in assets]
    module.weights = list(variables)
    with without_messages():
        tf.saved_model.save(module, str(folder), signatures=signatures, options=options)


def spec_notes(model, input_spec):
    """How files are converted to pixels, checked and ready for JSON.

    Args:
        model: from `logits_model`.
        input_spec: `pipelines.read.InputSpec`; None for the whole range of 8 or 16 bits.

    Returns:
        dict, see `InputSpec.to_dict`.

    Raises:
        ValueError: if it has other channels or dimensions than the model.
    """
    *sizes, channels = model.input_shape[1:]
    return _check.input_spec("export", input_spec, channels, len(sizes)).to_dict()


def class_notes(num_classes, class_names, palette):
    """Names and colors of the classes, checked and ready for JSON.

    Args:
        num_classes: number of classes of the model.
        class_names: names in the order of ids, or None.
        palette: colors (r, g, b) 0..255 in the order of ids, or None.

    Returns:
        dict with "class_names" and "palette", as lists or None.

    Raises:
        ValueError: if their number is not `num_classes`, or a name has a line break.
        TypeError: if one of them is not a list.
    """
    notes = {}
    for name, values in (("class_names", class_names), ("palette", palette)):
        if values is not None and (isinstance(values, str) or not hasattr(values, "__len__")):
            raise TypeError(
                f"An export needs {name} as a list with one entry for each class. "
                f"Received: {name}={values!r}. Pass them in the order of the class ids."
            )
        if values is not None and len(values) != num_classes:
            raise ValueError(
                f"An export needs one entry of {name} for each class. "
                f"Received: {len(values)} entries for {num_classes} classes. "
                "Pass them in the order of the class ids, without the ignored class."
            )
        notes[name] = None if values is None else list(values)
    if class_names is not None:
        notes["class_names"] = [_name(name) for name in class_names]
    if palette is not None:
        notes["palette"] = [_color(color) for color in palette]
    return notes


def _name(name):
    name = str(name)
    if len(f"{name}.".splitlines()) > 1:
        raise ValueError(
            "An export writes a class name in each line of labels.txt, and needs names without "
            f"line breaks. Received: {name!r}. Put a space there."
        )
    return name


def _color(color):
    values = list(color) if hasattr(color, "__iter__") else []
    if len(values) != 3 or not all(0 <= value <= 255 and int(value) == value for value in values):
        raise ValueError(
            "An export needs a palette of colors (r, g, b), whole numbers 0..255. "
            f"Received: {color!r}. Multiply values in 0..1 by 255 and round them."
        )
    return [int(value) for value in values]
