#!/usr/bin/env python3
"""Compares what deriva-store(5) says, put into practice a second time, with
what the program does: addresses of files and directories, recipes, packs.

compare.py TOOL, where TOOL is test-cas-tool.
"""

import os
import random
import subprocess
import sys
import tempfile

import dirs
import files
import journals
from common import KIB, ZERO, Bad, blake3, blake3_many, u32
from packs import Packs
from recipes import recipe_bytes, recipe_read


def contents():
    noise = random.Random(1)
    some = noise.randbytes(400 * KIB)
    zeros = bytes(700 * KIB)
    yield "nothing", b""
    yield "a byte", b"x"
    yield "16 KiB", some[:16 * KIB]
    yield "16 KiB and a byte", some[:16 * KIB + 1]
    yield "300 KiB", some[:300 * KIB]
    yield "text", b"".join(b"%d bottles of beer\n" % i for i in range(40000))
    yield "a zero", zeros[:1]
    yield "256 KiB of zeros", zeros[:256 * KIB]
    yield "a hole", zeros[:256 * KIB + 1]
    yield "a longer hole", zeros
    yield "hole in front", zeros + some
    yield "hole behind", some + zeros
    yield "hole between", some + zeros + some[:1]
    yield "no hole between", some + zeros[:256 * KIB] + some[:1]
    yield "two holes", zeros + b"x" + zeros
    yield "long chunks", bytes([7]) * (600 * KIB)
    yield "3 MiB", noise.randbytes(3 * KIB * KIB)
    # short chunks between holes: several nodes
    part = zeros[:256 * KIB + 1]
    yield "1000 entries", b"".join(part + b"%d" % i for i in range(500))
    # no address cuts, so 1024 children do
    first = next(b"%d" % i for i in range(1000)
                 if u32(blake3(b"%d" % i)) % 128)
    yield "1100 entries", (part + first) * 550


def directories():
    noise = random.Random(2)
    file = (1, 5, 0, bytes(range(1, 33)), b"")
    yield "no entry", []
    yield "an entry", [(b"a",) + file]
    yield "all types", [
        (b"file",) + file,
        (b"exec", 2, 2**63 - 1, 0, bytes([9]) * 32, b""),
        (b"dir", 3, 7, 0, bytes([8]) * 32, b""),
        (b"link", 4, 0, 0, ZERO, b"../to \xff there"),
        (b"fifo", 5, 0, 0, ZERO, b""),
        (b"sock", 6, 0, 0, ZERO, b""),
        (b"chr", 7, 0, 5 << 32 | 1, ZERO, b""),
        (b"blk", 8, 0, 8 << 32 | 17, ZERO, b""),
    ]
    yield "order", [(name,) + file for name in (
        b"b", b"a", b"aa", b"a\xff", b"a.", b"a-", b"\xff", b"\x01", b"B",
        "\u00e9".encode(), b"x" * 255, b"...", b" ", b"\n")]
    yield "5000 names", [(b"%x" % noise.getrandbits(64), 1, i, 0,
                           noise.randbytes(32), b"") for i in range(5000)]


A = bytes(range(1, 33)).hex()

# the examples of the page, by their addresses
RECIPES = {
    "1fb47e2825b431cffe4fd026e731b62be20c59d3f8dac464af74d126ba7435fb":
    "01 01 00000000 01000000 00000000"
    "01000000 06000000 736f72742061"
    "01000000 01 04 00000000" + A + "01000000 61"
    "00000000 00000000 00000000"
    "01000000 00000000 03000000 6f7574",
    "d03db891a146a56036d0a1aff2049ddfa5774fa537892573ad744ab0ebbcd9bb":
    "03 01 00000000 01000000 00000000"
    "01000000 04000000 677a6970"
    "01000000 01 04 00000000" + A + "00000000"
    "01000000 05000000 6c6576656c 01000000 39"
    "00000000 00000000 00000000",
}


class Value(bytes):
    """What a journal has only a hash of."""


def salt(i):
    return i.to_bytes(8, "little") + b"\xa5" * 8


def journal_bytes(records):
    """A journal and its clear object; a record is a list of fields: numbers
    as (number, bytes), addresses, and values, of which None is absent."""
    salts = iter(range(1, 1000))
    clear = []

    def put(field):
        if field is None:
            return ZERO
        if isinstance(field, tuple):
            return field[0].to_bytes(field[1], "little")
        if not isinstance(field, Value):
            return field
        s = salt(next(salts))
        clear.append(len(field).to_bytes(4, "little") + s + field)
        return blake3(s + field, "deriva salt v1")

    parts = [b"".join(put(field) for field in record) for record in records]
    values = b"V\1" + len(clear).to_bytes(4, "little") + b"".join(clear)
    return values, (
        b"J\1\1" + ZERO + blake3(values, "deriva journal v1") +
        parts[0][:8] + len(parts).to_bytes(4, "little") +
        b"".join(len(p).to_bytes(4, "little") + p for p in parts))


def address(first):
    return bytes([first]) + bytes(31)


