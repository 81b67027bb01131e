#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`lookoutctl setup`: a real lookoutd with a made-up camera, stored replies where a microphone is needed, a terminal."""
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import fake_lookoutd  # noqa: E402
import tap  # noqa: E402
from lookoutd import BUILD, LOOKOUT, SERVICE, Daemon, as_stranger, within  # noqa: E402
from test_devices import NOTHING, Machine  # noqa: E402

LOOKOUTCTL = os.path.join(BUILD, 'client', 'lookoutctl')
WAIT_S = 30
CAMERA = ('--camera', '/dev/video0', '--microphone', 'none')


def run(socket, *arguments, status=0, umask=-1):
    done = subprocess.run([LOOKOUTCTL, 'setup', *arguments], timeout=WAIT_S, text=True, stdin=subprocess.DEVNULL, umask=umask,
                          env={**os.environ, 'LOOKOUT_SOCKET': socket, 'LC_ALL': 'C.UTF-8'},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == status, f'{done.returncode} is not {status}: {done.stdout}'
    return done.stdout


class Terminal:
    """lookoutctl setup on a terminal of its own."""

    def __init__(self, socket, *arguments):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 100, 0, 0))
        environment = {**os.environ, 'LOOKOUT_SOCKET': socket, 'LC_ALL': 'C.UTF-8', 'TERM': 'xterm'}
        self.process = subprocess.Popen([LOOKOUTCTL, 'setup', *arguments], env=environment, stdin=slave, stdout=slave,
                                        stderr=slave, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.seen = ''

    def wait_for(self, words):
        """Read until @words come; what was read before is forgotten."""
        end = time.monotonic() + WAIT_S
        while words not in self.seen:
            assert time.monotonic() < end, f'{words!r} is not in {self.seen!r}'
            if select.select([self.master], [], [], 0.5)[0]:
                try:
                    self.seen += os.read(self.master, 65536).decode(errors='replace')
                except OSError:
                    raise AssertionError(f'ended without {words!r}: {self.seen!r}') from None
        before, self.seen = self.seen.split(words, 1)
        return before + words

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        """The rest, and the exit status."""
        try:
            while data := os.read(self.master, 65536):
                self.seen += data.decode(errors='replace')
        except OSError:
            pass  # how Linux tells that the other end was closed
        os.close(self.master)
        return self.seen, self.process.wait(WAIT_S)


class Real(unittest.TestCase):
    """With a lookoutd that has one camera and one that is busy."""

    def setUp(self):
        self.machine = Machine(video0='camera', video1='busy')
        self.machine.__enter__()
        self.daemon = self.machine.daemon
        self.folder = self.daemon.ini_path + '.d'
        self.path = self.folder + '/50-setup.ini'

    def tearDown(self):
        self.machine.__exit__()

    def text(self, suffix=''):
        with open(self.path + suffix, encoding='utf-8') as file:
            return file.read()

    def test_without_questions_it_writes_checks_and_begins(self):
        said = run(self.daemon.path, *CAMERA, '--bundle', 'yard', '--yes')
        for word in ('camera is running', self.path, 'not for commercial use', 'lookoutctl watch', 'lookoutctl look camera'):
            self.assertIn(word, said)
        self.assertIn('\n[camera camera]\ndevice = /dev/video0\n\n[task yard]\nbundle = yard\nsensors = camera\n', self.text())
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o644)
        self.assertEqual([(sensor['name'], sensor['state']) for sensor in self.daemon.call('ListSensors')['sensors']],
                         [('camera', 'running')])
        first = self.text()
        said = run(self.daemon.path, *CAMERA, '--bundle', 'digits', '--yes')
        self.assertIn('kept as 50-setup.ini.old', said)
        self.assertEqual(self.text('.old'), first)
        self.assertIn('bundle = digits', self.text())
        self.assertEqual(sorted(os.listdir(self.folder)), ['50-setup.ini', '50-setup.ini.old'])

    def test_the_daemon_can_read_it_whatever_the_umask_of_root(self):
        run(self.daemon.path, *CAMERA, '--bundle', 'yard', '--yes', umask=0o077)
        self.assertEqual(os.stat(self.folder).st_mode & 0o777, 0o755)
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o644)

    def test_what_cannot_be_is_refused_and_nothing_is_written(self):
        for arguments, status, words in (
                ((*CAMERA, '--bundle', 'nosuch', '--yes'), 1, 'no bundle nosuch is installed'),
                (('--camera', '/dev/video9', '--bundle', 'yard', '--yes'), 1, 'there is no camera /dev/video9'),
                (('--camera', '/dev/video1', '--bundle', 'yard', '--yes'), 1, 'busy'),
                (('--camera', 'none', '--microphone', 'none', '--bundle', 'yard', '--yes'), 1, 'neither a camera nor'),
                ((*CAMERA, '--yes'), 2, 'choose with --bundle'),
                ((*CAMERA, '--bundle', 'yard'), 2, 'add --yes'),
                ((*CAMERA, '--bundle', 'yard', '--yes', '--json'), 2, 'no --json')):
            self.assertIn(words, run(self.daemon.path, *arguments, status=status))
        self.assertFalse(os.path.exists(self.folder))

    def test_a_configuration_that_would_be_wrong_is_refused_before(self):
        self.daemon.write_ini(NOTHING + '\n[recording camera]\nfile = {folder}/noise.wav\n')
        said = run(self.daemon.path, *CAMERA, '--bundle', 'yard', '--yes', status=1)
        self.assertIn(f'{self.path}:4: [camera camera]: the name is taken by [recording camera]', said)
        self.assertIn('nothing was changed', said)
        self.daemon.write_ini(NOTHING + '\n[camra x]\n')
        self.assertIn('did you mean [camera x]', run(self.daemon.path, *CAMERA, '--bundle', 'yard', '--yes', status=1))
        self.assertFalse(os.path.exists(self.folder))

    def test_a_person_is_asked_and_sees_the_camera(self):
        terminal = Terminal(self.daemon.path)
        shown = terminal.wait_for('Which camera?')
        self.assertIn('busy', shown)
        terminal.wait_for('bright')
        terminal.type('7\n')
        terminal.wait_for('Which camera?')
        terminal.type('1\n')
        terminal.wait_for('none that can be used')
        shown = terminal.wait_for('Which? A number')
        self.assertIn('digits', shown)
        terminal.type('2\n')
        shown = terminal.wait_for('Write this? [Y/n]')
        self.assertIn('bundle = yard', shown)
        self.assertFalse(os.path.exists(self.path))
        terminal.type('\n')
        terminal.wait_for('camera is running')
        terminal.wait_for('BECAUSE OF')
        terminal.type('\x03')
        terminal.wait_for('What you can do now')
        self.assertEqual(terminal.end()[1], 0)
        self.assertIn('bundle = yard', self.text())

    def test_ctrl_c_and_no_leave_everything_as_it_was(self):
        for answers in (('\x03',), ('\x04',), ('1\n', '1\n', '\x03'), ('1\n', '1\n', 'n\n')):
            terminal = Terminal(self.daemon.path)
            for question, answer in zip(('Which camera?', 'Which? A number', 'Write this?'), answers):
                terminal.wait_for(question)
                terminal.type(answer)
            terminal.wait_for('nothing was changed')
            self.assertEqual(terminal.end()[1], 1)
        self.assertFalse(os.path.exists(self.path))
        within('nobody looks any more', lambda: self.daemon.log().count('no longer looked at') ==
               self.daemon.log().count(': looked at'))

    def test_check_config_changes_nothing_and_takes_only_drop_ins(self):
        good = {'name': '50-x.ini', 'text': '[camera c]\n[task t]\nbundle = nosuch\n'}
        answer = self.daemon.call('CheckConfig', good)
        self.assertEqual(answer['path'], self.folder + '/50-x.ini')
        self.assertIn('no bundle `nosuch`', answer['stopped']['t'])
        self.assertEqual(self.daemon.call('ListSensors')['sensors'], [])
        self.assertEqual(self.daemon.call('CheckConfig', {**good, 'text': '[camra c]'})['error'], LOOKOUT + 'BadConfig')
        for wrong in ('x', '../x.ini', '.x.ini', '.ini', 'a/b.ini', 5):
            self.assertEqual(self.daemon.call('CheckConfig', {**good, 'name': wrong})['error'], SERVICE + 'InvalidParameter')

    def test_a_relative_configuration_has_a_whole_path(self):
        other = Daemon('')
        self.addCleanup(other.stop)
        os.chdir(other.folder)
        self.addCleanup(os.chdir, '/')
        other.ini_path = 'lookoutd.ini'
        other.start()
        self.assertEqual(other.call('CheckConfig', {'name': '50-x.ini', 'text': ''})['path'], f'{other.folder}/lookoutd.ini.d/50-x.ini')

    def test_installed_bundles_are_listed_with_those_that_are_broken(self):
        os.makedirs(f'{self.daemon.folder}/more/broken')
        with open(f'{self.daemon.folder}/more/broken/bundle.ini', 'w', encoding='utf-8') as file:
            file.write('[bundle]\nname = broken\n')
        self.daemon.write_ini(NOTHING.replace('models/zoo', 'models/zoo, {folder}/more'))
        self.daemon.call('Reload')
        self.assertEqual(self.daemon.call('ListBundles')['bundles'], [])
        answer = self.daemon.call('ListBundles', {'installed': True})
        self.assertEqual([(bundle['name'], bundle['modalities']) for bundle in answer['bundles']],
                         [('digits', ['sound', 'picture']), ('yard', ['sound', 'picture'])])
        self.assertEqual([broken['path'] for broken in answer['broken']], [f'{self.daemon.folder}/more/broken'])
        self.assertIn('is this a bundle?', answer['broken'][0]['why'])
        said = run(self.daemon.path, *CAMERA, '--bundle', 'broken', '--yes', status=1)
        self.assertIn('the bundle broken cannot be used: ', said)

    @unittest.skipUnless(os.geteuid() == 0, 'only root can become somebody else')
    def test_others_may_not_have_every_bundle_opened(self):
        self.assertEqual(as_stranger(self.daemon, 'ListBundles', {'installed': True})['error'], LOOKOUT + 'NotAllowed')
        self.assertIn('bundles', as_stranger(self.daemon, 'ListBundles')['parameters'])


