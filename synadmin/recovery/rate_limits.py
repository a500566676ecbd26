"""Lifting the rate limits of the token's owner for the length of a run, and putting them back.

Synapse asks for the override of the authenticated entity, which is the caller, also for what it does in
other people's names: set on the caller, every limit of a run is gone at once. It is an account setting,
so it is put back as it was: at the end, after a failure, after Ctrl-C, and by the next run where a crash
came first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from synadmin.api.users import RateLimitOverride
from synadmin.client import Synapse
from synadmin.errors import MatrixError, SynadminError
from synadmin.ids import UserId, encoded
from synadmin.journal import Journal, unrestored

_PATH = "/_synapse/admin/v1/users/{user_id}/override_ratelimit"
_MARK = "/override_ratelimit"


@contextmanager
def lifted(synapse: Synapse, journal: Journal) -> Iterator[None]:
    """Lift every rate limit of the token's owner while this lasts.

    Raises:
        SynadminError: it could not be done, or not be put back.
    """
    owner = synapse.owner
    before = synapse.users.ratelimit(owner)
    if before.messages_per_second == 0 and before.burst_count == 0:
        yield
        return
    path = _PATH.format(user_id=encoded(owner))
    earlier = _numbers(before)
    back = ("DELETE", path, None) if earlier is None else ("POST", path, earlier)
    with journal.alive():
        try:
            synapse.users.set_ratelimit(owner, messages_per_second=0, burst_count=0, restoring=back)
        except MatrixError:
            raise
        except BaseException:
            # It may have been carried out although no answer came.
            put_back(synapse, owner, earlier, restores=journal.last_id)
            raise
        lifting = journal.last_id
        try:
            yield
        finally:
            put_back(synapse, owner, earlier, restores=lifting)


def put_back(
    synapse: Synapse,
    owner: UserId,
    earlier: dict[str, int] | None,
    *,
    restores: str,
) -> None:
    """Give the account the limits it had, and look whether it has them.

    Raises:
        SynadminError: it has not.
    """
    if earlier is None:
        synapse.users.delete_ratelimit(owner, restores=restores)
    else:
        synapse.users.set_ratelimit(
            owner,
            messages_per_second=earlier.get("messages_per_second", 0),
            burst_count=earlier.get("burst_count", 0),
            restores=restores,
        )
    if _numbers(synapse.users.ratelimit(owner)) != earlier:
        message = f"the rate limits of {owner} are not what they were before: {earlier or 'none of its own'}"
        raise SynadminError(message)


def mend(synapse: Synapse, journal: Journal, say: Callable[[str], None]) -> None:
    """Put back the rate limits that a run which crashed has left lifted.

    Raises:
        SynadminError: it could not be done.
    """
    for entry in unrestored(journal.path, synapse.transport.homeserver):
        back = entry["restoring"]
        if not str(back.get("path", "")).endswith(_MARK) or journal.is_alive(str(entry["run"])):
            continue
        owner = synapse.owner
        if back["path"] != _PATH.format(user_id=encoded(owner)):
            continue
        say(f"An earlier run ({entry['run']}) ended before it could put the rate limits of {owner} back.")
        put_back(synapse, owner, back.get("body"), restores=str(entry["id"]))
        say("They are as they were before it now.")


def _numbers(override: RateLimitOverride) -> dict[str, int] | None:
    if override.messages_per_second is None and override.burst_count is None:
        return None
    return {
        "messages_per_second": override.messages_per_second or 0,
        "burst_count": override.burst_count or 0,
    }
