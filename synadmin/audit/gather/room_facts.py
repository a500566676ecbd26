"""Reading one room: its state, its members, and all other facts that the rules need.

Membership, join rule and federation come from the state of the room and from the rooms of its users. The
counts of the room list come from Synapse's statistics, which may be wrong, missing or old. They are used only
where nothing contradicts them.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from synadmin.api.rooms import Room, RoomState
from synadmin.audit.facts import Need, RoomFacts
from synadmin.audit.gather.coverage import Coverage
from synadmin.audit.gather.power_holders import PowerHolders, with_accounts, with_holders, with_memberships
from synadmin.audit.gather.prefetch import Prefetcher
from synadmin.audit.gather.relevance import looks_replaced, may_be_regained, may_have_more_creators
from synadmin.audit.gather.room_events import RoomEvents, text_of
from synadmin.audit.gather.room_reader import RoomReader
from synadmin.client import Synapse
from synadmin.errors import RefusedError
from synadmin.ids import RoomId, UserId, server_name_of
from synadmin.mas.service import PERSONAL_SESSIONS
from synadmin.power.events import CREATE, JOIN_RULES, POWER_LEVELS, TOMBSTONE, allowed_rooms
from synadmin.power.levels import RoomVersion
from synadmin.power.room import AccountState, Reach, RoomView

FEW_ROOMS = 250
"""On a server with at most this many rooms, everything is read of each room."""

FEW_EVENTS = 20
"""To read all state of a room with at most this many events costs no more than three smaller requests."""

SAMPLE = 8
"""One in this many rooms is read through the rooms of its users, which the list may lack."""

_RESTRICTED = frozenset({"restricted", "knock_restricted"})
_SOME = 5  # local members


class Asker:
    """Reads the facts about rooms. Methods may be called from every thread."""

    def __init__(
        self,
        prefetcher: Prefetcher,
        coverage: Coverage,
        holders: PowerHolders,
        *,
        caller: UserId,
        finds: Callable[[RoomFacts], bool] | None = None,
        alike: Callable[[RoomFacts, RoomFacts], bool] = lambda _, __: False,
        accounts: int = 0,
    ) -> None:
        """Create the reader; no request is sent yet.

        Args:
            prefetcher: sends the requests, and has the answers to the first ones.
            coverage: the needs of the rules, and the subjects checked and skipped.
            holders: the users with power.
            caller: the owner of the token.
            finds: returns whether a rule finds something in the facts about a room; called from every thread.
                With it, an account is read only if a finding depends on it; without it, all are read.
            alike: returns whether the rules find the same in two facts about a room; called from every
                thread.
            accounts: the number of accounts of the server; 0 where the rooms of each account are read.
        """
        self.synapse = prefetcher.synapse
        self.holders = holders
        self.caller = caller
        self.coverage = coverage
        self._finds, self._alike = finds, alike
        self._number_of_accounts = accounts
        self._prefetcher = prefetcher
        self.server_name = server_name_of(caller)
        self._possible: Reach | None = None
        self._lock = threading.Lock()

    def facts(self, room: Room) -> RoomFacts:
        """Return the facts about a listed room, once the user list was read.

        Raises:
            MatrixError: the server answered with an error.
        """
        begun = self.begin(room)
        return begun if isinstance(begun, RoomFacts) else self.finished(begun)

    def begin(self, room: Room) -> "RoomFacts | Unfinished":
        """Return the facts about a listed room, unfinished where they need the user list before it was read.

        Raises:
            MatrixError: the server answered with an error.
        """
        if self.holders.without:
            room = self._without(room)
        room_id, few = room.room_id, self._has_few_events(room)
        reads_all = few and self._full_state_is_cheaper and hash(room_id) % SAMPLE != 0

        def state(event_type: str | None) -> RoomState:
            if event_type == POWER_LEVELS:
                return self._prefetcher.levels(room_id, all_state=reads_all)
            return self.synapse.rooms.state(room_id, type=event_type)

        return self._facts(self._reader(room, RoomEvents(state), has_few_events=few, reads_all=reads_all))

    def _reader(self, room: Room, events: RoomEvents, *, has_few_events: bool, reads_all: bool) -> RoomReader:
        return RoomReader(
            self.synapse,
            self.holders,
            room,
            events,
            has_few_events=has_few_events,
            reads_all=reads_all,
            asks_everything=self.asks_everything,
        )

    @property
    def _full_state_is_cheaper(self) -> bool:
        """Whether all state of a small room costs less than its levels and the rooms of its users with power.

        With fewer accounts than rooms it does not: the rooms of each account are read only once.
        """
        total = self.coverage.total_rooms
        return total is not None and self._number_of_accounts >= total

    def _has_few_events(self, room: Room) -> bool:
        """Whether all state of a room is probably a short answer; findings do not depend on it.

        If another server made the room, its state may not be complete yet, and the request would wait.
        """
        made_here = room.creator is not None and server_name_of(room.creator) == self.server_name
        return made_here and 0 < (room.state_events or 0) <= FEW_EVENTS

    def _without(self, room: Room) -> Room:
        """Return a room with the number of its members without users who are treated as deactivated."""
        number = self.holders.number_without(room.room_id)
        joined, local = (
            None if count is None else max(0, count - number)
            for count in (room.joined_members, room.joined_local_members)
        )
        return msgspec.structs.replace(room, joined_members=joined, joined_local_members=local)

    def facts_of_unlisted(self, room_id: RoomId) -> RoomFacts:
        """Return the facts about a room that the room list lacks.

        Raises:
            MatrixError: the server answered with an error.
        """
        events = RoomEvents(lambda _: self.synapse.rooms.state(room_id))
        count = events.count()
        name, alias, create = (
            events.single(event_type) for event_type in ("m.room.name", "m.room.canonical_alias", CREATE)
        )
        room = Room(
            room_id=room_id,
            name=text_of(name, "name"),
            canonical_alias=text_of(alias, "alias"),  # type: ignore[arg-type]
            version=text_of(create, "room_version") or "1",
            creator=None if create is None else create.sender,
            state_events=count,
        )
        reader = self._reader(room, events, has_few_events=False, reads_all=False)
        return self.finished(Unfinished(reader, self._of_state(reader)))

    def _facts(self, reader: RoomReader) -> "RoomFacts | Unfinished":
        facts = self._of_state(reader)
        if facts.view.in_room and not self.holders.has_list:
            facts = self._without_list(reader, facts)
            # Only the list has the last use of accounts.
            if facts.holders or facts.everybody_controls or not reader.creators_known:
                return Unfinished(reader, facts)
            return self._completed(reader, facts)
        return self.finished(Unfinished(reader, facts))

    def _without_list(self, reader: RoomReader, facts: RoomFacts) -> RoomFacts:
        """Read which of the local users with power are in the room."""

        def with_joined(facts: RoomFacts) -> RoomFacts:
            return with_memberships(facts, self._users(facts), reader.is_in)

        facts = with_joined(facts)
        if reader.creators_known or facts.holders or Need.CREATORS not in self.coverage.needs:
            return facts
        # Where no user is known to control the room, the creators are read in any case.
        return with_joined(
            replace(facts, view=replace(facts.view, creators=reader.creators(facts.view.creators)))
        )

    def finished(self, unfinished: "Unfinished") -> RoomFacts:
        """Return the facts about a room, with the user list.

        Raises:
            MatrixError: the server answered with an error.
        """
        reader, facts = unfinished.reader, unfinished.facts
        if not facts.view.in_room:
            return self._with_needs(reader, facts)
        # In a room of version 12, much depends on each creator, and most rooms have only one.
        if self._finds is None or facts.view.levels.version.creator_power:
            return self._completed(reader, facts)
        listed = {user: self.holders.listed(user) for user in self._users(facts)}
        facts = self._counted(reader, with_holders(facts, listed, reader.is_in))
        facts = self._with_needs(reader, self._with_enough_accounts(facts))
        return self._with_accounts_that_matter(facts) if self._finds(facts) else facts

    def _completed(self, reader: RoomReader, facts: RoomFacts) -> RoomFacts:
        """Read all local users with power, and the other facts that the rules need."""
        users = {user: self.holders.get(user) for user in self._users(facts)}
        facts = with_holders(facts, users, reader.is_in)
        return self._with_needs(reader, self._counted(reader, facts))

    def _users(self, facts: RoomFacts) -> tuple[UserId, ...]:
        return self.caller, *facts.local_with_power

    def _with_enough_accounts(self, facts: RoomFacts) -> RoomFacts:
        """Read users who control the room until it is certain that the room need not be regained.

        Until then, a user who was not read counts as suspended. Users in many rooms come first.
        """
        options = self.coverage.needs.options.get(Need.WAY_TO_REGAIN)
        if options is None or not may_be_regained(facts, options, ()):
            return facts
        days, now_certain = options.get("days"), list[UserId]()

        def order(user: UserId) -> tuple[bool, bool, int]:
            is_dormant = days is not None and facts.accounts[user].is_dormant(days)
            return not self.holders.is_asked(user), is_dormant, -self.holders.known_rooms(user)

        for user in sorted(facts.controllers, key=order):
            facts = with_accounts(facts, {user: self.holders.get(user)})
            if user in facts.controllers:
                now_certain.append(user)
                if not may_be_regained(facts, options, now_certain):
                    break
        return facts

    def _with_accounts_that_matter(self, facts: RoomFacts) -> RoomFacts:
        """Read all accounts with power but one, where findings are the same if that one is suspended.

        This user has no control. For such a user, the rules do not depend on whether the account belongs to
        an application service.
        """
        unknown = [user for user in self._users(facts) if not self.holders.is_asked(user)]
        if len(unknown) != 1 or unknown[0] in facts.holders:
            return self._with_all_accounts(facts)
        # These users may have been read for other rooms since these facts were begun.
        users = self._users(facts)
        now = with_accounts(facts, {user: self.holders.get(user) for user in users if user not in unknown})
        if (now.accounts, now.view.accounts) != (facts.accounts, facts.view.accounts):
            facts = now
        suspended = {user: self.holders.suspended(user) for user in unknown}
        is_open = facts.view.account_of(unknown[0]).state in {AccountState.ACTIVE, AccountState.LOCKED}
        if is_open and self._alike(facts, with_accounts(facts, suspended)):
            return facts
        return self._with_all_accounts(facts)

    def _with_all_accounts(self, facts: RoomFacts) -> RoomFacts:
        return with_accounts(facts, {user: self.holders.get(user) for user in self._users(facts)})

    def _with_needs(self, reader: RoomReader, facts: RoomFacts) -> RoomFacts:
        for need, ask in ASK.items():
            options = self.coverage.needs.options.get(need)
            if options is not None and (facts.view.in_room or need is Need.EXTREMITIES):
                facts = ask(reader, facts, options)
        return facts

    def _of_state(self, reader: RoomReader) -> RoomFacts:
        """Return the facts from the state of the room."""
        room, levels = reader.room, reader.events.single(POWER_LEVELS)
        creators: tuple[UserId, ...] = (room.creator,) if room.creator else ()
        in_version_12 = RoomVersion.of(room.version or "1").creator_power
        reader.creators_known = bool(creators) and not in_version_12
        # No member in the list, and no power levels: the last local user has left the room.
        is_left = (
            levels is None and room.joined_local_members == self.holders.local_members(room.room_id) == 0
        )
        if is_left:
            reader.creators_known = True
        elif levels is None or not creators or (in_version_12 and self._looks_at_creators):
            # A room without a create event has no state: Synapse drops it when the last local user leaves.
            is_left = levels is None and reader.events.single(CREATE) is None
            creators = reader.creators(creators)
        listed = room.joined_local_members
        return RoomFacts(
            view=RoomView(
                room_id=room.room_id,
                version=room.version or "1",
                creators=creators,
                power_levels=None if levels is None else levels.content,
                power_levels_sender=None if levels is None else levels.sender,
                join_rule=room.join_rules,
                server_name=self.server_name,
                # Until the members are counted: at least one, since the room has state.
                joined_local_members=0 if is_left else max(listed or 0, 1),
                joined_members=room.joined_members or 0,
                needs_levels=levels is None and not is_left and self.synapse.make_room_admin_needs_levels,
            ),
            name=room.name,
            alias=room.canonical_alias,
            state_events=room.state_events or 0,
            caller=None if self.caller in self.holders.without else self.caller,
            possible=self.possible(),
            now=self.coverage.now,
        )

    @property
    def _looks_at_creators(self) -> bool:
        options = self.coverage.needs.options.get(Need.CREATORS, {})
        return self.asks_everything or bool(options.get("look_at_creators"))

    @property
    def asks_everything(self) -> bool:
        """Whether the server is so small that everything is read of each room."""
        total = self.coverage.total_rooms
        return total is not None and total <= FEW_ROOMS

    def _counted(self, reader: RoomReader, facts: RoomFacts) -> RoomFacts:
        """Return the facts with the right number of members, if the number in the list may be wrong."""
        listed = reader.room.joined_local_members
        exact = reader.local_members()
        if exact is None:
            agree = (listed or 0) >= max(1, len(facts.view.known_local_members))
        else:
            agree = listed == exact
        if not agree:
            return reader.with_members(facts)
        if facts.view.joined_local_members == listed:
            return facts
        return replace(facts, view=replace(facts.view, joined_local_members=listed or 0))

    def possible(self) -> Reach:
        """Return how far this server lets an administrator go."""
        with self._lock:
            if self._possible is None:
                self._possible = how_far(self.synapse)
        return self._possible


def how_far(synapse: Synapse) -> Reach:
    """Return how far a server lets an admin go: where MAS manages the accounts, its admin API decides."""
    if not synapse.mas_manages_accounts:
        return Reach.REACTIVATE
    try:
        if synapse.mas is not None:
            synapse.mas.require(PERSONAL_SESSIONS)
    except RefusedError:
        return Reach.API
    return Reach.REACTIVATE


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The facts about a room that are not complete before the user list is read."""

    reader: RoomReader
    facts: RoomFacts


