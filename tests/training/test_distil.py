# SPDX-License-Identifier: MIT
"""Distillation: its losses against finite differences and by hand, teachers of all kinds, and the grid that is run with them."""
import copy
import dataclasses
import pathlib
import subprocess
import sys
import tempfile
import unittest

import kit

kit.enter_venv()

import numpy as np  # noqa: E402

import tap  # noqa: E402
import torch  # noqa: E402
from made import PRESET, made_data  # noqa: E402
from training import ablate, config, distil, encode, learn, networks, student, teacher, train  # noqa: E402


def modality(name, kind, size):
    keys = {'size_px': f'{size}x{size}', 'colour': 'grey'}
    fields = {field.name: None for field in dataclasses.fields(config.Modality)}
    shape = networks.Shape.parse('4/2', '8/2 8', 16)
    return config.Modality(**fields | {'name': name, 'kind': kind, 'shape': shape, 'keys': keys})


EYES = (modality('left', 'picture', 16), modality('right', 'picture', 12))


def batch_of(n=6, n_labels=3):
    x = {m.name: torch.rand(n, 1, *m.size) for m in EYES}
    y = torch.eye(n_labels)[torch.arange(n) % n_labels]
    return teacher.Batch(x, y, torch.ones(n), {m.name: torch.arange(n) for m in EYES})


def distributions(n, rows, columns):
    return torch.rand(n, rows * columns).softmax(1).view(n, rows, columns).double()


class Losses(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)

    def check(self, function, *inputs):
        self.assertTrue(torch.autograd.gradcheck(function, [x.double().requires_grad_() for x in inputs], eps=1e-6, atol=1e-6))

    def test_gradients_of_logits_are_those_of_finite_differences(self):
        theirs = torch.randn(4, 5).double() * 3
        self.check(lambda mine: distil.logits_loss(mine, theirs), torch.randn(4, 5))

    def test_gradients_of_attention_are_those_of_finite_differences(self):
        theirs = distributions(3, 5, 4)
        self.check(lambda mine: distil.attention_loss(mine, theirs), torch.randn(3, 4, 3))

    def test_gradients_of_contrast_are_those_of_finite_differences(self):
        negatives = torch.nn.functional.normalize(torch.randn(50, 8), dim=1).double()
        unit = lambda x: torch.nn.functional.normalize(x, dim=1)
        self.check(lambda a, b: distil.contrast_loss(unit(a), unit(b), negatives, 200, 40.0, 0.5), torch.randn(3, 8), torch.randn(3, 8))

    def test_a_student_that_says_what_the_teacher_says_loses_nothing(self):
        logits, maps = torch.randn(4, 5), distributions(4, 3, 3)
        self.assertAlmostEqual(float(distil.logits_loss(logits + 7, logits)), 0, places=5)
        self.assertAlmostEqual(float(distil.attention_loss(maps.log(), maps)), 0, places=5)

    def test_softened_logits_by_hand(self):
        """Two labels: p = sigmoid(8 / 4), q = 1/2; 16 (p ln 2p + (1 - p) ln 2(1 - p))."""
        p = 1 / (1 + np.exp(-2))
        wanted = 16 * (p * np.log(2 * p) + (1 - p) * np.log(2 * (1 - p)))
        self.assertAlmostEqual(float(distil.logits_loss(torch.zeros(1, 2), torch.tensor([[8.0, 0.0]]))), wanted, places=4)

    def test_contrast_by_hand(self):
        """One negative, opposite; noise = 1/2: -ln(e / (e + .5)) - ln(.5 / (1/e + .5)) with tau 1 and z 1."""
        one = torch.tensor([[1.0, 0.0]])
        wanted = -np.log(np.e / (np.e + 0.5)) - np.log(0.5 / (1 / np.e + 0.5))
        self.assertAlmostEqual(float(distil.contrast_loss(one, one, -one, 2, 1.0, 1.0)), wanted, places=5)

    def test_a_map_on_another_grid_stays_a_distribution(self):
        found = distil.resized(distributions(2, 7, 5), (4, 3))
        self.assertTrue(torch.allclose(found.sum((1, 2)), torch.ones(2).double()))

    def test_the_memory_turns_towards_what_it_is_shown(self):
        contrast = distil.Contrast(4, 6, 20, negatives=30)
        student_says, teacher_says, index = torch.randn(5, 4), torch.randn(5, 6), torch.arange(5)
        wanted = torch.nn.functional.normalize(contrast.teacher(teacher_says), dim=1)
        before = (contrast.teacher_memory[:5] * wanted).sum(1)
        untouched = contrast.teacher_memory[5:].clone()
        for _ in range(6):
            contrast(student_says, teacher_says, index)
        self.assertTrue((((contrast.teacher_memory[:5] * wanted).sum(1)) > before).all())
        self.assertTrue((contrast.teacher_memory[5:] == untouched).all())


