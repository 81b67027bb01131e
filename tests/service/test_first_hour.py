# SPDX-License-Identifier: MIT
"""The pages docs/first-hour-*.md do what they say: their examples run, in order, against a lookoutd on recordings.

What needs root or devices there is done in a folder here: /etc/lookout and the socket are replaced, sudo does nothing. The page for a
plant engineer needs a package and devices: tests/vm/package goes through it.
"""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))
sys.path.insert(0, os.path.dirname(__file__))
sys.dont_write_bytecode = True
import tap  # noqa: E402
from lookoutd import BUILD, SOURCE, Daemon, within  # noqa: E402

# A network as one might bring: int8, pictures of 20 x 20, four labels, ends in a softmax.
NETWORK = f'{SOURCE}/tests/conformance/net/net_08.tflite'
LABELS = ('empty', 'steel', 'copper', 'plastic')


def blocks(page, language):
    text = Path(SOURCE, 'docs', page).read_text(encoding='utf-8')
    return re.findall(rf'^```{language}\n(.*?)^```', text, re.MULTILINE | re.DOTALL)


def write_png(path, width, height, pixel):
    """An 8-bit RGB PNG of one colour."""
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    rows = (b'\0' + bytes(pixel) * width) * height
    Path(path).write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
                           + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


class FirstHour(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        programs = self.folder / 'bin'
        programs.mkdir()
        for name in ('daemon/lookoutd', 'client/lookoutctl', 'models/lookout-model'):
            (programs / os.path.basename(name)).symlink_to(os.path.abspath(f'{BUILD}/{name}'))
        (programs / 'sudo').write_text('#!/bin/sh\nexec "$@"\n', encoding='ascii')
        (programs / 'sudo').chmod(0o755)
        self.environment = {**os.environ, 'PATH': f'{programs}:{os.environ["PATH"]}', 'HOME': folder.name,
                            'LC_ALL': 'C.UTF-8'}

    def daemon(self, **more):
        daemon = Daemon(**more)
        self.addCleanup(daemon.stop)
        self.environment['LOOKOUT_SOCKET'] = daemon.path
        return daemon.start()

    def shell(self, script, cwd=None, timeout=60):
        """What a block of a page prints; each of its lines must succeed."""
        done = subprocess.run(['bash', '-euo', 'pipefail', '-c', script], cwd=cwd or self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=timeout, check=False)
        self.assertEqual(done.returncode, 0, f'{script}\n{done.stdout}{done.stderr}')
        return done.stdout

    def test_of_an_integrator(self):
        daemon = self.daemon()
        within('there are events', lambda: daemon.call('ListEvents')['events'])
        said = []
        for block in blocks('first-hour-integrator.md', 'console'):
            if 'socat' in block and not shutil.which('socat'):
                continue
            script = block.replace('/run/lookoutd.sock', daemon.path).replace('/tmp/my', f'{self.folder}/my')
            said.append(self.shell(script.replace('kill %1', 'kill $!; wait $! || true'), cwd=SOURCE))
        self.assertGreater(len(said), 2)
        self.assertEqual(len(re.findall(r'"phase"', said[0])), 3)
        self.assertRegex(said[-1], r'begin +3 ')

        (self.folder / 'watch.py').write_bytes(Path(SOURCE, 'examples', 'watch.py').read_bytes())
        programs = blocks('first-hour-integrator.md', 'python')
        self.assertEqual(len(programs), 2)
        wants = r'\d{4}-\d\d-\d\dT\S+ (begin|update|end) \w+ [\d.]+', r'(siren|fire) began, sure to \d+ %'
        for program, wanted in zip(programs, wants):
            program = program.replace('/run/lookoutd.sock', daemon.path).replace('min_confidence=0.8', 'min_confidence=0')
            said = self.folder / 'said'
            with said.open('w') as file, subprocess.Popen([sys.executable, '-u', '-c', program], cwd=self.folder,
                                                          stdout=file, stderr=file) as process:
                for _ in range(5):  # each start of the daemon begins every event anew
                    try:
                        within('it says so', lambda: re.search(wanted, said.read_text(encoding='utf-8')), 4)
                        break
                    except AssertionError:
                        daemon.terminate()
                        daemon.start()
                process.kill()
            self.assertRegex(said.read_text(encoding='utf-8'), wanted)

    def test_of_an_ml_engineer(self):
        if not shutil.which('minisign'):
            self.skipTest('minisign is not installed')
        shutil.copy(NETWORK, self.folder / 'scrap.tflite')
        write_png(self.folder / 'sample.png', 64, 48, (200, 30, 60))
        for number, label in enumerate(LABELS):
            (self.folder / 'dataset/images/test' / label).mkdir(parents=True)
            write_png(self.folder / f'dataset/images/test/{label}/1.png', 64, 48, (60 * number, 40, 250 - 60 * number))
        etc = self.folder / 'etc'
        (etc / 'lookoutd.ini.d').mkdir(parents=True)
        daemon = self.daemon(ini=f"""
[lookoutd]
bundles = {etc}/bundles
keys = {etc}/keys.d
[recording belt]
file = {{folder}}/noise.y4m
data = picture
loop = yes
""")
        said = []
        for block in blocks('first-hour-ml-engineer.md', 'console'):
            block = block.replace('minisign -G', 'minisign -G -W')  # nobody is there to type a password
            block = block.replace('/etc/lookout/lookoutd.ini.d', f'{daemon.ini_path}.d').replace('/etc/lookout', str(etc))
            block = block.replace('--check-config', f'--check-config {daemon.ini_path}')
            said.append(self.shell(block))
        self.assertEqual(len(said), 10)
        for part, wanted in zip(said, ('CONV_2D', '^', '^', '^', '^', 'picture', '^', 'scrap', 'scrap', 'scrap')):
            self.assertRegex(part, wanted)
        self.assertEqual(len(self.folder.joinpath('sample.npy').read_bytes()), 128 + 4 * 20 * 20 * 3)
        tasks = daemon.call('ListTasks')['tasks']
        self.assertEqual([(task['name'], task['state']) for task in tasks], [('scrap', 'running')])


if __name__ == '__main__':
    tap.main()
