# SPDX-License-Identifier: Apache-2.0
"""Folders, renames, links, special files."""
import ctypes
import errno
import os
import shutil
import socket
import stat

from posix_checks.base import (LIBC, RENAME_NOREPLACE, RENAME_EXCHANGE, check, fails, read, renameat2, same, write,
                                raw_names)


# ---- directories -------------------------------------------------------------------------------------------------------
@check
def mkdir_and_rmdir(d):
    os.umask(0o022)
    os.mkdir(f"{d}/a", 0o777)
    info = os.stat(f"{d}/a")
    same(stat.S_IMODE(info.st_mode), 0o755)
    same(stat.S_ISDIR(info.st_mode), True)
    fails(errno.EEXIST, os.mkdir, f"{d}/a")
    fails(errno.ENOENT, os.mkdir, f"{d}/none/a")
    write(f"{d}/f")
    fails(errno.EEXIST, os.mkdir, f"{d}/f")
    fails(errno.ENOTDIR, os.mkdir, f"{d}/f/a")
    fails(errno.ENOTDIR, os.rmdir, f"{d}/f")
    fails(errno.EISDIR, os.unlink, f"{d}/a")
    os.mkdir(f"{d}/a/b")
    fails(errno.ENOTEMPTY, os.rmdir, f"{d}/a")
    os.rmdir(f"{d}/a/b")
    os.rmdir(f"{d}/a")
    fails(errno.ENOENT, os.rmdir, f"{d}/a")
    fails((errno.EINVAL, errno.EBUSY), os.rmdir, f"{d}/.")


@check
def readdir_dot_entries(d):
    os.mkdir(f"{d}/a")
    names = raw_names(d)
    same(sorted(names), [".", "..", "a"])
    same(names["."][0], os.stat(d).st_ino, "inode of .")
    same(names["a"][1], 4, "type of a directory")
    same(sorted(raw_names(f"{d}/a")), [".", ".."])


@check
def readdir_of_many(d):
    names = {f"entry-{i:05d}-{'x' * (i % 40)}" for i in range(3000)}
    for name in names:
        os.close(os.open(f"{d}/{name}", os.O_CREAT | os.O_WRONLY, 0o644))
    listed = raw_names(d)
    same(set(listed) - {".", ".."}, names)
    for name in list(names)[:50]:
        same(os.stat(f"{d}/{name}").st_ino, listed[name][0], "inode in readdir and stat")
    for name in names:
        os.unlink(f"{d}/{name}")
    same(set(raw_names(d)), {".", ".."})


@check
def readdir_while_removing(d):
    for i in range(600):
        write(f"{d}/n{i}")
    seen = 0
    with os.scandir(d) as entries:
        for entry in entries:
            os.unlink(entry.path)
            seen += 1
    same(os.listdir(d), [])
    same(seen, 600)


@check
def rewinddir_shows_new_entries(d):
    opendir = LIBC.opendir
    opendir.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(opendir(os.fsencode(d)))
    readdir = LIBC.readdir
    readdir.restype = ctypes.c_void_p
    while readdir(handle):
        pass
    write(f"{d}/new")
    LIBC.rewinddir(handle)
    count = 0
    while readdir(handle):
        count += 1
    LIBC.closedir(handle)
    same(count, 3, "entries after rewinddir")


@check
def directory_link_counts_and_parent(d):
    os.mkdir(f"{d}/a")
    os.mkdir(f"{d}/a/b")
    same(os.stat(f"{d}/a/b/..").st_ino, os.stat(f"{d}/a").st_ino)
    same(os.stat(f"{d}/a/.").st_ino, os.stat(f"{d}/a").st_ino)
    same(os.stat(f"{d}/a").st_nlink >= 1, True)


@check
def deep_trees(d):
    path = d
    for i in range(60):
        path += f"/d{i}"
        os.mkdir(path)
    write(f"{path}/leaf", b"deep")
    same(read(f"{path}/leaf"), b"deep")
    shutil.rmtree(f"{d}/d0")
    same(os.listdir(d), [])


@check
def removed_working_directory(d):
    os.mkdir(f"{d}/a")
    fd = os.open(f"{d}/a", os.O_RDONLY | os.O_DIRECTORY)
    os.rmdir(f"{d}/a")
    fails(errno.ENOENT, os.open, "x", os.O_CREAT | os.O_RDWR, 0o644, dir_fd=fd)
    os.close(fd)


# ---- rename, link, symlink ---------------------------------------------------------------------------------------------
@check
def rename_files(d):
    write(f"{d}/a", b"A")
    write(f"{d}/b", b"B")
    number = os.stat(f"{d}/a").st_ino
    os.rename(f"{d}/a", f"{d}/b")
    same(read(f"{d}/b"), b"A")
    same(os.stat(f"{d}/b").st_ino, number)
    same(os.listdir(d), ["b"])
    os.rename(f"{d}/b", f"{d}/b")
    fails(errno.ENOENT, os.rename, f"{d}/none", f"{d}/c")
    fails(errno.ENOENT, os.rename, f"{d}/b", f"{d}/none/c")
    fails(errno.ENOTDIR, os.rename, f"{d}/b", f"{d}/b/c")


