# SPDX-License-Identifier: MIT
"""The real lookoutd for tests: made recordings, the shipped yard bundle, and a client of a few lines."""
import array
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

SOURCE = os.environ.get('LOOKOUT_SOURCE', '.')
BUILD = os.environ.get('LOOKOUT_BUILD', 'build')
BINARY = os.path.join(BUILD, 'daemon', 'lookoutd')
LOOKOUT = 'org.lookoutd.Lookout1.'
SERVICE = 'org.varlink.service.'
ANSWER_S = 10  # for one answer; sanitizers and a busy machine take their time

NOBODY = 65534
STRANGER = """
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b'\\0')
print(s.recv(65536).rstrip(b'\\0').decode())
"""

# Every label begins at once and is updated with each decision: a steady stream of events.
CHATTY = """
[lookoutd]
bundles = {source}/models/zoo
allow_unsigned = yes
allow_record = yes
{lookoutd}
[recording mic]
file = {folder}/noise.wav
loop = yes
[recording cam]
file = {folder}/noise.y4m
data = picture
loop = yes
[task yard]
bundle = yard
unknown = 0
on = 0
off = 0
least_ms = 0
update_ms = 1
{rest}
"""


def write_recordings(folder):
    """Two seconds of noise, to be heard and to be seen."""
    import wave
    noise = random.Random(1)
    with wave.open(f'{folder}/noise.wav', 'wb') as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16000)
        wav.writeframes(array.array('h', [noise.randint(-8000, 8000) for _ in range(32000)]).tobytes())
    with open(f'{folder}/noise.y4m', 'wb') as y4m:
        y4m.write(b'YUV4MPEG2 W64 H48 F10:1 C420jpeg\n')
        for _ in range(20):
            y4m.write(b'FRAME\n' + noise.randbytes(64 * 48) + bytes([128]) * (64 * 48 // 2))


class Client:
    """One connection. In newline mode if `lines`."""

    def __init__(self, path, lines=False, timeout=ANSWER_S):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.end = b'\n' if lines else b'\0'
        self.rest = b''

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, method, parameters=None, fds=(), **flags):
        call = {'method': method, **flags}
        if parameters is not None:
            call['parameters'] = parameters
        text = json.dumps(call).encode() + self.end
        if fds:
            socket.send_fds(self.socket, [text], list(fds))
        else:
            self.socket.sendall(text)

    def receive(self):
        """The next message; None at the end."""
        while self.end not in self.rest:
            data = self.socket.recv(1 << 16)
            if not data:
                return None
            self.rest += data
        message, self.rest = self.rest.split(self.end, 1)
        return json.loads(message)

    def call(self, method, parameters=None, fds=(), **flags):
        self.send(method, parameters, fds, **flags)
        return self.receive()

    def watch(self, **parameters):
        """Subscribe; returns the gap."""
        first = self.call(LOOKOUT + 'Watch', parameters, more=True)
        return first['parameters']['gap'] if 'parameters' in first else first

    def next_event(self):
        while (message := self.receive()) is not None:
            if 'event' in message.get('parameters', {}):
                return message['parameters']['event']
        return None


class Daemon:
    """lookoutd in a folder of its own, from start() to stop()."""

    def __init__(self, ini=CHATTY, arguments=(), environment=None, lookoutd='', rest=''):
        self.folder = tempfile.mkdtemp(prefix='lookoutd-')
        self.path = f'{self.folder}/s'
        self.ini_path = f'{self.folder}/lookoutd.ini'
        self.log_path = f'{self.folder}/log'
        self.arguments, self.environment = list(arguments), environment or {}
        write_recordings(self.folder)
        self.write_ini(ini, lookoutd, rest)
        self.process = None

    def write_ini(self, ini=CHATTY, lookoutd='', rest=''):
        with open(self.ini_path, 'w', encoding='utf-8') as file:
            file.write(ini.format(folder=self.folder, source=SOURCE, lookoutd=lookoutd, rest=rest))

    def start(self, ready=True):
        environment = {**os.environ, **self.environment}
        arguments = self.arguments or ['--bus', 'none']
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(
                [BINARY, '--config', self.ini_path, '--socket', self.path, '--state', f'{self.folder}/state', *arguments],
                stdout=log, stderr=log, env=environment)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self):
        end = time.monotonic() + ANSWER_S
        while time.monotonic() < end:
            try:
                with Client(self.path):
                    return
            except OSError:
                if self.process.poll() is not None:
                    raise AssertionError(f'lookoutd ended with {self.process.returncode}: {self.log()}') from None
                time.sleep(0.01)
        raise AssertionError('lookoutd does not listen: ' + self.log())

    def client(self, **options):
        return Client(self.path, **options)

    def call(self, method, parameters=None):
        """The parameters of the answer to LOOKOUT method; an error is returned whole."""
        with self.client() as client:
            answer = client.call(LOOKOUT + method, parameters)
        return answer['parameters'] if 'error' not in answer else answer

    def log(self):
        with open(self.log_path, encoding='utf-8', errors='replace') as log:
            return log.read()

    def resident_kib(self):
        with open(f'/proc/{self.process.pid}/statm', encoding='ascii') as statm:
            return int(statm.read().split()[1]) * os.sysconf('SC_PAGESIZE') // 1024

    def is_sanitized(self):
        """Built with a sanitizer, which is slow and never gives memory back."""
        with open(f'/proc/{self.process.pid}/maps', encoding='ascii', errors='replace') as maps:
            return 'libasan' in (text := maps.read()) or 'libtsan' in text

    def grown_kib(self, before):
        """How much memory was taken since it was @before."""
        return 0 if self.is_sanitized() else self.resident_kib() - before

    def n_descriptors(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))

    def terminate(self, number=signal.SIGTERM):
        """Returns (exit status, seconds it took)."""
        began = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(ANSWER_S)
        return status, time.monotonic() - began

    def stop(self):
        """End it if it runs, and leave nothing behind. Sanitizers report by the exit status."""
        status = 0
        if self.process and self.process.poll() is None:
            status = self.terminate()[0]
        log = self.log() if os.path.exists(self.log_path) else ''
        shutil.rmtree(self.folder, ignore_errors=True)
        if status != 0 or 'Sanitizer' in log or 'runtime error' in log:
            raise AssertionError(f'lookoutd ended with {status}: {log[-4000:]}')


def as_stranger(daemon, method, parameters=None, **flags):
    """The answer that one who is neither root nor of a group gets, on a socket that lets everybody in. Needs root."""
    os.chmod(daemon.folder, 0o755)
    os.chmod(daemon.path, 0o666)
    call = json.dumps({'method': LOOKOUT + method, 'parameters': parameters or {}, **flags})
    done = subprocess.run(['/usr/bin/python3', '-c', STRANGER, daemon.path, call], cwd='/', user=NOBODY, group=NOBODY,
                          extra_groups=[], capture_output=True, text=True, timeout=3 * ANSWER_S, check=True)
    return json.loads(done.stdout)


def within(what, condition, seconds=ANSWER_S):
    """Wait until condition() is true and return what it is."""
    end = time.monotonic() + seconds
    while not (got := condition()):
        if time.monotonic() > end:
            raise AssertionError(f'not within {seconds} s: {what}')
        time.sleep(0.02)
    return got
