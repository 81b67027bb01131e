#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Write text files as C strings: embed.py OUT NAME=FILE..."""
import sys


def literal(line: str) -> str:
    """One line as a C string literal."""
    escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'    "{escaped}"\n'


def main() -> None:
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write('#include "daemon/interface.h"\n')
        for pair in sys.argv[2:]:
            name, path = pair.split("=", 1)
            with open(path, encoding="utf-8") as text:
                out.write(f"\nconst char {name}[] =\n{''.join(map(literal, text))}    ;\n")


main()
