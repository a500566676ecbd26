"""``synadmin notice``: messages from the server itself to its users."""

import sys
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.input_files import read_text
from synadmin.cli.invocation import Invocation, is_terminal
from synadmin.cli.lazy import Group
from synadmin.cli.outcomes import NotAsAskedError, Record
from synadmin.cli.parameters import json_object
from synadmin.cli.targets import USERS
from synadmin.cli.verbs import changes
from synadmin.columns import Column
from synadmin.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.ids import UserId

_COLUMNS = (
    Column("event_id", title="event", whole=True),
    Column("room_id", title="room", shown=False),
    Column("transaction_id", shown=False),
)


@click.group(cls=Group)
def notice() -> None:
    """Send server notices to users."""


@notice.verb
# Its message may have come from standard input: --transaction-id is how to go on.
@changes(USERS, "notices.send", "notices.send_once", columns=_COLUMNS, resumable=False)
@click.option("-m", "--message", metavar="TEXT", help="The message [default: read from standard input].")
@click.option("--content", metavar="JSON", help="The content of the event as JSON, instead of a message.")
@click.option("--type", "event_type", metavar="TYPE", help="The event type [default: m.room.message].")
@click.option("--state-key", metavar="KEY", help="Make it a state event.")
@click.option("--transaction-id", metavar="ID", help="A repeat with the same id is not sent again.")
@click.option("--no-transaction", is_flag=True, help="Send without an id: a repeat is sent again.")
def send(
    synapse: "Synapse",
    user_id: "UserId",
    *,
    body: dict[str, Any],
    event_type: str | None,
    state_key: str | None,
    run: str,
    once: bool,
) -> Record:
    """Send a notice to users of this server.

    Each run has a transaction id, which it prints. A repeat with --transaction-id sends no user the notice a
    second time. The server remembers the id for half an hour, but not beyond a restart.

    The server's configuration must have `server_notices`.

    \b
    Examples:
        synadmin notice send alice --message 'Your disk quota is nearly used up.'
        synadmin notice send --from everybody.txt --yes < maintenance.txt
        synadmin notice send --from everybody.txt -m 'Back at 10:00.' \\
            --transaction-id maintenance-7
    """
    from msgspec import UNSET

    options = {
        "type": UNSET if event_type is None else event_type,
        "state_key": UNSET if state_key is None else state_key,
    }
    if once:
        # The server knows a transaction by its id alone: two users with the same one are one notice.
        sent = synapse.notices.send_once(user_id, body, txn_id=f"{run}-{user_id}", **options)
    else:
        sent = synapse.notices.send(user_id, body, **options)
    event = synapse.events.fetch(sent.event_id).event
    if event.content != body:
        message = f"{sent.event_id} has another content than this notice: was its transaction used before?"
        raise NotAsAskedError(message)
    record = {"event_id": sent.event_id, "room_id": event.room_id}
    return record | {"transaction_id": run} if once else record


@send.check
def _(
    *,
    message: str | None,
    content: str | None,
    source: str | None,
    transaction_id: str | None,
    no_transaction: bool,
) -> dict[str, Any]:
    if no_transaction and transaction_id is not None:
        raise UsageError("--transaction-id and --no-transaction do not go together")
    if transaction_id == "":
        raise UsageError("the transaction id is empty")
    body = _content(message, content, input_is_taken=source == "-")
    return {"body": body, "run": transaction_id or _new_transaction()}


@send.guard
def _(
    synapse: "Synapse",
    _: "list[UserId]",
    *,
    run: str,
    transaction_id: str | None,
    no_transaction: bool,
    dry_run: bool,
    invocation: Invocation,
) -> dict[str, Any]:
    once = not no_transaction and synapse.client_server.whoami().device_id is not None
    if not once and transaction_id is not None:
        message = "your token has no device: the server accepts no transaction id from it"
        raise RefusedError(message, hint="send with --no-transaction, or with a token of a device")
    if once and not dry_run:
        invocation.say(f"Transaction id: {run}")
    return {"once": once}


@send.question
def _(_: "Synapse", users: "list[UserId]") -> str | None:
    return f"Send this notice to {USERS.counted(len(users))}?" if len(users) > 1 else None


def _content(message: str | None, content: str | None, *, input_is_taken: bool) -> dict[str, Any]:

    if message is not None and content is not None:
        raise UsageError("--message and --content: give one of them")
    if content is not None:
        return json_object(content, "--content")
    if message is None:
        if input_is_taken or is_terminal(sys.stdin):
            raise UsageError("which message? Give it with --message, or on standard input")
        message = read_text("-").rstrip("\r\n")
    if not message.strip():
        raise UsageError("the notice is empty")
    return {"msgtype": "m.text", "body": message}


def _new_transaction() -> str:
    import secrets

    return f"synadmin-{secrets.token_hex(8)}"
