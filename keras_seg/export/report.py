"""The report of an export: its format, size, operations and agreement with the Keras model."""

import dataclasses
import shlex
from html import escape
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """Description of an export, and its comparison with the Keras model.

    Attributes:
        path: the file or folder.
        format: "SavedModel", "ONNX", "OpenVINO", or "TFLite" and the mode, such as "TFLite int8".
        num_bytes: size of the file, or of all files of the folder.
        operations: number of operations by name, without constants.
        inputs: {name: "dtype (shape)"}; None means any size.
        outputs: the same for the outputs.
        pictures: description of the pictures used in the comparison.
        agreement: share of pixels (of classifiers, of pictures) with the label of the Keras
            model, 0..1.
        max_difference: largest difference of a logit, or of a probability (SavedModel); None for
            files that give labels only.
        keras_mean_iou: mean IoU of the Keras model on the labeled pictures, resized to the
            export's size where it has one, or None without any.
        mean_iou: mean IoU of the export on the same pictures, or None without any.
        keras_own_size_mean_iou: mean IoU of the Keras model on the pictures at their own size;
            None where that is the export's size, or where the model does not take it.
        keras_accuracy: of classifiers, top-1 accuracy of the Keras model on the labeled pictures.
        accuracy: the same of the export.
        signatures: names of a SavedModel's signatures; the first is the one described.
        quantizer: of int8 files with `quantizer` "ai-edge" or "best", the one that found the
            ranges; else None.
        quantizer_scores: {quantizer: score} of the files that were compared: mean IoU, accuracy,
            or agreement where there are no labels; None for one that wrote no file.

    >>> report = ExportReport("model.tflite", "TFLite fp32", 3_600_000, {"CONV_2D": 23},
    ...     {"image": "float32 (1, 360, 480, 3)"}, {"logits": "float32 (1, 360, 480, 11)"},
    ...     "8 noise pictures", 0.99998, 4e-5)
    >>> print(report)
    TFLite fp32: model.tflite, 3.60 MB
      in          image: float32 (1, 360, 480, 3)
      out         logits: float32 (1, 360, 480, 11)
      operations  23: CONV_2D 23
      comparison  99.998 % of pixels as in Keras, largest difference 4e-05, on 8 noise pictures
    """

    path: Path
    format: str
    num_bytes: int
    operations: dict
    inputs: dict
    outputs: dict
    pictures: str
    agreement: float
    max_difference: float | None
    keras_mean_iou: float | None = None
    mean_iou: float | None = None
    keras_own_size_mean_iou: float | None = None
    keras_accuracy: float | None = None
    accuracy: float | None = None
    signatures: tuple = ()
    quantizer: str | None = None
    quantizer_scores: dict = dataclasses.field(default_factory=dict)

    def row(self):
        """One row of a table: `pandas.DataFrame([report.row(), ...])`.

        Returns:
            dict with plain strings and numbers.

        >>> ExportReport("a", "SavedModel", 9, {}, {}, {}, "noise", 1.0, 0.0).row()["agreement"]
        1.0
        """
        row = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        row["path"] = str(self.path)
        row["operations"] = sum(self.operations.values())
        row["signatures"] = ", ".join(self.signatures)
        row["inputs"], row["outputs"] = _tensors(self.inputs), _tensors(self.outputs)
        row["quantizer_scores"] = _scores(self.quantizer_scores)
        return row

    def _lines(self):
        """(name, text) of each line below the heading."""
        common = sorted(self.operations.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{name} {count}" for name, count in common[:12])
        more = f", {len(common) - 12} other kinds" if len(common) > 12 else ""
        largest = self.max_difference
        largest = "" if largest is None else f" largest difference {largest:.2g},"
        lines = [
            ("in", _tensors(self.inputs)),
            ("out", _tensors(self.outputs)),
            ("operations", f"{sum(self.operations.values())}: {shown}{more}"),
            (
                "comparison",
                f"{100 * self.agreement:.3f} % of {self._units()} as in Keras,{largest} on "
                f"{self.pictures}",
            ),
        ]
        if self.signatures:
            lines.insert(2, ("signatures", ", ".join(self.signatures)))
        if self.quantizer:
            unit = "agreement" if self.mean_iou is None else "mean IoU"
            unit = unit if self.accuracy is None else "accuracy"
            scores = _scores(self.quantizer_scores)
            lines.append(("quantizer", f"{self.quantizer} ({unit}: {scores})"))
        if self.accuracy is not None:
            scores = f"{self.accuracy:.4f}, the Keras model has {self.keras_accuracy:.4f}"
            return [*lines, ("accuracy", scores)]
        if self.mean_iou is None:
            return lines
        scores = f"{self.mean_iou:.4f}, the Keras model has {self.keras_mean_iou:.4f}"
        if self.keras_own_size_mean_iou is not None:
            scores += (
                " on the same resized pictures and "
                f"{self.keras_own_size_mean_iou:.4f} on the pictures at their own size"
            )
        return [*lines, ("mean IoU", scores)]

    def _units(self):
        """Return "pictures" for classifiers, else "pixels"."""
        scores = next(iter(self.outputs.values()), ",,")
        return "pictures" if self.accuracy is not None or scores.count(",") < 2 else "pixels"

    def _head(self):
        return f"{self.format}: {shlex.quote(str(self.path))}, {self.num_bytes / 1e6:.2f} MB"

    def __str__(self):
        return "\n".join([self._head(), *(f"  {name:<12}{text}" for name, text in self._lines())])

    def _repr_html_(self):
        """The report as a table, for a notebook."""
        style = "style='text-align:left'"
        rows = "".join(
            f"<tr><th {style}>{name}</th><td {style}>{escape(text)}</td></tr>"
            for name, text in self._lines()
        )
        return f"<p>{escape(self._head())}</p><table>{rows}</table>"


def _scores(by_quantizer):
    """Words such as "tensorflow 0.5435, ai-edge 0.5861".

    >>> _scores({"tensorflow": 0.5, "ai-edge": None})
    'tensorflow 0.5000, ai-edge without a file'
    """
    return ", ".join(
        f"{name} {'without a file' if score is None else format(score, '.4f')}"
        for name, score in by_quantizer.items()
    )


def _tensors(by_name):
    return ", ".join(f"{name}: {tensor}" for name, tensor in by_name.items())
