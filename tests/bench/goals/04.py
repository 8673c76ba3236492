"""A walk with lstat of 100,000 files, and ls -lR of them, when the kernel knows
them all."""
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


def run(bench):
    ours, theirs = make(bench)
    samples = bench.both(lambda: bench.loop("walk", ours),
                         lambda: bench.loop("walk", theirs))
    bench.report("4  warm walk with lstat", samples, ("us", 1000), at_least=1.0)
    samples = bench.both(lambda: bench.timed("ls", "-lR", ours),
                         lambda: bench.timed("ls", "-lR", theirs))
    bench.report("4  warm ls -lR", samples, ("s", 1e9), at_least=1.0)
    shutil.rmtree(ours)
    shutil.rmtree(theirs)
