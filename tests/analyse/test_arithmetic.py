"""Formulas of convolutions against Keras's own layers, the papers' numbers and arithmetic."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_seg.analyse import arithmetic


@pytest.mark.parametrize("arguments", [(9, 3), (9, 3, 2), (10, 4, 3), (17, 3, 1, 0, 4)], ids=str)
def test_output_size_is_that_of_a_convolution(arguments):
    size, kernel_size, stride, _, dilation = (*arguments, *(1, 0, 1)[len(arguments) - 2 :])
    layer = keras.layers.Conv1D(1, kernel_size, stride, dilation_rate=dilation)
    expected = layer.compute_output_shape((1, size, 1))[1]
    assert arithmetic.output_size(size, kernel_size, stride, 0, dilation) == expected


def test_output_sizes_of_known_layers():
    assert arithmetic.output_size(227, 11, 4) == 55  # AlexNet
    assert arithmetic.output_size(32, 5) == 28  # LeNet-5
    assert arithmetic.transposed_output_size(4, 4, 2, 1) == 8  # DCGAN
    assert arithmetic.transposed_output_size(5, 3, 2, 1, 1) == 10


def test_matrix_of_a_convolution_and_of_the_transposed_one():
    random = np.random.default_rng(0)
    kernel, x, y = (random.normal(size=shape) for shape in ((3, 3), (4, 4), (2, 2)))
    matrix = arithmetic.convolution_matrix(kernel, 4, 4)
    assert matrix.shape == (4, 16)
    four = kernel[..., None, None].astype("float32")
    conv = ops.conv(x[None, ..., None].astype("float32"), four)
    np.testing.assert_allclose(matrix @ x.ravel(), np.ravel(conv), atol=1e-5)
    back = ops.conv_transpose(y[None, ..., None].astype("float32"), four, 1)
    np.testing.assert_allclose(matrix.T @ y.ravel(), np.ravel(back), atol=1e-5)
    # The transposed convolution does not undo the convolution.
    assert np.abs(matrix.T @ matrix @ x.ravel() - x.ravel()).max() > 0.1


@pytest.mark.parametrize(
    ("filters", "share", "times"),
    [(32, 0.14236, 7.02), (128, 0.11892, 8.41), (1024, 0.11209, 8.92)],
)
def test_share_of_a_depthwise_separable_convolution(filters, share, times):
    found = arithmetic.depthwise_separable_ratio(filters)
    assert found == pytest.approx(share, abs=5e-6)
    assert 1 / found == pytest.approx(times, abs=5e-3)


@pytest.mark.parametrize(
    ("options", "mega_macs", "mega_parameters"),
    [({}, 52.3, 0.27), ({"width": 0.75}, 29.6, 0.15)],
    ids=str,
)
def test_cost_of_a_layer_of_mobilenet_is_that_of_its_table_3(options, mega_macs, mega_parameters):
    parameters, macs = arithmetic.depthwise_separable_cost(14, 512, 512, **options)
    assert round(macs / 1e6, 1) == mega_macs
    assert round(parameters / 1e6, 2) == mega_parameters
    # 10 pixels in place of 14: a resolution of 0.714, and the paper's 15.1 million.
    small = arithmetic.depthwise_separable_cost(14, 512, 512, width=0.75, resolution=0.714)
    assert round(small[1] / 1e6, 1) == 15.1


def test_dense_block_has_the_channels_and_connections_of_the_paper():
    channels = arithmetic.dense_block_channels(10, 32)
    assert channels[:3] == [0, 32, 64]
    # Connections from layer to layer, 32 channels each, and one from the input to every layer.
    assert sum(channels) // 32 + 10 == 10 * 11 // 2
    assert arithmetic.dense_block_channels(2, 10, channels=3) == [3, 13]


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_bilinear_kernel_enlarges_a_ramp_to_a_ramp(stride):
    kernel = arithmetic.bilinear_kernel(stride)
    # k = 2s - s % 2, f = ceil(k / 2), c = (2f - 1 - f % 2) / 2f, w(i) = 1 - |i / f - c|.
    half = -(-len(kernel) // 2)
    center = (2 * half - 1 - half % 2) / (2 * half)
    line = 1 - np.abs(np.arange(2 * stride - stride % 2) / half - center)
    np.testing.assert_allclose(kernel, np.outer(line, line))
    ramp = np.tile(np.arange(8, dtype="float32"), (8, 1))[None, ..., None]
    large = ops.conv_transpose(ramp, kernel[..., None, None].astype("float32"), stride)
    inside = np.array(large)[0, 3 * stride, 2 * stride : -2 * stride, 0]
    np.testing.assert_allclose(np.diff(inside), 1 / stride, atol=1e-5)


def test_dilations_that_share_a_factor_leave_pixels_out():
    # Rates 2, 2, 2 see 13 pixels and 7 of them; 1, 2, 3 see all 13.
    assert np.count_nonzero(arithmetic.dilated_taps(3, [2, 2, 2])) == 7
    assert len(arithmetic.dilated_taps(3, [2, 2, 2])) == 13
    assert np.count_nonzero(arithmetic.dilated_taps(3, [1, 2, 3])) == 13


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: arithmetic.convolution_matrix([1, 2], 4, 4), r"needs a kernel.*shape \(2,\)"),
        (lambda: arithmetic.convolution_matrix(np.ones((3, 3)), 2, 4), r"and a map of 2x4"),
        (lambda: arithmetic.factorized_ratio(5, [(3, 3)]), r"of 5x5 pixels.*with 3x3"),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
