# SPDX-License-Identifier: MIT
"""The exporter writes what the engine and TensorFlow Lite Micro compute as the kit's integer simulation does."""
import hashlib
import html.parser
import json
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

import kit

kit.enter_venv()

import numpy as np  # noqa: E402

import tap  # noqa: E402
import torch  # noqa: E402
from made import PRESET, made_data, made_others  # noqa: E402
from training import allocate, card, config, flat, graph, integer, learn, networks, quantise, rehearse, report, tflite, train, tune  # noqa: E402

try:
    from tflite_micro import runtime
except ImportError:
    runtime = None

GOLDEN = '5947906eb290850f4ba906222335ca9ddfa8088d8a474e1d8afd4f6e305fd9f8'  # SHA-256 of random_graph(0) as a file
RANDOM_GRAPHS = 30


def scale(rng):
    return float(np.float32(np.exp(rng.uniform(-6, 0))))


def add_weights(out, rng, x, shape, axis):
    """int8 in half of the graphs; in the others 4 or 8 bits as it comes. int4 in a dense layer has one scale."""
    bits = 4 if 'mixed' in out.name and rng.random() < 0.6 else 8
    most, n_scales = 2 ** (bits - 1), 1 if bits == 4 and len(shape) == 2 else shape[axis]
    scales = np.exp(rng.uniform(-8, -3, n_scales)).astype(np.float32) * np.float32(128 / most)
    data = rng.integers(1 - most, most, shape).astype(np.int8)
    bias = rng.integers(-3000, 3000, shape[axis]).astype(np.int32)
    return [out.constant('w', data, f'int{bits}', scales, axis),
            out.constant('b', bias, 'int32', (out.tensors[x].scale[0] * scales).astype(np.float32))]


def output_scale(out, x, constants, depth):
    """So that outputs use their range."""
    weights = out.tensors[constants[0]]
    return float(out.tensors[x].scale[0] * weights.scale.max() * (73 if weights.type == 'int8' else 4.6) * np.sqrt(depth))


def add_convolution(out, rng, x, depthwise):
    _, rows, columns, channels = out.tensors[x].shape
    stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    size = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
    n = channels if depthwise else int(rng.integers(1, 20))
    shape = (1, *size, n) if depthwise else (n, *size, channels)
    constants = add_weights(out, rng, x, shape, 3 if depthwise else 0)
    y = output_scale(out, x, constants, np.prod(size) * (1 if depthwise else channels))
    made = (1, *[graph.same_padding(i, k, s)[0] for i, k, s in zip((rows, columns), size, stride)], n)
    kind = 'DEPTHWISE_CONV_2D' if depthwise else 'CONV_2D'
    return out.run(kind, [x, *constants], 'y', made, y, int(rng.integers(-128, 128)), stride=stride,
                   activation=str(rng.choice(['NONE', 'RELU', 'RELU6'])))


def random_graph(seed):
    """Every operator that the exporter knows, in an order that an encoder and a head could have."""
    rng = np.random.default_rng(seed)
    out = graph.Graph(f'{"mixed" if seed % 2 else "random"}{seed}')
    x = out.input('x', (1, int(rng.integers(3, 12)), int(rng.integers(3, 12)), int(rng.integers(1, 9))), scale(rng),
                  int(rng.integers(-128, 128)))
    x = add_convolution(out, rng, x, False)
    y = add_convolution(out, rng, x, True)
    if out.tensors[y].shape == out.tensors[x].shape:
        y = out.run('ADD', [x, y], 'sum', out.tensors[x].shape, scale(rng), int(rng.integers(-128, 128)), activation='NONE')
    axes = out.constant('axes', np.array([1, 2], np.int32), 'int32')
    n = out.tensors[y].shape[3]
    x = out.run('MEAN', [y, axes], 'mean', (1, n), float(out.tensors[y].scale[0]) * 0.7, int(rng.integers(-128, 128)))
    constants = add_weights(out, rng, x, (7, n), 0)
    y = out.run('FULLY_CONNECTED', [x, *constants], 'dense', (1, 7), output_scale(out, x, constants, n), 3, activation='NONE')
    y = out.run('L2_NORMALIZATION', [y], 'unit', (1, 7), 1 / 128, 0)
    z = out.input('z', (1, 2), 1 / 128, 0)
    out.outputs = [out.run('CONCATENATION', [y, z], 'joined', (1, 9), 1 / 128, 0, axis=1)]
    return out


