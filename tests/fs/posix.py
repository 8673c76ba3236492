#!/usr/bin/env python3
"""posix.py NATIVE MOUNT [CASE...] - the same calls in two directories, one of a
native file system, and the answers compared.

A case is a function `case_PROMISE(r)`. It runs in a fresh directory of each and
notes what it is told: `r.do(label, call, ...)` keeps the name of the error or a
value, `r.look(path)` what stat(2) says, `r.moved(label, call, path...)` which
of the times of paths went on. What differs is printed with both answers; the
program then ends with 1. A difference that is wanted stands in EXPECTED.
"""
import ctypes
import errno
import fcntl
import mmap
import os
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import traceback

libc = ctypes.CDLL(None, use_errno=True)
ROOT = os.geteuid() == 0
OTHER, THIRD, GROUP = 65534, 12345, 23456

# case, label -> what the mount says where the native file system differs
EXPECTED = {
    ("tmpfile", "O_TMPFILE"): "ENOTSUP",
    ("fallocate_modes", "collapse"): "ENOTSUP",
    ("fallocate_modes", "insert"): "ENOTSUP",
    # with the writeback cache it is the kernel that keeps these times
    ("times_that_move", "times: truncate same"): ("ok", [("f", "")]),
    ("times_that_move", "times: truncate zero again"): ("ok", [("f", "")]),
    ("times_that_move", "times: setxattr same"): ("ok", [("h", "c")]),
}


