"""Pictures that oneDNN computes slowly when there is one of them in a batch.

On processors without AVX-512, TensorFlow gives oneDNN the kernel of a convolution over a single
picture in a layout for which it has two ways: a matrix of the pixels below each position of the
kernel, and, where that matrix is larger than 1 GiB, plain loops, which take a hundred times as
long. Two pictures at once have a third way, which is as fast as it should be.
"""

import math
import os
import platform
from functools import cache
from pathlib import Path
from weakref import WeakKeyDictionary

import keras
import numpy as np

LIMIT = 2**30  # bytes of the matrix; 256x256 pixels with 7x7 kernels and 64 channels have 0.82e9
SIDE = 256  # of the picture with which a network of any size is measured
_KNOWN: WeakKeyDictionary = WeakKeyDictionary()  # answers by network and shape


def fast_batch(network: keras.Model, batch: np.ndarray) -> np.ndarray:
    """Return a batch that is computed fast: two copies of a picture that is slow alone.

    Args:
        network: from pixels (b, h, w, c) to logits, or to several outputs.
        batch: (b, h, w, c).

    Returns:
        The batch itself, or (2, h, w, c); the first b results are those of the batch.

    >>> network = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)])
    >>> fast_batch(network, np.zeros((1, 48, 64, 3))).shape
    (1, 48, 64, 3)
    """
    return np.concatenate([batch, batch]) if is_slow_alone(network, batch.shape) else batch


def is_slow_alone(network: keras.Model, shape: tuple[int, ...]) -> bool:
    """Return whether a batch of one is computed slowly, and should be computed as two.

    Args:
        network: from pixels (b, h, w, c) to logits.
        shape: (1, h, w, c) of the batch.

    Returns:
        True on TensorFlow with oneDNN, on an x86-64 processor without AVX-512 and without a GPU, if
        a convolution of the network has a matrix of more than 1 GiB for this picture. Transposed
        convolutions and those of volumes do not count.

    >>> network = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)])
    >>> is_slow_alone(network, (1, 480, 640, 3))
    False
    """
    if keras.backend.backend() != "tensorflow" or not _has_slow_way():
        return False
    if len(shape) != 4 or shape[0] != 1:
        return False
    known = _KNOWN.setdefault(network, {})
    if shape not in known:
        known[shape] = _has_large_matrix(network, shape)
    return known[shape]


def _has_large_matrix(network: keras.Model, shape: tuple[int, ...]) -> bool:
    # The most that it could be, without a look at the sizes of the maps.
    most = max(map(_values_below_kernel, _kernels(network)), default=0)
    pixels = math.prod(shape[1:3])
    return 4 * most * pixels > LIMIT and 4 * matrix_values(network) * pixels > LIMIT


def matrix_values(network: keras.Model) -> float:
    """Return the size of the largest matrix of a convolution, in values for a pixel of the picture.

    Args:
        network: from pixels (b, h, w, c) to logits.

    Returns:
        Kernel height times width times input channels of that convolution, times the positions of
        its kernel for each pixel of the picture; 0 without kernels larger than 1x1.

    >>> image = keras.Input((None, None, 3))
    >>> matrix_values(keras.Model(image, keras.layers.Conv2D(8, 5, 2, "same")(image)))  # 5*5*3/4
    18.75
    """
    import tensorflow as tf

    sizes = [side or SIDE for side in network.input_shape[1:3]]
    shape = (1, *sizes, network.input_shape[-1])
    image = tf.TensorSpec(shape, network.inputs[0].dtype)
    function = tf.function(lambda x: network(x, training=False), autograph=False)
    operations = function.get_concrete_function(image).graph.get_operations()
    found = [
        _values_below_kernel(operation.inputs[1].shape) * math.prod(operation.outputs[0].shape[1:3])
        for operation in operations
        if operation.type == "Conv2D" and operation.outputs[0].shape.is_fully_defined()
    ]
    return max(found, default=0) / math.prod(sizes)


def _values_below_kernel(shape) -> int:
    """Values of the input below a kernel (h, w, in, out): none of 1x1 are copied to a matrix."""
    return math.prod(shape[:3]) if math.prod(shape[:2]) > 1 else 0


def _kernels(network: keras.Model) -> list:
    """Shapes of the network's convolution kernels."""
    return [weight.shape for weight in network.weights if len(weight.shape) == 4]


@cache
def _has_slow_way() -> bool:
    """Whether TensorFlow computes with oneDNN on a processor without AVX-512."""
    if keras.distribution.list_devices("gpu"):
        return False
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "1" or platform.machine() != "x86_64":
        return False
    features = Path("/proc/cpuinfo")
    return features.is_file() and "avx512f" not in features.read_text(encoding="utf8")
