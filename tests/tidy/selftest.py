#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that each rule of rules.py finds its offence: a small wrong tree is built in a temporary folder and checked."""
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import rules  # noqa: E402
import source  # noqa: E402

LAYERS = "client/base:\nclient/net: client/base\nmounter/fuse: client\n@asio: client/net\n@fuse3: mounter/fuse\n"
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


def long_function(lines: int) -> str:
    return "int Long(int a) {\n" + "  a += 1;\n" * (lines - 2) + "}\n"


class RulesTest(unittest.TestCase):
    def problems(self, files: dict):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "layers.txt").write_text(LAYERS)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return rules.Tidy(root).run()

    def one(self, name: str, text: str, rule: str):
        """The rules reported for one .cc (or .h) of a room that is otherwise in order."""
        path = pathlib.PurePosixPath(name)
        files = {name: SPDX + text, f"{path.parent}/CMakeLists.txt": f"threefs_room(SOURCES {path.name} other.cc)\n",
                 f"{path.parent}/README.md": "# room\n"}
        if path.suffix == ".h":
            files[f"{path.parent}/other.cc"] = SPDX + f'#include "{name}"\n'
        return [p for p in self.problems(files) if f" {rule}: " in p]

    def test_clean(self):
        self.assertEqual([], self.one("client/base/a.cc", "int A() { return 1; }\n", ""))
        self.assertEqual([], self.problems({"client/base/a.cc": SPDX, "client/base/CMakeLists.txt": "room(a.cc)",
                                            "client/base/README.md": "#\n"}))

    def test_layers(self):
        self.assertTrue(self.one("client/base/a.cc", '#include "client/net/x.h"\n', "layer"))
        self.assertFalse(self.one("client/net/a.cc", '#include "client/base/x.h"\n', "layer"))
        self.assertTrue(self.one("client/base/a.cc", "#include <asio/ip/tcp.hpp>\n", "layer"))
        self.assertFalse(self.one("client/net/a.cc", "#include <asio/ip/tcp.hpp>\n", "layer"))
        self.assertTrue(self.one("client/net/a.cc", "#include <fuse3/fuse.h>\n", "layer"))
        self.assertFalse(self.one("mounter/fuse/a.cc", '#include "client/net/x.h"\n', "layer"))
        self.assertTrue(self.one("client/stray/a.cc", "", "layer"))

    def test_sizes(self):
        self.assertTrue(self.one("client/base/a.cc", "int a;\n" * 700, "file-lines"))
        self.assertTrue(self.one("client/base/a.h", "int a;\n" * 250, "header-lines"))
        self.assertTrue(self.one("client/base/a.cc", long_function(71), "function-lines"))
        self.assertFalse(self.one("client/base/a.cc", long_function(70), "function-lines"))
        self.assertTrue(self.one("client/base/a.cc", "namespace x {\nclass Y {\n" + long_function(71) + "};\n}\n", "function-lines"))
        self.assertFalse(self.one("client/base/a.cc", "namespace x {\n" + "int a;\n" * 90 + "}\n", "function-lines"))
        methods = "".join(f"  void M{i}();\n" for i in range(13))
        self.assertTrue(self.one("client/base/a.h", "class Big {\n public:\n" + methods + "};\n", "public-methods"))
        self.assertFalse(self.one("client/base/a.h", "class Big {\n public:\n  Big();\n private:\n" + methods + "};\n", "public-methods"))

    def test_words(self):
        self.assertTrue(self.one("client/base/a.cc", "std::thread t;\n", "thread"))
        self.assertTrue(self.one("client/base/a.cc", "void F() { sleep(1); }\n", "sleep"))
        self.assertTrue(self.one("client/base/a.cc", "void F() { std::this_thread::sleep_for(x); }\n", "sleep"))
        self.assertTrue(self.one("client/net/a.cc", "int F() { return rand(); }\n", "rand"))
        self.assertTrue(self.one("client/base/a.cc", "using namespace std;\n", "using-namespace"))
        self.assertFalse(self.one("client/base/a.cc", '// sleep(1)\nconst char* k = "rand()";\n', "sleep"))
        self.assertFalse(self.one("client/base/a.cc", "sleep(1);  // tidy-allow: sleep a reason\n", "sleep"))

    def test_text(self):
        base = {"client/base/CMakeLists.txt": "room(a.cc)", "client/base/README.md": "#\n"}
        self.assertTrue(any("licence" in p for p in self.problems({**base, "client/base/a.cc": "int a;\n"})))
        self.assertTrue(any("machine-path" in p for p in self.problems({**base, "client/base/a.cc": SPDX + "// /ho" + "me/me/x\n"})))
        self.assertTrue(any("dead-file" in p for p in self.problems({**base, "client/base/b.cc": SPDX})))
        self.assertTrue(any("dead-file" in p for p in self.problems({**base, "client/base/b.h": SPDX})))
        self.assertTrue(any("readme" in p for p in self.problems({"client/base/a.cc": SPDX})))
        long_readme = {**base, "client/base/a.cc": SPDX, "client/base/README.md": "x\n" * 61}
        self.assertTrue(any("readme-lines" in p for p in self.problems(long_readme)))
        late = {**base, "client/base/a.cc": SPDX + '#include <vector>\n#include "client/base/a.h"\n', "client/base/a.h": SPDX}
        self.assertTrue(any(" include: " in p for p in self.problems(late)))

    def test_functions_are_measured(self):
        text = "int A() {\n  if (x) {\n  }\n}\n\nvoid B(int a,\n       int b) {\n  for (;;) {\n  }\n}\nint z = {1};\n"
        self.assertEqual([4, 5], [count for _, count in source.functions(text)])


if __name__ == "__main__":
    unittest.main(verbosity=0)
