"""The kinds of single values: text, numbers, durations, sizes, money, prices, secrets, rights terms, the database."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

import yaml

from countersign.access.secrets import weakness
from countersign.access.terms import parse_term
from countersign.config.reading import Key, Kind, Place, Reader, Wrong, many, quoted, scalar, section
from countersign.domain.schedule import Schedule, parse_schedule
from countersign.domain.workspace import Money, Price, Secret

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|KiB|MiB|GiB)", re.IGNORECASE)
_MONEY = re.compile(r"(\d+(?:\.\d+)?)\s+([A-Z]{3})")
_CURRENCY = re.compile(r"[A-Z]{3}")
_REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNIT_BYTES = {
    "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30
}  # fmt: skip
_DATABASE = re.compile(
    r"postgres(?:ql)?(?:\+psycopg)?://"
    r"(?P<user>[^:@/]+)(?::(?P<password>\$\{[^}]*\}|[^@/]*))?@(?P<rest>[^@/?]*/[^/?]+(?P<options>\?.*)?)"
)
_MAX_SECRET_BYTES = 64 * 1024


def plain(label: str, convert: Callable[[str], object]) -> Kind:
    return Kind(label, lambda _, place: convert(scalar(place, label)))


def text(label: str = "text") -> Kind:
    """Any text without a secret reference: references are for secrets, and unresolved ones must not travel on."""

    def convert(value: str) -> str:
        if _REFERENCE.search(value):
            raise Wrong("a reference may stand only where a secret is asked for", "write the value itself")
        return value.strip()

    return plain(label, convert)


def pattern(label: str, shape: str) -> Kind:
    compiled = re.compile(shape)

    def convert(value: str) -> str:
        if not compiled.fullmatch(value):
            raise Wrong(f"`{value}` is not {label}", f"write {label}")
        return value

    return plain(label, convert)


def choice(*options: str) -> Kind:
    label = "one of " + ", ".join(f"`{option}`" for option in options)

    def convert(value: str) -> str:
        if value not in options:
            raise Wrong(f"`{value}` is not known here", f"write {label}")
        return value

    return plain(label, convert)


def check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise Wrong(
            f"`{value}` cannot be a name",
            "use up to 63 Latin letters, digits, `-`, `_` or `.`, beginning with a letter or digit",
        )
    return value


name = plain("a name", check_name)


def _read_yes_no(_: Reader, place: Place) -> bool:
    value = scalar(place, "true or false").lower()
    if quoted(place) or value not in ("true", "false"):
        raise Wrong(f"`{value}` is neither true nor false", "write true or false, without quotes")
    return value == "true"


yes_no = Kind("true or false", _read_yes_no)


def _number(place: Place, label: str) -> float:
    value = scalar(place, label).replace("_", "")
    if not _NUMBER.fullmatch(value):
        raise Wrong(f"`{value}` is not a number", f"write {label}")
    if quoted(place):
        raise Wrong("a number in quotes is text", f"write {value} without quotes")
    return float(value)


def number(low: float, high: float | None = None) -> Kind:
    label = f"a number from {low:g}" + ("" if high is None else f" to {high:g}")

    def read(_: Reader, place: Place) -> float:
        value = _number(place, label)
        if not low <= value <= (float("inf") if high is None else high):
            raise Wrong(f"{value:g} is out of range", f"write {label}")
        return value

    return Kind(label, read)


def whole(low: int, high: int) -> Kind:
    label = f"a whole number from {low} to {high}"

    def read(_: Reader, place: Place) -> int:
        value = _number(place, label)
        if value != int(value) or not low <= value <= high:
            raise Wrong(f"{value:g} does not fit", f"write {label}")
        return int(value)

    return Kind(label, read)


def _duration(value: str) -> timedelta:
    match = _DURATION.fullmatch(value.strip())
    if match is None or float(match[1]) == 0:
        raise Wrong(f"`{value}` is not a duration", "write a number and a unit, such as 30s, 30m, 24h or 7d")
    return timedelta(seconds=float(match[1]) * _UNIT_S[match[2]])


duration = plain("a duration such as 30m, 24h or 7d", _duration)
seconds = plain("a duration such as 30s", lambda value: _duration(value).total_seconds())
whole_seconds = plain("a duration such as 30s", lambda value: max(1, round(_duration(value).total_seconds())))


def _schedule(value: str) -> Schedule:
    try:
        return parse_schedule(value)
    except ValueError as error:
        raise Wrong(
            f"`{value}` is not a schedule: {error}", "write `every 15m`, `at 02:30`, or `0 2 * * 1-5`"
        ) from None


schedule = plain("`every 15m`, `at 02:30`, or five cron fields", _schedule)


def _size(value: str) -> int:
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise Wrong(f"`{value}` is not a size", "write a number and a unit, such as 200 MB or 2 GiB")
    return int(float(match[1]) * _UNIT_BYTES[match[2].lower()])


size = plain("a size such as 200 MB or 2 GiB", _size)


def _money(value: str) -> Money:
    match = _MONEY.fullmatch(value.strip())
    if match is None:
        raise Wrong(
            f"`{value}` is not an amount of money", "write an amount and a currency, such as 1.00 USD"
        )
    return Money(float(match[1]), match[2])


money = plain("an amount such as 1.00 USD", _money)

_price_section = section(
    (
        Key(
            "currency", pattern("a currency such as USD", _CURRENCY.pattern), "Currency of the price.", "USD"
        ),
        Key("input_per_million", number(0), "For a million tokens sent.", required=True),
        Key("output_per_million", number(0), "For a million tokens received.", required=True),
    ),
    Price,
    "`unmetered`, or {currency, input_per_million, output_per_million}",
)


def _read_price(reader: Reader, place: Place) -> Price | None:
    if isinstance(place.node, yaml.ScalarNode):
        if place.node.value == "unmetered":
            return Price(unmetered=True)
        raise Wrong(f"`{place.node.value}` is not a price", f"write {_price_section.label}")
    price: Price = _price_section.read(reader, place)
    return price


price = Kind(_price_section.label, _read_price, keys=_price_section.keys)


# -- rights -----------------------------------------------------------------------------------------------------
def _term(value: str) -> str:
    term = parse_term(value)
    if term is None:
        raise Wrong(
            f"`{value}` is not a right",
            "write a group's name, `group:NAME`, `user:NAME` or `tenant:*`; no comma or semicolon",
        )
    return term


def _group(value: str) -> str:
    if parse_term(f"group:{value}") is None:
        raise Wrong(
            f"`{value}` cannot be a group's name", "leave out commas, semicolons and control characters"
        )
    return value


term = plain("a group's name, `group:NAME`, `user:NAME` or `tenant:*`", _term)


def _groups(groups: tuple[str, ...] = ()) -> tuple[str, ...]:
    return groups


groups = section(
    (Key("groups", many(plain("a group's name", _group), at_least=1), "Names of groups.", required=True),),
    _groups,
    "{groups: [NAME, …]}",
)


# -- secrets and addresses --------------------------------------------------------------------------------------
def resolve(reader: Reader, kind: str, target: str, *, always: bool = False) -> str:
    """What `${kind:target}` stands for. Raises `Wrong` with code `secret_missing` or `weak_secret`."""
    if not reader.resolve_secrets and not always:
        return ""
    value = reader.environ.get(target, "") if kind == "env" else _file_secret(reader.root / target)
    if not value:
        what = (
            f"the environment variable {target} is not set"
            if kind == "env"
            else f"the file {target} is empty"
        )
        raise Wrong(what, "set it for the process that runs Countersign", "secret_missing")
    if why := weakness(value):
        raise Wrong(
            f"the secret behind {kind}:{target} is weak: {why}",
            "put a strong one there, or leave the key out where none is asked for",
            "weak_secret",
        )
    return value


def _file_secret(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_SECRET_BYTES + 1)
        if len(content) > _MAX_SECRET_BYTES:
            raise Wrong(
                "the secret's file is larger than 64 KiB",
                "it must hold the secret and nothing else",
                "secret_missing",
            )
        return content.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise Wrong(
            f"the secret's file cannot be read: {reason}", "check the path and its owner", "secret_missing"
        ) from None


def _read_secret(reader: Reader, place: Place, *, always: bool = False) -> Secret:
    value = scalar(place, "${env:NAME} or ${file:PATH}").strip()
    match = _REFERENCE.fullmatch(value)
    if match is None:  # never repeat the value: it may be the secret itself
        raise Wrong(
            "a secret may not stand in this file",
            "put it into the environment or a file and write ${env:NAME} or ${file:PATH}",
            "secret_in_file",
        )
    resolved = resolve(reader, match[1], match[2].strip(), always=always)
    if match[1] == "file" and resolved and (reader.root / match[2].strip()).stat().st_mode & 0o007:
        reader.warn(place, "every user of this machine may read the secret's file", "run chmod 600 on it")
    return Secret(value, resolved)


secret = Kind("${env:NAME} or ${file:PATH}", _read_secret)
store_secret = Kind(secret.label, partial(_read_secret, always=True))
"""Of a store that every command needs."""


def _no_password(value: str) -> str:
    try:
        parts = urlsplit(value)
        has_password = bool(parts.password)
    except ValueError:
        raise Wrong("is not an address", "check brackets and the port") from None
    if has_password:
        raise Wrong(
            "a password may not stand in an address",
            "use the service's own credentials or a `key`",
            "secret_in_file",
        )
    return value.strip()


def _http(value: str) -> str:
    address = _no_password(value)
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Wrong(f"`{value}` is not an http address", "write http://HOST:PORT/v1 or https://HOST/v1")
    return address.rstrip("/")


http = plain("an address such as http://HOST:PORT/v1", _http)
location = plain("a folder or an address such as s3://BUCKET/PREFIX", _no_password)


def _read_database(reader: Reader, place: Place) -> str:
    value = scalar(place, "sqlite or postgresql://USER@HOST/NAME").strip()
    if value == "sqlite":
        return value
    match = _DATABASE.fullmatch(value)
    if match is None:
        raise Wrong("is not a database", "write sqlite, or postgresql://USER:${env:NAME}@HOST/NAME")
    password = match["password"]
    if "password=" in (match["options"] or "") or (password and not _REFERENCE.fullmatch(password)):
        raise Wrong(
            "a password may not stand in this file",
            "write postgresql://USER:${env:NAME}@HOST/NAME",
            "secret_in_file",
        )
    if reference := _REFERENCE.fullmatch(password or ""):
        password = quote(resolve(reader, reference[1], reference[2].strip(), always=True), safe="")
    user = f"{match['user']}:{password}" if password else match["user"]
    return f"postgresql+psycopg://{user}@{match['rest']}"


database = Kind("`sqlite` or postgresql://USER@HOST/NAME", _read_database)
