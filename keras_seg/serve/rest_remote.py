"""A server over TensorFlow Serving's REST routes, for `Client`."""

import base64
import contextlib
import json
import random
import time
from urllib.parse import quote

import numpy as np
import urllib3

from keras_seg.serve.tensor_types import NAMES, NUMBERS

VERSION_HEADER = "x-model-version"  # of ours
_REPEATED = (429, 502, 503, 504)
_NUMPY = {NAMES[number]: name for name, number in NUMBERS.items() if name != "bytes"}


class RestRemote:
    """Requests to a server.

    Args:
        address: "host:port".
        model: the model's name.
        version: number of its version, or None for the present one.
        timeout: seconds for a request, with all repetitions.
        retries: repetitions when the server cannot be reached or is busy.
        secure: whether to use TLS.
    """

    sends_pixels = False  # a picture is 2 MB of JSON as pixels, and 0.2 MB as a PNG

    def __init__(self, address, model, version, timeout, retries, secure):
        name = f"/v1/models/{quote(model, safe='')}"
        self._route = name if version is None else f"{name}/versions/{version}"
        self._timeout, self._retries = timeout, retries
        self._root = f"{'https' if secure else 'http'}://{address}"
        self._pool = urllib3.PoolManager(maxsize=32, retries=False)

    def metadata(self):
        """The version and the signatures of the model.

        Returns:
            dict with "version", "signatures" {name: {"inputs"|"outputs": {name: shape}}}, and
            "keras_seg" where the server tells the classes.
        """
        answer = self._ask("GET", f"{self._route}/metadata")
        with self._read(answer) as content:
            found = content["metadata"]
            definitions = found["signature_def"]["signature_def"]
            shown = {
                name: {part: _shapes(definition[part]) for part in ("inputs", "outputs")}
                for name, definition in definitions.items()
                if definition.get("inputs")
            }
            self._types = {
                output: _NUMPY.get(tensor["dtype"])
                for definition in definitions.values()
                for output, tensor in definition["outputs"].items()
            }
            notes = {"keras_seg": found["keras_seg"]} if "keras_seg" in found else {}
            version = int(content["model_spec"]["version"])
            return {"version": version, "signatures": shown, **notes}

    def predict(self, signature, value, described):
        """The outputs of a signature.

        Args:
            signature: its name.
            value: array, or list of bytes.
            described: the signature's entry of `metadata`.

        Returns:
            ({name: array or list of bytes}, version or None).
        """
        files = isinstance(value, list)
        plain = (
            [{"b64": base64.b64encode(one).decode()} for one in value] if files else value.tolist()
        )
        (name,) = described["inputs"]
        body = json.dumps({"signature_name": signature, "inputs": {name: plain}})
        answer = self._ask("POST", f"{self._route}:predict", body)
        with self._read(answer) as content:
            outputs = content["outputs"]
            names = list(described["outputs"])
            outputs = {names[0]: outputs} if len(names) == 1 else outputs
            version = answer.headers.get(VERSION_HEADER)
            found = {key: self._value(key, one) for key, one in outputs.items()}
            return found, None if version is None else int(version)

    @contextlib.contextmanager
    def _read(self, answer):
        """The JSON of an answer; what fails in the block is the error of a server of another kind.

        Such servers answer with pages, or with JSON of their own.
        """
        try:
            yield json.loads(answer.data)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            received = f"{_error(answer)}. Check the URL."
            raise ValueError(self._words("a model server", received)) from error

    def _value(self, name, value):
        if self._types[name] is None:
            return [base64.b64decode(one["b64"]) for one in value]
        return np.asarray(value, self._types[name])

    def _ask(self, method, path, body=None):
        """The answer, after repetitions within the timeout."""
        end, attempt = time.monotonic() + self._timeout, 0
        while True:
            found = self._try(method, path, body, end - time.monotonic())
            if not isinstance(found, Exception):
                return found
            attempt += 1
            pause = random.uniform(0.5, 1) * 0.1 * 2**attempt
            if attempt > self._retries or time.monotonic() + pause >= end:
                raise found
            time.sleep(pause)

    def _try(self, method, path, body, seconds):
        """The answer, or the error of an attempt that may be repeated."""
        url = self._root + path
        if seconds <= 0:
            return TimeoutError(self._words("an answer in time", f"none in {self._timeout} s"))
        try:
            answer = self._pool.request(
                method, url, body=body, timeout=urllib3.Timeout(total=seconds)
            )
        except urllib3.exceptions.NewConnectionError as error:  # to urllib3 a timeout, too
            return self._unreachable(error)
        except urllib3.exceptions.TimeoutError:
            return TimeoutError(self._words("an answer in time", f"none in {self._timeout} s"))
        except urllib3.exceptions.HTTPError as error:
            return self._unreachable(error)
        if answer.status in _REPEATED:
            return ConnectionError(self._words("a server that takes requests", _error(answer)))
        if answer.status != 200:
            raise ValueError(self._words("a request that the server takes", _error(answer)))
        return answer

    def _unreachable(self, error):
        words = self._words("a server that can be reached", error)
        return ConnectionError(f"{words}. Check the address, and that the server is running.")

    def _words(self, needed, received):
        return f"`Client` needs {needed}. Received from {self._root}{self._route}: {received}"

    def close(self):
        """Close the connections."""
        self._pool.clear()


def _shapes(tensors):
    return {
        name: tuple(int(dim["size"]) for dim in tensor["tensor_shape"]["dim"])
        for name, tensor in tensors.items()
    }


def _error(answer):
    """The words of a server's error."""
    try:
        return f"{answer.status}, {json.loads(answer.data)['error']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"{answer.status}, {answer.data[:200].decode(errors='replace')}"
