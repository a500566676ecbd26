"""``synadmin user lock|suspend|shadow-ban|deactivate`` and their opposites."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.change import counted, typed_name
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.user.named import Bulk, changes_users, listed, read_back
from synadmin.errors import NotFoundError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from synadmin.client import Synapse
    from synadmin.ids import UserId

    Guard = Callable[[Synapse, Sequence[UserId]], None]

_ALREADY = {"message": "was so already"}


@click.command(cls=Command, calls=["users.modify"])
@click.option("--confirm", metavar="USER", help="Name your own account, where it is to be locked.")
@changes_users
@pass_invocation
def lock(invocation: Invocation, *, confirm: str | None, bulk: Bulk) -> int:
    """Lock accounts: their sessions stay, but can do nothing until the account is unlocked.

    \b
    Examples:
        synadmin user lock alice
        synadmin user lock --from compromised.txt -o ndjson
    """
    return bulk.carry_out(
        invocation,
        lambda synapse, user_id: _set_locked(synapse, user_id, locked=True),
        guard=_guard(invocation, "locks", confirm),
        mas="lock-user {user}",
    )


@click.command(cls=Command, calls=["users.modify"])
@changes_users
@pass_invocation
def unlock(invocation: Invocation, *, bulk: Bulk) -> int:
    """Unlock accounts.

    \b
    Examples:
        synadmin user unlock alice
        synadmin user unlock --from compromised.txt
    """
    return bulk.carry_out(
        invocation,
        lambda synapse, user_id: _set_locked(synapse, user_id, locked=False),
        mas="unlock-user {user}",
    )


def _set_locked(synapse: "Synapse", user_id: "UserId", *, locked: bool) -> "Mapping[str, Any]":
    # Looked at first: the request would make an account of this name where there is none.
    if synapse.users.get(user_id).locked == locked:
        return _ALREADY
    synapse.users.modify(user_id, locked=locked)
    read_back(synapse, user_id, locked=locked)
    return {}


@click.command(cls=Command, calls=["users.suspend"])
@changes_users
@pass_invocation
def suspend(invocation: Invocation, *, bulk: Bulk) -> int:
    """Suspend accounts: they can read, leave rooms and sign out, and do almost nothing else.

    \b
    Examples:
        synadmin user suspend alice
        synadmin user suspend --from reported.txt -o ndjson
    """
    return bulk.carry_out(
        invocation,
        lambda synapse, user_id: _set_suspended(synapse, user_id, suspended=True),
    )


@click.command(cls=Command, calls=["users.suspend"])
@changes_users
@pass_invocation
def unsuspend(invocation: Invocation, *, bulk: Bulk) -> int:
    """End suspensions.

    \b
    Examples:
        synadmin user unsuspend alice
        synadmin user unsuspend --from reported.txt
    """
    return bulk.carry_out(
        invocation,
        lambda synapse, user_id: _set_suspended(synapse, user_id, suspended=False),
    )


def _set_suspended(synapse: "Synapse", user_id: "UserId", *, suspended: bool) -> "Mapping[str, Any]":
    synapse.users.suspend(user_id, suspend=suspended)
    read_back(synapse, user_id, suspended=suspended)
    return {}


@click.command("shadow-ban", cls=Command, calls=["moderation.shadow_ban"])
@changes_users
@pass_invocation
def shadow_ban(invocation: Invocation, *, bulk: Bulk) -> int:
    """Let what users send seem to succeed, and reach nobody.

    A last resort: clients get confused, and the user is not told. To keep an account from doing harm,
    think of suspend and lock first.

    \b
    Examples:
        synadmin user shadow-ban spammer
        synadmin user shadow-ban --from spammers.txt -o ndjson
    """
    return bulk.carry_out(invocation, _shadow_ban)


@click.command("lift-shadow-ban", cls=Command, calls=["moderation.lift_shadow_ban"])
@changes_users
@pass_invocation
def lift_shadow_ban(invocation: Invocation, *, bulk: Bulk) -> int:
    """Lift shadow-bans. What was sent under one stays unsent.

    \b
    Examples:
        synadmin user lift-shadow-ban alice
        synadmin user lift-shadow-ban --from forgiven.txt
    """
    return bulk.carry_out(invocation, _lift_shadow_ban)


def _shadow_ban(synapse: "Synapse", user_id: "UserId") -> "Mapping[str, Any]":
    synapse.moderation.shadow_ban(user_id)
    read_back(synapse, user_id, shadow_banned=True)
    return {}


def _lift_shadow_ban(synapse: "Synapse", user_id: "UserId") -> "Mapping[str, Any]":
    synapse.moderation.lift_shadow_ban(user_id)
    read_back(synapse, user_id, shadow_banned=False)
    return {}


@click.command(cls=Command, calls=["users.deactivate"])
@click.option(
    "--erase",
    is_flag=True,
    help="Remove the profile, too, and hide what was sent from those who join rooms later.",
)
@click.option("--confirm", metavar="USER", help="Name your own account, where it is to be deactivated.")
@changes_users
@pass_invocation
def deactivate(invocation: Invocation, *, erase: bool, confirm: str | None, bulk: Bulk) -> int:
    """Deactivate accounts: they leave all rooms, and nobody can sign in to them any more.

    Sessions, encryption keys, password, addresses and account data are deleted. An account can be made
    active again (user reactivate), but none of this comes back. Media and messages stay: see media delete
    and user redact.

    \b
    Examples:
        synadmin user deactivate alice
        synadmin user deactivate alice --erase
        synadmin user deactivate --from left-the-club.txt --dry-run
    """

    def act(synapse: "Synapse", user_id: "UserId") -> "Mapping[str, Any]":
        before = synapse.users.get(user_id)
        if before.deactivated and (before.erased or not erase):
            return _ALREADY
        told = synapse.users.deactivate(user_id, erase=erase).as_sent()
        read_back(synapse, user_id, deactivated=True, erased=before.erased or erase)
        return told

    def question(synapse: "Synapse", users: "Sequence[UserId]") -> str:
        return _deactivation(synapse, users, erase=erase)

    return bulk.carry_out(
        invocation,
        act,
        question=question,
        guard=_guard(invocation, "deactivates", confirm),
        mas="lock-user {user} --deactivate",
    )


def _deactivation(synapse: "Synapse", users: "Sequence[UserId]", *, erase: bool) -> str:
    rooms = sessions = admins = 0
    for user_id in users:
        try:
            admins += synapse.users.get(user_id).admin
        except NotFoundError:
            # Told as its outcome, where it is one of several.
            if len(users) == 1:
                raise
            continue
        rooms += synapse.activity.joined_rooms(user_id).total
        sessions += synapse.devices.list(user_id).total
    one = len(users) == 1
    done = "deactivated and erased" if erase else "deactivated"
    text = (
        f"{counted(len(users), 'account')} will be {done}: {listed(users)}. "
        f"{'It leaves' if one else 'They leave'} {counted(rooms, 'room')}; {counted(sessions, 'session')} "
        "and all encryption keys, passwords, addresses and account data are deleted for good. "
    )
    if admins:
        text += "It is a server admin. " if one else f"Server admins among them: {admins}. "
    return text + "Go on?"


def _guard(invocation: Invocation, does: str, given: str | None) -> "Guard":
    """Return what asks for a name before the way back in is gone."""

    def check(synapse: "Synapse", users: "Sequence[UserId]") -> None:
        if synapse.owner in users:
            why = f"This {does} your own account, whose token you are using."
            typed_name(invocation, synapse.owner, why, given=given)
            return
        # Not by version 3, which an older Synapse does not have.
        admins = {one.name for one in synapse.users.list_v2(admins=True)}
        if admins and admins <= set(users):
            why = f"This {does} the last server admin of this server ({listed(sorted(admins))})."
            typed_name(invocation, min(admins), why, given=given)

    return check


@click.command(cls=Command, calls=["users.modify"])
@changes_users
@pass_invocation
def reactivate(invocation: Invocation, *, bulk: Bulk) -> int:
    """Make deactivated accounts active again.

    They have no password, no sessions, no addresses and are in no rooms; an erased one is no longer
    erased. `synadmin user password` lets somebody sign in.

    \b
    Examples:
        synadmin user reactivate alice
        synadmin user reactivate --from came-back.txt -o ndjson
    """
    return bulk.carry_out(invocation, _reactivate, mas="unlock-user {user} --reactivate")


def _reactivate(synapse: "Synapse", user_id: "UserId") -> "Mapping[str, Any]":
    # Looked at first: the request would make an account of this name where there is none.
    if not synapse.users.get(user_id).deactivated:
        message = f"{user_id} is not deactivated"
        raise RefusedError(message)
    synapse.users.modify(user_id, deactivated=False)
    read_back(synapse, user_id, deactivated=False)
    return {}
