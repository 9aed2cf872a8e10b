"""The part of a network before its logits are enlarged to the size of the picture."""

import keras

from keras_seg.layers import ResizeLike

SMALLEST_FACTOR = 4  # below it, `enlarged_labels` has too few pixels in a cell to gain from


def small_logits(network):
    """The part of a network that ends before the logits are enlarged bilinearly.

    Args:
        network: functional model with one output of logits (b, h, w, num_classes).

    Returns:
        (`keras.Model` with the same layers whose output is enlarged by the last layer of `network`,
        a `ResizeLike`; whether that layer aligns the corners); or None if the last layer is another
        one, or the map too large to gain from.

    >>> from keras_seg import models
    >>> network = models.build("contextnet_cn14", (64, 96, 3), 11)
    >>> small, align_corners = small_logits(network)
    >>> small.output_shape, align_corners
    ((None, 8, 12, 11), False)
    """
    layer, node_index, _ = network.outputs[0]._keras_history
    if not isinstance(layer, ResizeLike) or layer.interpolation != "bilinear":
        return None
    if layer.compute_dtype != "float32":
        return None
    # Those of the call that made the output: `layer.input` are those of the first call.
    small, reference = layer._inbound_nodes[node_index].input_tensors
    if reference is not network.inputs[0] or _factor(network.inputs[0], small) < SMALLEST_FACTOR:
        return None
    return keras.Model(network.inputs[0], small, name=network.name), layer.align_corners


def _factor(image, small):
    """How many times larger the image is; of an unknown size that of a network for 256 pixels."""
    if None in image.shape[1:3]:
        shape = keras.Model(image, small).compute_output_shape((1, 256, 256, image.shape[-1]))
        return 256 / max(shape[1:3])
    return min(large / part for large, part in zip(image.shape[1:3], small.shape[1:3], strict=True))
