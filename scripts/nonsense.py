"""Calls as clients of a meter server make them, changed at random."""

import json
import random
import struct
import sys
import xmlrpc.client
import zlib
from pathlib import Path
from typing import Any

from rpyc.core import brine, consts

sys.path.extend(str(Path(__file__).parents[1] / "tests" / part) for part in ("", "support"))
from proxy import frame

WHEN = "2024-11-20T09:30:00+00:00"
METERS = 20_000

_TAGS = b"\x00\x02\x08\x0e\x0f\x10\x11\x13\x14\x15\x16\x17\x18\x19\x1a\x1b"  # of brine


class Nonsense:
    """Makes frames and packets, most of them a little wrong."""

    def __init__(self, dice: random.Random, session: str = "") -> None:
        self._dice = dice
        self._session = session

    def frame(self, root: Any, number: int) -> bytes:
        """Return what may pass for the request of this number, of a client that was told what the root is called."""
        dice = self._dice
        kind = dice.random()
        if kind < 0.05:
            return dice.randbytes(dice.randint(1, 200))
        content = self._message(root, number)
        if kind < 0.15:
            return frame(content)
        if kind < 0.2:
            return frame(zlib.compress(content), compressed=1)
        if kind < 0.85:
            return frame(self.changed(content))
        if kind < 0.9:
            return frame(self.changed(zlib.compress(self.changed(content))), compressed=1)
        return self.changed(frame(content))

    def _message(self, root: Any, number: int) -> bytes:
        dice = self._dice
        name, args = self._call()
        boxed: tuple[Any, ...] = tuple((consts.LABEL_VALUE, arg) for arg in args)
        if dice.random() < 0.1 and boxed:
            boxed = (*boxed[:-1], (consts.LABEL_REMOTE_REF, ("datetime.datetime", 1, dice.randrange(1000))))
        root = (consts.LABEL_LOCAL_REF, (root or (consts.LABEL_VALUE, None))[1])
        named = (consts.LABEL_TUPLE, boxed), (consts.LABEL_VALUE, ())
        call = (consts.HANDLE_CALLATTR, (consts.LABEL_TUPLE, (root, (consts.LABEL_VALUE, name), *named)))
        requests = [
            *[call] * 3,
            (consts.HANDLE_GETATTR, (consts.LABEL_TUPLE, (root, (consts.LABEL_VALUE, name)))),
            (consts.HANDLE_PING, (consts.LABEL_VALUE, ("x" * dice.randint(0, 1000),))),
            (consts.HANDLE_PING, (consts.LABEL_VALUE, (((),),) * dice.randint(0, 5000))),
            (consts.HANDLE_INSPECT, (consts.LABEL_VALUE, (root[1],))),
            (consts.HANDLE_DEL, (consts.LABEL_TUPLE, (root, (consts.LABEL_VALUE, 1)))),
            (dice.randint(0, 25), (consts.LABEL_TUPLE, (root, (consts.LABEL_VALUE, 1)))),
        ]
        kind = dice.choice([consts.MSG_REQUEST] * 20 + [consts.MSG_REPLY, consts.MSG_EXCEPTION])
        return bytes([kind]) + brine.dump((number, dice.choice(requests)))

    def _call(self) -> tuple[str, tuple[Any, ...]]:
        """Return the name and the arguments of a call."""
        dice, session = self._dice, self._session
        meter, value = f"M{dice.randrange(METERS):05}", dice.randrange(10**5)
        answer = {"meter": meter, "value": value, "reason": "", "when": WHEN}
        calls: list[tuple[str, tuple[Any, ...]]] = [
            ("login", ("eric", "eric")),
            ("login", ("eric", "wrong")),
            ("hello", (json.dumps({"version": "1.0", "protocol": 1}),)),
            ("ping", ()),
            ("get_job", (session,)),
            ("next_job", (session,)),
            ("get_jobs", (session, json.dumps({"n": dice.choice([1, 5, 20, 100])}))),
            ("submit_reading", (session, meter, WHEN, value)),
            ("submit_and_next", (session, json.dumps(answer))),
            ("submit_readings", (session, json.dumps({"answers": [answer] * dice.choice([1, 3, 100])}))),
            ("submit_readings", (session, json.dumps({"answers": [answer | {"value": [[]] * 20_000}]}))),
            ("get_status", (session,)),
            ("list_users", (session,)),
            ("import_jobs", (session, json.dumps({"cycle": "2026-12", "jobs": []}))),
        ]
        return dice.choice(calls)

    def http(self) -> bytes:
        """Return what may pass for a request over HTTP."""
        dice = self._dice
        name, args = self._call()
        if dice.random() < 0.3:
            path, kind, body = "/meter", "text/xml", xmlrpc.client.dumps(args, name).encode()
        else:
            text = args[-1] if args and isinstance(args[-1], str) and args[-1].startswith("{") else "{}"
            path, kind, body = f"/api/{name}", "application/json", text.encode()
        if dice.random() < 0.5:
            body = self.changed(body)
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        if dice.random() < 0.7:
            lines.append(f"Authorization: Bearer {self._session}")
        request = "\r\n".join([*lines, "", ""]).encode() + body
        return self.changed(request) if dice.random() < 0.3 else request

    def changed(self, content: bytes) -> bytes:
        """Return the same with some changes."""
        changed = bytearray(content)
        for _ in range(self._dice.choice([1, 1, 1, 2, 3, 10])):
            self._change(changed)
        return bytes(changed)

    def _change(self, content: bytearray) -> None:
        dice = self._dice
        place = dice.randrange(len(content) + 1)
        match dice.randrange(8):
            case 0 if place < len(content):
                content[place] ^= 1 << dice.randrange(8)
            case 1 if place < len(content):
                content[place] = dice.randrange(256)
            case 2 if place < len(content):
                content[place] = dice.choice(_TAGS)
            case 3:
                content[place:place] = dice.randbytes(dice.randint(1, 8))
            case 4:
                del content[place : place + dice.randint(1, 8)]
            case 5:
                content[place:place] = content[place : place + dice.randint(1, 64)] * dice.randint(1, 4)
            case 6:
                content[place : place + 4] = struct.pack("!L", dice.choice([0, 1, 255, 2**16, 2**31, 2**32 - 1]))
            case 7:
                content[place:place] = bytes([dice.choice(b"\x10\x08")]) * dice.choice([20, 2000])
