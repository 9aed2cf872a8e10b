"""Several losses as one."""

from typing import Any

import keras

from keras_seg.losses.base import check_at_least_0


@keras.saving.register_keras_serializable("keras_seg")
class WeightedSum(keras.losses.Loss):
    """A sum of losses, each times its weight.

    Args:
        parts: pairs (weight, loss), the weights 0 or more. Any Keras loss of label maps and logits
            is accepted.
        name: the loss's name.

    Call arguments:
        y_true: integer ids (b, h, w), or (b, d, h, w) of volumes.
        y_pred: logits (b, h, w, num_classes), or smaller ones.

    Returns:
        float32 scalar.

    Raises:
        ValueError: there is no part, or a weight is out of range.
        TypeError: a part is not a pair of a weight and a loss.

    >>> import numpy as np
    >>> from keras_seg.losses import DiceLoss, SparseCrossEntropy
    >>> loss = WeightedSum([(1.0, SparseCrossEntropy(num_classes=2)), (0.5, DiceLoss(2))])
    >>> labels = np.array([[[0, 255]]])  # ln 2 + 0.5 / 3
    >>> round(float(loss(labels, np.zeros((1, 1, 2, 2), "float32"))), 4)
    0.8598
    """

    def __init__(self, parts, name="weighted_sum"):
        super().__init__(name=name, reduction=None)
        one = not hasattr(parts, "__iter__") or isinstance(parts, str | dict)
        listed: Any = [parts] if one else parts
        self.parts = [_pair(part) for part in listed]
        if not self.parts:
            raise ValueError(
                "`WeightedSum` needs at least one pair (weight, loss). Received: parts=[]. "
                "For example, pass [(1.0, SparseCrossEntropy(11)), (0.5, DiceLoss(11))]."
            )

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The loss of a batch; `sample_weight` is passed to each part."""
        return sum(weight * part(y_true, y_pred, sample_weight) for weight, part in self.parts)

    def call(self, y_true, y_pred):
        return self(y_true, y_pred)

    def __repr__(self):
        return f"WeightedSum({self.parts!r})"

    def get_config(self):
        """The arguments, for saving."""
        parts = [[weight, keras.saving.serialize_keras_object(part)] for weight, part in self.parts]
        return {"parts": parts, "name": self.name}

    @classmethod
    def from_config(cls, config):
        """Create a sum from the result of `get_config`."""
        parts = [
            (weight, keras.saving.deserialize_keras_object(part))
            for weight, part in config["parts"]
        ]
        return cls(parts, config["name"])


def _pair(part):
    try:
        weight, loss = part
    except (TypeError, ValueError):
        weight, loss = None, part
    if weight is None or not isinstance(loss, keras.losses.Loss):
        raise TypeError(
            f"`WeightedSum` needs pairs (weight, Keras loss). Received: part={part!r}. "
            "For example, pass (0.5, DiceLoss(11)); `losses.build` takes names too."
        )
    check_at_least_0("WeightedSum", weight=weight)
    return float(weight), loss
