"""The first requests of an audit, sent while the rest of the program is still being loaded.

Loading takes a tenth of a second, in which a server answers a hundred requests. So this module imports
little, and the requests begin early.
"""

from collections.abc import Iterator
from concurrent.futures import Future
from typing import cast

from synadmin.api.rooms import Room, RoomState
from synadmin.audit.gather.limiter import ConcurrencyLimiter
from synadmin.client import Synapse
from synadmin.http.paging import Page
from synadmin.ids import RoomId, UserId
from synadmin.parallel import Pool
from synadmin.power.events import POWER_LEVELS

_AHEAD = 8  # rooms whose levels are requested, for each request that may be sent at the same time


class Prefetcher:
    """Sends the first requests of an audit early, through the pool of the whole run.

    Attributes:
        synapse: the client, configured for many reads.
        pool: runs the jobs.
        owner: the owner of the token.
    """

    def __init__(self, synapse: Synapse, *, concurrency: int) -> None:
        """Ask for the owner of the token; no other request is sent yet."""
        self.synapse = synapse.fast(ConcurrencyLimiter(concurrency))
        self.pool = Pool(concurrency, gives_up=True)
        # Pages have megabytes, and only the thread that freed memory uses it again: so one thread reads them.
        self._lister = Pool(1)
        self.owner: Future[UserId] = self.pool.submit(self.synapse.transport.owner)
        self._pages: Iterator[Page[Room]] | None = None
        self._page: Future[Page[Room] | None] | None = None
        self._levels: dict[RoomId, Future[RoomState]] = {}

    def begin(self) -> None:
        """Request the list of rooms, and the levels of the first rooms."""
        if self._pages is None:
            self._pages = self.synapse.rooms.list().pages()
            self._page = self._lister.submit(self._first_page, self._pages)

    def next_page(self) -> Future[Page[Room] | None]:
        """Return the future of the next page of the list; it holds None after the last one."""
        if self._pages is None:
            self.begin()
        page, self._page = self._page, None
        if page is None:
            page = self._lister.submit(next, cast("Iterator[Page[Room]]", self._pages), None)
        return page

    def levels(self, room_id: RoomId, *, all_state: bool = False) -> RoomState:
        """Return a room's power levels, requested before or now.

        Args:
            room_id: the room.
            all_state: read all of its state, where nothing was read before.

        Raises:
            SynadminError: the server answered with an error.
        """
        begun = self._levels.pop(room_id, None)
        # A job in the queue may be waiting for this thread: it is cancelled, and the request sent here.
        if begun is not None and not begun.cancel():
            return begun.result()
        return self.synapse.rooms.state(room_id, type=None if all_state else POWER_LEVELS)

    def close(self) -> None:
        """Send no further requests."""
        self.pool.close()
        self._lister.close()
        self.synapse.transport.close()

    def _first_page(self, pages: Iterator[Page[Room]]) -> Page[Room] | None:
        page = next(pages, None)
        if page is not None:
            state = self.synapse.rooms.state
            for room, _ in zip(page.records(), range(_AHEAD * self.pool.size), strict=False):
                self._levels[room.room_id] = self.pool.submit(state, room.room_id, type=POWER_LEVELS)
        return page
