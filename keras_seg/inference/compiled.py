"""A model as one function from numpy pixels to numpy labels, for each of the three backends."""

import contextlib
from collections import OrderedDict
from collections.abc import Callable

import keras
import numpy as np

from keras_seg.inference.one_picture import fast_batch

MAX_COMPILED = 8  # input shapes with a separate function on TensorFlow
MAX_COMPILED_JAX = 512  # the same on JAX, which has no function for all shapes
# Layers and functions of keras.ops that make no logits of probabilities: resizing and the like.
_KEEPING = ("Cast", "CropLike", "Cropping2D", "Cropping3D", "Dropout", "Identity", "Reshape")
_KEEPING += ("Resize", "ResizeLike", "Resizing", "UpSampling2D", "UpSampling3D")
REPEATS = 16  # consecutive batches of one shape before a function is compiled for it


def device_names() -> list[str]:
    """Return the names of the devices that Keras computes on, such as "cpu:0".

    >>> device_names() != []
    True
    """
    if keras.backend.backend() == "torch":  # for which Keras has no list
        return [str(keras.ops.zeros(1).device)]
    return keras.distribution.list_devices()


def logits_model(model: keras.Model) -> keras.Model:
    """Return the model without its training-only heads: one output, the logits.

    Args:
        model: a functional model whose output is the logits (b, h, w, num_classes), of volumes
            (b, d, h, w, num_classes), of classifiers (b, num_classes), or a dict with these under
            `logits` beside others named `aux_*`.

    Returns:
        A model of the same name that shares layers and weights with the one given.

    Raises:
        ValueError: if the model has more than one input, or no output can be logits, that is,
            scores of two or more classes before softmax.
        TypeError: if `model` is not a `keras.Model`.

    >>> image = keras.Input((None, None, 3))
    >>> logits = keras.layers.Conv2D(4, 1)(image)
    >>> logits_model(keras.Model(image, {"logits": logits, "aux_context": logits})).output_shape
    (None, None, None, 4)
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"A segmentation model must be a keras.Model. Received: {type(model).__name__}. "
            "Build one with keras_seg.models.build, or load a run with keras_seg.load(name)."
        )
    structure = getattr(model, "output", None)
    outputs = getattr(model, "outputs", None) or []
    logits = outputs[0] if len(outputs) == 1 else None
    if isinstance(structure, dict):
        logits = structure.get("logits")
    if logits is None or len(logits.shape) not in (2, 4, 5):
        named = structure if isinstance(structure, dict) else dict(enumerate(outputs))
        shapes = {name: output.shape for name, output in named.items()}
        raise ValueError(
            "A segmentation model needs one output of logits (b, h, w, num_classes), or a dict "
            f"with these under 'logits'. Received: {model.name!r} with outputs {shapes}. Build "
            "it with keras_seg.models.build; wrap a subclassed model in keras.Model(image, ...)."
        )
    if len(model.inputs) != 1:
        raise ValueError(
            "A segmentation model needs pictures (b, h, w, channels) or volumes "
            f"(b, d, h, w, channels) as its one input. Received: {model.name!r} with "
            f"{len(model.inputs)} inputs. Concatenate them along the channels."
        )
    _check_scores(model, logits)
    if isinstance(structure, dict | list | tuple):
        return keras.Model(model.inputs[0], logits, name=model.name)
    return model


def _check_scores(model: keras.Model, logits) -> None:
    """Raise for an output with the shape of logits that cannot be logits."""
    if logits.shape[-1] == 1:
        raise ValueError(
            "A segmentation model needs logits of at least two classes, background included. "
            f"Received: {model.name!r} with output {logits.shape}. Give its last layer a channel "
            "for each class, without sigmoid."
        )
    layer = _layer_of_probabilities(logits)
    if layer is not None:
        raise ValueError(
            "A segmentation model must return logits, not probabilities. "
            f"Received: {model.name!r}, whose layer {layer.name!r} returns probabilities. "
            "Remove that layer, or set its `activation` to keras.activations.linear."
        )


def _layer_of_probabilities(tensor):
    """Return the layer or function that made probabilities of a tensor's values, or None."""
    calls = []  # of the nested models that the tensor is in
    while True:
        layer, place, index = tensor._keras_history
        if _gives_probabilities(layer):
            return layer
        node = layer._inbound_nodes[place]
        if isinstance(layer, keras.Model) and getattr(layer, "outputs", None):
            calls.append((layer, node))
            tensor = layer.outputs[index]
        elif node.is_input and calls:
            model, node = calls.pop()
            tensor = node.input_tensors[[x is tensor for x in model.inputs].index(True)]
        elif type(layer).__name__ in _KEEPING or _is_linear(layer):
            tensor = node.input_tensors[0]
        else:
            return None


