"""A run: the folder with the results of a training."""

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from keras_seg import tasks
from keras_seg.run_files import (
    calibration_pictures,
    names_of,
    network_of,
    pick_examples,
    picture_size,
    read_examples,
    read_history,
    read_network,
)
from pipelines.read import InputSpec

log = logging.getLogger("keras_seg")


class Run:
    """A training, finished or interrupted: its network, history, scores and exports.

    Args:
        folder: folder of the run, with `run.json`.
        data: the data set that it was trained on, or another one with the same classes; required
            for `evaluate`, `show` and int8 export.

    Attributes:
        folder: `pathlib.Path` of the folder.
        settings: contents of `run.json`.
        data: the data set, or None.

    Raises:
        ValueError: if there is no run in the folder, or the data set has other classes.

    >>> from keras_seg.find_run import find_run
    >>> Run(find_run("contextnet_cn14-camvid")).settings["architecture"]
    'contextnet_cn14'
    """

    def __init__(self, folder, data=None):
        self.folder = Path(folder)
        self.data = data
        if not (self.folder / "run.json").is_file():
            raise ValueError(
                "`Run` needs a folder with a run.json, as `keras_seg.fit` writes it. "
                f"Received: folder='{self.folder}'. Check the path, or call `keras_seg.load(name)`."
            )
        try:
            self.settings = json.loads((self.folder / "run.json").read_text())
        except ValueError as error:
            raise ValueError(
                "A run's run.json must be JSON, as `keras_seg.fit` writes it. Received: "
                f"'{self.folder / 'run.json'}' ({error}). Restore it from a copy of the run."
            ) from None
        self._predictors = {}  # segmenters by engine, which share one network, or the classifier
        if data is not None:
            self._data(data, "data")

    def __repr__(self):
        best = self.settings.get("best") or {}
        monitor = tasks.MONITORS[self.task]
        score = f", {tasks.SCORES[self.task]} {best[monitor]:.4f}" if monitor in best else ""
        epochs = f"{network_of(self.settings)}{self.settings['epochs_done']} epochs"
        return f"<Run '{self.folder}': {epochs}{score}>"

    def _repr_html_(self):
        """Description of the run, as a table for a notebook."""
        setup, best = self.settings["setup"], self.settings.get("best") or {}
        rows = {
            "network": network_of(self.settings).rstrip(", "),
            "data": setup.get("data"),
            "recipe": setup.get("recipe", {}).get("name"),
            "epochs": self.settings["epochs_done"],
            "finished": self.settings.get("finished"),
            "best epoch": best.get("epoch"),
            tasks.SCORES[self.task]: best.get(tasks.MONITORS[self.task]),
            "folder": str(self.folder),
        }
        return pd.DataFrame({"run": rows}).to_html()

    @property
    def task(self):
        """The task of the network: "segmentation" or "classification"."""
        return self.settings.get("task", "segmentation")

    @property
    def history(self):
        """Pandas DataFrame with one row per epoch: loss, learning rate, scores, seconds."""
        return read_history(self.folder)

    @property
    def input_spec(self):
        """How files are converted to input pixels, as in training.

        `pipelines.read.InputSpec`; None for runs older than that, which used the whole range.
        """
        stored = self.settings.get("input_spec")
        return None if stored is None else InputSpec.from_dict(stored)

    @property
    def model(self):
        """The trained `keras.Model` with the best weights."""
        return self.predictor().model

    def predictor(self):
        """The trained network, as the class for its task.

        Returns:
            `keras_seg.Segmenter` or `keras_seg.Classifier`.

        Raises:
            ValueError: the first epoch has not ended yet, or model.keras is damaged.
        """
        return self.classifier() if self.task == "classification" else self.segmenter()

    def classifier(self):
        """The trained network as a `Classifier`, which predicts one class per picture.

        Returns:
            `keras_seg.Classifier`, with class names.

        Raises:
            ValueError: the run is not a classifier's, the first epoch has not ended yet, or
                model.keras is damaged.
        """
        from keras_seg.inference.classifier import Classifier

        self._require_task("classifier", "classification")
        if "classifier" not in self._predictors:
            self._predictors["classifier"] = Classifier(
                self._network(), self.settings["class_names"], input_spec=self.input_spec
            )
        return self._predictors["classifier"]

    def _require_task(self, method, task):
        if self.task != task:
            other = "classifier" if self.task == "classification" else "segmenter"
            raise ValueError(
                f"`Run.{method}` is for {task}. Received: the run in '{self.folder}', which is "
                f"for {self.task}. Use `run.{other}()`."
            )

    def _network(self):
        """The network in model.keras."""
        if not (self.folder / "model.keras").is_file():
            raise ValueError(
                "A run has no network before the end of its first epoch. Received: "
                f"'{self.folder}' with {self.settings['epochs_done']} epochs and no model.keras. "
                "Call `keras_seg.fit` again with the same arguments to resume it."
            )
        return read_network(self.folder / "model.keras")

    def segmenter(self, engine="auto"):
        """The trained network as a `Segmenter`, which predicts label maps.

        Args:
            engine: what computes the labels: "auto" for the fastest that gives the same labels, or
                "keras", "graph", "litert", "litert-int8" or "openvino", see `Segmenter`. LiteRT
                uses the run's .tflite files for pictures of their sizes.

        Returns:
            `keras_seg.Segmenter`, with class names and palette.

        Raises:
            ValueError: the run is a classifier's, the first epoch has not ended yet, model.keras
                is damaged, or the engine cannot compute the network.
        """
        from keras_seg.inference.segmenter import Segmenter

        self._require_task("segmenter", "segmentation")
        if engine not in self._predictors:
            known = next(iter(self._predictors.values()), None)
            self._predictors[engine] = Segmenter(
                known.model if known else self._network(),
                self.settings["class_names"],
                [tuple(color) for color in self.settings["palette"]],
                engine,
                self.input_spec,
                self.folder,
            )
        return self._predictors[engine]

    def evaluate(self, split="val", data=None, batch_size=8):
        """Scores on a whole split, from one confusion matrix; also written to scores.csv.

        Scores of another split or data set have its name: scores_test.csv, scores_cityscapes.csv.

        Args:
            split: name of a split of the data set.
            data: a data set other than the one of the training.
            batch_size: pictures per batch; the scores do not depend on it.

        Returns:
            `keras_seg.scores.Scores`: a table by class name, mean IoU, pixel accuracy; its
            `pictures` has a row per picture, the worst first. Of a classifier
            `keras_seg.accuracy.Accuracy`: top-1, top-5 and accuracy by class; the confusion matrix
            is also written to scores_confusion.csv.

        Raises:
            ValueError: no data set is known, or it has other classes or no such split.
        """
        from keras_seg.accuracy import evaluate_classifier
        from keras_seg.scores import evaluate_segmenter

        data = self._data(data, "evaluate")
        classes, batches = self.settings["class_names"], data.eval_batches(split, batch_size)
        names = names_of(data, split, batch_size)
        if self.task == "classification":
            scores = evaluate_classifier(self.classifier().logits, batches, classes, names)
        else:
            labels = self.segmenter("keras").labels  # "auto" may change the engine between pictures
            scores = evaluate_segmenter(labels, batches, classes, data.ignore_class, names=names)
        own = {"val", self.settings["setup"]["data"]}
        name = "_".join(["scores", *(part for part in (data.name, split) if part not in own)])
        scores.save_csv(self.folder / f"{name}.csv")
        return scores

    def show(self, split="val", num_images=4, data=None):
        """Plot training curves, and pictures with truth, prediction and errors.

        Also written to figures/curves.png and figures/<split>.png of the run.

        Args:
            split: name of a split of the data set.
            num_images: pictures, spread evenly over the split.
            data: a data set other than the one of the training.

        Returns:
            tuple of two matplotlib Figures, which a notebook shows one below the other.

        Raises:
            ValueError: no data set is known, or it has other classes or no such split.
        """
        from keras_seg.show.figures import Figures

        return Figures((self.show_curves(), self.show_pictures(split, num_images, data)))

    def show_pictures(self, split="val", num_images=4, data=None):
        """Plot pictures with truth, prediction and errors, the second figure of `show`.

        Args:
            split: name of a split.
            num_images: how many pictures, spread evenly over the split.
            data: a data set other than the one of the training.

        Returns:
            `matplotlib.figure.Figure`, also written to the run's folder `figures`.

        Raises:
            ValueError: no data set is known, or it has other classes or no such split.
        """
        data = self._data(data, "show")
        figure = self._figure(*pick_examples(data, split, num_images))
        return self._keep(figure, f"{split}.png")

    def _figure(self, images, truths):
        """Pictures with truth and prediction."""
        from keras_seg.show import show_classified, show_predictions

        names = self.settings["class_names"]
        if self.task == "classification":
            found = [self.classifier().probabilities(image[np.newaxis])[0] for image in images]
            return show_classified(images, truths, found, names)
        found = [self.segmenter()(image) for image in images]
        return show_predictions(images, truths, found, names, self.settings["palette"])

    def show_worst(self, split="val", num_images=8, data=None):
        """Plot the pictures with the lowest mean IoU, with truth, prediction and errors.

        For a classifier, the pictures with the lowest probability of the true class.

        Args:
            split: name of a split.
            num_images: how many pictures.
            data: a data set other than the one of the training.

        Returns:
            `matplotlib.figure.Figure`, also written to the run's folder `figures`.

        Raises:
            ValueError: no data set is known, or it has other classes or no such split.
        """
        data = self._data(data, "show_worst")
        names = [str(picture) for picture, _ in data.paths(split)]
        worst = self.evaluate(split, data).pictures["picture"].head(num_images)
        images, truths = read_examples(data, split, [names.index(name) for name in worst])
        return self._keep(self._figure(images, truths), f"{split}_worst.png")

    def show_curves(self):
        """Plot loss, learning rate and IoU by epoch, the first figure of `show`.

        Returns:
            `matplotlib.figure.Figure`, also written to the run's folder `figures`.
        """
        from keras_seg.show import show_curves

        return self._keep(show_curves(self.history), "curves.png")

    def export_saved_model(self, size=None):
        """Export for TF Serving as the run's next version, and compare it with the Keras model.

        Versions are the folders `1`, `2`, ... of the run. TF Serving's `models.config` and
        `batching.config` are also written to the run's folder, if they are not there.

        Args:
            size: (height, width) of the pictures of the signature "fixed_size"; None for none.

        Returns:
            `keras_seg.export.ExportReport`, with the mean IoU on the validation pictures where the
            data set is known.

        Raises:
            ValueError: if the export does not agree with the Keras model; nothing is written.
        """
        from keras_seg import export
        from keras_seg.export.serving_files import next_version, write_configuration

        report = export.saved_model(
            self.model,
            self.folder / str(next_version(self.folder)),
            size=size,
            **self._export_notes(),
        )
        write_configuration(self.folder, self.folder.resolve().name)
        return report

    def export_onnx(self):
        """Export for ONNX Runtime, as `model.onnx`, and compare it with the Keras model.

        Returns:
            `keras_seg.export.ExportReport`, with the mean IoU on the validation pictures where the
            data set is known.

        Raises:
            ValueError: if the export does not agree with the Keras model; nothing is written.
            ImportError: the extra `onnx` is not installed.
        """
        from keras_seg import export

        return export.onnx(self.model, self.folder / "model.onnx", **self._export_notes())

    def export_openvino(self):
        """Export for OpenVINO as the next version, and compare it with the Keras model.

        Versions are the folders `openvino/1`, `openvino/2`, ... of the run, as OpenVINO Model
        Server expects them.

        Returns:
            `keras_seg.export.ExportReport`, with the mean IoU on the validation pictures where the
            data set is known.

        Raises:
            ValueError: if the export does not agree with the Keras model; nothing is written.
            ImportError: the extra `openvino` is not installed.
        """
        from keras_seg import export
        from keras_seg.export.serving_files import next_version

        folder = self.folder / "openvino"
        return export.openvino(
            self.model, folder / str(next_version(folder)), **self._export_notes()
        )

    def _export_notes(self):
        """The arguments that every export of the run has."""
        return {
            "class_names": self.settings["class_names"],
            "palette": self.settings["palette"],
            "input_spec": self.input_spec,
            "data": self._validation_batches(),
        }

    def export_tflite(
        self,
        mode="fp32",
        size=None,
        num_calibration=100,
        outputs="scores",
        input_type=None,
        quantizer="tensorflow",
    ):
        """Export for phones, as `model_<mode>.tflite`, and compare it with the Keras model.

        A file of another size, other outputs or another input type than the default has them in
        its name, such as `model_int8_360x480_labels.tflite`.

        Args:
            mode: "fp32", "fp16", "int8_weights" or "int8".
            size: (height, width) in pixels of the file's input, or a list of them for a file each.
                None for the most common size of the data set's pictures, which is stored in
                run.json.
            num_calibration: number of training pictures for the calibration of int8.
            outputs: "scores", "labels" or "both", see `keras_seg.export.tflite`.
            input_type: "float32" or "uint8"; None for that of the mode.
            quantizer: of int8, what finds the ranges: "tensorflow", "ai-edge" (the package
                ai-edge-quantizer), or "best" for the one with the higher mean IoU, or accuracy,
                on the validation pictures; see `keras_seg.export.tflite`.

        Returns:
            `keras_seg.export.ExportReport`, with the mean IoU on the validation pictures where the
            data set is known; for several sizes a list of them. `phone.md` of the run then shows
            how Kotlin and Swift call its files.

        Raises:
            ValueError: if no data set is known for int8, or the export does not agree with the
                Keras model; nothing is written.
            ImportError: `quantizer` needs the extra `ai-edge`, which is not installed.
        """
        from keras_seg import export
        from keras_seg.export.phone import write_phone_page

        if isinstance(size, list) and size and isinstance(size[0], tuple | list):
            rest = (num_calibration, outputs, input_type, quantizer)
            return [self.export_tflite(mode, one, *rest) for one in size]
        calibration = None
        if mode == "int8" or (self.data is not None and "val" not in self.data.splits):
            data = self._data(None, "export_tflite")
            calibration = calibration_pictures(data, num_calibration)
        default = self._export_size()
        size = default if size is None else size
        sides = tuple(size) if isinstance(size, tuple | list) else ()
        other = sides and sides != default
        ending = f"_{'x'.join(map(str, sides))}" if other else ""
        ending += "" if outputs == "scores" else f"_{outputs}"
        ending += "" if input_type is None else f"_{input_type}"
        report = export.tflite(
            self.model,
            self.folder / f"model_{mode}{ending}.tflite",
            mode=mode,
            size=size,
            outputs=outputs,
            input_type=input_type,
            quantizer=quantizer,
            calibration=calibration,
            **self._export_notes(),
        )
        if self.task == "segmentation":
            write_phone_page(self.folder)
        return report

    def _export_size(self):
        """The size of whole pictures: the model's own, run.json's, the data set's.

        Older runs without a data set only have the size of training crops.
        """
        size = self.predictor().fixed_size or self.settings.get("picture_size")
        if size is None and self.data is not None:
            size = picture_size(self.data)
        if size is None and self.settings.get("crop_size"):
            size = self.settings["crop_size"]
            log.warning(
                "The size of whole pictures is unknown: the TFLite file takes %s, the crop size "
                "of the training. Pass `size`, or open the run with its data set.",
                "x".join(map(str, size)),
            )
        return None if size is None else tuple(size)

    def _validation_batches(self):
        """Batches of split "val", or None where there is none."""
        if self.data is None or "val" not in self.data.splits:
            return None
        return self.data.eval_batches("val", 1)

    def _data(self, data, method):
        data = data if data is not None else self.data
        if data is None:
            raise ValueError(
                f"`Run.{method}` needs the pictures. Received: data=None for the run in "
                f"'{self.folder}'. Open the run with `Run(folder, data)`."
            )
        if tasks.task_of_data(data) != self.task:
            raise ValueError(
                f"`Run.{method}` needs data for {self.task}, as the run. Received: data "
                f"'{data.name}' for {tasks.task_of_data(data)}, for the run in '{self.folder}'. "
                "Pass the data set of the training, or another one like it."
            )
        if list(data.class_names) != self.settings["class_names"]:
            raise ValueError(
                f"`Run.{method}` needs data with the run's classes, in their order. Received: "
                f"data '{data.name}' with {list(data.class_names)}, for the run in '{self.folder}' "
                f"with {self.settings['class_names']}. Read the data set with these `classes`."
            )
        return data

    def _keep(self, figure, name):
        folder = self.folder / "figures"
        folder.mkdir(exist_ok=True)
        figure.savefig(folder / name)
        return figure
