"""``synadmin registration-token``: tokens that allow users to create accounts."""

import re
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.lazy import Group
from synadmin.cli.mas_required import require_mas
from synadmin.cli.outcomes import NotAsAskedError, Record, done, unchanged
from synadmin.cli.output import Output
from synadmin.cli.parameters import FUTURE_TIME, given
from synadmin.cli.targets import TOKENS, counted
from synadmin.cli.verbs import ChosenTargets, Shown, changes, reads
from synadmin.columns import Column, relative_time, time_column, time_of
from synadmin.errors import NotFoundError, RefusedError, UsageError
from synadmin.text import safe_text

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.mas.token_list import MasTokens

_TOKEN = re.compile(r"[A-Za-z0-9._~-]{1,64}\Z")
_LONGEST = 64
_MOST_USES = 2**31 - 1
_RANDOM = "(chosen by the server)"
_DETAILS = (
    Column(
        "uses_allowed",
        title="uses allowed",
        right=True,
        terminal=lambda uses: "unlimited" if uses is None else uses,
    ),
    Column("completed", title="used", right=True),
    Column("pending", right=True),
    time_column("expiry_time", "ends", none="never"),
)
_COLUMNS = (Column("token", whole=True), *_DETAILS)


@click.group("registration-token", cls=Group)
def registration_token() -> None:
    """Show, create, change and delete registration tokens.

    With one, a person can create an account where registration asks for it.
    """


@registration_token.verb
@reads(
    "registration_tokens.list",
    "mas.registration_tokens.list",
    name="list",
    columns=_COLUMNS,
    empty="No registration tokens.",
)
@click.option("--valid/--invalid", default=None, help="Only tokens that can (no longer) be used.")
def list_(synapse: "Synapse", *, valid: bool | None, output: Output) -> object:
    """List the registration tokens.

    \b
    Examples:
        synadmin registration-token list
        synadmin registration-token list --valid -o json
    """
    mas = _in_mas(synapse)
    if mas is not None:
        return Shown(mas.list(valid=valid), _mas_columns(output))
    return synapse.registration_tokens.list(valid=valid).as_sent()["registration_tokens"]


def _mas_columns(output: Output) -> tuple[Column, ...]:
    """Return the columns for tokens in MAS, which keeps revoked tokens."""
    return (
        *_COLUMNS,
        Column("valid", shown=output.for_people),
        Column("revoked_at", title="revoked", shown=False, terminal=relative_time),
    )


@registration_token.verb
@reads("registration_tokens.get", "mas.registration_tokens.get", columns=_COLUMNS)
def show(synapse: "Synapse", token: str, *, output: Output) -> object:
    """Show one registration token.

    \b
    Examples:
        synadmin registration-token show summer-school
        synadmin registration-token show summer-school -o json
    """
    mas = _in_mas(synapse)
    if mas is not None:
        return Shown(mas.get(token), _mas_columns(output))
    return synapse.registration_tokens.get(token)


@registration_token.verb
@changes(TOKENS, "registration_tokens.create", "mas.registration_tokens.create", columns=_DETAILS)
@click.argument("token", required=False)
@click.option(
    "--length", type=click.IntRange(1, _LONGEST), help="Length of the token that the server chooses."
)
@click.option("--uses", type=click.IntRange(0, _MOST_USES), help="Number of accounts [default: unlimited].")
@click.option("--expires", type=FUTURE_TIME, help="Expiry: 14d, 2027-01-31 [default: never].")
def create(
    synapse: "Synapse",
    token: str,
    *,
    length: int | None,
    uses: int | None,
    expires: int | None,
    invitation: list[str],
    output: Output,
) -> Record:
    """Create a registration token.

    Give the token, or let the server choose a random one. The output has a text for the guest.

    \b
    Examples:
        synadmin registration-token create --uses 1 --expires 7d
        synadmin registration-token create summer-school --uses 30 \\
            --expires 2027-09-01
    """
    mas = _in_mas(synapse)
    if token != _RANDOM:
        _require_free(synapse, mas, token)
    if mas is not None:
        if length is not None:
            raise RefusedError("MAS makes tokens of 12 characters: leave out --length, or name the token")
        new_token = mas.create(None if token == _RANDOM else token, uses=uses, expires=expires)
    else:
        name = None if token == _RANDOM else token
        options = given(token=name, length=length, uses_allowed=uses, expiry_time=expires)
        new_token = synapse.registration_tokens.create(**options).token
    record = _read_back(synapse, mas, new_token, uses_allowed=uses, expiry_time=expires)
    if output.in_words:
        invitation += _invitation(synapse, record)
    return record


def _invitation(synapse: "Synapse", record: Record) -> list[str]:
    """Return the text for the guest: where to create the account, and with which token."""
    from synadmin.ids import server_name_of

    uses, expiry = record["uses_allowed"], time_of(record["expiry_time"])
    server_name = server_name_of(synapse.owner)
    url = synapse.client_server.public_url()
    return [
        f"You can create an account on the Matrix server {server_name}.",
        f"Homeserver: {server_name}" + (f" (address: {url})" if url else ""),
        f"Registration token: {record['token']}",
        f"Valid for: {'any number of accounts' if uses is None else counted(uses, 'account')}",
        f"Valid until: {'no end' if expiry is None else f'{expiry[:10]} {expiry[11:16]} UTC'}",
    ]


