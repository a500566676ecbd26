"""What is asked of a room: what it says itself, and more where that may change what is found in it."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from synadmin.api.rooms import Room, RoomState
from synadmin.audit.facts import DAY, RoomFacts
from synadmin.audit.gather.coverage import Coverage
from synadmin.audit.gather.power_holders import PowerHolders, with_holders
from synadmin.audit.gather.prefetch import Prefetcher
from synadmin.errors import NotFoundError, NotSupportedError
from synadmin.ids import RoomId, UserId
from synadmin.power.levels import PowerLevels, RoomVersion
from synadmin.power.room import AccountState, Reach

FEW_ROOMS = 250
"""On a server of so many rooms and fewer, of each room everything is asked."""

_CREATE = "m.room.create"
_JOIN_RULES = "m.room.join_rules"
_TOMBSTONE = "m.room.tombstone"
_REGAINING = frozenset({"no-local-control", "inactive-controller"})
_RESTRICTED = frozenset({"restricted", "knock_restricted"})
_AFTER_UPGRADE = 50
_LONG_UNSEEN = 30 * DAY


@dataclass(slots=True)
class OwnState:
    """What the room itself says."""

    power_levels: Mapping[str, Any] | None
    sender: UserId | None
    creators: tuple[UserId, ...]
    creators_known: bool


class Questions:
    """What a room is asked, and what comes of the answers; from any thread."""

    def __init__(self, ahead: Prefetcher, coverage: Coverage) -> None:
        self._ahead = ahead
        self._synapse = ahead.synapse
        self._coverage = coverage
        self._wanted = coverage.wanted
        self._barred: dict[UserId, dict[RoomId, str]] = {}

    def state(self, room: Room) -> OwnState:
        """Ask a room for what it says itself."""
        event = _only(self._ahead.levels(room.room_id))
        creators: tuple[UserId, ...] = (room.creator,) if room.creator else ()
        in_version_12 = RoomVersion.of(room.version or "1").creator_power
        if event is None and not room.joined_local_members:
            # Nobody of ours is in it, and the server has forgotten its state.
            return OwnState(None, None, creators, creators_known=True)
        known = bool(creators) and not in_version_12
        if event is None or not creators or (in_version_12 and self._looks_at_creators):
            creators, known = self._creators(room.room_id, creators), True
        return OwnState(
            None if event is None else event[0],
            None if event is None else event[1],
            creators,
            creators_known=known,
        )

    @property
    def _everything(self) -> bool:
        total = self._coverage.total_rooms
        return total is not None and total <= FEW_ROOMS

    @property
    def _looks_at_creators(self) -> bool:
        return self._everything or self._wanted.creators

    def _creators(self, room_id: RoomId, fallback: tuple[UserId, ...]) -> tuple[UserId, ...]:
        event = self._event(room_id, _CREATE)
        if event is None:
            return fallback
        content, sender = event
        additional = content.get("additional_creators")
        others = additional if isinstance(additional, list) else []
        return (sender, *(UserId(user) for user in others if isinstance(user, str)))

    def _event(self, room_id: RoomId, event_type: str) -> tuple[Mapping[str, Any], UserId] | None:
        return _only(self._synapse.rooms.state(room_id, type=event_type))

    def about(self, facts: RoomFacts, state: OwnState) -> frozenset[str]:
        """Return what else is to be asked about a room."""
        view, wanted = facts.view, self._wanted
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
        if "foreign-controller" in wanted.rules and any(_foreign(facts)):
            questions.add("foreign")
        return frozenset(questions)

    def answer(self, facts: RoomFacts, questions: frozenset[str], people: PowerHolders) -> RoomFacts:
        """Ask what else is to be asked."""
        room_id = facts.room_id
        if "creators" in questions:
            creators = self._creators(room_id, facts.view.creators)
            facts = replace(facts, view=replace(facts.view, creators=creators))
            facts = with_holders(facts, {user: people.now(user) for user in facts.local_with_power})
        if "foreign-controller" in self._wanted.rules:
            facts = with_holders(facts, {user: people.now(user) for user in _foreign(facts)})
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
            facts = replace(facts, forward_extremities=self._synapse.rooms.forward_extremities(room_id).count)
        return facts

    def _what_it_takes(self, facts: RoomFacts, people: PowerHolders) -> RoomFacts:
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
            blocked=self._synapse.rooms.block_status(view.room_id).block,
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
                memberships = self._synapse.users.memberships(user).memberships
                known = {room: how for room, how in memberships.items() if how not in {"join", "leave"}}
            self._barred[user] = known
        return known

    @cached_property
    def _possible(self) -> Reach:
        # Synapse lets nobody act as others where MAS manages the accounts.
        return Reach.API if self._synapse.mas_manages_accounts else Reach.REACTIVATE


def _only(state: RoomState) -> tuple[Mapping[str, Any], UserId] | None:
    """Return content and sender of an event of which a room has no more than one."""
    return next(((event.content, event.sender) for event in state.state if not event.state_key), None)


def _foreign(facts: RoomFacts) -> Iterator[UserId]:
    """Yield users of other servers who would count as controllers if they are in the room."""
    view = facts.view
    if not facts.is_ours or view.joined_members <= view.joined_local_members:
        return
    for user in facts.with_power:
        if not view.is_local(user) and view.levels.level_of(user) >= view.levels.control:
            yield user


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
    present = [user for user in facts.controllers if facts.accounts[user].unseen < _LONG_UNSEEN]
    return len(present) <= 1 and view.unknown_local_members > 0


def _allowed_rooms(join_rules: Mapping[str, Any]) -> Iterator[RoomId]:
    allow = join_rules.get("allow")
    for entry in allow if isinstance(allow, list) else []:
        if isinstance(entry, dict) and entry.get("type") == "m.room_membership":
            room = entry.get("room_id")
            if isinstance(room, str):
                yield RoomId(room)
