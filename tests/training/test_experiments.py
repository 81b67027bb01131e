# SPDX-License-Identifier: MIT
"""Pre-training, and what trains many encoders to find something out: labels that are left out or scarce, the search."""
import dataclasses
import json
import os
import pathlib
import tempfile
import types
import unittest
import unittest.mock

import kit

kit.enter_venv()

import numpy as np  # noqa: E402

import tap  # noqa: E402
import torch  # noqa: E402
from made import PRESET, made_data  # noqa: E402
from training import config, data, encode, fuse, leftout, networks, pretrain, scarce, search, sizes, train  # noqa: E402


os.environ['LOOKOUT_MODEL'] = str(kit.MODEL)


class Tiny(unittest.TestCase):
    """Three labels, encoders of a few steps."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.said = pathlib.Path(folder.name), []
        made_data(self.folder / 'tiny', 3)
        (self.folder / 'tiny.ini').write_text(PRESET)
        self.config = config.read(str(self.folder / 'tiny.ini'), quick=True)

    def run_it(self, module, seeds=(1,), options=None):
        module.run(self.config, self.folder / 'tiny', self.folder, list(seeds), self.said.append, options)


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

    @unittest.mock.patch.object(fuse, 'STEPS', 50)
    @unittest.mock.patch.object(leftout, 'DRAWS', 1)
    def test_every_label_is_left_out_and_a_run_that_was_stopped_goes_on(self):
        self.run_it(leftout)
        text = (self.folder / 'leftout.md').read_text()
        for sees in ('sound', 'picture', 'sound+picture'):
            self.assertRegex(text, rf'\| {sees.replace("+", chr(92) + "+")} \| \d+ \| [0-9.]+ \| ')
        self.assertIn('| sound | 5 | ', text)
        trained = lambda: [line for line in self.said if '/12' in line]
        self.assertTrue(trained())
        self.assertEqual(len(list(self.folder.glob('*-1/result.json'))), 3)
        (self.folder / 'low-1' / 'result.json').unlink()
        self.said.clear()
        self.run_it(leftout)
        self.assertEqual([line for line in self.said if 'without' in line], ['without low, seed 1'])
        self.assertFalse(trained())
        self.config = dataclasses.replace(self.config, head=self.config.head | {'unknown': '0.9'})
        with self.assertRaisesRegex(encode.learn.KeepError, 'head was .* name another OUT'):
            self.run_it(leftout)

    def test_two_labels_are_too_few(self):
        with tempfile.TemporaryDirectory() as folder:
            made_data(pathlib.Path(folder))
            with self.assertRaisesRegex(data.DataError, '2 labels; to leave one out there must be three'):
                leftout.run(self.config, pathlib.Path(folder), self.folder, [1], self.said.append)


class Pretraining(Tiny):
    def stage(self):
        return train.stage_of(self.config, self.folder / 'tiny', self.folder / 'run', self.picture, True, self.said.append)

    @property
    def picture(self):
        return self.config.modality('picture')

    def test_patches_are_what_stands_at_their_places(self):
        model = pretrain.Patches(networks.Encoder(3, self.picture.shape), self.picture)
        self.assertEqual((model.size, model.patch), ((4, 4), (4, 4)))
        x = torch.rand(2, 3, 16, 16)
        block = x[1, :, 4:8, 12:16].flatten()
        wanted = (block - block.mean()) / (block.std() + 0.1)
        self.assertTrue(torch.allclose(model.patches(x)[1, :, 1, 3], wanted, atol=1e-5))

    def test_what_is_not_hidden_has_no_loss(self):
        model = pretrain.Patches(networks.Encoder(3, self.picture.shape), self.picture)
        with unittest.mock.patch.object(pretrain, 'HIDDEN_SHARE', 0.0):
            self.assertEqual(float(model.loss(torch.rand(2, 3, 16, 16)).detach()), 0)

    def test_means_find_what_lies_apart(self):
        torch.manual_seed(1)
        found = pretrain.k_means(torch.cat([torch.randn(30, 4) * 0.1 + 3 * label for label in range(3)]), 3).view(3, 30)
        self.assertTrue(all(len(part.unique()) == 1 for part in found))
        self.assertEqual(len(found.unique()), 3)

    def test_an_encoder_begins_where_pre_training_ended_and_only_there(self):
        for method in pretrain.METHODS:
            path = self.folder / 'run' / f'{method}.pt'
            pretrain.train(self.stage(), self.picture, method, 6, path)
            first, second = (networks.Encoder(3, self.picture.shape) for _ in range(2))
            wanted = pretrain.facts(self.stage(), self.picture, method, 6)
            for encoder in (first, second):
                pretrain.begin(encoder, path, wanted)
            self.assertTrue(all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters())))
            with self.assertRaisesRegex(encode.learn.KeepError, 'steps was 6, now it is 7'):
                pretrain.begin(first, path, wanted | {'steps': '7'})
            other = dataclasses.replace(self.picture, keys=self.picture.keys | {'other_held': 'rain'})
            with self.assertRaisesRegex(encode.learn.KeepError, 'other_held was None, now it is rain'):
                pretrain.begin(first, path, pretrain.facts(self.stage(), other, method, 6))
            self.assertEqual([entry.name for entry in path.parent.iterdir() if method in entry.name and 'curve' not in entry.name], [path.name])

    def test_clusters_that_were_stopped_go_on_from_the_last_round(self):
        path, learned, calls = self.folder / 'run' / 'c.pt', encode.learn.train, []

        def stops(*arguments, **options):
            calls.append(1)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return learned(*arguments, **options)

        with unittest.mock.patch.object(encode.learn, 'train', stops):
            with self.assertRaises(KeyboardInterrupt):
                pretrain.train(self.stage(), self.picture, 'clusters', 6, path)
            pretrain.train(self.stage(), self.picture, 'clusters', 6, path)
        self.assertEqual(len(calls), 2 + pretrain.ROUNDS - 1)

    def test_a_share_has_every_label_and_what_smaller_shares_have(self):
        examples = data.examples(self.folder / 'tiny', 'sound', 'train', ['high', 'low', 'middle'])
        some = [{e.path for e in data.share_of_each(examples, share)} for share in (0.01, 0.5, 1.0)]
        self.assertEqual([len(paths) for paths in some], [3, 36, 72])
        self.assertTrue(some[0] < some[1] < some[2])

    def test_the_table_of_scarce_labels_has_every_beginning_and_a_run_goes_on(self):
        self.config = dataclasses.replace(self.config, modalities=(dataclasses.replace(self.picture, steps=3),))
        self.run_it(scarce)
        text = (self.folder / 'scarce.md').read_text()
        for start in ('nothing', 'patches', 'clusters'):
            self.assertRegex(text, rf'\| picture \| {start} \|( [0-9.]+ \|){{5}}')
        self.assertIn('3 (1 %), 6 (10 %)', text)
        self.said.clear()
        self.run_it(scarce)
        self.assertEqual(len(self.said), 1)
        self.config = dataclasses.replace(self.config, modalities=(dataclasses.replace(self.picture, steps=4),))
        with self.assertRaisesRegex(encode.learn.KeepError, 'steps'):
            self.run_it(scarce)


class Searching(Tiny):
    def setUp(self):
        super().setUp()
        self.config = dataclasses.replace(self.config, modalities=tuple(dataclasses.replace(m, steps=2) for m in self.config.modalities))

    @property
    def picture(self):
        return self.config.modality('picture')

    def options(self, **more):
        found = {'trials': 3, 'final_steps': 2, 'modality': None, 'budget': {}}
        return types.SimpleNamespace(**(found | more))

    def test_changes_give_other_networks_that_can_be_written_and_read(self):
        rng = np.random.default_rng(1)
        for modality in self.config.modalities:
            network = search.own(modality)
            seen = {network}
            for _ in range(60):
                network = search.changed(rng, network, modality)
                seen.add(network)
                self.assertEqual(search.Network.read(json.loads(json.dumps(network.written()))), network)
            self.assertGreater(len(seen), 30)
            for network in (search.drawn(rng, modality) for _ in range(20)):
                self.assertIn(len(network.shape.blocks), search.DEPTHS)

    def test_a_network_that_leaves_nothing_of_the_input_is_not_tried(self):
        deep = networks.Shape(8, 2, ((8, 2), (8, 2), (8, 2)), 16)
        self.assertFalse(search.is_sound(search.Network((('size_px', '16x16'),), deep), self.config.modality('picture')))
        self.assertTrue(search.is_sound(search.Network((('size_px', '32x32'),), deep), self.config.modality('picture')))

    def test_what_is_found_fits_the_budget_and_a_search_that_was_stopped_finds_the_same(self):
        budget = {'bytes, 8 bits': 14_000, 'arena bytes': 9000, 'multiply-adds': 300_000}
        with unittest.mock.patch.object(search, 'POPULATION', 2), unittest.mock.patch.object(search, 'DRAWN', 2):
            self.run_it(search, options=self.options(modality='picture', budget=budget))
            trials = sorted((self.folder / 'picture').glob('trial-*.json'))
            found = [json.loads(path.read_text()) for path in trials]
            self.assertEqual(len(found), 3)
            for one in found:
                self.assertTrue(all(one['cost'][key] <= most for key, most in budget.items()))
            text = (self.folder / 'search.md').read_text()
            self.assertRegex(text, r"\| the preset's \| 16x16x3 \| 4/2, 8/2 8, 32 \|")
            self.assertRegex(text, r'\| searched \| \d+x\d+x3 \|')
            trials[2].unlink()
            self.run_it(search, options=self.options(modality='picture', budget=budget))
            self.assertEqual(json.loads(trials[2].read_text())['network'], found[2]['network'])

    def test_the_preset_s_own_network_is_tried_first_if_it_fits(self):
        own = search.own(self.config.modality('picture'))
        with tempfile.TemporaryDirectory() as folder:
            for number, (budget, same) in enumerate((({}, True), ({'multiply-adds': 1}, False))):
                options = self.options(modality='picture', budget={'bytes, 8 bits': 14_000, 'arena bytes': 9000, 'multiply-adds': 300_000} | budget)
                one = search.Search(self.config, self.folder / 'tiny', pathlib.Path(folder) / str(number), self.config.modality('picture'), options, self.said.append)
                if same:
                    self.assertEqual(one.proposed(0)[0], own)
                else:
                    self.assertRaises(search.data.DataError, one.proposed, 0)

    def test_what_was_trained_in_the_end_is_not_taken_for_another_network(self):
        with tempfile.TemporaryDirectory() as folder:
            one = search.Search(self.config, self.folder / 'tiny', pathlib.Path(folder), self.picture, self.options(), self.said.append)
            networks_found = search.own(self.picture), search.drawn(np.random.default_rng(1), self.picture)
            with unittest.mock.patch.object(one, 'trained', side_effect=[{'n': 1}, {'n': 2}, {'n': 3}]):
                self.assertEqual([one.final('best', network, 1)['n'] for network in (*networks_found, networks_found[1])], [1, 2, 2])
                one.options.final_steps += 1
                self.assertEqual(one.final('best', networks_found[1], 1)['n'], 3)

    def test_a_budget_that_nothing_fits_and_another_budget_are_told(self):
        with unittest.mock.patch.object(search, 'TRIES', 5), self.assertRaisesRegex(data.DataError, 'no network of the search fits'):
            self.run_it(search, options=self.options(modality='picture', budget={'bytes, 8 bits': 100}))
        with self.assertRaisesRegex(encode.learn.KeepError, 'made with other settings: budget was'):
            self.run_it(search, options=self.options(modality='picture'))


class Sizes(Tiny):
    def learned(self, steps):
        sizes.learned(str(self.folder / 'tiny.ini'), 'nano', self.folder / 'tiny', self.folder, [1, 2], steps, self.said.append)

    def test_the_table_has_what_a_size_costs_and_how_good_it_gets_and_a_run_goes_on(self):
        self.learned(2)
        self.assertTrue(self.said)
        self.said.clear()
        self.learned(2)
        self.assertEqual(self.said, [])
        n = json.loads((self.folder / 'nano-picture-1.json').read_text())['n']
        text = sizes.table(str(self.folder / 'tiny.ini'), self.folder, [1, 2], ('nano',))
        self.assertRegex(text, rf'\| nano \| picture \| 24x24x3 \| .* \| [0-9.]+ ± [0-9.]+ of {n}; 2 steps \|')

    def test_trainings_with_other_steps_are_not_mixed(self):
        self.learned(2)
        with self.assertRaisesRegex(encode.learn.KeepError, 'made with other settings'):
            self.learned(3)


tap.main()
