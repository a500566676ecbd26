"""All rooms of a server, one after the other, with the next ones on their way meanwhile.

A room goes through three stages, each of them a queue: begun, its own state is asked for; met, those who have
power in it are asked about; seen, it and its people are put together, and what else matters is asked for.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from synadmin.api.rooms import Room
from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Subject
from synadmin.audit.gather.account_index import AccountIndex
from synadmin.audit.gather.coverage import Coverage, OutOfTimeError, is_fatal
from synadmin.audit.gather.power_holders import PowerHolder, PowerHolders, with_holders
from synadmin.audit.gather.prefetch import Prefetcher
from synadmin.audit.gather.room_facts import OwnState, Questions
from synadmin.errors import MatrixError, NotFoundError, ReplyError
from synadmin.ids import UserId, server_name_of
from synadmin.power.room import RoomView

T = TypeVar("T")

_AHEAD = 4  # rooms that are begun, for each request that may be under way


@dataclass(slots=True)
class _Look:
    """A room that is being looked at."""

    room: Room
    state: Future[OwnState]
    bare: RoomFacts | None = None
    people: dict[UserId, PowerHolder | Future[PowerHolder]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Put:
    """A room whose facts are put together, or will be."""

    room: Room
    facts: RoomFacts | Future[RoomFacts]


class Rooms:
    """Looks at all rooms, once."""

    def __init__(
        self, ahead: Prefetcher, coverage: Coverage, *, accounts: Future[AccountIndex], caller: UserId
    ) -> None:
        """Begin; nothing more is asked yet.

        Args:
            ahead: the way to the server, and what was asked already.
            coverage: what is wanted, and what is missed.
            accounts: where the user list will be.
            caller: whose token it is.
        """
        self._ahead = ahead
        self._pool = ahead.pool
        self._coverage = coverage
        self._accounts = accounts
        self._caller = caller
        self._server_name = server_name_of(caller)
        self._questions = Questions(ahead, coverage)

    def facts(self) -> Iterator[RoomFacts]:
        """Look at one after the other.

        Raises:
            ConnectError: the server is gone.
            NotPermittedError: the token is not a server admin's.
        """
        begun: deque[_Look] = deque()
        met: deque[_Look] = deque()
        seen: deque[_Put] = deque()
        ahead = _AHEAD * self._pool.size
        source = self._listed()
        people: PowerHolders | None = None
        done = 0
        more = True
        try:
            while more or begun or met or seen:
                room = next(source, None) if more else None
                if room is not None:
                    begun.append(_Look(room, self._pool.submit(self._questions.state, room)))
                more = room is not None
                if begun and (not more or len(begun) >= ahead):
                    people = people or self._people()
                    if self._meet(begun[0], people):
                        met.append(begun[0])
                    begun.popleft()
                if met and (not begun or len(met) >= ahead):
                    put = None if people is None else self._see(met[0], people)
                    if put is not None:
                        seen.append(put)
                    met.popleft()
                if seen and (not met or len(seen) >= ahead):
                    room, facts = seen[0].room, seen[0].facts
                    found = self._result(room, facts) if isinstance(facts, Future) else facts
                    seen.popleft()
                    if found is not None:
                        done += 1
                        yield found
        except OutOfTimeError:
            self._out_of_time(done, (*seen, *met, *begun))

    def _listed(self) -> Iterator[Room]:
        """Walk the list of rooms while its next page is on its way."""
        page = self._ahead.next_page()
        while (current := self._coverage.awaited(page)) is not None:
            self._coverage.total_rooms = current.total
            page = self._ahead.next_page()
            yield from current.records()

    def _out_of_time(self, done: int, under_way: tuple[_Look | _Put, ...]) -> None:
        coverage, itself = self._coverage, Subject("server", self._server_name)
        for look in under_way:
            coverage.miss(_subject(look.room), "the time was up")
        begun = done + len(coverage.missed)
        if coverage.total_rooms is None:
            coverage.miss(itself, "the time was up before its rooms were listed")
        elif coverage.total_rooms > begun:
            more = coverage.total_rooms - begun
            coverage.miss(itself, f"the time was up before {more} more of its rooms were begun")

    def _people(self) -> PowerHolders:
        accounts = self._coverage.awaited(self._accounts)
        return PowerHolders(
            self._ahead.synapse,
            self._pool,
            accounts,
            server_name=self._server_name,
            now=self._coverage.now,
        )

    def _meet(self, look: _Look, people: PowerHolders) -> bool:
        """Ask about those who have power in a room; tell whether there is a room."""
        state = self._result(look.room, look.state)
        if state is None:
            return False
        # The list counts members a moment late: a room without any may have a creator who is in it.
        if look.room.joined_local_members or state.power_levels is not None:
            look.bare = self._bare(look.room, state)
            for user in (self._caller, *look.bare.local_with_power):
                look.people[user] = people.ask(user)
        return True

    def _bare(self, room: Room, state: OwnState) -> RoomFacts:
        """Return the facts that the room itself tells."""
        view = RoomView(
            room_id=room.room_id,
            version=room.version or "1",
            creators=state.creators,
            power_levels=state.power_levels,
            power_levels_sender=state.sender,
            join_rule=room.join_rules,
            server_name=self._server_name,
            federate=room.federatable,
            joined_local_members=room.joined_local_members,
            joined_members=room.joined_members,
        )
        return RoomFacts(
            view=view,
            name=room.name,
            alias=room.canonical_alias,
            state_events=room.state_events,
            caller=self._caller,
            now=self._coverage.now,
        )

    def _see(self, look: _Look, people: PowerHolders) -> _Put | None:
        """Put a room and its people together, and ask more where that matters."""
        known: dict[UserId, PowerHolder] = {}
        for user, person in look.people.items():
            found = self._result(look.room, person) if isinstance(person, Future) else person
            if found is None:
                return None
            known[user] = found
        state = look.state.result()
        facts = with_holders(look.bare or self._bare(look.room, state), known)
        questions = self._questions.about(facts, state)
        if not questions:
            return _Put(look.room, facts)
        return _Put(look.room, self._pool.submit(self._questions.answer, facts, questions, people))

    def _result(self, room: Room, future: Future[T]) -> T | None:
        """Wait for something about a room; where it cannot be had, the room is missed."""
        try:
            return self._coverage.awaited(future)
        except NotFoundError:
            self._coverage.miss(_subject(room), "it was deleted while the audit ran", gone=True)
        except (MatrixError, ReplyError) as error:
            if is_fatal(error):
                raise
            self._coverage.miss(_subject(room), str(error))
        return None


def _subject(room: Room) -> Subject:
    return Subject("room", room.room_id, room.name or room.canonical_alias)
