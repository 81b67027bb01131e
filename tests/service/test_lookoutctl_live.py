#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lookoutctl and the Python example with the real lookoutd, whose sensors are recordings made here."""
import csv
import json
import math
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import wave
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

BUILD = os.environ.get("LOOKOUT_BUILD", "build")
SOURCE = os.environ.get("LOOKOUT_SOURCE", ".")
LOOKOUTD = os.path.join(BUILD, "daemon", "lookoutd")
LOOKOUTCTL = os.path.join(BUILD, "client", "lookoutctl")
WAIT_S = 30  # far more than anything here takes, also under a sanitizer

INI = """[lookoutd]
allow_record = yes
dbus = no
[recording tone]
data = sound
file = tone.wav
loop = yes
[recording view]
data = picture
file = view
loop = yes
"""


def write_tone(path):
    """Two seconds of 440 Hz."""
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(i * 440 * 2 * math.pi / 16000)))
                                  for i in range(32000)))


def write_png(path, value):
    """A grey picture of 64 x 48 pixels with a bright bar."""
    def chunk(name, data):
        return (struct.pack(">I", len(data)) + name + data
                + struct.pack(">I", zlib.crc32(name + data)))

    rows = b"".join(b"\0" + bytes(255 if x // 4 == value else 40 for x in range(64)) for _ in range(48))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 8, 0, 0, 0, 0))
                   + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class Live(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = self.temporary.name
        self.environment = {**os.environ, "LOOKOUT_SOCKET": self.path("l.sock"), "LC_ALL": "C.UTF-8"}
        os.mkdir(self.path("view"))
        for i in range(16):
            write_png(self.path("view", f"{i:02}.png"), i)
        write_tone(self.path("tone.wav"))
        self.write_ini(INI)
        self.daemon = None

    def tearDown(self):
        self.stop_daemon()
        self.temporary.cleanup()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write_ini(self, text):
        with open(self.path("l.ini"), "w", encoding="utf-8") as file:
            file.write(text)

    def start_daemon(self, ini=None):
        self.log = open(self.path("log"), "a+", encoding="utf-8")
        self.daemon = subprocess.Popen(
            [LOOKOUTD, "--config", ini or self.path("l.ini"), "--socket", self.path("l.sock"),
             "--state", self.path("state")], stdout=self.log, stderr=self.log)
        self.wait_for(lambda: self.try_it("status").returncode == 0)

    def stop_daemon(self):
        if self.daemon:
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait(WAIT_S)
            self.log.close()
        self.daemon = None

    def wait_for(self, condition):
        end = time.monotonic() + WAIT_S
        while not condition():
            if time.monotonic() > end or self.daemon.poll() is not None:
                with open(self.path("log"), encoding="utf-8") as file:
                    self.fail("waited in vain; lookoutd said:\n" + file.read())
            time.sleep(0.05)

    def try_it(self, *arguments):
        return subprocess.run([LOOKOUTCTL, *arguments], env=self.environment, timeout=WAIT_S, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def run_it(self, *arguments, status=0):
        done = self.try_it(*arguments)
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def read_json(self, *arguments):
        return [json.loads(line) for line in self.run_it(*arguments, "--json").splitlines()]

    def sensors_run(self):
        return [one["name"] for one in self.read_json("sensors") if one["state"] == "running"] == ["tone", "view"]

    def start(self, *arguments):
        return subprocess.Popen(arguments, env=self.environment, text=True, bufsize=1,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def read_until(self, process, wanted):
        lines = []
        for line in process.stdout:
            lines.append(line)
            if wanted in line:
                return
        self.fail(f"{wanted!r} is not in {lines}")

    def test_every_command_answers_in_text_and_in_json(self):
        self.start_daemon()
        self.wait_for(self.sensors_run)
        for command, word in (("status", "is running"), ("sensors", "tone"), ("tasks", "No tasks"),
                              ("bundles", ""), ("devices", ""), ("config", "l.ini:2"),
                              ("events", "No events"), ("reload", "nothing changed")):
            self.assertIn(word, self.run_it(command))
            self.read_json(command)
        self.assertEqual(self.read_json("call", "org.varlink.service.GetInfo")[0]["interfaces"],
                         ["org.varlink.service", "org.lookoutd.Lookout1"])

    def test_reload_tells_what_changed_and_what_is_wrong(self):
        self.start_daemon()
        self.write_ini(INI.replace("dbus = no", "dbus = no\nevents_kept = 99"))
        self.assertIn("l.ini:4", self.run_it("reload"))
        self.assertEqual([one["value"] for one in self.read_json("config", "lookoutd") if one["key"] == "events_kept"],
                         ["99"])
        self.write_ini(INI + "sise = 3\n")
        self.assertIn("sise", self.run_it("reload", status=1))
        self.assertIn("sise", self.run_it("status"))

    def test_a_recording_can_be_played_back(self):
        self.start_daemon()
        self.wait_for(self.sensors_run)
        said = self.run_it("record", "--sensor", "tone", "--sensor", "view", "--for", "2", self.path("monday"))
        self.assertIn("tone.wav", said)
        with wave.open(self.path("monday", "tone.wav")) as file:
            self.assertEqual((file.getframerate(), file.getnchannels()), (16000, 1))
            self.assertGreater(file.getnframes(), 16000)
        with open(self.path("monday", "view.mjpeg"), "rb") as file:
            self.assertGreater(file.read().count(b"lookout-time-ns="), 10)
        with open(self.path("monday", "pairs.csv"), encoding="utf-8", newline="") as file:
            pair, = csv.DictReader(file)
        self.assertEqual((pair["sound"], pair["picture"], pair["label"]), ("tone.wav", "view.mjpeg", ""))
        self.assertGreater(int(pair["duration_ms"]), 1000)
        self.assertEqual(os.stat(self.path("monday")).st_mode & 0o777, 0o700)
        self.assertIn("exists already", self.run_it("record", "--sensor", "tone", "--for", "1",
                                                    self.path("monday"), status=1))
        self.stop_daemon()

        self.start_daemon(self.path("monday", "replay.ini"))
        self.wait_for(self.sensors_run)

    def test_a_recording_that_may_not_be_is_refused_and_leaves_nothing(self):
        self.write_ini(INI.replace("allow_record = yes", ""))
        self.start_daemon()
        self.assertIn("allow_record", self.run_it("record", "--sensor", "tone", "--for", "1", self.path("d"), status=1))
        self.assertFalse(os.path.exists(self.path("d")))
        self.write_ini(INI)
        self.run_it("reload")
        self.assertIn("nosuch", self.run_it("record", "--sensor", "nosuch", "--for", "1", self.path("d"), status=1))
        self.assertFalse(os.path.exists(self.path("d")))

    def test_watch_knows_where_it_began_before_the_first_event(self):
        self.start_daemon()
        with self.start(LOOKOUTCTL, "watch", "--json", "--for", "0.5") as process:
            first = json.loads(process.stdout.readline())
        self.assertEqual((first["gap"], first["sequence"]), (0, 0))
        self.assertEqual(len(first["boot_id"]), 36)

    def test_watch_survives_a_restart(self):
        self.start_daemon()
        with self.start(LOOKOUTCTL, "watch") as process:
            self.read_until(process, "TIME")
            self.stop_daemon()
            self.read_until(process, "lookoutd is gone")
            self.start_daemon()
            self.read_until(process, "lookoutd is back after")
            process.send_signal(signal.SIGINT)
            self.read_until(process, "events in ")
        self.assertEqual(process.returncode, 0)


if __name__ == "__main__":
    tap.main()
