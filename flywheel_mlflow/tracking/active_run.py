"""Makes a run MLflow's active one while its block is open, and puts back what was set before.

MLflow keeps this state in module variables, the environment and a stack of the thread, and offers no way to read or
unset all of it (tried on 3.17.2); hence the private names below.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.tracking.connection import translated
from flywheel_mlflow.tracking.versions import numbers_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from flywheel_mlflow.tracking.project_runs import StartedRun

#: What MLflow's setters write for subprocesses to inherit, and what would lead its next run elsewhere.
_VARIABLES = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_RUN_ID",
)


class ActiveRun:
    """A run that ``mlflow.log_metric``, autologging, traces and evaluations land on, from ``begin`` to ``end``."""

    def __init__(self, client: MlflowClient, run: StartedRun, uri: str) -> None:
        self._client = client
        self._run = run
        self._uri = uri
        self._before: _Before | None = None
        #: Whether anything was traced in this process until the end.
        self.traced = False

    def begin(self) -> None:
        """Make it the active run; inside another one that run waits.

        Raises:
            ServerError: the server. What was set before is back then.
        """
        import mlflow
        from mlflow.tracking import fluent

        self._before = _Before()
        try:
            with translated(self._uri):
                _set_tracking_uri(self._client.tracking_uri)
                mlflow.set_registry_uri(self._client.tracking_uri)
                for name in ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID"):
                    os.environ.pop(name, None)
                os.environ["MLFLOW_EXPERIMENT_ID"] = self._run.experiment_id
                fluent._active_experiment_id = self._run.experiment_id  # type: ignore[assignment]  # noqa: SLF001
                mlflow.start_run(run_id=self._run.run_id, nested=True)
        except BaseException:
            self._restore()
            raise

    def end(self, status: str) -> None:
        """Wait for what MLflow writes in the background, end the runs left open inside with ``status``, and put back
        what was set before. The run itself stays open. Ending twice is ending once.

        Raises:
            ServerError: something could not be written. What was set before is back all the same.
        """
        if self._before is None:
            return
        import mlflow
        from mlflow.tracing.provider import _get_trace_exporter
        from mlflow.tracking import fluent

        try:
            with translated(self._uri):
                stack = _stack()
                while len(stack) > len(self._before.stack) + 1:
                    mlflow.end_run(status)
                if stack and stack[-1].info.run_id == self._run.run_id:
                    mlflow.flush_artifact_async_logging()
                monitor = fluent.run_id_to_system_metrics_monitor.pop(self._run.run_id, None)
                if monitor is not None:
                    monitor.finish()
                mlflow.flush_async_logging()
                traced = _get_trace_exporter() is not None  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
                # MLflow 3.10 calls it an error that nothing was traced.
                self.traced = traced
                if traced or numbers_of(mlflow.__version__) >= (3, 11):
                    mlflow.flush_trace_async_logging()
        finally:
            self._restore()

    def _restore(self) -> None:
        before, self._before = self._before, None
        if before is not None:
            before.restore(ended=self._run.run_id)


class _Before:
    """MLflow's state as it is when this is made."""

    def __init__(self) -> None:
        from mlflow.tracking import fluent
        from mlflow.tracking._model_registry import utils as registry
        from mlflow.tracking._tracking_service import utils as tracking

        self.stack: list[Any] = list(_stack())
        self._environ = {name: os.environ.get(name) for name in _VARIABLES}
        self._experiment = fluent._active_experiment_id  # noqa: SLF001
        self._tracking_uri = tracking._tracking_uri  # noqa: SLF001
        self._registry_uri = registry._registry_uri  # noqa: SLF001

    def restore(self, *, ended: str) -> None:
        from mlflow.tracking import fluent
        from mlflow.tracking._model_registry import utils as registry

        _set_tracking_uri(self._tracking_uri)
        registry._registry_uri = self._registry_uri  # noqa: SLF001
        fluent._active_experiment_id = self._experiment  # noqa: SLF001
        _stack()[:] = self.stack
        for name, value in self._environ.items():
            # The run that `mlflow run` made has ended; MLflow too forgets it then.
            if value is None or (name == "MLFLOW_RUN_ID" and value == ended):
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _stack() -> list[Any]:
    """The active runs of this thread, the innermost last."""
    from mlflow.tracking import fluent

    found: list[Any] = fluent._active_run_stack.get()  # type: ignore[no-untyped-call]  # noqa: SLF001 - see above
    return found


def _set_tracking_uri(uri: str | None) -> None:
    """As ``mlflow.set_tracking_uri``, which switches tracing on where somebody switched it off."""
    import mlflow
    from mlflow.tracing.provider import is_tracing_enabled, provider

    is_off = provider.once._done and not is_tracing_enabled()  # noqa: SLF001 - see above
    mlflow.set_tracking_uri(uri)  # type: ignore[arg-type]  # None unsets it, as MLflow itself does
    if is_off:
        mlflow.tracing.disable()
