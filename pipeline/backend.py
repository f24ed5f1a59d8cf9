"""Work on a pool of Ray actors, here or on a cluster. The only file that knows Ray; the local backend's door as well.

Rows never pass through Ray: a worker reads and writes its shards itself, tasks and counts are all that travels.
"""

import contextlib
import importlib
import logging
import os
import socket
import sys
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Self

from pipeline.errors import StageError, UserError, one_line
from pipeline.local_backend import (
    RAISES_ALLOWED,
    THREAD_VARIABLES,
    Backend,
    Failed,
    LocalBackend,
    R,
    Raised,
    T,
    Work,
    attempt,
    set_torch_threads,
    unopened,
)
from pipeline.stage import Resources

__all__ = ["Backend", "Failed", "LocalBackend", "RayBackend", "Work"]

LOG = logging.getLogger(__name__)

OBJECT_STORE_BYTES = 200_000_000

_ROOMS = ("pipeline", "filters", "student")
_PASSED_ON = ("IMPOSSIBLE_", "HF_", "VLLM_")
_PATIENCE_SECONDS = 30.0
_KNOCK_SECONDS = 5.0


class RayBackend:
    """A pool of Ray actors a stage, on this machine or on a cluster that shares the folder of the run.

    Ray is started at the first use and stopped by `close()`. `workers` overrides what the stages ask for.
    """

    def __init__(self, address: str | None = None, workers: int | None = None, retries: int = 2) -> None:
        self._address = address
        self._workers = workers
        self._retries = retries
        self._ray: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._ray is not None:
            self._ray.shutdown()
            self._ray = None

    def map(self, work: Work[T, R], tasks: Sequence[T], done: Callable[[R], None]) -> list[Failed[T]]:
        if not tasks:
            return []
        ray = self._started()
        wanted = min(self._workers or work.resources.workers, len(tasks))
        workers = fitting_workers(work.name, work.resources, wanted, ray.cluster_resources())
        return _Pool(ray, work, tasks, done, self._retries).run(workers)

    def _started(self) -> Any:
        if self._ray is None:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
            os.environ.setdefault("RAY_worker_niceness", "0")  # the workers do the work: no reason to yield to others
            import ray  # here, not above: it takes two seconds, and the local backend never needs it

            quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
            with _clear_start(self._address):
                knock(self._address)
                ray.init(**quiet, **(self._joining(self._address) if self._address else self._alone()))
            self._ray = ray
        return self._ray

    @staticmethod
    def _alone() -> dict[str, object]:
        return {
            "address": "local",
            "num_cpus": available_cpus(),
            "object_store_memory": OBJECT_STORE_BYTES,
            "include_dashboard": False,
        }

    @staticmethod
    def _joining(address: str) -> dict[str, object]:
        """The three rooms travel with us; the folder we stand in, which may hold a corpus, never does."""
        return {"address": address, "runtime_env": {"py_modules": [importlib.import_module(name) for name in _ROOMS]}}


@contextlib.contextmanager
def _clear_start(address: str | None) -> Iterator[None]:
    try:
        yield
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        where = f"at {address!r}" if address else "on this machine"
        raise UserError(
            f"Ray could not be started {where}: {one_line(error)}: check the address or use the local backend"
        ) from error


def knock(address: str | None) -> None:
    """Ray tries for minutes to reach a cluster that is not there. A refused connection is known at once."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


def available_cpus() -> int:
    """Those that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0))


def fitting_workers(name: str, resources: Resources, wanted: int, there: Mapping[str, float]) -> int:
    """As many workers as fit; Ray would wait for the others for ever. Results do not depend on their number."""
    for unit, asked in (("CPU", resources.cpus), ("GPU", resources.gpus)):
        if asked <= 0:
            continue
        fit = int(there.get(unit, 0.0) / asked + 1e-9)
        if fit < 1:
            key = f"run.resources.{resources.section or name}.{unit.lower()}s"
            there_is = f"one worker asks for {asked:g} {unit}, there are {there.get(unit, 0.0):g}"
            raise UserError(f"stage {name}: {there_is}: lower {key}")
        if fit < wanted:
            LOG.warning("stage %s: %d workers of %g %s do not fit, %d are used", name, wanted, asked, unit, fit)
            wanted = fit
    return wanted


class _Worker:
    """The actor: opens the work once, then takes one task after the other. Errors go home as data."""

    def __init__(self, environment: Mapping[str, str], search_path: Sequence[str], threads: int) -> None:
        os.environ.update(environment)
        sys.path.extend(place for place in search_path if place not in sys.path)
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
        self._threads = threads
        self._function: Callable[[Any], Any] | None = None

    def open(self, pickled: bytes) -> Raised | None:
        """Pickled, so that the modules of a stage are loaded after the environment is set."""
        from ray import cloudpickle

        set_torch_threads(self._threads)
        function = attempt(lambda raw: cloudpickle.loads(raw).open(), pickled)
        if isinstance(function, Raised):
            return function
        set_torch_threads(self._threads)
        self._function = function
        return None

    def run(self, task: Any) -> Any:
        if self._function is None:
            raise RuntimeError("a worker was given a task before it was opened")
        return attempt(self._function, task)


