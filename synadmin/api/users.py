"""Accounts on this server.

Source: Synapse, ``docs/admin_api/user_admin_api.md`` and ``synapse/rest/admin/users.py``.
"""

from collections.abc import Mapping
from typing import Any

from synadmin.http.endpoint import Endpoint, Nothing, Record
from synadmin.http.group import Group
from synadmin.ids import RoomId, UserId


class Threepid(Record, frozen=True, kw_only=True):
    """An e-mail address or telephone number of an account. Times in milliseconds since the epoch."""

    medium: str
    address: str
    added_at: int | None = None
    validated_at: int | None = None


class ExternalId(Record, frozen=True, kw_only=True):
    """Who an account is at a single sign-on provider."""

    auth_provider: str
    external_id: str


class UserDetails(Record, frozen=True, kw_only=True):
    """An account by itself.

    ``creation_ts`` is in **seconds** since the epoch here, in milliseconds in the user list;
    ``last_seen_ts`` and ``consent_ts`` are in milliseconds.
    """

    name: UserId
    displayname: str | None = None
    avatar_url: str | None = None
    threepids: tuple[Threepid, ...] = ()
    external_ids: tuple[ExternalId, ...] = ()
    is_guest: bool = False
    admin: bool = False
    deactivated: bool = False
    erased: bool = False
    shadow_banned: bool = False
    locked: bool = False
    suspended: bool = False
    creation_ts: int | None = None
    last_seen_ts: int | None = None
    appservice_id: str | None = None
    consent_server_notice_sent: str | None = None
    consent_version: str | None = None
    consent_ts: int | None = None
    user_type: str | None = None


class Memberships(Record, frozen=True, kw_only=True):
    """A local user's membership in every room they ever had one in, left and banned included."""

    memberships: Mapping[RoomId, str]


class RateLimitOverride(Record, frozen=True, kw_only=True):
    """Message limits of one account that differ from the server's; both None where there are none.

    ``0`` lifts the limit.
    """

    messages_per_second: int | None = None
    burst_count: int | None = None


GET = Endpoint("GET", "/_synapse/admin/v2/users/{user_id}", UserDetails)
MEMBERSHIPS = Endpoint("GET", "/_synapse/admin/v1/users/{user_id}/memberships", Memberships)
RATELIMIT = Endpoint("GET", "/_synapse/admin/v1/users/{user_id}/override_ratelimit", RateLimitOverride)
SET_RATELIMIT = Endpoint(
    "POST",
    "/_synapse/admin/v1/users/{user_id}/override_ratelimit",
    RateLimitOverride,
    idempotent=True,
)
DELETE_RATELIMIT = Endpoint("DELETE", "/_synapse/admin/v1/users/{user_id}/override_ratelimit", Nothing)


class Users(Group):
    """Accounts: ``synapse.users``."""

    def get(self, user_id: UserId) -> UserDetails:
        """Return an account of this server.

        Raises:
            NotFoundError: there is none of that name.

        Source: ``UserRestServletV2Get``.
        """
        return self._send(GET, user_id=user_id)

    def memberships(self, user_id: UserId) -> Memberships:
        """Return a local user's memberships; empty where there is no such user.

        Source: ``UserMembershipsRestServlet``.
        """
        return self._send(MEMBERSHIPS, user_id=user_id)

    def ratelimit(self, user_id: UserId) -> RateLimitOverride:
        """Return the account's own message limits.

        Source: ``RateLimitRestServlet``.
        """
        return self._send(RATELIMIT, user_id=user_id)

    def set_ratelimit(
        self,
        user_id: UserId,
        *,
        messages_per_second: int,
        burst_count: int,
        restoring: tuple[str, str, Mapping[str, Any] | None] | None = None,
        restores: str | None = None,
    ) -> RateLimitOverride:
        """Give the account message limits of its own; 0 and 0 lift every limit.

        Args:
            user_id: the account.
            messages_per_second: messages it may send a second.
            burst_count: messages it may send at once before that counts.
            restoring: how it is put back, where it is for a while only.
            restores: the journal entry that this puts back.

        Source: ``RateLimitRestServlet``.
        """
        return self._send(
            SET_RATELIMIT,
            body={"messages_per_second": messages_per_second, "burst_count": burst_count},
            restoring=restoring,
            restores=restores,
            user_id=user_id,
        )

    def delete_ratelimit(self, user_id: UserId, *, restores: str | None = None) -> Nothing:
        """Take the account's own message limits away: the server's hold again.

        Source: ``RateLimitRestServlet``.
        """
        return self._send(DELETE_RATELIMIT, restores=restores, user_id=user_id)
