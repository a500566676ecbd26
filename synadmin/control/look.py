"""Reads many rooms with as few requests as an audit: which of them are as the file says?"""

from collections.abc import Callable, Iterator, Sequence

from synadmin.audit.facts import HeirFacts, RoomFacts
from synadmin.audit.gather.prefetch import Prefetcher
from synadmin.audit.gather.some_rooms import look_at
from synadmin.client import Synapse
from synadmin.control.heirs import HeirNotices, Stage, Succession, succession
from synadmin.control.plan import has_control_as_written, has_settings_as_written, read_settings
from synadmin.control.records import MatchedRoom
from synadmin.errors import MatrixError, NotAuthenticatedError, NotPermittedError

_FEW = 10  # rooms; so few are planned directly, since the quick check would list all accounts first


def looked_at(
    prefetcher: Prefetcher, targets: Sequence[MatchedRoom], notices: HeirNotices
) -> Iterator[tuple[MatchedRoom, bool]]:
    """Yield the rooms, each with whether it is as the file says; False also if more has to be read.

    Rooms that an entry does not name itself are left out if no local user is in them, or if the server sends
    its notices there.

    Raises:
        NotPermittedError: the token is not a server admin's.
        SynadminError: the server did not answer a request, or answered with an error.
    """
    if len(targets) <= _FEW and all(target.named for target in targets):
        yield from ((target, False) for target in targets)
        return
    by_id = {target.room_id: target for target in targets}

    def judge(synapse: Synapse, facts: RoomFacts) -> bool | None:
        return _is_in_order(synapse, by_id[facts.room_id], facts, notices)

    # Additional creators matter only for entries where no other user may have control.
    all_creators = any(target.entry.goal.nobody_else for target in targets)
    rooms = (target.room for target in targets)
    futures = look_at(prefetcher, rooms, judge, all_creators=all_creators)
    for target, future in zip(targets, futures, strict=True):
        try:
            is_ordered = future.result()
        except (NotAuthenticatedError, NotPermittedError):
            raise
        except MatrixError:
            is_ordered = False
        if is_ordered is not None:
            yield target, is_ordered


def _is_in_order(
    synapse: Synapse, target: MatchedRoom, facts: RoomFacts, notices: HeirNotices
) -> bool | None:
    """Whether a room is in order; None where it is to be left out."""
    if not target.named and (not facts.view.in_room or facts.is_for_server_notices):
        return None
    if not facts.view.in_room or not has_control_as_written(target, facts.view):
        return False
    planned = succession_of(target, facts, notices)
    if planned is not None and planned.stage is not Stage.ACTIVE:
        return False
    return has_settings_as_written(target, read_settings(synapse, target))


def succession_of(target: MatchedRoom, facts: RoomFacts, notices: HeirNotices) -> Succession | None:
    """Return the succession in a room; None where its entry names no heirs.

    Args:
        target: the room and its entry.
        facts: the facts of an audit about the room.
        notices: the record of notices to controllers about heirs.
    """
    if target.entry.heirs is None:
        return None
    accounts = (facts.accounts.get(user) for user in facts.holders)
    times = [
        notices.now if account is None or account.appservice else notices.now - account.unseen
        for account in accounts
    ]
    return succession(
        target.entry.heirs,
        active=max(times, default=None),
        notified=notices.notified(target.room_id),
        now=notices.now,
        controllers=facts.holders,
    )


def heir_facts(
    targets: Sequence[MatchedRoom], notices: HeirNotices, file: str
) -> Callable[[RoomFacts], HeirFacts | None]:
    """Return the function that tells an audit which heirs take over a room soon.

    Args:
        targets: the rooms of the control file.
        notices: the record of notices to controllers about heirs.
        file: the control file.
    """
    by_id = {target.room_id: target for target in targets}

    def heirs_of(facts: RoomFacts) -> HeirFacts | None:
        target = by_id.get(facts.room_id)
        if target is None or target.entry.heirs is None or not facts.view.in_room:
            return None
        planned = succession_of(target, facts, notices)
        users = tuple(user for user in target.entry.heirs.users if user not in facts.holders)
        if planned is None or planned.stage is Stage.ACTIVE or not users:
            return None
        return HeirFacts(users=users, date=planned.date, stage=str(planned.stage), file=file)

    return heirs_of
