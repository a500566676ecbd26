"""``synadmin login``, ``logout``, ``whoami``."""

import contextlib
import shlex
from typing import TYPE_CHECKING

import click

from synadmin.cli import secrets
from synadmin.cli.confirm import profile_options
from synadmin.cli.exit_codes import EXIT_DONE, EXIT_NOT_PERMITTED, EXIT_PARTLY, EXIT_REFUSED
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.mas_required import BY_COMPATIBILITY, mas_cli, usable_mas
from synadmin.cli.parameters import FUTURE_TIME
from synadmin.cli.verbs import Shown, reads
from synadmin.errors import (
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    NotSupportedError,
    RefusedError,
    SettingsError,
    SynadminError,
    UsageError,
)
from synadmin.ids import localpart_of
from synadmin.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synadmin.api.client_server import LoginSession
    from synadmin.client import Synapse

_MAS_COMPATIBILITY = "mct_"  # the prefix of MAS tokens that MAS's own /logout accepts
_NO_PAIR = dict.fromkeys(
    ("SYNADMIN_REFRESH_TOKEN", "SYNADMIN_REFRESH_CLIENT", "SYNADMIN_ACCESS_TOKEN_EXPIRES")
)
_PASSWORD = "m.login.password"  # noqa: S105  the name of a login type


@click.command(cls=Command)
@click.argument("user", required=False)
@click.option("--token", "by_token", is_flag=True, help="Paste an access token, or pipe it in.")
@click.option(
    "--expires",
    type=FUTURE_TIME,
    default="30d",
    show_default=True,
    help="When a token of MAS ends: 12h, 90d, 2027-01-31.",
)
@profile_options
@pass_invocation
def login(
    invocation: Invocation, user: str | None, *, by_token: bool, expires: int, dry_run: bool, yes: bool
) -> None:
    """Sign in and save the token in a profile.

    Only you can read the profile.

    USER is a user id or a localpart. The password is asked for; without a terminal, password or token is
    read from standard input. The homeserver is given with --homeserver, by URL or by server name.

    Where the Matrix Authentication Service (MAS) manages the accounts, you type a code in a browser. The
    token opens both admin APIs, and ends with --expires.

    \b
    Examples:
        synadmin login admin --homeserver https://matrix.example.org
        synadmin login --homeserver example.org --token
        pass show matrix/admin-token | synadmin login --homeserver example.org \\
            --token
    """
    from synadmin.settings import checked_token

    del yes  # there is no yes-or-no question
    invocation.new_profile = True
    if invocation.homeserver is None and invocation.settings.homeserver is None:
        if not invocation.on_terminal:
            raise UsageError("no homeserver is named: give it with --homeserver")
        invocation.homeserver = click.prompt("Homeserver (URL or server name)", err=True)
        del invocation.settings
    if dry_run:
        _dry_run_login(invocation, user, by_token=by_token)
        return
    if by_token:
        token = checked_token(secrets.ask("Access token: "), "standard input")
        with invocation.synapse(token=token) as synapse:
            owner = synapse.owner
            _save_profile(invocation, synapse, token)
            _say_owner(invocation, synapse, owner)
        return
    with invocation.synapse(anonymous=True) as synapse:
        if synapse.mas_manages_accounts:
            # MAS may offer password login, too, but such a token never has admin rights.
            _login_with_mas(invocation, synapse, user, expires)
            return
        _require_password_login(synapse)
        if user is None:
            if not invocation.on_terminal:
                raise UsageError("no user is named: give one, as in `synadmin login admin`")
            user = click.prompt("User", err=True)
        session = _login_with_password(synapse, user)
    with invocation.synapse(token=session.access_token) as synapse:
        try:
            _save_profile(invocation, synapse, session.access_token)
        except SettingsError:
            # If the token cannot be saved, the session is ended: later it could not be ended.
            synapse.client_server.logout()
            raise
        _say_owner(invocation, synapse, session.user_id)


def _login_with_password(synapse: "Synapse", user: str) -> "LoginSession":
    try:
        return synapse.client_server.login(user, secrets.ask("Password: "), device_name="synadmin")
    except NotPermittedError as error:
        error.args = (f"cannot sign in as {user} on {synapse.transport.homeserver}: {error}",)
        if error.errcode == "M_FORBIDDEN":  # a deactivated or locked account has another errcode
            error.hint = "check the user name, the homeserver and the password, and run the command again"
        raise


