"""What Prometheus is told."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_PREFIX = "odoo_ops_webhook"


class Metrics:
    """The figures of one receiver."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.deliveries = Counter(
            f"{_PREFIX}_deliveries", "Deliveries by what became of them.", ["source", "result"], registry=registry
        )
        self.answer_seconds = Histogram(
            f"{_PREFIX}_answer_seconds",
            "Time until a delivery was answered.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 5),
            registry=registry,
        )
        self.releases = Counter(
            f"{_PREFIX}_releases", "Releases by what Prefect made of them.", ["result"], registry=registry
        )
        self.statuses = Counter(
            f"{_PREFIX}_statuses", "Commit statuses by what the forge said.", ["source", "result"], registry=registry
        )
        self._waiting = Gauge(f"{_PREFIX}_waiting", "Releases that wait for Prefect.", registry=registry)
        self._oldest = Gauge(
            f"{_PREFIX}_oldest_waiting_seconds", "Age of the release that waits longest.", registry=registry
        )
        self._prefect = Gauge(
            f"{_PREFIX}_prefect_up", "1 when Prefect answered and took releases the last time.", registry=registry
        )

    def text(self, *, waiting: int, oldest_seconds: float, prefect_up: bool) -> bytes:
        """All of them, in Prometheus' own format."""
        self._waiting.set(waiting)
        self._oldest.set(oldest_seconds)
        self._prefect.set(prefect_up)
        return generate_latest(self._registry)
