"""The schedule of a nightly audit: lines for cron, or a systemd timer."""

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from synadmin.text import option_words

_NAME = "synadmin-audit"
_HOUR, _MINUTE = 4, 17
_TIME_LIMIT = "1h"


@dataclass(frozen=True, slots=True)
class NightlyAudit:
    """The options of the nightly audit.

    Attributes:
        profiles: the profiles whose servers are audited; None: the server of the settings.
    """

    program: tuple[str, ...]
    baseline: Path
    config: Path | None = None
    profiles: str | None = None

    @property
    def command(self) -> list[str]:
        """The command line."""
        options = option_words(
            profiles=self.profiles,
            config=self.config,
            baseline=self.baseline,
            update_baseline=True,
            time_limit=_TIME_LIMIT,
        )
        return [*self.program, "audit", *options]

    def crontab(self) -> str:
        """Return the lines for ``crontab -e``."""
        # In a crontab, a percent sign ends the line.
        command = shlex.join(self.command).replace("%", r"\%")
        return (
            f"# Audit the Matrix homeserver every night at {_HOUR}:{_MINUTE:02}. "
            "Cron sends a mail when there are new findings.\n"
            f"{_MINUTE} {_HOUR} * * *  {command}\n"
        )

    def units(self) -> dict[str, str]:
        """Return the files of a systemd user timer: names and texts."""
        # In a unit, a percent sign begins a specifier, and a dollar sign a variable.
        words = (word.replace("%", "%%").replace("$", "$$") for word in self.command)
        command = " ".join(f'"{word}"' if " " in word else word for word in words)
        return {
            f"{_NAME}.service": (
                "[Unit]\nDescription=Audit of the Matrix homeserver\n\n"
                f"[Service]\nType=oneshot\nExecStart={command}\nNice=10\nTimeoutStartSec=70min\n"
            ),
            f"{_NAME}.timer": (
                "[Unit]\nDescription=Audit of the Matrix homeserver, every night\n\n"
                f"[Timer]\nOnCalendar=*-*-* {_HOUR:02}:{_MINUTE:02}\n"
                "RandomizedDelaySec=20min\nPersistent=yes\n\n"
                "[Install]\nWantedBy=timers.target\n"
            ),
        }


def nightly_audit(config: Path | None, profiles: str | None = None) -> NightlyAudit:
    """Return the nightly audit of this installation and this user.

    Args:
        config: the configuration; None: ``audit.toml`` beside the profiles, if it exists.
        profiles: the profiles whose servers are audited; None: the server of the settings.
    """
    from synadmin.settings.places import profile_file, state_directory

    default = profile_file("default").with_name("audit.toml")
    file = config or (default if default.is_file() else None)
    return NightlyAudit(
        program=_program(),
        baseline=state_directory() / "audit.json",
        config=None if file is None else file.absolute(),
        profiles=profiles,
    )


def _program() -> tuple[str, ...]:
    """Return the command that starts this synadmin, independent of the PATH."""
    started = Path(sys.argv[0])
    if started.name == "synadmin" and started.exists():
        return (str(started.absolute()),)
    program = shutil.which("synadmin", path=str(Path(sys.executable).parent))
    return (program,) if program else (sys.executable, "-m", "synadmin")


def install_timer(audit: NightlyAudit) -> tuple[Path, bool]:
    """Write the files of the timer for this user.

    Returns:
        The directory, and whether a file was changed.

    Raises:
        SettingsError: they cannot be written.
    """
    from synadmin import files
    from synadmin.settings.places import profile_file

    directory = profile_file("default").parent.with_name("systemd") / "user"
    changed = False
    for name, text in audit.units().items():
        path = directory / name
        if not path.exists() or path.read_text("utf-8") != text:
            files.make_directory(directory, setting="XDG_CONFIG_HOME")
            files.replace_file(path, text, mode=0o644, setting="XDG_CONFIG_HOME")
            changed = True
    return directory, changed