def inputs_of(out, n, seed):
    rng = np.random.default_rng(seed)
    return [rng.integers(-128, 128, (n, *out.tensors[i].shape[1:])).astype(np.int8) for i in out.inputs]


def engine(file, inputs):
    """Output bytes of `lookout-model run` on one example."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / 'model.tflite').write_bytes(file)
        (folder / 'in').write_bytes(b''.join(part.tobytes() for part in inputs))
        subprocess.run([kit.MODEL, 'run', folder / 'model.tflite', '--in', folder / 'in', '--out', folder / 'out'],
                       check=True, capture_output=True)
        return (folder / 'out').read_bytes()


class Exporter(unittest.TestCase):
    def test_random_graphs_give_the_same_bytes_in_engine_and_simulation(self):
        seen = set()
        for seed in range(RANDOM_GRAPHS):
            out = random_graph(seed)
            inputs = inputs_of(out, 1, seed)
            self.assertEqual(engine(tflite.model(out), inputs), integer.run(out, inputs)[0].tobytes(), f'seed {seed}')
            seen |= {tflite.code_of(out, operator) for operator in out.operators}
        self.assertEqual(seen, set(tflite.VERSIONS.items()) | set(tflite.VERSIONS_INT4.items()), 'an operator was not tried')

    @unittest.skipUnless(runtime, 'no tflite-micro here')
    def test_random_graphs_give_the_same_bytes_in_tensorflow_lite_micro(self):
        for seed in range(RANDOM_GRAPHS):
            out = random_graph(seed)
            inputs = inputs_of(out, 1, seed)
            micro = runtime.Interpreter.from_bytes(tflite.model(out))
            for i, part in enumerate(inputs):
                micro.set_input(part, i)
            micro.invoke()
            self.assertEqual(micro.get_output(0).tobytes(), integer.run(out, inputs)[0].tobytes(), f'seed {seed}')

    def test_a_batch_gives_what_its_examples_give_alone(self):
        out = random_graph(3)
        inputs = inputs_of(out, 5, 1)
        whole = integer.run(out, inputs)[0]
        for i in range(5):
            self.assertTrue((integer.run(out, [part[i : i + 1] for part in inputs])[0][0] == whole[i]).all())

    def test_the_file_is_the_same_byte_for_byte_as_ever(self):
        file = tflite.model(random_graph(0))
        self.assertEqual(hashlib.sha256(file).hexdigest(), GOLDEN)

    def test_int4_weights_lie_two_to_a_byte_with_the_first_low(self):
        self.assertEqual(tflite.nibbles(np.array([[1, -2, 3], [-8, 7, 0], [5, 0, -1]], np.int8)), bytes([0xE1, 0x83, 0x07, 0x05, 0x0F]))

    def test_equal_vectors_that_are_shared_lie_in_the_file_once(self):
        file = flat.file(flat.Table({i: flat.Vector('q', [7] * 9, 8, shared=True) for i in range(5)}), b'TEST')
        self.assertEqual(file.count((7).to_bytes(8, 'little') * 9), 1)

    def test_vectors_and_tables_are_aligned(self):
        file = flat.file(flat.Table({1: flat.Vector('q', [1, 2], 8), 0: flat.Scalar('b', 3), 3: flat.Vector('B', b'abc', 16)}), b'TEST')
        self.assertEqual(file.index((1).to_bytes(8, 'little')) % 8, 0)
        self.assertEqual(file.index(b'abc') % 16, 0)


def small_encoder(seed):
    """Not trained, but with batch normalisation that does something; 4 and 8 bits as it comes."""
    torch.manual_seed(seed)
    model = networks.Encoder(2, networks.Shape.parse('6/2', '10 10 12/2', 16))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.3, 2)
            module.weight.data.uniform_(0.5, 2)
            module.bias.data.normal_(0, 0.5)
    examples = torch.randn(32, 2, 13, 9)
    encoder = quantise.Encoder(model.eval(), 0.03, 5).eval().observe(examples)
    bits = np.random.default_rng(seed).choice([4, 8], len(encoder.layers))
    return model, encoder.use(dict(zip(encoder.layers, map(int, bits)))), examples


class Quantised(unittest.TestCase):
    def test_networks_of_4_and_8_bits_give_the_same_bytes_in_engine_simulation_and_tensorflow_lite_micro(self):
        for seed in range(6):
            _, encoder, _ = small_encoder(seed)
            out = encoder.graph('small', (2, 13, 9))
            file, inputs = tflite.model(out), inputs_of(out, 1, seed)
            simulated = integer.run(out, inputs)[0].tobytes()
            self.assertEqual(engine(file, inputs), simulated, f'seed {seed}')
            if runtime:
                micro = runtime.Interpreter.from_bytes(file)
                micro.set_input(inputs[0], 0)
                micro.invoke()
                self.assertEqual(micro.get_output(0).tobytes(), simulated, f'seed {seed}')

    def test_what_is_tuned_is_what_the_integers_compute(self):
        for seed in range(4):
            _, encoder, examples = small_encoder(seed)
            out = encoder.graph('small', (2, 13, 9))
            x = graph.quantised(examples.permute(0, 2, 3, 1).numpy(), 0.03, 5)
            found = integer.run(out, [x])[0].astype(int)
            with torch.no_grad():
                wanted = (encoder(examples) * 128).round().numpy()
            self.assertLessEqual(np.abs(found - wanted).max(), 6)
            self.assertLess(np.abs(found - wanted).mean(), 1)

    def test_8_bits_are_close_to_the_float_network_and_4_bits_are_further(self):
        model, encoder, examples = small_encoder(1)
        off = {}
        for bits in (8, 4):
            encoder.use({layer: bits for layer in encoder.layers})
            with torch.no_grad():
                off[bits] = float((encoder(examples) - model(examples)).square().mean().sqrt())
        self.assertLess(off[8], 0.02)
        self.assertLess(2 * off[8], off[4])

    def test_a_dense_layer_of_4_bits_has_one_scale_and_a_convolution_one_for_each_channel(self):
        _, encoder, _ = small_encoder(1)
        encoder.use({layer: 4 for layer in encoder.layers})
        self.assertEqual(len(encoder.layers['dense'].scales), 1)
        self.assertEqual(len(encoder.layers['block1/pointwise'].scales), 10)

    def test_gradients_of_scales_are_those_of_learned_step_sizes(self):
        """Of (round(w / s) - w / s) inside the range, of its end outside; times s, for the logarithm is learned."""
        layer = quantise.Layer(torch.tensor([[0.31, -2.0, 0.04]]), torch.zeros(1))
        layer.use(4)
        layer.first.fill_(0.1)
        layer.rounded().sum().backward()
        self.assertAlmostEqual(float(layer.stretch.grad[0]), ((3 - 3.1) + -7 + (0 - 0.4)) * 0.1, places=5)
        self.assertEqual(layer.weights.grad.tolist(), [[1.0, 0.0, 1.0]])

    def test_a_channel_of_hardly_any_weight_keeps_its_bias(self):
        layer = quantise.Layer(torch.tensor([[1e-9, 0.0], [1.0, 0.5]]), torch.tensor([0.7, 0.2]))
        out = graph.Graph('one')
        x = out.input('x', (1, 2), 0.02, 3)
        out.outputs = [quantise.add_dense(out, 'dense', x, layer, (0.01, 0))]
        found = integer.run(out, [np.array([[3, 3]], np.int8)])[0]
        self.assertEqual(found.tolist(), [[70, 20]])
        self.assertEqual(engine(tflite.model(out), [np.array([[3, 3]], np.int8)]), found.tobytes())

    def test_rounding_of_activations_is_torch_s(self):
        """But for a value in the middle between two steps, which may go either way."""
        torch.manual_seed(1)
        for scale, zero_point in ((6 / 255, -128), (0.0431, 5), (1 / 128, 0)):
            x = torch.randn(40_000, requires_grad=True)
            values, gradients, weights = [], [], torch.randn(40_000)
            for rounded in (quantise.Stepped.apply(4 * x, scale, zero_point),
                            torch.fake_quantize_per_tensor_affine(4 * x, scale, zero_point, -128, 127)):
                values.append(rounded)
                gradients.append(torch.autograd.grad((rounded * weights).sum(), x)[0])
            self.assertLess(float((values[0] - values[1]).abs().gt(scale / 2).float().mean()), 1e-3)
            self.assertLess(float((gradients[0] != gradients[1]).float().mean()), 1e-3)

    def test_tuning_moves_the_loss_of_4_bits_down(self):
        model, encoder, examples = small_encoder(3)
        encoder.use({layer: 4 for layer in encoder.layers})
        with torch.no_grad():
            wanted = model(examples)
        loss = lambda: (encoder(examples) - wanted).square().mean()
        before, tuner = float(loss().detach()), torch.optim.Adam(encoder.parameters(), lr=2e-3)
        for _ in range(30):
            tuner.zero_grad()
            loss().backward()
            tuner.step()
        self.assertLess(float(loss().detach()), 0.8 * before)


class Allocation(unittest.TestCase):
    def items(self, seed, n=9):
        rng = np.random.default_rng(seed)
        return [allocate.Item('sound', f'layer{i}', int(rng.integers(1, 40)) * 16, float(rng.normal(0.3, 0.3))) for i in range(n)]

    def test_the_knapsack_finds_what_trying_everything_finds(self):
        for seed in range(20):
            items = self.items(seed)
            need = sum(item.saved_bytes for item in items) * (seed + 1) // 21
            sets = [[item for i, item in enumerate(items) if chosen >> i & 1] for chosen in range(2 ** len(items))]
            cost = lambda chosen: sum(max(item.loss, 0) for item in chosen)
            best = min(cost(chosen) for chosen in sets if sum(item.saved_bytes for item in chosen) >= need)
            found = allocate.knapsack(items, need)
            self.assertGreaterEqual(sum(item.saved_bytes for item in found), need)
            self.assertAlmostEqual(cost(found), best)

    def test_nothing_to_save_gives_4_bits_to_no_layer_and_too_much_to_all(self):
        items = self.items(1)
        self.assertEqual(allocate.knapsack(items, 0), [])
        self.assertEqual(len(allocate.knapsack(items, 10**9)), len(items))

    def test_what_layers_save_adds_up_to_what_the_file_loses(self):
        _, encoder, examples = small_encoder(2)
        encoder.use({layer: 8 for layer in encoder.layers})
        model = networks.Classifier(encoder, 3, 16)
        batch = examples, torch.full((32, 3), 1 / 3), torch.ones(32)
        items = allocate.measure(model, 'small', (2, 13, 9), [batch])
        before = allocate.file_bytes(encoder, 'small', (2, 13, 9))
        encoder.use({item.layer: 4 for item in items})
        saved = before - allocate.file_bytes(encoder, 'small', (2, 13, 9))
        more = saved - sum(item.saved_bytes for item in items)  # operators of 4 bits are named once
        self.assertGreaterEqual(more, -16)
        self.assertLessEqual(more, 48 * len(items))

    def test_measuring_leaves_the_network_as_it_was(self):
        _, encoder, examples = small_encoder(2)
        encoder.use({layer: 8 for layer in encoder.layers})
        model = networks.Classifier(encoder, 3, 16)
        before = [p.clone() for p in model.parameters()]
        allocate.measure(model, 'small', (2, 13, 9), [(examples, torch.full((32, 3), 1 / 3), torch.ones(32))])
        self.assertTrue(all((a == b).all() for a, b in zip(before, model.parameters())))
        self.assertEqual(set(encoder.bits.values()), {8})


class Training(unittest.TestCase):
    def test_a_run_that_was_stopped_goes_on_from_its_checkpoint(self):
        calls, said = [], []

        def batch_of(stop_at):
            calls.append(1)
            if len(calls) == stop_at:
                raise KeyboardInterrupt
            return torch.rand(8, 1, 8, 8), torch.full((8, 2), 0.5), torch.ones(8)

        settings = learn.Settings(12, 1e-3, 0.01, 0.0, 1, {'stem': '4'})
        make = lambda: networks.Classifier(networks.Encoder(1, networks.Shape.parse('4', '4', 8)), 2, 8)
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(learn, 'CHECKPOINT_STEPS', 5):
            path = pathlib.Path(folder) / 'checkpoint'
            with self.assertRaises(KeyboardInterrupt):
                learn.train(make(), lambda: batch_of(8), settings, path, said.append)
            calls.clear()
            learn.train(make(), lambda: batch_of(None), settings, path, said.append)
        self.assertIn('goes on from step 5 of 12', said)
        self.assertEqual(len(calls), 7)

    def test_what_was_kept_with_other_settings_is_refused_by_the_key_that_differs(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'checkpoint'
            learn.save(path, {'made_with': {'stem': '4', 'seed': '1'}})
            with self.assertRaisesRegex(learn.KeepError, 'stem was 4, now it is 8'):
                learn.restore(path, {'stem': '8', 'seed': '1'})
            path.write_bytes(b'not a checkpoint')
            with self.assertRaisesRegex(learn.KeepError, 'damaged'):
                learn.restore(path, {})

    def test_a_full_disk_keeps_what_was_there(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'checkpoint'
            learn.save(path, {'made_with': {'step': '1'}})
            with mock.patch('torch.save', side_effect=OSError(28, 'No space left on device')):
                with self.assertRaisesRegex(learn.KeepError, 'No space left.*kept'):
                    learn.save(path, {'made_with': {'step': '2'}})
            self.assertEqual(learn.restore(path, {'step': '1'})['made_with'], {'step': '1'})
            self.assertEqual([entry.name for entry in path.parent.iterdir()], ['checkpoint'])

    def test_a_bar_shows_how_far_it_is(self):
        self.assertEqual(learn.bar(5, 20), '[#####...............] 5/20')
        self.assertEqual(learn.bar(7, 7), '[####################] 7/7')

    def test_a_loss_that_is_no_number_ends_the_run(self):
        batch = lambda: (torch.full((8, 1, 8, 8), float('nan')), torch.full((8, 2), 0.5), torch.ones(8))
        model = networks.Classifier(networks.Encoder(1, networks.Shape.parse('4', '4', 8)), 2, 8)
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(learn.KeepError, 'no number.*lower rate'):
            learn.train(model, batch, learn.Settings(3, 1e-3, 0.0, 0.0, 1, {}), pathlib.Path(folder) / 'none', print)


class Balanced(html.parser.HTMLParser):
    """Notes tags that are not closed in order, and addresses of anything outside."""
    VOID = {'meta'}

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.outside = [], [], []

    def handle_starttag(self, tag, attrs):
        self.outside += [value for key, value in attrs if key in ('src', 'href')]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


class Path(unittest.TestCase):
    """One run of everything, quick."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        made_data(cls.folder / 'tiny')
        made_others(cls.folder / 'tiny')
        more = 'steps = 40\nother = audio-other\nother_held = hiss\nreject = 0.5\nensemble = 2\npretrain = clusters\npretrain_steps = 30'
        (cls.folder / 'tiny.ini').write_text(PRESET.replace('steps = 40', more, 1).replace('refit = no', 'refit = no\nnone = yes'))
        cls.trained = cls.kit('train', 'out')

    @classmethod
    def kit(cls, command, *paths, preset='tiny.ini', most_bytes=None):
        """@most_bytes  no file can become larger: what a full disk looks like."""
        limit = (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))) if most_bytes else None
        arguments = [sys.executable, '-m', 'training', command, cls.folder / preset, cls.folder, *(cls.folder / path for path in paths), '--quick']
        return subprocess.run(arguments, env=kit.environment(), capture_output=True, text=True, preexec_fn=limit)

    def test_labelled_files_become_a_bundle_that_the_engine_opens(self):
        folder, done = self.folder, self.trained
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn('[####################] 12/12', done.stdout)
        checked = subprocess.run([kit.MODEL, 'check', '--allow-unsigned', folder / 'out'], capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertIn('| sound+picture |', (folder / 'out' / 'CARD.md').read_text())
        self.assertRegex((folder / 'out' / 'CARD.md').read_text(), r'\| other labels, never trained on \| 4 \| [0-9.]+ % \|')
        self.assertRegex((folder / 'out' / 'CARD.md').read_text(), r'\| sound is \| picture is \|.*\n(.*\n)+\| SNR 0 dB \| blur \|.*\n(.*\n)+In \d+ of these 21 conditions')
        self.assertRegex((folder / 'out' / 'CARD.md').read_text(), r'\d+ of \d+ layers of the encoders have 4 bits, for [0-9,]+ of [0-9,]+ bytes: [0-9.]+ %.*: 2 of sound and 1 of picture')
        self.assertRegex((folder / 'out' / 'bundle.ini').read_text(), r'(?s)\[calibration sound\]\ntemperature = [0-9.]+\nnone = [-0-9.]+\n\n\[calibration picture\]\ntemp[^n]*\n\n')
        self.assertNotRegex((folder / 'out' / 'bundle.ini').read_text(), 'pretrain|ensemble')
        self.assertTrue((folder / 'out.run' / 'sound.pretrained.pt').is_file())
        self.assertNotIn('reject', (folder / 'out' / 'bundle.ini').read_text())
        self.look_at_page((folder / 'out.run' / 'report.html').read_text())
        for one in json.loads((folder / 'out.run' / 'figures.json').read_text())['sets'].values():
            self.assertEqual((len(one['right']), len(one['pairs'])), (one['n'], one['n']))
            self.assertAlmostEqual(np.mean(one['right']), one['accuracy'])
        arguments = [sys.executable, '-m', 'training', 'seeds', folder, folder / 'out']
        done = subprocess.run(arguments, env=kit.environment(), capture_output=True, text=True)
        self.assertRegex(done.stdout, r'\| sound\+picture \| [0-9.]+ \|.*\n(.*\n)+Seeds 1;')
        arguments = [sys.executable, '-m', 'training', 'rounding', folder / 'tiny.ini', folder, folder / 'out', '--quick']
        done = subprocess.run(arguments, env=kit.environment(), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r'\| sound\+picture \| [0-9.]+ \| [0-9.]+ \| [0-9.]+ \| [+-][0-9.]+ \([+-][0-9.]+ to [+-][0-9.]+\) \| .* \|\n\nSeeds 1;')
        bits = [row['bits'] for row in json.loads((folder / 'out.run' / 'bits.json').read_text())['layers']]
        self.assertEqual(set(bits), {4, 8})
        self.assertLessEqual(sum(path.stat().st_size for path in (folder / 'out').glob('*.tflite')), 10500)
        ensemble = [torch.load(folder / 'out.run' / path)['made_with']['seed'] for path in ('sound-held.pt', 'member-2/sound-held.pt')]
        self.assertEqual(ensemble, ['1', '1001'])

    def test_a_run_that_is_terminated_leaves_no_process_behind(self):
        arguments = [sys.executable, '-m', 'training', 'train', self.folder / 'tiny.ini', self.folder, self.folder / 'ended', '--quick']
        whole = subprocess.Popen(arguments, env=kit.environment(), stdout=subprocess.DEVNULL)
        children = pathlib.Path(f'/proc/{whole.pid}/task/{whole.pid}/children')
        deadline = time.monotonic() + 60
        while not (found := children.read_text().split()) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertTrue(found, 'no training has begun')
        whole.terminate()
        self.assertEqual(whole.wait(60), 128 + signal.SIGTERM)
        while any(pathlib.Path(f'/proc/{child}').exists() for child in found) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertFalse([child for child in found if pathlib.Path(f'/proc/{child}').exists()])

    def test_a_full_disk_is_told_and_what_was_trained_is_kept(self):
        for most_bytes, words in ((2000, 'File too large.*what was trained is kept'), (60000, None)):
            done = self.kit('finish', 'out.run', 'again', most_bytes=most_bytes)
            self.assertEqual(done.returncode, 1 if words else 0, done.stderr)
            self.assertNotIn('Traceback', done.stderr)
            self.assertRegex(done.stderr, words or '^')
        self.assertEqual((self.folder / 'again' / 'sound.tflite').read_bytes(), (self.folder / 'out' / 'sound.tflite').read_bytes())

    def test_a_finished_run_is_not_taken_for_one_with_other_settings_or_examples(self):
        before = (self.folder / 'tiny.ini').read_text()
        for new, words in ((before.replace('budget_bytes = 10500', 'budget_bytes = 10400'), 'bits.json: made with other settings: budget_bytes was 10500, now it is 10400'),
                           (before.replace('ensemble = 2', 'ensemble = 3\ntune_rate = 2e-3'), 'sound-held.tuned.pt: made with other settings: tune_rate was 0.001, now it is 0.002'),
                           (before.replace('[quantisation]', '[quantisation]\nfollow = 2'), 'follow was 1.0, now it is 2.0'),
                           (before.replace('reject = 0.5', 'reject = 0.4'), 'sound.*: reject was 0.5, now it is 0.4')):
            (self.folder / 'other.ini').write_text(new)
            done = self.kit('train', 'out', preset='other.ini')
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertRegex(done.stderr, words)
            self.assertNotIn('[####', done.stdout)
        one = self.folder / 'tiny' / 'images' / 'train' / 'high' / '0.png'
        was = one.read_bytes()
        try:
            one.write_bytes((one.parent / '1.png').read_bytes())
            done = self.kit('train', 'out')
        finally:
            one.write_bytes(was)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stderr, r'made with other settings: examples to train on was .*; remove .*out.run to train anew')

    def test_the_frontier_is_written_and_goes_on_where_it_was(self):
        run, said = self.folder / 'out.run', []
        chosen = config.read(str(self.folder / 'tiny.ini'), quick=True)
        stage_of = lambda modality: train.stage_of(chosen, self.folder / 'tiny', run, modality, True, lambda text: None)
        draw = lambda: tune.frontier(chosen, stage_of, run / 'frontier.csv', said.append)
        with mock.patch.object(tune, 'BUDGET_SHARES', (1.0, 0.5)), mock.patch.object(tune, 'RANDOM_CHOICES', 2):
            draw()
            points = run / 'frontier.json'
            found = json.loads(points.read_text())
            self.assertEqual(len(found['rows']), 8)
            points.write_text(json.dumps({**found, 'rows': dict(list(found['rows'].items())[:-2])}))
            said.clear()
            draw()
        self.assertEqual([line.split('] ')[1].split(' ')[0] for line in said if '] ' in line], ['7/8', '8/8'])
        self.assertEqual(json.loads(points.read_text()), found)
        self.assertRegex((run / 'frontier.md').read_text(), r'\n\| [0-9,]+ \| [0-9.]+ \| [0-9.]+ ± [0-9.]+ \|')
        self.assertIn('knapsack', report.frontier(run))

    def look_at_page(self, text):
        page = Balanced()
        page.feed(text)
        self.assertEqual((page.wrong, page.open, page.outside), ([], [], []))
        for words in ('Reliability', 'Confusion', 'SNR 0 dB', 'light x 0.1', 'blur', '500 ms late', 'Cost by threshold', 'other labels, trained on', 'sound-held', 'picture-held.tuned'):
            self.assertIn(words, text)


