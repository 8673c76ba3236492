#!/usr/bin/python3
"""Random graphs of recipes, edited at random, against a naive model.

The model knows sources and recipes and computes every derived file from
scratch, each time. The mount has to show the same names with the same contents
after every edit; and commands that ran are counted: at most one for each
computation that was never made, none for one that was.

usage: engine.py MOUNT SEED STEPS
"""
import fnmatch
import os
import random
import re
import subprocess
import sys


class Failed(Exception):
    pass


class Model:
    """Sources and recipes of a few directories."""

    def __init__(self, rng):
        self.rng = rng
        self.sources = {}  # path -> bytes
        self.recipes = {}  # path without .recipe -> Recipe

    # What the names are: sources first, then explicit recipes, then patterns.

    def maker(self, path):
        """The recipe and the stem that define a path, or None."""
        if path in self.sources:
            return None
        head, name = os.path.split(path)
        plain = [
            (key, r)
            for key, r in sorted(self.recipes.items())
            if os.path.dirname(key) == head
            and not r.stems
            and name in r.outputs()
        ]
        if len(plain) == 1:
            return plain[0][1], ""
        if plain:
            return "conflict", ""
        best = None
        for key, r in sorted(self.recipes.items()):
            if os.path.dirname(key) != head or not r.stems:
                continue
            for pattern in r.outputs():
                pre, post = pattern.split("%")
                stem = name[len(pre) : len(name) - len(post)]
                if (
                    not stem
                    or not name.startswith(pre)
                    or not name.endswith(post)
                    or len(pre) + len(post) >= len(name)
                ):
                    continue
                if all(
                    self.exists(p.replace("%", stem))
                    for p in r.inputs
                    if "%" in p
                ):
                    fixed = len(pre) + len(post)
                    if not best or fixed > best[0]:
                        best = (fixed, r, stem)
        return best and best[1:]

    def exists(self, path):
        # patterns here make no inputs of patterns, so that chains end
        return path in self.sources or (
            self.maker(path) is not None if "gen" in path else False
        )

    def names(self, head):
        """What a listing of a directory shows, without recipes."""
        found = {
            os.path.basename(p)
            for p in self.sources
            if os.path.dirname(p) == head
        }
        for key, r in self.recipes.items():
            if os.path.dirname(key) != head:
                continue
            if not r.stems:
                found |= set(r.outputs())
                continue
            for p in r.inputs:
                if "%" not in p:
                    continue
                pre, post = p.split("%")
                for s in self.sources:
                    if (
                        s.startswith(pre)
                        and s.endswith(post)
                        and len(s) > len(pre) + len(post)
                    ):
                        stem = s[len(pre) : len(s) - len(post)]
                        if "/" in stem:
                            continue
                        for o in r.outputs():
                            path = os.path.join(head, o.replace("%", stem))
                            if self.maker(path) or path in self.sources:
                                found.add(os.path.basename(path))
        return found

    def content(self, path, seen=()):
        """Bytes, or None for what cannot be read."""
        if path in self.sources:
            return self.sources[path]
        made = self.maker(path)
        if not made or made[0] == "conflict" or path in seen:
            return None
        recipe, stem = made
        return recipe.compute(self, stem, path, seen + (path,))


