# SPDX-License-Identifier: MIT
"""The shipped bundles are whole, and as good as they have to be."""
import ast
import csv
import hashlib
import json
import subprocess
import unittest

import kit
import tap

ZOO = kit.SOURCE / 'models' / 'zoo'
# The least that `lookout-model eval` must find on the test split.
FLOORS = {'yard': {'both': 0.96, 'sound': 0.82, 'picture': 0.84},
          'digits': {'both': 0.97, 'sound': 0.90, 'picture': 0.95}}
CARD_SAYS = {'yard': ['CC BY-NC 3.0', 'Not for commercial use', 'never for life safety', 'paired by label', '32 x 32'],
             'digits': ['CC BY-SA 4.0', 'MNIST', 'espeak-ng', 'paired by label']}


def constant(path, name):
    """The value of a constant of a Python file, without running it."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return node.value
    raise KeyError(name)


def bundles():
    return sorted(path for path in ZOO.iterdir() if (path / 'bundle.ini').is_file())


class Zoo(unittest.TestCase):
    def test_there_are_the_bundles_that_the_readme_names(self):
        self.assertEqual([path.name for path in bundles()], sorted(FLOORS))

    def test_every_file_is_listed_with_its_hash(self):
        for bundle in bundles():
            listed = {}
            for line in (bundle / 'SHA256SUMS').read_text().splitlines():
                digest, name = line.split('  ')
                listed[name] = digest
            files = {path.relative_to(bundle).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
                     for path in bundle.rglob('*') if path.is_file() and not path.name.startswith('SHA256SUMS')}
            self.assertEqual(files, listed)

    def test_the_engine_opens_every_bundle_and_its_self_test_passes(self):
        for bundle in bundles():
            done = subprocess.run([kit.MODEL, 'check', '--allow-unsigned', bundle], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_yards_networks_have_250_kb_together(self):
        self.assertLessEqual(sum(path.stat().st_size for path in (ZOO / 'yard').glob('*.tflite')), 250_000)

    def test_cards_say_what_they_must(self):
        for bundle in bundles():
            card = ' '.join((bundle / 'CARD.md').read_text().split())
            for words in CARD_SAYS[bundle.name]:
                self.assertIn(words, card)

    def test_bundles_reach_their_floors_on_test(self):
        for bundle in bundles():
            data = kit.SHARED / 'data' / bundle.name
            if not data.is_dir():
                self.skipTest('no shared data')
            done = subprocess.run([kit.MODEL, 'eval', bundle, data, '--split', 'test', '--json'],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            found = json.loads(done.stdout)
            for key, floor in FLOORS[bundle.name].items():
                self.assertGreaterEqual(found[key], floor, f'{bundle.name}: {key}')


class Scene(unittest.TestCase):
    def test_its_voices_were_not_trained_on(self):
        made = kit.SOURCE / 'models' / 'training' / 'made_digits.py'
        strings = {node.value for node in ast.walk(constant(made, 'VOICES')) if isinstance(node, ast.Constant)}
        for voice in ast.literal_eval(constant(kit.SOURCE / 'demo' / 'make-scene', 'VOICES')):
            self.assertNotIn(voice.split('+')[1], strings)

    def test_its_truth_has_digits_by_both_by_sound_alone_and_by_picture_alone(self):
        with open(kit.SOURCE / 'demo' / 'scene' / 'scene.csv', newline='') as file:
            rows = list(csv.DictReader(file))
        self.assertTrue(all(row['label'] in '0123456789' for row in rows))
        there = {(row['sound'] != 'muted', row['picture'] != 'covered') for row in rows}
        self.assertEqual(there, {(True, True), (True, False), (False, True)})


tap.main()
