"""From the server to the planner's view of a room, with few requests, none of which grows with the room.

What is asked of users (memberships, accounts) is asked once a run and kept for all its rooms; what is
read back after a change is always asked anew.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from synadmin.api.rooms import RoomDetails, StateEvent
from synadmin.client import Synapse
from synadmin.errors import MatrixError, NotFoundError, NotPermittedError
from synadmin.ids import RoomAlias, RoomId, UserId, server_name_of
from synadmin.power.levels import POWER_LEVELS, RoomVersion
from synadmin.power.make_room_admin import candidates
from synadmin.power.planner import plan
from synadmin.power.room import Account, Reach, RoomView, Wish
from synadmin.power.steps import Plan, Refusal
from synadmin.recovery.accounts import account_of

CREATE = "m.room.create"
JOIN_RULES = "m.room.join_rules"
MEMBER = "m.room.member"
_RESTRICTED = frozenset({"restricted", "knock_restricted"})
_ABOUT_THE_TARGET = frozenset(
    {"target-unknown", "target-deactivated", "target-suspended", "room-blocked", "not-in-room"},
)


@dataclass(frozen=True, slots=True)
class Sight:
    """A room, the planner's view of it, and what came of planning.

    Attributes:
        room: as a person named it.
        details: what the server says of the room; None where it does not know it.
        view: what the planner sees; None where there is nothing to see.
        found: the plan or refusal; None where there is no view.
        event_id: of the power levels, None where there is no such event.
        way_in: servers through which the room might be joined again, where none of ours is in it any more.
    """

    room: str
    details: RoomDetails | None = None
    view: RoomView | None = None
    found: Plan | Refusal | None = None
    event_id: str | None = None
    way_in: tuple[str, ...] = ()


@dataclass
class Observer:
    """Looks at rooms through a server admin's token.

    Attributes:
        synapse: the server.
        through: servers that may be in rooms which ours has left, beside those that addresses name.
    """

    synapse: Synapse
    through: tuple[str, ...] = ()
    _memberships: dict[UserId, Mapping[RoomId, str]] = field(default_factory=dict)
    _accounts: dict[UserId, Account] = field(default_factory=dict)

    @property
    def server_name(self) -> str:
        """The server name of the token's owner."""
        return server_name_of(self.synapse.owner)

    def look(self, room: RoomId | RoomAlias, wish: Wish) -> Sight:
        """Look at a room as far as it takes to plan, and plan.

        Raises:
            NotFoundError: an alias that leads nowhere.
            NotPermittedError: the token is not a server admin's.
        """
        room_id, named = RoomId(room), tuple[str, ...]()
        if room.startswith("#"):
            address = self.synapse.client_server.resolve_alias(RoomAlias(room))
            room_id, named = address.room_id, address.servers
        try:
            details = self.synapse.rooms.get(room_id)
        except NotFoundError:
            return Sight(room)
        levels = self.state_event(room_id, POWER_LEVELS)
        view = self._first_view(details, levels, wish)
        found = plan(view, wish)
        if isinstance(found, Refusal) and found.reason == "not-in-room":
            return self._from_outside(room, details, view, wish, named)
        view, found = self._judged(view, wish, found)
        return Sight(room, details, view, found, levels.event_id if levels is not None else None)

    def _judged(self, view: RoomView, wish: Wish, found: Plan | Refusal) -> tuple[RoomView, Plan | Refusal]:
        """Look further until what is found relies on nothing that nobody has looked at."""
        wide = False
        strangers: Iterator[UserId] | None = None
        while True:
            if not wide and not _is_enough(view, wish, found):
                view, wide = self._wider(view, wish), True
            elif found.reach is not None and found.reach > wish.possible:
                break
            elif found.reach is not None and found.reach > Reach.API and self.accounts_are_elsewhere:
                wish = replace(wish, possible=Reach.API)
            elif found.unverified:
                view = self.seeing(view, found.unverified)
            elif isinstance(found, Plan) and found.needs_member:
                strangers = strangers or self.members_not_in(view)
                stranger = next(strangers, None)
                if stranger is None:
                    break
                view = self.seeing(view, [stranger])
            else:
                break
            found = plan(view, wish)
        return view, found

    def again(self, sight: Sight, wish: Wish, *, came_in: bool) -> RoomView:
        """Look again at what a plan was to change: the levels, and the target's membership.

        Args:
            sight: the room as it was.
            wish: whose plan it was.
            came_in: the token's owner joined in the meantime, and is the target.
        """
        if sight.view is None or sight.details is None:
            message = "there was nothing to see before"
            raise ValueError(message)
        view = sight.view
        if came_in and sight.details.history_visibility != "world_readable":
            inside = self._seen_by_a_member(view.room_id)
            # A room shows its present levels to nobody but those who are in it, and to those who left
            # as it was then: whoever sees levels that are new is in the room.
            if inside is not None and inside != view.power_levels:
                memberships = {**view.memberships, wish.target: "join"}
                return replace(view, power_levels=inside, memberships=memberships)
        levels = self.state_event(view.room_id, POWER_LEVELS)
        self._memberships.pop(wish.target, None)
        memberships = {**view.memberships, wish.target: self.membership(wish.target, view.room_id)}
        return replace(
            view,
            power_levels=None if levels is None else levels.content,
            power_levels_sender=None if levels is None else levels.sender,
            memberships=memberships,
        )

    def membership(self, user: UserId, room_id: RoomId) -> str:
        """Return a user's membership; ``leave`` for whoever never was in the room."""
        if server_name_of(user) == self.server_name:
            if user not in self._memberships:
                self._memberships[user] = self.synapse.users.memberships(user).memberships
            return self._memberships[user].get(room_id, "leave")
        return self._foreign_memberships(room_id).get(user, "leave")

    def forget(self, *users: UserId) -> None:
        """Ask anew about these users next time."""
        for user in users:
            self._memberships.pop(user, None)
            self._accounts.pop(user, None)

    def forget_all(self) -> None:
        """Ask anew about everybody next time."""
        self._memberships.clear()
        self._accounts.clear()

    def account(self, user: UserId) -> Account:
        """Return what state a local account is in."""
        if user not in self._accounts:
            self._accounts[user] = account_of(self.synapse, user)
        return self._accounts[user]

    def _from_outside(
        self,
        room: str,
        details: RoomDetails,
        view: RoomView,
        wish: Wish,
        named: Iterable[str],
    ) -> Sight:
        """See a room that nobody of this server is in: whether the target might do, and where a way in is."""
        view = self.seeing(view, [wish.target]) if view.is_local(wish.target) else view
        found = plan(replace(view, joined_local_members=1), wish)
        if isinstance(found, Refusal) and found.reason in _ABOUT_THE_TARGET:
            return Sight(room, details, view, found)
        return Sight(room, details, view, plan(view, wish), way_in=self._way_in(details, named))

    def _way_in(self, details: RoomDetails, named: Iterable[str]) -> tuple[str, ...]:
        """Return the servers that may be in a room which ours has left."""
        addresses: tuple[str, ...] = ()
        if details.canonical_alias is not None:
            with contextlib.suppress(MatrixError):
                alias = RoomAlias(details.canonical_alias)
                addresses = self.synapse.client_server.resolve_alias(alias).servers
        creators = () if details.creator is None else (server_name_of(details.creator),)
        servers = dict.fromkeys((*self.through, *named, *addresses, *creators))
        # A room that nobody is in any more may have lost its creator, too: Synapse says "" then.
        return tuple(server for server in servers if server not in {"", self.server_name})

    def _first_view(self, details: RoomDetails, levels: StateEvent | None, wish: Wish) -> RoomView:
        """See what predicting Make Room Admin takes."""
        target = wish.target
        view = self._bare_view(details, levels)
        if not details.joined_local_members:
            return view
        accounts = {target: self.account(target)} if view.is_local(target) else {}
        memberships = {target: self.membership(target, details.room_id)}
        # A blocked room matters to whoever is not in it, and to nobody else.
        blocked = memberships[target] != "join" and self.synapse.rooms.block_status(details.room_id).block
        for user in _candidates(view):
            memberships[user] = self.membership(user, details.room_id)
            if memberships[user] == "join":
                break
        return replace(view, memberships=memberships, accounts=accounts, blocked=blocked)

    def widest_view(self, details: RoomDetails) -> RoomView:
        """See a room with everybody local who has power, and all that may hinder them."""
        view = self._bare_view(details, self.state_event(details.room_id, POWER_LEVELS))
        if not details.joined_local_members:
            return view
        caller = self.synapse.owner
        return self._wider(view, Wish(target=caller, caller=caller))

    def _bare_view(self, details: RoomDetails, levels: StateEvent | None) -> RoomView:
        """See the room without anybody in it."""
        version = details.version or "1"
        creators: tuple[UserId, ...] = (details.creator,) if details.creator else ()
        if levels is None or not creators or RoomVersion.of(version).creator_power:
            create = self.state_event(details.room_id, CREATE)
            if create is not None:
                creators = creators_of(create)
        return RoomView(
            room_id=details.room_id,
            version=version,
            creators=creators,
            power_levels=None if levels is None else levels.content,
            power_levels_sender=None if levels is None else levels.sender,
            join_rule=details.join_rules,
            server_name=self.server_name,
            federate=details.federatable,
            joined_local_members=details.joined_local_members,
            joined_members=details.joined_members,
        )

    def _wider(self, view: RoomView, wish: Wish) -> RoomView:
        """See everybody local who has power, and who may come in by which rule."""
        users = {wish.caller, wish.target, *view.creators, *view.levels.listed()}
        locals_ = sorted(user for user in users if view.is_local(user))
        memberships = {user: self.membership(user, view.room_id) for user in locals_}
        blocked = view.blocked
        if view.memberships.get(wish.target, "join") == "join":
            # Only now a block matters: not to the target, who is in the room, but to whoever comes to help.
            blocked = self.synapse.rooms.block_status(view.room_id).block
        view = replace(view, memberships={**view.memberships, **memberships}, blocked=blocked)
        if view.join_rule in _RESTRICTED:
            rule = self.state_event(view.room_id, JOIN_RULES)
            allowed = _allowed_rooms(rule.content if rule is not None else {})
            view = replace(
                view,
                allowed_rooms=allowed,
                allowed_members=frozenset(self._members_of_any(locals_, allowed)),
            )
        return view

    def seeing(self, view: RoomView, users: Iterable[UserId]) -> RoomView:
        """See these local users, too: where they are, and what state their accounts are in."""
        users = tuple(users)
        accounts = {user: self.account(user) for user in users}
        memberships = {user: self.membership(user, view.room_id) for user in users}
        return replace(
            view,
            accounts={**view.accounts, **accounts},
            memberships={**view.memberships, **memberships},
        )

    def seeing_foreigners(self, view: RoomView, users: Sequence[UserId]) -> RoomView:
        """See where these users of other servers are; asked for all at once, as the answer is long."""
        if not users:
            return view
        found = self._foreign_memberships(view.room_id)
        memberships = {user: found.get(user, "leave") for user in users}
        return replace(view, memberships={**view.memberships, **memberships})

    def members_not_in(self, view: RoomView) -> Iterator[UserId]:
        """Yield the local members that nobody has looked at yet."""
        for user in self.synapse.rooms.members(view.room_id).members:
            if view.is_local(user) and user not in view.memberships:
                yield user

    @property
    def accounts_are_elsewhere(self) -> bool:
        """Whether the Matrix Authentication Service keeps the accounts: nobody can act as others then."""
        return self.synapse.mas_manages_accounts

    def _members_of_any(self, users: Iterable[UserId], rooms: Iterable[RoomId]) -> Iterable[UserId]:
        rooms = tuple(rooms)
        for user in users:
            if any(self.membership(user, room) == "join" for room in rooms):
                yield user

    def state_event(self, room_id: RoomId, event_type: str) -> StateEvent | None:
        """Return a room's state event of a type that has no more than one."""
        events = self.synapse.rooms.state(room_id, type=event_type).state
        return next((event for event in events if event.state_key == ""), None)

    def _seen_by_a_member(self, room_id: RoomId) -> dict[str, Any] | None:
        try:
            return self.synapse.client_server.state_event(room_id, POWER_LEVELS)
        except (NotPermittedError, NotFoundError):
            return None

    def _foreign_memberships(self, room_id: RoomId) -> dict[str, str]:
        # The one answer that grows with the room: Synapse tells an administrator of one foreign
        # member only together with all the others.
        events = self.synapse.rooms.state(room_id, type=MEMBER).state
        return {event.state_key: str(event.content.get("membership", "leave")) for event in events}


