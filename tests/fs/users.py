#!/usr/bin/env python3
"""users.py NATIVE MOUNT COUNT [SEED] - users at work in one tree, at random, and
each call compared with the same call in a native file system: its answer, and
what stat(2) says of what it was about.

Root, three users and one with supplementary groups make, open, rename, link,
remove, chmod, chown, truncate, touch and give ACLs to what is there, in a few directories of
few names, so that all kinds meet all modes. Needs root. The first difference
ends it, with the seed.
"""
import errno
import os
import pickle
import random
import stat
import struct
import sys
import time
import traceback

# uid, gid, supplementary groups
PEOPLE = [(0, 0, []), (0, 0, []), (65534, 65534, []), (12345, 12345, []),
          (12345, 23456, [12345, 34567]), (23456, 23456, [65534])]
IDS = [-1, 0, 12345, 23456, 34567, 65534]
NAMES = ["a", "b", "c", "d"]
MODES = [0o000, 0o111, 0o222, 0o444, 0o555, 0o600, 0o640, 0o644, 0o666, 0o700,
         0o711, 0o755, 0o770, 0o775, 0o777, 0o1777, 0o1755, 0o2755, 0o2775,
         0o2777, 0o3777, 0o4755, 0o4777, 0o6755, 0o6775, 0o2644, 0o7777, 0o070,
         0o007]
FLAGS = [os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC,
         os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_CREAT,
         os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDONLY | os.O_CREAT,
         os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_RDONLY | os.O_DIRECTORY,
         os.O_WRONLY | os.O_APPEND, os.O_RDONLY | os.O_NOFOLLOW,
         os.O_RDONLY | os.O_NOATIME]
TOP_MODES = [0o755, 0o777, 0o1777, 0o2777, 0o3777, 0o775]


def some_path(rand):
    depth = rand.choice((1, 1, 2, 2, 2, 3))
    path = "/".join(rand.choice(NAMES) for _ in range(depth))
    return path + ("/" if rand.random() < 0.03 else "")


def do_open(rand):
    path, flags = some_path(rand), rand.choice(FLAGS)
    mode, n = rand.choice(MODES), rand.choice((0, 0, 3, 5000))

    def call():
        fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)
        try:
            st = os.fstat(fd)
            out = [oct(st.st_mode), st.st_uid, st.st_gid]
            if stat.S_ISREG(st.st_mode):
                out.append(st.st_size)
                if n and flags & os.O_ACCMODE != os.O_RDONLY:
                    out.append(os.write(fd, b"x" * n))
                    os.fsync(fd)  # as a close is, in order
                    out.append(oct(os.fstat(fd).st_mode))
                elif flags & os.O_ACCMODE != os.O_WRONLY:
                    out.append(len(os.read(fd, 9000)))
            return out
        finally:
            os.close(fd)
    return "open", (path, oct(flags), oct(mode), n), [path], call


def simple(name, call, *makers):
    def make(rand):
        args = [m(rand) for m in makers]
        paths = [a for a in args if isinstance(a, str)]
        return name, args, paths, lambda: call(*args)
    return make


def mode_of(rand):
    return rand.choice(MODES)


def id_of(rand):
    return rand.choice(IDS)


def node_type(rand):
    return rand.choice(MODES) & 0o777 | rand.choice(
        (stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR))


def target(rand):
    return rand.choice(NAMES + ["../a", "a/b", "..", "nowhere"])


def times_of(rand):
    return rand.choice((None, (1, 2), (10 ** 9, 10 ** 18)))


def rename_flags(rand):
    return rand.choice((1, 2))


def renameat2(a, b, flags):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, a.encode(), -100, b.encode(), flags) < 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def set_times(path, times):
    os.utime(path, ns=times) if times else os.utime(path)


def xattr_set(path, value):
    os.setxattr(path, "user.x", b"v" * value)


def acl_of(rand):
    """the attribute of a list: mostly a good one"""
    def right():
        return rand.choice((0, 1, 2, 3, 4, 5, 6, 7, 7))
    users = rand.sample((0, 12345, 23456, 65534), rand.randrange(3))
    groups = rand.sample((0, 12345, 23456, 34567, 65534), rand.randrange(3))
    out = [(1, right(), -1)] + [(2, right(), u) for u in sorted(users)]
    out += [(4, right(), -1)] + [(8, right(), g) for g in sorted(groups)]
    if users or groups or rand.random() < 0.1:
        out.append((16, right(), -1))
    out.append((32, right(), -1))
    if rand.random() < 0.05:
        rand.shuffle(out)
    if rand.random() < 0.05:
        out.pop()
    return struct.pack("<I", 2) + b"".join(
        struct.pack("<HHi", *e) for e in out)


def acl_name(rand):
    return "system.posix_acl_" + rand.choice(("access", "access", "default"))


