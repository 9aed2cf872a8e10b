"""TensorFlow Serving's gRPC: Predict, GetModelMetadata and GetModelStatus."""

import json

from keras_seg.serve import description, messages, signatures
from keras_seg.serve.refusals import InvalidError
from keras_seg.serve.tensor_proto import to_array, to_proto
from keras_seg.serve.tensor_types import NUMBERS

FIELDS = ("signature_def", "keras_seg")
_SIGNATURES = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
_TEXT = "type.googleapis.com/google.protobuf.StringValue"


def predict(versions, request):
    """Compute a signature.

    Args:
        versions: `keras_seg.serve.versions.Versions`.
        request: PredictRequest.

    Returns:
        PredictResponse.

    Raises:
        RefusedError: there is no such model, version or signature, or the inputs are not its own.
    """
    model, name = _model(versions, request.model_spec), request.model_spec.signature_name
    signature = signatures.require(model, name or signatures.DEFAULT)
    limit = model.max_pixels * model.channels
    inputs = {key: to_array(key, tensor, limit) for key, tensor in request.inputs.items()}
    unknown = set(request.output_filter) - set(signature.outputs)
    if unknown:
        raise InvalidError(
            f"The signature has the outputs {sorted(signature.outputs)}. "
            f"Received: output_filter={sorted(unknown)}."
        )
    response = messages.PredictResponse(model_spec=_spec(model, name or signatures.DEFAULT))
    for key, value in signatures.call(model, name, inputs).items():
        if not request.output_filter or key in request.output_filter:
            response.outputs[key].CopyFrom(to_proto(value))
    return response


def get_model_metadata(versions, request):
    """Describe the signatures of a model.

    Besides TensorFlow Serving's field "signature_def", "keras_seg" gives class names and palette
    as JSON in a StringValue.

    Args:
        versions: `keras_seg.serve.versions.Versions`.
        request: GetModelMetadataRequest.

    Returns:
        GetModelMetadataResponse.

    Raises:
        RefusedError: there is no such model, version or field.
    """
    model = _model(versions, request.model_spec)
    asked = set(request.metadata_field)
    if not asked or not asked <= set(FIELDS):
        raise InvalidError(
            f"`metadata_field` needs one or more of {FIELDS}. Received: {sorted(asked)}."
        )
    response = messages.GetModelMetadataResponse(model_spec=_spec(model, ""))
    if "signature_def" in asked:
        found = messages.SignatureDefMap()
        for name, one in signatures.signatures(model).items():
            definition = found.signature_def[name]
            definition.method_name = description.METHOD
            for part in ("inputs", "outputs"):
                for key, tensor in getattr(one, part).items():
                    getattr(definition, part)[key].CopyFrom(_info(key, tensor))
        _fill(response.metadata["signature_def"], _SIGNATURES, found)
    if "keras_seg" in asked:
        text = json.dumps(description.classes(model))
        _fill(response.metadata["keras_seg"], _TEXT, messages.StringValue(value=text))
    return response


def get_model_status(versions, request):
    """The state of the version that is served.

    Args:
        versions: `keras_seg.serve.versions.Versions`.
        request: GetModelStatusRequest.

    Returns:
        GetModelStatusResponse.

    Raises:
        RefusedError: there is no such model or version.
    """
    model = _model(versions, request.model_spec)
    response = messages.GetModelStatusResponse()
    state = response.model_version_status.add(version=model.version, state=description.AVAILABLE)
    state.status.SetInParent()  # OK is 0
    return response


def _model(versions, spec):
    if spec.version_label:
        raise InvalidError(
            "This server knows no labels of versions. "
            f"Received: version_label={spec.version_label!r}. Pass `version`, or neither."
        )
    return versions.get(spec.name, spec.version.value if spec.HasField("version") else None)


def _spec(model, signature_name):
    spec = messages.ModelSpec(name=model.name, signature_name=signature_name)
    spec.version.value = model.version
    return spec


def _info(name, tensor):
    info = messages.TensorInfo(name=name, dtype=NUMBERS[tensor.dtype])
    for side in tensor.shape:
        info.tensor_shape.dim.add(size=side)
    return info


def _fill(field, type_url, message):
    field.type_url, field.value = type_url, message.SerializeToString()
