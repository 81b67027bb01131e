# SPDX-License-Identifier: MIT
"""lookoutd on a private system bus with the shipped policy: run through tests/rig/bus-run."""
import json
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))
sys.path.insert(0, os.path.dirname(__file__))
sys.dont_write_bytecode = True
import tap  # noqa: E402
from lookoutd import CHATTY, Daemon, within  # noqa: E402

NAME = 'org.lookoutd.Lookout1'
OBJECT = ('/org/lookoutd/Lookout1', 'org.lookoutd.Lookout1.Manager')


def is_on_bus():
    """`busctl status` would do, but it wants cgroups to be mounted, which a chroot does not have."""
    done = busctl('call', 'org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'NameHasOwner', 's',
                  NAME, check=False)
    return 'true' in done.stdout


def busctl(*arguments, check=True):
    done = subprocess.run(['busctl', '--system', '--json=short', *arguments], capture_output=True, text=True,
                          timeout=30, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f'busctl {" ".join(arguments)}: {done.stderr}')
    return done


def prop(name):
    return json.loads(busctl('get-property', NAME, *OBJECT, name).stdout)


def call(method, *arguments):
    return json.loads(busctl('call', NAME, *OBJECT, method, *arguments).stdout or '{}').get('data')


class Signals:
    """What the object says from now on."""

    def __init__(self):
        self.process = subprocess.Popen(['busctl', '--system', '--json=short', 'monitor', NAME], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.process.stderr.readline()  # "Monitoring bus message stream."

    def next(self, member):
        end = time.monotonic() + 15
        while time.monotonic() < end:
            message = json.loads(self.process.stdout.readline())
            if message.get('type') == 'signal' and message.get('member') == member:
                return message
        raise AssertionError(f'no {member}')

    def close(self):
        self.process.kill()
        self.process.communicate()


class Bus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(arguments=['--bus', 'system']).start()
        within('the name is there', is_on_bus)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def tearDown(self):
        self.daemon.write_ini()
        self.daemon.call('Reload')

    def test_the_object_describes_itself(self):
        described = busctl('introspect', NAME, *OBJECT).stdout
        for member in ('.Version', '.State', '.Sensors', '.Tasks', '.EventBegan', '.EventUpdated', '.EventEnded',
                       '.SensorChanged', '.Reload', '.GetStatus', '.ListEvents'):
            self.assertIn(f'"name":"{member[1:]}"' if described.startswith('[') else member, described)

    def test_properties_have_their_types(self):
        self.assertEqual(prop('Version')['type'], 's')
        self.assertIn(prop('State')['data'], ('running', 'degraded'))
        sensors = prop('Sensors')
        self.assertEqual(sensors['type'], 'a{sa{sv}}')
        self.assertEqual(set(sensors['data']), {'mic', 'cam'})
        self.assertEqual(sensors['data']['mic']['kind']['data'], 'recording sound')
        self.assertEqual(prop('Tasks')['data']['yard']['bundle']['data'], 'yard')

    def test_methods_answer(self):
        self.assertEqual(json.loads(call('GetStatus')[0])['pid'], self.daemon.process.pid)
        within('there are events', lambda: call('ListEvents', 'as', '1', 'limit=1')[0])
        events = [json.loads(text) for text in call('ListEvents', 'as', '3', 'task=yard', 'label=dog', 'limit=2')[0]]
        self.assertEqual({event['label'] for event in events}, {'dog'})
        for wrong, words in (('speed=fast', 'none of task=NAME'), ('task=yrad', 'there is no task yrad'), ('label=dgo', 'no task has the label dgo')):
            refused = busctl('call', NAME, *OBJECT, 'ListEvents', 'as', '1', wrong, check=False)
            self.assertIn(words, refused.stderr)

    def test_events_and_sensors_are_signalled(self):
        signals = Signals()
        try:
            updated = signals.next('EventUpdated')
            self.assertEqual(updated['payload']['type'], 'sssda{sv}')
            ident, task, label, confidence, evidence = updated['payload']['data']
            self.assertEqual(task, 'yard')
            self.assertEqual(set(evidence), {'sound', 'picture'})
            self.assertEqual(evidence['sound']['data']['sensor']['data'], 'mic')
            self.daemon.write_ini(rest='[task second]\nbundle = yard\non = 0\noff = 0\n[camera gate]\n'
                                       'device = /dev/video-nowhere\n')
            self.assertEqual(call('Reload'), None)
            self.assertEqual(signals.next('SensorChanged')['payload']['data'][0], 'gate')
            began = signals.next('EventBegan')
            self.assertEqual(began['payload']['data'][1], 'second')
            self.assertTrue(ident and label and confidence >= 0)
        finally:
            signals.close()

    def test_changed_properties_are_signalled(self):
        signals = Signals()
        try:
            self.daemon.write_ini(rest='[camera changing]\ndevice = /dev/video-nowhere2\n')
            call('Reload')
            changed = signals.next('PropertiesChanged')['payload']['data']
            self.assertEqual(changed[0], OBJECT[1])
            self.assertIn('Sensors', changed[1])
        finally:
            signals.close()

    def test_a_bad_configuration_is_an_error_with_its_line(self):
        self.daemon.write_ini('[camra gate]\n')
        refused = busctl('call', NAME, *OBJECT, 'Reload', check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn('lookoutd.ini:1: [camra gate]: unknown section', refused.stderr)

    def test_another_user_may_neither_ask_nor_hear(self):
        if os.geteuid() != 0:
            self.skipTest('needs root to become somebody else')
        refused = subprocess.run(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'busctl', '--system',
                                  'call', NAME, *OBJECT, 'GetStatus'], capture_output=True, text=True, check=False,
                                 timeout=30)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn('denied', refused.stderr.lower() + refused.stdout.lower())


class NoBus(unittest.TestCase):
    def test_without_a_bus_it_goes_on_and_says_so_once(self):
        daemon = Daemon(arguments=['--bus', 'system'],
                        environment={'DBUS_SYSTEM_BUS_ADDRESS': 'unix:path=/nonexistent/bus'}).start()
        time.sleep(2.5)  # two more tries
        self.assertIn('version', daemon.call('Status'))
        self.assertEqual(daemon.log().count('D-Bus:'), 1)
        self.assertIn('retrying', daemon.log())
        daemon.stop()

    def test_a_bus_that_comes_later_is_found(self):
        daemon = Daemon(arguments=['--bus', 'system'])
        daemon.environment = {'DBUS_SYSTEM_BUS_ADDRESS': f'unix:path={daemon.folder}/bus'}
        daemon.start()
        within('it has tried', lambda: 'retrying' in daemon.log())
        os.symlink(os.environ['DBUS_SYSTEM_BUS_ADDRESS'].split('=', 1)[1].split(',')[0], f'{daemon.folder}/bus')
        within('it has the name', is_on_bus)
        daemon.stop()

    def test_the_ini_can_do_without_the_bus(self):
        daemon = Daemon(CHATTY, arguments=['--bus', 'system'], lookoutd='dbus = no').start()
        time.sleep(0.5)
        self.assertFalse(is_on_bus())
        daemon.stop()


if __name__ == '__main__':
    tap.main()
