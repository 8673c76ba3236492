#!/usr/bin/env python3
"""The formats of deriva-store(5), written from that page alone.

format.py TOOL B3SUM: compares what this says with what the program does, for
files, directories and the records of packs. TOOL is test-cas-tool.
"""

import os
import random
import struct
import subprocess
import sys
import tempfile

KIB = 1024
CHUNK_MAX = HOLE_MORE_THAN = 256 * KIB
HOLE = bytes(32)
KINDS = {1: None, 2: "deriva node v1", 3: "deriva dir v1",
         4: "deriva recipe v1", 5: "deriva journal v1"}

b3sum = "b3sum"


def blake3(data, context=None):
    argv = [b3sum, "--raw"]
    if context:
        argv += ["--derive-key", context]
    return subprocess.run(argv, input=data, stdout=subprocess.PIPE,
                          check=True).stdout


def blake3_many(items, context=None):
    """The same for a list: one process for up to 500 of them."""
    hashes = []
    for start in range(0, len(items), 500):
        with tempfile.TemporaryDirectory() as tmp:
            names = []
            for i, data in enumerate(items[start:start + 500]):
                names.append(os.path.join(tmp, "%03d" % i))
                with open(names[-1], "wb") as f:
                    f.write(data)
            argv = [b3sum, "--no-names", "--num-threads", "1"]
            if context:
                argv += ["--derive-key", context]
            out = subprocess.run(argv + names, stdout=subprocess.PIPE,
                                 check=True).stdout
        hashes += [bytes.fromhex(line.decode()) for line in out.split()]
    return hashes


def u32(data):
    return int.from_bytes(data[:4], "little")


def u64(data):
    return int.from_bytes(data[:8], "little")


# --- files --------------------------------------------------------------------

def holes(content):
    """(start, end) of every run of more than 256 KiB of zeros."""
    found = []
    pos = 0
    probe = bytes(HOLE_MORE_THAN + 1)
    while True:
        start = content.find(probe, pos)
        if start < 0:
            return found
        end = start + len(probe)
        while content[end:end + KIB] == bytes(KIB):
            end += KIB
        while end < len(content) and content[end] == 0:
            end += 1
        found.append((start, end))
        pos = end


def cut_segment(segment, gear):
    """Lengths of the chunks."""
    lengths = []
    pos = 0
    while pos < len(segment):
        n = len(segment) - pos
        if n <= 16384:
            lengths.append(n)
            break
        h = 0
        i = 16384
        while i < n and i < CHUNK_MAX:
            h = (2 * h + gear[segment[pos + i]]) & 0xffffffffffffffff
            i += 1
            if h >> (46 if i - 1 < 65536 else 50) == 0:
                break
        lengths.append(i)
        pos += i
    return lengths


def entries_of(content, gear):
    """(address, size) of the chunks and holes."""
    parts = []
    pos = 0
    for start, end in holes(content) + [(len(content), None)]:
        for length in cut_segment(content[pos:start], gear):
            parts.append(content[pos:pos + length])
            pos += length
        if end is not None:
            parts.append(end - start)
            pos = end
    chunks = iter(blake3_many([p for p in parts if isinstance(p, bytes)]))
    return [(next(chunks), len(p)) if isinstance(p, bytes) else (HOLE, p)
            for p in parts]


def group(children, ends):
    groups = [[]]
    for child in children:
        if groups[-1] and ends(groups[-1]):
            groups.append([])
        groups[-1].append(child)
    return groups


def node_ends(children):
    address, _ = children[-1]
    return len(children) == 1024 or (
        len(children) >= 2 and address != HOLE and u32(address) % 128 == 0)


def file_address(content, gear):
    children = entries_of(content, gear)
    if not children:
        return blake3(b"")
    if len(children) == 1 and children[0][0] != HOLE:
        return children[0][0]
    height = 0
    while height == 0 or len(children) > 1:
        height += 1
        nodes = group(children, node_ends)
        encoded = [struct.pack("<II", height, len(node)) +
                   b"".join(a + struct.pack("<Q", size) for a, size in node)
                   for node in nodes]
        children = list(zip(blake3_many(encoded, KINDS[2]),
                            (sum(size for _, size in n) for n in nodes)))
    return children[0][0]


# --- directories --------------------------------------------------------------

