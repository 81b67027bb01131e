# SPDX-License-Identifier: MIT
"""What is said of a finished run: figures by hand, spoilt sensors, plots. test_kit.py looks at the whole page."""
import json
import pathlib
import re
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree

import kit

kit.enter_venv()

import numpy as np  # noqa: E402

import tap  # noqa: E402
import torch  # noqa: E402
from training import augment, data, evaluate, fuse, learn, plot, report, seeds, unknown  # noqa: E402


def run_of(seed, sound, picture, both):
    """seeds.Run of two sounds and four pictures, two labels: what was right."""
    pairs = {'sound': [[0], [1]], 'picture': [[0], [1], [2], [3]], 'sound+picture': [[0, 0], [0, 1], [1, 2], [1, 3]]}
    sets = {
        name: {'right': right, 'pairs': pairs[name], 'n': len(right), 'nll': 0.5, 'nll uncalibrated': 0.6, 'ece': 0.01, 'ece uncalibrated': 0.02}
        for name, right in zip(pairs, (sound, picture, both))
    }
    engine = {name: float(np.mean(one['right'])) for name, one in sets.items()}
    spoilt = [{'sound': 'SNR 0 dB', 'picture': light, 'accuracy': engine, 'holds': engine['sound+picture'] >= engine['picture']} for light in ('clean', 'blur')]
    return seeds.Run(seed, sets, engine, spoilt)


class Seeds(unittest.TestCase):
    def test_the_table_has_mean_spread_and_what_both_remove(self):
        text = seeds.table(seeds.checked([run_of(1, [1, 0], [1, 0, 1, 0], [1, 1, 1, 0]), run_of(2, [1, 0], [1, 0, 1, 1], [1, 1, 1, 1])]))
        self.assertIn('| sound | 50.0 ± 0.0 | 50.0, 50.0 | 0.0 to 100.0 | 2 | 0.600 → 0.500 | 2.0 → 1.0 |', text)
        self.assertIn('| picture | 62.5 ± 17.7 | 50.0, 75.0 |', text)
        self.assertRegex(text, r'sound\+picture removes 67 % \(.*\) of the errors of picture.*: \+37.5 over sound, \+25.0 over picture')
        self.assertIn('| SNR 0 dB | blur | 50.0 ± 0.0 | 62.5 ± 17.7 | 87.5 ± 17.7 |', text)
        self.assertIn('in which all together are more than a point below the best one alone, by seed: 0, 0.', text)

    def test_the_frontier_is_the_mean_over_seeds(self):
        runs = [run_of(seed, [1, 0], [1, 0, 1, 0], [1, 1, 1, 0]) for seed in (1, 2)]
        for run, accuracy in zip(runs, (0.5, 0.7)):
            run.frontier = [{'choice': choice, 'share': share, 'bytes': 1000 + 100 * share, 'sound accuracy': accuracy, 'picture accuracy': accuracy + off}
                            for share in (1.0, 0.0) for choice, off in (('knapsack', 0.2), ('inverse', 0.0), ('random', 0.1), ('random', 0.0))]
        text = seeds.frontiers(runs)
        self.assertIn('| 1,100 | 60.0 ± 14.1 | 60.0 ± 14.1 | 60.0 ± 14.1 | 80.0 ± 14.1 | 65.0 ± 14.1 | 60.0 ± 14.1 |', text)
        runs[1].frontier = []
        self.assertEqual(seeds.frontiers(runs), '')

    def test_the_bootstrap_draws_sounds_and_pictures(self):
        run = run_of(1, [1, 0], [1, 1, 1, 1], [1, 1, 0, 0])
        draws = seeds.drawn([run])
        self.assertEqual(set(np.round(draws['picture'], 6)), {1.0})
        self.assertEqual(set(np.round(draws['sound'], 6)), {0.0, 0.5, 1.0})
        self.assertEqual(set(draws['sound+picture'][draws['sound'] == 0]), {0.0}, 'a wrong sound that alone was drawn leaves only its pairs')
        self.assertAlmostEqual(draws['sound+picture'].mean(), 0.5, delta=0.05)

    def test_runs_that_cannot_be_compared_are_told(self):
        one, other = run_of(1, [1, 0], [1, 1, 1, 1], [1, 1, 0, 0]), run_of(2, [1, 0], [1, 1, 1, 1], [1, 1, 0, 0])
        with self.assertRaisesRegex(data.DataError, 'the same seed: 1 1'):
            seeds.checked([one, one])
        other.sets['picture']['pairs'] = [[0], [1], [2], [4]]
        with self.assertRaisesRegex(data.DataError, 'seeds 1 and 2 were not tested with the same'):
            seeds.checked([one, other])


