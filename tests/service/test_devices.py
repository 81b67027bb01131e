# SPDX-License-Identifier: MIT
"""Cameras and microphones of other machines, made up by fake_devices.c: what lookoutd says of them."""
import os
import random
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

TASK = NOTHING + '[task yard]\nbundle = yard\n'


# Every sound card of ALSA is one that plays a file; those that are there stand in the made-up /sys.
ASOUND = """
pcm_type.fakemic {{ lib "{plugin}" }}
pcm.!hw {{
    @args [ CARD DEV SUBDEV ]
    @args.CARD {{ type string default "0" }}
    @args.DEV {{ type integer default 0 }}
    @args.SUBDEV {{ type integer default -1 }}
    type fakemic
    infile "{root}/s32.raw"
    rate 48000
    channels 2
    format S32_LE
}}
"""


class Machine:
    """A root folder for fake_devices.c and a lookoutd that sees it."""

    def __init__(self, ini=NOTHING, **nodes):
        self.root = Path(tempfile.mkdtemp(prefix='lookoutd-fake-'))
        for folder in ('dev', 'dev/snd', 'sys/class/sound', 'sys/class/video4linux', 'proc/asound'):
            (self.root / folder).mkdir(parents=True)
        for node, word in nodes.items():
            self.plug(node, word)
        (self.root / 's32.raw').write_bytes(random.Random(1).randbytes(48000 * 2 * 4))
        (self.root / 'asound.conf').write_text(ASOUND.format(plugin=os.environ['LOOKOUT_FAKE_MIC'], root=self.root), encoding='utf-8')
        self.daemon = Daemon(ini=ini, environment={
            'LD_PRELOAD': os.environ['LOOKOUT_FAKE_DEVICES'], 'FAKE_ROOT': str(self.root),
            'ALSA_CONFIG_PATH': f'/usr/share/alsa/alsa.conf:{self.root}/asound.conf',
            'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0'})

    def plug(self, node, word):
        made = self.root / 'made'  # a node appears with all there is to it
        made.write_text(word, encoding='utf-8')
        made.rename(self.root / 'dev' / node)

    def plug_usb(self, node, port, serial='1'):
        """The same make each time; what udev and the kernel tell of where it is plugged."""
        device = self.root / 'sys/devices' / port
        (device / f'{port}:1.0').mkdir(parents=True)
        for name, value in (('idVendor', '046d'), ('idProduct', '0825'), ('serial', serial)):
            (device / name).write_text(f'{value}\n', encoding='utf-8')
        video = self.root / 'sys/class/video4linux' / node
        video.mkdir()
        (video / 'index').write_text('0\n', encoding='utf-8')
        (video / 'device').symlink_to(device / f'{port}:1.0')
        for folder, link in (('by-id', f'usb-046d_0825_{serial}-video-index0'), ('by-path', f'usb-{port}-video-index0')):
            (self.root / 'dev/v4l' / folder).mkdir(parents=True, exist_ok=True)
            (self.root / 'dev/v4l' / folder / link).unlink(missing_ok=True)  # the last one gets it
            (self.root / 'dev/v4l' / folder / link).symlink_to(f'../../{node}')
        self.plug(node, 'camera')

    def plug_card(self, number, name, port=None):
        """A sound card with one capture device, on a USB port or on the board."""
        card = self.root / f'sys/class/sound/card{number}'
        card.mkdir()
        (card / 'id').write_text(f'{name}\n', encoding='utf-8')
        if port:
            device = self.root / 'sys/devices' / port
            (device / f'{port}:1.0').mkdir(parents=True)
            for key, value in (('idVendor', '0d8c'), ('idProduct', '0014')):
                (device / key).write_text(f'{value}\n', encoding='utf-8')
            (card / 'device').symlink_to(device / f'{port}:1.0')
        (self.root / f'sys/class/sound/pcmC{number}D0c').mkdir()
        (self.root / f'dev/snd/pcmC{number}D0c').touch()

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

    def sensors(self):
        return {sensor['name']: sensor for sensor in self.daemon.call('Status')['sensors']}

    def wait(self, name, *states, seconds=20):
        """The sensor, once it is in one of the states and has said why."""
        return within(f'{name} is {states}', lambda: (sensor := self.sensors().get(name)) and sensor['state'] in states and sensor,
                      seconds)

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

    def test_a_camera_whose_driver_hangs_when_opened_is_lost_and_holds_up_no_other(self):
        ini = TASK + '[camera gate]\ndevice = /dev/video1\n[camera other]\ndevice = /dev/video0\n'
        with Machine(ini, video0='camera', video1='stuck') as machine:
            machine.wait('other', 'running', 'degraded')
            self.assertEqual(machine.sensors()['gate']['state'], 'starting')
            self.assertIn('its driver does not answer; unplug it', machine.wait('gate', 'lost', seconds=25)['reason'])
            self.assertIn(machine.sensors()['other']['state'], ('running', 'degraded'))

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

    def test_two_alike_are_told_apart_by_where_they_are_plugged(self):
        machine = Machine()
        machine.plug_usb('video0', '1-1.2')
        machine.plug_usb('video2', '1-1.3')
        machine.plug_usb('video4', '1-1.4', serial='2')
        with machine:
            self.assertEqual([device['stable'] for device in machine.devices().values()],
                             ['/dev/v4l/by-path/usb-1-1.2-video-index0', '/dev/v4l/by-path/usb-1-1.3-video-index0',
                              '/dev/v4l/by-id/usb-046d_0825_2-video-index0'])
            machine.daemon.write_ini(NOTHING, rest='[camera gate]\ndevice = /dev/v4l/by-id/usb-046d_0825_1-video-index0\n'
                                                   '[camera yard]\ndevice = /dev/v4l/by-path/usb-1-1.3-video-index0\n')
            machine.daemon.call('Reload')
            reason = machine.wait('gate', 'lost')['reason']
            self.assertIn('two cameras', reason)
            self.assertIn('by-path/usb-1-1.2', reason)
            self.assertIn('by-path/usb-1-1.3', reason)
            machine.wait('yard', 'running', 'degraded')


    def test_two_sensors_cannot_have_one_camera(self):
        with Machine(NOTHING + '[camera one]\ndevice = /dev/video0\n', video0='camera') as machine:
            machine.wait('one', 'running', 'degraded')
            machine.daemon.write_ini(NOTHING + '[camera one]\ndevice = /dev/video0\n[camera two]\n')
            machine.daemon.call('Reload')
            reason = machine.wait('two', 'lost')['reason']
            self.assertIn('lookoutd itself has it open (a sensor, or somebody who looks); give each sensor a `device` of its own', reason)

    def test_two_sound_cards_alike_are_told_apart_by_their_ports(self):
        machine = Machine()
        for number, (name, port) in enumerate((('Device', '1-1.2'), ('Device_1', '1-1.3'), ('sndrpii2s', None))):
            machine.plug_card(number, name, port)
        with machine:
            devices = machine.devices()
            self.assertEqual({device['stable'] for device in devices.values()}, {'usb:1-1.2', 'usb:1-1.3', 'hw:CARD=sndrpii2s,DEV=0'})
            i2s = devices['hw:CARD=sndrpii2s,DEV=0']
            self.assertEqual((i2s['usable'], i2s['bus'], i2s['formats']), (True, None, 'S32_LE, 48000 to 48000 Hz, 2 to 2 ch'))
            self.assertEqual(i2s['sampling'], {'formats': ['s32'], 'rate_min': 48000, 'rate_max': 48000, 'channels_min': 2,
                                               'channels_max': 2})
            machine.daemon.write_ini(NOTHING, rest='[microphone one]\ndevice = hw:CARD=Device\n'
                                                   '[microphone two]\ndevice = usb:1-1.3\n'
                                                   '[microphone none]\ndevice = usb:1-1.4\n'
                                                   '[microphone i2s]\ndevice = hw:CARD=sndrpii2s\nchannel = 1\n')
            machine.daemon.call('Reload')
            self.assertRegex(machine.wait('one', 'lost')['reason'], 'one of `device = usb:1-1.2` and `device = usb:1-1.3`')
            self.assertIn('no sound card is plugged into USB port 1-1.4', machine.wait('none', 'lost')['reason'])
            self.assertEqual(machine.wait('two', 'running', 'degraded')['device'], 'hw:CARD=Device_1,DEV=0')
            self.assertEqual(machine.wait('i2s', 'running', 'degraded')['format'], 'S32_LE 48000 Hz 2 ch')