def _ask_for_creators(reader: RoomReader, facts: RoomFacts, _options: Mapping[str, Any]) -> RoomFacts:
    """Read all creators of a room of version 12 or later, where unknown ones may change the findings."""
    if reader.creators_known or not may_have_more_creators(facts):
        return facts
    return _with_all_creators(reader, facts)


def _ask_for_owners(reader: RoomReader, facts: RoomFacts, _options: Mapping[str, Any]) -> RoomFacts:
    """Read all creators of a room of version 12 or later whose first creator is not active in it."""
    view = facts.view
    if reader.creators_known or not view.levels.version.creator_power:
        return facts
    if any(user in facts.controllers for user in view.creators) or not (facts.is_ours or facts.controllers):
        return replace(facts, all_creators=False)
    return _with_all_creators(reader, facts)


def _with_all_creators(reader: RoomReader, facts: RoomFacts) -> RoomFacts:
    creators = reader.creators(facts.view.creators)
    facts = replace(facts, view=replace(facts.view, creators=creators))
    holders = reader.holders
    return with_holders(facts, {user: holders.get(user) for user in facts.local_with_power}, reader.is_in)


def _ask_for_foreign_controllers(
    reader: RoomReader, facts: RoomFacts, _options: Mapping[str, Any]
) -> RoomFacts:
    """Read whether users of other servers with the level for control are in a room of ours."""
    view = facts.view
    users = [
        user
        for user in (facts.with_power if facts.is_ours else ())
        if not view.is_local(user)
        and user not in view.memberships
        and view.levels.level_of(user) >= view.levels.control
    ]
    holders = reader.holders
    return with_holders(facts, {user: holders.get(user) for user in users}, reader.is_in) if users else facts


