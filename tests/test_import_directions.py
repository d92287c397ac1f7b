"""Imports point downward only, have no cycles, and keep libraries in their place: DESIGN.md, "The floors"."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "metermt"
PACKAGE_DIR = Path(__file__).parents[1] / PACKAGE

# From the ground up. A name stands for the module and, when it is a package, for all in it that no other line
# names. A module may import from lower lines and from its own line.
FLOORS = (
    ("floor 0", ("errors", "model")),
    ("floor 1", ("rules", "wire", "passwords", "config", "safedict", "routefile", "signing", "wholefile", "terminal")),
    ("floor 2, store.base", ("store.base",)),
    ("floor 2, the stores", ("store",)),
    ("floor 3", ("manager", "demo")),
    ("floor 4", ("transport", "discovery")),
    ("floor 5", ("client", "serving", "registry", "localserver", "certificates")),
    ("floor 6", ("console", "gui", "cli")),
    ("the roof", ("__init__", "__main__")),
)

SQL_DRIVERS = ("apsw", "sqlite3", "psycopg", "psycopg_pool")


@dataclass(frozen=True)
class Fence:
    """Where a library may be imported; `but_not` names exceptions inside `only_in`."""

    libraries: tuple[str, ...]
    only_in: tuple[str, ...]
    but_not: tuple[str, ...] = ()


FENCES = (
    Fence(("rpyc",), only_in=("transport", "discovery", "registry")),
    Fence(SQL_DRIVERS, only_in=("store",)),
    Fence(("tkinter",), only_in=("gui",), but_not=("gui.presenter", "gui.state", "gui.opening", "gui.first_account")),
)

NOT_LOADED_BY_IMPORT_METERMT = ("tkinter", *SQL_DRIVERS)

ImportStatement = ast.Import | ast.ImportFrom


@dataclass(frozen=True)
class Import:
    """One import; `eager` means that it runs when the importing module is imported."""

    importer: str
    line: int
    target: str  # a module of the package by its full name, or the top-level name of a library
    eager: bool

    def offends(self, rule: str) -> str:
        return f"{self.importer}, line {self.line}, imports {self.target}: {rule}"


# Reading the imports


def find_modules(package_dir: Path) -> dict[str, Path]:
    modules = {}
    for path in sorted(package_dir.rglob("*.py")):
        parts = path.relative_to(package_dir.parent).with_suffix("").parts
        modules[".".join(parts).removesuffix(".__init__")] = path
    return modules


def read_imports(package_dir: Path) -> list[Import]:
    modules = find_modules(package_dir)
    return [
        Import(module, statement.lineno, resolve(name, modules), eager)
        for module, path in modules.items()
        for statement, eager in import_statements(ast.parse(path.read_text(encoding="utf-8")))
        for name in imported_names(statement, package_of(module, path))
    ]


def import_statements(node: ast.AST, eager: bool = True) -> Iterator[tuple[ImportStatement, bool]]:
    if isinstance(node, ImportStatement):
        yield node, eager
    for child in ast.iter_child_nodes(node):
        yield from import_statements(child, eager and not is_postponed(child, node))


def is_postponed(child: ast.AST, parent: ast.AST) -> bool:
    if isinstance(parent, ast.If) and re.fullmatch(r"(\w+\.)?TYPE_CHECKING", ast.unparse(parent.test)):
        return child in parent.body
    return isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef)


def package_of(module: str, path: Path) -> str:
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


def imported_names(statement: ImportStatement, package: str) -> list[str]:
    """Absolute names: `from ..store import base` in metermt.gui.app is `metermt.store.base`."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    origin = statement.module or ""
    if statement.level:
        ancestors = package.split(".")
        kept = ancestors[: len(ancestors) - (statement.level - 1)]
        origin = ".".join([*kept, origin] if origin else kept)
    return [f"{origin}.{alias.name}" for alias in statement.names]


