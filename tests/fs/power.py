"""What tests/fs/45-power.sh writes, and how it is checked.

power.py write DIR COUNT ACKS: files f00001, f00002, ... one after another, every
third with an fsync; a line in ACKS for each that is written ("5 fsync TIME" or
"5 close TIME"). A failure is passed over: that file is not acknowledged.

power.py check DIR ACKS [TIME]: what was acknowledged with fsync (before that
time) is there and whole; with a time, the files are a beginning of those that
were written."""

import os
import sys
import time


def text(i):
    if i % 17 == 5:
        return (b"%d " % i) * 60000
    return (b"number %d\n" % i) * (i % 40 + 1)


def write_one(directory, i):
    fd = os.open(f"{directory}/f{i:05}", os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        data = text(i)
        while data:
            data = data[os.write(fd, data) :]
        if i % 3 == 0:
            os.fsync(fd)
    finally:
        os.close(fd)


def write(directory, count, acks):
    with open(acks, "w", buffering=1) as out:
        for i in range(1, count + 1):
            try:
                write_one(directory, i)
            except OSError as e:
                print(i, e)
                if e.errno == 107:  # the daemon is gone
                    return
                continue
            how = "close" if i % 3 else "fsync"
            out.write(f"{i} {how} {time.monotonic_ns()}\n")


def check(directory, acks, until=None):
    promised = []
    for line in open(acks):
        i, how, when = line.split()
        if how == "fsync" and (until is None or int(when) <= until):
            promised.append(int(i))
    for i in promised:
        with open(f"{directory}/f{i:05}", "rb") as f:
            assert f.read() == text(i), f"f{i:05} is another"
    found = sorted(n for n in os.listdir(directory) if n[0] == "f")
    for n in found:
        with open(f"{directory}/{n}", "rb") as f:
            f.read()
    if until is not None:
        assert found == [f"f{i + 1:05}" for i in range(len(found))], found
        for n in found[:-1]:
            with open(f"{directory}/{n}", "rb") as f:
                assert f.read() == text(int(n[1:])), f"{n} is another"
    print(f"{len(promised)} promised, {len(found)} found")


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        check(sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))
