"""Every error of ours that a user may see, and the exit code that the command line ends with.

    PipelineError         1
      StageError          1   a shard failed again after its retries; all other shards are kept
      UserError           2   bad input: what came, what was wanted, what to do
        BusyError         2   another process works on this run
        DiskFullError     2   no room to write; finished shards are kept
    KeyboardInterrupt   130   Python's own; finished shards are kept

A message is one line: where, what came, what was wanted, what to do.
"""

import errno
from typing import ClassVar


class PipelineError(Exception):
    """The root: everything that is caught at the door and shown as one line."""

    exit_code: ClassVar[int] = 1


class StageError(PipelineError):
    """A stage could not be finished though its input was fine, as far as we know."""


class UserError(PipelineError):
    """Something the user gave cannot be used. Never retried."""

    exit_code: ClassVar[int] = 2


class BusyError(UserError):
    """Another process holds the run."""


class DiskFullError(UserError):
    """The disk or the quota is full."""


INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def one_line(error: BaseException) -> str:
    """`ValueError: first line of the message`; ours, which are one line already, without their class name."""
    first = next(iter(str(error).strip().splitlines()), "")
    if isinstance(error, PipelineError):
        return first
    name = type(error).__name__
    return f"{name}: {first}" if first else name
