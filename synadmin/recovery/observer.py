"""From the server to the planner's view of a room, with few requests, none of which grows with the room.

Membership, join rule and federation are read from memberships and state events, never from the counts of
``GET /v1/rooms/{id}``: those are statistics, which a server may not keep, or may not have up to date.

Memberships and accounts of users are read once a run and cached for all its rooms. What is read back after
a change is always read again.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import Any

from synadmin.api.rooms import RoomDetails, StateEvent
from synadmin.client import Synapse
from synadmin.errors import MatrixError, NotFoundError
from synadmin.ids import RoomAlias, RoomId, UserId, server_name_of
from synadmin.parallel import side_by_side
from synadmin.power import events
from synadmin.power.events import CREATE, JOIN_RULES, POWER_LEVELS, RESTRICTED, TOMBSTONE
from synadmin.power.levels import RoomVersion
from synadmin.power.make_room_admin import candidates
from synadmin.power.planner import plan
from synadmin.power.room import Goal, Reach, RoomView
from synadmin.power.steps import Plan, Refusal
from synadmin.recovery.reader import FEW, Reader

_TRIED = 3  # users with power whose membership is read one by one, where there are many
_SERVERS_AT_MOST = 10  # servers of members to join through: a server that does not answer costs time
_ABOUT_THE_TARGET = frozenset(
    {
        "target-unknown",
        "target-deactivated",
        "target-suspended",
        "target-guest",
        "room-blocked",
        "not-in-room",
    },
)


@dataclass(frozen=True, slots=True)
class Observation:
    """A room as it was read, the planner's view of it, and the result of planning.

    Attributes:
        room: the room as it was named: an id or an alias.
        details: the server's details of the room; None where it does not know the room.
        view: the planner's view; None where the room is not known.
        answer: the plan or refusal; None where there is no view.
        event_id: the id of the power-levels event; None where there is no such event.
        via: servers through which the room might be joined.
        replacement: the room that has replaced this one (``m.room.tombstone``).
    """

    room: str
    details: RoomDetails | None = None
    view: RoomView | None = None
    answer: Plan | Refusal | None = None
    event_id: str | None = None
    via: tuple[str, ...] = ()
    replacement: RoomId | None = None


@dataclass
class Observer(Reader):
    """Reads rooms with a server admin's token.

    Attributes:
        via: servers to join rooms through, beside those that addresses and members name.
        keeps_creators: plan no Make Room Admin in a room without a power-levels event, whose creator would
            lose its level by it.
    """

    via: tuple[str, ...] = ()
    _: KW_ONLY
    keeps_creators: bool = False

    def beside(self) -> "Observer":
        """Return an observer for another thread, which shares the cache of users."""
        return replace(self, at_once=1, _whole={})

    def _together(self, asks: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
        """Send requests that do not depend on each other, and return the answers under the same names."""
        answers = side_by_side(lambda ask: ask(), asks.values(), at_once=min(self.at_once, max(len(asks), 1)))
        return dict(zip(asks, answers, strict=True))

    def resolve(self, room: RoomId | RoomAlias) -> tuple[RoomId, tuple[str, ...]]:
        """Return a room's id, and the servers that its alias names.

        Raises:
            NotFoundError: there is no such alias.
        """
        if not room.startswith("#"):
            return RoomId(room), ()
        target = self.synapse.client_server.resolve_alias(RoomAlias(room))
        return target.room_id, target.servers

    def observe(self, room: RoomId | RoomAlias, goal: Goal) -> Observation:
        """Read the state of a room that planning needs, and plan.

        Raises:
            NotFoundError: there is no such alias.
            NotPermittedError: the token is not a server admin's.
        """
        room_id, named = self.resolve(room)
        self._whole.clear()
        asks: dict[str, Callable[[], Any]] = {
            "details": partial(self.synapse.rooms.get, room_id),
            "levels": partial(self.event_seen, room_id, POWER_LEVELS),
        }
        if server_name_of(goal.target) == self.server_name:
            asks["account"] = partial(self.account, goal.target)
            asks["memberships"] = partial(self._ask_for_memberships, goal.target)
        try:
            answers = self._together(asks)
        except NotFoundError:
            return Observation(room)
        details: RoomDetails = answers["details"]
        levels: StateEvent | None = answers["levels"]
        view = self._first_view(details, levels, goal)
        view, answer = self.plan_until_verified(view, goal)
        if isinstance(answer, Refusal) and answer.reason == "not-in-room":
            return self._from_outside(room, details, view, goal, named)
        return Observation(
            room,
            details,
            view,
            answer,
            levels.event_id if levels is not None else None,
            via=self._servers(details, view, named),
            replacement=self._replacement(details),
        )

    def plan_until_verified(
        self, view: RoomView, goal: Goal, *, wide: bool = False
    ) -> tuple[RoomView, Plan | Refusal]:
        """Plan, and read more users, until the plan relies only on users that were read.

        Args:
            view: the room.
            goal: the goal.
            wide: all local users with power are in the view already.

        Returns:
            The view with all that was read, and the plan or refusal.
        """
        asked = False
        strangers: Iterator[UserId] | None = None
        while True:
            answer = plan(view, goal)
            if not view.in_room:
                break
            if not wide and not _is_enough(view, goal, answer):
                view, wide = self._with_all_holders(view, goal), True
            elif answer.reach is not None and answer.reach > goal.possible:
                break
            elif answer.reach is not None and answer.reach > Reach.API and not asked:
                asked = True
                if self.synapse.mas_manages_accounts:
                    goal = self._as_far_as_possible(goal)
                    view = replace(view, accounts=self.accounts(list(view.accounts)))
            elif answer.unverified:
                view = self.with_users(view, answer.unverified)
            elif answer.needs_member:
                strangers = strangers or self.members_not_in(view)
                stranger = next(strangers, None)
                view = counted(view) if stranger is None else self.with_member(view, stranger)
            else:
                break
        return view, answer

    def _as_far_as_possible(self, goal: Goal) -> Goal:
        means = self.means
        return replace(goal, possible=min(goal.possible, means.possible), why_not=means.why_not)

    def again(self, observation: Observation, goal: Goal) -> RoomView:
        """Read again what a plan was to change: the levels, and the target's membership."""
        if observation.view is None:
            raise ValueError("there was nothing to see before")
        view = observation.view
        self.forget(goal.target)
        answers = self._together(
            {
                "levels": partial(self.event_seen, view.room_id, POWER_LEVELS),
                "memberships": partial(self._ask_for_memberships, goal.target),
            }
        )
        levels: StateEvent | None = answers["levels"]
        memberships = {**view.memberships, goal.target: self.membership(goal.target, view.room_id)}
        return replace(
            view,
            power_levels=None if levels is None else levels.content,
            power_levels_sender=None if levels is None else levels.sender,
            power_levels_id=None if levels is None else levels.event_id,
            power_levels_replaced=None if levels is None else levels.replaced,
            memberships=memberships,
        )

    def _from_outside(
        self,
        room: str,
        details: RoomDetails,
        view: RoomView,
        goal: Goal,
        named: Iterable[str],
    ) -> Observation:
        """Observe a room without local members: whether the target may get control, and how to join it."""
        view = self.with_users(view, [goal.target]) if view.is_local(goal.target) else view
        refusal = plan(replace(view, uncounted=True), goal)
        if isinstance(refusal, Refusal) and refusal.reason in _ABOUT_THE_TARGET:
            return Observation(room, details, view, refusal)
        addresses: tuple[str, ...] = ()
        if details.canonical_alias is not None:
            with contextlib.suppress(MatrixError):
                alias = RoomAlias(details.canonical_alias)
                addresses = self.synapse.client_server.resolve_alias(alias).servers
        servers = self._servers(details, view, (*named, *addresses))
        replacement = self._replacement(details)
        return Observation(room, details, view, plan(view, goal), via=servers, replacement=replacement)

    def _servers(self, details: RoomDetails, view: RoomView, named: Iterable[str]) -> tuple[str, ...]:
        """Return the servers that may be in a room: the named servers, then those of users with power."""
        levels = view.levels
        holders = sorted(levels.listed(), key=lambda user: -levels.level_of(user))
        members = (user for user, membership in view.memberships.items() if membership == "join")
        creators = (details.creator,) if details.creator else ()
        known = [server_name_of(user) for user in (*creators, *view.creators, *holders, *members)]
        of_members = [server for server in dict.fromkeys(known) if server != self.server_name]
        servers = dict.fromkeys((*self.via, *named, *of_members[:_SERVERS_AT_MOST]))
        # Of a room without members Synapse may not know the creator: it sends "" then.
        return tuple(server for server in servers if server not in {"", self.server_name})

    def _replacement(self, details: RoomDetails) -> RoomId | None:
        """Return the room that a tombstone names."""
        if details.replacement_room or details.room_id not in self._whole:
            return details.replacement_room
        event = self.event_seen(details.room_id, TOMBSTONE)
        room = None if event is None else event.content.get("replacement_room")
        return RoomId(room) if isinstance(room, str) else None

    def _first_view(self, details: RoomDetails, levels: StateEvent | None, goal: Goal) -> RoomView:
        """Return the view that is needed to predict Make Room Admin."""
        target = goal.target
        view = self.bare_view(details, levels, other_servers=server_name_of(target) != self.server_name)
        if not view.in_room:
            return view
        accounts = {target: self.account(target)} if view.is_local(target) else {}
        memberships = {target: self.membership(target, details.room_id)}
        asks: dict[str, Callable[[], Any]] = {}
        if memberships[target] != "join":
            # Both matter only to a user who is not in the room.
            asks["blocked"] = partial(self.synapse.rooms.block_status, details.room_id)
            asks["join rule"] = partial(self._with_join_rule, view)
        first = next(iter(_candidates(view)), None)
        if first is not None and not self._by_room:
            # Synapse most probably acts as this user, so the plan needs the account: it is read now, too.
            asks["account"] = partial(self.account, first)
            asks["memberships"] = partial(self._ask_for_memberships, first)
        answers = self._together(asks)
        seen: RoomView = answers.get("join rule", view)
        blocked = "blocked" in answers and answers["blocked"].block
        holders, of_all = _candidates(view), dict[UserId, str]()
        for tried, user in enumerate(holders):
            if tried == _TRIED and len(holders) > FEW:
                of_all = self.memberships(holders, details.room_id)
            memberships[user] = of_all.get(user) or self.membership(user, details.room_id)
            if memberships[user] == "join":
                break
        return replace(seen, memberships=memberships, accounts=accounts, blocked=blocked)

    def widest_view(self, details: RoomDetails, also: Collection[UserId] = ()) -> RoomView:
        """Return a view with all local users with power or in ``also``, and whether they may join."""
        self._whole.clear()
        levels = self.event_seen(details.room_id, POWER_LEVELS)
        view = self.bare_view(details, levels, other_servers=True)
        if not view.in_room:
            return view
        caller = self.synapse.owner
        return self._with_all_holders(view, Goal(target=caller, caller=caller), also)

    def bare_view(self, details: RoomDetails, levels: StateEvent | None, *, other_servers: bool) -> RoomView:
        """Return a view of the room without its members.

        Args:
            details: the server's details of it.
            levels: its power levels.
            other_servers: it matters whether the room is open to other servers.
        """
        version, federate = details.version, True
        creators: tuple[UserId, ...] = (details.creator,) if details.creator else ()
        # Once its last user leaves a room, Synapse drops the room's state.
        sees_state = levels is not None
        if (
            levels is None
            or not creators
            or version is None
            or other_servers
            or RoomVersion.of(version).creator_power
        ):
            create = self.event_seen(details.room_id, CREATE)
            if create is not None:
                sees_state = True
                creators = events.creators(create.sender, create.content)
                version = version or str(create.content.get("room_version", "1"))
                federate = create.content.get("m.federate", True) is not False
        return RoomView(
            room_id=details.room_id,
            version=version or "1",
            creators=creators,
            power_levels=None if levels is None else levels.content,
            power_levels_sender=None if levels is None else levels.sender,
            power_levels_id=None if levels is None else levels.event_id,
            power_levels_replaced=None if levels is None else levels.replaced,
            server_name=self.server_name,
            federate=federate,
            uncounted=sees_state,
            needs_levels=levels is None
            and sees_state
            and (self.keeps_creators or self.synapse.make_room_admin_needs_levels),
        )

    def _with_join_rule(self, view: RoomView) -> RoomView:
        event = self.event_seen(view.room_id, JOIN_RULES)
        return _with_rules(view, event.content if event is not None else {})

    def with_rules(self, view: RoomView, rules: Mapping[str, Any], users: Iterable[UserId]) -> RoomView:
        """Return a room as it would be with another join rule.

        Args:
            view: the room.
            rules: the content of its ``m.room.join_rules`` then.
            users: local users who may want to join.
        """
        return self._with_allowed_members(_with_rules(view, rules), users)

    def _with_allowed_members(self, view: RoomView, users: Iterable[UserId]) -> RoomView:
        """Add which of some local users the join rule lets in as members of other rooms."""
        if view.join_rule not in RESTRICTED:
            return view
        view = replace(view, allowed_members=frozenset(self._members_of_any(users, view.allowed_rooms)))
        # By this rule, users can join only if a local member may invite.
        return self.count(view) if view.levels.users_default >= view.levels.invite else view

    def _with_all_holders(self, view: RoomView, goal: Goal, also: Collection[UserId] = ()) -> RoomView:
        """Add all local users who have power, and whether they may join."""
        users = {goal.caller, goal.target, *also, *view.creators, *view.levels.listed()}
        locals_ = sorted(user for user in users if view.is_local(user))
        memberships = self.memberships(locals_, view.room_id)
        blocked = view.blocked
        if view.memberships.get(goal.target, "join") == "join":
            # Block and join rule matter now: the target is in the room, but a helper may have to join.
            blocked = self.synapse.rooms.block_status(view.room_id).block
            view = self._with_join_rule(view)
        view = replace(view, memberships={**view.memberships, **memberships}, blocked=blocked)
        return self._with_allowed_members(view, locals_)

    def count(self, view: RoomView) -> RoomView:
        """Add how many local users are joined."""
        local = sum(view.is_local(user) for user in self.synapse.rooms.members(view.room_id).members)
        return replace(view, uncounted=False, joined_local_members=local)

    def with_users(self, view: RoomView, users: Iterable[UserId]) -> RoomView:
        """Add the memberships and account states of these local users to a view."""
        users = tuple(users)
        accounts = self.accounts(users)
        memberships = self.memberships(users, view.room_id)
        return replace(
            view,
            accounts={**view.accounts, **accounts},
            memberships={**view.memberships, **memberships},
        )

    def with_member(self, view: RoomView, user: UserId) -> RoomView:
        """Add this joined local user and the account's state to a view."""
        return replace(
            view,
            accounts={**view.accounts, user: self.account(user)},
            memberships={**view.memberships, user: "join"},
        )

    def with_remote_users(self, view: RoomView, users: Sequence[UserId]) -> RoomView:
        """Add the memberships of these remote users to a view; one request, as the answer is long."""
        if not users:
            return view
        events = self.member_events(view.room_id)
        memberships = {user: events.get(user, "leave") for user in users}
        return replace(view, memberships={**view.memberships, **memberships})

    def members_not_in(self, view: RoomView) -> Iterator[UserId]:
        """Yield the joined local users that were not read yet."""
        for user in local_members(self.synapse, view.room_id):
            if view.membership_of(user) != "join":
                yield user

    def _members_of_any(self, users: Iterable[UserId], rooms: Iterable[RoomId]) -> Iterable[UserId]:
        rooms = tuple(rooms)
        for user in users:
            if self._by_room:
                joined = frozenset(self.synapse.activity.joined_rooms(user).joined_rooms)
                is_member = not joined.isdisjoint(rooms)
            else:
                is_member = any(self.membership(user, room) == "join" for room in rooms)
            if is_member:
                yield user


