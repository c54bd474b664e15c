# SPDX-License-Identifier: Apache-2.0
"""Attributes, permissions, identities, locks and programs that need them."""
import errno
import fcntl
import os
import shutil
import sqlite3
import stat
import time

from posix_checks.base import (USER, OTHER, as_user, check, fails, pattern, read, same, write)


# ---- attributes --------------------------------------------------------------------------------------------------------
@check
def chmod_bits(d):
    write(f"{d}/f")
    os.mkdir(f"{d}/sub")
    for mode in (0o000, 0o777, 0o644, 0o4755, 0o2755, 0o600):
        os.chmod(f"{d}/f", mode)
        same(stat.S_IMODE(os.stat(f"{d}/f").st_mode), mode)
    for mode in (0o1777, 0o2775, 0o700):
        os.chmod(f"{d}/sub", mode)
        same(stat.S_IMODE(os.stat(f"{d}/sub").st_mode), mode)


@check
def chown_by_root(d):
    write(f"{d}/f")
    os.chown(f"{d}/f", USER, OTHER)
    info = os.stat(f"{d}/f")
    same((info.st_uid, info.st_gid), (USER, OTHER))
    os.chown(f"{d}/f", -1, USER)
    info = os.stat(f"{d}/f")
    same((info.st_uid, info.st_gid), (USER, USER))
    os.symlink("none", f"{d}/l")
    os.lchown(f"{d}/l", USER, USER)
    same(os.lstat(f"{d}/l").st_uid, USER)


