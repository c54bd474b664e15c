# SPDX-License-Identifier: Apache-2.0
"""Opening, reading, writing, mapping, truncating, seeking and copying files."""
import errno
import mmap
import os
import shutil
import stat

from posix_checks.base import (FALLOC_KEEP, FALLOC_PUNCH, FALLOC_ZERO, check, fails, fallocate, pattern, read, same,
                                write)


# ---- creating, opening -------------------------------------------------------------------------------------------------
@check
def create_and_stat(d):
    os.umask(0o022)
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o666)
    info = os.fstat(fd)
    os.close(fd)
    same(stat.S_IMODE(info.st_mode), 0o644, "mode under umask 022")
    same(stat.S_ISREG(info.st_mode), True)
    same((info.st_size, info.st_nlink, info.st_uid, info.st_gid), (0, 1, 0, 0))
    same(os.stat(f"{d}/f").st_ino, info.st_ino, "inode number")


@check
def open_errors(d):
    write(f"{d}/f")
    os.mkdir(f"{d}/sub")
    fails(errno.ENOENT, os.open, f"{d}/none", os.O_RDONLY)
    fails(errno.ENOENT, os.open, f"{d}/none/f", os.O_CREAT | os.O_RDWR)
    fails(errno.ENOTDIR, os.open, f"{d}/f/x", os.O_RDONLY)
    fails(errno.EEXIST, os.open, f"{d}/f", os.O_CREAT | os.O_EXCL | os.O_RDWR)
    fails(errno.EISDIR, os.open, f"{d}/sub", os.O_RDWR)
    fails(errno.EISDIR, os.open, f"{d}/sub", os.O_WRONLY | os.O_TRUNC)
    fails(errno.ENOTDIR, os.open, f"{d}/f", os.O_RDONLY | os.O_DIRECTORY)
    os.symlink("f", f"{d}/l")
    fails(errno.ELOOP, os.open, f"{d}/l", os.O_RDONLY | os.O_NOFOLLOW)


@check
def open_excl_on_dangling_symlink(d):
    os.symlink("nowhere", f"{d}/l")
    fails(errno.EEXIST, os.open, f"{d}/l", os.O_CREAT | os.O_EXCL | os.O_RDWR)
    os.close(os.open(f"{d}/l", os.O_CREAT | os.O_RDWR, 0o600))
    same(os.path.exists(f"{d}/nowhere"), True, "O_CREAT follows a dangling link")


@check
def open_trunc(d):
    write(f"{d}/f", pattern(3 << 20))
    fd = os.open(f"{d}/f", os.O_WRONLY | os.O_TRUNC)
    same(os.fstat(fd).st_size, 0)
    os.pwrite(fd, b"end", 100)
    os.close(fd)
    same(read(f"{d}/f"), b"\0" * 100 + b"end", "old bytes stay away after O_TRUNC")


@check
def open_trunc_while_written(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o644)
    os.write(fd, pattern(300000))
    os.close(os.open(f"{d}/f", os.O_WRONLY | os.O_TRUNC))
    same(os.fstat(fd).st_size, 0)
    os.fsync(fd)
    os.close(fd)
    same(read(f"{d}/f"), b"")


@check
def access_modes_of_descriptors(d):
    write(f"{d}/f", b"x")
    fd = os.open(f"{d}/f", os.O_RDONLY)
    fails(errno.EBADF, os.write, fd, b"x")
    fails((errno.EINVAL, errno.EBADF), os.ftruncate, fd, 0)
    os.close(fd)
    fd = os.open(f"{d}/f", os.O_WRONLY)
    fails(errno.EBADF, os.read, fd, 1)
    os.close(fd)


@check
def unlinked_open_file(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o644)
    os.write(fd, pattern(100000))
    os.unlink(f"{d}/f")
    same(os.path.exists(f"{d}/f"), False)
    os.pwrite(fd, b"more", 100000)
    same(os.pread(fd, 200000, 0), pattern(100000) + b"more")
    same(os.fstat(fd).st_nlink, 0, "nlink of an unlinked open file")
    os.close(fd)
    os.close(os.open(f"{d}/f", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644))