class Automatic(unittest.TestCase):
    """A task, and no sensor in the INI."""

    def test_the_first_camera_by_name_is_taken_and_says_so(self):
        with Machine(TASK, video0='codec', video1='denied', video2='camera', video3='camera') as machine:
            camera = machine.wait('camera', 'running', 'degraded')
            self.assertEqual((camera['device'], camera['kind']), ('/dev/video2', 'camera'))
            self.assertIn('took Fake camera, by name the first of 2 cameras', camera['note'])
            self.assertIn('[camera NAME]', camera['note'])
            self.assertIn('took Fake camera', machine.daemon.log())
            self.assertEqual(machine.wait('microphone', 'lost')['reason'], 'no microphone is there; plug one in, it is taken at once')
            within('the task has pictures', lambda: machine.daemon.call('ListTasks')['tasks'][0]['present'] == ['picture'])
            taken = machine.devices()['/dev/video2']
            self.assertEqual((taken['usable'], taken['sensor']), (True, 'camera'))

    def test_a_camera_and_a_microphone_together(self):
        machine = Machine(TASK, video0='camera')
        machine.plug_card(0, 'sndrpii2s')
        with machine:
            self.assertEqual(machine.wait('microphone', 'running', 'degraded')['note'],
                             'took sndrpii2s, the only microphone that can be used')
            machine.wait('camera', 'running', 'degraded')
            within('the task has both', lambda: machine.daemon.call('ListTasks')['tasks'][0]['present'] == ['sound', 'picture'])

    def test_without_a_task_nothing_is_opened_and_that_is_said(self):
        with Machine(video0='stuck') as machine:  # who opens it hangs
            self.assertEqual(machine.sensors(), {})
            self.assertEqual(machine.daemon.call('Status')['state'], 'idle')

    def test_a_sensor_somebody_wrote_down_stays_alone(self):
        with Machine(TASK + '[camera gate]\nenabled = no\n', video0='camera') as machine:
            self.assertEqual(list(machine.sensors()), ['gate'])
            self.assertIn('no sensor', machine.daemon.call('ListTasks')['tasks'][0]['reason'])

    def test_each_trouble_has_a_sentence_that_says_what_to_do(self):
        for nodes, words in (
                ({}, 'no camera is there; plug one in'),
                ({'video0': 'codec'}, 'no camera is there; plug one in'),
                ({'video0': 'denied'}, 'the only camera cannot be used: /dev/video0: lookoutd may not open it'),
                ({'video0': 'denied', 'video1': 'denied'}, 'none of 2 cameras can be used (see `lookoutctl devices`)'),
                ({'video0': 'busy', 'video1': 'busy'}, 'busy: a process of another user has it open; `sudo fuser'),
                ({'video0': 'csi'}, 'let libcamera make pictures of it'),
                ({'video0': 'lies'}, 'asked for grey 640x480, it says 64x48 with 32 bytes a line; its driver is wrong: choose another')):
            with self.subTest(nodes), Machine(TASK, **nodes) as machine:
                self.assertIn(words, machine.wait('camera', 'lost')['reason'])

    def test_the_first_camera_may_come_later_go_and_come_back(self):
        with Machine(TASK) as machine:
            machine.wait('camera', 'lost')
            time.sleep(8)  # the pauses between attempts have grown to 8 s
            began = time.monotonic()
            machine.plug('video0', 'camera')
            machine.wait('camera', 'running', 'degraded')
            print(f'# taken {time.monotonic() - began:.1f} s after it came', flush=True)
            self.assertLess(time.monotonic() - began, 4)
            machine.unplug('video0')
            machine.wait('camera', 'lost')
            machine.plug('video0', 'camera')
            machine.wait('camera', 'running', 'degraded')


if __name__ == '__main__':
    tap.main()