@check
def times_are_set(d):
    write(f"{d}/f", b"x")
    for ns in (1_500_000_000_123_456_000, 1_000, 4_000_000_000_000_001_000):
        os.utime(f"{d}/f", ns=(ns, ns + 5_000_000_000))
        info = os.stat(f"{d}/f")
        same((info.st_atime_ns // 1000, info.st_mtime_ns // 1000), (ns // 1000, ns // 1000 + 5_000_000), "times in microseconds")
    before = time.time() - 5
    os.utime(f"{d}/f")
    same(before < os.stat(f"{d}/f").st_mtime < time.time() + 5, True, "utime to now")


@check
def times_move_on_their_own(d):
    write(f"{d}/f", b"x")
    os.utime(f"{d}/f", ns=(10**18, 10**18))
    changed = os.stat(f"{d}/f").st_ctime_ns
    time.sleep(0.01)
    with open(f"{d}/f", "ab") as file:
        file.write(b"y")
    info = os.stat(f"{d}/f")
    same(info.st_mtime_ns > 10**18, True, "mtime after a write")
    same(info.st_ctime_ns >= changed, True, "ctime does not go back")
    os.utime(d, ns=(10**18, 10**18))
    write(f"{d}/g")
    same(os.stat(d).st_mtime_ns > 10**18, True, "mtime of the folder after a create")
    os.utime(d, ns=(10**18, 10**18))
    os.rename(f"{d}/g", f"{d}/h")
    same(os.stat(d).st_mtime_ns > 10**18, True, "mtime of the folder after a rename")
    os.utime(d, ns=(10**18, 10**18))
    os.unlink(f"{d}/h")
    same(os.stat(d).st_mtime_ns > 10**18, True, "mtime of the folder after an unlink")


@check
def mtime_set_survives_close_of_a_writer(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_WRONLY, 0o644)
    os.write(fd, b"data")
    os.utime(f"{d}/f", ns=(10**18, 10**18))
    os.close(fd)
    same(os.stat(f"{d}/f").st_mtime_ns, 10**18, "as tar and cp -p need it")


@check
def statfs_of_the_volume(d):
    info = os.statvfs(d)
    same(info.f_namemax, 255)
    same(info.f_bsize > 0 and info.f_blocks > 0 and 0 < info.f_bavail <= info.f_blocks, True, f"{info}")


@check
def blocks_and_block_size(d):
    write(f"{d}/f", pattern(100000))
    info = os.stat(f"{d}/f")
    same(info.st_blksize >= 512, True)
    same(info.st_blocks > 0, True, "blocks of a file with data")


@check
def xattrs(d):
    """3FS has none for users: the error says so, so that cp -a and tar go on."""
    write(f"{d}/f")
    fails((errno.EOPNOTSUPP,), os.setxattr, f"{d}/f", "user.test", b"v")
    fails((errno.EOPNOTSUPP, errno.ENODATA), os.getxattr, f"{d}/f", "user.test")
    try:
        same(os.listxattr(f"{d}/f"), [])
    except OSError as error:
        same(error.errno, errno.EOPNOTSUPP)


# ---- permissions -------------------------------------------------------------------------------------------------------
@check
def permissions_of_other_users(d):
    os.chmod(d, 0o755)
    write(f"{d}/mine", b"secret", 0o600)
    os.chmod(f"{d}/mine", 0o600)
    write(f"{d}/shared", b"open", 0o644)
    os.mkdir(f"{d}/closed", 0o700)
    write(f"{d}/closed/f", b"x", 0o644)

    def child():
        fails(errno.EACCES, os.open, f"{d}/mine", os.O_RDONLY)
        fails(errno.EACCES, os.open, f"{d}/mine", os.O_WRONLY)
        fails(errno.EACCES, os.open, f"{d}/shared", os.O_WRONLY)
        same(read(f"{d}/shared"), b"open")
        fails(errno.EACCES, os.stat, f"{d}/closed/f")
        fails(errno.EACCES, os.listdir, f"{d}/closed")
        fails(errno.EACCES, os.open, f"{d}/new", os.O_CREAT | os.O_WRONLY)
        fails(errno.EACCES, os.mkdir, f"{d}/new")
        fails(errno.EACCES, os.unlink, f"{d}/shared")
        fails(errno.EACCES, os.rename, f"{d}/shared", f"{d}/other")
        fails(errno.EACCES, os.symlink, "x", f"{d}/l")
        fails(errno.EACCES, os.truncate, f"{d}/shared", 0)
        same(os.access(f"{d}/shared", os.R_OK), True)
        same(os.access(f"{d}/shared", os.W_OK), False)
    as_user(USER, USER, [], child)


@check
def ownership_needs_eperm(d):
    os.chmod(d, 0o777)
    write(f"{d}/root", b"x", 0o666)
    os.chmod(f"{d}/root", 0o666)

    def child():
        fails(errno.EPERM, os.chmod, f"{d}/root", 0o600)
        fails(errno.EPERM, os.chown, f"{d}/root", USER, -1)
        fails(errno.EPERM, os.utime, f"{d}/root", ns=(1, 1))
        os.utime(f"{d}/root")
        os.close(os.open(f"{d}/own", os.O_CREAT | os.O_WRONLY, 0o644))
        same(os.stat(f"{d}/own").st_uid, USER)
        os.chmod(f"{d}/own", 0o600)
        fails(errno.EPERM, os.chown, f"{d}/own", OTHER, -1)
        fails(errno.EPERM, os.chown, f"{d}/own", -1, OTHER)
    as_user(USER, USER, [], child)


@check
def supplementary_groups_count(d):
    os.chmod(d, 0o755)
    os.mkdir(f"{d}/team")
    os.chown(f"{d}/team", 0, OTHER)
    os.chmod(f"{d}/team", 0o770)
    write(f"{d}/team/f", b"group", 0o640)
    os.chown(f"{d}/team/f", 0, OTHER)
    os.chmod(f"{d}/team/f", 0o640)

    def member():
        same(read(f"{d}/team/f"), b"group")
        write(f"{d}/team/by-member", b"x")
        os.unlink(f"{d}/team/by-member")

    def stranger():
        fails(errno.EACCES, os.listdir, f"{d}/team")
        fails(errno.EACCES, os.open, f"{d}/team/f", os.O_RDONLY)
    as_user(USER, USER, [61003, OTHER, 61004], member)
    as_user(USER, USER, [61003], stranger)


@check
def chgrp_to_an_own_group(d):
    os.chmod(d, 0o777)

    def child():
        write(f"{d}/f", b"x")
        os.chown(f"{d}/f", -1, OTHER)
        same(os.stat(f"{d}/f").st_gid, OTHER)
    as_user(USER, USER, [OTHER], child)


@check
def sticky_directory(d):
    os.chmod(d, 0o777)
    os.mkdir(f"{d}/tmp")
    os.chmod(f"{d}/tmp", 0o1777)
    as_user(USER, USER, [], lambda: write(f"{d}/tmp/f", b"x"))

    def other():
        fails((errno.EPERM, errno.EACCES), os.unlink, f"{d}/tmp/f")
        fails((errno.EPERM, errno.EACCES), os.rename, f"{d}/tmp/f", f"{d}/tmp/g")
    as_user(OTHER, OTHER, [], other)
    as_user(USER, USER, [], lambda: os.unlink(f"{d}/tmp/f"))


@check
def setgid_directory_gives_its_group(d):
    os.mkdir(f"{d}/team")
    os.chown(f"{d}/team", 0, OTHER)
    os.chmod(f"{d}/team", 0o2777)
    write(f"{d}/team/f")
    same(os.stat(f"{d}/team/f").st_gid, OTHER, "group of a file in a setgid folder")
    os.mkdir(f"{d}/team/sub")
    info = os.stat(f"{d}/team/sub")
    same((info.st_gid, bool(info.st_mode & stat.S_ISGID)), (OTHER, True), "a folder in a setgid folder")


@check
def write_by_a_user_drops_setuid(d):
    os.chmod(d, 0o777)
    write(f"{d}/f", b"x")
    os.chown(f"{d}/f", 0, 0)
    os.chmod(f"{d}/f", 0o6777)

    def child():
        with open(f"{d}/f", "ab") as file:
            file.write(b"y")
    as_user(USER, USER, [], child)
    same(os.stat(f"{d}/f").st_mode & stat.S_ISUID, 0, "setuid after a write by somebody else")


@check
def umask_of_users(d):
    os.chmod(d, 0o777)

    def child():
        os.umask(0o077)
        os.close(os.open(f"{d}/f", os.O_CREAT | os.O_WRONLY, 0o666))
        os.mkdir(f"{d}/sub", 0o777)
        same(stat.S_IMODE(os.stat(f"{d}/f").st_mode), 0o600)
        same(stat.S_IMODE(os.stat(f"{d}/sub").st_mode), 0o700)
    as_user(USER, USER, [], child)


@check
def read_only_file_opened_for_writing_at_creation(d):
    os.chmod(d, 0o777)

    def child():
        fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o400)
        os.write(fd, b"still allowed")
        os.fsync(fd)
        os.close(fd)
        same(read(f"{d}/f"), b"still allowed")
        fails(errno.EACCES, os.open, f"{d}/f", os.O_WRONLY)
    as_user(USER, USER, [], child)


# ---- locks, programs ---------------------------------------------------------------------------------------------------
@check
def record_locks_between_processes(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o644)
    fcntl.lockf(fd, fcntl.LOCK_EX, 10, 0)

    def child():
        other = os.open(f"{d}/f", os.O_RDWR)
        fails((errno.EAGAIN, errno.EACCES), fcntl.lockf, other, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 5)
        fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 10)
    as_user(0, 0, [], child)
    os.close(fd)