def _ask_for_local_members(reader: RoomReader, facts: RoomFacts, _options: Mapping[str, Any]) -> RoomFacts:
    """Read some local members, where every member has control."""
    if not facts.everybody_controls:
        return facts
    facts = reader.with_members(facts)
    users = sorted(user for user in reader.joined() if facts.view.is_local(user))
    holders = reader.holders
    return with_holders(facts, {user: holders.get(user) for user in users[:_SOME]}, reader.is_in)


def _ask_for_way_to_regain(reader: RoomReader, facts: RoomFacts, options: Mapping[str, Any]) -> RoomFacts:
    """Read what the planner needs, where a finding would name the command that regains the room."""
    if not may_be_regained(facts, options, facts.controllers):
        return facts
    if reader.has_few_events:
        reader.events.read_all()
    view = reader.with_members(facts).view
    memberships = {
        user: reader.membership(user) if membership != "join" else membership
        for user, membership in view.memberships.items()
        if view.is_local(user)
    }
    create, join_rules = reader.events.single(CREATE), reader.events.single(JOIN_RULES)
    view = replace(
        view,
        memberships={**view.memberships, **memberships},
        join_rule=text_of(join_rules, "join_rule"),
        federate=create is None or create.content.get("m.federate") is not False,
        blocked=reader.synapse.rooms.block_status(view.room_id).block,
    )
    if view.join_rule in _RESTRICTED:
        allowed = allowed_rooms({} if join_rules is None else join_rules.content)
        inside = (
            user
            for user in memberships
            if view.account_of(user).state is not AccountState.MISSING
            and any(reader.holders.is_in(user, room) for room in allowed)
        )
        view = replace(view, allowed_rooms=allowed, allowed_members=frozenset(inside))
    return replace(facts, view=view)


