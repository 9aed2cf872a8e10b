"""The same server on Ray Serve: a process for each replica, on one machine or a cluster."""

import asyncio
import logging
import signal
import threading
from typing import Any

import grpc
import ray  # pyright: ignore[reportMissingImports] - its own extra
from ray import serve  # pyright: ignore[reportMissingImports]

from keras_seg.inference.engines import num_cores
from keras_seg.serve import messages
from keras_seg.serve.grpc_services import SERVICES, details, respond
from keras_seg.serve.refusals import RefusedError
from keras_seg.serve.rest import application
from keras_seg.serve.service import Service, current, make_current
from keras_seg.serve.versions import Versions

log = logging.getLogger("keras_seg")

# Ray has a health check of its own.
_ADDED = ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService",
          "inference.GRPCInferenceService")  # fmt: skip


class _Replica:
    """One interpreter behind an event loop.

    Args:
        name: the model's name for clients.
        find: function that returns the path of the file; on a cluster, each machine needs it.
    """

    async def __init__(self, name, find):
        # In a thread: this is the event loop that tells Ray of the replica's health.
        versions = await asyncio.to_thread(Versions, name, find)
        # Ray copies this class with the variables of its module: those of others are the process's.
        make_current(Service(versions))
        self._watching = asyncio.create_task(current().watch())

    def check_health(self):
        """Raise if the loop that looks for new versions has ended."""
        if self._watching.done():
            self._watching.result()


def _method(rpc, method):
    """The method of a replica for an RPC; Ray finds it by its name."""

    async def answer(self, request, grpc_context):
        try:
            return await respond(current(), method, request)
        except RefusedError as refused:
            grpc_context.set_code(getattr(grpc.StatusCode, refused.grpc_status))
            grpc_context.set_details(details(refused))
            return messages.HealthCheckResponse()  # not sent: the status is an error

    answer.__name__ = answer.__qualname__ = rpc
    return answer


for _name in _ADDED:
    for _rpc, _described in SERVICES[_name].items():
        setattr(_Replica, _rpc, _method(_rpc, _described))

Replica: Any = serve.deployment(serve.ingress(application(current))(_Replica), name="Replica")


def add_prediction(servicer, server):
    """Add TensorFlow Serving's PredictionService to Ray's gRPC server."""
    _add(_ADDED[0], servicer, server)


def add_status(servicer, server):
    """Add TensorFlow Serving's ModelService to Ray's gRPC server."""
    _add(_ADDED[1], servicer, server)


def add_inference(servicer, server):
    """Add the Open Inference Protocol to Ray's gRPC server."""
    _add(_ADDED[2], servicer, server)


def _add(name, servicer, server):
    handlers = {
        rpc: grpc.unary_unary_rpc_method_handler(
            getattr(servicer, rpc),
            request_deserializer=method.request.FromString,
            response_serializer=messages.serialized,
        )
        for rpc, method in SERVICES[name].items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))


def serve_ray(name, find, host="127.0.0.1", port=8501, grpc_port=8500, workers=None):
    """Serve a .tflite file on Ray Serve until the process gets SIGINT or SIGTERM.

    Args:
        name: the model's name for clients.
        find: function that returns the path of the file.
        host: address of HTTP. Ray's gRPC listens on all addresses, which cannot be changed.
        port: port of HTTP.
        grpc_port: port of gRPC.
        workers: replicas, each with one core; None for one per core of this machine.
    """
    functions = [
        f"{__name__}.{add.__name__}" for add in (add_prediction, add_status, add_inference)
    ]
    serve.start(
        http_options={"host": host, "port": port},
        grpc_options={"port": grpc_port, "grpc_servicer_functions": functions},
    )
    # The second request of a replica is read and written while the first is computed.
    deployment = Replica.options(num_replicas=workers or num_cores(), max_ongoing_requests=16)
    serve.run(deployment.bind(name, find), name=name, route_prefix="/")
    log.warning("gRPC listens on all addresses: Ray has no setting for it.")
    log.warning("HTTP: http://%s:%s  gRPC: %s:%s", host, port, host, grpc_port)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    serve.shutdown()
    ray.shutdown()
