"""deriva-store(5), PACKS: every object of a store, checked."""

import collections
import os
import re
import struct

from common import KIB, MIB, Bad, blake3, blake3_many, u32, unzstd_many

CONTEXTS = {1: None, 2: "deriva node v1", 3: "deriva dir v1",
            4: "deriva recipe v1", 5: "deriva journal v1"}
KINDS = {"chunk": 1, "node": 2, "dir": 3, "recipe": 4, "journal": 5}
NAMES = {number: name for name, number in KINDS.items()}
MAGIC = bytes.fromhex("f6445652")
HEAD = "<4sBBHII32sI"
RAW, ZSTD = 0, 1

# data is the object, or None if it is damaged
Record = collections.namedtuple(
    "Record", "pack offset kind codec stored length address data")


def header(pack_id):
    return b"DERIVPK1" + struct.pack("<II", 1, 0) + pack_id


def head_at(data, pos):
    """The fields of a record whose lengths are right; the check is not looked
    at yet."""
    if len(data) - pos < 52 or data[pos:pos + 4] != MAGIC:
        return None
    head = struct.unpack(HEAD, data[pos:pos + 52])
    _, kind, codec, zero, stored, length, _, _ = head
    longest = 256 * KIB if kind == KINDS["chunk"] else 16 * MIB
    if (kind not in CONTEXTS or codec not in (RAW, ZSTD) or zero or
            length > longest or stored > len(data) - pos - 52):
        return None
    if stored != length if codec == RAW else stored >= length:
        return None
    return head


def scan(data, pack_id):
    """(records, damaged): (offset, head, payload) and (start, end)."""
    found = []
    damaged = []
    pos = start = 32
    checked = known_checks(data, pack_id)
    while pos < len(data):
        head = head_at(data, pos)
        if head and checked[pos] == head[-1]:
            if start < pos:
                damaged.append((start, pos))
            stored = head[4]
            found.append((pos, head, data[pos + 52:pos + 52 + stored]))
            pos = start = pos + 52 + stored
            continue
        pos = data.find(MAGIC, pos + 1)
        if pos < 0:
            pos = len(data)
    if start < len(data):
        damaged.append((start, len(data)))
    return found, damaged


def known_checks(data, pack_id):
    """The right check of whatever could be a record, by offset: all hashed at
    once."""
    places = [m.start() for m in re.finditer(re.escape(MAGIC), data)
              if head_at(data, m.start())]
    hashes = blake3_many([pack_id + data[p:p + 48] for p in places])
    return dict(zip(places, map(u32, hashes)))


def objects_of(heads, name):
    """Records with their objects, which are None where damaged."""
    frames = [(payload, head[5]) for _, head, payload in heads
              if head[2] == ZSTD]
    objects = iter(unzstd_many(frames) if frames else [])
    records = [Record(name, pos, head[1], head[2], head[4], head[5], head[6],
                      next(objects) if head[2] == ZSTD else payload)
               for pos, head, payload in heads]
    right = {}
    for kind, context in CONTEXTS.items():
        some = [r for r in records if r.kind == kind and r.data is not None]
        for record, address in zip(some, blake3_many([r.data for r in some],
                                                     context)):
            right[record.offset] = address
    return [r if right.get(r.offset) == r.address else r._replace(data=None)
            for r in records]


def pack_names(store):
    packs = os.path.join(store, "packs")
    return sorted(name for name in os.listdir(packs)
                  if re.fullmatch("[0-9a-f]{32}[.]pack", name))


class Packs:
    """All objects of a store. records are in the order of the packs' names and
    then of their places; damaged are (pack, start, end)."""

    def __init__(self, store):
        self.records = []
        self.damaged = []
        self.index = {}
        for name in pack_names(store):
            with open(os.path.join(store, "packs", name), "rb") as f:
                data = f.read()
            pack_id = bytes.fromhex(name[:32])
            if data[:32] != header(pack_id):
                self.damaged.append((name, 0, 32))
            heads, damaged = scan(data, pack_id)
            self.records += objects_of(heads, name)
            self.damaged += [(name, start, end) for start, end in damaged]
        for record in self.records:
            if record.data is not None:
                self.index.setdefault((record.kind, record.address), record)

    def get(self, address, kind, *default):
        """The object, or the default."""
        record = self.index.get((KINDS[kind], address))
        if record:
            return record.data
        if kind == "chunk" and address == blake3(b""):
            return b""
        if default:
            return default[0]
        raise Bad("no %s %s" % (kind, address.hex()))

    def all(self, kind):
        return [(r.address, r.data) for (number, _), r in self.index.items()
                if number == KINDS[kind]]
