"""Reads of 4 KiB anywhere in a file of 256 MiB that the kernel has in its cache:
of a source and of a derived file."""
import os
import shutil


def run(bench):
    size = int((256 << 20) * bench.scale)
    count = int(400000 * bench.scale)
    native, source = bench.native + "/large", bench.mount + "/large"
    tools.make_noise(native, size)
    shutil.copyfile(native, source)
    bench.recipe("derived", "in: [large]\nrun: cat large\n")
    derived = bench.mount + "/derived"
    for path in (native, source, derived):
        bench.loop("read", path, 1)
    for what, path in (("a source", source), ("a derived file", derived)):
        samples = bench.both(
            lambda p=path: bench.loop("random", p, count),
            lambda: bench.loop("random", native, count))
        bench.report(f"2  warm random 4 KiB read of {what}", samples,
                     ("us", 1000), at_least=0.8)
    for path in (bench.mount + "/derived.recipe", source, native):
        os.unlink(path)
