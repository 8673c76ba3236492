/* A new database from the packs alone. It is made beside the old one and takes
 * its place when it is complete and on the disk, so that being stopped half-way
 * only means to begin again; the old one is put aside, never deleted.
 *
 * Which journals count: a journal names the one before it, so they are trees
 * that grow from the first. A branch that nothing follows was written by a
 * process that died before its commit, or was given up; the one that leads to
 * the highest change counts. Where the chain is cut by a damaged journal, it
 * goes on with the highest change that lies before.
 */
#include "cas/fsck_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "cas/seal_file.h"
#include "core/journal.h"
#include "core/rebuild.h"
#include "core/tip.h"

#define NEW_SUFFIX   ".new"
#define ROWS_AT_ONCE 200000

struct link {
	struct addr addr, prev, clear;
	uint64_t first_seq;
	bool last; /* of its transaction */
	bool followed, taken;
};

/* A clear object in another's place, as the journals say. */
struct swap {
	struct addr old, now;
};

struct place {
	struct addr addr;
	struct object_loc loc;
};

struct building {
	struct fsck *f;
	char *path;
	struct db *db;
	struct objects *objects;

	pthread_mutex_t lock; /* of the rows, and of: */
	struct link *links;
	size_t nlinks, cap;
	struct buf swaps; /* struct swap */
	uint64_t rows;	  /* in the open batch */

	struct link **chain; /* newest first */
	size_t nchain;
	struct pack_verifier *verifier;
	int fd; /* of the pack read last */
	uint32_t fd_pack;
	uint8_t fd_id[PACK_ID_LEN];
};

/* --- the index --------------------------------------------------------------
 */

struct one_pack {
	struct building *b;
	const uint8_t *id;
	uint32_t number; /* its row, or 0 */
	struct place *places;
	size_t n;
	uint64_t end; /* of its last good record */
};

static int by_addr(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return memcmp(x->addr.b, y->addr.b, ADDR_LEN);
}

/* Under the lock. */
static int add_rows(struct one_pack *p)
{
	struct building *b = p->b;
	size_t i;
	int rc = 0;

	if (!p->number)
		rc = packs_add(b->objects, p->id, &p->number);
	for (i = 0; rc >= 0 && i < p->n; i++) {
		p->places[i].loc.pack = p->number;
		rc = objects_add(b->objects, &p->places[i].addr,
				 &p->places[i].loc);
	}
	b->rows += p->n;
	if (rc >= 0 && b->rows >= ROWS_AT_ONCE) {
		b->rows = 0;
		rc = objects_count(b->objects);
		if (rc >= 0)
			rc = db_commit(b->db);
	}
	return rc;
}

static int flush(struct one_pack *p)
{
	int rc;

	if (!p->n)
		return 0;
	qsort(p->places, p->n, sizeof(*p->places), by_addr);
	pthread_mutex_lock(&p->b->lock);
	db_lock(p->b->db);
	rc = add_rows(p);
	db_unlock(p->b->db);
	pthread_mutex_unlock(&p->b->lock);
	p->n = 0;
	return rc;
}

static int on_effect(void *ctx, const struct journal_record *r,
		     const struct journal_effect *e)
{
	struct building *b = ctx;
	struct swap s = {e->before, e->now};

	(void)r;
	if (e->type != JOURNAL_VALUES)
		return 0;
	buf_add(&b->swaps, &s, sizeof(s));
	return buf_err(&b->swaps);
}

static int add_swaps(void *ctx, const void *record, size_t len)
{
	struct journal_record r;

	return journal_record(record, len, NULL, &r, on_effect, ctx);
}

/* Under the lock. */
static int add_link(struct building *b, const struct pack_object *o)
{
	struct journal_info info;
	struct link *links;
	size_t cap;
	int rc = journal_decode(o->bytes, o->r.raw, &info, add_swaps, b);

	if (rc < 0)
		return rc == -ENOMEM ? rc : 0; /* values */
	if (b->nlinks == b->cap) {
		cap = b->cap ? 2 * b->cap : 1024;
		links = reallocarray(b->links, cap, sizeof(*links));
		if (!links)
			return -ENOMEM;
		b->links = links;
		b->cap = cap;
	}
	b->links[b->nlinks++] = (struct link){
		.addr = o->r.addr,
		.prev = info.prev,
		.clear = info.clear,
		.first_seq = info.first_seq,
		.last = info.last,
	};
	return 0;
}

