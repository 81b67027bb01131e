#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random networks make the same bytes whatever the plan: whole steps, strips, row by row; and whatever the row of
kernels. `test_plans.py FIRST LAST` tries other seeds."""

import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

import random_net

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")]
import tap

TOOL = [*filter(None, [os.environ.get("LOOKOUT_EXE_WRAPPER")]),  # runs a program of another kind of machine
        os.path.join(os.environ.get("LOOKOUT_BUILD", "build"), "models", "lookout-model")]
FIRST, LAST = map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (0, 40)
PLANS = ("balanced", "least", "rows")


class Plans(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def lookout_model(self, plan, *arguments):
        done = subprocess.run([*TOOL, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", timeout=60, env={**os.environ, "LOOKOUT_PLAN": plan})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def outputs(self, plan, kernels):
        arguments = ["--in", self.path / "in", "--out", self.path / "out", *kernels]
        self.lookout_model(plan, "run", self.path / "net.tflite", *arguments)
        return (self.path / "out").read_bytes()

    def arena_bytes(self, plan):
        lines = self.lookout_model(plan, "show", self.path / "net.tflite").splitlines()
        return int(lines[-1].split()[1]), any(line.split()[-1:] == ["fused"] for line in lines)

    def rows(self):
        """Those that run here, as the refusal of any other lists them."""
        command = [*TOOL, "run", self.path / "net.tflite", "--in", os.devnull, "--out", os.devnull, "--kernels", "none"]
        refused = subprocess.run([*map(str, command)], stderr=subprocess.PIPE, encoding="utf-8", timeout=60).stderr
        return refused.split("there are: ")[1].strip().split(", ")

    def make(self, seed):
        net, n_bytes = random_net.make(seed)
        (self.path / "net.tflite").write_bytes(net)
        (self.path / "in").write_bytes(random.Random(seed).randbytes(n_bytes))

    def test_every_plan_makes_the_same_bytes(self):
        different = 0
        for seed in range(FIRST, LAST):
            self.make(seed)
            expected = self.outputs("whole", ["--kernels", "c"])
            different += len(set(expected)) > 8
            for kernels in self.rows():
                for plan in PLANS:
                    self.assertEqual(self.outputs(plan, ["--kernels", kernels]), expected, f"seed {seed}, {kernels}, {plan}")
        self.assertGreater(different, (LAST - FIRST) // 2)  # they say something

    def test_taps_far_apart_are_the_same_for_every_row_and_plan(self):
        """What a strip of the image would take is above 2^32 here."""
        for kind in (random_net.CONV, random_net.DEPTHWISE, random_net.AVERAGE_POOL, random_net.MAX_POOL):
            net, n_bytes = random_net.far_apart(kind)
            (self.path / "net.tflite").write_bytes(net)
            (self.path / "in").write_bytes(random.Random(kind).randbytes(n_bytes))
            expected = self.outputs("balanced", ["--kernels", "c"])
            self.assertGreater(len(set(expected)), 4)
            for kernels in self.rows():
                for plan in PLANS:
                    self.assertEqual(self.outputs(plan, ["--kernels", kernels]), expected, f"operator {kind}, {kernels}, {plan}")

    def test_no_plan_takes_more_than_whole_steps(self):
        n_smaller = n_fused = 0
        for seed in range(FIRST, LAST):
            self.make(seed)
            whole, _ = self.arena_bytes("whole")
            least, fused = self.arena_bytes("least")
            self.assertLessEqual(least, whole, f"seed {seed}")
            self.assertLessEqual(self.arena_bytes("balanced")[0], whole, f"seed {seed}")
            n_smaller += least < whole
            n_fused += fused
        self.assertGreater(n_smaller, (LAST - FIRST) // 5)
        self.assertGreater(n_fused, (LAST - FIRST) // 20)  # fewer where kernels do 3 x 3 in tiles


if __name__ == "__main__":
    sys.argv[1:] = []
    tap.main()
