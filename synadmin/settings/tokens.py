"""Read access tokens and other secrets from a setting, a file or a command. Messages never contain them."""

import os
import re
import shlex
from pathlib import Path

from synadmin import trusted_files
from synadmin.errors import SettingsError

_TOKEN_COMMAND_TIMEOUT = 120.0  # seconds: a password manager may ask for its passphrase first
# The variables that a token command may need: for its PATH, its files, its prompt and its agent.
_FOR_THE_TOKEN_COMMAND = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|TERM|TMPDIR|TZ|LANG|LANGUAGE|LC_\w+|XDG_\w+|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY"
    r"|DBUS_SESSION_BUS_ADDRESS|SSH_AUTH_SOCK|SSH_TTY|GNUPGHOME|GPG_\w+|PINENTRY_\w+|PASSWORD_STORE_\w+|GOPASS_\w+"
    r"|OP_\w+|BW_\w+|BITWARDEN\w*_\w+|RBW_\w+|LPASS_\w+|VAULT_\w+|BAO_\w+|SOPS_\w+|KEYRING_\w+|CREDENTIALS_DIRECTORY"
)


def checked_token(text: str, where: str, *, what: str = "the access token") -> str:
    """Check that a text can be an access token. Errors do not contain it.

    Raises:
        SettingsError: it is empty, or has spaces, line breaks or other characters no token has.
    """
    text = text.rstrip("\r\n")
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        why = "is empty" if not text else "holds a space, a line break or another character no token has"
        raise SettingsError(f"{where}: {what} {why}")
    return text


def first_line(text: str, where: str) -> str:
    """Return the secret in a text: the first line, if all other lines are empty.

    Raises:
        SettingsError: another line is not empty. The error does not contain the text.
    """
    secret, *others = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))
    if any(line.strip() for line in others):
        message = f"{where}: there is more than one line; only the first may hold text"
        raise SettingsError(message, hint="keep the first line only, for example: pass show NAME | head -n 1")
    return secret


def secret_in_file(name: str, setting: str) -> str:
    """Return the secret in a file that only the caller and root can change.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        read = trusted_files.read(path_of(name, setting), may_be_pipe=True)
    except OSError as error:
        raise SettingsError(f"{setting}: {name} cannot be read: {error.strerror}") from None
    if read is None:
        raise SettingsError(f"{setting}: {name} cannot be read: it is not a file")
    try:
        text = read.text(name)
    except SettingsError as error:
        raise SettingsError(f"{setting}: {error}", hint=error.hint) from None
    return first_line(text, setting).rstrip()


def path_of(name: str, setting: str) -> Path:
    """Return the path that a setting names, with ``~`` replaced.

    Raises:
        SettingsError: it is not a valid file name.
    """
    try:
        if "\0" not in name:
            return Path(name).expanduser()
    except (RuntimeError, ValueError):  # ValueError: the user name after ~ is not valid Unicode
        pass
    raise SettingsError(f"{setting}: {name!a} is not a valid file name")


def secret_from_command(command: str, setting: str) -> str:
    """Return the secret that a command prints.

    Raises:
        SettingsError: it cannot be run, failed, or printed more than one line.
    """
    import subprocess

    try:
        arguments = shlex.split(command)
        if not arguments:
            raise SettingsError(f"{setting}: there is no command in it")
        run = subprocess.run(  # noqa: S603  the administrator's own command
            arguments,
            env={name: os.environ[name] for name in os.environ if _FOR_THE_TOKEN_COMMAND.fullmatch(name)},
            stdout=subprocess.PIPE,
            text=True,
            timeout=_TOKEN_COMMAND_TIMEOUT,
            check=False,
        )
    except (OSError, ValueError) as error:
        raise SettingsError(f"{setting}: the command cannot be run: {error}") from None
    except subprocess.TimeoutExpired:
        message = f"{setting}: the command did not end within {_TOKEN_COMMAND_TIMEOUT:.0f} s"
        raise SettingsError(message) from None
    if run.returncode != 0:
        raise SettingsError(f"{setting}: the command ended with exit code {run.returncode}")
    return first_line(run.stdout, setting)
