import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from keras_seg.layers import AveragePooling2D, BatchNormalization, ResizeLike

SHAPES = [((5, 7), (37, 51)), ((37, 51), (5, 7)), ((8, 8), (64, 64)), ((6, 6), (6, 6))]


def some(shape, dtype="float32"):
    return np.random.default_rng(0).normal(2, 3, shape).astype(dtype)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize(("small", "large"), SHAPES)
def test_resize_like_is_tf_image_resize(interpolation, small, large):
    x, reference = some((2, *small, 4)), some((2, *large, 1))
    found = ResizeLike(interpolation)([x, reference])
    expected = tf.image.resize(x, large, method=interpolation)
    np.testing.assert_array_equal(found, expected)


def test_bilinear_by_hand():
    # Half-pixel centers: outputs lie at -0.25, 0.25, 0.75, 1.25 of the input; ends are held.
    x = np.array([0.0, 4.0], "float32").reshape(1, 1, 2, 1)
    found = ResizeLike()([x, np.zeros((1, 1, 4, 1))])
    assert np.array(found).ravel().tolist() == [0, 1, 3, 4]


def test_bilinear_with_aligned_corners_by_hand():
    # Outputs lie at 0, 1/3, 2/3, 1 of the input: ends keep their values.
    x = np.array([0.0, 3.0], "float32").reshape(1, 1, 2, 1)
    found = ResizeLike(align_corners=True)([x, np.zeros((1, 1, 4, 1))])
    np.testing.assert_allclose(np.array(found).ravel(), [0, 1, 2, 3], atol=1e-6)
    # From 2n + 1 to n + 1 pixels: every second one.
    x = np.arange(5.0, dtype="float32").reshape(1, 1, 5, 1)
    found = ResizeLike(align_corners=True)([x, np.zeros((1, 1, 3, 1))])
    np.testing.assert_allclose(np.array(found).ravel(), [0, 2, 4], atol=1e-6)


@pytest.mark.export
def test_aligned_corners_are_one_builtin_operation_of_tflite():
    x, reference = some((1, 5, 7, 3)), np.zeros((1, 33, 31, 1), "float32")
    layer = ResizeLike(align_corners=True)
    function = tf.function(
        lambda x: layer([x, reference]), input_signature=[tf.TensorSpec(x.shape)]
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert "RESIZE_BILINEAR" in {x["op_name"] for x in interpreter._get_ops_details()}
    np.testing.assert_allclose(found, layer([x, reference]), atol=1e-5)


def test_aligned_corners_while_sizes_are_unknown():
    layer = ResizeLike(align_corners=True)
    shapes = [tf.TensorSpec((None, None, None, 4)), tf.TensorSpec((None, None, None, None))]
    function = tf.function(lambda x, reference: layer([x, reference]), input_signature=shapes)
    for small, large in SHAPES:
        inputs = some((1, *small, 4)), some((1, *large, 3))
        np.testing.assert_array_equal(function(*inputs), layer(inputs))


def test_resize_like_works_while_sizes_are_unknown():
    layer = ResizeLike()
    shapes = [tf.TensorSpec((None, None, None, 4)), tf.TensorSpec((None, None, None, None))]
    function = tf.function(lambda x, reference: layer([x, reference]), input_signature=shapes)
    for small, large in SHAPES:
        found = function(some((1, *small, 4)), some((1, *large, 3)))
        np.testing.assert_array_equal(found, tf.image.resize(some((1, *small, 4)), large))


def test_shape_of_resize_like_is_known_where_that_of_the_reference_is():
    x = keras.Input((None, None, 5))
    assert ResizeLike()([x, keras.Input((None, 48, 3))]).shape == (None, None, 48, 5)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float32"])
def test_resize_like_gives_its_compute_dtype(interpolation, policy):
    layer = ResizeLike(interpolation, dtype=policy)
    found = layer([some((1, 2, 2, 1)), some((1, 4, 4, 1))])
    assert keras.backend.standardize_dtype(found.dtype) == layer.compute_dtype
    symbolic = layer([keras.Input((2, 2, 1)), keras.Input((4, 4, 1))])
    assert symbolic.dtype == layer.compute_dtype


def test_resize_like_survives_saving():
    layer = ResizeLike("nearest", name="enlarge", dtype="float32")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    assert again.interpolation == "nearest"


def test_aligned_corners_survive_saving():
    layer = ResizeLike(align_corners=True)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.align_corners


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nearest", True), r"for interpolation 'bilinear' only.*='nearest'"),
        (("cubic",), r"'bilinear' or 'nearest'. Received: interpolation='cubic"),
    ],
)
def test_interpolations_that_are_not_there_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        ResizeLike(*arguments)


