"""A room as the planner sees it, and the goal.

Everything here is plain data. The observer fills it from the server; tests write it down.
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
    """Act for a short time as other local users; lift a ban that stands."""
    REACTIVATE = 2
    """Change the state of accounts for a short time, too."""

    @classmethod
    def of(cls, allow: str | None) -> "Reach":
        """Return what ``--allow`` names; the API alone where it names nothing."""
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
        # Through a locked account power can be given, through a suspended one it cannot, locked or not.
        if suspended:
            return cls.SUSPENDED
        return cls.LOCKED if locked else cls.ACTIVE


@dataclass(frozen=True, slots=True)
class Account:
    """The state of a local account that decides whether its owner can act."""

    state: AccountState = AccountState.ACTIVE
    shadow_banned: bool = False
    """Synapse drops what it sends, without an error; joining and leaving still work."""
    actable: bool = True
    """An admin can act as it: not where the service that manages the accounts does not know it."""
    guest: bool = False
    """A guest account ends with its session, so it must not be given control of a room."""


@dataclass(frozen=True, kw_only=True)
class RoomView:
    """The state of a room, as one homeserver knows it.

    A user who is not among ``memberships`` is taken for not in the room. One who is not among
    ``accounts`` is taken for active; plans name those they relied on without looking (``unverified``).

    Attributes:
        room_id: the room.
        version: the room version's name.
        creators: the sender of ``m.room.create`` first, then the additional creators.
        power_levels: the content of ``m.room.power_levels``, None where there is no such event.
        power_levels_sender: the sender of that event. Synapse drops a new event that says the same as
            the last one of the same sender before it asks whether the sender may send it.
        power_levels_id: the id of that event, None where it is not known.
        power_levels_replaced: the id of the power-levels event that it replaced.
        join_rule: None where there is no such event, which means ``invite``.
        allowed_rooms: the rooms whose members may join where the join rule is restricted.
        allowed_members: those local users that matter who are joined to one of them.
        memberships: ``join``, ``invite``, ``knock``, ``leave``, ``ban`` of the users that matter:
            the target, the token's owner, and every local user who has power or could lend a hand.
        accounts: the accounts of local users that matter.
        server_name: the homeserver from which the room is seen.
        blocked: the room is blocked on this server: no local user can be invited or join.
        federate: false where the room is closed to servers other than its creator's.
        joined_local_members: how many local users are joined, those not named in ``memberships`` included.
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
        """Return a local user's account; active where it was not looked at."""
        return self.accounts.get(user, Account())

    def has_control(self, user: UserId) -> bool:
        """Whether the user is joined and may change the levels."""
        return self.membership_of(user) == "join" and self.levels.level_of(user) >= self.levels.control


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """The goal of a plan: a user is joined and has control.

    Attributes:
        target: the user who gets control.
        caller: the owner of the token, who can act with it as an ordinary user and cannot be logged in as.
        allow: how far the plan may go.
        join: whether the target shall be joined as well, where that can be done.
        promoter: the local user who shall grant the level; None leaves the choice to the planner.
        possible: how far an admin can go on this server, to name the least reach that would do. With the
            Matrix Authentication Service, where its admin API cannot be used, ``Reach.API``.
        why_not: why it is no further, in sentences.
    """

    target: UserId
    caller: UserId
    allow: Reach = Reach.API
    join: bool = True
    promoter: UserId | None = None
    possible: Reach = Reach.REACTIVATE
    why_not: str | None = None
