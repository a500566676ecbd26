"""Text for a terminal: control characters are escaped; width and wrapping count the terminal's columns."""

import re
import shlex
from collections.abc import Iterator

# C0 and C1 controls, and characters that reorder or hide text: bidirectional overrides, line separators,
# zero-width characters and invisible tags. With them two different names can look the same.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
# A zero-width joiner between two emoji makes one emoji of them, and hides nothing.
_JOINED = re.compile(
    "(?<=[\u2600-\u27bf\ufe0f\U0001f300-\U0001faff])\u200d(?=[\u2600-\u27bf\U0001f300-\U0001faff])"
)


def safe_text(text: str) -> str:
    """Return text that is safe on a terminal: control characters are escaped."""
    if text.isprintable():  # nearly always; unsafe characters never are
        return text
    return "\u200d".join(UNSAFE.sub(_spelled_out, part) for part in _JOINED.split(text))


def _spelled_out(match: re.Match[str]) -> str:
    return ascii(match.group())[1:-1]


def command(*words: str) -> str:
    """Return a synadmin command that can be pasted into bash; special characters in ids are quoted."""
    return shlex.join(("synadmin", *words))


def option_words(**values: object) -> list[str]:
    """Return the words of options on a command line: ``dry_run=True`` is ``--dry-run``.

    A list repeats the option, and a tuple in it is an option with several values. None, False and an empty
    list are left out.
    """
    words: list[str] = []
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif value is not None and value is not False:
            for item in value if isinstance(value, list) else [value]:
                words += [option, *(map(str, item) if isinstance(item, tuple) else [str(item)])]
    return words


def width(text: str) -> int:
    """Return how many columns a line of text takes on a terminal."""
    if text.isascii():
        return len(text)
    import wcwidth

    return int(wcwidth.width(text))


def cut(text: str, columns: int) -> str:
    """Return a line of text, cut to this many columns; a cut line ends in ``…``."""
    if width(text) <= columns:
        return text
    import wcwidth

    return f"{wcwidth.clip(text, 0, columns - 1).rstrip()}…"


def wrap(text: str, columns: int, *, indent: str = "", longest_word: int | None = None) -> str:
    """Return text in lines of at most this many columns, broken between words.

    Args:
        text: one paragraph.
        columns: the width of a line, with the indent.
        indent: the indent of every line but the first.
        longest_word: a word with more columns than this is broken; None: no word is broken.
    """
    if width(text) <= columns:
        return text
    import wcwidth

    if longest_word is not None:
        text = " ".join(piece for word in text.split(" ") for piece in _pieces(word, longest_word, columns))
    lines = wcwidth.wrap(
        text, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines)


def _pieces(word: str, longest: int, columns: int) -> Iterator[str]:
    """Yield a word, in pieces where it is too long. wcwidth itself takes quadratic time for long words."""
    if width(word) <= longest:
        yield word
        return
    import wcwidth

    piece, taken = "", 0
    for grapheme in wcwidth.iter_graphemes(word):
        wide = width(grapheme)
        if taken + wide > columns:
            yield piece
            piece, taken = "", 0
        piece += grapheme
        taken += wide
    yield piece
