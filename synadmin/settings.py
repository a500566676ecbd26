"""Settings: option, then environment, then ``.env`` in the working directory, then the profile.

This is the only reader of the environment.
"""

import os
import re
import shlex
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from synadmin import files
from synadmin.errors import SettingsError

HOMESERVER = "SYNADMIN_HOMESERVER"
TOKEN = "SYNADMIN_ACCESS_TOKEN"  # noqa: S105  the name of a setting
TOKEN_FILE = "SYNADMIN_ACCESS_TOKEN_FILE"  # noqa: S105
TOKEN_COMMAND = "SYNADMIN_ACCESS_TOKEN_COMMAND"  # noqa: S105
_NAMES = (
    HOMESERVER,
    TOKEN,
    TOKEN_FILE,
    TOKEN_COMMAND,
    "SYNADMIN_CA_FILE",
    "SYNADMIN_TIMEOUT",
    "SYNADMIN_CONCURRENCY",
    "SYNADMIN_JOURNAL",
    "SYNADMIN_ALLOW_HTTP",
)
_TOKEN_NAMES = (TOKEN, TOKEN_FILE, TOKEN_COMMAND)
_TIMEOUT = 60.0  # seconds
_LONGEST_TIMEOUT = 24 * 60 * 60.0  # seconds; a socket takes no number of any size
_CONCURRENCY = 8
_MOST_CONCURRENCY = 64
_TOKEN_COMMAND_TIMEOUT = 120.0  # seconds: a password manager may ask for its passphrase first
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What the run works with. ``values`` holds each name's first value in the order of precedence.

    Attributes:
        profile: the profile's name.
        values: the settings by name.
        warnings: what the person should hear about the files they came from.
    """

    profile: str
    # The token is in here: never shown.
    values: Mapping[str, str] = field(repr=False)
    warnings: tuple[str, ...] = ()

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
        path = _path(name, "SYNADMIN_CA_FILE")
        if not path.is_file():
            message = f"SYNADMIN_CA_FILE: there is no file {name}"
            raise SettingsError(message)
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
            message = f"--timeout (SYNADMIN_TIMEOUT): {text!a} is not a number of seconds, a day at most"
            raise SettingsError(message)
        return seconds

    @property
    def concurrency(self) -> int:
        """Return how many requests may be under way at once.

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
        """Tell whether a token may be sent over plain http to another machine.

        Raises:
            SettingsError: it is neither yes nor no.
        """
        text = self.values.get("SYNADMIN_ALLOW_HTTP", "").strip().lower()
        if text not in _YES | _NO:
            message = f"SYNADMIN_ALLOW_HTTP: {text!a} is neither 1 nor 0"
            raise SettingsError(message)
        return text in _YES

    @property
    def journal(self) -> Path:
        """Return the journal's file.

        Raises:
            SettingsError: it names the home directory of nobody.
        """
        name = self.values.get("SYNADMIN_JOURNAL")
        return _path(name, "SYNADMIN_JOURNAL") if name else state_directory() / "journal.jsonl"

    @property
    def profile_file(self) -> Path:
        """Return the profile's file, whether it is there or not."""
        return profile_file(self.profile)

    def token(self) -> str | None:
        """Return the access token, from wherever it is kept; None where none is set.

        Raises:
            SettingsError: it cannot be read, or is not a token.
        """
        text = self.values.get(TOKEN)
        if text:
            return checked_token(text, TOKEN)
        name = self.values.get(TOKEN_FILE)
        if name:
            try:
                text = _path(name, TOKEN_FILE).read_text(encoding="utf-8-sig")
                return checked_token(first_line(text, TOKEN_FILE).rstrip(), TOKEN_FILE)
            except (OSError, UnicodeDecodeError) as error:
                words = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
                message = f"{TOKEN_FILE}: {name} cannot be read: {words}"
                raise SettingsError(message) from None
        command = self.values.get(TOKEN_COMMAND)
        if command:
            return checked_token(first_line(_printed_by(command), TOKEN_COMMAND), TOKEN_COMMAND)
        return None


def checked_token(text: str, where: str) -> str:
    """Check that a text can be an access token; never repeats it.

    Raises:
        SettingsError: it is empty, or has spaces, line breaks or other characters no token has.
    """
    text = text.rstrip("\r\n")
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        what = "is empty" if not text else "holds a space, a line break or another character no token has"
        message = f"{where}: the access token {what}"
        raise SettingsError(message)
    return text


