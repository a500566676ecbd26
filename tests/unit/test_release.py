"""The files that `make release` builds, and the steps of the Containerfile, without the network."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from synadmin import __version__
from synadmin.cli.app import app
from synadmin.cli.operations import commands

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
SHARE: dict[str, str] = dict(runpy.run_path(str(ROOT / "docs" / "share.py"))["files"]())
# pip finds the dependencies among the packages of the tests, and uses no package index.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_COMPILE": "1"}


def run(words: list[str], **environment: str) -> str:
    process = subprocess.run(
        words, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert process.returncode == 0, (words, process.stdout, process.stderr)
    return process.stdout


def add_packages_of_the_tests(venv: Path) -> None:
    """Let a virtual environment import the packages that the tests use, except synadmin."""
    (site,) = venv.glob("lib/python*/site-packages")
    packages = Path(sysconfig.get_path("purelib"))
    (site / "packages.pth").write_text(f"{packages}\n", "utf-8")


def test_each_command_is_in_a_man_page() -> None:
    pages = {name: text for name, text in SHARE.items() if name.startswith("man/")}
    for path, command in commands(app):
        page = pages[f"man/man1/{'-'.join(('synadmin', *path[:1]))}.1"]
        shown = page.replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")
        assert (command.help or "").partition("\n")[0] in shown, path
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert f"{option.opts[-1]}" in shown, (path, option)
    assert "synadmin-room(1)" in pages["man/man1/synadmin.1"].replace("\\-", "-")


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_page_shows_examples_unchanged(tmp_path: Path) -> None:
    page = tmp_path / "synadmin-room.1"
    page.write_text(SHARE["man/man1/synadmin-room.1"], "utf-8")
    shown = run(["man", "--warnings", "-l", str(page)], MANWIDTH="100", LC_ALL="C.UTF-8", MANPAGER="cat")
    assert "synadmin room make-admin '#club:example.org' --dry-run\n" in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shipped_completion_equals_the_printed_one(shell: str) -> None:
    (path,) = (name for name in SHARE if name.startswith(shell))
    assert SHARE[path] == run([sys.executable, "-m", "synadmin", "completion", shell])
    if shutil.which(shell):
        run([shell, "-n", "-c", SHARE[path]])


def test_units_run_the_audit_of_their_user() -> None:
    service = SHARE["systemd/user/synadmin-audit.service"]
    assert "ExecStart=synadmin audit --baseline %h/.local/state/synadmin/audit.json" in service
    assert "WantedBy=timers.target" in SHARE["systemd/user/synadmin-audit.timer"]


def test_wheel_installs_man_pages_completions_and_units(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="`make venv` installs hatchling")
    source, venv = tmp_path / "source", tmp_path / "venv"
    shutil.copytree(ROOT / "synadmin", source / "synadmin", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run([sys.executable, str(ROOT / "docs" / "share.py"), str(source / "build" / "share")])
    run([sys.executable, "-m", "venv", "--without-pip", str(venv)])
    add_packages_of_the_tests(venv)
    python = str(venv / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install"]
    run([*pip, "--no-deps", "--no-build-isolation", str(source)], **OFFLINE)
    installed = {
        str(path.relative_to(venv / "share")): path.read_text("utf-8")
        for path in (venv / "share").rglob("*")
        if path.is_file()
    }
    assert installed == SHARE
    assert run([str(venv / "bin" / "synadmin"), "--version"]) == f"synadmin {__version__}\n"


class Image:
    """Runs the steps of a Containerfile in a plain directory, and records what they set."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment: dict[str, str] = {}
        self.user = ""
        self.entrypoint: list[str] = []
        self.command: list[str] = []

    def translate(self, text: str) -> str:
        """Return a text with the paths of the image below its root, and the user of the tests as its user."""
        text = re.sub(r"(?<![\w.])/(?=src|opt|var)", f"{self.root}/", text)
        return text.replace("-o 10001 -g 10001", f"-o {os.getuid()} -g {os.getgid()}")

    def run_step(self, line: str, build_environment: Mapping[str, str]) -> None:
        instruction, _, rest = line.partition(" ")
        match instruction:
            case "COPY" if not rest.startswith("--from="):
                *names, target = rest.split()
                for name in names:
                    place = Path(self.translate(target))
                    place.parent.mkdir(exist_ok=True)
                    if (ROOT / name).is_dir():
                        shutil.copytree(ROOT / name, place)
                    else:
                        place.mkdir(exist_ok=True)
                        shutil.copy(ROOT / name, place)
            case "RUN":
                line = rest.replace("python3 ", f"{shlex.quote(sys.executable)} ")
                line = line.replace(" install ", " install --no-build-isolation ")
                run(["sh", "-c", self.translate(line)], **build_environment)
                for venv in self.root.glob("opt/*"):
                    add_packages_of_the_tests(venv)
            case "ENV":
                self.environment |= dict(word.split("=", 1) for word in self.translate(rest).split())
            case "USER":
                self.user = rest
            case "ENTRYPOINT":
                self.entrypoint = json.loads(rest)
            case "CMD":
                self.command = json.loads(rest)


def test_containerfile_steps_give_a_working_synadmin(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="`make venv` installs hatchling")
    text = (ROOT / "Containerfile").read_text("utf-8")
    image = Image(tmp_path)
    for line in text.splitlines():
        image.run_step(line, OFFLINE)
    assert "SYNADMIN_" not in text, "no token and no homeserver in the image"
    assert image.user == "10001:10001"
    program = shutil.which(image.entrypoint[0], path=image.environment["PATH"])
    assert program == str(tmp_path / "opt" / "synadmin" / "bin" / "synadmin")
    shown = run([program, *image.command], **image.environment)
    assert shown.startswith("Usage: synadmin")
    state = tmp_path / "var" / "lib" / "synadmin"
    assert state.stat().st_mode & 0o777 == 0o700
    (tmp_path / "token").touch(mode=0o400)
    settings = {
        "SYNADMIN_ACCESS_TOKEN_FILE": str(tmp_path / "token"),
        "SYNADMIN_HOMESERVER": "http://127.0.0.1:9",
    }
    process = subprocess.run(
        [program, "whoami"], env=image.environment | settings, capture_output=True, text=True, check=False
    )
    assert (process.returncode, "the access token is empty" in process.stderr) == (2, True), process.stderr
