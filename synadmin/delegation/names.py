"""Server names, and the two options that change their addresses.

Source: Matrix specification, Appendices, "Server Name".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from synadmin.errors import UsageError
from synadmin.ids import is_server_name

FEDERATION_PORT = 8448
HTTPS_PORT = 443
_HIGHEST_PORT = 65535
_DNS_PORT = 53
_LONGEST = 230  # bytes: a user id with a short localpart must fit into 255
_LONGEST_LABEL = 63
_OVERRIDE = re.compile(r"(?P<name>\[[^\]]*\]|[^:\[\]]+):(?P<port>[0-9]+):(?P<to>.+)\Z")
_ADDRESS = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[0-9.]+))(?::(?P<port>[0-9]+))?\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address and a TCP port."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"{bracketed(self.ip)} port {self.port}"


@dataclass(frozen=True, slots=True)
class ServerName:
    """A server name in its parts.

    Attributes:
        text: the server name as it was written.
        host: the DNS name, or the IP address without brackets.
        port: the explicit port.
        literal: the host is an IP address.
    """

    text: str
    host: str
    port: int | None
    literal: bool


def bracketed(host: str) -> str:
    """Return a host as it stands in a URL or server name: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def parse_name(text: str) -> ServerName:
    """Parse a server name.

    Raises:
        UsageError: it is not a server name; the message says what it is.
    """
    problem = _problem(text)
    if problem is not None:
        raise UsageError(f"{text!a} is not a server name: {problem}")
    host, port = text, None
    match = re.fullmatch(r"(.*?):([0-9]+)", text) if not text.endswith("]") else None
    if match is not None:
        host, port = match[1], int(match[2])
    host = host.strip("[]")
    return ServerName(text, host, port, literal=is_ip(host))


def _problem(text: str) -> str | None:  # noqa: C901, PLR0911  one clause for each mistake
    """Return the error of a server name, as a clause; None where it is valid."""
    if not text:
        return "it is empty"
    if "://" in text:
        rest = text.partition("://")[2].partition("/")[0]
        return f"it is a URL; write {rest}" if is_server_name(rest) else "it is a URL"
    if text[0] in "@#!":
        rest = text.partition(":")[2]
        kind = {"@": "a user id", "#": "a room alias", "!": "a room id"}[text[0]]
        return f"it is {kind}; write {rest}" if is_server_name(rest) else f"it is {kind}"
    if not text.isascii():
        return f"it has characters that are not ASCII{_in_ascii(text)}"
    if any(character.isspace() for character in text):
        return "it has a space in it"
    if "/" in text:
        return "it has a slash in it; write the host alone"
    if len(text) > _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    port = re.search(r":([0-9]+)\Z", text)
    if port is not None and not text.endswith("]") and not 0 < int(port[1][:9]) <= _HIGHEST_PORT:
        return f"port {port[1][:12]} is not between 1 and {_HIGHEST_PORT}"
    if text.startswith("["):
        inside = text[1:].partition("]")[0]
        if not is_ip(inside) or ":" not in inside:
            return f"{inside!a} is not an IPv6 address"
    elif text.count(":") > 1:
        return f"an IPv6 address stands in brackets: [{text}]" if is_ip(text) else "there are two colons"
    if not is_server_name(text):
        return "a server name looks like example.org or example.org:8448"
    return _problem_of_labels(text)


def _problem_of_labels(text: str) -> str | None:
    if text.startswith("["):
        return None
    # In DNS, a full name may end with a dot.
    for label in text.partition(":")[0].removesuffix(".").split("."):
        if not label:
            return "there is nothing between two dots"
        if len(label) > _LONGEST_LABEL:
            return f"{label[:12]}… is longer than {_LONGEST_LABEL} characters, which DNS does not know"
    return None


def _in_ascii(text: str) -> str:
    try:
        ascii_name = text.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
    return f"; write {ascii_name}" if is_server_name(ascii_name) else ""


def is_ip(text: str) -> bool:
    """Whether the text is an IP address, without brackets and zone."""
    try:
        return "%" not in text and bool(ip_address(text))
    except ValueError:
        return False


def parse_address(text: str, *, port: int = _DNS_PORT) -> Address:
    """Read ``ADDRESS[:PORT]``, IPv6 in brackets where a port follows; a nameserver has DNS's port.

    Raises:
        UsageError: it is not an address.
    """
    if is_ip(text):
        return Address(text, port)
    match = _ADDRESS.match(text)
    if match is not None:
        ip = match["six"] or match["four"] or ""
        number = int((match["port"] or str(port))[:9])
        if is_ip(ip) and 0 < number <= _HIGHEST_PORT:
            return Address(ip, number)
    raise UsageError(
        f"{text!a} is not an IP address with an optional port: 192.0.2.1, 192.0.2.1:53, [2001:db8::1]:53"
    )


def parse_overrides(texts: Iterable[str]) -> Mapping[tuple[str, int], tuple[Address, ...]]:
    """Read the values of ``--resolve``, ``NAME:PORT:ADDRESS[:PORT]``; a name may have several addresses.

    Raises:
        UsageError: a value does not have this format.
    """
    overrides: dict[tuple[str, int], tuple[Address, ...]] = {}
    for text in texts:
        match = _OVERRIDE.match(text)
        port = int(match["port"][:9]) if match else 0
        if match is None or not 0 < port <= _HIGHEST_PORT:
            raise UsageError(f"{text!a} is not NAME:PORT:ADDRESS[:PORT], as in example.org:443:192.0.2.1")
        key = (parse_name(match["name"]).host.lower(), port)
        overrides[key] = (*overrides.get(key, ()), parse_address(match["to"], port=port))
    return overrides
