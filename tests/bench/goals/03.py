"""A file of 1 GiB that neither the kernel nor a daemon has in memory, read from
its start to its end: the mount, made anew each time, against the native file,
the same file in a squashfs image (zstd) through squashfuse_ll, and in a borg
archive (zstd) through borg mount. apt-get install squashfs-tools squashfuse
borgbackup."""
import os
import shutil
import subprocess
import time

BORG = dict(os.environ, BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes",
            BORG_RELOCATED_REPO_ACCESS_IS_OK="yes")


def cold(bench, path):
    tools.drop_caches()
    return bench.loop("read", path, 1)


def ours(bench):
    bench.stop()
    bench.start()
    return cold(bench, bench.mount + "/large")


def mounted(bench, command, where, name):
    """One read through a mount that is made for it."""
    subprocess.run(bench.pin + command, check=True, env=BORG,
                   stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            if os.path.ismount(where):
                break
            time.sleep(0.1)
        return cold(bench, where + "/" + name)
    finally:
        subprocess.run(["umount", where], check=True)


def squashfuse(bench, where):
    if not shutil.which("squashfuse_ll") or not shutil.which("mksquashfs"):
        bench.left_out("3  against squashfuse_ll", "apt-get install "
                       "squashfs-tools squashfuse")
        return
    image = bench.dir + "/image"
    subprocess.run(["mksquashfs", bench.native + "/large", image, "-comp",
                    "zstd", "-Xcompression-level", "3", "-quiet",
                    "-no-progress"], check=True, stdout=subprocess.DEVNULL)
    samples = bench.both(
        lambda: ours(bench),
        lambda: mounted(bench, ["squashfuse_ll", image, where], where,
                        "large"))
    bench.report("3  cold read / squashfuse_ll", samples, ("ns/KiB", 1 / 1024),
                 at_least=1.5)
    os.unlink(image)


def borg(bench, where):
    if not shutil.which("borg"):
        bench.left_out("3  against borg mount", "apt-get install borgbackup")
        return
    repo = bench.dir + "/borg"
    BORG["BORG_BASE_DIR"] = bench.dir + "/borg-base"
    subprocess.run(["borg", "init", "-e", "none", repo], env=BORG, check=True)
    subprocess.run(["borg", "create", "-C", "zstd,3", repo + "::a", "large"],
                   env=BORG, check=True, cwd=bench.native)
    try:
        samples = bench.both(
            lambda: ours(bench),
            lambda: mounted(bench, ["borg", "mount", repo + "::a", where],
                            where, "large"))
    except subprocess.CalledProcessError:
        bench.left_out("3  against borg mount", "apt-get install "
                       "python3-pyfuse3 or python3-llfuse")
    else:
        bench.report("3  cold read / borg mount", samples,
                     ("ns/KiB", 1 / 1024), at_least=3)
    shutil.rmtree(repo)
    shutil.rmtree(BORG["BORG_BASE_DIR"], ignore_errors=True)


def run(bench):
    if os.geteuid() != 0:
        bench.left_out("3  cold read", "needs root")
        return
    native = bench.native + "/large"
    tools.make_mixture(native, int((1 << 30) * bench.scale))
    shutil.copyfile(native, bench.mount + "/large")
    tools.sync(bench.mount)
    os.sync()
    samples = bench.both(lambda: ours(bench), lambda: cold(bench, native))
    bench.report("3  cold sequential read / native", samples,
                 ("ns/KiB", 1 / 1024), at_least=0.6)
    where = bench.dir + "/other"
    os.mkdir(where)
    squashfuse(bench, where)
    borg(bench, where)
    os.rmdir(where)
    os.unlink(bench.mount + "/large")
    os.unlink(native)
