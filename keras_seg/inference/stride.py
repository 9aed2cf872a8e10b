"""The output stride of a network: how coarse its coarsest feature map is."""

import math

import keras

SIDE = 2304  # pixels: 2^8 * 3^2, so that strides of 2 and 3 leave no rest
LARGEST = 256  # pixels; coarser maps cover the whole picture, like global pooling


def output_stride(network: keras.Model) -> int:
    """Return the pixels of input per pixel of the coarsest map inside a network.

    Args:
        network: functional model for pictures (b, h, w, c) or volumes (b, d, h, w, c).

    Returns:
        int: 1 for a network that never downsamples, or that takes one size only.

    >>> from keras import layers
    >>> image = keras.Input((None, None, 3))
    >>> small = layers.MaxPooling2D(4)(layers.Conv2D(8, 3, strides=2, padding="same")(image))
    >>> output_stride(keras.Model(image, layers.UpSampling2D(8)(small)))
    8
    """
    if set(network.input_shape[1:-1]) != {None}:
        return 1
    strides = {round(SIDE / side) for side in _sides(network, SIDE) if side}
    strides = {stride for stride in strides if 1 <= stride <= LARGEST}
    common = math.lcm(*strides)
    return common if common <= LARGEST else max(strides)


def _sides(network: keras.Model, side: int) -> set[int]:
    """Return the heights of all maps inside, also in models that are layers, for one height."""
    network = getattr(network, "_functional", None) or network  # The graph of a Sequential.
    nodes = [node for nodes in network._nodes_by_depth.values() for node in nodes]
    rank, maps, inner = len(network.input_shape), [], []
    for node in nodes:  # A layer has one for each call.
        maps += [tensor for tensor in node.output_tensors if len(tensor.shape) == rank]
        inside = getattr(node.operation, "block", node.operation)
        if isinstance(inside, keras.Model) and len(inside.inputs) == 1:
            inner.append((inside, node.input_tensors[0]))
    channels = network.input_shape[-1]
    shapes = keras.Model(network.inputs[0], maps + [tensor for _, tensor in inner])
    found = shapes.compute_output_shape((1, *(side,) * (rank - 2), channels))
    heights = [shape[1] for shape in found]
    sides = set(heights)
    for (inside, _), height in zip(inner, heights[len(maps) :], strict=True):
        sides |= _sides(inside, height)
    return sides
