"""Mounting a store of 1,000,000 files, that was closed: until deriva mount
returns and the root can be listed. Once, unpinned."""
import os
import statistics
import subprocess
import time


def mount(bench):
    bench.stop()
    start = time.monotonic_ns()
    bench.start()
    os.listdir(bench.mount)
    return time.monotonic_ns() - start


def run(bench):
    if bench.pin:
        return
    files = int(1000000 * bench.scale)
    empty = [mount(bench) for _ in range(bench.repetitions)]
    tree = bench.mount + "/tree"
    os.mkdir(tree)
    bench.loop("tree", tree, 1000, files)
    full = [mount(bench) for _ in range(bench.repetitions)]
    bench.limit(f"19 mount of a store of {files} files",
                statistics.median(full) / 1e6, "ms", 100)
    bench.report("19 the same / an empty store", (full, empty), ("ms", 1e6))
    subprocess.run(["rm", "-rf", tree], check=True)
