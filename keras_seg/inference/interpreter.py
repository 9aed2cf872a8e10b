"""What runs a .tflite file with LiteRT, as a phone does."""

from pathlib import Path

import numpy as np

from keras_seg.inference.export_notes import read_notes
from pipelines.read import InputSpec, read_image


def labels_from_scores(scores):
    """The class with the highest score in each pixel.

    Args:
        scores: logits (..., num_classes), quantized or not.

    Returns:
        Array (...): uint8 up to 256 classes, int32 beyond.

    >>> labels_from_scores(np.array([[0.1, 0.9], [0.8, 0.2]])).tolist()
    [1, 0]
    """
    return np.argmax(scores, axis=-1).astype("uint8" if scores.shape[-1] <= 256 else "int32")


class Interpreter:
    """What both kinds of file have in common: one picture in, scores out."""

    _scores_axes: int
    _wanted: str

    def __init__(self, path, num_threads=2):
        from ai_edge_litert import interpreter

        in_memory = isinstance(path, bytes)
        if not in_memory and not Path(path).is_file():
            raise ValueError(
                f"`{type(self).__name__}` needs a .tflite file. "
                f"Received: path={str(path)!r}, which is not a file. "
                "Write one with keras_seg.export.tflite(model, path, size=(height, width))."
            )
        # The bytes rather than the path: the file may be replaced while it is in use.
        content = path if in_memory else Path(path).read_bytes()
        try:
            self._interpreter = interpreter.Interpreter(
                model_content=content, num_threads=num_threads
            )
        except (ValueError, RuntimeError) as error:
            where = "bytes" if in_memory else f"path={str(path)!r}"
            raise ValueError(
                f"`{type(self).__name__}` needs a whole .tflite file. Received: {where} of "
                f"{len(content)} bytes, which LiteRT cannot read: {error}. Copy the file again, or "
                "write one with keras_seg.export.tflite(model, path, size=(height, width))."
            ) from error
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        shapes = [tuple(int(n) for n in tensor["shape"]) for tensor in (*inputs, *outputs)]
        axes = [len(shape) for shape in shapes if shape[0] == 1]
        signatures = self._interpreter.get_signature_list()
        self.has_scores = "labels" not in signatures or len(signatures) > 1
        if len(shapes) != 2 or axes != [4, self._scores_axes - (not self.has_scores)]:
            raise ValueError(
                f"`{type(self).__name__}` needs a file with one picture (1, h, w, c) in and scores "
                f"{self._wanted} out. Received: shapes={shapes} in {str(path)[:200]!r}. "
                "Write one with keras_seg.export.tflite; the other kind is read by "
                "LiteRTSegmenter and LiteRTClassifier, respectively."
            )
        self._input, self._output = inputs[0], outputs[0]
        self._content, self._num_threads, self._allocated = content, num_threads, False
        # LiteRT allows either these or `invoke`, not both.
        both = len(signatures) > 1 and "labels" in signatures
        names = ("scores", "labels") if both else ()
        if both:
            self._interpreter.allocate_tensors()
        self._runners = {name: self._interpreter.get_signature_runner(name) for name in names}
        self.size, self.num_channels = shapes[0][1:3], shapes[0][3]
        notes = (None if in_memory else read_notes(path)) or {}
        self.num_classes = shapes[1][-1] if self.has_scores else notes.get("num_classes")
        self.class_names, self.palette = notes.get("class_names"), notes.get("palette")
        spec = notes.get("input_spec")
        self.input_spec = InputSpec.from_dict(spec) if spec else InputSpec(self.num_channels)

    def _read(self, picture, spec):
        if isinstance(picture, str | Path):
            picture = read_image(picture, spec)
        picture = np.asarray(picture)
        return picture[..., np.newaxis] if picture.ndim == 2 else picture

    def labels(self, pictures):
        """Label maps of a batch.

        Args:
            pictures: uint8 (b, h, w, c).

        Returns:
            Array (b, h, w), of a classifier (b,), of class ids: uint8 up to 256 classes, int32
            beyond.

        Raises:
            ValueError: if the pictures have another size or dtype.
        """
        if self._runners:
            return np.concatenate(list(self._each(pictures, "labels")))
        found = self._each(pictures)
        return np.concatenate(list(map(labels_from_scores, found) if self.has_scores else found))

    def scores(self, pictures):
        """Logits of a batch.

        Args:
            pictures: uint8 (b, h, w, c).

        Returns:
            float32 (b, h, w, num_classes), of a classifier (b, num_classes).

        Raises:
            ValueError: if the pictures have another size or dtype, or the file gives labels only.
        """
        if not self.has_scores:
            raise ValueError(
                f"`{type(self).__name__}.scores` needs a file with scores. Received: one that "
                "gives labels only. Export it with outputs='scores' or 'both'."
            )
        scale, zero = self._output["quantization"]
        # A file that is not quantized has scale 0.
        return (np.concatenate(list(self._each(pictures))).astype("float32") - zero) * (scale or 1)

    def labels_and_scores(self, pictures):
        """Label maps and logits of a batch, from one run unless each has its own signature.

        Args:
            pictures: uint8 (b, h, w, c).

        Returns:
            (labels (b, h, w), float32 logits (b, h, w, num_classes)); of a classifier (b,) and
            (b, num_classes). The logits are None for files that give labels only.

        Raises:
            ValueError: if the pictures have another size or dtype.
        """
        if not self.has_scores:
            return self.labels(pictures), None
        scores = self.scores(pictures)
        return self.labels(pictures) if self._runners else labels_from_scores(scores), scores

    def signature(self):
        """Description of the inputs and outputs.

        Returns:
            ({input name: "dtype (shape)"}, {output name: "dtype (shape)"}).
        """
        names, *_ = self._interpreter.get_signature_list().values()
        inputs = {names["inputs"][0]: _words(self._input)}
        outputs = {names["outputs"][0]: _words(self._output)}
        if self._runners:
            outputs["labels"] = _words(self._runners["labels"].get_output_details()["labels"])
        return inputs, outputs

    def _each(self, pictures, signature="scores"):
        """Yield the raw output of each picture."""
        for pixels in self._pixels(pictures):
            if self._runners:
                (output,) = self._runners[signature](image=pixels).values()
                yield output
                continue
            if not self._allocated:  # late: `LiteRTSegmenter.labels` does without
                self._interpreter.allocate_tensors()
                self._allocated = True
            yield invoked(self._interpreter, pixels)

    def _pixels(self, pictures):
        """Yield each picture as the file's input (1, h, w, c)."""
        pictures, expected = np.asarray(pictures), (*self.size, self.num_channels)
        if pictures.ndim != 4 or pictures.shape[1:] != expected or pictures.dtype != "uint8":
            raise ValueError(
                f"This file takes uint8 pictures of shape {expected}. "
                f"Received: shape={pictures.shape[1:]}, dtype={pictures.dtype}. "
                "Resize the pictures, or export a file of their size."
            )
        scale, zero = self._input["quantization"]
        dtype = self._input["dtype"]
        for picture in pictures:
            if not scale or (dtype == np.uint8 and (scale, zero) == (1.0, 0)):
                pixels = picture.astype(dtype)
            else:
                limits = np.iinfo(dtype)
                pixels = np.round(picture / scale + zero).clip(limits.min, limits.max).astype(dtype)
            yield pixels[np.newaxis]


def invoked(runner, pixels):
    """The output for one input."""
    runner.set_tensor(runner.get_input_details()[0]["index"], pixels)
    runner.invoke()
    return runner.get_tensor(runner.get_output_details()[0]["index"])


def _words(tensor):
    return f"{np.dtype(tensor['dtype']).name} ({', '.join(str(n) for n in tensor['shape'])})"
