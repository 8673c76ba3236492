/* Rows that are needed and rows that are not: steps 1 to 5 of the essay in
 * gc.c. */
#include "cas/gc_internal.h"

#include <errno.h>

#include "core/clock.h"

/* --- rows, some at a time ------------------------------------------------ */

/* One transaction, and a short one. */
static int write_some(struct gc *g, gc_row_fn fn, const struct object_row *list,
		      size_t n)
{
	struct db *db = store_db(g->s);
	int64_t began;
	size_t i;
	int rc = 0, end;

	db_lock(db);
	began = clock_mono_ns();
	for (i = 0; rc >= 0 && i < n; i++)
		rc = fn(g, &list[i]);
	end = db_commit(db);
	pace_took(&g->pace, n, clock_mono_ns() - began);
	db_unlock(db);
	return rc < 0 ? rc : end;
}

static int write_rows(struct gc *g, gc_row_fn fn, const struct object_row *list,
		      size_t n)
{
	size_t at, k;
	int rc = 0;

	for (at = 0; !rc && at < n; at += k) {
		if (gc_stopped(g))
			return -ECANCELED;
		k = pace_rows(&g->pace, n - at);
		rc = write_some(g, fn, list + at, k);
	}
	return rc;
}

int gc_set_state(struct gc *g, enum collection state)
{
	struct db *db = store_db(g->s);
	int rc;

	db_lock(db);
	rc = dooms_set_state(g->d, state, clock_now_ns());
	if (!rc)
		rc = db_commit(db);
	db_unlock(db);
	return rc;
}

static int doom(struct gc *g, const struct object_row *r)
{
	return dooms_set(g->d, &r->addr, true);
}

static int spare(struct gc *g, const struct object_row *r)
{
	g->spared++;
	return dooms_set(g->d, &r->addr, false);
}

int gc_each_doomed(struct gc *g,
		   int (*fn)(struct gc *g, const struct object_row *r),
		   gc_row_fn write)
{
	struct object_row list[GC_PAGE];
	const struct addr *after = NULL;
	struct addr last;
	size_t count;
	int n, i, rc = 0;

	while (!rc && (n = dooms_page(g->d, after, true, g->rows, GC_PAGE))) {
		if (n < 0 || gc_stopped(g))
			return n < 0 ? n : -ECANCELED;
		count = 0;
		last = g->rows[n - 1].addr;
		for (i = 0; rc >= 0 && i < n; i++) {
			rc = fn ? fn(g, &g->rows[i]) : 1;
			if (rc > 0)
				list[count++] = g->rows[i];
		}
		rc = MIN(rc, 0);
		if (!rc && count)
			rc = write_rows(g, write, list, count);
		after = &last;
	}
	return rc;
}

/* --- 1, 4: marking ------------------------------------------------------- */

static int mark_root(void *ctx, const struct root *r)
{
	struct gc *g = ctx;

	if (!(++g->roots & 1023)) {
		if (gc_stopped(g))
			return -ECANCELED;
		gc_tell(g, "looking at what is needed", marker_count(g->marker),
			g->total);
	}
	if (g->gone && gc_is_gone(g, r))
		return 0;
	g->root = *r;
	return marker_add(g->marker, &r->addr);
}

int gc_mark_all(struct gc *g)
{
	struct db *reader = dooms_reader(g->d);
	int rc = ns_roots(reader, mark_root, g);

	return rc ? rc : results_roots(reader, mark_root, g);
}

bool gc_is_live(struct gc *g, const struct object_row *r)
{
	if (r->loc.kind == OBJ_JOURNAL)
		return !addrset_has(g->forgotten, &r->addr);
	return r->loc.kind == OBJ_RECIPE || marker_has(g->marker, &r->addr) ||
	       gc_packs_young(g->packs, &r->loc, g->o->spare_ns);
}

/* --- 2: dooming ---------------------------------------------------------- */

struct lists {
	struct object_row doom[GC_PAGE], spare[GC_PAGE];
	size_t ndoom, nspare;
};

