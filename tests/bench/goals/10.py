"""Taking in 100,000 small files (pinned), and one file of 1 GiB (free), until
it is durable: against restic and borg with their defaults and no encryption
where they can do without. apt-get install restic borgbackup."""
import os
import random
import shutil
import subprocess
import time

RESTIC = dict(os.environ, RESTIC_PASSWORD="bench")
BORG = dict(os.environ, BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes",
            BORG_RELOCATED_REPO_ACCESS_IS_OK="yes")


def make_files(where, count):
    """316 MB in 100,000 files of words, no two alike."""
    pick = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(pick.choices(letters, k=pick.randint(2, 9)))
             for _ in range(4000)]
    for i in range(count):
        if i % 100 == 0:
            sub = f"{where}/d{i // 100:04}"
            os.makedirs(sub)
        size = int(min(pick.expovariate(1 / 3160), 60000))
        text = " ".join(pick.choices(words, k=size // 6 + 1))
        with open(f"{sub}/f{i}", "w") as f:
            f.write(text[:size])


def fresh(bench):
    bench.stop()
    shutil.rmtree(bench.store)
    os.sync()
    bench.start()


def copied(bench, source):
    fresh(bench)
    start = time.monotonic_ns()
    subprocess.run(bench.pin + ["cp", "-a", source, bench.mount + "/in"],
                   check=True)
    tools.sync(bench.mount + "/in" if os.path.isdir(source) else bench.mount)
    return time.monotonic_ns() - start


def restic(bench, source):
    repo = bench.native + "/restic"
    env = dict(RESTIC, RESTIC_CACHE_DIR=bench.native + "/restic-cache")
    subprocess.run(["restic", "-q", "-r", repo, "init"], env=env, check=True,
                   stdout=subprocess.DEVNULL)
    os.sync()
    taken = bench.timed("restic", "-q", "-r", repo, "backup", source, env=env)
    shutil.rmtree(repo)
    shutil.rmtree(env["RESTIC_CACHE_DIR"], ignore_errors=True)
    return taken


def borg(bench, source):
    repo = bench.native + "/borg"
    env = dict(BORG, BORG_BASE_DIR=bench.native + "/borg-base")
    subprocess.run(["borg", "init", "-e", "none", repo], env=env, check=True)
    os.sync()
    taken = bench.timed("borg", "create", repo + "::a", source, env=env)
    shutil.rmtree(repo)
    shutil.rmtree(env["BORG_BASE_DIR"], ignore_errors=True)
    return taken


def run(bench):
    source = bench.native + "/source"
    if bench.pin:
        what = "10 cp -a of small files, durable / restic"
        if not shutil.which("restic"):
            bench.left_out(what, "restic is missing: apt-get install restic")
            return
        count = int(100000 * bench.scale)
        make_files(source, count)
        bench.report(what, bench.both(lambda: copied(bench, source),
                                      lambda: restic(bench, source)),
                     ("s", 1e9), at_most=1.0)
        shutil.rmtree(source)
        return
    what = "10 one large file, durable / borg"
    if not shutil.which("borg"):
        bench.left_out(what, "borg is missing: apt-get install borgbackup")
        return
    tools.make_mixture(source, int((1 << 30) * bench.scale))
    bench.report(what, bench.both(lambda: copied(bench, source),
                                  lambda: borg(bench, source)),
                 ("s", 1e9), at_most=0.5)
    os.unlink(source)
