"""``synadmin user password|admin|login|validity|cross-signing-reset``: credentials and rights."""

from typing import TYPE_CHECKING

import click

from synadmin.cli import secrets
from synadmin.cli.invocation import Invocation
from synadmin.cli.lazy import Group
from synadmin.cli.mas_required import account_in_mas, require_mas
from synadmin.cli.outcomes import NotAsAskedError, Record, done, unchanged
from synadmin.cli.parameters import FUTURE_TIME, given
from synadmin.cli.targets import USERS, counted, join_names
from synadmin.cli.verbs import changes, reads
from synadmin.columns import Column, local_time, time_column
from synadmin.errors import NotAuthenticatedError, RefusedError, ServerError
from synadmin.text import command

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.ids import UserId
    from synadmin.recovery.mas_account import MasAccount

_NOT_SENT = "-"  # in place of a password, in a dry run


@changes(
    USERS,
    "users.reset_password",
    "mas.users.set_password",
    many=False,
    resumable=False,
    mas="set-password {user} PASSWORD",
)
@click.option("--keep-devices", is_flag=True, help="Leave the sessions signed in.")
def password(synapse: "Synapse", user_id: "UserId", *, keep_devices: bool) -> Record:
    """Set a new password for an account.

    Ends its sessions, unless --keep-devices is given.

    The password is asked for, or read from standard input.

    \b
    Examples:
        synadmin user password alice
        pass generate -n matrix/alice | tail -1 | synadmin user password alice \\
            --yes
    """
    account = account_in_mas(synapse, user_id)
    new = _NOT_SENT if synapse.transport.is_dry_run else secrets.ask_new(user_id)
    if account is not None:
        return _set_password(account, new, keep_sessions=keep_devices)
    synapse.users.reset_password(user_id, new, logout_devices=not keep_devices)
    left = synapse.devices.list(user_id).total
    # The session of this run stays.
    return _password_set(user_id, left, keep_sessions=keep_devices or user_id == synapse.owner)


@password.question
def _(synapse: "Synapse", users: "list[UserId]", *, keep_devices: bool) -> str | None:
    if keep_devices:
        return None
    (user_id,) = users
    account = account_in_mas(synapse, user_id)
    sessions = synapse.devices.list(user_id).total if account is None else len(account.sessions())
    if not sessions:
        return None
    return f"{user_id} will get a new password. {counted(sessions, 'session')} will end. Continue?"


def _set_password(account: "MasAccount", new: str, *, keep_sessions: bool) -> Record:
    """Set the password in MAS, then end the sessions, which MAS does not do itself."""
    from synadmin.recovery.mas_account import end_session

    account.mas.users.set_password(account.record.id, new)
    for session in [] if keep_sessions else account.sessions():
        end_session(account.mas, session)
    return _password_set(account.user_id, len(account.sessions()), keep_sessions=keep_sessions)


def _password_set(user_id: "UserId", sessions: int, *, keep_sessions: bool) -> Record:
    """Return the outcome of a new password."""
    if sessions and not keep_sessions:
        raise NotAsAskedError(
            f"the password was set, but {counted(sessions, 'session')} of {user_id} did not end"
        )
    return done(f"has a new password and {counted(sessions, 'session') if sessions else 'no session'}")


@click.group(cls=Group)
def admin() -> None:
    """Show, grant and revoke server admin rights."""


@admin.verb
@reads(
    "users.admin",
    name="show",
    columns=(Column("user_id", title="user", whole=True), Column("admin"), Column("sessions", shown=False)),
)
def show_admin(synapse: "Synapse", user_id: "UserId") -> object:
    """Check whether a user is a server admin.

    `synadmin user list --admins` lists all server admins. With the Matrix Authentication Service, `sessions`
    is the number of sessions with admin rights.

    \b
    Examples:
        synadmin user admin show alice
        synadmin user admin show alice -o json
    """
    require_mas(synapse, "list-admin-users")
    account = account_in_mas(synapse, user_id)
    if account is not None:
        may, sessions = account.record.attributes.admin, len(account.admin_sessions())
        return {"user_id": user_id, "admin": may or sessions > 0, "may_ask": may, "sessions": sessions}
    return {"user_id": user_id, **synapse.users.admin(user_id).as_sent()}


