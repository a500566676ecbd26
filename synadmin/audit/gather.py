"""From the server to the facts, with few requests: one a room, and two for each local user with power.

A room costs its power levels. Who is where comes from the rooms of those who have power, asked for once
each, and not from the rooms' member lists, which grow. More is asked of a room only where that may change
what is found in it, and of all rooms alike on a server that is small enough for it not to matter.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from synadmin.api.rooms import Room, RoomState
from synadmin.audit.accounts import Accounts
from synadmin.audit.ahead import Ahead
from synadmin.audit.facts import DAY, AccountFacts, DelegationFacts, RoomFacts, ServerFacts
from synadmin.audit.finding import Subject
from synadmin.audit.people import People, Person, facts_of, more_closely
from synadmin.audit.server import ADMIN_RULES, Server
from synadmin.errors import (
    ConnectError,
    MatrixError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    NotSupportedError,
    ReplyError,
    SynadminError,
)
from synadmin.ids import RoomId, UserId, server_name_of
from synadmin.power.levels import PowerLevels, RoomVersion
from synadmin.power.room import Account, AccountState, Reach, RoomView

T = TypeVar("T")

FEW_ROOMS = 250
"""On a server of so many rooms and fewer, of each room everything is asked."""

_CREATE = "m.room.create"
_JOIN_RULES = "m.room.join_rules"
_TOMBSTONE = "m.room.tombstone"
_REGAINING = frozenset({"no-local-control", "inactive-controller"})
_RESTRICTED = frozenset({"restricted", "knock_restricted"})
_PAGE = 1000
_AHEAD = 4  # rooms that are begun, for each request that may be under way
_AFTER_UPGRADE = 50
_LONG_UNSEEN = 30 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the rules need beyond what a room costs anyway.

    Attributes:
        rules: the ids of those that run.
        extremities: count the forward extremities of every room.
        tombstones: ask every room whether it was replaced.
        creators: ask every room of version 12 or later for all who count as its creators.
        failing: for how long a server has failed at least to be worth a look, in milliseconds.
        dormant: for how long an account was not used at least to be worth one, in milliseconds.
    """

    rules: Collection[str]
    extremities: bool = False
    tombstones: bool = False
    creators: bool = False
    failing: int = 0
    dormant: int = 0


@dataclass(frozen=True, slots=True)
class Missed:
    """What could not be looked at.

    Attributes:
        subject: what.
        reason: why.
        gone: it is no more, or the server has no such thing: nothing was overlooked.
    """

    subject: Subject
    reason: str
    gone: bool = False


class OutOfTimeError(Exception):
    """The time that the run may take is over."""


@dataclass(slots=True)
class _State:
    """What the room itself says."""

    power_levels: Mapping[str, Any] | None
    sender: UserId | None
    creators: tuple[UserId, ...]
    creators_known: bool


