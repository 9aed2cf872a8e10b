"""Metrics of a server, in Prometheus' text format."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """Counts of requests, their seconds, and the version that is served.

    Args:
        busy: function that returns the requests that are computed or wait.
        version: function that returns the number of the version.
    """

    def __init__(self, busy, version):
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "keras_seg_requests", "Requests by protocol and result.",
            ("protocol", "result"), registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "keras_seg_request_seconds", "Seconds from a request to its answer, with waiting.",
            ("protocol",), buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._changes = Counter(
            "keras_seg_version_changes", "New files that were loaded, or failed to load.",
            ("result",), registry=self._registry,
        )  # fmt: skip
        waiting = Gauge(
            "keras_seg_requests_in_progress", "Requests computed or waiting.",
            registry=self._registry,
        )  # fmt: skip
        waiting.set_function(busy)
        served = Gauge(
            "keras_seg_model_version", "Version that is served.", registry=self._registry
        )
        served.set_function(version)

    def count(self, protocol, result, seconds):
        """Count a request.

        Args:
            protocol: "http", "rest", "tensorflow_serving" or "open_inference".
            result: "ok", or the status of the error.
            seconds: its duration.
        """
        self._requests.labels(protocol, result).inc()
        self._seconds.labels(protocol).observe(seconds)

    def changed(self, loaded):
        """Count a new file.

        Args:
            loaded: whether it could be loaded.
        """
        self._changes.labels("ok" if loaded else "failed").inc()

    def text(self):
        """The metrics as bytes."""
        return generate_latest(self._registry)
