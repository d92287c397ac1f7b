"""`metermt doctor`, and the servers of a database as `metermt services` lists them."""

import re

import pytest
from commands import assert_refused, note, server
from conftest import CYCLE, OTHER_CYCLE, import_jobs, make_account, make_job, make_reading, wait_until
from steps import Steps, record

from metermt.registry import RegistryServer
from metermt.store.opening import open_store
from metermt.version import VERSION

FILE_IS_WELL = r"""\S+ is whole: 3 users, 12 jobs, 2 readings\.
The files of the database are its owner's only\.
[\d,]+ MB are free, \d+% of the disk of \S+\.
"""
HEADINGS = ["server", "version", "readers", "last sign of life", "alive"]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, database_path):
    """Where a database with three users and two open cycles is, which one server shares."""
    place = database_path if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with open_store(place) as store:
        steps = Steps(store)
        steps.accounts.put([make_account(name) for name in ("adam", "carol", "eric")])
        for cycle in (CYCLE, OTHER_CYCLE, "2026-10"):
            routes = ["North", "South"] if cycle == CYCLE else ["North"]
            import_jobs(store, cycle, [make_job(f"G{n}", cycle, routes[n % len(routes)]) for n in range(4)])
        store.write(lambda tx: record(tx, [make_reading("G0"), make_reading("G3")]))
        steps.cycles.close("2026-10")
        steps.servers.note(server())
    return place


def table_in(said):
    """Return the rows of the table of servers."""
    rows = [re.split(r"  +", line) for line in said.splitlines() if line.count("  ") > 3 or "11003" in line]
    return [row for row in rows if row != HEADINGS]


def test_all_is_well(invoke, place):
    finished = invoke("doctor", "--database", str(place))

    assert (finished.returncode, finished.stderr) == (0, "")
    of_file, answers, rest = finished.stdout.partition(str(place) + " answers in ")
    assert re.fullmatch(FILE_IS_WELL if place.__class__ is not str else "", of_file)
    assert re.fullmatch(
        rf"""\d+\.\d ms and is right for MeterMT {VERSION}\.
Cycle 2026-11 is open: 2 of 4 jobs done, on 2 routes\.
Cycle 2026-12 is open: 0 of 4 jobs done, on 1 route\.
3 users\.
The clocks of this machine and of the database differ by 0\.\d s\.
{" +".join(HEADINGS)}
here/localhost:11003  {VERSION} +3  \d\.\d s ago +yes
All is well\.
""",
        rest,
    )
    assert answers


def test_a_running_server_is_listed_until_it_ends(metermt, crew_server, crew_database):
    well = metermt("doctor")
    listed = metermt("services", "--database")
    assert crew_server.stop() == 0
    alone = metermt("doctor", "-p", str(crew_server.port))

    assert (well.returncode, well.stderr) == (0, "")
    assert [row[0].rpartition(":")[2] for row in table_in(listed.stdout)] == [str(crew_server.port)]
    assert table_in(listed.stdout)[0][-1] == "yes"
    assert alone.returncode == 1
    assert alone.stderr == (f"Problem: No server runs on this database: metermt serve --database {crew_database}\n")


def test_a_server_that_gives_no_sign_of_life_is_a_problem(invoke, place):
    note(place, server("gone/localhost:11003", seconds_ago=60.4))

    finished = invoke("doctor", "--database", str(place))
    listed = invoke("services", "--database", str(place))

    assert finished.returncode == 1
    assert re.fullmatch(
        r"Problem: gone/localhost:11003 gave its last sign of life 6\d s ago: metermt serve --database \S+, there\n",
        finished.stderr,
    )
    assert "All is well" not in finished.stdout
    assert (listed.returncode, listed.stderr) == (0, "")
    for said in (finished.stdout, listed.stdout):
        assert [(row[0], row[-1]) for row in table_in(said)] == [
            ("gone/localhost:11003", "no"),
            ("here/localhost:11003", "yes"),
        ]


