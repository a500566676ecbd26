"""``synadmin registration-token``: who may make an account."""

import re
import time
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.change import NotAsAskedError, change, counted
from synadmin.cli.confirm import change_options
from synadmin.cli.input_files import REGISTRATION_TOKENS, read_targets
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command, Group
from synadmin.cli.output import Output, output_options
from synadmin.cli.parameters import FUTURE_TIME
from synadmin.errors import NotFoundError, RefusedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synadmin.client import Synapse
    from synadmin.render import Column

_TOKEN = re.compile(r"[A-Za-z0-9._~-]{1,64}\Z")
_LONGEST = 64
_MOST_USES = 2**31 - 1


@click.group("registration-token", cls=Group)
def registration_token() -> None:
    """Registration tokens: with one, an account can be made where registration asks for it."""


@registration_token.command("list", cls=Command, calls=["registration_tokens.list"])
@click.option("--valid/--invalid", default=None, help="Only those that can (no longer) be used.")
@output_options
@pass_invocation
def list_(invocation: Invocation, *, valid: bool | None, output: Output) -> None:
    """List the registration tokens.

    \b
    Examples:
        synadmin registration-token list
        synadmin registration-token list --valid -o json
    """
    with invocation.synapse() as synapse:
        sent = synapse.registration_tokens.list(valid=valid).as_sent()["registration_tokens"]
    output.write(sent, _columns(), empty="There is no registration token, or none of that kind.")


@registration_token.command(cls=Command, calls=["registration_tokens.get"])
@click.argument("token")
@output_options
@pass_invocation
def show(invocation: Invocation, token: str, *, output: Output) -> None:
    """Show one registration token.

    \b
    Examples:
        synadmin registration-token show summer-school
        synadmin registration-token show summer-school -o json
    """
    with invocation.synapse() as synapse:
        sent = synapse.registration_tokens.get(token).as_sent()
    output.write_one(sent, _columns())


def _columns() -> "list[Column]":
    from synadmin.render import Column

    return [Column("token", whole=True), *_details()]


def _details() -> "list[Column]":
    from synadmin.render import Column, time_of

    return [
        Column("uses_allowed", title="uses allowed", right=True),
        Column("completed", title="used", right=True),
        Column("pending", right=True),
        Column("expiry_time", title="ends", value=lambda token: time_of(token.get("expiry_time"))),
    ]


