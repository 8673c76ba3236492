"""Many rules that each copy one small file: the same project for Deriva, ninja,
make and tup."""
import os
import shutil


def sources(path, count):
    os.makedirs(path + "/in")
    for i in range(count):
        with open(f"{path}/in/{i}.txt", "w") as f:
            f.write(f"file {i} of many\n")


def deriva(path, count, how):
    sources(path, count)
    os.mkdir(path + "/out")
    for i in range(count):
        with open(f"{path}/out/{i}.txt.recipe", "w") as f:
            f.write(f"in: [../in/{i}.txt]\n{how}\n")


def ninja(path, count):
    sources(path, count)
    with open(path + "/build.ninja", "w") as f:
        f.write("rule cp\n  command = cp $in $out\n")
        for i in range(count):
            f.write(f"build out/{i}.txt: cp in/{i}.txt\n")


def make(path, count):
    sources(path, count)
    os.mkdir(path + "/out")
    outs = " ".join(f"out/{i}.txt" for i in range(count))
    with open(path + "/Makefile", "w") as f:
        f.write(f"all: {outs}\nout/%: in/%\n\t@cp $< $@\n")


def tup(path, count):
    sources(path, count)
    with open(path + "/Tupfile", "w") as f:
        f.write(": foreach in/*.txt |> cp %f %o |> out/%b\n")


def peers(bench, path, count):
    """name -> command that builds, of those that are installed."""
    found = {}
    for name, write, command in (
            ("ninja", ninja, ["ninja", "-C", "{}", "-j2", "--quiet"]),
            ("make", make, ["make", "-C", "{}", "-j2", "-s"]),
            ("tup", tup, ["tup"])):
        if not shutil.which(name):
            print(f"   beside {name}: left out (it is missing)", flush=True)
            continue
        where = f"{path}/{name}"
        os.makedirs(where)
        write(where, count)
        if name == "tup":
            os.system(f"cd {where} && tup init >/dev/null")
        found[name] = (where, [w.format(where) for w in command])
    return found


def clean(where):
    shutil.rmtree(where + "/out", ignore_errors=True)
    if os.path.exists(where + "/Makefile") or os.path.exists(where + "/Tupfile"):
        os.mkdir(where + "/out")


def run_peer(bench, peer, full):
    where, command = peer
    if full:
        clean(where)
    return bench.timed(*command, cwd=where)
