"""An account that the Matrix Authentication Service (MAS) manages: changed there, read back on both sides.

MAS answers at once, and a job of MAS changes Synapse. Synapse asks MAS about a token every two minutes: a
token in use is accepted a little longer, unless its device is gone.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from synadmin.client import Synapse
from synadmin.errors import MatrixError, NotAuthenticatedError, NotFoundError, SynadminError
from synadmin.ids import UserId, localpart_of, server_name_of
from synadmin.mas.oauth import MAS_ADMIN_SCOPE, SYNAPSE_ADMIN_SCOPE
from synadmin.mas.records import Resource
from synadmin.mas.service import LOCKS_AT_HOMESERVER, REACTIVATE, Mas
from synadmin.mas.users import User

_PATIENCE = 10.0  # seconds until a job of MAS has run
_STEP = 0.1
_ENDED_ALREADY = frozenset({400, 409})
_IN_USE = 190.0  # seconds: Synapse asks MAS every two minutes, and MAS records the use within another minute
_NO_JOB = "a job of MAS has not run yet. Run this command again later: it checks both"
_DEVICE = ":device:"  # in the scope of a session that has a device


@dataclass(frozen=True, slots=True)
class MasAccount:
    """An account at the homeserver and in MAS.

    Attributes:
        synapse: the homeserver.
        mas: the service.
        user_id: the user.
        record: its record in MAS.
    """

    synapse: Synapse
    mas: Mas
    user_id: UserId
    record: Resource[User]

    @property
    def is_locked(self) -> bool:
        """Whether MAS has it locked."""
        return self.record.attributes.locked_at is not None

    @property
    def is_deactivated(self) -> bool:
        """Whether MAS has it deactivated."""
        return self.record.attributes.deactivated_at is not None

    def emails(self) -> list[str]:
        """Return the e-mail addresses."""
        return [email.attributes.email for email in self.mas.user_emails.list(user=self.record.id)]

    def set_locked(self, *, locked: bool) -> str | None:
        """Lock or unlock the account; return what is pending, or None.

        Raises:
            SynadminError: MAS reported success, and the account is not as asked.
        """
        in_use = self._sessions_in_use() if locked else 0
        (self.mas.users.lock if locked else self.mas.users.unlock)(self.record.id)
        word = "locked" if locked else "unlocked"
        if not self._read_back(lambda user: (user.locked_at is not None) == locked):
            raise SynadminError(f"MAS reported success, but {self.user_id} is not {word}")
        both = not self.mas.version or self.mas.version >= LOCKS_AT_HOMESERVER
        if both and not self._wait_until(lambda: self.synapse.users.get(self.user_id).locked == locked):
            return f"MAS has {word} the account, Synapse has not: {_NO_JOB}"
        return _still_accepted("locked", in_use)

    def deactivate(self, *, erase: bool) -> str | None:
        """Deactivate the account; return what is pending, or None.

        Raises:
            SynadminError: MAS reported success, and the account is not as asked.
        """
        in_use = self._sessions_in_use(without_device=True)
        self.mas.users.deactivate(self.record.id, skip_erase=not erase)
        if not self._read_back(lambda user: user.deactivated_at is not None):
            raise SynadminError(f"MAS reported success, but {self.user_id} is not deactivated")
        if not self._wait_until(lambda: self._has_left(erase=erase)):
            return f"MAS has deactivated the account, Synapse has not: {_NO_JOB}"
        return _still_accepted("deactivated", in_use)

    def reactivate(self) -> None:
        """Make the account active again, at Synapse too.

        Raises:
            RefusedError: this MAS is too old.
            SynadminError: MAS reported success, and the account is not as asked.
        """
        self.mas.require(REACTIVATE, for_what="reactivating accounts")
        self.mas.users.reactivate(self.record.id)
        if not self._read_back(lambda user: user.deactivated_at is None):
            raise SynadminError(f"MAS reported success, but {self.user_id} is still deactivated")
        if self.synapse.users.get(self.user_id).deactivated:
            raise SynadminError(f"MAS reported success, but {self.user_id} is still deactivated at Synapse")

    def set_admin(self, *, admin: bool) -> int:
        """Set whether the account may ask for admin rights; return how many sessions with them were ended.

        Raises:
            SynadminError: MAS reported success, and the account is not as asked.
        """
        self.mas.users.set_admin(self.record.id, admin=admin)
        if not self._read_back(lambda user: user.admin == admin):
            raise SynadminError(
                f"MAS reported success, but {self.user_id} {'may not' if admin else 'may'} be an admin"
            )
        if admin:
            return 0
        ended = 0
        for session in self.admin_sessions():
            end_session(self.mas, session)
            ended += 1
        return ended

    def admin_sessions(self) -> list[Resource[Any]]:
        """Return the active sessions that have the rights of a server admin."""
        by_id: dict[str, Resource[Any]] = {}
        for scope in (SYNAPSE_ADMIN_SCOPE, MAS_ADMIN_SCOPE):
            sessions = self.mas.oauth2_sessions.list(user=self.record.id, status="active", scope=scope)
            by_id.update((session.id, session) for session in sessions)
            if self.mas.has_personal_sessions:
                personal = self.mas.personal_sessions.list(
                    actor_user=self.record.id, status="active", scope=scope
                )
                by_id.update((session.id, session) for session in personal)
        return list(by_id.values())

    def sessions(self) -> list[Resource[Any]]:
        """Return the active sessions of all four kinds."""
        id_ = self.record.id
        lists: list[Iterable[Resource[Any]]] = [
            self.mas.user_sessions.list(user=id_, status="active"),
            self.mas.compat_sessions.list(user=id_, status="active"),
            self.mas.oauth2_sessions.list(user=id_, status="active"),
        ]
        if self.mas.has_personal_sessions:
            lists.append(self.mas.personal_sessions.list(actor_user=id_, status="active"))
        return [session for sessions in lists for session in sessions]

    def end_devices(self, devices: Sequence[str]) -> str | None:
        """End the sessions of devices, and delete the devices; return what is pending.

        While a session is active, MAS makes its device again.
        """
        ended = False
        for session in self.sessions():
            if _devices_of(session) & set(devices):
                end_session(self.mas, session)
                ended = True

        def left() -> list[str]:
            try:
                there = {device.device_id for device in self.synapse.devices.list(self.user_id).devices}
            except NotAuthenticatedError:
                # Our own session has ended with them.
                if self.user_id != self.synapse.owner:
                    raise
                return []
            return sorted(there & set(devices))

        if ended:
            self._wait_until(lambda: not left())
        rest = left()
        if rest:  # no session of MAS has them, or its job has not run
            self.synapse.devices.delete_many(self.user_id, rest)
        if left():
            return f"MAS has ended the sessions, but {', '.join(left())} is still there at Synapse"
        return None

    def _has_left(self, *, erase: bool) -> bool:
        details = self.synapse.users.get(self.user_id)
        if not details.deactivated or (erase and not details.erased):
            return False
        return not self.synapse.activity.joined_rooms(self.user_id).total

    def _read_back(self, holds: Callable[[User], bool]) -> bool:
        try:
            return holds(self.mas.users.get(self.record.id).attributes)
        except NotAuthenticatedError:
            # The owner of the token has locked or deactivated their own account: the refusal shows it.
            if self.user_id != self.synapse.owner or self.mas.is_client:
                raise
            return True

    def _wait_until(self, holds: Callable[[], bool]) -> bool:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                if holds():
                    return True
            except NotAuthenticatedError:
                if self.user_id != self.synapse.owner:
                    raise
                return True
            if time.monotonic() > until:
                return False
            time.sleep(_STEP)

    def _sessions_in_use(self, *, without_device: bool = False) -> int:
        """Return how many sessions there are whose tokens Synapse may still accept after they end."""
        now = self.mas.transport.server_time()
        return sum(
            now - _latest(session) < _IN_USE and not (without_device and _has_device(session))
            for session in self.sessions()
            if kind_of(session) != "browser"
        )


def account_in_mas(synapse: Synapse, user_id: UserId) -> MasAccount | None:
    """Return an account as MAS has it; None where MAS does not manage or does not know the account.

    MAS does not know the users of application services: for these Synapse's own operations are right.
    """
    if synapse.mas is None:
        return None
    try:
        record = synapse.mas.users.by_username(localpart_of(user_id))
    except NotFoundError:
        return None
    return MasAccount(synapse, synapse.mas, user_id, record)


def server_admins(synapse: Synapse) -> frozenset[str]:
    """Return the accounts that are server admins; under MAS those that may ask for the rights."""
    mas = synapse.mas
    if mas is None:
        # Not by version 3, which an older Synapse does not have.
        return frozenset(account.name for account in synapse.users.list_v2(admins=True))
    home = server_name_of(synapse.owner)
    admins = (user.attributes for user in mas.users.list(admin=True))
    return frozenset(f"@{admin.username}:{home}" for admin in admins if admin.deactivated_at is None)


def kind_of(session: Resource[Any]) -> str:
    """Return which of the four kinds a session is: browser, compatibility, client or personal."""
    fields = type(session.attributes).__struct_fields__
    if "human_name" not in fields:
        return "browser"
    if "actor_user_id" in fields:
        return "personal"
    return "client" if "client_id" in fields else "compatibility"


def end_session(mas: Mas, session: Resource[Any]) -> None:
    """End a session of any kind; a session that has ended already is no error."""
    end: Callable[[str], object] = {
        "personal": mas.personal_sessions.revoke,
        "browser": mas.user_sessions.finish,
        "client": mas.oauth2_sessions.finish,
        "compatibility": mas.compat_sessions.finish,
    }[kind_of(session)]
    try:
        end(session.id)
    except MatrixError as error:
        if error.status not in _ENDED_ALREADY:
            raise


def _has_device(session: Resource[Any]) -> bool:
    scope = getattr(session.attributes, "scope", None)
    return scope is None or _DEVICE in scope


def _devices_of(session: Resource[Any]) -> set[str]:
    """Return the devices of a session."""
    scopes = str(getattr(session.attributes, "scope", "")).split()
    devices = {scope.partition(_DEVICE)[2] for scope in scopes if _DEVICE in scope}
    device = getattr(session.attributes, "device_id", None)
    return devices | ({device} if device else set())


def _latest(session: Resource[Any]) -> float:
    """Return when a session was last used, or made, in seconds since the epoch."""
    times = [session.attributes.created_at, getattr(session.attributes, "last_active_at", None)]
    return max(datetime.fromisoformat(moment).timestamp() for moment in times if moment)


def _still_accepted(state: str, in_use: int) -> str | None:
    if not in_use:
        return None
    sessions = "1 session" if in_use == 1 else f"{in_use} sessions"
    return (
        f"the account is {state}. {sessions} may still work for up to 2 minutes, until Synapse asks MAS "
        "again. You need not do anything"
    )
