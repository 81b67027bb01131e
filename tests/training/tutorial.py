# SPDX-License-Identifier: MIT
"""Goes through "Or train one from your own recordings" of docs/first-hour-ml-engineer.md: record, label, train, install, detect.

Takes of the demonstration's scene stand in for a camera and a microphone, all recorded at the same time; then the scene itself, which
was not trained on, is played to the daemon. The page's own commands run, in a folder that is gone afterwards; /etc/lookout is in there,
sudo does nothing. Ends with 0 if what was to be heard and seen was detected. `./dev tutorial` builds and calls it; some minutes.
"""
import csv
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else SOURCE / 'build').resolve()
os.environ.update(LOOKOUT_SOURCE=str(SOURCE), LOOKOUT_BUILD=str(BUILD))
os.environ |= {'LOOKOUT_FEATURES': str(BUILD / 'pipeline' / 'liblookout-features.so'), 'LOOKOUT_MODEL': str(BUILD / 'models' / 'lookout-model')}
sys.path.insert(0, str(SOURCE / 'tests' / 'service'))
from lookoutd import Daemon, within  # noqa: E402
from training import recordings  # noqa: E402

TAKES, TEST_TAKES = 10, 2
WITHOUT_ANYTHING = ((0.4, 2.3), (6.8, 8.3), (25.5, 26.3))  # seconds of the scene; the camera sees, the microphone hears, nothing happens
SCENE_S = 44  # played again and again; what is installed while it plays detects when it begins anew
SCENE = '''
[lookoutd]
allow_record = yes
{lookoutd}
[recording microphone]
data = sound
file = {scene}/sound.flac
loop = {loop}
[recording camera]
data = picture
file = {scene}/picture.mjpeg
loop = {loop}
'''


def say(text):
    print(f'{time.strftime("%H:%M:%S")} {text}', flush=True)


def steps():
    """The page's blocks, by the word in bold before each."""
    page = (SOURCE / 'docs' / 'first-hour-ml-engineer.md').read_text(encoding='utf-8')
    section = page.split('## Or train one from your own recordings')[1].split('\n## ')[0]
    return {name.lower(): block for name, block in re.findall(r'^\*\*(\w+)\*\*.*?^```sh\n(.*?)^```', section, re.MULTILINE | re.DOTALL)}


