#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints what lookoutd sees and hears, through restarts of the daemon. Python's standard library only.

    examples/watch.py [--socket PATH] [--count N]

Copy `events()` into your own program: it yields every event once, in order, and never
forgets where it was. The protocol is one JSON object a message, each ended by a NUL
(https://varlink.org); its methods are in org.lookoutd.Lookout1.varlink.
"""
import argparse
import json
import os
import socket
import sys
import time

METHOD = "org.lookoutd.Lookout1.Watch"
RETRY_S = 0.5
MESSAGE_BYTES_MAX = 16 << 20


class Refused(Exception):
    """lookoutd answered with an error."""


def messages(connection):
    """Yields the replies of one connection until the daemon closes it."""
    rest = b""
    while data := connection.recv(65536):
        *whole, rest = (rest + data).split(b"\0")
        if len(rest) > MESSAGE_BYTES_MAX:
            raise Refused("a reply has no end")
        for message in whole:
            yield json.loads(message)


def replies(path, parameters):
    """Yields the parameters of every reply to one call of Watch."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        call = {"method": METHOD, "parameters": parameters, "more": True}
        connection.sendall(json.dumps(call).encode() + b"\0")
        for message in messages(connection):
            if "error" in message:
                raise Refused(message["error"], message.get("parameters"))
            yield message.get("parameters") or {}


def cursor_of(reply):
    """The parameters that go on behind this reply, None if it has no place in the order."""
    if event := reply.get("event"):
        return {"after_boot_id": event["at"]["boot_id"], "after_sequence": event["sequence"]}
    place = reply.get("sensor_change") or reply  # the first reply says where the stream begins
    if "sequence" in place:
        return {"after_boot_id": place["boot_id"], "after_sequence": place["sequence"]}
    return None


def events(path, **filters):
    """Yields what Watch says: {"event"}, {"sensor_change"}, {"gap"}; for ever.

    When the daemon restarts, connects again and goes on behind the last event; `gap`
    then says how many were forgotten meanwhile. `filters`: tasks, labels, min_confidence.
    """
    cursor = {}
    while True:
        try:
            for reply in replies(path, {**filters, **cursor}):
                cursor = cursor_of(reply) or cursor
                yield reply
        except OSError as error:
            print(f"no lookoutd at {path} ({error.strerror}), retrying", file=sys.stderr, flush=True)
        except Refused as error:
            if not str(error.args[0]).endswith(".TooSlow"):
                raise
            print("read too slowly, going on", file=sys.stderr, flush=True)
        time.sleep(RETRY_S)


def describe(event):
    """One line for a person."""
    said = ", ".join(f"{one['modality']} {one['share']:+.2f}" if one["present"] else f"{one['modality']} missing"
                     for one in event["evidence"])
    return f"{event['at']['wall']}  {event['phase']:6}  {event['label']}  {event['confidence']:.2f}  ({said})"


def main():
    parser = argparse.ArgumentParser(description="Print lookoutd's events.")
    parser.add_argument("--socket", default=os.environ.get("LOOKOUT_SOCKET", "/run/lookoutd.sock"))
    parser.add_argument("--count", type=int, default=0, help="end after this many events")
    arguments = parser.parse_args()
    n_events = 0
    for reply in events(arguments.socket):
        if gap := reply.get("gap"):
            print(f"{gap} events are gone", flush=True)
        if event := reply.get("event"):
            print(describe(event), flush=True)
            n_events += 1
        if change := reply.get("sensor_change"):
            print(f"{change['at']['wall']}  sensor  {change['sensor']} is {change['state']}", flush=True)
        if arguments.count and n_events >= arguments.count:
            return


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except Refused as problem:
        sys.exit(f"lookoutd refuses: {problem}")