class Recipe:
    """op is what the command does; outs: several outputs or None."""

    def __init__(self, key, op, inputs, stems=False, outs=None, observed=False):
        self.key, self.op, self.inputs = key, op, inputs
        self.stems, self.outs, self.observed = stems, outs, observed
        self.tag = 0

    def outputs(self):
        name = os.path.basename(self.key)
        return [o for _, o in self.outs] if self.outs else [name]

    def matches(self, model, stem):
        """Paths of the inputs in order; None: one is missing."""
        head = os.path.dirname(self.key)
        found = []
        for p in self.inputs:
            p = p.replace("%", stem)
            if "*" not in p:
                found.append(p)
                continue
            d = os.path.dirname(p)
            own = {os.path.join(head, o) for o in self.outputs()}
            found += sorted(
                os.path.join(d, n)
                for n in model.names(d)
                if fnmatch.fnmatchcase(n, os.path.basename(p))
                and os.path.join(d, n) not in own
            )
        return found

    def compute(self, model, stem, path, seen):
        parts = []
        for p in self.matches(model, stem):
            data = model.content(p, seen)
            if data is None:
                return None
            parts.append(data)
        text = b"".join(parts)
        if self.op == "fail" and b"x" in text:
            return None
        if self.op == "upper":
            text = text.upper()
        elif self.op == "first":
            text = b"".join(l + b"\n" for l in text.split(b"\n")[:1] if l)
        elif self.op == "count":
            text = b"%d\n" % len(text)
        if self.outs:
            which = [
                n
                for n, o in self.outs
                if os.path.basename(path) == o.replace("%", stem)
            ][0]
            return which.encode() + b"\n" + text
        return text

    def text(self):
        head = os.path.dirname(self.key)

        def rel(p):
            return os.path.relpath("/" + p, "/" + head)

        ins = ["%s" % rel(p) for p in self.inputs]
        cat = "cat /dev/null " + ("$in" if not self.observed else " ".join(ins))
        run = "%s >/tmp/in; " % cat + {
            "cat": "cat /tmp/in",
            "upper": "tr a-z A-Z </tmp/in",
            "first": "head -n 1 /tmp/in",
            "count": "wc -c </tmp/in",
            "fail": "if grep -q x /tmp/in; then exit 1; fi; cat /tmp/in",
        }[self.op]
        lines = []
        if not self.observed:
            lines.append("in: {in: [%s]}" % ", ".join('"%s"' % i for i in ins))
        if self.outs:
            lines.append(
                "out: {%s}" % ", ".join('%s: "%s"' % o for o in self.outs)
            )
            run = "{ %s; } >/tmp/all\n" % run + "\n".join(
                '{ echo %s; cat /tmp/all; } >"$%s"' % (n, n)
                for n, _ in self.outs
            )
        lines.append("params: {tag: t%d}" % self.tag)
        lines.append("run: |")
        lines += ["  " + l for l in run.split("\n")]
        return "\n".join(lines) + "\n"