def _login_with_mas(invocation: Invocation, synapse: "Synapse", user: str | None, expires: int) -> None:
    from synadmin.cli.device_code import signed_in

    with (
        signed_in(invocation, synapse, expires=expires) as made,
        invocation.synapse(token=made.secret) as acting,
    ):
        owner = acting.owner
        if user is not None and localpart_of(user) != localpart_of(owner):
            raise RefusedError(f"{owner} has signed in in the browser, not {user}: the token was revoked")
        _save_profile(invocation, acting, made.secret, with_it=made.profile)
        _say_owner(invocation, acting, owner)
    if made.why_not_personal is not None:
        invocation.warn(
            f"warning: no personal token could be made: {made.why_not_personal}. The token is renewed every "
            "few minutes, and does not open the admin API of MAS."
        )
    else:
        invocation.say(f"The token ends at {made.expires_at}.")


def _dry_run_login(invocation: Invocation, user: str | None, *, by_token: bool) -> None:
    with invocation.synapse(anonymous=True) as synapse:
        if by_token:
            done = "check the token that is pasted or piped in"
        elif synapse.mas_manages_accounts:
            from synadmin.cli.device_code import require_device_code

            require_device_code(synapse)
            done = "show a code to be typed in a browser, make a personal token"
        else:
            _require_password_login(synapse)
            done = f"sign in as {user or 'the user that is asked for'}, which makes a new session,"
        homeserver = synapse.transport.homeserver
    kept = invocation.settings.profile_file
    click.echo(safe_text(f"Would {done} on {homeserver}, and save the homeserver and the token in {kept}."))
    invocation.say("Nothing was changed: --dry-run.")


def _require_password_login(synapse: "Synapse") -> None:
    """Refuse the sign-in where the server offers no password login."""
    try:
        flows = {flow.type for flow in synapse.client_server.login_flows().flows}
    except NotSupportedError:
        flows = set()
    if _PASSWORD in flows:
        return
    offered = ", ".join(sorted(flows)) or "no method that synadmin supports"
    message = f"{synapse.transport.homeserver} offers no password login (it offers: {offered})"
    raise RefusedError(message, hint=BY_COMPATIBILITY)


def _save_profile(
    invocation: Invocation,
    synapse: "Synapse",
    token: str,
    *,
    with_it: "Mapping[str, str | None] | None" = None,
) -> None:
    from pathlib import Path

    from synadmin import settings

    path = settings.write_profile(
        invocation.settings.profile,
        {
            settings.HOMESERVER: synapse.transport.homeserver,
            settings.TOKEN: token,
            settings.TOKEN_FILE: None,
            settings.TOKEN_COMMAND: None,
            settings.MAS_SESSION: None,
            **_NO_PAIR,
            **(with_it or {}),
        },
    )
    home = Path.home()
    shown = f"~/{path.relative_to(home)}" if path.is_relative_to(home) else path
    invocation.say(f"The token is kept in {shown}.")
    try:
        in_force = settings.load(profile=invocation.profile, env_file=invocation.env_file).values
    except SettingsError as error:
        invocation.warn(f"warning: the next command will be refused: {error}")
        return
    if in_force.get(settings.TOKEN) != token:
        invocation.warn(
            "The environment or .env also has a token, which takes precedence: remove it to use this one."
        )


def _say_owner(invocation: Invocation, synapse: "Synapse", owner: str) -> None:
    if is_server_admin(synapse):
        invocation.say(f"Signed in as {owner}, a server admin.")
        return
    invocation.say(
        f"Signed in as {owner}, who is not a server admin: the Admin API will refuse all requests."
    )


def is_server_admin(synapse: "Synapse") -> bool:
    """Return whether the token is a server admin's. The request works on every server, also with MAS."""
    try:
        next(synapse.rooms.list(page_size=0).pages(), None)
    except NotPermittedError:
        return False
    return True