def _gives_probabilities(layer) -> bool:
    activation = getattr(layer, "activation", None)
    ends = (keras.activations.softmax, keras.activations.sigmoid)
    # By name, as Keras has no public classes of the functions of keras.ops.
    return activation in ends or type(layer).__name__ in ("Softmax", "Sigmoid")


def _is_linear(layer) -> bool:
    linear = getattr(layer, "activation", None) is keras.activations.linear
    return linear and isinstance(layer, keras.layers.Activation)


class CompiledFunctions:
    """The compiled functions of one network: one for all sizes, and faster ones for common sizes.

    On TensorFlow, one function of unknown size handles every shape. After 16 consecutive batches of
    the same shape, a function is compiled for that shape, which takes a moment and is faster
    afterwards. A folder of photos of 300 sizes never compiles a second function. A network that
    needs a known size gets one function per shape, as does every network on JAX, which compiles for
    known shapes only; with torch nothing is compiled.

    Args:
        network: the result of `logits_model`.
        freeze: see `compiled`.

    >>> network = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1)])
    >>> functions = CompiledFunctions(network, freeze=True)
    >>> functions("labels", np.zeros((1, 32, 40, 3), "uint8")).shape
    (1, 32, 40)
    """

    def __init__(self, network: keras.Model, freeze: bool):
        self.network, self.freeze = network, freeze
        backend = keras.backend.backend()
        self._has_dynamic = backend != "jax"
        self._most = MAX_COMPILED_JAX if backend == "jax" else MAX_COMPILED
        self._repeats = np.inf if backend == "torch" else REPEATS
        self.clear()

    def __call__(self, head: str, batch: np.ndarray) -> np.ndarray:
        """Run the network on a batch.

        Args:
            head: "labels", "logits" or "probabilities", see `compiled`.
            batch: uint8 pixels (b, h, w, c).

        Returns:
            Array (b, h, w) or (b, h, w, num_classes).
        """
        given = fast_batch(self.network, batch)
        return self._function(head, given.shape)(given)[: len(batch)]

    def clear(self) -> None:
        """Discard the compiled functions, so that the network's current weights are compiled."""
        self._dynamic: dict[str, Callable | None] = {}
        self.exact: OrderedDict[tuple, Callable] = OrderedDict()
        self._last, self._in_a_row = None, 0

    def _function(self, head: str, shape: tuple[int, ...]) -> Callable:
        key = (head, shape)
        self._in_a_row = self._in_a_row + 1 if key == self._last else 1
        self._last = key
        if key not in self.exact:
            dynamic = self._for_all_shapes(head)
            if dynamic and self._in_a_row <= self._repeats:
                return dynamic
            self.exact[key] = compiled(self.network, head, shape, self.freeze)
            if len(self.exact) > self._most:
                self.exact.popitem(last=False)
        self.exact.move_to_end(key)
        return self.exact[key]

    def _for_all_shapes(self, head: str) -> Callable | None:
        """Return the function of unknown size, or None if the network needs a known size."""
        if not self._has_dynamic:
            return None
        if head not in self._dynamic:
            self._dynamic[head] = None
            # Some layers, such as bilinear UpSampling2D, need known sizes in a graph.
            with contextlib.suppress(TypeError, ValueError, NotImplementedError):
                shape = (None, *self.network.input_shape[1:])
                self._dynamic[head] = compiled(self.network, head, shape, self.freeze)
        return self._dynamic[head]


