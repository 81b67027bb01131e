#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the real lookoutd on recordings played in real time.

    bench_daemon.py BUILD BUNDLE [--seconds S] [--pictures yuyv|mjpeg] [--subscribers N] [--json]

Starts lookoutd with a picture recording of 640x480 at 10 frames/s, a sound recording of 16 kHz and one task, and
measures: start to READY; share of one core over S seconds with one client watching; resident memory; the time from
the end of an event's window to its arrival at that client; and whether each of N clients gets every event.
"""
import argparse
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

INTERFACE = 'org.lookoutd.Lookout1'
N_STARTS = 5

# Every label begins as soon as it leads a little, and is told of at each hop: many events, to measure with.
CONFIG = """\
[lookoutd]
dbus = no
journal_events = no
allow_unsigned = yes
subscribers_max = 4096

[recording camera]
data = picture
file = {pictures}
format = {picture_format}
size = 640x480
rate_hz = 10
loop = yes

[recording microphone]
data = sound
file = {sound}
loop = yes

[task yard]
bundle = {bundle}
sensors = microphone, camera
unknown = 0
on = 0.2
off = 0.1
least_ms = 0
hold_ms = 0
update_ms = 1
"""


class Watcher:
    """One connection with a Watch on it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.rest = b''
        self.sequences = []
        self.latencies_ms = []
        self.call('Watch', more=True)

    def fileno(self):
        return self.socket.fileno()

    def call(self, method, **extra):
        message = {'method': f'{INTERFACE}.{method}', 'parameters': {}, **extra}
        self.socket.sendall(json.dumps(message).encode() + b'\0')

    def read(self):
        """Take what has come; True while the daemon keeps the connection."""
        got = self.socket.recv(1 << 16)
        now_ns = time.monotonic_ns()
        *messages, self.rest = (self.rest + got).split(b'\0')
        for message in messages:
            reply = json.loads(message)
            event = reply.get('parameters', {}).get('event')
            if reply.get('error'):
                raise SystemExit(f'the daemon says {message.decode()}')
            if event:
                self.sequences.append(event['sequence'])
                if event['phase'] != 'end':
                    self.latencies_ms.append((now_ns - int(event['at']['monotonic_ns'])) / 1e6)
        return bool(got)


class Daemon:
    """A lookoutd of our own; `with` ends it."""

    def __init__(self, build, folder, config):
        self.socket_path = f'{folder}/socket'
        notify_path = f'{folder}/notify'
        Path(notify_path).unlink(missing_ok=True)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(notify_path)
        notify.settimeout(20)
        began = time.monotonic()
        self.log = open(f'{folder}/log', 'wb')
        self.process = subprocess.Popen(
            [f'{build}/daemon/lookoutd', '--config', config, '--socket', self.socket_path, '--state', folder],
            env={**os.environ, 'NOTIFY_SOCKET': notify_path},
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            while b'READY=1' not in notify.recv(4096):
                pass
        except TimeoutError:
            self.end()
            raise SystemExit(f'lookoutd was not ready within 20 s:\n{Path(folder, "log").read_text()}') from None
        self.ready_ms = (time.monotonic() - began) * 1000
        notify.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()

    def cpu_s(self):
        fields = Path(f'/proc/{self.process.pid}/stat').read_text().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def memory_mib(self):
        """Resident memory: what is in use, what is of files (libraries, the network), the highest so far."""
        status = dict(line.split(':', 1) for line in Path(f'/proc/{self.process.pid}/status').read_text().splitlines())
        return {key: int(status[key].split()[0]) / 1024 for key in ('VmRSS', 'RssFile', 'VmHWM')}


def read_for(watchers, seconds):
    """Let all @watchers read for so long; how many were cut off."""
    end, n_cut = time.monotonic() + seconds, 0
    poll = select.poll()
    by_fd = {watcher.fileno(): watcher for watcher in watchers}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    while (left := end - time.monotonic()) > 0:
        for fd, _ in poll.poll(left * 1000):
            if not by_fd[fd].read():
                poll.unregister(fd)
                n_cut += 1
    return n_cut


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else None


def every_event(watchers):
    """How many of the watchers have every event between the first that all saw and the last that all saw."""
    first = max(watcher.sequences[0] for watcher in watchers)
    last = min(watcher.sequences[-1] for watcher in watchers)
    wanted = list(range(first, last + 1))
    whole = sum([n for n in watcher.sequences if first <= n <= last] == wanted for watcher in watchers)
    return whole, len(wanted)


def make_config(folder, build, bundle, picture_format):
    subprocess.run([f'{build}/tests/bench/make_recordings', folder], check=True)
    with wave.open(f'{folder}/sound.wav', 'wb') as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes(Path(folder, 'sound.raw').read_bytes())
    config = f'{folder}/bench.ini'
    Path(config).write_text(CONFIG.format(
        pictures=f'{folder}/frames.{picture_format}', picture_format=picture_format, sound=f'{folder}/sound.wav',
        bundle=Path(bundle).resolve()), encoding='utf-8')
    return config


def measure(arguments, folder):
    config = make_config(folder, arguments.build, arguments.bundle, arguments.pictures)
    starts_ms = []
    for _ in range(N_STARTS - 1):
        with Daemon(arguments.build, folder, config) as daemon:
            starts_ms.append(daemon.ready_ms)
    with Daemon(arguments.build, folder, config) as daemon:
        starts_ms.append(daemon.ready_ms)
        watcher = Watcher(daemon.socket_path)
        read_for([watcher], 3)  # past the first windows
        watcher.latencies_ms.clear()
        cpu_s, began = daemon.cpu_s(), time.monotonic()
        read_for([watcher], arguments.seconds)
        cpu = (daemon.cpu_s() - cpu_s) / (time.monotonic() - began)
        memory = daemon.memory_mib()
        result = {'pictures': arguments.pictures, 'seconds': arguments.seconds, 'ready_ms': sorted(starts_ms)[N_STARTS // 2],
                  'cpu_percent': 100 * cpu, 'rss_mib': memory['VmRSS'], 'rss_file_mib': memory['RssFile'],
                  'rss_peak_mib': memory['VmHWM'], 'n_events': len(watcher.latencies_ms),
                  'latency_p50_ms': percentile(watcher.latencies_ms, 0.5),
                  'latency_p99_ms': percentile(watcher.latencies_ms, 0.99)}
        if arguments.subscribers:
            watchers = [Watcher(daemon.socket_path) for _ in range(arguments.subscribers)]
            n_cut = read_for(watchers, 20)
            silent = sum(not each.sequences for each in watchers)
            whole, n_events = (0, 0) if silent else every_event(watchers)
            result.update(subscribers=arguments.subscribers, subscribers_whole=whole, subscribers_cut=n_cut,
                          subscribers_events=n_events)
    return result


def main():
    parser = argparse.ArgumentParser(description='Measures the real lookoutd on recordings in real time.')
    parser.add_argument('build')
    parser.add_argument('bundle')
    parser.add_argument('--seconds', type=float, default=60)
    parser.add_argument('--pictures', choices=('yuyv', 'mjpeg'), default='yuyv')
    parser.add_argument('--subscribers', type=int, default=0)
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix='lookout-bench-')
    try:
        print(json.dumps(measure(arguments, folder)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