@admin.verb
@changes(
    USERS, "users.set_admin", "mas.users.set_admin", does="Make server admins of", mas="promote-admin {user}"
)
def grant(synapse: "Synapse", user_id: "UserId") -> Record:
    """Make users server admins.

    \b
    Examples:
        synadmin user admin grant alice
        synadmin user admin grant --from board.txt --yes
    """
    return _set_admin(synapse, user_id, admin=True)


@grant.question
def _(_: "Synapse", users: "list[UserId]") -> str:
    return (
        f"{counted(len(users), 'account')} will have full admin rights on this server: "
        f"{join_names(users)}. Continue?"
    )


@admin.verb
@changes(USERS, "users.set_admin", does="Take the admin rights of", mas="demote-admin {user}")
def revoke(synapse: "Synapse", user_id: "UserId") -> Record:
    """Revoke server admin rights.

    You cannot revoke your own rights. With the Matrix Authentication Service, the sessions with admin rights
    end.

    \b
    Examples:
        synadmin user admin revoke alice
        synadmin user admin revoke --from former-board.txt --yes
    """
    return _set_admin(synapse, user_id, admin=False)


@revoke.question
def _(_: "Synapse", users: "list[UserId]") -> str:
    rights = "a server admin" if len(users) == 1 else "server admins"
    return f"{counted(len(users), 'account')} will no longer be {rights}: {join_names(users)}. Continue?"


def _set_admin(synapse: "Synapse", user_id: "UserId", *, admin: bool) -> Record:
    if not admin and user_id == synapse.owner:
        message = f"{user_id} is the account whose token you are using: you cannot revoke your own rights"
        raise RefusedError(message, hint="nothing was changed; another server admin can do it")
    holds = f"{'' if admin else 'not '}a server admin"
    account = account_in_mas(synapse, user_id)
    if account is not None:
        held = [] if admin else account.admin_sessions()
        if account.record.attributes.admin == admin and not held:
            return unchanged(f"already {holds}")
        ended = account.set_admin(admin=admin)
        return done(f"{counted(ended, 'session')} with admin rights ended" if ended else f"is {holds}")
    if synapse.users.get(user_id).admin == admin:
        return unchanged(f"already {holds}")
    synapse.users.set_admin(user_id, admin=admin)
    if synapse.users.admin(user_id).admin != admin:
        raise NotAsAskedError(
            f"the server reported success, but {user_id} is {'not ' if admin else 'still '}a server admin"
        )
    return done(f"is {holds}")


@changes(
    USERS,
    "users.login",
    many=False,
    resumable=False,
    alone="access_token",
    mas="issue-compatibility-token {user}",
)
@click.option(
    "--until",
    type=FUTURE_TIME,
    default="1h",
    show_default=True,
    help="When the token expires: 10m, 1h, 2027-01-31.",
)
@click.option("--forever", is_flag=True, help="A token that does not expire.")
def login(synapse: "Synapse", user_id: "UserId", *, expiry: int | None, invocation: Invocation) -> Record:
    """Get a token to act as a user.

    Prints the token, and nothing else, on standard output.

    With the token you can do everything as the user. It has no device, so the user does not see it among
    their sessions. synadmin stores it neither in the journal nor in a profile.

    \b
    Examples:
        synadmin user login alice --until 10m
        TOKEN=$(synadmin user login alice --yes)
    """
    if synapse.users.get(user_id).locked:
        message = f"{user_id} is locked: the server would refuse the token"
        raise RefusedError(message, hint=f"first: `{command('user', 'unlock', user_id)}`")
    sent = _token(synapse, user_id, expiry, invocation)
    with synapse.as_user(user_id, sent["access_token"]) as acting:
        _check_token(synapse, acting, user_id, sent.get("session"))
    return {"valid_until_ms": expiry, **sent}


