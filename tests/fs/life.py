#!/usr/bin/env python3
"""life.py MOUNT STORE PID COUNT - COUNT mixed operations, and what the daemon
has of memory, descriptors and log all the while.

Files are made, written, appended to, read, truncated, renamed, linked, removed
while open, given attributes, listed, and looked at in the past; recipes are
written and their files read. The tree stays as large as it is, so what the
daemon has must, too: the end is compared with the middle, after which caches
are full, or nearly so in a short run. Of a daemon with sanitizers, which keep
what is freed, memory says nothing.
"""
import errno
import os
import random
import sys

DIRS, FILES = 20, 40
LOG_MB = 150  # it is begun anew well below that


def words_of(path):
    with open(path) as f:
        return f.read().split()


class Daemon:
    def __init__(self, pid, store):
        self.pid = pid
        self.store = store

    def rss_mb(self):
        words = words_of(f"/proc/{self.pid}/status")
        return int(words[words.index("VmRSS:") + 1]) / 1024

    def sanitized(self):
        with open(f"/proc/{self.pid}/maps") as f:
            maps = f.read()
        return any(s in maps for s in ("libasan", "libtsan", "valgrind"))

    def threads(self):
        words = words_of(f"/proc/{self.pid}/status")
        return int(words[words.index("Threads:") + 1])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def log_mb(self):
        return os.stat(self.store + "/deriva.db-wal").st_size / (1 << 20)

    def drafts(self):
        return len(os.listdir(self.store + "/drafts"))

    def look(self):
        return (self.rss_mb(), self.descriptors(), self.log_mb(),
                self.threads(), self.drafts())


class Work:
    def __init__(self, top, rand):
        self.top = top
        self.rand = rand
        self.held = []
        for i in range(DIRS):
            os.makedirs(f"{top}/d{i}", exist_ok=True)

    def name(self):
        return (f"{self.top}/d{self.rand.randrange(DIRS)}/"
                f"f{self.rand.randrange(FILES)}")

    def data(self):
        size = self.rand.choice((0, 10, 1000, 1000, 5000, 20000, 300000))
        return self.rand.randbytes(16) * (size // 16)

    def write(self):
        with open(self.name(), "wb") as f:
            f.write(self.data())

    def append(self):
        with open(self.name(), "ab") as f:
            f.write(b"more")

    def poke(self):
        fd = os.open(self.name(), os.O_RDWR | os.O_CREAT)
        try:
            if os.fstat(fd).st_size < 1 << 20:
                os.pwrite(fd, b"xyz", self.rand.randrange(400000))
        finally:
            os.close(fd)

    def read(self):
        with open(self.name(), "rb") as f:
            f.read()

    def stat(self):
        os.stat(self.name())

    def truncate(self):
        os.truncate(self.name(), self.rand.randrange(30000))

    def rename(self):
        os.rename(self.name(), self.name())

    def link(self):
        os.link(self.name(), self.name())

    def symlink(self):
        os.symlink("target", self.name())

    def unlink(self):
        os.unlink(self.name())

    def hold(self):
        """open, and removed while it is"""
        fd = os.open(self.name(), os.O_RDWR | os.O_CREAT)
        self.held.append(fd)
        if len(self.held) > 8:
            os.close(self.held.pop(0))

    def attributes(self):
        path = self.name()
        os.chmod(path, 0o600 + self.rand.randrange(64))
        os.utime(path, ns=(1, self.rand.randrange(1 << 60)))
        os.setxattr(path, "user.x", self.rand.randbytes(20))

    def listing(self):
        path = f"{self.top}/d{self.rand.randrange(DIRS)}"
        for e in os.scandir(path):
            e.stat(follow_symlinks=False)

    def directory(self):
        path = f"{self.top}/d{self.rand.randrange(DIRS)}/sub"
        os.mkdir(path)
        os.rename(path, path + "2")
        os.rmdir(path + "2")

    def recipe(self):
        path = f"{self.top}/d{self.rand.randrange(DIRS)}/r"
        with open(path + ".recipe", "w") as f:
            f.write(f"{{in: ['f*'], fn: count, params: {{}}}}\n")
        try:
            with open(path) as f:
                f.read()
        except OSError as e:
            # links that lead nowhere, or nothing to count
            if e.errno not in (errno.EINVAL, errno.EIO):
                raise

    def sync(self):
        fd = os.open(self.name(), os.O_RDWR | os.O_CREAT)
        try:
            os.write(fd, b"durable")
            os.fsync(fd)
        finally:
            os.close(fd)

    def past(self):
        at = self.rand.randrange(2, 2 + self.done // 2)
        os.stat(f"{self.top}/.deriva/at/@{at}/d1")

    done = 0
    MIX = ((write, 20), (append, 8), (poke, 8), (read, 20), (stat, 20),
           (truncate, 4), (rename, 6), (link, 3), (symlink, 2), (unlink, 10),
           (hold, 5), (attributes, 5), (listing, 2), (directory, 3),
           (recipe, 0.2), (sync, 0.1), (past, 1))

    def run(self, count):
        what = [m[0] for m in self.MIX]
        weights = [m[1] for m in self.MIX]
        for call in self.rand.choices(what, weights, k=count):
            try:
                call(self)
            except (FileNotFoundError, FileExistsError, IsADirectoryError):
                pass  # the name is free, or taken
            except OSError as e:
                # through a link that leads nowhere
                if not os.path.islink(e.filename or ""):
                    raise
            self.done += 1


def main():
    top, store, pid, count = sys.argv[1:]
    count = int(count)
    daemon = Daemon(int(pid), store)
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print("seed", seed)
    work = Work(top, random.Random(seed))
    looks = []
    for i in range(20):
        work.run(count // 20)
        looks.append(daemon.look())
        print("%9d  %.0f MB, %d descriptors, log %.1f MB, %d threads, "
              "%d drafts" % ((work.done,) + looks[-1]), flush=True)
    middle, end = looks[5:12], looks[15:]
    most = [max(look[i] for look in middle) for i in range(5)]
    least = [min(look[i] for look in end) for i in range(5)]
    slack = 24 if count >= 200000 else 80  # MB; heaps have holes
    bad = [name for name, i, more in (("memory", 0, slack),
                                      ("descriptors", 1, 8),
                                      ("threads", 3, 4), ("drafts", 4, 4))
           if least[i] > most[i] + more and (i or not daemon.sanitized())]
    if least[2] > LOG_MB:
        bad.append("log")
    for fd in work.held:
        os.close(fd)
    if bad:
        sys.exit("grows: " + ", ".join(bad))


main()