def resolve(name: str, modules: dict[str, Path]) -> str:
    """The module that the name is or comes from: `metermt.errors.Error` comes from `metermt.errors`."""
    prefix = name
    while prefix:
        if prefix in modules:
            return prefix
        prefix = prefix.rpartition(".")[0]
    return name.partition(".")[0]


# The rules


def find_offences(package_dir: Path) -> list[str]:
    modules = find_modules(package_dir)
    imports = read_imports(package_dir)
    offences = [
        *modules_without_a_floor(modules),
        *imports_of_the_root(imports),
        *imports_upward(imports),
        *imports_over_a_fence(imports),
        *import_cycle(imports),
        *unwanted_on_import(imports),
    ]
    return list(dict.fromkeys(offences))  # `from x import a, b` offends once


def is_ours(name: str) -> bool:
    return name.partition(".")[0] == PACKAGE


def is_in(module: str, places: tuple[str, ...]) -> bool:
    return any(f"{module}.".startswith(f"{PACKAGE}.{place}.") for place in places)


def floor_of(module: str) -> int | None:
    """An index into FLOORS; the longest name that fits decides."""
    name = module.removeprefix(PACKAGE).removeprefix(".") or "__init__"
    while name:
        for index, (_, names) in enumerate(FLOORS):
            if name in names:
                return index
        name = name.rpartition(".")[0]
    return None


def modules_without_a_floor(modules: dict[str, Path]) -> Iterator[str]:
    for module in modules:
        if floor_of(module) is None:
            yield f"{module}: every module has a floor; place it in FLOORS and in DESIGN.md"


def imports_of_the_root(imports: list[Import]) -> Iterator[str]:
    for each in imports:
        if each.target == PACKAGE:
            yield each.offends("no module imports the package root; name the submodule")


def imports_upward(imports: list[Import]) -> Iterator[str]:
    for each in imports:
        if not is_ours(each.target) or each.target == PACKAGE:
            continue
        here, there = floor_of(each.importer), floor_of(each.target)
        if here is not None and there is not None and here < there:
            yield each.offends(f"imports point downward, not from {FLOORS[here][0]} to {FLOORS[there][0]}")


def imports_over_a_fence(imports: list[Import]) -> Iterator[str]:
    for fence in FENCES:
        for each in imports:
            allowed = is_in(each.importer, fence.only_in) and not is_in(each.importer, fence.but_not)
            if each.target in fence.libraries and not allowed:
                exceptions = f", not in {', '.join(fence.but_not)}" if fence.but_not else ""
                yield each.offends(f"allowed only in {', '.join(fence.only_in)}{exceptions}")


def import_cycle(imports: list[Import]) -> Iterator[str]:
    """The first cycle found. Imports of the root are another rule's business."""
    graph = TopologicalSorter()
    for each in imports:
        if is_ours(each.target) and each.target != PACKAGE:
            graph.add(each.importer, each.target)
    try:
        graph.prepare()
    except CycleError as error:
        cycle = reversed(error.args[1])  # graphlib lists the imported module before the one that imports it
        yield f"{' imports '.join(cycle)}: no cycles"


def unwanted_on_import(imports: list[Import]) -> Iterator[str]:
    """Follows what Python runs for `import metermt`, so also the `__init__` of every package on the way."""
    chains = {PACKAGE: PACKAGE}
    waiting = [PACKAGE]
    while waiting:
        module = waiting.pop(0)
        for each in imports:
            if each.importer != module or not each.eager:
                continue
            if each.target in NOT_LOADED_BY_IMPORT_METERMT:
                yield each.offends(f"`import {PACKAGE}` must not load it, but does: {chains[module]}")
            for loaded in with_parent_packages(each.target):
                if is_ours(loaded) and loaded not in chains:
                    chains[loaded] = f"{chains[module]} imports {loaded}"
                    waiting.append(loaded)


def with_parent_packages(module: str) -> Iterator[str]:
    while module:
        yield module
        module = module.rpartition(".")[0]


