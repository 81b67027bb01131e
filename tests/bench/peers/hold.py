# SPDX-License-Identifier: MIT
"""Copies of the peers' packages which ask ../peer_cpu.c instead of the CPU what it can do.

Each `cpuid` of their libraries becomes a `ud2`, which is as long. objdump finds them, so that no other bytes are hit.
"""

import os
import re
import shutil
import subprocess

PACKAGES = ("ai_edge_litert", "onnxruntime", "ncnn", "ncnn.libs")
CPUID, UD2 = b"\x0f\xa2", b"\x0f\x0b"


def objdump(*arguments):
    return subprocess.run(["objdump", *arguments], check=True, capture_output=True, text=True).stdout


def sections(library):
    """(address, bytes, offset in the file) of each section."""
    found = re.findall(r"^ *\d+ \S+ +(\w+) +(\w+) +\w+ +(\w+)", objdump("--section-headers", library), re.MULTILINE)
    return [(int(address, 16), int(size, 16), int(offset, 16)) for size, address, offset in found]


def hold_library(library):
    """Returns how many instructions were replaced."""
    code = bytearray(library.read_bytes())
    places = re.findall(r"^ *(\w+):\s+cpuid", objdump("--disassemble", "--no-show-raw-insn", library), re.MULTILINE)
    for place in (int(place, 16) for place in places):
        at = next(offset + place - begin for begin, size, offset in sections(library) if begin <= place < begin + size)
        if code[at:at + len(CPUID)] != CPUID:
            raise ValueError(f"{library}: no cpuid at {at:#x}")
        code[at:at + len(UD2)] = UD2
    if places:
        library.unlink()  # it is a link to the package's
        library.write_bytes(code)
    return len(places)


def hold(packages, folder):
    """Makes @folder, to be looked in before @packages, where they were installed."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in PACKAGES:
        shutil.copytree(packages / name, folder / name, copy_function=os.link)
    replaced = {library: hold_library(library) for library in folder.rglob("*.so*") if not library.is_symlink()}
    if not any(replaced.values()):
        raise ValueError("no library asks the CPU")
