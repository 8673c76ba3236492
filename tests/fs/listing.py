#!/usr/bin/env python3
"""listing.py model MOUNT OTHER STEPS SEED - names come and go, and every listing
is compared with what must be there.
listing.py seek MOUNT COUNT SEED - a place in a listing is kept while names come
and go, others list, and the kernel loses what it knew.

The kernel keeps listings (fs/dir.c), so each is read by whoever can be told
something old: a new descriptor, one that was open all the while and is rewound,
and the other mount of the store, which has 100 ms (or what a busy machine makes
of it). Names are of sources (s/ and d/), and of what recipes in d/ define:
%.n for each file of s/, and one for each e*.recipe.
"""
import ctypes
import os
import random
import sys
import time

GRACE = 10.0  # seconds: no more than a bound for a machine that is busy
COUNT = 'in: ["../s/%"]\nfn: count\n'
OTHER = 'in: ["../t/%"]\nfn: count\n'


class Model:
    """What lies in the directories."""

    def __init__(self, top, other, rand):
        self.top, self.other, self.rand = top, other, rand
        self.dirs = {"s": set(), "t": set(), "d": set(), "p": set(),
                     "told": set()}
        for name in self.dirs:
            os.mkdir(f"{top}/{name}")
        self.pattern = None  # where %.n takes its stems from
        self.held = {}
        self.hold()

    def hold(self):
        for fd in self.held.values():
            os.close(fd)
        self.held = {d: os.open(f"{self.top}/{d}", os.O_RDONLY)
                     for d in self.dirs}

    def names(self, where):
        have = set(self.dirs[where])
        if where != "d":
            return have
        if self.pattern:
            # a recipe is not made by another
            have |= {name + ".n" for name in self.dirs[self.pattern]}
        have |= {name[:-7] for name in self.dirs["d"]
                 if name.endswith(".recipe") and "%" not in name}
        return have

    def check(self, what):
        for where in self.dirs:
            want = sorted(self.names(where))
            path = f"{self.top}/{where}"
            for how, got in (("new", os.listdir(path)),
                             ("again", os.listdir(path)),
                             ("held", os.listdir(self.held[where]))):
                if sorted(got) != want:
                    sys.exit(f"after {what}: {where} ({how}):\n"
                             f"want {want}\ngot  {sorted(got)}")
            for name in self.rand.sample(want, min(3, len(want))):
                os.lstat(f"{path}/{name}")

    def listed(self, path):
        try:
            return sorted(os.listdir(path))
        except FileNotFoundError:
            return None

    def check_other(self, what):
        """Through the other mount, and through this one of what was done
        there."""
        until = time.monotonic() + GRACE
        for top in (self.other, self.top):
            for where in self.dirs:
                want = sorted(self.names(where))
                while (got := self.listed(f"{top}/{where}")) != want:
                    if time.monotonic() > until:
                        sys.exit(f"after {what}: {top}/{where}:\n"
                                 f"want {want}\ngot  {got}")
                    time.sleep(0.001)

    def await_told(self):
        """What was done through the other mount is known in this one, also
        where no listing shows it: one that the kernel has is not shown anew
        before."""
        os.listdir(self.top + "/told")
        os.listdir(self.top + "/told")
        if self.dirs["told"]:
            os.unlink(f"{self.other}/told/{self.dirs['told'].pop()}")
        else:
            self.make(self.other, "told", "x")
        self.check_other("telling")

    def make(self, top, where, name):
        with open(f"{top}/{where}/{name}", "w") as f:
            f.write(name)
        self.dirs[where].add(name)

    def change(self, top):
        """Something, made through a mount; what it was."""
        rand = self.rand
        where = rand.choice("sstdp")
        name = f"f{rand.randrange(6)}"
        have = self.dirs[where]
        plain = sorted(n for n in have if not n.endswith(".recipe"))
        kind = rand.choice(("make", "make", "unlink", "unlink", "rename",
                            "move", "link", "pattern", "explicit", "edit",
                            "hold", "utime"))
        if kind == "make" and name not in self.names(where):
            self.make(top, where, name)
        elif kind == "unlink" and plain:
            name = rand.choice(plain)
            os.unlink(f"{top}/{where}/{name}")
            have.remove(name)
        elif kind == "rename" and plain and name not in self.names(where):
            old = rand.choice(plain)
            os.rename(f"{top}/{where}/{old}", f"{top}/{where}/{name}")
            have.remove(old)
            have.add(name)
        elif kind == "move" and plain:
            old, to = rand.choice(plain), rand.choice("stp")
            os.rename(f"{top}/{where}/{old}", f"{top}/{to}/{old}")
            have.remove(old)
            self.dirs[to].add(old)
        elif kind == "link" and plain and name not in self.names(where):
            os.link(f"{top}/{where}/{rand.choice(plain)}",
                    f"{top}/{where}/{name}")
            have.add(name)
        elif kind == "pattern":
            where, name = "d", "%.n.recipe"
            if self.pattern:
                os.unlink(f"{top}/d/{name}")
                self.dirs["d"].remove(name)
                self.pattern = None
            else:
                with open(f"{top}/d/{name}", "w") as f:
                    f.write(COUNT)
                self.dirs["d"].add(name)
                self.pattern = "s"
        elif kind == "edit" and self.pattern:
            where, name = "d", "%.n.recipe"
            self.pattern = "t" if self.pattern == "s" else "s"
            with open(f"{top}/d/.new", "w") as f:
                f.write(COUNT if self.pattern == "s" else OTHER)
            os.rename(f"{top}/d/.new", f"{top}/d/{name}")
        elif kind == "explicit":
            where, name = "d", f"e{rand.randrange(3)}.recipe"
            if name in self.dirs["d"]:
                os.unlink(f"{top}/d/{name}")
                self.dirs["d"].remove(name)
            else:
                with open(f"{top}/d/{name}", "w") as f:
                    f.write("in: []\nrun: echo\n")
                self.dirs["d"].add(name)
        elif kind == "hold":
            self.hold()
        elif kind == "utime":
            # a time that was there before must not make old names new
            os.utime(f"{top}/{where}", ns=(1, 1))
        return f"{kind} {where}/{name} in {top}"


