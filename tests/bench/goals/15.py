"""Many rules, all up to date: asking again, and after a change of one input,
against ninja, make and tup. `deriva build DIR` asks the daemon. Free."""
import shutil


def change(where, n):
    with open(f"{where}/in/7.txt", "w") as f:
        f.write(f"change {n}\n")


def run(bench):
    if bench.pin:
        return
    count = max(int(10000 * bench.scale), 500)
    native = bench.native + "/rules"
    peers = rules.peers(bench, native, count)
    path = bench.mount + "/same"
    rules.deriva(path, count, "fn: concat")
    bench.timed(tools.DERIVA, "build", path)
    n = [0]

    def edited(where, build):
        n[0] += 1
        change(where, n[0])
        return build()

    def ours():
        return bench.timed(tools.DERIVA, "build", path)

    for name, peer in peers.items():
        rules.run_peer(bench, peer, True)
        goal = name == "ninja"

        def theirs(p=peer):
            return rules.run_peer(bench, p, False)

        samples = bench.both(ours, theirs)
        bench.report(f"15 {count} rules, nothing to do / {name}", samples,
                     ("ms", 1e6), at_most=0.25 if goal else None)
        samples = bench.both(lambda: edited(path, ours),
                             lambda w=peer[0], t=theirs: edited(w, t))
        bench.report(f"15 {count} rules, one input changed / {name}", samples,
                     ("ms", 1e6), at_most=0.5 if goal else None)
    shutil.rmtree(native)
