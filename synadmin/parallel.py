"""Threads that work side by side."""

import os
import random
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from itertools import islice
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

from synadmin.errors import ConnectError, RateLimitedError, ReplyError, ServerError, SynadminError

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

FAILURES = 5
"""After so many failed jobs in a row no other is started, where that is asked for."""


class GaveUpError(Exception):
    """A job was not started, because too many jobs before it failed."""


@contextmanager
def on_one_core() -> Iterator[None]:
    """Bind this thread, and those that it starts, to one core.

    Python runs one thread at a time. On several cores they take twice as long, because half of the time is
    spent on handing the interpreter's lock from one core to another.
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
    """A pool of threads.

    Unlike those of ``concurrent.futures`` they end with the program, also in the middle of a request: a run
    whose time is up, or that is interrupted, does not wait for a server that does not answer.

    Attributes:
        failure: the error of the last job, once no other is started.
    """

    def __init__(self, size: int, *, gives_up: bool = False) -> None:
        """Start the threads.

        Args:
            size: how many.
            gives_up: start no other job after :data:`FAILURES` failed ones in a row.
        """
        self.size = size
        self._gives_up = gives_up
        self.failure: SynadminError | None = None
        self._failed = 0  # jobs, since one succeeded
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        for _ in range(size):
            threading.Thread(target=self._work, daemon=True, name="synadmin").start()

    def submit(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> Future[T]:
        """Queue a job; return the future of its result."""
        future: Future[T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            if self.failure is not None:
                future.set_exception(GaveUpError())
                return
            try:
                result = function(*arguments, **named)
            except BaseException as error:  # noqa: BLE001  it is raised where the result is asked for
                self._count(error)
                future.set_exception(error)
            else:
                self._failed = 0
                future.set_result(result)

        self._jobs.put(job)
        return future

    def close(self) -> None:
        """Drop the jobs that have not begun."""
        with suppress(Exception):
            while not self._jobs.empty():
                self._jobs.get_nowait()
        for _ in range(self.size):
            self._jobs.put(None)

    def _count(self, error: BaseException) -> None:
        """Count a failure of the server; an answer that says no is none."""
        if not isinstance(error, ConnectError | ServerError | ReplyError | RateLimitedError):
            return
        self._failed += 1
        if self._gives_up and self._failed >= FAILURES:
            self.failure = error

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def side_by_side(work: Callable[[T], R], things: Iterable[T], *, at_once: int) -> Generator[R]:
    """Yield the result for each thing, in their order.

    At most ``2 * at_once`` results wait to be taken. If work fails, or the caller stops, what has not begun
    is dropped.

    Args:
        work: the function to call for each item, from every thread.
        things: the items.
        at_once: how many threads work. With 1 no thread is started.

    Raises:
        Exception: what the work raised, at the place of its thing.
    """
    if at_once == 1:
        yield from map(work, things)
        return
    waiting = iter(things)
    pool = Pool(at_once)
    begun = deque(pool.submit(work, thing) for thing in islice(waiting, 2 * at_once))
    try:
        while begun:
            result = begun.popleft().result()
            begun.extend(pool.submit(work, thing) for thing in islice(waiting, 1))
            yield result
    finally:
        pool.close()


def looking_ahead(look: Callable[[T], R], things: Sequence[T], *, at_once: int) -> Callable[[T], R]:
    """Return a function that returns what ``look`` returns for a thing.

    While the caller works on one thing, the next ones are read in ``at_once`` threads. A thing that is not
    among the next ones is read when the function is called.
    """

    def attempt(thing: T) -> tuple[T, R | SynadminError]:
        try:
            return thing, look(thing)
        except SynadminError as error:
            return thing, error

    looks = side_by_side(attempt, things, at_once=min(at_once, max(len(things), 1)))

    def ask(thing: T) -> R:
        for seen, result in looks:
            if seen == thing:
                if isinstance(result, SynadminError):
                    raise result
                return result
        return look(thing)

    return ask
