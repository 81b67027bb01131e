# SPDX-License-Identifier: MIT
"""Data that would spoil the result is refused before an hour is spent on it, with a sentence for each thing."""
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

import kit

kit.enter_venv()

import numpy as np  # noqa: E402

import soundfile  # noqa: E402
import tap  # noqa: E402
from PIL import Image  # noqa: E402
from made import PRESET, made_data, made_others  # noqa: E402
from training import check, config, data, features, frontend, label, recordings, spoil, train  # noqa: E402


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

    def test_a_detector_of_no_label_is_told_before_training(self):
        self.config.detector['detector high'] = self.config.detector['detector thunder'] = {}
        text = self.wrong()
        self.assertIn('the preset has [detector thunder], but there is no label thunder', text)
        self.assertNotIn('label high', text)

    def test_a_recording_on_both_sides_is_refused(self):
        shutil.copy(self.pictures / '3.png', self.root / 'images/test/high/copy.png')
        rows = [f'{i}.wav,monday' for i in (1, 2)] + ['9.wav,tuesday']
        (self.root / 'audio.csv').write_text('file,source_recording\n' + '\n'.join(rows) + '\n')
        text = self.wrong()
        self.assertIn('recording monday: in train and in test', text)
        self.assertIn('copy.png: the same file as', text)
        self.assertNotIn('tuesday', text)

    def table(self, *rows, name='audio.csv', encoding='utf-8'):
        (self.root / name).write_text('\n'.join(['file,source_recording', *rows]) + '\n', encoding=encoding)

    def odd(self) -> str:
        said = []
        check.run(self.root, self.config, train.PARTS, said.append)
        return '\n'.join(said)

    def test_files_of_a_recording_are_found_by_their_paths_and_by_excels_tables(self):
        for row in ('audio/{}/high/{}.wav', '{}/high/{}.wav', '/home/me/tiny/audio/{}/high/{}.wav'):
            self.table(*(f'{row.format(split, i)},monday' for split, i in (('train', 1), ('test', 2))), encoding='utf-8-sig')
            self.assertIn('recording monday: in train and in test', self.wrong(), row)
        self.table('train/high/1.wav,monday', 'test/high/1.wav,tuesday')
        groups = {pathlib.Path(e.path).relative_to(self.root / 'audio').as_posix(): e.group for split in ('train', 'test') for e in data.examples(self.root, 'sound', split, ['high', 'low'])}
        self.assertEqual([groups[f'{split}/{label}/1.wav'] for split, label in (('train', 'high'), ('test', 'high'), ('train', 'low'))], ['monday', 'tuesday', '1.wav'])

    def test_a_table_that_says_nothing_of_the_files_is_refused(self):
        for rows in (('1,monday', '2,monday'), ('sound/1.wav/,monday',), ('1.wav',), ('1.wav,', ',monday'), ()):
            self.table(*rows)
            self.assertIn('audio.csv: no row has a file of this set and its recording', self.wrong(), rows)
        self.table('1.wav,monday', '2.wav,tuesday', '1.wav,sunday')
        self.assertIn('audio.csv:4: 1.wav is of recording sunday here, of monday before', self.wrong())

    def test_rows_and_files_that_do_not_find_each_other_are_told(self):
        self.table('3.png,monday', *(f'{i}.png,' for i in range(4, 24)), 'lost.png,monday', '0.png', name='images.csv')
        for folder in ('train/low', 'test/low', 'test/high'):
            (self.root / 'images' / folder / '3.png').unlink()
        said = self.odd()
        self.assertIn('images.csv: 1 rows name no file of this set: lost.png\n', said)
        self.assertIn('images.csv: 52 files have no recording there and count as one each: high/0.png, high/1.png, high/10.png ...', said)
        self.assertIn('only 24 picture recordings', said)

    def test_a_label_that_only_test_has_is_told(self):
        shutil.copytree(self.root / 'audio/test/high', self.root / 'audio/test/cow')
        self.assertIn('audio/test/cow: left out, for train has no label cow', self.odd())

    def test_names_that_are_not_utf_8_are_refused(self):
        odd = os.fsdecode(b'caf\xe9')
        (self.sounds / '1.wav').rename(self.sounds / odd)
        self.assertIn("high: the name b'caf\\xe9' is not UTF-8", self.wrong())
        self.sounds.rename(self.sounds.with_name(odd))
        self.assertIn("audio/train: the name b'caf\\xe9' is not UTF-8", self.wrong())

    def test_sound_that_is_not_heard_is_told(self):
        rng = np.random.default_rng(1)
        soundfile.write(self.sounds / '1.wav', rng.normal(0, 0.1, 61 * 16000), 16000)
        (self.sounds / '2.wav').write_bytes((self.sounds / '2.wav').read_bytes()[:20044])
        streamed = (self.sounds / '3.wav').read_bytes()
        (self.sounds / '3.wav').write_bytes(streamed[:40] + b'\xff' * 4 + streamed[44:])
        said = self.odd()
        self.assertIn('high/1.wav: 61.0 s of sound, of which only the first 60 are used', said)
        self.assertRegex(said, 'high/2.wav: cut off; 20,000 of 32,000 bytes of sound are there, 0.6[23] s')
        self.assertNotIn('3.wav', said)

    def test_samples_that_say_nothing_are_refused(self):
        noise = np.random.default_rng(1).normal(0, 0.1, 16000)
        for i, bad in enumerate((np.nan, np.inf)):
            soundfile.write(self.sounds / f'{i}.wav', np.where(np.arange(16000) == 9, bad, noise), 16000, subtype='FLOAT')
        soundfile.write(self.sounds / '2.wav', np.full(44100, 0.3), 44100)
        text = self.wrong()
        self.assertIn('3 things are wrong', text)
        for words in ('high/0.wav: has samples that are', 'high/1.wav: has samples that are', 'high/2.wav: all samples have the same value'):
            self.assertIn(words, text)

    def test_pictures_that_would_not_be_seen_as_they_are_are_refused(self):
        deep = np.random.default_rng(1).integers(0, 65536, (40, 40)).astype(np.uint16)
        Image.fromarray(deep).save(self.pictures / '0.png')
        Image.new('RGB', (8193, 20)).save(self.pictures / '1.png')
        text = self.wrong()
        self.assertIn('high/0.png: more than 8 bits a channel', text)
        self.assertIn('high/1.png: 8193x20 pixels; a side has at most 8192', text)
        with self.assertRaisesRegex(data.DataError, '1.png: no plan from 8193x20'):
            data.pictures([data.Example(str(self.pictures / '1.png'), 0, '1.png')], self.config.modality('picture'))

    def test_pictures_of_one_colour_are_told(self):
        Image.new('RGB', (40, 40), (9, 0, 200)).save(self.pictures / '1.png')
        self.assertIn('high/1.png: all of one colour', self.odd())

    def test_other_labels_that_are_held_out_are_not_trained_on(self):
        made_others(self.root)
        keys = {'other': 'audio-other', 'other_held': 'hiss'}
        heard, held = (data.others(self.root, keys, 2, heard) for heard in (True, False))
        self.assertEqual(({pathlib.Path(e.path).parent.name for e in heard}, {e.label for e in heard}), ({'tick'}, {2}))
        self.assertEqual({pathlib.Path(e.path).parent.name for e in held}, {'hiss'})

    def test_a_held_out_label_that_is_not_there_is_refused(self):
        made_others(self.root)
        self.config.modality('sound').keys.update({'other': 'audio-other', 'other_held': 'his'})
        self.assertIn('other_held: there is no his in', self.wrong())

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


