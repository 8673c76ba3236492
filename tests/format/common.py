"""What the modules of this folder share: BLAKE3, and reading bytes.

Hashes are computed by b3sum, and frames decompressed by zstd; many at a time,
as a process each would take most of the time.
"""

import os
import subprocess
import tempfile

KIB = 1024
MIB = 1024 * KIB
ZERO = bytes(32)
B3SUM = os.environ.get("B3SUM", "b3sum")
ZSTD = os.environ.get("ZSTD", "zstd")


class Bad(Exception):
    """What deriva-store(5) tells a reader to refuse."""


def must(true, what):
    if not true:
        raise Bad(what)


def b3sum(args, context, data=None):
    argv = [B3SUM] + (["--derive-key", context] if context else []) + args
    return subprocess.run(argv, input=data, stdout=subprocess.PIPE,
                          check=True).stdout


def blake3(data, context=None):
    return b3sum(["--raw"], context, data)


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
            out = b3sum(["--no-names", "--num-threads", "1"] + names, context)
        hashes += [bytes.fromhex(line.decode()) for line in out.split()]
    return hashes


def unzstd(frame, length):
    """The object of a frame, which must have just that length."""
    done = subprocess.run([ZSTD, "-dcq", "--no-sparse"], input=frame,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    must(done.returncode == 0, "a frame of zstd is damaged")
    must(len(done.stdout) == length, "a frame of zstd has another length")
    return done.stdout


def unzstd_many(frames):
    """Objects of (frame, length); None for one that is bad."""
    try:
        whole = unzstd(b"".join(frame for frame, _ in frames),
                       sum(length for _, length in frames))
    except Bad:
        if len(frames) == 1:
            return [None]
        half = len(frames) // 2
        return unzstd_many(frames[:half]) + unzstd_many(frames[half:])
    found = []
    pos = 0
    for _, length in frames:
        found.append(whole[pos:pos + length])
        pos += length
    return found


def u32(data):
    return int.from_bytes(data[:4], "little")


def u64(data):
    return int.from_bytes(data[:8], "little")


class Reader:
    """Takes fields off a byte string, and refuses what ends too early."""

    def __init__(self, data):
        self.data = data
        self.pos = 0

    def take(self, n):
        must(n <= len(self.data) - self.pos, "it ends too early")
        self.pos += n
        return self.data[self.pos - n:self.pos]

    def number(self, n, signed=False):
        return int.from_bytes(self.take(n), "little", signed=signed)

    def u8(self):
        return self.number(1)

    def u16(self):
        return self.number(2)

    def u32(self):
        return self.number(4)

    def u64(self):
        return self.number(8)

    def i64(self):
        return self.number(8, True)

    def address(self):
        return self.take(32)

    def str(self):
        text = self.take(self.u32())
        must(0 not in text, "a zero byte in a string")
        return text

    def name(self):
        text = self.str()
        must(text, "an empty name")
        return text

    def end(self):
        must(self.pos == len(self.data), "something follows the end")
