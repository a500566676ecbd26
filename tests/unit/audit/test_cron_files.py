"""The files in ``docs/cron``: systemd accepts the units, and their commands exist."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from synadmin.cli.audit import audit
from synadmin.cli.schedule import NightlyAudit

FILES = Path(__file__).parents[3] / "docs" / "cron"
INSTALLED = "/usr/local/bin/synadmin"

systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing (Debian's package systemd)"
)


def _command(text: str) -> list[str]:
    found = re.search(r"^(?:ExecStart=|.*  )\S*(synadmin audit .*)$", text, re.MULTILINE)
    assert found is not None
    return shlex.split(found[1])


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units, with the path of the installed synadmin."""
    paths = []
    for name in ("synadmin-audit.service", "synadmin-audit.timer"):
        path = tmp_path / name
        text = (FILES / name).read_text("utf-8")
        path.write_text(text.replace(INSTALLED, str(Path(sys.executable).with_name("synadmin"))), "utf-8")
        paths.append(path)
    return paths


@systemd_analyze
def test_systemd_accepts_the_units(units: list[Path]) -> None:
    process = subprocess.run(
        ["systemd-analyze", "verify", *map(str, units)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stdout + process.stderr) == (0, "")


@systemd_analyze
def test_service_is_sandboxed(units: list[Path]) -> None:
    """systemd rates an exposure below 2.0 as OK."""
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20", str(units[0])]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout.splitlines()[-1:]


@pytest.mark.parametrize("name", ["crontab", "synadmin-audit.service"])
def test_command_of_the_unit_exists(name: str) -> None:
    command = _command((FILES / name).read_text("utf-8"))
    with audit.make_context("synadmin audit", command[2:]) as context:
        assert context.params["update_baseline"]
        assert context.params["time_limit"] == 3_600_000


def test_crontab_of_the_guide_equals_print_cron() -> None:
    home = Path("/home/you")
    audit_ = NightlyAudit((str(home / ".local/bin/synadmin"),), home / ".local/state/synadmin/audit.json")
    assert audit_.crontab() == (FILES / "crontab").read_text("utf-8")


def test_paths_with_spaces_and_percent_signs_are_escaped() -> None:
    path = Path("/home/a b/100%/audit.json")
    audit_ = NightlyAudit(("/usr/bin/synadmin",), path)
    line = audit_.crontab().splitlines()[-1].split("  ", 1)[1]
    assert str(path) in shlex.split(line.replace(r"\%", "%"))
    service = audit_.units()["synadmin-audit.service"]
    assert '"/home/a b/100%%/audit.json"' in service


@systemd_analyze
def test_systemd_accepts_the_user_timer(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("synadmin"))
    units = NightlyAudit((program,), tmp_path / "audit.json").units()
    for name, text in units.items():
        (tmp_path / name).write_text(text, "utf-8")
    command = ["systemd-analyze", "verify", *(str(tmp_path / name) for name in units)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout + process.stderr) == (0, "")


def test_token_is_in_no_unit_and_no_crontab() -> None:
    for path in FILES.iterdir():
        assert "SYNADMIN_ACCESS_TOKEN=" not in path.read_text("utf-8")
