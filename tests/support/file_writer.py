"""`python -m tests.support.file_writer FILE LETTER BYTES`: replaces a file by that many of the letter, on and on."""

import sys
from pathlib import Path

from bitpredict.files import replace_file


def main(file: str, letter: str, size: str) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    while True:
        replace_file(Path(file), letter.encode() * int(size))


if __name__ == "__main__":
    main(*sys.argv[1:])
