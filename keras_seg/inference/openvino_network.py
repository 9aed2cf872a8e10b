"""A network that OpenVINO computes for pictures of one size, for the engine "openvino"."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_seg.inference.conversion import frozen, require_floats
from keras_seg.inference.enlarged import enlarged_labels
from keras_seg.inference.interpreter import labels_from_scores
from keras_seg.inference.small_logits import small_logits


class Converted(NamedTuple):
    """A network in OpenVINO's form.

    Attributes:
        model: `openvino.Model` from uint8 pixels (1, h, w, c) to the logits, and to the small ones
            where `align_corners` is not None.
        align_corners: how the small logits are enlarged, see `small_logits`; None if there are
            none.
    """

    model: Any
    align_corners: bool | None


def converted_openvino(network, size) -> Converted:
    """Convert a network for pictures of one size.

    Args:
        network: the result of `logits_model`, computing in float32.
        size: (height, width) in pixels.

    Returns:
        `Converted`.

    Raises:
        ValueError: if Keras does not run on TensorFlow, the network computes in another precision,
            or OpenVINO cannot read it.
    """
    require_floats("openvino", network)
    import openvino
    import tensorflow as tf

    small, align_corners = small_logits(network) or (None, None)
    outputs = [network.outputs[0], *(small.outputs if small else ())]
    function = frozen(keras.Model(network.inputs[0], outputs), size, "uint8")
    with tempfile.TemporaryDirectory() as folder:
        tf.io.write_graph(function.graph, folder, "network.pb", as_text=False)
        try:
            model = openvino.Core().read_model(Path(folder, "network.pb"))
        except RuntimeError as error:
            raise ValueError(
                "`engine='openvino'` needs a network that OpenVINO can convert. Received: "
                f"{network.name!r} ({str(error).strip()[:300]}). Choose engine='graph'."
            ) from error
    # The order of a graph's outputs is that of the function's.
    names = [tensor.name for tensor in function.outputs]
    return Converted(_part(model, [model.output(name) for name in names]), align_corners)


def _part(model, outputs):
    """The model with some of its outputs."""
    import openvino

    new: Any = openvino.Model
    return new(outputs, model.get_parameters())


class OpenVinoNetwork:
    """Labels and scores of one converted network, as of a `LiteRTSegmenter`.

    Args:
        converted: the result of `converted_openvino`.
        num_threads: threads that OpenVINO uses.
    """

    def __init__(self, converted: Converted, num_threads: int):
        self._converted, self._num_threads = converted, num_threads
        self._compiled: dict[int, Any] = {}

    def labels(self, batch) -> np.ndarray:
        """Return uint8 class ids (b, h, w) of uint8 pixels (b, h, w, c)."""
        align_corners = self._converted.align_corners
        if align_corners is None:
            return labels_from_scores(self.scores(batch))
        size = batch.shape[1:3]
        return np.stack([
            enlarged_labels(self._output(1, pixels[np.newaxis])[0], size, align_corners)
            for pixels in batch
        ])  # fmt: skip

    def scores(self, batch) -> np.ndarray:
        """Return float32 logits (b, h, w, num_classes) of uint8 pixels (b, h, w, c)."""
        return np.concatenate([self._output(0, pixels[np.newaxis]) for pixels in batch])

    def _output(self, index, pixels):
        """One of the model's outputs; only what it needs is computed."""
        if index not in self._compiled:
            self._compiled[index] = self._compile(index)
        return self._compiled[index](pixels, share_inputs=True)[0]

    def _compile(self, index):
        import openvino

        part = _part(self._converted.model, [self._converted.model.output(index)])
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": self._num_threads,
            # By default, the networks of a stream's threads would all run on the first core.
            "ENABLE_CPU_PINNING": False,
        }
        return openvino.Core().compile_model(part, "CPU", settings)