class Teachers(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)

    def test_the_multimodal_teacher_answers_with_any_of_its_modalities(self):
        model, batch = teacher.Multimodal(EYES, 3), batch_of()
        whole = model.teach(batch)
        self.assertEqual(whole.logits.shape, (6, 3))
        for name, size in (('left', (4, 4)), ('right', (3, 3))):
            for level in ('early', 'late'):
                found = whole.maps[level, name]
                self.assertEqual(found.shape, (6, *size))
                self.assertTrue(torch.allclose(found.sum((1, 2)), torch.ones(6), atol=1e-5))
        one = model.teach(dataclasses.replace(batch, x={'left': batch.x['left']}))
        self.assertEqual(set(one.embeddings), {'left'})
        self.assertFalse(torch.allclose(one.logits, whole.logits))

    def test_what_the_other_modality_shows_changes_where_a_modality_looks(self):
        model, batch = teacher.Multimodal(EYES, 3), batch_of()
        before = model.teach(batch).maps
        other = dataclasses.replace(batch, x=batch.x | {'right': 1 - batch.x['right']})
        after = model.teach(other).maps
        self.assertTrue(torch.equal(before['early', 'left'], after['early', 'left']))
        self.assertFalse(torch.equal(before['late', 'left'], after['late', 'left']))

    def test_a_torchscript_file_teaches_and_one_that_does_not_fit_is_refused(self):
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 3))
        with tempfile.TemporaryDirectory() as folder:
            path = str(pathlib.Path(folder) / 'net.pt')
            torch.jit.script(net).save(path)
            says = teacher.Script(path, EYES[0], 3).teach(batch_of())
            self.assertEqual(says.logits.shape, (6, 3))
            with self.assertRaisesRegex(teacher.TeacherError, 'not two rows of 5 labels'):
                teacher.Script(path, EYES[0], 5)
            with self.assertRaisesRegex(teacher.TeacherError, 'no TorchScript network for right'):
                teacher.Script(path, EYES[1], 3)

    def test_a_file_of_logits_teaches_by_name_and_tells_what_it_lacks(self):
        with tempfile.TemporaryDirectory() as folder:
            path = str(pathlib.Path(folder) / 'logits.npz')
            np.savez(path, files=['b/2', 'a/1'], logits=np.array([[0, 2, 0], [1, 0, 0]], np.float32))
            found = teacher.File(path, 'left', ['a/1', 'b/2'], 3)
            batch = dataclasses.replace(batch_of(), index={'left': torch.tensor([1, 0, 1])})
            self.assertEqual(found.teach(batch).logits.argmax(1).tolist(), [1, 0, 1])
            with self.assertRaisesRegex(teacher.TeacherError, 'says nothing of 1 examples, the first is c/3'):
                teacher.File(path, 'left', ['a/1', 'c/3'], 3)
            with self.assertRaisesRegex(teacher.TeacherError, r'wanted \[2, 4\]'):
                teacher.File(path, 'left', ['a/1'], 4)

    def test_losses_that_a_teacher_cannot_give_are_refused(self):
        says = teacher.Taught(torch.zeros(1, 3))
        with self.assertRaisesRegex(teacher.TeacherError, 'no embeddings of left'):
            student.check(says, ['left'], ('contrast',), ())
        with self.assertRaisesRegex(teacher.TeacherError, 'no late map of left'):
            student.check(says, ['left'], ('attention',), ('late',))


