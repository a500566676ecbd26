"""Settings: option, then environment, then ``.env`` in the working directory, then the profile.

Only this module reads the environment. A file is trusted only if just the caller and root can change it. A
token is sent only to the homeserver that its own source names.
"""

import io
import os
import re
import shlex
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from synadmin import trusted_files
from synadmin.errors import SettingsError
from synadmin.settings.places import (
    chosen_profile,
    default_journal,
    profile_file,
    profiles,
    state_directory,
    write_profile,
)
from synadmin.settings.tokens import checked_token, first_line, path_of, secret_from_command, secret_in_file

__all__ = [
    "Settings",
    "checked_token",
    "default_journal",
    "first_line",
    "in_profile",
    "is_loopback",
    "load",
    "of_profile",
    "profile_file",
    "state_directory",
    "write_profile",
]

HOMESERVER = "SYNADMIN_HOMESERVER"
CA_FILE = "SYNADMIN_CA_FILE"
ALLOW_HTTP = "SYNADMIN_ALLOW_HTTP"
TOKEN = "SYNADMIN_ACCESS_TOKEN"  # noqa: S105  the name of a setting
TOKEN_FILE = "SYNADMIN_ACCESS_TOKEN_FILE"  # noqa: S105
TOKEN_COMMAND = "SYNADMIN_ACCESS_TOKEN_COMMAND"  # noqa: S105
MAS = "SYNADMIN_MAS"
MAS_CLIENT_ID = "SYNADMIN_MAS_CLIENT_ID"
MAS_SESSION = "SYNADMIN_MAS_SESSION"
"""The personal session of MAS of the profile's token: written by ``login``, not a secret."""
MAS_CLIENT_SECRET = "SYNADMIN_MAS_CLIENT_SECRET"  # noqa: S105  the name of a setting
REFRESH_TOKEN = "SYNADMIN_REFRESH_TOKEN"  # noqa: S105
REFRESH_CLIENT = "SYNADMIN_REFRESH_CLIENT"
TOKEN_EXPIRES = "SYNADMIN_ACCESS_TOKEN_EXPIRES"  # noqa: S105
"""The expiry of the access token, in seconds since the epoch, where MAS gave a pair of tokens."""
_SECRET_NAMES = (MAS_CLIENT_SECRET, f"{MAS_CLIENT_SECRET}_FILE", f"{MAS_CLIENT_SECRET}_COMMAND")
NAMES = (
    HOMESERVER,
    TOKEN,
    TOKEN_FILE,
    TOKEN_COMMAND,
    CA_FILE,
    "SYNADMIN_TIMEOUT",
    "SYNADMIN_CONCURRENCY",
    "SYNADMIN_JOURNAL",
    ALLOW_HTTP,
    MAS,
    MAS_CLIENT_ID,
    MAS_SESSION,
    REFRESH_TOKEN,
    REFRESH_CLIENT,
    TOKEN_EXPIRES,
    *_SECRET_NAMES,
)
_TOKEN_NAMES = (TOKEN, TOKEN_FILE, TOKEN_COMMAND)
_SECRETS = {_TOKEN_NAMES: "the access token", _SECRET_NAMES: "the client secret"}
_TIMEOUT = 60.0  # seconds
_LONGEST_TIMEOUT = 24 * 60 * 60.0  # seconds; a socket does not accept very large numbers
_CONCURRENCY = 8
_MOST_CONCURRENCY = 64
_OUR_NAME = re.compile(rb"^\s*(?:export\s+)?[\"']?SYNADMIN_", re.MULTILINE)
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a run. ``values`` has for each name the first value in the order of precedence.

    Attributes:
        warnings: warnings about the files that settings came from.
        token_in_profile: whether the current token is set in the profile.
        token_source: the other source of the current token, such as "the environment"; None: the profile.
        unread_profile: why the default profile was not read; None where it was read or not needed.
    """

    profile: str
    # It contains the token, so it is never shown.
    values: Mapping[str, str] = field(repr=False)
    warnings: tuple[str, ...] = ()
    unread_profile: str | None = None
    token_in_profile: bool = False
    token_source: str | None = None

    @property
    def homeserver(self) -> str | None:
        """Return the base URL or server name as it was set."""
        return self.values.get(HOMESERVER, "").strip() or None

    @property
    def ca_file(self) -> str | None:
        """Return the file of certificates to trust.

        Raises:
            SettingsError: there is no such file.
        """
        name = self.values.get("SYNADMIN_CA_FILE")
        if not name:
            return None
        path = path_of(name, "SYNADMIN_CA_FILE")
        try:
            is_file = path.is_file()
        except OSError as error:  # the name is too long, or the caller cannot enter a directory of the path
            raise SettingsError(f"SYNADMIN_CA_FILE: {name!a} cannot be read: {error.strerror}") from None
        if not is_file:
            raise SettingsError(f"SYNADMIN_CA_FILE: there is no file {name}")
        return str(path)

    @property
    def timeout(self) -> float:
        """Return the seconds to wait for an answer.

        Raises:
            SettingsError: it is not a number above 0, or more than a day.
        """
        text = self.values.get("SYNADMIN_TIMEOUT")
        if not text:
            return _TIMEOUT
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= _LONGEST_TIMEOUT:
            message = f"--timeout (SYNADMIN_TIMEOUT): {text!a} is not a valid timeout: use 1 to 86400 seconds"
            raise SettingsError(message)
        return seconds

    @property
    def concurrency(self) -> int:
        """Return the most requests to send at the same time.

        Raises:
            SettingsError: it is not a whole number from 1 to 64.
        """
        text = self.values.get("SYNADMIN_CONCURRENCY")
        if not text:
            return _CONCURRENCY
        number = int(text) if re.fullmatch("[0-9]{1,4}", text) else 0
        if not 1 <= number <= _MOST_CONCURRENCY:
            message = f"SYNADMIN_CONCURRENCY: {text!a} is not a whole number from 1 to {_MOST_CONCURRENCY}"
            raise SettingsError(message)
        return number

    @property
    def allow_plain_http(self) -> bool:
        """Whether a token may be sent over plain http to another machine.

        Raises:
            SettingsError: it is neither yes nor no.
        """
        text = self.values.get("SYNADMIN_ALLOW_HTTP", "").strip().lower()
        if text not in _YES | _NO:
            raise SettingsError(f"SYNADMIN_ALLOW_HTTP: {text!a} is neither 1 nor 0")
        return text in _YES

    @property
    def journal(self) -> Path:
        """Return the journal's file.

        Raises:
            SettingsError: it names the home directory of an unknown user.
        """
        name = self.values.get("SYNADMIN_JOURNAL")
        return path_of(name, "SYNADMIN_JOURNAL") if name else default_journal()

    @property
    def profile_file(self) -> Path:
        """Return the profile's file, whether it exists or not."""
        return profile_file(self.profile)

    def token(self) -> str | None:
        """Return the access token from the setting, the file or the command; None where none is set.

        Raises:
            SettingsError: it cannot be read, or is not a token.
        """
        return self._secret(_TOKEN_NAMES)

    @property
    def mas(self) -> str | None:
        """Return the base URL of the admin API of the Matrix Authentication Service, where it is set."""
        return self.values.get(MAS, "").strip() or None

    @property
    def mas_client_id(self) -> str | None:
        """Return the id of the OAuth 2.0 client for that API, where it is set."""
        return self.values.get(MAS_CLIENT_ID, "").strip() or None

    def mas_client_secret(self) -> str:
        """Return the secret of the OAuth 2.0 client for the admin API of MAS.

        Raises:
            SettingsError: no secret is set, it cannot be read, or it is not valid.
        """
        secret = self._secret(_SECRET_NAMES)
        if secret is None:
            message = f"{MAS_CLIENT_ID} is set, and its secret is not"
            raise SettingsError(message, hint=f"set {MAS_CLIENT_SECRET}, _FILE or _COMMAND")
        return secret

    def _secret(self, names: Sequence[str]) -> str | None:
        """Return a secret from its setting, from a file, or from the output of a command."""
        itself, of_file, of_command = names
        what = "the access token" if itself == TOKEN else "the client secret"
        text = self.values.get(itself)
        if text:
            return checked_token(text, itself, what=what)
        name = self.values.get(of_file)
        if name:
            return checked_token(secret_in_file(name, of_file), of_file, what=what)
        command = self.values.get(of_command)
        if command:
            return checked_token(secret_from_command(command, of_command), of_command, what=what)
        return None


