"""TensorFlow Serving's JSON as arrays and back (tensorflow.org/tfx/serving/api_rest)."""

import base64
import binascii
import json

import numpy as np

from keras_seg.serve.refusals import InvalidError

MAX_NUMBERS = 10_000_000  # of an answer: JSON needs a hundred bytes of memory for each


def read_request(body):
    """The request in the body of `:predict`.

    Args:
        body: bytes of a JSON object with "instances" (a list of examples) or "inputs" (a tensor,
            or a dict of tensors), and perhaps "signature_name".

    Returns:
        (name of the signature, its values, whether they are examples).

    Raises:
        InvalidError: the body is something else.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"A request needs JSON. Received: {_short(error)}.") from error
    keys = {"instances", "inputs"} & set(request) if isinstance(request, dict) else ()
    if len(keys) != 1:
        raise InvalidError(
            'A request needs a JSON object with either "instances" or "inputs". '
            f"Received: {sorted(request) if isinstance(request, dict) else type(request).__name__}."
        )
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidError(f'"signature_name" needs a string. Received: {_short(name)}.')
    (key,) = keys
    return name, request[key], key == "instances"


def to_inputs(values, by_example, signature):
    """The inputs of a signature from JSON values.

    Args:
        values: of `read_request`.
        by_example: whether they are a list of examples.
        signature: `keras_seg.serve.signatures.Signature`, with one input.

    Returns:
        dict {name: array or list of bytes}.

    Raises:
        InvalidError: they are something else.
    """
    ((name, tensor),) = signature.inputs.items()
    if by_example:
        if not isinstance(values, list):
            raise InvalidError(f'"instances" needs a list. Received: {_short(values)}.')
        values = [_named(value, name) for value in values]
    else:
        values = _named(values, name)
        # A single file may stand alone.
        values = [values] if tensor.dtype == "bytes" and isinstance(values, dict) else values
    if tensor.dtype == "bytes":
        return {name: [_file(value) for value in values] if isinstance(values, list) else []}
    return {name: _pixels(name, values)}


def _named(value, name):
    """The value of an input, which may be in a dict by its name."""
    if isinstance(value, dict) and set(value) != {"b64"}:
        if set(value) != {name}:
            raise InvalidError(f"The signature has the input {name!r}. Received: {sorted(value)}.")
        return value[name]
    return value


def _file(value):
    if not isinstance(value, dict) or not isinstance(value.get("b64"), str):
        raise InvalidError(f'A file needs {{"b64": "..."}}. Received: {_short(value)}.')
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidError(f'"b64" needs base64. Received: {_short(error)}.') from error


def _pixels(name, values):
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError) as error:  # rows of different lengths
        raise InvalidError(
            f"Input {name!r} needs lists of equal length. Received: {_short(error)}."
        ) from error
    whole = array.dtype.kind in "iu" and array.size > 0
    if not whole or array.min() < 0 or array.max() > 255:
        raise InvalidError(
            f"Input {name!r} needs whole numbers 0..255. "
            f"Received: {array.dtype.name} {array.shape}, {_short(values)}."
        )
    return array.astype(np.uint8)


def to_json(outputs, by_example):
    """The body of an answer.

    Args:
        outputs: dict {name: array or list of bytes}.
        by_example: whether each example has its own entry, "predictions", else "outputs".

    Returns:
        bytes.

    Raises:
        InvalidError: the answer has too many numbers.

    >>> to_json({"labels": np.array([[1, 2]])}, by_example=True)
    b'{"predictions": [[1, 2]]}'
    """
    count = sum(value.size for value in outputs.values() if isinstance(value, np.ndarray))
    if count > MAX_NUMBERS:
        raise InvalidError(
            f"An answer in JSON has at most {MAX_NUMBERS:,} numbers. Received: a request for "
            f"{count:,}. Use gRPC, or the signature 'encoded'."
        )
    plain = {name: _plain(value) for name, value in outputs.items()}
    (first, *others) = plain
    if not by_example:
        return json.dumps({"outputs": plain if others else plain[first]}).encode()
    rows = zip(*plain.values(), strict=True)
    found = [dict(zip(plain, row, strict=True)) for row in rows] if others else plain[first]
    return json.dumps({"predictions": found}).encode()


def _plain(value):
    if isinstance(value, list):
        return [{"b64": base64.b64encode(content).decode()} for content in value]
    return value.tolist()


def _short(value):
    text = str(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
