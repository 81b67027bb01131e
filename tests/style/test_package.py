# SPDX-License-Identifier: MIT
"""debian/ says what the rest of the tree says: version, libraries, licences; the SPDX list is whole."""
import hashlib
import json
import os
import re
import shutil
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


def text(name):
    return (ROOT / name).read_text(encoding='utf-8')


class Package(unittest.TestCase):
    def test_there_is_one_version(self):
        version = re.search(r"version: '([\d.]+)'", text('meson.build'))[1]
        self.assertEqual(re.match(r'lookout \(([^)]+)\)', text('debian/changelog'))[1], version)
        self.assertIn(f'## {version}', text('CHANGELOG.md'))
        for page in (ROOT / 'docs' / 'man').iterdir():
            for named in re.findall(r'"lookout ([\d.]+)"', page.read_text(encoding='utf-8')):
                self.assertEqual(named, version, page.name)

    def test_what_is_built_with_is_built_with_in_a_package_too(self):
        build = re.search(r'^Build-Depends:(.*?)\n\n', text('debian/control'), re.S | re.M)[1]
        for row in re.findall(r'^build (.*)$', text('dev'), re.M):
            for package in row.split():
                if package.startswith('lib') and package != 'libc6-dev':
                    self.assertRegex(build, rf'(?m)^\s*{re.escape(package)},?$')

    def test_the_licence_of_every_bundle_is_told(self):
        for manifest in (ROOT / 'models' / 'zoo').glob('*/bundle.ini'):
            name = manifest.parent.name
            licence = re.search(r'^licence = (\S+)', manifest.read_text(encoding='utf-8'), re.M)[1]
            stanza = re.search(rf'^Files: models/zoo/{name}/\*\n(.*?)\n\n', text('debian/copyright'), re.S | re.M)
            self.assertIsNotNone(stanza, name)
            self.assertIn(f'License: {licence}', stanza[1])

    def test_the_spdx_list_has_each_file_and_each_library(self):
        if not shutil.which('dpkg-parsechangelog'):
            self.skipTest('this is no Debian with dpkg-dev')
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(['meson', 'install', '-C', BUILD, '--no-rebuild', '--quiet'], check=True, stdout=subprocess.DEVNULL,
                           env={**os.environ, 'DESTDIR': folder})
            command = [ROOT / 'debian' / 'make-spdx', folder]
            environment = {**os.environ, 'SOURCE_DATE_EPOCH': '1700000000'}
            made = [subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False) for _ in range(2)]
            self.assertEqual((made[0].returncode, made[0].stderr), (0, ''))
            self.assertEqual(made[0].stdout, made[1].stdout)
            listed = json.loads(made[0].stdout)
            self.assertEqual(listed['spdxVersion'], 'SPDX-2.3')
            files = {entry['fileName']: entry['checksums'][1]['checksumValue'] for entry in listed['files']}
            there = {f'./{path.relative_to(folder)}': hashlib.sha256(path.read_bytes()).hexdigest()
                     for path in Path(folder).rglob('*') if path.is_file() and not path.is_symlink()}
            self.assertEqual(files, there)
        libraries = {package['name']: package for package in listed['packages']}
        for name in ('libc6', 'libsystemd0', 'libsodium23'):
            self.assertIn(name, libraries)
            self.assertRegex(libraries[name]['versionInfo'], r'\d')
            self.assertNotEqual(libraries[name]['licenseDeclared'], 'NOASSERTION')
        self.assertEqual(len(listed['relationships']), 1 + len(files) + len(libraries) - 1)


if __name__ == '__main__':
    tap.main()
