"""What tests/fs/45-power.sh writes, and how it is checked.

power.py write DIR COUNT ACKS [HOW]: files f00001, f00002, ... one after another,
every third with an fsync; a line in ACKS for each that is written ("5 fsync
BEGUN OVER"). A failure is passed over: that file is not acknowledged. HOW is
some of: `slow`, a file each 25 ms, none with an fsync; `large`, every ninth so
large that it is sealed when it is closed, and taken in later; `names=N`, the
names of the last N are used again; `to=N`, numbers count from N + 1.

power.py check DIR ACKS [TIME]: what was acknowledged with fsync (before that
time) is there and whole; with a time, the files are a beginning of those that
were written, and what was over a second before that time is among them, too.
With TIME `end`, all is there.

power.py ages ACKS TIME: how many were over a second before that time.

power.py moment TIME DIR ACKS [DIR ACKS]...: each directory (written with
names=N) is as it was after one of its changes; what was acknowledged with fsync
before that time is not undone; and no change is missing that was over before
one began that is there, in whichever directory."""

import functools
import os
import random
import sys
import threading
import time

LARGE = 9 << 20
SECOND = 10**9
# beside the second: what the machine was late by, and as much again for the
# threads that work one after the other
LATE = 3


@functools.lru_cache(64)
def text(i, how=()):
    if "large" in how and i % 9 == 5:
        return b"large %d " % i + random.Random(i).randbytes(LARGE + i * 100)
    if i % 17 == 5:
        return (b"%d " % i) * 60000
    return (b"number %d\n" % i) * (i % 40 + 1)


def option(how, name, otherwise):
    found = [int(h.split("=")[1]) for h in how if h.startswith(name + "=")]
    return found[0] if found else otherwise


def name_of(i, how):
    return f"f{i % option(how, 'names', 10**9):05}"


def has_fsync(i, how):
    return i % 3 == 0 and "slow" not in how


class Lateness(threading.Thread):
    """By how much the machine was late, at most."""

    def __init__(self):
        super().__init__(daemon=True)
        self.worst = 0

    def run(self):
        while True:
            before = time.monotonic_ns()
            time.sleep(0.005)
            self.worst = max(self.worst,
                             time.monotonic_ns() - before - 5 * 10**6)


def write_one(directory, i, how):
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    fd = os.open(f"{directory}/{name_of(i, how)}", flags, 0o644)
    try:
        data = text(i, how)
        while data:
            data = data[os.write(fd, data):]
        if has_fsync(i, how):
            os.fsync(fd)
    finally:
        os.close(fd)


def write(directory, count, acks, how):
    late = Lateness()
    late.start()
    first = option(how, "to", 0) + 1
    with open(acks, "w", buffering=1) as out:
        out.write(" ".join(["how", *how]) + "\n")
        for i in range(first, first + count):
            begun = time.monotonic_ns()
            try:
                write_one(directory, i, how)
            except OSError as e:
                print(i, e)
                if e.errno == 107:  # the daemon is gone
                    return
                continue
            what = "fsync" if has_fsync(i, how) else "close"
            out.write(f"{i} {what} {begun} {time.monotonic_ns()}\n")
            if "slow" in how:
                time.sleep(0.025)
        out.write(f"late {late.worst}\n")


class Acks:
    def __init__(self, path):
        self.how, self.late, self.ops = (), 0, []
        with open(path) as f:
            for line in f:
                words = line.split()
                if words[0] == "how":
                    self.how = tuple(words[1:])
                elif words[0] == "late":
                    self.late = int(words[1])
                else:
                    i, what, begun, over = words
                    self.ops.append((int(i), what, int(begun), int(over)))

    def promised(self, until):
        """The numbers that must not be missing after a cut at that time."""
        last = until - SECOND - LATE * self.late
        return [i for i, what, _, over in self.ops
                if over <= (until if what == "fsync" else last)]


def read(path):
    with open(path, "rb") as f:
        return f.read()


def check(directory, acks, until=None):
    a = Acks(acks)
    if until == "end":
        promised = [op[0] for op in a.ops]
    elif until is None:
        promised = [op[0] for op in a.ops if op[1] == "fsync"]
    else:
        promised = a.promised(int(until))
    for i in promised:
        got = read(f"{directory}/{name_of(i, a.how)}")
        assert got == text(i, a.how), f"{i} of {len(a.ops)} is another"
    found = sorted(n for n in os.listdir(directory) if n[0] == "f")
    for n in found:
        read(f"{directory}/{n}")
    if until not in (None, "end"):
        assert found == [f"f{i + 1:05}" for i in range(len(found))], found
        for n in found[:-1]:
            got = read(f"{directory}/{n}")
            assert got == text(int(n[1:]), a.how), \
                f"{n} of {len(found)} is another"
    print(f"{len(promised)} promised, {len(found)} found, late by at most "
          f"{a.late / 10**6:.0f} ms")


def tree_after(a, k):
    """name -> number, after the first k operations."""
    tree = {}
    for i, *_ in a.ops[:k]:
        tree[name_of(i, a.how)] = i
    return tree


def moment_of(directory, a):
    """How many operations the directory shows: all of them, and perhaps a part
    of the next, which began with cutting its file."""
    found = {n: read(f"{directory}/{n}") for n in os.listdir(directory)}
    for k in range(len(a.ops), -1, -1):
        tree = tree_after(a, k)
        begun = name_of(a.ops[k][0], a.how) if k < len(a.ops) else \
            name_of(a.ops[-1][0] + 1, a.how)
        other = {n for n in found.keys() | tree.keys()
                 if n not in found or n not in tree or
                 found[n] != text(tree[n], a.how)}
        if not other:
            return k, False
        if other == {begun} and begun in found:
            return k, True
    last = {n: v[:20] for n, v in found.items()}
    raise AssertionError(f"{directory} is as at no moment: {last}")


def moment(until, pairs):
    there, gone = [], []
    for directory, acks in pairs:
        a = Acks(acks)
        k, begun = moment_of(directory, a)
        least = [j for j, op in enumerate(a.ops)
                 if op[0] in set(a.promised(until))]
        assert not least or k > least[-1], (directory, k, least[-1], begun)
        there += a.ops[:k + begun]
        gone += a.ops[k:]
        print(f"{directory}: {k} of {len(a.ops)}")
    last = max((op[2] for op in there), default=0)
    early = [op for op in gone if op[3] < last]
    assert not early, f"{early} are missing; one that began at {last} is not"


if __name__ == "__main__":
    command, args = sys.argv[1], sys.argv[2:]
    if command == "write":
        write(args[0], int(args[1]), args[2], tuple(args[3:]))
    elif command == "check":
        check(*args)
    elif command == "ages":
        print(len(Acks(args[0]).promised(int(args[1]))))
    else:
        moment(int(args[0]), list(zip(args[1::2], args[2::2])))
