"""What keeps versions of files, behind one face: Deriva, restic, borg, casync.

A peer takes in a directory as a new version (what it is durable on the disk by
then, Deriva through a mount, with the tool one would use there), gives a version
back, checks all it has, and says what it takes on the disk. Each command's time
and its greatest memory are kept; of Deriva the daemon's memory, too.
"""
import os
import shutil
import subprocess
import sys
import time


def disk_used(path):
    """Bytes, as du counts them."""
    out = subprocess.run(["du", "-s", "-B1", path], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return int(out.split()[0])


SMALL = """
import os, sys, time
start = time.monotonic()
pid = os.fork()
if not pid:
    os.dup2(os.open('/dev/null', os.O_WRONLY), 1)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
print(time.monotonic() - start, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""


class Peer:
    name = program = ""
    apt = ""
    env = {}

    def __init__(self, where):
        self.where = where
        self.peak = 0  # kB
        os.mkdir(where)
        self.repo = where + "/repo"

    @classmethod
    def there(cls):
        return shutil.which(cls.program)

    def run(self, *command, cwd=None):
        """Seconds; the memory of the process and of what it waited for. A
        process counts what the one that started it had, so a small one does."""
        done = subprocess.run([sys.executable, "-I", "-S", "-c", SMALL,
                               *command], env=dict(os.environ, **self.env),
                              cwd=cwd, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: failed")
        taken, memory = done.stdout.split()
        self.peak = max(self.peak, int(memory))
        return float(taken)

    def disk(self):
        return disk_used(self.repo)

    def close(self):
        shutil.rmtree(self.where)


class Deriva(Peer):
    """A tree is a directory of the mount; a version of it is taken in by
    rsync, which leaves alone what has not changed."""
    name = "deriva"

    def __init__(self, where, deriva="deriva", sync=None):
        super().__init__(where)
        self.deriva, self.sync = deriva, sync
        self.mount = where + "/m"
        self.start()

    @classmethod
    def there(cls):
        return True

    def start(self):
        self.run(self.deriva, "mount", self.repo, self.mount)

    def stop(self):
        self.note_peak()
        self.run(self.deriva, "umount", self.mount)

    def note_peak(self):
        with open(self.mount + "/.deriva/status") as f:
            pid = f.read().split('"pid":')[1].split(",")[0].strip(" \n}")
        with open(f"/proc/{pid}/status") as f:
            for line in f:
                if line.startswith("VmHWM"):
                    self.peak = max(self.peak, int(line.split()[1]))

    def take(self, tree, version):
        start = time.monotonic()
        to = self.mount + "/tree"
        if not os.path.isdir(to):
            self.run("cp", "-a", tree, to)
        else:
            self.run("rsync", "-a", "--delete", "--inplace", "--whole-file",
                     tree + "/", to)
        self.sync(to)
        return time.monotonic() - start

    def give(self, version, to):
        return self.run("cp", "-a", self.mount + "/tree", to)

    def disk(self):
        """At rest: while it is mounted there is a log, too."""
        self.stop()
        used = super().disk()
        self.start()
        return used

    def check(self):
        return self.run(self.deriva, "fsck", "--store", self.repo)

    def close(self):
        self.stop()
        super().close()


class Restic(Peer):
    name = program = apt = "restic"

    def __init__(self, where):
        super().__init__(where)
        self.env = {"RESTIC_PASSWORD": "bench", "RESTIC_REPOSITORY": self.repo,
                    "RESTIC_CACHE_DIR": where + "/cache"}
        self.run("restic", "-q", "init")

    def take(self, tree, version):
        return self.run("restic", "-q", "backup", ".", cwd=tree)

    def give(self, version, to):
        return self.run("restic", "-q", "restore", "latest", "--target", to)

    def check(self):
        return self.run("restic", "-q", "check", "--read-data")


class Borg(Peer):
    name = program = "borg"
    apt = "borgbackup"

    def __init__(self, where):
        super().__init__(where)
        self.env = {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
                    "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
                    "BORG_BASE_DIR": where + "/base"}
        self.run("borg", "init", "-e", "none", self.repo)

    def take(self, tree, version):
        return self.run("borg", "create", f"{self.repo}::v{version}", ".",
                        cwd=tree)

    def give(self, version, to):
        os.mkdir(to)
        return self.run("borg", "extract", f"{self.repo}::v{version}", cwd=to)

    def check(self):
        return self.run("borg", "check", "--verify-data", self.repo)


class Casync(Peer):
    """It has no check of a whole store: giving back is what reads it."""
    name = program = apt = "casync"

    def __init__(self, where):
        super().__init__(where)
        os.mkdir(self.repo)

    def take(self, tree, version):
        return self.run("casync", "make", f"--store={self.repo}/s.castr",
                        f"{self.repo}/v{version}.caidx", tree)

    def give(self, version, to):
        return self.run("casync", "extract", f"--store={self.repo}/s.castr",
                        f"{self.repo}/v{version}.caidx", to)

    def check(self):
        return None


ALL = [Deriva, Restic, Borg, Casync]

edited = [0.0]  # seconds that the edit took where it was made, if they count

COLUMNS = ["take in", "again", "edited", "give", "check"]


def one(peer, tree, edit, in_place):
    """What a peer needs for a tree, the same again, and after an edit: where
    Deriva edits in place, the others' time is that of the edit and of taking in
    the edited tree."""
    figures = {}
    os.sync()
    figures["take in"] = peer.take(tree, 1)
    figures["disk"] = peer.disk()
    figures["again"] = peer.take(tree, 2)
    yield figures  # the caller edits the tree, once for all
    os.sync()
    before = peer.disk()
    if in_place and isinstance(peer, Deriva):
        start = time.monotonic()
        edit(peer.mount + "/tree")
        peer.sync(peer.mount + "/tree")
        figures["edited"] = time.monotonic() - start
    else:
        figures["edited"] = peer.take(tree, 3) + edited[0]
    figures["grown"] = peer.disk() - before
    out = peer.where + "/out"
    figures["give"] = peer.give(3, out)
    if subprocess.run(["diff", "-r", "--no-dereference", "-q", tree, out],
                      stdout=subprocess.DEVNULL).returncode:
        raise SystemExit(f"{peer.name} gave back something else")
    shutil.rmtree(out)
    figures["check"] = peer.check()
    figures["peak"] = peer.peak
    yield figures


def compare(bench, tools, make, edit, what, in_place=False):
    """Makes a tree, has every peer keep it, and prints the table. make(DIR),
    edit(DIR) changes some of it. in_place: in the mount the edit is made where
    the file is, as a person would; the others take in the edited tree."""
    if bench.pin:
        return
    there = [p for p in ALL if p.there()]
    for p in ALL:
        if p not in there:
            bench.left_out(f"{what} against {p.name}",
                           f"{p.program} is missing: apt-get install {p.apt}")
    rows = {p.name: [] for p in there}
    for turn in range(max(1, bench.repetitions)):
        tree = bench.native + "/tree"
        make(tree)
        peers, running = [], []
        for kind in there:
            where = f"{bench.native}/{kind.name}"
            peer = (kind(where, tools.DERIVA, tools.sync) if kind is Deriva
                    else kind(where))
            peers.append(peer)
            running.append(one(peer, tree, edit, in_place))
        # each in turn, and in another order each time
        order = list(range(len(peers)))
        order = order[turn % len(order):] + order[:turn % len(order)]
        for i in order:
            next(running[i])
        start = time.monotonic()
        edit(tree)
        edited[0] = time.monotonic() - start if in_place else 0
        for i in order:
            rows[peers[i].name].append(next(running[i]))
        for peer in peers:
            peer.close()
        size = disk_used(tree)
        shutil.rmtree(tree)
    report(bench, what, size, rows)


def median(values):
    values = [v for v in values if v is not None]
    return sorted(values)[len(values) // 2] if values else None


def report(bench, what, size, rows):
    print(f"{what}: {size / 1e6:.0f} MB; seconds, MB on the disk, MB of memory")
    names = COLUMNS + ["disk", "grown", "peak"]
    print(f"{'':10}" + "".join(f"{n:>10}" for n in names))
    table = {}
    for name, runs in rows.items():
        table[name] = {n: median([r[n] for r in runs]) for n in names}
        cells = []
        for n in names:
            v = table[name][n]
            if v is None:
                cells.append(f"{'-':>10}")
            elif n in ("disk", "grown"):
                cells.append(f"{v / 1e6:10.1f}")
            elif n == "peak":
                cells.append(f"{v / 1e3:10.0f}")
            else:
                cells.append(f"{v:10.2f}")
        print(f"{name:10}" + "".join(cells), flush=True)
    for peer in rows:
        if peer == "deriva":
            continue
        cells = []
        for n in names:
            ours, theirs = table["deriva"][n], table[peer][n]
            cells.append(f"{ours / theirs:10.2f}" if ours is not None and
                         theirs else f"{'-':>10}")
        print(f"{'/ ' + peer:10}" + "".join(cells), flush=True)
