"""Finding accounts by name, e-mail address, phone number or external id.

Source: Synapse, ``docs/admin_api/user_admin_api.md``, ``synapse/rest/admin/users.py`` and
``username_available.py``.
"""

from synadmin.http.endpoint import Endpoint, Record
from synadmin.http.group import ResourceGroup
from synadmin.ids import UserId


class FoundUser(Record, frozen=True, kw_only=True):
    """An account that a search has found. The hash of its password is a secret."""

    name: UserId
    password_hash: str | None = None
    is_guest: bool = False
    admin: bool = False
    user_type: str | None = None

    def __repr__(self) -> str:
        return f"FoundUser(name={self.name!r})"


class Owner(Record, frozen=True, kw_only=True):
    """The user who has an address or an external id."""

    user_id: UserId


class Availability(Record, frozen=True, kw_only=True):
    """A username is available. Where it is not, the server answers with an error that gives the reason."""

    available: bool


SEARCH = Endpoint("GET", "/_synapse/admin/v1/search_users/{target_user_id}", tuple[FoundUser, ...])
USERNAME_AVAILABLE = Endpoint("GET", "/_synapse/admin/v1/username_available", Availability)
BY_EXTERNAL_ID = Endpoint("GET", "/_synapse/admin/v1/auth_providers/{provider}/users/{external_id}", Owner)
BY_THREEPID = Endpoint("GET", "/_synapse/admin/v1/threepid/{medium}/users/{address}", Owner)


class Lookup(ResourceGroup):
    """Finding accounts: ``synapse.lookup``."""

    def search(self, term: str, *, user_id: str) -> tuple[FoundUser, ...]:
        """Return all accounts whose user id contains the term.

        Deactivated and locked accounts are included. In the term, ``%`` stands for any characters, ``_`` for
        one character.

        Args:
            term: the text to search for.
            user_id: any user of this server; Synapse requires one, but does not use it.

        Source: ``SearchUsersRestServlet``.
        """
        return self._send(SEARCH, query={"term": term}, target_user_id=user_id)

    def username_available(self, username: str) -> Availability:
        """Return whether a username is available, even where registration is closed.

        Raises:
            MatrixError: ``M_USER_IN_USE``, ``M_INVALID_USERNAME`` or ``M_EXCLUSIVE``: it is not available.

        Source: ``UsernameAvailableRestServlet``.
        """
        return self._send(USERNAME_AVAILABLE, query={"username": username})

    def by_external_id(self, provider: str, external_id: str) -> Owner:
        """Return the local user of an account at a single sign-on provider.

        Args:
            provider: the ``idp_id`` of Synapse's configuration, with the prefix ``oidc-`` for OpenID Connect.
            external_id: the user's id at that provider.

        Raises:
            NotFoundError: no account has this id.

        Source: ``UserByExternalId``.
        """
        return self._send(BY_EXTERNAL_ID, provider=provider, external_id=external_id)

    def by_threepid(self, medium: str, address: str) -> Owner:
        """Return the user with an e-mail address or a phone number.

        Args:
            medium: ``email`` or ``msisdn``.
            address: in lower case; a number with its country code and without ``+``.

        Raises:
            NotFoundError: no account has this address or number.

        Source: ``UserByThreePid``.
        """
        return self._send(BY_THREEPID, medium=medium, address=address)
