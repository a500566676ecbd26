"""What an admin can do for other users of this server: act as them, and make their accounts active.

Synapse has operations for it; where the Matrix Authentication Service (MAS) manages the accounts, its admin
API has them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol

from synadmin.api.client_server import LOGOUT
from synadmin.client import Synapse
from synadmin.errors import NotAuthenticatedError, NotFoundError, RefusedError, SynadminError
from synadmin.http.transport import Transport
from synadmin.ids import UserId
from synadmin.mas.oauth import MATRIX_SCOPE
from synadmin.mas.personal_sessions import REVOKE, PersonalSession
from synadmin.mas.records import Resource
from synadmin.mas.service import PERSONAL_SESSIONS, Mas
from synadmin.power.room import Account, AccountState, Reach
from synadmin.recovery.mas_account import account_in_mas, end_session
from synadmin.recovery.token_file import forget, kept, optional

_TRIES = 2


class Means(Protocol):
    """The protocol of acting as other users and of making accounts active."""

    @property
    def life(self) -> float:
        """Seconds for which a token is valid; a token that a crash leaves expires after them."""

    @property
    def renewed(self) -> float:
        """Seconds after which a new token is made, so that a token does not expire during a request."""

    @property
    def possible(self) -> Reach:
        """How far an admin can go."""

    @property
    def why_not(self) -> str | None:
        """Why an admin cannot do everything, and what to do, in sentences; None where all is possible."""

    @property
    def transport(self) -> Transport:
        """The transport of the requests that make tokens."""

    def account_of(self, user: UserId) -> Account:
        """Return the state of a local account, and whether an admin can act as this user."""

    def restoring(self, user: UserId, until: float) -> Mapping[str, Any]:
        """Return the journal's record of how to end a token, before the token is made."""

    def make(self, user: UserId, restoring: Mapping[str, Any]) -> str:
        """Make a token to act as a user.

        Raises:
            SynadminError: the token was not made, or the answer was lost.
        """

    def end(self, entry: str, restoring: Mapping[str, Any], token: str | None) -> bool:
        """End a token, and read back that it has ended.

        Args:
            entry: the journal entry of the request that made it.
            restoring: the record from :meth:`restoring`.
            token: the token; None where it is lost.
        """


def means_of(synapse: Synapse) -> Means:
    """Return the means of a server.

    Raises:
        SynadminError: the server did not say whether MAS manages its accounts.
    """
    return MasMeans(synapse) if synapse.mas_manages_accounts else SynapseMeans(synapse)


@dataclass
class SynapseMeans:
    """Synapse's own operations: tokens that live for minutes, made for the admin."""

    synapse: Synapse
    life: ClassVar[float] = 180.0
    renewed: ClassVar[float] = 60.0
    possible: Reach = Reach.REACTIVATE
    why_not: str | None = None

    @property
    def transport(self) -> Transport:
        """The transport to Synapse."""
        return self.synapse.transport

    def account_of(self, user: UserId) -> Account:
        """Return the state of a local account, read from the server."""
        try:
            details = self.synapse.users.get(user)
        except NotFoundError:
            return Account(AccountState.MISSING)
        state = AccountState.of(
            deactivated=details.deactivated, suspended=details.suspended, locked=details.locked
        )
        return Account(state, details.shadow_banned, guest=details.is_guest)

    def restoring(self, user: UserId, until: float) -> Mapping[str, Any]:
        """Return how to end a token: only the token itself can do it."""
        valid_until = {"valid_until_ms": int(until * 1000)}
        return {"method": LOGOUT.method, "path": LOGOUT.path, "body": {}, "user": user, **valid_until}

    def make(self, user: UserId, restoring: Mapping[str, Any]) -> str:
        """Make a token to act as a user."""
        return self.synapse.users.login(user, valid_until_ms=restoring["valid_until_ms"]).access_token

    def end(self, entry: str, restoring: Mapping[str, Any], token: str | None) -> bool:
        """End a token, and read back that it is refused."""
        journal = self.transport.journal
        if token is None:
            return False
        with self.synapse.as_user(UserId(restoring["user"]), token) as acting:
            for _ in range(_TRIES):
                try:
                    with acting.transport.recording(restores=entry), optional(journal):
                        acting.client_server.logout()
                except SynadminError:
                    pass  # only the read-back counts
                try:
                    # The main process has ended the token; a worker may accept it a while longer.
                    acting.background_updates.enabled()
                except NotAuthenticatedError as error:
                    # The token of a locked account is refused, too, but has not ended.
                    if error.errcode == "M_UNKNOWN_TOKEN":
                        forget(journal, entry, "ended")
                        return True
                except SynadminError:
                    pass
        return False


