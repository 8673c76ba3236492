"""Memory of the daemon, the greatest while it worked: for a walk over a million
files after a new mount, and while a file of 10 GiB is written and read. Once,
unpinned."""
import os
import subprocess


def peak_mb(bench):
    with open(f"/proc/{bench.daemon()}/status") as f:
        for line in f:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1000
    return 0


def again(bench):
    bench.stop()
    bench.start()


def run(bench):
    if bench.pin:
        return
    files = int(1000000 * bench.scale)
    tree = bench.mount + "/tree"
    os.mkdir(tree)
    bench.loop("tree", tree, 1000, files)
    again(bench)
    subprocess.run(["find", tree, "-size", "+1k"], check=True,
                   stdout=subprocess.DEVNULL)
    bench.limit(f"18 memory after a walk over {files} files", peak_mb(bench),
                "MB", 300)
    size = int((10 << 30) * bench.scale)
    source = bench.native + "/large"
    tools.make_mixture(source, size // 4)
    again(bench)
    with open(bench.mount + "/large", "wb") as to:
        for i in range(4):
            with open(source, "rb") as f:
                to.write(i.to_bytes(1, "little"))  # all cuts move
                while piece := f.read(1 << 20):
                    to.write(bytes(b ^ i for b in piece[:64]) + piece[64:])
        os.fsync(to.fileno())
    bench.limit(f"18 memory while {size >> 20} MiB are written",
                peak_mb(bench), "MB", 200)
    again(bench)
    subprocess.run(["cat", bench.mount + "/large"], check=True,
                   stdout=subprocess.DEVNULL)
    bench.limit(f"18 memory while {size >> 20} MiB are read", peak_mb(bench),
                "MB", 200)
    os.unlink(bench.mount + "/large")
    os.unlink(source)