@login.check
def _(*, until: int, forever: bool) -> dict[str, int | None]:
    return {"expiry": None if forever else until}


@login.question
def _(_: "Synapse", users: "list[UserId]", *, expiry: int | None) -> str:
    ends = "never expires" if expiry is None else f"expires at {local_time(expiry)}"
    return f"This shows a token that {ends}. With it, anyone can act as {users[0]}. Continue?"


def _token(synapse: "Synapse", user_id: "UserId", expiry: int | None, invocation: Invocation) -> Record:
    """Return a token to act as a user; with MAS it is the token of a personal session."""
    account = account_in_mas(synapse, user_id)
    if account is None:
        return synapse.users.login(user_id, valid_until_ms=expiry).as_sent()
    from msgspec import UNSET

    from synadmin.mas.oauth import MATRIX_SCOPE
    from synadmin.mas.service import PERSONAL_SESSIONS

    account.mas.require(PERSONAL_SESSIONS, for_what="acting as a user")
    lasts = UNSET if expiry is None else max(1, round(expiry / 1000 - account.mas.transport.server_time()))
    name = f"synadmin user login {invocation.journal.run}"
    made = account.mas.personal_sessions.create(account.record.id, name, MATRIX_SCOPE, expires_in=lasts)
    return {"access_token": made.attributes.access_token, "session": made.id}


def _check_token(synapse: "Synapse", acting: "Synapse", user_id: "UserId", session: str | None) -> None:
    """Check a new token; end it and raise an error where it does not act as the user."""
    try:
        if acting.client_server.whoami().user_id == user_id:
            return
        message = f"the server returned a token, but not of {user_id}"
    except NotAuthenticatedError as error:
        message = f"the server returned a token for {user_id}, and refuses it: {error}"
    if session is not None and synapse.mas is not None:
        synapse.mas.personal_sessions.revoke(session)
    else:
        acting.client_server.logout()
    raise NotAsAskedError(message, hint="the token was ended")


@changes(
    USERS,
    "users.renew_validity",
    does="Set the validity of",
    columns=(time_column("expiration_ts", "valid until"),),
)
@click.option("--until", type=FUTURE_TIME, help="Expiry: 90d, 2027-01-31 [default: one more period].")
@click.option(
    "--renewal-emails/--no-renewal-emails", default=None, help="Send e-mails before the expiry, or not."
)
def validity(
    synapse: "Synapse", user_id: "UserId", *, until: int | None, renewal_emails: bool | None
) -> Record:
    """Set when accounts expire.

    The server must have account_validity in its configuration.

    \b
    Examples:
        synadmin user validity alice --until 2027-12-31
        synadmin user validity --from members.txt
    """
    # Checked first: the server would store a date for an account that does not exist.
    synapse.users.get(user_id)
    try:
        answer = synapse.users.renew_validity(
            user_id, **given(expiration_ts=until, enable_renewal_emails=renewal_emails)
        )
    except ServerError as error:
        if until is None:
            error.hint = "does its configuration have an account_validity.period? Else give --until"
        raise
    if until is not None and answer.expiration_ts != until:
        message = (
            f"the server reported success, but {user_id} is valid until {local_time(answer.expiration_ts)}"
        )
        raise NotAsAskedError(message)
    return answer.as_sent()


@changes(
    USERS,
    "users.allow_cross_signing_reset",
    does="Allow the key reset of",
    columns=(time_column("updatable_without_uia_before_ms", "until"),),
)
def cross_signing_reset(synapse: "Synapse", user_id: "UserId") -> Record:
    """Let users replace their cross-signing keys.

    For ten minutes they can do it without signing in again.

    Use it for a user who has lost the recovery key, where the Matrix Authentication Service manages the
    accounts. Without that service, Synapse asks for the user's password instead. Exit code 4: the user has
    no such keys.

    \b
    Examples:
        synadmin user cross-signing-reset alice
        synadmin user cross-signing-reset alice -o json
    """
    return synapse.users.allow_cross_signing_reset(user_id).as_sent()
