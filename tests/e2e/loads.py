# SPDX-License-Identifier: Apache-2.0
"""Real programs on a volume, each giving a row of the table: operation, MiB/s, operations a second, p50 and p99 in microseconds."""
import os
import pathlib
import sqlite3
import time

from harness import Failure, Fio

# (row, fio options): random 4k and sequential 1m, direct and buffered, writers that verify and readers.
FIO = (
    ("write 4k random, direct", {"rw": "randwrite", "bs": "4k", "direct": 1, "verify": "crc32c"}),
    ("write 4k random, buffered", {"rw": "randwrite", "bs": "4k", "direct": 0, "verify": "crc32c"}),
    ("write 1m sequential, direct", {"rw": "write", "bs": "1m", "direct": 1, "verify": "crc32c"}),
    ("write 1m sequential, buffered", {"rw": "write", "bs": "1m", "direct": 0, "verify": "crc32c"}),
    ("read 4k random, direct", {"rw": "randread", "bs": "4k", "direct": 1}),
    ("read 4k random, buffered", {"rw": "randread", "bs": "4k", "direct": 0}),
    ("read 1m sequential, direct", {"rw": "read", "bs": "1m", "direct": 1}),
    ("read 1m sequential, buffered", {"rw": "read", "bs": "1m", "direct": 0}),
)


def row(name, size, operations, seconds, p50=None, p99=None):
    return {"name": name, "mib": size / seconds / (1 << 20), "iops": operations / seconds, "p50": p50, "p99": p99}


def print_table(rows):
    print(f"\n{'operation':<34}{'MiB/s':>10}{'IOPS':>10}{'p50 us':>10}{'p99 us':>10}")
    for r in rows:
        p50, p99 = (f"{r[k]:,.0f}" if r[k] is not None else "" for k in ("p50", "p99"))
        print(f"{r['name']:<34}{r['mib']:>10,.1f}{r['iops']:>10,.0f}{p50:>10}{p99:>10}")
    print(flush=True)


def git(scene, first: pathlib.Path, second: pathlib.Path):
    """init, add, commit through one target, fsck and a clean status through the other."""
    source, repository = pathlib.Path("/usr/include/linux"), first / "repository"
    environment = {**os.environ, "HOME": str(scene.folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "demo", "GIT_AUTHOR_EMAIL": "d@e",
                   "GIT_COMMITTER_NAME": "demo", "GIT_COMMITTER_EMAIL": "d@e"}
    start = time.monotonic()
    repository.mkdir()
    scene.run(["cp", "-r", source, repository / "linux"], 300)
    scene.run(["git", "init", "-q", repository], 60, env=environment)
    scene.run(["git", "-C", repository, "add", "."], 300, env=environment)
    scene.run(["git", "-C", repository, "commit", "-qm", "files"], 120, env=environment)
    other = second / "repository"
    safe = ["git", "-c", f"safe.directory={other}", "-C", other]
    scene.run([*safe, "fsck", "--full", "--strict"], 300, env=environment)
    status = scene.run([*safe, "status", "--porcelain"], 120, env=environment).text
    if status.strip():
        raise Failure(f"git status is not clean: {status[:300]}")
    files = [p for p in repository.rglob("*") if p.is_file()]
    return row("git init, add, commit, fsck", sum(p.stat().st_size for p in files), len(files), time.monotonic() - start)


def sqlite(first: pathlib.Path, second: pathlib.Path, rows=20000):
    """A database written in many transactions through one target, checked through the other."""
    start = time.monotonic()
    base = sqlite3.connect(first / "data.db")
    base.execute("create table item(id integer primary key, name text, body blob)")
    base.execute("create index by_name on item(name)")
    for begin in range(0, rows, 500):
        with base:
            base.executemany("insert into item values(?,?,?)",
                             ((i, f"name-{i * 7919 % rows:06d}", b"%d" % i * 20) for i in range(begin, begin + 500)))
    with base:
        base.execute("delete from item where id % 10 = 0")
    base.close()
    other = sqlite3.connect(second / "data.db")
    if other.execute("pragma integrity_check").fetchone()[0] != "ok":
        raise Failure("sqlite: integrity_check failed")
    count = other.execute("select count(*) from item").fetchone()[0]
    other.close()
    if count != rows - rows // 10:
        raise Failure(f"sqlite: {count} rows, should be {rows - rows // 10}")
    return row("sqlite, 40 transactions", (first / "data.db").stat().st_size, rows, time.monotonic() - start)


def fio_table(scene, folder: pathlib.Path, seconds: int):
    """Writers verify all they wrote (reading it back); readers read what a writer left."""
    rows = []
    for name, options in FIO:
        side = "write" if "write" in options["rw"] else "read"
        settings = {"numjobs": 2, "iodepth": 8 if options["direct"] else 1, "size": "48m", "filename_format": f"fio.{options['bs']}.$jobnum",
                    "fallocate": "none", "invalidate": 1, **options}
        if side == "write":
            # Random writers cover a part of the file only, so that the run keeps to its time; all of it is verified.
            settings.update({"do_verify": 1, "verify_fatal": 1, "io_size": "16m" if options["bs"] == "4k" else "48m"})
        else:
            settings.update({"time_based": True, "runtime": seconds})
        result = Fio(scene, "demo", folder, 300, **settings).run()[side]
        rows.append({"name": name, **{k: result[k] for k in ("mib", "iops", "p50", "p99")}})
    return rows


def kill_under_fio(scene, csi, folder: pathlib.Path, seconds: int):
    """A mounter is killed in the middle of a verifying run; fio must not see more than a pause."""
    fio = Fio(scene, "killed", folder, seconds * 4 + 60, rw="randwrite", bs="4k", direct=1, numjobs=2, iodepth=8, size="16m",
              verify="crc32c", verify_fatal=1, do_verify=1, time_based=True, runtime=seconds, fallocate="none").start()
    time.sleep(seconds / 2)
    old = csi.kill_mounter()
    result = fio.finish()["write"]
    if csi.mounters() == [old]:
        raise Failure("the mounter was not replaced")
    return {"name": "write 4k, mounter killed once", **{k: result[k] for k in ("mib", "iops", "p50", "p99")}}


def strays(since: float, build: pathlib.Path):
    """Files of ours outside the build folder, younger than the run."""
    found = []
    for top in ("/run", "/var/lib", "/var/tmp", "/tmp", "/etc", "/dev/shm", os.path.expanduser("~")):
        for base, folders, names in os.walk(top):
            folders[:] = [f for f in folders if not (pathlib.Path(base) / f).is_relative_to(build) and base.count("/") < 6]
            for name in names + folders:
                path = os.path.join(base, name)
                if ("threefs" in name or "3fs" in name) and not path.startswith(str(build)) and os.lstat(path).st_mtime > since:
                    found.append(path)
    return found