def first_line(text: str, where: str) -> str:
    """Return the secret in a text: its first line, where no other line holds anything.

    Raises:
        SettingsError: another line is not empty. The text is not repeated.
    """
    secret, *others = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))
    if any(line.strip() for line in others):
        message = f"{where}: there is more than one line; only the first may hold text"
        raise SettingsError(message, hint="keep the first line only, for example: pass show NAME | head -n 1")
    return secret


def _path(name: str, setting: str) -> Path:
    try:
        if "\0" not in name:
            return Path(name).expanduser()
    except RuntimeError:
        pass
    message = f"{setting}: there can be no file {name!a}"
    raise SettingsError(message)


def _printed_by(command: str) -> str:
    try:
        arguments = shlex.split(command)
        if not arguments:
            message = f"{TOKEN_COMMAND}: there is no command in it"
            raise SettingsError(message)
        run = subprocess.run(  # noqa: S603  the administrator's own command
            arguments,
            stdout=subprocess.PIPE,
            text=True,
            timeout=_TOKEN_COMMAND_TIMEOUT,
            check=False,
        )
    except (OSError, ValueError) as error:
        message = f"{TOKEN_COMMAND}: the command cannot be run: {error}"
        raise SettingsError(message) from None
    except subprocess.TimeoutExpired:
        message = f"{TOKEN_COMMAND}: the command did not end within {_TOKEN_COMMAND_TIMEOUT:.0f} s"
        raise SettingsError(message) from None
    if run.returncode != 0:
        message = f"{TOKEN_COMMAND}: the command ended with exit code {run.returncode}"
        raise SettingsError(message)
    return run.stdout


def load(
    *,
    profile: str | None = None,
    env_file: Path | None = None,
    options: Mapping[str, str | None] | None = None,
    new_profile: bool = False,
) -> Settings:
    """Gather the settings.

    Args:
        profile: the profile's name; ``SYNADMIN_PROFILE`` or ``default`` where it is None.
        env_file: a file to read instead of ``.env``; it must be there.
        options: settings given on the command line, by name.
        new_profile: the profile need not be there although it is named: it is about to be made.

    Raises:
        SettingsError: a file cannot be read or is not a dotenv file, or a token is set twice over.
    """
    warnings: list[str] = []
    name = profile or os.environ.get("SYNADMIN_PROFILE") or "default"
    sources: list[tuple[str, Mapping[str, str]]] = [
        ("options", {key: value for key, value in (options or {}).items() if value is not None}),
        ("the environment", {key: os.environ[key] for key in _NAMES if os.environ.get(key)}),
        _file(env_file or Path(".env"), warnings, required=env_file is not None),
        _file(
            profile_file(name),
            warnings,
            required=profile is not None and not new_profile,
            is_profile=True,
        ),
    ]
    values: dict[str, str] = {}
    for where, found in sources:
        tokens = [key for key in _TOKEN_NAMES if found.get(key)]
        if len(tokens) > 1:
            message = f"{where}: {' and '.join(tokens)} are both set; keep one"
            raise SettingsError(message)
        has_token = any(key in values for key in _TOKEN_NAMES)
        for key, value in found.items():
            if key in values or (key in _TOKEN_NAMES and has_token):
                continue
            values[key] = value
    # A file that was named is meant, and so is a homeserver that was.
    if env_file is None and not any(found.get(HOMESERVER) for _, found in sources[:2]):
        _refuse_a_token_led_astray(dict(sources[2:]), values, name)
    return Settings(name, values, tuple(warnings))


def _refuse_a_token_led_astray(
    files: Mapping[str, Mapping[str, str]],
    values: Mapping[str, str],
    profile: str,
) -> None:
    """Keep a ``.env`` that lies in the working directory from sending a profile's token elsewhere.

    Raises:
        SettingsError: it names a homeserver of its own on another machine, and no token.
    """
    (where, local), (_, held) = files.items() if len(files) > 1 else (("", {}), ("", {}))
    named = local.get(HOMESERVER)
    if named is None or values.get(HOMESERVER) != named or named == held.get(HOMESERVER, named):
        return
    if _is_on_this_machine(named):
        return
    if any(values.get(key) and values[key] == held.get(key) for key in _TOKEN_NAMES):
        raise SettingsError(
            f"{where} names the homeserver {named!a}, but the token is the one of the profile {profile}, "
            f"which is for {held[HOMESERVER]!a}",
            hint=f"give {where} a token of its own, or say --homeserver if that is meant",
        )