@check
def flock_between_processes(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o644)
    fcntl.flock(fd, fcntl.LOCK_EX)

    def child():
        other = os.open(f"{d}/f", os.O_RDWR)
        fails((errno.EAGAIN, errno.EACCES), fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    as_user(0, 0, [], child)
    fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)


@check
def sqlite_database(d):
    for journal in ("delete", "truncate", "wal"):
        base = sqlite3.connect(f"{d}/{journal}.db")
        same(base.execute(f"pragma journal_mode={journal}").fetchone()[0], journal)
        base.execute("create table t(k integer primary key, v text)")
        for start in range(0, 1000, 100):
            with base:
                base.executemany("insert into t values(?,?)", ((i, "v" * (i % 300)) for i in range(start, start + 100)))
        with base:
            base.execute("update t set v = v || 'x' where k % 3 = 0")
        base.close()
        base = sqlite3.connect(f"{d}/{journal}.db")
        same(base.execute("pragma integrity_check").fetchone()[0], "ok")
        same(base.execute("select count(*), sum(length(v)) from t").fetchone(),
             (1000, sum(i % 300 + (i % 3 == 0) for i in range(1000))))
        base.close()


@check
def sqlite_excludes_a_second_writer(d):
    first = sqlite3.connect(f"{d}/x.db", isolation_level=None)
    first.execute("create table t(v)")
    first.execute("begin immediate")

    def child():
        second = sqlite3.connect(f"{d}/x.db", timeout=0, isolation_level=None)
        try:
            second.execute("begin immediate")
        except sqlite3.OperationalError as error:
            same("locked" in str(error), True, str(error))
            return
        raise AssertionError("two writers at once")
    as_user(0, 0, [], child)
    first.execute("commit")
    first.close()


@check
def many_small_files(d):
    for i in range(500):
        os.makedirs(f"{d}/{i % 20}", exist_ok=True)
        write(f"{d}/{i % 20}/{i}", b"%d" % i)
    for i in range(500):
        same(read(f"{d}/{i % 20}/{i}"), b"%d" % i)
    shutil.rmtree(d, ignore_errors=False)
    os.mkdir(d)


@check
def path_length_limit(d):
    fails(errno.ENAMETOOLONG, os.stat, d + "/" + "a/" * 2100)
