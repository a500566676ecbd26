"""Refuse what the Matrix Authentication Service (MAS) decides, and name its own command for it."""

import shlex
from typing import TYPE_CHECKING

from synadmin.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synadmin.client import Synapse


def refuse_under_mas(
    synapse: "Synapse", command: str | None, users: "Sequence[str]" = (), *, instead: str = ""
) -> None:
    """Refuse a change that Synapse would accept and that MAS would ignore.

    Args:
        synapse: the server.
        command: what does it: ``lock-user {user}`` of ``mas-cli manage``; None where it has no such command.
        users: whose accounts; where there is exactly one, the command names it.
        instead: what to do where ``mas-cli`` has no command for it.

    Raises:
        RefusedError: MAS manages the accounts of this server.
    """
    if not synapse.mas_manages_accounts:
        return
    name = users[0].removeprefix("@").partition(":")[0] if len(users) == 1 else "USERNAME"
    hint = instead if command is None else mas_cli(command.format(user=shlex.quote(name)))
    raise RefusedError(
        "the Matrix Authentication Service (MAS) manages the accounts of this server, not Synapse: "
        "nothing was changed",
        hint=hint,
    )


def mas_cli(command: str) -> str:
    """Return where and how to run a command of ``mas-cli manage``."""
    return f"on the machine of MAS, run: mas-cli manage {command}"
