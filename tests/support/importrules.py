"""The rules of imports, and what breaks them: DESIGN.md, "The floors"."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = "metermt"
PACKAGE_DIR = Path(__file__).parents[2] / PACKAGE

# From the ground up. A name stands for the module and, when it is a package, for all in it that no other line
# names. A module may import from lower lines and from its own line.
FLOORS = (
    (
        "floor 0",
        (
            "audit",
            "billing",
            "decisions",
            "errors",
            "fieldnotes",
            "model",
            "names",
            "printable",
            "progress",
            "quality",
            "report",
            "stops",
            "version",
        ),
    ),
    (
        "floor 1",
        (
            *("rules", "wire", "passwords", "policy", "config"),
            *("safedict", "signing", "files", "layouts", "diskspace", "listening", "servicemanager"),
            *("sparinglog", "counting", "loglines", "logring"),
        ),
    ),
    ("floor 2, store.base", ("store.base", "store.steps", "store.begun", "store.gathered")),
    ("floor 2, the stores", ("store",)),
    ("floor 2, which store", ("store.opening", "store.copying")),
    ("floor 3, the table of calls", ("calls.asking", "calls.turn", "calls.table")),
    ("floor 3, the desk", ("calls.known", "calls.regulars", "calls.telling", "calls.memo", "calls.desk")),
    ("floor 3, the calls", ("calls",)),
    ("floor 3, the manager", ("manager", "demo", "demotown")),
    ("floor 4", ("transport", "discovery", "registrydoors")),
    ("floor 4, the second door", ("web",)),
    ("floor 5", ("client", "serving", "heartbeat", "registry", "localserver", "certificates")),
    ("floor 6", ("console", "gui", "cli")),
    ("the roof", ("__init__", "public", "__main__")),
)

HTTP_LIBRARIES = ("starlette", "uvicorn", "h11", "prometheus_client", "defusedxml", "asyncio")
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
    Fence(("openpyxl",), only_in=("layouts",)),
    Fence(HTTP_LIBRARIES, only_in=("web",)),
    Fence(
        ("tkinter",),
        only_in=("gui",),
        but_not=(
            "gui.presenter",
            "gui.handed",
            "gui.reports",
            "gui.rounds",
            "gui.stage",
            "gui.state",
            "gui.opening",
            "gui.first_account",
        ),
    ),
)

SQL = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE (TABLE|INDEX)|PRAGMA|BEGIN|WITH \w+ AS)\b")

NOT_LOADED_BY_IMPORT_METERMT = ("tkinter", *HTTP_LIBRARIES, *SQL_DRIVERS)

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
        *sql_outside_the_stores(modules),
        *unwanted_on_import(imports),
        *extras_for_everybody(imports),
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


def sql_outside_the_stores(modules: dict[str, Path]) -> Iterator[str]:
    for module, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_sql = isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
            if is_sql and not is_in(module, ("store",)):
                yield f"{module}, line {node.lineno}, has SQL in it: allowed only in store"


def unwanted_on_import(imports: list[Import]) -> Iterator[str]:
    """Follows what Python runs for `import metermt`, so also the `__init__` of every package on the way; and for its
    names, once one of them is asked for.
    """
    chains = {PACKAGE: PACKAGE, f"{PACKAGE}.public": PACKAGE}
    waiting = list(chains)
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


def extras_for_everybody(imports: list[Import]) -> Iterator[str]:
    for each in imports:
        if each.eager and is_in(each.target, ("web",)) and not is_in(each.importer, ("web",)):
            yield each.offends("web is an extra; import it where it is asked for")


def with_parent_packages(module: str) -> Iterator[str]:
    while module:
        yield module
        module = module.rpartition(".")[0]