class Followed(unittest.TestCase):
    """`teacher` in a preset."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.root = pathlib.Path(cls.folder.name)
        made_data(cls.root / 'tiny')

    def config(self, *lines):
        """The tiny preset, its picture's section with more keys."""
        path = self.root / 'tiny.ini'
        before, picture = PRESET.split('[modality picture]')
        given = {line.split(' = ')[0] for line in lines}
        kept = [line for line in picture.splitlines() if line.split(' = ')[0] not in given]
        path.write_text('\n'.join([before, '[modality picture]', *lines, *kept]))
        return config.read(str(path), quick=True)

    def train(self, run, *lines):
        chosen = self.config(*lines)
        stage = train.stage_of(chosen, self.root / 'tiny', self.root / run, chosen.modality('picture'), True, lambda text: None)
        encode.train(stage, chosen.modality('picture'), 12)
        return encode.load(stage, chosen.modality('picture'))

    def script(self, name, n_labels=2, size=16):
        path = self.root / name
        torch.jit.script(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * size * size, n_labels))).save(str(path))
        return path

    def logits_file(self, name, n_labels=2, leave_out=0, **more):
        names = [f'{path.parent.name}/{path.name}' for path in sorted((self.root / 'tiny/images/train').glob('*/*.png'))][leave_out:]
        logits = np.random.default_rng(1).normal(0, 3, (len(names), n_labels)).astype(np.float32)
        np.savez(self.root / name, files=names, logits=logits, **{key: value[: len(names)] for key, value in more.items()})
        return self.root / name

    def test_each_kind_of_teacher_changes_what_is_learned(self):
        alone = self.train('alone')
        embeddings = np.random.default_rng(2).normal(0, 1, (48, 8)).astype(np.float32)
        wanted = {'script': [f'teacher = {self.script("net.pt")}'], 'run': [f'teacher = {self.root / "alone"}', 'contrast = 0.1'],
                  'file': [f'teacher = {self.logits_file("a.npz", embeddings=embeddings)}', 'contrast = 0.1']}
        for name, lines in wanted.items():
            one = self.train(name, *lines)
            self.assertFalse(hasattr(one.model, 'contrast'))
            self.assertGreater(float((one.model.logits.weight - alone.model.logits.weight).abs().max().detach()), 1e-4, name)

    def test_a_teacher_that_does_not_fit_is_refused(self):
        self.train('alone')
        (self.root / 'weights.pt').write_bytes(b'PK nonsense')
        for i, (lines, pattern) in enumerate((
                ([f'teacher = {self.script("three.pt", 3)}'], r'gives \(2, 3\) for two examples, not two rows of 2 labels'),
                ([f'teacher = {self.script("large.pt", size=20)}'], 'no TorchScript network for picture'),
                ([f'teacher = {self.root / "weights.pt"}'], r'no TorchScript network for picture.*torch.jit.script'),
                ([f'teacher = {self.logits_file("b.npz", 3)}'], r'logits are \[48, 3\], wanted \[48, 2\]'),
                ([f'teacher = {self.logits_file("c.npz", leave_out=20)}'], r'says nothing of \d+ examples, the first is high/'),
                ([f'teacher = {self.logits_file("d.npz", embeddings=np.zeros((9, 4)))}'], '9 embeddings of 48 files'),
                ([f'teacher = {self.logits_file("e.npz")}', 'mixup = 0.5'], 'not mixtures.*mixup = 0'),
                ([f'teacher = {self.logits_file("f.npz")}', 'contrast = 1'], 'no embeddings of picture'),
                ([f'teacher = {self.root / "alone"}', 'crop = none'], 'crop was centre-square, now it is none'),
                ([f'teacher = {self.root / "tiny"}'], 'picture-held.pt'))):
            with self.assertRaisesRegex(teacher.TeacherError, pattern):
                self.train(f'refused-{i}', *lines)
        with self.assertRaisesRegex(config.ConfigError, 'modality picture.*teacher = nowhere.pt: not there'):
            self.config('teacher = nowhere.pt')