def model(top, other, steps, seed):
    m = Model(top, other, random.Random(seed))
    for i in range(steps):
        through = other if m.rand.random() < 0.3 else top
        if through is other:
            m.check_other("all that")
        what = f"step {i} (seed {seed}): {m.change(through)}"
        if through is other:
            m.check_other(what)
            m.await_told()
        m.check(what)
        if i % 8 == 0:
            m.check_other(what)
    m.hold()
    for fd in m.held.values():
        os.close(fd)


# --- places in a listing ------------------------------------------------------


class Dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64),
                ("reclen", ctypes.c_uint16), ("type", ctypes.c_uint8),
                ("name", ctypes.c_char * 256)]


libc = ctypes.CDLL(None, use_errno=True)
libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.POINTER(Dirent)
libc.telldir.restype = ctypes.c_long
for fn in (libc.readdir, libc.telldir, libc.rewinddir, libc.closedir):
    fn.argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]


class Stream:
    def __init__(self, path):
        self.d = libc.opendir(path.encode())
        if not self.d:
            raise OSError(ctypes.get_errno(), path)

    def next(self):
        e = libc.readdir(self.d)
        return e.contents.name.decode() if e else None

    def tell(self):
        return libc.telldir(self.d)

    def seek(self, place):
        libc.seekdir(self.d, place)

    def close(self):
        libc.closedir(self.d)


def drop_caches():
    if os.geteuid() == 0:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("1\n")


def seek(top, count, seed):
    """Names that are there all the while are seen once, whatever others do, and
    what was read once is read again from the same place."""
    rand = random.Random(seed)
    path = top + "/big"
    os.mkdir(path)
    stay = {f"stay-{i:06}-{'x' * (i % 50)}" for i in range(count)}
    for name in stay:
        os.mknod(f"{path}/{name}")
    passing = []
    # the second finds the listing in the kernel, or loses it there
    for turn in ("first", "second", "third"):
        s, seen, places = Stream(path), [], []
        while (name := s.next()) is not None:
            seen.append(name)
            if rand.random() < 20 / count:
                places.append((s.tell(), len(seen)))
            if rand.random() < 40 / count:
                if passing and rand.random() < 0.5:
                    os.unlink(f"{path}/{passing.pop()}")
                else:
                    passing.append(f"pass-{rand.randrange(1 << 30)}")
                    os.mknod(f"{path}/{passing[-1]}")
                os.listdir(path)  # by others, of now
                if rand.random() < 0.5:
                    drop_caches()
        got = [n for n in seen if n in stay]
        if len(got) != len(stay) or set(got) != stay:
            sys.exit(f"{turn}: {len(got)} names of {len(stay)}, "
                     f"{len(set(got))} of them different")
        for place, at in rand.sample(places, min(5, len(places))):
            s.seek(place)
            name = s.next()
            if at < len(seen) and name != seen[at]:
                sys.exit(f"{turn}: at {place} was {seen[at]}, now {name}")
        s.close()
    for name in os.listdir(path):
        os.unlink(f"{path}/{name}")
    if os.listdir(path):
        sys.exit("names are left")
    os.rmdir(path)


if __name__ == "__main__":
    if sys.argv[1] == "model":
        model(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        seek(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
