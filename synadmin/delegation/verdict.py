"""Turns the results of the checks into a verdict, a message and advice. Pure."""

import json
from dataclasses import dataclass

from synadmin.delegation.discovery import DEFAULT, SRV, WELL_KNOWN
from synadmin.delegation.names import HTTPS_PORT, bracketed
from synadmin.delegation.well_known import CLIENT, SERVER, FileKind
from synadmin.text import command

NEEDED = "needed"
NOT_NEEDED = "not-needed"
IN_PLACE = "in-place"
BROKEN = "broken"
OK = "ok"
DEGRADED = "degraded"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictFacts:
    """The facts that decide the verdict.

    Attributes:
        host: its host.
        via: the route, as in :mod:`synadmin.delegation.discovery`.
        to: where the route leads, ``HOST:PORT``; None where it leads nowhere.
        works: other servers get valid answers from at least one address.
        all_ok: every check is ok.
        in_dns: the host has an address.
        well_known: the result of the well-known file; None where the route does not use it.
        srv: the SRV record that is in use.
        elsewhere: another address at which this homeserver was found, ``(HOST, PORT)``.
        clients: clients find the homeserver.
        connects: at least one address takes connections.
        untrusted: the homeserver answers, and only its certificate is wrong.
    """

    name: str
    host: str
    via: str
    to: str | None
    works: bool
    all_ok: bool
    in_dns: bool = True
    well_known: FileKind | None = None
    srv: str | None = None
    elsewhere: tuple[str, int] | None = None
    clients: bool = True
    connects: bool = False
    untrusted: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict.

    Attributes:
        verdict: ``ok``, ``degraded`` or ``broken``.
        delegation: ``needed``, ``not-needed``, ``in-place`` or ``broken``.
        message: verdict and delegation in one sentence.
        advice: the steps to do.
    """

    verdict: str
    delegation: str
    message: str
    advice: tuple[str, ...]


def judge(facts: VerdictFacts) -> Verdict:
    """Return the verdict."""
    delegation = _delegation(facts)
    verdict = BROKEN if not facts.works else OK if facts.all_ok else DEGRADED
    return Verdict(
        verdict, delegation, _message(facts, delegation, verdict), tuple(_advice(facts, delegation))
    )


def _delegation(facts: VerdictFacts) -> str:
    if facts.via == WELL_KNOWN or facts.srv is not None:
        return IN_PLACE if facts.works else BROKEN
    if facts.via == DEFAULT and not facts.works:
        # An invalid file is a broken delegation; without a file, the delegation is missing.
        return BROKEN if facts.well_known is FileKind.INVALID else NEEDED
    return NOT_NEEDED


def _message(facts: VerdictFacts, delegation: str, verdict: str) -> str:
    name = facts.name
    if facts.untrusted:
        words = f"{facts.to} answers for {name}, but other servers do not trust its certificate"
    elif facts.connects and not facts.works:
        why = f"{facts.to} takes connections, but does not answer as the homeserver of {name}"
        words = why + _what_is_delegated(facts, delegation)
    elif delegation == IN_PLACE:
        how = f"the SRV record {facts.srv}" if facts.via == SRV else SERVER
        words = f"{name} is delegated to {facts.to} by {how}, and other servers reach it there"
    elif delegation == NOT_NEEDED and facts.works:
        words = f"{name} is reachable without delegation, at {facts.to}"
    elif delegation == NOT_NEEDED:
        words = f"{name} is not reachable: its name says {facts.to}, so no delegation is looked for"
    elif delegation == NEEDED:
        why = (
            f"{facts.to} does not answer as it should"
            if facts.in_dns
            else f"DNS has no address of {facts.host}"
        )
        words = f"{name} is not reachable: nothing is delegated, and {why}"
    elif facts.via == DEFAULT:
        words = f"{name} is not reachable: other servers cannot use the file at {SERVER}"
    elif facts.to is None:
        words = f"{name} is not reachable: the SRV record {facts.srv} says that there is no such service"
    else:
        words = f"{name} is not reachable: it is delegated to {facts.to}, which does not answer as it should"
    return f"{words}; see what is not ok." if verdict == DEGRADED else f"{words}."


def _what_is_delegated(facts: VerdictFacts, delegation: str) -> str:
    if delegation == NOT_NEEDED:
        return ""
    if facts.via != DEFAULT:
        return "; the delegation leads there"
    if delegation == NEEDED:
        return "; nothing is delegated"
    return f"; other servers cannot use the file at {SERVER}"


def _advice(facts: VerdictFacts, delegation: str) -> list[str]:
    advice: list[str] = []
    if delegation in {NEEDED, BROKEN} and facts.via == DEFAULT:
        advice += _advice_to_delegate(facts)
    elif delegation == BROKEN:
        advice.append(f"fix what is not ok at {facts.to or facts.srv}, or delegate elsewhere: {_file(facts)}")
    elif delegation == NOT_NEEDED and not facts.works:
        advice.append(
            f"other servers connect to {facts.to} and to nothing else: fix what is not ok there "
            f"(no file under /.well-known can help a name with a port or an IP address)"
        )
    if facts.srv is not None:
        advice.append(
            f"the SRV record only says where to connect: the certificate there has to be for "
            f"{facts.host}, and clients do not ask for it; {SERVER} covers that better"
        )
        if facts.srv.startswith("_matrix._tcp"):
            advice.append(f"_matrix._tcp is deprecated: publish _matrix-fed._tcp.{facts.host} as well")
    if not facts.clients:
        advice.append(
            f"for clients, serve {_client_file(facts)} at https://{bracketed(facts.host)}{CLIENT}, with the "
            "header Access-Control-Allow-Origin: *"
        )
    return advice


def _advice_to_delegate(facts: VerdictFacts) -> list[str]:
    host = bracketed(facts.host)
    lines = []
    if not facts.in_dns:
        lines.append(f"give {host} an address in DNS (A, AAAA): everything else begins there")
    if facts.elsewhere == (facts.host, HTTPS_PORT):
        lines.append(
            f"the homeserver answers on https://{host} itself: set `serve_server_wellknown: true` in "
            f"homeserver.yaml (and let the proxy pass {SERVER} on to Synapse), or serve the file yourself:"
        )
    elif facts.elsewhere is not None:
        lines.append(f"the homeserver answers at {bracketed(facts.elsewhere[0])}:{facts.elsewhere[1]}:")
    else:
        lines.append(
            f"open port 8448 of {host} for the homeserver, with a certificate for {facts.host}; "
            "or, where the homeserver is reachable at another name or port (HOST:PORT):"
        )
    lines.append(_file(facts))
    to = _target(facts)
    well_known = command("federation", "well-known", facts.name, "--to", to)
    lines.append(f"`{well_known}` prints it, and how a proxy serves it")
    return lines


def _target(facts: VerdictFacts) -> str:
    if facts.elsewhere is None:
        return "HOST:PORT"
    return f"{bracketed(facts.elsewhere[0])}:{facts.elsewhere[1]}"


def _file(facts: VerdictFacts) -> str:
    content = json.dumps({"m.server": _target(facts)})
    return f"serve {content} at https://{bracketed(facts.host)}{SERVER}"


def _client_file(facts: VerdictFacts) -> str:
    host = bracketed(facts.elsewhere[0]) if facts.elsewhere else None
    if host is None and facts.works and facts.to is not None and facts.to.endswith(f":{HTTPS_PORT}"):
        host = facts.to.removesuffix(f":{HTTPS_PORT}")
    return json.dumps({"m.homeserver": {"base_url": f"https://{host or 'HOST'}"}})