@check
def name_lengths(d):
    for size in (1, 254, 255):
        write(f"{d}/{'n' * size}", b"x")
        same(read(f"{d}/{'n' * size}"), b"x")
    same(sorted(len(n) for n in os.listdir(d)), [1, 254, 255])
    long = "n" * 256
    fails(errno.ENAMETOOLONG, os.open, f"{d}/{long}", os.O_CREAT | os.O_RDWR)
    fails(errno.ENAMETOOLONG, os.mkdir, f"{d}/{long}")
    fails(errno.ENAMETOOLONG, os.stat, f"{d}/{long}")
    fails(errno.ENAMETOOLONG, os.unlink, f"{d}/{long}")
    fails(errno.ENAMETOOLONG, os.rename, f"{d}/n", f"{d}/{long}")
    fails(errno.ENAMETOOLONG, os.symlink, "n", f"{d}/{long}")
    fails(errno.ENAMETOOLONG, os.link, f"{d}/n", f"{d}/{long}")


@check
def odd_names(d):
    names = [b"new\nline", b"tab\t", b" lead", b"trail ", b"\xff\xfe\x80", "ü€😀".encode(), b"-rf", b"a\\b", b"*?[", b"...", b"mv:x"]
    for name in names:
        write(os.fsencode(d) + b"/" + name, name)
    same(sorted(os.listdir(os.fsencode(d))), sorted(names))
    for name in names:
        same(read(os.fsencode(d) + b"/" + name), name)
        os.unlink(os.fsencode(d) + b"/" + name)
    same(os.listdir(d), [])


# ---- reading and writing -----------------------------------------------------------------------------------------------
@check
def write_sizes(d):
    for size in (0, 1, 511, 4095, 4096, 4097, 65536, 524287, 524288, 524289, 1 << 20, (4 << 20) + 5):
        data = pattern(size, size)
        write(f"{d}/f{size}", data)
        same(os.stat(f"{d}/f{size}").st_size, size)
        same(read(f"{d}/f{size}") == data, True, f"contents of {size} bytes")


@check
def read_past_the_end(d):
    write(f"{d}/f", b"abc")
    fd = os.open(f"{d}/f", os.O_RDONLY)
    same(os.pread(fd, 10, 0), b"abc")
    same(os.pread(fd, 10, 2), b"c")
    same(os.pread(fd, 10, 3), b"")
    same(os.pread(fd, 10, 1 << 40), b"")
    os.close(fd)


@check
def holes_read_as_zeros(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o644)
    os.pwrite(fd, b"end", 5 << 20)
    same(os.pread(fd, 4096, 1 << 20), b"\0" * 4096)
    os.pwrite(fd, b"mid", 2500000)
    same(os.pread(fd, 9, 2499997), b"\0\0\0mid\0\0\0")
    os.close(fd)
    data = read(f"{d}/f")
    same(len(data), (5 << 20) + 3)
    same(data.strip(b"\0").replace(b"\0", b""), b"midend")


@check
def append_always_goes_to_the_end(d):
    first = os.open(f"{d}/f", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    second = os.open(f"{d}/f", os.O_WRONLY | os.O_APPEND)
    want = b""
    for i in range(50):
        line = b"%d;" % i
        os.write(first if i % 2 else second, line)
        want += line
    os.lseek(first, 0, os.SEEK_SET)
    os.write(first, b"last")
    same(read(f"{d}/f"), want + b"last")
    os.close(first)
    os.close(second)


@check
def appends_of_many_processes_all_stay(d):
    def child(number):
        fd = os.open(f"{d}/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        for i in range(100):
            os.write(fd, b"%02d:%03d\n" % (number, i))
        os._exit(0)
    pids = []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            try:
                child(number)
            finally:
                os._exit(1)
        pids.append(pid)
    for pid in pids:
        same(os.waitpid(pid, 0)[1], 0)
    same(sorted(read(f"{d}/log").splitlines()), sorted(b"%02d:%03d" % (n, i) for n in range(4) for i in range(100)))


@check
def other_descriptors_see_writes_at_once(d):
    one = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o644)
    two = os.open(f"{d}/f", os.O_RDWR)
    for i in range(30):
        os.pwrite(one, b"%04d" % i, i * 3000)
        same(os.pread(two, 4, i * 3000), b"%04d" % i)
        same(os.fstat(two).st_size, i * 3000 + 4)
        same(os.stat(f"{d}/f").st_size, i * 3000 + 4)
    os.close(one)
    os.close(two)


@check
def direct_io(d):
    data = pattern(1 << 20)
    buffer = mmap.mmap(-1, 1 << 20)
    buffer.write(data)
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR | os.O_DIRECT, 0o644)
    same(os.pwritev(fd, [buffer], 0), 1 << 20)
    same(os.pwritev(fd, [buffer], 1 << 20), 1 << 20)
    back = mmap.mmap(-1, 1 << 20)
    same(os.preadv(fd, [back], 4096), 1 << 20)
    same(back[:] == data[4096:] + data[:4096], True, "direct read")
    same(read(f"{d}/f") == data * 2, True, "buffered read after direct write")
    buffered = os.open(f"{d}/f", os.O_RDWR)
    os.pwrite(buffered, b"Z" * 4096, 8192)
    same(os.preadv(fd, [back], 8192), 1 << 20)
    same(back[:4096], b"Z" * 4096, "direct read after buffered write")
    os.close(buffered)
    os.close(fd)