def _ask_for_tombstone(reader: RoomReader, facts: RoomFacts, options: Mapping[str, Any]) -> RoomFacts:
    """Read whether the room was replaced, where its levels look like it."""
    everywhere = reader.asks_everything or options.get("look_at_every_room")
    if not everywhere and not looks_replaced(facts.view.levels):
        return facts
    event = reader.events.single(TOMBSTONE)
    replacement = text_of(event, "replacement_room")
    return replace(
        facts, tombstoned=event is not None, replacement=RoomId(replacement) if replacement else None
    )


def _ask_for_size(reader: RoomReader, facts: RoomFacts, _options: Mapping[str, Any]) -> RoomFacts:
    """Count the state events, where the number in the list cannot be right."""
    return facts if facts.state_events else replace(facts, state_events=reader.events.count())


def _ask_for_extremities(reader: RoomReader, facts: RoomFacts, options: Mapping[str, Any]) -> RoomFacts:
    """Count the forward extremities, where the option says so."""
    if not options.get("look_at_extremities"):
        return facts
    count = reader.synapse.rooms.forward_extremities(facts.room_id).count
    return replace(facts, forward_extremities=count)


ASK: Mapping[Need, Callable[[RoomReader, RoomFacts, Mapping[str, Any]], RoomFacts]] = {
    Need.CREATORS: _ask_for_creators,
    Need.OWNERS: _ask_for_owners,
    Need.FOREIGN_CONTROLLERS: _ask_for_foreign_controllers,
    Need.LOCAL_MEMBERS: _ask_for_local_members,
    Need.WAY_TO_REGAIN: _ask_for_way_to_regain,
    Need.TOMBSTONE: _ask_for_tombstone,
    Need.SIZE: _ask_for_size,
    Need.EXTREMITIES: _ask_for_extremities,
}
"""The functions that read each need of the rules about rooms, in this order."""
