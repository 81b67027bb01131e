# SPDX-License-Identifier: MIT
"""Every console line of docs/socket.md and docs/dbus.md does what the page says: run through tests/rig/bus-run."""
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))
sys.path.insert(0, os.path.dirname(__file__))
sys.dont_write_bytecode = True
import tap  # noqa: E402
from lookoutd import SOURCE, Daemon, within  # noqa: E402


def blocks(page, language):
    with open(f'{SOURCE}/docs/{page}', encoding='utf-8') as file:
        return re.findall(rf'^```{language}\n(.*?)^```', file.read(), re.MULTILINE | re.DOTALL)


def console_lines(page):
    return [line for block in blocks(page, 'console') for line in block.splitlines()]


class Docs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(arguments=['--bus', 'system']).start()
        within('there are events', lambda: cls.daemon.call('ListEvents')['events'])

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def shell(self, command):
        return subprocess.run(command, shell=True, capture_output=True, text=True, timeout=30, check=False,
                              env={**os.environ, 'LOOKOUT_SOCKET': self.daemon.path})

    def test_each_line_for_the_socket_gives_an_answer(self):
        if not shutil.which('socat'):
            self.skipTest('socat is not installed')
        lines = console_lines('socket.md')
        self.assertGreater(len(lines), 7)
        for line in lines:
            answers = self.shell(line).stdout.splitlines()
            self.assertGreater(len(answers), 4 if 'Watch' in line else 0, line)
            for answer in answers:
                self.assertNotIn('error', json.loads(answer), line)

    def test_each_line_for_the_bus_succeeds(self):
        lines = console_lines('dbus.md')
        self.assertGreater(len(lines), 6)
        within('the name is there', lambda: self.shell(
            'busctl introspect org.lookoutd.Lookout1 /org/lookoutd/Lookout1').returncode == 0)
        for line in lines:
            done = self.shell(line.replace('busctl', 'busctl --system'))
            self.assertEqual(done.returncode, 0, f'{line}\n{done.stderr}')

    def test_the_python_of_the_page_records(self):
        [program] = blocks('socket.md', 'python')
        wav = f'{self.daemon.folder}/page.wav'
        done = subprocess.run([sys.executable, '-c', program, self.daemon.path, wav, 'mic'], capture_output=True,
                              text=True, timeout=30, check=False)
        started, stopped = map(json.loads, done.stdout.splitlines())
        self.assertEqual(started['parameters'], {'started': ['mic']})
        self.assertEqual(stopped['parameters']['results'][0]['sensor'], 'mic')
        with open(wav, 'rb') as file:
            self.assertEqual(file.read(4), b'RIFF')

    def test_every_method_stands_on_the_page(self):
        with open(f'{SOURCE}/daemon/org.lookoutd.Lookout1.varlink', encoding='utf-8') as file:
            text = file.read()
        with open(f'{SOURCE}/docs/socket.md', encoding='utf-8') as file:
            page = file.read()
        for name in re.findall(r'^(?:method|error) (\w+)', text, re.MULTILINE):
            self.assertIn(name, page)


if __name__ == '__main__':
    tap.main()