@dataclass(slots=True)
class _Look:
    """A room that is being looked at."""

    room: Room
    state: Future[_State]
    bare: RoomFacts | None = None
    people: dict[UserId, Person | Future[Person]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Put:
    """A room whose facts are put together, or will be."""

    room: Room
    facts: RoomFacts | Future[RoomFacts]


class Gatherer:
    """Looks at everything that the rules want to see, once."""

    def __init__(
        self,
        ahead: Ahead,
        wanted: Wanted,
        *,
        until: float | None = None,
        delegation: Callable[[str], DelegationFacts] | None = None,
        update_at_baseline: str | None = None,
    ) -> None:
        """Begin; nothing more is asked yet.

        Args:
            ahead: the way to the server, and what was asked already.
            wanted: what is asked for.
            until: the time of the monotonic clock, in seconds, at which the run ends.
            delegation: what looks whether the server's name leads to it.
            update_at_baseline: the background update that was running when the baseline was written.
        """
        self.synapse = ahead.synapse
        self.wanted = wanted
        self.now = self.clock()
        self.missed: list[Missed] = []
        self.checked: dict[str, int] = {}
        self.total_rooms: int | None = None
        self._ahead = ahead
        self._until = until
        self._pool = ahead.pool
        self._delegation = delegation
        self._update_at_baseline = update_at_baseline
        self._barred: dict[UserId, dict[RoomId, str]] = {}

    @staticmethod
    def clock() -> int:
        """Return the time, in milliseconds since the epoch."""
        return int(time.time() * 1000)

    @cached_property
    def caller(self) -> UserId:
        """Whose token it is.

        Raises:
            ConnectError: the time is up before the server says so.
        """
        try:
            return self._awaited(self._ahead.owner)
        except OutOfTimeError:
            message = "the time was up before the server had answered"
            raise ConnectError(message) from None

    @cached_property
    def server_name(self) -> str:
        """The server's name."""
        return server_name_of(self.caller)

    @property
    def _everything(self) -> bool:
        return self.total_rooms is not None and self.total_rooms <= FEW_ROOMS

    # Rooms

    def rooms(self) -> Iterator[RoomFacts]:
        """Look at all rooms, one after the other; what could not be looked at is in ``missed``.

        Raises:
            ConnectError: the server is gone.
            NotPermittedError: the token is not a server admin's.
        """
        self.checked["rooms"] = 0
        accounts = self._pool.submit(self._accounts)
        # The server has little to do while it makes its list of rooms.
        self._parts  # noqa: B018
        begun: deque[_Look] = deque()
        met: deque[_Look] = deque()
        seen: deque[_Put] = deque()
        ahead = _AHEAD * self._pool.size
        source = self._listed()
        people: People | None = None
        more = True
        try:
            while more or begun or met or seen:
                room = next(source, None) if more else None
                if room is not None:
                    begun.append(_Look(room, self._pool.submit(self._state, room)))
                more = room is not None
                if begun and (not more or len(begun) >= ahead):
                    people = people or self._people(self._awaited(accounts))
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
                        self.checked["rooms"] += 1
                        yield found
        except OutOfTimeError:
            self._out_of_time((*seen, *met, *begun))

    def _listed(self) -> Iterator[Room]:
        """Walk the list of rooms while its next page is on its way."""
        page = self._ahead.next_page()
        while (current := self._awaited(page)) is not None:
            self.total_rooms = current.total
            page = self._ahead.next_page()
            yield from current.records()

    def _out_of_time(self, under_way: tuple[_Look | _Put, ...]) -> None:
        for look in under_way:
            self.missed.append(Missed(_subject(look.room), "the time was up"))
        listed = self.checked["rooms"] + len(self.missed)
        if self.total_rooms is None:
            self.missed.append(Missed(self._itself, "the time was up before its rooms were listed"))
        elif self.total_rooms > listed:
            reason = f"the time was up before {self.total_rooms - listed} more of its rooms were begun"
            self.missed.append(Missed(self._itself, reason))

    def _accounts(self) -> Accounts:
        accounts = Accounts(self._user_list())
        self.checked["users"] = len(accounts)
        return accounts

    def _people(self, accounts: Accounts) -> People:
        return People(self.synapse, self._pool, accounts, server_name=self.server_name, now=self.now)

    def _state(self, room: Room) -> _State:
        """Ask a room for what it says itself."""
        event = _only(self._ahead.levels(room.room_id))
        creators: tuple[UserId, ...] = (room.creator,) if room.creator else ()
        in_version_12 = RoomVersion.of(room.version or "1").creator_power
        if event is None and not room.joined_local_members:
            # Nobody of ours is in it, and the server has forgotten its state.
            return _State(None, None, creators, creators_known=True)
        known = bool(creators) and not in_version_12
        if event is None or not creators or (in_version_12 and self._looks_at_creators):
            creators, known = self._creators(room.room_id, creators), True
        return _State(
            None if event is None else event[0],
            None if event is None else event[1],
            creators,
            creators_known=known,
        )

    @property
    def _looks_at_creators(self) -> bool:
        return self._everything or self.wanted.creators

    def _creators(self, room_id: RoomId, fallback: tuple[UserId, ...]) -> tuple[UserId, ...]:
        event = self._event(room_id, _CREATE)
        if event is None:
            return fallback
        content, sender = event
        additional = content.get("additional_creators")
        others = additional if isinstance(additional, list) else []
        return (sender, *(UserId(user) for user in others if isinstance(user, str)))

    def _event(self, room_id: RoomId, event_type: str) -> tuple[Mapping[str, Any], UserId] | None:
        return _only(self.synapse.rooms.state(room_id, type=event_type))

    def _meet(self, look: _Look, people: People) -> bool:
        """Ask about those who have power in a room; tell whether there is a room."""
        state = self._result(look.room, look.state)
        if state is None:
            return False
        # The list counts members a moment late: a room without any may have a creator who is in it.
        if look.room.joined_local_members or state.power_levels is not None:
            look.bare = self._bare(look.room, state)
            for user in (self.caller, *self._local(look.bare)):
                look.people[user] = people.ask(user)
        return True

    def _local(self, facts: RoomFacts) -> Iterator[UserId]:
        return (user for user in facts.with_power if facts.view.is_local(user))

    def _bare(self, room: Room, state: _State) -> RoomFacts:
        """Return the facts that the room itself tells."""
        view = RoomView(
            room_id=room.room_id,
            version=room.version or "1",
            creators=state.creators,
            power_levels=state.power_levels,
            power_levels_sender=state.sender,
            join_rule=room.join_rules,
            server_name=self.server_name,
            federate=room.federatable,
            joined_local_members=room.joined_local_members,
            joined_members=room.joined_members,
        )
        return RoomFacts(
            view=view,
            name=room.name,
            alias=room.canonical_alias,
            state_events=room.state_events,
            caller=self.caller,
            now=self.now,
        )

    def _see(self, look: _Look, people: People) -> _Put | None:
        """Put a room and its people together, and ask more where that matters."""
        known: dict[UserId, Person] = {}
        for user, person in look.people.items():
            found = self._result(look.room, person) if isinstance(person, Future) else person
            if found is None:
                return None
            known[user] = found
        state = look.state.result()
        facts = _with(look.bare or self._bare(look.room, state), known)
        questions = self._questions(facts, state)
        if not questions:
            return _Put(look.room, facts)
        return _Put(look.room, self._pool.submit(self._closer, facts, questions, people))

    def _questions(self, facts: RoomFacts, state: _State) -> frozenset[str]:
        """Return what else is to be asked about a room."""
        view, wanted = facts.view, self.wanted
        questions = set()
        if wanted.extremities:
            questions.add("extremities")
        if not view.in_room:
            return frozenset(questions)
        if "tombstoned-with-members" in wanted.rules and (
            self._everything or wanted.tombstones or _looks_replaced(view.levels)
        ):
            questions.add("tombstone")
        if not state.creators_known and _may_have_more_creators(facts):
            questions.add("creators")
        if not _REGAINING.isdisjoint(wanted.rules) and facts.is_ours and not facts.controllers:
            questions.add("lost")
        if "foreign-controller" in wanted.rules and any(self._foreign(facts)):
            questions.add("foreign")
        return frozenset(questions)

    def _foreign(self, facts: RoomFacts) -> Iterator[UserId]:
        """Yield users of other servers who would count as controllers if they are in the room."""
        view = facts.view
        if not facts.is_ours or view.joined_members <= view.joined_local_members:
            return
        for user in facts.with_power:
            if not view.is_local(user) and view.levels.level_of(user) >= view.levels.control:
                yield user

    def _closer(self, facts: RoomFacts, questions: frozenset[str], people: People) -> RoomFacts:
        """Ask what else is to be asked."""
        room_id = facts.room_id
        if "creators" in questions:
            creators = self._creators(room_id, facts.view.creators)
            facts = replace(facts, view=replace(facts.view, creators=creators))
            facts = _with(facts, {user: people.now(user) for user in self._local(facts)})
        if "foreign-controller" in self.wanted.rules:
            facts = _with(facts, {user: people.now(user) for user in self._foreign(facts)})
        if "lost" in questions and not facts.controllers:
            facts = self._what_it_takes(facts, people)
        if "tombstone" in questions:
            event = self._event(room_id, _TOMBSTONE)
            replacement = None if event is None else event[0].get("replacement_room")
            facts = replace(
                facts,
                tombstoned=event is not None,
                replacement=RoomId(replacement) if isinstance(replacement, str) and replacement else None,
            )
        if "extremities" in questions:
            facts = replace(facts, forward_extremities=self.synapse.rooms.forward_extremities(room_id).count)
        return facts

    def _what_it_takes(self, facts: RoomFacts, people: People) -> RoomFacts:
        """See what the planner has to know of a room that is to be regained."""
        view = facts.view
        memberships = {
            user: self._bars(user).get(view.room_id, membership) if membership != "join" else membership
            for user, membership in view.memberships.items()
            if view.is_local(user)
        }
        view = replace(
            view,
            memberships={**view.memberships, **memberships},
            blocked=self.synapse.rooms.block_status(view.room_id).block,
        )
        if view.join_rule in _RESTRICTED:
            event = self._event(view.room_id, _JOIN_RULES)
            allowed = tuple(_allowed_rooms({} if event is None else event[0]))
            inside = (
                user
                for user in memberships
                if view.account_of(user).state is not AccountState.MISSING
                and any(people.now(user).is_in(room) for room in allowed)
            )
            view = replace(view, allowed_rooms=allowed, allowed_members=frozenset(inside))
        return replace(facts, view=view, possible=self._possible)

    def _bars(self, user: UserId) -> dict[RoomId, str]:
        """Return the rooms in which a user is neither joined nor simply not there: banned, invited."""
        known = self._barred.get(user)
        if known is None:
            known = {}
            with suppress(NotSupportedError, NotFoundError):
                memberships = self.synapse.users.memberships(user).memberships
                known = {room: how for room, how in memberships.items() if how not in {"join", "leave"}}
            self._barred[user] = known
        return known

    @cached_property
    def _possible(self) -> Reach:
        try:
            self.synapse.client_server.auth_metadata()
        except MatrixError:
            return Reach.REACTIVATE
        # The Matrix Authentication Service keeps the accounts: nobody can act as others then.
        return Reach.API

    # Accounts

    def users(self) -> Iterator[AccountFacts]:
        """Look at all accounts.

        Raises:
            SynadminError: they cannot be listed.
        """
        self.checked["users"] = 0
        for user in self._user_list():
            if self._is_over:
                self.missed.append(Missed(self._itself, "the time was up before all accounts were looked at"))
                return
            facts = facts_of(user, now=self.now)
            if facts.unseen_for(self.now) >= self.wanted.dormant:
                facts = more_closely(self.synapse, facts)
            self.checked["users"] += 1
            yield facts

    def _user_list(self) -> Iterator[Any]:
        users = self.synapse.users
        try:
            yield from users.list(locked=True, page_size=_PAGE)
        except NotSupportedError:
            # Synapse before 1.103.
            yield from users.list_v2(deactivated=True, locked=True, page_size=_PAGE)

    # The server

    def server(self) -> ServerFacts:
        """Look at the server itself; what could not be looked at is in ``missed``.

        Raises:
            ConnectError: the server is gone.
            NotPermittedError: the token is not a server admin's.
        """
        facts = ServerFacts(
            server_name=self.server_name, update_at_baseline=self._update_at_baseline, now=self.now
        )
        for rules, part in self._parts.items():
            try:
                facts = replace(facts, **self._awaited(part))
            except OutOfTimeError:
                self.missed.append(Missed(self._itself, f"the time was up before {rules[0]} was looked at"))
            except NotSupportedError as error:
                self.missed.append(Missed(self._itself, f"{rules[0]}: {error}", gone=True))
            except SynadminError as error:
                if _ends_all(error):
                    raise
                self.missed.append(Missed(self._itself, f"{rules[0]}: {error}"))
        if self._delegation is not None:
            facts = replace(facts, delegation=self._delegation(self.server_name))
        if ADMIN_RULES in self._parts:
            self.checked.setdefault("users", len(facts.admins))
        if self._delegation is not None or any(rules != ADMIN_RULES for rules in self._parts):
            self.checked["server"] = 1
        return facts

    @cached_property
    def _parts(self) -> Mapping[tuple[str, ...], Future[Mapping[str, Any]]]:
        """What the rules about the server are about, asked for."""
        server = Server(self.synapse, now=self.now)
        return {
            rules: self._pool.submit(look)
            for rules, look in server.parts(failing=self.wanted.failing).items()
            if any(rule in self.wanted.rules for rule in rules)
        }

    # Waiting

    @property
    def _itself(self) -> Subject:
        return Subject("server", self.server_name)

    @property
    def _is_over(self) -> bool:
        return self._until is not None and time.monotonic() >= self._until

    def _awaited(self, future: Future[T]) -> T:
        if self._until is None:
            return future.result()
        wait([future], timeout=max(0.0, self._until - time.monotonic()))
        if self._is_over:
            raise OutOfTimeError
        return future.result()

    def _result(self, room: Room, future: Future[T]) -> T | None:
        """Wait for something about a room; where it cannot be had, the room is missed."""
        try:
            return self._awaited(future)
        except NotFoundError:
            self.missed.append(Missed(_subject(room), "it was deleted while the audit ran", gone=True))
        except (MatrixError, ReplyError) as error:
            if _ends_all(error):
                raise
            self.missed.append(Missed(_subject(room), str(error)))
        return None


def _only(state: RoomState) -> tuple[Mapping[str, Any], UserId] | None:
    """Return content and sender of an event of which a room has no more than one."""
    return next(((event.content, event.sender) for event in state.state if not event.state_key), None)


def _ends_all(error: SynadminError) -> bool:
    return isinstance(error, ConnectError | NotAuthenticatedError | NotPermittedError)


def _subject(room: Room) -> Subject:
    return Subject("room", room.room_id, room.name or room.canonical_alias)


def _with(facts: RoomFacts, people: Mapping[UserId, Person]) -> RoomFacts:
    """Return the facts with these people in them."""
    view = facts.view
    memberships: dict[UserId, str] = dict(view.memberships)
    planned: dict[UserId, Account] = dict(view.accounts)
    accounts: dict[UserId, AccountFacts] = dict(facts.accounts)
    for user, person in people.items():
        memberships[user] = "join" if person.is_in(view.room_id) else "leave"
        if person.facts is not None:
            planned[user] = person.account
            accounts[user] = person.facts
    return replace(facts, view=replace(view, memberships=memberships, accounts=planned), accounts=accounts)


def _looks_replaced(levels: PowerLevels) -> bool:
    """Tell whether a room's levels are as an upgrade leaves them: nobody is to write or invite any more.

    Source: Matrix specification, "Room Upgrades", what the server does with the old room's levels.
    """
    muted = max(_AFTER_UPGRADE, levels.users_default + 1)
    return levels.events_default >= muted and levels.invite >= muted


def _may_have_more_creators(facts: RoomFacts) -> bool:
    """Tell whether creators who are not known yet might change what is found.

    Those of this server do where another local user is in the room, and nobody or only one is known to
    control it; those of other servers where one of theirs is in a room of ours.
    """
    view = facts.view
    if facts.is_ours and view.joined_members > view.joined_local_members:
        return True
    present = [
        user for user in facts.controllers if facts.accounts[user].unseen_for(facts.now) < _LONG_UNSEEN
    ]
    return len(present) <= 1 and view.unknown_local_members > 0


def _allowed_rooms(join_rules: Mapping[str, Any]) -> Iterator[RoomId]:
    allow = join_rules.get("allow")
    for entry in allow if isinstance(allow, list) else []:
        if isinstance(entry, dict) and entry.get("type") == "m.room_membership":
            room = entry.get("room_id")
            if isinstance(room, str):
                yield RoomId(room)
