"""merge_git.py DIR MAIN ROUNDS SEED - branches in git and in mounts, merged.

Makes a git repository in DIR and the same tree in the mount MAIN, in which lie
many small worlds that do not know of each other, and two branches in both.
Each round edits two branches at random, in git as in the mounts, and merges one
into the other with `git merge-tree` and with `deriva merge`:

- a world that git merges is merged, and is the same file by file;
- a world where git sees a conflict has one, what ours had stays, what theirs
  had is found as well.

What Deriva made of it is what both go on with. No two paths ever have the same
content, so that git sees no renames where there were none. The mounts of the branches are
DIR/b and DIR/c, which are there when this begins.
"""
import hashlib
import json
import os
import random
import subprocess
import sys

DERIVA = os.environ["DERIVA"]
TOP, MAIN = sys.argv[1:3]
ROUNDS, SEED = int(sys.argv[3]), int(sys.argv[4])
WORLDS = int(os.environ.get("MERGE_WORLDS", "24"))
REPO = TOP + "/repo"
MOUNTS = {"main": MAIN, "b": TOP + "/b", "c": TOP + "/c"}
LINES = 8


def git(*args, data=None, ok=(0,)):
    p = subprocess.run(["git", "-C", REPO, *args], input=data,
                       stdout=subprocess.PIPE)
    if p.returncode not in ok:
        raise SystemExit("git %s: %d" % (args, p.returncode))
    return p.stdout


def commit(tree, parents):
    """A tree (path -> mode, bytes) as a commit."""
    out = [b"commit refs/heads/x%d\ncommitter x <x@y> 1 +0000\ndata 0\n"
           % commit.n]
    commit.n += 1
    out += [b"%s %s\n" % (b"merge" if i else b"from", p.encode())
            for i, p in enumerate(parents)]
    out.append(b"deleteall\n")
    for path, (mode, text) in tree.items():
        out.append(b"M %s inline %s\ndata %d\n%s\n"
                   % (mode.encode(), path.encode(), len(text), text))
    git("fast-import", "--quiet", data=b"".join(out))
    return git("rev-parse", "x%d" % (commit.n - 1)).decode().strip()


commit.n = 0


def oid(text):
    return hashlib.sha1(b"blob %d\0%s" % (len(text), text)).hexdigest()


def read_mount(top):
    found = {}
    for where, dirs, names in os.walk(top):
        for name in names + [d for d in dirs
                             if os.path.islink(where + "/" + d)]:
            path = where + "/" + name
            if os.path.islink(path):
                value = "120000", os.readlink(path).encode()
            else:
                with open(path, "rb") as f:
                    value = ("100755" if os.stat(path).st_mode & 0o100
                             else "100644"), f.read()
            found[path[len(top) + 1:]] = value
    return found


def write(path, mode, text, fresh):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if mode == "120000":
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink(text.decode(), path)
        return
    if os.path.islink(path):
        os.unlink(path)
    at = path + ".new" if fresh else path  # as editors do, or in place
    with open(at, "wb") as f:
        f.write(text)
    os.chmod(at, 0o755 if mode == "100755" else 0o644)
    if fresh:
        os.rename(at, path)


def apply(top, old, new):
    for path in sorted(old, reverse=True):
        if path in new:
            continue
        os.unlink(top + "/" + path)
        up = os.path.dirname(path)
        while "/" in up and not os.listdir(top + "/" + up):
            os.rmdir(top + "/" + up)
            up = os.path.dirname(up)
    for path, value in new.items():
        if old.get(path) != value:
            write(top + "/" + path, *value, random.randrange(2))


def put(tree, path, value):
    """Where a directory is in the way of a file, or a file of a directory."""
    for other in list(tree):
        if other.startswith(path + "/") or path.startswith(other + "/"):
            del tree[other]
    tree[path] = value


def text_of(path):
    return b"".join(b"%s %d %d\n" % (path.encode(), i, random.randrange(3))
                    for i in range(LINES))


def edit(tree, world):
    """One change in a world."""
    path = world + "/" + "/".join(random.choice("abc")
                                  for _ in range(random.randint(1, 3)))
    mine = [p for p in tree if p.startswith(world + "/")]
    some = random.choice(mine) if mine else path
    mode, text = tree.get(some, ("100644", b""))
    what = random.randrange(10)
    if what == 0:
        tree.pop(some, None)
    elif what == 1:
        up = os.path.dirname(some)
        for p in mine:
            if up != world and p.startswith(up + "/"):
                del tree[p]
    elif what == 2 and mode != "120000" and some in tree:
        tree[some] = ("100644" if mode == "100755" else "100755", text)
    elif what == 3:
        put(tree, path, ("120000", b"%s-%d" % (path.encode(),
                                               random.randrange(4))))
    elif what < 6:
        put(tree, path, ("100644", text_of(path)))
    elif some in tree and mode != "120000":
        lines = text.splitlines(keepends=True)
        for _ in range(random.randint(1, 2)):
            at = random.randrange(len(lines) + 1)
            new = b"%d\n" % random.randrange(1 << 40)
            kind = random.randrange(3)
            lines[at:at + (kind > 0)] = [new] if kind < 2 else []
        tree[some] = mode, b"".join(lines)


