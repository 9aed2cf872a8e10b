"""The HTTP routes: a picture in and a PNG out, TensorFlow Serving's REST, health and metrics."""

import asyncio
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from keras_seg.serve import rest_values, signatures
from keras_seg.serve.description import metadata, status
from keras_seg.serve.metrics import CONTENT_TYPE
from keras_seg.serve.refusals import MissingError, RefusedError, TooLargeError
from keras_seg.serve.rest_remote import VERSION_HEADER
from keras_seg.serve.versions import version_number

MAX_BODY = 64 * 2**20


def application(service, lifespan=None):
    """The ASGI application of a server.

    Args:
        service: `keras_seg.serve.service.Service`; or a function that returns it, if it is made
            after the application.
        lifespan: asynchronous context manager that takes the application, or None.

    Returns:
        `fastapi.FastAPI`.
    """
    of = service if callable(service) else lambda: service
    # Its own pages of documentation would be loaded from the internet.
    app = FastAPI(title="keras_seg", lifespan=lifespan or _nothing, docs_url=None, redoc_url=None)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(ClientDisconnect, _nobody)
    _add_pictures(app, of)
    _add_models(app, of)
    _add_state(app, of)
    return app


@asynccontextmanager
async def _nothing(app):
    yield


def _add_pictures(app, of):
    @app.post("/", response_class=Response)
    async def picture_to_png(request: Request):
        """A JPEG or PNG file as the body; answers its label map as a PNG file with the palette."""
        content = await _body(request)
        png, version = await _answer(of(), request, "http", _png, content)
        return Response(png, media_type="image/png", headers={VERSION_HEADER: str(version)})


def _png(versions, content):
    model = versions.current
    (png,), _ = model.masks([content])
    return png, model.version


def _add_models(app, of):
    async def predict(request: Request, name: str, version: str = ""):
        body = await _body(request)
        text, served = await _answer(of(), request, "rest", _predict, body, name, version)
        headers = {VERSION_HEADER: str(served)}
        return Response(text, media_type="application/json", headers=headers)

    async def describe(name: str, version: str = ""):
        return JSONResponse(metadata(of().versions.get(name, version_number(version))))

    async def state(name: str, version: str = ""):
        return JSONResponse(status(of().versions.get(name, version_number(version))))

    # The longest first: a name or a version has no slash, yet may have a colon.
    for path in ("/v1/models/{name}/versions/{version}", "/v1/models/{name}"):
        app.post(f"{path}:predict", response_class=Response)(predict)
        app.get(f"{path}/metadata")(describe)
        app.get(path)(state)


def _predict(versions, body, name, version):
    """The answer of `:predict`, and the version that gave it."""
    model = versions.get(name, version_number(version))
    asked, values, by_example = rest_values.read_request(body)
    signature = signatures.require(model, asked or signatures.DEFAULT)
    inputs = rest_values.to_inputs(values, by_example, signature)
    return rest_values.to_json(signatures.call(model, asked, inputs), by_example), model.version


def _add_state(app, of):
    @app.get("/health")
    async def health():
        """Status 200 while requests are taken, 503 in the moment before the port is closed."""
        ready = of().ready
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def metrics():
        return Response(of().metrics.text(), media_type=CONTENT_TYPE)

    app.get("/metrics", response_class=Response)(metrics)
    # TensorFlow Serving's path.
    app.get("/monitoring/prometheus/metrics", response_class=Response)(metrics)


async def _body(request):
    """The body of a request, which is not read beyond the limit."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise TooLargeError(
                f"A request has at most {MAX_BODY:,} bytes. Received: more. Send a smaller picture."
            )
        parts.append(part)
    return b"".join(parts)


async def _answer(service, request, *arguments):
    """The service's answer, which is given up as soon as the client has gone."""
    answer = asyncio.ensure_future(service.answer(*arguments))
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnect
        return answer.result()
    finally:
        answer.cancel()
        gone.cancel()


async def _gone(request):
    """Wait until the client of a request, whose body was read, has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refused(request, error):
    return _error(error, error.http_status)


def _error(error, status_code):
    # A request in JSON may have halves of surrogate pairs, which UTF-8 has no bytes for.
    text = str(error).encode("utf-8", "backslashreplace").decode()
    return JSONResponse({"error": text}, status_code)


async def _nobody(request, error):
    """The answer to a client that went away within its request."""
    return Response(status_code=400)


async def _no_route(request, error):
    missing = MissingError(
        f"There is no route {request.method} {request.url.path}. Pictures go to POST /, "
        "TensorFlow Serving's requests to /v1/models/<name>:predict."
    )
    status_code = error.status_code if error.status_code == 405 else missing.http_status
    return _error(missing, status_code)