def trained(layer_class, policy, shape, in_graph):
    """Output, gradients and moving statistics after two training steps of one layer."""
    layer = layer_class(momentum=0.9, dtype=policy)
    layer.build((None, *shape[1:]))
    layer.gamma.assign(some(shape[-1:]))
    layer.beta.assign(some(shape[-1:]) - 1)
    weigh = tf.constant(some(shape))

    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(weigh * tf.cast(y, "float32") ** 2)
        variables = [layer.gamma.value, layer.beta.value]
        return y, *tape.gradient(loss, [x, *variables])

    if in_graph:
        step = tf.function(step, input_signature=[tf.TensorSpec((None, None, None, shape[-1]))])
    x = tf.constant(some(shape))
    step(2 * x)
    results = [np.array(tf.cast(result, "float32")) for result in step(x)]
    return results + [w.numpy() for w in (layer.moving_mean, layer.moving_variance)]


@pytest.mark.parametrize("in_graph", [False, True], ids=["known size", "unknown size"])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("shape", [(3, 5, 7, 4), (1, 1, 1, 3), (1, 2, 1, 3)], ids=str)
def test_batch_normalization_trains_as_that_of_keras(policy, shape, in_graph):
    ours = trained(BatchNormalization, policy, shape, in_graph)
    theirs = trained(keras.layers.BatchNormalization, policy, shape, in_graph)
    # One pass over the pixels sums in another order than two; half precision rounds the output.
    digits = {"float32": 2e-4, "mixed_float16": 2e-2, "mixed_bfloat16": 1e-1}[policy]
    names = ("output", "x", "gamma", "beta", "moving mean", "moving variance")
    for name, a, b in zip(names, ours, theirs, strict=True):
        scale = max(np.abs(b).max(), 1.0)
        tolerance = 2e-4 if name.startswith("moving") else digits
        np.testing.assert_allclose(a / scale, b / scale, atol=tolerance, err_msg=name)


def test_moving_statistics_by_hand():
    layer = BatchNormalization(momentum=0.75)
    layer(np.array([1.0, 3.0], "float32").reshape(1, 1, 2, 1), training=True)
    # Mean 2 and (biased) variance 1, of which a quarter is taken; they began at 0 and 1.
    assert float(layer.moving_mean[0]) == pytest.approx(0.5)
    assert float(layer.moving_variance[0]) == pytest.approx(1.0)


def test_inference_is_that_of_keras_and_changes_nothing():
    ours, theirs = BatchNormalization(), keras.layers.BatchNormalization()
    x = some((2, 4, 4, 3))
    ours(x, training=True)
    theirs.build(x.shape)
    theirs.set_weights(ours.get_weights())
    before = ours.get_weights()
    np.testing.assert_array_equal(ours(x), theirs(x))
    np.testing.assert_array_equal(ours(x), ours(x, training=False))
    for a, b in zip(before, ours.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_frozen_layer_normalizes_with_its_moving_statistics():
    layer = BatchNormalization()
    layer.trainable = False
    x = some((2, 4, 4, 3))
    np.testing.assert_array_equal(layer(x, training=True), layer(x, training=False))


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"scale": False}, (2, 4, 4, 3)),
        ({"center": False}, (2, 4, 4, 3)),
        ({"axis": 1}, (2, 4, 4, 3)),
        ({}, (6, 3)),
    ],
)
def test_what_the_fused_kernel_cannot_do_is_done_as_keras_does(options, shape):
    x = some(shape)
    ours, theirs = BatchNormalization(**options), keras.layers.BatchNormalization(**options)
    np.testing.assert_array_equal(ours(x, training=True), theirs(x, training=True))


def test_batch_normalization_survives_saving():
    layer = BatchNormalization(momentum=0.7, epsilon=0.01, name="bn")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is BatchNormalization
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("size", [(8, 8), (11, 13), (37, 51)])
def test_average_pooling_is_that_of_tensorflow(size):
    x = some((2, *size, 3))
    found = AveragePooling2D(4)(x)
    np.testing.assert_array_equal(found, tf.nn.avg_pool2d(x, 4, 4, "SAME"))


def test_average_pooling_survives_saving():
    layer = AveragePooling2D(4, name="small")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is AveragePooling2D
    assert again.get_config() == layer.get_config()
