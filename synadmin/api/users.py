"""Accounts on this server.

Source: Synapse, ``docs/admin_api/user_admin_api.md`` and ``synapse/rest/admin/users.py``.
"""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from secrets import token_urlsafe
from typing import Any, TypedDict, Unpack

from msgspec import UNSET, UnsetType

from synadmin.api.choices import UserOrder
from synadmin.errors import MatrixError
from synadmin.http.endpoint import Empty, Endpoint, Paged, Record
from synadmin.http.group import ResourceGroup
from synadmin.http.paging import Page, Pager
from synadmin.ids import RoomId, UserId


class User(Record, frozen=True, kw_only=True):
    """An account as the user list shows it.

    ``creation_ts`` and ``last_seen_ts`` are in **milliseconds** since the epoch. ``approved`` is there
    only where the server has MSC3866 switched on.
    """

    name: UserId
    displayname: str | None = None
    avatar_url: str | None = None
    user_type: str | None = None
    is_guest: bool = False
    admin: bool = False
    deactivated: bool = False
    erased: bool = False
    shadow_banned: bool = False
    locked: bool = False
    approved: bool | None = None
    creation_ts: int | None = None
    last_seen_ts: int | None = None


class Threepid(Record, frozen=True, kw_only=True):
    """An e-mail address or telephone number of an account. Times in milliseconds since the epoch."""

    medium: str
    address: str
    added_at: int | None = None
    validated_at: int | None = None


class ExternalId(Record, frozen=True, kw_only=True):
    """The identity of an account at a single sign-on provider."""

    auth_provider: str
    external_id: str


