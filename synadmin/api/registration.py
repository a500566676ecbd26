"""Making accounts with the server's registration shared secret.

Source: Synapse, ``docs/admin_api/register_api.md`` and ``UserRegisterServlet``.
"""

import hashlib
import hmac

from synadmin.http.endpoint import Endpoint, Record
from synadmin.http.group import Group
from synadmin.ids import UserId


class Nonce(Record, frozen=True, kw_only=True):
    """Good for one registration, within a minute."""

    nonce: str


class Registered(Record, frozen=True, kw_only=True):
    """The new account, signed in. The token is a secret."""

    user_id: UserId
    access_token: str
    device_id: str | None = None
    home_server: str | None = None

    def __repr__(self) -> str:
        return f"Registered(user_id={self.user_id!r})"


NONCE = Endpoint("GET", "/_synapse/admin/v1/register", Nonce, mas=False)
REGISTER = Endpoint("POST", "/_synapse/admin/v1/register", Registered, mas=False)


class Registration(Group):
    """Accounts by shared secret: ``synapse.registration``. Needs no token."""

    def nonce(self) -> Nonce:
        """Return a nonce for :meth:`register`."""
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
    ) -> Registered:
        """Make an account, even where registration is closed.

        Args:
            username: the localpart.
            password: its password.
            shared_secret: ``registration_shared_secret`` of Synapse's configuration; it is not sent.
            nonce: from :meth:`nonce`, which is asked where it is None.
            admin: whether it is a server admin.
            displayname: its display name.
            user_type: ``bot``, ``support``, or a type of the server's own.
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
        }
        if displayname is not None:
            body["displayname"] = displayname
        if user_type is not None:
            body["user_type"] = user_type
        return self._send(REGISTER, body=body)
