"""``synadmin notice``: messages from the server itself to its users."""

import sys
import time
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.input_files import read_text
from synadmin.cli.invocation import Invocation, is_terminal
from synadmin.cli.lazy import Group
from synadmin.cli.outcomes import NotAsAskedError, Record, unchanged
from synadmin.cli.parameters import given, json_object
from synadmin.cli.progress import progress
from synadmin.cli.targets import USERS, Targets, counted
from synadmin.cli.verbs import ChosenTargets, changes
from synadmin.columns import Column
from synadmin.errors import MatrixError, RefusedError, UsageError
from synadmin.text import command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synadmin.api.users import User
    from synadmin.client import Synapse
    from synadmin.ids import UserId

_HOW_TO_ENABLE = (
    "add `server_notices` to homeserver.yaml and restart Synapse: "
    "https://element-hq.github.io/synapse/latest/server_notices.html"
)
_PLURALS = {"guest": "guests", "bot": "bots", "of an app service": "of app services"}
_LONGEST_PAUSE = 2.0  # seconds
_COLUMNS = (
    Column("event_id", title="event", whole=True),
    Column("room_id", title="room", shown=False),
    Column("transaction_id", shown=False),
)


@click.group(cls=Group)
def notice() -> None:
    """Send server notices to users."""


@notice.verb
@changes(USERS, "notices.send", "notices.send_once", columns=_COLUMNS)
@click.option(
    "--all",
    "everyone",
    is_flag=True,
    help="Send to all active accounts. Left out: deactivated, locked and unapproved accounts, guests, bots, "
    "accounts of app services.",
)
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
    sent_before: "Mapping[str, bool]",
    everyone: bool,
) -> Record:
    """Send a notice to users of this server.

    Each run prints its transaction id. If you repeat a run with this --transaction-id, no user gets the
    notice twice. The server remembers the id for half an hour, or until it is restarted.

    The server's configuration must have `server_notices`. --all shows the notice and the number of accounts,
    and asks. It sends one notice at a time, with a pause after each. `synadmin journal resume last` continues
    an interrupted run: no account that may have the notice gets it again.

    \b
    Examples:
        synadmin notice send alice --message 'Your disk quota is nearly used up.'
        synadmin notice send --all -m 'Back at 10:00.'
        synadmin notice send --from everybody.txt --yes < maintenance.txt
        synadmin notice send --from everybody.txt -m 'Back at 10:00.' \\
            --transaction-id maintenance-7
    """
    if user_id in sent_before:
        return _sent_before(user_id, confirmed=sent_before[user_id])
    started = time.monotonic()
    options = given(type=event_type, state_key=state_key)
    try:
        if once:
            # The server identifies a transaction only by its id: with one id, two users would be one notice.
            sent = synapse.notices.send_once(user_id, body, txn_id=f"{run}-{user_id}", **options)
        else:
            sent = synapse.notices.send(user_id, body, **options)
    except MatrixError as error:
        if "not enabled" in error.reason:
            error.hint = _HOW_TO_ENABLE
        raise
    event = synapse.events.fetch(sent.event_id).event
    if event.content != body:
        message = f"{sent.event_id} has another content than this notice: was its transaction used before?"
        raise NotAsAskedError(message)
    if everyone:  # slowly: all clients fetch the notice, and the server has other work
        time.sleep(min(time.monotonic() - started, _LONGEST_PAUSE))
    record = {"event_id": sent.event_id, "room_id": event.room_id}
    return record | {"transaction_id": run} if once else record


@send.check
def _(
    *,
    user_id: tuple[str, ...],
    everyone: bool,
    message: str | None,
    content: str | None,
    source: str | None,
    transaction_id: str | None,
    no_transaction: bool,
) -> dict[str, Any]:
    if everyone and (user_id or source):
        raise UsageError("--all and named users do not go together", hint="the message goes behind -m")
    if not everyone and not user_id and source is None:
        USERS.read((), None)
    if no_transaction and transaction_id is not None:
        raise UsageError("--transaction-id and --no-transaction do not go together")
    if transaction_id == "":
        raise UsageError("the transaction id is empty")
    body = _content(message, content, input_is_taken=source == "-")
    # A resumed run cannot read standard input again.
    message = body["body"] if content is None else None
    return {"body": body, "message": message, "run": transaction_id or _new_transaction()}


