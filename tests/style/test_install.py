# SPDX-License-Identifier: MIT
"""`meson install` puts everything in its place, and nothing that is not for everybody."""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get('LOOKOUT_BUILD', ROOT / 'build'))
sys.path.insert(0, str(ROOT / 'tests'))
sys.dont_write_bytecode = True
import tap  # noqa: E402

# Below the prefix, which is /usr unless one says otherwise.
WANTED = {
    'sbin/lookoutd', 'bin/lookoutctl', 'bin/lookout-model', 'share/bash-completion/completions/lookoutctl',
    'share/man/man1/lookoutctl.1', 'share/man/man1/lookout-model.1', 'share/man/man5/lookoutd.ini.5',
    'share/man/man8/lookoutd.8'}
# Where systemd, D-Bus and the daemon look, whatever the prefix is.
FIXED = {
    'usr/lib/lookout/lookoutd.ini', 'usr/lib/sysusers.d/lookout.conf', 'usr/lib/systemd/system/lookoutd.service',
    'usr/lib/systemd/system/lookoutd.socket', 'usr/lib/systemd/catalog/lookoutd.catalog',
    'usr/share/dbus-1/system.d/org.lookoutd.Lookout1.conf',
    'usr/share/dbus-1/system-services/org.lookoutd.Lookout1.service'}


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        done = subprocess.run(['meson', 'install', '-C', BUILD, '--no-rebuild', '--quiet'], capture_output=True, text=True,
                              env={**os.environ, 'DESTDIR': cls.folder.name}, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        cls.root = Path(cls.folder.name)
        cls.files = {str(path.relative_to(cls.root)) for path in cls.root.rglob('*') if not path.is_dir()}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def prefix(self):
        return next(name for name in self.files if name.endswith('sbin/lookoutd')).removesuffix('sbin/lookoutd')

    def test_all_is_in_its_place_and_nothing_else(self):
        if any('bundles/' in name for name in self.files):
            self.skipTest('set up with -Ddemo_bundles=true')
        self.assertEqual(self.files, FIXED | {self.prefix() + name for name in WANTED})

    def test_the_programs_run_from_there(self):
        for name in ('sbin/lookoutd', 'bin/lookoutctl', 'bin/lookout-model'):
            said = subprocess.run([self.root / (self.prefix() + name), '--version'], capture_output=True, text=True, check=True)
            self.assertRegex(said.stdout, r'\d+\.\d+')

    def test_the_units_name_files_that_are_installed(self):
        if self.prefix() != 'usr/':
            self.skipTest(f'set up with the prefix /{self.prefix()}')
        for unit in ('lookoutd.service', 'lookoutd.socket'):
            for line in (self.root / 'usr/lib/systemd/system' / unit).read_text(encoding='utf-8').splitlines():
                if line.startswith('ExecStart='):
                    program = line.split('=', 1)[1].split()[0].lstrip('@+-!:')
                    self.assertIn(program.lstrip('/'), self.files)


if __name__ == '__main__':
    tap.main()