def record(number, ns, done, branch, *effects):
    """With the effects' fields one after the other."""
    head = [(number, 8), (1790000000000000000 + ns, 8), (done, 2), (branch, 4),
            (1000, 4), (4711, 4), Value(b"cc1"), Value(b"a message"),
            (len(effects), 4)]
    return head + [field for effect in effects for field in effect]


# tests/core/test_journal.c has the addresses as well
LATE = [
    record(50, 7, 12, 1,
           [(12, 1), (2, 8), (1, 8), (41, 8), Value(b"b")],
           [(12, 1), (2, 8), (1, 8), (41, 8), Value(b"fix/1")]),
    record(51, 8, 13, 1, [(14, 1), (2, 8), (50, 8)]),
    record(52, 9, 12, 2, [(13, 1), (2, 8)]),
    record(53, 10, 10, 1,
           [(20, 1), (5, 8), Value(b"out.txt"), Value(address(4))],
           [(20, 1), (0, 8), None, Value(address(6))],
           [(21, 1), address(7), address(8), address(9)],
           [(22, 1), (53, 8)]),
]
LATE_CLEAR = (
    "f445250b8c5dd7a1ec034b3b2b11202cb735040609e30ca7b7fd463e68f3374e")
LATE_JOURNAL = (
    "7f49e327f76b24d8d9d000ac2aa38d6eb3c0bb4ea55c96988313673b86142379")
LATE_EFFECTS = [
    journals.Branch(2, 1, 41, b"b"), journals.Branch(2, 1, 41, b"fix/1"),
    journals.Merged(2, 50), journals.Unbranch(2),
    journals.Dropped(5, b"out.txt", address(4)),
    journals.Dropped(0, None, address(6)),
    journals.Replaced(address(7), address(8), address(9)),
    journals.Scrubbed(53),
]


def refused(read, data):
    try:
        read(data)
    except Bad:
        return True
    return False


def run(tool, *args, data=None):
    return subprocess.run([tool, *args], input=data, check=True,
                          stdout=subprocess.PIPE).stdout.decode().strip()


class Tap:
    def __init__(self):
        self.failed = self.number = 0

    def claim(self, true, what):
        self.number += 1
        self.failed += not true
        print("%s %d - %s" % ("ok" if true else "not ok", self.number, what),
              flush=True)

    def done(self):
        print("1..%d" % self.number)
        return self.failed != 0


def line_of(name, kind, size, device, address, target):
    return "%s %d %d %d %s %s\n" % (name.hex(), kind, size, device,
                                    address.hex(), target.hex() or "-")


def compare(tap, tool, store):
    made_files = []
    made_dirs = []
    for what, content in contents():
        address = bytes.fromhex(run(tool, "file", store, data=content))
        tap.claim(address == files.file_address(content), "file: " + what)
        made_files.append((what, address, content))
    for what, entries in directories():
        lines = "".join(line_of(*e) for e in entries)
        address = bytes.fromhex(run(tool, "dir", store, data=lines.encode()))
        tap.claim(address == dirs.dir_address(entries), "directory: " + what)
        made_dirs.append((what, address, entries))
    packs = Packs(store)
    tap.claim(len(packs.records) > 50 and not packs.damaged and
              all(r.data is not None for r in packs.records), "packs")
    for what, address, content in made_files:
        tap.claim(files.file_read(packs.get, address, len(content)) == content,
                  "file read back: " + what)
    for what, address, entries in made_dirs:
        tap.claim(dirs.dir_entries(packs.get, address) == sorted(entries),
                  "directory read back: " + what)


def recipes(tap):
    for address, text in RECIPES.items():
        data = bytes.fromhex(text)
        tap.claim(blake3(data, "deriva recipe v1").hex() == address and
                  recipe_bytes(recipe_read(data)) == data,
                  "recipe: " + address[:8])
        tap.claim(all(refused(recipe_read, data[:n])
                      for n in range(len(data))) and
                  refused(recipe_read, data + b"\0"),
                  "recipe: " + address[:8] + " cut")


def late_journal(tap):
    clear, journal = journal_bytes(LATE)
    address_ = blake3(journal, "deriva journal v1")
    tap.claim(blake3(clear, "deriva journal v1").hex() == LATE_CLEAR and
              address_.hex() == LATE_JOURNAL,
              "journal: branches and forgetting")
    # what it forgot is not here: only its own values are read
    read = journals.journal_read(address_, journal)
    values = journals.Values(journals.clear_read(clear))
    changes = [journals.record_read(data, values) for data in read.records]
    values.done()
    tap.claim(blake3_many(values.salted, "deriva salt v1") == values.hashes,
              "journal: branches and forgetting, hashes")
    tap.claim([e for c in changes for e in c.effects] == LATE_EFFECTS and
              [c.branch for c in changes] == [1, 1, 2, 1],
              "journal: branches and forgetting, read")
    tap.claim(all(refused(lambda d: journals.journal_read(address_, d),
                          journal[:n]) for n in range(len(journal))),
              "journal: branches and forgetting, cut")


def main(tool):
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        compare(tap, tool, os.path.join(tmp, "store"))
    recipes(tap)
    late_journal(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
