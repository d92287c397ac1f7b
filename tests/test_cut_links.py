"""Links that break, crawl or fall silent: a submission counts once, and every call ends in time."""

import random
import time
from contextlib import ExitStack, contextmanager
from itertools import count
from threading import Event

import pytest
from conftest import DEADLINE, make_account, make_jobs, start
from proxy import Proxy
from servers import ServerProcess, make_database
from stalls import lateness
from whole import assert_whole

from metermt import Answer, MeterClient, new_key
from metermt.errors import ConnectionFailed, DeadlineExceeded

WAYS = {
    "submit_reading": lambda client: lambda answer: client.submit_reading(answer.meter, answer.value, key=answer.key),
    "submit_and_next": lambda client: client.submit_and_next,
    "submit_readings": lambda client: lambda answer: client.submit_readings([answer]),
}
CREW = [f"reader{number:02}" for number in range(16)]
METERS = 3000
VALUE = 10_000
TIMEOUT = 1.0  # seconds that a call may take on a link that is too bad for an answer


class CuttingProxy(Proxy):
    """Ends the link once, when so many more bytes have passed to the server or back."""

    def __init__(self, server_port):
        self.passes = {"request": None, "reply": None}  # bytes that still pass; None: all, and the link stays
        self.has_cut = False
        self._hard = False
        super().__init__(server_port)

    def cut_after(self, what, size, *, hard=False):
        self.has_cut, self._hard = False, hard
        self.passes[what] = size

    def _pass_on(self, link):
        self._pass("request", link, link.client, link.server)

    def _pass_back(self, link):
        self._pass("reply", link, link.server, link.client)

    def _pass(self, what, link, source, target):
        cut = False
        try:
            chunk = source.recv(65536)
            passes = self.passes[what]
            if chunk and passes is not None:
                cut = len(chunk) >= passes
                # Before the bytes are sent: whoever gets the last of them may ask for the next cut.
                self.passes[what] = None if cut else passes - len(chunk)
                self.has_cut |= cut
            target.sendall(chunk[:passes] if cut else chunk)
        except OSError:
            chunk = b""
        if cut or not chunk:
            self._end_link(link, hard=cut and self._hard)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, demo_accounts):
    """A database with a crew, who log in as adam does, and their jobs."""
    password_hash = demo_accounts[0].password_hash
    accounts = [make_account(name, password_hash=password_hash) for name in CREW]
    path = tmp_path_factory.mktemp("prepared") / "metermt.db"
    return make_database(path, accounts, make_jobs(METERS))


class Crew:
    """Readers at work, and what they sent and heard."""

    def __init__(self, path, server):
        self.path = path
        self.server = server
        self.attempted, self.acknowledged = {}, {}

    def submit(self, username, way, meter):
        """Send a reading in one of the `WAYS`."""
        self._send(way, f"{username}-{new_key()}", meter)

    def submit_again(self, username, way):
        """Send again what this user sent and had no answer to."""
        for key in sorted(self.attempted.keys() - self.acknowledged.keys()):
            if key.startswith(username):
                self._send(way, key, self.attempted[key][0])

    def _send(self, way, key, meter):
        self.attempted[key] = meter, VALUE
        way(Answer(meter, VALUE, key=key))
        self.acknowledged[key] = meter, VALUE

    def check(self):
        assert_whole(self.path, self.attempted, self.acknowledged)
        assert self.acknowledged == self.attempted


@pytest.fixture(scope="module")
def crew(prepared, tmp_path_factory):
    """Calls are made of one server by all tests, under one history."""
    with ServerProcess(tmp_path_factory.mktemp("server"), "--database", prepared, "--http", 0) as server:
        yield Crew(prepared, server)
        assert server.stop() == 0
        assert "Traceback" not in server.errors


@contextmanager
def reader(name, *address):
    with MeterClient(*address, timeout=DEADLINE) as client:
        client.login(name, "adam")
        yield client


# --- links that are cut


def meters_for(client):
    """Give one meter after the other, each once the one before was read."""
    while True:
        yield from (job.meter.number for job in client.get_jobs(30))


@pytest.mark.parametrize("way", WAYS)
def test_a_submission_cut_after_any_byte_counts_once(way, crew, every_point):
    def connected(name, proxy):
        return reader(name, "localhost", proxy.port)

    submit_with_cuts(crew, way, crew.server.port, connected, {"request": 150, "reply": 10}, 1 if every_point else 5)


def test_a_submission_by_http_cut_after_any_byte_counts_once(crew, every_point):
    def connected(name, proxy):
        return reader(name, f"http://localhost:{proxy.port}")

    shortest = {"request": 300, "reply": 200}  # with their heads
    submit_with_cuts(crew, "submit_and_next", crew.server.http_port, connected, shortest, 1 if every_point else 25)