@dataclass(frozen=True, slots=True)
class _Source:
    """A source of settings.

    Attributes:
        where: its name in errors.
        values: the settings by name.
        is_implicit: the ``.env`` of the working directory, which no option named.
        problem: why it was not read, for a source that need not be readable.
    """

    where: str
    values: Mapping[str, str] = field(repr=False)
    is_implicit: bool = False
    problem: str | None = None

    def names_of(self, secret: Sequence[str]) -> list[str]:
        """Return the names of the settings of a secret that are in this source."""
        return [name for name in secret if self.values.get(name)]


def load(
    *,
    profile: str | None = None,
    env_file: Path | None = None,
    options: Mapping[str, str | None] | None = None,
    new_profile: bool = False,
) -> Settings:
    """Return the settings.

    Args:
        profile: the profile's name; None: that of ``SYNADMIN_PROFILE``, else the one that
            ``synadmin profile use`` chose, else ``default``.
        env_file: a file to read instead of ``.env``; it must exist.
        options: settings given on the command line, by name.
        new_profile: the named profile need not exist: the caller makes it.

    Raises:
        SettingsError: a file cannot be read, is not a dotenv file or is not trusted; a token is set twice
            in one source, or would be sent to a homeserver that its source does not name.
    """
    warnings: list[str] = []
    name = profile or os.environ.get("SYNADMIN_PROFILE") or chosen_profile() or "default"
    given = {key: value for key, value in (options or {}).items() if value is not None}
    environment = {key: os.environ[key] for key in NAMES if os.environ.get(key)}
    of_profile = _file(
        profile_file(name), warnings, required=profile is not None and not new_profile, is_profile=True
    )
    sources = [
        _Source("the command line", given),
        _Source("the environment", environment),
        _file(env_file or Path(".env"), warnings, required=env_file is not None),
        of_profile,
    ]
    values: dict[str, str] = {}
    for source in sources:
        taken = set(values)
        for secret in _SECRETS:
            if len(both := source.names_of(secret)) > 1:
                raise SettingsError(f"{source.where}: {' and '.join(both)} are both set; keep one")
            if any(key in values for key in secret):
                taken.update(secret)
        values.update({key: value for key, value in source.values.items() if key not in taken})
    for secret, what in _SECRETS.items():
        _refuse_to_send_elsewhere(sources, secret, what)
        _warn_of_a_readable_file(values, secret[1], warnings)
    if profile is not None and not new_profile:
        _warn_of_another_homeserver(sources, profile, warnings)
    holder = next((source for source in sources if source.names_of(_TOKEN_NAMES)), None)
    unread = of_profile.problem
    if unread is None and os.environ.get("SYNADMIN_PROFILE") == name and not profile_file(name).exists():
        unread = f"SYNADMIN_PROFILE is {name!a}, but there is no such profile"
    return Settings(
        name,
        values,
        tuple(warnings),
        unread,
        token_in_profile=holder is of_profile,
        token_source=None if holder is None or holder is of_profile else holder.where,
    )


