"""Registration tokens, with which people create accounts where registration needs a token.

Source: Synapse, ``docs/usage/administration/admin_api/registration_tokens.md`` and
``synapse/rest/admin/registration_tokens.py``.
"""

from msgspec import UNSET, UnsetType

from synadmin.http.endpoint import Empty, Endpoint, Record
from synadmin.http.group import ResourceGroup


class RegistrationToken(Record, frozen=True, kw_only=True):
    """A registration token. It is a secret while it is valid.

    ``uses_allowed`` is None where there is no limit, ``expiry_time`` (milliseconds since the epoch) where
    it never expires. ``pending`` counts registrations under way, ``completed`` those that are done.
    """

    token: str
    uses_allowed: int | None = None
    pending: int = 0
    completed: int = 0
    expiry_time: int | None = None

    def __repr__(self) -> str:
        return (
            f"RegistrationToken(uses_allowed={self.uses_allowed!r}, pending={self.pending!r}, "
            f"completed={self.completed!r}, expiry_time={self.expiry_time!r})"
        )


class RegistrationTokenList(Record, frozen=True, kw_only=True):
    """Registration tokens: all, or the valid or invalid ones."""

    registration_tokens: tuple[RegistrationToken, ...]


LIST = Endpoint("GET", "/_synapse/admin/v1/registration_tokens", RegistrationTokenList, mas=False)
CREATE = Endpoint("POST", "/_synapse/admin/v1/registration_tokens/new", RegistrationToken, mas=False)
GET = Endpoint("GET", "/_synapse/admin/v1/registration_tokens/{token}", RegistrationToken, mas=False)
UPDATE = Endpoint("PUT", "/_synapse/admin/v1/registration_tokens/{token}", RegistrationToken, mas=False)
DELETE = Endpoint("DELETE", "/_synapse/admin/v1/registration_tokens/{token}", Empty, mas=False, absent=GET)


class RegistrationTokens(ResourceGroup):
    """Registration tokens: ``synapse.registration_tokens``."""

    def list(self, *, valid: bool | None = None) -> RegistrationTokenList:
        """Return all tokens in one answer.

        Args:
            valid: True: only tokens that can still be used; False: only tokens that cannot.

        Source: ``ListRegistrationTokensRestServlet``.
        """
        return self._send(LIST, query={"valid": valid})

    def create(
        self,
        *,
        token: str | UnsetType = UNSET,
        length: int | UnsetType = UNSET,
        uses_allowed: int | UnsetType | None = UNSET,
        expiry_time: int | UnsetType | None = UNSET,
    ) -> RegistrationToken:
        """Make a token.

        Args:
            token: 1 to 64 characters of ``A-Za-z0-9._~-``; the server generates a token by default.
            length: of a token that the server generates, 1 to 64; Synapse's default is 16.
            uses_allowed: how many accounts can be made with it; any number by default.
            expiry_time: when it expires, in milliseconds since the epoch; never by default.

        Raises:
            MatrixError: there is such a token already, a value is out of range, or the expiry is past (400).

        Source: ``NewRegistrationTokenRestServlet``.
        """
        body = {"token": token, "length": length, "uses_allowed": uses_allowed, "expiry_time": expiry_time}
        return self._send(CREATE, body=body)

    def get(self, token: str) -> RegistrationToken:
        """Return one token.

        Raises:
            NotFoundError: there is no such token.

        Source: ``RegistrationTokenRestServlet``.
        """
        return self._send(GET, token=token)

    def update(
        self,
        token: str,
        *,
        uses_allowed: int | UnsetType | None = UNSET,
        expiry_time: int | UnsetType | None = UNSET,
    ) -> RegistrationToken:
        """Change a token. What is not given stays as it is.

        Args:
            token: the token.
            uses_allowed: how many accounts can be made with it in total; None for any number.
            expiry_time: when it expires, in milliseconds since the epoch; None for never.

        Raises:
            NotFoundError: there is no such token.
            MatrixError: a value is out of range, or the expiry is past (400).

        Source: ``RegistrationTokenRestServlet``.
        """
        return self._send(
            UPDATE, body={"uses_allowed": uses_allowed, "expiry_time": expiry_time}, token=token
        )

    def delete(self, token: str) -> Empty:
        """Delete a token. Registrations that have begun with it fail.

        Raises:
            NotFoundError: there is no such token.

        Source: ``RegistrationTokenRestServlet``.
        """
        return self._send(DELETE, token=token)
