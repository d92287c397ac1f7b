"""Which server clients on this machine use: what stands in a small file, and in variables of the environment."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from metermt.config import HTTP_PORT, check_port
from metermt.errors import SettingError

FILE_NAME = "client.toml"
Settings = dict[str, Any]
"""What one source says, by the names of the options of a client, with `_` for `-`."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What can stand for a setting: in words, and how it is read from a variable's text."""

    words: str
    fits: Callable[[Any], bool]
    read: Callable[[str], Any] = str


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_port(value: object) -> bool:
    try:
        return type(value) is int and check_port(value) > 0
    except SettingError:
        return False


def _is_http_url(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(http_url(value))
    except SettingError:
        return False


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else text


_TEXT = _Kind("a text", _is_text)
_KINDS = {
    "host": _TEXT,
    "port": _Kind("a number from 1 to 65535", _is_port, _number),
    "server": _Kind(
        "a text, or a list of texts",
        lambda value: _is_text(value) or (isinstance(value, list) and bool(value) and all(map(_is_text, value))),
    ),
    "service": _TEXT,
    "registry": _TEXT,
    "http": _Kind(f"a URL, as http://HOST:{HTTP_PORT}", _is_http_url),
    "tls-ca": _Kind("the path of a file", _is_text),
    "tls-cert": _Kind("the path of a file", _is_text),
    "ssh": _TEXT,
}
_WAYS = ({"server"}, {"http"}, {"service", "registry"}, {"host", "port", "ssh"})
"""How a server is found: in a list, at its URL, by name, or at its address. Each goes without the others."""


def settings_files() -> list[Path]:
    """Return where settings are looked for, the user's file first, then the one of this machine."""
    from platformdirs import site_config_path, user_config_path  # noqa: PLC0415 - 20 ms that not every program owes

    return [folder / FILE_NAME for folder in (user_config_path("metermt"), site_config_path("metermt"))]


def from_file(path: Path) -> Settings:
    """Return what stands in a file of TOML, nothing if there is none.

    Raises `SettingError`, also if it says by two ways how a server is found.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin with a mark
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingError(f"The settings in {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} is no TOML file: {error}") from error
    for name, value in said.items():
        if name not in _KINDS:
            raise SettingError(f"{path} has an unknown setting {name!r}: use {', '.join(_KINDS)}")
        if not _KINDS[name].fits(value):
            raise SettingError(f"{path}: {name} is {value!r}, and must be {_KINDS[name].words}")
    try:
        check_one_way({name: name for name in said})
    except SettingError as error:
        raise SettingError(f"{path}: {error}") from error
    return {name: _beside(path, name, value) for name, value in said.items()}


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Return what the variables `METERMT_HOST`, `METERMT_TLS_CA` … say; an empty one says nothing.

    Raises `SettingError`, also if they say by two ways how a server is found.
    """
    settings = {}
    for name, kind in _KINDS.items():
        variable = _variable(name)
        if text := environment.get(variable):
            settings[name] = kind.read(text)
            if not kind.fits(settings[name]):
                raise SettingError(f"{variable} is {text!r}, and must be {kind.words}")
    check_one_way({name: _variable(name) for name in settings})
    return settings


def joined(*sources: Settings) -> Settings:
    """Return what several sources say together, the strongest first.

    The first that says anything of how a server is found (`_WAYS`) decides that: what weaker ones say of another way is
    left out.
    """
    other_ways = _others_than(next((way for source in sources for way in _WAYS if way & source.keys()), set()))
    settings: Settings = {}
    for source in sources:
        for name, value in source.items():
            if name not in other_ways:
                settings.setdefault(name, value)
    return settings


def check_one_way(given: Mapping[str, str]) -> None:
    """Refuse settings that say by two ways how a server is found. `given` has what each is called.

    Raises `SettingError`.
    """
    for way in _WAYS:
        if mine := [called for name, called in given.items() if name in way]:
            others = _others_than(way)
            if too_many := [called for name, called in given.items() if name in others]:
                raise SettingError(f"{mine[0]} says which server: leave {', '.join(too_many)} away")
            return


def http_url(text: str) -> SplitResult:
    """Return the parts of the URL of a door for HTTP. Raises `SettingError`."""
    try:
        url = urlsplit(text)
        is_one = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        is_one = False
    if not is_one or url.query or url.fragment or url.username is not None:
        raise SettingError(f"Invalid URL {text!r}: write it as http://HOST:{HTTP_PORT}")
    return url


def _variable(name: str) -> str:
    return f"METERMT_{name.replace('-', '_').upper()}"


def _others_than(way: set[str]) -> set[str]:
    return set().union(*_WAYS) - way


def _beside(path: Path, name: str, value: Any) -> Any:
    """Return a setting; a file that it names is looked for beside the one that it stands in."""
    return path.parent / Path(value).expanduser() if name.startswith("tls-") else value
