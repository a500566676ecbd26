"""Run jobs in several threads."""

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
"""After this many failed jobs in a row, a pool with ``gives_up`` starts no other job."""


class GaveUpError(Exception):
    """A job was not started, because too many jobs before it failed."""


@contextmanager
def on_one_core() -> Iterator[None]:
    """Bind this thread, and those that it starts, to one core.

    Python runs one thread at a time. On several cores they take twice as long, because half of the time is
    spent on handing the interpreter's lock from one core to another.
    """
    allowed: set[int] = set()
    # Some systems do not have this call, and some containers forbid it.
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

    Unlike threads of ``concurrent.futures``, these threads end with the program, also during a request. So a
    run that has reached its time limit, or is interrupted, does not wait for a server that does not answer.

    Attributes:
        failure: the error of the last job, where the pool has given up.
    """

    def __init__(self, size: int, *, gives_up: bool = False) -> None:
        """Start the threads.

        Args:
            size: the number of threads.
            gives_up: start no other job after :data:`FAILURES` failed jobs in a row.
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
        """Count a failure of the server. A refusal by the server does not count."""
        if not isinstance(error, ConnectError | ServerError | ReplyError | RateLimitedError):
            return
        self._failed += 1
        if self._gives_up and self._failed >= FAILURES:
            self.failure = error

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def side_by_side(work: Callable[[T], R], items: Iterable[T], *, at_once: int) -> Generator[R]:
    """Yield the result for each item, in their order.

    At most ``2 * at_once`` results are kept for the caller. If work fails, or the caller stops, the jobs that
    have not begun are dropped.

    Args:
        work: the function to call for each item, from every thread.
        items: the items.
        at_once: how many threads work. With 1 no thread is started.

    Raises:
        Exception: the error of the work, in place of the result of that item.
    """
    if at_once == 1:
        yield from map(work, items)
        return
    waiting = iter(items)
    pool = Pool(at_once)
    begun = deque(pool.submit(work, item) for item in islice(waiting, 2 * at_once))
    try:
        while begun:
            result = begun.popleft().result()
            begun.extend(pool.submit(work, item) for item in islice(waiting, 1))
            yield result
    finally:
        pool.close()


def looking_ahead(look: Callable[[T], R], items: Sequence[T], *, at_once: int) -> Callable[[T], R]:
    """Return a function that returns the result of ``look`` for an item.

    While the caller works on one item, ``at_once`` threads read the next items. An item that is not among
    the next ones is read when the function is called.
    """

    def attempt(item: T) -> tuple[T, R | SynadminError]:
        try:
            return item, look(item)
        except SynadminError as error:
            return item, error

    looks = side_by_side(attempt, items, at_once=min(at_once, max(len(items), 1)))

    def ask(item: T) -> R:
        for seen, result in looks:
            if seen == item:
                if isinstance(result, SynadminError):
                    raise result
                return result
        return look(item)

    return ask