class Figures(unittest.TestCase):
    def test_adaptive_ece_by_hand(self):
        """Two bins of two: sure 0.6 and half right, sure 0.9 and all right."""
        p = np.array([[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.9, 0.1]])
        truth = np.array([0, 1, 0, 0])
        bins = [[0.6, 0.5, 2], [0.9, 1.0, 2]]
        self.assertAlmostEqual(evaluate.adaptive_ece(bins), 0.1)
        found = evaluate.reliability(p, truth)
        self.assertEqual(sum(n for _, _, n in found), 4)

    def test_noise_has_the_asked_power(self):
        pcm = (np.sin(np.arange(16000) / 7) * 3000).astype(np.int16)
        for snr_db in (20, 10, 0):
            noise = evaluate.noisy(pcm, snr_db, 1).astype(float) - pcm
            self.assertAlmostEqual(10 * np.log10(np.mean(pcm.astype(float) ** 2) / np.mean(noise**2)), snr_db, delta=0.2)
        self.assertIs(evaluate.noisy(pcm, None, 1), pcm)

    def test_late_sound_begins_with_silence_and_keeps_its_length(self):
        found = evaluate.late(np.arange(1, 16001, dtype=np.int16), 100)
        self.assertEqual(len(found), 16000)
        self.assertEqual((found[:1600] != 0).sum(), 0)
        self.assertEqual(found[1600], 1)

    def test_errors_by_threshold_go_from_false_alarms_to_misses(self):
        p = np.array([[0.9, 0.1], [0.7, 0.3], [0.6, 0.4]])
        found = evaluate.errors_by_threshold(p, np.array([0, 0, 1]))
        self.assertAlmostEqual(found['wrong'][0], 1 / 3)
        self.assertEqual((found['missed'][0], found['wrong'][-1]), (0, 0))
        self.assertAlmostEqual(found['missed'][-1], 2 / 3)

    def test_an_interval_holds_the_mean_and_widens_with_dependence(self):
        right = np.random.default_rng(1).random(400) < 0.8
        alone = evaluate.interval(right, np.arange(400))
        together = evaluate.interval(right, np.arange(400) // 50)
        self.assertLess(alone[0], right.mean())
        self.assertGreater(alone[1], right.mean())
        self.assertGreater(together[1] - together[0], 0)

    def test_answers_leave_out_what_is_missing(self):
        fusion = fuse.Fusion(torch.ones(2), torch.zeros(2, 2), torch.zeros(2), {(0,): 1.0, (1,): 1.0, (0, 1): 1.0})
        labels, numbers = torch.tensor([0, 1]), torch.arange(2)
        right = evaluate.Side(torch.tensor([[4.0, 0], [0, 4]]), labels, numbers)
        wrong = evaluate.Side(torch.tensor([[0.0, 1], [1, 0]]), labels, numbers)
        for chosen, wanted in (((0,), 1.0), ((1,), 0.0), ((0, 1), 1.0)):
            self.assertEqual(evaluate.accuracy(*evaluate.answers(fusion, [right, wrong], chosen)), wanted)


class Unknown(unittest.TestCase):
    """What is answered to what has no label."""

    def test_a_threshold_keeps_so_many_right_answers(self):
        sure = np.linspace(0.5, 0.99, 100)
        p = np.stack([sure, 1 - sure], 1)
        truth = np.arange(100) % 2  # every other answer is wrong, and does not count
        kept = unknown.keeping(p, truth)
        right = sure[truth == 0]
        self.assertGreaterEqual((right >= kept).mean(), 0.95)
        self.assertLess((right > kept).mean(), 0.97)

    def test_shares_by_hand_with_a_label_that_is_not_reported(self):
        config = unittest.mock.Mock(head={'unknown': '0.4'}, detector={'detector': {'on': '0.7'}, 'detector b': {'report': 'no'}, 'detector c': {'on': '0.9'}})
        p = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.35, 0.35, 0.3]])
        found = unknown.row(p, config, ['a', 'b', 'c'], 0.9)
        self.assertEqual((found['n'], found['answered'], found['answered, 95 % kept'], found['reported']), (4, 0.75, 0.0, 0.25))

    def test_the_logit_of_no_label_is_the_likeliest(self):
        """Of one modality alone. Known: logits (4, 0); others: (0, 0). With none n: ln(e^4 + 1 + e^n) - 4 + ln(2 + e^n) - n is least."""
        fusion = fuse.Fusion(torch.ones(1), torch.zeros(2, 1), torch.zeros(2), {(0,): 1.0})
        held = [fuse.Held(torch.zeros(50, 3), torch.zeros(50, dtype=torch.long))]
        known, other = torch.tensor([[4.0, 0.0]]).expand(50, 2), torch.zeros(50, 2)
        fusion.none[(0,)] = found = fuse.fit_none(fusion, held, [known], 0, other)
        loss = lambda n: np.log(np.exp(4) + 1 + np.exp(n)) - 4 + np.log(2 + np.exp(n)) - n
        self.assertAlmostEqual(found, min(np.linspace(-10, 20, 301), key=loss), places=3)
        p = fusion.probabilities([known[:1]], torch.ones(1, 1), (0,))
        self.assertAlmostEqual(float(p[0, 0]), np.exp(4) / (np.exp(4) + 1 + np.exp(found)), places=5)

    def test_rejecting_by_hand(self):
        """Two labels of ours and one other; of an other sound, ours must be even."""
        logits = torch.tensor([[2.0, 0.0, 1.0]])
        other, own = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[1.0, 0.0, 0.0]])
        plain = lambda y: float(learn.label_loss(logits, y, torch.ones(1)))
        both = lambda y: float(learn.label_loss(logits, y, torch.ones(1), 2, 0.5))
        even = -(np.log(1 / (1 + np.exp(-2))) + np.log(1 / (1 + np.exp(2)))) / 2
        self.assertAlmostEqual(both(other) - plain(other), 0.5 * even, places=5)
        self.assertAlmostEqual(both(own), plain(own), places=6)


