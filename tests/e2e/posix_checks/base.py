# SPDX-License-Identifier: Apache-2.0
"""What the checks are written with: registration, comparing, expecting an errno, acting as another user."""
import ctypes
import errno
import os
import struct
import traceback

CHECKS = []
LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
FALLOC_KEEP, FALLOC_PUNCH, FALLOC_ZERO = 1, 2, 16
USER, OTHER = 61001, 61002


def check(function):
    CHECKS.append((function.__name__, function))
    return function


def same(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what or 'value'}: got {got!r}, want {want!r}")


def fails(code, function, *args, **kwargs):
    """The call must fail with this errno (or one of these)."""
    codes = code if isinstance(code, tuple) else (code,)
    names = "/".join(errno.errorcode[c] for c in codes)
    try:
        result = function(*args, **kwargs)
    except OSError as error:
        if error.errno not in codes:
            raise AssertionError(f"{getattr(function, '__name__', function)}{args}: got "
                                 f"{errno.errorcode.get(error.errno, error.errno)}, want {names}") from None
        return
    raise AssertionError(f"{getattr(function, '__name__', function)}{args}: got {result!r}, want {names}")


def as_user(uid, gid, groups, function):
    """Runs function in a child with this identity; its failure is the check's failure."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            function()
            code = 0
        except BaseException:  # pylint: disable=broad-except
            os.write(writer, traceback.format_exc(limit=-3).encode()[-3000:])
        finally:
            os._exit(code)
    os.close(writer)
    text = b""
    while chunk := os.read(reader, 4096):
        text += chunk
    os.close(reader)
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise AssertionError(f"as uid {uid} gid {gid} groups {groups}: {text.decode(errors='replace')}")


def renameat2(old, new, flags):
    if LIBC.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def fallocate(fd, mode, offset, length):
    if LIBC.fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def write(path, data=b"", mode=0o644):
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view):]
    finally:
        os.close(fd)
    return path


def read(path):
    with open(path, "rb") as file:
        return file.read()


def pattern(size, seed=1):
    word = struct.pack("<I", seed * 2654435761 & 0xFFFFFFFF)
    return bytes((word * (size // 4 + 1))[:size])


def raw_names(path):
    """Names as getdents gives them: {name: (inode, type)}; doubles are an error."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    result = {}
    buffer = ctypes.create_string_buffer(32768)
    while True:
        count = LIBC.syscall(217, fd, buffer, len(buffer))
        if count < 0:
            raise OSError(ctypes.get_errno(), "getdents64")
        if count == 0:
            break
        at = 0
        while at < count:
            ino, _, length, kind = struct.unpack_from("<QqHB", buffer, at)
            name = os.fsdecode(buffer.raw[at + 19:at + length].split(b"\0", 1)[0])
            if name in result:
                raise AssertionError(f"{name} is listed twice")
            result[name] = (ino, kind)
            at += length
    os.close(fd)
    return result
