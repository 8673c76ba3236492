#!/usr/bin/env python3
"""fsx.py FILE OPERATIONS [SEED] - a file against a model of it, at random.

As fsx of the Apple and Linux test suites does: reads, writes, mappings,
truncation, holes, copies of ranges, closing and opening again, through two
handles; after each step that reads, and at the end, content and size are those
of an array in memory. Prints the last steps when they are not.
"""
import ctypes
import mmap
import os
import random
import sys

libc = ctypes.CDLL(None, use_errno=True)
SIZE = int(os.environ.get("FSX_SIZE", 1 << 19))


class Model:
    def __init__(self, path, rnd):
        self.path, self.rnd, self.want = path, rnd, bytearray()
        self.fds = [os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)]
        self.fds.append(os.open(path, os.O_RDWR))
        self.log = []

    def fd(self):
        return self.rnd.choice(self.fds)

    def at(self, limit=SIZE):
        """start and length; often on the edge of a page, often short"""
        rnd = self.rnd
        off = rnd.randrange(limit)
        if rnd.random() < 0.3:
            off &= ~4095
        n = rnd.choice((rnd.randrange(1, 64), rnd.randrange(1, 65536), 4096))
        return off, min(n, SIZE - off)

    def data(self, n):
        if self.rnd.random() < 0.1:
            return bytes(n)
        return self.rnd.randbytes(n)

    def extend(self, end):
        if end > len(self.want):
            self.want.extend(bytes(end - len(self.want)))

    def put(self, off, data):
        self.extend(off)
        self.want[off : off + len(data)] = data

    # --- steps

    def write(self):
        off, n = self.at()
        data = self.data(n)
        assert os.pwrite(self.fd(), data, off) == n
        self.put(off, data)
        return off, n

    def append(self):
        n = self.rnd.randrange(1, 5000)
        if len(self.want) + n > SIZE:
            return None
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        data = self.data(n)
        os.write(fd, data)
        os.close(fd)
        self.put(len(self.want), data)
        return n

    def read(self):
        off, n = self.at()
        self.same(os.pread(self.fd(), n, off), off, n, "read")
        return off, n

    def same(self, got, off, n, how):
        want = bytes(self.want[off : off + n])
        if got == want:
            return
        at = next((i for i, (x, y) in enumerate(zip(got, want)) if x != y), min(len(got), len(want)))
        raise AssertionError(
            "%s of %d bytes at %d: wrong from %d on (%d bytes, not %d): %s, not %s"
            % (how, n, off, off + at, len(got), len(want), got[at : at + 16].hex(), want[at : at + 16].hex())
        )

    def mapped(self, change):
        if not self.want:
            return None
        off, n = self.at(len(self.want))
        n = min(n, len(self.want) - off)
        with mmap.mmap(self.fd(), len(self.want)) as m:
            if change:
                data = self.data(n)
                m[off : off + n] = data
                self.put(off, data)
                if self.rnd.random() < 0.3:
                    m.flush()
            else:
                self.same(m[off : off + n], off, n, "mapping")
        return off, n

    def map_read(self):
        return self.mapped(False)

    def map_write(self):
        return self.mapped(True)

    def truncate(self):
        n = self.rnd.choice((self.rnd.randrange(SIZE), len(self.want) // 2, self.rnd.randrange(SIZE) & ~4095, 0))
        if self.rnd.random() < 0.5:
            os.truncate(self.path, n)
        else:
            os.ftruncate(self.fd(), n)
        self.extend(n)
        del self.want[n:]
        return n

    def fallocate(self, mode):
        off, n = self.at()
        if libc.fallocate(self.fd(), mode, ctypes.c_long(off), ctypes.c_long(n)):
            raise OSError(ctypes.get_errno(), "fallocate %d" % mode)
        if not mode & 1:
            self.extend(off + n)
        if mode & ~1:
            n = max(0, min(n, len(self.want) - off))
            self.want[off : off + n] = bytes(n)
        return mode, off, n

    def allocate(self):
        return self.fallocate(self.rnd.randrange(2))

    def punch(self):
        return self.fallocate(3)

    def zero(self):
        return self.fallocate(16 + self.rnd.randrange(2))

    def copy(self):
        src, n = self.at()
        dst, _ = self.at()
        n = min(n, SIZE - dst, max(0, len(self.want) - src))
        if not n or abs(src - dst) < n:
            return None
        data = bytes(self.want[src : src + n])
        done = 0
        while done < n:
            k = os.copy_file_range(self.fd(), self.fd(), n - done, src + done, dst + done)
            assert k > 0, "copy_file_range ends early"
            done += k
        self.put(dst, data)
        return src, dst, n

    def holes(self):
        """what SEEK_DATA passes over is zeros"""
        at, fd = 0, self.fd()
        while at < len(self.want):
            try:
                data = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                data = len(self.want)
            assert not any(self.want[at:data]), "a hole from %d to %d, where data is" % (at, data)
            if data >= len(self.want):
                break
            # zeros that were written are data until they are kept: now and
            # then, also while it is open
            at = max(os.lseek(fd, data, os.SEEK_HOLE), data + 1)

    def sync(self):
        os.fsync(self.fd())

    def reopen(self):
        i = self.rnd.randrange(2)
        os.close(self.fds[i])
        self.fds[i] = os.open(self.path, os.O_RDWR)

    def reopen_all(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = [os.open(self.path, os.O_RDWR) for _ in self.fds]
        if self.rnd.random() < 0.3:
            os.posix_fadvise(self.fds[0], 0, 0, os.POSIX_FADV_DONTNEED)

    def rename(self):
        os.rename(self.path, self.path + ".x")
        self.path += ".x"
        if len(self.path) > 200:
            os.rename(self.path, self.path.split(".x")[0])
            self.path = self.path.split(".x")[0]

    def whole(self):
        assert os.stat(self.path).st_size == len(self.want), "size %d, not %d" % (os.stat(self.path).st_size, len(self.want))
        with open(self.path, "rb") as f:
            self.same(f.read(), 0, SIZE, "whole")

    STEPS = (
        "write write write append read read read map_read map_write truncate "
        "allocate punch zero copy holes sync reopen reopen_all rename whole"
    ).split()

    def step(self):
        name = self.rnd.choice(self.STEPS)
        self.log.append([name, None])
        self.log[-1][1] = getattr(self, name)()


def main():
    path, count = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    model = Model(path, random.Random(seed))
    try:
        for _ in range(count):
            model.step()
        model.whole()
    except (AssertionError, OSError) as e:
        for name, what in model.log[-40:]:
            print("#", name, what)
        sys.exit("fsx.py %s %d %d: after %d steps: %s" % (path, count, seed, len(model.log), e))
    with open(model.path + ".want", "wb") as f:
        f.write(model.want)
    os.rename(model.path, path + ".got")
    os.rename(model.path + ".want", path + ".want")


main()
