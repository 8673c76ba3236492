"""The image of a virtual machine's disk: an ext4 file system with programs on it
and half of it free, then 300 places in it are written as its machine would, of
4 to 64 KiB each. In the mount that happens in place."""
import os
import random
import subprocess


def make(tree, size):
    os.mkdir(tree)
    image = tree + "/disk.img"
    with open(image, "wb") as f:
        f.truncate(size)
    tools.make_mixture(tree + "/half", size // 2)
    with open(tree + "/half", "rb") as source, open(image, "r+b") as f:
        at = 1 << 20
        pick = random.Random(1)
        while piece := source.read(pick.choice((4, 16, 64, 256, 2048)) << 10):
            f.seek(at)
            f.write(piece)
            at += -(-len(piece) // 4096) * 4096
            at += pick.choice((0, 0, 4096, 65536, 1 << 20))
            if at > size - (4 << 20):
                break
    os.unlink(tree + "/half")


def edit(tree):
    pick = random.Random(2)
    image = tree + "/disk.img"
    size = os.path.getsize(image)
    with open(image, "r+b") as f:
        for _ in range(300):
            f.seek(pick.randrange(size - 65536) // 4096 * 4096)
            f.write(pick.randbytes(pick.choice((4, 4, 4, 16, 64)) << 10))


def run(bench):
    peers.compare(bench, tools,
                  lambda t: make(t, int((2 << 30) * bench.scale)), edit,
                  "a disk image, edited in the middle", in_place=True)
