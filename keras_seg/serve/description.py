"""What a server says about its model: metadata and state, in TensorFlow Serving's JSON."""

from keras_seg.serve.signatures import signatures
from keras_seg.serve.tensor_types import NAMES, NUMBERS

METHOD = "tensorflow/serving/predict"
AVAILABLE = 30  # ModelVersionStatus.State


def metadata(model):
    """The metadata of a model.

    Besides TensorFlow Serving's "signature_def", "keras_seg" has what `classes` returns.

    Args:
        model: `keras_seg.serve.model.Model`.

    Returns:
        dict.
    """
    found = {
        name: {
            "inputs": {key: _tensor(key, tensor) for key, tensor in one.inputs.items()},
            "outputs": {key: _tensor(key, tensor) for key, tensor in one.outputs.items()},
            "method_name": METHOD,
            "defaults": {},
        }
        for name, one in signatures(model).items()
    }
    return {
        "model_spec": {"name": model.name, "signature_name": "", "version": str(model.version)},
        "metadata": {"signature_def": {"signature_def": found}, "keras_seg": classes(model)},
    }


def classes(model):
    """Class names, palette and the size of the file's input.

    Args:
        model: `keras_seg.serve.model.Model`.

    Returns:
        dict.
    """
    return {
        "class_names": model.class_names,
        "palette": model.palette,
        "num_classes": model.num_classes,
        "size": list(model.size),
    }


def status(model):
    """The state of a model's version.

    Args:
        model: `keras_seg.serve.model.Model`.

    Returns:
        dict.
    """
    ok = {"error_code": "OK", "error_message": ""}
    version = {"version": str(model.version), "state": "AVAILABLE", "status": ok}
    return {"model_version_status": [version]}


def _tensor(name, tensor):
    sides = [{"size": str(side), "name": ""} for side in tensor.shape]
    shape = {"dim": sides, "unknown_rank": False}
    return {"dtype": NAMES[NUMBERS[tensor.dtype]], "tensor_shape": shape, "name": name}
