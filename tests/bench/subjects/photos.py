"""Photos: a few megabytes each that no compressor shrinks, with a little text in
front that is edited later (a new date in a tenth of them), and moved around."""
import os
import random


def make(tree, count):
    pick = random.Random(3)
    for i in range(count):
        where = f"{tree}/album{i // 50:02}"
        os.makedirs(where, exist_ok=True)
        with open(f"{where}/IMG_{i:04}.jpg", "wb") as f:
            f.write(b"\xff\xd8\xff\xe1 taken 2024-05-01" + bytes(3000))
            f.write(pick.randbytes(pick.randint(1500000, 5000000)))


def edit(tree):
    for where, _, names in sorted(os.walk(tree)):
        for name in sorted(names)[::10]:
            with open(os.path.join(where, name), "r+b") as f:
                f.seek(11)
                f.write(b"2024-06-02")
    if os.path.isdir(tree + "/album00"):
        os.rename(tree + "/album00", tree + "/best of")


def run(bench):
    peers.compare(bench, tools,
                  lambda t: make(t, max(20, int(300 * bench.scale))), edit,
                  "photos")
