# SPDX-License-Identifier: MIT
"""What trains many encoders to find something out: labels that are left out."""
import pathlib
import tempfile
import unittest

import kit

kit.enter_venv()

import numpy as np  # noqa: E402

import tap  # noqa: E402
import torch  # noqa: E402
from made import PRESET, made_data  # noqa: E402
from training import config, data, leftout  # noqa: E402


class Tiny(unittest.TestCase):
    """Three labels, encoders of a few steps."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.said = pathlib.Path(folder.name), []
        made_data(self.folder / 'tiny', 3)
        (self.folder / 'tiny.ini').write_text(PRESET)
        self.config = config.read(str(self.folder / 'tiny.ini'), quick=True)

    def run_it(self, module, seeds=(1,), **options):
        module.run(self.config, self.folder / 'tiny', self.folder, list(seeds), self.said.append, **options)


class LeftOut(Tiny):
    def test_turns_leave_out_every_label_once(self):
        for n in (3, 5, 10, 12):
            turns = leftout.turns([str(i) for i in range(n)])
            self.assertEqual(sorted(name for turn in turns for name in turn), sorted(str(i) for i in range(n)))

    def test_the_area_under_the_roc_by_hand(self):
        self.assertEqual(leftout.area(np.array([0.9, 0.5]), np.array([0.4, 0.5, 0.95])), (2 + 1.5) / 6)

    def test_a_classifier_of_few_examples_tells_what_lies_apart(self):
        torch.manual_seed(1)
        centres = torch.nn.functional.normalize(torch.randn(3, 16), dim=1)
        shown = lambda label, n: leftout.Shown(centres[label] + 0.05 * torch.randn(n, 16), torch.full((n,), label), torch.arange(n))
        join = lambda a, b: leftout.Shown(torch.cat([a.x, b.x]), torch.cat([a.labels, b.labels]), torch.cat([a.numbers, b.numbers + 1000]))
        found = leftout.taught(join(shown(0, 30), shown(1, 30)), join(shown(0, 20), shown(1, 20)), shown(2, 60), 2, 1)
        self.assertEqual(set(found), {'5', '20'})
        for one in found.values():
            self.assertGreater(min(one.values()), 0.95)

    def test_an_answer_is_the_mean_over_an_examples_windows(self):
        shown = leftout.Shown(torch.tensor([[3.0], [-1.0], [-1.0]]), torch.tensor([0, 0, 1]), torch.tensor([4, 4, 9]))
        self.assertEqual(leftout.right((torch.tensor([[1.0], [-1.0]]), torch.zeros(2)), shown), 1.0)

    def test_every_label_is_left_out_and_a_run_that_was_stopped_goes_on(self):
        self.run_it(leftout)
        text = (self.folder / 'leftout.md').read_text()
        for sees in ('sound', 'picture', 'sound+picture'):
            self.assertRegex(text, rf'\| {sees.replace("+", chr(92) + "+")} \| \d+ \| [0-9.]+ \| ')
        self.assertIn('| sound | 5 | ', text)
        self.assertEqual(len(list(self.folder.glob('*-1/result.json'))), 3)
        (self.folder / 'low-1' / 'result.json').unlink()
        self.said.clear()
        self.run_it(leftout)
        self.assertEqual([line for line in self.said if 'without' in line], ['without low, seed 1'])
        self.assertFalse([line for line in self.said if 'step ' in line])

    def test_two_labels_are_too_few(self):
        with tempfile.TemporaryDirectory() as folder:
            made_data(pathlib.Path(folder))
            with self.assertRaisesRegex(data.DataError, '2 labels; to leave one out there must be three'):
                leftout.run(self.config, pathlib.Path(folder), self.folder, [1], self.said.append)


tap.main()
