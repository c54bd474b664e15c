#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seed corpora of serde_fuzz and frame_fuzz from the golden vectors: at most 100 small inputs each, varied."""
import hashlib
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "golden" / "data"
LIMIT = 100
MAX_BYTES = 1024


def lines(*names):
    for name in names:
        with open(DATA / name, encoding="utf-8") as file:
            for text in file:
                yield json.loads(text)


def serde_inputs():
    """The richest small vector of each type that the network carries: requests and Result<response>."""
    best = {}
    for line in lines("messages.jsonl", "structs.jsonl", "primitives.jsonl"):
        name = line.get("type")
        payload = bytes.fromhex(line["hex"])
        if name is None or len(payload) > MAX_BYTES:
            continue
        if len(payload) > len(best.get(name, b"")):
            best[name] = payload
    on_the_wire = {line["type"] for line in lines("messages.jsonl") if line["kind"] != "rsp"}
    chosen = sorted(name for name in best if name in on_the_wire)
    return [bytes([len(name)]) + name.encode() + best[name] for name in chosen]


def frame_inputs():
    """Plain, compressed and time-stamped frames of as many methods as fit."""
    seen = {}
    for line in lines("frames.jsonl"):
        frame = bytes.fromhex(line["hex"])
        if len(frame) <= 2 * MAX_BYTES:
            seen.setdefault((line["service_id"], line["method_id"], line["dir"], line["compressed"]), frame)
    return [seen[key] for key in sorted(seen)]


def write(name, inputs):
    folder = ROOT / "tests" / "fuzz" / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    step = max(1.0, len(inputs) / LIMIT)
    chosen = [inputs[int(i * step)] for i in range(min(LIMIT, len(inputs)))]
    for data in chosen:
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    print(f"{name}: {len(chosen)} inputs")


if __name__ == "__main__":
    write("serde_fuzz", serde_inputs())
    write("frame_fuzz", frame_inputs())
