#!/usr/bin/env python3
"""stress.py NATIVE MOUNT STEPS [SEED] - processes at work in one tree.

Each makes, changes, renames, links and removes what is below a directory of its
own, in the manner of fsstress, and in the native directory the same beside it:
every answer must be the same, and so must the two trees at the end. Meanwhile
all of them fight over the names of one directory that they share, which must
end as something that can be listed and removed. MOUNT alone, with STEPS
`compare`, looks again at trees of before.
"""
import errno
import hashlib
import os
import random
import shutil
import stat
import sys

WORKERS = 4


def describe(top):
    out = []
    for root, dirs, files in os.walk(top):
        dirs.sort()
        for n in sorted(dirs + files):
            p = os.path.join(root, n)
            st = os.lstat(p)
            what = ""
            if stat.S_ISLNK(st.st_mode):
                what = os.readlink(p)
            elif stat.S_ISREG(st.st_mode):
                with open(p, "rb") as f:
                    what = hashlib.sha256(f.read()).hexdigest()
            x = []
            if not stat.S_ISLNK(st.st_mode):
                x = [(n, os.getxattr(p, n)) for n in sorted(os.listxattr(p)) if n.startswith("user.")]
            d = stat.S_ISDIR(st.st_mode)
            out.append((p[len(top) :], oct(st.st_mode), d or st.st_nlink, d or st.st_size, what, x))
    return out


class Worker:
    def __init__(self, tops, rnd):
        self.tops, self.rnd = tops, rnd
        self.open = {}

    def name(self):
        depth = self.rnd.choice((1, 1, 2, 2, 3))
        return "/".join("abcdefgh"[self.rnd.randrange(8)] for _ in range(depth))

    def step(self):
        """one operation, as a function of the directory it is done in"""
        r = self.rnd
        a, b, k = self.name(), self.name(), r.randrange(12)
        n, off = r.choice((10, 5000, 70000, 400000)), r.randrange(100000)
        data = r.randbytes(n)

        def in_file(flags, f):
            def go(top):
                fd = os.open(top + a, flags | os.O_NONBLOCK, 0o640)
                try:
                    return f(fd)
                finally:
                    os.close(fd)

            return go

        return r.choice(
            (
                in_file(os.O_CREAT | os.O_WRONLY, lambda fd: os.pwrite(fd, data, 0)),
                in_file(os.O_CREAT | os.O_WRONLY | os.O_TRUNC, lambda fd: os.write(fd, data)),
                in_file(os.O_WRONLY, lambda fd: os.pwrite(fd, data[:100], off)),
                in_file(os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, data[:3000])),
                in_file(os.O_RDONLY, lambda fd: hashlib.sha256(os.read(fd, 1 << 20)).hexdigest()),
                in_file(os.O_RDONLY, lambda fd: os.fsync(fd)),
                in_file(os.O_CREAT | os.O_EXCL, lambda fd: None),
                lambda t: os.mkdir(t + a),
                lambda t: os.mkdir(t + a),
                lambda t: os.rmdir(t + a),
                lambda t: os.unlink(t + a),
                lambda t: os.rename(t + a, t + b),
                lambda t: os.rename(t + a, t + b),
                lambda t: os.link(t + a, t + b, follow_symlinks=False),
                lambda t: os.symlink(b, t + a),
                lambda t: os.mkfifo(t + a, 0o600) if k == 0 else os.stat(t + a).st_size and None,
                lambda t: os.truncate(t + a, off) if not self.fifo(t + a) else None,
                lambda t: os.chmod(t + a, 0o600 + 0o111 * (k & 1) + 0o100),
                lambda t: os.setxattr(t + a, "user.%d" % (k & 3), data[:k]),
                lambda t: os.removexattr(t + a, "user.%d" % (k & 3)),
                lambda t: sorted(os.listdir(t + a)),
                lambda t: os.readlink(t + a),
                lambda t: self.keep(t, a),
                lambda t: self.use(t, data[:2000]),
            )
        )

    def fifo(self, p):
        return stat.S_ISFIFO(os.stat(p).st_mode)

    def keep(self, t, a):
        """hold a file open, whatever becomes of its name"""
        if not os.path.isfile(t + a):
            return False
        if t in self.open:
            os.close(self.open.pop(t))
        self.open[t] = os.open(t + a, os.O_RDWR)
        return True

    def use(self, t, data):
        if t not in self.open:
            return None
        fd = self.open[t]
        os.pwrite(fd, data, 1000)
        st = os.fstat(fd)
        return st.st_size, st.st_nlink, hashlib.sha256(os.pread(fd, 1 << 20, 0)).hexdigest()

    @staticmethod
    def answer(f, t):
        try:
            return f(t)
        except OSError as e:
            return errno.errorcode[e.errno]

    def run(self, steps, shared):
        for i in range(steps):
            f = self.step()
            got = [self.answer(f, t) for t in self.tops]
            if got[0] != got[1]:
                sys.exit("step %d: native %s, here %s" % (i, str(got[0])[:200], str(got[1])[:200]))
            self.fight(shared)

    def fight(self, d):
        r = self.rnd
        a, b = (d + "/" + "xyzw"[r.randrange(4)] for _ in "ab")
        f = r.choice(
            (
                lambda: os.close(os.open(a, os.O_CREAT | os.O_EXCL)),
                lambda: os.mkdir(a),
                lambda: os.rename(a, b),
                lambda: os.rename(a, b + "/q"),
                lambda: os.rename(a + "/q", b),
                lambda: os.link(a, b),
                lambda: os.unlink(a),
                lambda: os.rmdir(a),
                lambda: os.listdir(a),
            )
        )
        try:
            f()
        except OSError as e:
            if e.errno in (errno.EIO, errno.EUCLEAN, errno.ESTALE, errno.ENOSYS):
                raise


def work(native, mount, steps, seed):
    pids = []
    shared = mount + "/shared"
    os.makedirs(shared, exist_ok=True)
    for w in range(WORKERS):
        tops = [d + "/w%d/" % w for d in (native, mount)]
        for t in tops:
            os.mkdir(t)
        pid = os.fork()
        if not pid:
            try:
                Worker(tops, random.Random(seed * WORKERS + w)).run(steps, shared)
                os._exit(0)
            except SystemExit as e:
                print("# worker %d of seed %d: %s" % (w, seed, e), flush=True)
            except BaseException as e:
                print("# worker %d of seed %d: %r" % (w, seed, e), flush=True)
            os._exit(1)
        pids.append(pid)
    bad = sum(os.waitpid(p, 0)[1] != 0 for p in pids)
    shutil.rmtree(shared)
    return bad


def main():
    native, mount = sys.argv[1:3]
    bad = 0
    if sys.argv[3] != "compare":
        seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(1 << 20)
        bad = work(native, mount, int(sys.argv[3]), seed)
    for w in range(WORKERS):
        x, y = (describe(d + "/w%d" % w) for d in (native, mount))
        if x != y:
            bad += 1
            print("# w%d: only native %s, only here %s" % (w, [i for i in x if i not in y][:3], [i for i in y if i not in x][:3]))
    sys.exit(1 if bad else 0)


main()
