"""Arithmetic of convolutions: sizes, matrices, costs, connections.

V. Dumoulin, F. Visin: A guide to convolution arithmetic for deep learning, arXiv 1603.07285.
"""

import math

import numpy as np


def output_size(size, kernel_size, stride=1, padding=0, dilation=1):
    """Pixels along one axis after a convolution or pooling.

    Args:
        size: pixels of the input.
        kernel_size: taps of the kernel.
        stride: pixels from one position of the kernel to the next.
        padding: zeros on each side, in pixels.
        dilation: pixels from one tap to the next.

    Returns:
        int: floor((n + 2p - d (k - 1) - 1) / s) + 1.

    >>> output_size(224, 7, stride=2, padding=3)  # ResNet's first convolution
    112
    """
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1


def transposed_output_size(size, kernel_size, stride=1, padding=0, output_padding=0):
    """Pixels along one axis after a transposed convolution.

    Args:
        size: pixels of the input.
        kernel_size: taps of the kernel.
        stride: pixels of output from one pixel of input to the next.
        padding: pixels that are removed on each side.
        output_padding: pixels that are added at the end.

    Returns:
        int: s (n - 1) + k - 2p, and the output padding.

    >>> transposed_output_size(8, 3, stride=2)  # FC-DenseNet's transitions up: 2n + 1
    17
    """
    return stride * (size - 1) + kernel_size - 2 * padding + output_padding


def convolution_matrix(kernel, height, width):
    """The matrix of a convolution of a map that is written as a vector, row by row.

    Its transpose is the matrix of the transposed convolution.

    Args:
        kernel: numbers (kh, kw).
        height: height of the map in pixels, at least kh.
        width: width of the map in pixels, at least kw.

    Returns:
        float array ((height - kh + 1) * (width - kw + 1), height * width).

    Raises:
        ValueError: the kernel is not a matrix, or is larger than the map.

    >>> convolution_matrix([[1, 2]], 1, 3).tolist()
    [[1.0, 2.0, 0.0], [0.0, 1.0, 2.0]]
    """
    kernel = np.asarray(kernel, float)
    if kernel.ndim != 2 or kernel.shape[0] > height or kernel.shape[1] > width:
        raise ValueError(
            "`convolution_matrix` needs a kernel of shape (kh, kw) no larger than the map. "
            f"Received: a kernel of shape {kernel.shape} and a map of {height}x{width} pixels."
        )
    rows, columns = height - kernel.shape[0] + 1, width - kernel.shape[1] + 1
    matrix = np.zeros((rows, columns, height, width))
    for row in range(rows):
        for column in range(columns):
            window = matrix[row, column, row : row + kernel.shape[0]]
            window[:, column : column + kernel.shape[1]] = kernel
    return matrix.reshape(rows * columns, height * width)


def depthwise_separable_ratio(filters, kernel_size=3):
    """Cost of a depthwise separable convolution as a share of an ordinary one's.

    A. Howard et al.: MobileNets, arXiv 1704.04861, section 3.1: 1 / N + 1 / D^2, for kernels and
    multiply-accumulates alike.

    Args:
        filters: channels out, N.
        kernel_size: side of the kernel, D.

    Returns:
        float.

    >>> round(1 / depthwise_separable_ratio(512), 2)
    8.84
    """
    return 1 / filters + 1 / kernel_size**2


def depthwise_separable_cost(size, channels, filters, kernel_size=3, width=1.0, resolution=1.0):
    """Parameters and multiply-accumulates of a depthwise separable layer of MobileNet.

    A. Howard et al.: MobileNets, arXiv 1704.04861, equation 7, without biases and normalization.

    Args:
        size: height and width of the map in pixels.
        channels: channels in, M.
        filters: channels out, N.
        kernel_size: side of the depthwise kernel, D.
        width: multiplier of both numbers of channels, alpha.
        resolution: multiplier of the size, rho.

    Returns:
        (parameters, multiply-accumulates), two int.

    >>> depthwise_separable_cost(14, 512, 512, width=0.75)
    (150912, 29578752)
    """
    inside, outside = round(width * channels), round(width * filters)
    parameters = kernel_size**2 * inside + inside * outside
    return parameters, parameters * round(resolution * size) ** 2


