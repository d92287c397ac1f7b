#!/usr/bin/env python3
"""Read a whole route from your own Python code.

Start a server with `python server.py --demo`, then run `python examples/read_route.py --password carol`. It reads five
meters; a real program would take each value from a radio receiver, a data logger, or a form that a person fills in.

With TLS: `python examples/read_route.py --host meter.example.org --tls-ca ca.pem`. Without --password it asks for it.
"""

import argparse
import getpass
import random
import sys

from msgspec.structs import replace

import metermt

PROBLEM = "No signal from the meter"


def value_of(job: metermt.Job) -> int | None:
    """Stand in for the real source of readings: a value a little above the previous one, and now and then none."""
    lowest = job.previous or 0
    return None if random.random() < 0.1 else random.randint(lowest, min(lowest + 50, job.meter.highest))


def answer_to(job: metermt.Job) -> metermt.Answer:
    """Say what was read, or why nothing was. The key makes it count once, however often it is sent."""
    value = value_of(job)
    reason = "" if value is not None else PROBLEM
    return metermt.Answer(job.meter.number, value, reason, key=metermt.new_key(), cycle=job.cycle)


def submitted(client: metermt.MeterClient, answer: metermt.Answer) -> metermt.Next:
    """Send an answer; return how far that is, and the next job.

    The server doubts a value that is odd for its meter, and wants it twice. The second one has a key of its own: with
    the same key it would be the same submission sent again.
    """
    try:
        return client.submit_and_next(answer)
    except metermt.ConfirmReading as error:  # a real program reads the register once more now
        print(error)
        return client.submit_and_next(replace(answer, key=metermt.new_key()))


def read(client: metermt.MeterClient, most: int) -> None:
    """Read up to so many meters, one after the other."""
    job = client.get_job()
    for _ in range(most):
        if job is None:
            print(client.why_no_job().in_words())
            return
        answer = answer_to(job)
        try:
            accepted = submitted(client, answer)
        except metermt.SubmissionError as error:  # nothing was changed; another try would be refused as well
            print(f"{job.meter.number} is refused: {error}", file=sys.stderr)
            return
        said = answer.reason or answer.value
        print(f"{job.meter.number} at {job.meter.address or 'an unknown address'}: {said}")
        print(f"  {accepted.status.count} of {accepted.status.total} are yours")
        job = accepted.job


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=11003)
    parser.add_argument("--tls-ca", help="encrypt; the authority of the server's certificate, a PEM file")
    parser.add_argument("--username", default="carol")
    parser.add_argument("--password", help="for the demo; others on this machine can see it there")
    parser.add_argument("--most", type=int, default=5, help="stop after so many meters (default: 5)")
    args = parser.parse_args()

    try:
        with metermt.connect(args.host, args.port, tls_ca=args.tls_ca) as client:
            client.ping()  # what is wrong with the server is told before a password is asked for
            password = args.password or getpass.getpass(f"Password of {args.username}: ")
            print(f"Welcome, {client.login(args.username, password)}")
            try:
                read(client, args.most)
            finally:
                client.logout()
    except metermt.TooManyFailures as error:
        return failed(f"{error}: ask the office to run 'metermt users unlock {args.username}'")
    except metermt.AccountDisabled as error:
        return failed(str(error))
    except metermt.LoginError as error:
        return failed(f"{error}: check --username and the password")
    except metermt.ServerUnreachable as error:
        return failed(f"{error}: check --host and --port, and whether a server runs there")
    except metermt.Error as error:  # whatever else MeterMT has to say: its texts are made for people
        return failed(str(error))
    return 0


def failed(words: str) -> int:
    print(words, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
