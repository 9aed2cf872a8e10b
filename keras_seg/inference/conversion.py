"""A network as a graph of one picture size, and as a .tflite file in memory."""

import contextlib


def require_floats(engine, network) -> None:
    """Raise for a network that cannot be converted here.

    Args:
        engine: "litert" or "openvino".
        network: the result of `logits_model`.

    Raises:
        ValueError: if Keras does not run on TensorFlow, or the network computes in another
            precision than float32.
    """
    import keras

    backend = keras.backend.backend()
    halves = {layer.compute_dtype for layer in network._flatten_layers()} - {"float32"}
    if backend != "tensorflow" or halves:
        format_ = {"litert": "tflite('fp32', size=(height, width))", "openvino": "openvino()"}
        raise ValueError(
            f"`engine='{engine}'` converts float32 networks that run on TensorFlow. Received: "
            f"backend={backend!r}, layers in {sorted(halves) or 'float32'}. Write a file with "
            f"run.export_{format_[engine]} on TensorFlow, or choose another engine."
        )


def frozen(network, size, dtype="float32"):
    """A network as a TensorFlow function for one picture, with its weights as constants.

    Args:
        network: functional model of pictures.
        size: (height, width) in pixels.
        dtype: of the pixels.

    Returns:
        concrete function from `image` (1, height, width, c) to the outputs of the network.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    shape = (1, *size, network.input_shape[-1])

    @tf.function(input_signature=[tf.TensorSpec(shape, dtype, "image")], autograph=False)
    def outputs(image):
        return network(tf.cast(image, "float32"), training=False)

    return convert_variables_to_constants_v2(outputs.get_concrete_function())


@contextlib.contextmanager
def without_messages():
    """TensorFlow's log without messages such as where temporary files were written."""
    import tensorflow as tf

    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def converted(network, size) -> bytes:
    """Convert a network for pictures of one size, in floating point.

    In this process: unlike a conversion to 8 bits, it prints nothing and keeps no memory.

    Args:
        network: the result of `logits_model`, computing in float32.
        size: (height, width) in pixels.

    Returns:
        content of a .tflite file, which takes float32 pixels (1, height, width, c) and returns
        logits (1, height, width, num_classes).

    Raises:
        ValueError: if Keras does not run on TensorFlow, the network computes in another precision,
            or the converter fails.
    """
    require_floats("litert", network)
    import tensorflow as tf

    try:
        function = frozen(network, size)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        with contextlib.redirect_stdout(None), without_messages():
            return bytes(converter.convert())
    except Exception as error:  # The converter raises several types, some without a public name.
        raise ValueError(
            "`engine='litert'` needs a network that TensorFlow can convert to LiteRT. Received: "
            f"{network.name!r} ({str(error)[:300]}). Choose engine='graph'."
        ) from error
