"""Sequential write of 1 GiB.

Until close returns: against tests/bench/model.c, a mount that keeps nothing.
Until durable: against tests/bench/take.c, a bare loop that cuts, hashes and
compresses the same bytes with as many threads. That loop has no mount between
it and the bytes, which costs the kernel and a daemon on the same CPUs about a
second a GiB; a loop that also writes what it made, and waits for the disk, is
printed beside it without a goal.
"""
import os
import subprocess
import time


def with_model(bench, fn):
    where = bench.dir + "/model"
    os.mkdir(where)
    model = subprocess.Popen(bench.pin + [tools.MODEL, where])
    while not os.path.ismount(where):
        time.sleep(0.01)
    try:
        fn(where)
    finally:
        subprocess.run(["umount", where], check=False)
        if os.path.ismount(where):
            subprocess.run(["fusermount3", "-u", where], check=True)
        model.wait()
        os.rmdir(where)


def fresh(bench):
    """A store that has nothing yet: what it knows it does not take in."""
    bench.stop()
    subprocess.run(["rm", "-rf", bench.store], check=True)
    os.sync()
    bench.start()


def until_close(bench, name, source):
    def compare(model):
        for block in (1 << 20, 4096):
            def ours():
                fresh(bench)
                return bench.loop("write", source, bench.mount + "/x", block)

            def theirs():
                taken = bench.loop("write", source, model + "/x", block)
                os.unlink(model + "/x")
                return taken

            bench.report(f"7  write of {name}, {block >> 10} KiB blocks",
                         bench.both(ours, theirs), ("s", 1e9), at_least=0.75)

    with_model(bench, compare)


def until_durable(bench, name, source):
    threads = len(os.sched_getaffinity(0)) if not bench.pin else 1
    out = bench.native + "/out"

    def ours():
        fresh(bench)
        return bench.loop("durable", source, bench.mount + "/x", 1 << 20)

    def bare(*more):
        return float(tools.output(*bench.pin, tools.TAKE, source,
                                  str(threads), *more))

    def written():
        taken = bare(out)
        os.unlink(out)
        return taken

    bench.report(f"7  {name} durable / bare loop", bench.both(ours, bare),
                 ("s", 1e9), at_least=0.85)
    bench.report(f"7  {name} durable / bare loop that writes",
                 bench.both(ours, written), ("s", 1e9))


def run(bench):
    size = int((1 << 30) * bench.scale)
    source = bench.native + "/source"
    for name, make in (("programs", tools.make_mixture),
                       ("noise", tools.make_noise)):
        make(source, size)
        until_close(bench, name, source)
        until_durable(bench, name, source)
        os.unlink(source)