class Spoilt(unittest.TestCase):
    """Training can see what the robustness grid asks for."""

    def test_low_light_and_blur_reach_their_share_of_the_pictures(self):
        torch.manual_seed(1)
        x = torch.rand(200, 3, 12, 10)
        for change, kept in ((lambda x, share: augment.darkened(x, share, 0.1), x.mean((1, 2, 3))),
                             (lambda x, share: augment.blurred(x, share, 1.5), x.var((1, 2, 3)))):
            self.assertTrue(torch.allclose(change(x, 0.0), x, atol=1e-6))
            y = change(x, 0.5)
            self.assertEqual(y.shape, x.shape)
            changed = (y - x).abs().amax((1, 2, 3)) > 1e-4
            self.assertTrue(0.35 < float(changed.float().mean()) < 0.65)
            found = y.mean((1, 2, 3)) if kept[0] > 0.3 else y.var((1, 2, 3))
            self.assertTrue((found[changed] < kept[changed]).all())

    def test_an_echo_dies_away_by_60_db_in_its_time(self):
        """One clap at row 2, rows of 10 ms, 0.2 s: 3 dB a row, and nothing before it."""
        torch.manual_seed(1)
        x = torch.full((3, 1, 25, 4), -30.0)
        x[:, :, 2] = 0.0
        y = augment.echoing(x, 1.0, -40.0, 0.01, (0.2, 0.2))
        self.assertLess(float(y[:, :, :2].max()), -29)
        self.assertTrue(torch.allclose(y[:, :, 4:8] - y[:, :, 3:7], torch.tensor(-0.3 * np.log(10), dtype=torch.float32), atol=1e-3))
        self.assertTrue(torch.allclose(augment.echoing(x, 0.0, -40.0, 0.01), x, atol=1e-5))

    def test_blur_keeps_the_light(self):
        x = torch.full((4, 1, 9, 9), 0.7)
        self.assertTrue(torch.allclose(augment.blurred(x, 1.0, 1.5), x, atol=1e-5))