class Students(unittest.TestCase):
    def test_every_loss_reaches_the_encoder(self):
        torch.manual_seed(1)
        batch, model = batch_of(), teacher.Multimodal(EYES, 3)
        pairs = type('Pairs', (), {'n_examples': lambda self, name: 6})()
        for losses in (('logits',), ('attention',), ('contrast',), ('logits', 'attention', 'contrast')):
            for sees in (EYES[:1], EYES):
                torch.manual_seed(2)
                plain = student.Student(sees, 3)
                torch.manual_seed(2)
                one = student.Student(sees, 3, losses, pairs, model.teach(batch))
                gradients = []
                for each in (plain, one):
                    each.load_state_dict(plain.state_dict(), strict=False)
                    student.loss_from(model)(each, batch, 0.0).backward()
                    gradients.append(each.encoders['left'].stem.conv.weight.grad)
                self.assertGreater(float((gradients[0] - gradients[1]).abs().max()), 1e-6, losses)

    def test_a_student_follows_its_teacher_where_labels_say_nothing(self):
        torch.manual_seed(1)
        batch, model = batch_of(24), teacher.Multimodal(EYES, 3)
        batch = dataclasses.replace(batch, y=torch.full((24, 3), 1 / 3))
        logits = model.teach(batch).logits
        wanted = type('Teacher', (), {'teach': lambda self, batch: teacher.Taught((logits - logits.mean(0)) * 30)})()
        one = student.Student(EYES, 3, ('logits',))
        loss_of, tuner = student.loss_from(wanted), torch.optim.Adam(one.parameters(), lr=1e-2)
        for _ in range(60):
            tuner.zero_grad()
            loss_of(one, batch, 0.0).backward()
            tuner.step()
        found = one(batch.x)[0].argmax(1)
        self.assertGreater(float((found == wanted.teach(batch).logits.argmax(1)).float().mean()), 0.6)  # one in three by chance


PLAN = '''
[ablation]
preset = yard
seeds = 1 2
steps = 10
teacher_steps = 10
[losses]
teachers = nano
sizes = nano
students = sound sound+picture
losses = none logits
'''


