"""replay_git.py MOUNT DIR COMMITS SEED - a history in git and in a mount.

Makes a git repository in DIR with that many commits at random (files, modes,
symlinks, renames, deletions, directories that go and come), replays each commit
into MOUNT, and then compares the mount's past at each of them with git's tree,
and what `deriva diff` says between neighbours with what git says.
"""
import hashlib
import json
import os
import random
import re
import subprocess
import sys

DERIVA = os.environ["DERIVA"]


def git(*args):
    return subprocess.run(["git", "-C", REPO, "-c", "user.name=x",
                           "-c", "user.email=x@y", *args], check=True,
                          stdout=subprocess.PIPE).stdout.decode()


def changes():
    with open(MOUNT + "/.deriva/status") as f:
        return int(re.search(r'"changes":(\d+)', f.read()).group(1))


def files(top):
    """path -> (mode, content or target) of all but directories"""
    found = {}
    for where, dirs, names in os.walk(top):
        for name in names + [d for d in dirs
                             if os.path.islink(where + "/" + d)]:
            path = os.path.join(where, name)
            rel = os.path.relpath(path, top)
            if rel.split("/")[0] == ".git":
                continue
            if os.path.islink(path):
                found[rel] = ("120000", os.readlink(path).encode())
            else:
                mode = "100755" if os.stat(path).st_mode & 0o100 else "100644"
                with open(path, "rb") as f:
                    found[rel] = (mode, f.read())
    return found


def step(tree):
    """One commit's changes of a tree, as git and as the mount take them."""
    tree = dict(tree)
    for _ in range(random.randint(1, 4)):
        path = "/".join(random.choice("abc") + ("" if i else random.choice("xyz"))
                        for i in range(random.randint(1, 3)))
        some = random.choice(sorted(tree)) if tree else path
        what = random.randrange(6)
        if what == 0 and len(tree) > 3:
            del tree[some]
        elif what == 1 and some in tree:  # moves
            value = tree.pop(some)
            put(tree, path, value)
        elif what == 2 and some in tree and tree[some][0] != "120000":
            mode = "100644" if tree[some][0] == "100755" else "100755"
            tree[some] = (mode, tree[some][1])
        elif what == 3:
            put(tree, path, ("120000", b"to-%d" % random.randrange(9)))
        else:
            put(tree, some if what == 4 else path,
                ("100644", b"%d\n" % random.randrange(10000) * 50))
    return tree


def put(tree, path, value):
    """Where a directory is in the way of a file, or a file of a directory."""
    for other in list(tree):
        if other.startswith(path + "/") or path.startswith(other + "/"):
            del tree[other]
    tree[path] = value


def move_to(top, old, new):
    """What `git checkout` does, one file after the other."""
    for path in old:
        if path in new and new[path] == old[path]:
            continue
        if path not in new or "120000" in (new[path][0], old[path][0]):
            os.unlink(f"{top}/{path}")
            where = os.path.dirname(f"{top}/{path}")
            while where != top and not os.listdir(where):
                os.rmdir(where)
                where = os.path.dirname(where)
    for path, (mode, content) in new.items():
        if old.get(path) == (mode, content):
            continue
        full = f"{top}/{path}"
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if mode == "120000":
            os.symlink(content, full)
            continue
        if path not in old or old[path][1] != content:
            with open(full, "wb") as f:
                f.write(content)
        os.chmod(full, 0o755 if mode == "100755" else 0o644)


def told(a, b):
    """path -> letter as git has it, which knows no directories, of `deriva
    diff`; renames as what they are made of"""
    out = subprocess.run([DERIVA, "diff", "--json", MOUNT, f"@{a}", f"@{b}"],
                         check=True, stdout=subprocess.PIPE, text=True).stdout
    found = {}
    for x in json.loads(out):
        old, new = (x.get("from") if is_file(x.get("old")) else None,
                    x.get("to") if is_file(x.get("new")) else None)
        if old and old == new:
            found[old] = "M"
            continue
        if old:
            found[old] = "D"
        if new:
            found[new] = "A"
    return found


def is_file(side):
    return side and not side["mode"].startswith("04")


def main():
    tree, moments, trees = {}, [], []
    git("init", "-q")
    for i in range(COMMITS):
        new = step(tree)
        move_to(REPO, tree, new)
        git("add", "-A")
        git("commit", "-q", "--allow-empty", "-m", f"{i}")
        move_to(MOUNT, tree, new)
        tree = new
        moments.append(changes())
    commits = git("rev-list", "--reverse", "HEAD").split()
    assert len(commits) == COMMITS
    for i, (seq, commit) in enumerate(zip(moments, commits)):
        got = files(f"{MOUNT}/.deriva/at/@{seq}")
        want = {}
        for line in git("ls-tree", "-r", commit).splitlines():
            head, path = line.split("\t")
            mode, _, blob = head.split()
            want[path] = (mode, blob)
        assert set(got) == set(want), (i, seq, set(got) ^ set(want))
        for path, (mode, blob) in want.items():
            assert got[path][0] == mode, (i, seq, path)
            trees.append((got[path][1], blob, path, seq))
        if i and i % 5 == 0:
            out = git("diff", "--name-status", "--no-renames", commits[i - 1],
                      commit)
            want = {p: "M" if l == "T" else l for l, p in
                    (line.split("\t") for line in out.splitlines())}
            got = told(moments[i - 1], seq)
            assert got == want, (i, got, want)
    # all contents at once: git names the hash of what it is given
    for content, blob, path, seq in trees:
        sha = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        assert sha == blob, (path, seq)


MOUNT, REPO, COMMITS = sys.argv[1], sys.argv[2], int(sys.argv[3])
random.seed(int(sys.argv[4]))
os.makedirs(REPO, exist_ok=True)
main()