def factorized_ratio(kernel_size, parts):
    """Cost of several consecutive convolutions as a share of one with the same receptive field.

    C. Szegedy et al.: Rethinking the Inception Architecture, arXiv 1512.00567, section 3; all
    maps have as many channels.

    Args:
        kernel_size: side of the one square kernel.
        parts: (height, width) of each kernel.

    Returns:
        float.

    Raises:
        ValueError: the parts have another receptive field than the kernel.

    >>> factorized_ratio(5, [(3, 3), (3, 3)])  # 18 / 25
    0.72
    >>> round(factorized_ratio(7, [(1, 7), (7, 1)]), 4)  # 2 / 7
    0.2857
    """
    field = tuple(1 + sum(sides[axis] - 1 for sides in parts) for axis in range(2))
    if field != (kernel_size, kernel_size):
        raise ValueError(
            f"`factorized_ratio` needs parts with a receptive field of {kernel_size}x{kernel_size} "
            f"pixels. Received: parts={parts}, with {field[0]}x{field[1]}."
        )
    return sum(math.prod(sides) for sides in parts) / kernel_size**2


def dense_block_channels(num_layers, growth_rate, channels=0):
    """Input channels of each layer of a dense block.

    G. Huang et al.: Densely Connected Convolutional Networks, arXiv 1608.06993, section 3. A block
    of L layers has L (L + 1) / 2 connections: layer l reads the maps of l - 1 layers and the
    block's input.

    Args:
        num_layers: layers of the block, L.
        growth_rate: channels that each layer adds, k.
        channels: channels of the block's input, k0.

    Returns:
        list of int: k0 + k (l - 1) for l = 1..L.

    >>> dense_block_channels(10, 32)[-1]
    288
    """
    return [channels + growth_rate * number for number in range(num_layers)]


def bilinear_kernel(stride):
    """The kernel of a transposed convolution that upsamples bilinearly.

    J. Long, E. Shelhamer, T. Darrell: Fully Convolutional Networks, arXiv 1411.4038, section 3.3.

    Args:
        stride: upsampling factor, 1 or more.

    Returns:
        float array (k, k) with k = 2 * stride - stride % 2.

    >>> bilinear_kernel(2)[1].tolist()  # 3/4 times 1/4, 3/4, 3/4, 1/4
    [0.1875, 0.5625, 0.5625, 0.1875]
    """
    size = 2 * stride - stride % 2
    half = math.ceil(size / 2)
    # The middle is on a tap for odd sizes, between two taps for even ones.
    weights = 1 - np.abs(np.arange(size) - (size - 1) / 2) / half
    return np.outer(weights, weights)


def dilated_taps(kernel_size, dilations):
    """Count how often a sequence of dilated convolutions reads each pixel along one axis.

    Gaps and uneven numbers are what P. Wang et al. call gridding: Understanding Convolution for
    Semantic Segmentation, arXiv 1702.08502, section 3.2.

    Args:
        kernel_size: taps of each kernel.
        dilations: pixels from one tap to the next, of each convolution.

    Returns:
        int array, one number for each pixel of the receptive field: paths from it to the output.

    >>> dilated_taps(3, [2, 2]).tolist()  # every second pixel is not read
    [1, 0, 2, 0, 3, 0, 2, 0, 1]
    >>> dilated_taps(3, [1, 2]).tolist()
    [1, 1, 2, 1, 2, 1, 1]
    """
    paths = np.ones(1, int)
    for dilation in dilations:
        taps = np.zeros((kernel_size - 1) * dilation + 1, int)
        taps[::dilation] = 1
        paths = np.convolve(paths, taps)
    return paths