def test_imports_point_downward_and_libraries_stay_in_their_place():
    assert PACKAGE in find_modules(PACKAGE_DIR), f"{PACKAGE_DIR} is not the package"
    offences = find_offences(PACKAGE_DIR)
    assert not offences, "\n" + "\n".join(offences)


# The proof that each rule finds what it forbids


def write_package(directory: Path, sources: dict[str, str]) -> Path:
    package_dir = directory / PACKAGE
    for name, source in {"__init__.py": "", **sources}.items():
        path = package_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(source, encoding="utf-8")
    return package_dir


UPWARD = "metermt.rules, line {}, imports metermt.manager: imports point downward, not from floor 1 to floor 3"
ROOT = "metermt.rules, line 1, imports metermt: no module imports the package root; name the submodule"

BROKEN = {
    "upward": (
        {"rules.py": "import metermt.manager", "manager.py": ""},
        UPWARD.format(1),
    ),
    "upward, two names": (
        {"rules.py": "from metermt.manager import Manager, Session", "manager.py": ""},
        UPWARD.format(1),
    ),
    "upward, relative": (
        {"rules.py": "from . import manager", "manager.py": ""},
        UPWARD.format(1),
    ),
    "upward, relative, from a deeper package": (
        {"store/memory.py": "from ..manager import Manager", "manager.py": ""},
        "metermt.store.memory, line 1, imports metermt.manager: "
        "imports point downward, not from floor 2, the stores to floor 3",
    ),
    "upward, relative, from the __init__ of a deeper package": (
        {"store/__init__.py": "from .. import manager", "manager.py": ""},
        "metermt.store, line 1, imports metermt.manager: "
        "imports point downward, not from floor 2, the stores to floor 3",
    ),
    "upward, in a function": (
        {"rules.py": "def judge():\n    from metermt import manager", "manager.py": ""},
        UPWARD.format(2),
    ),
    "upward, for types only": (
        {
            "rules.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import manager",
            "manager.py": "",
        },
        UPWARD.format(3),
    ),
    "upward, within the stores": (
        {"store/base.py": "from .memory import MemoryStore", "store/memory.py": ""},
        "metermt.store.base, line 1, imports metermt.store.memory: "
        "imports point downward, not from floor 2, store.base to floor 2, the stores",
    ),
    "upward, to the roof": (
        {"cli/users.py": "from metermt import __main__", "__main__.py": ""},
        "metermt.cli.users, line 1, imports metermt.__main__: imports point downward, not from floor 6 to the roof",
    ),
    "cycle": (
        {
            "rules.py": "from . import wire",
            "wire.py": "from . import config",
            "config.py": "from . import rules",
        },
        "metermt.config imports metermt.rules imports metermt.wire imports metermt.config: no cycles",
    ),
    "cycle, through the __init__ of a deeper package": (
        {"gui/__init__.py": "from .app import main", "gui/app.py": "from metermt.gui import main"},
        "metermt.gui imports metermt.gui.app imports metermt.gui: no cycles",
    ),
    "a module without a floor": (
        {"extras.py": ""},
        "metermt.extras: every module has a floor; place it in FLOORS and in DESIGN.md",
    ),
    "a package without a floor, though its module is named like one that has": (
        {"extras/__init__.py": "", "extras/rules.py": ""},
        "metermt.extras: every module has a floor; place it in FLOORS and in DESIGN.md",
        "metermt.extras.rules: every module has a floor; place it in FLOORS and in DESIGN.md",
    ),
    "the root": ({"__init__.py": "from . import rules", "rules.py": "import metermt"}, ROOT),
    "the root, for one of its names": ({"rules.py": "from metermt import Manager"}, ROOT),
    "the root, for all of its names": ({"rules.py": "from . import *"}, ROOT),
    "rpyc outside the transport": (
        {"manager.py": "import rpyc.utils.server"},
        "metermt.manager, line 1, imports rpyc: allowed only in transport, discovery, registry",
    ),
    "rpyc in a module that is only named like the transport": (
        {"client.py": "", "cli/transport.py": "from rpyc import connect"},
        "metermt.cli.transport, line 1, imports rpyc: allowed only in transport, discovery, registry",
    ),
    **{
        f"{driver} outside the stores": (
            {"serving.py": f"def backup():\n    import {driver}"},
            f"metermt.serving, line 2, imports {driver}: allowed only in store",
        )
        for driver in SQL_DRIVERS
    },
    "tkinter outside the gui": (
        {"console.py": "from tkinter import messagebox"},
        "metermt.console, line 1, imports tkinter: allowed only in gui, "
        "not in gui.presenter, gui.state, gui.opening, gui.first_account",
    ),
    "tkinter in the presenter": (
        {"gui/presenter.py": "import tkinter as tk"},
        "metermt.gui.presenter, line 1, imports tkinter: allowed only in gui, "
        "not in gui.presenter, gui.state, gui.opening, gui.first_account",
    ),
    "a driver on import": (
        {
            "__init__.py": "from .serving import serve",
            "serving.py": "from metermt.store import sqlite",
            "store/sqlite.py": "import apsw",
        },
        "metermt.store.sqlite, line 1, imports apsw: `import metermt` must not load it, but does: "
        "metermt imports metermt.serving imports metermt.store.sqlite",
    ),
    "a driver on import, through the __init__ of a deeper package": (
        {
            "__init__.py": "from .store.memory import MemoryStore",
            "store/__init__.py": "try:\n    import psycopg\nexcept ImportError:\n    pass",
            "store/memory.py": "",
        },
        "metermt.store, line 2, imports psycopg: `import metermt` must not load it, but does: "
        "metermt imports metermt.store",
    ),
    "tkinter on import": (
        {"__init__.py": "from .gui import app", "gui/app.py": "class Window:\n    import tkinter"},
        "metermt.gui.app, line 2, imports tkinter: `import metermt` must not load it, but does: "
        "metermt imports metermt.gui.app",
    ),
    "tkinter on import, in the branch that is not for types": (
        {
            "__init__.py": "from .gui import app",
            "gui/app.py": "import typing\nif typing.TYPE_CHECKING:\n    pass\nelse:\n    import tkinter",
        },
        "metermt.gui.app, line 5, imports tkinter: `import metermt` must not load it, but does: "
        "metermt imports metermt.gui.app",
    ),
}