def submit_with_cuts(crew, way, port, connected, shortest, step):
    """Cut the link to a port after each so many bytes of request and reply; check that each reading counts once."""

    def submit_share(place):
        """Make every 16th cut, until that is behind the end; return after which bytes cuts were made."""
        cuts = {}
        with CuttingProxy(port) as proxy, connected(CREW[place], proxy) as client:
            submit = WAYS[way](client)
            meters = meters_for(client)
            for what in ("request", "reply"):
                cuts[what] = set()
                for k in count(place * step, len(CREW) * step):
                    # One that is not cut, so that the connection stands and knows the call: a request is one frame.
                    crew.submit(CREW[place], submit, next(meters))
                    meter = next(meters)
                    proxy.cut_after(what, k, hard=k // len(CREW) // step % 2)
                    crew.submit(CREW[place], submit, meter)
                    if not proxy.has_cut:
                        break
                    cuts[what].add(k)
                proxy.cut_after(what, None)
            return cuts

    shares = [start(lambda place=place: submit_share(place)) for place in range(len(CREW))]
    results = [share(deadline=6 * DEADLINE) for share in shares]  # each makes a few hundred calls

    for what, least in shortest.items():
        cuts = set.union(*(result[what] for result in results))
        assert max(cuts) >= least
        # A reply holds numbers, so that some are a few bytes longer than others.
        assert cuts >= set(range(0, max(cuts) - 4, step)), f"{what}: cut after {sorted(cuts)}"
    crew.check()


# --- links that are bad


class BadLink(Proxy):
    """Delays each answer by 200 ± 100 ms if it is `far`; passes single bytes, both ways, if it `trickles`."""

    def __init__(self, server_port):
        self.far = False
        super().__init__(server_port)

    @property
    def delay(self):
        return random.uniform(0.1, 0.3) if self.far else self._delay

    @delay.setter
    def delay(self, seconds):
        self._delay = seconds

    def _pass_on(self, link):
        if not self.trickles:
            super()._pass_on(link)
            return
        try:
            byte = link.client.recv(1)
            time.sleep(self.delay)
            link.server.sendall(byte)
        except OSError:
            byte = b""
        if not byte:
            self._end_link(link)


@contextmanager
def far_away(proxy, server):
    proxy.far = True
    try:
        yield
    finally:
        proxy.far = False


@contextmanager
def byte_by_byte(proxy, server, pause=0.0005):
    proxy.trickles, proxy.delay = True, pause
    try:
        yield
    finally:
        proxy.trickles, proxy.delay = False, 0.0


def byte_by_byte_too_slowly(proxy, server):
    return byte_by_byte(proxy, server, pause=0.05)


@contextmanager
def reset_again_and_again(proxy, server):
    over = Event()

    def reset():
        while not over.wait(random.uniform(0.01, 0.2)):
            proxy.cut(hard=True)

    ended = start(reset)
    try:
        yield
    finally:
        over.set()
        ended()


def black_hole(proxy, server):
    return proxy.deaf()


def stopped_server(proxy, server):
    return server.frozen()


def calls_of(client, crew, name):
    """Return every kind of call, ready to be made again and again; those of readings take the next meter each time."""
    meters = [job.meter.number for job in client.get_jobs(60)]
    submit = {way: make(client) for way, make in WAYS.items()}

    def log_in_anew():
        client._hang_up()
        client.login(name, "adam")

    return {
        "ping": client.ping,
        "get_job": client.get_job,
        "get_status": client.get_status,
        "submit_reading": lambda: crew.submit(name, submit["submit_reading"], meters.pop()),
        "submit_and_next": lambda: crew.submit(name, submit["submit_and_next"], meters.pop()),
        "log_in_anew": log_in_anew,
    }


KINDS = ("ping", "get_job", "get_status", "submit_reading", "submit_and_next", "log_in_anew")


def make_again_and_again(call):
    """Return how many seconds each call took and what it raised, None if it was answered."""
    outcomes = []
    until = time.monotonic() + 1.5 * TIMEOUT
    while time.monotonic() < until and len(outcomes) < 10:
        started, error = time.monotonic(), None
        try:
            call()
        except ConnectionFailed as failed:
            error = failed
        outcomes.append((time.monotonic() - started, error))
        time.sleep(0.03)
    return outcomes


@pytest.mark.parametrize(
    ("bad", "answered", "timeout"),
    [
        (far_away, True, DEADLINE),  # it takes a fraction of a second, and longer on a busy machine
        (byte_by_byte, True, DEADLINE),
        (byte_by_byte_too_slowly, False, TIMEOUT),
        (reset_again_and_again, None, TIMEOUT),  # as chance has it
        (black_hole, False, TIMEOUT),
        (stopped_server, False, TIMEOUT),
    ],
)
def test_every_call_on_a_bad_link_ends_within_its_deadline(bad, answered, timeout, crew):
    with ExitStack() as links, ExitStack() as faults:
        proxies = {kind: links.enter_context(BadLink(crew.server.port)) for kind in KINDS}
        clients = {
            kind: links.enter_context(reader(name, "localhost", proxies[kind].port))
            for kind, name in zip(KINDS, CREW, strict=False)
        }
        calls = {kind: calls_of(clients[kind], crew, name)[kind] for kind, name in zip(KINDS, CREW, strict=False)}
        for kind in KINDS:
            clients[kind].timeout = timeout
            faults.enter_context(bad(proxies[kind], crew.server))
        running = {kind: start(lambda kind=kind: make_again_and_again(calls[kind])) for kind in KINDS}
        with lateness() as late:
            outcomes = {kind: result(deadline=3 * DEADLINE) for kind, result in running.items()}
        faults.close()

        longest = {kind: max(seconds for seconds, _ in of_kind) for kind, of_kind in outcomes.items()}
        assert max(longest.values()) < timeout + 1 + 4 * late(), longest
        if answered is not None:
            errors = {kind: [error for _, error in of_kind] for kind, of_kind in outcomes.items()}
            for kind, of_kind in errors.items():
                assert all((error is None) == answered for error in of_kind), (kind, of_kind)
                assert all(error is None or type(error) is DeadlineExceeded for error in of_kind), (kind, of_kind)

        for kind, name in zip(KINDS, CREW, strict=False):
            clients[kind].timeout = DEADLINE
            crew.submit_again(name, WAYS["submit_reading"](clients[kind]))
    crew.check()