def _is_enough(view: RoomView, wish: Wish, found: Plan | Refusal) -> bool:
    """Tell whether what was seen is enough to judge a room.

    More than Make Room Admin is judged only with everybody in view who could take part, and with what may
    hinder them.
    """
    if isinstance(found, Refusal):
        return found.reason in _ABOUT_THE_TARGET
    actors = {step.as_user for step in found.steps}
    alone = all(step.user == wish.target and not step.puts_back for step in found.steps)
    return found.reach is Reach.API and alone and actors <= view.memberships.keys()


def _candidates(view: RoomView) -> list[UserId]:
    try:
        return list(candidates(view))
    except TypeError:
        return []  # levels that cannot be compared: Synapse fails over them, and the planner says so


def creators_of(create: StateEvent) -> tuple[UserId, ...]:
    """Return who created a room: the sender first, then those who count as creators beside it."""
    additional = create.content.get("additional_creators")
    others = additional if isinstance(additional, list) else []
    return (create.sender, *(UserId(user) for user in others if isinstance(user, str)))


def _allowed_rooms(join_rules: Mapping[str, Any]) -> tuple[RoomId, ...]:
    allow = join_rules.get("allow")
    if not isinstance(allow, list):
        return ()
    return tuple(
        RoomId(entry["room_id"])
        for entry in allow
        if isinstance(entry, dict)
        and entry.get("type") == "m.room_membership"
        and isinstance(entry.get("room_id"), str)
    )
