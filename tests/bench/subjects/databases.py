"""An SQLite database, and what 2,000 transactions of an evening change in it:
rows updated at random, inserted and deleted. In the mount that happens in
place."""
import os
import random
import sqlite3


def connect(path):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("PRAGMA synchronous = OFF")
    return db


def make(tree, rows):
    pick = random.Random(8)
    os.mkdir(tree)
    db = connect(tree + "/shop.db")
    db.execute("CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, "
               "price INTEGER, note TEXT, code BLOB)")
    db.execute("CREATE INDEX item_name ON item(name)")
    db.execute("BEGIN")
    words = [f"{pick.randrange(1 << 30):x}" for _ in range(5000)]
    for i in range(rows):
        db.execute("INSERT INTO item VALUES (?, ?, ?, ?, ?)", (
            i, pick.choice(words), pick.randrange(100000),
            " ".join(pick.choices(words, k=20)), pick.randbytes(60)))
    db.execute("COMMIT")
    db.close()


def edit(tree):
    pick = random.Random(9)
    db = connect(tree + "/shop.db")
    rows = db.execute("SELECT max(id) FROM item").fetchone()[0]
    for i in range(2000):
        db.execute("BEGIN")
        db.execute("UPDATE item SET price = price + 1 WHERE id = ?",
                   (pick.randrange(rows),))
        db.execute("INSERT INTO item(name, price) VALUES (?, ?)",
                   (f"new {i}", i))
        if i % 10 == 0:
            db.execute("DELETE FROM item WHERE id = ?",
                       (pick.randrange(rows),))
        db.execute("COMMIT")
    db.close()


def run(bench):
    peers.compare(bench, tools,
                  lambda t: make(t, max(20000, int(1000000 * bench.scale))),
                  edit, "a database under write", in_place=True)
