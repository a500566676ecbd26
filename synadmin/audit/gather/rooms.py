"""Reading all rooms of a server: one worker reads each room; the results have the order of the list."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from synadmin.api.rooms import Room
from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Subject
from synadmin.audit.gather.account_index import AccountIndex, all_accounts
from synadmin.audit.gather.coverage import Coverage, OutOfTimeError, is_fatal
from synadmin.audit.gather.hash_table import HashTable
from synadmin.audit.gather.power_holders import PowerHolders
from synadmin.audit.gather.prefetch import Prefetcher
from synadmin.audit.gather.room_facts import Asker, Unfinished
from synadmin.errors import NotFoundError, SynadminError
from synadmin.ids import RoomId, UserId, server_name_of
from synadmin.parallel import FAILURES, GaveUpError

T = TypeVar("T")

_BEGUN = 4  # rooms that are begun, for each request that may be sent at the same time
_WAITING = 500  # rooms that wait for the user list, at most
_CHECKED_AGAIN = 20  # rooms that are searched in the list again before they are reported as missing


class RoomGatherer:
    """Gathers the facts about all rooms."""

    def __init__(
        self,
        prefetcher: Prefetcher,
        coverage: Coverage,
        *,
        accounts: Future[AccountIndex],
        account_count: Future[int],
        caller: UserId,
        without: Collection[UserId] = (),
        finds: Callable[[RoomFacts], bool] | None = None,
        alike: Callable[[RoomFacts, RoomFacts], bool] = lambda _, __: False,
    ) -> None:
        """Create the gatherer; no request is sent yet."""
        self._finds, self._alike = finds, alike
        self._prefetcher = prefetcher
        self._synapse = prefetcher.synapse
        self._pool = prefetcher.pool
        self._coverage = coverage
        self._accounts = accounts
        # 0 on a small server. With many accounts, only rooms that depend on the user list wait for it.
        self._account_count = account_count
        self._caller = caller
        self._without = without
        self._server_subject = Subject("server", server_name_of(caller))
        self._listed = HashTable()
        self._begun: deque[tuple[Subject, Future[RoomFacts | Unfinished]]] = deque()
        self._waiting: deque[tuple[Subject, Unfinished]] = deque()
        self._done = 0

    def facts(self) -> Iterator[RoomFacts]:
        """Yield the facts about one room after the other.

        Raises:
            NotPermittedError: the token is not a server admin's.
            ConnectError: the server does not answer, and did not before.
        """
        try:
            yield from self._all()
        except OutOfTimeError:
            self._not_reached("the time limit was reached")
        except GaveUpError:
            self._not_reached(f"gave up after {FAILURES} failures in a row ({self._pool.failure})")
        except SynadminError as error:
            if is_fatal(error) or not self._done:
                raise
            self._not_reached(str(error))

    def _all(self) -> Iterator[RoomFacts]:
        holders: PowerHolders | None = None
        asker: Asker | None = None
        for room in self._rooms():
            if holders is None or asker is None:
                holders = self._holders()
                asker = self._asker(holders)
            self._listed.set(hash(room.room_id))
            yield from self._begin(_subject(room), asker.begin, room)
            if len(self._waiting) >= _WAITING or self._accounts.done():
                yield from self._finish_waiting(asker)
        yield from self._rest()
        if asker is not None:
            yield from self._finish_waiting(asker)
            yield from self._rest()
        holders = holders or self._holders()
        yield from self._unlisted(holders, asker or self._asker(holders))

    def _begin(
        self, subject: Subject, ask: Callable[[T], RoomFacts | Unfinished], about: T
    ) -> Iterator[RoomFacts]:
        """Begin to read a room; when enough rooms are begun, yield the facts about the oldest of them."""
        self._begun.append((subject, self._pool.submit(ask, about)))
        if len(self._begun) >= _BEGUN * self._pool.size:
            yield from self._next()

    def _finish_waiting(self, asker: Asker) -> Iterator[RoomFacts]:
        """Finish the rooms that depend on the user list, once the list was read."""
        self._coverage.awaited(self._accounts)
        while self._waiting:
            subject, unfinished = self._waiting.popleft()
            yield from self._begin(subject, asker.finished, unfinished)

    def _asker(self, holders: PowerHolders) -> Asker:
        return Asker(
            self._prefetcher,
            self._coverage,
            holders,
            caller=self._caller,
            finds=self._finds,
            alike=self._alike,
            accounts=self._coverage.awaited(self._account_count),
        )

    def _next(self) -> Iterator[RoomFacts]:
        """Yield the facts about the room that was begun first; a room without facts is skipped."""
        subject, future = self._begun[0]
        try:
            facts = self._coverage.awaited(future)
        except NotFoundError:
            self._coverage.skip(subject, "it was deleted while the audit ran", gone=True)
        except SynadminError as error:
            if is_fatal(error):
                raise
            self._coverage.skip(subject, str(error))
        else:
            if isinstance(facts, Unfinished):
                self._waiting.append((subject, facts))
            else:
                self._done += 1
                yield facts
        self._begun.popleft()

    def _rest(self) -> Iterator[RoomFacts]:
        while self._begun:
            yield from self._next()

    def _rooms(self) -> Iterator[Room]:
        """Walk the list of rooms; the next page is requested meanwhile."""
        page = self._prefetcher.next_page()
        while (current := self._coverage.awaited(page)) is not None:
            self._coverage.total_rooms = current.total
            page = self._prefetcher.next_page()
            yield from current.records()

    def _holders(self) -> PowerHolders:
        if not self._coverage.awaited(self._account_count):
            self._coverage.awaited(self._accounts)
        without = {
            user: self._coverage.awaited(self._pool.submit(self._joined_rooms, user))
            for user in self._without
        }
        holders = PowerHolders(
            self._synapse,
            self._accounts,
            server_name=self._server_subject.id,
            now=self._coverage.now,
            without=without,
        )
        holders.ask_everyone(self._pool)
        return holders

    # Rooms that users have joined and the list lacks

    def _unlisted(self, holders: PowerHolders, asker: Asker) -> Iterator[RoomFacts]:
        """Read the rooms that the list lacks: it comes from statistics that may be wrong or damaged."""
        self._coverage.awaited(self._accounts)
        self._coverage.awaited(self._pool.submit(holders.local_members, RoomId("")))
        users: Iterable[UserId] | None = holders.in_other_rooms(self._listed)
        if users is None:
            if self._listed and not holders.know_other_rooms(self._listed):
                return
            users = (user.name for user in all_accounts(self._synapse))
        rooms = self._rooms_of(users)
        lacking = [room for room in rooms if self._is_lacking(room, len(rooms))]
        for room in rooms:
            subject = Subject("room", room)
            yield from self._begin(subject, asker.facts_of_unlisted, room)
        yield from self._rest()
        if lacking:
            rooms_ = "1 room" if len(lacking) == 1 else f"{len(lacking)} rooms"
            self._coverage.skip(
                self._server_subject,
                f"the room list lacks {rooms_} that users have joined (such as {lacking[0]}): Synapse's room "
                "statistics are wrong or incomplete. These rooms were checked; others may be missing",
            )

    def _rooms_of(self, users: Iterable[UserId]) -> tuple[RoomId, ...]:
        """Return the rooms of these users that are not listed."""
        rooms: dict[RoomId, None] = {}
        asked: deque[Future[tuple[RoomId, ...]]] = deque()

        def take() -> None:
            for room in self._coverage.awaited(asked.popleft()):
                if hash(room) not in self._listed:
                    rooms[room] = None

        for user in users:
            asked.append(self._pool.submit(self._joined_rooms, user))
            if len(asked) >= _BEGUN * self._pool.size:
                take()
        while asked:
            take()
        return tuple(rooms)

    def _joined_rooms(self, user: UserId) -> tuple[RoomId, ...]:
        try:
            return self._synapse.activity.joined_rooms(user).joined_rooms
        except NotFoundError:
            return ()

    def _is_lacking(self, room: RoomId, number: int) -> bool:
        """Whether the list still lacks a room; the room may have been made while the list was read."""
        if number > _CHECKED_AGAIN:
            return True
        page = self._pool.submit(next, self._synapse.rooms.list(search=room).pages(), None)
        found = self._coverage.awaited(page)
        return found is None or all(listed.room_id != room for listed in found.records())

    def _not_reached(self, why: str) -> None:
        """Record the rooms that were not checked, and why."""
        coverage = self._coverage
        for subject, _ in self._begun:
            coverage.skip(subject, why)
        if self._waiting:
            number = "1 room" if len(self._waiting) == 1 else f"{len(self._waiting)} rooms"
            coverage.skip(self._server_subject, f"{why} before {number} could be checked with the user list")
        begun = len(self._listed)
        if coverage.total_rooms is None:
            coverage.skip(self._server_subject, f"{why} before the rooms were listed")
        elif coverage.total_rooms > begun:
            coverage.skip(
                self._server_subject, f"{why} before {coverage.total_rooms - begun} more rooms were begun"
            )


def _subject(room: Room) -> Subject:
    return Subject("room", room.room_id, room.name or room.canonical_alias)
