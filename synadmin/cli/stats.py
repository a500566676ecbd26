"""``synadmin stats``: show which users and rooms use the most storage."""

from typing import TYPE_CHECKING

import click

from synadmin.api.choices import USER_STATISTICS_ORDERS
from synadmin.cli.lazy import Group
from synadmin.cli.parameters import ANY_TIME, PAST_TIME, sort_option
from synadmin.cli.verbs import reads
from synadmin.columns import Column, human_size
from synadmin.errors import MatrixError, ServerError, UsageError

if TYPE_CHECKING:
    from synadmin.api.choices import UserStatisticsOrder
    from synadmin.client import Synapse

_MEDIA_COLUMNS = (
    Column("user_id", title="user", whole=True),
    Column("displayname", title="name", breakable=True),
    Column("media_count", title="items", right=True),
    Column("media_length", title="size", right=True, whole=True, terminal=human_size),
)
_ROOM_COLUMNS = (
    Column("room_id", title="room", whole=True),
    Column("estimated_size", title="size", right=True, whole=True, terminal=human_size),
)


@click.group(cls=Group)
def stats() -> None:
    """Show which users and rooms use the most storage."""


@stats.verb
@reads("statistics.media", columns=_MEDIA_COLUMNS, empty="No uploads.")
@click.option("--search", metavar="TEXT", help="Part of a user id or display name.")
@click.option("--since", metavar="TIME", type=PAST_TIME, help="Only media uploaded since: 30d, 2026-01-31.")
@click.option("--until", metavar="TIME", type=ANY_TIME, help="Only media uploaded before this time.")
@sort_option(USER_STATISTICS_ORDERS, default="user_id")
def media(
    synapse: "Synapse",
    *,
    search: str | None,
    since: int | None,
    until: int | None,
    sort: tuple["UserStatisticsOrder | None", bool],
) -> object:
    """List users by the size of their media.

    \b
    Examples:
        synadmin stats media --sort media_length:desc
        synadmin stats media --since 30d -o csv
    """
    return synapse.statistics.media(
        search=search, from_ts=since, until_ts=until, order_by=sort[0], reverse=sort[1]
    )


@media.check
def _(*, search: str | None, since: int | None, until: int | None) -> None:
    if search == "":
        raise UsageError("--search is empty")
    if since is not None and until is not None and until <= since:
        raise UsageError("--until is not later than --since")


@stats.verb
@reads("statistics.rooms", columns=_ROOM_COLUMNS, empty="The database has no statistics of rooms yet.")
def rooms(synapse: "Synapse") -> object:
    """List the ten largest rooms in the database.

    The sizes are estimates. This works only with PostgreSQL.

    \b
    Examples:
        synadmin stats rooms
        synadmin stats rooms -o json
    """
    try:
        return synapse.statistics.rooms().as_sent()["rooms"]
    except MatrixError as error:
        if "PostgreSQL" in error.reason:
            error.hint = "this Synapse uses SQLite, which has no such statistics"
        elif isinstance(error, ServerError):
            error.hint = (
                "Synapse fails here where PostgreSQL has no statistics of a table: on a young database, and "
                "for event_edges on servers that were set up in recent years"
            )
        raise
