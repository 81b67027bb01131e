# SPDX-License-Identifier: MIT
"""Data that would spoil the result is refused before an hour is spent on it, with a sentence for each thing."""
import pathlib
import shutil
import tempfile
import unittest

import kit

kit.enter_venv()

import numpy as np  # noqa: E402

import soundfile  # noqa: E402
import tap  # noqa: E402
from made import PRESET, made_data  # noqa: E402
from training import check, config, data, train  # noqa: E402


class Data(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name) / 'tiny'
        made_data(self.root)
        preset = pathlib.Path(folder.name) / 'tiny.ini'
        preset.write_text(PRESET)
        self.config = config.read(str(preset))
        self.sounds, self.pictures = self.root / 'audio/train/high', self.root / 'images/train/high'

    def wrong(self) -> str:
        with self.assertRaises(data.DataError) as raised:
            check.run(self.root, self.config, train.PARTS, lambda text: None)
        return str(raised.exception)

    def test_good_data_is_taken(self):
        check.run(self.root, self.config, train.PARTS, lambda text: None)

    def test_everything_that_is_wrong_is_told_at_once(self):
        (self.sounds / '0.wav').write_bytes(b'RIFF nonsense')
        (self.pictures / '0.png').write_bytes(b'')
        (self.pictures / '1.png').write_bytes((self.pictures / '1.png').read_bytes()[:60])
        soundfile.write(self.sounds / '1.wav', np.zeros(16000), 16000)
        soundfile.write(self.sounds / '2.wav', np.ones(100), 16000)
        text = self.wrong()
        self.assertIn('5 things are wrong', text)
        for name, words in (('high/0.wav', ''), ('high/0.png', ''), ('high/1.png', ''), ('high/1.wav', 'digital silence'), ('high/2.wav', '6 ms')):
            self.assertRegex(text, f'{name}.*{words}')

    def test_a_recording_on_both_sides_is_refused(self):
        shutil.copy(self.pictures / '3.png', self.root / 'images/test/high/copy.png')
        rows = [f'{i}.wav,monday' for i in (1, 2)] + ['9.wav,tuesday']
        (self.root / 'audio.csv').write_text('file,source_recording\n' + '\n'.join(rows) + '\n')
        text = self.wrong()
        self.assertIn('recording monday: in train and in test', text)
        self.assertIn('copy.png: the same file as', text)
        self.assertNotIn('tuesday', text)

    def test_a_file_under_two_labels_is_refused(self):
        shutil.copy(self.pictures / '3.png', self.root / 'images/train/low/copy.png')
        self.assertRegex(self.wrong(), 'the same file is also under (low|high)')

    def test_labels_without_enough_of_one_modality_are_refused(self):
        for path in sorted(self.sounds.iterdir())[5:]:
            path.unlink()
        self.assertIn('label high: 5 sound recordings to train on; 8 are the least', self.wrong())
        shutil.rmtree(self.sounds)
        self.assertIn('no examples of high', self.wrong())

    def test_labels_that_no_bundle_can_have_are_refused(self):
        for kind in ('audio', 'images'):
            for split in ('train', 'test'):
                (self.root / kind / split / 'high').rename(self.root / kind / split / 'unknown')
        self.assertIn("label 'unknown': a bundle cannot have it", self.wrong())

    def test_a_table_of_recordings_that_is_none_is_refused(self):
        (self.root / 'audio.csv').write_text('name,where\n1.wav,here\n')
        self.assertIn('audio.csv: not a table with the columns', self.wrong())

    def test_a_low_rate_and_few_examples_are_told_but_taken(self):
        said = []
        soundfile.write(self.sounds / '1.wav', np.random.default_rng(1).normal(0, 0.1, 8000), 8000)
        check.run(self.root, self.config, train.PARTS, said.append)
        self.assertIn('sampled at 8000 Hz, so nothing above 4000 Hz; the preset looks up to 7000 Hz', said[0])
        self.assertIn('only 24 sound recordings', said[0])

    def test_a_rate_that_the_daemon_does_not_have_is_refused(self):
        path = self.root.parent / 'rate.ini'
        path.write_text(PRESET.replace('rate_hz = 16000', 'rate_hz = 44100'))
        with self.assertRaisesRegex(config.ConfigError, '44100.*resamples'):
            config.read(str(path))


tap.main()
