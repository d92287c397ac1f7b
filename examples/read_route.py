#!/usr/bin/env python3
"""Read a whole route from your own Python code.

Start a server with `python server.py --demo`, then run `python examples/read_route.py`. It reads five meters; a real
one would take each value from a radio receiver, a data logger, or a form that a person fills in.
"""

import argparse
import random

import metermt


def value_of(job: metermt.Job) -> int:
    """Stand in for the real source of readings: a value a little above the previous one."""
    lowest = job.previous or 0
    return random.randint(lowest, lowest + 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=11003)
    parser.add_argument("--username", default="carol")
    parser.add_argument("--password", default="carol")
    parser.add_argument("--most", type=int, default=5, help="stop after so many meters (default: 5)")
    args = parser.parse_args()

    with metermt.connect(args.host, args.port) as client:
        print(f"Welcome, {client.login(args.username, args.password)}")
        job = client.get_job()
        for _ in range(args.most):
            if job is None:
                print(client.why_no_job().in_words())
                break
            answer = metermt.Answer(job.meter.number, value_of(job), key=metermt.new_key(), cycle=job.cycle)
            accepted = client.submit_and_next(answer)
            status, place = accepted.status, job.meter.address or "an unknown address"
            print(f"{job.meter.number} at {place}: {status.count} of {status.total} are yours")
            job = accepted.job
        client.logout()


if __name__ == "__main__":
    main()
