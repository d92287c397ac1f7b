"""What all commands of ops have in common: their help, and the database that they work on."""

import re

import click
import pytest
from click.testing import CliRunner
from commands import PASSWORD, assert_done, assert_refused
from conftest import CYCLE

from metermt.cli import main

# --- help


def leaves(group, path=()):
    """Yield the path of every command that is no group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name), command


LEAVES = dict(leaves(main))


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_has_a_help_with_an_example(path):
    shown = CliRunner().invoke(main, [*path, "--help"], prog_name="metermt")

    assert shown.exit_code == 0, shown.output
    assert f"Usage: metermt {' '.join(path)} " in shown.output
    example = shown.output.partition("\n  Example:\n")[2].partition("\n\n")[0]
    assert example.startswith(f"      metermt {' '.join(path)}")
    assert max(map(len, shown.output.splitlines())) <= 80


MOMENTS = [
    (path, option.opts[0])
    for path, command in LEAVES.items()
    for option in command.params
    if option.make_metavar(click.Context(command)) in ("YYYY-MM-DD", "HH:MM")
]


@pytest.mark.parametrize(
    ("path", "option"), MOMENTS, ids=lambda part: part if isinstance(part, str) else " ".join(part)
)
def test_a_day_or_a_time_that_is_none_is_refused_with_how_to_write_it(path, option):
    shown = CliRunner().invoke(main, [*path, option, "yesterday"])

    assert shown.exit_code == 2
    assert re.search(rf"'{option}': Invalid (day|time) 'yesterday': write it like ", shown.output)


@pytest.mark.parametrize("path", sorted({path[:-1] for path in LEAVES}), ids=lambda path: " ".join(("metermt", *path)))
def test_the_help_of_a_group_names_its_commands_in_whole_sentences(path):
    shown = CliRunner().invoke(main, [*path, "--help"], prog_name="metermt")

    assert shown.exit_code == 0
    commands = shown.output.partition("Commands:\n")[2].splitlines()
    assert commands
    assert all(line.endswith((".", "?")) and not line.endswith("...") for line in commands), shown.output


def test_what_stands_in_the_help_of_metermt_can_be_tried():
    shown = CliRunner().invoke(main, ["--help"], prog_name="metermt")

    tips = re.findall(r"^  \S.*:  +metermt ([a-z]+(?: [a-z]+)?)", shown.output, re.MULTILINE)
    assert [tuple(tip.split()) for tip in tips] == [
        ("demo",),
        ("serve",),
        ("console",),
        ("routes", "import"),
        ("cycles", "open"),
        ("readings", "export"),
    ]
    assert all(tuple(tip.split()) in LEAVES for tip in tips)


def test_a_command_that_is_none_is_invoke(metermt):
    finished = metermt("reading")

    assert finished.returncode == 2
    assert "Error: No such command 'reading'" in finished.stderr


# --- the database


def test_the_database_is_in_the_users_data_folder_unless_told_otherwise(metermt, tmp_path):
    finished = metermt(
        *("users", "add", "carol", "--name", "Carol Dent", "--password-stdin"),
        stdin=PASSWORD,
        METERMT_DATABASE=None,
        XDG_DATA_HOME=str(tmp_path / "data"),
    )

    assert_done(finished, "Added carol, Carol Dent.\n")
    assert (tmp_path / "data" / "metermt" / "metermt.db").exists()


def test_without_an_xdg_folder_it_is_in_the_home_folder(metermt, tmp_path):
    missing = tmp_path / "home" / ".local" / "share" / "metermt" / "metermt.db"

    finished = metermt("users", "list", METERMT_DATABASE=None)

    assert_refused(
        finished, f"There is no database {missing}: check --database, or make it with 'metermt routes import'"
    )


def names_in(listed):
    """Return the first column of a table that a command has printed, without its head."""
    assert listed.returncode == 0, listed.stderr
    return [line.split()[0] for line in listed.stdout.splitlines()[1:]]


def test_the_environment_names_the_database_and_the_option_wins(metermt, crew_database, tmp_path):
    assert names_in(metermt("users", "list")) == ["carol", "eric"]
    assert_refused(
        metermt("users", "list", "--database", "other.db"),
        "There is no database other.db: check --database, or make it with 'metermt routes import'",
    )
    listed = metermt("users", "list", "--database", str(crew_database), METERMT_DATABASE="other.db")
    assert names_in(listed) == ["carol", "eric"]
    assert not (tmp_path / "other.db").exists()


ARGUMENTS = {
    ("users", "add"): ("carol", "--name", "Carol", "--password-stdin"),
    ("users", "passwd"): ("carol", "--password-stdin"),
    ("users", "disable"): ("carol",),
    ("users", "enable"): ("carol",),
    ("users", "rename"): ("carol", "Carol Dent"),
    ("users", "unlock"): ("carol",),
    ("users", "role"): ("carol", "admin"),
    ("routes", "import"): ("november.csv", "--cycle", CYCLE),
    ("cycles", "open"): (CYCLE,),
    ("cycles", "close"): (CYCLE,),
    ("cycles", "reopen"): (CYCLE,),
    ("cycles", "remove"): (CYCLE, "--yes"),
    ("report",): (CYCLE,),
    ("routes", "assign"): ("North", "carol"),
    ("routes", "unassign"): ("North", "carol"),
    ("limits", "set"): ("2",),
    ("limits", "renew"): (CYCLE,),
    ("limits", "replay"): ("--setting", "2"),
    ("history", "import"): ("past.csv",),
    ("reasons", "add"): ("sick-cow", "Sick cow"),
    ("reasons", "retire"): ("dog",),
    ("meters", "add"): ("G1", "--route", "North"),
    ("meters", "exchange"): ("G1", "G2", "--final", "5", "--initial", "0", "--date", "2026-11-20"),
    ("meters", "show"): ("G1",),
    ("meters", "move"): ("G1", "--route", "North", "--sequence", "1"),
    ("meters", "activate"): ("G1",),
    ("meters", "deactivate"): ("G1",),
    ("meters", "accept"): ("1", "--route", "North", "--sequence", "1"),
    ("meters", "dismiss"): ("1", "--why", "a water butt"),
    ("review", "approve"): ("G1",),
    ("review", "edit"): ("G1", "5", "--why", "photograph"),
    ("review", "estimate"): ("G1",),
    ("review", "estimate-unread"): (CYCLE, "G1"),
    ("review", "give-up"): ("G1", "--why", "gone"),
    ("review", "reread"): ("G1",),
    ("review", "show"): ("G1",),
    ("readings", "correct"): ("G1", "5", "--why", "photograph"),
    ("export",): ("--to", "billing.csv"),
    ("batches", "show"): ("1",),
    ("routes", "release"): ("North",),
    ("routes", "remove"): ("G1", "--cycle", CYCLE),
    ("readings", "export"): ("-",),
    ("audit", "export"): ("audit.csv",),
    ("people", "erase"): ("carol", "--yes"),
    ("backup",): ("copy.db",),
    ("restore",): ("copy.db",),
}
"""What each command needs besides a database."""

# Those that have a database unless told otherwise; a server may have none.
ON_A_DATABASE = [
    path
    for path, command in LEAVES.items()
    if any(option.name == "database" and callable(option.default) for option in command.params)
]


@pytest.mark.parametrize("path", ON_A_DATABASE, ids=" ".join)
def test_what_a_server_keeps_in_memory_is_out_of_reach(invoke, path, tmp_path):
    (tmp_path / "november.csv").write_text("meter,route\nG1,North\n")
    (tmp_path / "past.csv").write_text("meter,date,value\nG1,2026-10-01,5\n")
    before = set(tmp_path.iterdir())

    finished = invoke(*path, *ARGUMENTS.get(path, ()), stdin=PASSWORD, METERMT_DATABASE=":memory:")

    assert finished.returncode != 0
    assert finished.stderr.splitlines()[-1].startswith("Error: Invalid value for '--database': what a server keeps in")
    assert finished.stdout == ""
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "path",
    [path for path in ON_A_DATABASE if path not in (("users", "add"), ("routes", "import"), ("restore",))],
    ids=" ".join,
)
def test_a_missing_database_is_named_and_not_made(invoke, path, database_path, tmp_path):
    history = tmp_path / "past.csv"
    history.write_text("meter,date,value\nG1,2026-10-31,1\n")

    finished = invoke(*path, *ARGUMENTS.get(path, ()), stdin=PASSWORD)

    assert_refused(
        finished, f"There is no database {database_path}: check --database, or make it with 'metermt routes import'"
    )
    assert list(tmp_path.iterdir()) == [history]


@pytest.mark.parametrize("path", [path for path in ON_A_DATABASE if path != ("restore",)], ids=" ".join)
def test_a_file_that_is_no_database_is_left_as_it_is(invoke, path, database_path, tmp_path):
    (tmp_path / "november.csv").write_text("meter,route\nG1,North\n")
    (tmp_path / "past.csv").write_text("meter,date,value\nG1,2026-10-31,1\n")
    database_path.write_text("Dear Sir or Madam,\n" * 1000)

    finished = invoke(*path, *ARGUMENTS.get(path, ()), stdin=PASSWORD)

    assert_refused(finished, f"{database_path} is not a MeterMT database: choose another file")
    assert database_path.read_text() == "Dear Sir or Madam,\n" * 1000


def test_a_database_that_cannot_be_made_is_named(invoke, tmp_path):
    (tmp_path / "file").touch()
    command = ("users", "add", "carol", "--name", "Carol", "--password-stdin")

    inside_a_file = invoke(*command, "--database", "file/metermt.db", stdin=PASSWORD)
    a_folder = invoke(*command, "--database", ".", stdin=PASSWORD)
    too_long = invoke(*command, "--database", "x" * 300, stdin=PASSWORD)

    assert_refused(a_folder, "The database . cannot be opened: Is a directory")
    assert_refused(too_long, f"The database {'x' * 300} cannot be opened: File name too long")
    assert inside_a_file.returncode == 1
    assert re.fullmatch(
        r"Error: The database file/metermt\.db cannot be opened: (Not a directory|File exists)\n", inside_a_file.stderr
    )


def test_a_database_name_that_cannot_be_is_named(invoke):
    assert_refused(
        invoke("users", "list", "--database", "x" * 300),
        f"The database {'x' * 300} cannot be opened: File name too long",
    )
