"""A room as the planner sees it, and the goal.

Everything here is plain data. The observer reads it from the server; tests create it directly.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Any

from synadmin.ids import EventId, RoomId, UserId, server_name_of
from synadmin.power.levels import PowerLevels, RoomVersion


class Reach(IntEnum):
    """The reach of a plan beyond the Admin API and the admin's own token: ``--allow``."""

    API = 0
    """Make Room Admin, and what the token's owner may do in the room as an ordinary member."""
    IMPERSONATE = 1
    """Act for a short time as other local users; lift bans."""
    REACTIVATE = 2
    """Change the state of accounts for a short time, too."""

    @classmethod
    def of(cls, allow: str | None) -> "Reach":
        """Return the reach that ``--allow`` names; ``API`` where it names none."""
        return cls[(allow or "api").upper()]

    def __str__(self) -> str:
        return self.name.lower()


class AccountState(StrEnum):
    """The state of a local account; where it has several, the first in this list."""

    MISSING = "missing"
    DEACTIVATED = "deactivated"
    SUSPENDED = "suspended"
    LOCKED = "locked"
    ACTIVE = "active"

    @classmethod
    def of(cls, *, deactivated: bool, locked: bool, suspended: bool = False) -> "AccountState":
        """Return the state of an account that exists."""
        if deactivated:
            return cls.DEACTIVATED
        # Make Room Admin works through a locked account, but not through a suspended one, locked or not.
        if suspended:
            return cls.SUSPENDED
        return cls.LOCKED if locked else cls.ACTIVE


@dataclass(frozen=True, slots=True)
class Account:
    """The state of a local account that decides whether its owner can act."""

    state: AccountState = AccountState.ACTIVE
    shadow_banned: bool = False
    """Synapse drops the events that the user sends, without an error; joining and leaving still work."""
    actable: bool = True
    """An admin can act as this user: the service that manages the accounts has the account."""
    guest: bool = False
    """A guest account ends with its session, so it must not be given control of a room."""


@dataclass(frozen=True, kw_only=True)
class RoomView:
    """The state of a room, as one homeserver knows it.

    A user without an entry in ``memberships`` counts as not in the room. A local user without an entry in
    ``accounts`` counts as active; a plan names such users that it relies on (``unverified``).

    Attributes:
        room_id: the room.
        version: the room version's name.
        creators: the sender of ``m.room.create`` first, then the additional creators.
        power_levels: the content of ``m.room.power_levels``, None where there is no such event.
        power_levels_sender: the sender of that event. Synapse drops a new event with the
            content and the sender of this one, before it checks whether the sender may send it.
        power_levels_id: the id of that event, None where it is not known.
        power_levels_replaced: the id of the power-levels event that it replaced.
        join_rule: None where there is no such event, which means ``invite``.
        allowed_rooms: the rooms whose members may join where the join rule is restricted.
        allowed_members: the relevant local users who are joined to one of these rooms.
        memberships: ``join``, ``invite``, ``knock``, ``leave``, ``ban`` of the relevant users:
            the target, the token's owner, and every local user who has power or could help.
        accounts: the accounts of the relevant local users.
        server_name: the homeserver from which the room is seen.
        blocked: the room is blocked on this server: no local user can be invited or join.
        federate: false where the room is closed to servers other than its creator's.
        joined_local_members: how many local users are joined, including those not in ``memberships``.
        joined_members: how many users are joined.
        uncounted: this server is in the room, and the local members were not counted yet: a local user
            may be joined who is not among ``memberships``.
        needs_levels: Make Room Admin must not be used where the room has no power-levels event: it fails
            before Synapse 1.136, and takes the level of the creator later.
    """

    room_id: RoomId
    version: str
    creators: tuple[UserId, ...]
    power_levels: Mapping[str, Any] | None
    server_name: str
    power_levels_sender: UserId | None = None
    power_levels_id: EventId | None = None
    power_levels_replaced: EventId | None = None
    join_rule: str | None = "invite"
    allowed_rooms: tuple[RoomId, ...] = ()
    allowed_members: frozenset[UserId] = frozenset()
    memberships: Mapping[UserId, str] = field(default_factory=dict)
    accounts: Mapping[UserId, Account] = field(default_factory=dict)
    blocked: bool = False
    federate: bool = True
    joined_local_members: int = 0
    joined_members: int = 0
    uncounted: bool = False
    needs_levels: bool = False

    @cached_property
    def levels(self) -> PowerLevels:
        """The levels in force."""
        return PowerLevels(self.power_levels, RoomVersion.of(self.version), self.creators)

    @cached_property
    def known_local_members(self) -> tuple[UserId, ...]:
        """The local users who are joined and known by name."""
        return tuple(
            user
            for user, membership in self.memberships.items()
            if membership == "join" and self.is_local(user)
        )

    @property
    def local_controllers(self) -> tuple[UserId, ...]:
        """The joined local users with control who are known by name."""
        return tuple(user for user in self.known_local_members if self.has_control(user))

    @property
    def unknown_local_members(self) -> int:
        """The number of local users who are or may be joined and are not known by name."""
        known = len(self.known_local_members)
        return max(1 if self.uncounted else 0, self.joined_local_members - known)

    @property
    def in_room(self) -> bool:
        """Whether this server is in the room. When its last user leaves, Synapse drops the state."""
        return self.uncounted or self.joined_local_members > 0 or bool(self.known_local_members)

    def is_local(self, user: UserId) -> bool:
        """Whether the user's account is on this server."""
        return server_name_of(user) == self.server_name

    def membership_of(self, user: UserId) -> str:
        """Return a user's membership; ``leave`` for a user who never was in the room."""
        return self.memberships.get(user, "leave")

    def account_of(self, user: UserId) -> Account:
        """Return a local user's account; active where it was not read."""
        return self.accounts.get(user, Account())

    def has_control(self, user: UserId) -> bool:
        """Whether the user is joined and may change the levels."""
        return self.membership_of(user) == "join" and self.levels.level_of(user) >= self.levels.control


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """The goal of a plan: a user is joined and has control.

    Attributes:
        target: the user who gets control.
        caller: the owner of the token, who acts with this token: no other token can be made for this user.
        allow: how far the plan may go.
        join: whether the target shall be joined as well, where that can be done.
        promoter: the local user who shall grant the level; None leaves the choice to the planner.
        possible: how far an admin can go on this server; a refusal names no reach beyond it. With the
            Matrix Authentication Service, where its admin API cannot be used, ``Reach.API``.
        why_not: why an admin cannot go further, in sentences.
    """

    target: UserId
    caller: UserId
    allow: Reach = Reach.API
    join: bool = True
    promoter: UserId | None = None
    possible: Reach = Reach.REACTIVATE
    why_not: str | None = None
