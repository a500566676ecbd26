"""``synadmin user create|modify|register``: create and change accounts."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from synadmin.cli import secrets
from synadmin.cli.exit_codes import EXIT_DONE
from synadmin.cli.input_files import Row, read_rows
from synadmin.cli.invocation import Invocation
from synadmin.cli.mas_required import refuse_under_mas, require_mas
from synadmin.cli.outcomes import NotAsAskedError, Record, done, unchanged
from synadmin.cli.parameters import given
from synadmin.cli.targets import USERS, each_as_written, user_id_of
from synadmin.cli.user.account_changes import (
    AccountChanges,
    Pairs,
    apply_changes,
    parse_avatar,
    parse_threepids,
    require_one_account,
)
from synadmin.cli.verbs import changes
from synadmin.columns import Column
from synadmin.errors import NotFoundError, RefusedError, UsageError
from synadmin.ids import localpart_of, parse_user_id

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.ids import UserId

F = TypeVar("F", bound=Callable[..., Any])

_COLUMNS = ("name", "displayname", "email", "password", "admin")
_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}


def _pairs(*names: str, metavar: str, help_: str) -> Callable[[F], F]:
    """Add a repeatable option with two values to a command."""
    return click.option(*names, nargs=2, type=str, multiple=True, metavar=metavar, help=help_)


@changes(
    USERS,
    "users.modify",
    "mas.users.create",
    columns=(Column("created"),),
    mas="register-user {user}",
    resumable=False,
)
@click.option("--displayname", metavar="TEXT", help="Display name [default: the localpart].")
@click.option("--avatar-url", metavar="MXC", help="Picture, as mxc://server/id.")
@_pairs(
    "--threepid",
    "threepids",
    metavar="MEDIUM ADDRESS",
    help_="E-mail address (email) or telephone number (msisdn). Repeatable.",
)
@_pairs(
    "--external-id",
    "external_ids",
    metavar="PROVIDER ID",
    help_="External id at a single sign-on provider. Repeatable.",
)
@click.option("--admin/--no-admin", default=None, help="Make the account a server admin.")
@click.option("--user-type", metavar="TYPE", help="Account type: bot, support, or a custom one.")
@click.option("--password-stdin", is_flag=True, help="Ask for a password, or read it from standard input.")
@click.option("--modify", "may_exist", is_flag=True, help="Change the account if it exists.")
def create(
    synapse: "Synapse",
    user_id: "UserId",
    *,
    changes: AccountChanges,
    accounts: "Mapping[UserId, AccountChanges]",
    may_exist: bool,
) -> Record:
    """Create accounts.

    An existing account is refused; with --modify it is changed. The user of an account without a password
    signs in by single sign-on, or after `synadmin user password`. Where the Matrix Authentication Service
    manages the accounts, they are created there.

    --from takes a user on each line, or CSV or NDJSON with these columns: name, displayname, email,
    password, admin (true or false). Another column is refused.

    \b
    Examples:
        synadmin user create alice --displayname "Alice Marigold" --password-stdin
        synadmin user create backup-bot --user-type bot
        synadmin user create --from new-members.csv -o ndjson
    """
    before = None
    with suppress(NotFoundError):
        before = synapse.users.get(user_id)
    if before is not None and not may_exist:
        raise RefusedError(f"{user_id} exists already", hint="--modify changes it")
    of_this = accounts.get(user_id, changes)
    if before is None and synapse.mas is not None:
        from synadmin.cli.user.with_mas import create_in_mas

        create_in_mas(synapse, synapse.mas, user_id)
        apply_changes(synapse, user_id, of_this, synapse.users.get(user_id))
        return {"created": True}
    apply_changes(synapse, user_id, of_this, before)
    return {"created": before is None}


@create.check
def _(
    *, user_id: tuple[str, ...], source: str | None, options: Mapping[str, Any], dry_run: bool
) -> dict[str, Any]:
    avatar = options["avatar_url"]
    fields = given(
        displayname=options["displayname"],
        avatar_url=None if avatar is None else parse_avatar(avatar),
        admin=options["admin"],
        user_type=options["user_type"],
    )
    if options["password_stdin"]:
        # The password is asked for below, when all other options are checked.
        fields["password"] = ""
    changes = AccountChanges(fields, parse_threepids(options["threepids"]), (), options["external_ids"])
    require_one_account(changes, user_id, source)
    listed = {} if source is None else _of_rows(source, changes)
    if options["password_stdin"] and not dry_run:
        fields["password"] = secrets.ask_new(user_id[0] if user_id else "the account")
    return {"changes": changes, "listed": listed, "user_id": (*user_id, *listed), "source": None}


@create.guard
def _(
    synapse: "Synapse", _: "list[UserId]", *, listed: dict[str, AccountChanges], changes: AccountChanges
) -> dict[str, Any]:
    _refuse_external_ids(synapse, changes)
    accounts: dict[UserId, AccountChanges] = {}
    for name, row in listed.items():
        user_id = user_id_of(synapse, name)
        if accounts.setdefault(user_id, row) is not row:
            raise UsageError(f"{user_id} is listed twice")
    return {"accounts": accounts}


@create.after
def _(
    code: int,
    *,
    changes: AccountChanges,
    accounts: "Mapping[UserId, AccountChanges]",
    dry_run: bool,
    invocation: Invocation,
) -> None:
    without = not all("password" in changed.fields for changed in accounts.values() or [changes])
    if code == EXIT_DONE and without and not dry_run:
        invocation.say("No password was set: `synadmin user password` sets one.")


def _of_rows(source: str, changes: AccountChanges) -> dict[str, AccountChanges]:
    """Return the changes of each account in a list, by name, added to the changes for all accounts.

    Raises:
        UsageError: the list is not valid; the error does not contain the text of a line.
    """
    listed: dict[str, AccountChanges] = {}
    for row in read_rows(source, _COLUMNS, aliases={"user_id": "name"}, raw={"password"}):
        name = row.cells.get("name", "")
        try:
            parse_user_id(name, home="localhost")
        except UsageError:
            raise UsageError(f"{row.where}: the name is not a valid user") from None
        if name in listed:
            raise UsageError(f"{row.where}: this account is listed twice")
        listed[name] = replace(
            changes,
            fields={**changes.fields, **_fields_of(row)},
            add_threepids=(*changes.add_threepids, *_email_of(row)),
        )
    return listed


def _fields_of(row: Row) -> dict[str, Any]:
    fields: dict[str, Any] = {
        name: row.cells[name] for name in ("displayname", "password") if row.cells.get(name)
    }
    admin = row.cells.get("admin", "").casefold()
    if admin and admin not in _TRUE | _FALSE:
        raise UsageError(f"{row.where}: admin is true or false")
    return fields | ({"admin": admin in _TRUE} if admin else {})


def _email_of(row: Row) -> Pairs:
    email = row.cells.get("email")
    try:
        return parse_threepids((("email", email),)) if email else ()
    except UsageError:
        raise UsageError(f"{row.where}: the email is not a valid address") from None


@changes(USERS, "users.modify")
@click.option("--displayname", metavar="TEXT", help="Display name; '' removes it.")
@click.option("--avatar-url", metavar="MXC", help="Picture, as mxc://server/id; '' removes it.")
@_pairs(
    "--add-threepid",
    metavar="MEDIUM ADDRESS",
    help_="Add an e-mail address (email) or a telephone number (msisdn). Repeatable.",
)
@_pairs("--remove-threepid", metavar="MEDIUM ADDRESS", help_="Remove an address or number. Repeatable.")
@_pairs(
    "--add-external-id",
    metavar="PROVIDER ID",
    help_="Add an external id at a single sign-on provider. Repeatable.",
)
@_pairs("--remove-external-id", metavar="PROVIDER ID", help_="Remove an external id. Repeatable.")
@click.option("--user-type", metavar="TYPE", help="Account type: bot, support, or a custom one; '' for none.")
@click.option("--approved/--not-approved", default=None, help="Approve the account, or not (MSC3866).")
def modify(synapse: "Synapse", user_id: "UserId", *, changes: AccountChanges) -> Record:
    """Change profiles, addresses, external ids or account types.

    There are separate commands for password, rights and state: password, admin, lock, suspend, deactivate.

    \b
    Examples:
        synadmin user modify alice --displayname "Alice Marigold"
        synadmin user modify alice --add-threepid email alice@example.org
        synadmin user modify --from bots.txt --user-type bot
    """
    # Read first: for an unknown account, the request would create it.
    before = synapse.users.get(user_id)
    if not changes.body(before) and not (changes.emails or changes.remove_threepids):
        return unchanged()
    apply_changes(synapse, user_id, changes, before)
    return done(changes.holds)


@modify.check
def _(*, user_id: tuple[str, ...], source: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    fields = given(**{name: options[name] for name in ("displayname", "user_type", "approved")})
    if options["user_type"] == "":
        fields["user_type"] = None
    if options["avatar_url"] is not None:
        fields["avatar_url"] = parse_avatar(options["avatar_url"])
    changes = AccountChanges(
        fields,
        parse_threepids(options["add_threepid"]),
        parse_threepids(options["remove_threepid"]),
        options["add_external_id"],
        options["remove_external_id"],
    )
    if changes == AccountChanges({}):
        raise UsageError("nothing to change: give at least one option")
    require_one_account(changes, user_id, source)
    return {"changes": changes}


@modify.guard
def _(synapse: "Synapse", users: "list[UserId]", *, changes: AccountChanges) -> None:
    # Synapse keeps telephone numbers. MAS overwrites or ignores the other values.
    if any(medium == "email" for medium, _ in changes.add_threepids):
        require_mas(synapse, "add-email {user} ADDRESS", users)
    if any(medium == "email" for medium, _ in changes.remove_threepids):
        require_mas(synapse, None, instead="the user removes the address on the account page of MAS")
    _refuse_external_ids(synapse, changes)
    if "approved" in changes.fields:
        refuse_under_mas(
            synapse, "lock-user {user}" if not changes.fields["approved"] else "unlock-user {user}", users
        )


def _refuse_external_ids(synapse: "Synapse", changes: AccountChanges) -> None:
    if changes.add_external_ids or changes.remove_external_ids:
        instead = "sign-on goes through MAS: `synadmin user link add`, `synadmin user link remove`"
        refuse_under_mas(synapse, None, instead=instead)


def _localpart(text: str) -> str:
    return localpart_of(parse_user_id(text, home="localhost"))


@changes(
    USERS._replace(parse=_localpart, resolve=each_as_written),
    "registration.nonce",
    "registration.register",
    many=False,
    resumable=False,
    anonymous=True,
)
@click.option(
    "--secret-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file with only registration_shared_secret [default: ask].",
)
@click.option("--displayname", metavar="TEXT", help="Display name [default: the localpart].")
@click.option("--admin", is_flag=True, help="Make the account a server admin.")
@click.option("--user-type", metavar="TYPE", help="Account type: bot, support, or a custom one.")
def register(
    synapse: "Synapse",
    user_id: str,
    *,
    shared_secret: str,
    password: str,
    displayname: str | None,
    admin: bool,
    user_type: str | None,
) -> Record:
    """Create an account with the registration shared secret.

    Needs no token, but registration_shared_secret of the server's configuration.

    Use it to create the first server admin. The secret is not sent. The password is asked for, or read from
    standard input. No session is made: sign in with `synadmin login`.

    \b
    Examples:
        synadmin user register admin --admin \\
            --homeserver https://matrix.example.org
        pass show matrix/bot | synadmin user register bot \\
            --secret-file /etc/matrix/registration_secret
    """
    made = synapse.registration.register(
        user_id,
        password,
        shared_secret=shared_secret,
        admin=admin,
        displayname=displayname,
        user_type=user_type,
        inhibit_login=True,
    )
    if localpart_of(made.user_id) != user_id.lower():
        raise NotAsAskedError(f"the server made {made.user_id}")
    return {"user_id": made.user_id}


@register.check
def _(*, user_id: str, secret_file: Path | None, dry_run: bool, invocation: Invocation) -> dict[str, str]:
    if secret_file is None and not invocation.on_terminal:
        raise UsageError("no shared secret: name the file that holds it with --secret-file")
    if dry_run:
        return {"shared_secret": "-", "password": "-"}
    ask = "Registration shared secret: "
    shared_secret = secrets.ask(ask) if secret_file is None else secrets.read(secret_file)
    return {"shared_secret": shared_secret, "password": secrets.ask_new(user_id)}


@register.guard
def _(synapse: "Synapse", users: list[str]) -> None:
    refuse_under_mas(synapse, "register-user {user}", users)
