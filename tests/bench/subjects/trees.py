"""A source tree: headers, scripts and documents as they lie on the machine, in
many small files; then one file in fifty is edited, a directory is renamed, some
are new."""
import os
import shutil

SOURCES = ["/usr/include", "/usr/src", "/usr/lib/python3", "/usr/share/perl",
           "/usr/share/doc", "/usr/share/vim", "/usr/share/cargo"]


def make(tree, limit):
    os.mkdir(tree)
    size = 0
    for base in SOURCES:
        for where, dirs, files in os.walk(base):
            dirs.sort()
            to = tree + "/" + base.strip("/").replace("/", "-") + \
                where[len(base):]
            os.makedirs(to, exist_ok=True)
            for name in sorted(files):
                path = os.path.join(where, name)
                if os.path.islink(path) or not os.path.isfile(path):
                    continue
                shutil.copy2(path, to + "/" + name)
                size += os.path.getsize(path)
                if size > limit:
                    return


def edit(tree):
    paths = sorted(os.path.join(where, name) for where, _, names in
                   os.walk(tree) for name in names)
    for path in paths[::50]:
        with open(path, "a") as f:
            f.write("/* a line that was not there before */\n")
    top = sorted(os.listdir(tree))[0]
    os.rename(f"{tree}/{top}", f"{tree}/renamed")
    os.mkdir(tree + "/new")
    for i in range(200):
        with open(f"{tree}/new/{i}.txt", "w") as f:
            f.write(f"file number {i}\n" * (i + 1))


def run(bench):
    peers.compare(bench, tools, lambda t: make(t, 600e6 * bench.scale), edit,
                  "a source tree")
