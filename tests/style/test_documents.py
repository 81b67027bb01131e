# SPDX-License-Identifier: MIT
"""The documents hold: links lead somewhere, commands exist, no linked library is left out."""
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get('LOOKOUT_BUILD', ROOT / 'build'))
sys.path.insert(0, str(ROOT / 'tests'))
sys.dont_write_bytecode = True
import tap  # noqa: E402

LINK = re.compile(r'\]\(([^)#\s]+)[^)]*\)')
PROGRAMS = ('daemon/lookoutd', 'client/lookoutctl', 'models/lookout-model')
PAGES = {'daemon/lookoutd': 'lookoutd.8', 'client/lookoutctl': 'lookoutctl.1', 'models/lookout-model': 'lookout-model.1'}


def output(program, *arguments):
    return subprocess.run([BUILD / program, *arguments], capture_output=True, text=True, timeout=30, check=True).stdout


def options(program):
    """Every --option that --help names, of the commands too."""
    text = output(program, '--help')
    for command in re.findall(r'^  ([a-z]+)   ', text, re.MULTILINE):
        text += output(program, command, '--help')
    return sorted(set(re.findall(r'(?<![-\w])--[a-z][a-z-]*', text)) - {'--help'})


def documents():
    listed = subprocess.run(['git', '-C', ROOT, 'ls-files', '-co', '--exclude-standard', '*.md'],
                            capture_output=True, text=True, check=True).stdout.split('\n')
    return [ROOT / name for name in listed if name and (ROOT / name).exists()]


class Documents(unittest.TestCase):
    def test_every_link_leads_somewhere(self):
        dead = [f'{document.relative_to(ROOT)}: {target}' for document in documents()
                for target in LINK.findall(document.read_text(encoding='utf-8'))
                if '://' not in target and not (document.parent / target).exists()]
        self.assertEqual(dead, [])

    def test_every_dev_command_that_is_named_exists(self):
        commands = set(re.findall(r'^cmd_(\w+)\(\)', (ROOT / 'dev').read_text(encoding='utf-8'), re.MULTILINE))
        named = {command for document in documents()
                 for command in re.findall(r'\./dev ([a-z]\w*)', document.read_text(encoding='utf-8'))}
        self.assertEqual(named - commands - {'alone'}, set())

    def test_every_option_stands_in_the_man_page(self):
        for program, page in PAGES.items():
            if not (BUILD / program).exists():
                self.skipTest(f'{program} is not built')
            text = (ROOT / 'docs' / 'man' / page).read_text(encoding='utf-8').replace('\\-', '-').replace('Fl -', '--')
            for option in options(program):
                with self.subTest(program=program, option=option):
                    self.assertRegex(text, re.escape(option) + r'(?![a-z-])')

    def test_every_linked_library_is_in_third_party(self):
        text = (ROOT / 'THIRD-PARTY.md').read_text(encoding='utf-8')
        for program in PROGRAMS:
            if not (BUILD / program).exists():
                self.skipTest(f'{program} is not built')
            needed = re.findall(r'\(NEEDED\).*\[(.*)\]', subprocess.run(
                ['readelf', '-d', BUILD / program], capture_output=True, text=True, check=True).stdout)
            self.assertTrue(needed)
            for library in needed:
                if library.startswith('ld-linux') or library in ('libm.so.6', 'libgcc_s.so.1'):
                    continue  # of the compiler and the C library
                with self.subTest(program=program, library=library):
                    self.assertIn(f'`{library.split(".so")[0]}`', text)


if __name__ == '__main__':
    tap.main()
