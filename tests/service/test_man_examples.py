# SPDX-License-Identifier: MIT
"""Every example of the man pages works: run through tests/rig/bus-run against a lookoutd on recordings, with names of sensors there."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))
sys.path.insert(0, os.path.dirname(__file__))
sys.dont_write_bytecode = True
import tap  # noqa: E402
from lookoutd import BUILD, SOURCE, Daemon, within  # noqa: E402

SHARED = os.environ.get('LOOKOUT_SHARED') or f'{SOURCE}/../shared'
# What a page says, and what stands for it here, where there is one camera `cam` and one microphone `mic`.
HERE = (('--sensor gate --sensor yard-mic --for 60', '--sensor cam --sensor mic --for 2'), ('look gate', 'look cam'),
        ('--min-confidence 0.9', '--min-confidence 0'), ('watch --json |', 'watch --json --count 3 |'), ('busctl ', 'busctl --system '),
        ('/tmp/l &', '/tmp/l & until lookoutctl --socket /tmp/l.sock status; do sleep 0.1; done'),
        ('/tmp/l.sock watch', '/tmp/l.sock watch --for 1; kill $!; wait $!'), ('../shared', SHARED))
# What is not run here, and why not.
ELSEWHERE = ('sudo lookoutctl setup',       # needs devices: tests/vm/setup runs both
             'modprobe v4l2loopback',       # needs a CSI camera and libcamera: not tried, as docs/devices.md says
             ' step  operator', '[camera')  # output, compared by tests/tool/test_engine.py; an INI, see below


def page(name):
    return Path(SOURCE, 'docs', 'man', name).read_text(encoding='utf-8')


def plain(text):
    """A roff line as it is read."""
    return re.sub(r'\\(.)', lambda found: {'e': '\\', '&': ''}.get(found[1], found[1]), text)


def displayed(name):
    """Texts between .nf and .fi, and lines of .Dl."""
    text = page(name)
    shown = [re.sub(r'^\.R[SE]\n', '', block, flags=re.M) for block in re.findall(r'^\.nf\n(.*?)^\.fi', text, re.M | re.S)]
    return [plain(block) for block in shown + re.findall(r'^\.Dl (.*)$', text, re.M)]


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(arguments=['--bus', 'system']).start()
        within('there are events', lambda: cls.daemon.call('ListEvents')['events'])
        cls.folder = tempfile.TemporaryDirectory()
        programs = Path(cls.folder.name, 'bin')
        programs.mkdir()
        for name in ('daemon/lookoutd', 'client/lookoutctl', 'models/lookout-model'):
            (programs / os.path.basename(name)).symlink_to(os.path.abspath(f'{BUILD}/{name}'))
        (programs / 'sudo').write_text('#!/bin/sh\nexec "$@"\n', encoding='ascii')
        (programs / 'sudo').chmod(0o755)
        Path(cls.folder.name, 'yard.ini').write_text('[lookoutd]\nevents_kept = 16\ndbus = no\n', encoding='ascii')
        os.symlink(os.path.abspath(f'{SOURCE}/models'), f'{cls.folder.name}/models')
        os.symlink(os.path.abspath(f'{SOURCE}/tests'), f'{cls.folder.name}/tests')

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.folder.cleanup()

    def try_out(self, script):
        for said, here in HERE + (('/tmp/l', f'{self.folder.name}/l'), ('/run/lookoutd.sock', self.daemon.path)):
            script = script.replace(said, here)
        environment = {**os.environ, 'LOOKOUT_SOCKET': self.daemon.path,
                       'PATH': f'{self.folder.name}/bin:{os.environ["PATH"]}'}
        done = subprocess.run(['bash', '-euo', 'pipefail', '-c', script], cwd=self.folder.name, env=environment,
                              capture_output=True, text=True, timeout=90, check=False)
        self.assertEqual(done.returncode, 0, f'{script}\n{done.stdout}{done.stderr}')
        return done.stdout

    def examples(self, name, least, missing=()):
        n_run = 0
        for script in displayed(name):
            if script.startswith(ELSEWHERE):
                continue
            n_run += 1
            lines = [line for line in script.splitlines() if not any(word in line for word in missing)]
            with self.subTest(example=script.splitlines()[0]):
                self.try_out('\n'.join(lines))
        self.assertGreaterEqual(n_run, least)

    def test_of_lookoutctl(self):
        if not all(map(shutil.which, ('jq', 'socat'))):
            self.skipTest('jq or socat is not installed')
        self.examples('lookoutctl.1', 5)

    def test_of_lookoutd(self):
        if not shutil.which('socat'):
            self.skipTest('socat is not installed')
        within('the name is there', lambda: subprocess.run(
            ['busctl', '--system', 'status', 'org.lookoutd.Lookout1'], capture_output=True, check=False).returncode == 0)
        self.examples('lookoutd.8', 3)

    def test_of_lookout_model(self):
        self.examples('lookout-model.1', 1, missing=() if os.path.isdir(f'{SHARED}/data/yard') else ('../shared',))

    def test_of_the_settings(self):
        [ini] = displayed('lookoutd.ini.5')
        path = Path(self.folder.name, 'page.ini')
        path.write_text(ini, encoding='utf-8')
        self.assertIn('[camera gate]', ini)
        self.try_out(f'lookoutd --check-config {path}')


if __name__ == '__main__':
    tap.main()
