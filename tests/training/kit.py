# SPDX-License-Identifier: MIT
"""Finds the sources, the build, the data, and the training kit's venv."""
import os
import pathlib
import sys

SOURCE = pathlib.Path(os.environ.get('LOOKOUT_SOURCE', pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get('LOOKOUT_BUILD', SOURCE / 'build'))
SHARED = pathlib.Path(os.environ.get('LOOKOUT_SHARED', SOURCE.parent / 'shared'))
MODEL = BUILD / 'models' / 'lookout-model'

sys.path[:0] = [str(SOURCE / 'tests'), str(SOURCE / 'models')]
os.environ['OMP_NUM_THREADS'] = '1'  # small products; beside other tests more threads only wait for each other
os.environ.setdefault('LOOKOUT_FEATURES', str(BUILD / 'pipeline' / 'liblookout-features.so'))


def environment():
    """For a process that runs the kit."""
    return os.environ | {'PYTHONPATH': str(SOURCE / 'models'), 'LOOKOUT_MODEL': str(MODEL)}


def enter_venv():
    """Go on in the venv's python. If there is no venv, say so in TAP and end: making one takes a download."""
    cache = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache')
    venv = pathlib.Path(os.environ.get('LOOKOUT_VENV') or cache / 'lookout' / 'training-venv')
    if pathlib.Path(sys.prefix).resolve() == venv.resolve():
        return
    wanted = SOURCE / 'models' / 'training' / 'requirements.txt'
    made_from = venv / 'requirements.txt'
    if not made_from.is_file() or made_from.read_bytes() != wanted.read_bytes():
        print('1..0 # SKIP no training venv; models/training/run --venv makes it')
        sys.exit(0)
    python = str(venv / 'bin' / 'python')
    os.execv(python, [python, *sys.argv])
