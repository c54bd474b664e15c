#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""POSIX checks per operation on a directory of the file system under test. Run as root: some act as other users.

Usage: posix_check.py DIR [--only SUBSTRING]. Each check works in a fresh folder. The last line is `N passed, M failed`.
"""
import argparse
import os
import pathlib
import shutil
import sys
import time
import traceback

sys.dont_write_bytecode = True
from posix_checks import files, rights, tree  # noqa: E402,F401 pylint: disable=unused-import
from posix_checks.base import CHECKS  # noqa: E402


def run_check(name, function, top):
    folder = top / name
    folder.mkdir()
    old = os.umask(0o022)
    try:
        function(str(folder))
        return None
    except Exception as error:  # pylint: disable=broad-except
        last = traceback.extract_tb(error.__traceback__)
        lines = [f.lineno for f in last if f.name == name]
        return f"line {lines[-1] if lines else '?'}: {type(error).__name__}: {error}"
    finally:
        os.umask(old)
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    if os.getuid() != 0:
        print("posix_check: run it as root, it acts as several users", file=sys.stderr)
        return 2
    top = args.dir.resolve() / f"posix.{os.getpid()}"
    top.mkdir()
    top.chmod(0o755)
    failed = count = 0
    for name, function in CHECKS:
        if args.only not in name:
            continue
        count += 1
        start = time.monotonic()
        problem = run_check(name, function, top)
        failed += problem is not None
        print(f"{'ok    ' if problem is None else 'FAILED'} {name} ({time.monotonic() - start:.2f} s){': ' + problem if problem else ''}",
              flush=True)
    shutil.rmtree(top, ignore_errors=True)
    print(f"{count - failed} passed, {failed} failed")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
