"""``synadmin user rate-limit``: message limits of single accounts."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.change import NotAsAskedError
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command, Group
from synadmin.cli.output import Output, output_options
from synadmin.cli.user.named import Bulk, changes_users, named
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synadmin.client import Synapse
    from synadmin.ids import UserId


@click.group("rate-limit", cls=Group)
def rate_limit() -> None:
    """Message limits of single accounts, in place of the server's."""


@rate_limit.command(cls=Command, calls=["users.ratelimit"])
@click.argument("user")
@output_options
@pass_invocation
def show(invocation: Invocation, user: str, *, output: Output) -> None:
    """Show an account's own limits. None: the server's hold. 0 and 0: it has no limits.

    \b
    Examples:
        synadmin user rate-limit show alice
        synadmin user rate-limit show alice -o json
    """
    from synadmin.render import Column

    with invocation.synapse() as synapse:
        user_id = named(synapse, user)
        sent = synapse.users.ratelimit(user_id).as_sent()
    record = {"user_id": user_id, "messages_per_second": None, "burst_count": None, **sent}
    output.write_one(record, [Column("user_id", title="user"), *(Column(name) for name in list(record)[1:])])


@rate_limit.command("set", cls=Command, calls=["users.set_ratelimit"])
@click.option("--messages-per-second", type=click.IntRange(0, 2**31 - 1), help="Messages a second.")
@click.option("--burst-count", type=click.IntRange(0, 2**31 - 1), help="Messages at once before that counts.")
@click.option("--unlimited", is_flag=True, help="No limits at all.")
@changes_users
@pass_invocation
def set_(
    invocation: Invocation,
    *,
    messages_per_second: int | None,
    burst_count: int | None,
    unlimited: bool,
    bulk: Bulk,
) -> int:
    """Give accounts limits of their own, or none at all.

    \b
    Examples:
        synadmin user rate-limit set announce-bot --unlimited
        synadmin user rate-limit set alice --messages-per-second 1 --burst-count 10
    """
    if unlimited != (messages_per_second is None and burst_count is None):
        message = "give --unlimited, or --messages-per-second and --burst-count"
        raise UsageError(message)
    if not unlimited and (messages_per_second is None or burst_count is None):
        message = "--messages-per-second and --burst-count belong together"
        raise UsageError(message)
    wanted = (messages_per_second or 0, burst_count or 0)

    def act(synapse: "Synapse", user_id: "UserId") -> "Mapping[str, Any]":
        synapse.users.set_ratelimit(user_id, messages_per_second=wanted[0], burst_count=wanted[1])
        found = synapse.users.ratelimit(user_id)
        if (found.messages_per_second, found.burst_count) != wanted:
            message = f"the server said yes, but the limits of {user_id} are {found.as_sent()}"
            raise NotAsAskedError(message)
        return found.as_sent()

    return bulk.carry_out(invocation, act)


@rate_limit.command(cls=Command, calls=["users.delete_ratelimit"])
@changes_users
@pass_invocation
def clear(invocation: Invocation, *, bulk: Bulk) -> int:
    """Take accounts' own limits away: the server's hold again.

    \b
    Examples:
        synadmin user rate-limit clear alice
        synadmin user rate-limit clear --from bots.txt
    """
    return bulk.carry_out(invocation, _clear)


def _clear(synapse: "Synapse", user_id: "UserId") -> "Mapping[str, Any]":
    synapse.users.delete_ratelimit(user_id)
    found = synapse.users.ratelimit(user_id).as_sent()
    if found:
        message = f"the server said yes, but {user_id} still has limits of its own: {found}"
        raise NotAsAskedError(message)
    return {}
