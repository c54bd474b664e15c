#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang-format, clang-tidy and stand-alone headers over the tree. Usage: clang.py format|headers|tidy ROOT BUILD [FILE...]

`headers` and `tidy` run in parallel and skip what was found clean before: a file's key hashes its text, every header of ours it
reaches, its flags and .clang-tidy, so nothing that changed is skipped. Keys of clean files are remembered in BUILD/tidy-cache and
in clean.txt beside this script: a full run takes minutes a core, which a fresh checkout should not pay for files nobody touched.
`record ROOT BUILD` writes clean.txt anew from what is known to be clean. Files of open.txt are not clean, or were not looked at, since
before there was a clang-tidy test; they are left out here, and leave that list when they are next worked on. THREEFS_TIDY_FULL=1 (make
tidy FULL=1) ignores all three and shows what is left to do.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import source  # noqa: E402

ROOMS = ("client", "mounter", "csi", "tools")
CLEAN = pathlib.Path(__file__).resolve().parent / "clean.txt"
OPEN = pathlib.Path(__file__).resolve().parent / "open.txt"
FULL = os.environ.get("THREEFS_TIDY_FULL") == "1"


class Tree:
    def __init__(self, root: pathlib.Path, build: pathlib.Path):
        self.root, self.build = root, build
        self.cache = build / "tidy-cache"
        self.cache.mkdir(exist_ok=True)
        self.digests, self.memory = {}, set()
        self.open = set()
        if not FULL:
            self.open = {line for line in OPEN.read_text().splitlines() if line[:1] != "#"} if OPEN.exists() else set()
            self.memory = {p.name for p in self.cache.iterdir()}
            self.memory |= {line.split()[0] for line in CLEAN.read_text().splitlines() if line[:1] != "#"} if CLEAN.exists() else set()
        self.commands = {}
        entries = json.loads((build / "compile_commands.json").read_text())
        for entry in entries:
            # Read alone: a precompiled header would hide a missing include, and need not be there.
            entry["command"] = re.sub(r" (?:-Winvalid-pch|-Xclang (?:-include(?:-pch)?|-fno-pch-timestamp|\S+cmake_pch\S*))(?= )", "",
                                      entry["command"])
            path = pathlib.Path(entry["file"])
            if path.is_relative_to(root) and not path.is_relative_to(build):
                self.commands[path.relative_to(root).as_posix()] = entry
        self.database = build / "tidy-db"
        self.database.mkdir(exist_ok=True)
        (self.database / "compile_commands.json").write_text(json.dumps(entries))

    def digest(self, name: str) -> str:
        if name not in self.digests:
            self.digests[name] = hashlib.sha256((self.root / name).read_bytes()).hexdigest()
        return self.digests[name]

    def headers_of(self, name: str, seen=None) -> set:
        seen = set() if seen is None else seen
        for _, header, quoted in source.includes((self.root / name).read_text(errors="replace")):
            if not quoted or header in seen:
                continue
            generated = re.sub(r"(\.grpc)?\.pb\.h$", ".proto", header)
            if (self.root / header).exists():
                seen.add(header)
                self.headers_of(header, seen)
            elif generated != header and (self.root / generated).exists():
                seen.add(generated)
        return seen

    def flags(self, name: str) -> list:
        """What a file of this name is compiled with, as far as it decides how its headers read."""
        words = shlex.split(self.commands[name]["command"])
        result = []
        for index, word in enumerate(words):
            if word == "-isystem":
                result += [word, words[index + 1]]
            elif re.match(r"-(I|D|std=|f|m)", word):
                result.append(word)
        return result

    def key(self, kind: str, name: str, flags: list) -> str:
        # Flags of a preset (sanitizers, position) and this machine's paths do not decide what clang-tidy says.
        kept = sorted({f for f in flags if f.startswith(("-D", "-std")) and str(self.root) not in f})
        parts = [kind, name, self.digest(name), " ".join(kept), self.digest(".clang-tidy")]
        parts += [h + self.digest(h) for h in sorted(self.headers_of(name))]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]

    def run_cached(self, kind: str, jobs: list) -> int:
        """jobs: (file, flags, command). Prints findings; returns how many files are not clean."""
        todo = [(n, c, self.cache / self.key(kind, n, f)) for n, f, c in jobs]
        fresh = [job for job in todo if job[2].name not in self.memory]
        print(f"{kind}: {len(todo)} files, {len(todo) - len(fresh)} known to be clean", flush=True)
        bad, start = 0, time.time()
        workers = int(os.environ.get("THREEFS_TIDY_JOBS", os.cpu_count() or 2))
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            for name, code, text in pool.map(self.run_one, fresh):
                if code != 0:
                    bad += 1
                    print(f"-- {name}\n{text}", flush=True)
        print(f"{kind}: {bad} files with findings, {time.time() - start:.0f} s")
        return bad

    def run_one(self, job):
        name, command, mark = job
        done = subprocess.run(command, cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        if done.returncode == 0:
            mark.touch()
        text = "\n".join(line for line in done.stdout.decode(errors="replace").splitlines()
                         if not re.match(r"\d+ warnings? generated|Suppressed|Use -header-filter|\d+ warnings? treated", line))
        return name, done.returncode, text


def check_format(root: pathlib.Path, only: list) -> int:
    files = only or [p.as_posix() for p in source.code_files(root)]
    done = subprocess.run(["clang-format-19", "--dry-run", "-Werror", *files], cwd=root, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
    wrong = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", done.stdout.decode(errors="replace"), re.M)))
    ratchet = pathlib.Path(__file__).resolve().parent / "ratchet.txt"
    known = {line.split()[1] for line in ratchet.read_text().splitlines() if line.startswith("format ")}
    wrong = [name for name in wrong if name not in known]
    for name in wrong:
        print(f"{name}: run clang-format-19 -i {name}")
    print(f"format: {len(files)} files, {len(wrong)} to be formatted")
    return 1 if wrong or done.returncode not in (0, 1) else 0


def header_jobs(tree: Tree, only: list) -> list:
    """A header with a .cc of its own stands first in it, so the build proves it; the others are compiled alone here."""
    jobs = []
    rooms = {}
    for name in tree.commands:
        rooms.setdefault(pathlib.PurePosixPath(name).parent.as_posix(), name)
    for path in source.code_files(tree.root):
        name = path.as_posix()
        if path.suffix != ".h" or path.with_suffix(".cc").as_posix() in tree.commands or (only and name not in only):
            continue
        folder = next((p.as_posix() for p in path.parents if p.as_posix() in rooms), None)
        if folder is None:  # a room of headers only: any command of its top folder knows the include path
            folder = next((f for f in rooms if f.split("/")[0] == path.parts[0]), None)
        if folder is None:
            continue
        flags = tree.flags(rooms[folder])
        jobs.append((name, flags, ["clang++-19", "-fsyntax-only", "-x", "c++", "-Wno-pragma-once-outside-header",
                                   *flags, str(tree.root / name)]))
    return jobs


def tidy_jobs(tree: Tree, only: list) -> list:
    return [(name, tree.flags(name), ["clang-tidy-19", "--quiet", "-p", str(tree.database), str(tree.root / name)])
            for name in sorted(tree.commands) if name.split("/")[0] in ROOMS and (not only or name in only)]


def record(tree: Tree) -> int:
    """Writes clean.txt: the keys of the present files that are known to be clean."""
    lines = []
    for kind, jobs in (("tidy", tidy_jobs(tree, [])), ("headers", header_jobs(tree, []))):
        keys = [(tree.key(kind, n, f), n) for n, f, _ in jobs]
        if kind == "tidy":
            OPEN.write_text("# Files clang-tidy has not found clean yet: see clang.py. Only ever shortened.\n" +
                            "".join(f"{n}\n" for k, n in keys if k not in tree.memory))
        lines += [f"{key} {name}" for key, name in keys if key in tree.memory]
        print(f"{kind}: {sum(k in tree.memory for k, _ in keys)} of {len(keys)} files are known to be clean")
    CLEAN.write_text("# Contents that clang-tidy and the header check found clean: see clang.py. Written by `clang.py record`.\n"
                     + "".join(line + "\n" for line in sorted(lines, key=lambda x: x.split()[1])))
    return 0


def main() -> int:
    kind, root = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    build = pathlib.Path(sys.argv[3]).resolve()
    only = sys.argv[4:]
    if kind == "format":
        return check_format(root, only)
    tree = Tree(root, build)
    if kind == "record":
        return record(tree)
    jobs = header_jobs(tree, only) if kind == "headers" else tidy_jobs(tree, only)
    if kind == "tidy" and not only:
        waiting = [job for job in jobs if job[0] in tree.open]
        jobs = [job for job in jobs if job[0] not in tree.open]
        print(f"tidy: {len(waiting)} files of open.txt are left out")
    return 1 if tree.run_cached(kind, jobs) else 0


if __name__ == "__main__":
    sys.exit(main())