class Curves(unittest.TestCase):
    def rows(self, first, before=None):
        """The table after two more rows, of a training that goes on from step @first."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'sound-held.curve.csv'
            if before is not None:
                path.write_text(before)
            curve = learn.Curve(path.with_name('sound-held.pt'), first)
            curve.add(first + 250, 1.0, None)
            curve.add(first + 500, 0.9, (0.5, 0.7))
            self.assertEqual([entry.name for entry in path.parent.iterdir()], [path.name])
            return path.read_text().splitlines()

    def test_what_goes_on_from_a_checkpoint_has_no_step_twice(self):
        head, stopped = 'step,loss,accuracy,held loss', '500,3.0,,\n1000,2.0,0.4,0.9\n1250,1.9,,\n'
        kept = [head, '500,3.0,,', '1000,2.0,0.4,0.9', '1250,1.0,,', '1500,0.9,0.5,0.7']
        self.assertEqual(self.rows(1000, f'{head}\n{stopped}'), kept)
        self.assertEqual(self.rows(1000, f'{head}\n{stopped}15'), kept, 'a full disk cut the last row off')
        self.assertEqual(self.rows(0, f'{head}\n{stopped}'), [head, '250,1.0,,', '500,0.9,0.5,0.7'])
        self.assertEqual(self.rows(0), [head, '250,1.0,,', '500,0.9,0.5,0.7'])

    def test_a_table_that_cannot_be_made_whole_is_left_as_it_was(self):
        with tempfile.TemporaryDirectory() as folder, unittest.mock.patch('os.replace', side_effect=OSError(28, 'No space left on device')):
            path = pathlib.Path(folder) / 'sound-held.curve.csv'
            path.write_text('step,loss,accuracy,held loss\n250,3.0,,\n1250,1.9,,\n')
            with self.assertRaisesRegex(learn.KeepError, 'No space left'):
                learn.Curve(path.with_name('sound-held.pt'), 1000)
            self.assertIn('1250,1.9', path.read_text())


class Page(unittest.TestCase):
    """Of two labels, heard and seen: sounds are all right, one of four pictures is not."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.run_ = pathlib.Path(folder.name).resolve() / 'out.run'
        self.run_.mkdir()
        fusion = fuse.Fusion(torch.ones(2), torch.zeros(2, 2), torch.zeros(2), {(0,): 0.5, (1,): 1.0, (0, 1): 1.0})
        sound = evaluate.Side(torch.tensor([[1.0, 0], [0, 2]]), torch.tensor([0, 1]), torch.arange(2))
        picture = evaluate.Side(torch.tensor([[1.0, 0], [1, 0], [1, 0], [0, 3]]), torch.tensor([0, 0, 1, 1]), torch.arange(4))
        modalities = [unittest.mock.Mock(), unittest.mock.Mock()]
        modalities[0].name, modalities[1].name = 'sound', 'picture'
        sets = evaluate.of_sets(fusion, modalities, [sound, picture])
        conditions = (('clean', 'clean', 1.0), ('clean', 'blur', 0.9), ('SNR 0 dB', 'clean', 0.8), ('SNR 0 dB', 'blur', 0.6), ('100 ms late', 'clean', 0.99))
        rows = [{'sound': heard, 'picture': seen, 'accuracy': dict(zip(sets, (1.0, 0.75, value))), 'holds': value > 0.98} for heard, seen, value in conditions]
        self.found = {'split': 'test', 'labels': ['siren', 'silence'], 'examples': {'sound': 2, 'picture': 4}, 'sets': sets, 'robustness': rows}

    def pictures(self, text):
        """Title -> element of each picture."""
        found = [xml.etree.ElementTree.fromstring(one) for one in re.findall('<svg.*?</svg>', text)]
        self.assertTrue(found)
        return {one.find('title').text: one for one in found}

    def table(self, name, rows):
        path = self.run_ / f'{name}.curve.csv'
        path.parent.mkdir(exist_ok=True)
        path.write_text('step,loss,accuracy,held loss\n' + rows)

    def bits(self):
        layers = [{'modality': 'sound', 'layer': 'stem', 'saved_bytes': 96, 'loss': 0.5, 'bits': 8},
                  {'modality': 'sound', 'layer': 'dense', 'saved_bytes': 3088, 'loss': -0.1, 'bits': 4},
                  {'modality': 'picture', 'layer': 'stem', 'saved_bytes': 320, 'loss': 0.2, 'bits': 8}]
        (self.run_ / 'bits.json').write_text(json.dumps({'bytes': 5000, 'bytes_8': 8000, 'bytes_4': 4600, 'budget_bytes': 5100, 'layers': layers}))

    def test_a_page_says_what_each_picture_shows_and_works_in_the_dark(self):
        self.table('sound-held', '250,3.0,0.4,0.9\n')
        self.bits()
        config = unittest.mock.Mock(seed=1)
        config.name = 'a & b'
        with unittest.mock.patch.object(report.card, 'evaluation', return_value={'both': 0.75, 'sound': 1.0, 'picture': 0.5}):
            text = report.write(config, self.found, self.run_, self.run_, print).read_text()
        self.assertIn('The engine has sound 100.0 %, picture 50.0 %, sound+picture 75.0 %.', text)
        self.assertEqual(json.loads((self.run_ / 'figures.json').read_text())['engine'], {'sound': 1.0, 'picture': 0.5, 'sound+picture': 0.75})
        for title, one in self.pictures(text).items():
            self.assertRegex(one.find('desc').text, r'\d', title)
            self.assertEqual(one.get('role'), 'img')
        self.assertEqual(text.count('<svg'), len(self.pictures(text)), 'two pictures have the same title')
        light, dark = (set(re.findall(r'--(\w+):', one)) for one in re.findall(r':root\{([^}]*)\}', text))
        self.assertEqual(light, dark)
        self.assertEqual(set(re.findall(r'var\(--(\w+)\)', text)), light)

    def test_the_engine_is_left_out_where_it_cannot_be_asked(self):
        with unittest.mock.patch.object(report.card, 'evaluation', return_value=None) as asked:
            self.assertEqual(report.by_engine(self.found, self.run_, self.run_, print), {})
        self.assertEqual(asked.call_args.args[0], self.run_.with_name('out'))
        self.assertNotIn('diamond', report.accuracies(self.found))
        self.assertIn('rounded, in PyTorch', report.accuracies(self.found))

    def test_accuracy_has_a_bar_an_interval_and_the_engine_s_mark(self):
        self.found['sets']['picture']['interval'] = [0.5, 1.0]
        text = report.accuracies(self.found | {'engine': {'picture': 0.5}})
        picture, = self.pictures(text).values()
        bars, whiskers = picture.findall('rect'), [one for one in picture.findall('line') if one.get('class') == 'mark'][3:6]
        whole, left = float(bars[0].get('width')), float(bars[0].get('x'))
        self.assertAlmostEqual(float(bars[1].get('width')), 0.75 * whole, delta=0.11)
        self.assertAlmostEqual(float(whiskers[0].get('x1')), left + 0.5 * whole, delta=0.11)
        self.assertAlmostEqual(float(whiskers[0].get('x2')), left + whole, delta=0.11)
        mark, = picture.findall('path')
        self.assertTrue(mark.get('d').startswith(f'M{float(whiskers[0].get("x1")):.1f} '))
        self.assertIn('75.0 % (50.0–100.0)', text)

    def test_learning_has_a_chart_of_losses_and_one_of_accuracy_for_each_member(self):
        self.table('sound-held', '250,3.0,,\n500,2.0,0.5,0.9\n750,1.5,0.51,0.8\n')
        self.table('member-2/sound-held', '250,3.0,0.4,0.9\n')
        self.table('sound-all.tuned', '250,3.0,,\n')
        found = self.pictures(report.curves(self.run_))
        names = ['sound-all.tuned: loss', 'sound-held: loss', 'sound-held: accuracy', 'sound-held, member 2: loss', 'sound-held, member 2: accuracy']
        self.assertEqual(list(found), names)
        loss, held = found['sound-held: loss'].findall('polyline')
        self.assertEqual((len(loss.get('points').split()), len(held.get('points').split())), (3, 2))
        self.assertTrue(held.get('stroke-dasharray') and not loss.get('stroke-dasharray'))
        self.assertEqual(len(found['sound-all.tuned: loss'].findall('polyline')), 1)
        heights = [float(point.split(',')[1]) for point in found['sound-held: accuracy'].find('polyline').get('points').split()]
        self.assertGreater(heights[0] - heights[1], plot.HEIGHT / 2, 'a point of accuracy can be seen')

    def test_robustness_is_a_map_with_the_table_folded_behind(self):
        text = report.robustness(self.found)
        picture, = self.pictures(text).values()
        cells = {one.find('title').text: one for one in picture.findall('g')}
        self.assertEqual(len(cells), 5, 'late sound was tried with clean pictures only')
        deep = lambda name: float(cells[name].find('rect').get('fill-opacity'))
        best, worst = deep('sound clean, picture clean: 100.0 %'), deep('sound SNR 0 dB, picture blur: 60.0 %')
        self.assertEqual(best, plot.DEEPEST)
        self.assertTrue(0 < worst < deep('sound SNR 0 dB, picture clean: 80.0 %') < best)
        self.assertEqual(cells['sound SNR 0 dB, picture blur: 60.0 %'].find('text').text, '60.0 % ↓')
        self.assertEqual(cells['sound 100 ms late, picture clean: 99.0 %'].find('text').text, '99.0 %')
        self.assertIn('in 3 of 5 conditions (↓).', text)
        self.assertLess(text.index('<details>'), text.index('<table>'))
        alone = {'examples': {'sound': 2}, 'sets': {'sound': {}}, 'robustness': [{'sound': 'clean', 'accuracy': {'sound': 0.5}, 'holds': True}]}
        self.assertEqual(self.pictures(report.robustness(alone))['Accuracy of sound: sound by row'].find('desc').text, 'clean: accuracy 50.0 %')

    def test_confusion_has_whole_names_that_cannot_be_mixed_up(self):
        picture = self.pictures(report.confusions(self.found))['picture: true label by row, answer by column']
        self.assertEqual([one.text for one in picture.findall('text')][:2], ['siren', 'silence'])
        self.assertEqual([one.find('title').text for one in picture.findall('g')],
                         ['siren, answered siren: 2 of 2', 'silence, answered siren: 1 of 2', 'silence, answered silence: 1 of 2'])
        columns = [f'a label of {i}' for i in range(10)]
        turned = plot.heat('many', columns, [('one', [None] * 10)])
        self.assertEqual(turned.count('rotate(-90'), 10, 'names that are wider than their column stand upright')

    def test_reliability_before_calibration_is_dashed(self):
        found = self.pictures(report.calibration(self.found))['Reliability of sound'].findall('polyline')
        self.assertEqual([bool(one.get('stroke-dasharray')) for one in found], [False, True, False])
        self.assertNotEqual(found[1].get('points'), found[2].get('points'))
        for one in self.found['sets'].values():
            del one['reliability uncalibrated']  # figures of older kits
        self.assertEqual(len(self.pictures(report.calibration(self.found))['Reliability of sound'].findall('polyline')), 2)

    def test_costs_say_their_scale_and_where_they_are_least(self):
        picture = self.pictures(report.costs(self.found))['Cost by threshold, all modalities']
        self.assertIn('each as share of its own largest', ''.join(picture.itertext()))
        self.assertEqual(len(picture.findall('circle')), len(report.COSTS))
        for line, dot in zip(picture.findall('polyline'), picture.findall('circle')):
            self.assertIn(f"{dot.get('cx')},{dot.get('cy')}", line.get('points').split())
            self.assertEqual(float(dot.get('cy')), max(float(point.split(',')[1]) for point in line.get('points').split()))

    def test_bytes_and_bits_are_of_what_lies_beside(self):
        self.assertIn('not there', report.network(self.found, self.run_))
        self.bits()
        self.run_.with_name('out').mkdir()
        for name, n_bytes in (('sound', 1234), ('picture', 2000), ('head', 200)):
            (self.run_.with_name('out') / f'{name}.tflite').write_bytes(bytes(n_bytes))
        text = report.network(self.found, self.run_)
        self.assertIn('<th>sound</th><td>1,234</td><td>1 of 2</td>', text)
        self.assertIn('<th>picture</th><td>2,000</td><td>0 of 1</td>', text)
        self.assertIn('<th>head</th><td>200</td><td></td>', text)
        found = self.pictures(text)
        stem, dense = found['sound: what 4 bits cost and save'].findall('rect')
        self.assertAlmostEqual(float(stem.get('width')), 5 * float(dense.get('width')), delta=0.6)
        self.assertAlmostEqual(float(dense.get('x')) + float(dense.get('width')), float(stem.get('x')), delta=0.11)
        self.assertEqual((stem.get('fill'), dense.get('fill')), (plot.COLOURS[1], plot.COLOURS[0]))
        self.assertIn('allowed: 5,100', found['Bytes of all networks, as planned'].find('desc').text)


