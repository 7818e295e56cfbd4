"""Addresses of pages: one form for each, only hosts that are allowed, no path that a server could read in another way."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, unquote_to_bytes, urlencode, urljoin, urlsplit

from countersign.domain.errors import ConfigError

MAX_CHARS = 1_000
_PORTS = {"http": 80, "https": 443}
_TRACKING = re.compile(
    r"(?i)utm_\w+|gclid|fbclid|yclid|_openstat|phpsessid|jsessionid|aspsessionid\w*|sid|session_?id"
)
_SESSION = re.compile(r"(?i);jsessionid=[^/;]*")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "::1/128",
            "fc00::/7",
        ),
    )
)
_NEVER = tuple(
    map(ipaddress.ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32"))
)
"""Link-local addresses and those where clouds hand out credentials: refused even where private ones are allowed."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(Exception):
    """A host that leads where nothing may be fetched."""


@dataclass(frozen=True, slots=True)
class Site:
    """`start` and further hosts (`host` or `host:port`). A site that starts with https is never left for http."""

    start: str
    hosts: tuple[str, ...]
    private_hosts: frozenset[str]

    @classmethod
    def of(cls, source: str, start: str, hosts: Iterable[str], private_hosts: Iterable[str]) -> Site:
        """Raises `ConfigError` for an address that is none."""
        site = cls(
            start,
            tuple(host.casefold() for host in hosts),
            frozenset(host.casefold() for host in private_hosts),
        )
        if normal(start) is None or not site.allows(str(normal(start))):
            raise ConfigError(
                f"source {source}: its address is not one of a web site",
                hint="Write https://HOST/ or http://HOST/, without a user and a password.",
            )
        return cls(str(normal(start)), site.hosts, site.private_hosts)

    def allows(self, url: str) -> bool:
        """Whether a normal address lies on one of the hosts."""
        here, there = urlsplit(self.start), urlsplit(url)
        if there.scheme not in _PORTS or (here.scheme == "https" and there.scheme == "http"):
            return False
        host, port = _host_of(there.hostname or ""), there.port or _PORTS[there.scheme]
        usual = port == _PORTS[there.scheme]
        own = _host_of(here.hostname or "")
        if host == own and (usual or port == here.port):
            return True
        return (host in self.hosts and usual) or f"{host}:{port}" in self.hosts

    def rule_path(self, url: str) -> str:
        """What rules are matched with: the path, decoded, without its first slash; with the host before it where that
        is not the first one's. A query is no part of it: whoever writes a link chooses that."""
        there = urlsplit(url)
        path = unquote(there.path).removeprefix("/")
        own = there.hostname == urlsplit(self.start).hostname
        return path if own else f"{there.hostname}/{path}"

    def vetted(self, host: str, port: int) -> list[str]:
        """Where the host is now, each address allowed. Raises `AddressRefused`, `OSError` when it is not known."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
        private = host.casefold() in self.private_hosts
        for address in addresses:
            if not may_connect(ipaddress.ip_address(address), private=private):
                raise AddressRefused(host)
        return addresses


def may_connect(address: Address, *, private: bool) -> bool:
    """Whether it is an address of the open internet or, with `private`, of an inner network or this machine."""
    inner = _inside(address)
    if inner is not None:
        return may_connect(inner, private=private)
    if address.is_multicast or address.is_unspecified or _is_in(address, _NEVER):
        return False
    return address.is_global or (private and _is_in(address, _PRIVATE))


def _is_in(address: Address, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _inside(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def normal(url: str, base: str = "") -> str | None:
    """The one form of an http address without its fragment; None for what is none, is absurdly long, or whose path a
    server could read as another one."""
    try:
        parts = urlsplit(urljoin(base, re.sub(r"[\t\r\n]", "", url.strip())))
        port = parts.port
    except ValueError:
        return None
    scheme, host = parts.scheme.lower(), _host_of(parts.hostname or "")
    if scheme not in _PORTS or not host or parts.username is not None or parts.password is not None:
        return None
    path = _path(parts.path or "/")
    if path is None:
        return None
    shown = f"[{host}]" if ":" in host else host
    where = shown if port in (None, _PORTS[scheme]) else f"{shown}:{port}"
    query = _query(parts.query)
    made = f"{scheme}://{where}{path}{'?' + query if query else ''}"
    return made if len(made) <= MAX_CHARS and made.isprintable() else None


def _host_of(host: str) -> str:
    try:
        return host.casefold() if host.isascii() else host.encode("idna").decode("ascii").casefold()
    except UnicodeError:
        return ""


def _path(path: str) -> str | None:
    read = path = _SESSION.sub("", path)
    for _ in range(4):  # a server may decode more than once
        if any(_misread(segment) for segment in read.split("/")) or unquote(read).count("/") != read.count(
            "/"
        ):
            return None
        if read == (read := unquote(read)):
            break
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(quote(unquote_to_bytes(segment), safe="~!$&'()*+,;=:@-._") for segment in kept)


def _misread(segment: str) -> bool:
    """`..` in plain sight is resolved; hidden, or with something after it, it may be resolved by the server alone."""
    if "\\" in segment or not segment.replace("\ufffd", "").isprintable():
        return True
    plain = segment in ("..", ".")
    return not plain and (re.fullmatch(r"\.{1,2}(?:;.*)?", unquote(segment)) is not None or "\0" in segment)


def _query(query: str) -> str:
    if not query:
        return ""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return query
    if not any(_TRACKING.fullmatch(name) for name, _ in pairs):
        return quote(query, safe="/?~!$&'()*+,;=:@-._%")
    return urlencode([(name, value) for name, value in pairs if not _TRACKING.fullmatch(name)])
