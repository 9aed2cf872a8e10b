"""Class weights for losses, from the pixels of the training pictures."""

import numpy as np


def class_weights(data, method: str = "enet", c: float = 1.02) -> np.ndarray:
    """Weights 1 / ln(c + share of the pixels), as ENet has them."""
    _, counts = data.measure("train")
    pixels = counts.sum(0)[: data.num_classes]
    return 1 / np.log(c + pixels / pixels.sum())
