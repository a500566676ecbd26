"""Several things done at once."""

import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def on_one_core() -> Iterator[None]:
    """Keep this thread, and those that it starts, on one core.

    Python runs one of them at a time wherever they are; on several cores they take twice as long, since half
    of it is spent on handing the interpreter's lock from one core to another.
    """
    allowed: set[int] = set()
    # Not every system can, and not every container may.
    with suppress(AttributeError, OSError):
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {random.choice(sorted(allowed))})  # noqa: S311  no secret
    try:
        yield
    finally:
        with suppress(AttributeError, OSError):
            os.sched_setaffinity(0, allowed)


class Pool:
    """Threads that each carry out one thing at a time.

    Unlike those of ``concurrent.futures`` they end with the program, also in the middle of a request: a run
    whose time is up, or that is interrupted, does not wait for a server that does not answer.
    """

    def __init__(self, size: int) -> None:
        """Start the threads.

        Args:
            size: how many.
        """
        self.size = size
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        for _ in range(size):
            threading.Thread(target=self._work, daemon=True, name="audit").start()

    def submit(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> Future[T]:
        """Have something done; return where its result will be."""
        future: Future[T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = function(*arguments, **named)
            except BaseException as error:  # noqa: BLE001  it is raised where the result is asked for
                future.set_exception(error)
            else:
                future.set_result(result)

        self._jobs.put(job)
        return future

    def close(self) -> None:
        """Do nothing more of what has not begun."""
        with suppress(Exception):
            while not self._jobs.empty():
                self._jobs.get_nowait()
        for _ in range(self.size):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