class World:
    def __init__(self, mount, seed):
        self.rng = random.Random(seed)
        self.mount = mount
        self.model = Model(self.rng)
        self.past = []  # (model's sources, recipes) to go back to

    def at(self, path):
        return os.path.join(self.mount, path)

    def write(self, path, data):
        mode = self.rng.randrange(3)
        if mode == 0:  # as editors save
            with open(self.at(path) + "~", "wb") as f:
                f.write(data)
            os.rename(self.at(path) + "~", self.at(path))
        else:
            with open(self.at(path), "wb") as f:
                f.write(data)
        self.model.sources[path] = data

    def put_recipe(self, r):
        self.model.recipes[r.key] = r
        with open(self.at(r.key) + ".recipe", "w") as f:
            f.write(r.text())

    def some_bytes(self):
        lines = self.rng.randrange(1, 4)
        return b"".join(
            bytes([self.rng.choice(b"abcx")]) * self.rng.randrange(1, 4) + b"\n"
            for _ in range(lines)
        )

    def build(self):
        rng = self.rng
        for d in ("s", "p", "d"):
            os.mkdir(self.at(d))
        for i in range(6):
            self.write("s/f%d.txt" % i, self.some_bytes())
        ops = ["cat", "upper", "first", "count", "fail"]
        self.put_recipe(Recipe("p/%.up", "upper", ["s/%.txt"], stems=True))
        self.put_recipe(
            Recipe(
                "p/%", "first", ["s/%.txt"], stems=True,
                outs=[("a", "%.a"), ("b", "%.b")],
            )
        )
        self.put_recipe(Recipe("d/glob", "cat", ["p/*.up"]))
        self.put_recipe(Recipe("d/count", "count", ["s/*.txt"]))
        for i in range(8):
            self.put_recipe(self.some_recipe(i, ops))

    def some_recipe(self, i, ops):
        rng = self.rng
        below = ["s/f%d.txt" % k for k in range(6)]
        below += ["p/f%d.%s" % (k, e) for k in range(6) for e in ("up", "a", "b")]
        below += ["d/g%d" % k for k in range(i)]
        inputs = rng.sample(below, rng.randrange(1, 4))
        key = "d/g%d" % i
        observed = rng.random() < 0.25
        outs = None
        if rng.random() < 0.25 and not observed:
            outs = [("one", "g%d" % i), ("two", "h%d" % i)]
        return Recipe(key, rng.choice(ops), inputs, observed=observed, outs=outs)

    def edit(self):
        rng = self.rng
        sources = sorted(p for p in self.model.sources if p.startswith("s/"))
        what = rng.randrange(8)
        if what <= 2 and sources:
            self.write(rng.choice(sources), self.some_bytes())
        elif what == 3:
            self.write("s/f%d.txt" % rng.randrange(6), self.some_bytes())
        elif what == 4 and len(sources) > 1:
            p = rng.choice(sources)
            os.unlink(self.at(p))
            del self.model.sources[p]
        elif what == 5:
            i = rng.randrange(8)
            self.put_recipe(
                self.some_recipe(i, ["cat", "upper", "first", "count", "fail"])
            )
        elif what == 6:
            key = rng.choice(["p/%", "p/%.up", "d/g0", "d/glob"])
            if key in self.model.recipes:
                self.past.append(self.model.recipes.pop(key))
                os.unlink(self.at(key) + ".recipe")
        elif self.past:
            self.put_recipe(self.past.pop())

    def check(self):
        for d in ("s", "p", "d"):
            want = self.model.names(d)
            got = {
                n for n in os.listdir(self.at(d)) if not n.endswith(".recipe")
            }
            if want != got:
                raise Failed("names in %s: want %s, got %s" % (d, sorted(want - got), sorted(got - want)))
        paths = [os.path.join(d, n) for d in ("p", "d") for n in self.model.names(d)]
        self.rng.shuffle(paths)
        for p in paths:
            want = self.model.content(p)
            try:
                with open(self.at(p), "rb") as f:
                    got = f.read()
            except OSError:
                got = None
            if want != got:
                why = subprocess.run(["cat", self.at(".deriva/why/" + p), self.at(".deriva/output/" + p)], stdout=subprocess.PIPE).stdout
                raise Failed("%s: want %r, got %r\n%s" % (p, want, got, why.decode(errors="replace")))

    def failing(self):
        return {
            os.path.join(d, n)
            for d in ("p", "d")
            for n in self.model.names(d)
            if self.model.content(os.path.join(d, n)) is None
        }

    def todo(self):
        """What `deriva build -n` would compute."""
        out = subprocess.run(
            [os.environ["DERIVA"], "build", "-n", self.mount],
            stdout=subprocess.PIPE, check=True,
        ).stdout.decode()
        return {
            os.path.relpath(l[8:], self.mount) for l in out.split("\n") if l
        }

    def build_all(self):
        """All in one question; then nothing is left but what fails."""
        todo = self.todo()
        done = subprocess.run(
            [os.environ["DERIVA"], "build", "-j", str(self.rng.randrange(1, 17)),
             self.mount],
            stderr=subprocess.PIPE,
        )
        said = done.stderr.decode(errors="replace")
        failed = {
            os.path.relpath(m, self.mount)
            for m in re.findall(r"^deriva: (/.*?): ", said, re.M)
        }
        want = self.failing()
        if failed != want or done.returncode != (1 if want else 0):
            raise Failed("build: %d, failed %s, not %s\n%s" % (done.returncode, sorted(failed), sorted(want), said))
        if not want <= todo:
            raise Failed("build -n leaves out %s" % sorted(want - todo))
        left = self.todo()
        if left != want:
            raise Failed("after build, -n lists %s, not %s" % (sorted(left), sorted(want)))
        before = self.results()
        self.check()
        if self.results() != before:
            raise Failed("build left something to run")

    def results(self):
        with open(self.at(".deriva/status")) as f:
            return int(re.search(r'"results":(\d+)', f.read()).group(1))


def main():
    mount, seed, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    w = World(mount, seed)
    w.build()
    try:
        w.check()
        for step in range(steps):
            for _ in range(w.rng.randrange(1, 4)):
                w.edit()
            if w.rng.randrange(2):
                w.build_all()
            w.check()
            before = w.results()
            w.check()  # nothing is left to run
            if w.results() != before:
                raise Failed("something ran that need not")
            # an edit that is undone runs nothing
            path = "s/f0.txt"
            if path in w.model.sources:
                data = w.model.sources[path]
                w.write(path, data + b"more\n")
                w.write(path, data)
                w.check()
                if w.results() != before:
                    raise Failed("an undone edit ran something")
    except Failed as e:
        print("seed %d, step %s: %s" % (seed, locals().get("step", "-"), e))
        return 1
    print("%d steps, %d results" % (steps, w.results()))
    return 0


sys.exit(main())
