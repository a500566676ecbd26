"""``synadmin api``: send any request, and list all operations of the admin APIs."""

import re
import sys
from typing import Any
from urllib.parse import parse_qsl

import click

from synadmin.cli.confirm import change_options
from synadmin.cli.input_files import read_text
from synadmin.cli.invocation import Invocation, is_terminal, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.cli.parameters import json_object
from synadmin.columns import Column
from synadmin.errors import UsageError

_METHODS = ("GET", "POST", "PUT", "DELETE")
_PATH = re.compile(r"/[!-~]*\Z")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class _ApiCommand(Command):
    """Suggests ``--query`` where ``-q``, its former name, has a query parameter."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if any(name.startswith("-q") for name in given):
                message = "-q means quiet; a part of the query is --query NAME=VALUE"
                raise click.UsageError(message, ctx) from error
            raise


@click.command(cls=_ApiCommand)
@click.argument("method", required=False)
@click.argument("path", required=False)
@click.option(
    "--query", "pairs", multiple=True, metavar="NAME=VALUE", help="A query parameter; it is encoded for you."
)
@click.option(
    "-d",
    "--data",
    metavar="JSON|@FILE|-",
    help="The body as JSON: the text, @ and a file, or - for standard input.",
)
@click.option("--list", "lists", is_flag=True, help="List the operations of the Admin API instead.")
@change_options
@output_options
@pass_invocation
def api(
    invocation: Invocation,
    method: str | None,
    path: str | None,
    *,
    pairs: tuple[str, ...],
    data: str | None,
    lists: bool,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> None:
    """Send one request and print the answer as it came.

    The request carries the configured token.

    PATH begins with / and is percent-encoded: the room #club:example.org is %23club:example.org in it. You
    are not asked before a change. Changes are written to the journal.

    Paths that begin with /api/admin/v1/ go to the admin API of the Matrix Authentication Service. --list
    shows each operation of both with its call in Python and its command; -o and --columns go with it.

    \b
    Examples:
        synadmin api GET /_synapse/admin/v1/rooms --query search_term=chess \\
            --query limit=5
        synadmin api PUT '/_synapse/admin/v1/rooms/!abc:example.org/block' \\
            -d '{"block": true}'
        synadmin api --list -o json
    """
    del yes  # no question: the user has typed the request itself
    if lists:
        if method is not None:
            raise UsageError("--list takes no METHOD and PATH")
        _list(output)
        return
    if method is None or path is None:
        message = (
            "no request is given: name METHOD and PATH, as in `synadmin api GET /_synapse/admin/v1/rooms`"
        )
        raise UsageError(message, hint="`synadmin api --list` lists all requests")
    method = method.upper()
    if method not in _METHODS:
        raise UsageError(f"{method!a} is not a method: give GET, POST, PUT or DELETE, and then the PATH")
    _send(invocation, method, *_target(path, pairs), body=_body(data), dry_run=dry_run)


def _send(
    invocation: Invocation,
    method: str,
    path: str,
    query: dict[str, Any],
    *,
    body: dict[str, Any] | None,
    dry_run: bool,
) -> None:
    from synadmin.cli.operations import MAS_ADMIN
    from synadmin.http.endpoint import Dialect, Endpoint
    from synadmin.http.transport import DryRunStop
    from synadmin.journal import without_secrets
    from synadmin.tables import as_json

    if body is None and method in {"POST", "PUT"}:
        body = {}
    with invocation.synapse() as synapse:
        transport = synapse.transport_of(path)
        transport = transport.dry_run() if dry_run else transport
        dialect: Dialect = "mas" if path.startswith(MAS_ADMIN) else "matrix"
        try:
            answer = transport.send_raw(Endpoint(method, path, dict, dialect=dialect), query=query, body=body)
        except DryRunStop as request:
            planned = {
                "outcome": "planned",
                "method": request.method,
                "path": request.path,
                "body": without_secrets(request.body),
            }
            click.echo(as_json(planned, indent=2))
            invocation.say("Nothing was changed: --dry-run.")
            return
    _print(answer)


def _print(answer: bytes) -> None:
    """Print an answer unchanged; on a terminal, control characters are escaped."""
    from synadmin.tables import safe_json

    if not is_terminal(sys.stdout):
        click.echo(answer, nl=not answer.endswith(b"\n"))
        return
    try:
        click.echo(safe_json(answer.decode()))
    except UnicodeDecodeError:
        message = f"the answer is not text: {len(answer)} bytes"
        raise UsageError(message, hint="write it to a file with > FILE") from None


def _target(path: str, pairs: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """Return the path, and the query parameters of the path and of the options."""
    missing = re.search(r"\{\w*\}", path)
    if missing is not None:
        raise UsageError(f"PATH has {missing[0]} in it: put the value there, percent-encoded")
    path, _, in_path = path.partition("?")
    if not _PATH.match(path) or any(character in path for character in "#{}\\") or _BARE_PERCENT.search(path):
        message = f"{path!a} is not a path: a path begins with /, and special characters are percent-encoded"
        raise UsageError(message, hint="# is %23, / inside an id is %2F, a space is %20, % itself is %25")
    query: dict[str, Any] = {}
    for name, value in parse_qsl(in_path, keep_blank_values=True):
        query.setdefault(name, []).append(value)
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise UsageError(f"{pair!a} is not NAME=VALUE")
        query.setdefault(name, []).append(value)
    return path, query


def _body(data: str | None) -> dict[str, Any] | None:
    if data is None:
        return None
    text, where = data, "-d"
    if data == "-" or data.startswith("@"):
        where = "standard input" if data == "-" else data[1:]
        text = read_text(data.removeprefix("@"))
    return json_object(text, where)


def _list(output: Output) -> None:
    from synadmin.cli.operations import MAS_ADMIN, operations

    columns = [
        Column("method"),
        Column("path"),
        Column("call"),
        Column("command"),
        Column("since"),
        Column("mas", title="with MAS"),
        Column("instead", shown=False),
    ]
    root = click.get_current_context().find_root().command
    both = [*operations(root), *operations(root, MAS_ADMIN)]
    output.write((operation.as_record() for operation in both), columns)