def compiled(
    network: keras.Model, head: str, shape: tuple[int | None, ...], freeze: bool
) -> Callable:
    """Return the model as a compiled function, without the overhead of `model.predict`.

    Args:
        network: the result of `logits_model`.
        head: "labels" for uint8 class ids (b, h, w), "logits" or "probabilities" for float32
            (b, h, w, num_classes). Of a classifier int32 (b,) and float32 (b, num_classes).
        shape: (b, h, w, c) of the batches that the function will receive; on TensorFlow and torch,
            None for any length.
        freeze: compile the weights as constants (TensorFlow only); with the other backends the
            function always uses the current weights.

    Returns:
        A function of a uint8 array of that shape that returns an array.

    >>> network = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1)])
    >>> compiled(network, "labels", (1, 32, 40, 3), True)(np.zeros((1, 32, 40, 3), "uint8")).shape
    (1, 32, 40)
    """
    compilers = {"tensorflow": _on_tensorflow, "jax": _on_jax, "torch": _on_torch}
    return compilers[keras.backend.backend()](network, head, shape, freeze)


def _id_type(network: keras.Model) -> str:
    """Return the type of class ids: of classifiers one that holds any number of classes."""
    return "int32" if len(network.output_shape) == 2 else "uint8"


def _on_tensorflow(network: keras.Model, head: str, shape: tuple, freeze: bool) -> Callable:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8, "image")], autograph=False)
    def segment(image):
        logits = network(tf.cast(image, network.inputs[0].dtype), training=False)
        if head != "labels":
            logits = tf.cast(logits, tf.float32)
            return logits if head == "logits" else tf.nn.softmax(logits)
        return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), _id_type(network))

    function = segment.get_concrete_function()  # traces now: errors come here, not at a batch
    if not freeze:
        return lambda batch: function(tf.constant(batch)).numpy()
    frozen = convert_variables_to_constants_v2(function)
    return lambda batch: frozen(tf.constant(batch))[0].numpy()


def _on_jax(network: keras.Model, head: str, shape: tuple, freeze: bool) -> Callable:
    """Compile for JAX; weights are arguments of the function there, so freezing gains nothing."""
    import jax  # pyright: ignore[reportMissingImports]

    @jax.jit
    def segment(trainable, non_trainable, image):
        image = image.astype(network.inputs[0].dtype)
        logits = network.stateless_call(trainable, non_trainable, image, training=False)[0]
        if head != "labels":
            logits = logits.astype("float32")
            return logits if head == "logits" else jax.nn.softmax(logits)
        return jax.numpy.argmax(logits, axis=-1).astype(_id_type(network))

    def run(batch):
        trainable = [variable.value for variable in network.trainable_variables]
        non_trainable = [variable.value for variable in network.non_trainable_variables]
        return np.asarray(segment(trainable, non_trainable, batch))

    return run


def _on_torch(network: keras.Model, head: str, shape: tuple, freeze: bool) -> Callable:
    """Torch runs eagerly and follows the weights; nothing is compiled."""
    import torch  # pyright: ignore[reportMissingImports]

    def run(batch):
        with torch.no_grad():
            image = keras.ops.convert_to_tensor(batch, dtype=network.inputs[0].dtype)
            logits = network(image, training=False)
            if head != "labels":
                logits = logits.float()
                logits = logits if head == "logits" else logits.softmax(dim=-1)
                return logits.cpu().numpy()
            return logits.argmax(dim=-1).cpu().numpy().astype(_id_type(network))

    return run
