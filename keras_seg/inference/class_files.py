"""A table of the classes of pictures in files."""

from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from keras_seg.inference.frames import PICTURES
from keras_seg.whole_files import draft
from pipelines.read.arrays import suffix_of


def predict_classes(classifier, paths, out=None, overwrite=False):
    """Write `classes.csv`: a row for every picture with its most probable classes.

    Columns: `picture`, the file's path; `class` and `probability` of the most probable class;
    `class_2`, `probability_2` and so on of the next ones, up to five.

    Args:
        classifier: a `Classifier`.
        paths: pictures, or folders of pictures.
        out: folder to write to; the working folder if None.
        overwrite: whether to replace an existing file.

    Returns:
        the path written.

    Raises:
        ValueError: if a path does not exist or is not a picture, the file exists, or its folder is
            not writable.
    """
    files = [file for path in paths for file in _pictures(Path(path))]
    target = Path(out or ".") / "classes.csv"
    if target.exists() and not overwrite:
        raise ValueError(
            f"`predict` does not replace files. Received: '{target}', which exists. Pass --out "
            "with another folder, or --overwrite."
        )
    rows = []
    for file in tqdm(files, desc="Predicting", unit="file", disable=len(files) == 1):
        row = {"picture": str(file)}
        for place, (name, probability) in enumerate(classifier.best(file), 1):
            ending = f"_{place}" if place > 1 else ""
            row |= {f"class{ending}": name, f"probability{ending}": round(probability, 6)}
        rows.append(row)
    with draft("predict", target) as part:
        pd.DataFrame(rows).to_csv(part, index=False)
    return target


def _pictures(path):
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if suffix_of(file) in PICTURES)
        if files:
            return files
        reason = "a folder without pictures"
    elif path.is_file() and suffix_of(path) in PICTURES:
        return [path]
    else:
        reason = "no picture" if path.exists() else "which does not exist"
    raise ValueError(
        "`predict` takes pictures and folders of pictures with a classifier. "
        f"Received: '{path}', {reason}. Known endings: {' '.join(PICTURES)}."
    )
