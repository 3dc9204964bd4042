"""Numbers for Prometheus: requests, their times, notes read, charts by state. No name of a person, chart or note is a label."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS".split())


class Metrics:
    """The metrics of one desk."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "codesuggest_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "codesuggest_request_seconds",
            "Time to answer.",
            ("method", "route"),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.3, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self._notes = Counter("codesuggest_notes", "Notes read.", ("outcome",), registry=self.registry)
        self._charts = Gauge("codesuggest_charts", "Charts by state.", ("status",), registry=self.registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def note(self, *, failed: bool) -> None:
        """Count a note that was read."""
        self._notes.labels("failed" if failed else "read").inc()

    def text(self, charts: Mapping[str, int]) -> bytes:
        """Give everything in Prometheus' format.

        Parameters
        ----------
        charts : mapping of str to int
            State to number of charts.
        """
        for status, n in charts.items():
            self._charts.labels(status).set(n)
        return generate_latest(self.registry)
