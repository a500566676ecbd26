"""The targets of commands (users, rooms, media, …): how they are parsed, checked and resolved."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import click

from synadmin.cli import input_files
from synadmin.cli.input_files import InputKind, read_targets
from synadmin.cli.invocation import Invocation
from synadmin.errors import (
    JournalError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    SynadminError,
    UsageError,
)
from synadmin.ids import (
    RoomAlias,
    RoomId,
    UserId,
    parse_event_id,
    parse_local_user_id,
    parse_media_id,
    parse_room,
    parse_server_name,
    parse_user_id,
    server_name_of,
)

if TYPE_CHECKING:
    from synadmin.api.rooms import Room
    from synadmin.api.users import UserDetails
    from synadmin.client import Synapse

_BEGINNING = 3  # letters at the start of a misspelled name that must be right
_MOST_ALIKE = 200  # the most rooms that are compared with it
_LARGEST_REPORT_ID = 2**63 - 1


class Targets(NamedTuple):
    """The targets of a command, each once.

    Attributes:
        names: the ids; an alias that points to no room is kept.
        errors: the errors of targets that were not found.
    """

    names: list[str]
    errors: Mapping[str, SynadminError] = MappingProxyType({})


Resolve = Callable[["Synapse", Sequence[str]], Targets]


def each_as_written(_: "Synapse", names: "Sequence[str]") -> Targets:
    """Return the targets unchanged: their ids need no request."""
    return Targets(list(dict.fromkeys(names)))


class Kind(NamedTuple):
    """A kind of targets.

    Attributes:
        noun: the name of one target: ``room``.
        field: its field in a record, and the name of the parameter that takes it: ``room_id``.
        metavar: its name in the help: ``ROOM``.
        parse: checks one target before the first request.
        resolve: asks the server for the ids of targets that are named in another way, such as aliases.
        listed: the content of a file for ``--from``: ``rooms``.
        input: the columns of such a file.
        plural: the plural; None: the noun with an s.
        secret: whether it must not be stored in the journal, such as a registration token.
    """

    noun: str
    field: str
    metavar: str
    parse: Callable[[str], str] = str
    resolve: Resolve = each_as_written
    listed: str | None = None
    input: InputKind | None = None
    plural: str | None = None
    secret: bool = False

    @property
    def title(self) -> str:
        """The heading of its column."""
        return self.field.removesuffix("_id").replace("_", " ")

    def counted(self, number: int) -> str:
        """Return a number of targets: ``1 room``, ``3 rooms``."""
        return counted(number, self.noun, self.plural)

    def named(self, names: "Sequence[str]", *, most: int = 5) -> str:
        """Return targets for a sentence: the names of a few, the number of many."""
        return ", ".join(names) if len(names) <= most else self.counted(len(names))

    def read(
        self, arguments: tuple[str, ...], source: str | None, kind: InputKind | None = None
    ) -> list[str]:
        """Return the targets of the command line and of a file, checked.

        Args:
            kind: the columns of the file, if they depend on the options.

        Raises:
            UsageError: a target is not valid, or there are no targets.
        """
        kind = kind or self.input
        named = arguments if kind is None else read_targets(arguments, source, kind)
        return [self.parse(text) for text in named]


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun: ``1 room``, ``3 rooms``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def join_names(names: "Sequence[str]", *, most: int = 5) -> str:
    """Return targets for a sentence: the names of a few, the first names of many."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


@contextmanager
def naming(kind: Kind, names: Sequence[str]) -> Iterator[None]:
    """Add the name of the only target to a "not found" error: Synapse says only "User not found"."""
    try:
        yield
    except NotFoundError as error:
        if len(names) != 1 or kind.secret or names[0] in str(error):
            raise
        reason = f"{names[0]}: {error.reason}"
        raise NotFoundError(
            status=error.status, errcode=error.errcode, reason=reason, hint=error.hint
        ) from error


def user_id_of(synapse: "Synapse", text: str) -> UserId:
    """Return the user id for a user id or a localpart of the token owner's server.

    Raises:
        UsageError: it is neither, or a user of another server.
    """
    _parse_user(text)
    return parse_local_user_id(text, home=server_name_of(synapse.owner))


