"""Pictures or volumes in, label maps out: a path or an array, gray or color, of any size."""

import math
import threading
from collections.abc import Sequence
from functools import cached_property, partial

import keras
import numpy as np

from keras_seg import _check
from keras_seg.inference import choice
from keras_seg.inference.compiled import CompiledFunctions, device_names, logits_model
from keras_seg.inference.engines import MAX_WORKERS, num_cores
from keras_seg.inference.enlarged import enlarged_labels
from keras_seg.inference.predictor import TOO_LARGE, Predictor
from keras_seg.inference.small_logits import small_logits
from keras_seg.inference.stride import output_stride
from pipelines.read import InputSpec
from pipelines.read.memory import require_memory

LARGE = 10_000_000  # pixels from which the free memory is checked
SMALLEST_SIDE = 32  # pixels; the models' own lower limit


class Segmenter(Predictor):
    """Predict the class of every pixel of a picture with a compiled function.

    The first picture compiles a function for all sizes; after 16 consecutive pictures of one size,
    a faster function is compiled for that size (`keras_seg.inference.compiled.CompiledFunctions`).
    Once single pictures of a size have taken 5 seconds, the engine "auto" converts the network to
    LiteRT and, if it is installed, OpenVINO, measures them, and keeps the fastest. Training-only
    outputs (`aux_*`) are never computed; without a GPU, labels come from small logits where the
    network enlarges them at its end (`keras_seg.inference.enlarged`). A model of volumes
    (b, d, h, w, c) gives a segmenter of volumes, which takes (d, h, w) and (d, h, w, c) instead of
    pictures.

    Args:
        model: a model with pixels 0..255 in and logits (b, h, w, num_classes) out, or
            (b, d, h, w, num_classes).
        class_names: one name per class; `class 0`, `class 1`, ... if None.
        palette: one color (r, g, b) in 0..255 per class, used by `show`; generated if None.
        engine: what computes the labels. "keras": the model with its current weights, for models in
            training. "graph": a function with the weights as constants, on TensorFlow; call
            `refresh()` after changing them. "litert": LiteRT in floating point, with the run's file
            for the picture's size, or one converted in memory. "litert-int8": the run's 8-bit file,
            whose labels differ in 1 to 2 % of the pixels. "openvino": OpenVINO in float32, with
            `pip install openvino`. "auto": the fastest with the same labels, "graph", "litert" or
            "openvino"; on JAX, torch and GPUs as "keras" or "graph".
        input_spec: how files are converted to pixels: `data.input_spec` of the data set used in
            training; None for the whole range of 8 or 16 bits.
        folder: folder of the run whose .tflite files LiteRT may use.

    Raises:
        ValueError: if the model is not a segmentation model, the number of names or colors
            differs from its number of classes, or the engine cannot compute the model.

    >>> model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1)])
    >>> segmenter = Segmenter(model)
    >>> labels = segmenter(np.zeros((37, 51, 3), "uint8"))
    >>> labels.shape, labels.dtype
    ((37, 51), dtype('uint8'))
    """

    def __init__(
        self,
        model: keras.Model,
        class_names: Sequence[str] | None = None,
        palette: Sequence[tuple[int, int, int]] | None = None,
        engine: str = "auto",
        input_spec: InputSpec | None = None,
        folder=None,
    ):
        self.model = model
        self.network = logits_model(model)
        if len(self.network.output_shape) == 2:
            raise ValueError(
                "A segmentation model needs one output of logits (b, h, w, num_classes). Received: "
                f"{model.name!r} with output {self.network.output_shape}, one class per picture. "
                "Use `keras_seg.Classifier`."
            )
        self.num_classes = self.network.output_shape[-1]
        self.num_channels = self.network.input_shape[-1]
        size = self.network.input_shape[1:-1]
        self.dimensions = len(size)
        self.fixed_size = None if None in size else size
        self.input_spec = _check.input_spec(
            "Segmenter", input_spec, self.num_channels, self.dimensions
        )
        if self.num_classes > 255:
            raise ValueError(
                "A label map is uint8 and holds at most 255 classes, plus the ignored one. "
                f"Received: a model with {self.num_classes} classes. Merge classes, "
                "or take the argmax of the model's logits yourself."
            )
        if class_names is None:
            class_names = [f"class {index}" for index in range(self.num_classes)]
        for what, values in (("class_names", class_names), ("palette", palette)):
            if values is not None and (isinstance(values, str) or not hasattr(values, "__len__")):
                raise TypeError(
                    f"`{what}` needs a list with one entry per class. Received: {what}={values!r}. "
                    f"Pass the dataset's `{what}`, without the ignored class."
                )
        self.class_names = tuple(class_names)
        self.palette = None if palette is None else [tuple(np.atleast_1d(c)) for c in palette]
        for what, values in (("class_names", self.class_names), ("palette", self.palette)):
            if values is not None and len(values) != self.num_classes:
                raise ValueError(
                    f"`{what}` needs one entry for each of the model's {self.num_classes} "
                    f"classes. Received: {len(values)} entries. Pass the dataset's `{what}`, "
                    "without the ignored class."
                )
        colors = np.asarray(self.palette or [(0, 0, 0)])
        whole = colors.dtype.kind in "ui" and colors.shape[1:] == (3,)
        if not whole or not 0 <= colors.min() <= colors.max() <= 255:
            raise ValueError(
                "`palette` needs one color (r, g, b) of whole numbers 0..255 per class. "
                f"Received: palette={self.palette}. Multiply values in 0..1 by 255 and round them."
            )
        choice.require_engine(engine, self.dimensions, folder)
        self.engine, freeze = engine, engine != "keras"
        self._functions = CompiledFunctions(self.network, freeze)
        # A GPU enlarges all logits faster than a processor some of them.
        found = None if self.dimensions == 3 or _has_gpu() else small_logits(self.network)
        small, self._align_corners = found or (None, False)
        self._small = small and CompiledFunctions(small, freeze)
        self._lock = threading.RLock()
        self._converted = choice.converted_engines(engine, self.network, folder, _has_gpu())
        self._choice = None
        if self._converted and engine == "auto":
            engines = {name: each.labels for name, each in self._converted.items()}
            self._choice = choice.Choice({"graph": partial(self._compiled, "labels"), **engines})

    def __repr__(self):
        return (
            f"<Segmenter {self.model.name!r}: {self.num_classes} classes, engine {self.engine!r}>"
        )

    @property
    def chosen(self) -> dict:
        """What "auto" chose, "graph", "litert" or "openvino", by (height, width)."""
        return dict(self._choice.chosen) if self._choice else {}

    def choose_engine(self, picture) -> None:
        """Let "auto" choose for pictures of this size now, and not after seconds of predictions.

        Converts the network for this size, for some seconds. Without effect for other engines.

        Args:
            picture: uint8 pixels (h, w, num_channels), on which the engines are measured and
                compared.

        >>> import numpy as np
        >>> from keras_seg import models
        >>> segmenter = Segmenter(models.build("contextnet_cn14_160", num_classes=3))
        >>> segmenter.choose_engine(np.zeros((64, 64, 3), "uint8"))
        >>> list(segmenter.chosen)
        [(64, 64)]
        """
        if self._choice:
            self._choice.choose(self._padded(self._checked(np.asarray(picture)[np.newaxis])))

    @property
    def workers(self) -> int:
        """Frames of a stream that are computed at the same time: several after a conversion."""
        return min(num_cores(), MAX_WORKERS) if self._converted else 1

    @cached_property
    def output_stride(self) -> int:
        """Pixels of input per pixel of the network's coarsest map."""
        return output_stride(self.network)

    def labels(self, batch) -> np.ndarray:
        """Return the class ids of a batch, for evaluation and callbacks.

        Args:
            batch: uint8 pixels (b, h, w, num_channels); of volumes (b, d, h, w, num_channels).

        Returns:
            uint8 class ids (b, h, w), or (b, d, h, w).
        """
        return self._run("labels", batch)

    def logits(self, batch) -> np.ndarray:
        """Return the float32 logits (b, h, w, num_classes) of a batch like that of `labels`."""
        return self._run("logits", batch)

    def _probabilities(self, batch) -> np.ndarray:
        return self._run("probabilities", batch)

    def refresh(self) -> None:
        """Discard what was compiled and chosen, so that the model's current weights are used.

        The run's .tflite files have the weights of the training, and are not used afterwards.
        """
        for functions in filter(None, (self._functions, self._small)):
            functions.clear()
        for engine in self._converted.values():
            engine.refresh()
        if self._choice:
            self._choice.clear()

    def _run(self, head: str, batch) -> np.ndarray:
        """Pad to the smallest size, call the function, crop back."""
        batch = self._checked(batch)
        sizes = batch.shape[1:-1]
        self._require_memory(batch.shape)
        batch = self._padded(batch)
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()  # During fit, JAX keeps the new weights outside the model.
        try:
            found = self._call(head, batch)
        except Exception as error:  # Of the backend: each has its own for shapes that do not fit.
            self._require_multiple(batch.shape[1:-1], error)
            raise
        self._require_own_size(found.shape[1 : 1 + self.dimensions], batch.shape[1:-1])
        return found[:, *(slice(size) for size in sizes)]

    def _require_multiple(self, sizes, error) -> None:
        """Raise for sizes that are no multiples of the network's stride, after an error there."""
        stride = self.output_stride
        if any(size % stride for size in sizes):
            raise ValueError(
                f"{self.model.name!r} cannot compute every size; it reduces its maps by {stride}. "
                f"Received: {'x'.join(map(str, sizes))} pixels. Pad pictures to multiples of "
                f"{stride}, or let the model enlarge its maps with keras_seg.layers.ResizeLike."
            ) from error

    def _require_own_size(self, found, sizes) -> None:
        """Raise for label maps of another size than the picture."""
        if found != sizes:
            made, given = ("x".join(map(str, size)) for size in (found, sizes))
            raise ValueError(
                "A segmentation model needs logits of its picture's size. Received: "
                f"{self.model.name!r} with logits of {made} for {given} pixels. Enlarge them, for "
                "example with keras_seg.layers.ResizeLike()([logits, image])."
            )

    def _padded(self, batch: np.ndarray) -> np.ndarray:
        """Repeat the last pixels up to the smallest size, unless the model has its own."""
        missing = [
            max(SMALLEST_SIDE - size, 0) if free is None else 0
            for size, free in zip(batch.shape[1:-1], self.network.input_shape[1:-1], strict=True)
        ]
        if not any(missing):
            return batch
        return np.pad(batch, ((0, 0), *((0, more) for more in missing), (0, 0)), mode="edge")

    def _call(self, head: str, batch: np.ndarray) -> np.ndarray:
        if self._choice and head == "labels" and len(batch) == 1:
            return self._choice.labels(batch)
        if self._choice or not self._converted:
            return self._compiled(head, batch)
        engine = self._converted[self.engine]
        if head == "labels":
            return engine.labels(batch)
        logits = engine.scores(batch)
        return logits if head == "logits" else _softmax(logits)

    def _compiled(self, head: str, batch: np.ndarray) -> np.ndarray:
        with self._lock:  # Frames of a stream come from several threads.
            if head != "labels" or self._small is None:
                return self._functions(head, batch)
            size, small = batch.shape[1:3], self._small("logits", batch)
        return np.stack([enlarged_labels(one, size, self._align_corners) for one in small])

    def _require_memory(self, shape) -> None:
        """Raise for a batch whose float32 input and logits do not fit into memory."""
        if math.prod(shape[:-1]) < LARGE or _has_gpu():
            return
        size = " x ".join(map(str, shape[1:-1]))
        require_memory(
            4 * math.prod(shape[:-1]) * (self.num_channels + self.num_classes),
            f"{shape[0]} {'picture' if shape[0] == 1 else 'pictures'} of {size} pixels",
            TOO_LARGE,
        )

    def _checked(self, batch) -> np.ndarray:
        batch = super()._checked(batch)
        fixed = self.network.input_shape[1:-1]
        if any(
            want not in (None, have) for want, have in zip(fixed, batch.shape[1:-1], strict=True)
        ):
            axes = "height x width" if self.dimensions == 2 else "depth x height x width"
            free = ", ".join(["None"] * self.dimensions)
            raise ValueError(
                f"This model was built for pictures of {'x'.join(map(str, fixed))} pixels ({axes}) "
                f"only. Received: shape={batch.shape}. Resize them, or build the model with "
                f"input_shape=({free}, {self.num_channels}) and load the same weights."
            )
        return batch


def _softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def _has_gpu() -> bool:
    """Whether maps lie in a GPU's memory, which raises an error of its own when it is full."""
    return any(not device.lower().startswith("cpu") for device in device_names())
