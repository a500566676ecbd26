"""``synadmin user lock|suspend|shadow-ban|deactivate`` and their opposites."""

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import click

from synadmin.cli.confirm import LEAVE_ROOMS, confirm_by_name
from synadmin.cli.invocation import Invocation
from synadmin.cli.mas_required import account_in_mas, server_admins
from synadmin.cli.outcomes import Record, done, unchanged
from synadmin.cli.targets import USERS, counted, join_names
from synadmin.cli.user.read_back import read_back, require_fields
from synadmin.cli.user.rooms import refuse_to_lose_control, rooms_losing_control, warn_of_rooms
from synadmin.cli.verbs import Change, changes
from synadmin.errors import NotFoundError, RefusedError
from synadmin.parallel import looking_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from synadmin.api.users import UserDetails
    from synadmin.client import Synapse
    from synadmin.ids import UserId
    from synadmin.recovery.room_control import RoomControl


@changes(USERS, "users.modify", "mas.users.lock", mas="lock-user {user}")
@click.option("--confirm", metavar="USER", help="Confirm that your own account is locked.")
def lock(synapse: "Synapse", user_id: "UserId", *, warning: "_RoomsWarning") -> Record:
    """Lock accounts: their sessions stay, but stop working.

    Unlock the account to let its sessions work again. You are warned of rooms in which no other user of this
    server has control.

    \b
    Examples:
        synadmin user lock alice
        synadmin user lock --from compromised.txt --yes -o ndjson
    """
    if user_id == synapse.owner:
        warning.show(user_id)  # before the lock: afterwards the token does not work
        return _set_locked(synapse, user_id, warning.look(user_id), locked=True)
    return warning.add(user_id, _set_locked(synapse, user_id, warning.look(user_id), locked=True))


@changes(USERS, "users.modify", "mas.users.unlock", mas="unlock-user {user}")
def unlock(synapse: "Synapse", user_id: "UserId") -> Record:
    """Unlock accounts.

    \b
    Examples:
        synadmin user unlock alice
        synadmin user unlock --from compromised.txt
    """
    return _set_locked(synapse, user_id, synapse.users.get(user_id), locked=False)


def _set_locked(synapse: "Synapse", user_id: "UserId", before: "UserDetails", *, locked: bool) -> Record:
    """Lock or unlock an account that was read before: for an unknown account, the request would create it."""
    state = "locked" if locked else "not locked"
    is_so = before.locked == locked
    account = account_in_mas(synapse, user_id)
    if is_so and (account is None or account.is_locked == locked):
        return unchanged(f"already {state}")
    if account is not None:
        return done(state, to_come=account.set_locked(locked=locked))
    # The answer of Synapse is the account, read back after the change.
    require_fields(synapse.users.modify(user_id, locked=locked), locked=locked)
    return done(state)


@changes(USERS, "users.suspend")
def suspend(synapse: "Synapse", user_id: "UserId", *, warning: "_RoomsWarning") -> Record:
    """Suspend accounts: they can read, but send nothing.

    They can also leave rooms and sign out, and do almost nothing else. You are warned of rooms in which no
    other user of this server has control.

    \b
    Examples:
        synadmin user suspend alice
        synadmin user suspend --from reported.txt --yes -o ndjson
    """
    return warning.add(user_id, _set_suspended(synapse, user_id, warning.look(user_id), suspended=True))


@changes(USERS, "users.suspend")
def unsuspend(synapse: "Synapse", user_id: "UserId") -> Record:
    """End suspensions.

    \b
    Examples:
        synadmin user unsuspend alice
        synadmin user unsuspend --from reported.txt
    """
    return _set_suspended(synapse, user_id, synapse.users.get(user_id), suspended=False)


def _set_suspended(
    synapse: "Synapse", user_id: "UserId", before: "UserDetails", *, suspended: bool
) -> Record:
    state = "suspended" if suspended else "not suspended"
    if before.suspended == suspended:
        return unchanged(f"already {state}")
    synapse.users.suspend(user_id, suspend=suspended)
    read_back(synapse, user_id, suspended=suspended)
    return done(state)