CALLS = [
    (do_open, 30),
    (simple("mkdir", os.mkdir, some_path, mode_of), 8),
    (simple("rmdir", os.rmdir, some_path), 4),
    (simple("unlink", os.unlink, some_path), 6),
    (simple("rename", os.rename, some_path, some_path), 10),
    (simple("renameat2", renameat2, some_path, some_path, rename_flags), 4),
    (simple("link", lambda a, b: os.link(a, b, follow_symlinks=False),
            some_path, some_path), 6),
    (simple("symlink", os.symlink, target, some_path), 3),
    (simple("mknod", os.mknod, some_path, node_type), 3),
    (simple("chmod", os.chmod, some_path, mode_of), 15),
    (simple("lchown", os.lchown, some_path, id_of, id_of), 8),
    (simple("chown", os.chown, some_path, id_of, id_of), 8),
    (simple("truncate", os.truncate, some_path, lambda r: r.choice((0, 9))), 4),
    (simple("utime", set_times, some_path, times_of), 5),
    (simple("access", lambda p, m: os.access(p, m), some_path,
            lambda r: r.randrange(8)), 5),
    (simple("listdir", lambda p: sorted(os.listdir(p)), some_path), 5),
    (simple("readlink", os.readlink, some_path), 2),
    (simple("setxattr", xattr_set, some_path, lambda r: r.randrange(5)), 2),
    (simple("getxattr", lambda p: os.getxattr(p, "user.x"), some_path), 2),
    (simple("removexattr", lambda p: os.removexattr(p, "user.x"), some_path),
     1),
    (simple("set acl", os.setxattr, some_path, acl_name, acl_of), 8),
    (simple("get acl", lambda p, n: os.getxattr(p, n).hex(), some_path,
            acl_name), 3),
    (simple("remove acl", os.removexattr, some_path, acl_name), 2),
    (simple("listxattr", lambda p: sorted(os.listxattr(p)), some_path), 1),
    (simple("umask", lambda m: os.umask(m) and None,
            lambda r: r.choice((0, 0o22, 0o77, 0o27))), 3),
]


def look(path):
    try:
        st = os.lstat(path.rstrip("/"))
    except OSError as e:
        return errno.errorcode[e.errno]
    out = [oct(st.st_mode), st.st_uid, st.st_gid]
    if not stat.S_ISDIR(st.st_mode):
        out += [st.st_nlink, st.st_size]
    for name in sorted(os.listxattr(path.rstrip("/"), follow_symlinks=False)):
        value = os.getxattr(path.rstrip("/"), name, follow_symlinks=False)
        out.append((name, value.hex()))
    return out


def answer(call):
    try:
        return call()
    except OSError as e:
        return errno.errorcode[e.errno]


class Person:
    """A process of one user, which does in both trees what it is told."""

    def __init__(self, uid, gid, groups, tops):
        to_child, self.to = os.pipe()
        self.back, from_child = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(to_child)
            os.close(from_child)
            return
        try:
            tops = [os.open(t, os.O_RDONLY | os.O_DIRECTORY) for t in tops]
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            os.close(self.to)
            while word := os.read(to_child, 8):
                seed = struct.unpack("Q", word)[0]
                out = pickle.dumps(self.work(tops, seed))
                os.write(from_child, struct.pack("I", len(out)) + out)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)

    def end(self):
        os.close(self.to)
        os.waitpid(self.pid, 0)

    def work(self, tops, seed):
        rand = random.Random(seed)
        make = rand.choices([c[0] for c in CALLS], [c[1] for c in CALLS])[0]
        name, args, _paths, call = make(rand)
        said = []
        for top in tops:
            mask = os.umask(0)
            os.umask(mask)
            said.append(answer(lambda t=top: (os.fchdir(t), call())[1]))
            if top != tops[-1]:
                os.umask(mask)
        return name, args, said

    def tell(self, seed):
        os.write(self.to, struct.pack("Q", seed))
        size = struct.unpack("I", os.read(self.back, 4))[0]
        out = b""
        while len(out) < size:
            out += os.read(self.back, size - len(out))
        return pickle.loads(out)


def tree(top):
    out = {}
    for where, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(where, name)
            out[os.path.relpath(path, top)] = look(path)
    return out


def main():
    tops = [os.path.join(os.path.abspath(p), "users") for p in sys.argv[1:3]]
    count = int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else int(time.time() * 1000)
    print("seed", seed, flush=True)
    rand = random.Random(seed)
    os.umask(0)
    for top in tops:
        os.mkdir(top)
    people = [Person(*p, tops) for p in PEOPLE]
    try:
        work(tops, people, rand, count, seed)
    finally:
        for person in reversed(people):  # later ones have the earlier's pipe
            person.end()


def work(tops, people, rand, count, seed):
    recent = []
    for i in range(count):
        if i % 500 == 0:
            mode = rand.choice(TOP_MODES)
            for top in tops:
                os.chmod(top, mode)
        who = rand.randrange(len(PEOPLE))
        name, args, said = people[who].tell(rand.randrange(1 << 63))
        recent = recent[-14:] + [(i, PEOPLE[who], name, args, said)]
        same = said[0] == said[1]
        if same:
            for path in [a for a in args if isinstance(a, str)
                         and not a.startswith("system.")]:
                seen = [look(os.path.join(t, path)) for t in tops]
                if seen[0] != seen[1]:
                    recent.append(("then", path, seen))
                    same = False
        if not same or (i % 1000 == 999 and tree(tops[0]) != tree(tops[1])):
            for line in recent:
                print(*line)
            sys.exit(f"differs from native (seed {seed}): "
                     f"{said[0]} there, {said[1]} here")
    if tree(tops[0]) != tree(tops[1]):
        sys.exit(f"the trees differ (seed {seed})")


main()
