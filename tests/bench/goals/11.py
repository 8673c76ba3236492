"""A change of 4 KiB in a file of 64 MiB, 1 GiB and 8 GiB of noise: from open to
the new address after close. An append and a truncation likewise, a sparse disk
image of 1 TiB, and bytes inserted and deleted through the interface of the
store. What counts is that the large file costs what the small one does. Then
10,000 changes and one close, which must not cost more than writing the file."""
import os
import random
import shutil
import statistics
import time

EDITS = 40
SPLICE = os.path.dirname(tools.LOOP) + "/splice"


def addr(path):
    return os.getxattr(path, "user.deriva.addr")


def timed(path, change):
    """Nanoseconds of one change and what it takes to know its address."""
    start = time.monotonic_ns()
    f = os.open(path, os.O_RDWR)
    change(f)
    os.close(f)
    addr(path)
    return time.monotonic_ns() - start


def edit(path, size, rand):
    """The median of some, each somewhere else."""
    def once():
        data = rand.randbytes(4096)
        at = rand.randrange(size - 4096)
        return timed(path, lambda f: os.pwrite(f, data, at))
    return statistics.median(once() for _ in range(EDITS))


def append(path, size, rand):
    def once():
        data = rand.randbytes(100)
        end = os.stat(path).st_size
        return timed(path, lambda f: os.pwrite(f, data, end))
    return statistics.median(once() for _ in range(EDITS))


def truncate(path, size, rand):
    def once():
        end = os.stat(path).st_size - 1000
        return timed(path, lambda f: os.ftruncate(f, end))
    return statistics.median(once() for _ in range(EDITS))


def make_image(path, size, rand):
    """Zeros, with data here and there as a file system has it."""
    with open(path, "wb") as f:
        f.truncate(size)
        for _ in range(1000):
            f.seek(rand.randrange(size - 65536) & ~4095)
            f.write(rand.randbytes(4096 * rand.randrange(1, 16)))


def compare(bench, what, large, small):
    samples = bench.both(large, small)
    bench.report("11 " + what, samples, ("ms", 1e6), at_most=2)
    bench.limit("11 " + what + ", us", statistics.median(samples[0]) / 1000,
                "us", 5000)


def splices(size):
    """Nanoseconds of an insertion and of a deletion in the middle."""
    path = tools.tempfile.mkdtemp(prefix="splice.")
    try:
        out = tools.output(SPLICE, path + "/s", str(size), str(EDITS))
    finally:
        shutil.rmtree(path)
    return [float(word) for word in out.split()]


def many(bench, rand):
    """A change for every 100 kB: about half of all chunks."""
    native, path = bench.native + "/whole", bench.mount + "/whole"
    tools.make_mixture(native, int((1 << 30) * bench.scale))
    size = os.path.getsize(native)

    def written():
        start = time.monotonic_ns()
        shutil.copyfile(native, path)
        addr(path)
        return time.monotonic_ns() - start

    def edited():
        def change(f):
            for _ in range(size // 100000):
                os.pwrite(f, rand.randbytes(100), rand.randrange(size - 100))
        return timed(path, change)

    written()
    bench.report(f"11 {size // 100000} changes, one close / written anew",
                 bench.both(edited, written), ("ms", 1e6), at_most=1)
    os.unlink(path)
    os.unlink(native)


def run_all(bench):
    rand = random.Random(11)
    many(bench, rand)
    sizes = [int(n * bench.scale) for n in (64 << 20, 1 << 30, 8 << 30)]
    paths = [f"{bench.mount}/noise{i}" for i in range(3)]
    for path, size in zip(paths, sizes):
        tools.make_noise(path, size)
        addr(path)
    for (path, size), name in zip(list(zip(paths, sizes))[1:],
                                  ("1 GiB", "8 GiB")):
        compare(bench, f"change of 4 KiB, {name} / 64 MiB",
                lambda: edit(path, size, rand),
                lambda: edit(paths[0], sizes[0], rand))
    for what, how in (("append of 100 bytes", append),
                      ("truncation by 1000 bytes", truncate)):
        compare(bench, f"{what}, 8 GiB / 64 MiB",
                lambda: how(paths[2], sizes[2], rand),
                lambda: how(paths[0], sizes[0], rand))
    image, size = bench.mount + "/image", 1 << 40
    make_image(image, size, rand)
    compare(bench, "change of 4 KiB, sparse 1 TiB / 64 MiB",
            lambda: edit(image, size, rand),
            lambda: edit(paths[0], sizes[0], rand))
    for path in paths + [image]:
        os.unlink(path)
    pairs = [(splices(sizes[2]), splices(sizes[0]))
             for _ in range(bench.repetitions)]
    for i, what in enumerate(("insertion", "deletion")):
        bench.report(f"11 {what} of 77 bytes, 8 GiB / 64 MiB",
                     ([a[i] for a, _ in pairs], [b[i] for _, b in pairs]),
                     ("ms", 1e6), at_most=2)


def run(bench):
    before = os.sched_getaffinity(0)
    try:
        if bench.pin:
            os.sched_setaffinity(0, {0})
        run_all(bench)
    finally:
        os.sched_setaffinity(0, before)
