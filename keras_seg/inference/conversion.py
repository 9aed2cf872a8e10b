"""A network as a .tflite file in memory, for the engine "litert"."""

import contextlib


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
    import keras

    backend = keras.backend.backend()
    halves = {layer.compute_dtype for layer in network._flatten_layers()} - {"float32"}
    if backend != "tensorflow" or halves:
        raise ValueError(
            "`engine='litert'` converts float32 networks that run on TensorFlow. Received: "
            f"backend={backend!r}, layers in {sorted(halves) or 'float32'}. Write a file with "
            "run.export_tflite('fp32', size=(height, width)) on TensorFlow, or choose another "
            "engine."
        )
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    shape = (1, *size, network.input_shape[-1])

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, "image")], autograph=False)
    def logits(image):
        return network(image, training=False)

    try:
        frozen = convert_variables_to_constants_v2(logits.get_concrete_function())
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        with contextlib.redirect_stdout(None):
            return bytes(converter.convert())
    except Exception as error:  # The converter raises several types, some without a public name.
        raise ValueError(
            "`engine='litert'` needs a network that TensorFlow can convert to LiteRT. Received: "
            f"{network.name!r} ({str(error)[:300]}). Choose engine='graph'."
        ) from error
