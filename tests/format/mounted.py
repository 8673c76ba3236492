#!/usr/bin/env python3
"""mounted.py STORE MOUNT [BRANCH]: replays the journals of a mounted store, as
deriva-store(5) says, and compares the names, attributes and contents after
every change with what the mount, of that branch (main), shows below
.deriva/at/@NUMBER."""

import os
import stat
import sys

import files
import journals
from common import must
from format import check
from packs import Packs

FIELDS = ("st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns")


def is_dir(mode):
    return stat.S_ISDIR(mode)


class Comparison:
    def __init__(self, packs, root):
        self.packs = packs
        self.root = os.fsencode(root)
        self.contents = {}  # by address
        self.compared = 0

    def content(self, inode):
        if inode.value not in self.contents:
            self.contents[inode.value] = files.file_read(
                self.packs.get, inode.value, inode.size)
        return self.contents[inode.value]

    def fields(self, inode, path, st):
        # the time of a directory in which names come and go, and the size of
        # a device, are not in the journal
        skipped = {"st_mtime_ns"} if is_dir(inode.mode) else set()
        want = dict(zip(FIELDS, (inode.mode, inode.uid, inode.gid, inode.size,
                                 inode.mtime)))
        for field in set(FIELDS) - skipped:
            must(getattr(st, field) == want[field], "%r: %s is %r, not %r" % (
                path, field, getattr(st, field), want[field]))

    def xattrs(self, names, inode, path):
        want = names.xattrs.get(inode.ino, {})
        got = {name: os.getxattr(path, name, follow_symlinks=False)
               for name in map(os.fsencode,
                               os.listxattr(path, follow_symlinks=False))
               if not name.startswith(b"user.deriva.")}
        must(got == want, "%r: attributes %r, not %r" % (path, got, want))

    def inode(self, names, inode, path):
        st = os.lstat(path)
        self.fields(inode, path, st)
        self.xattrs(names, inode, path)
        if stat.S_ISREG(inode.mode):
            with open(path, "rb") as f:
                must(f.read() == self.content(inode), "%r: content" % path)
        elif stat.S_ISLNK(inode.mode):
            must(os.readlink(path) == inode.value, "%r: target" % path)
        elif not is_dir(inode.mode):
            low, high = inode.device & 255, inode.device >> 20 << 8
            must(os.minor(st.st_rdev) == low | high and
                 os.major(st.st_rdev) == inode.device >> 8 & 0xfff,
                 "%r: device" % path)
        self.compared += 1

    def directory(self, names, ino, path):
        children = names.children.get(ino, {})
        listed = set(os.listdir(path))
        must(set(children) <= listed, "%r: lacks %r" % (
            path, set(children) - listed))
        must(all(name + b".recipe" in children
                 for name in listed - set(children)),
             "%r: has %r" % (path, listed - set(children)))
        for name, child in children.items():
            below = os.path.join(path, name)
            inode = names.inodes[child]
            self.inode(names, inode, below)
            if is_dir(inode.mode):
                self.directory(names, child, below)

    def derived(self, names, result):
        """What a name held from this change on."""
        path = os.path.join(self.at, names.path(result.parent), result.name)
        self.compared += 1
        if result.error:
            try:
                open(path, "rb").close()
            except OSError:
                return
            must(False, "%r: no failure" % path)
        with open(path, "rb") as f:
            must(f.read() == files.file_read(self.packs.get, result.address,
                                             result.size),
                 "%r: derived content" % path)
        executable = os.lstat(path).st_mode & 0o100 != 0
        must(executable == result.executable, "%r: executable" % path)

    def moment(self, number, names, effects):
        self.at = os.path.join(self.root, b".deriva/at/@%d" % number)
        self.directory(names, journals.ROOT, self.at)
        for effect in effects:
            if isinstance(effect, journals.Result):
                self.derived(names, effect)


def main(store, mount, branch="main"):
    packs = Packs(store)
    changes = check(packs)
    number = journals.branches(changes)[0][os.fsencode(branch)]
    comparison = Comparison(packs, mount)
    count = 0
    for seq, names, effects in journals.moments(changes, number):
        comparison.moment(seq, names, effects)
        count += 1
    print("%d moments, %d files compared" % (count, comparison.compared))


if __name__ == "__main__":
    main(*sys.argv[1:])