class UserDetails(Record, frozen=True, kw_only=True):
    """The details of an account.

    ``creation_ts`` is in **seconds** since the epoch here, in milliseconds in the user list;
    ``last_seen_ts`` and ``consent_ts`` are in milliseconds. ``approved`` is there only where the server
    has MSC3866 switched on.
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
    approved: bool | None = None
    creation_ts: int | None = None
    last_seen_ts: int | None = None
    appservice_id: str | None = None
    consent_server_notice_sent: str | None = None
    consent_version: str | None = None
    consent_ts: int | None = None
    user_type: str | None = None


class Memberships(Record, frozen=True, kw_only=True):
    """The memberships of a user, by room: ``join``, ``invite``, ``knock``, ``leave`` or ``ban``.

    Rooms that this server is not in are missing, also those that its last user has left.
    """

    memberships: Mapping[RoomId, str]


class RateLimitOverride(Record, frozen=True, kw_only=True):
    """The rate limits of one account, which replace the server's; both None where it has none.

    ``0`` lifts the limit.
    """

    messages_per_second: int | None = None
    burst_count: int | None = None


class Deactivated(Record, frozen=True, kw_only=True):
    """Whether third-party ids were unbound at the identity server: ``success`` or ``no-support``."""

    id_server_unbind_result: str | None = None


class LoginToken(Record, frozen=True, kw_only=True):
    """A token to act as another user. It is a secret."""

    access_token: str

    def __repr__(self) -> str:
        return "LoginToken()"


class AdminFlag(Record, frozen=True, kw_only=True):
    """Whether an account is a server admin."""

    admin: bool


class Validity(Record, frozen=True, kw_only=True):
    """When an account expires, in milliseconds since the epoch."""

    expiration_ts: int


class CrossSigningReset(Record, frozen=True, kw_only=True):
    """The time until which the keys may be replaced, in milliseconds since the epoch."""

    updatable_without_uia_before_ms: int


class UserFilters(TypedDict, total=False):
    """The filters and the order of a list of accounts.

    Attributes:
        user_id: part of a user id; ignored where ``name`` is given.
        name: part of a localpart or of a display name.
        guests: False leaves guests out. With the Matrix Authentication Service they are always left out.
        deactivated: True: only deactivated accounts; False: only the others.
        admins: True: only server admins; False: only the others.
        locked: True shows locked accounts too; Synapse leaves them out by default.
        approved: False shows only accounts that wait for approval (MSC3866).
        not_user_types: types to leave out; ``""`` stands for accounts without a type.
        order_by: one of :data:`UserOrder`; Synapse's default is by name. Only ``name`` and ``creation_ts``
            have an index, so the others are slow on large servers.
        reverse: reverse the order.
        page_size: accounts a request; None lets pages grow.
    """

    user_id: str | None
    name: str | None
    guests: bool | None
    deactivated: bool | None
    admins: bool | None
    locked: bool | None
    approved: bool | None
    not_user_types: Sequence[str]
    order_by: UserOrder | None
    reverse: bool
    page_size: int | None


LIST = Paged("GET", "/_synapse/admin/v3/users", User, items="users", key="name", grows=True, since="1.103")
LIST_V2 = Paged("GET", "/_synapse/admin/v2/users", User, items="users", key="name", grows=True)
GET = Endpoint("GET", "/_synapse/admin/v2/users/{user_id}", UserDetails)
MODIFY = Endpoint("PUT", "/_synapse/admin/v2/users/{user_id}", UserDetails)
DEACTIVATE = Endpoint("POST", "/_synapse/admin/v1/deactivate/{target_user_id}", Deactivated, idempotent=True)
SUSPEND = Endpoint("PUT", "/_synapse/admin/v1/suspend/{target_user_id}", dict[str, Any], since="1.121")
LOGIN = Endpoint("POST", "/_synapse/admin/v1/users/{user_id}/login", LoginToken, mas=False)
RESET_PASSWORD = Endpoint(
    "POST", "/_synapse/admin/v1/reset_password/{target_user_id}", Empty, idempotent=True, mas=False
)
ADMIN = Endpoint("GET", "/_synapse/admin/v1/users/{user_id}/admin", AdminFlag, mas=False)
SET_ADMIN = Endpoint("PUT", "/_synapse/admin/v1/users/{user_id}/admin", Empty, mas=False)
RENEW_VALIDITY = Endpoint(
    "POST", "/_synapse/admin/v1/account_validity/validity", Validity, idempotent=True, mas=False
)
ALLOW_CROSS_SIGNING_RESET = Endpoint(
    "POST",
    "/_synapse/admin/v1/users/{user_id}/_allow_cross_signing_replacement_without_uia",
    CrossSigningReset,
    idempotent=True,
)
MEMBERSHIPS = Endpoint("GET", "/_synapse/admin/v1/users/{user_id}/memberships", Memberships, since="1.145")
RATELIMIT = Endpoint("GET", "/_synapse/admin/v1/users/{user_id}/override_ratelimit", RateLimitOverride)
SET_RATELIMIT = Endpoint(
    "POST", "/_synapse/admin/v1/users/{user_id}/override_ratelimit", RateLimitOverride, idempotent=True
)
DELETE_RATELIMIT = Endpoint("DELETE", "/_synapse/admin/v1/users/{user_id}/override_ratelimit", Empty)


class UserPager(Pager[User]):
    """A list of accounts. It leaves out the filter for guests where the server refuses that filter."""

    def pages(self) -> Iterator[Page[User]]:
        """Yield the pages."""
        try:
            yield from super().pages()
        except MatrixError as error:
            # With the Matrix Authentication Service, Synapse refuses a list that does not exclude guests.
            if self._query.get("guests") is not None or "guests" not in error.reason:
                raise
            self._query = {**self._query, "guests": False}
            yield from super().pages()


class Users(ResourceGroup):
    """Accounts: ``synapse.users``.

    Unless a method says otherwise, an account that does not exist is a NotFoundError, and a user of another
    server a MatrixError (400).
    """

    def list(self, **filters: Unpack[UserFilters]) -> Pager[User]:
        """List the accounts of this server, a page at a time.

        Args:
            **filters: which accounts, and in which order; see :class:`UserFilters`.

        Source: ``UsersRestServletV3``.
        """
        return UserPager(self.transport, LIST, {}, _list_query(filters))

    def list_v2(self, **filters: Unpack[UserFilters]) -> Pager[User]:
        """List the accounts of this server, for Synapse before version 1.103.

        The filters are those of :meth:`list`, except ``deactivated``: True also shows deactivated accounts,
        and any other value leaves them out.

        Args:
            **filters: which accounts, and in which order; see :class:`UserFilters`.

        Source: ``UsersRestServletV2``.
        """
        return UserPager(self.transport, LIST_V2, {}, _list_query(filters))

    def get(self, user_id: str) -> UserDetails:
        """Return an account of this server.

        Source: ``UserRestServletV2Get``.
        """
        return self._send(GET, user_id=user_id)

    def modify(
        self,
        user_id: str,
        *,
        password: str | UnsetType = UNSET,
        logout_devices: bool | UnsetType = UNSET,
        displayname: str | UnsetType = UNSET,
        avatar_url: str | UnsetType = UNSET,
        threepids: Sequence[Mapping[str, str]] | UnsetType = UNSET,
        external_ids: Sequence[Mapping[str, str]] | UnsetType = UNSET,
        admin: bool | UnsetType = UNSET,
        deactivated: bool | UnsetType = UNSET,
        locked: bool | UnsetType = UNSET,
        user_type: str | UnsetType | None = UNSET,
        approved: bool | UnsetType = UNSET,
    ) -> UserDetails:
        """Change an account, **or make it where there is none**. What is not given stays as it is.

        Args:
            user_id: the account. The localpart of a new account must be valid by the current grammar.
            password: a new password, at most 512 characters.
            logout_devices: whether a new password ends the account's sessions; Synapse's default is yes.
            displayname: ``""`` removes it.
            avatar_url: an ``mxc://`` URI; ``""`` removes it.
            threepids: the complete list, as ``{"medium": "email", "address": ...}``.
            external_ids: the complete list, as ``{"auth_provider": ..., "external_id": ...}``.
            admin: whether the account is a server admin. No admin can revoke their own right.
            deactivated: True deactivates without erasing; False makes a deactivated account active again,
                without a password, and no longer erased.
            locked: whether the account is locked: its sessions stay, but can do nothing.
            user_type: ``bot``, ``support`` or a custom type of the server; None for an ordinary account.
            approved: whether the user may sign in (MSC3866).

        Raises:
            MatrixError: a value is not valid (400), or another account has one of the external ids (409).
            NotPermittedError: there is no such account, and the Matrix Authentication Service must make it.

        Source: ``UserRestServletV2``.
        """
        body = {
            "password": password,
            "logout_devices": logout_devices,
            "displayname": displayname,
            "avatar_url": avatar_url,
            "threepids": threepids,
            "external_ids": external_ids,
            "admin": admin,
            "deactivated": deactivated,
            "locked": locked,
            "user_type": user_type,
            "approved": approved,
        }
        return self._send(MODIFY, body=body, user_id=user_id)

    def reactivate(self, user_id: str) -> UserDetails:
        """Make a deactivated account active again, without a password, and no longer erased.

        Older versions of Synapse (such as 1.98) require a password: a random one is sent and not stored.

        Source: ``UserRestServletV2``.
        """
        try:
            return self.modify(user_id, deactivated=False)
        except MatrixError as error:
            if error.status != HTTPStatus.BAD_REQUEST or "password" not in error.reason:
                raise
        return self.modify(user_id, deactivated=False, password=token_urlsafe(32))

    def deactivate(self, user_id: str, *, erase: bool | UnsetType = UNSET) -> Deactivated:
        """Deactivate an account: it leaves all rooms, and can no longer be signed in to.

        Args:
            user_id: the account.
            erase: also remove its profile, and hide its messages from users who join later.

        Source: ``DeactivateAccountRestServlet``.
        """
        return self._send(DEACTIVATE, body={"erase": erase}, target_user_id=user_id)

    def suspend(self, user_id: str, *, suspend: bool) -> dict[str, Any]:
        """Suspend or unsuspend an account. A suspended user can read, and do almost nothing else.

        Returns:
            ``{"user_@alice:example.org_suspended": true}``, with the user id in the name.

        Source: ``SuspendAccountRestServlet``.
        """
        return self._send(SUSPEND, body={"suspend": suspend}, target_user_id=user_id)

    def login(self, user_id: str, *, valid_until_ms: int | None = None) -> LoginToken:
        """Return a token to act as a local user. No device is made; the user's sessions stay.

        Args:
            user_id: the user; not the token's owner.
            valid_until_ms: when it expires, in milliseconds since the epoch; never where it is None.

        Raises:
            MatrixError: the user is the token's owner (400).

        Source: ``UserTokenRestServlet``.
        """
        return self._send(LOGIN, body={"valid_until_ms": valid_until_ms}, user_id=user_id)

    def reset_password(
        self, user_id: str, new_password: str, *, logout_devices: bool | UnsetType = UNSET
    ) -> Empty:
        """Give an account a new password.

        Args:
            user_id: the account.
            new_password: its new password.
            logout_devices: whether its sessions end; Synapse's default is yes. This session stays.

        Raises:
            NotPermittedError: the server's configuration does not let passwords change.

        Source: ``ResetPasswordRestServlet``.
        """
        body = {"new_password": new_password, "logout_devices": logout_devices}
        return self._send(RESET_PASSWORD, body=body, target_user_id=user_id)

    def admin(self, user_id: str) -> AdminFlag:
        """Return whether an account is a server admin; false for an unknown account.

        Source: ``UserAdminServlet``.
        """
        return self._send(ADMIN, user_id=user_id)

    def set_admin(self, user_id: str, *, admin: bool) -> Empty:
        """Make a user a server admin, or revoke that right.

        Raises:
            MatrixError: you cannot revoke your own right (400).

        Source: ``UserAdminServlet``.
        """
        return self._send(SET_ADMIN, body={"admin": admin}, user_id=user_id)

    def renew_validity(
        self,
        user_id: str,
        *,
        expiration_ts: int | UnsetType = UNSET,
        enable_renewal_emails: bool | UnsetType = UNSET,
    ) -> Validity:
        """Set when an account expires, on a server whose accounts expire.

        Args:
            user_id: the account.
            expiration_ts: the new time, in milliseconds since the epoch; by default the server's period from
                now on.
            enable_renewal_emails: whether the user is asked by e-mail to renew; Synapse's default is yes.

        Raises:
            ServerError: no ``expiration_ts``, and accounts of this server do not expire.

        Source: ``AccountValidityRenewServlet``, ``docs/admin_api/account_validity.md``.
        """
        body = {
            "user_id": user_id,
            "expiration_ts": expiration_ts,
            "enable_renewal_emails": enable_renewal_emails,
        }
        return self._send(RENEW_VALIDITY, body=body)

    def allow_cross_signing_reset(self, user_id: str) -> CrossSigningReset:
        """Let a user replace their cross-signing keys for ten minutes without signing in again.

        This is for servers with the Matrix Authentication Service. Where Synapse manages the accounts itself,
        it reports success, but still asks for the password.

        Raises:
            NotFoundError: there is no such user, or they have no cross-signing keys.

        Source: ``UserReplaceMasterCrossSigningKeyRestServlet``.
        """
        return self._send(ALLOW_CROSS_SIGNING_RESET, body={}, user_id=user_id)

    def memberships(self, user_id: str) -> Memberships:
        """Return a user's memberships in the rooms that this server is in; empty for an unknown user.

        The user may be of another server.

        Source: ``UserMembershipsRestServlet``.
        """
        return self._send(MEMBERSHIPS, user_id=user_id)

    def ratelimit(self, user_id: str) -> RateLimitOverride:
        """Return the separate message limits of an account.

        Source: ``RateLimitRestServlet``.
        """
        return self._send(RATELIMIT, user_id=user_id)

    def set_ratelimit(self, user_id: str, *, messages_per_second: int, burst_count: int) -> RateLimitOverride:
        """Set separate message limits for an account; 0 and 0 lift every limit.

        Args:
            user_id: the account.
            messages_per_second: messages it may send a second.
            burst_count: messages it may send at once before the limit counts.

        Source: ``RateLimitRestServlet``.
        """
        return self._send(
            SET_RATELIMIT,
            body={"messages_per_second": messages_per_second, "burst_count": burst_count},
            user_id=user_id,
        )

    def delete_ratelimit(self, user_id: str) -> Empty:
        """Remove the separate message limits of an account: the server's limits apply again.

        Source: ``RateLimitRestServlet``.
        """
        return self._send(DELETE_RATELIMIT, user_id=user_id)


def _list_query(filters: UserFilters) -> dict[str, Any]:
    query: dict[str, Any] = {**filters}
    reverse, page_size = query.pop("reverse", False), query.pop("page_size", None)
    not_user_types = query.pop("not_user_types", ())
    return {**query, "dir": "b" if reverse else None, "limit": page_size, "not_user_type": [*not_user_types]}
