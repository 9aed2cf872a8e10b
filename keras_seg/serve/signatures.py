"""The signatures of a model, with the names, types and shapes of a SavedModel's, and their call."""

from typing import NamedTuple

from keras_seg.serve.refusals import InvalidError

DEFAULT = "serving_default"
MAX_BATCH = 64  # pictures of a request


class Tensor(NamedTuple):
    """An input or output.

    Attributes:
        dtype: name of NumPy's type, or "bytes".
        shape: its axes, -1 for any length.
    """

    dtype: str
    shape: tuple


class Signature(NamedTuple):
    """A function that a server offers.

    Attributes:
        inputs: {name: Tensor}, one.
        outputs: {name: Tensor}.
    """

    inputs: dict
    outputs: dict


def signatures(model):
    """The signatures of a model by name.

    Args:
        model: `keras_seg.serve.model.Model`.

    Returns:
        dict {name: Signature}: "serving_default", "encoded", and "probabilities" if the file has
        scores.
    """
    labels = "uint8" if model.num_classes <= 256 else "int32"
    image = {"image": Tensor("uint8", (-1, -1, -1, model.channels))}
    found = {
        DEFAULT: Signature(image, {"labels": Tensor(labels, (-1, -1, -1))}),
        "encoded": Signature(
            {"image_bytes": Tensor("bytes", (-1,))},
            {
                "class_shares": Tensor("float32", (-1, model.num_classes)),
                "mask_png_bytes": Tensor("bytes", (-1,)),
            },
        ),
    }
    if model.has_scores:
        maps = Tensor("float32", (-1, -1, -1, model.num_classes))
        found["probabilities"] = Signature(image, {"probabilities": maps})
    return found


def call(model, name, inputs):
    """Compute a signature.

    Args:
        model: `keras_seg.serve.model.Model`.
        name: name of a signature; empty for "serving_default".
        inputs: {name: array}; files are a list of bytes.

    Returns:
        dict {name: array or list of bytes} in the order of names.

    Raises:
        InvalidError: there is no such signature, or the inputs are not its own.
    """
    name = name or DEFAULT
    signature = require(model, name)
    if set(inputs) != set(signature.inputs):
        raise InvalidError(
            f"Signature {name!r} needs the inputs {sorted(signature.inputs)}. "
            f"Received: {sorted(inputs)}."
        )
    ((key, wanted),) = signature.inputs.items()
    given = inputs[key]
    check(key, wanted, given)
    if name == "encoded":
        files, shares = model.masks(given)
        return {"class_shares": shares, "mask_png_bytes": files}
    _check_pixels(model, given, name)
    if name == "probabilities":
        return {"probabilities": model.probabilities(given)}
    return {"labels": model.labels(given)}


def require(model, name):
    """The signature of this name.

    Raises:
        InvalidError: the model has none.
    """
    offered = signatures(model)
    if name not in offered:
        raise InvalidError(
            f"Model {model.name!r} has the signatures {sorted(offered)}. Received: {name!r}."
        )
    return offered[name]


def check(name, wanted, given):
    """Raise unless an input has the type and the axes of its signature.

    Args:
        name: name of the input.
        wanted: Tensor.
        given: array, or list of bytes.

    Raises:
        InvalidError: it does not.
    """
    if isinstance(given, list):
        dtype, shape = "bytes", (len(given),)
    else:
        dtype, shape = given.dtype.name, given.shape
    axes = len(shape) == len(wanted.shape) and 0 not in shape
    if (
        dtype != wanted.dtype
        or not axes
        or any(want not in (-1, have) for want, have in zip(wanted.shape, shape, strict=True))
    ):
        raise InvalidError(
            f"Input {name!r} needs {words(wanted)}, -1 for any length from 1. "
            f"Received: {dtype} {shape}."
        )
    if shape[0] > MAX_BATCH:
        raise InvalidError(
            f"Input {name!r} takes at most {MAX_BATCH} pictures. Received: {shape[0]}. "
            "Send several requests."
        )


def _check_pixels(model, given, name):
    """Raise if the answer would not fit into memory."""
    numbers = given.shape[0] * given.shape[1] * given.shape[2]
    numbers *= model.num_classes if name == "probabilities" else 1
    if numbers > model.max_pixels:
        raise InvalidError(
            f"Signature {name!r} gives at most {model.max_pixels:,} numbers. "
            f"Received: image {given.shape}, which gives {numbers:,}. Send smaller pictures."
        )


def words(tensor):
    """A tensor in words.

    >>> words(Tensor("uint8", (-1, 3)))
    'uint8 (-1, 3)'
    """
    return f"{tensor.dtype} ({', '.join(map(str, tensor.shape))})"