class Recordings(unittest.TestCase):
    """As lookoutctl record writes them: WAV, Motion JPEG with times of capture, pairs.csv."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name) / 'own'

    def record(self, name, rows, n_s=6):
        """Ten pictures a second, whose red tells the time; sound whose samples are the time in ms."""
        folder = self.root / name
        folder.mkdir(parents=True)
        soundfile.write(folder / 'mic.wav', np.repeat(np.arange(n_s * 1000, dtype=np.int16), 16), 16000, subtype='PCM_16')
        with open(folder / 'gate.mjpeg', 'wb') as file:
            for i in range(n_s * 10):
                picture = io.BytesIO()
                Image.new('RGB', (48, 32), (4 * i, 0, 0)).save(picture, 'JPEG', quality=95, comment=f'lookout-time-ns={7_000_000_000 + i * 100_000_000}')
                file.write(picture.getvalue())
        head = 'recording,sound,sound_start_ms,picture,picture_start_ms,duration_ms,label,split'
        (folder / 'pairs.csv').write_text('\n'.join([head, *(f'{name},mic.wav,{row}' for row in rows)]) + '\n')
        return folder

    def cut(self):
        out = self.root.parent / 'cut'
        n = recordings.cut(self.root, out, 1000, {'sound', 'picture'})
        return n, sorted(path.relative_to(out).as_posix() for path in out.rglob('*') if path.is_file())

    def test_labelled_stretches_become_pieces_of_what_was_recorded_together(self):
        self.record('monday', ['0,gate.mjpeg,200,5000,,', '1000,gate.mjpeg,1200,2500,dog,train'])
        n, files = self.cut()
        self.assertEqual((n, files), (2, ['audio.csv', 'audio/train/dog/monday-mic-gate-000001000.wav', 'audio/train/dog/monday-mic-gate-000002000.wav',
                                         'images.csv', 'images/train/dog/monday-mic-gate-000001000.jpg', 'images/train/dog/monday-mic-gate-000002000.jpg']))
        out = self.root.parent / 'cut'
        pcm, rate_hz = soundfile.read(out / files[1], dtype='int16')
        self.assertEqual((rate_hz, len(pcm), pcm[0], pcm[-1]), (16000, 16000, 1000, 1999))
        with Image.open(out / files[4]) as image:  # at 1.2 + 1 s: the 22nd picture
            self.assertAlmostEqual(image.getpixel((9, 9))[0], 4 * 22, delta=3)
        self.assertEqual(data.recordings(out, 'picture')['monday-mic-gate-000001000.jpg'], 'monday')

    def test_a_recording_may_have_a_comma_in_its_name(self):
        self.record('monday, rain', []).joinpath('pairs.csv').write_text(','.join(label.COLUMNS) + '\n"monday, rain",mic.wav,0,gate.mjpeg,0,1000,dog,train\n')
        self.cut()
        self.assertEqual(data.recordings(self.root.parent / 'cut', 'sound'), {'monday, rain-mic-gate-000000000.wav': 'monday, rain'})

    def test_recordings_that_are_damaged_or_not_labelled_are_told(self):
        folder = self.record('monday', ['0,gate.mjpeg,0,5000,,'])
        for spoil, words in (
                (lambda: None, 'no labelled recordings'),
                (lambda: self.label(folder, '0,gate.mjpeg,0,900,dog,train', '0,gate.mjpeg,0,900,cat,test'), 'in train and in test'),
                (lambda: self.label(folder, '0,,,900,dog,train'), 'dog has no picture with it'),
                (lambda: self.label(folder, '0,gate.mjpeg,0,900,dog,train') or (folder / 'mic.wav').write_bytes(b'RIFFxxxx'), 'mic.wav'),
                (lambda: soundfile.write(folder / 'mic.wav', np.zeros((100, 2)), 16000), 'not mono'),
                (lambda: soundfile.write(folder / 'mic.wav', np.zeros(16000), 16000) or (folder / 'gate.mjpeg').write_bytes(b'\xff\xd8 what'), 'gate.mjpeg'),
                (lambda: (folder / 'gate.mjpeg').write_bytes(b''), 'no pictures with times')):
            spoil()
            with self.assertRaisesRegex(data.DataError, words):
                self.cut()

    def test_every_microphone_and_camera_has_its_own_pieces(self):
        folder = self.record('monday', ['0,gate.mjpeg,0,2000,dog,train', '0,yard.mjpeg,0,2000,dog,train'])
        shutil.copy(folder / 'gate.mjpeg', folder / 'yard.mjpeg')
        soundfile.write(folder / 'door.wav', np.full(96000, 7, np.int16), 16000, subtype='PCM_16')
        with open(folder / 'pairs.csv', 'a', encoding='utf-8') as file:
            file.write('monday,door.wav,0,gate.mjpeg,0,1000,dog,train\n')
        n, files = self.cut()
        self.assertEqual((n, len(files)), (5, 12))
        pcm, _ = soundfile.read(self.root.parent / 'cut/audio/train/dog/monday-door-gate-000000000.wav', dtype='int16')
        self.assertEqual(set(pcm), {7})

    def test_times_that_no_file_has_are_refused_with_their_line(self):
        folder = self.record('monday', [])
        for rows, words in (
                (['0,gate.mjpeg,0,1000,dog,', '5000,gate.mjpeg,0,1300,dog,'], 'pairs.csv:3: dog ends at 6.300 s of mic.wav, which ends at 6.000 s'),
                (['0,gate.mjpeg,6500,1000,dog,'], 'pairs.csv:2: dog ends at 7.500 s of gate.mjpeg, which ends at 6.900 s'),
                (['0,gate.mjpeg,0,0,dog,'], 'pairs.csv:2: dog lasts 0 ms'),
                (['0,gate.mjpeg,0,3000,dog,', '2000,gate.mjpeg,2000,1000,dog,'], 'pairs.csv:3: dog at 2.000 s is in line 2, too'),
                (['0,gate.mjpeg,0,3000,dog,', '1500,gate.mjpeg,1500,3000,cat,'], 'pairs.csv:3: 1.500 to 3.000 s is cat here and dog in line 2')):
            self.label(folder, *rows)
            if 'gate.mjpeg, which' in words:
                soundfile.write(folder / 'mic.wav', np.zeros(160000, np.int16), 16000, subtype='PCM_16')
            elif 'mic.wav' not in words:
                soundfile.write(folder / 'mic.wav', np.zeros(96000, np.int16), 16000, subtype='PCM_16')
            with self.assertRaisesRegex(data.DataError, words):
                self.cut()

    def test_what_was_not_marked_exactly_is_taken(self):
        folder = self.record('monday', [])
        self.label(folder, '0,gate.mjpeg,0,3000, dog ,', '2800,gate.mjpeg,2800,3400,cat,')
        n, files = self.cut()
        self.assertEqual(n, 6)
        self.assertTrue(any('/dog/' in file for file in files))

    def test_a_recording_whose_name_is_not_utf_8_is_refused(self):
        self.record('monday', ['0,gate.mjpeg,0,1000,dog,']).rename(self.root / os.fsdecode(b'caf\xe9'))
        with self.assertRaisesRegex(data.DataError, 'own: the name .* is not UTF-8'):
            self.cut()

    @staticmethod
    def label(folder, *rows):
        head = (folder / 'pairs.csv').read_text().splitlines()[0]
        (folder / 'pairs.csv').write_text('\n'.join([head, *(f'monday,mic.wav,{row}' for row in rows)]) + '\n')

    def test_a_picture_that_is_cut_off_at_the_end_is_left_out(self):
        folder = self.record('monday', ['0,gate.mjpeg,0,5000,dog,train'])
        content = (folder / 'gate.mjpeg').read_bytes()
        self.assertEqual(len(recordings.frames(content, 'x')), 60)
        self.assertEqual(len(recordings.frames(content[:-30], 'x')), 59)


class Commands(unittest.TestCase):
    """As they are called, where they end before any training."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name) / 'own'
        (self.root.parent / 'tiny.ini').write_text(PRESET)

    record = Recordings.record

    def refused(self, command, *arguments, **changed):
        done = subprocess.run([sys.executable, '-m', 'training', command, self.root.parent / 'tiny.ini', self.root, *arguments],
                              env=kit.environment() | changed, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertNotIn('Traceback', done.stderr)
        return done.stderr

    def test_check_looks_at_labelled_recordings(self):
        self.record('monday', ['0,gate.mjpeg,0,5000,dog,train'])
        text = self.refused('check')
        self.assertIn('the only label is dog', text)
        self.assertIn('label dog: 1 sound recordings to train on', text)
        self.assertEqual([path.name for path in self.root.iterdir()], ['monday'])

    def test_experiments_look_at_the_data_first(self):
        made_data(self.root)
        (self.root / 'audio/train/high/1.wav').write_bytes(b'RIFF nonsense')
        self.assertIn('1 things are wrong with this data', self.refused('scarce', self.root.parent / 'out'))

    def test_a_front_end_that_is_not_there_is_told(self):
        text = self.refused('check', LOOKOUT_FEATURES='/nowhere.so')
        self.assertRegex(text, '^training: /nowhere.so: .*; build it with `meson setup build')
        with unittest.mock.patch.dict(os.environ, LOOKOUT_FEATURES='/nowhere.so'), self.assertRaises(ImportError):
            frontend._load()


class Spoilt(unittest.TestCase):
    """`spoil`: digits in the manner of AV-MNIST."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name) / 'tiny'
        made_data(self.root)
        rng = np.random.default_rng(3)
        self.noise = self.root.parent / 'noise'
        for label in ('rain', 'wind'):
            (self.noise / label).mkdir(parents=True)
            for i in range(10):
                soundfile.write(self.noise / label / f'{label}{i}.wav', rng.normal(0, 0.1, 8000), 16000)

    def run_it(self, out='spoilt'):
        spoil.run(self.root, self.noise, self.root.parent / out, lambda text: None)
        return self.root.parent / out

    def test_every_example_is_there_spoilt_and_the_same_twice(self):
        out, again = self.run_it(), self.run_it('again')
        before = [p.relative_to(self.root).with_suffix('') for kind in ('audio', 'images') for p in (self.root / kind).rglob('*.*')]
        after = [p.relative_to(out).with_suffix('') for p in out.rglob('*.*')]
        self.assertEqual(sorted(after), sorted(before))
        for path in out.rglob('*.*'):
            self.assertEqual(path.read_bytes(), (again / path.relative_to(out)).read_bytes())
        for path in spoil.files(self.root / 'audio' / 'train'):
            clean = features.samples(str(path)).astype(float)
            both = features.samples(str(out / path.relative_to(self.root).with_suffix('.flac'))).astype(float)
            noise = both - clean * (both @ clean) / (clean @ clean)  # what is softer as a whole has the same shape
            self.assertGreater(np.mean(noise**2), 0.5 * np.mean((both - noise) ** 2), path)

    def test_a_quarter_of_the_variance_is_kept(self):
        rng = np.random.default_rng(1)
        pictures = np.clip(128 + 30 * rng.normal(size=(300, 1, 1)) * np.linspace(-1, 1, 8).reshape(1, 8, 1) + 20 * rng.normal(size=(300, 8, 8)), 0, 255).astype(np.uint8)
        mean, directions = spoil.components(pictures)
        flat = pictures.reshape(300, -1) - mean
        kept = ((flat @ directions.T) ** 2).sum() / (flat**2).sum()
        fewer = ((flat @ directions[:-1].T) ** 2).sum() / (flat**2).sum()
        self.assertGreaterEqual(kept, spoil.KEPT_SHARE)
        self.assertLess(fewer, spoil.KEPT_SHARE)
        self.assertLess(np.abs(spoil.projected(pictures, mean, directions).astype(float).std() / pictures.std()), 0.7)

    def test_noises_of_train_and_test_are_others(self):
        found = spoil.noises_of(self.noise)
        self.assertEqual(len(found['train']) + len(found['test']), 20)
        for pcm in found['test']:
            self.assertFalse(any(np.array_equal(pcm, other) for other in found['train']))

    def test_a_full_disk_is_told(self):
        full = soundfile.LibsndfileError(2)
        with unittest.mock.patch.object(soundfile, 'write', side_effect=full), self.assertRaisesRegex(data.DataError, 'flac: cannot be written; is the disk full'):
            self.run_it()

    def test_what_cannot_be_spoilt_is_told(self):
        self.run_it()
        with self.assertRaisesRegex(data.DataError, 'spoilt: is there already'):
            self.run_it()
        picture = spoil.files(self.root / 'images' / 'train')[0]
        Image.new('L', (5, 4)).save(picture)
        with self.assertRaisesRegex(data.DataError, 'pixels, others have'):
            self.run_it('other')
        shutil.rmtree(self.noise)
        with self.assertRaisesRegex(data.DataError, 'noise: not there'):
            self.run_it('other')


tap.main()