@dataclass
class MasMeans:
    """The admin API of MAS: personal sessions without a device, named for the run, and ended by that name."""

    synapse: Synapse
    life: ClassVar[float] = 600.0
    renewed: ClassVar[float] = 300.0
    _made: int = 0
    _ids: dict[UserId, str] = field(default_factory=dict)

    @cached_property
    def _refusal(self) -> RefusedError | None:
        try:
            if self.synapse.mas is not None:
                self.synapse.mas.require(PERSONAL_SESSIONS, for_what="acting as other users")
        except RefusedError as error:
            return error
        return None

    @property
    def possible(self) -> Reach:
        """Full reach where the admin API can be used: every MAS that can act as users can reactivate them."""
        return Reach.REACTIVATE if self._refusal is None else Reach.API

    @property
    def why_not(self) -> str | None:
        """Why the admin API cannot be used, and who can change that."""
        error = self._refusal
        return None if error is None else f"{_sentence(str(error))} {_sentence(error.hint or '')}".strip()

    @property
    def _mas(self) -> Mas:
        if self._refusal is not None or self.synapse.mas is None:
            raise self._refusal or RefusedError("MAS does not manage the accounts of this server")
        return self.synapse.mas

    @property
    def transport(self) -> Transport:
        """The transport to the admin API."""
        return self._mas.transport

    def account_of(self, user: UserId) -> Account:
        """Return the state of a local account. An admin cannot act as a user that MAS does not know."""
        account = SynapseMeans(self.synapse).account_of(user)
        if account.state is AccountState.MISSING or self._refusal is not None:
            return account
        in_mas = account_in_mas(self.synapse, user)
        if in_mas is None:
            return replace(account, actable=False)
        state = account.state
        if in_mas.is_deactivated:
            state = AccountState.DEACTIVATED
        elif state in {AccountState.ACTIVE, AccountState.LOCKED}:
            state = AccountState.LOCKED if in_mas.is_locked else AccountState.ACTIVE
        return replace(account, state=state)

    def restoring(self, user: UserId, until: float) -> Mapping[str, Any]:
        """Return how to end a session: it is found by its name."""
        self._made += 1
        journal = self.synapse.transport.journal
        run = os.urandom(6).hex() if journal is None else journal.run
        return {
            "method": REVOKE.method,
            "path": REVOKE.path,
            "body": {"human_name": f"synadmin {run}-{self._made}"},
            "user": user,
            "valid_until_ms": int(until * 1000),
        }

    def make(self, user: UserId, restoring: Mapping[str, Any]) -> str:
        """Make a session without a device."""
        name = restoring["body"]["human_name"]
        made = self._mas.personal_sessions.create(
            self._id(user), name, MATRIX_SCOPE, expires_in=int(self.life)
        )
        return str(made.attributes.access_token)

    def end(self, entry: str, restoring: Mapping[str, Any], token: str | None) -> bool:
        """Revoke the sessions of this name, and read back that none is left."""
        del token  # the name is enough
        journal = self.synapse.transport.journal
        for _ in range(_TRIES):
            try:
                with self.transport.recording(restores=entry), optional(journal):
                    for session in self._named(restoring):
                        end_session(self._mas, session)
                if not self._named(restoring):
                    forget(journal, entry, "ended")
                    return True
            except SynadminError:
                pass  # only the read-back counts
        return False

    def _named(self, restoring: Mapping[str, Any]) -> list[Resource[PersonalSession]]:
        name, user = restoring["body"]["human_name"], UserId(restoring["user"])
        active = self._mas.personal_sessions.list(actor_user=self._id(user), status="active")
        return [session for session in active if session.attributes.human_name == name]

    def _id(self, user: UserId) -> str:
        if user not in self._ids:
            account = account_in_mas(self.synapse, user)
            if account is None:
                raise RefusedError(
                    f"MAS does not know {user}: it is not possible to act as the user of an "
                    f"application service"
                )
            self._ids[user] = account.record.id
        return self._ids[user]


def is_token(restoring: Mapping[str, Any]) -> bool:
    """Whether a temporary change in the journal is a token."""
    return restoring.get("path") in {LOGOUT.path, REVOKE.path}


def end_left(synapse: Synapse, entry: str, restoring: Mapping[str, Any]) -> bool:
    """End a token that a crashed run has left, made by Synapse or by MAS."""
    journal = synapse.transport.journal
    means: Means = MasMeans(synapse) if restoring["path"] == REVOKE.path else SynapseMeans(synapse)
    return means.end(entry, restoring, None if journal is None else kept(journal, entry))


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""
