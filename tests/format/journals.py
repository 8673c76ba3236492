"""deriva-store(5), JOURNALS: the chain, its records, and the names, attributes
and results that follow from them."""

import collections

from common import MIB, ZERO, Bad, Reader, blake3_many, must

SALT = "deriva salt v1"
MAIN = 1
ROOT = 1
FORGOTTEN = "forgotten"
DONE = {1: "create", 2: "write", 3: "set attributes", 4: "link", 5: "unlink",
        6: "rename", 7: "extended attribute", 8: "result", 9: "rollback",
        10: "let go", 11: "keep", 12: "branch", 13: "merge", 14: "run"}

Journal = collections.namedtuple(
    "Journal", "address last before clear first records")
# program and message: bytes, None, or FORGOTTEN, as all values
Change = collections.namedtuple(
    "Change", "number time done branch uid pid program message effects")

Made = collections.namedtuple("Made", "parent ino name")
Removed = collections.namedtuple("Removed", "parent ino name")
Inode = collections.namedtuple(
    "Inode", "ino mode uid gid device size mtime value")
Set = collections.namedtuple("Set", "ino name value")
Unset = collections.namedtuple("Unset", "ino name")
Result = collections.namedtuple(
    "Result", "parent name recipe error executable address size duration")
Gone = collections.namedtuple("Gone", "ino version")
Snapshot = collections.namedtuple("Snapshot", "number time name")
Pin = collections.namedtuple("Pin", "parent ino number time name path")
Unpin = collections.namedtuple("Unpin", "path")
Setting = collections.namedtuple("Setting", "name value")
Branch = collections.namedtuple("Branch", "number parent since name")
Unbranch = collections.namedtuple("Unbranch", "number")
Merged = collections.namedtuple("Merged", "number upto")
Dropped = collections.namedtuple("Dropped", "parent name recipe")
Replaced = collections.namedtuple("Replaced", "journal before now")
Scrubbed = collections.namedtuple("Scrubbed", "number")


def is_journal(data):
    return data[:2] == b"J\x01"


def is_clear(data):
    return data[:2] == b"V\x01"


# --- reading ------------------------------------------------------------------

def journal_read(address, data):
    """A journal whose records are byte strings still."""
    must(len(data) <= MIB, "length of a journal")
    r = Reader(data)
    must(r.take(2) == b"J\x01", "start of a journal")
    flags = r.u8()
    must(flags <= 1, "flags of a journal")
    before, clear, first = r.address(), r.address(), r.u64()
    records = [r.take(r.u32()) for _ in range(r.u32())]
    must(records, "a journal without records")
    r.end()
    return Journal(address, flags == 1, before, clear, first, records)


def clear_read(data):
    """(salt, value) each, or FORGOTTEN."""
    must(len(data) <= MIB, "length of a clear object")
    r = Reader(data)
    must(r.take(2) == b"V\x01", "start of a clear object")
    values = []
    for _ in range(r.u32()):
        length = r.u32()
        if length == 0xffffffff:
            values.append(FORGOTTEN)
        else:
            salt = r.take(16)
            values.append((salt, r.take(length)))
    r.end()
    return values


class Values:
    """Hands the values out in the order of the hashes, which are checked all
    at once by done()."""

    def __init__(self, clear):
        self.clear = iter(clear)
        self.salted = []
        self.hashes = []

    def next(self, hash_):
        if hash_ == ZERO:
            return None
        found = next(self.clear, None)
        must(found is not None, "a value is missing")
        if found == FORGOTTEN:
            return FORGOTTEN
        self.salted.append(found[0] + found[1])
        self.hashes.append(hash_)
        return found[1]

    def done(self):
        must(next(self.clear, None) is None, "a value too many")


