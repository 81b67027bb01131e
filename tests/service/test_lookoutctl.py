#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every command of lookoutctl against stored replies: text, JSON, exit status."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")]
sys.dont_write_bytecode = True
import fake_lookoutd
import tap

LOOKOUTCTL = os.path.join(os.environ.get("LOOKOUT_BUILD", "build"), "client", "lookoutctl")
SOURCE = os.environ.get("LOOKOUT_SOURCE", ".")
NOBODY = 65534  # root has every permission, so somebody else asks
WAIT_S = 20  # far more than anything here takes


class Lookoutctl(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "l.sock")
        self.environment = {**os.environ, "LOOKOUT_SOCKET": self.path, "LC_ALL": "C.UTF-8"}
        self.daemon = None

    def tearDown(self):
        if self.daemon:
            self.daemon.stop()
        self.folder.cleanup()

    def serve(self, **replies):
        self.daemon = fake_lookoutd.FakeDaemon(self.path, replies)

    def run_it(self, *arguments, status=0):
        """The output, errors included; the exit status must be `status`."""
        done = subprocess.run([LOOKOUTCTL, *arguments], env=self.environment, timeout=WAIT_S, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def start(self, *arguments):
        return subprocess.Popen(arguments, env=self.environment, text=True, bufsize=1,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def read_until(self, process, wanted):
        lines = []
        for line in process.stdout:
            lines.append(line)
            if wanted in line:
                return lines
        self.fail(f"{wanted!r} is not in {lines}")

    def test_every_command_has_text_and_lines_of_json(self):
        self.serve()
        for command, word, n_lines in (("status", "Mistakes in the configuration", 1), ("sensors", "yard-mic", 2),
                                       ("tasks", "dog 0.71", 1), ("bundles", "CC-BY-NC-3.0", 1),
                                       ("devices", "HD Webcam", 1), ("config", "/etc/lookout/lookoutd.ini:3", 3),
                                       ("events", "sound  +61 %", 4), ("reload", "nothing changed", 0)):
            self.assertIn(word, self.run_it(command))
            lines = self.run_it(command, "--json").splitlines()
            self.assertEqual(len(lines), n_lines, command)
            for line in lines:
                self.assertIsInstance(json.loads(line), dict)

    def test_every_command_has_help_with_an_example(self):
        for command in ("status", "watch", "events", "sensors", "tasks", "bundles", "config", "reload",
                        "devices", "record", "look", "doctor", "setup", "call"):
            self.assertRegex(self.run_it(command, "--help"), f"Example: (sudo )?lookoutctl {command}")
            self.assertIn(command, self.run_it("help"))
        self.assertEqual(self.run_it("help"), self.run_it("--help"))

    def test_without_a_daemon_it_says_where_and_what_to_do(self):
        said = self.run_it("status", status=3)
        self.assertIn(self.path, said)
        self.assertIn("systemctl start lookoutd", said)
        self.run_it("watch", status=3)
        self.run_it("events", status=3)

    def test_doctor_finds_what_is_wrong_and_says_what_to_do(self):
        self.serve()
        said = self.run_it("doctor", status=1)
        for word in ("camera gate: rate_hz = fast", "sudo lookoutctl reload", "no such device, retrying", "lookoutctl devices",
                     "system calls filtered", "10.0 MiB", "findings"):
            self.assertIn(word, said)
        lines = self.run_it("doctor", "--json", status=1).splitlines()
        findings = [json.loads(line) for line in lines if line.startswith("{")]
        self.assertIn({"check": "sensor gate", "state": "bad", "text": "lost: /dev/video0: no such device, retrying",
                       "what_to_do": "is it plugged in, and free? `lookoutctl devices` says what to do"}, findings)
        self.daemon.stop()
        self.daemon = None
        said = self.run_it("doctor", status=3)
        self.assertIn("systemctl start lookoutd", said)
        self.assertIn("memory", said)

    def test_without_permission_it_names_the_group(self):
        self.serve()
        os.chmod(self.path, 0)
        os.chmod(self.folder.name, 0o755)
        someone = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        try:
            done = subprocess.run([LOOKOUTCTL, "status"], env=self.environment, timeout=WAIT_S, text=True,
                                  stderr=subprocess.PIPE, check=False, **someone)
        except PermissionError:
            self.skipTest("nobody but root may run what was built here")
        self.assertEqual(done.returncode, 3)
        self.assertIn("join the group lookout", done.stderr)

    def test_wrong_usage_has_its_own_status(self):
        for arguments in ((), ("bogus",), ("status", "--bogus"), ("status", "word"), ("status", "--label", "x"),
                          ("watch", "--since", "x"), ("watch", "--count", "0"), ("call",), ("call", "Status", "[1]"),
                          ("record", "dir"), ("record", "--sensor", "a", "dir"),
                          ("record", "--sensor", "a", "--sensor", "a", "--for", "1", "dir")):
            self.assertIn("lookoutctl: ", self.run_it(*arguments, status=2))

    def test_an_error_of_the_daemon_is_put_in_words(self):
        interface = fake_lookoutd.INTERFACE
        self.serve(Reload={"error": interface + "BadConfig", "parameters": {"errors": ["a.ini:1: x", "a.ini:2: y"]}},
                   ListTasks={"error": interface + "NotAllowed", "parameters": {"needs": "group lookout-admin"}})
        self.assertEqual(self.run_it("reload", status=1), "a.ini:1: x\na.ini:2: y\n"
                         "lookoutctl: the configuration is wrong; the old one goes on\n")
        self.assertIn("this needs group lookout-admin", self.run_it("tasks", status=1))
        self.assertIn("Foo", self.run_it("call", "Foo", status=1))

    def test_watch_counts_and_ends_with_a_summary(self):
        self.serve()
        said = self.run_it("watch", "--since", "0", "--count", "4")
        self.assertIn("2 events in ", said)
        self.assertIn(f"lookoutctl watch --since {fake_lookoutd.boot_id()}:4\n", said)
        lines = self.run_it("watch", "--json", "--since", "0", "--count", "4").splitlines()
        self.assertEqual(json.loads(lines[0]), {"gap": 0, "boot_id": fake_lookoutd.boot_id(), "sequence": 0})
        self.assertEqual([json.loads(line)["event"]["sequence"] for line in lines[1:]], [1, 2, 3, 4])

    def test_watch_begins_with_what_does_not_work(self):
        self.serve(ListTasks=[], Status={**fake_lookoutd.REPLIES["Status"], "tasks": []})
        said = self.run_it("watch", "--since", "0", "--count", "1")
        self.assertIn("gate is lost: /dev/video0: no such device, retrying", said)
        self.assertNotIn("yard-mic", said)
        self.assertIn("no task is configured, so no events will come", said)

    def test_filters_travel_to_the_daemon(self):
        self.serve()
        self.run_it("watch", "--task", "yard", "--label", "dog", "--label", "car", "--min-confidence", "0.5",
                    "--scores", "--since", "b007:2", "--count", "1", "--json")
        self.assertEqual(self.daemon.calls[-1], {
            "method": fake_lookoutd.INTERFACE + "Watch", "more": True,
            "parameters": {"after_boot_id": "b007", "after_sequence": 2, "tasks": ["yard"],
                           "labels": ["dog", "car"], "min_confidence": 0.5, "scores": True}})

    def test_watch_goes_on_from_its_cursor_when_the_daemon_restarts(self):
        self.serve()
        with self.start(LOOKOUTCTL, "watch", "--since", "0") as process:
            self.read_until(process, "gate is lost: no such")
            self.daemon.stop()
            self.read_until(process, "lookoutd is gone")
            self.daemon.start()
            self.read_until(process, "lookoutd is back after")
            self.read_until(process, "gate is lost: no such")
            process.send_signal(signal.SIGINT)
            self.read_until(process, "2 events in ")
        self.assertEqual(process.returncode, 0)
        self.assertEqual(self.daemon.calls[-1]["parameters"],
                         {"after_boot_id": fake_lookoutd.boot_id(), "after_sequence": 5})

    def test_watch_ends_by_time_even_while_the_daemon_is_away(self):
        self.serve()
        with self.start(LOOKOUTCTL, "watch", "--for", "1.5") as process:
            self.read_until(process, "gate is lost: no such")
            self.daemon.stop()
            self.daemon = None
            began = time.monotonic()
            self.read_until(process, "events in ")
        self.assertEqual(process.returncode, 0)
        self.assertLess(time.monotonic() - began, 5)

    def test_a_server_that_is_no_daemon_is_told_apart(self):
        self.serve()
        self.daemon.answer = lambda message, send: self.daemon.connections[-1].sendall(b"HTTP/1.1 400\r\n\r\n\0")
        self.assertIn("does not speak Varlink", self.run_it("status", status=1))

    def test_output_that_cannot_be_written_is_a_failure(self):
        self.serve()
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([LOOKOUTCTL, "sensors"], env=self.environment, stdout=full, timeout=WAIT_S,
                                  stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write the output: No space left on device", done.stderr)

    def test_bash_completes_commands_options_and_names(self):
        self.serve()
        script = (f'PATH={os.path.dirname(LOOKOUTCTL)}:$PATH; . {SOURCE}/client/lookoutctl.bash; '
                  'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lookoutctl; echo "${COMPREPLY[*]}"')
        for words, wanted in ((("wat",), "watch"), (("record", "--sensor", ""), "gate yard-mic"),
                              (("watch", "--mi"), "--min-confidence"), (("help", "re"), "reload record")):
            done = subprocess.run(["bash", "-c", script, "-", "lookoutctl", *words], env=self.environment,
                                  timeout=WAIT_S, text=True, stdout=subprocess.PIPE, check=True)
            self.assertEqual(done.stdout.strip(), wanted)

    def test_the_python_example_survives_a_restart(self):
        self.serve()
        with self.start(sys.executable, os.path.join(SOURCE, "examples", "watch.py")) as process:
            self.read_until(process, "gate is lost")
            self.daemon.stop()
            self.read_until(process, "retrying")
            self.daemon.start()
            self.read_until(process, "gate is lost")
            process.send_signal(signal.SIGINT)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(self.daemon.calls[-1]["parameters"]["after_sequence"], 5)


if __name__ == "__main__":
    tap.main()
