"""``synadmin media delete|purge-remote``: delete media."""

import time
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.media.quarantine import media_info, named_media, require_local
from synadmin.cli.outcomes import NotAsAskedError, Record
from synadmin.cli.parameters import PAST_TIME, SIZE
from synadmin.cli.targets import MEDIA, THIS_SERVER, USERS, Kind, counted
from synadmin.cli.verbs import ChosenTargets, changes
from synadmin.columns import Column, local_time
from synadmin.errors import NotFoundError, UnknownOutcomeError, UsageError
from synadmin.ids import UserId, parse_media_id

if TYPE_CHECKING:
    from synadmin.client import Synapse

_AT_ONCE = 100  # items in one request: the server deletes their files before it answers
_FIRST_ACCEPTED = 30_000_000_000  # milliseconds: Synapse takes a smaller number for seconds, and refuses it


@changes(
    MEDIA,
    *("media.delete", "media.delete_of_user", "media.delete_unused", "media.delete_unused_old"),
    columns=(Column("total", title="deleted", right=True),),
)
@click.argument("media", nargs=-1, metavar="[MEDIA]...")
@click.option("--user", "users", multiple=True, metavar="USER", help="All media that a user uploaded.")
@click.option(
    "--before", metavar="TIME", type=PAST_TIME, help="Only media not accessed since: 90d, 2026-01-31."
)
@click.option("--larger-than", metavar="SIZE", type=SIZE, help="Only media larger than this: 500, 10MB.")
@click.option("--avatars-too", is_flag=True, help="With --before: also avatars of users and rooms.")
@click.option("--old-path", is_flag=True, help="With --before: use the deprecated path.")
def delete(
    synapse: "Synapse",
    media: str,
    *,
    kind: Kind,
    before: int | None,
    larger_than: int | None,
    avatars_too: bool,
    old_path: bool,
    dry_run: bool,
    yes: bool,
) -> Record:
    """Delete local media permanently.

    Name the items, or choose them: --user for all uploads of a user, --before for old media, --larger-than
    for large media. --before and --larger-than do not delete quarantined or protected media.

    \b
    Examples:
        synadmin media delete mxc://example.org/AbCdEfGhIjKlMnOpQrStUvWx
        synadmin media delete --user mallory --dry-run
        synadmin media delete --before 365d --larger-than 10MB
    """
    if kind is USERS:
        return _delete_of_user(synapse, media)
    if kind is MEDIA:
        return _delete_item(synapse, media, look=dry_run or not yes)
    options: dict[str, Any] = {"before_ts": before, "size_gt": larger_than, "keep_profiles": not avatars_too}
    if old_path:
        return synapse.media.delete_unused_old(media, **options).as_sent()
    return synapse.media.delete_unused(**options).as_sent()


@delete.check
def _(
    *,
    media: tuple[str, ...],
    source: str | None,
    users: tuple[str, ...],
    before: int | None,
    larger_than: int | None,
    avatars_too: bool,
    old_path: bool,
) -> dict[str, Any]:
    unused = before is not None or larger_than is not None
    if sum((bool(media or source), bool(users), unused)) != 1:
        raise UsageError(
            "no media are named: name items, or give --from FILE, --user, or --before and --larger-than"
        )
    if (avatars_too or old_path) and not unused:
        raise UsageError("--avatars-too and --old-path go with --before and --larger-than")
    return {"before": _accepted(int(time.time() * 1000) if before is None else before), "unused": unused}


@delete.select
def _(_: "Synapse", *, users: tuple[str, ...], unused: bool) -> ChosenTargets | None:
    if users:
        return ChosenTargets(USERS, list(users))
    return ChosenTargets(THIS_SERVER) if unused else None


@delete.question
def _(
    synapse: "Synapse",
    names: list[str],
    *,
    kind: Kind,
    before: int,
    larger_than: int | None,
    avatars_too: bool,
) -> str:
    if kind is USERS:
        return _question_of_users(synapse, names)
    if kind is MEDIA:
        return f"Delete {named_media(synapse, names)} permanently?"
    return _question_of_unused(names[0], before, larger_than, avatars_too=avatars_too)


@changes(THIS_SERVER, "media.purge_remote", columns=(Column("deleted", right=True),))
@click.option(
    "--before",
    metavar="TIME",
    type=PAST_TIME,
    required=True,
    help="Only media not accessed since: 90d, 2026-01-31.",
)
def purge_remote(synapse: "Synapse", *, before: int) -> Record:
    """Delete old cached copies of other servers' media.

    Deletes the copies that no user has opened since the time of --before.

    If a user opens such media again, the server fetches it again, if the other server still has it.
    Quarantined media stays.

    \b
    Examples:
        synadmin media purge-remote --before 90d --dry-run
        synadmin media purge-remote --before 2026-01-31 --yes
    """
    return {"deleted": synapse.media.purge_remote(before_ts=before).deleted}


@purge_remote.check
def _(*, before: int) -> None:
    _accepted(before)


@purge_remote.question
def _(_: "Synapse", __: list[str], *, before: int) -> str:
    return (
        f"All cached copies of other servers' media not accessed since {local_time(before)} will be deleted. "
        "The server reports their number afterwards. Continue?"
    )


def _accepted(moment: int) -> int:
    if moment < _FIRST_ACCEPTED:
        raise UsageError("--before is in 1970: Synapse refuses a time that early")
    return moment


def _delete_item(synapse: "Synapse", media: str, *, look: bool) -> Record:
    item = parse_media_id(media)
    require_local(synapse, item, "deleted (`synadmin media purge-remote` removes copies of others')")
    if look:
        media_info(synapse, item)  # also a dry run reports a missing item
    try:
        # The items in the answer are deleted from the disk and from the database.
        if item.media_id in synapse.media.delete(*item).deleted_media:
            return {"total": 1}
    except NotFoundError:
        media_info(synapse, item)  # its error has a hint
        raise
    except UnknownOutcomeError:
        try:
            media_info(synapse, item)
        except NotFoundError:
            return {"total": 1}
        raise
    raise NotAsAskedError(f"{media} is still there: the server could not remove its file")


def _delete_of_user(synapse: "Synapse", name: str) -> Record:
    user_id = UserId(name)
    deleted = 0
    while total := synapse.media.delete_of_user(user_id, limit=_AT_ONCE).total:
        deleted += total
    left = synapse.media.of_user(user_id, page_size=1).total
    if left:
        raise NotAsAskedError(
            f"{counted(deleted, 'item')} of {name} deleted, {left} still there: "
            "the server could not remove their files"
        )
    return {"total": deleted}


def _question_of_users(synapse: "Synapse", names: list[str]) -> str:
    count = size = 0
    for user in names:
        for item in synapse.media.of_user(UserId(user)):
            count += 1
            size += item.media_length or 0
    whose = USERS.named(names, most=1)
    amount = f"{counted(count, 'item')} of media ({counted(size, 'byte')})"
    return f"Permanently delete the {amount} that {whose} uploaded?"


def _question_of_unused(home: str, before: int, larger_than: int | None, *, avatars_too: bool) -> str:
    larger = f" and larger than {counted(larger_than, 'byte')}" if larger_than else ""
    avatars = "Avatars are deleted too" if avatars_too else "Avatars are kept"
    return (
        f"All media of {home} not accessed since {local_time(before)}{larger} will be deleted permanently. "
        f"{avatars}. The server reports their number afterwards. Continue?"
    )
