"""A mail archive, as one file a message (maildir) and as one large file (mbox),
of texts as they lie on the machine; later new messages come, flags of old ones
change (a new name), and one old message is deleted out of the mbox."""
import glob
import gzip
import os
import random

TEXTS = ["/usr/share/doc/*/*", "/usr/share/perl/*/*.p[ml]",
         "/usr/share/common-licenses/*", "/usr/share/man/man*/*.gz"]


def texts():
    for pattern in TEXTS:
        for path in sorted(glob.glob(pattern)):
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            try:
                with (gzip.open if path.endswith(".gz") else open)(
                        path, "rb") as f:
                    data = f.read(60000)
            except OSError:
                continue
            if b"\0" not in data and len(data) > 200:
                yield data


def message(i, pick, bodies):
    body = pick.choice(bodies)
    at = pick.randrange(max(1, len(body) - 500))
    text = body[at:at + int(pick.expovariate(1 / 4000)) + 200]
    head = (f"From: person{pick.randrange(300)}@example.org\n"
            f"To: me@example.org\nMessage-ID: <{pick.randrange(1 << 60):x}@x>\n"
            f"Subject: number {i}\n\n").encode()
    if i % 40 == 0:  # an attachment
        text += pick.randbytes(pick.randint(20000, 300000)).hex().encode()
    return head + text + b"\n"


def make(tree, count):
    pick = random.Random(5)
    bodies = list(texts())
    os.makedirs(tree + "/maildir/cur")
    with open(tree + "/all.mbox", "wb") as mbox:
        for i in range(count):
            data = message(i, pick, bodies)
            with open(f"{tree}/maildir/cur/{i:06}.host:2,", "wb") as f:
                f.write(data)
            mbox.write(b"From - \n" + data)


def edit(tree):
    pick = random.Random(6)
    bodies = list(texts())
    cur = tree + "/maildir/cur"
    names = sorted(os.listdir(cur))
    for name in names[::20]:
        os.rename(f"{cur}/{name}", f"{cur}/{name}S")
    with open(tree + "/all.mbox", "rb") as f:
        mbox = f.read()
    start = mbox.index(b"From - \n", len(mbox) // 3)
    end = mbox.index(b"From - \n", start + 1)
    mbox = mbox[:start] + mbox[end:]
    for i in range(len(names), len(names) + len(names) // 50):
        data = message(i, pick, bodies)
        with open(f"{cur}/{i:06}.host:2,", "wb") as f:
            f.write(data)
        mbox += b"From - \n" + data
    with open(tree + "/all.mbox.new", "wb") as f:
        f.write(mbox)
    os.rename(tree + "/all.mbox.new", tree + "/all.mbox")


def run(bench):
    peers.compare(bench, tools,
                  lambda t: make(t, max(500, int(20000 * bench.scale))), edit,
                  "a mail archive")