def test_a_database_that_nobody_can_log_in_to_is_a_problem(invoke, database_path):
    open_store(database_path).close()
    note(database_path, server())

    finished = invoke("doctor")

    assert finished.returncode == 1
    assert finished.stderr == "Problem: Nobody can log in: metermt users add NAME --name 'FULL NAME'\n"
    assert "\nNo cycle is open: 'metermt cycles open' opens one.\n0 users.\n" in finished.stdout


def test_users_that_are_disabled_are_counted(invoke, place):
    assert invoke("users", "disable", "adam", "--database", str(place)).returncode == 0

    assert "\n3 users, 1 of them disabled.\n" in invoke("doctor", "--database", str(place)).stdout


def test_a_password_in_the_environment_is_not_shown(invoke, postgres_url):
    secret = postgres_url.replace("metermt@", "metermt:secret@")
    note(postgres_url, server())

    finished = invoke("doctor", METERMT_DATABASE=secret)

    assert finished.stdout.startswith(f"{postgres_url} answers in ")
    assert "secret" not in finished.stdout + finished.stderr


def test_a_database_out_of_reach_is_one_line_that_says_what_to_do(invoke):
    url = "postgresql://metermt@127.0.0.1:1/metermt"

    finished = invoke("doctor", "--database", url)

    assert (finished.returncode, finished.stdout) == (1, "")
    reason, _, advice = finished.stderr.partition("; ")
    assert re.fullmatch(f"Error: The database {url} cannot be reached: .*", reason)
    assert advice == "see that it runs, and that it lets in this machine and user\n"


# --- `metermt services --database`


def test_without_a_server_services_says_so(invoke, place):
    note(place, forget=["here/localhost:11003"])

    finished = invoke("services", "--database", str(place))

    assert (finished.returncode, finished.stdout) == (0, "")
    assert finished.stderr == "No server runs on this database.\n"


def test_services_looks_into_the_usual_database_when_none_is_named(invoke, place):
    assert len(table_in(invoke("services", "--database", METERMT_DATABASE=str(place)).stdout)) == 1


@pytest.mark.parametrize("more", [("METER",), ("--registry", "localhost")])
def test_services_asks_a_registry_or_a_database(invoke, crew_database, more):
    finished = invoke("services", *more, "--database", str(crew_database))

    assert finished.returncode == 2
    assert "--database asks no registry and no server: leave NAME, --registry and --tls-… away" in finished.stderr


def test_services_of_a_database_that_cannot_be_looked_into_is_an_error(invoke, database_path):
    missing = f"There is no database {database_path}: check --database, or make it with 'metermt routes import'"
    assert_refused(invoke("services", "--database", str(database_path)), missing)
    assert_refused(invoke("services", "--database"), missing)
    for place, words in (
        (":memory:", "what a server keeps in :memory: can be reached"),
        ("postgresql://ann:secret@localhost/x", "whoever is on this machine can read a password"),
    ):
        finished = invoke("services", "--database", place)
        assert finished.returncode == 2
        assert finished.stderr.splitlines()[-1].startswith(f"Error: Invalid value for '--database': {words}")
        assert "secret" not in finished.stderr


# --- `metermt services` of a registry


def test_services_asks_each_server_of_a_registry_whether_it_is_there(metermt, invoke, servers, crew_database):
    with RegistryServer(port=0) as registry:
        at = f"localhost:{registry.port}"
        nothing = invoke("services", "--registry", at)
        server = servers.start("--database", crew_database, "--registry", at)
        wait_until(lambda: invoke("services", "--registry", at).stdout, "the server is registered")
        answers = metermt("services", "METER", "--registry", at)
        server.kill()
        silent = metermt("services", "--registry", at)

    assert nothing.stderr == "No server is registered.\n"
    assert re.fullmatch(rf"name +host +port +answers\nMETER +\S+ +{server.port} +in \d+\.\d ms\n", answers.stdout)
    assert re.search(rf"\nMETER +\S+ +{server.port} +no: Nobody answers at ", silent.stdout)
