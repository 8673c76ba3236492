#!/usr/bin/env python3
"""Kills, and a model of what was acknowledged.

usage: kill.py DERIVA STORE MOUNT KILLS SEED

One writer makes numbered changes to a mount, one after another, and keeps each
state of the tree that they led to; a reader asks for a derived file; commands
put, build, collect, check and take snapshots, two at a time. Meanwhile one
process after another is killed with SIGKILL: the daemon, a command, a process
of the sandbox, a mount that is just coming up. After a daemon's end:

- the store is mounted again by `deriva mount` alone;
- the tree is as it was after one of the changes, or in the middle of one file's
  being written: never a mixture;
- that change is none before the last that was over 20 ms before the kill (and
  what the machine was late by just then), nor before the last fsync;
- no process of the dead daemon's is left.

In the end the snapshots show what they showed, and fsck finds nothing."""

import ctypes
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import zlib

DERIVA, STORE, M = sys.argv[1:4]
KILLS, SEED = int(sys.argv[4]), int(sys.argv[5])
PROMISED = 0.020
PATIENCE = 60  # seconds until something counts as hanging
BLOCK = 4096
MARK = f"DERIVA_KILL_RUN={os.getpid()}.{SEED}"
ENV = dict(os.environ, **dict([MARK.split("=")]))


def deriva(*args, **how):
    return subprocess.run([DERIVA, *args], env=ENV, capture_output=True,
                          timeout=PATIENCE, **how)


# --- processes --------------------------------------------------------------

def stat_of(pid):
    """(state, parent, start) or None"""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        # the first thread is done, another still waits for the disk
        if fields[0] == "Z" and len(os.listdir(f"/proc/{pid}/task")) > 1:
            fields[0] = "D"
        return fields[0], int(fields[1]), fields[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


def lives(pid, start):
    s = stat_of(pid)
    return bool(s) and s[2] == start and s[0] not in "ZX"


def below(pid):
    """All that came from a process: [(pid, start)]"""
    children, found, todo = {}, [], [pid]
    for p in filter(str.isdigit, os.listdir("/proc")):
        s = stat_of(p)
        if s and s[0] not in "ZX":
            children.setdefault(s[1], []).append((int(p), s[2]))
    while todo:
        for c in children.get(todo.pop(), []):
            found.append(c)
            todo.append(c[0])
    return found


def marked():
    """All that this run has started: [(pid, start)]"""
    found = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{p}/environ", "rb") as f:
                mine = MARK.encode() in f.read().split(b"\0")
            s = stat_of(p)
        except OSError:
            continue
        if mine and s and s[0] not in "ZX":
            found.append((int(p), s[2]))
    return found


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def wait_until(what, done):
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.003)


def watch_lateness(worst):
    """How late the machine is: the worst of about the last half second."""
    parent, seen = os.getppid(), [0.0] * 200
    while os.getppid() == parent:
        before = time.monotonic()
        time.sleep(0.002)
        seen = seen[1:] + [time.monotonic() - before - 0.002]
        worst.value = max(seen)


# --- the model ----------------------------------------------------------------

class Change:
    """One numbered change: the tree after it, and when it was over. A file that
    is being written (`open`) may be seen in the middle."""

    def __init__(self, n, tree, open_path=None, safe=False):
        self.n, self.tree, self.open, self.safe = n, tree, open_path, safe
        self.over = None


def tree_of(root):
    """path -> ("d",) | ("l", target) | ("f", mode, bytes)"""
    tree = {}
    for at, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(at, name)
            key = path[len(root) + 1:]
            if os.path.islink(path):
                tree[key] = ("l", os.readlink(path))
            elif os.path.isdir(path):
                tree[key] = ("d",)
            elif not key.startswith("up"):
                with open(path, "rb") as f:
                    data = f.read()
                tree[key] = ("f", os.stat(path).st_mode & 0o777, data)
    return tree


def half_written(got, old, new):
    """A file between two states: each block is of one of them, or zeros."""
    if got is None:
        return old is None
    if got[0] != "f" or new is None:
        return False
    contents = [new[2], old[2] if old and old[0] == "f" else b""]
    data = got[2]
    if len(data) > max(map(len, contents)):
        return False
    for at in range(0, len(data), BLOCK):
        block = data[at:at + BLOCK]
        if block.count(0) != len(block) and not any(
                c[at:at + len(block)].ljust(len(block), b"\0") == block
                for c in contents):
            return False
    return True


