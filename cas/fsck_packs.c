/* The index says where an object lies; a pack says what lies there. For as many
 * packs at a time as memory allows, their rows are read and put in the order in
 * which they lie; then each pack is read from its start to its end, and every
 * record that is good ticks off its row. Rows without a tick are damage, unless
 * the object is found elsewhere by now (collected, healed) and good.
 */
#include "cas/fsck_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#define ROWS_AT_A_TIME 4000000

struct row {
	struct addr addr;
	struct object_loc loc;
	bool good;
};

/* A pack that rows speak of. */
struct known {
	uint32_t number;
	uint8_t id[PACK_ID_LEN];
	uint64_t objects;
	size_t from, upto; /* rows of the group */
};

struct group {
	struct fsck *f;
	bool index;	     /* there is one */
	struct known *known; /* of all packs */
	size_t nknown, cap;
	size_t first, last; /* of the group, last not included */
	struct row *rows;
	size_t nrows, room;
	pthread_mutex_t lock; /* of findings */
	struct map *seen;     /* pack ids that have a row */
};

/* --- the rows --------------------------------------------------------------
 */

static int add_known(void *ctx, uint32_t pack, const uint8_t id[PACK_ID_LEN],
		     uint64_t objects)
{
	struct group *g = ctx;
	struct known *known;
	size_t cap;

	if (g->nknown == g->cap) {
		cap = g->cap ? 2 * g->cap : 64;
		known = reallocarray(g->known, cap, sizeof(*known));
		if (!known)
			return -ENOMEM;
		g->known = known;
		g->cap = cap;
	}
	known = &g->known[g->nknown++];
	*known = (struct known){.number = pack, .objects = objects};
	memcpy(known->id, id, PACK_ID_LEN);
	g->f->sums.objects += objects;
	return map_put(g->seen, id, PACK_ID_LEN, g, NULL);
}

