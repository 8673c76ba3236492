"""A walk with lstat of 100,000 files, and ls -lR of them, when the kernel has
dropped its caches and the daemon has not."""
import os
import shutil


def make(bench):
    """100,000 empty files, a hundred a directory, in both."""
    count = int(100000 * bench.scale)
    for base in (bench.mount, bench.native):
        os.mkdir(base + "/tree")
        bench.loop("tree", base + "/tree", 100, count)
    tools.sync(bench.mount)
    os.sync()
    return bench.mount + "/tree", bench.native + "/tree"


def cold(measure):
    tools.drop_caches()
    return measure()


def run(bench):
    if os.geteuid() != 0:
        bench.left_out("5  walks with the caches dropped", "needs root")
        return
    ours, theirs = make(bench)
    samples = bench.both(lambda: cold(lambda: bench.loop("walk", ours)),
                         lambda: cold(lambda: bench.loop("walk", theirs)))
    bench.report("5  walk with lstat, caches dropped", samples, ("us", 1000),
                 at_least=1.5)
    samples = bench.both(lambda: cold(lambda: bench.timed("ls", "-lR", ours)),
                         lambda: cold(lambda: bench.timed("ls", "-lR", theirs)))
    bench.report("5  ls -lR, caches dropped", samples, ("s", 1e9),
                 at_least=1.5)
    shutil.rmtree(ours)
    shutil.rmtree(theirs)
