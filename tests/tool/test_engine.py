#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lookout-model show, run, bench and conform as a person uses them."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")]
import tap

TOOL = os.path.join(os.environ.get("LOOKOUT_BUILD", "build"), "models", "lookout-model")
CASES = pathlib.Path(os.environ.get("LOOKOUT_SOURCE", ".")).resolve() / "tests" / "conformance"
NET, NET_IO = CASES / "net" / "net_00.tflite", CASES / "net" / "net_00.io"
IN_BYTES, OUT_BYTES = 25 * 12, 4


class Engine(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def run_it(self, *arguments, status=0, **environment):
        """(stdout, stderr); the exit status must be `status`."""
        done = subprocess.run([TOOL, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", timeout=60, env={**os.environ, **environment})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def case_folder(self, *names):
        """A folder `group` with these cases of net/, and its manifest's lines."""
        group = self.path / "group"
        group.mkdir()
        for name in names:
            for suffix in (".tflite", ".io"):
                shutil.copy(CASES / "net" / (name + suffix), group)
        lines = (CASES / "net" / "manifest.tsv").read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if line.split("\t")[0] in ("name", *names)]
        (group / "manifest.tsv").write_text("\n".join(kept) + "\n", encoding="utf-8")
        return group

    def test_run_gives_the_stored_bytes(self):
        io = NET_IO.read_bytes()
        (self.path / "in").write_bytes(io[:IN_BYTES])
        self.run_it("run", NET, "--in", self.path / "in", "--out", self.path / "out", "--kernels", "c")
        self.assertEqual((self.path / "out").read_bytes(), io[IN_BYTES:IN_BYTES + OUT_BYTES])

    def test_run_says_how_many_bytes_it_wants(self):
        (self.path / "in").write_bytes(b"x" * 7)
        _, errors = self.run_it("run", NET, "--in", self.path / "in", "--out", self.path / "out", status=1)
        self.assertIn("has 7 bytes", errors)
        self.assertIn(str(IN_BYTES), errors)
        self.assertFalse((self.path / "out").exists())

    def test_show_lists_operators_and_the_arena(self):
        text, _ = self.run_it("show", NET)
        for word in ("CONV_2D", "DEPTHWISE_CONV_2D", "SOFTMAX", "[1,25,12,1]", "no work", "in place", "scratch",
                     "arena", "parameters"):
            self.assertIn(word, text)

    def test_show_tells_what_is_fused_and_what_that_saves(self):
        zoo = CASES.parents[1] / "models" / "zoo" / "yard" / "sound.tflite"
        plan, _ = self.run_it("show", zoo, LOOKOUT_KERNELS="c")
        whole, _ = self.run_it("show", zoo, LOOKOUT_KERNELS="c", LOOKOUT_PLAN="whole")
        self.assertEqual(self.run_it("show", zoo, LOOKOUT_KERNELS="c")[0], plan)
        self.assertRegex(plan, r"(?m)^ +2  CONV_2D +\[1,50,20,24\] .* fused$")
        self.assertRegex(plan, r"(?m)^in strips +rows +calls +scratch +output$")
        self.assertIn("in place of tensor", plan)
        self.assertNotIn("fused", whole)
        arena = [int(text.splitlines()[-1].split()[1]) for text in (plan, whole)]
        self.assertLess(arena[0], arena[1] * 0.6)
        self.assertIn(f"; {arena[1]} if each step ran as a whole", plan)
        self.assertRegex(plan, r"live at step \d")

    def test_the_man_page_shows_what_show_prints(self):
        source = CASES.parents[1]
        page = (source / "docs" / "man" / "lookout-model.1").read_text(encoding="utf-8")
        example = page.split(".SH EXAMPLES")[1].split(".nf")[2].split(".fi")[0].replace("\\-", "-").strip("\n")
        picture = source / "models" / "zoo" / "yard" / "picture.tflite"
        printed = [line.rstrip() for line in self.run_it("show", picture, LOOKOUT_KERNELS="c")[0].splitlines()]
        for line in example.splitlines():
            if line != "\\&...":
                self.assertIn(line, printed)
        self.assertGreater(len(example.splitlines()), 10)

    def test_an_unknown_plan_is_refused_with_the_list(self):
        self.assertIn("balanced, least, whole", self.run_it("show", NET, status=1, LOOKOUT_PLAN="clever")[1])

    def test_bench_tells_times_and_memory(self):
        result = json.loads(self.run_it("bench", NET, "--ms", "20", "--threads", "2", "--runners", "3", "--kernels", "c", "--json")[0])
        self.assertEqual(result["kernels"], "c")
        self.assertEqual((result["threads"], result["runners"]), (2, 3))
        self.assertLessEqual(0 < result["min_us"] and result["min_us"], result["median_us"])
        self.assertLessEqual(result["arena_bytes"], result["peak_bytes"] * 1.1)
        self.assertGreater(result["resident_bytes"], result["arena_bytes"])
        self.assertGreater(result["macs"], 0)
        for wrong in ("0", "600001", "x", "-1", ""):
            self.assertIn(f"--ms {wrong}: not from 1 to 600000", self.run_it("bench", NET, "--ms", wrong, status=2)[1])

    def test_conform_counts_what_passed(self):
        text, _ = self.run_it("conform", self.case_folder("net_00", "net_01"))
        self.assertEqual(text, "2 passed, 0 failed\n")
        self.assertEqual(self.run_it("conform", self.path)[0], text)  # one level up: its sub-directories

    def test_conform_shows_the_first_differing_byte(self):
        group = self.case_folder("net_00", "net_01")
        io = bytearray((group / "net_00.io").read_bytes())
        io[IN_BYTES + 2] ^= 1  # sample 0, byte 2
        (group / "net_00.io").write_bytes(io)
        text, _ = self.run_it("conform", group, status=1)
        self.assertIn("group/net_00: sample 0, output 0: first differing byte 2", text)
        self.assertEqual(text.splitlines()[-1], "1 passed, 1 failed")

    def test_conform_without_compare_wants_refusals(self):
        group = self.case_folder("net_00")
        (group / "manifest.tsv").write_text("name\twhat is wrong\nnet_00\tnothing\n", encoding="utf-8")
        text, _ = self.run_it("conform", group, status=1)
        self.assertIn("net_00: it was not refused", text)
        (group / "net_00.tflite").write_bytes(NET.read_bytes()[:-100])
        self.assertEqual(self.run_it("conform", group)[0], "1 passed, 0 failed\n")

    def test_a_missing_model_is_no_refusal(self):
        group = self.case_folder("net_00")
        (group / "manifest.tsv").write_text("name\nabsent\n", encoding="utf-8")
        self.assertIn("absent", self.run_it("conform", group, status=1)[0])

    def test_a_folder_without_manifest_is_an_error(self):
        self.assertIn("manifest.tsv", self.run_it("conform", self.path, status=1)[1])

    def test_an_unknown_row_of_kernels_is_refused_with_the_list(self):
        (self.path / "in").write_bytes(NET_IO.read_bytes()[:IN_BYTES])
        for command in (("run", NET, "--in", self.path / "in", "--out", self.path / "out"), ("bench", NET),
                        ("conform", CASES / "net")):
            _, errors = self.run_it(*command, "--kernels", "quantum", status=1)
            self.assertRegex(errors, r"no kernels 'quantum'.*there are: .*\bc\b")
        self.assertIn("'nothing'", self.run_it("bench", NET, status=1, LOOKOUT_KERNELS="nothing")[1])

    def test_every_command_helps_with_an_example(self):
        for command in ("show", "run", "bench", "conform"):
            self.assertIn("Example:", self.run_it(command, "--help")[0])
            self.assertIn("Usage:", self.run_it(command, "--nonsense", status=2)[1])
        self.assertIn("no command 'dance'", self.run_it("dance", status=2)[1])


if __name__ == "__main__":
    tap.main()
