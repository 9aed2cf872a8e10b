"""Requests a second of `serve --single`, of a plain FastAPI + LiteRT server and of `model.predict`.

    python tests/benchmarks/bench_serve.py [--seconds 60] [--clients 8] [--rounds 1]

A fixed number of clients post PNG files of 360x480 and wait for PNG files. Each client has pictures
of its own, and every answer is compared with the one that its picture had before the load: no
error and no mix-up is allowed. The servers run at the same time and take turns; one JSON line for
each way and round. "mb" is the server's memory (PSS) after the first tenth and at the end.
"""

import argparse
import io
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import urllib3
from PIL import Image

ROOT = Path(__file__).parents[2]
RUN = ROOT / "saved_models" / "contextnet_cn14-camvid"
HEIGHT, WIDTH = 360, 480
PICTURES = 4  # of each client


def plain_app():
    """What one writes in ten minutes: two interpreters in a queue, FastAPI's own threads."""
    from keras_seg.inference.litert import LiteRTSegmenter

    segmenters = queue.Queue()
    for _ in range(os.cpu_count() or 1):
        segmenters.put(LiteRTSegmenter(RUN / "model_int8.tflite", num_threads=1))

    def segment(pixels):
        segmenter = segmenters.get()
        try:
            return segmenter(pixels)
        finally:
            segmenters.put(segmenter)

    return app_of(segment)


def predict_app():
    """`model.predict` behind the same route, one picture at a time."""
    from keras_seg.find_run import load

    model, lock = load(RUN).model, threading.Lock()

    def segment(pixels):
        with lock:
            logits = model.predict(pixels[np.newaxis], verbose=0)
        logits = logits["logits"] if isinstance(logits, dict) else logits
        return logits[0].argmax(-1).astype("uint8")

    return app_of(segment)


def app_of(segment):
    from fastapi import Body, FastAPI, Response

    app = FastAPI()

    @app.post("/")
    def post(content: bytes = Body()):
        labels = segment(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))
        file = io.BytesIO()
        Image.fromarray(labels).save(file, "PNG", compress_level=1)
        return Response(file.getvalue(), media_type="image/png")

    return app


def start(way, port):
    """Start a server; returns its process."""
    command = [sys.executable, __file__, "--serve", way, "--port", str(port)]
    if way == "ours":
        command = [sys.executable, "-m", "keras_seg", "serve", str(RUN), "--single"]
        command += ["--port", str(port), "--grpc-port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def pictures(seed):
    """PNG files with several classes."""
    random = np.random.default_rng(seed)
    for _ in range(PICTURES):
        small = Image.fromarray(random.integers(0, 256, (6, 8, 3)).astype("uint8"))
        file = io.BytesIO()
        small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(file, "PNG")
        yield file.getvalue()


def post(pool, port, content):
    return pool.request(
        "POST", f"http://127.0.0.1:{port}/", body=content, retries=False, timeout=120,
        headers={"Content-Type": "application/octet-stream"},
    )  # fmt: skip


def answer(pool, port, content):
    found = post(pool, port, content)
    if found.status != 200:
        raise RuntimeError(f"{found.status} {found.data[:200]}")
    return np.asarray(Image.open(io.BytesIO(found.data)))


def wait(port):
    pool = urllib3.PoolManager()
    for _ in range(600):
        try:
            return post(pool, port, b"")
        except urllib3.exceptions.HTTPError:
            time.sleep(0.2)
    raise TimeoutError(port)


def megabytes(process):
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(True)]
    return round(sum(one.memory_full_info().pss for one in family) / 1e6)


def load_on(process, port, clients, seconds):
    """Times of all answers, and what went wrong."""
    pool = urllib3.PoolManager(maxsize=clients)
    own = [list(pictures(seed)) for seed in range(clients)]
    wanted = [[answer(pool, port, file) for file in files] for files in own]
    times, errors, memory = [], [], []
    end = time.perf_counter() + seconds

    def client(index):
        turn = 0
        while time.perf_counter() < end:
            begin = time.perf_counter()
            try:
                found = answer(pool, port, own[index][turn % PICTURES])
                if not np.array_equal(found, wanted[index][turn % PICTURES]):
                    errors.append("mix-up")
            except (RuntimeError, urllib3.exceptions.HTTPError) as error:
                errors.append(repr(error))
            times.append(time.perf_counter() - begin)
            turn += 1

    threads = [threading.Thread(target=client, args=(index,)) for index in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(seconds / 10)
    memory.append(megabytes(process))
    for thread in threads:
        thread.join()
    memory.append(megabytes(process))
    percentiles = np.percentile(times, (50, 95, 99)) * 1000
    return {
        "requests": len(times), "per_second": round(len(times) / (time.perf_counter() - begin), 1),
        "p50_p95_p99_ms": percentiles.round().astype(int).tolist(), "errors": len(errors),
        "first_errors": errors[:3], "mb": memory,
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--ways", nargs="+", default=["ours", "plain", "predict"])
    parser.add_argument("--serve", choices=["plain", "predict"])
    parser.add_argument("--port", type=int, default=18600)
    options = parser.parse_args()
    if options.serve:
        import uvicorn

        app = {"plain": plain_app, "predict": predict_app}[options.serve]()
        uvicorn.run(app, port=options.port, log_level="warning")
        return
    ports = {way: options.port + index for index, way in enumerate(options.ways)}
    servers = {way: start(way, port) for way, port in ports.items()}
    rates = {way: [] for way in options.ways}
    try:
        for port in ports.values():
            wait(port)
        for number in range(options.rounds):
            for way, port in ports.items():
                found = load_on(servers[way], port, options.clients, options.seconds)
                rates[way].append(found["per_second"])
                print(json.dumps({"way": way, "round": number, **found}), flush=True)
    finally:
        for server in servers.values():
            server.terminate()
    medians = {way: float(np.median(values)) for way, values in rates.items()}
    if {"ours", "plain"} <= set(medians):
        print(json.dumps({"plain_to_ours": round(medians["plain"] / medians["ours"], 3)}))


if __name__ == "__main__":
    main()
