#!/usr/bin/env python3
"""Ten writers on one store, through several mounts and beside them.

usage: many_writers.py DERIVA STORE SECONDS KILL MOUNT...

Each writer works below a directory of its own and in one that all share, and
keeps what was acknowledged in a model of its own: a close, a rename, an unlink
that returned. With KILL 1 the last mount's daemon is killed now and then, and
mounted again; what its writers were told less than 20 ms before the kill may be lost,
so they note the time with it, and the killer notes when it killed: a writer
learns of it only when the last thread of the daemon has ended, which one that
waits for the disk does late. In the end all mounts show what the models say,
and so does the store after everybody has gone.
"""
import ctypes, json, multiprocessing, os, random, signal, subprocess, sys, time

DERIVA, STORE = sys.argv[1:3]
SECONDS, KILL = float(sys.argv[3]), sys.argv[4] == "1"
MOUNTS = sys.argv[5:]
WRITERS = 10
# what is promised, and what a machine with more runnable threads than cores
# may keep the daemon from running in between
PROMISED, BUSY = 0.020, 0.030
KILLED = multiprocessing.Value("d", 0)  # when the daemon was killed last


def status(m):
    with open(m + "/.deriva/status") as f:
        return json.load(f)


class Writer:
    """A model: path below the mount -> [(when acknowledged, text or None)]."""

    def __init__(self, number, mount):
        self.n, self.mount = number, mount
        self.rng = random.Random(number)
        self.model, self.ops, self.longest = {}, 0, 0.0
        self.sure = not (KILL and mount == MOUNTS[-1])

    def note(self, path, text):
        self.model.setdefault(path, []).append((time.time(), text))

    def name(self):
        d = self.rng.choice([f"w{self.n}", "shared"])
        return f"{d}/{self.n}-{self.rng.randrange(40)}"

    def now(self, path):
        h = self.model.get(path)
        return h[-1][1] if h else None

    def write(self, path):
        text = f"{self.n} {self.ops} " + "x" * self.rng.choice([0, 9, 3000])
        self.begun(path, text)
        with open(f"{self.mount}/{path}", "w") as f:
            f.write(text)
        self.note(path, text)

    def begun(self, path, text):
        # what is under way may be there, and may not
        self.model.setdefault(path, [])
        self.doubt = (path, text)

    def replace(self, path):
        text = f"{self.n} {self.ops} replaced"
        new = f"{self.mount}/w{self.n}/new"
        with open(new, "w") as f:
            f.write(text)
        self.begun(path, text)
        os.rename(new, f"{self.mount}/{path}")
        self.note(path, text)

    def append(self, path):
        old = self.now(path)
        if old is None:
            return self.write(path)
        text = old + "+"
        self.begun(path, text)
        with open(f"{self.mount}/{path}", "a") as f:
            f.write("+")
        self.note(path, text)

    def unlink(self, path):
        if self.now(path) is None:
            return
        self.begun(path, None)
        os.unlink(f"{self.mount}/{path}")
        self.note(path, None)

    def read(self, path):
        want = self.now(path)
        try:
            with open(f"{self.mount}/{path}") as f:
                got = f.read()
        except FileNotFoundError:
            got = None
        assert got == want, (path, got, want)

    def step(self):
        path = self.name()
        op = self.rng.choice([self.write, self.write, self.replace,
                              self.append, self.unlink, self.read])
        start = time.monotonic()
        op(path)
        self.longest = max(self.longest, time.monotonic() - start)
        self.ops += 1

    def run(self, end):
        os.makedirs(f"{self.mount}/w{self.n}", exist_ok=True)
        os.makedirs(f"{self.mount}/shared", exist_ok=True)
        while time.time() < end:
            self.doubt = None
            try:
                self.step()
            except OSError as e:
                if self.sure:
                    raise
                self.lost(e)

    def lost(self, e):
        """The daemon was killed: ask what is there, and go on from that."""
        when = KILLED.value - PROMISED - BUSY
        while True:
            try:
                status(self.mount)  # not the bare directory
                os.makedirs(f"{self.mount}/w{self.n}", exist_ok=True)
                self.ask(when, str(e))
                return
            except OSError:  # not mounted yet, or killed again
                time.sleep(0.02)

    def ask(self, when, why):
        doubt = dict([self.doubt]) if self.doubt else {}
        seen = {}
        for path in self.model:
            try:
                with open(f"{self.mount}/{path}") as f:
                    seen[path] = f.read()
            except FileNotFoundError:
                seen[path] = None
        for path, h in self.model.items():
            got = seen[path]
            may = {t for w, t in h if w > when}
            before = [t for w, t in h if w <= when]
            may.add(before[-1] if before else None)
            if path in doubt:
                may |= {doubt[path], ""}
            if h and h[-1][0] > when:
                may.add("")  # created, and not closed long enough before
            # a write in place that was cut off
            ok = got in may or (path in doubt and got is not None and
                                any(t and t.startswith(got) for t in may))
            assert ok, (self.mount, path, got, h[-3:], when, why)
            h.append((0, got))