@click.command(cls=Command)
@profile_options
@pass_invocation
def logout(invocation: Invocation, *, dry_run: bool, yes: bool) -> int:
    """End the session and remove its token from the profile.

    Where the Matrix Authentication Service manages the sessions, a token that `synadmin login` made is
    revoked; end other sessions there. Exit code 6: the token was removed, but the session is still valid.

    \b
    Examples:
        synadmin logout
        synadmin logout --dry-run
    """
    from synadmin import settings

    del yes  # there is no question
    token = invocation.settings.token()
    kept = invocation.settings.profile_file
    is_there = settings.in_profile(invocation.settings.profile).get(settings.TOKEN) == token
    with invocation.synapse(token=token) as synapse:
        owner = None
        ends = True
        try:
            owner = synapse.owner
            session = _personal_session(invocation, synapse) if is_there else None
            ends = _can_end(synapse, token, session)
            if ends and not dry_run:
                ends = _end_session(synapse, session)
        except NotAuthenticatedError:
            invocation.say("The session had already ended.")
    if dry_run:
        ending = (
            f"end the session of {owner} on {synapse.transport.homeserver} and " if owner and ends else ""
        )
        done = f"remove the token from {kept}" if is_there else f"leave the token, which is not in {kept}"
        click.echo(safe_text(f"Would {ending}{done}."))
    if not ends and owner is not None:
        invocation.warn(_still_valid(owner))
    if dry_run:
        invocation.say("Nothing was changed: --dry-run.")
        return EXIT_DONE
    if is_there:
        settings.write_profile(
            invocation.settings.profile, {settings.TOKEN: None, settings.MAS_SESSION: None, **_NO_PAIR}
        )
        invocation.say(f"The token was removed from {kept}.")
    else:
        invocation.say(f"The token was not in {kept}: remove it from where it is.")
    if not ends:
        return EXIT_PARTLY if is_there else EXIT_REFUSED
    if owner is not None:
        invocation.say(f"{owner} is signed out here.")
    return EXIT_DONE


def _personal_session(invocation: Invocation, synapse: "Synapse") -> str | None:
    """Return the personal session of MAS that the profile's token belongs to; None where it is not known."""
    from synadmin import settings

    session = settings.in_profile(invocation.settings.profile).get(settings.MAS_SESSION)
    if session is None or not synapse.mas_manages_accounts or usable_mas(synapse) is None:
        return None
    return session


def _can_end(synapse: "Synapse", token: str | None, session: str | None) -> bool:
    # With MAS, Synapse has no /logout. A proxy may send it to MAS, which accepts mct_ tokens.
    if session is not None or not synapse.mas_manages_accounts:
        return True
    return (token or "").startswith(_MAS_COMPATIBILITY)


def _end_session(synapse: "Synapse", session: str | None) -> bool:
    """End the session of the token; return whether this was possible."""
    if session is not None and synapse.mas is not None:
        synapse.mas.personal_sessions.revoke(session)
        return True
    try:
        synapse.client_server.logout()
    except NotSupportedError:
        if not synapse.mas_manages_accounts:
            raise
        return False
    return True


def _still_valid(owner: str) -> str:
    name = shlex.quote(owner[1:].partition(":")[0])
    return (
        f"warning: the session of {owner} was not ended, and its token is still valid: the Matrix "
        "Authentication Service (MAS) manages it. End it on the account page of MAS. To end all sessions of "
        f"this user except personal tokens, {mas_cli(f'kill-sessions {name}')}"
    )


def _mas_rights(invocation: Invocation, synapse: "Synapse") -> dict[str, object]:
    """Return the rights of the token in MAS; empty where MAS does not manage the accounts."""
    from synadmin import settings
    from synadmin.mas.service import PERSONAL_SESSIONS

    if not synapse.mas_manages_accounts:
        return {}
    record: dict[str, object] = {"mas": None, "mas_admin": False, "scopes": None, "expires_at": None}
    try:
        if synapse.mas is not None:
            record["mas"] = synapse.mas.url
            synapse.mas.require(PERSONAL_SESSIONS, for_what="acting as other users")
    except RefusedError as error:
        invocation.say(f"{error}.")
        return record
    record["mas_admin"] = True
    values = settings.in_profile(invocation.settings.profile)
    session = values.get(settings.MAS_SESSION)
    if synapse.mas is None or session is None or values.get(settings.TOKEN) != invocation.settings.token():
        return record
    with contextlib.suppress(NotFoundError):
        own = synapse.mas.personal_sessions.get(session).attributes
        record |= {"scopes": own.scope.split(), "expires_at": own.expires_at}
    return record


@reads()
def whoami(synapse: "Synapse", *, invocation: Invocation) -> Shown:
    """Show the token's owner, the server, and admin rights.

    Exit code 3 where the owner is not a server admin.

    \b
    Examples:
        synadmin whoami
        synadmin whoami -o json
    """
    me = synapse.client_server.whoami()
    admin = is_server_admin(synapse)
    try:
        version: str | None = synapse.server.version().server_version
    except SynadminError:
        version = None
    record = {
        "user_id": me.user_id,
        "homeserver": synapse.transport.homeserver,
        "synapse": version,
        "server_admin": admin,
        "device_id": me.device_id,
        **_mas_rights(invocation, synapse),
    }
    if not admin:
        invocation.say("This token is not a server admin's.")
    return Shown(record, code=EXIT_DONE if admin else EXIT_NOT_PERMITTED)
