"""What /metrics tells, in Prometheus's form: requests as they come, jobs, tasks and slots as they stand when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from fanfold.ports.executor import Executor
from fanfold.ports.lease import Orchestrators, Standing
from fanfold.ports.store import Finished, Store
from fanfold.ports.webhooks import Told

LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TASK_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 3600.0)


class Metrics:
    """One process's metrics in a registry of its own."""

    def __init__(
        self, store: Store, executor: Executor, stands: Callable[[], Orchestrators], broken: Callable[[], int | None]
    ) -> None:
        """`broken`: how many kinds of promises about jobs are, as last counted; None where nobody has."""
        self._registry = CollectorRegistry()
        labels = ["route", "method", "status"]
        self._requests = Counter("fanfold_requests", "Requests answered.", labels, registry=self._registry)
        self._latency = Histogram(
            "fanfold_request_seconds",
            "Time to answer.",
            ["route", "method"],
            buckets=LATENCY_S,
            registry=self._registry,
        )
        self._task_s = Histogram(
            "fanfold_task_seconds", "Run time of programs.", ["outcome"], buckets=TASK_S, registry=self._registry
        )
        self._queue_s = Histogram(
            "fanfold_queue_wait_seconds",
            "From a task's being due to its start.",
            buckets=TASK_S,
            registry=self._registry,
        )
        self._webhooks = Counter(
            "fanfold_webhook_attempts", "Messages sent to webhooks.", ["outcome"], registry=self._registry
        )
        self._registry.register(_Standing(store, executor, stands, broken))

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(route, method, str(status)).inc()
        self._latency.labels(route, method).observe(seconds)

    def attempt_ended(self, change: Finished) -> None:
        """Count one ended attempt: how long its program ran, and how long its task had waited for it."""
        before, outcome = change.before, change.outcome
        if outcome.started_at is None:
            return
        self._task_s.labels(type(outcome).__name__).observe((outcome.at - outcome.started_at).total_seconds())
        if before.due_at is not None:
            self._queue_s.observe(max(0.0, (outcome.started_at - before.due_at).total_seconds()))

    def webhook_told(self, told: Told) -> None:
        """Count one attempt to deliver a message; pending: it is tried again."""
        self._webhooks.labels(told.state.value).inc()

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)


class _Standing:
    """Jobs by state, tasks by state and slots, counted when asked."""

    def __init__(
        self, store: Store, executor: Executor, stands: Callable[[], Orchestrators], broken: Callable[[], int | None]
    ) -> None:
        self._broken = broken
        self._stands = stands
        self._store = store
        self._executor = executor

    def collect(self) -> Iterator[Metric]:
        """The gauges of this moment."""
        jobs = GaugeMetricFamily("fanfold_jobs", "Jobs by state.", labels=["state"])
        tasks = GaugeMetricFamily("fanfold_tasks", "Tasks of unfinished jobs by state.", labels=["state"])
        counts = self._store.counts()
        for state, count in counts.jobs.items():
            jobs.add_metric([state.value], count)
        for task_state, count in counts.tasks.items():
            tasks.add_metric([task_state.value], count)
        slots = GaugeMetricFamily("fanfold_slots", "Executor slots.", labels=["kind"])
        busy = sum(runner["attempt"] is not None for runner in self._executor.runners())
        slots.add_metric(["all"], self._executor.capacity().slots)
        slots.add_metric(["busy"], busy)
        yield from (jobs, tasks, slots)
        yield from self._orchestrators()
        if (broken := self._broken()) is not None:
            said = "Kinds of promises about jobs that are broken, as the working orchestrator last counted; 0 is right."
            yield GaugeMetricFamily("fanfold_violations", said, value=broken)

    def _orchestrators(self) -> Iterator[Metric]:
        stands = self._stands()
        role = GaugeMetricFamily(
            "fanfold_orchestrator", "1 for what this process's orchestrator is.", labels=["role", "state"]
        )
        for state in Standing:
            role.add_metric([stands.role.value, state.value], float(state is stands.standing))
        epoch = GaugeMetricFamily("fanfold_orchestrator_lease", "The lease's number; it grows with each take-over.")
        epoch.add_metric([], stands.epoch)
        yield from (role, epoch)