class Grid(unittest.TestCase):
    def read(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'plan.ini'
            path.write_text(text)
            return ablate.read(str(path))

    def test_a_plan_is_all_combinations(self):
        plan = self.read(PLAN)
        self.assertEqual(len({cell.name for cell in plan.cells}), 2 * 2 * 2)
        self.assertEqual(len(ablate.read(str(kit.SOURCE / 'models/training/ablations/yard.ini')).cells), 3 * 3 * 5 + 3 * 2 * 2 * 2 * 5)

    def test_a_plan_that_is_wrong_is_told(self):
        for old, new, pattern in (('losses = none logits', 'losses = none magic', 'magic: not one of none, logits'),
                                  ('teachers = nano', 'teachers = giant', 'giant: not one of nano'),
                                  ('students = sound ', 'students = smell ', 'smell: not one of sound, picture'),
                                  ('seeds = 1 2', 'seeds =', 'nothing to do'), ('steps = 10\n', '', 'steps')):
            with self.assertRaisesRegex(config.ConfigError, pattern):
                self.read(PLAN.replace(old, new, 1))

    def test_a_grid_that_was_stopped_goes_on_where_it_was(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            made_data(folder / 'tiny')
            (folder / 'tiny.ini').write_text(PRESET)
            text = PLAN.replace('yard', str(folder / 'tiny.ini')).replace('seeds = 1 2', 'seeds = 1').replace('= 10', '= 3')
            text = text.replace('losses = none logits', 'losses = none all')
            (folder / 'plan.ini').write_text(text)
            said, plan = [], ablate.read(str(folder / 'plan.ini'))
            (folder / 'out').mkdir()
            self.assertEqual(ablate.stages(plan, folder / 'out'), [['teacher-nano'], ['losses-nano-1']])
            ablate.run(plan, folder / 'tiny', folder / 'out', ['teacher-nano'], said.append)
            self.assertEqual(ablate.stages(plan, folder / 'out'), [['losses-nano-1']])
            ablate.run(plan, folder / 'tiny', folder / 'out', ['losses-nano-1'], said.append)
            self.assertEqual(ablate.stages(plan, folder / 'out'), [])
            ablate.tell(plan, folder / 'out', said.append)
            cells = sorted((folder / 'out').glob('losses-*.json'))
            self.assertEqual(len(cells), 4)
            self.assertEqual((folder / 'out' / 'ablation.md').read_text().count('| nano | nano |'), 4)
            cells[0].unlink()
            before = cells[1].read_text()
            done = subprocess.run([sys.executable, '-m', 'training', 'ablate', folder / 'plan.ini', folder / 'tiny', folder / 'out'],
                                  env=kit.environment(), capture_output=True, text=True)
            self.assertIn('losses-nano-1: 1 cells', done.stdout + done.stderr)
            self.assertTrue(cells[0].exists())
            self.assertEqual(cells[1].read_text(), before)
            with self.assertRaisesRegex(config.ConfigError, '--only losses-nano-1: not left to do in this plan: teacher-nano'):
                ablate.run(plan, folder / 'tiny', folder / 'out', ['losses-nano-1'], said.append)
            with self.assertRaisesRegex(learn.KeepError, 'made with other settings: steps was 3, now it is 4'):
                ablate.settle(dataclasses.replace(plan, steps=4), folder / 'out')

    def test_students_side_by_side_have_the_gradients_of_one_alone(self):
        torch.manual_seed(1)
        batch, taught, found = batch_of(24), teacher.Multimodal(EYES, 3), []
        pair, one = ablate.Class(), student.Student(EYES, 3, ('logits',))
        pair.parts.extend([copy.deepcopy(one), student.Student(EYES, 3)])
        for model, loss_of in ((one, student.loss_from(taught)), (pair, ablate.class_loss(taught, [('late',), ('late',)]))):
            loss_of(model, batch, 0.0).backward()
            found.append([p.grad for p in (model.parts[0] if model is pair else model).parameters()])
        for mine, theirs in zip(*found):
            self.assertTrue(torch.allclose(mine, theirs, atol=1e-6))

    def test_the_table_has_means_spreads_and_gains_paired_by_seed(self):
        plan = self.read(PLAN)
        accuracy = {('none', 1): 0.70, ('none', 2): 0.80, ('logits', 1): 0.74, ('logits', 2): 0.86}
        # two sounds of 50 pairs each: of the first all are right, of the second the rest
        results = {cell.name: {'accuracy': accuracy[cell.what, cell.seed], 'teacher accuracy': 0.9, 'inherited': 0.25, 'parameters': 10,
                               'teacher parameters': 30, 'microseconds': 6.0, 'teacher microseconds': 8.0, 'groups': [0] * 50 + [1] * 50,
                               'right': [int(i < 100 * accuracy[cell.what, cell.seed]) for i in range(100)]} for cell in plan.cells}
        text = ablate.table(plan, results)
        self.assertIn('| nano | nano | sound | none | 2 | 75.0 ± 7.1 |  |', text)
        # drawn twice the second sound, 10 points; twice the first, none
        self.assertIn('| nano | nano | sound+picture | logits | 2 | 80.0 ± 8.5 | 5.0 ± 1.4 (0.0 to 10.0) | 25.0 ± 0.0 | 90.0 | 10 (÷ 3.0) | 6 (-25 %) |', text)


tap.main()
