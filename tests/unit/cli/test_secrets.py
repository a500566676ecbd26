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
def test_piped_secret_is_the_first_line_with_spaces(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_invalid_piped_secret_is_refused_without_its_text(
    content: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _piped(monkeypatch, content)

    with pytest.raises(SynadminError, match=words) as refused:
        secrets.ask("Password: ")

    assert "hunter2" not in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize("content", [b"hush\n\n", b"\xef\xbb\xbfhush\r\n", b"hush"])
def test_secret_file_has_one_line(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)

    assert secrets.read(file) == "hush"


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"\xff\xfe"])
def test_invalid_secret_file_is_refused_without_its_text(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)

    with pytest.raises(SynadminError) as refused:
        secrets.read(file)

    assert "lines" not in str(refused.value)
