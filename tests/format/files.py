"""deriva-store(5), FILES: addresses of contents, and contents of addresses."""

import errno
import os
import struct

from common import (KIB, ZERO, Reader, blake3, blake3_many, must, u32, u64)

CHUNK_MIN = 16 * KIB
CHUNK_MAX = HOLE_MORE_THAN = 256 * KIB
NODE = "deriva node v1"

gear = []


def the_gear():
    if not gear:
        gear.extend(map(u64, blake3_many([bytes([i]) for i in range(256)],
                                         "deriva gear v1")))
    return gear


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


def cut_segment(segment):
    """Lengths of the chunks."""
    gear = the_gear()
    lengths = []
    pos = 0
    while pos < len(segment):
        n = len(segment) - pos
        if n <= CHUNK_MIN:
            lengths.append(n)
            break
        h = 0
        i = CHUNK_MIN
        while i < n and i < CHUNK_MAX:
            h = (2 * h + gear[segment[pos + i]]) & 0xffffffffffffffff
            i += 1
            if h >> (46 if i - 1 < 65536 else 50) == 0:
                break
        lengths.append(i)
        pos += i
    return lengths


def entries_of(content):
    """(address, size) of the chunks and holes."""
    parts = []
    pos = 0
    for start, end in holes(content) + [(len(content), None)]:
        for length in cut_segment(content[pos:start]):
            parts.append(content[pos:pos + length])
            pos += length
        if end is not None:
            parts.append(end - start)
            pos = end
    chunks = iter(blake3_many([p for p in parts if isinstance(p, bytes)]))
    return [(next(chunks), len(p)) if isinstance(p, bytes) else (ZERO, p)
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
        len(children) >= 2 and address != ZERO and u32(address) % 128 == 0)


def address_of_entries(children):
    if not children:
        return blake3(b"")
    if len(children) == 1 and children[0][0] != ZERO:
        return children[0][0]
    height = 0
    while height == 0 or len(children) > 1:
        height += 1
        nodes = group(children, node_ends)
        encoded = [struct.pack("<II", height, len(node)) +
                   b"".join(a + struct.pack("<Q", size) for a, size in node)
                   for node in nodes]
        children = list(zip(blake3_many(encoded, NODE),
                            (sum(size for _, size in n) for n in nodes)))
    return children[0][0]


def file_address(content):
    return address_of_entries(entries_of(content))


# --- from disk, without reading what the file system knows to be zeros ---------

def data_ranges(fd, size):
    pos = 0
    while pos < size:
        try:
            start = os.lseek(fd, pos, os.SEEK_DATA)
        except OSError as e:
            if e.errno == errno.ENXIO:
                return
            raise
        pos = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, min(pos, size)


def read_range(fd, start, end):
    parts = []
    while start < end:
        parts.append(os.pread(fd, end - start, start))
        must(parts[-1], "the file has become shorter")
        start += len(parts[-1])
    return b"".join(parts)


def zeros_and_bytes(fd, size):
    """Numbers of zeros and bytes that neither begin nor end with one, in
    order."""
    pos = 0
    for start, end in data_ranges(fd, size):
        data = read_range(fd, start, end)
        body = data.lstrip(b"\0")
        yield start - pos + len(data) - len(body)
        data, body = body, body.rstrip(b"\0")
        yield body
        yield len(data) - len(body)
        pos = end
    yield size - pos


def address_of_open(fd):
    size = os.fstat(fd).st_size
    parts, zeros = [b""], 0
    for part in zeros_and_bytes(fd, size):
        if isinstance(part, int):
            zeros += part
        elif part:
            if zeros > HOLE_MORE_THAN:
                parts += [zeros, part]
            else:
                parts[-1] += bytes(zeros) + part
            zeros = 0
    if zeros > HOLE_MORE_THAN:
        parts.append(zeros)
    else:
        parts[-1] += bytes(zeros)
    entries = []
    for part in parts:
        entries += [(ZERO, part)] if isinstance(part, int) else \
            entries_of(part)
    return address_of_entries(entries)


# --- back ---------------------------------------------------------------------

def node_read(data):
    """(height, [(address, size)]) of a node by itself."""
    r = Reader(data)
    height, count = r.u32(), r.u32()
    must(1 <= height <= 63, "height of a node")
    must(1 <= count <= 1024, "number of a node's children")
    children = [(r.address(), r.u64()) for _ in range(count)]
    r.end()
    must(sum(size for _, size in children) < 2**63, "size of a node")
    for i, (address, size) in enumerate(children):
        last = i == count - 1
        if address == ZERO:
            must(height == 1, "a hole above height 1")
            must(size > HOLE_MORE_THAN, "a short hole")
            must(i == 0 or children[i - 1][0] != ZERO, "holes side by side")
        elif height == 1:
            must(1 <= size <= CHUNK_MAX, "size of a chunk")
            must(size > CHUNK_MIN or last or children[i + 1][0] == ZERO,
                 "a short chunk")
        else:
            must(size > 0, "size of a child")
        must(last or not node_ends(children[:i + 1]), "a node goes on")
    return height, children


def node_entries(get, address, height, size):
    """The chunks and holes below a node that is expected to be so."""
    found, children = node_read(get(address, "node"))
    must(height in (None, found), "height of a child")
    must(size in (None, sum(s for _, s in children)), "size of a child")
    if found == 1:
        return children
    return [entry for a, s in children
            for entry in node_entries(get, a, found - 1, s)]


def file_entries(get, address, size):
    """The chunks and holes of a content of that size; get(ADDRESS, KIND) gives
    objects. A node and a chunk may not have the same address, so the size
    tells which it is but for up to 256 KiB."""
    chunk = get(address, "chunk", None) if size <= CHUNK_MAX else None
    if chunk is not None:
        must(len(chunk) == size, "size of a chunk")
        return [(address, size)] if size else []
    height, children = node_read(get(address, "node"))
    must(len(children) > 1 or height == 1 and children[0][0] == ZERO,
         "a root with one child")
    entries = node_entries(get, address, None, size)
    must(address_of_entries(entries) == address, "a tree of another shape")
    return entries


def file_parts(get, address, size):
    """Its bytes, a part at a time; of a hole, how many zeros it is."""
    for part, length in file_entries(get, address, size):
        if part == ZERO:
            yield length
        else:
            data = get(part, "chunk")
            must(len(data) == length, "size of a chunk")
            yield data


def file_read(get, address, size):
    return b"".join(bytes(p) if isinstance(p, int) else p
                    for p in file_parts(get, address, size))
