"""The gRPC services of a server: which method has which messages and which function."""

from typing import Any, NamedTuple

import grpc

from keras_seg.serve import grpc_infer, grpc_predict, messages
from keras_seg.serve.refusals import RefusedError

MAX_MESSAGE = 64 * 2**20
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
    async def answer(request, context):
        try:
            return await respond(service, method, request)
        except RefusedError as refused:
            await context.abort(getattr(grpc.StatusCode, refused.grpc_status), str(refused))

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=method.request.FromString,
        response_serializer=messages.serialized,
    )


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
