# SPDX-License-Identifier: Apache-2.0
"""The tree as the tidy tests see it: files, their text without comments and strings, includes, functions, classes."""
import os
import pathlib
import re

FOLDERS = ("client", "mounter", "csi", "tools", "proto", "tests", "docs", "deploy", "docker", "cmake", ".ci")
CODE = (".cc", ".c", ".h")
CONTROL = re.compile(r"^\s*(if|for|while|switch|else|do|catch|try|namespace|class|struct|enum|union|extern)\b")


def walk(root: pathlib.Path):
    """Every file of ours, relative to the root: top-level files and the folders above."""
    for path in sorted(root.iterdir()):
        if path.is_file():
            yield path.relative_to(root)
    for folder in FOLDERS:
        for base, folders, names in os.walk(root / folder):
            folders[:] = sorted(f for f in folders if f not in ("__pycache__", "build"))
            for name in sorted(names):
                yield (pathlib.Path(base) / name).relative_to(root)


def code_files(root: pathlib.Path):
    return [p for p in walk(root) if p.suffix in CODE and p.parts[0] in ("client", "mounter", "csi", "tools", "tests")]


def strip(text: str) -> str:
    """The text with comments and literals blanked out, line breaks kept."""
    pattern = re.compile(
        r"//[^\n]*|/\*.*?\*/|R\"(?P<tag>[^\s()\\]*)\(.*?\)(?P=tag)\"|\"(?:\\.|[^\"\\\n])*\"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'",
        re.S)

    def blank(match):
        found = match.group(0)
        keep = '""' if found.startswith(('"', "R")) else ""
        return keep + "\n" * found.count("\n")

    return pattern.sub(blank, text)


def includes(text: str):
    """(line number, name, quoted) of each include."""
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if match:
            yield number, match.group(2), match.group(1) == '"'


def functions(text: str):
    """(first line, number of lines) of each function with a body: from its `{`'s statement to its `}`."""
    clean = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group(0).count("\n"), strip(text), flags=re.M)
    stack, head_start, line, result = [], 0, 1, []
    inside = 0
    for position, char in enumerate(clean):
        if char == "\n":
            line += 1
        elif char == "{":
            head = clean[head_start:position]
            is_function = (not inside and "(" in head and not CONTROL.match(head.strip())
                           and not re.search(r"=\s*$|=\s*[\w:]*\s*$", head) and not re.search(r"\boperator\s*$", head))
            first = line - head.lstrip().count("\n")
            stack.append((is_function, first))
            inside += is_function
            head_start = position + 1
        elif char == "}":
            if stack:
                is_function, first = stack.pop()
                if is_function:
                    inside -= 1
                    result.append((first, line - first + 1))
            head_start = position + 1
        elif char == ";" or (char == ":" and clean[position - 8:position].strip() in ("public", "private", "protected")):
            head_start = position + 1
    return result


def public_methods(text: str):
    """(class name, line, count) for each `class`: its public methods. Not counted: constructors, destructors, operators, overrides
    (the interface is counted where it stands) and one-line const accessors."""
    clean = strip(text)
    result = []
    for match in re.finditer(r"^( *)class (?:\[\[\w+\]\] |\w+\([^)]*\) )?(\w+)[^;{]*\{", clean, re.M):
        indent, name = match.group(1), match.group(2)
        end = clean.find(f"\n{indent}}};", match.end())
        body = clean[match.end():end if end > 0 else len(clean)]
        body = re.sub(r"^.*\bconst(?: noexcept)? \{ return [^{}\n]*; \}$", "", body, flags=re.M)
        while True:  # bodies and initialisers out, innermost first
            shorter = re.sub(r"\{[^{}]*\}", ";", body)
            if shorter == body:
                break
            body = shorter
        public, names = False, set()
        for part in re.split(r"(\b(?:public|private|protected)\s*:(?!:))", body):
            access = re.match(r"(public|private|protected)\s*:", part)
            if access:
                public = access.group(1) == "public"
                continue
            if not public:
                continue
            for statement in part.split(";"):
                found = re.search(r"(~?\w+)\s*\(", statement)
                if not found or re.search(r"\b(friend|using|operator|delete|typedef|override)\b", statement):
                    continue
                if re.search(r"=[^=]", statement[:found.start()]):
                    continue
                if found.group(1).lstrip("~") != name and not re.fullmatch(r"[A-Z_]{3,}", found.group(1)):
                    names.add(found.group(1))
        result.append((name, clean.count("\n", 0, match.start()) + 1, len(names)))
    return result
