"""What is built from the checkout is whole: installed elsewhere, it runs the demo."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from servers import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NO_BACKEND = "No matching distribution found for hatchling"
MINUTES = 120  # seconds; a slow network may take most of it


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel, built as for a release: in an environment of its own, which fetches the build backend."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT]
    built = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=MINUTES)
    if NO_BACKEND in built.stdout + built.stderr:
        pytest.skip("the build backend, hatchling, cannot be fetched: is there no network?")
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The `bin` of a new environment that has the wheel, and borrows the dependencies of this one to save time."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    run(sys.executable, "-m", "pip", "--python", folder, "install", "--quiet", "--no-deps", "--no-index", wheel)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin"


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "METERMT_"))}


def run(*command, **settings):
    """Run a program to its end, which must be a good one; return what it printed."""
    command = list(map(str, command))
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=MINUTES, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_wheel_has_all_of_the_package_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())

    inside = {name for name in names if not name.startswith(f"metermt-{PROJECT['version']}.dist-info/")}
    sources = {path.relative_to(ROOT) for path in (ROOT / "metermt").rglob("*") if path.is_file()}
    assert inside == {str(path) for path in sources if "__pycache__" not in path.parts}
    assert "metermt/py.typed" in inside
    assert any(name.endswith(".sql") for name in inside)
    assert not any(name.endswith((".csv", ".gz", ".db", ".pyc")) for name in names)


def test_a_wheel_says_what_it_is_and_what_it_needs(wheel):
    (name,) = (name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".dist-info/METADATA"))
    metadata = HeaderParser().parsestr(zipfile.ZipFile(wheel).read(name).decode())

    assert (metadata["Name"], metadata["Version"]) == ("metermt", PROJECT["version"])
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    needed = [name for name in metadata.get_all("Requires-Dist") if "extra ==" not in name]
    names = [re.match(r"[\w-]+", name)[0] for name in needed]
    assert sorted(names) == sorted(re.match(r"[\w-]+", name)[0] for name in PROJECT["dependencies"])


def test_what_was_installed_is_found_away_from_the_checkout(installed, tmp_path):
    found = run(installed / "python", "-W", "error", "-c", "import metermt; print(metermt.__file__)", cwd=tmp_path)

    assert Path(found.strip()).is_relative_to(installed.parent)


def test_what_was_installed_runs_the_demo_from_another_folder(installed, tmp_path):
    answers = "carol\ncarol\n5983\n\nCouldn't find the meter\n\n\n"

    shown = run(installed / "metermt", "demo", cwd=tmp_path, input=answers)

    assert "\nWelcome, Carol Dent, to Meter RPYC\n" in shown
    assert "\nAccepted: you have read 2 out of 2 readings\n" in shown
    assert list(tmp_path.iterdir()) == []


def test_what_was_installed_keeps_users_in_a_database(installed, tmp_path):
    at = ("--database", tmp_path / "metermt.db")
    run(
        installed / "metermt", "users", "add", "carol", "--name", "Carol Dent", "--password-stdin", *at, input="a horse"
    )

    assert run(installed / "metermt", "users", "list", *at).splitlines()[1] == "carol  Carol Dent  reader"


def test_the_version_is_the_projects(installed, tmp_path):
    assert run(installed / "metermt", "--version", cwd=tmp_path) == f"metermt, version {PROJECT['version']}\n"