@check
def sync_flags_and_calls(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR | os.O_SYNC, 0o644)
    os.write(fd, pattern(10000))
    os.fsync(fd)
    os.fdatasync(fd)
    os.close(fd)
    folder = os.open(d, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)
    same(read(f"{d}/f"), pattern(10000))


@check
def read_write_vectors(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o644)
    same(os.writev(fd, [b"a" * 5000, b"b" * 3, b"c" * 70000]), 75003)
    parts = [bytearray(4999), bytearray(5), bytearray(69999)]
    same(os.preadv(fd, parts, 0), 75003)
    same(bytes(parts[1]), b"abbbc")
    os.close(fd)


@check
def mmap_shared(d):
    write(f"{d}/f", pattern(300000))
    with open(f"{d}/f", "r+b") as file:
        with mmap.mmap(file.fileno(), 0) as view:
            same(view[:100], pattern(100))
            view[100000:100005] = b"hello"
            view.flush()
            same(os.pread(file.fileno(), 5, 100000), b"hello", "pread after a write through the map")
            os.pwrite(file.fileno(), b"WORLD", 100010)
            same(view[100010:100015], b"WORLD", "the map after pwrite")
    same(read(f"{d}/f")[100000:100015], b"hello" + pattern(300000)[100005:100010] + b"WORLD")


@check
def mmap_unsynced_is_kept_after_close(d):
    write(f"{d}/f", b"\0" * 100000)
    with open(f"{d}/f", "r+b") as file:
        view = mmap.mmap(file.fileno(), 0)
    view[50000:50004] = b"late"
    view.close()
    same(read(f"{d}/f")[50000:50004], b"late")


@check
def mmap_private(d):
    write(f"{d}/f", pattern(10000))
    with open(f"{d}/f", "r+b") as file:
        view = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE)
        view[0:4] = b"mine"
        view.close()
    same(read(f"{d}/f"), pattern(10000))


@check
def execute_from_the_mount(d):
    shutil.copyfile("/bin/true", f"{d}/true")
    os.chmod(f"{d}/true", 0o755)
    same(os.waitstatus_to_exitcode(os.spawnv(os.P_WAIT, f"{d}/true", ["true"]) << 8), 0)
    write(f"{d}/script", b"#!/bin/sh\nexit 7\n", 0o755)
    same(os.spawnv(os.P_WAIT, f"{d}/script", ["script"]), 7)


# ---- truncate, seek, fallocate, copy -----------------------------------------------------------------------------------
@check
def truncate_shorter_and_longer(d):
    data = pattern(3 << 20)
    write(f"{d}/f", data)
    for size in ((2 << 20) + 7, 1 << 20, 524288, 524287, 100, 0):
        os.truncate(f"{d}/f", size)
        same(os.stat(f"{d}/f").st_size, size)
        same(read(f"{d}/f") == data[:size], True, f"contents at {size}")
    os.truncate(f"{d}/f", 700000)
    same(read(f"{d}/f") == b"\0" * 700000, True, "zeros after growing")


@check
def truncate_hides_old_bytes(d):
    write(f"{d}/f", b"\xff" * 600000)
    os.truncate(f"{d}/f", 10)
    os.truncate(f"{d}/f", 600000)
    same(read(f"{d}/f") == b"\xff" * 10 + b"\0" * 599990, True, "no old bytes come back")


@check
def ftruncate_with_pending_writes(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o644)
    os.write(fd, pattern(1000000))
    os.ftruncate(fd, 1234)
    os.pwrite(fd, b"!", 2000)
    os.close(fd)
    same(read(f"{d}/f"), pattern(1234) + b"\0" * 766 + b"!")


@check
def truncate_errors(d):
    os.mkdir(f"{d}/sub")
    fails(errno.EISDIR, os.truncate, f"{d}/sub", 0)
    fails(errno.ENOENT, os.truncate, f"{d}/none", 0)
    write(f"{d}/f", b"abc")
    fails(errno.EINVAL, os.truncate, f"{d}/f", -1)