def effect_read(r, values):
    def value(needed=False):
        hash_ = r.address()
        must(hash_ != ZERO or not needed, "a value must not be absent")
        return values.next(hash_)

    kind = r.u8()
    if kind in (1, 2):
        parent, ino = r.u64(), r.u64()
        return (Made if kind == 1 else Removed)(parent, ino, value(True))
    if kind == 3:
        fields = (r.u64(), r.u32(), r.u32(), r.u32(), r.u64(), r.u64(),
                  r.i64())
        effect = Inode(*fields, value())
        is_value = effect.mode & 0o170000 in (0o100000, 0o120000)
        must(is_value == (effect.value is not None), "value of an inode")
        return effect
    if kind == 4:
        return Set(r.u64(), value(True), value(True))
    if kind == 5:
        return Unset(r.u64(), value(True))
    if kind == 7:
        return Gone(r.u64(), r.u64())
    if kind == 8:
        return Snapshot(r.u64(), r.i64(), value(True))
    if kind == 9:
        fields = (r.u64(), r.u64(), r.u64(), r.i64())
        return Pin(*fields, value(True), value(True))
    if kind == 10:
        return Unpin(value(True))
    if kind == 11:
        return Setting(value(True), value(True))
    if kind == 12:
        effect = Branch(r.u64(), r.u64(), r.u64(), value(True))
        must(effect.number > effect.parent >= MAIN, "number of a branch")
        return effect
    if kind == 13:
        return Unbranch(r.u64())
    if kind == 14:
        return Merged(r.u64(), r.u64())
    if kind == 20:
        return Dropped(r.u64(), value(), value(True))
    if kind == 21:
        return Replaced(r.address(), r.address(), r.address())
    if kind == 22:
        return Scrubbed(r.u64())
    must(kind == 6, "type of an effect")
    parent, name, recipe = r.u64(), value(True), value(True)
    error, executable = r.u32(), r.u8()
    must(error < 2**31 and executable <= 1, "fields of a result")
    return Result(parent, name, recipe, error, executable == 1, value(),
                  r.u64(), r.i64())


def record_read(data, values):
    r = Reader(data)
    number, time, done, branch = r.u64(), r.i64(), r.u16(), r.u32()
    uid, pid = r.u32(), r.u32()
    program, message = values.next(r.address()), values.next(r.address())
    must(number and done and branch, "fields of a record")
    effects = [effect_read(r, values) for _ in range(r.u32())]
    r.end()
    return Change(number, time, done, branch, uid, pid, program, message,
                  effects)


class NoValues:
    """For a look at what is no value."""

    def next(self, hash_):
        return None if hash_ == ZERO else FORGOTTEN


def replaced(journals):
    """Clear objects that others have taken the place of."""
    return {e.before: e.now for journal in journals
            for data in journal.records
            for e in record_read(data, NoValues()).effects
            if isinstance(e, Replaced)}


def changes_read(get, journals):
    """The records of journals, whose values are checked."""
    changes = []
    now = replaced(journals)
    salted = []
    hashes = []
    for journal in journals:
        clear = journal.clear
        while clear in now:
            clear = now[clear]
        values = Values(clear_read(get(clear, "journal")))
        changes += [record_read(data, values) for data in journal.records]
        values.done()
        must(u64_of(journal.records[0]) == journal.first,
             "number of a journal's first change")
        salted += values.salted
        hashes += values.hashes
    must(blake3_many(salted, SALT) == hashes, "hash of a value")
    check_order(changes)
    return changes


def u64_of(record):
    return Reader(record).u64()


def goes_on(before, change):
    return (change.number == before.number and change[:6] == before[:6] and
            change.program is None and change.message is None)


def check_order(changes):
    for before, change in zip(changes, changes[1:]):
        must(change.number > before.number or goes_on(before, change),
             "order of numbers")
        must(change.time >= before.time, "order of times")


# --- the chain ----------------------------------------------------------------

def chain(packs):
    """The journals that count, oldest first."""
    journals = {a: journal_read(a, data) for a, data in packs.all("journal")
                if is_journal(data)}
    marked = [j for j in journals.values() if j.last]
    found = []
    at = max(marked, key=lambda j: j.first).address if marked else ZERO
    while at != ZERO:
        must(at in journals, "journal %s is missing" % at.hex())
        found.append(journals[at])
        at = journals[at].before
    return found[::-1]


def history(packs):
    return changes_read(packs.get, chain(packs))


# --- what follows -------------------------------------------------------------

