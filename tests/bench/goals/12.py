"""fsync of a small file that was just written, against fdatasync of a file on
the same file system that was just appended to."""
import os


def run(bench):
    count = int(200 * bench.scale)
    ours = bench.mount + "/durable"
    os.mkdir(ours)
    log = bench.native + "/log"
    samples = bench.both(lambda: bench.loop("commit", ours, count, 3000),
                         lambda: bench.loop("append", log, count, 3000))
    bench.report("12 fsync of a small file / fdatasync of an append", samples,
                 ("us", 1000), at_most=2.5)
