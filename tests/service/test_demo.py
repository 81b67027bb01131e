#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demonstration from begin to end, as `./dev demo` runs it after building, and interrupted."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

BUILD = os.environ.get("LOOKOUT_BUILD", "build")
SOURCE = os.environ.get("LOOKOUT_SOURCE", ".")
RUN = os.path.join(SOURCE, "demo", "run")
FIRST_EVENT_S = 15
WAIT_S = 120
RIGHT_MIN = 5  # of the 7 things of the scene; the networks are small, the test is of the path


class Demo(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.began = time.monotonic()
        self.demo = subprocess.Popen(
            [RUN, BUILD], env={**os.environ, "TMPDIR": self.folder.name, "LC_ALL": "C.UTF-8"}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)

    def tearDown(self):
        self.demo.stdout.close()
        self.folder.cleanup()

    def read_until(self, wanted):
        said = ""
        for line in self.demo.stdout:
            said += line
            if re.search(wanted, line):
                return said
        self.fail(f"{wanted!r} is not in:\n{said}")

    def assert_nothing_left(self):
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_the_scene_is_recognised_and_summed_up(self):
        self.read_until(" begin ")
        self.assertLess(time.monotonic() - self.began, FIRST_EVENT_S)
        said = self.read_until("of one core")
        right = re.search(r"(\d+) of \d+ right", said)
        self.assertGreaterEqual(int(right.group(1)), RIGHT_MIN, said)
        self.read_until("your own camera")
        self.demo.stdout.read()
        self.assertEqual(self.demo.wait(WAIT_S), 0)
        self.assert_nothing_left()

    def test_interrupted_it_cleans_up(self):
        self.read_until("Watching for")
        os.killpg(self.demo.pid, signal.SIGINT)
        self.demo.stdout.read()
        self.assertEqual(self.demo.wait(WAIT_S), 130)
        self.assert_nothing_left()


if __name__ == "__main__":
    tap.main()