class Plots(unittest.TestCase):
    def test_ticks_are_round_and_inside(self):
        for low, high in ((0, 1), (-3, 8.2), (125000, 354000), (0.78, 0.8501)):
            found = plot.ticks(low, high)
            self.assertTrue(2 <= len(found) <= 6, found)
            self.assertTrue(all(low - 1e-6 <= tick <= high + 1e-6 for tick in found))

    def test_text_is_escaped(self):
        text = plot.chart('<a>', [{'name': '<b>', 'points': [(0, 0), (1, 1)]}], '<x>', '<y>')
        text += plot.bars('<a>', [{'name': '<b>', 'value': 1, 'text': '<x>'}], '<y>', keys=[('<a>', 0)])
        text += plot.heat('<a>', ['<b>'], [('<x>', [('<y>', 1.0, '<a>')])])
        text += plot.cells('<a>', ['<b>'], [('<x>', [('<y>', 0.5)])])
        self.assertFalse(re.search('<[abxy]>', text))

    def test_colours_can_be_told_from_both_backgrounds(self):
        def light(colour):
            """Relative luminance, WCAG 2.2."""
            parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
            return sum(weight * (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4) for weight, part in zip((0.2126, 0.7152, 0.0722), parts))

        white, black = [light('#ffffff' if one == '#fff' else one) for one in re.findall(r'--back:(#\w+)', report.STYLE)]
        for colour in plot.COLOURS:
            self.assertGreater((white + 0.05) / (light(colour) + 0.05), 3, colour)
            self.assertGreater((light(colour) + 0.05) / (black + 0.05), 3, colour)


tap.main()