class Tutorial:
    def __init__(self, folder):
        self.folder, self.steps, self.daemons = folder, steps(), []
        programs = folder / 'bin'
        programs.mkdir()
        for name in ('daemon/lookoutd', 'client/lookoutctl', 'models/lookout-model'):
            (programs / os.path.basename(name)).symlink_to(BUILD / name)
        (programs / 'sudo').write_text('#!/bin/sh\nexec "$@"\n', encoding='ascii')
        (programs / 'sudo').chmod(0o755)
        self.environment = os.environ | {'PATH': f'{programs}:{os.environ["PATH"]}'}

    def shell(self, script, daemon=None, **more):
        script = script.replace('./dev label', f'python3 {SOURCE}/models/training/label.py').replace('./dev train', f'{SOURCE}/models/training/run')
        environment = self.environment | ({'LOOKOUT_SOCKET': daemon.path} if daemon else {})
        return subprocess.Popen(['bash', '-euo', 'pipefail', '-c', script], cwd=self.folder, env=environment, **more)

    def run(self, script, daemon=None):
        """What it prints; it must succeed."""
        process = self.shell(script, daemon, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = ''
        for line in process.stdout:
            print('   ', line, end='', flush=True)
            said += line
        if process.wait() != 0:
            sys.exit(f'tutorial: failed: {script}')
        return said

    def daemon(self, scene, loop='no', lookoutd=''):
        daemon = Daemon(ini=SCENE.format(scene=scene, loop=loop, lookoutd=lookoutd))
        self.daemons.append(daemon)
        return daemon.start()

    def record(self):
        say(f'makes {TAKES} takes of the scene')
        for take in range(1, TAKES + 1):
            self.run(f'{SOURCE}/models/training/run --python {SOURCE}/demo/make-scene scene-{take} {take}')
        say('records them')
        running = []
        for take in range(1, TAKES + 1):
            daemon = self.daemon(self.folder / f'scene-{take}')
            running.append((self.shell(self.steps['record'].replace('take-1', f'take-{take}'), daemon), daemon))
        for take, (process, daemon) in enumerate(running, 1):
            if process.wait() != 0:
                sys.exit(f'tutorial: take {take} was not recorded: {daemon.log()}')
            self.write_track(take, int(daemon.call('Status')['since']['monotonic_ns']))
            daemon.stop()

    def write_track(self, take, since_ns):
        """What a person would mark in Audacity: times of the scene, in seconds since the recording began."""
        own = self.folder / 'own' / f'take-{take}'
        first_ns = recordings.frames((own / 'camera.mjpeg').read_bytes(), own)[0][0]
        with open(own / 'pairs.csv', encoding='utf-8') as file:
            row = next(csv.DictReader(file))
        zero_s = (first_ns - since_ns) / 1e9 + (int(row['picture_start_ms']) - int(row['sound_start_ms'])) / 1000
        stretches = [(begin_s, end_s, 'nothing') for begin_s, end_s in WITHOUT_ANYTHING]
        stretches += [(thing['begin_s'] + 0.2, thing['end_s'], thing['label']) for thing in both(self.folder / f'scene-{take}')]
        lines = [f'{begin_s - zero_s:.3f}\t{end_s - zero_s:.3f}\t{label}\n' for begin_s, end_s, label in sorted(stretches) if begin_s > zero_s]
        (self.folder / 'own' / f'take-{take}.txt').write_text(''.join(lines), encoding='utf-8')

    def label(self):
        for take in range(1, TAKES + 1):
            split = 'train' if take <= TAKES - TEST_TAKES else 'test'
            self.run(self.steps['label'].replace('take-1', f'take-{take}').replace('--split train', f'--split {split}') + '>/dev/null')

    def train(self):
        said = self.run(self.steps['train'])
        print(said.splitlines()[-1])

    def detect(self):
        etc = self.folder / 'etc'
        daemon = self.daemon(SOURCE / 'demo' / 'scene', 'yes', f'bundles = {etc}/bundles\nkeys = {etc}/keys.d')
        install = self.steps['install'].replace('minisign -G', 'minisign -G -W')  # nobody is there to type a password
        self.run(install.replace('/etc/lookout/lookoutd.ini.d', f'{daemon.ini_path}.d').replace('/etc/lookout', str(etc)), daemon)
        since_s = int(daemon.call('Status')['since']['monotonic_ns']) / 1e9
        begins_s = since_s + SCENE_S * math.ceil((time.monotonic() - since_s) / SCENE_S)
        time.sleep(begins_s - time.monotonic())
        self.run(self.steps['detect'], daemon)
        events = within('the events are kept', lambda: daemon.call('ListEvents', {'limit': 1000}).get('events'))
        return [(event['label'], int(event['began']['monotonic_ns']) / 1e9 - begins_s) for event in events]

    def stop(self):
        for daemon in self.daemons:
            daemon.stop()


def both(scene):
    """What of the scene is to be heard and seen."""
    with open(scene / 'scene.csv', encoding='utf-8') as file:
        rows = [{**row, 'begin_s': float(row['begin_s']), 'end_s': float(row['end_s'])} for row in csv.DictReader(file)]
    return [row for row in rows if row['sound'] != 'muted' and row['picture'] == 'drawn']


def judge(events):
    """How many things were missed."""
    missed = 0
    for thing in both(SOURCE / 'demo' / 'scene'):
        mine = sorted({label for label, at_s in events if thing['begin_s'] - 1 <= at_s <= thing['end_s']})
        right = thing['label'] in mine
        missed += not right
        say(f'{thing["begin_s"]:.1f} s: was {thing["label"]}, {"detected" if right else "missed"}' + (f' ({", ".join(mine)})' if mine != [thing['label']] else ''))
    return missed


def main():
    for program in ('minisign', 'espeak-ng'):
        if not shutil.which(program):
            sys.exit(f'tutorial: {program} is not installed')
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='lookout-tutorial.') as folder:
        tutorial = Tutorial(pathlib.Path(folder))
        try:
            tutorial.record()
            for step in ('label', 'train'):
                say(step)
                getattr(tutorial, step)()
            say('install and detect')
            missed = judge(tutorial.detect())
        finally:
            tutorial.stop()
    say(f'{missed} missed, {time.monotonic() - began:.0f} s')
    sys.exit(missed > 0)


if __name__ == '__main__':
    main()
