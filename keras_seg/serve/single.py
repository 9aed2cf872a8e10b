"""A server in one process: HTTP and gRPC in one event loop, LiteRT in threads."""

import asyncio
import contextlib
import logging
import signal
import socket
from typing import Any, NamedTuple

import grpc
import uvicorn

from keras_seg.inference.engines import num_cores
from keras_seg.serve.grpc_services import MAX_MESSAGE, handlers
from keras_seg.serve.rest import application
from keras_seg.serve.service import Service
from keras_seg.serve.versions import Versions

log = logging.getLogger("keras_seg")

GRACE_SECONDS = 20


class _Remote(NamedTuple):
    """The gRPC server and its port."""

    server: Any
    port: int


class _Server(uvicorn.Server):
    """Leaves signals to `run`: uvicorn would end the process with the signal's status."""

    @contextlib.contextmanager
    def capture_signals(self):
        yield


def serve_single(name, find, host="127.0.0.1", port=8501, grpc_port=8500, workers=None):
    """Serve a .tflite file over HTTP and gRPC until the process gets SIGINT or SIGTERM.

    Then no more requests are taken, and those that were are answered.

    Args:
        name: the model's name for clients.
        find: function that returns the path of the file, called every second to see new ones.
        host: address to listen on; 0.0.0.0 for all. There are no passwords and no encryption.
        port: port of HTTP; 0 for a free one.
        grpc_port: port of gRPC; 0 for a free one.
        workers: pictures computed at a time; None for one per core.

    Raises:
        ValueError: the file cannot be loaded.
        OSError: a port is in use.
    """
    workers = workers or num_cores()
    service = Service(Versions(name, find, workers), workers)
    asyncio.run(_serve(service, host, port, grpc_port))


async def _serve(service, host, port, grpc_port):
    config = uvicorn.Config(
        application(service), host, port, log_level="warning", access_log=False, lifespan="off",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip
    with _listening(host, port) as listening:
        http, remote = _Server(config), await _remote(service, host, grpc_port)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
                loop.add_signal_handler(number, _stop, service, http)
        port = listening.getsockname()[1]
        model = service.versions.current
        log.warning("Model %s, version %s: %s", model.name, model.version, model.path)
        log.warning("HTTP: http://%s  gRPC: %s", _address(host, port), _address(host, remote.port))
        async with service.running():
            await http.serve([listening])
            await remote.server.stop(GRACE_SECONDS)


def _stop(service, http):
    service.ready = False
    http.should_exit = True


def _address(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listening(host, port):
    """The socket of HTTP."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise OSError(
            f"`serve` needs a free port for HTTP. Received: {_address(host, port)} "
            f"({error.strerror}). Pass another one as --port; 0 takes a free one."
        ) from error


async def _remote(service, host, port):
    """Start the gRPC server."""
    limits = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.so_reuseport", 0)]
    server = grpc.aio.server(options=limits)
    server.add_generic_rpc_handlers(handlers(service))
    try:
        port = server.add_insecure_port(_address(host, port))
    except RuntimeError as error:
        raise OSError(
            f"`serve` needs a free port for gRPC. Received: {_address(host, port)} ({error}). "
            "Pass another one as --grpc-port; 0 takes a free one."
        ) from error
    await server.start()
    return _Remote(server, port)
