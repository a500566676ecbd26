"""E-mail addresses of accounts.

Source: the OpenAPI document of MAS 1.22.0, ``/api/admin/v1/user-emails``.
"""

from synadmin.http.endpoint import Empty, Endpoint, Record
from synadmin.http.paging import Pager
from synadmin.mas.records import MasGroup, Resource, listed, one


class UserEmail(Record, frozen=True, kw_only=True):
    """An address, and the ULID of the account that it belongs to."""

    created_at: str
    user_id: str
    email: str


LIST = listed("user-emails", UserEmail, since="0.14.0")
GET = one("GET", "user-emails/{id}", UserEmail, since="0.14.0")
CREATE = one("POST", "user-emails", UserEmail, since="0.15.0")
DELETE = Endpoint(
    "DELETE", "/api/admin/v1/user-emails/{id}", Empty, since="0.15.0", absent=GET, dialect="mas"
)


class UserEmails(MasGroup):
    """E-mail addresses."""

    def list(self, *, user: str | None = None, email: str | None = None) -> Pager[Resource[UserEmail]]:
        """List addresses: all, those of one account (``user`` is its ULID), or one address."""
        return self._all(LIST, user=user, email=email)

    def get(self, id: str) -> Resource[UserEmail]:  # noqa: A002  the API's name
        """Return an address by its ULID."""
        return self._one(GET, id=id)

    def create(self, user_id: str, email: str) -> Resource[UserEmail]:
        """Add an address to an account; the user need not confirm it.

        Raises:
            MatrixError: 400, it is not an address; 409, another account has it.
        """
        return self._one(CREATE, body={"user_id": user_id, "email": email})

    def delete(self, id: str) -> Empty:  # noqa: A002
        """Remove an address."""
        return self._send(DELETE, id=id)
