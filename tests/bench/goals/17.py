"""What single operations cost in a store of 1,000,000 files, as many versions
and 100,000 results, against one of a thousandth of that: a look-up that the
kernel does not know, the listing of a directory, one change of a file, `deriva
log`, and a look at the past. Once, unpinned."""
import os
import random
import shutil
import subprocess

PROBES = 300


class Place:
    """A store with a mount and so many files."""

    def __init__(self, bench, name, files, results):
        self.bench = bench
        self.files = files
        self.store = f"{bench.dir}/{name}.store"
        self.dir = f"{bench.dir}/{name}"
        subprocess.run([tools.DERIVA, "mount", self.store, self.dir],
                       check=True)
        os.mkdir(self.dir + "/tree")
        bench.loop("tree", self.dir + "/tree", 100, files)
        # a second version of each
        for i in range(files):
            with open(self.path(i), "w") as f:
                f.write(f"{i}")
        os.mkdir(self.dir + "/r")
        os.mkdir(self.dir + "/s")
        with open(self.dir + "/r/%.n.recipe", "w") as f:
            f.write('in: ["../s/%"]\nfn: count\n')
        for i in range(results):
            with open(f"{self.dir}/s/{i}", "w") as f:
                f.write(f"{i}")
        subprocess.run([tools.DERIVA, "build", self.dir + "/r"], check=True,
                       stdout=subprocess.DEVNULL)
        tools.sync(self.dir)

    def path(self, i):
        return f"{self.dir}/tree/d{i // 100}/file-{i}"

    def stop(self):
        subprocess.run([tools.DERIVA, "umount", self.dir], check=True)

    def stats(self, prefix=""):
        """ns a look-up of files that nobody has in memory"""
        names = f"{self.bench.dir}/names"
        some = random.sample(range(self.files), min(PROBES, self.files))
        with open(names, "w") as f:
            for i in some:
                path = os.path.relpath(self.path(i), self.dir)
                f.write(f"{self.dir}/{prefix}{path}\n")
        if os.geteuid() == 0:
            with open("/proc/sys/vm/drop_caches", "w") as f:
                f.write("2\n")
        return self.bench.loop("stat", names)

    def listing(self):
        some = random.sample(range(self.files // 100), 10)
        return sum(self.bench.loop("walk", f"{self.dir}/tree/d{i}")
                   for i in some)

    def change(self):
        where = f"{self.dir}/tree/d{random.randrange(self.files // 100)}/new"
        os.mkdir(where)
        taken = self.bench.loop("create", where, PROBES, 100)
        shutil.rmtree(where)
        return taken

    def log(self):
        return self.bench.timed(tools.DERIVA, "log",
                                self.path(random.randrange(self.files)))


def run(bench):
    if bench.pin:
        return
    random.seed(17)
    files, results = int(1000000 * bench.scale), int(100000 * bench.scale)
    small = Place(bench, "small", 1000, 100)
    large = Place(bench, "large", files, results)
    past = subprocess.run(["date", "+%FT%T.%N"], stdout=subprocess.PIPE,
                          text=True, check=True).stdout.strip()
    for what, cost in (("a look-up", Place.stats),
                       ("a listing", Place.listing),
                       ("a file made", Place.change),
                       ("deriva log", Place.log),
                       ("a look-up in the past",
                        lambda p: p.stats(f".deriva/at/{past}/"))):
        cost(large), cost(small)
        samples = bench.both(lambda: cost(large), lambda: cost(small))
        bench.report(f"17 {what}, {files} files / 1000", samples,
                     ("us", 1000), at_most=1.5)
    for place in (small, large):
        place.stop()
        shutil.rmtree(place.store)
        os.rmdir(place.dir)