def any_user_id_of(synapse: "Synapse", text: str) -> UserId:
    """Return the user id for a user id of any server, or a localpart of the token owner's server.

    Raises:
        UsageError: it is neither.
    """
    _parse_user(text)
    if text.startswith("@"):
        return UserId(text)
    return parse_user_id(text, home=server_name_of(synapse.owner))


def inactive_state(account: "UserDetails") -> str | None:
    """Return ``deactivated``, ``suspended`` or ``locked`` for an account that cannot act; else None."""
    return next((name for name in ("deactivated", "suspended", "locked") if getattr(account, name)), None)


def account_of(synapse: "Synapse", user_id: UserId) -> "UserDetails":
    """Return a local account.

    Raises:
        NotFoundError: there is no such account; the error names the user.
    """
    with naming(USERS, [user_id]):
        return synapse.users.get(user_id)


def unfit_owner(synapse: "Synapse", user_id: UserId) -> str | None:
    """Return why a local user cannot own a room, such as ``locked`` or ``a guest account``; else None.

    A guest account ends with its session: the user cannot sign in again.

    Raises:
        NotFoundError: there is no such account.
    """
    account = account_of(synapse, user_id)
    return inactive_state(account) or ("a guest account" if account.is_guest else None)


def room_id_of(synapse: "Synapse", text: str) -> RoomId:
    """Return the room id for a room id, an alias, or the name of exactly one room.

    Raises:
        UsageError: it is none of them.
        NotFoundError: the alias points to no room.
    """
    if is_room_name(text):
        return _room_named(synapse, text)
    parsed = parse_room(text)
    if parsed.startswith("#"):
        return synapse.client_server.resolve_alias(RoomAlias(parsed)).room_id
    return RoomId(parsed)


def rooms_of(synapse: "Synapse", names: "Sequence[str]") -> list[RoomId | RoomAlias]:
    """Return rooms with their ids in place of their names; ids and aliases are not changed.

    Raises:
        UsageError: a text does not name exactly one room.
    """
    return [room_id_of(synapse, name) if is_room_name(name) else parse_room(name) for name in names]


def is_room_name(text: str) -> bool:
    """Whether a text may be the name of a room, because it is not an id of any kind."""
    return bool(text.strip()) and text[0] not in "!#@$" and text.isprintable()


def _room_named(synapse: "Synapse", name: str) -> RoomId:
    """Return the room with this name.

    Members of rooms choose the names. So a change accepts a name only if a person confirms the id.

    Raises:
        UsageError: no room or several rooms have the name, or no person can confirm the id.
        Abort: Ctrl-C was pressed at the question.
    """
    # Synapse's search finds parts of names, and ignores upper and lower case.
    try:
        similar = [room for room in synapse.rooms.list(search=name) if room.name]
    except NotPermittedError as error:
        error.hint = f"only a server admin can look up the room name {name!a}: write the room's id or alias"
        raise
    if not similar:
        similar = _rooms_spelled_alike(synapse, name)
    room_ids = [room.room_id for room in similar if room.name == name]
    if not room_ids and similar:
        others = join_names([f"{room.name} ('{room.room_id}')" for room in similar], most=3)
        raise UsageError(f"no room has the name {name!a}", hint=f"did you mean {others}?")
    if not room_ids:
        raise UsageError(f"no room has the name {name!a}", hint=_room_name_hint(name))
    if len(room_ids) > 1:
        message = f"{len(room_ids)} rooms have the name {name!a}: {join_names(room_ids)}"
        raise UsageError(message, hint="use the id")
    context = click.get_current_context(silent=True)
    options = context.params if context is not None else {}
    if context is not None and "yes" in options and not options.get("dry_run"):
        invocation = context.find_object(Invocation)
        if options["yes"] or invocation is None or not invocation.on_terminal:
            message = f"without a question, a change needs the room's id or alias, not its name {name!a}"
            raise UsageError(message, hint=f"the id is '{room_ids[0]}'")
        if not invocation.ask(f"{name} is {room_ids[0]}. Use this room?"):
            raise UsageError("nothing was changed: the answer was no")
    return room_ids[0]


def _rooms_spelled_alike(synapse: "Synapse", name: str) -> "list[Room]":
    """Return the rooms with names that begin like this name, and differ from it in a few letters."""
    from difflib import get_close_matches

    begins = name[:_BEGINNING]
    rooms = islice(synapse.rooms.list(search=begins), _MOST_ALIKE)
    by_name = {room.name: room for room in rooms if room.name}
    return [by_name[close] for close in get_close_matches(name, by_name, n=3, cutoff=0.8)]


