"""The gRPC services of a server: which method has which messages and which function."""

from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError

from keras_seg.serve import grpc_infer, grpc_predict, messages
from keras_seg.serve.refusals import InvalidError, RefusedError

MAX_MESSAGE = 64 * 2**20
_MAX_DETAILS = 1000  # bytes: clients give up an answer whose error has more than about 8,000
_SERVING = 1  # HealthCheckResponse.ServingStatus
_NOT_SERVING = 2


class Method(NamedTuple):
    """A method of a service.

    Attributes:
        request: class of its request.
        protocol: name for the metrics; None for answers about the state, which are not counted.
        function: called with the versions and the request, or with the service where `protocol` is
            None.
    """

    request: Any
    protocol: str | None
    function: Any


def _live(service, request):
    return messages.ServerLiveResponse(live=True)


def _ready(service, request):
    return messages.ServerReadyResponse(ready=service.ready)


def _check(service, request):
    return messages.HealthCheckResponse(status=_SERVING if service.ready else _NOT_SERVING)


_TENSORFLOW, _OPEN = "tensorflow_serving", "open_inference"

SERVICES = {
    "tensorflow.serving.PredictionService": {
        "Predict": Method(messages.PredictRequest, _TENSORFLOW, grpc_predict.predict),
        "GetModelMetadata": Method(
            messages.GetModelMetadataRequest, _TENSORFLOW, grpc_predict.get_model_metadata
        ),
    },
    "tensorflow.serving.ModelService": {
        "GetModelStatus": Method(
            messages.GetModelStatusRequest, _TENSORFLOW, grpc_predict.get_model_status
        ),
    },
    "inference.GRPCInferenceService": {
        "ServerLive": Method(messages.ServerLiveRequest, None, _live),
        "ServerReady": Method(messages.ServerReadyRequest, None, _ready),
        "ServerMetadata": Method(messages.ServerMetadataRequest, _OPEN, grpc_infer.server_metadata),
        "ModelReady": Method(messages.ModelReadyRequest, _OPEN, grpc_infer.model_ready),
        "ModelMetadata": Method(messages.ModelMetadataRequest, _OPEN, grpc_infer.model_metadata),
        "ModelInfer": Method(messages.ModelInferRequest, _OPEN, grpc_infer.model_infer),
    },
    "grpc.health.v1.Health": {"Check": Method(messages.HealthCheckRequest, None, _check)},
}


def handlers(service):
    """The handlers of all services, for `grpc.aio`.

    Args:
        service: `keras_seg.serve.service.Service`.

    Returns:
        list of `grpc.GenericRpcHandler`.
    """
    return [
        grpc.method_handlers_generic_handler(
            name, {rpc: _handler(service, method) for rpc, method in methods.items()}
        )
        for name, methods in SERVICES.items()
    ]


def _handler(service, method):
    async def answer(content, context):
        try:
            return await respond(service, method, _parsed(method.request, content))
        except RefusedError as refused:
            await context.abort(getattr(grpc.StatusCode, refused.grpc_status), details(refused))

    # Without a deserializer: gRPC logs each of its errors and answers UNKNOWN.
    return grpc.unary_unary_rpc_method_handler(answer, response_serializer=messages.serialized)


def _parsed(kind, content):
    try:
        return kind.FromString(content)
    except DecodeError as error:
        raise InvalidError(
            f"A request needs the bytes of a {kind.__name__}. "
            f"Received: {len(content)} bytes ({error}). Send the message of this method."
        ) from error


def details(refused):
    """The words of an error, shortened to what clients of gRPC read.

    Args:
        refused: `RefusedError`.

    Returns:
        str of about 1,000 bytes at most.

    >>> details(RefusedError("Received: 3."))
    'Received: 3.'
    """
    content = str(refused).encode()
    if len(content) <= _MAX_DETAILS:
        return str(refused)
    return content[:_MAX_DETAILS].decode(errors="ignore") + "..."


async def respond(service, method, request):
    """The response of a method.

    Args:
        service: `keras_seg.serve.service.Service`.
        method: `Method`.
        request: message of its class.

    Returns:
        message.

    Raises:
        RefusedError: the request has no result.
    """
    if method.protocol is None:
        return method.function(service, request)
    return await service.answer(method.protocol, method.function, request)