class Names:
    """A branch as it was after some change."""

    def __init__(self):
        self.children = collections.defaultdict(dict)  # parent -> name -> ino
        self.inodes = {}
        self.xattrs = collections.defaultdict(dict)
        # what each name held last; it is there while a recipe defines it
        self.derived = collections.defaultdict(dict)
        self.versions_gone = set()
        self.snapshots = {}
        self.pins = {}
        self.settings = {}

    def apply(self, change):
        for e in change.effects:
            getattr(self, type(e).__name__.lower())(e)

    def made(self, e):
        must(e.name not in self.children[e.parent], "a name is made twice")
        self.children[e.parent][e.name] = e.ino

    def removed(self, e):
        must(self.children[e.parent].pop(e.name, None) == e.ino,
             "a name is removed that was not there")

    def inode(self, e):
        self.inodes[e.ino] = e

    def set(self, e):
        self.xattrs[e.ino][e.name] = e.value

    def unset(self, e):
        must(self.xattrs[e.ino].pop(e.name, None) is not None,
             "an attribute is removed that was not there")

    def result(self, e):
        self.derived[e.parent][e.name] = e

    def gone(self, e):
        must(e not in self.versions_gone, "a version goes twice")
        self.versions_gone.add(e)

    def branch(self, e):
        """Of which branches there are, see branches()."""

    def unbranch(self, e):
        """As above."""

    def merged(self, e):
        """What came of it is in effects of its own."""

    def dropped(self, e):
        """Its bytes are made again when they are needed."""

    def replaced(self, e):
        """Values are read without those already."""

    def scrubbed(self, e):
        """Of no concern to who has no rows."""

    def snapshot(self, e):
        self.snapshots[e.name] = e

    def pin(self, e):
        self.pins[e.path] = e

    def unpin(self, e):
        must(self.pins.pop(e.path, None) is not None,
             "a path is unpinned that was not pinned")

    def setting(self, e):
        self.settings[e.name] = e.value

    def path(self, ino):
        """Of a directory, from the root."""
        parts = []
        while ino != ROOT:
            parent, name = next((p, name) for p, d in self.children.items()
                                for name, child in d.items() if child == ino)
            parts.append(name)
            ino = parent
        return b"/".join(parts[::-1])

    def walk(self, ino=ROOT, path=b""):
        """(path, inode) of all below a directory, by name."""
        for name, child in sorted(self.children[ino].items()):
            yield path + name, self.inodes[child]
            if self.inodes[child].mode & 0o170000 == 0o040000:
                yield from self.walk(child, path + name + b"/")


def branches(changes):
    """Those that there are, by name; and all that there ever were, by number,
    as they were made."""
    there = {b"main": MAIN}
    made = {}
    for e in (e for change in changes for e in change.effects):
        if isinstance(e, Branch):
            was = made.setdefault(e.number, e)
            must((e.parent, e.since) == (was.parent, was.since),
                 "a branch is made twice")
        if isinstance(e, (Branch, Unbranch)):
            there = {name: number for name, number in there.items()
                     if number != e.number}
        if isinstance(e, Branch):
            must(e.name not in there, "two branches of a name")
            there[e.name] = e.number
    return there, made


def counts_on(changes, branch):
    """Whether a change has made the tree of a branch what it is."""
    made = branches(changes)[1]
    upto = {branch: 2**64}
    while branch != MAIN:
        must(branch in made, "branch %d was never made" % branch)
        below = min(upto[branch], made[branch].since)
        branch = made[branch].parent
        upto[branch] = below
    return lambda change: change.number <= upto.get(change.branch, 0)


def moments(changes, branch=MAIN):
    """(number, names, effects) after each change; names is one object, which
    changes."""
    counts = counts_on(changes, branch)
    names = Names()
    effects = []
    for i, change in enumerate(changes):
        if counts(change):
            names.apply(change)
            effects += change.effects
        if i + 1 == len(changes) or changes[i + 1].number != change.number:
            yield change.number, names, effects
            effects = []


def names_at(changes, number, branch=MAIN):
    counts = counts_on(changes, branch)
    names = Names()
    for change in changes:
        if change.number <= number and counts(change):
            names.apply(change)
    return names
