"""``synadmin user rate-limit``: rate limits of single accounts."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.lazy import Group
from synadmin.cli.outcomes import NotAsAskedError, Record, done, unchanged
from synadmin.cli.targets import USERS
from synadmin.cli.verbs import changes, reads
from synadmin.columns import Column
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.ids import UserId


def _limit(number: object) -> object:
    return "the server's limit" if number is None else number or "no limit"


_NO_LIMITS = "no separate limits"
_COLUMNS = (
    Column("user_id"),
    Column("messages_per_second", terminal=_limit),
    Column("burst_count", terminal=_limit),
)


@click.group("rate-limit", cls=Group)
def rate_limit() -> None:
    """Show, set and remove rate limits of accounts.

    They replace the server's limits.
    """


@rate_limit.verb
@reads("users.ratelimit", columns=_COLUMNS)
def show(synapse: "Synapse", user_id: "UserId") -> object:
    """Show the rate limit of an account.

    None: the server's limits apply. 0 and 0: no limits.

    \b
    Examples:
        synadmin user rate-limit show alice
        synadmin user rate-limit show alice -o json
    """
    sent = synapse.users.ratelimit(user_id).as_sent()
    return {"user_id": user_id, "messages_per_second": None, "burst_count": None, **sent}


@rate_limit.verb
@changes(USERS, "users.set_ratelimit", name="set", does="Set the rate limits of")
@click.option("--messages-per-second", type=click.IntRange(0, 2**31 - 1), help="Messages per second.")
@click.option(
    "--burst-count", type=click.IntRange(0, 2**31 - 1), help="Messages at once before the limit applies."
)
@click.option("--unlimited", is_flag=True, help="Remove all limits.")
def set_(synapse: "Synapse", user_id: "UserId", *, limits: tuple[int, int]) -> Record:
    """Set rate limits for accounts, or switch them off.

    \b
    Examples:
        synadmin user rate-limit set announce-bot --unlimited
        synadmin user rate-limit set alice --messages-per-second 1 \\
            --burst-count 10
    """
    synapse.users.set_ratelimit(user_id, messages_per_second=limits[0], burst_count=limits[1])
    override = synapse.users.ratelimit(user_id)
    if (override.messages_per_second, override.burst_count) != limits:
        message = f"the server reported success, but the limits of {user_id} are {override.as_sent()}"
        raise NotAsAskedError(message)
    return override.as_sent()


@set_.check
def _(*, messages_per_second: int | None, burst_count: int | None, unlimited: bool) -> dict[str, Any]:
    if unlimited != (messages_per_second is None and burst_count is None):
        raise UsageError("give --unlimited, or --messages-per-second and --burst-count")
    if not unlimited and (messages_per_second is None or burst_count is None):
        raise UsageError("--messages-per-second and --burst-count belong together")
    return {"limits": (messages_per_second or 0, burst_count or 0)}


@rate_limit.verb
@changes(USERS, "users.delete_ratelimit", does="Clear the rate limits of")
def clear(synapse: "Synapse", user_id: "UserId") -> Record:
    """Remove the rate limits of accounts.

    The server's limits apply again.

    \b
    Examples:
        synadmin user rate-limit clear alice
        synadmin user rate-limit clear --from bots.txt
    """
    if not synapse.users.ratelimit(user_id).as_sent():
        return unchanged(_NO_LIMITS)
    synapse.users.delete_ratelimit(user_id)
    override = synapse.users.ratelimit(user_id).as_sent()
    if override:
        message = f"the server reported success, but {user_id} still has separate limits: {override}"
        raise NotAsAskedError(message)
    return done(_NO_LIMITS)
