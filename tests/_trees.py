"""Small files of pictures and masks, to draw trees of public data sets with."""

import numpy as np
from PIL import Image

SIZE = (8, 6)
RANDOM = np.random.default_rng(0)


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def photo(path, mode="RGB"):
    """A picture of noise, so that no two are alike."""
    save(Image.fromarray(RANDOM.integers(0, 255, (*SIZE[::-1], 3), np.uint8)).convert(mode), path)


def gray(path, values, mode="L", **options):
    """A mask with these ids, column by column."""
    ids = np.tile(np.resize(np.array(values, np.uint8), SIZE[0]), (SIZE[1], 1))
    save(Image.fromarray(ids).convert(mode), path, **options)


def colored(path, colors, **options):
    """A mask of these colors, column by column."""
    row = [colors[i % len(colors)] for i in range(SIZE[0])]
    save(Image.fromarray(np.array([row] * SIZE[1], np.uint8)), path, **options)


def ids(data, split="train", index=0):
    """The class ids that a mask shows, in the order of its first row."""
    return list(dict.fromkeys(data.example(split, index)[1][0].tolist()))


def counts(data):
    return {split: data.num_examples(split) for split in data.splits}