def describe(v):
    return v if v is None or v[0] != "f" else (
        "f", oct(v[1]), len(v[2]), v[2][:30])


class History:
    """The changes that may be undone by a crash, the first of them surely
    not."""

    def __init__(self):
        self.changes = [Change(0, {})]
        self.changes[0].over = 0.0

    def now(self):
        return self.changes[-1].tree

    def trim(self):
        """Forgets what is old: 5 s are more than any margin."""
        old = time.monotonic() - 5
        while len(self.changes) > 2 and self.changes[1].over and \
                self.changes[1].over < old:
            self.changes.pop(0)

    def first_possible(self, killed, margin):
        first = 0
        for i, c in enumerate(self.changes):
            if c.over is not None and (c.safe or c.over < killed - margin):
                first = i
        return first

    def settle(self, got, killed, margin):
        """Finds the moment that the tree shows, and goes on from it."""
        first = self.first_possible(killed, margin)
        for i in range(len(self.changes) - 1, -1, -1):
            c = self.changes[i]
            other = {p for p in got.keys() | c.tree.keys()
                     if got.get(p) != c.tree.get(p)}
            after = self.changes[i + 1] if i + 1 < len(self.changes) else None
            if not other or (after and other == {after.open} and half_written(
                    got.get(after.open), c.tree.get(after.open),
                    after.tree.get(after.open))):
                break
        else:
            self.complain(got, first)
        late = self.changes[min(first, len(self.changes) - 1)]
        assert i >= first, (
            f"change {late.n} was over {killed - late.over:.4f} s before the "
            f"kill (margin {margin:.4f}, safe {late.safe}), but the tree is as "
            f"after {c.n}")
        lost = len(self.changes) - 1 - i
        self.changes = [Change(c.n, got)]
        self.changes[0].over = killed
        return lost

    def complain(self, got, first):
        print(f"no moment is like this; promised is "
              f"{self.changes[first].n} of {self.changes[-1].n}")
        for c in self.changes[max(0, first - 2):]:
            other = sorted(p for p in got.keys() | c.tree.keys()
                           if got.get(p) != c.tree.get(p))
            print(f"change {c.n} (writes {c.open}): differs in {other[:6]}")
            for p in other[:2]:
                print("  is", describe(got.get(p)), "then",
                      describe(c.tree.get(p)))
        raise AssertionError("a mixture of moments")


# --- who works ------------------------------------------------------------------

class Stopped(Exception):
    """The daemon is gone."""


