"""Values and comments as a TOML file writes them."""

from collections.abc import Mapping

from synadmin.text import safe_text

_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_DELETE = 0x7F


def toml_value(value: object) -> str:
    """Return a text, number, boolean, list or mapping as TOML; None as the words ``not set``."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{"".join(map(_escaped, value))}"'
    if isinstance(value, Mapping):
        pairs = (f"{toml_key(str(key))} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    return str(value)


def toml_key(key: str) -> str:
    """Return a key, quoted where TOML requires it."""
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else toml_value(key)


def toml_comment(text: str) -> str:
    """Return a comment of one line; no text, such as a room name, can end the comment."""
    return f"# {safe_text(text)}"


def _escaped(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    code = ord(character)
    if code < ord(" ") or code == _DELETE or not character.isprintable():
        return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  as TOML has it
    return character