def sys_call(name, *args):
    f = getattr(libc, name)
    f.restype = ctypes.c_int
    r = f(*[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    if r < 0:
        raise OSError(ctypes.get_errno(), name)
    return r


def b(path):
    return path if isinstance(path, bytes) else os.fsencode(path)


AT = -100
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4


def renameat2(a, c, flags):
    sys_call("renameat2", AT, b(a), AT, b(c), flags)


def fallocate(fd, mode, off, n):
    sys_call("fallocate", fd, mode, off, n)


KEEP, PUNCH, COLLAPSE, ZERO, INSERT = 1, 2, 8, 16, 32
NOW, OMIT = (1 << 30) - 1, (1 << 30) - 2


def utimens(path, a, m, flags=0):
    """a, m: (seconds, nanoseconds)"""
    buf = struct.pack("qqqq", *a, *m)
    sys_call("utimensat", AT, b(path), buf, flags)


class Run:
    def __init__(self, root):
        self.root = root
        self.log = []

    def note(self, label, value):
        self.log.append((label, value))

    def do(self, label, call, *args, **kw):
        try:
            r = call(*args, **kw)
        except OSError as e:
            r = errno.errorcode.get(e.errno, e.errno)
        else:
            r = "ok" if r is None else r
        self.note(label, r)
        return r

    def open(self, label, path, flags, mode=0o644):
        fd = -1
        try:
            fd = os.open(path, flags, mode)
            r = "ok"
        except OSError as e:
            r = errno.errorcode[e.errno]
        self.note(label, r)
        return fd

    def look(self, path, label=None):
        try:
            st = os.lstat(path)
        except OSError as e:
            self.note(label or path, errno.errorcode[e.errno])
            return
        size = 0 if stat.S_ISDIR(st.st_mode) else st.st_size
        nlink = 0 if stat.S_ISDIR(st.st_mode) else st.st_nlink
        self.note(
            label or path,
            (oct(st.st_mode), nlink, st.st_uid, st.st_gid, size, st.st_rdev),
        )

    def moved(self, label, call, *paths):
        def times():
            out = []
            for p in paths:
                try:
                    st = os.fstat(p) if isinstance(p, int) else os.lstat(p)
                    out.append((st.st_mtime_ns, st.st_ctime_ns))
                except OSError:
                    out.append(None)
            return out

        before = times()
        time.sleep(0.012)
        try:
            call()
            r = "ok"
        except OSError as e:
            r = errno.errorcode[e.errno]
        got = []
        for p, x, y in zip(paths, before, times()):
            p = "fd" if isinstance(p, int) else p
            if x is None or y is None:
                got.append((p, "gone" if y is None else "new"))
                continue
            got.append(
                (p, ("m" if y[0] != x[0] else "") + ("c" if y[1] != x[1] else ""))
            )
        self.note("times: " + label, (r, got))

    def as_user(self, uid, gid, groups, call):
        """call() in a child of that user, whose notes are kept"""
        rfd, wfd = os.pipe()
        pid = os.fork()
        if not pid:
            n = len(self.log)
            try:
                os.setgroups(groups)
                os.setresgid(gid, gid, gid)
                os.setresuid(uid, uid, uid)
                call()
                out = repr(self.log[n:])
            except BaseException:
                out = repr([("child", traceback.format_exc())])
            with os.fdopen(wfd, "w") as f:
                f.write(out)
            os._exit(0)
        os.close(wfd)
        with os.fdopen(rfd) as f:
            self.log += eval(f.read())
        os.waitpid(pid, 0)

    def child(self, call):
        """call() in a child that exits after it"""
        pid = os.fork()
        if not pid:
            try:
                call()
                os._exit(0)
            except OSError as e:
                os._exit(e.errno)
            except BaseException:
                os._exit(255)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def write(path, data=b"x"):
    with open(path, "wb") as f:
        f.write(data)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def zoo(r):
    """one of each kind"""
    write("file")
    os.mkdir("dir")
    os.mkdir("full")
    write("full/f")
    os.symlink("file", "link")
    os.symlink("nowhere", "dangling")
    os.symlink("dir", "dirlink")
    os.symlink("loop", "loop")
    os.mkfifo("fifo")
    s = socket.socket(socket.AF_UNIX)
    s.bind("sock")
    s.close()


ZOO = ["file", "dir", "full", "link", "dangling", "dirlink", "loop", "fifo", "sock"]
ODD = [
    "none", "none/x", "file/x", "file/", "link/", "dirlink/", "dir/", "loop/x",
    "dangling/", ".", "..", "dir/.", "dir/..", "", "n" * 255, "n" * 256,
    "x/" * 2047 + "x", "none/", "fifo/x",
]


# --- names --------------------------------------------------------------------


def each(r, label, call, names=None):
    """call(name) for each, and what it left; after a failure nothing was"""
    fresh = False
    for n in names or ZOO + ODD:
        if not fresh:
            os.mkdir("each")
            os.chdir("each")
            zoo(r)
            before = sorted(os.listdir("."))
        got = r.do("%s %s" % (label, n[:40]), call, n)
        left = sorted(os.listdir("."))
        r.note("left by %s %s" % (label, n[:40]), left)
        fresh = got in errno.errorcode.values() and left == before
        if not fresh:
            os.chdir("..")
            shutil.rmtree("each")
    if fresh:
        os.chdir("..")
        shutil.rmtree("each")


def case_open_of_everything(r):
    flags = {
        "rdonly": os.O_RDONLY, "wronly": os.O_WRONLY, "rdwr": os.O_RDWR,
        "creat": os.O_CREAT | os.O_RDWR,
        "excl": os.O_CREAT | os.O_EXCL | os.O_RDWR,
        "trunc": os.O_TRUNC | os.O_WRONLY,
        "dir": os.O_DIRECTORY, "nofollow": os.O_NOFOLLOW,
        "path": os.O_PATH, "path nofollow": os.O_PATH | os.O_NOFOLLOW,
        "creat dir": os.O_CREAT | os.O_DIRECTORY,
        "creat nofollow": os.O_CREAT | os.O_NOFOLLOW | os.O_WRONLY,
        "append trunc": os.O_APPEND | os.O_TRUNC | os.O_WRONLY,
        "rdonly trunc": os.O_TRUNC,
    }
    for k, f in flags.items():

        def one(n):
            fd = os.open(n, f | os.O_NONBLOCK, 0o640)
            st = os.fstat(fd)
            os.close(fd)
            return oct(st.st_mode), stat.S_ISREG(st.st_mode) and st.st_size

        each(r, "open " + k, one)


def case_making_and_removing_everything(r):
    each(r, "mkdir", lambda n: os.mkdir(n, 0o750))
    each(r, "rmdir", os.rmdir)
    each(r, "unlink", os.unlink)
    each(r, "mkfifo", lambda n: os.mkfifo(n, 0o640))
    each(r, "mknod", lambda n: os.mknod(n, 0o640 | stat.S_IFREG))
    each(r, "mknod socket", lambda n: os.mknod(n, 0o640 | stat.S_IFSOCK))
    each(r, "symlink", lambda n: os.symlink("t", n))
    each(r, "symlink to", lambda n: os.symlink(n, "new"))
    each(r, "readlink", os.readlink)
    each(r, "link from", lambda n: os.link(n, "new", follow_symlinks=False))
    each(r, "link following", lambda n: sys_call("linkat", AT, b(n), AT, b"new", 0x400))
    each(r, "link to", lambda n: os.link("file", n))
    each(r, "chmod", lambda n: os.chmod(n, 0o4711))
    each(r, "truncate", lambda n: os.truncate(n, 5))
    each(r, "truncate < 0", lambda n: os.truncate(n, -1))
    each(r, "lchown", lambda n: os.lchown(n, -1, -1))
    each(r, "access", lambda n: sys_call("access", b(n), 7))
    each(r, "chdir", lambda n: (os.chdir(n), os.chdir(HERE[0] + "/each"))[0])
    each(r, "listdir", lambda n: sorted(os.listdir(n)))


HERE = [""]


def case_rename_of_everything(r):
    for flags in 0, NOREPLACE, EXCHANGE, NOREPLACE | EXCHANGE, 64:
        names = ZOO + ["none", "dir/sub", "full/f", "full/n", "full/", "none/", ".", "dir/.", "n" * 256, ""]
        for a in names:
            each(r, "rename%d %s" % (flags, a[:9]), lambda n: renameat2(a, n, flags), names)


def case_rename_whiteout(r):
    write("a")
    r.do("whiteout unknown flags", renameat2, "a", "b", 8)


def case_rename_into_itself(r):
    os.makedirs("d/e/f")
    r.do("into itself", os.rename, "d", "d/x")
    r.do("into its child", os.rename, "d", "d/e/f/x")
    r.do("onto its child", os.rename, "d", "d/e")
    r.do("child onto it", os.rename, "d/e", "d")
    r.do("exchange with child", renameat2, "d", "d/e", EXCHANGE)
    r.do("exchange child", renameat2, "d/e", "d", EXCHANGE)
    r.do("noreplace", renameat2, "d/e", "d/g", NOREPLACE)
    write("f")
    os.link("f", "g")
    r.do("own link", os.rename, "f", "g")
    r.do("own link noreplace", renameat2, "f", "g", NOREPLACE)
    r.do("own link exchange", renameat2, "f", "g", EXCHANGE)
    r.do("itself", os.rename, "f", "f")
    r.do("itself noreplace", renameat2, "f", "f", NOREPLACE)
    r.look("f")
    r.look("g")
    r.look("d/g")


def case_names_that_are_long(r):
    for n in 254, 255, 256:
        r.do("create %d" % n, write, "n" * n)
        r.do("dir %d" % n, os.mkdir, "d" * n)
        r.do("link %d" % n, os.symlink, "x", "l" * n)
    for n in 1, 59, 60, 61, 4094, 4095, 4096:
        r.do("target %d" % n, os.symlink, "t" * n, "s%d" % n)
        r.look("s%d" % n)
    # a path of 4095 bytes; 4096 is too long
    cwd, name = os.getcwd(), "p" * 200
    for _ in range(20):
        os.mkdir(name)
        os.chdir(name)
    write("end")
    os.chdir(cwd)
    deep = (name + "/") * 20
    r.do("deep", lambda: os.stat(deep + "end").st_size)
    for total in 4094, 4095, 4096:
        p = deep + "q" * (total - len(deep))
        r.do("path %d" % total, write, p)
    r.do("listed", lambda: len(os.listdir(deep)))
    for c in b"\x01\xff\n\\ \t*%:":
        r.do("name %d" % c, write, bytes([c]) + b"z")
        r.do("name %d read" % c, read, bytes([c]) + b"z")
    r.note("names", sorted(os.listdir(b".")))


def case_hard_links(r):
    write("a")
    for i in range(5):
        os.link("a", "l%d" % i)
    r.look("a")
    r.do("again", os.link, "a", "l0")
    r.do("a directory", os.link, ".", "d")
    os.symlink("a", "s")
    os.link("s", "s2", follow_symlinks=False)
    r.look("s2")
    os.unlink("a")
    r.look("l0")
    fd = os.open("l0", os.O_RDWR)
    for i in range(5):
        os.unlink("l%d" % i)
    r.do("fstat", lambda: os.fstat(fd).st_nlink)
    os.write(fd, b"more")
    r.do("read", os.pread, fd, 10, 0)
    r.do("link from fd", sys_call, "linkat", AT, b"/proc/self/fd/%d" % fd, AT, b"back", 0x400)
    os.close(fd)
    os.mkfifo("p")
    os.link("p", "p2")
    r.look("p2")


def case_directory_links(r):
    os.mkdir("d")
    for i in range(3):
        os.mkdir("d/%d" % i)
    r.note("nlink", os.stat("d").st_nlink)
    os.rmdir("d/1")
    r.note("nlink", os.stat("d").st_nlink)
    os.mkdir("e")
    os.rename("d/2", "e/2")
    r.note("nlink", (os.stat("d").st_nlink, os.stat("e").st_nlink))
    os.mkdir("e/3")
    write("e/f")
    renameat2("e/3", "d/0", EXCHANGE)
    r.note("nlink", (os.stat("d").st_nlink, os.stat("e").st_nlink))
    renameat2("e/f", "d/0", EXCHANGE)
    r.note("nlink", (os.stat("d").st_nlink, os.stat("e").st_nlink))
    os.rename("e/2", "d/new")
    os.mkdir("e/over")
    os.rename("e/over", "d/new")
    r.note("nlink", (os.stat("d").st_nlink, os.stat("e").st_nlink))
    r.note("dotdot", os.stat("d/new/..").st_ino == os.stat("d").st_ino)
    fd = os.open("d/new", os.O_DIRECTORY)
    os.rmdir("d/new")
    r.note("removed", os.fstat(fd).st_nlink)
    r.do("list removed", os.listdir, fd)
    r.do("create in removed", os.open, "x", os.O_CREAT, dir_fd=fd)
    r.do("mkdir in removed", os.mkdir, "x", dir_fd=fd)
    r.do("symlink in removed", os.symlink, "x", "x", dir_fd=fd)
    r.do("link in removed", os.link, "e", "x", dst_dir_fd=fd)
    os.close(fd)


def case_open_files_go_on(r):
    write("a", b"first")
    fd = os.open("a", os.O_RDWR)
    os.rename("a", "b")
    os.pwrite(fd, b"F", 0)
    r.do("renamed", read, "b")
    write("c", b"other")
    os.rename("c", "b")
    r.do("replaced", os.pread, fd, 9, 0)
    r.do("nlink", lambda: os.fstat(fd).st_nlink)
    r.do("truncate", os.ftruncate, fd, 2)
    r.do("size", lambda: os.fstat(fd).st_size)
    r.do("chmod", os.fchmod, fd, 0o600)
    r.do("mode", lambda: oct(os.fstat(fd).st_mode))
    r.do("xattr", os.setxattr, fd, "user.a", b"v")
    r.do("xattr read", os.getxattr, fd, "user.a")
    r.do("fallocate", fallocate, fd, 0, 0, 100)
    r.do("size", lambda: os.fstat(fd).st_size)
    r.do("proc", lambda: os.stat("/proc/self/fd/%d" % fd).st_size)
    r.do("reopen", lambda: os.close(os.open("/proc/self/fd/%d" % fd, os.O_RDWR)))
    r.do("fsync", os.fsync, fd)
    os.close(fd)
    r.do("other", read, "b")
    r.do("exclusive again", os.open, "b", os.O_CREAT | os.O_EXCL)
    os.mkdir("d")
    dfd = os.open("d", os.O_DIRECTORY)
    os.rename("d", "e")
    os.close(os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=dfd))
    r.do("in a renamed directory", os.listdir, "e")
    os.close(dfd)


def case_types(r):
    os.umask(0)
    os.mkfifo("p", 0o4642)
    os.mknod("s", stat.S_IFSOCK | 0o777)
    os.mknod("r", stat.S_IFREG | 0o606)
    for n in "psr":
        r.look(n)
    r.do("bad type", os.mknod, "bad", 0o030000 | 0o600)
    r.do("dir by mknod", os.mknod, "bad", stat.S_IFDIR | 0o600)
    r.do("link by mknod", os.mknod, "bad", stat.S_IFLNK | 0o600)
    for maj, mi in (1, 3), (8, 300), (255, 255), (4095, 1048575), (0, 0):
        r.do("char", os.mknod, "c%d" % mi, stat.S_IFCHR | 0o600, os.makedev(maj, mi))
        r.look("c%d" % mi)
        r.do("block", os.mknod, "b%d" % mi, stat.S_IFBLK | 0o600, os.makedev(maj, mi))
        r.look("b%d" % mi)
    rfd = os.open("p", os.O_RDONLY | os.O_NONBLOCK)
    wfd = os.open("p", os.O_WRONLY)
    os.write(wfd, b"through")
    r.do("fifo", os.read, rfd, 100)
    s = socket.socket(socket.AF_UNIX)
    s.bind("listen")
    s.listen()
    c = socket.socket(socket.AF_UNIX)
    r.do("connect", c.connect, "listen")
    r.look("listen")
    os.rename("listen", "moved")
    d = socket.socket(socket.AF_UNIX)
    r.do("connect moved", d.connect, "moved")
    r.do("connect gone", d.connect, "listen")
    e = socket.socket(socket.AF_UNIX)
    r.do("bind again", e.bind, "moved")
    r.do("open socket", os.open, "moved", os.O_RDONLY)
    r.do("truncate fifo", os.truncate, "p", 0)
    r.do("fsync fifo", os.fsync, rfd)


# --- times ---------------------------------------------------------------------


def case_times_that_move(r):
    write("f", b"12345")
    os.mkdir("d")
    os.mkdir("e")
    os.symlink("f", "s")
    mv = r.moved
    mv("chmod", lambda: os.chmod("f", 0o600), "f", ".")
    mv("chmod same", lambda: os.chmod("f", 0o600), "f")
    mv("chown nothing", lambda: os.chown("f", -1, -1), "f")
    mv("chown same", lambda: os.chown("f", os.getuid(), os.getgid()), "f")
    mv("chown a dir nothing", lambda: os.chown("d", -1, -1), "d")
    mv("chown a link nothing", lambda: os.lchown("s", -1, -1), "s")
    mv("lchown link", lambda: os.lchown("s", os.getuid(), -1), "s", "f")
    mv("truncate same", lambda: os.truncate("f", 5), "f")
    mv("truncate up", lambda: os.truncate("f", 50), "f")
    mv("truncate down", lambda: os.truncate("f", 0), "f")
    mv("truncate zero again", lambda: os.truncate("f", 0), "f")
    mv("open trunc", lambda: os.close(os.open("f", os.O_WRONLY | os.O_TRUNC)), "f")
    mv("write", lambda: write("f", b"abc"), "f", ".")
    fd = os.open("f", os.O_RDWR)
    mv("pwrite", lambda: os.pwrite(fd, b"x", 0), "f", fd)
    mv("pwrite none", lambda: os.pwrite(fd, b"", 0), "f", fd)
    mv("ftruncate same", lambda: os.ftruncate(fd, 3), "f", fd)
    mv("ftruncate", lambda: os.ftruncate(fd, 30000), "f", fd)
    mv("fallocate within", lambda: fallocate(fd, 0, 0, 10), "f", fd)
    mv("fallocate grow", lambda: fallocate(fd, 0, 0, 50000), "f", fd)
    mv("fallocate keep", lambda: fallocate(fd, KEEP, 0, 90000), "f", fd)
    mv("punch", lambda: fallocate(fd, PUNCH | KEEP, 0, 8192), "f", fd)
    mv("zero", lambda: fallocate(fd, ZERO, 0, 8192), "f", fd)
    mv("copy_file_range", lambda: os.copy_file_range(fd, fd, 4096, 0, 8192), "f", fd)
    m = mmap.mmap(fd, 4096)

    def through_map():
        m[0:3] = b"map"
        m.flush()

    mv("mmap", through_map, "f", fd)
    mv("fsync", lambda: os.fsync(fd), "f", fd)
    mv("read", lambda: os.pread(fd, 10, 0), "f", fd)
    mv("close", lambda: os.close(fd), "f")
    m.close()
    mv("link", lambda: os.link("f", "d/l"), "f", "d", ".")
    mv("unlink one of two", lambda: os.unlink("d/l"), "f", "d")
    mv("rename same dir", lambda: os.rename("f", "g"), "g", ".")
    mv("rename other dir", lambda: os.rename("g", "d/g"), "d/g", ".", "d")
    mv("rename back", lambda: os.rename("d/g", "f"), "f", ".", "d")
    mv("rename dir", lambda: os.rename("e", "d/e"), "d/e", ".", "d")
    mv("rename dir back", lambda: os.rename("d/e", "e"), "e", ".", "d")
    write("h")
    os.link("h", "h2")
    mv("rename over a link", lambda: os.rename("f", "h"), "h", "h2", ".")
    mv("exchange", lambda: renameat2("h", "h2", EXCHANGE), "h", "h2", ".")
    mv("exchange dirs", lambda: renameat2("h", "d/x", EXCHANGE), "h", "d", ".")
    mv("rename to itself", lambda: os.rename("h", "h"), "h", ".")
    os.link("h", "h3")
    mv("rename to own link", lambda: os.rename("h", "h3"), "h", ".")
    mv("create", lambda: os.close(os.open("d/n", os.O_CREAT)), "d", ".")
    mv("create existing", lambda: os.close(os.open("d/n", os.O_CREAT)), "d", "d/n")
    mv("mkdir", lambda: os.mkdir("d/sub"), "d", ".")
    mv("rmdir", lambda: os.rmdir("d/sub"), "d", ".")
    mv("symlink", lambda: os.symlink("t", "d/sym"), "d")
    mv("mkfifo", lambda: os.mkfifo("d/p"), "d")
    mv("mkdir that fails", lambda: os.mkdir("d/sym"), "d")
    mv("unlink that fails", lambda: os.unlink("d/none"), "d")
    mv("unlink", lambda: os.unlink("d/sym"), "d")
    mv("setxattr", lambda: os.setxattr("h", "user.x", b"1"), "h", ".")
    mv("setxattr same", lambda: os.setxattr("h", "user.x", b"1"), "h")
    mv("getxattr", lambda: os.getxattr("h", "user.x"), "h")
    mv("removexattr", lambda: os.removexattr("h", "user.x"), "h")
    mv("removexattr none", lambda: os.removexattr("h", "user.x"), "h")
    mv("setxattr dir", lambda: os.setxattr("d", "user.x", b"1"), "d")
    mv("utime", lambda: os.utime("h", ns=(1, 2)), "h")
    mv("utime same", lambda: os.utime("h", ns=(1, 2)), "h")
    mv("utime omit both", lambda: utimens("h", (0, OMIT), (0, OMIT)), "h")
    mv("utime atime", lambda: utimens("h", (5, 6), (0, OMIT)), "h")
    mv("utime mtime", lambda: utimens("h", (0, OMIT), (7, 8)), "h")
    mv("utime now", lambda: utimens("h", (0, NOW), (0, NOW)), "h")
    fd = os.open("h", os.O_RDWR)
    mv("unlink open", lambda: os.unlink("h"), fd, ".")
    mv("write unlinked", lambda: os.write(fd, b"more"), fd)
    mv("chmod unlinked", lambda: os.fchmod(fd, 0o600), fd)
    os.close(fd)
    fd = os.open("d", os.O_DIRECTORY)
    mv("rmdir of another", lambda: os.rmdir("e"), fd, ".")
    os.close(fd)
    mv("touch of a dir", lambda: os.utime("d"), "d", ".")
    mv("chmod of a dir", lambda: os.chmod("d", 0o700), "d", ".")
    mv("chmod of a dir with setgid", lambda: os.chmod("d", 0o2700), "d", ".")


def case_times_that_are_set(r):
    write("f")
    os.symlink("f", "s")
    os.mkdir("d")
    os.mkfifo("p")

    def seen(n, a=True):
        st = os.lstat(n)
        return (st.st_atime_ns if a else None), st.st_mtime_ns

    for n in "f", "s", "d", "p":
        for a, m in (
            ((1, 1), (2, 2)), ((0, 0), (0, 0)), ((-1, 999999999), (-5, 1)),
            ((1700000000, 123456789), (1700000001, 987654321)),
            ((2**31 - 1, 5), (2**31, 5)), ((2**32, 5), (2**33, 7)),
            ((9223372035, 999999999), (9223372035, 1)),
            ((-(2**31), 0), (-(2**31), 0)),
            ((9, 9), (0, OMIT)), ((0, OMIT), (9, 9)), ((0, OMIT), (0, OMIT)),
        ):
            r.do("set %s %s %s" % (n, a, m), utimens, n, a, m, 0x100)
            r.do("is %s %s %s" % (n, a, m), seen, n)
        r.do("bad ns", utimens, n, (1, 10**9), (1, 1), 0x100)
        r.do("negative ns", utimens, n, (1, -1), (1, 1), 0x100)
        r.do("bad but omitted", utimens, n, (1, 2), (10**18, OMIT), 0x100)
        r.do("none", utimens, "none", (1, 2), (3, 4))
        r.do("none omitted", utimens, "none", (0, OMIT), (0, OMIT))
        for a, m in (((0, NOW), (0, OMIT)), ((0, OMIT), (0, NOW)), ((0, NOW), (5, 6)), ((5, 6), (0, NOW))):
            utimens(n, (1, 1), (2, 2), 0x100)
            t = time.time()
            r.do("now", utimens, n, a, m, 0x100)
            st = os.lstat(n)
            r.note("now is", [abs(x - t) < 5 or x for x in (st.st_atime, st.st_mtime)])
    # written data does not undo what is set afterwards
    fd = os.open("f", os.O_RDWR)
    os.write(fd, b"data")
    os.utime(fd, ns=(11, 22))
    r.do("after write", seen, "f")
    os.close(fd)
    r.do("after close", seen, "f")
    m = os.open("f", os.O_RDWR)
    os.pread(m, 4, 0)
    os.close(m)
    r.do("after read and close", lambda: seen("f", False))
    fd = os.open("f", os.O_RDONLY)
    os.utime(fd, ns=(33, 44))
    r.do("through a read-only fd", seen, "f")
    os.close(fd)


# --- data ----------------------------------------------------------------------


def case_truncate(r):
    write("f", b"0123456789" * 1000)
    for n in 9999, 5000, 4096, 4095, 20000, 1, 0, 7, 1 << 20, 3 << 40, (1 << 44) - 4096, 100:
        r.do("to %d" % n, os.truncate, "f", n)
        r.do("size", lambda: os.stat("f").st_size)
        r.do("head", lambda: os.pread(os.open("f", 0), 64, 0))
        r.do("tail", lambda: os.pread(os.open("f", 0), 64, max(0, n - 64)))
    fd = os.open("f", os.O_RDONLY)
    r.do("read-only fd", os.ftruncate, fd, 1)
    os.close(fd)
    fd = os.open("f", os.O_PATH)
    r.do("path fd", os.ftruncate, fd, 1)
    os.close(fd)
    fd = os.open("f", os.O_RDWR)
    r.do("negative", os.ftruncate, fd, -1)
    os.write(fd, b"a" * 10000)
    os.ftruncate(fd, 5000)
    os.ftruncate(fd, 9000)
    r.do("zeros behind", os.pread, fd, 5000, 4990)
    m = mmap.mmap(fd, 8192)
    m[4999:5010] = b"b" * 11
    os.ftruncate(fd, 5000)
    os.ftruncate(fd, 6000)
    r.do("mapped zeros behind", os.pread, fd, 100, 4990)
    r.do("in the map", lambda: m[4990:5020])
    m.close()
    os.close(fd)


def holes(fd):
    end, at, out = os.fstat(fd).st_size, 0, []
    while at < end:
        try:
            d = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as e:
            out.append((at, errno.errorcode[e.errno]))
            break
        at = os.lseek(fd, d, os.SEEK_HOLE)
        out.append((d, at))
    return out


def case_holes(r):
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    M = 1 << 20
    os.pwrite(fd, b"x" * M, 4 * M)
    os.pwrite(fd, b"y" * M, 16 * M)
    os.ftruncate(fd, 40 * M)
    os.fsync(fd)
    r.do("holes", holes, fd)
    for at in 0, 4 * M, 5 * M - 1, 5 * M, 39 * M, 40 * M, 41 * M, -1:
        r.do("data %d" % at, os.lseek, fd, at, os.SEEK_DATA)
        r.do("hole %d" % at, os.lseek, fd, at, os.SEEK_HOLE)
    fallocate(fd, PUNCH | KEEP, 16 * M + 262144, 524288)
    os.fsync(fd)
    r.do("punched", os.pread, fd, M, 16 * M)
    os.close(fd)
    write("empty", b"")
    fd = os.open("empty", 0)
    r.do("empty data", os.lseek, fd, 0, os.SEEK_DATA)
    r.do("empty hole", os.lseek, fd, 0, os.SEEK_HOLE)
    r.do("bad whence", os.lseek, fd, 0, 9)
    r.do("before start", os.lseek, fd, -5, os.SEEK_CUR)
    fd = os.open(".", 0)
    r.do("end of nothing", os.lseek, fd, -1, os.SEEK_SET)


def case_fallocate_modes(r):
    write("f", bytes(range(256)) * 256)
    fd = os.open("f", os.O_RDWR)

    def state():
        return os.fstat(fd).st_size, hash_of(os.pread(fd, 1 << 20, 0))

    for label, mode, off, n in (
        ("grow", 0, 0, 100000), ("keep", KEEP, 0, 200000),
        ("punch", PUNCH | KEEP, 4096, 8192), ("punch odd", PUNCH | KEEP, 1000, 10),
        ("punch without keep", PUNCH, 0, 10), ("punch behind", PUNCH | KEEP, 1 << 30, 10),
        ("zero", ZERO, 20000, 3000), ("zero grow", ZERO, 90000, 60000),
        ("zero keep", ZERO | KEEP, 140000, 60000),
        ("no length", 0, 0, 0), ("negative", 0, 0, -1), ("negative offset", 0, -1, 5),
        ("unknown", 0x1000, 0, 10), ("overflow", 0, 2**63 - 10, 100),
        ("collapse", COLLAPSE, 4096, 4096), ("insert", INSERT, 4096, 4096),
        ("collapse unaligned", 0, 0, 1), ("punch and zero", PUNCH | KEEP | ZERO, 0, 10),
    ):
        r.do(label, fallocate, fd, mode, off, n)
        if label not in ("collapse", "insert"):
            r.do("after " + label, state)
        else:
            os.pwrite(fd, bytes(range(256)) * 256, 0)
            os.ftruncate(fd, 65536)
    ro = os.open("f", os.O_RDONLY)
    r.do("read-only", fallocate, ro, 0, 0, 10)
    d = os.open(".", os.O_RDONLY)
    r.do("directory", fallocate, d, 0, 0, 10)
    p, q = os.pipe()
    os.mkfifo("p")
    pf = os.open("p", os.O_RDWR)
    r.do("fifo", fallocate, pf, 0, 0, 10)
    ap = os.open("f", os.O_WRONLY | os.O_APPEND)
    r.do("append", fallocate, ap, 0, 0, 10)


def hash_of(data):
    import hashlib

    return hashlib.sha256(data).hexdigest()[:12]


def case_copy_file_range(r):
    write("a", bytes(i * 7 % 251 for i in range(300000)))
    write("b", b"b" * 1000)
    a, c = os.open("a", os.O_RDWR), os.open("b", os.O_RDWR)

    def cp(x, y, n, so, do):
        k = os.copy_file_range(x, y, n, so, do)
        return k, os.fstat(y).st_size, hash_of(os.pread(y, 1 << 20, 0))

    r.do("all", cp, a, c, 300000, 0, 0)
    r.do("into", cp, a, c, 100, 1000, 5)
    r.do("behind end", cp, a, c, 100, 10, 400000)
    r.do("past source", cp, a, c, 100, 300000, 0)
    r.do("short", cp, a, c, 1000, 299990, 0)
    r.do("overlap", cp, a, a, 100, 0, 50)
    r.do("same apart", cp, a, a, 100, 0, 200)
    r.do("zero", cp, a, c, 0, 0, 0)
    ro, wo = os.open("b", os.O_RDONLY), os.open("a", os.O_WRONLY)
    r.do("to read-only", cp, a, ro, 10, 0, 0)
    r.do("from write-only", cp, wo, c, 10, 0, 0)
    ap = os.open("b", os.O_RDWR | os.O_APPEND)
    r.do("to append", cp, a, ap, 10, 0, 0)
    d = os.open(".", 0)
    r.do("from directory", cp, d, c, 10, 0, 0)


def case_reading_and_writing(r):
    write("f", b"0123456789")
    fd = os.open("f", os.O_RDONLY)
    r.do("write to read-only", os.write, fd, b"x")
    r.do("at the end", os.pread, fd, 10, 10)
    r.do("behind", os.pread, fd, 10, 1000)
    r.do("negative", os.pread, fd, 10, -1)
    r.do("across", os.pread, fd, 100, 5)
    w = os.open("f", os.O_WRONLY)
    r.do("read of write-only", os.read, w, 1)
    r.do("map write-only", lambda: mmap.mmap(w, 10))
    r.do("map read-only shared write", lambda: mmap.mmap(fd, 10))
    r.do("pwrite far", os.pwrite, w, b"z", 100000)
    r.do("size", lambda: os.stat("f").st_size)
    r.do("too far", os.pwrite, w, b"z", 2**63 - 1)
    r.do("vector", os.writev, w, [b"ab", b"", b"cd"])
    r.do("head", os.pread, fd, 12, 0)
    d = os.open(".", os.O_RDONLY)
    r.do("read directory", os.read, d, 10)
    r.do("write directory", os.write, d, b"x")
    r.do("open directory to write", os.open, ".", os.O_WRONLY)
    r.do("fsync directory", os.fsync, d)
    r.do("fdatasync directory", os.fdatasync, d)
    p = os.open("f", os.O_PATH)
    r.do("path read", os.read, p, 1)
    r.do("path write", os.write, p, b"x")
    r.do("path fsync", os.fsync, p)
    r.do("path fchmod", os.fchmod, p, 0o600)
    r.do("path fstat", lambda: os.fstat(p).st_size)
    r.do("path getxattr", os.getxattr, p, "user.a")
    r.do("path lock", fcntl.flock, p, fcntl.LOCK_EX)
    for flag in "O_SYNC", "O_DSYNC", "O_DIRECT", "O_NOATIME", "O_APPEND":
        x = os.open("f", os.O_RDWR | getattr(os, flag))
        data = mmap.mmap(-1, 4096)
        data[:4] = b"data"
        r.do(flag, os.writev, x, [data])
        r.do(flag + " read", lambda: os.preadv(x, [data], 0))
        r.do(flag + " flags", lambda: bool(fcntl.fcntl(x, fcntl.F_GETFL) & getattr(os, flag)))
        os.close(x)
    r.do("size", lambda: os.stat("f").st_size)
    x = os.open("f", os.O_RDWR)
    fcntl.fcntl(x, fcntl.F_SETFL, os.O_APPEND)
    os.pwrite(x, b"end", 0)
    r.do("append set later", lambda: os.stat("f").st_size)


def case_file_size_limit(r):
    import resource
    import signal

    def small():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        fd = os.open("f", os.O_RDWR | os.O_CREAT)
        r.do("within", os.write, fd, b"x" * 4000)
        r.do("partly", os.write, fd, b"x" * 4000)
        r.do("not at all", os.write, fd, b"x" * 4000)
        r.do("truncate", os.ftruncate, fd, 6000)
        r.do("fallocate", fallocate, fd, 0, 0, 6000)
        r.do("size", lambda: os.fstat(fd).st_size)

    r.as_user(os.getuid(), os.getgid(), os.getgroups(), small) if ROOT else None


def case_direct(r):
    buf = mmap.mmap(-1, 1 << 20)
    for i in range(0, 1 << 20, 4096):
        buf[i : i + 8] = struct.pack("Q", i)
    fd = os.open("f", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    r.do("write", os.writev, fd, [buf])
    r.do("at", os.pwritev, fd, [buf], 512 * 1024)
    buf2 = mmap.mmap(-1, 1 << 20)
    r.do("read", os.preadv, fd, [buf2], 0)
    r.note("same", hash_of(buf2[:]))
    g = os.open("f", os.O_RDWR)
    r.note("cached", hash_of(os.pread(g, 1 << 21, 0)))
    os.pwrite(g, b"through the cache", 4096)
    r.do("direct after cached", os.preadv, fd, [buf2], 0)
    r.note("sees", buf2[4096:4113])
    buf[:9] = b"directly!"
    os.pwritev(fd, [buf], 0)
    r.note("cached after direct", os.pread(g, 9, 0))
    m = mmap.mmap(g, 4096)
    r.note("map", m[:9])
    m[:3] = b"map"
    r.do("direct after map", os.preadv, fd, [buf2], 0)
    r.note("sees the map", buf2[:9])
    r.do("end", os.preadv, fd, [buf2], 1 << 30)


def case_mappings(r):
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 100000)
    m = mmap.mmap(fd, 100000)
    m[50000:50005] = b"hello"
    r.do("read sees", os.pread, fd, 5, 50000)
    os.pwrite(fd, b"HELLO", 50000)
    r.note("map sees", m[50000:50005])
    n = mmap.mmap(os.open("f", os.O_RDWR), 100000)
    n[0] = 65
    r.note("the other map", m[0])
    p = mmap.mmap(fd, 4096, flags=mmap.MAP_PRIVATE)
    p[1] = 66
    r.note("private", (m[1], p[1], p[0]))

    def other():
        m[99999] = 67

    r.note("child", r.child(other))
    r.note("from the child", m[99999])
    os.close(fd)
    m[10:13] = b"lat"
    m.flush()
    r.do("after close", lambda: read("f")[10:13])
    os.unlink("f")
    m[20:23] = b"end"
    r.note("unlinked", m[20:23])


def case_appends(r):
    def writer(i):
        fd = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for k in range(100):
            os.write(fd, b"%d:%03d\n" % (i, k))

    pids = []
    for i in range(6):
        pid = os.fork()
        if not pid:
            writer(i)
            os._exit(0)
        pids.append(pid)
    for p in pids:
        os.waitpid(p, 0)
    lines = read("log").split(b"\n")
    r.note("all there", (len(lines), len(set(lines))))
    for i in range(6):
        mine = [x for x in lines if x.startswith(b"%d:" % i)]
        r.note("in order", mine == sorted(mine))


def case_exclusive_by_many(r):
    rfd, wfd = os.pipe()
    pids = []
    for i in range(8):
        pid = os.fork()
        if not pid:
            for k in range(30):
                try:
                    os.close(os.open("l%d" % k, os.O_CREAT | os.O_EXCL))
                    os.write(wfd, b"%d " % k)
                except FileExistsError:
                    pass
                try:
                    os.mkdir("d%d" % k)
                    os.write(wfd, b"%d " % (k + 100))
                except FileExistsError:
                    pass
                try:
                    write("src%d.%d" % (i, k))
                    renameat2("src%d.%d" % (i, k), "dst%d" % k, NOREPLACE)
                    os.write(wfd, b"%d " % (k + 200))
                except FileExistsError:
                    pass
            os._exit(0)
        pids.append(pid)
    for p in pids:
        os.waitpid(p, 0)
    os.close(wfd)
    r.note("winners", sorted(map(int, os.read(rfd, 1 << 16).split())))


# --- locks -----------------------------------------------------------------------


def held(path, how, kind="posix", start=0, n=0):
    """whether a child cannot take it"""

    def take():
        fd = os.open(path, os.O_RDWR)
        if kind == "flock":
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        else:
            fcntl.lockf(fd, how | fcntl.LOCK_NB, n, start)

    pid = os.fork()
    if not pid:
        try:
            take()
            os._exit(0)
        except OSError as e:
            os._exit(1 if e.errno in (errno.EAGAIN, errno.EACCES) else 2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def case_locks(r):
    write("f", b"x" * 100)
    EX, SH, UN, NB = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_NB
    fd = os.open("f", os.O_RDWR)
    r.do("range", fcntl.lockf, fd, EX | NB, 10, 20)
    r.note("within", held("f", EX, n=5, start=22))
    r.note("before", held("f", EX, n=20, start=0))
    r.note("after", held("f", EX, n=0, start=30))
    r.note("whole", held("f", SH))
    r.do("unlock the middle", fcntl.lockf, fd, UN, 4, 23)
    r.note("middle", held("f", EX, n=4, start=23))
    r.note("rest", held("f", EX, n=1, start=22))
    lk = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
    r.do("getlk own", lambda: struct.unpack("hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, lk))[0])
    g = os.open("f", os.O_RDONLY)
    r.do("write lock on read-only", fcntl.lockf, g, EX | NB)
    w = os.open("f", os.O_WRONLY)
    r.do("read lock on write-only", fcntl.lockf, w, SH | NB)
    os.close(w)
    r.note("closing any descriptor drops all", held("f", EX))
    # flock belongs to the open file
    fcntl.flock(fd, EX)
    r.note("flock", held("f", SH, "flock"))
    h = os.open("f", os.O_RDWR)
    r.do("flock second open", fcntl.flock, h, EX | NB)
    os.close(h)
    r.note("flock stays", held("f", EX, "flock"))
    d = os.dup(fd)
    os.close(fd)
    r.note("flock stays with dup", held("f", EX, "flock"))

    def child():
        fcntl.flock(d, UN)

    r.child(child)
    r.note("unlocked by the child", held("f", EX, "flock"))
    fcntl.flock(d, SH)
    r.note("shared", (held("f", SH, "flock"), held("f", EX, "flock")))
    os.close(d)
    # POSIX locks are not inherited, and go when the process ends
    fd = os.open("f", os.O_RDWR)
    fcntl.lockf(fd, EX)
    r.note("child cannot", r.child(lambda: fcntl.lockf(fd, EX | NB)))
    r.note("still", held("f", EX))
    os.close(fd)
    pid = os.fork()
    if not pid:
        x = os.open("f", os.O_RDWR)
        fcntl.lockf(x, EX)
        fcntl.flock(x, EX)
        time.sleep(60)
    time.sleep(0.15)
    r.note("held by another", (held("f", EX), held("f", EX, "flock")))
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    time.sleep(0.05)
    r.note("gone with it", (held("f", EX), held("f", EX, "flock")))
    # waiting
    fd = os.open("f", os.O_RDWR)
    fcntl.lockf(fd, EX)
    pid = os.fork()
    if not pid:
        x = os.open("f", os.O_RDWR)
        fcntl.lockf(x, EX)
        os._exit(7)
    time.sleep(0.05)
    fcntl.lockf(fd, UN)
    r.note("waited", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    # open file description locks
    ofd = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
    r.do("ofd", lambda: fcntl.fcntl(fd, 37, ofd) and None)
    x = os.open("f", os.O_RDWR)
    r.do("ofd other", lambda: fcntl.fcntl(x, 37, ofd) and None)
    os.close(x)
    os.close(fd)
    d = os.open(".", os.O_RDONLY)
    r.do("flock directory", fcntl.flock, d, EX | NB)


def case_deadlock_is_told(r):
    write("f", b"x" * 10)
    pid = os.fork()
    a = os.open("f", os.O_RDWR)
    if not pid:
        fcntl.lockf(a, fcntl.LOCK_EX, 1, 1)
        time.sleep(0.1)
        try:
            fcntl.lockf(a, fcntl.LOCK_EX, 1, 0)
        except OSError:
            pass
        os._exit(0)
    fcntl.lockf(a, fcntl.LOCK_EX, 1, 0)
    time.sleep(0.3)
    r.do("deadlock", fcntl.lockf, a, fcntl.LOCK_EX, 1, 1)
    os.close(a)
    os.waitpid(pid, 0)


# --- extended attributes -----------------------------------------------------------


def case_xattrs(r):
    zoo(r)
    if ROOT:
        os.mknod("dev", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    for f in ZOO + ["dev"]:
        for n in (
            "user.a", "trusted.a", "security.a", "security.capability", "system.a",
            "system.posix_acl_access", "other.a", "user.", "user", "", "user." + "n" * 250,
            "user." + "n" * 251, "trusted.", "security.", "system.", "btrfs.x",
        ):
            if n.startswith("system.") or n == "security.capability":
                continue
            r.do("set %s %s" % (f, n[:30]), os.setxattr, f, n, b"v", follow_symlinks=False)
            r.do("get %s %s" % (f, n[:30]), os.getxattr, f, n, follow_symlinks=False)
        r.do("list", lambda: sorted(x[:20] for x in os.listxattr(f, follow_symlinks=False) if x != "security.selinux"))
        r.do("create existing", os.setxattr, f, "user.a", b"v", os.XATTR_CREATE, follow_symlinks=False)
        r.do("replace none", os.setxattr, f, "user.zz", b"v", os.XATTR_REPLACE, follow_symlinks=False)
        r.do("bad flags", os.setxattr, f, "user.a", b"v", 4, follow_symlinks=False)
        r.do("both flags", os.setxattr, f, "user.a", b"v", 3, follow_symlinks=False)
        r.do("get none", os.getxattr, f, "user.none", follow_symlinks=False)
        r.do("remove none", os.removexattr, f, "user.none", follow_symlinks=False)
        r.do("empty value", os.setxattr, f, "user.e", b"", follow_symlinks=False)
        r.do("get empty", os.getxattr, f, "user.e", follow_symlinks=False)
        r.do("remove", os.removexattr, f, "user.e", follow_symlinks=False)
    for n in 1, 100, 1900:
        r.do("size %d" % n, os.setxattr, "file", "user.big", b"v" * n)
        r.do("size read %d" % n, lambda: len(os.getxattr("file", "user.big")))
    r.do("65537", os.setxattr, "file", "user.big", b"v" * 65537)
    buf = ctypes.create_string_buffer(10)
    r.do("short buffer", lambda: sys_call("getxattr", b"file", b"user.big", buf, 10))
    r.do("short list", lambda: sys_call("listxattr", b"file", buf, 3))
    r.do("size asked", lambda: sys_call("getxattr", b"file", b"user.big", None, 0))
    r.do("bytes", os.setxattr, "file", b"user.\xff\xfe", bytes(range(256)))
    r.do("bytes read", os.getxattr, "file", b"user.\xff\xfe")
    os.rename("file", "moved")
    r.do("moves", os.getxattr, "moved", "user.a")
    os.link("moved", "linked")
    r.do("linked", os.getxattr, "linked", "user.a")


def case_xattr_rights(r):
    if not ROOT:
        return
    os.chmod(".", 0o777)
    write("f")
    os.chmod("f", 0o644)
    write("mine")
    os.chown("mine", OTHER, OTHER)
    os.mkdir("sticky")
    os.chmod("sticky", 0o1777)
    os.setxattr("f", "user.a", b"1")
    os.setxattr("f", "trusted.a", b"1")
    os.setxattr("f", "security.a", b"1")
    write("secret")
    os.setxattr("secret", "user.a", b"1")
    os.chmod("secret", 0o600)

    def user():
        for n in "user.a", "trusted.a", "security.a":
            for f in "f", "mine", "sticky", "secret":
                r.do("get %s %s" % (f, n), os.getxattr, f, n)
                r.do("set %s %s" % (f, n), os.setxattr, f, n, b"2")
                r.do("remove %s %s" % (f, n), os.removexattr, f, n)
                r.do("list %s" % f, lambda: sorted(os.listxattr(f)))

    r.as_user(OTHER, OTHER, [], user)


def case_xattr_limit_of_a_file(r):
    write("f")
    # ext4 has one block of them; what is kept together is at least that much
    for i in range(12):
        r.do("%d" % i, os.setxattr, "f", "user.%d" % i, b"v" * 250)
    r.do("listed", lambda: len(os.listxattr("f")))


# --- rights ------------------------------------------------------------------------


def case_modes_of_what_is_made(r):
    for mask in 0, 0o22, 0o77, 0o777, 0o27:
        os.umask(mask)
        for m in 0, 0o666, 0o777, 0o7777, 0o4755, 0o2755, 0o1755:
            n = "%o.%o" % (mask, m)
            r.do("open", lambda: os.close(os.open("f" + n, os.O_CREAT, m)))
            r.look("f" + n)
            r.do("mkdir", os.mkdir, "d" + n, m)
            r.look("d" + n)
            r.do("fifo", os.mkfifo, "p" + n, m)
            r.look("p" + n)
    os.umask(0)
    for m in 0, 0o7777, 0o4711, 0o2070, 0o1000:
        os.chmod("f0.0", m)
        r.look("f0.0")
        os.chmod("d0.0", m)
        r.look("d0.0")
    os.chmod("d0.0", 0o700)


def case_setgid_directories(r):
    if not ROOT:
        return
    os.umask(0)
    os.mkdir("d")
    os.chown("d", 0, GROUP)
    os.chmod("d", 0o2777)

    def make():
        os.mkdir("d/sub", 0o755)
        write("d/f")
        os.mkfifo("d/p")
        os.symlink("x", "d/s")
        os.close(os.open("d/x", os.O_CREAT, 0o2775))
        os.close(os.open("d/y", os.O_CREAT, 0o2765))
        os.mkdir("d/sub/deep", 0o700)
        for n in "sub", "f", "p", "s", "x", "y", "sub/deep":
            r.look("d/" + n)

    make()
    shutil.rmtree("d/sub")
    for n in "fpsxy":
        os.unlink("d/" + n)
    r.as_user(OTHER, OTHER, [], make)
    shutil.rmtree("d/sub")
    for n in "fpsxy":
        os.unlink("d/" + n)
    r.as_user(OTHER, OTHER, [GROUP], make)


def case_chown_and_chmod(r):
    if not ROOT:
        return
    os.umask(0)
    os.chmod(".", 0o777)
    write("f")
    os.mkdir("d")
    for n in "f", "d":
        for m in 0o6777, 0o6666, 0o2644, 0o2654, 0o4711, 0o7777:
            for u, g in (OTHER, -1), (-1, GROUP), (OTHER, GROUP), (0, 0), (-1, -1):
                os.chmod(n, m)
                r.do("chown", os.chown, n, u, g)
                r.look(n)
    os.chown("f", OTHER, THIRD)
    os.chown("d", OTHER, THIRD)
    write("roots")

    def user():
        for n in "f", "d", "roots":
            for m in 0o6777, 0o2755, 0o755, 0o1777, 0o1666:
                r.do("chmod %s %o" % (n, m), os.chmod, n, m)
                r.look(n)
            for u, g in (-1, GROUP), (-1, THIRD), (OTHER, -1), (0, -1), (OTHER, GROUP), (-1, OTHER), (-1, -1), (-1, 0):
                r.do("chown %s %d %d" % (n, u, g), os.chown, n, u, g)
                r.look(n)
                if n != "roots":
                    os.chmod(n, 0o6755)
            r.do("utime %s" % n, os.utime, n, ns=(1, 1))
            r.do("utime now %s" % n, os.utime, n)
            r.do("utime omit %s" % n, utimens, n, (0, OMIT), (0, OMIT))
            r.do("utime mixed %s" % n, utimens, n, (0, NOW), (0, OMIT))

    r.as_user(OTHER, OTHER, [GROUP], user)
    os.chown("f", OTHER, OTHER)
    os.chown("d", OTHER, OTHER)
    r.as_user(OTHER, OTHER, [], user)
    os.chmod("roots", 0o666)
    r.as_user(OTHER, OTHER, [], user)


def case_permissions(r):
    """every class and bit, of files and directories"""
    if not ROOT:
        return
    os.umask(0)
    os.chmod(".", 0o777)
    who = (
        (OTHER, OTHER, []), (THIRD, OTHER, []), (THIRD, THIRD, [OTHER]),
        (THIRD, THIRD, []), (0, 0, []),
    )
    for bits in range(8):
        for shift in 6, 3, 0:
            m = bits << shift
            n = "%03o" % m
            if not bits and shift:
                continue
            write("f" + n)
            os.mkdir("d" + n)
            write("d%s/in" % n)
            os.chmod("d%s/in" % n, 0o666)
            os.chmod("f" + n, m)
            os.chmod("d" + n, m)
            os.chown("f" + n, OTHER, OTHER)
            os.chown("d" + n, OTHER, OTHER)

    def user():
        for bits in range(8):
            for shift in 6, 3, 0:
                n = "%03o" % (bits << shift)
                f, d = "f" + n, "d" + n
                for a in 4, 2, 1:
                    r.do("%s access %d" % (f, a), sys_call, "access", b(f), a)
                for fl in os.O_RDONLY, os.O_WRONLY, os.O_RDWR:
                    r.do("%s open %d" % (f, fl), lambda: os.close(os.open(f, fl)))
                r.do("%s truncate" % f, os.truncate, f, 3)
                r.do("%s list" % d, lambda: sorted(os.listdir(d)))
                r.do("%s look" % d, lambda: os.stat(d + "/in").st_size)
                r.do("%s create" % d, lambda: write(d + "/new"))
                r.do("%s link" % d, os.link, "fifo", d + "/l")
                r.do("%s rename" % d, os.rename, d + "/new", d + "/new2")
                r.do("%s unlink" % d, os.unlink, d + "/new2")
                r.do("%s mkdir" % d, os.mkdir, d + "/sub")
                r.do("%s rmdir" % d, os.rmdir, d + "/sub")
                r.do("%s chdir" % d, lambda: (os.chdir(d), os.chdir(".."))[0])

    os.mkfifo("fifo")
    os.chmod("fifo", 0o666)
    for w in who:
        r.as_user(*w, user)


def case_sticky(r):
    if not ROOT:
        return
    os.umask(0)
    os.mkdir("d")
    for owner in 0, OTHER:
        for fowner in 0, OTHER, THIRD:
            for kind in "file", "dir":
                os.chown("d", owner, 0)
                os.chmod("d", 0o1777)

                def fresh():
                    for n in "d/a", "d/t":
                        if os.path.isdir(n):
                            os.rmdir(n)
                        elif os.path.exists(n):
                            os.unlink(n)
                    for n in "d/a", "d/t":
                        os.mkdir(n) if kind == "dir" else write(n)
                        os.chmod(n, 0o777)
                    os.chown("d/a", fowner, 0)

                for what, call in (
                    ("remove", lambda: os.rmdir("d/a") if kind == "dir" else os.unlink("d/a")),
                    ("rename", lambda: os.rename("d/a", "d/t2")),
                    ("over", lambda: os.rename("d/t", "d/a")),
                    ("exchange", lambda: renameat2("d/a", "d/t", EXCHANGE)),
                ):
                    fresh()
                    r.as_user(
                        OTHER, OTHER, [],
                        lambda: r.do("%s %d %d %s" % (kind, owner, fowner, what), call),
                    )
                    if os.path.isdir("d/t2"):
                        os.rmdir("d/t2")
                    elif os.path.exists("d/t2"):
                        os.unlink("d/t2")


def case_writes_take_setuid(r):
    if not ROOT:
        return
    os.umask(0)
    os.chmod(".", 0o777)
    for m in 0o6777, 0o2767, 0o2666, 0o4666, 0o6711, 0o6755:
        for who in (0, OTHER, THIRD):
            for what, call in (
                ("write", lambda: os.pwrite(os.open("f", os.O_WRONLY), b"x", 0)),
                ("truncate", lambda: os.truncate("f", 1)),
                ("truncate same", lambda: os.truncate("f", 3)),
                ("open trunc", lambda: os.close(os.open("f", os.O_WRONLY | os.O_TRUNC))),
                ("fallocate", lambda: fallocate(os.open("f", os.O_WRONLY), 0, 0, 10)),
                ("utime", lambda: os.utime("f", None)),
                ("read", lambda: os.read(os.open("f", os.O_RDONLY), 1)),
            ):
                write("f", b"123")
                os.chown("f", OTHER, OTHER)
                os.chmod("f", m)
                r.as_user(who, who, [], lambda: r.do("%s by %d of %o" % (what, who, m), lambda: (call(), None)[1]))
                r.look("f", "after %s by %d of %o" % (what, who, m))
                os.unlink("f")


def case_protected_links(r):
    if not ROOT:
        return
    os.umask(0)
    os.chmod(".", 0o777)
    write("roots")
    os.chmod("roots", 0o600)
    r.as_user(OTHER, OTHER, [], lambda: r.do("link to a file of root", os.link, "roots", "l"))
    os.mkdir("d")
    os.chmod("d", 0o1777)
    os.symlink("../roots", "d/s")
    r.as_user(OTHER, OTHER, [], lambda: r.do("follow in sticky", read, "d/s"))
    r.as_user(OTHER, OTHER, [], lambda: r.do("device", os.mknod, "dev", stat.S_IFCHR | 0o600, 0x103))
    r.as_user(OTHER, OTHER, [], lambda: r.do("fifo", os.mkfifo, "fi"))


# --- directories -------------------------------------------------------------------


class Dir:
    """opendir(3) and its friends; what Python has cannot seek"""

    class Ent(ctypes.Structure):
        _fields_ = [
            ("ino", ctypes.c_uint64), ("off", ctypes.c_int64),
            ("len", ctypes.c_uint16), ("type", ctypes.c_uint8), ("name", ctypes.c_char * 256),
        ]

    def __init__(self, path):
        libc.opendir.restype = ctypes.c_void_p
        libc.readdir.restype = ctypes.POINTER(Dir.Ent)
        libc.telldir.restype = ctypes.c_long
        self.d = ctypes.c_void_p(libc.opendir(b(path)))

    def read(self, n=10**9):
        out = []
        while len(out) < n:
            e = libc.readdir(self.d)
            if not e:
                break
            out.append(e.contents.name.decode())
        return out

    def tell(self):
        return libc.telldir(self.d)

    def seek(self, at):
        libc.seekdir(self.d, ctypes.c_long(at))

    def rewind(self):
        libc.rewinddir(self.d)

    def close(self):
        libc.closedir(self.d)


def case_listing_while_others_change(r):
    os.mkdir("d")
    names = ["n%04d" % i for i in range(3000)]
    for n in names:
        os.close(os.open("d/" + n, os.O_CREAT))
    d = Dir("d")
    first = d.read(500)
    at = d.tell()
    rest = d.read()
    r.note("all once", sorted(first + rest) == sorted(names + [".", ".."]))
    d.seek(at)
    r.note("seek", d.read() == rest)
    d.seek(at)
    # those read already go, new ones come: the rest appear once each
    for n in first:
        if n[0] == "n":
            os.unlink("d/" + n)
    for i in range(500):
        os.close(os.open("d/a%d" % i, os.O_CREAT))
    again = [n for n in d.read() if n[0] == "n"]
    r.note("the rest once", sorted(again) == sorted(n for n in rest if n[0] == "n"))
    d.rewind()
    now = d.read()
    r.note("after rewind", sorted(now) == sorted(os.listdir("d") + [".", ".."]))
    d.close()
    # remove while reading, as rm -r does
    d = Dir("d")
    while True:
        some = [n for n in d.read(100) if n not in (".", "..")]
        if not some:
            break
        for n in some:
            os.unlink("d/" + n)
    d.close()
    r.note("left", os.listdir("d"))
    # rename while reading: no name twice
    for n in names[:1000]:
        os.close(os.open("d/" + n, os.O_CREAT))
    d = Dir("d")
    seen = []
    while True:
        some = [n for n in d.read(50) if n not in (".", "..")]
        if not some:
            break
        seen += some
        x = some[0]
        os.rename("d/" + x, "d/" + x)
    r.note("once each", len(seen) == len(set(seen)) == 1000)
    d.close()
    kinds = {}
    os.mkdir("k")
    os.chdir("k")
    zoo(r)
    r.note("types", sorted((e.name, e.is_file(follow_symlinks=False), e.is_dir(follow_symlinks=False), e.is_symlink()) for e in os.scandir(".")))
    r.note("inodes", all(e.inode() == os.lstat(e.name).st_ino for e in os.scandir(".")))


def case_statfs(r):
    st = os.statvfs(".")
    r.note("namemax", st.f_namemax)
    r.note("sane", (st.f_blocks > 0, st.f_bavail <= st.f_bfree <= st.f_blocks, st.f_files >= st.f_ffree, st.f_bsize > 0))
    for n in "PC_NAME_MAX", "PC_PATH_MAX", "PC_PIPE_BUF", "PC_LINK_MAX":
        if n != "PC_LINK_MAX":
            r.do(n, os.pathconf, ".", n)


def case_blocks_and_inodes(r):
    write("a")
    write("b")
    os.link("a", "c")
    ino = [os.stat(n).st_ino for n in "abc"]
    r.note("inodes", (ino[0] == ino[2], ino[0] != ino[1]))
    os.rename("a", "z")
    r.note("kept", os.stat("z").st_ino == ino[0])
    write("z", b"new")
    r.note("kept by truncation", os.stat("z").st_ino == ino[0])
    r.note("dev", os.stat("z").st_dev == os.stat(".").st_dev)
    write("big", b"x" * (1 << 20))
    os.sync()
    r.note("blocks", os.stat("big").st_blocks * 512 >= 1 << 20)


def case_tmpfile(r):
    r.do("O_TMPFILE", lambda: os.close(os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)))


def case_ioctls(r):
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"12345")
    os.lseek(fd, 2, 0)
    r.do("FIONREAD", lambda: struct.unpack("i", fcntl.ioctl(fd, 0x541B, b"\0" * 4))[0])
    r.do("TCGETS", fcntl.ioctl, fd, 0x5401, b"\0" * 64)
    r.do("tty", os.isatty, fd)
    r.do("nonsense", fcntl.ioctl, fd, 0x12345678, b"\0" * 64)


def case_statx(r):
    """the birth of a file, and sync flags"""
    write("f")
    buf = ctypes.create_string_buffer(256)
    for flags in 0, 0x2000, 0x4000:
        r.do("statx %x" % flags, sys_call, "statx", AT, b"f", flags, 0xFFF, buf)
        r.note("mask", hex(struct.unpack_from("I", buf, 0)[0] & 0x7FF))


# --- running --------------------------------------------------------------------------


def run_case(name, call, base):
    top = tempfile.mkdtemp(prefix="case.", dir=base)
    os.chmod(top, 0o755)
    r = Run(top)
    HERE[0] = top
    os.umask(0o022)
    pid = os.fork()
    path = os.path.join(LOGS, "%s.%s" % (name, hash_of(base.encode())))
    if not pid:
        os.chdir(top)
        try:
            call(r)
        except BaseException:
            r.note("raised", traceback.format_exc().replace(top, "TOP"))
        with open(path, "w") as f:
            f.write(repr(r.log))
        os._exit(0)
    os.waitpid(pid, 0)
    subprocess.run(["chmod", "-R", "u+rwX", top], stderr=subprocess.DEVNULL)
    shutil.rmtree(top, ignore_errors=True)
    with open(path) as f:
        return eval(f.read())


def compare(name, native, mount):
    bad = 0
    for (l1, v1), (l2, v2) in zip(native, mount):
        want = EXPECTED.get((name, l1), v1)
        if l1 != l2 or want != v2:
            bad += 1
            if bad <= SHOW:
                print("# %s: %s: native %s, here %s" % (name, l1, str(v1)[:1500], (str(v2) if l1 == l2 else "%s %s" % (l2, v2))[:1500]))
            if l1 != l2:
                break
    if len(native) != len(mount):
        bad += 1
        print("# %s: %d answers, and here %d" % (name, len(native), len(mount)))
    return bad, len(native)


SHOW = int(os.environ.get("SHOW", "20"))
LOGS = tempfile.mkdtemp(prefix="posix.")
os.chmod(LOGS, 0o777)


def main():
    native, mount = map(os.path.realpath, sys.argv[1:3])
    only = sys.argv[3:]
    failed = total = 0
    for full, call in sorted(globals().items()):
        name = full[5:]
        if not full.startswith("case_") or only and name not in only:
            continue
        bad, n = compare(name, run_case(name, call, native), run_case(name, call, mount))
        total += n
        failed += bad
        print("# %s: %d answers, %d differ" % (name, n, bad), flush=True)
    shutil.rmtree(LOGS, ignore_errors=True)
    if not total:
        sys.exit("no such case")
    sys.exit(1 if failed else 0)


main()
