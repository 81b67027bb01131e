#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lookoutctl and the Python example with the real lookoutd, whose sensors are recordings made here."""
import csv
import json
import os
import signal
import subprocess
import sys
import unittest
import wave

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import tap  # noqa: E402
from lookoutd import BUILD, CHATTY, SOURCE, Daemon, within  # noqa: E402

LOOKOUTCTL = os.path.join(BUILD, "client", "lookoutctl")
WAIT_S = 30  # far more than anything here takes, also under a sanitizer


class Live(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon().start()
        self.environment = {**os.environ, "LOOKOUT_SOCKET": self.daemon.path, "LC_ALL": "C.UTF-8"}

    def tearDown(self):
        self.daemon.stop()

    def path(self, *names):
        return os.path.join(self.daemon.folder, *names)

    def run_it(self, *arguments, status=0):
        """The output, errors included; the exit status must be `status`."""
        done = subprocess.run([LOOKOUTCTL, *arguments], env=self.environment, timeout=WAIT_S, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def read_json(self, *arguments):
        return [json.loads(line) for line in self.run_it(*arguments, "--json").splitlines()]

    def wait_for_sensors(self):
        within("both sensors run", lambda: [one["name"] for one in self.read_json("sensors")
                                            if one["state"] == "running"] == ["mic", "cam"])

    def start(self, *arguments):
        return subprocess.Popen(arguments, env=self.environment, text=True, bufsize=1,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def read_until(self, stream, wanted):
        lines = []
        for line in stream:
            lines.append(line)
            if wanted in line:
                return line
        self.fail(f"{wanted!r} is not in {lines}")

    def read_event(self, stream):
        """The next event, and all that was said to be gone before it."""
        gap = 0
        for line in stream:
            reply = json.loads(line)
            gap += reply.get("gap", 0)
            if "event" in reply:
                return reply["event"], gap
        self.fail("no event came")

    def restart(self):
        self.daemon.terminate()
        self.daemon.start()

    def test_every_command_answers_in_text_and_in_json(self):
        self.wait_for_sensors()
        within("an event", lambda: self.read_json("events"))
        for command, word in (("status", "Statistics"), ("sensors", "recording sound"), ("tasks", "yard"),
                              ("bundles", "(non-commercial)"), ("devices", ""), ("config", "lookoutd.ini:"),
                              ("events", "begin"), ("reload", "nothing changed")):
            self.assertIn(word, self.run_it(command))
            self.read_json(command)
        self.assertEqual(self.read_json("call", "org.varlink.service.GetInfo")[0]["product"], "lookoutd")
        self.assertIn("--more", self.run_it("call", "Watch", status=1))

    def test_doctor_says_what_the_real_daemon_lacks(self):
        self.wait_for_sensors()
        said = self.run_it("doctor", status=1)  # what runs here has no sandbox
        for word in ("sensor mic", "task yard", "may make any system call", "not for commercial use", "allow_record = yes"):
            self.assertIn(word, said)

    def test_events_and_watch_filter(self):
        within("an event", lambda: self.read_json("events"))
        label = self.read_json("events", "--count", "1")[0]["label"]
        self.assertEqual({one["label"] for one in self.read_json("events", "--label", label)}, {label})
        self.assertEqual(self.read_json("events", "--label", "background"), [], "it is not reported")
        self.assertIn("no task has the label nonesuch", self.run_it("events", "--label", "nonesuch", status=1))
        self.assertIn("no task nonesuch", self.run_it("watch", "--task", "nonesuch", status=1))
        said = self.run_it("watch", "--label", label, "--scores", "--long", "--count", "2")
        for word in (label, "scores", "latency", "sensors", "Go on from here"):
            self.assertIn(word, said)

    def test_reload_tells_what_changed_and_what_is_wrong(self):
        self.daemon.write_ini(lookoutd="events_kept = 99")
        self.assertIn("events_kept", self.run_it("reload"))
        self.assertEqual([one["value"] for one in self.read_json("config", "lookoutd") if one["key"] == "events_kept"],
                         ["99"])
        self.daemon.write_ini(rest="sise = 3")
        self.assertIn("sise", self.run_it("reload", status=1))
        self.assertIn("sise", self.run_it("status"))

    def test_a_recording_can_be_played_back(self):
        self.wait_for_sensors()
        said = self.run_it("record", "--sensor", "mic", "--sensor", "cam", "--for", "2", self.path("monday"))
        self.assertIn("mic.wav", said)
        with wave.open(self.path("monday", "mic.wav")) as file:
            self.assertEqual((file.getframerate(), file.getnchannels()), (16000, 1))
            self.assertGreater(file.getnframes(), 16000)
        with open(self.path("monday", "cam.mjpeg"), "rb") as file:
            self.assertGreater(file.read().count(b"lookout-time-ns="), 10)
        with open(self.path("monday", "pairs.csv"), encoding="utf-8", newline="") as file:
            pair, = csv.DictReader(file)
        self.assertEqual((pair["sound"], pair["picture"], pair["label"]), ("mic.wav", "cam.mjpeg", ""))
        self.assertGreater(int(pair["duration_ms"]), 1000)
        self.assertEqual(os.stat(self.path("monday")).st_mode & 0o777, 0o700)
        self.assertIn("exists already", self.run_it("record", "--sensor", "mic", "--for", "1",
                                                    self.path("monday"), status=1))
        self.daemon.terminate()
        self.daemon.ini_path = self.path("monday", "replay.ini")
        self.daemon.start()
        self.wait_for_sensors()

    def test_a_recording_that_is_interrupted_keeps_what_there_is(self):
        self.wait_for_sensors()
        with self.start(LOOKOUTCTL, "record", "--sensor", "mic", "--for", "999", self.path("d")) as process:
            self.read_until(process.stdout, "^C ends it early")
            within("something is written", lambda: os.path.getsize(self.path("d", "mic.part")) > 10000)
            process.send_signal(signal.SIGINT)
            self.read_until(process.stdout, "mic.wav")
        self.assertEqual(process.returncode, 0)
        with wave.open(self.path("d", "mic.wav")) as file:
            self.assertGreater(file.getnframes(), 4000)

    def test_a_recording_that_may_not_be_is_refused_and_leaves_nothing(self):
        self.assertIn("nosuch", self.run_it("record", "--sensor", "nosuch", "--for", "1", self.path("d"), status=1))
        self.daemon.write_ini(CHATTY.replace("allow_record = yes", ""))
        self.run_it("reload")
        self.assertIn("allow_record", self.run_it("record", "--sensor", "mic", "--for", "1", self.path("d"), status=1))
        self.assertFalse(os.path.exists(self.path("d")))

    def test_watch_goes_on_behind_its_cursor_when_the_daemon_restarts(self):
        with self.start(LOOKOUTCTL, "watch", "--json") as process:
            last, _ = self.read_event(process.stdout)
            self.daemon.terminate()
            for line in iter(process.stderr.readline, ""):
                if "is gone" in line:
                    break
            self.daemon.start()
            gap_in_all, sequence = 0, last["sequence"]
            for _ in range(20):  # those from before the end, then those of the new daemon
                event, gap = self.read_event(process.stdout)
                gap_in_all += gap
                self.assertEqual(event["sequence"], sequence + gap + 1)
                sequence = event["sequence"]
            process.send_signal(signal.SIGINT)
            self.assertIn("is back after", process.stderr.read())
        self.assertEqual(process.returncode, 0)

    def test_watch_knows_where_it_began_before_the_first_event(self):
        with self.start(LOOKOUTCTL, "watch", "--json", "--label", "background", "--for", "0.5") as process:
            first = json.loads(process.stdout.readline())
        self.assertEqual(first["gap"], 0)
        self.assertGreaterEqual(first["sequence"], 0)
        self.assertEqual(len(first["boot_id"]), 36)

    def test_the_python_example_survives_a_restart(self):
        with self.start(sys.executable, os.path.join(SOURCE, "examples", "watch.py")) as process:
            self.read_until(process.stdout, "(sound")  # any event: the beginnings may be over
            self.daemon.terminate()
            self.read_until(process.stderr, "retrying")
            self.daemon.start()
            self.read_until(process.stdout, "(sound")  # any event: the beginnings may be over
            process.send_signal(signal.SIGINT)
        self.assertEqual(process.returncode, 0)


if __name__ == "__main__":
    tap.main()
