"""``synadmin user redact``: the messages of users, taken back."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.app import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY
from synadmin.cli.change import NotAsAskedError, counted
from synadmin.cli.follow import follow
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.cli.parameters import ANY_TIME, PAST_TIME
from synadmin.cli.room.look import resolved
from synadmin.cli.user.named import Bulk, changes_users, listed
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from synadmin.api.moderation import RedactionStatus
    from synadmin.client import Synapse
    from synadmin.ids import UserId

_DEFAULT_LIMIT = 1000  # Synapse's
_AFFECTED = {"join", "ban"}


@click.command(cls=Command, calls=["moderation.redact"])
@click.option("--room", "rooms", metavar="ROOM", multiple=True, help="Only in this room. Repeatable.")
@click.option("--reason", metavar="TEXT", help="Why; everybody in the rooms can read it.")
@click.option("--after", type=PAST_TIME, help="Only what was sent then or later: 7d, 2026-01-31.")
@click.option("--before", type=ANY_TIME, help="Only what was sent then or earlier.")
@click.option(
    "--limit",
    type=click.IntRange(1, 2**31 - 1),
    help=f"How many events to look at in each room, newest first; {_DEFAULT_LIMIT}, unless given.",
)
@click.option("--use-admin", is_flag=True, help="Redact in your own name, which needs the power for it.")
@click.option("--no-wait", is_flag=True, help="Print the id of the work, and leave it to the server.")
@changes_users
@pass_invocation
def redact(
    invocation: Invocation,
    *,
    rooms: tuple[str, ...],
    reason: str | None,
    after: int | None,
    before: int | None,
    limit: int | None,
    use_admin: bool,
    no_wait: bool,
    bulk: Bulk,
) -> int:
    """Redact the messages of users, in all rooms that they are in or banned from.

    A local user's are redacted in their own name, wherever they are; those of users elsewhere in yours,
    which needs the power for it in each room. Joins are redacted, too: that takes the display name away.

    \b
    Examples:
        synadmin user redact spammer --after 24h --reason spam
        synadmin user redact @spam:elsewhere.example --room '#club:example.org'
        synadmin user redact --from spammers.txt --yes -o ndjson
    """
    from msgspec import UNSET

    from synadmin.ids import parse_room
    from synadmin.render import Column

    for room in rooms:
        parse_room(room)
    if after is not None and before is not None and after > before:
        message = "--after is later than --before: there is nothing between them"
        raise UsageError(message)

    def act(synapse: "Synapse", user_id: "UserId") -> "Mapping[str, Any]":
        begun = synapse.moderation.redact(
            user_id,
            rooms=[resolved(synapse, room) for room in rooms],
            reason=UNSET if reason is None else reason,
            limit=UNSET if limit is None else limit,
            use_admin=use_admin or UNSET,
            before_ts=UNSET if before is None else before,
            after_ts=UNSET if after is None else after,
        )
        if no_wait:
            return {"outcome": "pending", **begun.as_sent()}
        status = _followed(invocation, synapse, begun.redact_id, f"redacting what {user_id} has sent")
        failed = status.failed_redactions or {}
        if failed:
            why = next(iter(failed.values()))
            message = f"{counted(len(failed), 'event')} of {user_id} could not be redacted: {why}"
            raise NotAsAskedError(message, hint=f"all of them: synadmin user redact-status {begun.redact_id}")
        return begun.as_sent()

    def question(synapse: "Synapse", users: "Sequence[UserId]") -> str:
        where = len(rooms)
        if not rooms:
            where = sum(
                membership in _AFFECTED
                for user_id in users
                for membership in synapse.users.memberships(user_id).memberships.values()
            )
        return (
            f"What {listed(users)} sent in {counted(where, 'room')} will be redacted, "
            f"up to {limit or _DEFAULT_LIMIT} events in each, for good. Go on?"
        )

    return bulk.carry_out(invocation, act, question=question, columns=[Column("redact_id", title="id")])


def _followed(invocation: Invocation, synapse: "Synapse", redact_id: str, what: str) -> "RedactionStatus":
    return follow(
        invocation,
        lambda: synapse.moderation.redact_status(redact_id),
        what=what,
        again=f"synadmin user redact-status {redact_id} --wait",
    )


@click.command("redact-status", cls=Command, calls=["moderation.redact_status"])
@click.argument("redact_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until it has ended.")
@output_options
@pass_invocation
def redact_status(invocation: Invocation, redact_id: str, *, wait: bool, output: Output) -> int:
    """Show how far a redaction is, and what could not be redacted.

    The server remembers it for a day. Exit code 1 where it has failed, 6 where it is complete but for
    some events.

    \b
    Examples:
        synadmin user redact-status CQgWpTzCxKMVnbeo
        synadmin user redact-status CQgWpTzCxKMVnbeo --wait -o json
    """
    from synadmin.render import Column

    with invocation.synapse() as synapse:
        if wait:
            status = _followed(invocation, synapse, redact_id, "redacting")
        else:
            status = synapse.moderation.redact_status(redact_id)
    record = {"redact_id": redact_id, **status.as_sent()}
    output.write_one(record, [Column(name) for name in record])
    if status.status == "failed":
        return EXIT_FAILED
    return EXIT_PARTLY if status.failed_redactions else EXIT_DONE
