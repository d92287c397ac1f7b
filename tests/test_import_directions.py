"""Imports point downward only, have no cycles, and keep libraries in their place: DESIGN.md, "The floors"."""

from pathlib import Path

import pytest
from importrules import PACKAGE, PACKAGE_DIR, SQL_DRIVERS, find_modules, find_offences


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


UPWARD = (
    "metermt.rules, line {}, imports metermt.manager: imports point downward, not from floor 1 to floor 3, the manager"
)
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
        "imports point downward, not from floor 2, the stores to floor 3, the manager",
    ),
    "upward, relative, from the __init__ of a deeper package": (
        {"store/__init__.py": "from .. import manager", "manager.py": ""},
        "metermt.store, line 1, imports metermt.manager: "
        "imports point downward, not from floor 2, the stores to floor 3, the manager",
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
    "upward, from the desk to a call": (
        {"calls/desk.py": "from metermt.calls import readings", "calls/readings.py": ""},
        "metermt.calls.desk, line 1, imports metermt.calls.readings: "
        "imports point downward, not from floor 3, the desk to floor 3, the calls",
    ),
    "SQL outside the stores": (
        {"calls/routes.py": 'def close(tx):\n    tx.run("""\n    UPDATE jobs SET state = 3""")'},
        "metermt.calls.routes, line 2, has SQL in it: allowed only in store",
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
    "the second door, for those who do not ask for it": (
        {"serving.py": "import metermt.web.door", "web/door.py": ""},
        "metermt.serving, line 1, imports metermt.web.door: web is an extra; import it where it is asked for",
    ),
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
        "not in gui.presenter, gui.handed, gui.reports, gui.rounds, gui.stage, gui.state, gui.opening, "
        "gui.first_account",
    ),
    "tkinter in the presenter": (
        {"gui/presenter.py": "import tkinter as tk"},
        "metermt.gui.presenter, line 1, imports tkinter: allowed only in gui, "
        "not in gui.presenter, gui.handed, gui.reports, gui.rounds, gui.stage, gui.state, gui.opening, "
        "gui.first_account",
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
    "a driver with the public names": (
        {"public.py": "from metermt.store import sqlite", "store/sqlite.py": "import apsw"},
        "metermt.store.sqlite, line 1, imports apsw: `import metermt` must not load it, but does: "
        "metermt imports metermt.store.sqlite",
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
    "SQL in the stores, and words that are none": {
        "store/sql/jobs.py": 'STEP = "SELECT id FROM jobs"',
        "calls/routes.py": '"""Select, update and delete jobs."""',
    },
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