def _refuse_to_send_elsewhere(sources: Sequence[_Source], secret: Sequence[str], what: str) -> None:
    """Refuse to send a secret to a homeserver that neither its source nor the command line names."""
    holder = next((source for source in sources if source.names_of(secret)), None)
    names_homeserver = next((source for source in sources if source.values.get(HOMESERVER)), None)
    if holder is None:
        return
    token = f"{what} is set in {holder.where}"
    if names_homeserver is not None and names_homeserver is not sources[0]:
        named, own = names_homeserver.values[HOMESERVER], holder.values.get(HOMESERVER)
        if (names_homeserver.is_implicit and own is None and holder is not names_homeserver) or (
            own is not None and not _is_same(named, own)
        ):
            instead = "which names no homeserver" if own is None else f"which names {own!a}"
            raise SettingsError(
                f"{names_homeserver.where} names the homeserver {named!a}, but {token}, {instead}",
                hint=f"set {HOMESERVER} where {what} is set, or use --homeserver",
            )
    for source in sources:
        if not source.is_implicit or source is holder:
            continue
        for name in (CA_FILE, ALLOW_HTTP, MAS):
            if source.values.get(name, holder.values.get(name)) != holder.values.get(name):
                raise SettingsError(
                    f"{source.where} sets {name}, but {token}", hint=f"set {name} where {what} is set"
                )


def _warn_of_another_homeserver(sources: Sequence[_Source], profile: str, warnings: list[str]) -> None:
    """Warn where another source replaces the homeserver of the profile that ``--profile`` names."""
    own = sources[-1].values.get(HOMESERVER)
    first = next((source for source in sources if source.values.get(HOMESERVER)), sources[-1])
    if own is None or first is sources[0] or _is_same(first.values[HOMESERVER], own):
        return
    warnings.append(
        f"{first.where} sets {HOMESERVER}: this command uses {first.values[HOMESERVER]!a}"
        f" instead of {own!a} of the profile {profile}"
    )


