"""``synadmin notice``: messages from the server itself to its users."""

import sys
from collections.abc import Mapping
from typing import Any

import click

from synadmin.cli.change import NotAsAskedError, change, counted
from synadmin.cli.confirm import change_options
from synadmin.cli.input_files import USERS, read_targets, read_text
from synadmin.cli.invocation import Invocation, is_terminal, pass_invocation
from synadmin.cli.lazy import Group
from synadmin.cli.output import Output, output_options
from synadmin.errors import RefusedError, UsageError


@click.group(cls=Group)
def notice() -> None:
    """Notices: messages from the server itself to its users."""


@notice.command(calls=["notices.send", "notices.send_once"])
@click.argument("users", nargs=-1, metavar="USER...")
@click.option("--from", "source", metavar="FILE|-", help="Read users from a file, one a line.")
@click.option("-m", "--message", metavar="TEXT", help="What to say; else it is read from standard input.")
@click.option("--content", metavar="JSON", help="The whole content of the event, in place of a message.")
@click.option("--type", "event_type", metavar="TYPE", help="The event's type; m.room.message, unless given.")
@click.option("--state-key", metavar="KEY", help="Make it a state event.")
@click.option("--transaction-id", metavar="ID", help="A repeat with the same one sends nothing again.")
@click.option("--no-transaction", is_flag=True, help="Send without one: a repeat sends again.")
@change_options
@output_options
@pass_invocation
def send(
    invocation: Invocation,
    users: tuple[str, ...],
    *,
    source: str | None,
    message: str | None,
    content: str | None,
    event_type: str | None,
    state_key: str | None,
    transaction_id: str | None,
    no_transaction: bool,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Send a notice to users of this server.

    Each run has a transaction id, which it prints. Where it broke off, a repeat with --transaction-id sends
    to nobody twice who had it already; the server remembers that for half an hour, unless it is restarted.

    The server's configuration must have `server_notices`.

    \b
    Examples:
        synadmin notice send alice --message 'Your disk quota is nearly used up.'
        synadmin notice send --from everybody.txt --yes < maintenance.txt
        synadmin notice send --from everybody.txt -m 'Back at 10:00.' --transaction-id maintenance-7
    """
    import msgspec

    from synadmin.ids import UserId, parse_user_id, server_name_of
    from synadmin.render import Column

    if no_transaction and transaction_id is not None:
        words = "--transaction-id and --no-transaction contradict each other"
        raise UsageError(words)
    if transaction_id == "":
        words = "the transaction id is empty"
        raise UsageError(words)
    named = read_targets(users, source, USERS)
    said = _content(message, content, input_is_taken=source == "-")
    run = transaction_id or _new_transaction()
    with invocation.synapse() as synapse:
        home = server_name_of(synapse.owner)
        people = [parse_user_id(name, home=home) for name in named]
        away = next((user for user in people if server_name_of(user) != home), None)
        if away is not None:
            words = f"{away} is not a user of this server: notices go to {home}'s own only"
            raise UsageError(words)
        options = {
            "type": msgspec.UNSET if event_type is None else event_type,
            "state_key": msgspec.UNSET if state_key is None else state_key,
        }

        once = not no_transaction and synapse.client_server.whoami().device_id is not None
        if not once and transaction_id is not None:
            words = "your token has no device: the server takes no transaction id with it"
            raise RefusedError(words, hint="send with --no-transaction, or with a token of a device")

        def act(user: str) -> Mapping[str, Any]:
            user_id = UserId(user)
            # The server knows a transaction by its id alone: two users with the same one are one notice.
            own = f"{run}-{user_id}"
            if once:
                sent = synapse.notices.send_once(user_id, said, txn_id=own, **options)
            else:
                sent = synapse.notices.send(user_id, said, **options)
            found = synapse.events.fetch(sent.event_id).event
            if found.content != said:
                words = (
                    f"{sent.event_id} has another content than this notice: was its transaction used before?"
                )
                raise NotAsAskedError(words)
            told = {"event_id": sent.event_id, "room_id": found.room_id}
            return told | {"transaction_id": run} if once else told

        question = None
        if len(people) > 1:
            question = f"Send this notice to {counted(len(people), 'user')}?"
        if once and not dry_run:
            invocation.say(f"Transaction id: {run}")
        return change(
            invocation,
            synapse,
            people,
            act,
            what="user_id",
            question=question,
            dry_run=dry_run,
            yes=yes,
            output=output,
            columns=[
                Column("event_id", title="event"),
                Column("room_id", title="room", shown=False),
                Column("transaction_id", shown=False),
            ],
        )


def _content(message: str | None, content: str | None, *, input_is_taken: bool) -> dict[str, Any]:
    import json

    if message is not None and content is not None:
        words = "--message and --content: give one of them"
        raise UsageError(words)
    if content is not None:
        try:
            parsed = json.loads(content)
        except ValueError as error:
            words = f"--content is not JSON: {error}"
            raise UsageError(words) from None
        if not isinstance(parsed, dict):
            words = "--content is not a JSON object"
            raise UsageError(words)
        return parsed
    if message is None:
        if input_is_taken or is_terminal(sys.stdin):
            words = "what is the notice to say? Give it with --message, or on standard input"
            raise UsageError(words)
        message = read_text("-").rstrip("\r\n")
    if not message.strip():
        words = "the notice is empty"
        raise UsageError(words)
    return {"msgtype": "m.text", "body": message}


def _new_transaction() -> str:
    import secrets

    return f"synadmin-{secrets.token_hex(8)}"