class Writer(threading.Thread):
    """Changes one after another; `turn` is held during each."""

    def __init__(self, history, rng):
        super().__init__(daemon=True)
        self.h, self.rng, self.n = history, rng, 0
        self.turn, self.failed = threading.Lock(), None
        self.broken, self.again = threading.Event(), threading.Event()
        self.stop = False
        self.acked = self.issued = 0  # the number in `counter`
        self.done = {}

    def run(self):
        try:
            while not self.stop:
                with self.turn:
                    self.one()
                if self.broken.is_set():
                    self.again.wait()
                    self.again.clear()
                time.sleep(self.rng.choice([0, 0, 0, 0.001, 0.01]))
        except BaseException as e:
            self.failed = e
            self.broken.set()
            raise

    def one(self):
        op = self.rng.choices(*zip(*self.OPS))[0]
        self.n += 1
        try:
            op(self)
            self.done[op.__name__] = self.done.get(op.__name__, 0) + 1
        except OSError as e:
            if e.errno not in (103, 107, 5, 2, 9):
                raise
            self.broken.set()
        self.h.trim()

    # the state after a change is noted before the change is made

    def begin(self, update, open_path=None, safe=False):
        tree = dict(self.h.now())
        for path, value in update.items():
            tree.pop(path, None)
            if value is not None:
                tree[path] = value
        change = Change(self.n, tree, open_path, safe)
        self.h.changes.append(change)
        return change

    @staticmethod
    def over(change):
        change.over = time.monotonic()

    def some(self, kind="f", least=0):
        found = sorted(p for p, v in self.h.now().items() if v[0] == kind and
                       not p.startswith("counter") and
                       (kind != "f" or len(v[2]) >= least))
        return self.rng.choice(found) if found else None

    def name(self):
        dirs = sorted(p for p, v in self.h.now().items() if v[0] == "d")
        at = self.rng.choice([""] + [d + "/" for d in dirs])
        return f"{at}f{self.rng.randrange(6)}"

    def bytes(self, n):
        head = b"change %d " % self.n
        return (head + self.rng.randbytes(max(0, n - len(head))))[:n]

    def put(self, path, data, flags, at, piece, fsync=False):
        old = self.h.now().get(path)
        mode = old[1] if old else 0o644
        if old and old[0] != "f":
            return
        c = self.begin({path: ("f", mode, data)}, path)
        fd = os.open(f"{M}/{path}", os.O_WRONLY | os.O_CREAT | flags, 0o644)
        try:
            while piece:
                n = os.pwrite(fd, piece, at)
                at, piece = at + n, piece[n:]
            if fsync:
                os.fsync(fd)
                c.safe = True
                c.over = time.monotonic()
        finally:
            os.close(fd)
        self.over(c)

    def write(self):
        data = self.bytes(self.rng.choice([0, 30, 3000, 70000, 400000]))
        self.put(self.name(), data, os.O_TRUNC, 0, data)

    def write_fsync(self):
        data = self.bytes(self.rng.choice([30, 3000, 300000]))
        self.put(self.name(), data, os.O_TRUNC, 0, data, True)

    def write_large(self):
        data = self.bytes(9 << 20) + b"end"
        self.put(f"large{self.rng.randrange(2)}", data, os.O_TRUNC, 0, data)

    def edit(self):
        path = self.some("f", self.rng.choice([1, 1 << 20]))
        if path:
            old = self.h.now()[path][2]
            at = self.rng.randrange(len(old))
            piece = self.bytes(self.rng.choice([1, 100, 5000, 300000]))
            self.put(path, old[:at] + piece + old[at + len(piece):], 0, at,
                     piece, self.rng.random() < 0.1)

    def append(self):
        path = self.some()
        if path:
            old, piece = self.h.now()[path][2], self.bytes(500)
            self.put(path, old + piece, 0, len(old), piece)

    def count(self):
        data = b"%d\n" % self.n
        self.issued = self.n
        self.put("counter.new", data, os.O_TRUNC, 0, data)
        c = self.begin({"counter.new": None,
                        "counter": self.h.now()["counter.new"]})
        os.rename(M + "/counter.new", M + "/counter")
        self.over(c)
        self.acked = self.n

    def truncate(self):
        path = self.some()
        if path:
            _, mode, old = self.h.now()[path]
            n = self.rng.choice([0, len(old) // 2, len(old) + 10000])
            c = self.begin({path: ("f", mode, old[:n].ljust(n, b"\0"))})
            os.truncate(f"{M}/{path}", n)
            self.over(c)

    def rename(self):
        path, to = self.some(), self.name()
        if path and path != to:
            c = self.begin({path: None, to: self.h.now()[path]})
            os.rename(f"{M}/{path}", f"{M}/{to}")
            self.over(c)

    def unlink(self):
        path = self.some()
        if path:
            c = self.begin({path: None})
            os.unlink(f"{M}/{path}")
            self.over(c)

    def chmod(self):
        path = self.some()
        if path:
            _, _, data = self.h.now()[path]
            mode = self.rng.choice([0o600, 0o640, 0o755])
            c = self.begin({path: ("f", mode, data)})
            os.chmod(f"{M}/{path}", mode)
            self.over(c)

    def mkdir(self):
        path = f"d{self.rng.randrange(4)}"
        if path not in self.h.now():
            c = self.begin({path: ("d",)})
            os.mkdir(f"{M}/{path}")
            self.over(c)

    def rename_dir(self):
        path, to = self.some("d"), f"d{self.rng.randrange(4)}"
        tree = self.h.now()
        if path and to not in tree:
            moved = {p: v for p, v in tree.items()
                     if p == path or p.startswith(path + "/")}
            update = dict.fromkeys(moved)
            update.update({to + p[len(path):]: v for p, v in moved.items()})
            c = self.begin(update)
            os.rename(f"{M}/{path}", f"{M}/{to}")
            self.over(c)

    def symlink(self):
        path = f"l{self.rng.randrange(3)}"
        if path in self.h.now():
            c = self.begin({path: None})
            os.unlink(f"{M}/{path}")
        else:
            c = self.begin({path: ("l", f"number {self.n}")})
            os.symlink(f"number {self.n}", f"{M}/{path}")
        self.over(c)

    OPS = [(write, 20), (write_fsync, 4), (write_large, 1), (edit, 12),
           (append, 8), (count, 6), (truncate, 4), (rename, 10), (unlink, 4),
           (chmod, 3), (mkdir, 3), (rename_dir, 3), (symlink, 3)]


class Everything:
    def __init__(self):
        self.rng = random.Random(SEED)
        self.h = History()
        self.w = Writer(self.h, random.Random(SEED + 1))
        self.kills = 0          # of anything: who fails meanwhile may
        self.unsettled = False  # a daemon is dead
        self.stop = False
        self.running = {}       # thread -> the command that it runs
        self.snapshots = []     # (name, tree, when over)
        self.failed = []
        self.counts = {}
        self.lost = 0
        self.worst = multiprocessing.Value(ctypes.c_double, 0.0)
        multiprocessing.Process(target=watch_lateness, args=(self.worst,),
                                daemon=True).start()

    # --- readers and commands

    def thread(self, run, name=""):
        name += run.__name__

        def guarded():
            rng = random.Random(SEED + zlib.crc32(name.encode()))
            try:
                while not self.stop:
                    run(rng)
            except BaseException as e:
                self.failed.append(f"{name}: {type(e).__name__}: {e}")
        t = threading.Thread(target=guarded, daemon=True)
        t.start()
        return t

    def reader(self, _):
        kills, least = self.kills, self.w.acked
        try:
            with open(M + "/up", "rb") as f:
                got = f.read()
        except OSError as e:
            got = e
        most = self.w.issued
        if self.unsettled or kills != self.kills:
            time.sleep(0.01)
            return
        if isinstance(got, OSError):
            # what was killed may be remembered as a failure; `retry` is the
            # remedy
            self.count("derived, failed")
            retry = deriva("retry", M + "/up")
            assert kills != self.kills or self.unsettled or \
                retry.returncode == 0, retry.stderr
            return
        n = re.fullmatch(rb"(?:up (\d+)\n){2}", got)
        assert n and least <= int(n[1]) <= most, (least, got, most)
        self.count("derived, read")

    def commands(self, rng):
        kills = self.kills
        what = rng.choice([self.put, self.put, self.build, self.gc,
                           self.fsck_beside, self.snapshot])
        done, said = what(rng)
        if done:
            self.count(what.__name__)
        else:
            assert kills != self.kills or self.unsettled, (what.__name__, said)
        time.sleep(rng.uniform(0, 0.02))

    def run_command(self, *args, data=b""):
        """Whether it has done it, and what it said."""
        command = subprocess.Popen(
            [DERIVA, *args], env=ENV, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.running[threading.get_ident()] = command
        try:
            said, _ = command.communicate(data, PATIENCE)
            return command.returncode == 0, said
        finally:
            del self.running[threading.get_ident()]

    def put(self, rng):
        # contents that the writer has or had: hits while others sweep
        values = [v[2] for v in self.h.now().values() if v[0] == "f"]
        data = rng.choice(values) if values else b"nothing"
        return self.run_command("put", "--store", STORE, "-", data=data)

    def build(self, _):
        return self.run_command("build", M + "/up")

    def gc(self, _):
        return self.run_command("gc", "--store", STORE)

    def fsck_beside(self, _):
        return self.run_command("fsck", "--store", STORE)

    def snapshot(self, _):
        if len(self.snapshots) >= 40:
            return self.put(random)
        name = f"s{time.monotonic_ns()}"
        with self.w.turn:
            if self.unsettled or self.w.broken.is_set():
                return True, b""
            kills = self.kills
            done, said = self.run_command("snapshot", "--store", STORE, name)
            if done and kills == self.kills:
                self.snapshots.append((name, self.h.now(), time.monotonic()))
        return done, said

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    # --- the killer

    def mount(self):
        """Mounts, sometimes killed while it does."""
        while self.rng.random() < 0.25:
            p = subprocess.Popen([DERIVA, "mount", STORE, M], env=ENV,
                                 stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
            time.sleep(self.rng.uniform(0, 0.15))
            # all that came of it: nothing else of this store lives now
            for pid, _ in below(os.getpid()):
                if pid == p.pid:
                    kill(pid)
            for pid, start in marked():
                if self.is_daemon(pid):
                    kill(pid)
                    wait_until("a mount's end", lambda: not lives(pid, start))
            p.wait()
            self.count("killed: mount")
        said = deriva("mount", STORE, M)
        assert said.returncode == 0, said.stderr
        with open(M + "/.deriva/status") as f:
            self.pid = int(re.search(r'"pid": *(\d+)', f.read())[1])
        self.start = stat_of(self.pid)[2]

    @staticmethod
    def is_daemon(pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            return False
        return words[1:2] == [b"mount"]

    def kill_daemon(self):
        family = below(self.pid)
        self.unsettled = True
        self.kills += 1
        killed, late = time.monotonic(), self.worst.value
        kill(self.pid)
        wait_until("the daemon's end", lambda: not lives(self.pid, self.start))
        late = max(late, self.worst.value)
        wait_until("the writer's end", self.w.broken.is_set)
        if self.w.failed:
            raise self.w.failed
        wait_until("the end of what the daemon had started",
                   lambda: not any(lives(*p) for p in family))
        self.mount()
        self.lost += self.h.settle(tree_of(M), killed, PROMISED + late)
        self.w.acked = self.w.issued = int(self.h.now()["counter"][2])
        self.snapshots = [s for s in self.snapshots if s[2] < killed -
                          PROMISED - late]
        self.unsettled = False
        self.kills += 1
        self.w.broken.clear()
        self.w.again.set()
        self.count("killed: daemon")

    def kill_command(self):
        running = list(self.running.values())
        if not running:
            return False
        c = self.rng.choice(running)
        self.kills += 1
        kill(c.pid)
        self.count("killed: " + c.args[1])
        return True

    def kill_sandbox(self):
        family = [p for p, _ in below(self.pid)]
        if not family:
            return False
        self.kills += 1
        pid = self.rng.choice(family)
        try:
            with open(f"/proc/{pid}/comm") as f:
                name = f.read().strip()
        except OSError:
            return False
        if kill(pid):
            self.count("killed: in the sandbox, " + name)
        return True

    def one_kill(self):
        time.sleep(self.rng.choice([0.005, 0.03, 0.1]) *
                   self.rng.uniform(0.5, 1.5))
        which = self.rng.random()
        if which < 0.25 and self.kill_command():
            return
        if which < 0.5 and self.kill_sandbox():
            return
        self.kill_daemon()

    def fsck(self):
        said = deriva("fsck", "--store", STORE)
        assert said.returncode == 0, (said.stdout + said.stderr).decode()

    def check_the_end(self):
        assert tree_of(M) == self.h.now(), "the tree is another"
        said = deriva("retry", M + "/up")
        assert said.returncode == 0, said.stderr
        with open(M + "/up", "rb") as f, open(M + "/counter", "rb") as c:
            assert f.read() == 2 * (b"up " + c.read())
        for name, tree, _ in self.snapshots:
            assert tree_of(f"{M}/.deriva/at/{name}") == tree, name
        self.fsck()
        family = below(self.pid)
        said = deriva("umount", M)
        assert said.returncode == 0, said.stderr
        wait_until("the last process's end", lambda: not marked())
        assert not any(lives(*p) for p in family)
        self.fsck()
        assert not os.listdir(STORE + "/drafts"), os.listdir(STORE + "/drafts")
        with open("/proc/self/mountinfo") as f:
            assert os.path.dirname(M) not in f.read(), "a mount is left"

    def run(self):
        self.mount()
        with open(M + "/counter", "w") as f:
            f.write("0\n")
        self.h.now()["counter"] = ("f", 0o644, b"0\n")
        with open(M + "/up.recipe", "w") as f:
            f.write("in: [counter]\n"
                    "run: sed 's/^/up /' counter; sleep 0.03; "
                    "sed 's/^/up /' counter\n")
        time.sleep(1)
        self.w.start()
        threads = [self.thread(self.reader), self.thread(self.commands),
                   self.thread(self.commands, "other ")]
        for i in range(KILLS):
            self.one_kill()
            assert not self.failed, self.failed
        self.w.stop = self.stop = True
        for t in [self.w, *threads]:
            t.join(PATIENCE)
            assert not t.is_alive(), "somebody hangs"
        assert not self.failed and not self.w.failed, self.failed
        self.check_the_end()
        print(f"{self.w.n} changes, {self.lost} of them undone by "
              f"{KILLS} kills; {len(self.snapshots)} snapshots")
        for what, n in sorted({**self.w.done, **self.counts}.items()):
            print(f"{what}: {n}")
        assert self.counts.get("killed: daemon"), "no daemon was killed"


os.umask(0o022)
Everything().run()
