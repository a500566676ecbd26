"""The facts that the Matrix Authentication Service (MAS) has: its admins, sessions with admin rights, states.

Where Synapse manages the accounts, no request is sent.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from synadmin.audit.facts import AccountFacts, DisagreementFacts, SessionFacts, TokenFacts
from synadmin.audit.gather.account_index import all_accounts
from synadmin.client import Synapse
from synadmin.errors import NotFoundError
from synadmin.ids import UserId, localpart_of, server_name_of
from synadmin.mas.oauth import MAS_ADMIN_SCOPE, SYNAPSE_ADMIN_SCOPE
from synadmin.mas.records import Resource
from synadmin.mas.service import PERSONAL_SESSIONS, Mas
from synadmin.mas.users import User


class MasAsker:
    """Reads facts from MAS."""

    def __init__(self, synapse: Synapse, mas: Mas, *, now: int) -> None:
        self._synapse = synapse
        self._mas = mas
        self._now = now
        self._users: dict[str, User] = {}

    @classmethod
    def of(cls, synapse: Synapse, *, now: int) -> "MasAsker | None":
        """Return the reader of facts; None where Synapse manages the accounts.

        Raises:
            RefusedError: MAS manages the accounts, and its admin API cannot be used.
        """
        if synapse.mas is None:
            return None
        synapse.mas.require()
        return cls(synapse, synapse.mas, now=now)

    def admins(self) -> Iterator[AccountFacts]:
        """Yield the accounts that may ask for admin rights."""
        for user in self._mas.users.list(admin=True):
            user_id = self._user_id(user.attributes)
            try:
                details = self._synapse.users.get(user_id)
            except NotFoundError:
                continue
            seen = details.last_seen_ts
            created = details.creation_ts * 1000 if details.creation_ts is not None else None
            yield AccountFacts(user_id=user_id, now=self._now, admin=True, created=created, seen=seen)

    def tokens(self) -> list[TokenFacts]:
        """Return the registration tokens that can still be used, without labels."""
        return [
            TokenFacts(
                label=token.attributes.token,
                unlimited=token.attributes.usage_limit is None,
                expires=_milliseconds(token.attributes.expires_at),
                used=token.attributes.times_used,
            )
            for token in self._mas.registration_tokens.list(valid=True)
        ]

    def sessions(self) -> Iterator[SessionFacts]:
        """Yield the active sessions that have the rights of a server admin, and those that a run has made."""
        seen: set[str] = set()
        for scope in (SYNAPSE_ADMIN_SCOPE, MAS_ADMIN_SCOPE):
            for session in self._mas.oauth2_sessions.list(status="active", scope=scope):
                if session.id not in seen and session.attributes.user_id is not None:
                    seen.add(session.id)
                    yield self._session(session, "client", session.attributes.user_id)
        if self._mas.version and self._mas.version < PERSONAL_SESSIONS:
            return
        for personal in self._mas.personal_sessions.list(status="active"):
            yield self._session(personal, "personal", personal.attributes.actor_user_id)

    def disagreements(self) -> Iterator[DisagreementFacts]:
        """Yield the accounts that are locked or deactivated only in MAS or only in Synapse."""
        at_synapse = {state: set[str]() for state in ("deactivated", "locked")}
        for account in all_accounts(self._synapse):
            for state, names in at_synapse.items():
                if getattr(account, state):
                    names.add(account.name)
        for state, names in at_synapse.items():
            at_mas = {
                self._user_id(user.attributes)
                for status in ("locked", "deactivated")
                for user in self._mas.users.list(status=status)
                if getattr(user.attributes, f"{state}_at") is not None
            }
            for name in sorted(names ^ at_mas):
                found = self._disagreement(UserId(name), state)
                if found is not None:
                    yield found

    def _disagreement(self, user_id: UserId, state: str) -> DisagreementFacts | None:
        """Read both again: a job of MAS may have run meanwhile. None where MAS does not know the account."""
        try:
            record = self._mas.users.by_username(localpart_of(user_id)).attributes
            here = bool(getattr(self._synapse.users.get(user_id), state))
        except NotFoundError:
            return None
        there = getattr(record, f"{state}_at") is not None
        # A deactivated account need not be locked at Synapse.
        if here == there or (state == "locked" and record.deactivated_at is not None):
            return None
        return DisagreementFacts(user_id=user_id, state=state, in_mas=there)

    def _session(self, session: Resource[Any], kind: str, user: str) -> SessionFacts:
        if user not in self._users:
            self._users[user] = self._mas.users.get(user).attributes
        fields = session.attributes
        scopes = fields.scope.split()
        return SessionFacts(
            id=session.id,
            kind=kind,
            name=fields.human_name,
            user_id=self._user_id(self._users[user]),
            may_be_admin=self._users[user].admin,
            is_admin=bool({SYNAPSE_ADMIN_SCOPE, MAS_ADMIN_SCOPE} & set(scopes)),
            created=_milliseconds(fields.created_at) or 0,
            expires=_milliseconds(getattr(fields, "expires_at", None)),
        )

    def _user_id(self, user: User) -> UserId:
        return UserId(f"@{user.username}:{server_name_of(self._synapse.owner)}")


def _milliseconds(time: str | None) -> int | None:
    return None if time is None else round(datetime.fromisoformat(time).timestamp() * 1000)
