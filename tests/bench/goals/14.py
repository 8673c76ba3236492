"""Many rules as built-in functions, all computed, against ninja, make and tup,
which start a process for each. Free."""
import shutil


def run(bench):
    if bench.pin:
        return
    count = max(int(10000 * bench.scale), 500)
    native = bench.native + "/rules"
    peers = rules.peers(bench, native, count)
    made = [0]

    def ours():
        made[0] += 1
        path = f"{bench.mount}/fn{made[0]}"
        rules.deriva(path, count, f"fn: replace\nparams: {{literal: many, with: few{made[0]}}}")
        return bench.timed(tools.DERIVA, "build", path)

    for name, peer in peers.items():
        samples = bench.both(ours, lambda p=peer: rules.run_peer(bench, p, True))
        bench.report(f"14 {count} rules, built-in / {name}", samples,
                     ("s", 1e9), at_most=0.2 if name == "ninja" else None)
    shutil.rmtree(native)
