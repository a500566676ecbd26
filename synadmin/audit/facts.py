"""The facts that rules check, about a room, an account or the server: plain data, read by ``gather``.

A rule gets only facts and sends no requests, so a test of a rule needs only facts.
Times are in milliseconds since the epoch, lengths of time in milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Literal

from synadmin.audit.findings import Subject
from synadmin.columns import time_of
from synadmin.ids import RoomAlias, RoomId, UserId
from synadmin.power.levels import format_level
from synadmin.power.room import AccountState, Reach, RoomView

DAY = 86_400_000  # milliseconds


class Need(StrEnum):
    """Facts that take extra requests. They are read only where an enabled rule needs them."""

    # Of a room
    CREATORS = "creators"
    OWNERS = "owners"
    FOREIGN_CONTROLLERS = "foreign controllers"
    LOCAL_MEMBERS = "local members"
    WAY_TO_REGAIN = "way to regain"
    TOMBSTONE = "tombstone"
    SIZE = "size"
    EXTREMITIES = "forward extremities"
    # Of an account
    ACCOUNT_DETAILS = "account details"
    # Of the server
    SERVER_ADMINS = "server admins"
    REGISTRATION_TOKENS = "registration tokens"
    REPORTS = "reports"
    DESTINATIONS = "destinations"
    BACKGROUND_UPDATES = "background updates"
    FAILED_TASKS = "failed tasks"
    DELEGATION = "delegation"
    MAS_SESSIONS = "sessions at MAS"
    MAS_ACCOUNTS = "accounts at MAS"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """A local account.

    Attributes:
        seen: when it was last used; None if it was never used, or if the use is no longer recorded.
        appservice: it belongs to an application service: its use is not recorded.
        reserved: there is no such account, and no user can register the name: it is reserved for server
            notices or for an application service.
        nameable: an account of this name could be made.
        delegated: MAS manages the accounts of this server, and its admin API cannot be used.
        now: when this was read.
    """

    user_id: UserId
    now: int
    state: AccountState = AccountState.ACTIVE
    admin: bool = False
    guest: bool = False
    created: int | None = None
    seen: int | None = None
    appservice: bool = False
    reserved: bool = False
    nameable: bool = True
    delegated: bool = False

    @property
    def subject(self) -> Subject:
        """The account, as the subject of a finding."""
        return Subject("user", self.user_id)

    @property
    def unseen(self) -> int:
        """For how long the account has not been used, in milliseconds; if never used, since it was made."""
        since = self.seen if self.seen is not None else self.created
        return 0 if since is None else max(0, self.now - since)

    @property
    def last_seen(self) -> str:
        """When the account was last used, as text."""
        return "never seen" if self.seen is None else f"last seen {(time_of(self.seen) or '')[:10]}"

    def is_dormant(self, days: int) -> bool:
        """Whether the account can be used and was not used for this number of days."""
        gone = self.state in {AccountState.DEACTIVATED, AccountState.MISSING}
        return not gone and not self.appservice and self.unseen >= days * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class HeirFacts:
    """The heirs of a room whose controllers are inactive, by a control file.

    Attributes:
        users: the heirs that have no control yet.
        date: the day on which they take over, unless a controller is active before.
        stage: ``announce``: the controllers are to be notified; ``wait``: they were; ``due``.
        file: the control file.
    """

    users: tuple[UserId, ...]
    date: str
    stage: str
    file: str


@dataclass(frozen=True, kw_only=True)
class RoomFacts:
    """A room of this server.

    Attributes:
        view: levels, creators, join rule, and the memberships and accounts of the local users with
            power.
        alias: its canonical alias.
        state_events: how many state events it has.
        accounts: the accounts of the local users with power.
        all_creators: its view has all creators; false where only the first was read.
        tombstoned: it was replaced; None where this was not read.
        replacement: the room that replaced it.
        forward_extremities: the number of forward extremities; None where it was not read.
        heirs: the heirs; None where there are none, or no control file was given.
        caller: the token's owner, for whom a lost room would be regained; None where that is not known.
        possible: how far this server lets an administrator go.
        now: when this was read.
    """

    view: RoomView
    name: str | None = None
    alias: RoomAlias | None = None
    state_events: int = 0
    accounts: Mapping[UserId, AccountFacts] = field(default_factory=dict)
    all_creators: bool = True
    tombstoned: bool | None = None
    replacement: RoomId | None = None
    forward_extremities: int | None = None
    heirs: HeirFacts | None = None
    caller: UserId | None = None
    possible: Reach = Reach.REACTIVATE
    now: int = 0

    @property
    def room_id(self) -> RoomId:
        """The room's id."""
        return self.view.room_id

    @cached_property
    def is_ours(self) -> bool:
        """Whether the room's creator is local."""
        return any(self.view.is_local(user) for user in self.view.creators[:1])

    @property
    def reserved(self) -> frozenset[UserId]:
        """Users of this server with power who have no account and whose names no user can register."""
        return frozenset(user for user, account in self.accounts.items() if account.reserved)

    @property
    def is_for_server_notices(self) -> bool:
        """Whether the server itself runs it, to send notices to a user: its creator is no account."""
        return bool(self.reserved.intersection(self.view.creators[:1]))

    @property
    def subject(self) -> Subject:
        """The room, as the subject of a finding."""
        return Subject("room", self.room_id, self.name or self.alias)

    @cached_property
    def with_power(self) -> tuple[UserId, ...]:
        """The users with a separate level, and the creators, joined or not."""
        levels = self.view.levels
        creators = levels.creators if levels.version.creator_power else levels.creators[:1]
        return tuple(
            user
            for user in dict.fromkeys((*creators, *levels.listed()))
            if levels.level_of(user) > max(levels.users_default, 0)
        )

    @property
    def local_with_power(self) -> tuple[UserId, ...]:
        """The local users with a separate level, and the local creators, joined or not."""
        return tuple(user for user in self.with_power if self.view.is_local(user))

    @cached_property
    def holders(self) -> tuple[UserId, ...]:
        """The joined local users whose level is enough for control, in any state of their accounts."""
        users = dict.fromkeys((*self.view.creators, *self.view.levels.listed(), *self.view.memberships))
        return tuple(user for user in users if self.view.is_local(user) and self.view.has_control(user))

    @cached_property
    def controllers(self) -> tuple[UserId, ...]:
        """The local users who control the room: joined, active, with a level that is enough for control."""
        return tuple(user for user in self.holders if self.view.account_of(user).state is AccountState.ACTIVE)

    @property
    def everybody_controls(self) -> bool:
        """Whether the default level of users is enough for control."""
        return self.view.levels.users_default >= self.view.levels.control


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """A registration token; its text is a secret and not among the facts.

    Attributes:
        label: its beginning and a part of its digest, enough to distinguish it from others.
        unlimited: it may be used any number of times.
        expires: when it ends; None for never.
        used: how often it was used.
    """

    label: str
    unlimited: bool
    expires: int | None
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """An open report of an event or a user."""

    id: int
    about: Literal["event", "user"]
    received: int
    room_id: RoomId | None = None
    reported_user: UserId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationFacts:
    """Another server that cannot be reached.

    Attributes:
        shared_rooms: how many rooms we share with it.
    """

    server_name: str
    failing_since: int
    shared_rooms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """A scheduled task of the server that failed."""

    id: str
    action: str
    error: str | None
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationFacts:
    """The result of ``federation check`` for the server's own name."""

    verdict: Literal["ok", "degraded", "broken"]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """A session at the Matrix Authentication Service (MAS) with admin rights, or created by a run.

    Attributes:
        id: its ULID.
        kind: ``client``, of an OAuth client, or ``personal``, a token that was made.
        name: its name; None where it has none.
        user_id: the user as whom it acts.
        may_be_admin: the user may ask for admin rights now.
        is_admin: it has the rights of a server admin.
        created: when it was made.
        expires: when it ends; None: never, or when its client ends it.
    """

    id: str
    kind: str
    name: str | None
    user_id: UserId
    may_be_admin: bool
    is_admin: bool
    created: int
    expires: int | None = None

    @property
    def subject(self) -> Subject:
        """The session, as the subject of a finding."""
        return Subject("session", self.id, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisagreementFacts:
    """An account that is locked or deactivated either in MAS or in Synapse, but not in both.

    Attributes:
        state: ``locked`` or ``deactivated``.
        in_mas: MAS has this state and Synapse has not; false: Synapse has it and MAS has not.
    """

    user_id: UserId
    state: str
    in_mas: bool

    @property
    def subject(self) -> Subject:
        """The account, as the subject of a finding."""
        return Subject("user", self.user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """The server itself.

    Attributes:
        admins: the accounts of its server admins.
        tokens: its registration tokens that can still be used; None where they cannot be read.
        reports: the open reports.
        destinations: the other servers that cannot be reached.
        updates_enabled: background updates are enabled.
        update_running: the background update that is running, None for none.
        update_at_baseline: the one that was running when the baseline was written.
        delegation: the result of the check of its name; None where the check is not configured.
        mas_sessions: the sessions at MAS that have admin rights, or that a run has made.
        disagreements: the accounts whose state differs between MAS and Synapse.
        caller: the owner of the token; None where unknown.
        delegated: MAS manages the accounts, and its admin API cannot be used.
        now: when this was read.
    """

    server_name: str
    admins: tuple[AccountFacts, ...] = ()
    tokens: tuple[TokenFacts, ...] | None = ()
    reports: tuple[ReportFacts, ...] = ()
    destinations: tuple[DestinationFacts, ...] = ()
    updates_enabled: bool = True
    update_running: str | None = None
    update_at_baseline: str | None = None
    tasks: tuple[TaskFacts, ...] = ()
    delegation: DelegationFacts | None = None
    mas_sessions: tuple[SessionFacts, ...] = ()
    disagreements: tuple[DisagreementFacts, ...] = ()
    caller: UserId | None = None
    delegated: bool = False
    now: int = 0

    @property
    def subject(self) -> Subject:
        """The server, as the subject of a finding."""
        return Subject("server", self.server_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreFacts:
    """An entry of the configuration that ignores findings.

    Attributes:
        until: the last day on which the ignore applies, in ISO 8601; None: it always applies.
        matched: it has hidden a finding, or would have before its last day.
    """

    rule: str
    subject: str
    reason: str
    until: str | None = None
    matched: bool = False


Facts = RoomFacts | AccountFacts | ServerFacts | IgnoreFacts


def has_level(level: int) -> str:
    """Return words for a sentence: what a user with this level has or is."""
    return "is a creator" if format_level(level) == "creator" else f"has power level {level}"
