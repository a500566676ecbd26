"""Create and change accounts through the Matrix Authentication Service (MAS)."""

from typing import TYPE_CHECKING

from synadmin.cli.outcomes import NotAsAskedError
from synadmin.errors import MatrixError, RefusedError
from synadmin.ids import localpart_of

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.ids import UserId
    from synadmin.mas.service import Mas
    from synadmin.recovery.mas_account import MasAccount

_BAD_REQUEST = 400
_CONFLICT = 409


def create_in_mas(synapse: "Synapse", mas: "Mas", user_id: "UserId") -> None:
    """Create an account in MAS, which creates it in Synapse before it answers.

    Raises:
        RefusedError: the name is taken, or not valid.
    """
    try:
        mas.users.create(localpart_of(user_id))
    except MatrixError as error:
        if error.status not in {_BAD_REQUEST, _CONFLICT}:
            raise
        raise RefusedError(f"{user_id} cannot be created: {error.reason}") from error
    synapse.users.get(user_id)


def add_email(account: "MasAccount", email: str) -> None:
    """Add an e-mail address, and read it back.

    Raises:
        RefusedError: the address belongs to another account, or is not valid.
    """
    try:
        account.mas.user_emails.create(account.record.id, email)
    except MatrixError as error:
        if error.status not in {_BAD_REQUEST, _CONFLICT}:
            raise
        raise RefusedError(f"{email} cannot be added to {account.user_id}: {error.reason}") from error
    if email not in account.emails():
        raise NotAsAskedError(f"MAS reported success, but {account.user_id} does not have {email}")


def remove_email(account: "MasAccount", email: str) -> bool:
    """Remove an e-mail address; return whether there was one."""
    addresses = list(account.mas.user_emails.list(user=account.record.id, email=email))
    for address in addresses:
        account.mas.user_emails.delete(address.id)
    if any(account.mas.user_emails.list(user=account.record.id, email=email)):
        raise NotAsAskedError(f"MAS reported success, but {account.user_id} still has {email}")
    return bool(addresses)
