# SPDX-License-Identifier: MIT
"""A lookoutd made of stored replies: what lookoutctl shows of them needs no sensor.

    fake_lookoutd.py SOCKET     serves until it is killed
"""
import json
import os
import socket
import sys
import threading
import time

INTERFACE = "org.lookoutd.Lookout1."


def boot_id():
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def instant(ago_s, clock):
    return {"boot_id": boot_id(), "monotonic_ns": str(time.monotonic_ns() - int(ago_s * 1e9)),
            "wall": f"2026-11-21T{clock}+00:00", "synchronised": True}


def evidence(modality, present=True, share=0.3, quality=1.0, reason=None):
    return {"modality": modality, "sensor": f"my-{modality}", "present": present, "age_ms": 12.5,
            "quality": quality, "quality_reason": reason, "share": share}


def event(sequence, phase, label, confidence, seen, lasted_s=0):
    began, at = instant(9, "14:03:22.500000"), instant(9 - lasted_s, f"14:03:{22 + int(lasted_s)}.500000")
    return {"sequence": sequence, "id": f"e{sequence}", "phase": phase, "task": "yard", "label": label,
            "confidence": confidence, "began": began, "at": at, "evidence": seen, "skew_ms": 18.2,
            "latency_ms": {"capture": 10.0, "encode": 2.5}, "bundle": "yard", "bundle_version": "1.0.0",
            "bundle_sha256": "0123456789abcdef" * 4, "config_sha256": "f" * 64}


EVENTS = [
    event(1, "begin", "siren", 0.93, [evidence("sound", share=0.61), evidence("picture", share=0.08)]),
    event(2, "update", "siren", 0.97, [evidence("sound", share=0.7),
                                       evidence("picture", share=0.02, quality=0.3, reason="dark")], 1),
    event(3, "end", "siren", 0.4, [evidence("sound"), evidence("picture", present=False)], 2.5),
    event(4, "begin", "dog", 0.71, [evidence("sound", share=0.55), evidence("picture", present=False)], 4),
]

SENSORS = [
    {"name": "gate", "kind": "camera", "device": "/dev/video0", "state": "lost",
     "reason": "/dev/video0: no such device, retrying", "since": instant(75, "14:02:00.000000"),
     "format": "YUYV 640x480", "rate": 10.0, "quality": 0.0, "n_gaps": 3, "n_lost": 1},
    {"name": "yard-mic", "kind": "microphone", "device": "hw:1", "state": "running", "reason": None,
     "since": instant(3700, "13:02:00.000000"), "format": "S16_LE mono", "rate": 16000.0, "quality": 1.0,
     "n_gaps": 0, "n_lost": 0},
]

TASKS = [{"name": "yard", "bundle": "yard", "state": "degraded", "present": ["sound"],
          "scores": {"siren": 0.02, "dog": 0.71, "car": 0.2, "background": 0.05}}]

REPLIES = {
    "Status": {"version": "0.1.0", "state": "degraded", "pid": 4711, "since": instant(3700, "13:02:00.000000"),
               "config_errors": ["/etc/lookout/lookoutd.ini:7: camera gate: rate_hz = fast: not a number"],
               "sensors": SENSORS, "tasks": TASKS, "statistics": {"encode_ms_p50": 2.25, "events": 4}},
    "ListSensors": {"sensors": SENSORS},
    "ListTasks": {"tasks": TASKS},
    "ListBundles": {"bundles": [{"name": "yard", "version": "1.0.0", "sha256": "0123456789abcdef" * 4,
                                 "licence": "CC-BY-NC-3.0", "trust": "package",
                                 "path": "/usr/lib/lookout/bundles/yard"}]},
    "ListDevices": {"devices": [{"kind": "camera", "device": "/dev/video0", "stable": "/dev/v4l/by-id/usb-HD",
                                 "name": "HD Webcam", "driver": "uvcvideo", "formats": "YUYV 640x480", "holder": None}]},
    "GetConfig": {"settings": [
        {"section": "lookoutd", "key": "events_kept", "value": "1024", "origin": "default"},
        {"section": "lookoutd", "key": "dbus", "value": "no", "origin": "/etc/lookout/lookoutd.ini:3"},
        {"section": "camera gate", "key": "device", "value": "auto", "origin": "default"}]},
    "Reload": {"changed": []},
    "Diagnose": {"process": {"resident_kib": 10240, "peak_kib": 11000, "threads": 5, "written_bytes": 4096},
                 "sandbox": {"uid": 998, "no_new_privileges": True, "seccomp": True, "capabilities": "0",
                             "read_only": True, "network": False}},
    "ListEvents": {"events": EVENTS, "gap": 3},
}


def watch(send, parameters):
    after = parameters.get("after_sequence")
    send({"parameters": {"gap": 0, "boot_id": boot_id(), "sequence": 2 if after is None else after}, "continues": True})
    for one in EVENTS if after is not None else EVENTS[2:]:
        if after is None or one["sequence"] > after:
            send({"parameters": {"event": one}, "continues": True})
    send({"parameters": {"sensor_change": {"boot_id": boot_id(), "sequence": 5, "sensor": "gate", "state": "lost",
                                           "reason": "no such device", "at": instant(1, "14:03:30.000000")}},
          "continues": True})


class FakeDaemon:
    """Listens at a path from start() to stop(); `calls` holds every message it got."""

    def __init__(self, path, replies=None):
        self.path, self.calls = path, []
        self.replies = {**REPLIES, **(replies or {})}
        self.start()

    def start(self):
        self.listener, self.connections = socket.socket(socket.AF_UNIX), []
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def stop(self):
        os.unlink(self.path)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # its client went first

    def accept(self, listener):
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return  # stopped
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        rest = b""
        try:
            while data := connection.recv(65536):
                *whole, rest = (rest + data).split(b"\0")
                for message in whole:
                    self.answer(json.loads(message), lambda reply: connection.sendall(json.dumps(reply).encode() + b"\0"))
        except OSError:
            pass  # the client went away

    def answer(self, message, send):
        method = message["method"].removeprefix(INTERFACE)
        self.calls.append(message)
        if method not in self.replies and method == "Watch":
            watch(send, message.get("parameters", {}))
        elif method not in self.replies:
            send({"error": "org.varlink.service.MethodNotFound", "parameters": {"method": method}})
        elif "error" in self.replies[method]:
            send(self.replies[method])
        else:
            send({"parameters": self.replies[method]})


def main(path):
    if os.path.exists(path):
        os.unlink(path)
    FakeDaemon(path)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
