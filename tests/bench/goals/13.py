"""Many rules, each a command in the sandbox, all computed; against the same
commands in bare bubblewrap, as many at a time, and against ninja, make and tup,
which have no sandbox. Once, free."""
import os
import shutil


def bare(bench, where, count):
    """cp in bubblewrap, two at a time, as the sandbox is set up."""
    os.makedirs(where + "/out")
    one = ("bwrap --unshare-all --die-with-parent --new-session --ro-bind /usr /usr "
           "--symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 "
           "--proc /proc --dev /dev --tmpfs /tmp "
           f"--ro-bind {where}/in /w --bind {where}/out /o --chdir /w "
           "/bin/sh -euc 'cp \"$1\" /o/\"$1\"' sh {}.txt")
    took = bench.timed("sh", "-c", f"seq 0 {count - 1} | xargs -P2 -I{{}} {one}")
    shutil.rmtree(where + "/out")
    return took


def run(bench):
    if bench.pin:
        return
    count = max(int(2000 * bench.scale), 100)
    native = bench.native + "/rules"
    rules.sources(native + "/bare", count)
    peers = rules.peers(bench, native, count)
    made = [0]

    def ours():
        made[0] += 1
        path = f"{bench.mount}/cmd{made[0]}"
        rules.deriva(path, count, f"params: {{run: r{made[0]}}}\nrun: cp ../in/*.txt \"$out\"")
        return bench.timed(tools.DERIVA, "build", path)

    samples = bench.both(ours, lambda: bare(bench, native + "/bare", count))
    bench.report(f"13 {count} commands in the sandbox / bare bwrap", samples,
                 ("s", 1e9), at_most=1.25)
    for name, peer in peers.items():
        times = [rules.run_peer(bench, peer, True) for _ in range(3)]
        bench.report(f"13 the same / {name}, without a sandbox",
                     (samples[0], times), ("s", 1e9))
    shutil.rmtree(native)
