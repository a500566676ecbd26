"""The baseline: the findings of earlier runs. A finding that is not in the baseline is new.

A JSON file, written completely or not at all, and only by a run that checked everything that it was to check.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from synadmin.audit.findings import Finding, Severity
from synadmin.audit.report import PastRun
from synadmin.errors import SettingsError, UsageError
from synadmin.files import replace_file
from synadmin.tables import as_json

Key = tuple[str, str, str, str]

_VERSION = 1
_LARGEST = 256 * 1024 * 1024  # bytes: reading a file without an end (/dev/zero) must fail
_REMEMBERED = 400  # runs: more than a year of nightly audits


class _Version(msgspec.Struct, frozen=True):
    version: int


class _File(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    server_name: str
    update_running: str | None = None
    ran: Mapping[str, int] = {}
    history: tuple[PastRun, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The findings of earlier runs.

    Attributes:
        server_name: the server; None before the first run.
        findings: the findings, by key.
        history: the runs, the oldest first.
        update_running: the background update that was running; None if there was none.
        ran: when each rule ran last, in milliseconds since the epoch.
    """

    server_name: str | None = None
    findings: Mapping[Key, Finding] = field(default_factory=dict)
    history: tuple[PastRun, ...] = ()
    update_running: str | None = None
    ran: Mapping[str, int] = field(default_factory=dict)

    def after(
        self,
        *,
        server_name: str,
        found: Collection[Finding],
        ran: Collection[str],
        at: int,
        update_running: str | None,
    ) -> "Baseline":
        """Return the new baseline after a run.

        Args:
            server_name: the server.
            found: the findings of the run.
            ran: the ids of the rules that ran; earlier findings of other rules stay.
            at: when it ended, in milliseconds since the epoch.
            update_running: the background update that was running.
        """
        kept = {key: finding for key, finding in self.findings.items() if finding.rule not in ran}
        findings = {**kept, **{finding.key: finding for finding in found}}
        moment = PastRun(at=at, counts=counted(findings.values()))
        return replace(
            self,
            server_name=server_name,
            findings=findings,
            history=(*self.history, moment)[-_REMEMBERED:],
            update_running=update_running,
            ran={**self.ran, **dict.fromkeys(ran, at)},
        )

    def write(self, path: Path) -> None:
        """Write the baseline to a file.

        Raises:
            SettingsError: the file cannot be written; the old one is still there.
        """
        record = {
            "version": _VERSION,
            "server_name": self.server_name,
            "update_running": self.update_running,
            "ran": self.ran,
            "history": self.history,
            "findings": list(self.findings.values()),
        }
        replace_file(path, as_json(msgspec.to_builtins(record), indent=1) + "\n", setting="--baseline")


def counted(findings: Collection[Finding]) -> dict[Severity, int]:
    """Count findings by severity."""
    return {
        severity: sum(finding.severity is severity for finding in findings) for severity in reversed(Severity)
    }


def read(path: Path, *, may_be_missing: bool) -> Baseline:
    """Read a baseline.

    Args:
        path: the file.
        may_be_missing: read a missing file as an empty baseline: this run is the first.

    Raises:
        UsageError: the file does not exist.
        SettingsError: it cannot be read, or is no baseline.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        if may_be_missing:
            return Baseline()
        raise UsageError(f"there is no baseline {path}", hint="--update-baseline makes it") from None
    except OSError as error:
        raise SettingsError(f"the baseline {path} cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise SettingsError(f"the baseline {path} is larger than {_LARGEST // 1024**2} MiB")
    try:
        version = msgspec.json.decode(content, type=_Version).version
        if version != _VERSION:
            raise SettingsError(f"{path} was written by another version of synadmin (its shape is {version})")
        file = msgspec.json.decode(content, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = f"{path} is not a baseline"
        raise SettingsError(message, hint="delete it; --update-baseline writes a new one") from None
    return Baseline(
        server_name=file.server_name,
        findings={finding.key: finding for finding in file.findings},
        history=file.history,
        update_running=file.update_running,
        ran=file.ran,
    )