@send.select
def _(
    synapse: "Synapse", *, everyone: bool, body: dict[str, Any], invocation: Invocation
) -> ChosenTargets | None:
    if not everyone:
        return None
    if not synapse.notices.are_enabled():
        raise RefusedError(
            "server notices are not enabled on this server: no notice was sent", hint=_HOW_TO_ENABLE
        )
    left_out: Counter[str] = Counter()
    accounts = synapse.users.list(locked=True)
    names: list[str] = []
    for account in progress(invocation, accounts, total=accounts.total or 0, what="looked at"):
        why = _left_out_reason(synapse, account)
        if why is None:
            names.append(account.name)
        else:
            left_out[why] += 1
    invocation.say(_preview(body, len(names), left_out))
    return ChosenTargets(USERS, targets=Targets(names), resumable=True)


def _left_out_reason(synapse: "Synapse", account: "User") -> str | None:
    """Return why ``--all`` leaves an account out; None where the account gets the notice."""
    if account.deactivated:
        return "deactivated"
    if account.locked:
        return "locked"
    if account.approved is False:
        return "not approved"
    if account.is_guest:
        return "guest"
    if account.user_type == "bot":
        return "bot"
    # The list of accounts does not have this field.
    return "of an app service" if synapse.users.get(account.name).appservice_id is not None else None


def _preview(body: "Mapping[str, Any]", number: int, left_out: "Mapping[str, int]") -> str:
    """Return a preview of the notice, and the number of accounts that will get it."""
    import json

    text = body.get("body")
    lines = (text if isinstance(text, str) else json.dumps(body, ensure_ascii=False)).split("\n")
    reasons = ", ".join(counted(count, why, _PLURALS.get(why, why)) for why, count in left_out.items())
    left = f" Left out: {reasons}." if reasons else ""
    total = number + sum(left_out.values())
    shown = "\n".join(["The notice:", "", *(f"    {line}" for line in lines), ""])
    return f"{shown}\n{number} of {counted(total, 'account')} will get it.{left}"


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
    sent_before = _users_sent_to(invocation)
    return {"once": once, "transaction_id": run if once else None, "sent_before": sent_before}


def _users_sent_to(invocation: Invocation) -> dict[str, bool]:
    """Return the users who got the notice from the resumed runs; True where the server confirmed it.

    The server forgets a transaction after some time, and on a restart. The journal does not.
    """
    if invocation.resumes is None:
        return {}
    from synadmin.journal import reading, was_refused

    users: dict[str, bool] = {}
    with reading(invocation.settings.journal) as store:
        record = store.run(invocation.resumes)
        for past in store.chain(record) if record is not None else []:
            for entry in store.entries(run=past.run):
                status, body = entry["status"], entry.get("body")
                if not isinstance(body, dict) or was_refused(status, entry["errcode"]):
                    continue
                user = str(body.get("user_id"))
                users[user] = users.get(user, False) or status == HTTPStatus.OK
    return users


def _sent_before(user_id: str, *, confirmed: bool) -> Record:
    """Return the outcome of an account that got the notice from an earlier run, or may have got it."""
    if confirmed:
        return unchanged("sent before: not sent again")
    message = f"may have been sent before: not sent again. `{command('notice', 'send', user_id)}` sends it"
    return {"outcome": "unknown", "message": message}


@send.question
def _(_: "Synapse", users: "list[UserId]", *, everyone: bool) -> str | None:
    if len(users) == 1 and not everyone:
        return None
    return f"Send this notice to {USERS.counted(len(users))}?"


def _content(message: str | None, content: str | None, *, input_is_taken: bool) -> dict[str, Any]:

    if message is not None and content is not None:
        raise UsageError("--message and --content: give one of them")
    if content is not None:
        return json_object(content, "--content")
    if message is None:
        if input_is_taken or is_terminal(sys.stdin):
            raise UsageError("no message: give it with --message, or on standard input")
        message = read_text("-").rstrip("\r\n")
    if not message.strip():
        raise UsageError("the notice is empty")
    return {"msgtype": "m.text", "body": message}


def _new_transaction() -> str:
    import secrets

    return f"synadmin-{secrets.token_hex(8)}"