static int add_row(void *ctx, const struct addr *a,
		   const struct object_loc *loc)
{
	struct group *g = ctx;
	struct row *rows;
	size_t room;

	if (loc->doomed) /* it may be gone already */
		return 0;
	if (g->nrows == g->room) {
		room = g->room + g->room / 2 +
		       1024; /* more than were counted */
		rows = reallocarray(g->rows, room, sizeof(*rows));
		if (!rows)
			return -ENOMEM;
		g->rows = rows;
		g->room = room;
	}
	g->rows[g->nrows++] = (struct row){.addr = *a, .loc = *loc};
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct object_loc *x = &((const struct row *)a)->loc;
	const struct object_loc *y = &((const struct row *)b)->loc;

	if (x->pack != y->pack)
		return x->pack < y->pack ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* The rows of the group's packs, sorted, and which are whose. */
static int load_rows(struct group *g)
{
	struct objects *o = store_objects(g->f->store);
	struct db *db = store_db(g->f->store);
	size_t i, at = 0;
	int rc;

	g->nrows = 0;
	db_lock(db);
	rc = objects_in_packs(o, g->known[g->first].number,
			      g->known[g->last - 1].number, add_row, g);
	db_unlock(db);
	if (rc < 0)
		return rc;
	if (g->nrows)
		qsort(g->rows, g->nrows, sizeof(*g->rows), by_place);
	for (i = g->first; i < g->last; i++) {
		while (at < g->nrows &&
		       g->rows[at].loc.pack < g->known[i].number)
			at++;
		g->known[i].from = at;
		while (at < g->nrows &&
		       g->rows[at].loc.pack == g->known[i].number)
			at++;
		g->known[i].upto = at;
	}
	return 0;
}

/* --- a pack ----------------------------------------------------------------
 */

struct ticking {
	struct row *at, *end;
};

/* Records come in order of their offsets, as rows do; several rows for one
 * place are damage but for the one that is right. */
static int tick(void *ctx, const struct pack_object *o)
{
	struct ticking *t = ctx;

	while (t->at < t->end && t->at->loc.offset < o->offset)
		t->at++;
	for (; t->at < t->end && t->at->loc.offset == o->offset; t->at++)
		t->at->good = o->good && addr_eq(&t->at->addr, &o->r.addr) &&
			      t->at->loc.kind == o->r.kind &&
			      t->at->loc.codec == o->r.codec &&
			      t->at->loc.stored == o->r.stored &&
			      t->at->loc.raw == o->r.raw;
	return 0;
}

static void say_damage(struct fsck *f, const char *name, bool rows,
		       const struct pack_damage *d)
{
	if (d->header && rows)
		fsck_say(f, FSCK_PACK, FSCK_DAMAGED, name,
			 "its header is damaged");
	else if (d->header)
		fsck_say(f, FSCK_PACK, FSCK_NOTE, name,
			 "its header is damaged, or that of another pack");
	if (d->unreadable)
		fsck_say(f, FSCK_PACK, FSCK_NOTE, name,
			 "%" PRIu64 " bytes cannot be read from the disk",
			 d->unreadable);
	if (d->bytes)
		fsck_say(f, FSCK_PACK, FSCK_NOTE, name,
			 "%" PRIu64 " bytes of it are no record", d->bytes);
	if (d->torn)
		fsck_say(f, FSCK_PACK, FSCK_NOTE, name,
			 "%" PRIu64 " bytes at its end are an unfinished "
			 "record, left by a writer that was stopped",
			 d->torn);
	if (!rows && f->store)
		fsck_say(f, FSCK_PACK, FSCK_NOTE, name,
			 "no row speaks of it: a writer was stopped before it "
			 "could say what it is for");
}

/* Whether the pack is no record at all for the id that its name says. */
/* number: of the row that knows it, when rows of objects do; else 0. */
static int verify_one(struct fsck *f, struct pack_verifier *v,
		      const uint8_t *id, uint32_t number,
		      int (*fn)(void *ctx, const struct pack_object *o),
		      void *ctx, pthread_mutex_t *lock)
{
	struct pack_damage d = {0};
	CLEANUP_CLOSE int fd = -1;
	char name[PACK_NAME_LEN];
	uint8_t row[PACK_ID_LEN];
	bool known = number;
	int rc;

	pack_name(id, name);
	rc = pack_open(f->layout.packs_fd, id, &fd);
	/* collected since its rows were read: its objects lie elsewhere */
	if (rc == -ENOENT && known &&
	    packs_id(store_objects(f->store), number, row) == -ENOENT)
		return 0;
	if (!rc)
		rc = pack_verify(v, fd, id, fn, ctx, &f->gone_through, &d);
	if (rc == -ENOMEM)
		return rc;
	pthread_mutex_lock(lock);
	if (rc == -ENOENT && known)
		fsck_say(f, FSCK_PACK, FSCK_DAMAGED, name, "is missing");
	else if (rc == -EPROTONOSUPPORT)
		fsck_say(f, FSCK_PACK, FSCK_DAMAGED, name,
			 "says that it is of a newer version of deriva");
	else if (rc < 0 && rc != -ENOENT)
		fsck_say(f, FSCK_PACK, FSCK_DAMAGED, name, "cannot be read: %s",
			 err_name(rc));
	else if (!rc)
		say_damage(f, name, known, &d);
	pthread_mutex_unlock(lock);
	return 0;
}

static int check_pack(void *ctx, size_t i, struct pack_verifier *v)
{
	struct group *g = ctx;
	struct known *k = &g->known[g->first + i];
	struct ticking t = {g->rows + k->from, g->rows + k->upto};

	return verify_one(g->f, v, k->id, k->upto > k->from ? k->number : 0,
			  tick, &t, &g->lock);
}

static void poll_packs(void *ctx)
{
	struct group *g = ctx;

	fsck_progress(g->f, "reading packs",
		      __atomic_load_n(&g->f->gone_through, __ATOMIC_RELAXED),
		      g->f->packs.size);
}

int fsck_probe(struct fsck *f, const struct addr *a, struct bad *ret)
{
	CLEANUP(pack_verifier_freep) struct pack_verifier *v = NULL;
	CLEANUP_BUF struct buf b = BUF_INIT;
	CLEANUP_CLOSE int fd = -1;
	struct object_loc loc;
	uint8_t id[PACK_ID_LEN];
	struct record r;
	int rc;

	*ret = (struct bad){.addr = *a, .kind = OBJ_CHUNK};
	rc = store_find(f->store, a, &loc);
	if (rc < 0) {
		ret->missing = rc == -ENOENT;
		return rc;
	}
	ret->kind = loc.kind;
	ret->offset = loc.offset;
	rc = packs_id(store_objects(f->store), loc.pack, id);
	if (rc < 0)
		return rc == -ENOENT ? -EBADMSG : rc;
	pack_name(id, ret->pack);
	v = pack_verifier_new();
	if (!v)
		return -ENOMEM;
	rc = pack_open(f->layout.packs_fd, id, &fd);
	if (!rc)
		rc = pack_read_object(v, fd, id, loc.offset, &r, &b);
	if (rc < 0)
		return rc == -ENOMEM ? rc : -EBADMSG;
	if (!addr_eq(&r.addr, a) || r.kind != loc.kind ||
	    r.codec != loc.codec || r.stored != loc.stored || r.raw != loc.raw)
		return -EBADMSG;
	return 0;
}

static int note_bad(struct fsck *f, const struct row *row)
{
	struct bad b;
	int rc = fsck_probe(f, &row->addr, &b);

	if (!rc || rc == -ENOENT)
		return 0; /* healed, moved or dropped meanwhile */
	return rc == -EBADMSG ? fsck_add_bad(f, &b) : rc;
}

static int check_group(struct group *g)
{
	size_t i;
	int rc = load_rows(g);

	if (!rc)
		rc = packs_each(g->last - g->first, check_pack, poll_packs, g);
	for (i = 0; !rc && i < g->nrows; i++)
		if (!g->rows[i].good)
			rc = note_bad(g->f, &g->rows[i]);
	return rc;
}

/* --- all -------------------------------------------------------------------
 */

struct unknown {
	struct group *g;
	const uint8_t *id;
};

/* Without an index nobody can tell whether it is needed. */
static int note_record(void *ctx, const struct pack_object *o)
{
	struct unknown *u = ctx;
	struct bad b = {.addr = o->r.addr,
			.offset = o->offset,
			.kind = o->r.kind,
			.excused = true};
	int rc;

	if (o->good || u->g->index)
		return 0;
	pack_name(u->id, b.pack);
	pthread_mutex_lock(&u->g->lock);
	rc = fsck_add_bad(u->g->f, &b);
	pthread_mutex_unlock(&u->g->lock);
	return rc;
}

static int check_unknown(void *ctx, size_t i, struct pack_verifier *v)
{
	struct group *g = ctx;
	struct unknown u = {g, g->f->packs.items[i].id};

	if (map_get(g->seen, u.id, PACK_ID_LEN))
		return 0;
	return verify_one(g->f, v, u.id, 0, note_record, &u, &g->lock);
}

static void say_stray(struct fsck *f)
{
	const char *p = buf_cstr(&f->packs.stray), *end;

	for (end = p + f->packs.stray.len; p < end; p += strlen(p) + 1)
		fsck_say(f, FSCK_PACK, FSCK_NOTE, p,
			 "is no pack by its name, and left alone");
}

static int check_groups(struct group *g)
{
	struct db *db = store_db(g->f->store);
	uint64_t rows;
	int rc;

	db_lock(db);
	rc = packs_iterate(store_objects(g->f->store), add_known, g);
	db_unlock(db);
	while (!rc && g->last < g->nknown) {
		g->first = g->last;
		rows = 0;
		do
			rows += g->known[g->last++].objects;
		while (g->last < g->nknown &&
		       rows + g->known[g->last].objects <= ROWS_AT_A_TIME);
		rc = check_group(g);
	}
	return rc;
}

static int list_packs(struct fsck *f)
{
	struct pack_list l;
	int rc = pack_list_read(f->layout.packs_fd, &l);

	if (rc < 0)
		return rc;
	pack_list_done(&f->packs);
	f->packs = l;
	f->sums.packs = l.count;
	f->sums.bytes = l.size;
	say_stray(f);
	return 0;
}

static int run(struct fsck *f, bool index)
{
	struct group g = {.f = f,
			  .index = index,
			  .lock = PTHREAD_MUTEX_INITIALIZER};
	int rc = list_packs(f);

	g.seen = map_new();
	if (!rc && !g.seen)
		rc = -ENOMEM;
	if (!rc && index)
		rc = check_groups(&g);
	if (!rc)
		rc = packs_each(f->packs.count, check_unknown, poll_packs, &g);
	map_free(g.seen);
	free(g.known);
	free(g.rows);
	return rc;
}

int fsck_check_packs(struct fsck *f)
{
	return run(f, true);
}

int fsck_verify_packs(struct fsck *f)
{
	return run(f, false);
}