static int flush(struct gc *g, struct lists *l)
{
	int rc = write_rows(g, doom, l->doom, l->ndoom);

	if (!rc)
		rc = write_rows(g, spare, l->spare, l->nspare);
	l->ndoom = l->nspare = 0;
	return rc;
}

static void judge(struct gc *g, struct lists *l, const struct object_row *r)
{
	bool live = gc_is_live(g, r);

	if (!live && !r->loc.doomed)
		l->doom[l->ndoom++] = *r;
	if (live && r->loc.doomed)
		l->spare[l->nspare++] = *r;
}

int gc_doom_all(struct gc *g)
{
	CLEANUP_FREE struct lists *l = calloc(1, sizeof(*l));
	const struct addr *after = NULL;
	struct addr last;
	uint64_t done = 0;
	int n, i, rc = l ? 0 : -ENOMEM;

	while (!rc && (n = dooms_page(g->d, after, false, g->rows, GC_PAGE))) {
		if (n < 0 || gc_stopped(g))
			return n < 0 ? n : -ECANCELED;
		for (i = 0; i < n; i++)
			judge(g, l, &g->rows[i]);
		last = g->rows[n - 1].addr;
		after = &last;
		rc = flush(g, l);
		gc_tell(g, "telling what can go", done += (uint64_t)n,
			g->total);
	}
	return rc;
}

/* --- 3: waiting ---------------------------------------------------------- */

int gc_wait_for_others(struct gc *g)
{
	int64_t end = clock_mono_ns() + g->o->patience_ns;
	int rc = survey_new(store_holds(g->s), &g->survey);

	if (rc)
		return rc;
	survey_turn(g->survey);
	while ((g->report.busy = survey_busy(g->survey)) &&
	       clock_mono_ns() < end) {
		if (gc_stopped(g))
			return -ECANCELED;
		gc_tell(g, "waiting for who is writing", 0, 0);
		gc_nap();
	}
	return survey_settle(g->survey);
}

/* --- 4, 5: looking again ------------------------------------------------- */

static int is_wanted(struct gc *g, const struct object_row *r)
{
	return marker_has(g->marker, &r->addr) ||
	       survey_found(g->survey, &r->addr);
}

int gc_look_again(struct gc *g)
{
	int rc = gc_mark_all(g);

	return rc ? rc : gc_each_doomed(g, is_wanted, spare);
}

static int mark_kept(struct gc *g, const struct object_row *r)
{
	if (!survey_keeps(g->survey, &r->addr))
		return 0;
	g->root = (struct root){.addr = r->addr};
	return marker_add(g->marker, &r->addr);
}

static int is_marked(struct gc *g, const struct object_row *r)
{
	return marker_has(g->marker, &r->addr);
}

/* A content that is open may be held by a reader who came while it was doomed.
 */
int gc_spare_open(struct gc *g)
{
	int rc;

	survey_free(steal(&g->survey));
	g->spared = 0;
	rc = survey_new(store_holds(g->s), &g->survey);
	if (!rc)
		rc = gc_each_doomed(g, mark_kept, spare);
	return rc ? rc : gc_each_doomed(g, is_marked, spare);
}

int gc_mark_open(struct gc *g)
{
	const struct addr *after = NULL;
	struct addr last;
	int n = 0, i, rc = survey_new(store_holds(g->s), &g->survey);

	while (!rc &&
	       (n = dooms_page(g->d, after, false, g->rows, GC_PAGE)) > 0) {
		if (gc_stopped(g))
			return -ECANCELED;
		for (i = 0; !rc && i < n; i++)
			if (!gc_is_live(g, &g->rows[i]))
				rc = mark_kept(g, &g->rows[i]);
		last = g->rows[n - 1].addr;
		after = &last;
	}
	return rc ? rc : MIN(n, 0);
}

int gc_spare_all(struct gc *g)
{
	return gc_each_doomed(g, NULL, spare);
}
