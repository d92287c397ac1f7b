"""The map of modules in docs/ARCHITECTURE.md has each package on its floor, and nothing that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from importrules import FLOORS, PACKAGE, PACKAGE_DIR, find_modules, floor_of

HEADING = re.compile(r"floor \d|the roof")
ENTRY = re.compile(r"(?<![\w/.])(?:(?:\w+/)*\w+\.py|(?:\w+/)+)(?!\w)")


def the_map() -> str:
    text = PACKAGE_DIR.parent.joinpath("docs", "ARCHITECTURE.md").read_text(encoding="utf-8")
    return text.split("```")[1]


def faults_of(text: str, package_dir: Path) -> list[str]:
    entries = list(entries_of(text))
    named = {entry for entry, _ in entries}
    return [
        *(f"{room} is not on the map" for room in rooms_of(package_dir) if room not in named),
        *(f"{entry} is on the map only" for entry in sorted(named) if not (package_dir / entry).exists()),
        *(
            f"{entry} is on {floor_named(entry)}, not on {floor}"
            for entry, floor in entries
            if (package_dir / entry).exists() and floor_named(entry) != floor
        ),
    ]


def rooms_of(package_dir: Path) -> Iterator[str]:
    """Each package and each module of the root, as the map names it."""
    for module, path in find_modules(package_dir).items():
        if path.name == "__init__.py" and module != PACKAGE:
            yield f"{path.parent.relative_to(package_dir)}/"
        elif path.parent == package_dir and module != PACKAGE:
            yield path.name


def entries_of(text: str) -> Iterator[tuple[str, str]]:
    floor = ""
    for line in text.splitlines():
        if heading := HEADING.match(line):
            floor = heading[0]
        for entry in ENTRY.findall(line):
            yield entry, floor


def floor_named(entry: str) -> str:
    index = floor_of(f"{PACKAGE}.{entry.removesuffix('.py').strip('/').replace('/', '.')}")
    return "no floor" if index is None else FLOORS[index][0].partition(",")[0]


def test_the_map_shows_each_package_and_each_module_of_the_root_on_its_floor():
    assert not faults_of(the_map(), PACKAGE_DIR)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("floor 3  calls  calls/  calls/desk.py\nfloor 0  words  model.py", []),
        ("floor 3  calls  calls/", ["model.py is not on the map"]),
        ("floor 0  words  model.py", ["calls/ is not on the map"]),
        ("floor 3  calls  calls/  gone.py\nfloor 0  words  model.py", ["gone.py is on the map only"]),
        ("floor 3  calls  calls/  model.py", ["model.py is on floor 0, not on floor 3"]),
    ],
)
def test_what_is_wrong_with_a_map_is_found(tmp_path, text, faults):
    for name in ("__init__.py", "model.py", "calls/__init__.py", "calls/desk.py"):
        path = tmp_path / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert faults_of(text, tmp_path / PACKAGE) == faults