static int take_record(void *ctx, const struct pack_object *o)
{
	struct one_pack *p = ctx;
	struct bad bad = {.addr = o->r.addr,
			  .offset = o->offset,
			  .kind = o->r.kind,
			  .excused = true};
	int rc = 0;

	pthread_mutex_lock(&p->b->lock);
	if (!o->good) {
		pack_name(p->id, bad.pack);
		rc = fsck_add_bad(p->b->f, &bad);
	} else if (o->r.kind == OBJ_JOURNAL) {
		rc = add_link(p->b, o);
	} else if (o->r.kind == OBJ_RECIPE) {
		db_lock(p->b->db);
		rc = rebuild_recipe(p->b->db, &o->r.addr, o->bytes, o->r.raw);
		db_unlock(p->b->db);
	}
	pthread_mutex_unlock(&p->b->lock);
	if (rc < 0 || !o->good)
		return rc;
	p->places[p->n++] = (struct place){
		.addr = o->r.addr,
		.loc = {.kind = o->r.kind,
			.codec = o->r.codec,
			.offset = o->offset,
			.stored = o->r.stored,
			.raw = o->r.raw},
	};
	p->end = o->offset + RECORD_HEADER_LEN + o->r.stored;
	return p->n == ROWS_AT_ONCE ? flush(p) : 0;
}

/* What rows speak of is on the disk. */
static int settle(struct one_pack *p, int fd)
{
	int rc;

	if (!p->number)
		return 0;
	if (fdatasync(fd) < 0)
		return -errno;
	pthread_mutex_lock(&p->b->lock);
	db_lock(p->b->db);
	rc = packs_cut(p->b->objects, p->number, p->end);
	db_unlock(p->b->db);
	pthread_mutex_unlock(&p->b->lock);
	return rc;
}

static int index_pack(void *ctx, size_t i, struct pack_verifier *v)
{
	struct building *b = ctx;
	struct one_pack p = {.b = b, .id = b->f->packs.items[i].id};
	CLEANUP_FREE struct place *places =
		calloc(ROWS_AT_ONCE, sizeof(*places));
	struct pack_damage damage;
	CLEANUP_CLOSE int fd = -1;
	int rc = places ? 0 : -ENOMEM;

	p.places = places;
	if (!rc)
		rc = pack_open(b->f->layout.packs_fd, p.id, &fd);
	if (!rc)
		rc = pack_verify(v, fd, p.id, take_record, &p,
				 &b->f->gone_through, &damage);
	if (rc == -EPROTONOSUPPORT || rc == -EIO || rc == -ENOENT)
		rc = 0; /* told when it was checked */
	if (!rc)
		rc = flush(&p);
	return rc < 0 ? rc : settle(&p, fd);
}

static void poll_index(void *ctx)
{
	struct building *b = ctx;

	fsck_progress(b->f, "reading packs",
		      __atomic_load_n(&b->f->gone_through, __ATOMIC_RELAXED),
		      b->f->packs.size);
}

/* --- the chain --------------------------------------------------------------
 */

static int link_by_addr(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	return memcmp(x->addr.b, y->addr.b, ADDR_LEN);
}

static struct link *find_link(struct building *b, const struct addr *a)
{
	struct link key = {.addr = *a};

	return b->nlinks ? bsearch(&key, b->links, b->nlinks, sizeof(key),
				   link_by_addr)
			 : NULL;
}

/* Several packs may hold the same journal. */
static void sort_links(struct building *b)
{
	struct link *l;
	size_t i, n = 0;

	if (b->nlinks)
		qsort(b->links, b->nlinks, sizeof(*b->links), link_by_addr);
	for (i = 0; i < b->nlinks; i++)
		if (!n || !addr_eq(&b->links[n - 1].addr, &b->links[i].addr))
			b->links[n++] = b->links[i];
	b->nlinks = n;
	for (i = 0; i < n; i++) {
		l = find_link(b, &b->links[i].prev);
		if (l)
			l->followed = true;
	}
}

static int by_old(const void *a, const void *b)
{
	const struct swap *x = a, *y = b;

	return memcmp(x->old.b, y->old.b, ADDR_LEN);
}

/* Which clear object has a link's values now: the last of those that took each
 * other's place, and is there. */
static struct addr clear_of(struct building *b, const struct link *l)
{
	struct swap key = {.old = l->clear}, *s;
	struct addr ret = l->clear;
	struct object_loc loc;
	size_t n = b->swaps.len / sizeof(key), i;

