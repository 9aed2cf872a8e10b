"""Runs a SavedModel with TensorFlow, without Keras."""

from pathlib import Path

import numpy as np

from keras_seg.export.runner import Runner, words
from keras_seg.inference.export_notes import read_notes


class SavedModelSegmenter(Runner):
    """Segments pictures with a SavedModel, as `LiteRTSegmenter` does with a .tflite file.

    Args:
        path: folder with saved_model.pb, from `keras_seg.export.saved_model`.

    Raises:
        ValueError: there is no such folder, it is damaged, or it is of another kind.

    >>> segmenter = SavedModelSegmenter("saved_models/my_run/1")  # doctest: +SKIP
    >>> segmenter("street.jpg").shape  # doctest: +SKIP
    (360, 480)
    """

    def __init__(self, path):
        import tensorflow as tf

        if not (Path(path) / "saved_model.pb").is_file():
            raise ValueError(
                f"`{type(self).__name__}` needs a SavedModel folder. Received: path={str(path)!r}, "
                "without saved_model.pb. Write one with keras_seg.export.saved_model(model, path)."
            )
        try:
            self._loaded = tf.saved_model.load(str(path))  # its functions live as long as it does
        except Exception as error:  # TensorFlow raises errors of many types
            raise ValueError(
                f"`{type(self).__name__}` needs a whole SavedModel folder. Received: "
                f"path={str(path)!r}, which TensorFlow cannot read: {str(error)[:500]}. Copy the "
                "folder again, or write one with keras_seg.export.saved_model(model, path)."
            ) from error
        self._functions = self._loaded.signatures
        (image,) = self._functions["serving_default"].structured_input_signature[1].values()
        notes = read_notes(path)
        scores = self._functions["probabilities"].structured_outputs if notes else {}
        found = scores.get("probabilities", image)
        self._describe(path, image.shape, found.shape, notes)
        self._image = image

    def signature(self):
        """Description of the inputs and outputs.

        Returns:
            ({input name: "dtype (shape)"}, {output name: "dtype (shape)"}).
        """
        outputs = self._functions["serving_default"].structured_outputs
        return tuple(
            {name: words(spec.dtype.name, spec.shape) for name, spec in side.items()}
            for side in ({"image": self._image}, outputs)
        )

    def _run(self, pictures, names):
        import tensorflow as tf

        image, found = tf.constant(pictures), {}
        if "labels" in names:
            found["labels"] = self._functions["serving_default"](image=image)["labels"].numpy()
        if "logits" in names:
            # Logarithms of probabilities are logits, up to a sum that is equal for all classes.
            shares = self._functions["probabilities"](image=image)["probabilities"].numpy()
            found["logits"] = np.log(np.maximum(shares, np.finfo("float32").tiny))
        return found


class SavedModelClassifier(SavedModelSegmenter):
    """Classifies pictures with a SavedModel; as `SavedModelSegmenter`, one class per picture.

    Args:
        path: folder with saved_model.pb, from `keras_seg.export.saved_model`.

    Raises:
        ValueError: there is no such folder, it is damaged, or it is of another kind.

    >>> classifier = SavedModelClassifier("saved_models/my_run/1")  # doctest: +SKIP
    >>> classifier.class_names[classifier("cat.jpg")]  # doctest: +SKIP
    'cat'
    """

    _classifies = True
