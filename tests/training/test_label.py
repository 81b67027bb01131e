# SPDX-License-Identifier: MIT
"""./dev label: what is heard and seen in a recording, asked or imported, into its pairs.csv. Needs no venv."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import kit
import tap
from training import label

HEAD = ','.join(label.COLUMNS)
ROW = 'monday,mic.wav,100,gate.mjpeg,0,10000,,'


class Labels(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.table = self.folder / 'pairs.csv'
        self.table.write_text(f'{HEAD}\n{ROW}\n')

    def run_label(self, *arguments, given=''):
        done = subprocess.run([sys.executable, kit.SOURCE / 'models/training/label.py', self.folder, *arguments],
                              input=given, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def rows(self):
        return self.table.read_text().splitlines()[1:]

    def refused(self, text, *arguments, given=''):
        before = self.table.read_bytes()
        code, said = self.run_label(*arguments, given=given)
        self.assertEqual(code, 1, said)
        self.assertIn(text, said)
        self.assertNotIn('Traceback', said)
        self.assertEqual(self.table.read_bytes(), before)

    def test_marks_from_the_terminal_become_rows_with_the_times_of_both_files(self):
        code, said = self.run_label('--split', 'test', given='0.1 2.6 dog\nnonsense\n5 4 cat\n4 20 fire engine\n\n')
        self.assertEqual(code, 0, said)
        self.assertEqual(said.count('not taken'), 2)
        self.assertEqual(self.rows(), [ROW, 'monday,mic.wav,100,gate.mjpeg,0,2500,dog,test',
                                       'monday,mic.wav,4000,gate.mjpeg,3900,6100,fire engine,test'])

    def test_marking_again_begins_anew_from_what_was_recorded(self):
        self.run_label(given='1 2 dog\n3 4 cat\n')
        self.run_label(given='1 9 bird\n')
        self.assertEqual(self.rows(), [ROW, 'monday,mic.wav,1000,gate.mjpeg,900,8000,bird,'])

    def test_a_label_track_of_audacity_is_taken(self):
        track = self.folder / 'track.txt'
        track.write_text('1.000000\t2.500000\tdog\n\\\t200.0\t4000.0\n3.000000\t4.000000\tcat\n', encoding='utf-8')
        code, said = self.run_label('--audacity', track)
        self.assertEqual(code, 0, said)
        self.assertEqual([row.split(',')[6] for row in self.rows()], ['', 'dog', 'cat'])

    def test_tables_and_tracks_of_excel_and_windows_are_taken(self):
        self.table.write_text(f'{HEAD}\n{ROW[:-1]} dog ,\n', encoding='utf-8-sig')
        self.assertEqual([row['label'] for row in label.read(self.table)], ['dog'])
        track = self.folder / 'track.txt'
        track.write_text('1\t2\tcat\r\n', encoding='utf-8-sig')
        code, said = self.run_label('--audacity', track)
        self.assertEqual(code, 0, said)
        self.assertEqual(self.rows()[1:], ['monday,mic.wav,1000,gate.mjpeg,900,1000,cat,'])

    def test_tracks_that_are_none_are_refused_with_their_line(self):
        track = self.folder / 'track.txt'
        for text, words in (('1 2 dog\n', 'track.txt:1'), ('1\t2\tdog\n2\t1\tcat\n', 'track.txt:2: not `BEGIN'), ('', 'no labels'),
                            ('1\t2\t\n', 'no label'), ('1\tinf\tdog\n', 'track.txt:1'), ('90\t91\tdog\n', 'not in this recording'),
                            ('1\t2\tunknown\n', 'cannot be a label'), ('1\t2\t../x\n', 'cannot be a label')):
            track.write_text(text)
            self.refused(words, '--audacity', track)
        self.refused('nothing.txt', '--audacity', self.folder / 'nothing.txt')

    def test_tables_that_are_none_are_refused_with_their_line(self):
        for text, words in (('', 'the first line must be'), (f'{HEAD}\n{ROW},more\n', ':2: not 8 columns'), (f'{HEAD}\nmonday,a.wav\n', ':2: '),
                            (f'{HEAD}\n{ROW}sometimes\n', "split 'sometimes'"), (f'{HEAD}\nmonday,,,,,100,,\n', 'neither sound nor picture'),
                            (f'{HEAD}\nmonday,a.wav,x,,,100,,\n', ':2: '), (f'{HEAD}\nmonday,a.wav,5,,,-1,,\n', 'negative')):
            self.table.write_text(text)
            self.refused(words, given='1 2 dog\n')

    def test_nothing_marked_changes_nothing(self):
        self.refused('nothing was marked', given='\n')

    def test_showing_changes_nothing(self):
        before = self.table.read_bytes()
        code, said = self.run_label('--show')
        self.assertEqual((code, self.table.read_bytes()), (0, before))
        self.assertIn('mic.wav + gate.mjpeg', said)


tap.main()