	for (i = 0; i < n; i++) {
		s = bsearch(&key, b->swaps.data, n, sizeof(key), by_old);
		if (!s)
			break;
		key.old = s->now;
		if (objects_find(b->objects, &s->now, &loc) >= 0)
			ret = s->now;
	}
	return ret;
}

/* What speaks against the chain that ends with a journal: values that are
 * lost, and that it does not reach the first one. */
static uint64_t flaws(struct building *b, struct link *l)
{
	struct addr clear;
	struct object_loc loc;
	uint64_t n = 0;

	while (l) {
		clear = clear_of(b, l);
		n += objects_find(b->objects, &clear, &loc) < 0;
		if (addr_is_zero(&l->prev))
			return n;
		l = find_link(b, &l->prev);
	}
	return n + (UINT64_C(1) << 40);
}

/* The best end of a chain of changes below `under`. */
static struct link *best_end(struct building *b, uint64_t under)
{
	struct link *best = NULL, *l;
	uint64_t least = 0, n;
	size_t i;

	for (i = 0; i < b->nlinks; i++) {
		l = &b->links[i];
		/* parts of a transaction that was not finished do not count */
		if (l->followed || l->taken)
			continue;
		while (l && !l->last)
			l = find_link(b, &l->prev);
		if (!l || l->taken || l->first_seq >= under ||
		    (best && l->first_seq < best->first_seq))
			continue;
		n = flaws(b, l);
		if (best && l->first_seq == best->first_seq && n >= least)
			continue;
		best = l;
		least = n;
	}
	return best;
}

static int find_chain(struct building *b)
{
	uint64_t under = UINT64_MAX;
	struct link *l;

	sort_links(b);
	if (b->swaps.len)
		qsort(b->swaps.data, b->swaps.len / sizeof(struct swap),
		      sizeof(struct swap), by_old);
	b->chain = calloc(b->nlinks + 1, sizeof(struct link *));
	if (!b->chain)
		return -ENOMEM;
	while (under > 1 && (l = best_end(b, under))) {
		for (; l && !l->taken; l = find_link(b, &l->prev)) {
			l->taken = true;
			under = l->first_seq;
			b->chain[b->nchain++] = l;
		}
		if (b->nchain && addr_is_zero(&b->chain[b->nchain - 1]->prev))
			break;
	}
	return 0;
}

/* --- the rows ---------------------------------------------------------------
 */

static int read_journal(struct building *b, const struct addr *a,
			struct buf *ret)
{
	struct object_loc loc;
	struct record r;
	int rc = objects_find(b->objects, a, &loc);

	if (!rc && (b->fd < 0 || b->fd_pack != loc.pack)) {
		if (b->fd >= 0)
			close(b->fd);
		b->fd = -1;
		rc = packs_id(b->objects, loc.pack, b->fd_id);
		if (!rc)
			rc = pack_open(b->f->layout.packs_fd, b->fd_id, &b->fd);
		b->fd_pack = loc.pack;
	}
	return rc < 0 ? rc
		      : pack_read_object(b->verifier, b->fd, b->fd_id,
					 loc.offset, &r, ret);
}

/* The i-th of the chain, which has the newest first. */
static int apply(struct building *b, struct rebuild *r, size_t i)
{
	CLEANUP_BUF struct buf journal = BUF_INIT, clear = BUF_INIT;
	const struct link *l = b->chain[i];
	struct addr values;
	const struct link *before = i + 1 < b->nchain ? b->chain[i + 1] : NULL;
	bool gap = before ? !addr_eq(&l->prev, &before->addr)
			  : !addr_is_zero(&l->prev);
	int rc = read_journal(b, &l->addr, &journal);

	if (rc < 0)
		return rc;
	if (gap) {
		b->f->journal_bad = true;
		fsck_say(b->f, FSCK_JOURNAL, FSCK_LEFT, "",
			 "changes after @%" PRIu64 " and before @%" PRIu64
			 " are lost with their journal",
			 before ? before->first_seq : 0, l->first_seq);
	}
	values = clear_of(b, l);
	rc = read_journal(b, &values, &clear);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0) {
		b->f->journal_bad = true;
		fsck_say(b->f, FSCK_JOURNAL, FSCK_LEFT, "",
			 "names and contents of the changes from @%" PRIu64
			 " on are lost with the values of their journal",
			 l->first_seq);
	}
	return rebuild_add(r, journal.data, journal.len,
			   rc < 0 ? NULL : clear.data, clear.len, gap);
}

