"""What a backend is, and the one that runs everything in this process.

A backend knows nothing of shards. It is given work that opens into a function, tasks, and someone to tell.

    what happens to a task               what is done
    the function raised                  tried once more, then it has failed; the others are finished first
    the function raised a UserError      no new task is begun; raised when those that run are finished
    the worker died (signal, memory)     tried again on a fresh worker, up to `retries` times, then it has failed
    the work could not be opened         raised at once: it would fail for every task
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pipeline.errors import StageError, UserError, one_line
from pipeline.stage import Resources

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
RAISES_ALLOWED = 1

T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Work(Protocol[T_contra, R_co]):
    """A picklable spec that opens into a function from one task to one small result."""

    @property
    def name(self) -> str: ...

    @property
    def resources(self) -> Resources: ...

    def open(self) -> Callable[[T_contra], R_co]: ...


@dataclass(frozen=True)
class Failed(Generic[T]):
    """A task that failed for good: what was said last, in a line and in full."""

    task: T
    line: str
    trace: str


class Backend(Protocol):
    """Runs tasks, each exactly once to the end. `done` is called in this process, in order of completion."""

    def map(self, work: Work[T, R], tasks: Sequence[T], done: Callable[[R], None]) -> list[Failed[T]]: ...


@dataclass(frozen=True)
class Raised:
    """An error on its way home, as data: no class of a worker needs to be known here to read it."""

    line: str
    trace: str
    user: UserError | None = None


def attempt(function: Callable[[T], R], task: T) -> R | Raised:
    try:
        return function(task)
    except Exception as error:
        return Raised(one_line(error), traceback.format_exc(), _travelling(error))


def _travelling(error: Exception) -> UserError | None:
    """A user's error as one that pickles: of its own class where that takes a message and nothing else."""
    if not isinstance(error, UserError):
        return None
    plain = type(error).__init__ is UserError.__init__
    return (type(error) if plain else UserError)(one_line(error))


def unopened(name: str, raised: Raised) -> UserError | StageError:
    return raised.user or StageError(f"stage {name} could not be opened: {raised.line}")


@contextlib.contextmanager
def fixed_threads(threads: int) -> Iterator[None]:
    """Numeric libraries use this many threads inside: sums of floats depend on it. What was before comes back."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    torch = sys.modules.get("torch")
    torch_before = torch.get_num_threads() if torch else 0
    set_torch_threads(threads)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({name: value} if value is not None else {})
        if torch_before:
            set_torch_threads(torch_before)


def set_torch_threads(threads: int) -> None:
    """Only where torch is loaded: it takes seconds, and many stages never need it."""
    torch = sys.modules.get("torch")
    if torch:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class LocalBackend:
    """One task after the other in this process: for debugging, and for stages too small for workers."""

    def map(self, work: Work[T, R], tasks: Sequence[T], done: Callable[[R], None]) -> list[Failed[T]]:
        failed: list[Failed[T]] = []
        if not tasks:
            return failed
        with fixed_threads(work.resources.threads):
            function = attempt(lambda opened: opened.open(), work)
            if isinstance(function, Raised):
                raise unopened(work.name, function)
            set_torch_threads(work.resources.threads)
            for task in tasks:
                result = self._persist(function, task)
                if isinstance(result, Raised):
                    failed.append(Failed(task, result.line, result.trace))
                else:
                    done(result)
        return failed

    def _persist(self, function: Callable[[T], R], task: T) -> R | Raised:
        for _ in range(1 + RAISES_ALLOWED):
            result = attempt(function, task)
            if not isinstance(result, Raised):
                return result
            if result.user:
                raise result.user
        return result
