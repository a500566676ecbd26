"""Secrets from files and standard input."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from synadmin.cli import secrets
from synadmin.errors import SynadminError

if TYPE_CHECKING:
    from pathlib import Path


def _piped(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize(
    "content", [b" pass word \r\n", b"\xef\xbb\xbf pass word \n\n", b" pass word \n\r\n  \n"]
)
def test_a_secret_that_is_piped_in_is_the_first_line_with_its_spaces(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    _piped(monkeypatch, content)

    assert secrets.ask_new("alice") == " pass word "


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\n", "standard input is empty"),
        (b"", "standard input is empty"),
        (b"hunter2\nurl: https://matrix.example.org\n", "more than one line"),
        (b"\nhunter2\n", "more than one line"),
        (b"hunter2\xff\n", "not UTF-8"),
    ],
)
def test_what_is_piped_in_and_is_no_secret_is_refused_without_being_shown(
    content: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _piped(monkeypatch, content)

    with pytest.raises(SynadminError, match=words) as refused:
        secrets.ask("Password: ")

    assert "hunter2" not in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize("content", [b"hush\n\n", b"\xef\xbb\xbfhush\r\n", b"hush"])
def test_a_file_holds_one_secret_on_its_first_line(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)

    assert secrets.read(file) == "hush"


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"\xff\xfe"])
def test_a_file_that_holds_something_else_is_refused_without_its_content(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)

    with pytest.raises(SynadminError) as refused:
        secrets.read(file)

    assert "lines" not in str(refused.value)
