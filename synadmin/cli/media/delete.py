"""``synadmin media delete|purge-remote``: what is gone afterwards."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.change import Act, NotAsAskedError, change, counted
from synadmin.cli.confirm import change_options
from synadmin.cli.input_files import MEDIA, read_targets
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.media.quarantine import described, look, require_local
from synadmin.cli.output import Output, output_options
from synadmin.cli.parameters import PAST_TIME, SIZE
from synadmin.errors import NotFoundError, UnknownOutcomeError, UsageError

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.ids import MediaId, UserId

_AT_ONCE = 100  # items a request: each is a file that the server removes before it answers
_FIRST_ACCEPTED = 30_000_000_000  # milliseconds: Synapse takes anything below for seconds, and refuses it


@click.command(
    cls=Command,
    calls=["media.delete", "media.delete_of_user", "media.delete_unused", "media.delete_unused_old"],
)
@click.argument("media", nargs=-1, metavar="[MEDIA]...")
@click.option("--from", "source", metavar="FILE|-", help="Read items from a file, one a line.")
@click.option("--user", "users", multiple=True, metavar="USER", help="All that a user has uploaded.")
@click.option(
    "--before", metavar="TIME", type=PAST_TIME, help="What nobody has looked at since: 90d, 2026-01-31."
)
@click.option("--larger-than", metavar="SIZE", type=SIZE, help="Only what is larger: 500, 10MB.")
@click.option("--avatars-too", is_flag=True, help="With --before: also what users and rooms have as avatars.")
@click.option("--old-path", is_flag=True, help="With --before: through the path that Synapse has deprecated.")
@change_options
@output_options
@pass_invocation
def delete(
    invocation: Invocation,
    media: tuple[str, ...],
    *,
    source: str | None,
    users: tuple[str, ...],
    before: int | None,
    larger_than: int | None,
    avatars_too: bool,
    old_path: bool,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Delete media that was uploaded here, for good.

    Either items, or all that a user has uploaded, or all that nobody has looked at for long or that is
    large. What is in quarantine or protected from it is left by --before and --larger-than.

    \b
    Examples:
        synadmin media delete mxc://example.org/AbCdEfGhIjKlMnOpQrStUvWx
        synadmin media delete --user mallory --dry-run
        synadmin media delete --before 365d --larger-than 10MB
    """
    from synadmin.ids import parse_media_id, parse_user_id, server_name_of
    from synadmin.render import Column

    unused = before is not None or larger_than is not None
    if sum((bool(media or source), bool(users), unused)) != 1:
        message = "which media? Name items (or --from FILE), or --user, or --before and --larger-than"
        raise UsageError(message)
    if (avatars_too or old_path) and not unused:
        message = "--avatars-too and --old-path go with --before and --larger-than"
        raise UsageError(message)
    asks = not (yes or dry_run)
    with invocation.synapse() as synapse:
        home = server_name_of(synapse.owner)
        if users:
            people = list(dict.fromkeys(parse_user_id(user, home=home) for user in users))
            things: Sequence[str] = people
            act, what = _delete_of_user(synapse), "user_id"
            question = _question_of_users(synapse, people) if asks else ""
        elif unused:
            moment = _accepted(int(time.time() * 1000) if before is None else before)
            options = {"before_ts": moment, "size_gt": larger_than, "keep_profiles": not avatars_too}
            things, what = [home], "server_name"
            act = _delete_unused(synapse, options, old_path=old_path)
            question = _question_of_unused(home, moment, larger_than, avatars_too=avatars_too)
        else:
            named = read_targets(media, source, MEDIA)
            wanted = {str(item): item for item in (parse_media_id(text, home=home) for text in named)}
            things, what = list(wanted), "media"
            act = _delete_item(synapse, wanted, home)
            question = _question_of_items(synapse, wanted) if asks else ""
        return change(
            invocation,
            synapse,
            things,
            act,
            what=what,
            question=question,
            dry_run=dry_run,
            yes=yes,
            output=output,
            columns=[Column("total", title="deleted", right=True)],
        )