@changes(USERS, "moderation.shadow_ban")
def shadow_ban(synapse: "Synapse", user_id: "UserId") -> Record:
    """Shadow-ban users: only they see their own messages.

    To these users their messages look sent, but no other user gets them.

    This is a last resort: clients get confused, and the user is not informed. Consider `user suspend` and
    `user lock` first.

    \b
    Examples:
        synadmin user shadow-ban spammer
        synadmin user shadow-ban --from spammers.txt --yes -o ndjson
    """
    if synapse.users.get(user_id).shadow_banned:
        return unchanged("already shadow-banned")
    synapse.moderation.shadow_ban(user_id)
    read_back(synapse, user_id, shadow_banned=True)
    return done("shadow-banned")


@changes(USERS, "moderation.lift_shadow_ban", does="Lift the shadow-bans of")
def lift_shadow_ban(synapse: "Synapse", user_id: "UserId") -> Record:
    """Lift shadow-bans.

    Messages that were sent under a shadow-ban stay unsent.

    \b
    Examples:
        synadmin user lift-shadow-ban alice
        synadmin user lift-shadow-ban --from forgiven.txt
    """
    if not synapse.users.get(user_id).shadow_banned:
        return unchanged("already not shadow-banned")
    synapse.moderation.lift_shadow_ban(user_id)
    read_back(synapse, user_id, shadow_banned=False)
    return done("not shadow-banned")


@changes(USERS, "users.deactivate", "mas.users.deactivate", mas="lock-user {user} --deactivate")
@click.option(
    "--erase", is_flag=True, help="Also remove the profile, and hide messages from users who join later."
)
@click.option("--confirm", metavar="USER", help="Confirm that your own account is deactivated.")
@LEAVE_ROOMS
def deactivate(
    synapse: "Synapse", user_id: "UserId", *, erase: bool, controlled: "dict[str, list[RoomControl]]"
) -> Record:
    """Deactivate accounts.

    They leave all rooms, and can no longer sign in.

    Sessions, encryption keys, password, addresses and account data are deleted. An account can be made
    active again (user reactivate), but this data is not restored. Media and messages stay: see media delete
    and user redact. An account is refused if a room would then have no local user with control: give control
    to another user first, with `synadmin user offboard`.

    \b
    Examples:
        synadmin user deactivate alice
        synadmin user deactivate alice --erase
        synadmin user deactivate --from left-the-club.txt --dry-run
    """
    before = synapse.users.get(user_id)
    account = account_in_mas(synapse, user_id)
    if before.deactivated and (before.erased or not erase) and (account is None or account.is_deactivated):
        return unchanged("already deactivated")
    if user_id in controlled:
        return refuse_to_lose_control(user_id, controlled[user_id])
    if account is not None:
        return done("deactivated", to_come=account.deactivate(erase=erase or before.erased))
    answer = synapse.users.deactivate(user_id, erase=erase).as_sent()
    read_back(synapse, user_id, deactivated=True, erased=before.erased or erase)
    return done("deactivated", **answer)


@deactivate.question
def _(synapse: "Synapse", users: "list[UserId]", *, erase: bool) -> str:
    rooms = sessions = admins = 0
    known_admins = server_admins(synapse) if synapse.mas_manages_accounts else frozenset()
    for user_id in users:
        try:
            admins += synapse.users.get(user_id).admin or user_id in known_admins
        except NotFoundError:
            # For several accounts, the outcome reports it.
            if len(users) == 1:
                raise
            continue
        rooms += synapse.activity.joined_rooms(user_id).total
        sessions += synapse.devices.list(user_id).total
    one = len(users) == 1
    state = "deactivated and erased" if erase else "deactivated"
    text = (
        f"{counted(len(users), 'account')} will be {state}: {join_names(users)}. "
        f"{'It leaves' if one else 'They leave'} {counted(rooms, 'room')}; {counted(sessions, 'session')} "
        "and all encryption keys, passwords, addresses and account data are deleted permanently. "
    )
    if admins:
        text += "It is a server admin. " if one else f"Server admins among them: {admins}. "
    return text + "Continue?"


