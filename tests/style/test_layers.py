# SPDX-License-Identifier: MIT
"""The layers of the tree, and that the check sees what crosses them."""
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests'))
sys.dont_write_bytecode = True
import tap  # noqa: E402

LOADER = importlib.machinery.SourceFileLoader('check_layers', str(ROOT / 'tests' / 'check_layers'))
SPEC = importlib.util.spec_from_loader('check_layers', LOADER)
check_layers = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(check_layers)


class Layers(unittest.TestCase):
    def problems(self, files):
        """What the check says of a tree of @files, path to text."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding='utf-8')
            os.environ['GIT_CEILING_DIRECTORIES'] = str(Path(folder).parent)
            return check_layers.check(Path(folder))

    def test_every_include_of_this_tree_follows_an_arrow(self):
        self.assertEqual(check_layers.check(ROOT), [])

    def test_this_tree_has_files_in_every_layer_that_exists(self):
        layers = {name.split('/')[0] for name in check_layers.sources(ROOT)}
        self.assertLessEqual({'common', 'models', 'pipeline', 'config'}, layers)

    def test_an_allowed_include_is_accepted(self):
        self.assertEqual(self.problems({
            'common/a.h': '', 'models/m.h': '#include "common/a.h"\n',
            'pipeline/p.c': '#include "models/m.h"\n#include <stdio.h>\n#include <alsa/asoundlib.h>\n'}), [])

    def test_each_arrow_that_is_not_drawn_is_refused(self):
        folders = ('common', 'models', 'pipeline', 'config', 'daemon', 'client')
        for source in folders:
            for target in set(folders) - check_layers.ARROWS[source]:
                with self.subTest(source=source, target=target):
                    found = self.problems({f'{target}/x.h': '', f'{source}/y.c': f'\n#include "{target}/x.h"\n'})
                    self.assertEqual(found, [f'{source}/y.c:2: {source}/ may not include {target}/x.h'])

    def test_the_daemon_sees_of_models_only_what_pipeline_h_shows(self):
        found = self.problems({
            'models/bundle.h': '', 'models/graph.h': '', 'pipeline/pipeline.h': '#include "models/bundle.h"\n',
            'daemon/main.c': '#include "models/bundle.h"\n#include "models/graph.h"\n'})
        self.assertEqual(found, ['daemon/main.c:2: daemon/ may not include models/graph.h'])

    def test_the_tool_may_use_the_pipeline_and_the_engine_may_not(self):
        found = self.problems({
            'pipeline/mel.h': '', 'models/tool_eval.c': '#include "pipeline/mel.h"\n',
            'models/graph.c': '#include "pipeline/mel.h"\n'})
        self.assertEqual(found, ['models/graph.c:1: models/ may not include pipeline/mel.h'])

    def test_a_library_stays_in_its_layer(self):
        found = self.problems({'client/a.c': '#include <systemd/sd-bus.h>\n', 'daemon/b.c': '#include <systemd/sd-bus.h>\n',
                               'models/c.c': '#include <alsa/asoundlib.h>\n'})
        self.assertEqual(found, ['client/a.c:1: <systemd/sd-bus.h> is for daemon only',
                                 'models/c.c:1: <alsa/asoundlib.h> is for pipeline only'])

    def test_a_library_that_is_done_without_stays_out_of_every_layer(self):
        found = self.problems({'daemon/a.c': '#include <sqlite3.h>\n', 'models/b.c': '#include <cblas.h>\n'})
        self.assertEqual(found, ['daemon/a.c:1: <sqlite3.h> is for no folder', 'models/b.c:1: <cblas.h> is for no folder'])

    def test_a_relative_include_is_refused(self):
        found = self.problems({'models/a.h': '', 'models/b.c': '#include "a.h"\n#include "../models/a.h"\n'})
        self.assertEqual([problem.split(':')[1] for problem in found], ['1', '2'])


if __name__ == '__main__':
    tap.main()