@check
def rename_directories(d):
    os.makedirs(f"{d}/a/sub")
    os.mkdir(f"{d}/empty")
    os.makedirs(f"{d}/full/x")
    write(f"{d}/f")
    os.rename(f"{d}/a", f"{d}/empty")
    same(os.listdir(f"{d}/empty"), ["sub"])
    fails((errno.ENOTEMPTY, errno.EEXIST), os.rename, f"{d}/empty", f"{d}/full")
    fails(errno.EINVAL, os.rename, f"{d}/full", f"{d}/full/x/y")
    fails(errno.ENOTDIR, os.rename, f"{d}/full", f"{d}/f")
    fails(errno.EISDIR, os.rename, f"{d}/f", f"{d}/full")
    os.rename(f"{d}/empty/sub", f"{d}/moved")
    same(os.stat(f"{d}/moved/..").st_ino, os.stat(d).st_ino)


@check
def rename_keeps_open_descriptors(d):
    fd = os.open(f"{d}/a", os.O_CREAT | os.O_RDWR, 0o644)
    os.write(fd, b"one")
    os.rename(f"{d}/a", f"{d}/b")
    os.write(fd, b"two")
    os.close(fd)
    same(read(f"{d}/b"), b"onetwo")


@check
def rename_over_an_open_file(d):
    write(f"{d}/old", b"old contents")
    fd = os.open(f"{d}/old", os.O_RDWR)
    write(f"{d}/new", b"new")
    os.rename(f"{d}/new", f"{d}/old")
    same(os.pread(fd, 100, 0), b"old contents", "the replaced file through its descriptor")
    os.close(fd)
    same(read(f"{d}/old"), b"new")


@check
def rename_of_two_names_of_one_file(d):
    write(f"{d}/a", b"x")
    os.link(f"{d}/a", f"{d}/b")
    os.rename(f"{d}/a", f"{d}/b")
    same(sorted(os.listdir(d)), ["a", "b"], "POSIX: both names stay")


@check
def rename_flags(d):
    """NOREPLACE, EXCHANGE: done as told, or EINVAL where the file system cannot."""
    write(f"{d}/a", b"A")
    write(f"{d}/b", b"B")
    fails((errno.EEXIST, errno.EINVAL), renameat2, f"{d}/a", f"{d}/b", RENAME_NOREPLACE)
    same((read(f"{d}/a"), read(f"{d}/b")), (b"A", b"B"))
    try:
        renameat2(f"{d}/a", f"{d}/b", RENAME_EXCHANGE)
        same((read(f"{d}/a"), read(f"{d}/b")), (b"B", b"A"))
    except OSError as error:
        same(error.errno, errno.EINVAL)
        same((read(f"{d}/a"), read(f"{d}/b")), (b"A", b"B"))
    fails(errno.EINVAL, renameat2, f"{d}/a", f"{d}/c", RENAME_NOREPLACE | RENAME_EXCHANGE)
    fails(errno.EINVAL, renameat2, f"{d}/a", f"{d}/c", 1 << 20)


@check
def hard_links(d):
    write(f"{d}/a", b"one")
    os.link(f"{d}/a", f"{d}/b")
    info, other = os.stat(f"{d}/a"), os.stat(f"{d}/b")
    same((info.st_nlink, other.st_nlink, info.st_ino), (2, 2, other.st_ino))
    write(f"{d}/b", b"changed")
    same(read(f"{d}/a"), b"changed")
    os.unlink(f"{d}/a")
    same((read(f"{d}/b"), os.stat(f"{d}/b").st_nlink), (b"changed", 1))
    fails(errno.EEXIST, os.link, f"{d}/b", f"{d}/b")
    fails(errno.ENOENT, os.link, f"{d}/none", f"{d}/c")
    os.mkdir(f"{d}/sub")
    fails(errno.EPERM, os.link, f"{d}/sub", f"{d}/c")


@check
def symbolic_links(d):
    for target in ("f", "/absolute/path", "../up", "x" * 1000, "mv:text", "with\nline"):
        os.symlink(target, f"{d}/l")
        same(os.readlink(f"{d}/l"), target)
        info = os.lstat(f"{d}/l")
        same((stat.S_ISLNK(info.st_mode), info.st_size), (True, len(target)), "lstat of a link")
        os.unlink(f"{d}/l")
    write(f"{d}/f", b"data")
    os.symlink("f", f"{d}/l")
    same(read(f"{d}/l"), b"data")
    fails(errno.EEXIST, os.symlink, "f", f"{d}/l")
    fails(errno.EINVAL, os.readlink, f"{d}/f")
    os.symlink("loop2", f"{d}/loop1")
    os.symlink("loop1", f"{d}/loop2")
    fails(errno.ELOOP, os.stat, f"{d}/loop1")
    os.symlink(".", f"{d}/here")
    same(read(f"{d}/here/here/f"), b"data")
    os.link(f"{d}/l", f"{d}/hard", follow_symlinks=False)
    same(os.readlink(f"{d}/hard"), "f", "hard link to a symbolic link")


@check
def special_files_are_refused(d):
    """3FS has no FIFOs, sockets or devices: a clear refusal, and nothing is left behind."""
    refused = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EINVAL)
    fails(refused, os.mkfifo, f"{d}/fifo")
    fails(refused, os.mknod, f"{d}/dev", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as server:
        fails(refused, server.bind, f"{d}/s"[:100])
    same(os.listdir(d), [])
    os.mknod(f"{d}/regular", stat.S_IFREG | 0o600)
    same(stat.S_ISREG(os.stat(f"{d}/regular").st_mode), True)
