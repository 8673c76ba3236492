"""deriva-store(5), DIRECTORIES. An entry is (name, type, size, device, address,
target)."""

import struct

from common import ZERO, Reader, blake3_many, must, u64
from files import group

DIR = "deriva dir v1"
NAME = "deriva dir name v1"
FILE, EXEC, SUBDIR, LINK, PIPE, SOCKET, CHAR, BLOCK = range(1, 9)


def page_ends(cuts, height, names):
    """cuts[NAME] is the name's number; names are those of the page so far."""
    return len(names) == 1024 or (
        len(names) >= 2 and height <= 8 and
        cuts[names[-1]] >> (7 * height) & 127 == 0)


def cuts_of(names):
    return dict(zip(names, map(u64, blake3_many(names, NAME))))


def dir_address(entries):
    entries = sorted(entries)
    cuts = cuts_of([e[0] for e in entries])
    # (encoded, last name, leaf entries)
    children = [(struct.pack("<BBHQQ", kind, len(name), len(target), size,
                             device) + address + name + target, name, 1)
                for name, kind, size, device, address, target in entries]
    height = 0
    while True:
        pages = group(children, lambda page: page_ends(
            cuts, height, [e[1] for e in page[-2:]]) or len(page) == 1024)
        hashes = blake3_many([struct.pack("<II", height, len(page)) +
                              b"".join(e[0] for e in page)
                              for page in pages], DIR)
        if len(pages) == 1:
            return hashes[0]
        children = []
        for page, address in zip(pages, hashes):
            name = page[-1][1]
            count = sum(e[2] for e in page)
            children.append((struct.pack("<B", len(name)) + address +
                             struct.pack("<Q", count) + name, name, count))
        height += 1


# --- back ---------------------------------------------------------------------

def check_name(name):
    must(1 <= len(name) <= 255, "length of a name")
    must(b"/" not in name and b"\0" not in name, "a byte of a name")
    must(name not in (b".", b".."), "a name of dots")


def leaf_entry(r):
    kind, name_length, target_length = r.u8(), r.u8(), r.u16()
    size, device, address = r.u64(), r.u64(), r.address()
    name, target = r.take(name_length), r.take(target_length)
    must(FILE <= kind <= BLOCK, "type of an entry")
    check_name(name)
    must(size < 2**63, "size of an entry")
    if kind <= SUBDIR:
        must(address != ZERO, "an entry without an address")
    else:
        must(address == ZERO and size == 0, "an address or size too many")
    if kind == LINK:
        must(1 <= target_length <= 4095 and 0 not in target, "a target")
    else:
        must(not target, "a target too many")
    must(device == 0 or kind >= CHAR, "a device number too many")
    return name, kind, size, device, address, target


def page_read(data):
    """(height, entries); above height 0 these are (name, address, count)."""
    r = Reader(data)
    height, count = r.u32(), r.u32()
    must(height <= 63, "height of a page")
    must(count <= 1024, "number of a page's entries")
    entries = []
    for _ in range(count):
        if height == 0:
            entries.append(leaf_entry(r))
            continue
        length = r.u8()
        address, below = r.address(), r.u64()
        name = r.take(length)
        check_name(name)
        must(below >= 1, "an empty page below")
        entries.append((name, address, below))
    r.end()
    names = [e[0] for e in entries]
    must(all(a < b for a, b in zip(names, names[1:])), "order of names")
    cuts = cuts_of(names)
    for i in range(1, count):
        must(not page_ends(cuts, height, names[:i]), "a page goes on")
    return height, entries


def dir_entries(get, address, height=None):
    """The entries of a directory; of a page below one, with its height."""
    found, entries = page_read(get(address, "dir"))
    root = height is None
    must(root or height == found, "height of a page")
    if found == 0:
        must(root or entries, "an empty page")
        return entries
    must(not root or len(entries) >= 2, "a root with one entry")
    must(entries, "an empty page")
    leaves = []
    for name, child, count in entries:
        below = dir_entries(get, child, found - 1)
        must(len(below) == count, "number of entries below")
        must(below[-1][0] == name, "last name below")
        must(not leaves or leaves[-1][0] < below[0][0], "order of pages")
        leaves += below
    if root:
        must(dir_address(leaves) == address, "pages of another shape")
    return leaves