static uint64_t highest_seq(const struct building *b)
{
	uint64_t seq = 0;
	size_t i;

	/* a journal has at most as many changes as bytes */
	for (i = 0; i < b->nlinks; i++)
		if (b->links[i].first_seq + JOURNAL_MAX > seq &&
		    !b->links[i].taken)
			seq = b->links[i].first_seq + JOURNAL_MAX;
	return seq;
}

static int apply_all(struct building *b, struct rebuild_sums *ret)
{
	CLEANUP(rebuild_freep) struct rebuild *r = NULL;
	size_t i;
	int rc;

	b->verifier = pack_verifier_new();
	rc = b->verifier ? 0 : -ENOMEM;
	db_lock(b->db);
	if (rc == 0)
		rc = rebuild_new(b->db, &r);
	for (i = b->nchain; rc == 0 && i--;) {
		if (!(i & 63))
			fsck_progress(b->f, "changes", b->nchain - i,
				      b->nchain);
		rc = apply(b, r, i);
	}
	if (rc == 0)
		rc = rebuild_end(r, b->nchain ? &b->chain[0]->addr : NULL,
				 highest_seq(b), ret);
	rebuild_free(steal(&r));
	db_unlock(b->db);
	return rc;
}

/* --- files ------------------------------------------------------------------
 */

static const char *const parts[] = {"", "-wal", "-shm", "-mark"};