def writer(number, mount, end, queue):
    w = Writer(number, mount)
    try:
        w.run(end)
        queue.put((number, w.ops, w.longest,
                   {p: h[-1][1] for p, h in w.model.items() if h}, None))
    except BaseException as e:
        queue.put((number, w.ops, w.longest, {}, f"{type(e).__name__}: {e}"))


def commands(end, queue):
    """What people do beside a mount."""
    n = 0
    try:
        while time.time() < end:
            text = f"put {n} " * 500
            put = subprocess.run([DERIVA, "put", "--store", STORE, "-"],
                                 input=text, text=True, capture_output=True)
            assert put.returncode == 0, put.stderr
            got = subprocess.run([DERIVA, "cat", "--store", STORE,
                                  put.stdout.strip()],
                                 text=True, capture_output=True)
            assert got.stdout == text, got.stderr
            log = subprocess.run([DERIVA, "log", "--store", STORE, "in"],
                                 text=True, capture_output=True)
            assert log.returncode == 0, log.stderr
            res = subprocess.run([DERIVA, "resolve", "--store", STORE, "up"],
                                 text=True, capture_output=True)
            if KILL and res.returncode:
                continue  # through the mount that was killed
            assert res.returncode == 0, res.stderr
            n += 1
        queue.put(("commands", n, 0, {}, None))
    except BaseException as e:
        queue.put(("commands", n, 0, {}, f"{type(e).__name__}: {e}"))


def lives(pid):
    try:
        if len(os.listdir(f"/proc/{pid}/task")) > 1:
            return True  # a thread still waits for the disk
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def killer(mount, end):
    n = 0
    while time.time() < end - 1:
        time.sleep(random.uniform(0.2, 0.7))
        pid = status(mount)["pid"]
        KILLED.value = time.time()
        os.kill(pid, signal.SIGKILL)
        while lives(pid):
            time.sleep(0.005)
        again = subprocess.run([DERIVA, "mount", STORE, mount], text=True,
                               capture_output=True)
        assert again.returncode == 0, again.stderr
        n += 1
    return n


def check(mount, want):
    seen = {}
    for d in os.listdir(mount):
        if d in ("in", "up", "up.recipe"):
            continue
        for f in os.listdir(f"{mount}/{d}"):
            if f != "new":
                with open(f"{mount}/{d}/{f}") as x:
                    seen[f"{d}/{f}"] = x.read()
    for path in want.keys() | seen.keys():
        assert seen.get(path) == want.get(path), \
            (mount, path, seen.get(path), want.get(path))


def main():
    m = MOUNTS[0]
    with open(m + "/in", "w") as f:
        f.write("1\n")
    with open(m + "/up.recipe", "w") as f:
        f.write("in: [in]\nrun: cat in\n")
    end = time.time() + SECONDS
    queue = multiprocessing.Queue()
    jobs = [multiprocessing.Process(target=writer, args=(
        i, MOUNTS[i % len(MOUNTS)], end, queue), daemon=True)
        for i in range(WRITERS)]
    jobs.append(multiprocessing.Process(target=commands, args=(end, queue),
                                        daemon=True))
    for j in jobs:
        j.start()
    kills = killer(MOUNTS[-1], end) if KILL else 0
    done = [queue.get(timeout=SECONDS + 60) for _ in jobs]
    for j in jobs:
        j.join()
    want = {}
    for number, ops, longest, model, error in sorted(done, key=str):
        print(f"{number}: {ops} done, longest {longest * 1000:.0f} ms",
              error or "")
        want.update({p: t for p, t in model.items() if t is not None})
    print(f"{kills} kills, {len(want)} files")
    assert not any(d[4] for d in done), "a writer failed"
    ops = [d[1] for d in done if d[0] != "commands"]
    assert min(ops) * 20 > max(ops), f"not fair: {ops}"
    time.sleep(0.3)  # more than enough to follow
    for mount in MOUNTS:
        check(mount, want)
    for mount in MOUNTS:
        subprocess.run([DERIVA, "umount", mount], check=True)
    subprocess.run([DERIVA, "mount", STORE, m], check=True)
    check(m, want)


main()