@registration_token.command(cls=Command, calls=["registration_tokens.create"])
@click.argument("token", required=False)
@click.option(
    "--length", type=click.IntRange(1, _LONGEST), help="How long the token is that the server draws."
)
@click.option(
    "--uses", type=click.IntRange(0, _MOST_USES), help="How many accounts; any number, unless given."
)
@click.option("--expires", type=FUTURE_TIME, help="When it ends: 14d, 2027-01-31; never, unless given.")
@change_options
@output_options
@pass_invocation
def create(
    invocation: Invocation,
    token: str | None,
    *,
    length: int | None,
    uses: int | None,
    expires: int | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Make a registration token: the one that is named, or one that the server draws.

    \b
    Examples:
        synadmin registration-token create --uses 1 --expires 7d
        synadmin registration-token create summer-school --uses 30 --expires 2027-09-01
    """
    from msgspec import UNSET

    if token is not None and length is not None:
        message = "--length is for a token that the server draws: name none, or leave it out"
        raise UsageError(message)
    if token is not None and not _TOKEN.match(token):
        message = f"{token!a} cannot be a registration token: 1 to {_LONGEST} of A-Z a-z 0-9 . _ ~ -"
        raise UsageError(message)
    ends = UNSET if expires is None else _future(expires)

    def act(_: str) -> "Mapping[str, Any]":
        if token is not None:
            _require_free(synapse, token)
        made = synapse.registration_tokens.create(
            token=UNSET if token is None else token,
            length=UNSET if length is None else length,
            uses_allowed=UNSET if uses is None else uses,
            expiry_time=ends,
        )
        return _read_back(synapse, made.token, uses_allowed=uses, expiry_time=expires)

    with invocation.synapse() as synapse:
        return change(
            invocation,
            synapse,
            [token or "(drawn by the server)"],
            act,
            what="token",
            question=None,
            dry_run=dry_run,
            yes=yes,
            output=output,
            columns=_details(),
        )


def _require_free(synapse: "Synapse", token: str) -> None:
    try:
        synapse.registration_tokens.get(token)
    except NotFoundError:
        return
    message = f"there is a registration token {token} already; nothing was changed"
    raise RefusedError(message, hint="`synadmin registration-token show` shows it, `update` changes it")


def _future(moment: int) -> int:
    if moment <= time.time() * 1000:
        message = "--expires is in the past"
        raise UsageError(message, hint="times without an offset are UTC")
    return moment


def _read_back(synapse: "Synapse", token: str, **expected: int | None) -> "Mapping[str, Any]":
    found = synapse.registration_tokens.get(token)
    for name, value in expected.items():
        if getattr(found, name) != value:
            message = f"the server said yes, but {name} of {token} is {getattr(found, name)}, not {value}"
            raise NotAsAskedError(message)
    return found.as_sent()


@registration_token.command(cls=Command, calls=["registration_tokens.update"])
@click.argument("tokens", nargs=-1, metavar="TOKEN...")
@click.option("--from", "source", metavar="FILE|-", help="Read tokens from a file, one a line.")
@click.option("--uses", type=click.IntRange(0, _MOST_USES), help="How many accounts altogether.")
@click.option("--unlimited", is_flag=True, help="Any number of accounts.")
@click.option("--expires", type=FUTURE_TIME, help="When it ends: 14d, 2027-01-31.")
@click.option("--never-expires", is_flag=True, help="It does not end.")
@change_options
@output_options
@pass_invocation
def update(
    invocation: Invocation,
    tokens: tuple[str, ...],
    *,
    source: str | None,
    uses: int | None,
    unlimited: bool,
    expires: int | None,
    never_expires: bool,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Change how often registration tokens can be used, and until when. What is not given stays.

    \b
    Examples:
        synadmin registration-token update summer-school --uses 50
        synadmin registration-token update summer-school --unlimited --never-expires
    """
    if uses is not None and unlimited:
        message = "--uses and --unlimited do not go together"
        raise UsageError(message)
    if expires is not None and never_expires:
        message = "--expires and --never-expires do not go together"
        raise UsageError(message)
    wanted: dict[str, int | None] = {}
    if uses is not None or unlimited:
        wanted["uses_allowed"] = uses
    if expires is not None or never_expires:
        wanted["expiry_time"] = None if expires is None else _future(expires)
    if not wanted:
        message = "nothing to change: say what shall be different"
        raise UsageError(message)

    def act(token: str) -> "Mapping[str, Any]":
        synapse.registration_tokens.update(token, **wanted)
        return _read_back(synapse, token, **wanted)

    with invocation.synapse() as synapse:
        return change(
            invocation,
            synapse,
            read_targets(tokens, source, REGISTRATION_TOKENS),
            act,
            what="token",
            question=None,
            dry_run=dry_run,
            yes=yes,
            output=output,
            columns=_details(),
        )


@registration_token.command(cls=Command, calls=["registration_tokens.delete"])
@click.argument("tokens", nargs=-1, metavar="TOKEN...")
@click.option("--from", "source", metavar="FILE|-", help="Read tokens from a file, one a line.")
@change_options
@output_options
@pass_invocation
def delete(
    invocation: Invocation,
    tokens: tuple[str, ...],
    *,
    source: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Delete registration tokens. Accounts that were made with them stay.

    \b
    Examples:
        synadmin registration-token delete summer-school
        synadmin registration-token list --invalid -o ndjson | jq -r .token |
            synadmin registration-token delete --from - --yes
    """
    named = read_targets(tokens, source, REGISTRATION_TOKENS)

    def act(token: str) -> "Mapping[str, Any]":
        synapse.registration_tokens.delete(token)
        try:
            synapse.registration_tokens.get(token)
        except NotFoundError:
            return {}
        message = f"the server said yes, but {token} is still there"
        raise NotAsAskedError(message)

    with invocation.synapse() as synapse:
        return change(
            invocation,
            synapse,
            named,
            act,
            what="token",
            question=f"{counted(len(named), 'registration token')} will be deleted for good. Go on?",
            dry_run=dry_run,
            yes=yes,
            output=output,
        )
