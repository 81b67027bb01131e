# SPDX-License-Identifier: MIT
"""Clients of the socket that mean harm, or do not know better; everybody else must notice nothing."""
import os
import socket
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))
sys.path.insert(0, os.path.dirname(__file__))
sys.dont_write_bytecode = True
import tap  # noqa: E402
from lookoutd import LOOKOUT, SERVICE, Client, Daemon, within  # noqa: E402

BAD_REQUEST = LOOKOUT + 'BadRequest'


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(lookoutd='subscriber_kib = 16').start()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def setUp(self):
        self.witness = self.daemon.client()
        self.witness.watch()
        self.last = self.witness.next_event()['sequence']

    def tearDown(self):
        """Whoever behaves got every event, and gets more."""
        for _ in range(20):
            event = self.witness.next_event()
            self.assertEqual(event['sequence'], self.last + 1)
            self.last = event['sequence']
        self.witness.close()

    def raw(self, data, shut=False):
        """Send @data; all that comes back until the connection is closed, or None if it stays open."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(3)
            connection.connect(self.daemon.path)
            answer = b''
            try:
                connection.sendall(data)
                if shut:
                    connection.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass  # closed in the midst of it: well done
            try:
                while part := connection.recv(1 << 16):
                    answer += part
            except ConnectionResetError:
                pass  # with our data unread
            except socket.timeout:
                return None
            return answer

    def test_garbage_gets_an_error_and_is_closed(self):
        for garbage in (b'GET / HTTP/1.1\r\n\r\n', b'\x00', b'\xff' * 1000, b'hello\n', b'[]\0', b'{"method":\0',
                        b'{"method":1}\0', b'{}\n', os.urandom(5000).replace(b'{', b'')):
            answer = self.raw(garbage)
            self.assertIsNotNone(answer, garbage[:20])
            self.assertIn(BAD_REQUEST.encode(), answer, garbage[:20])

    def test_deeply_nested_json_gets_an_error(self):
        self.assertIn(b'nested deeper', self.raw(b'{"a":' + b'[' * 30000 + b'\0'))

    def test_a_message_of_100_mb_gets_an_error_early_and_costs_nothing(self):
        before = self.daemon.resident_kib()
        began = time.monotonic()
        self.raw(b'{"method":"' + b'x' * (100 << 20) + b'"}\0')
        self.assertLess(time.monotonic() - began, 3)
        self.assertLess(self.daemon.grown_kib(before), 2048)
        answer = self.raw(b'{"method":"' + b'x' * 65600)
        self.assertTrue(answer is not None and (answer == b'' or b'too large' in answer))

    def test_half_a_message_and_the_end_is_no_trouble(self):
        self.assertEqual(self.raw(b'{"method":"org.lookoutd.Lookout1.Sta', shut=True), b'')
        self.assertEqual(self.raw(b'', shut=True), b'')

    def test_half_messages_that_stay_open_hold_nobody_up(self):
        halves = [self.daemon.client() for _ in range(50)]
        for half in halves:
            half.socket.sendall(b'{"method":')
        self.assertIn('version', self.daemon.call('Status'))
        for half in halves:
            half.close()

    def test_one_byte_at_a_time_is_still_a_message(self):
        with self.daemon.client() as client:
            for byte in b'{"method":"org.varlink.service.GetInfo"}\0':
                client.socket.sendall(bytes([byte]))
            self.assertIn('vendor', client.receive()['parameters'])

    def test_a_subscriber_that_never_reads_is_dropped_with_a_count(self):
        before = self.daemon.call('Status')['statistics']['subscribers_dropped']
        with self.daemon.client() as sleeper:
            sleeper.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            sleeper.watch(after_sequence=0, scores=True)
            within('it is dropped', lambda: self.daemon.call('Status')['statistics']['subscribers_dropped'] > before, 40)
            message, last, gap = True, None, 0
            while message is not None:
                last, message = message, sleeper.receive()
        self.assertEqual(last['error'], LOOKOUT + 'TooSlow')
        self.assertGreater(last['parameters']['n_dropped'], 0)
        self.assertGreaterEqual(self.daemon.call('Status')['statistics']['events_dropped'], last['parameters']['n_dropped'])

    def test_a_caller_that_never_reads_its_answers_is_not_read_from(self):
        before = self.daemon.resident_kib()
        with self.daemon.client() as client:
            client.socket.settimeout(2)
            call = b'{"method":"org.lookoutd.Lookout1.GetConfig"}\0' * 1000
            with self.assertRaises(socket.timeout):
                for _ in range(1000):
                    client.socket.sendall(call)
            self.assertLess(self.daemon.grown_kib(before), 2048)
            self.assertIn('version', self.daemon.call('Status'))

    def test_200_subscribers_each_get_every_event(self):
        clients = [self.daemon.client() for _ in range(200)]
        for client in clients:
            self.assertEqual(client.watch(), 0)
        heard = [[client.next_event()['sequence'] for _ in range(20)] for client in clients]
        for client in clients:
            client.close()
        last = max(sequences[0] for sequences in heard)
        for sequences in heard:
            self.assertEqual(sequences, list(range(sequences[0], sequences[0] + 20)))
            self.assertLessEqual(last - sequences[0], 40)

    def test_a_flood_of_connections_is_bounded_and_passes(self):
        before = self.daemon.n_descriptors()
        for _ in range(2000):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(self.daemon.path)
            connection.close()
        held = []
        for _ in range(300):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(5)
            connection.connect(self.daemon.path)
            held.append(connection)
        self.assertIn(b'too many connections', held[-1].recv(4096))
        for connection in held:
            connection.close()
        within('all are closed', lambda: self.daemon.n_descriptors() <= before + 2)
        self.assertIn('version', self.daemon.call('Status'))

    def test_connections_reset_in_the_midst_of_answers_are_no_trouble(self):
        for _ in range(200):
            client = self.daemon.client()
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            client.send(LOOKOUT + 'Watch', {'after_sequence': 0}, more=True)
            client.close()

    def test_descriptors_nobody_asked_for_are_closed(self):
        before = self.daemon.n_descriptors()
        with self.daemon.client() as client:
            with open('/dev/null', 'wb') as null:
                for _ in range(100):
                    self.assertIn('vendor', client.call(SERVICE + 'GetInfo', fds=[null.fileno()] * 10)['parameters'])
                client.send(SERVICE + 'GetInfo', fds=[null.fileno()] * 200)
            within('they are closed', lambda: self.daemon.n_descriptors() <= before + 2)

    def test_many_reloads_are_answered(self):
        with self.daemon.client() as client:
            for _ in range(20):
                self.assertIn('parameters', client.call(LOOKOUT + 'Reload'))

    def test_memory_does_not_grow(self):
        def work():
            for _ in range(150):
                with self.daemon.client() as client:
                    client.watch(after_sequence=0)
                    client.next_event()
                with self.daemon.client(lines=True) as client:
                    for method in ('Status', 'GetConfig', 'ListEvents', 'Dance'):
                        client.call(LOOKOUT + method)
                self.raw(b'{"x":\0')
        work()
        before = self.daemon.resident_kib()
        work()
        work()
        self.assertLess(self.daemon.grown_kib(before), 1024)


class Half(unittest.TestCase):
    def test_half_a_message_is_given_30_seconds(self):
        if not os.environ.get('LOOKOUT_SLOW_TESTS'):
            self.skipTest('takes 30 s; set LOOKOUT_SLOW_TESTS=1')
        daemon = Daemon().start()
        with Client(daemon.path, timeout=40) as client:
            client.socket.sendall(b'{"method":')
            self.assertIn('30 seconds', client.receive()['parameters']['why'])
        daemon.stop()


if __name__ == '__main__':
    tap.main()