def edit_branch(name):
    tree = dict(TREES[name])
    for w in range(WORLDS):
        for _ in range(random.choice((0, 1, 1, 2, 4))):
            edit(tree, "w%d" % w)
    apply(MOUNTS[name], TREES[name], tree)
    TREES[name] = tree
    HEADS[name] = commit(tree, [HEADS[name]])


def world_of(path):
    return path.split("/")[0]


def git_merge(into, frm):
    """The tree (path -> mode, oid), and stages of what is in conflict."""
    out = git("merge-tree", "--write-tree", "-z", "--no-messages",
              HEADS[into], HEADS[frm], ok=(0, 1)).split(b"\0")
    tree = {}
    for line in git("ls-tree", "-r", "-z", out[0].decode()).split(b"\0"):
        if line:
            head, path = line.split(b"\t")
            mode, _, name = head.decode().split()
            tree[path.decode()] = mode, name
    stages = []
    for line in out[1:]:
        if line:
            head, path = line.split(b"\t")
            mode, name, stage = head.decode().split()
            stages.append((path.decode(), int(stage), name))
    return tree, stages


def deriva_merge(into, frm):
    p = subprocess.run([DERIVA, "merge", "--json", frm, MOUNTS[into]],
                       stdout=subprocess.PIPE)
    told = json.loads(p.stdout)
    conflicts = [x for x in told["paths"] if x["what"] == "conflict"]
    assert p.returncode == (1 if conflicts else 0), p.returncode
    assert told["conflicts"] == len(conflicts)
    return read_mount(MOUNTS[into]), conflicts


def compare(into, frm, got, told, tree, stages):
    bad = []
    unmerged = {world_of(p) for p, _, _ in stages}
    conflicts = {world_of(x["path"]) for x in told}
    for w in sorted({world_of(p) for p in list(got) + list(tree)}
                    | unmerged | conflicts):
        mine = {p: (m, oid(t)) for p, (m, t) in got.items()
                if world_of(p) == w}
        if w not in unmerged:
            want = {p: v for p, v in tree.items() if world_of(p) == w}
            if w in conflicts or mine != want:
                bad.append((w, "git merges it", want, mine,
                            [x for x in told if world_of(x["path"]) == w]))
            continue
        if w not in conflicts:
            bad.append((w, "git has a conflict",
                        [x for x in stages if world_of(x[0]) == w], mine))
        names = {v[1] for v in mine.values()}
        for path, stage, name in stages:
            if world_of(path) == w and stage > 1 and name not in names:
                bad.append((w, "lost", path, stage, mine))
    for x in bad:
        print(into, "<-", frm, *x, sep="\n  ")
        w = x[0]
        base = git("merge-base", HEADS[into], HEADS[frm]).decode().strip()
        for name, head in (("base", base), ("ours", HEADS[into]),
                           ("theirs", HEADS[frm])):
            print("  " + name, git("ls-tree", "-r", head, w).decode())
    return not bad


random.seed(SEED)
os.mkdir(REPO)
git("init", "-q")
TREES = {name: read_mount(top) for name, top in MOUNTS.items()}
HEADS = {}
HEADS["main"] = HEADS["b"] = HEADS["c"] = commit(TREES["main"], [])
good = merged = clean = 0
for _ in range(ROUNDS):
    into, frm = random.sample(sorted(MOUNTS), 2)
    edit_branch(into)
    edit_branch(frm)
    bases = git("merge-base", "--all", HEADS[into], HEADS[frm]).split()
    tree, stages = git_merge(into, frm)
    got, told = deriva_merge(into, frm)
    # of several, git makes one that never was
    good += len(bases) > 1 or compare(into, frm, got, told, tree, stages)
    merged += 1
    clean += WORLDS - len({world_of(p) for p, _, _ in stages})
    # somebody looks at what lies beside, and removes it: for git it would be
    # the file, renamed
    TREES[into] = {p: v for p, v in got.items() if "~" not in p}
    apply(MOUNTS[into], got, TREES[into])
    got = TREES[into]
    HEADS[into] = commit(got, [HEADS[into], HEADS[frm]])
assert good == merged, "%d of %d merges are as git's" % (good, merged)
assert clean, "no world was merged"
for name, top in MOUNTS.items():
    assert read_mount(top) == TREES[name], name
