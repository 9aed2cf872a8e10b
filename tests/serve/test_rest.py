"""The HTTP routes as an ASGI application, without a network."""

import asyncio
import threading
from types import SimpleNamespace

from _serving import require_packages

require_packages()

from keras_seg.serve.rest import application  # noqa: E402
from keras_seg.serve.service import Service  # noqa: E402


async def posted(app, content, gone):
    """The status of the answer to a picture; the client goes away at the event `gone`."""
    messages, sent = [{"type": "http.request", "body": content}], []

    async def receive():
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    return sent[0]["status"]


def test_a_request_whose_client_has_gone_is_taken_out_of_the_queue():
    computed, started, release = [], threading.Event(), threading.Event()

    def masks(contents):
        computed.append(contents[0])
        started.set()
        release.wait(20)
        return [b"png"], None

    async def ask():
        service = Service(SimpleNamespace(current=SimpleNamespace(version=1, masks=masks)))
        app, stays, goes = application(service), asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(posted(app, b"first", stays))
        await asyncio.to_thread(started.wait, 20)
        second = asyncio.create_task(posted(app, b"second", goes))
        while service._workers.busy < 2:
            await asyncio.sleep(0)
        goes.set()
        await asyncio.wait_for(second, 10)
        assert service._workers.busy == 1
        release.set()
        assert await first == 200
        await asyncio.to_thread(service._workers.close)
        return service.metrics.text().decode()

    text = asyncio.run(ask())
    assert computed == [b"first"]
    for result in ("ok", "cancelled"):
        assert f'keras_seg_requests_total{{protocol="http",result="{result}"}} 1.0' in text