@create.check
def _(*, token: str | None, length: int | None) -> dict[str, Any]:
    if token is not None and length is not None:
        raise UsageError("--length is for a token that the server chooses: leave out the token, or --length")
    if token is not None and not _TOKEN.match(token):
        raise UsageError(f"{token!a} cannot be a registration token: 1 to {_LONGEST} of A-Z a-z 0-9 . _ ~ -")
    return {"invitation": []}


@create.after
def _(_code: int, *, invitation: list[str]) -> None:
    if invitation:
        click.echo("\nFor the guest:\n\n" + "\n".join(map(safe_text, invitation)))


@create.select
def _(_: "Synapse", *, token: str | None) -> ChosenTargets:
    return ChosenTargets(TOKENS, [token or _RANDOM])


def _require_free(synapse: "Synapse", mas: "MasTokens | None", token: str) -> None:
    try:
        _get(synapse, mas, token)
    except NotFoundError:
        return
    message = f"there is a registration token {token} already; nothing was changed"
    raise RefusedError(message, hint="`synadmin registration-token show` shows it, `update` changes it")


def _read_back(synapse: "Synapse", mas: "MasTokens | None", token: str, **expected: int | None) -> Record:
    record = _get(synapse, mas, token)
    for name, value in expected.items():
        if record[name] != value:
            message = f"the server reported success, but {name} of {token} is {record[name]}, not {value}"
            raise NotAsAskedError(message)
    return record


def _get(synapse: "Synapse", mas: "MasTokens | None", token: str) -> Record:
    return synapse.registration_tokens.get(token).as_sent() if mas is None else mas.get(token)


def _in_mas(synapse: "Synapse") -> "MasTokens | None":
    """Return the tokens of the Matrix Authentication Service (MAS); None where Synapse manages the accounts.

    Raises:
        RefusedError: MAS manages the accounts, and its admin API cannot be used.
    """
    from synadmin.mas.service import REGISTRATION_TOKENS
    from synadmin.mas.token_list import MasTokens

    require_mas(synapse, "issue-user-registration-token")
    if synapse.mas is None:
        return None
    synapse.mas.require(REGISTRATION_TOKENS, for_what="registration tokens")
    return MasTokens(synapse.mas)


@registration_token.verb
@changes(TOKENS, "registration_tokens.update", "mas.registration_tokens.update", columns=_DETAILS)
@click.option("--uses", type=click.IntRange(0, _MOST_USES), help="Number of accounts in total.")
@click.option("--unlimited", is_flag=True, help="Any number of accounts.")
@click.option("--expires", type=FUTURE_TIME, help="Expiry: 14d, 2027-01-31.")
@click.option("--never-expires", is_flag=True, help="No expiry.")
def update(synapse: "Synapse", token: str, *, changed: dict[str, int | None]) -> Record:
    """Change the uses and the expiry of registration tokens.

    Other values do not change.

    \b
    Examples:
        synadmin registration-token update summer-school --uses 50
        synadmin registration-token update summer-school --unlimited \\
            --never-expires
    """
    mas = _in_mas(synapse)
    _get(synapse, mas, token)  # also a dry run reports a missing token
    if mas is None:
        synapse.registration_tokens.update(token, **changed)
    else:
        mas.update(token, changed)
    return _read_back(synapse, mas, token, **changed)


@update.check
def _(*, uses: int | None, unlimited: bool, expires: int | None, never_expires: bool) -> dict[str, Any]:
    if uses is not None and unlimited:
        raise UsageError("--uses and --unlimited do not go together")
    if expires is not None and never_expires:
        raise UsageError("--expires and --never-expires do not go together")
    changed: dict[str, int | None] = {}
    if uses is not None or unlimited:
        changed["uses_allowed"] = uses
    if expires is not None or never_expires:
        changed["expiry_time"] = expires
    if not changed:
        raise UsageError("nothing to change: give --uses, --unlimited, --expires or --never-expires")
    return {"changed": changed}


@registration_token.verb
@changes(TOKENS, "registration_tokens.delete", "mas.registration_tokens.revoke")
def delete(synapse: "Synapse", token: str) -> Record:
    """Delete registration tokens.

    Accounts that were created with them stay. The Matrix Authentication Service keeps a record of them: there
    they are revoked.

    \b
    Examples:
        synadmin registration-token delete summer-school
        synadmin registration-token list --invalid -o ndjson | jq -r .token |
            synadmin registration-token delete --from - --yes
    """
    mas = _in_mas(synapse)
    record = _get(synapse, mas, token)  # also a dry run reports a missing token
    if mas is not None:
        if record["revoked_at"] is not None:
            return unchanged("already revoked")
        mas.revoke(token)
        if mas.get(token)["revoked_at"] is None:
            raise NotAsAskedError(f"MAS reported success, but {token} is not revoked")
        return done("revoked: MAS keeps the record")
    synapse.registration_tokens.delete(token)
    try:
        synapse.registration_tokens.get(token)
    except NotFoundError:
        return done("deleted")
    raise NotAsAskedError(f"the server reported success, but {token} is still there")


@delete.question
def _(_: "Synapse", tokens: list[str]) -> str:
    return f"{TOKENS.counted(len(tokens))} will be deleted permanently. Continue?"
