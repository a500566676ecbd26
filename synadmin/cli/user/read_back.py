"""Read an account back after a change, and compare it with the requested values."""

from typing import TYPE_CHECKING

from synadmin.cli.outcomes import NotAsAskedError
from synadmin.errors import NotAuthenticatedError

if TYPE_CHECKING:
    from synadmin.api.users import UserDetails
    from synadmin.client import Synapse
    from synadmin.ids import UserId


def read_back(synapse: "Synapse", user_id: "UserId", **expected: object) -> None:
    """Check that an account has the requested values.

    Raises:
        NotAsAskedError: it is not.
    """
    try:
        details = synapse.users.get(user_id)
    except NotAuthenticatedError:
        if user_id != synapse.owner:
            raise
        # The owner of the token has locked or deactivated their own account: the refusal confirms it.
        return
    require_fields(details, **expected)


def require_fields(details: "UserDetails", **expected: object) -> None:
    """Compare the account that was read back with the requested values.

    Raises:
        NotAsAskedError: it is not.
    """
    for name, wanted in expected.items():
        value = getattr(details, name)
        if value != wanted:
            raise NotAsAskedError(
                f"the server reported success, but {name} of {details.name} is {value!a}, not {wanted!a}"
            )