def local_members(synapse: Synapse, room_id: RoomId) -> tuple[UserId, ...]:
    """Return the users of this server who are joined to a room, from its member list.

    Raises:
        NotFoundError: the server knows no such room.
    """
    home = server_name_of(synapse.owner)
    members = synapse.rooms.members(room_id).members
    return tuple(sorted(user for user in members if server_name_of(user) == home))


def counted(view: RoomView) -> RoomView:
    """Return the view of a room, with every joined local user read."""
    return replace(view, uncounted=False, joined_local_members=len(view.known_local_members))


def _with_rules(view: RoomView, rules: Mapping[str, Any]) -> RoomView:
    rule = rules.get("join_rule")
    join_rule = rule if isinstance(rule, str) else None
    allowed = events.allowed_rooms(rules) if join_rule in RESTRICTED else ()
    return replace(view, join_rule=join_rule, allowed_rooms=allowed)


def _is_enough(view: RoomView, goal: Goal, answer: Plan | Refusal) -> bool:
    """Whether the view is enough to judge a room.

    A plan with more than Make Room Admin is judged only with all users in view who could take part, and
    with whether they may join.
    """
    if isinstance(answer, Refusal):
        return answer.reason in _ABOUT_THE_TARGET
    actors = {step.as_user for step in answer.steps}
    alone = all(step.user == goal.target and not step.puts_back for step in answer.steps)
    return answer.reach is Reach.API and alone and actors <= view.memberships.keys()


def _candidates(view: RoomView) -> list[UserId]:
    try:
        return list(candidates(view))
    except TypeError:
        return []  # levels that cannot be compared: Synapse fails, and the planner refuses
