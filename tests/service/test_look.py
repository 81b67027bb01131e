#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Look of the real lookoutd and `lookoutctl look`: pictures of recordings made here, masks, who may, who else looks."""
import base64
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unittest
import wave

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import tap  # noqa: E402
from lookoutd import BUILD, CHATTY, LOOKOUT, SERVICE, Daemon, as_stranger, within  # noqa: E402

LOOKOUTCTL = os.path.join(BUILD, 'client', 'lookoutctl')
MASKED = CHATTY.replace('data = picture', 'data = picture\nmasks = 0,0,50,100')
WAIT_S = 30
N_LONG = 18


class Look(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon(MASKED).start()
        self.environment = {**os.environ, 'LOOKOUT_SOCKET': self.daemon.path, 'LC_ALL': 'C.UTF-8'}
        within('the sensors run', lambda: {s['state'] for s in self.daemon.call('ListSensors')['sensors']} == {'running'})

    def tearDown(self):
        self.daemon.stop()

    def run_it(self, *arguments, status=0):
        done = subprocess.run([LOOKOUTCTL, *arguments], env=self.environment, timeout=WAIT_S, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def look(self, client, **parameters):
        """Answers until everything is there."""
        answer = client.call(LOOKOUT + 'Look', parameters, more=True)
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            look = answer['parameters']
            if (look['picture'] or look['level']) and all(one['values'] for one in look['inputs']):
                return look
            answer = client.receive()
        raise AssertionError(f'not whole: {answer}')

    def test_a_camera_shows_its_picture_masked_and_what_the_network_got(self):
        with self.daemon.client() as client:
            look = self.look(client, sensor='cam')
        picture, given = look['picture'], look['inputs'][0]
        width, height = picture['width_px'], picture['height_px']
        rgb = base64.b64decode(picture['rgb'], validate=True)
        self.assertEqual((picture['frame_width_px'], picture['frame_height_px'], len(rgb)), (64, 48, width * height * 3))
        rows = [rgb[y * width * 3:(y + 1) * width * 3] for y in range(height)]
        self.assertEqual(max(max(row[:width // 2 * 3]) for row in rows), 0)  # the mask
        self.assertGreater(max(max(row[width // 2 * 3:]) for row in rows), 100)
        self.assertEqual((given['task'], given['kind'], given['shape']), ('yard', 'picture', [32, 32, 3]))
        values = base64.b64decode(given['values'], validate=True)
        real = [given['scale'] * (struct.unpack('b', values[i:i + 1])[0] - given['zero_point']) for i in range(len(values))]
        self.assertEqual(len(real), 32 * 32 * 3)
        columns = [real[x * 3::32 * 3] for x in range(32)]
        self.assertLess(max(max(column) for column in columns[:15]), max(max(column) for column in columns[17:]))
        self.assertEqual(list(look['tasks'][0]['scores']), list(self.daemon.call('ListTasks')['tasks'][0]['scores']))

    def test_a_microphone_shows_its_level_and_what_the_network_got(self):
        with self.daemon.client() as client:
            look = self.look(client, sensor='mic')
        self.assertIsNone(look['picture'])
        self.assertAlmostEqual(look['level']['rms_db'], -17, delta=1)  # noise of 8000 of 32768 at most
        self.assertAlmostEqual(look['level']['peak_db'], -12.2, delta=0.3)
        self.assertEqual(look['inputs'][0]['kind'], 'sound')

    def test_one_who_reads_late_hears_what_is_now(self):
        self.daemon.stop()
        self.daemon = Daemon(MASKED.replace('loop = yes', '', 1))
        with wave.open(f'{self.daemon.folder}/noise.wav', 'wb') as wav:
            wav.setparams((1, 2, 16000, 0, 'NONE', ''))
            wav.writeframes(b'\x00\x40' * 4 * 16000 + bytes(2 * 60 * 16000))  # four loud seconds, then silence
        self.daemon.start()
        with self.daemon.client() as client:
            for _ in range(N_LONG):  # most of what the kernel keeps for one who does not read
                client.send(SERVICE + 'GetInterfaceDescription', {'interface': LOOKOUT[:-1]})
            client.send(LOOKOUT + 'Look', {'sensor': 'mic'}, more=True)
            time.sleep(6)
            for _ in range(N_LONG):
                client.receive()
            heard = []
            while not heard or heard[-1][0] - heard[0][0] < 5:
                look = client.receive()['parameters']
                if look['level'] and look['inputs'][0]['at']:
                    heard.append((int(look['inputs'][0]['at']['monotonic_ns']) / 1e9, look['level']['rms_db']))
        first, last = max(zip(heard, heard[1:]), key=lambda pair: pair[1][0] - pair[0][0])
        self.assertGreater(last[0] - first[0], 1)  # when nothing could be sent
        self.assertGreater(first[1], -10)
        self.assertLess(last[1], -90)

    def test_nobody_is_disturbed_and_each_use_is_logged(self):
        clients = [self.daemon.client() for _ in range(4)]
        try:
            for client, sensor in zip(clients, ('cam', 'cam', 'mic', 'mic')):
                client.send(LOOKOUT + 'Look', {'sensor': sensor}, more=True)
            for _ in range(5):
                for client in clients:
                    self.assertTrue(client.receive()['continues'])
        finally:
            for client in clients:
                client.close()
        within('the journal says that they went', lambda: self.daemon.log().count('no longer looked at') == 4)
        self.assertEqual(len(re.findall(rf'sensor (cam|mic): looked at by process {os.getpid()} of user {os.getuid()}',
                                        self.daemon.log())), 4)
        self.assertEqual([sensor['n_gaps'] for sensor in self.daemon.call('ListSensors')['sensors']], [0, 0])

    def test_it_goes_on_through_a_reload(self):
        with self.daemon.client() as client:
            self.look(client, sensor='cam')
            self.daemon.write_ini(MASKED.replace('0,0,50,100', '0,0,100,100'))
            self.daemon.call('Reload')
            within('all is masked', lambda: (look := client.receive()['parameters'])['picture'] and
                   max(base64.b64decode(look['picture']['rgb'])) == 0)

    def test_what_cannot_be_looked_at_is_refused(self):
        for parameters, error in (({'sensor': 'x'}, LOOKOUT + 'NoSuchSensor'), ({}, SERVICE + 'InvalidParameter'),
                                  ({'sensor': 'cam', 'device': '/dev/video0'}, SERVICE + 'InvalidParameter'),
                                  ({'sensor': 3}, SERVICE + 'InvalidParameter'),
                                  ({'device': '/dev/zero'}, LOOKOUT + 'BadRequest')):
            with self.daemon.client() as client:
                self.assertEqual(client.call(LOOKOUT + 'Look', parameters, more=True)['error'], error)
        with self.daemon.client() as client:
            self.assertEqual(client.call(LOOKOUT + 'Look', {'sensor': 'cam'})['error'], SERVICE + 'ExpectedMore')

    @unittest.skipUnless(os.geteuid() == 0, 'only root can become somebody else')
    def test_others_may_not(self):
        self.assertEqual(as_stranger(self.daemon, 'Look', {'sensor': 'cam'}, more=True)['error'], LOOKOUT + 'NotAllowed')
        self.assertNotIn('looked at', self.daemon.log())

    def test_lookoutctl_draws_writes_and_tells(self):
        page = self.run_it('look', 'cam', '--once')
        for word in ('running', 'masks applied', 'what task yard sees: 32x32', 'task yard is '):
            self.assertIn(word, page)
        row = next(line for line in page.splitlines()[3:] if len(line) > 40)
        self.assertEqual(row[:8].strip(), '')  # the mask
        self.assertIn('what task yard hears', self.run_it('look', 'mic'))
        self.assertEqual(json.loads(self.run_it('look', 'cam', '--once', '--json'))['sensor']['name'], 'cam')
        self.assertGreater(len(self.run_it('look', 'mic', '--json', '--for', '2').splitlines()), 3)
        png = f'{self.daemon.folder}/cam.png'
        self.run_it('look', 'cam', '--png', png)
        with open(png, 'rb') as file:
            self.assertEqual(file.read(8), b'\x89PNG\r\n\x1a\n')
        self.assertIn('no sensor nosuch', self.run_it('look', 'nosuch', status=1))
        self.assertIn('no such device', self.run_it('look', '/dev/nosuch', status=1))
        self.daemon.write_ini(MASKED.replace('noise.wav', 'away.wav'))
        self.daemon.call('Reload')
        self.assertIn('away.wav', self.run_it('look', 'mic', status=1))
        began = time.monotonic()
        self.assertIn('nothing came within 0.5 s', self.run_it('look', 'mic', '--once', '--for', '0.5', status=1))
        self.assertLess(time.monotonic() - began, 4)  # 5 s without --for

    def test_a_terminal_is_drawn_on_until_the_end_and_left_as_it_was(self):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
        environment = {**self.environment, 'TERM': 'xterm-256color', 'COLORTERM': 'truecolor'}
        environment.pop('NO_COLOR', None)
        with subprocess.Popen([LOOKOUTCTL, 'look', 'cam'], env=environment, stdout=slave, stderr=slave) as process:
            os.close(slave)
            seen = b''
            end = time.monotonic() + WAIT_S
            while seen.count(b'\033[H') < 3 and time.monotonic() < end:
                if select.select([master], [], [], 0.5)[0]:
                    seen += os.read(master, 1 << 16)
            self.assertIn('\u2580'.encode(), seen)
            self.assertIn(b'\033[38;2;', seen)
            for page in seen.split(b'\033[H')[1:-1]:
                self.assertLess(page.count(b'\n'), 24)
            process.send_signal(signal.SIGINT)
            try:
                while data := os.read(master, 1 << 16):
                    seen += data
            except OSError:
                pass  # how Linux tells that the other end was closed
        os.close(master)
        self.assertEqual(process.returncode, 0)
        self.assertIn(b'\033[?1049l', seen[-64:])


if __name__ == '__main__':
    tap.main()