def _room_name_hint(name: str) -> str:
    """Return the hint where no room has the name: it may be an id without its first character."""
    if re.fullmatch(r"\S+:\S+", name):
        room_id, alias = shlex.quote(f"!{name}"), shlex.quote(f"#{name}")
        return f"an id starts with ! and an alias with #: did you mean {room_id} or {alias}?"
    if re.fullmatch(r"[\w-]{43}", name, re.ASCII):
        return f"an id starts with !: did you mean {shlex.quote(f'!{name}')}?"
    return "`synadmin room list --search TEXT` searches in names"


def _parse_user(text: str) -> str:
    if text.startswith("@") or ":" in text:
        return parse_user_id(text, home="localhost")
    try:
        parse_user_id(text, home="localhost")
    except UsageError as error:
        if "@" in text:  # an e-mail address: the error says what may be meant
            raise
        raise UsageError(
            f"{text!a} is neither a user id (@alice:example.org) nor a localpart (alice)"
        ) from error
    return text


def _one_by_one(id_of: Callable[["Synapse", str], str]) -> Resolve:
    """Return a function that resolves targets one by one."""
    return lambda synapse, names: Targets(list(dict.fromkeys(id_of(synapse, name) for name in names)))


def _parse_room(text: str) -> str:
    return text if is_room_name(text) else parse_room(text)


def _resolve_rooms(synapse: "Synapse", names: "Sequence[str]") -> Targets:
    """Resolve every alias once, before the first change.

    So the run changes the rooms of the question, even if an alias moves in the meantime: a deletion moves
    the room's aliases to its new room.
    """
    errors: dict[str, SynadminError] = {}
    resolved: dict[str, None] = {}
    for name in names:
        room_id = name
        try:
            room_id = room_id_of(synapse, name)
        except SynadminError as error:
            if len(names) == 1 or isinstance(error, JournalError | NotAuthenticatedError):
                raise
            errors[name] = error
        resolved[room_id] = None
    return Targets(list(resolved), errors)


def _parse_media(text: str) -> str:
    parse_media_id(text, home="localhost")
    return text


def _parse_device(text: str) -> str:
    if not text:
        raise UsageError("a device id is not empty")
    return text


def _parse_report(text: str) -> str:
    number = int(text) if text.isascii() and text.isdecimal() else -1
    if not 0 <= number <= _LARGEST_REPORT_ID:
        raise UsageError(f"{text!a} is not the number of a report")
    return str(number)


def _this_server(synapse: "Synapse", _: "Sequence[str]") -> Targets:
    return Targets([server_name_of(synapse.owner)])


USERS = Kind("user", "user_id", "USER", _parse_user, _one_by_one(user_id_of), "users", input_files.USERS)
ANY_USERS = USERS._replace(resolve=_one_by_one(any_user_id_of))
"""Users of this server and of other servers."""
ROOMS = Kind("room", "room_id", "ROOM", _parse_room, _resolve_rooms, "rooms", input_files.ROOMS)
MEDIA = Kind(
    "item of media",
    "media",
    "MEDIA",
    _parse_media,
    _one_by_one(lambda synapse, name: str(parse_media_id(name, home=server_name_of(synapse.owner)))),
    "items",
    input_files.MEDIA,
    plural="items of media",
)
DEVICES = Kind("device", "device_id", "DEVICE", _parse_device)
TOKENS = Kind(
    "registration token",
    "token",
    "TOKEN",
    listed="tokens",
    input=input_files.REGISTRATION_TOKENS,
    secret=True,
)
SERVERS = Kind(
    "server", "destination", "SERVER", parse_server_name, listed="server names", input=input_files.SERVERS
)
REPORTS = Kind("report", "report_id", "ID", _parse_report, listed="ids", input=input_files.EVENT_REPORTS)
EVENTS = Kind("event", "event_id", "EVENT", parse_event_id)
THIS_SERVER = Kind("server", "server_name", "", resolve=_this_server)

_KINDS = (USERS, ROOMS, MEDIA, DEVICES, TOKENS, SERVERS, REPORTS, EVENTS)
BY_FIELD: Mapping[str, Kind] = {kind.field: kind for kind in _KINDS}