def dir_address(entries):
    """entries: (name, type, size, device, address, target)"""
    entries = sorted(entries)
    cuts = dict(zip((e[0] for e in entries),
                    map(u64, blake3_many([e[0] for e in entries],
                                         "deriva dir name v1"))))
    # (encoded, last name, leaf entries)
    children = [(struct.pack("<BBHQQ", kind, len(name), len(target), size,
                             device) + address + name + target, name, 1)
                for name, kind, size, device, address, target in entries]
    height = 0
    while True:
        def ends(page):
            return len(page) == 1024 or (
                len(page) >= 2 and height <= 8 and
                cuts[page[-1][1]] >> (7 * height) & 127 == 0)

        pages = group(children, ends)
        hashes = blake3_many([struct.pack("<II", height, len(page)) +
                              b"".join(e[0] for e in page)
                              for page in pages], KINDS[3])
        if len(pages) == 1:
            return hashes[0]
        children = []
        for page, address in zip(pages, hashes):
            name = page[-1][1]
            count = sum(e[2] for e in page)
            children.append((struct.pack("<B", len(name)) + address +
                             struct.pack("<Q", count) + name, name, count))
        height += 1


# --- packs --------------------------------------------------------------------

def records(path):
    """(kind, codec, raw length, address, payload) of an undamaged pack."""
    with open(path, "rb") as f:
        data = f.read()
    pack_id = bytes.fromhex(os.path.basename(path)[:-len(".pack")])
    assert data[:32] == b"DERIVPK1" + struct.pack("<II", 1, 0) + pack_id
    pos = 32
    found = []
    checked = []
    while pos < len(data):
        magic, kind, codec, zero, stored, raw, address, check = struct.unpack(
            "<4sBBHII32sI", data[pos:pos + 52])
        assert magic == bytes.fromhex("f6445652") and zero == 0
        assert kind in KINDS and codec in (0, 1)
        assert stored == raw if codec == 0 else stored < raw
        checked.append((pack_id + data[pos:pos + 48], check))
        found.append((kind, codec, raw, address,
                      data[pos + 52:pos + 52 + stored]))
        pos += 52 + stored
    assert pos == len(data)
    assert [u32(h) for h in blake3_many([h for h, _ in checked])] == [
        check for _, check in checked]
    return found


def check_packs(store):
    count = 0
    packs = os.path.join(store, "packs")
    for name in os.listdir(packs):
        raws = {kind: [] for kind in KINDS}
        for kind, codec, raw, address, payload in records(
                os.path.join(packs, name)):
            count += 1
            if codec == 0:
                assert len(payload) == raw
                raws[kind].append((payload, address))
            else:
                assert payload[:4] == bytes.fromhex("28b52ffd")
        for kind, items in raws.items():
            assert blake3_many([payload for payload, _ in items],
                               KINDS[kind]) == [a for _, a in items]
    return count


# --- the comparison -----------------------------------------------------------

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
        (b"link", 4, 0, 0, HOLE, b"../to \xff there"),
        (b"fifo", 5, 0, 0, HOLE, b""),
        (b"sock", 6, 0, 0, HOLE, b""),
        (b"chr", 7, 0, 5 << 32 | 1, HOLE, b""),
        (b"blk", 8, 0, 8 << 32 | 17, HOLE, b""),
    ]
    yield "order", [(name,) + file for name in (
        b"b", b"a", b"aa", b"a\xff", b"a.", b"a-", b"\xff", b"\x01", b"B",
        "\u00e9".encode(), b"x" * 255, b"...", b" ", b"\n")]
    yield "5000 names", [(b"%x" % noise.getrandbits(64), 1, i, 0,
                           noise.randbytes(32), b"") for i in range(5000)]


def run(tool, *args, data=None):
    return subprocess.run([tool, *args], input=data, check=True,
                          stdout=subprocess.PIPE).stdout.decode().strip()


def main():
    global b3sum
    tool, b3sum = sys.argv[1:]
    gear = [u64(h) for h in blake3_many([bytes([i]) for i in range(256)],
                                        "deriva gear v1")]
    failed = number = 0

    def report(ok, what):
        nonlocal failed, number
        number += 1
        failed += not ok
        print("%s %d - %s" % ("ok" if ok else "not ok", number, what),
              flush=True)

    with tempfile.TemporaryDirectory() as tmp:
        store = os.path.join(tmp, "store")
        for what, content in contents():
            is_address = run(tool, "file", store, data=content)
            report(is_address == file_address(content, gear).hex(),
                   "file: " + what)
        for what, entries in directories():
            lines = "".join("%s %d %d %d %s %s\n" % (
                name.hex(), kind, size, device, address.hex(),
                target.hex() or "-")
                for name, kind, size, device, address, target in entries)
            is_address = run(tool, "dir", store, data=lines.encode())
            report(is_address == dir_address(entries).hex(),
                   "directory: " + what)
        report(check_packs(store) > 50, "packs")
    print("1..%d" % number)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
