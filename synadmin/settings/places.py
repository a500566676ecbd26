"""The paths of synadmin's files after the XDG specification, and the profiles."""

import os
from collections.abc import Mapping
from pathlib import Path

from synadmin import files, trusted_files
from synadmin.errors import SettingsError


def profile_file(name: str) -> Path:
    """Return the file of a profile.

    Raises:
        SettingsError: the name is not valid: it could lead out of the directory of profiles.
    """
    if not name or "/" in name or name.startswith(".") or not name.isprintable():
        raise SettingsError(f"{name!a} is not a profile's name: letters, digits, dashes")
    return _directory("XDG_CONFIG_HOME", ".config") / f"{name}.env"


def profiles() -> list[str]:
    """Return the names of the existing profiles."""
    return sorted(path.stem for path in _directory("XDG_CONFIG_HOME", ".config").glob("*.env"))


def chosen_profile() -> str | None:
    """Return the profile that ``synadmin profile use`` chose; None where none was chosen.

    Raises:
        SettingsError: other users can change the file with the choice.
    """
    path = _choice_file()
    try:
        read = trusted_files.read(path)
    except OSError:
        return None
    return None if read is None else read.text(str(path)).strip() or None


def choose_profile(name: str) -> None:
    """Make a profile the default.

    Raises:
        SettingsError: there is no such profile, or the choice cannot be written.
    """
    if not profile_file(name).exists():
        raise SettingsError(f"there is no profile {name}", hint="`synadmin profile list` lists the profiles")
    files.make_directory(_choice_file().parent, setting="XDG_CONFIG_HOME")
    files.replace_file(_choice_file(), f"{name}\n", setting="XDG_CONFIG_HOME")


def remove_profile(name: str) -> None:
    """Remove a profile's file. Its token stays valid.

    Raises:
        SettingsError: there is no such profile, or it cannot be removed.
    """
    path = profile_file(name)
    try:
        path.unlink()
        if chosen_profile() == name:
            _choice_file().unlink()
    except OSError as error:
        message = f"cannot remove {path}: {error.strerror}"
        raise SettingsError(message, hint="`synadmin profile list` lists the profiles") from None


def _choice_file() -> Path:
    return _directory("XDG_CONFIG_HOME", ".config") / "profile"


def default_journal() -> Path:
    """Return the default journal file."""
    return state_directory() / "journal.sqlite3"


def state_directory() -> Path:
    """Return the directory of files that synadmin keeps between runs."""
    return _directory("XDG_STATE_HOME", ".local/state")


def _directory(variable: str, default: str) -> Path:
    base = os.environ.get(variable, "")
    # The XDG specification: a relative path is invalid and is ignored.
    return (Path(base) if base.startswith("/") else _home() / default) / "synadmin"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull)  # for system accounts without a home directory


def write_profile(name: str, changes: Mapping[str, str | None]) -> Path:
    """Change settings of a profile, or make it. The file has mode 0600, and is replaced in one step.

    None removes a setting.

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
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"cannot read {path}: it is not UTF-8 text") from None
    lines = kept + [f"{key}={_quoted(value)}" for key, value in changes.items() if value is not None]
    files.make_directory(path.parent, setting="XDG_CONFIG_HOME")
    files.replace_file(path, "".join(f"{line}\n" for line in lines), setting="XDG_CONFIG_HOME")
    return path


def _quoted(value: str) -> str:
    if value.isascii() and all(character.isalnum() or character in "-_./:@+=~%," for character in value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
