#!/usr/bin/env python3
"""deriva-proof(5) and the log of deriva-store(5), put into practice a second time
from the pages alone.

proofs.py verify FILE       what is proven; exit status 1 when nothing is
proofs.py root STORE [SIZE] size and root of the log, from the packs alone
"""

import hashlib
import os
import re
import sys
import urllib.parse

from common import Bad, Reader, blake3, blake3_many, must
from packs import Packs
import journals

LEAF = "deriva log leaf v1"
NODE = "deriva log node v1"

# --- Ed25519 (RFC 8032, section 5.1) ------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_Y = 4 * pow(5, P - 2, P) % P


def x_of(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    must(y < P and (x * x - square) % P == 0, "no point of the curve")
    must(x or not sign, "no point of the curve")
    return P - x if x & 1 != sign else x


def add(a, b):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    m, n = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    k, z = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = n - m, z - k, z + k, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, point):
    sum_ = (0, 1, 1, 0)
    while n:
        if n & 1:
            sum_ = add(sum_, point)
        point = add(point, point)
        n >>= 1
    return sum_


def point_of(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    x = x_of(y, sign)
    return x, y, 1, x * y % P


def is_signed(key, message, signature):
    base_x = x_of(BASE_Y, 0)
    base = base_x, BASE_Y, 1, base_x * BASE_Y % P
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    h = hashlib.sha512(r + key + message).digest()
    h = int.from_bytes(h, "little") % L
    a = times(s, base)
    b = add(point_of(r), times(h, point_of(key)))
    return s < L and (a[0] * b[2] - b[0] * a[2]) % P == 0 and \
        (a[1] * b[2] - b[1] * a[2]) % P == 0


# --- the tree (RFC 9162, section 2.1) ------------------------------------------

def node(left, right):
    return blake3(left + right, NODE)


def root(hashes):
    """A level at a time: one process each."""
    while len(hashes) > 1:
        pairs = [a + b for a, b in zip(hashes[::2], hashes[1::2])]
        odd = hashes[len(pairs) * 2:]
        hashes = blake3_many(pairs, NODE) + odd
    return hashes[0]


def included(leaf, index, size, path):
    """The root that the path leads to."""
    must(index < size, "index of a leaf")
    fn, sn, r = index, size - 1, leaf
    for p in path:
        must(sn, "a hash too many")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    must(sn == 0, "a hash is missing")
    return r


def consistent(old, old_root, size, path):
    """The newer root."""
    must(0 < old <= size, "sizes")
    if old == size:
        must(not path, "a hash too many")
        return old_root
    if old & (old - 1) == 0:
        path = [old_root] + path
    must(path, "a hash is missing")
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        must(sn, "a hash too many")
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    must(sn == 0 and fr == old_root, "the older root")
    return sr


# --- the text -------------------------------------------------------------------

class Lines:
    def __init__(self, text):
        must(text.endswith("\n"), "the last line")
        self.lines = text[:-1].split("\n")

    def title(self, title):
        if self.lines and self.lines[0] == title:
            return bool(self.lines.pop(0))
        return False

    def next_is(self, name):
        return bool(self.lines) and self.lines[0].startswith(name + ": ")

    def take(self, name):
        must(self.next_is(name), "a line \"%s\"" % name)
        return self.lines.pop(0)[len(name) + 2:]

    def number(self, name):
        return number(self.take(name))

    def hex(self, name, length):
        return unhex(self.take(name), length)

    def hashes(self):
        found = []
        while self.next_is("hash"):
            found.append(self.hex("hash", 32))
        return found


def number(text):
    must(re.fullmatch("0|[1-9][0-9]*", text), "a number")
    return int(text)


def unhex(text, length=None):
    must(re.fullmatch("([0-9a-f]{2})*", text), "hexadecimal")
    must(length is None or len(text) == 2 * length, "a length")
    return bytes.fromhex(text)


class Head:
    def __init__(self, lines):
        signed = "".join(line + "\n" for line in lines.lines[:6])
        must(lines.title("deriva head v1"), "the title of a head")
        self.size = lines.number("size")
        self.root = lines.hex("root", 32)
        self.change = lines.number("change")
        self.time = lines.number("time")
        self.key = lines.hex("key", 32)
        signature = lines.hex("signature", 64)
        must(self.size > 0, "size of a head")
        must(is_signed(self.key, signed.encode(), signature), "signature")


class Hidden:
    """Takes the place of values that are not there."""

    def next(self, hash_):
        return None if hash_ == bytes(32) else hash_


class Proof:
    def __init__(self, lines):
        shown = lines.take("path")
        self.path = urllib.parse.unquote_to_bytes(shown)
        must(urllib.parse.quote_from_bytes(self.path, "/~").replace(
            "%", "%").lower() == shown.lower(), "form of the path")
        self.head = Head(lines)
        self.records = []
        while lines.next_is("leaf"):
            self.leaf(lines)
        self.lines = lines
        ino, rest = 1, self.path.split(b"/") if self.path else []
        while rest and not (len(rest) == 1 and lines.next_is("result")):
            ino = self.name(ino, rest.pop(0))
        self.said = self.result(ino, rest[0]) if rest else self.inode(ino)

    def leaf(self, lines):
        index, record = lines.take("leaf").split(" ")
        record = unhex(record)
        leaf = blake3(record, LEAF)
        must(included(leaf, number(index), self.head.size, lines.hashes()) ==
             self.head.root, "a record is not in the log")
        self.records.append(journals.record_read(record, Hidden()))

    def effect(self, name, kind, words):
        parts = self.lines.take(name).split(" ")
        must(len(parts) == 2 + words, "words of a claim")
        record = self.records[number(parts[0])]
        effect = record.effects[number(parts[1])]
        must(type(effect) is kind, "type of an effect")
        return effect, parts[2:]

    def name(self, parent, name):
        e, (salt,) = self.effect("name", journals.Made, 1)
        must(e.parent == parent, "directory of a name")
        salted(salt, name, e.name)
        return e.ino

    def inode(self, ino):
        kind = "content" if self.lines.next_is("content") else \
            "link" if self.lines.next_is("link") else "inode"
        e, words = self.effect(kind, journals.Inode, 0 if kind == "inode"
                               else 2)
        types = {0o100000: "content", 0o120000: "link"}
        must(e.ino == ino, "inode")
        must(types.get(e.mode & 0o170000, "inode") == kind, "type of an inode")
        if not words:
            return kind
        value = unhex(words[1])
        salted(words[0], value, e.value)
        return kind + " " + (value.hex() if kind == "content" else
                             os.fsdecode(value))

    def result(self, parent, name):
        e, (salt, salt2, address) = self.effect("result", journals.Result, 3)
        must(e.parent == parent and not e.error, "a result")
        salted(salt, name, e.name)
        salted(salt2, unhex(address, 32), e.address)
        return "content " + address


def salted(salt, value, hash_):
    must(blake3(unhex(salt, 16) + value, journals.SALT) == hash_,
         "hash of a value")


def cmd_verify(path):
    with open(path, encoding="ascii") as f:
        lines = Lines(f.read())
    if lines.title("deriva proof v1"):
        proof = Proof(lines)
        said = "%s: %s" % (os.fsdecode(proof.path), proof.said)
    elif lines.title("deriva consistency v1"):
        old, new = Head(lines), Head(lines)
        must(consistent(old.size, old.root, new.size, lines.hashes()) ==
             new.root and old.key == new.key, "the newer root")
        said = "%d goes on from %d" % (new.size, old.size)
    else:
        said = "head of %d" % Head(lines).size
    must(not lines.lines, "something follows")
    print(said)


def cmd_root(store, size=None):
    records = [r for j in journals.chain(Packs(store)) for r in j.records]
    size = int(size or len(records))
    print(size, root(blake3_many(records[:size], LEAF)).hex())


def main(command, *args):
    try:
        globals()["cmd_" + command](*args)
    except (Bad, ValueError, IndexError, StopIteration) as bad:
        sys.exit("proofs.py: %s" % bad)


if __name__ == "__main__":
    main(*sys.argv[1:])