static int remove_new(struct fsck *f)
{
	char name[64];
	size_t i;

	for (i = 0; i < ARRAY_LEN(parts); i++) {
		snprintf(name, sizeof(name), "deriva.db" NEW_SUFFIX "%s",
			 parts[i]);
		if (unlinkat(f->layout.dir_fd, name, 0) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

/* 1 when there was one. */
static int move(struct fsck *f, const char *from, const char *to)
{
	if (renameat(f->layout.dir_fd, from, f->layout.dir_fd, to) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

/* Its name, or "" when there was nothing. */
static int put_aside(struct fsck *f, char *ret, size_t size)
{
	char from[64], to[128], stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	size_t i;
	int rc, any = 0;

	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	for (i = 0; i < ARRAY_LEN(parts); i++) {
		snprintf(from, sizeof(from), "deriva.db%s", parts[i]);
		snprintf(to, sizeof(to), "deriva.db.damaged-%s%s", stamp,
			 parts[i]);
		rc = move(f, from, to);
		if (rc < 0)
			return rc;
		any |= rc && !i;
	}
	snprintf(ret, size, "%s%s", any ? "deriva.db.damaged-" : "",
		 any ? stamp : "");
	return 0;
}

/* It is no more than a note: nobody can do anything about it. */
static void tell_lost(struct fsck *f, const char *aside)
{
	fsck_say(f, FSCK_ROWS, FSCK_NOTE, *aside ? aside : "deriva.db",
		 "%s: what commands printed, what they took beside time, "
		 "how often results were used, and times of access were only "
		 "there and are gone",
		 *aside ? "nothing could be read from the old database"
			: "there was no old database to read from");
}

/* What no journal has. A log that does not match is left out the second time:
 * what the main file has is better than nothing. */
static void salvage(struct building *b, const char *aside)
{
	CLEANUP_FREE char *path = NULL;
	char from[160], to[160];
	uint64_t rows = 0, failures = 0;

	if (asprintf(&path, "%s/%s", b->f->path, aside) < 0) {
		path = NULL;
		return;
	}
	db_lock(b->db);
	if (rebuild_salvage(b->db, path, &rows, &failures) < 0)
		failures++;
	db_unlock(b->db);
	if (failures && !rows) {
		snprintf(from, sizeof(from), "%s-wal", aside);
		snprintf(to, sizeof(to), "%s.log", aside);
		if (move(b->f, from, to) > 0) {
			failures = 0;
			db_lock(b->db);
			if (rebuild_salvage(b->db, path, &rows, &failures) < 0)
				failures++;
			db_unlock(b->db);
		}
	}
	if (failures && !rows) {
		tell_lost(b->f, aside);
		return;
	}
	fsck_say(b->f, FSCK_ROWS, FSCK_NOTE, aside,
		 "%" PRIu64 " rows that no pack has (what commands printed, "
		 "how often results were used) were taken over from it%s",
		 rows, failures ? "; not all of it could be read" : "");
}

static void building_close(struct building *b)
{
	objects_close(b->objects);
	db_close(b->db);
	b->objects = NULL;
	b->db = NULL;
}

static void building_done(struct building *b)
{
	building_close(b);
	pack_verifier_free(b->verifier);
	if (b->fd >= 0)
		close(b->fd);
	free(b->links);
	free(b->chain);
	buf_done(&b->swaps);
	free(b->path);
}

/* Files that were closed and wait to be taken in. */
static int note_sealed(struct building *b)
{
	CLEANUP(tips_closep) struct tips *tips = NULL;
	struct tip newest;
	int rc;

	db_lock(b->db);
	rc = tips_open(b->db, &tips);
	if (rc == 0)
		rc = tips_newest(tips, &newest);
	if (rc == 0)
		rc = seal_files_note(b->db, b->f->layout.drafts_fd, newest.seq);
	if (rc >= 0)
		rc = db_commit(b->db);
	tips_close(steal(&tips));
	db_unlock(b->db);
	return rc;
}

static int make(struct building *b, struct rebuild_sums *sums, struct err *err)
{
	struct fsck *f = b->f;
	int rc = remove_new(f);

	if (rc == 0 &&
	    asprintf(&b->path, "%s/deriva.db" NEW_SUFFIX, f->path) < 0) {
		b->path = NULL;
		rc = -ENOMEM;
	}
	if (rc == 0)
		rc = db_open(b->path, DB_CREATE, &b->db, err);
	if (rc == 0)
		rc = objects_open(b->db, b->path, &b->objects, err);
	if (rc == 0) {
		f->gone_through = 0;
		rc = packs_each(f->packs.count, index_pack, poll_index, b);
	}
	if (rc >= 0) {
		db_lock(b->db);
		rc = objects_count(b->objects);
		if (rc >= 0)
			rc = db_commit(b->db);
		db_unlock(b->db);
	}
	if (rc == 0)
		rc = find_chain(b);
	if (rc >= 0)
		rc = apply_all(b, sums);
	return rc < 0 ? rc : note_sealed(b);
}

/* The new one takes the old one's place. */
static int swap(struct building *b)
{
	struct fsck *f = b->f;
	char aside[64] = "";
	int rc = db_sync(b->db);

	if (rc == 0)
		rc = put_aside(f, aside, sizeof(aside));
	if (rc == 0 && *aside)
		salvage(b, aside);
	else if (rc == 0)
		tell_lost(f, aside);
	if (rc == 0)
		rc = db_sync(b->db);
	building_close(b);
	if (rc == 0)
		rc = move(f, "deriva.db" NEW_SUFFIX, "deriva.db");
	if (rc >= 0)
		rc = fsync(f->layout.dir_fd) < 0 ? -errno : 0;
	if (rc == 0)
		rc = remove_new(f);
	if (rc == 0 && *aside)
		fsck_say(f, FSCK_ROWS, FSCK_NOTE, aside,
			 "is the old database, put aside; remove it when "
			 "nothing is missed");
	return rc;
}

static void tell(struct fsck *f, const struct rebuild_sums *s)
{
	fsck_say(f, FSCK_ROWS, FSCK_HEALED, "deriva.db",
		 "made anew from the packs: %" PRIu64 " changes, %" PRIu64
		 " versions, %" PRIu64 " results of derived files",
		 s->changes, s->versions, s->results);
	if (s->adopted)
		fsck_say(f, FSCK_ROWS, FSCK_LEFT, "/lost+found",
			 "%" PRIu64 " files and directories have lost their "
			 "names and are there now",
			 s->adopted);
	if (s->dropped)
		fsck_say(f, FSCK_ROWS, FSCK_LEFT, "deriva.db",
			 "%" PRIu64 " names are gone with what they led to",
			 s->dropped);
}

int fsck_rebuild_rows(struct fsck *f, struct err *err)
{
	CLEANUP(building_done)
	struct building b = {.f = f,
			     .lock = PTHREAD_MUTEX_INITIALIZER,
			     .fd = -1};
	struct rebuild_sums sums = {0};
	int rc = make(&b, &sums, err);

	if (rc == 0)
		rc = swap(&b);
	if (rc < 0)
		return err_set(err, rc,
			       "%s: the new database could not be made: %s",
			       f->path, err_name(rc));
	f->rebuilt = true;
	tell(f, &sums);
	return 0;
}
