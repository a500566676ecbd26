"""Tasks that continue on the server: wait for the end, now or later."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from synadmin.cli.invocation import Invocation
from synadmin.cli.progress import elapsed
from synadmin.errors import ConnectError, ServerError, SynadminError

if TYPE_CHECKING:
    from synadmin.client import Synapse

__all__ = ["Task", "TaskFailedError", "elapsed", "wait_for_task"]

_FIRST_PAUSE = 0.1  # seconds between two polls; most tasks end at once ...
_LONGEST_PAUSE = 3.0  # ... and some take hours
_GROWTH = 1.3
_ATTEMPTS = 6  # requests for the status, where the server fails to answer
_REPORT_EVERY = 60.0  # seconds, where no progress line is shown


class TaskStatus(Protocol):
    """The protocol of models with the status of a task on the server."""

    @property
    def status(self) -> str:
        """``scheduled``, ``active``, ``complete``, ``failed`` or ``cancelled``."""


T = TypeVar("T", bound=TaskStatus)


class TaskFailedError(SynadminError):
    """A task failed on the server."""


def wait_for_task(invocation: Invocation, poll: Callable[[], T], *, what: str, again: str) -> T:
    """Wait until the server has finished, and return its last status.

    Args:
        poll: asks the server for the status.
        what: the task in words: ``deleting !abc:example.org``.
        again: the command that waits again: ``synadmin room delete-status ID --wait``.

    Raises:
        TaskFailedError: the task failed; the message has the server's reason, if there is one.
        StillUnderWayError: the server no longer answers.
    """
    started = reported = time.monotonic()
    pause = _FIRST_PAUSE
    try:
        while (task := _poll_again_on_errors(poll)).status in {"scheduled", "active"}:
            now = time.monotonic()
            line = f"{what}: {task.status}, {elapsed(now - started)}"
            if invocation.is_watched:
                invocation.draw(line)
            elif now - reported >= _REPORT_EVERY:
                reported = now
                invocation.say(line)
            time.sleep(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
    except (ConnectError, ServerError) as error:
        message = f"{error}; the server may continue {what}"
        from synadmin.cli.outcomes import StillUnderWayError

        raise StillUnderWayError(message, hint=f"follow it again with `{again}`") from error
    except KeyboardInterrupt:
        invocation.warn(f"The server continues {what}. Follow it again with `{again}`.")
        raise
    finally:
        invocation.draw("")
    if task.status != "complete":
        reason = getattr(task, "error", None)
        raise TaskFailedError(f"{what}: {task.status}" + (f", {reason}" if reason else ""))
    return task


def _poll_again_on_errors(poll: Callable[[], T]) -> T:
    """Return the status; after a server error, ask again, because the task continues.

    Raises:
        ServerError: every request failed.
    """
    for attempt in range(1, _ATTEMPTS):
        try:
            return poll()
        except ServerError:
            time.sleep(_FIRST_PAUSE * 2**attempt)
    return poll()


class Task(NamedTuple):
    """A task on the server.

    Attributes:
        field: the field of a record that has its id: ``purge_id``.
        poll: asks the server for the status.
        doing: the task in words, with ``{}`` for the target: ``purging the history of {}``.
        status_command: the command that shows the progress: ``room purge-status``.
    """

    field: str
    poll: Callable[["Synapse", str], TaskStatus]
    doing: str
    status_command: str

    def wait_command(self, task_id: str) -> str:
        """Return the command that waits for the task again."""
        return f"synadmin {self.status_command} {task_id} --wait"

    def wait_for(self, invocation: Invocation, synapse: "Synapse", task_id: str, *, what: str) -> Any:  # noqa: ANN401
        """Wait until the server has finished, and return its last status."""
        return wait_for_task(
            invocation, lambda: self.poll(synapse, task_id), what=what, again=self.wait_command(task_id)
        )
