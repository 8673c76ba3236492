#include "cas/pending.h"

#include <errno.h>
#include <pthread.h>

#include "cas/pack.h"
#include "core/map.h"

struct entry {
	struct entry *next;
	struct addr addr;
	struct object_loc loc;
	bool replace, in_batch;
};

/* Row of an own pack: made by the first batch that refers to it. */
struct own_row {
	uint32_t row; /* 0: none */
	bool in_batch;
	uint64_t end;  /* of what rows refer to */
	uint64_t told; /* the same, as the pack's row has it */
};

struct pending {
	own_id_fn id_fn;
	void *ctx;

	pthread_mutex_t lock; /* these: */
	struct map *map;      /* address -> latest entry */
	struct entry *fresh;  /* wait for a batch */

	/* these: db_lock() */
	struct entry *batch; /* rows are in the open batch */
	struct own_row *rows;
	uint32_t row_count;
};

struct pending *pending_new(own_id_fn fn, void *ctx)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->map = map_new();
	if (!p->map) {
		free(p);
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	p->id_fn = fn;
	p->ctx = ctx;
	return p;
}

static void free_list(struct entry *e)
{
	struct entry *next;

	for (; e; e = next) {
		next = e->next;
		free(e);
	}
}

void pending_free(struct pending *p)
{
	if (!p)
		return;
	free_list(p->fresh);
	free_list(p->batch);
	map_free(p->map);
	free(p->rows);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

bool pending_find(struct pending *p, const struct addr *a,
		  struct object_loc *ret)
{
	struct entry *e;

	pthread_mutex_lock(&p->lock);
	e = map_get(p->map, a->b, ADDR_LEN);
	if (e)
		*ret = e->loc;
	pthread_mutex_unlock(&p->lock);
	return e;
}

static int add(struct pending *p, const struct addr *a,
	       const struct object_loc *loc, bool replace)
{
	struct entry *e = map_get(p->map, a->b, ADDR_LEN);
	int rc;

	if (e && !replace)
		return 0;
	if (e && !e->in_batch) {
		e->loc = *loc;
		e->replace = true;
		return 0;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->addr = *a;
	e->loc = *loc;
	e->replace = replace;
	rc = map_put(p->map, a->b, ADDR_LEN, e, NULL);
	if (rc) {
		free(e);
		return rc;
	}
	e->next = p->fresh;
	p->fresh = e;
	return 0;
}

int pending_add(struct pending *p, const struct addr *a,
		const struct object_loc *loc, bool replace)
{
	int rc;

	pthread_mutex_lock(&p->lock);
	rc = add(p, a, loc, replace);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

bool pending_any(struct pending *p)
{
	bool any;

	pthread_mutex_lock(&p->lock);
	any = p->fresh;
	pthread_mutex_unlock(&p->lock);
	return any;
}

static int row_of(struct pending *p, struct objects *o, uint32_t own,
		  uint32_t *ret)
{
	uint8_t id[PACK_ID_LEN];
	struct own_row *rows;
	int rc;

	if (own >= p->row_count) {
		rows = realloc(p->rows, (own + 1) * sizeof(*rows));
		if (!rows)
			return -ENOMEM;
		memset(rows + p->row_count, 0,
		       (own + 1 - p->row_count) * sizeof(*rows));
		p->rows = rows;
		p->row_count = own + 1;
	}
	if (!p->rows[own].row) {
		rc = p->id_fn(p->ctx, own, id);
		if (rc < 0)
			return rc;
		rc = packs_add(o, id, &p->rows[own].row);
		if (rc < 0)
			return rc;
		p->rows[own].in_batch = true;
	}
	*ret = p->rows[own].row;
	return 0;
}

/* Moves what waits to the batch; the part that is new is returned, and ends
 * where the rest of the batch begins. */
static struct entry *take(struct pending *p, struct entry **ret_end)
{
	struct entry *e;

	*ret_end = p->batch;
	pthread_mutex_lock(&p->lock);
	while ((e = p->fresh)) {
		p->fresh = e->next;
		e->in_batch = true;
		e->next = p->batch;
		p->batch = e;
	}
	pthread_mutex_unlock(&p->lock);
	return p->batch;
}

static void reach(struct own_row *r, const struct object_loc *loc)
{
	r->end = MAX(r->end,
		     loc->offset + RECORD_HEADER_LEN + (uint64_t)loc->stored);
}

/* How far the packs are referred to, so that a crash that cuts one short is
 * noticed. */
static int write_extents(struct pending *p, struct objects *o)
{
	struct own_row *r;
	uint32_t i;
	int rc = 0;

	for (i = 0; !rc && i < p->row_count; i++) {
		r = &p->rows[i];
		if (r->end <= r->told)
			continue;
		rc = packs_extent(o, r->row, r->end);
		r->told = r->end;
	}
	return rc;
}

int pending_write(struct pending *p, struct objects *o)
{
	struct object_loc loc;
	struct entry *e, *end;
	int rc;

	/* taken in reverse, so from the first that was put to the last */
	for (e = take(p, &end); e != end; e = e->next) {
		loc = e->loc;
		rc = row_of(p, o, e->loc.pack, &loc.pack);
		if (rc < 0)
			return rc;
		rc = e->replace ? objects_replace(o, &e->addr, &loc)
				: objects_add(o, &e->addr, &loc);
		if (rc < 0)
			return rc;
		reach(&p->rows[e->loc.pack], &loc);
	}
	rc = write_extents(p, o);
	return rc < 0 ? rc : objects_count(o);
}

/* Under the lock: done with, or superseded by a later entry. */
static bool drop(struct pending *p, struct entry *e, bool committed)
{
	bool latest = map_get(p->map, e->addr.b, ADDR_LEN) == e;

	if (latest && !committed)
		return false;
	if (latest)
		map_del(p->map, e->addr.b, ADDR_LEN);
	free(e);
	return true;
}

void pending_end(struct pending *p, bool committed)
{
	struct entry *e, *next;
	uint32_t i;

	pthread_mutex_lock(&p->lock);
	for (e = p->batch; e; e = next) {
		next = e->next;
		if (drop(p, e, committed))
			continue;
		e->in_batch = false;
		e->next = p->fresh;
		p->fresh = e;
	}
	p->batch = NULL;
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->row_count; i++) {
		if (p->rows[i].in_batch && !committed)
			p->rows[i].row = 0;
		p->rows[i].in_batch = false;
		if (!committed)
			p->rows[i].told = 0;
	}
}