def _is_on_this_machine(homeserver: str) -> bool:
    try:
        host = urlsplit(homeserver if "//" in homeserver else f"//{homeserver}").hostname
    except ValueError:
        return False
    return host is not None and is_loopback(host)


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address is this machine's own, so that nothing leaves it."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def of_profile(name: str) -> Settings:
    """Gather the settings of another account: homeserver and token come from its profile alone.

    Raises:
        SettingsError: there is no such profile, or it cannot be read.
    """
    warnings: list[str] = []
    _, held = _file(profile_file(name), warnings, required=True, is_profile=True)
    about_the_account = {HOMESERVER, *_TOKEN_NAMES}
    around = {key: os.environ[key] for key in _NAMES if os.environ.get(key) and key not in about_the_account}
    return Settings(name, {**held, **around}, tuple(warnings))


def _file(
    path: Path, warnings: list[str], *, required: bool, is_profile: bool = False
) -> tuple[str, Mapping[str, str]]:
    try:
        status = path.stat()
    except FileNotFoundError:
        if required:
            message = f"there is no settings file {path}"
            raise SettingsError(
                message,
                hint=f"`synadmin login --profile {path.stem}` makes a profile" if is_profile else None,
            ) from None
        return str(path), {}
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise SettingsError(message) from None
    if not stat.S_ISREG(status.st_mode):
        if not required:
            return str(path), {}
        message = f"{path} is not a file"
        raise SettingsError(message)
    ours, malformed = _read(path)
    if malformed is not None:
        # Another program's .env may be of another dialect; a file that was named is meant for us.
        message = f"{path}: line {malformed} is not NAME=VALUE"
        if required:
            raise SettingsError(message)
        if ours:
            warnings.append(f"{message}; it is passed over")
    if TOKEN in ours and status.st_mode & (stat.S_IRGRP | stat.S_IROTH):
        warnings.append(f"{path} holds an access token and is readable by others: chmod 600 {path}")
    return str(path), ours


def _read(path: Path) -> tuple[dict[str, str], int | None]:
    """Return a file's settings, and the number of its first line that is none."""
    from dotenv.parser import parse_stream

    try:
        # The parser alone: dotenv_values would eat a $ in a token, and log what it cannot read.
        with path.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        message = f"{path} cannot be read: {words}"
        raise SettingsError(message) from None
    found = {one.key: one.value for one in bindings if one.key in _NAMES and one.key and one.value}
    return found, next((one.original.line for one in bindings if one.error), None)


def in_profile(name: str) -> Mapping[str, str]:
    """Return what a profile alone holds; nothing where there is none.

    Raises:
        SettingsError: it cannot be read.
    """
    return _file(profile_file(name), [], required=False)[1]


def profile_file(name: str) -> Path:
    """Return where a profile is kept.

    Raises:
        SettingsError: the name would lead out of the directory of profiles.
    """
    if not name or "/" in name or name.startswith(".") or not name.isprintable():
        message = f"{name!a} is not a profile's name: letters, digits, dashes"
        raise SettingsError(message)
    return _directory("XDG_CONFIG_HOME", ".config") / f"{name}.env"


def state_directory() -> Path:
    """Return where synadmin keeps what it must remember between runs."""
    return _directory("XDG_STATE_HOME", ".local/state")


def _directory(variable: str, default: str) -> Path:
    base = os.environ.get(variable, "")
    # The XDG specification: a relative path is invalid and is ignored.
    home = Path(base) if base.startswith("/") else Path.home() / default
    return home / "synadmin"


def write_profile(name: str, changes: Mapping[str, str | None]) -> Path:
    """Change settings of a profile, or make it: mode 0600 from its first byte, replaced atomically.

    Args:
        name: the profile.
        changes: settings by name; None removes one.

    Returns:
        The profile's file.

    Raises:
        SettingsError: it cannot be written.
    """
    path = profile_file(name)
    kept: list[str] = []
    try:
        if path.exists():
            kept = [
                line
                for line in path.read_text(encoding="utf-8").splitlines()
                if line.partition("=")[0].removeprefix("export ").strip() not in changes
            ]
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise SettingsError(message) from None
    lines = kept + [f"{key}={_quoted(value)}" for key, value in changes.items() if value is not None]
    files.make_directory(path.parent, setting="XDG_CONFIG_HOME")
    files.replace_file(path, "".join(f"{line}\n" for line in lines), setting="XDG_CONFIG_HOME")
    return path


def _quoted(value: str) -> str:
    if value.isascii() and all(character.isalnum() or character in "-_./:@+=~%," for character in value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
