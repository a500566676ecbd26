"""Making accounts with the server's registration shared secret.

Source: Synapse, ``docs/admin_api/register_api.md`` and ``UserRegisterServlet``.
"""

import hashlib
import hmac

from msgspec import UNSET, UnsetType

from synadmin.http.endpoint import Endpoint, Record
from synadmin.http.group import ResourceGroup
from synadmin.ids import UserId


class Nonce(Record, frozen=True, kw_only=True):
    """A nonce, valid for one registration within a minute."""

    nonce: str


class Registered(Record, frozen=True, kw_only=True):
    """The new account, with a session unless ``inhibit_login`` was set. The tokens are secrets.

    ``access_token`` is empty where no session was made; ``expires_in_ms`` is in milliseconds.
    """

    user_id: UserId
    access_token: str = ""
    device_id: str | None = None
    home_server: str | None = None
    expires_in_ms: int | None = None
    refresh_token: str | None = None

    def __repr__(self) -> str:
        return f"Registered(user_id={self.user_id!r})"


NONCE = Endpoint("GET", "/_synapse/admin/v1/register", Nonce, mas=False)
REGISTER = Endpoint("POST", "/_synapse/admin/v1/register", Registered, mas=False)


class Registration(ResourceGroup):
    """Registration with the shared secret: ``synapse.registration``. Needs no token."""

    def nonce(self) -> Nonce:
        """Return a nonce for :meth:`register`.

        Source: ``UserRegisterServlet``.
        """
        return self._send(NONCE)

    def register(
        self,
        username: str,
        password: str,
        *,
        shared_secret: str,
        nonce: str | None = None,
        admin: bool = False,
        displayname: str | None = None,
        user_type: str | None = None,
        device_id: str | UnsetType = UNSET,
        initial_device_display_name: str | UnsetType = UNSET,
        inhibit_login: bool | UnsetType = UNSET,
        refresh_token: bool | UnsetType = UNSET,
    ) -> Registered:
        """Make an account, even where registration is closed.

        Args:
            username: the localpart.
            password: its password.
            shared_secret: ``registration_shared_secret`` of Synapse's configuration; it is not sent.
            nonce: from :meth:`nonce`; None: it is requested now.
            admin: whether it is a server admin.
            displayname: its display name.
            user_type: ``bot``, ``support``, or a custom type of the server.
            device_id: the id of the new device; the server generates one by default.
            initial_device_display_name: the new device's display name.
            inhibit_login: make no session.
            refresh_token: ask for an access token that expires, and a refresh token.

        Raises:
            NotPermittedError: the shared secret is wrong.
            MatrixError: the server has no shared secret, or the username is taken or not valid (400).

        Source: ``UserRegisterServlet``.
        """
        nonce = nonce or self.nonce().nonce
        parts = [nonce, username, password, "admin" if admin else "notadmin"]
        if user_type is not None:
            parts.append(user_type)
        mac = hmac.new(shared_secret.encode(), "\0".join(parts).encode(), hashlib.sha1).hexdigest()
        body = {
            "nonce": nonce,
            "username": username,
            "password": password,
            "admin": admin,
            "mac": mac,
            "displayname": UNSET if displayname is None else displayname,
            "user_type": UNSET if user_type is None else user_type,
            "device_id": device_id,
            "initial_device_display_name": initial_device_display_name,
            "inhibit_login": inhibit_login,
            "refresh_token": refresh_token,
        }
        return self._send(REGISTER, body=body)