ALLOWED = {
    "downward, over several floors": {"cli/users.py": "from metermt import errors", "errors.py": ""},
    "sideways": {"store/sqlite.py": "from .groupwriter import GroupWriter", "store/groupwriter.py": ""},
    "a name that a module defines": {"rules.py": "from .model import Meter, Job", "model.py": ""},
    "the root imports everything": {
        "__init__.py": "from metermt.client import MeterClient\nfrom .errors import *",
        "client.py": "from metermt import errors",
        "errors.py": "",
    },
    "a program above all floors": {"__main__.py": "from metermt.cli import main", "cli/__init__.py": ""},
    "the libraries in their places": {
        "transport/server.py": "import rpyc",
        "discovery.py": "import rpyc",
        "registry.py": "from rpyc.utils import registry",
        "store/sqlite.py": "import apsw",
        "gui/views/job.py": "from tkinter import ttk",
    },
    "a driver that is loaded when it is needed": {
        "__init__.py": "from .serving import serve",
        "serving.py": "def serve():\n    from .store import sqlite",
        "store/sqlite.py": "import apsw",
    },
    "tkinter that is loaded for types only": {
        "__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .gui import app",
        "gui/app.py": "import tkinter",
    },
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_each_broken_rule_is_found_with_its_module_import_and_rule(tmp_path, broken):
    sources, *offences = broken
    assert find_offences(write_package(tmp_path, sources)) == offences


@pytest.mark.parametrize("sources", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_the_rules_allow_is_not_an_offence(tmp_path, sources):
    assert find_offences(write_package(tmp_path, sources)) == []
