#!/usr/bin/env python3
"""A second implementation of deriva-store(5), written from that page alone.

format.py address FILE...      addresses of contents
format.py objects STORE        every record of the packs, and what is damaged
format.py check STORE          decodes every object by all the rules
format.py log STORE            every change, with its effects
format.py tree STORE [NUMBER [BRANCH]]
                               all names as they were after a change
format.py get STORE ADDRESS    the content of a file
"""

import os
import sys

import dirs
import files
import journals
import recipes
from common import Bad
from packs import KINDS, NAMES, Packs


def shown(value):
    return "-" if value is None else os.fsdecode(value)


def cmd_address(*paths):
    for path in paths:
        with open(path, "rb") as f:
            print(files.address_of_open(f.fileno()).hex(), path)


def cmd_objects(store):
    packs = Packs(store)
    for r in packs.records:
        print(r.address.hex(), NAMES[r.kind], r.length, r.stored, r.pack,
              r.offset, "damaged" if r.data is None else "right")
    for pack, start, end in packs.damaged:
        print("damaged: %s from %d to %d" % (pack, start, end))
    return packs.damaged or any(r.data is None for r in packs.records)


def check(packs):
    """Every object by itself, and the trees and the chain they make. Returns
    how many of each kind; trees are files and directories of their own."""
    for _, data in packs.all("chunk"):
        if len(data) > files.CHUNK_MAX:
            raise Bad("length of a chunk")
    for _, data in packs.all("node"):
        files.node_read(data)
    for _, data in packs.all("dir"):
        dirs.page_read(data)
    for _, data in packs.all("recipe"):
        if recipes.recipe_bytes(recipes.recipe_read(data)) != data:
            raise Bad("a recipe is encoded otherwise")
    changes = journals.history(packs)
    for effect in (e for change in changes for e in change.effects):
        if isinstance(effect, journals.Inode):
            check_content(packs, effect)
        elif isinstance(effect, journals.Result):
            packs.get(effect.recipe, "recipe")
    return changes


def check_content(packs, inode):
    kind = inode.mode & 0o170000
    if inode.value == journals.FORGOTTEN:
        return
    if kind == 0o100000:
        files.file_entries(packs.get, inode.value, inode.size)
    elif kind == 0o120000 and inode.size != len(inode.value):
        raise Bad("size of a symbolic link")


def cmd_check(store):
    packs = Packs(store)
    changes = check(packs)
    for kind in KINDS:
        print(len(packs.all(kind)), kind)
    print(len(changes), "records")
    return packs.damaged or any(r.data is None for r in packs.records)


def effect_line(e):
    return type(e).__name__.lower() + "".join(
        " %s=%s" % (key, "-" if value is None else
                    value if not isinstance(value, bytes) else
                    value.hex() if len(value) == 32 and key != "name" else
                    ascii(os.fsdecode(value)))
        for key, value in e._asdict().items())


def cmd_log(store):
    for c in journals.history(Packs(store)):
        print(c.number, c.time, journals.DONE.get(c.done, c.done), c.branch,
              c.uid, c.pid, shown(c.program), shown(c.message))
        for e in c.effects:
            print("\t" + effect_line(e))


def cmd_tree(store, number=2**64, branch="main"):
    changes = journals.history(Packs(store))
    there = journals.branches(changes)[0]
    if os.fsencode(branch) not in there:
        raise Bad("there is no branch %s" % branch)
    names = journals.names_at(changes, int(number),
                              there[os.fsencode(branch)])
    for path, inode in names.walk():
        print("%06o" % inode.mode, inode.uid, inode.gid, inode.size,
              inode.mtime, ascii(os.fsdecode(path)))


def cmd_get(store, address):
    packs = Packs(store)
    address = bytes.fromhex(address)
    data = packs.get(address, "chunk", None)
    if data is None:
        data = b"".join(
            bytes(size) if part == files.ZERO else packs.get(part, "chunk")
            for part, size in files.node_entries(packs.get, address, None,
                                                 None))
    sys.stdout.buffer.write(data)


def main(command="help", *args):
    run = globals().get("cmd_" + command)
    if not run:
        sys.exit(__doc__)
    try:
        return 1 if run(*args) else 0
    except Bad as bad:
        sys.exit("format.py: %s" % bad)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