@changes(USERS, "users.modify", "mas.users.reactivate", mas="unlock-user {user} --reactivate")
def reactivate(synapse: "Synapse", user_id: "UserId") -> Record:
    """Make deactivated accounts active again.

    They have no password, no sessions, no addresses and are in no rooms; an erased one is no longer
    erased. `synadmin user password` lets them sign in. The Matrix Authentication Service keeps
    passwords and links to identity providers: there they can sign in at once.

    \b
    Examples:
        synadmin user reactivate alice
        synadmin user reactivate --from came-back.txt --yes -o ndjson
    """
    # Read first: for an unknown account, the request would create it.
    account = account_in_mas(synapse, user_id)
    if not synapse.users.get(user_id).deactivated and (account is None or not account.is_deactivated):
        raise RefusedError(f"{user_id} is not deactivated")
    if account is not None:
        account.reactivate()
        still_locked = "still locked: `synadmin user unlock` unlocks it"
        return done(still_locked if account.is_locked else "not deactivated")
    synapse.users.reactivate(user_id)
    read_back(synapse, user_id, deactivated=False)
    return done("not deactivated")


def _ask(verb: Change, state: str, then: str) -> None:
    """Add a question to a verb: the new state, and a sentence about ``{these}`` accounts."""

    @verb.question
    def _(_: "Synapse", users: "list[UserId]") -> str:
        these = "this account" if len(users) == 1 else "these accounts"
        return (
            f"{counted(len(users), 'account')} will be {state}: {join_names(users)}. "
            f"{then.format(these=these)} Continue?"
        )


_ask(lock, "locked", "The sessions of {these} stop working until `synadmin user unlock`.")
_ask(suspend, "suspended", "Then {these} can only read, leave rooms and sign out.")
_ask(shadow_ban, "shadow-banned", "The messages of {these} will appear sent, but reach nobody.")
_ask(reactivate, "made active again", "With a new password, {these} can sign in again.")


class _RoomsWarning(NamedTuple):
    """The warning of rooms that depend on accounts: before a question, or with --yes at the end.

    All accounts are checked together, so that each room is read once.
    """

    warn: "Callable[[Sequence[UserId]], None]"
    is_late: bool
    users: "list[UserId]"
    look: "Callable[[UserId], UserDetails]"

    def add(self, user_id: "UserId", record: Record) -> Record:
        """Add a changed account to the warning; return its record."""
        if record.get("outcome") != "unchanged":
            self.users.append(user_id)
        return record

    def show(self, *more: "UserId") -> None:
        """Warn of the rooms of the added accounts, unless the warning was printed before the question."""
        users = [*self.users, *more]
        self.users.clear()
        if self.is_late and users:
            self.warn(users)


def _warn_of_rooms(verb: Change, *, suspends: bool) -> None:
    """Add the warning of rooms that depend on the accounts to a verb."""

    @verb.guard
    def _(
        synapse: "Synapse", users: "list[UserId]", *, yes: bool, dry_run: bool, invocation: Invocation
    ) -> dict[str, object]:
        warn = partial(warn_of_rooms, synapse, invocation, suspends=suspends)
        is_late = yes and not dry_run
        look: Callable[[UserId], UserDetails] = synapse.users.get
        if is_late:
            look = looking_ahead(look, users, at_once=invocation.settings.concurrency)
        else:
            warn(users)
        return {"warning": _RoomsWarning(warn, is_late, [], look)}

    @verb.after
    def _(_: int, *, warning: _RoomsWarning) -> None:
        warning.show()


_warn_of_rooms(suspend, suspends=True)


def _guard_own_account(verb: Change, does: str) -> None:
    """Add a confirmation by name to a verb that ends your own rights; your account is changed last."""

    @verb.order
    def _(synapse: "Synapse") -> "Callable[[str], bool]":
        return lambda user_id: user_id == synapse.owner

    @verb.guard
    def _(
        synapse: "Synapse",
        users: "list[UserId]",
        *,
        confirm: str | None,
        invocation: Invocation,
        dry_run: bool,
    ) -> None:
        if synapse.owner in users:
            why = f"This {does} your own account, whose token you are using."
            confirm_by_name(invocation, synapse.owner, why, given=confirm, dry_run=dry_run)
            return
        admins = server_admins(synapse)
        if admins and admins <= set(users):
            why = f"This {does} the last server admin of this server ({join_names(sorted(admins))})."
            confirm_by_name(invocation, min(admins), why, given=confirm, dry_run=dry_run)


_guard_own_account(lock, "locks")
_guard_own_account(deactivate, "deactivates")
_warn_of_rooms(lock, suspends=False)


@deactivate.guard
def _(synapse: "Synapse", users: "list[UserId]", *, leave_rooms: bool) -> dict[str, object]:
    return {"controlled": {} if leave_rooms else rooms_losing_control(synapse, users)}
