"""Label maps of very many pictures on Ray Data, in several processes or on several machines."""

import hashlib
import os
from pathlib import Path

import numpy as np

from keras_seg import _check
from keras_seg.find_run import find_run, load
from keras_seg.inference.frames import PICTURES, files_in
from keras_seg.inference.segmenter import Segmenter
from keras_seg.inference.writers import LabelFile, write_png
from keras_seg.whole_files import draft, require_folder
from pipelines.read.arrays import suffix_of

END = b"IEND\xaeB`\x82"  # The last bytes of a whole PNG file.
# Of a core for a worker: with more, two workers on two cores leave none for Ray's reader, which
# then waits without end.
CORES = 0.5
LEVEL = 3  # of the compression, as `predict` has it


def predict_dataset(dataset, network, out, *, engine="auto", column="path", workers=None):
    """Write a label map for every picture of a Ray data set; a job that was killed continues.

    Each label map is a palette PNG whose pixels are class ids, named after the picture and after a
    digest of its absolute path: pictures of one name from two folders have different files.
    It is written under a temporary name and then renamed. Pictures whose label map is there and
    whole are skipped, so that the same call continues a job. One job may write to a folder at a
    time.

    Args:
        dataset: `ray.data.Dataset` with a path of a picture in each row.
        network: name or folder of a run.
        out: folder for the label maps; on a cluster, one that all machines share.
        engine: what computes label maps, see `keras_seg.load`.
        column: the column with the paths.
        workers: number of processes, each with the network; the number of cores by default.

    Returns:
        `ray.data.Dataset` with the columns "path", "labels" (path of the label map, "" if there is
        none) and "error" (why there is none, else ""). Like all of Ray Data it is lazy: the
        pictures are segmented when its rows are read, for example by `.iter_rows()`.

    Raises:
        ValueError: an argument is not usable.
        ImportError: Ray is not installed.

    >>> import ray  # doctest: +SKIP
    >>> pictures = ray.data.from_items([{"path": "street.jpg"}])  # doctest: +SKIP
    >>> found = predict_dataset(pictures, "contextnet_cn14-camvid", "found")  # doctest: +SKIP
    >>> found.write_parquet("results")  # doctest: +SKIP
    """
    ray = imported_ray()
    if workers is not None:
        _check.positive_integer("predict_dataset", "workers", workers)
    if column not in (dataset.columns() or ()):
        raise ValueError(
            "`predict_dataset` needs a column with the paths of the pictures. Received: "
            f"column={column!r} and the columns {dataset.columns()}. Pass column=."
        )
    network = find_run(network).absolute()  # Workers have another working folder.
    require_folder("predict_dataset", out)
    out = Path(out).absolute()
    for left in out.glob(".part_*"):  # Of a job that was killed.
        left.unlink(missing_ok=True)
    return dataset.map_batches(
        Worker,
        fn_constructor_kwargs={"network": network, "out": out, "engine": engine, "column": column},
        batch_size=16,
        num_cpus=CORES,
        concurrency=workers or max(int(ray.cluster_resources().get("CPU", 1)), 1),
    )


def predict_paths(paths, network, out, engine="auto"):
    """Write label maps of files and folders with `predict_dataset`, on this machine.

    Args:
        paths: pictures, or folders of them.
        network: see `predict_dataset`.
        out: see `predict_dataset`.
        engine: see `predict_dataset`.

    Yields:
        the path of each label map.

    Raises:
        ValueError: a path is no picture; or, at the end, pictures could not be segmented.
        ImportError: Ray is not installed.
    """
    from tqdm.auto import tqdm

    ray = imported_ray()
    files = [file for path in paths for file in _pictures(Path(path))]
    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    rows = [{"path": str(file)} for file in dict.fromkeys(files)]
    found = predict_dataset(ray.data.from_items(rows), network, out, engine=engine)
    errors = []
    for row in tqdm(found.iter_rows(), total=len(rows), desc="Predicting", unit="file"):
        if row["error"]:
            errors.append(row["error"])
        else:
            yield Path(row["labels"])
    if errors:
        raise ValueError(
            f"`predict` could not segment {len(errors)} of {len(rows)} pictures; the others are "
            f"written. Received, for example: {errors[0]}"
        )


class Worker:
    """One process: opens the network at the first picture that has no label map.

    Args:
        network: see `predict_dataset`.
        out: folder for the label maps.
        engine: see `predict_dataset`.
        column: the column with the paths.
    """

    def __init__(self, network, out, engine, column):
        self.network, self.out, self.engine, self.column = network, out, engine, column
        self.segmenter = None

    def __call__(self, batch):
        """Write the label maps of a batch: a dict of columns in, and out."""
        rows = [self._row(str(path)) for path in batch[self.column]]
        return {name: np.array([row[name] for row in rows]) for name in ("path", "labels", "error")}

    def _row(self, path):
        target = label_path(path, self.out)
        error = ""
        if not is_whole(target):
            try:
                self._write(path, target)
            except (ValueError, OSError, MemoryError) as problem:
                # One picture that cannot be read must not end a job of millions.
                error = f"'{path}': {problem}"
        return {"path": path, "labels": "" if error else str(target), "error": error}

    def _write(self, path, target):
        if self.segmenter is None:
            self.segmenter = _opened(self.network, self.engine)
        labels = self.segmenter.labels(self.segmenter.read(path)[None])[0]
        with draft("predict_dataset", target) as file:
            write_png(
                LabelFile(file, labels.shape, self.segmenter.palette, None, None), [labels], LEVEL
            )


def label_path(path, out):
    """Where the label map of a picture is written.

    Args:
        path: the picture.
        out: folder for the label maps.

    Returns:
        `pathlib.Path`, which depends on the picture's absolute path alone.

    >>> names = [label_path(f"/{folder}/street.jpg", "found").name for folder in "ab"]
    >>> names[0] == names[1], len(names[0]) == len("street_" + 16 * "0" + "_labels.png")
    (False, True)
    """
    path = Path(path).absolute()
    digest = hashlib.blake2b(os.fsencode(path), digest_size=8).hexdigest()
    return Path(out) / f"{path.name[: -len(suffix_of(path))] or path.name}_{digest}_labels.png"


def is_whole(path):
    """Whether a PNG file is there, and has its end.

    Args:
        path: the file.

    Returns:
        bool.

    >>> is_whole("no_such_file.png")
    False
    """
    try:
        with Path(path).open("rb") as file:
            file.seek(-len(END), os.SEEK_END)
            return file.read() == END
    except OSError:
        return False


def imported_ray():
    """The package ray, with its data sets.

    Returns:
        module.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import ray  # pyright: ignore[reportMissingImports] - its own extra
        import ray.data  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            f"Ray Data needs the packages ray and pyarrow. Received: {error}. Install them: "
            'pip install "keras_seg[ray]"'
        ) from error
    return ray


def _opened(network, engine):
    segmenter = load(network, engine)
    if not isinstance(segmenter, Segmenter):
        raise ValueError(
            "`predict_dataset` writes label maps. Received: "
            f"'{network}', which gives one class per picture. Use `predict` without Ray."
        )
    return segmenter


def _pictures(path):
    """The pictures given by a path."""
    if path.is_dir():
        return files_in(path, PICTURES, "predict", "pictures")
    if not path.is_file() or suffix_of(path) not in PICTURES:
        raise ValueError(
            f"`predict --ray` needs pictures, or folders of them, that exist. Received: '{path}'. "
            "Check its spelling, or leave out --ray for videos and volumes."
        )
    return [path]
