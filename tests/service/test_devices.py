# SPDX-License-Identifier: MIT
"""Cameras and microphones of other machines, made up by fake_devices.c: what lookoutd says of them."""
import os
import shutil
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, os.path.join(os.environ.get('LOOKOUT_SOURCE', '.'), 'tests'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import tap  # noqa: E402
from lookoutd import LOOKOUT, Client, Daemon, within  # noqa: E402

NOTHING = '[lookoutd]\nbundles = {source}/models/zoo\nallow_unsigned = yes\n{lookoutd}\n{rest}'


class Machine:
    """A root folder for fake_devices.c and a lookoutd that sees it."""

    def __init__(self, ini=NOTHING, **nodes):
        self.root = Path(tempfile.mkdtemp(prefix='lookoutd-fake-'))
        for folder in ('dev', 'dev/snd', 'sys/class/sound', 'sys/class/video4linux', 'proc/asound'):
            (self.root / folder).mkdir(parents=True)
        for node, word in nodes.items():
            self.plug(node, word)
        self.daemon = Daemon(ini=ini, environment={
            'LD_PRELOAD': os.environ['LOOKOUT_FAKE_DEVICES'], 'FAKE_ROOT': str(self.root),
            'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0'})

    def plug(self, node, word):
        made = self.root / 'made'  # a node appears with all there is to it
        made.write_text(word, encoding='utf-8')
        made.rename(self.root / 'dev' / node)

    def unplug(self, node):
        (self.root / 'dev' / node).unlink()

    def __enter__(self):
        self.daemon.start()
        if self.daemon.is_sanitized():
            self.__exit__()
            raise unittest.SkipTest('a sanitizer must be loaded first')
        return self

    def __exit__(self, *_):
        self.daemon.stop()
        shutil.rmtree(self.root)

    def devices(self):
        return {device['device']: device for device in self.daemon.call('ListDevices')['devices']}


class Devices(unittest.TestCase):
    def test_what_is_no_camera_is_not_offered_and_the_rest_says_how_it_is(self):
        with Machine(video0='camera', video1='csi', video10='codec', video2='denied', video3='busy') as machine:
            devices = machine.devices()
        self.assertEqual(sorted(devices), ['/dev/video0', '/dev/video1', '/dev/video2', '/dev/video3'])
        good = devices['/dev/video0']
        self.assertEqual((good['kind'], good['name'], good['driver'], good['bus'], good['usable'], good['why'], good['sensor']),
                         ('camera', 'Fake camera', 'uvcvideo', 'usb-0000:01:00.0-video0', True, None, None))
        self.assertEqual(good['modes'], [{'format': 'GREY', 'width': 64, 'height': 48, 'rates': [20.0]}])
        for node, why, what in (('video1', 'CSI camera', 'libcamera'), ('video2', 'may not open it', 'usermod'),
                                ('video3', 'busy', 'fuser')):
            device = devices[f'/dev/{node}']
            self.assertFalse(device['usable'])
            self.assertIn(why, device['why'])
            self.assertIn(what, device['what_to_do'])

    def test_a_driver_that_hangs_holds_up_neither_the_answer_for_long_nor_others_at_all(self):
        with Machine(video0='camera', video1='stuck') as machine, Client(machine.daemon.path) as asking:
            began = time.monotonic()
            asking.send(LOOKOUT + 'ListDevices')
            machine.daemon.call('Status')
            self.assertLess(time.monotonic() - began, 3)
            devices = asking.receive()['parameters']['devices']
            self.assertEqual([(device['device'], device['usable']) for device in devices],
                             [('/dev/video0', True), ('/dev/video1', False)])
            self.assertIn('does not answer', devices[1]['why'])
            began = time.monotonic()
            self.assertEqual(len(machine.devices()), 2)
            self.assertLess(time.monotonic() - began, 3)  # it is not asked once more

    def test_calls_behind_it_on_one_connection_are_answered_in_order(self):
        with Machine(video0='camera') as machine, Client(machine.daemon.path) as client:
            for method in ('ListDevices', 'ListTasks', 'ListDevices'):
                client.send(LOOKOUT + method)
            self.assertEqual([sorted(client.receive()['parameters']) for _ in range(3)], [['devices'], ['tasks'], ['devices']])
            client.send(LOOKOUT + 'ListDevices')
            client.close()  # before the answer
            self.assertEqual(len(machine.devices()), 1)

    def test_a_machine_without_devices_has_an_empty_list(self):
        with Machine() as machine:
            self.assertEqual(machine.devices(), {})


if __name__ == '__main__':
    tap.main()