@click.command("purge-remote", cls=Command, calls=["media.purge_remote"])
@click.option(
    "--before",
    metavar="TIME",
    type=PAST_TIME,
    required=True,
    help="What nobody has looked at since: 90d, 2026-01-31.",
)
@change_options
@output_options
@pass_invocation
def purge_remote(invocation: Invocation, *, before: int, dry_run: bool, yes: bool, output: Output) -> int:
    """Remove cached copies of other servers' media that nobody has looked at for long.

    Who asks for one again gets it from the other server again, as long as that has it. What is in
    quarantine stays.

    \b
    Examples:
        synadmin media purge-remote --before 90d --dry-run
        synadmin media purge-remote --before 2026-01-31 --yes
    """
    from synadmin.ids import server_name_of
    from synadmin.render import Column, time_of

    moment = _accepted(before)
    with invocation.synapse() as synapse:

        def act(_: str) -> Mapping[str, Any]:
            return {"deleted": synapse.media.purge_remote(before_ts=moment).deleted}

        return change(
            invocation,
            synapse,
            [server_name_of(synapse.owner)],
            act,
            what="server_name",
            question=f"Remove every cached copy of other servers' media that nobody has looked at since "
            f"{time_of(moment)}? How many that are the server says only afterwards.",
            dry_run=dry_run,
            yes=yes,
            output=output,
            columns=[Column("deleted", right=True)],
        )


def _accepted(moment: int) -> int:
    if moment < _FIRST_ACCEPTED:
        message = "--before is in 1970: Synapse refuses a time that early"
        raise UsageError(message)
    return moment


def _delete_item(synapse: "Synapse", wanted: "Mapping[str, MediaId]", home: str) -> Act:
    def act(thing: str) -> Mapping[str, Any]:
        item = wanted[thing]
        require_local(item, home, "deleted (`synadmin media purge-remote` removes copies of others')")
        look(synapse, item)  # a rehearsal, too, is to say that there is no such item
        unknown: UnknownOutcomeError | None = None
        deleted = True
        try:
            deleted = item.media_id in synapse.media.delete(*item).deleted_media
        except UnknownOutcomeError as error:
            unknown = error
        try:
            left = look(synapse, item)
        except NotFoundError:
            left = unknown = None
        if unknown is not None:
            raise unknown
        if left is not None or not deleted:
            message = f"{thing} is still there: the server could not remove its file"
            raise NotAsAskedError(message)
        return {"total": 1}

    return act


def _delete_of_user(synapse: "Synapse") -> Act:
    from synadmin.ids import UserId

    def act(thing: str) -> Mapping[str, Any]:
        user_id = UserId(thing)
        deleted = 0
        while True:
            total = synapse.media.delete_of_user(user_id, limit=_AT_ONCE).total
            deleted += total
            if not total:
                break
        left = next(synapse.media.of_user(user_id, page_size=1).pages()).total
        if left:
            message = (
                f"{counted(deleted, 'item')} of {thing} deleted, {left} still there: "
                "the server could not remove their files"
            )
            raise NotAsAskedError(message)
        return {"total": deleted}

    return act


def _delete_unused(synapse: "Synapse", options: Mapping[str, Any], *, old_path: bool) -> Act:
    def act(home: str) -> Mapping[str, Any]:
        if old_path:
            answer = synapse.media.delete_unused_old(home, **options)
        else:
            answer = synapse.media.delete_unused(**options)
        return answer.as_sent()

    return act


def _question_of_items(synapse: "Synapse", wanted: "Mapping[str, MediaId]") -> str:
    if len(wanted) > 1:
        return f"Delete {counted(len(wanted), 'item')} of media for good?"
    ((uri, item),) = wanted.items()
    info = look(synapse, item)
    return f"Delete {uri}{f' ({described(info)})' if info is not None else ''} for good?"


def _question_of_users(synapse: "Synapse", users: "Sequence[UserId]") -> str:
    count = size = 0
    for user in users:
        for item in synapse.media.of_user(user):
            count += 1
            size += item.media_length or 0
    whose = users[0] if len(users) == 1 else counted(len(users), "user")
    amount = f"{counted(count, 'item')} of media ({counted(size, 'byte')})"
    return f"Delete the {amount} that {whose} uploaded, for good?"


def _question_of_unused(home: str, before: int, larger_than: int | None, *, avatars_too: bool) -> str:
    from synadmin.render import time_of

    larger = f" and is larger than {counted(larger_than, 'byte')}" if larger_than else ""
    avatars = "Avatars go with it" if avatars_too else "Avatars stay"
    return (
        f"Delete for good all media of {home} that nobody has looked at since {time_of(before)}{larger}? "
        f"{avatars}. How many that are the server says only afterwards."
    )