def _is_same(one: str, other: str) -> bool:
    """Return whether two settings name the same homeserver in the same way."""

    def parts(homeserver: str) -> tuple[object, ...]:
        text = homeserver.strip().rstrip("/")
        try:
            url = urlsplit(text)
            port = url.port or {"http": 80, "https": 443}.get(url.scheme)
        except ValueError:
            return (text,)
        return (url.scheme, url.hostname, port, url.path) if url.netloc else (text.lower(),)

    return parts(one) == parts(other)


def _warn_of_a_readable_file(values: Mapping[str, str], setting: str, warnings: list[str]) -> None:
    name = values.get(setting)
    if name:
        try:
            mode = path_of(name, setting).stat().st_mode
        except (OSError, SettingsError):
            return  # reported when it is read
        if stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
            warnings.append(_readable_by_others(name))


def _readable_by_others(path: object) -> str:
    return f"{path} holds an access token and is readable by others: chmod 600 {shlex.quote(str(path))}"


def of_profile(name: str, *, timeout: str | None = None) -> Settings:
    """Return the settings of another account: homeserver and token come only from its profile.

    Raises:
        SettingsError: there is no such profile, or it cannot be read.
    """
    warnings: list[str] = []
    held = _file(profile_file(name), warnings, required=True, is_profile=True).values
    about_the_account = {HOMESERVER, MAS, MAS_CLIENT_ID, MAS_SESSION, *_TOKEN_NAMES, *_SECRET_NAMES}
    about_the_account |= {REFRESH_TOKEN, REFRESH_CLIENT, TOKEN_EXPIRES}
    around = {key: os.environ[key] for key in NAMES if os.environ.get(key) and key not in about_the_account}
    given = {} if timeout is None else {"SYNADMIN_TIMEOUT": timeout}
    holds_token = any(held.get(key) for key in _TOKEN_NAMES)
    return Settings(name, {**held, **around, **given}, tuple(warnings), token_in_profile=holds_token)


def _file(path: Path, warnings: list[str], *, required: bool, is_profile: bool = False) -> _Source:
    is_implicit = not required and not is_profile
    nothing = _Source(str(path), {}, is_implicit)
    try:
        read = trusted_files.read(path)
    except FileNotFoundError:
        if required:
            if is_profile:
                others = ", ".join(profiles())
                listed = f"the profiles are {others}; " if others else ""
                message = f"there is no profile {path.stem}: the file {path} does not exist"
                hint = f"{listed}`synadmin login --profile {path.stem}` makes this one"
                raise SettingsError(message, hint=hint) from None
            raise SettingsError(f"there is no settings file {path}") from None
        return nothing
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        if required:
            raise SettingsError(message) from None
        if is_implicit:
            warnings.append(f"{message}; it is not used")
        return replace(nothing, problem=message)
    if read is None:
        if not required:
            return nothing
        raise SettingsError(f"{path} is not a file")
    return replace(nothing, values=_settings_in(read, path, warnings, named=required, is_profile=is_profile))


def _settings_in(
    read: trusted_files.TrustedFile, path: Path, warnings: list[str], *, named: bool, is_profile: bool
) -> Mapping[str, str]:
    """Return the settings of synadmin in a file, without those of other programs in a ``.env``."""
    from dotenv.parser import parse_stream

    if read.distrust is not None and (named or is_profile or _OUR_NAME.search(read.content)):
        raise read.distrust
    text = read.text(str(path)) if read.distrust is None else ""
    # Only the parser: dotenv_values would expand a $ in a token, and log lines that it cannot read.
    bindings = list(parse_stream(io.StringIO(text, newline=None)))
    ours = {
        binding.key: binding.value
        for binding in bindings
        if binding.key in NAMES and binding.key and binding.value
    }
    malformed = next((binding.original.line for binding in bindings if binding.error), None)
    if malformed is not None:
        # The .env of another program may have another syntax. A file that an option names is for synadmin.
        message = f"{path}: line {malformed} is not NAME=VALUE"
        if named:
            raise SettingsError(message)
        if ours:
            warnings.append(f"{message}; it is ignored")
    if ours.keys() & {TOKEN, MAS_CLIENT_SECRET, REFRESH_TOKEN} and read.others_read:
        warnings.append(_readable_by_others(path))
    return ours


def in_profile(name: str) -> Mapping[str, str]:
    """Return the settings in a profile; empty where the profile does not exist.

    Raises:
        SettingsError: it cannot be read.
    """
    return _file(profile_file(name), [], required=False, is_profile=True).values


@cache
def is_loopback(host: str) -> bool:
    """Whether a host name or address is a loopback address of this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