class Presets(unittest.TestCase):
    def refused(self, text, pattern, **options):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'wrong.ini'
            path.write_text(text)
            with self.assertRaisesRegex(config.ConfigError, pattern):
                config.read(str(path), **options)

    def test_a_preset_that_is_wrong_is_told_with_its_section_and_key(self):
        self.refused(PRESET.replace('stem = 4/2', 'stem = four', 1), 'modality sound.*four')
        self.refused(PRESET.replace('blocks = 8/2 8', '', 1), 'modality sound.*no key .blocks')
        self.refused(PRESET.replace('kind = sound', 'kind = smell'), 'smell.*sound, picture')
        self.refused(PRESET.replace('embedding = 16', 'embedding = 8'), 'embedding = 8: must be a whole number from 16 to 64')
        self.refused(PRESET.replace('budget_bytes = 10500', 'budget_bytes = small'), 'quantisation.*small')
        self.refused(PRESET.replace('refit = no', 'refit = maybe'), 'refit = maybe: not one of yes, tune, no')
        self.refused(PRESET.replace('refit = no', 'seed = one'), 'one')
        self.refused(PRESET.replace('refit = no', 'seed = -3'), 'seed = -3: must be from 0')
        self.refused(PRESET + '[extra]\nmake = nothere.py\n', 'make = nothere.py: there is no such script')
        self.refused(PRESET.replace('refit = no', 'sede = 3'), r'\[training\]: no key sede; there are none, refit, seed')
        self.refused(PRESET.replace('[quantisation]', '[quantization]'), r'\[quantization\]: no such section')
        self.refused(PRESET.replace('[modality sound]', '[modality ../sound]'), 'letters, digits')
        self.refused(PRESET.replace('hop_ms = 250', ''), "no key 'hop_ms'")
        for key, value, words in (('steps', '0', 'whole number from 1'), ('steps', '40\nbatch = 1', 'batch = 1: must'), ('steps', '40\nrate = nan', 'rate = nan: must'),
                                  ('steps', '40\ndrop = 2', 'drop = 2: must'), ('stem', '0', 'at least 1'), ('stem', '8/0', 'at least 1'), ('blocks', '', 'at least one block'),
                                  ('steps', '40\ndark = 0.1', 'dark = 0.1: is only for pictures'), ('steps', '40\nnoise = loud', 'noise = loud: must'),
                                  ('step_ms', '0', 'zero'), ('features', 'mfcc', 'features = mfcc: the kit trains on logmel'), ('floor', '0', 'floor = 0: must')):
            before = next(line for line in PRESET.splitlines() if line.startswith(key + ' ='))
            self.refused(PRESET.replace(before, f'{key} = {value}', 1), words)
        self.refused(PRESET, 'size = huge: the sizes of a sound are nano, micro, small, base', size='huge')
        self.refused('[bundle]\nname = empty\n', '0 sections.*1 to 4')

    def test_what_the_engine_would_refuse_is_told_before_training(self):
        def rehearsed(text):
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / 'preset.ini'
                path.write_text(text)
                rehearse.run(config.read(str(path)), 'preset.ini', self.fail)

        rehearsed(PRESET + '[detector high]\non = 0.8\n')
        for before, after, words in (('unknown = 0.3', 'unknown = abc', r'bundle.ini:\d+: \[head\] unknown = abc'), ('on = 0.6', 'on = 7', 'on = 7'), ('on = 0.6', 'onn = 0.6', 'onn'),
                                     ('licence = MIT', '', 'licence'), ('crop = centre-square', 'crop = round', 'crop = round'), ('low_hz = 80', 'low_hz = 7500', 'low_hz'),
                                     ('steps = 40', 'steps = 40\nsmoth = 0.05', 'smoth: no such key')):
            with self.subTest(after), self.assertRaisesRegex(config.ConfigError, f'(?s)preset.ini: the engine would refuse.*{words}'):
                rehearsed(PRESET.replace(before, after, 1))

    def test_every_size_has_more_parameters_than_the_one_before(self):
        before = {'sound': 0, 'picture': 0}
        for size in ('nano', 'micro', 'small', 'base'):
            for modality in config.read('yard', size).modalities:
                n = sum(p.numel() for p in networks.Encoder(modality.channels, modality.shape).parameters())
                self.assertGreater(n, 1.5 * before[modality.kind])
                before[modality.kind] = n

    def test_the_presets_can_be_read(self):
        for name in ('yard', 'digits', 'own', 'avmnist'):
            self.assertEqual((config.read(name).name, [m.kind for m in config.read(name).modalities]), (name, ['sound', 'picture']))

    def test_keys_beside_a_size_win_over_it(self):
        text = PRESET.replace('stem = 4/2\nblocks = 8/2 8\nembedding = 16', 'size = micro\nembedding = 48')
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'sized.ini'
            path.write_text(text)
            sound = config.read(str(path)).modality('sound')
            self.assertEqual((sound.shape.stem, sound.shape.embedding, sound.keys['bands']), (16, 48, '16'))
            self.assertEqual(config.read(str(path), 'nano').modality('sound').shape.embedding, 16)

    def test_the_card_says_which_encoders_were_measured_and_which_are_shipped(self):
        def figures(refit, quantisation):
            with tempfile.TemporaryDirectory() as folder:
                chosen = mock.Mock(refit=refit, quantisation=quantisation, modalities=[], seed=1)
                return card.figures(pathlib.Path(folder), chosen, {}, {}, [], pathlib.Path(folder), lambda _: None)

        self.assertIn('part, in float32; the shipped ones were trained on all of train.', figures('yes', None))
        self.assertIn('part, with the bits that were chosen; the shipped ones were trained on', figures('yes', mock.Mock()))
        self.assertIn('part, in float32; the shipped ones were then tuned on all of train.', figures('tune', mock.Mock()))
        self.assertIn('part, with the bits that were chosen; these are the shipped ones.', figures('no', mock.Mock()))

    def test_any_set_of_modalities_can_be_asked_for(self):
        picture = '[modality picture]' + PRESET.split('[modality picture]')[1]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'set.ini'
            path.write_text(picture + picture.split('[quantisation]')[0].replace('[modality picture]', '[modality door]'))
            self.assertEqual([m.name for m in config.read(str(path)).modalities], ['picture', 'door'])


tap.main()
