"""Classify pictures, given as paths or arrays."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from keras_seg import _check
from keras_seg.inference.compiled import CompiledFunctions, logits_model
from pipelines.read import InputSpec, as_image


class Classifier:
    """Predict the class of each picture with a compiled function.

    The counterpart of `Segmenter` for networks with one class per picture, with the same methods.
    Pictures keep their size, unless the training resized them or the network takes one size only:
    then they are resized and center-cropped to this size.

    Args:
        model: a model with pixels 0..255 in and logits (b, num_classes) out.
        class_names: one name per class; `class 0`, `class 1`, ... if None.
        freeze: compile the weights as constants, which is fastest on TensorFlow. Call `refresh()`
            after changing them, or pass `freeze=False` to follow a model in training.
        input_spec: how files are converted to pixels: `data.input_spec` of the data set used in
            training; None for the whole range of 8 or 16 bits.

    Attributes:
        num_classes: number of classes.
        num_channels: channels of the pictures.
        fixed_size: (height, width) where the network takes one size only, else None.

    Raises:
        ValueError: if the model is not a classifier, or the number of names
            differs from its number of classes.

    >>> image = keras.Input((None, None, 3))
    >>> pooled = keras.layers.GlobalAveragePooling2D()(image)
    >>> classifier = Classifier(keras.Model(image, keras.layers.Dense(4)(pooled)))
    >>> classifier.labels(np.zeros((2, 37, 51, 3), "uint8")).shape
    (2,)
    """

    def __init__(
        self,
        model: keras.Model,
        class_names: Sequence[str] | None = None,
        freeze: bool = True,
        input_spec: InputSpec | None = None,
    ):
        self.model = model
        self.network = logits_model(model)
        if len(self.network.output_shape) != 2:
            raise ValueError(
                "`Classifier` needs a model with logits (b, num_classes). Received: "
                f"{model.name!r} with output {self.network.output_shape}. Use `Segmenter` for "
                "logits at every pixel."
            )
        self.num_classes = self.network.output_shape[-1]
        self.num_channels = self.network.input_shape[-1]
        sizes = self.network.input_shape[1:-1]
        self.fixed_size = None if None in sizes else sizes
        self.input_spec = _check.input_spec("Classifier", input_spec, self.num_channels, len(sizes))
        if class_names is None:
            class_names = [f"class {index}" for index in range(self.num_classes)]
        if isinstance(class_names, str) or len(class_names) != self.num_classes:
            raise ValueError(
                f"`class_names` needs one name for each of the model's {self.num_classes} classes. "
                f"Received: class_names={class_names!r}. Pass the data set's `class_names`."
            )
        self.class_names = tuple(class_names)
        self._functions = CompiledFunctions(self.network, freeze)

    def read(self, picture) -> np.ndarray:
        """Return a picture, given as a path or an array, as uint8 pixels (h, w, c)."""
        spec = self.input_spec
        if self.fixed_size and spec.dimensions == 2:
            spec = dataclasses.replace(spec, size=self.fixed_size)
        return as_image(picture, spec)

    def __call__(self, picture):
        """Return the class id of a picture.

        Args:
            picture: path of a picture, or array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) with
                red, green, blue in 0..255; or a list of those.

        Returns:
            int; a list of those for a list.

        Raises:
            ValueError: if a file is not a picture, or an array has the wrong shape or range.
        """
        if isinstance(picture, list | tuple):
            return [self(one) for one in picture]
        return int(self.labels(self.read(picture)[None])[0])

    def probabilities(self, picture):
        """Return the probability of each class.

        Args:
            picture: as in `__call__`, or a uint8 batch (b, h, w, num_channels).

        Returns:
            float32 (num_classes,) in 0..1, which sum to 1; (b, num_classes) for a batch; a list for
            a list.

        Raises:
            ValueError: as in `__call__`.
        """
        if isinstance(picture, list | tuple):
            return [self.probabilities(one) for one in picture]
        if np.ndim(picture) == len(self.network.input_shape):
            return self._run("probabilities", picture)
        return self._run("probabilities", self.read(picture)[None])[0]

    def best(self, picture, count: int = 5) -> list[tuple[str, float]]:
        """Return the most probable classes of a picture by name.

        Args:
            picture: path or array, as in `__call__`.
            count: how many classes; all if there are fewer.

        Returns:
            list of (name, probability), the most probable first.
        """
        found = self._run("probabilities", self.read(picture)[None])[0]
        order = np.argsort(-found, kind="stable")[:count]
        return [(self.class_names[i], float(found[i])) for i in order]

    def labels(self, batch) -> np.ndarray:
        """Return the class ids int32 (b,) of a batch of uint8 pixels (b, h, w, num_channels)."""
        return self._run("labels", batch)

    def logits(self, batch) -> np.ndarray:
        """Return the float32 logits (b, num_classes) of a batch like that of `labels`."""
        return self._run("logits", batch)

    def refresh(self) -> None:
        """Discard the compiled functions, so that the model's current weights are used."""
        self._functions.clear()

    def _run(self, head: str, batch) -> np.ndarray:
        batch = np.asarray(batch)
        wanted = self.network.input_shape[1:]
        fits = batch.ndim == len(wanted) + 1 and batch.dtype == np.uint8 and 0 not in batch.shape
        if not fits or any(
            want not in (None, have) for want, have in zip(wanted, batch.shape[1:], strict=True)
        ):
            axes = ", ".join(str(side or "any") for side in wanted)
            raise ValueError(
                f"A batch must be uint8 (b, {axes}). Received: shape={batch.shape}, "
                f"dtype={batch.dtype}. Call the classifier itself, `classifier(picture)`, for "
                "single pictures of any size."
            )
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()  # During fit, JAX keeps the new weights outside the model.
        return self._functions(head, batch)
