#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Layer rules, size budgets, banned words, licence lines, dead files, README per room. Usage: rules.py ROOT

A line may excuse itself with a comment `tidy-allow: <rule> <why>`. Known larger sizes stand in ratchet.txt and may only shrink.
"""
import pathlib
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import source  # noqa: E402

FILE_LINES, HEADER_LINES, FUNCTION_LINES, PUBLIC_METHODS, README_LINES = 700, 250, 70, 12, 60

# (rule, pattern, folders where it is allowed, what to do instead)
BANNED = (
    ("thread", r"\bstd::j?thread\b(?!::)", ("client/runtime", "csi", "tools", "tests"), "run on a Loop or use RunBlocking"),
    ("sleep", r"\b(?:u|nano)?sleep\s*\(|\bsleep_(?:for|until)\b|\bclock_nanosleep\b", ("tests/e2e", "tests/bench"),
     "wait for the event, or on a Loop timer"),
    ("rand", r"(?<!\.)(?<!->)\b(?:s?rand|drand48)\s*\(\s*\)|(?<![\w>.])::random\s*\(|\bstd::random_device\b",
     ("client/base",), "take a base Rng: it replays from a seed"),
    ("using-namespace", r"\busing\s+namespace\s+(?!std::(?:\w+::)*\w*literals\b)", (), "name what you use"),
)
# Paths of one person's machine. Written in pieces so that this file passes its own test.
MACHINE_PATH = re.compile(r"(?<![\w.$}~-])/(?:" + "|".join(("wo" + "rk", "ho" + "me", "Us" + "ers")) + r")/\w")


class Layers:
    """layers.txt: which room may include which, and which room may include which third-party header."""

    def __init__(self, text: str):
        self.rooms, self.headers = {}, {}
        for line in text.splitlines():
            line = line.split("#", 1)[0].strip()
            if not line:
                continue
            name, _, rest = line.partition(":")
            (self.headers if name.startswith("@") else self.rooms)[name.lstrip("@")] = rest.split()

    def room_of(self, path: str):
        best = None
        for room in self.rooms:
            if path.startswith(room + "/") and (best is None or len(room) > len(best)):
                best = room
        return best

    def may_include(self, room: str, target: str) -> bool:
        own = self.room_of(target)
        if own == room:
            return True
        allowed = self.rooms[room]
        return any(target == entry or target.startswith(entry + "/") or own == entry for entry in allowed)

    def may_use(self, path: str, header: str):
        """None when no rule names this header, else whether the file may include it."""
        for prefix, rooms in self.headers.items():
            if header == prefix or re.match(re.escape(prefix) + r"[/.+_-]", header):
                return any(path.startswith(room + "/") for room in rooms)
        return None


class Tidy:
    def __init__(self, root: pathlib.Path):
        self.root, self.problems = root, []
        self.layers = Layers((root / "layers.txt").read_text())
        self.ratchet = {}
        ratchet = root / "tests" / "tidy" / "ratchet.txt"
        for line in ratchet.read_text().splitlines() if ratchet.exists() else ():
            if line.strip() and not line.startswith("#"):
                rule, name, limit = line.split()
                self.ratchet[rule, name] = int(limit)

    def report(self, path, line, rule, text):
        self.problems.append(f"{path}:{line}: {rule}: {text}")

    def budget(self, rule, path, line, size, limit, name=None):
        limit = max(limit, self.ratchet.get((rule, name or str(path)), 0))
        if size > limit:
            self.report(path, line, rule, f"{name + ': ' if name else ''}{size}, at most {limit}")

    def check_layers(self, path, text):
        name = path.as_posix()
        room = self.layers.room_of(name)
        for line, header, quoted in source.includes(text):
            target = self.layers.room_of(header)
            if room and target and not self.layers.may_include(room, header):
                self.report(path, line, "layer", f"{room} may not include {header}")
            if room and not target and self.layers.may_use(name, header) is False:
                self.report(path, line, "layer", f"{room} may not include <{header}>: see layers.txt")
            if room and quoted and not target and "/" not in header and (self.root / path.parent / header).exists():
                self.report(path, line, "include", f"write the path from the root: {path.parent.as_posix()}/{header}")
        if room is None and path.parts[0] in ("client", "mounter", "csi", "tools"):
            self.report(path, 1, "layer", "this folder is not in layers.txt")

    def check_sizes(self, path, text):
        lines = text.count("\n")
        self.budget("file-lines", path, 1, lines, FILE_LINES)
        if path.suffix == ".h" and path.parts[0] != "tests":
            self.budget("header-lines", path, 1, lines, HEADER_LINES)
        for first, count in source.functions(text):
            self.budget("function-lines", path, first, count, FUNCTION_LINES)
        if path.parts[0] != "tests":
            for name, line, count in source.public_methods(text):
                self.budget("public-methods", path, line, count, PUBLIC_METHODS, name)

    def check_words(self, path, text):
        original = text.splitlines()
        for number, line in enumerate(source.strip(text).splitlines(), 1):
            for rule, pattern, allowed, instead in BANNED:
                free = any(path.as_posix().startswith(a + "/") for a in allowed)
                if rule == "sleep" and path.name.endswith("_mounted_test.cc"):
                    free = True  # a real kernel and real processes: polling is all there is
                if re.search(pattern, line) and not free:
                    near = "\n".join(original[max(0, number - 2):number + 2])  # a formatter may break the line
                    if f"tidy-allow: {rule} " not in near:
                        self.report(path, number, rule, instead)

    def check_first_include(self, path, text):
        header = path.with_suffix(".h")
        if path.suffix == ".cc" and (self.root / header).exists():
            first = next(source.includes(text), None)
            if first is None or first[1] != header.as_posix():
                self.report(path, 1, "include", f"include {header.as_posix()} first: it proves that the header stands alone")

    def check_text(self, path, text):
        head = "\n".join(text.splitlines()[:4])
        script = text.startswith("#!")
        if (path.suffix in source.CODE + (".py", ".proto") or script) and "SPDX-License-Identifier: Apache-2.0" not in head:
            self.report(path, 1, "licence", "the first lines name SPDX-License-Identifier: Apache-2.0")
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE_PATH.search(line):
                self.report(path, number, "machine-path", line.strip()[:80])

    def check_dead_files(self, files):
        text_of = {p: (self.root / p).read_text(errors="replace") for p in files}
        included = set()
        for path, text in text_of.items():
            for _, header, _ in source.includes(text):
                included.add(header)
                included.add((path.parent / header).as_posix())
        lists = "\n".join((self.root / p).read_text() for p in source.walk(self.root) if p.name == "CMakeLists.txt")
        by_root = set(re.findall(r"\$\{CMAKE_SOURCE_DIR\}/([\w./-]+)", lists))
        for path in files:
            if path.suffix == ".h":
                if path.as_posix() not in included:
                    self.report(path, 1, "dead-file", "nobody includes it")
                continue
            if path.as_posix() not in by_root and not any(self.names_file(folder, path) for folder in path.parents):
                self.report(path, 1, "dead-file", "no CMakeLists.txt names it")

    def names_file(self, folder, path) -> bool:
        """Whether the folder's CMakeLists.txt lists this file, or globs its folder."""
        listing = self.root / folder / "CMakeLists.txt"
        if not listing.exists():
            return False
        text = listing.read_text()
        relative = path.relative_to(folder)
        if relative.as_posix() in re.split(r"[\s()/\"]+|\$\{[^}]*\}/", text) or relative.as_posix() in re.split(r"[\s()\"]+", text):
            return True
        return "GLOB" in text and f"{relative.parent.as_posix()}/*{path.suffix}".removeprefix("./") in re.split(
            r"[\s()\"]+|\$\{[^}]*\}/", text)

    def check_readmes(self):
        for room in self.layers.rooms:
            folder = self.root / room
            if not folder.is_dir() or not any(folder.glob("*.h")) and not any(folder.glob("*.cc")):
                continue
            readme = folder / "README.md"
            if not readme.exists():
                self.report(f"{room}/README.md", 1, "readme", "each room has one: purpose, main types, threads, how to test")
            else:
                self.budget("readme-lines", f"{room}/README.md", 1, len(readme.read_text().splitlines()), README_LINES)

    def run(self):
        files = source.code_files(self.root)
        for path in files:
            text = (self.root / path).read_text(errors="replace")
            self.check_layers(path, text)
            self.check_sizes(path, text)
            self.check_words(path, text)
            self.check_first_include(path, text)
        for path in source.walk(self.root):
            if path.suffix in (".jsonl", ".bin", ".png") or "corpus" in path.parts:
                continue
            self.check_text(path, (self.root / path).read_text(errors="replace"))
        self.check_dead_files(files)
        self.check_readmes()
        return self.problems


def main() -> int:
    problems = Tidy(pathlib.Path(sys.argv[1]).resolve()).run()
    print("\n".join(problems))
    print(f"tidy rules: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