def device(kind, stable, name):
    return {'kind': kind, 'device': stable, 'stable': stable, 'name': name, 'usable': True, 'why': None, 'what_to_do': None}


def bundle(name, *modalities):
    return {'name': name, 'version': '1', 'licence': 'MIT', 'non_commercial': False, 'modalities': modalities}


class Stored(unittest.TestCase):
    """With replies of a lookoutd that has two microphones of one name, and bundles for one modality each."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.socket, self.path = f'{self.folder.name}/s', f'{self.folder.name}/d/50-setup.ini'
        sensors = [{'name': name, 'state': 'running', 'format': 'S16'} for name in ('camera', 'microphone')]
        self.replies = {
            'CheckConfig': {'path': self.path, 'stopped': {}},
            'ListDevices': {'devices': [device('camera', '/dev/v4l/by-id/a', 'Cam'), device('microphone', 'hw:CARD=A', 'Mic'),
                                        device('microphone', 'hw:CARD=B', 'Mic')]},
            'ListBundles': {'bundles': [bundle('seen', 'picture'), bundle('heard', 'sound')], 'broken': []},
            'ListSensors': {'sensors': sensors},
            'Look': {'sensor': {'name': ''}, 'level': {'rms_db': -20.0, 'peak_db': -3.0, 'clipped': 0}, 'picture': None},
        }
        self.daemon = None

    def tearDown(self):
        if self.daemon:
            self.daemon.stop()
        self.folder.cleanup()

    def serve(self, **replies):
        self.daemon = fake_lookoutd.FakeDaemon(self.socket, {**self.replies, **replies})

    def test_each_task_gets_the_sensors_its_bundle_is_for(self):
        self.serve()
        run(self.socket, '--microphone', 'hw:CARD=B', '--bundle', 'seen', '--bundle', 'heard', '--yes')
        with open(self.path, encoding='utf-8') as file:
            text = file.read()
        self.assertIn('[camera camera]\ndevice = /dev/v4l/by-id/a\n', text)
        self.assertIn('[microphone microphone]\ndevice = hw:CARD=B\n', text)
        self.assertIn('[task seen]\nbundle = seen\nsensors = camera\n', text)
        self.assertIn('[task heard]\nbundle = heard\nsensors = microphone\n', text)
        self.assertEqual(sum(call['method'].endswith('.Reload') for call in self.daemon.calls), 1)

    def test_a_sensor_that_was_not_chosen_is_not_waited_for(self):
        self.serve()  # its camera runs too, from elsewhere in the settings
        said = run(self.socket, '--camera', 'none', '--microphone', 'hw:CARD=B', '--bundle', 'heard', '--yes')
        self.assertIn('microphone is running', said)
        self.assertNotIn('camera is running', said)

    def test_two_alike_must_be_told_apart_and_a_bundle_needs_its_sensor(self):
        self.serve()
        said = run(self.socket, '--microphone', 'Mic', '--bundle', 'heard', '--yes', status=1)
        self.assertIn('two microphones are called Mic; name one by hw:CARD=A or hw:CARD=B', said)
        said = run(self.socket, '--microphone', 'none', '--bundle', 'heard', '--yes', status=2)
        self.assertIn('the bundle heard needs a microphone, and none was chosen', said)

    def test_a_reload_that_fails_is_taken_back(self):
        os.mkdir(f'{self.folder.name}/d')
        with open(self.path, 'w', encoding='utf-8') as file:
            file.write('# the old one\n')
        self.serve(Reload={'error': LOOKOUT + 'BadConfig', 'parameters': {'errors': ['x']}})
        run(self.socket, '--bundle', 'seen', '--yes', status=1)
        with open(self.path, encoding='utf-8') as file:
            self.assertEqual(file.read(), '# the old one\n')
        self.assertEqual(os.listdir(f'{self.folder.name}/d'), ['50-setup.ini'])

    def test_a_task_that_would_not_run_is_refused(self):
        self.serve(CheckConfig={'path': self.path, 'stopped': {'seen': 'its signature is wrong'}})
        self.assertIn('its signature is wrong; nothing was changed', run(self.socket, '--bundle', 'seen', '--yes', status=2))
        self.assertFalse(os.path.exists(self.path))

    def test_without_rights_it_says_how(self):
        self.serve(CheckConfig={'error': LOOKOUT + 'NotAllowed', 'parameters': {'needs': 'root or the group lookout-admin'}})
        self.assertIn('sudo lookoutctl setup', run(self.socket, '--bundle', 'seen', '--yes', status=1))

    def test_a_person_hears_which_microphone_it_is(self):
        self.serve()
        terminal = Terminal(self.socket, '--camera', 'none', '--bundle', 'heard')
        terminal.wait_for('Which microphone?')
        terminal.wait_for('-20.0 dB \u2588')
        terminal.type('2\n')
        shown = terminal.wait_for('Write this?')
        self.assertIn('device = hw:CARD=B', shown)
        terminal.type('n\n')
        self.assertEqual(terminal.end()[1], 1)

    def test_every_device_can_be_chosen_however_many_there_are(self):
        self.serve(ListDevices={'devices': [device('microphone', f'hw:CARD=C{i}', f'Mic {i}') for i in range(1, 13)]})
        terminal = Terminal(self.socket, '--camera', 'none', '--bundle', 'heard')
        self.assertIn('Mic 12', terminal.wait_for('Which microphone?'))
        terminal.type('12\n')
        self.assertIn('device = hw:CARD=C12', terminal.wait_for('Write this?'))
        terminal.type('n\n')
        self.assertEqual(terminal.end()[1], 1)


if __name__ == '__main__':
    tap.main()