class _Pool(Generic[T, R]):
    """One stage's workers and the tasks between them. A task is with one worker at a time."""

    def __init__(self, ray: Any, work: Work[T, R], tasks: Sequence[T], done: Callable[[R], None], retries: int) -> None:
        self._ray, self._work, self._tasks, self._done, self._retries = ray, work, tasks, done, retries
        needs = {"num_cpus": work.resources.cpus, "num_gpus": work.resources.gpus, "max_restarts": 0}
        self._actor_class = ray.remote(**needs)(_Worker)
        self._pickled = ray.cloudpickle.dumps(work)
        self._environment = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
        self._queue: deque[int] = deque(range(len(tasks)))
        self._opening: dict[Any, Any] = {}
        self._busy: dict[Any, tuple[Any, int]] = {}
        self._idle: list[Any] = []
        self._deaths: Counter[int] = Counter()
        self._raises: Counter[int] = Counter()
        self._deaths_while_opening = 0
        self._failed: dict[int, Failed[T]] = {}
        self._user: UserError | None = None

    def run(self, workers: int) -> list[Failed[T]]:
        try:
            for _ in range(workers):
                self._hire()
            while self._queue or self._busy:
                self._settle_next()
        finally:
            for actor in [*self._opening.values(), *self._idle, *(actor for actor, _ in self._busy.values())]:
                self._ray.kill(actor, no_restart=True)
        if self._user:
            raise self._user
        return [self._failed[place] for place in sorted(self._failed)]

    def _hire(self) -> None:
        actor = self._actor_class.remote(self._environment, sys.path, self._work.resources.threads)
        self._opening[actor.open.remote(self._pickled)] = actor

    def _settle_next(self) -> None:
        ready, _ = self._ray.wait([*self._opening, *self._busy], num_returns=1, timeout=_PATIENCE_SECONDS)
        if not ready and not self._busy:
            LOG.warning("stage %s: still waiting for a worker to start", self._work.name)
        for reference in ready:
            if reference in self._opening:
                self._settle_opening(self._opening.pop(reference), self._result(reference))
            else:
                self._settle_task(*self._busy.pop(reference), self._result(reference))

    def _result(self, reference: Any) -> Any:
        """What came home: a result, an error as data, or Ray's word that the worker died."""
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            return Raised(one_line(error), traceback.format_exc())
        except self._ray.exceptions.RayError as error:
            return error

    def _settle_opening(self, actor: Any, result: Any) -> None:
        if isinstance(result, Raised):
            raise unopened(self._work.name, result)
        if not isinstance(result, Exception):
            self._feed(actor)
            return
        self._deaths_while_opening += 1
        if self._deaths_while_opening > self._retries:
            raise StageError(f"stage {self._work.name}: its workers died while opening it: {_death(result)}")
        self._hire()

    def _feed(self, actor: Any) -> None:
        """The next task, or wait: a task that comes back may need a worker."""
        if not self._queue:
            self._idle.append(actor)
            return
        place = self._queue.popleft()
        self._busy[actor.run.remote(self._tasks[place])] = (actor, place)

    def _settle_task(self, actor: Any, place: int, result: Any) -> None:
        if isinstance(result, Raised):
            self._settle_raised(place, result)
            self._feed(actor)
        elif isinstance(result, Exception):
            self._settle_death(place, result)
        else:
            self._done(result)
            self._feed(actor)

    def _settle_raised(self, place: int, raised: Raised) -> None:
        if raised.user:
            self._user = self._user or raised.user
            self._queue.clear()
            return
        self._raises[place] += 1
        self._again(place, self._raises[place] <= RAISES_ALLOWED, raised.line, raised.trace)

    def _settle_death(self, place: int, error: Exception) -> None:
        self._deaths[place] += 1
        line = f"its worker died ({_death(error)}), as did {self._deaths[place] - 1} before"
        self._again(place, self._deaths[place] <= self._retries, line, str(error))
        if self._queue and self._idle:
            self._feed(self._idle.pop())
        elif self._queue:
            self._hire()

    def _again(self, place: int, allowed: bool, line: str, trace: str) -> None:
        """To the end of the queue, so that a poisonous task holds up no other."""
        if allowed and not self._user:
            LOG.warning("stage %s: task %d is tried again: %s", self._work.name, place, line)
            self._queue.append(place)
        else:
            self._failed[place] = Failed(self._tasks[place], line, trace)


def _death(error: Exception) -> str:
    """Ray's long report in a few words."""
    for line in str(error).splitlines():
        if "exit type" in line.lower() or "exit detail" in line.lower() or "memory" in line.lower():
            return line.strip().rstrip(".")
    return one_line(error)
