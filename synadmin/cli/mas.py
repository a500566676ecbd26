"""Refuse what the Matrix Authentication Service (MAS) decides, and name its own command for it."""

import shlex
from typing import TYPE_CHECKING

from synadmin.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synadmin.client import Synapse


def refuse_under_mas(synapse: "Synapse", command: str, users: "Sequence[str]" = ()) -> None:
    """Refuse a change that Synapse would accept and that MAS would ignore.

    Args:
        synapse: the server.
        command: what does it: ``lock-user {user}`` of ``mas-cli manage``.
        users: whose accounts; where there is exactly one, the command names it.

    Raises:
        RefusedError: MAS manages the accounts of this server.
    """
    if not synapse.mas_manages_accounts:
        return
    name = users[0].removeprefix("@").partition(":")[0] if len(users) == 1 else "USERNAME"
    raise RefusedError(
        "the Matrix Authentication Service (MAS) manages the accounts of this server, not Synapse: "
        "nothing was changed",
        hint=f"on the machine of MAS, run: mas-cli manage {command.format(user=shlex.quote(name))}",
    )