@check
def large_offsets(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o644)
    os.pwrite(fd, b"far", 5 << 30)
    same(os.fstat(fd).st_size, (5 << 30) + 3)
    same(os.pread(fd, 5, (5 << 30) - 2), b"\0\0far")
    os.ftruncate(fd, 0)
    os.close(fd)


@check
def seek_data_and_hole(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o644)
    os.pwrite(fd, b"d" * 4096, 0)
    os.pwrite(fd, b"e" * 4096, 8 << 20)
    os.fsync(fd)
    same(os.lseek(fd, 0, os.SEEK_DATA), 0)
    data = os.lseek(fd, 4 << 20, os.SEEK_DATA)
    same(4 << 20 <= data <= 8 << 20, True, f"SEEK_DATA from the hole gave {data}")
    hole = os.lseek(fd, 0, os.SEEK_HOLE)
    same(4096 <= hole <= (8 << 20) + 4096, True, f"SEEK_HOLE gave {hole}")
    same(os.pread(fd, 1, hole) in (b"\0", b""), True, "what stands at the hole")
    same(os.lseek(fd, 8 << 20, os.SEEK_HOLE), (8 << 20) + 4096, "the end of the file is a hole")
    fails(errno.ENXIO, os.lseek, fd, (8 << 20) + 4096, os.SEEK_DATA)
    fails(errno.ENXIO, os.lseek, fd, 1 << 40, os.SEEK_HOLE)
    os.close(fd)


@check
def seek_basics(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o644)
    os.write(fd, b"0123456789")
    same(os.lseek(fd, -3, os.SEEK_END), 7)
    same(os.read(fd, 10), b"789")
    same(os.lseek(fd, 100, os.SEEK_CUR), 110)
    fails(errno.EINVAL, os.lseek, fd, -1, os.SEEK_SET)
    os.close(fd)


@check
def posix_fallocate_grows(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o644)
    os.write(fd, b"keep")
    os.posix_fallocate(fd, 0, 200000)
    same(os.fstat(fd).st_size, 200000)
    same(os.pread(fd, 6, 0), b"keep\0\0")
    os.close(fd)


@check
def fallocate_modes(d):
    """Each mode works as told or answers EOPNOTSUPP; never anything between."""
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR, 0o644)
    os.write(fd, b"\xff" * 300000)
    for mode, size in ((FALLOC_KEEP, 300000), (FALLOC_KEEP | FALLOC_PUNCH, 300000), (FALLOC_ZERO, 300000), (0, 400000)):
        try:
            fallocate(fd, mode, 100000 if mode else 0, 50000 if mode else 400000)
        except OSError as error:
            same(error.errno, errno.EOPNOTSUPP, f"mode {mode}")
            continue
        same(os.fstat(fd).st_size, size, f"size after mode {mode}")
        data = os.pread(fd, 50000, 100000)
        want = b"\0" * 50000 if mode & (FALLOC_PUNCH | FALLOC_ZERO) else data
        same(data == want, True, f"contents after mode {mode}")
        same(os.pread(fd, 100000, 0) == b"\xff" * 100000, True, f"contents before the range, mode {mode}")
        os.pwrite(fd, b"\xff" * 50000, 100000)
    fails(errno.EINVAL, fallocate, fd, 0, 0, 0)
    fails(errno.EINVAL, fallocate, fd, 0, -1, 10)
    os.close(fd)


@check
def copy_file_range_between_files(d):
    data = pattern(2 << 20)
    write(f"{d}/a", data)
    source, target = os.open(f"{d}/a", os.O_RDONLY), os.open(f"{d}/b", os.O_CREAT | os.O_RDWR, 0o644)
    done = 0
    while done < len(data):
        count = os.copy_file_range(source, target, len(data) - done, done, done)
        same(count > 0, True, "progress")
        done += count
    same(read(f"{d}/b") == data, True)
    same(os.copy_file_range(source, target, 100, 1 << 30, 0), 0, "behind the end")
    os.close(source)
    os.close(target)


@check
def sendfile_out_of_the_mount(d):
    data = pattern(1 << 20)
    write(f"{d}/a", data)
    source = os.open(f"{d}/a", os.O_RDONLY)
    target = os.open(f"{d}/b", os.O_CREAT | os.O_WRONLY, 0o644)
    done = 0
    while done < len(data):
        done += os.sendfile(target, source, done, len(data) - done)
    os.close(source)
    os.close(target)
    same(read(f"{d}/b") == data, True)
