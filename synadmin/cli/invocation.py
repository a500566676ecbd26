"""What one invocation of the command knows: the common options, and what follows from them."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

import click

from synadmin.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.client import Synapse
    from synadmin.journal import Journal
    from synadmin.settings import Settings


@dataclass
class Invocation:
    """The common options, wherever on the command line they stood; click's ``context.obj``."""

    profile: str | None = None
    env_file: "Path | None" = None
    homeserver: str | None = None
    timeout: str | None = None
    verbose: int = 0
    quiet: bool = False
    command: str | None = None
    new_profile: bool = False
    resumes: str | None = None
    _drawn: bool = False

    @cached_property
    def settings(self) -> "Settings":
        """The settings, with what is to be warned about told once."""
        from synadmin import settings

        loaded = settings.load(
            profile=self.profile,
            env_file=self.env_file,
            options={settings.HOMESERVER: self.homeserver, "SYNADMIN_TIMEOUT": self.timeout},
            new_profile=self.new_profile,
        )
        for warning in loaded.warnings:
            self.warn(warning)
        return loaded

    @cached_property
    def journal(self) -> "Journal":
        """The journal of this run."""
        from synadmin.journal import Journal

        journal = Journal(self.settings.journal, command=self.command)
        if self.resumes is not None:
            journal.links["resumes"] = self.resumes
        return journal

    def synapse(
        self,
        *,
        token: str | None = None,
        anonymous: bool = False,
        longest_wait: float | None = None,
    ) -> "Synapse":
        """Return the client for the configured homeserver.

        Args:
            token: instead of the configured one.
            anonymous: no token is needed.
            longest_wait: seconds to wait where the server says "too many requests"; a minute, unless given.

        Raises:
            SettingsError: no homeserver or no token is configured.
        """
        from synadmin.client import Synapse
        from synadmin.http.well_known import base_url

        settings = self.settings
        unread = f" ({settings.unread_profile})" if settings.unread_profile else ""
        if settings.homeserver is None:
            message = f"no homeserver is configured{unread}"
            raise SettingsError(
                message,
                hint="run `synadmin login`, or set SYNADMIN_HOMESERVER and SYNADMIN_ACCESS_TOKEN",
            )
        if not anonymous:
            token = token or settings.token()
            if token is None:
                message = f"no access token is configured{unread}"
                raise SettingsError(
                    message,
                    hint="run `synadmin login`, or set SYNADMIN_ACCESS_TOKEN, _FILE or _COMMAND",
                )
        return Synapse(
            base_url(settings.homeserver, timeout=settings.timeout, ca_file=settings.ca_file),
            token=token,
            timeout=settings.timeout,
            longest_wait=60.0 if longest_wait is None else longest_wait,
            ca_file=settings.ca_file,
            journal=self.journal,
            notify=self.say,
            trace=self._trace(),
            connections=settings.concurrency,
            allow_plain_http=settings.allow_plain_http,
        )

    def _trace(self) -> Callable[[str], None] | None:
        return self.warn if self.verbose else None

    def say(self, message: str) -> None:
        """Tell the person something on stderr, unless asked to be quiet."""
        if not self.quiet:
            self.warn(message)

    def warn(self, message: str) -> None:
        """Tell the person something on stderr, in any case."""
        from synadmin.render import plain

        self.draw("")
        click.echo("\n".join(plain(line) for line in message.split("\n")), err=True)

    @property
    def is_watched(self) -> bool:
        """Tell whether somebody wants to see how far it is."""
        return is_terminal(sys.stderr) and not self.quiet

    def draw(self, line: str) -> None:
        """Show how far it is, in place of what was shown so before; nothing with an empty line."""
        from synadmin.render import plain

        if line or self._drawn:
            click.echo(f"\r\x1b[K{plain(line)}", nl=False, err=True)
        self._drawn = bool(line)

    @property
    def on_terminal(self) -> bool:
        """Tell whether somebody is there to answer a question."""
        return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a standard stream is a terminal; it is None where the shell has closed it."""
    return stream is not None and stream.isatty()


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)
