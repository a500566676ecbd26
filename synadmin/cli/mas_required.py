"""Changes that the Matrix Authentication Service (MAS) manages: use its admin API, or refuse.

A refusal says what is missing, and names the equivalent command of MAS.
"""

import shlex
from typing import TYPE_CHECKING

from synadmin.errors import RefusedError
from synadmin.ids import localpart_of

BY_COMPATIBILITY = (
    "on the machine of MAS, run: mas-cli manage issue-compatibility-token USER "
    "--yes-i-want-to-grant-synapse-admin-privileges; pass the token to: synadmin login --token"
)
"""How to get a token without a sign-in. The token has no access to the admin API of MAS."""

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synadmin.client import Synapse
    from synadmin.ids import UserId
    from synadmin.mas.service import Mas
    from synadmin.recovery.mas_account import MasAccount


def service_of(synapse: "Synapse", *, hint: str | None = None) -> "Mas":
    """Return MAS, after a check that its admin API can be used.

    Args:
        hint: the hint for the error where MAS does not manage the accounts.

    Raises:
        RefusedError: MAS does not manage the accounts of this server, or its admin API cannot be used.
    """
    if synapse.mas is None:
        message = "Synapse manages the accounts of this server, not the Matrix Authentication Service (MAS)"
        raise RefusedError(message, hint=hint)
    synapse.mas.require()
    return synapse.mas


def usable_mas(synapse: "Synapse") -> "Mas | None":
    """Return MAS; None where it does not manage the accounts, or its admin API cannot be used."""
    try:
        return None if synapse.mas is None else service_of(synapse)
    except RefusedError:
        return None


def account_in_mas(synapse: "Synapse", user_id: "UserId") -> "MasAccount | None":
    """Return an account in MAS; None where Synapse manages the accounts, or MAS does not know the account."""
    from synadmin.recovery import mas_account

    return mas_account.account_in_mas(synapse, user_id)


def server_admins(synapse: "Synapse") -> frozenset[str]:
    """Return the server admins; with MAS, the accounts that may request admin rights."""
    from synadmin.recovery import mas_account

    return mas_account.server_admins(synapse)


def require_mas(
    synapse: "Synapse", command: str | None, users: "Sequence[str]" = (), *, instead: str = ""
) -> None:
    """Refuse the command where MAS manages the accounts and its admin API cannot be used.

    Args:
        command: the equivalent of ``mas-cli manage``: ``lock-user {user}``; None where there is none.
        users: the accounts; where there is exactly one, the command names it.
        instead: the advice where ``mas-cli`` has no command for it.

    Raises:
        RefusedError: MAS manages the accounts, and its admin API cannot be used.
    """
    try:
        if synapse.mas is not None:
            synapse.mas.require()
    except RefusedError as error:
        other = instead if command is None else mas_cli(_filled(command, users))
        hint = f"{error.hint}. Or {other}" if other else error.hint
        raise RefusedError(str(error), hint=hint) from error


def refuse_under_mas(
    synapse: "Synapse", command: str | None, users: "Sequence[str]" = (), *, instead: str = ""
) -> None:
    """Refuse a change that Synapse would accept and that MAS would ignore.

    Args:
        command: the command of ``mas-cli manage``: ``lock-user {user}``; None where there is none.
        users: the accounts; where there is exactly one, the command names it.
        instead: the advice where ``mas-cli`` has no command for it.

    Raises:
        RefusedError: MAS manages the accounts of this server.
    """
    if not synapse.mas_manages_accounts:
        return
    hint = instead if command is None else mas_cli(_filled(command, users))
    raise RefusedError(
        "the Matrix Authentication Service (MAS) manages the accounts of this server, not Synapse: "
        "nothing was changed",
        hint=hint,
    )


def mas_cli(command: str) -> str:
    """Return where and how to run a command of ``mas-cli manage``."""
    return f"on the machine of MAS, run: mas-cli manage {command}"


def _filled(command: str, users: "Sequence[str]") -> str:
    name = localpart_of(users[0]) if len(users) == 1 else "USERNAME"
    return command.format(user=shlex.quote(name))
