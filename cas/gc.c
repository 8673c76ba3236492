/* Mark, doom, wait, look again, sweep.
 *
 * 1. Everything that rows refer to is marked, in short reads, while others go
 *    on writing. So some of what was referred to meanwhile is not marked.
 * 2. Every object that is not marked is doomed: its row says so, and is
 *    committed. From now on who puts the same bytes puts them anew, which takes
 *    the row over; so no new reference to a doomed object can come up, but from
 *    somebody who found it before.
 * 3. Those are waited for (cas/holds.h), until their rows are committed; or,
 *    when that takes too long, what they have found is let be.
 * 4. Everything is marked once more. Only what is new since step 1 costs
 *    anything. What is marked now is no longer doomed.
 * 5. The state says that readers who come only now to a doomed content come too
 *    late. What others have open is marked, too, with all it needs.
 * 6. Rows of what is still doomed are removed, some at a time. When that is
 *    durable, packs without rows are unlinked, and those with few are copied.
 *
 * References are copied from place to place in one direction only (from a
 * version to a later one, from a result to a derived name), and read in that
 * order, so that none slips by in step 4.
 *
 * Ended at any point, nothing is wrong: doomed objects are there and can be
 * read, or nothing needs them. In step 6 a tree may be left in parts; whoever
 * needs its content again puts all of its objects again.
 */
#include "cas/gc.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "cas/evict.h"
#include "cas/gc_mark.h"
#include "cas/gc_packs.h"
#include "cas/holds.h"
#include "core/clock.h"
#include "core/roots.h"
#include "core/settings.h"

#define PAGE	512
#define ROWS	320 /* written at a time */
#define ASK_NS	(2 * NSEC_PER_SEC)
#define TICK_NS (5 * NSEC_PER_SEC / 1000)

struct version_id {
	uint64_t ino, born;
};

struct gc {
	struct store *s;
	const struct gc_options *o;
	struct gc_report report;
	struct dooms *d;
	struct gc_packs *packs;
	struct marker *marker;
	struct survey *survey; /* since all were doomed */
	struct addrset *gone;  /* dry: versions and outputs that would go */
	struct version_id let_go[ROWS];
	size_t nlet_go;
	int lock_fd;
	bool finishing; /* is not stopped any more */
	uint64_t roots, total;
	struct object_row rows[PAGE];
};

static void gc_free(struct gc *g)
{
	if (!g)
		return;
	survey_free(g->survey);
	addrset_free(g->gone);
	marker_free(g->marker);
	gc_packs_free(g->packs);
	dooms_close(g->d);
	close_fdp(&g->lock_fd);
	free(g);
}
CLEANUP_FN(struct gc, gc_free)

static bool stopped(const struct gc *g)
{
	return !g->finishing && g->o->stop && g->o->stop(g->o->ctx);
}

static void tell(const struct gc *g, const char *what, uint64_t done,
		 uint64_t of)
{
	if (g->o->progress)
		g->o->progress(g->o->ctx, what, done, of);
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
}

/* --- rows, some at a time ------------------------------------------------ */

typedef int (*row_fn)(struct gc *g, const struct addr *a);

/* One transaction, and a short one. */
static int write_rows(struct gc *g, row_fn fn, const struct addr *list,
		      size_t n)
{
	struct db *db = store_db(g->s);
	size_t i;
	int rc = 0, end;

	if (!n)
		return 0;
	db_lock(db);
	for (i = 0; rc >= 0 && i < n; i++)
		rc = fn(g, &list[i]);
	end = db_commit(db);
	db_unlock(db);
	return rc < 0 ? rc : end;
}

static int set_state(struct gc *g, enum collection state)
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

static int doom(struct gc *g, const struct addr *a)
{
	return dooms_set(g->d, a, true);
}

static int spare(struct gc *g, const struct addr *a)
{
	return dooms_set(g->d, a, false);
}

static int take_away(struct gc *g, const struct addr *a)
{
	return dooms_remove(g->d, a);
}

/* --- before: versions ---------------------------------------------------- */

/* Something that a set can hold. */
static struct addr version_key(uint64_t ino, uint64_t born)
{
	struct addr a = {{0}};

	put_le64(a.b, ino);
	put_le64(a.b + 8, born);
	return a;
}

static int let_go_some(struct gc *g)
{
	struct db *db = store_db(g->s);
	size_t i;
	int rc = 0, end;

	db_lock(db);
	for (i = 0; !rc && i < g->nlet_go; i++)
		rc = retention_let_go(db, g->let_go[i].ino, g->let_go[i].born);
	end = db_commit(db);
	db_unlock(db);
	g->nlet_go = 0;
	return rc ? rc : end;
}

static int on_expired(void *ctx, uint64_t ino, uint64_t born)
{
	struct gc *g = ctx;
	struct addr key;
	int rc;

	if (!(++g->report.versions & 255) && stopped(g))
		return -ECANCELED;
	tell(g, "letting go of versions", g->report.versions, 0);
	if (g->o->dry) {
		key = version_key(ino, born);
		rc = addrset_add(g->gone, &key);
		return MIN(rc, 0);
	}
	g->let_go[g->nlet_go++] = (struct version_id){ino, born};
	return g->nlet_go == ROWS ? let_go_some(g) : 0;
}

static struct addr output_key(const struct addr *recipe,
			      const struct addr *output)
{
	struct addr a;
	size_t i;

	for (i = 0; i < ADDR_LEN; i++)
		a.b[i] = recipe->b[i] ^ output->b[i];
	return a;
}

static int on_evicted(void *ctx, const struct budget_row *row)
{
	struct addr key = output_key(&row->recipe, &row->addr);
	struct gc *g = ctx;
	int rc;

	tell(g, "dropping results", ++g->report.results, 0);
	if (!g->o->dry)
		return 0;
	rc = addrset_add(g->gone, &key);
	return MIN(rc, 0);
}

static bool evict_stop(void *ctx)
{
	return stopped(ctx);
}

static int evict(struct gc *g, uint64_t budget)
{
	const struct evict_options o = {
		.budget = budget,
		.dry = g->o->dry,
		.stop = evict_stop,
		.gone = on_evicted,
		.ctx = g,
	};
	struct eviction e = {0};
	int rc = evict_measure(g->s, evict_stop, g);

	if (!rc)
		rc = evict_run(g->s, dooms_reader(g->d), &o, &e);
	g->report.result_bytes = e.bytes;
	if (budget && e.kept > budget)
		g->report.over = e.kept - budget;
	return rc;
}

static int expire(struct gc *g)
{
	struct db *db = store_db(g->s);
	struct settings settings;
	int rc;

	db_lock(db);
	rc = settings_load(db, &settings);
	db_unlock(db);
	if (!rc && g->o->dry)
		rc = addrset_new(store_drafts_fd(g->s), 0, &g->gone);
	if (!rc)
		rc = retention_each(dooms_reader(g->d), &settings.retention,
				    clock_now_ns(), on_expired, g);
	if (!rc && g->nlet_go)
		rc = let_go_some(g);
	return rc ? rc : evict(g, settings.budget);
}

/* --- 1, 4: marking ------------------------------------------------------- */

static bool is_gone(const struct gc *g, const struct root *r)
{
	struct addr key = r->born ? version_key(r->ino, r->born)
				  : output_key(&r->recipe, &r->addr);

	return addrset_has(g->gone, &key);
}

static int mark_root(void *ctx, const struct root *r)
{
	struct gc *g = ctx;

	if (!(++g->roots & 1023)) {
		if (stopped(g))
			return -ECANCELED;
		tell(g, "looking at what is needed", marker_count(g->marker),
		     g->total);
	}
	if (g->gone && is_gone(g, r))
		return 0;
	return marker_add(g->marker, &r->addr);
}

static int mark_all(struct gc *g)
{
	struct db *reader = dooms_reader(g->d);
	int rc = ns_roots(reader, mark_root, g);

	return rc ? rc : results_roots(reader, mark_root, g);
}

/* Records of what happened stay for good. */
static bool is_live(struct gc *g, const struct object_row *r)
{
	return r->loc.kind == OBJ_JOURNAL || r->loc.kind == OBJ_RECIPE ||
	       marker_has(g->marker, &r->addr) ||
	       gc_packs_young(g->packs, &r->loc, g->o->spare_ns);
}

/* --- 2: dooming ---------------------------------------------------------- */

struct lists {
	struct addr doom[ROWS], spare[ROWS];
	size_t ndoom, nspare;
};

static int flush(struct gc *g, struct lists *l, size_t at_least)
{
	int rc = 0;

	if (l->ndoom >= at_least) {
		rc = write_rows(g, doom, l->doom, l->ndoom);
		l->ndoom = 0;
	}
	if (!rc && l->nspare >= at_least) {
		rc = write_rows(g, spare, l->spare, l->nspare);
		l->nspare = 0;
	}
	return rc;
}

static int doom_row(struct gc *g, struct lists *l, const struct object_row *r)
{
	bool live = is_live(g, r);

	if (!live && !r->loc.doomed)
		l->doom[l->ndoom++] = r->addr;
	if (live && r->loc.doomed)
		l->spare[l->nspare++] = r->addr;
	return flush(g, l, ROWS);
}

static int doom_all(struct gc *g)
{
	struct lists l = {.ndoom = 0};
	const struct addr *after = NULL;
	struct addr last;
	uint64_t done = 0;
	int n, i, rc = 0;

	while (!rc && (n = dooms_page(g->d, after, false, g->rows, PAGE))) {
		if (n < 0 || stopped(g))
			return n < 0 ? n : -ECANCELED;
		for (i = 0; !rc && i < n; i++)
			rc = doom_row(g, &l, &g->rows[i]);
		last = g->rows[n - 1].addr;
		after = &last;
		tell(g, "telling what can go", done += (uint64_t)n, g->total);
	}
	return rc ? rc : flush(g, &l, 1);
}

/* What is doomed, by pages; fn says which rows `write` is for, if any. */
static int each_doomed(struct gc *g,
		       int (*fn)(struct gc *g, const struct addr *a),
		       row_fn write)
{
	struct addr list[PAGE], last;
	const struct addr *after = NULL;
	size_t count, at, k;
	int n, i, rc = 0;

	while (!rc && (n = dooms_page(g->d, after, true, g->rows, PAGE))) {
		if (n < 0 || stopped(g))
			return n < 0 ? n : -ECANCELED;
		count = 0;
		for (i = 0; rc >= 0 && i < n; i++) {
			rc = fn(g, &g->rows[i].addr);
			if (rc > 0)
				list[count++] = g->rows[i].addr;
		}
		rc = MIN(rc, 0);
		for (at = 0; !rc && at < count; at += k) {
			k = MIN(count - at, (size_t)ROWS);
			rc = write_rows(g, write, list + at, k);
		}
		last = g->rows[n - 1].addr;
		after = &last;
	}
	return rc;
}

/* --- 3: waiting ---------------------------------------------------------- */

static int wait_for_others(struct gc *g)
{
	int64_t end = clock_mono_ns() + g->o->patience_ns;
	int rc = survey_new(store_holds(g->s), &g->survey);

	if (rc)
		return rc;
	survey_turn(g->survey);
	while ((g->report.busy = survey_busy(g->survey)) &&
	       clock_mono_ns() < end) {
		if (stopped(g))
			return -ECANCELED;
		tell(g, "waiting for who is writing", 0, 0);
		nap();
	}
	return survey_settle(g->survey);
}

/* --- 4, 5: looking again ------------------------------------------------- */

static int is_wanted(struct gc *g, const struct addr *a)
{
	return marker_has(g->marker, a) || survey_found(g->survey, a);
}

static int look_again(struct gc *g)
{
	int rc = mark_all(g);

	return rc ? rc : each_doomed(g, is_wanted, spare);
}

static int mark_kept(struct gc *g, const struct addr *a)
{
	return survey_keeps(g->survey, a) ? marker_add(g->marker, a) : 0;
}

static int is_marked(struct gc *g, const struct addr *a)
{
	return marker_has(g->marker, a);
}

/* A content that is open may be held by a reader who came while it was doomed.
 */
static int spare_open(struct gc *g)
{
	int rc;

	survey_free(steal(&g->survey));
	rc = survey_new(store_holds(g->s), &g->survey);
	if (!rc)
		rc = each_doomed(g, mark_kept, spare);
	return rc ? rc : each_doomed(g, is_marked, spare);
}

/* --- 6: sweeping --------------------------------------------------------- */

static int remove_some(struct gc *g, const struct addr *a)
{
	(void)g;
	(void)a;
	return 1;
}

/* Counts what stays, by packs; dry: what would. */
static int count_rows(struct gc *g, bool dry)
{
	const struct addr *after = NULL;
	struct gc_report *r = &g->report;
	struct object_row *row;
	struct addr last;
	int n, i;

	r->live = 0;
	while ((n = dooms_page(g->d, after, false, g->rows, PAGE)) > 0) {
		if (stopped(g))
			return -ECANCELED;
		for (i = 0; i < n; i++) {
			row = &g->rows[i];
			if (!dry || is_live(g, row)) {
				gc_packs_count(g->packs, &row->loc);
				r->live++;
			} else {
				r->objects++;
				r->bytes += row->loc.stored;
			}
		}
		last = g->rows[n - 1].addr;
		after = &last;
	}
	return n;
}

static int sweep_packs(struct gc *g)
{
	struct gc_pack_totals t = {0};
	int rc = gc_packs_number(g->packs);

	if (!rc)
		rc = count_rows(g, false);
	if (rc)
		return rc;
	gc_packs_plan(g->packs, g->o->percent, &t);
	tell(g, "rewriting packs", 0, 0);
	rc = gc_packs_sweep(g->packs, g->o->stop, g->o->ctx, &t);
	g->report.packs_removed = t.removed;
	g->report.packs_rewritten = t.rewritten;
	g->report.freed = t.freed;
	g->report.left = t.left;
	return rc;
}

static int totals(struct gc *g, struct object_totals *ret)
{
	struct db *db = store_db(g->s);
	int rc;

	db_lock(db);
	rc = objects_totals(store_objects(g->s), ret);
	db_unlock(db);
	return rc;
}

/* All rows that go, then the bytes. */
static int sweep(struct gc *g)
{
	struct object_totals before, after;
	int rc = totals(g, &before);

	if (!rc)
		rc = each_doomed(g, remove_some, take_away);
	if (!rc)
		rc = totals(g, &after);
	if (rc)
		return rc;
	g->report.objects = before.objects - MIN(before.objects, after.objects);
	g->report.bytes = before.stored - MIN(before.stored, after.stored);
	rc = store_sync(g->s);
	return rc ? rc : sweep_packs(g);
}

/* --- the whole ----------------------------------------------------------- */

static int take_lock(struct gc *g)
{
	int rc;

	while ((rc = holds_lock(store_dir_fd(g->s), &g->lock_fd)) == -EAGAIN) {
		if (stopped(g))
			return -ECANCELED;
		tell(g, "waiting for another collection", 0, 0);
		nap();
	}
	return rc;
}

/* Who writes to a pack lets go of it, so that it can be looked at: mounts, and
 * what ends soon. */
static int ask_others(struct gc *g)
{
	CLEANUP(survey_freep) struct survey *s = NULL;
	int64_t end = clock_mono_ns() + ASK_NS;
	int rc = survey_new(store_holds(g->s), &s);

	if (rc)
		return rc;
	survey_ask(s);
	rc = store_finish_pack(g->s);
	if (rc)
		return rc;
	while ((rc = gc_packs_busy(g->s)) > 0 && clock_mono_ns() < end) {
		if (stopped(g))
			return -ECANCELED;
		nap();
	}
	return MIN(rc, 0);
}

static int prepare(struct gc *g, struct err *err)
{
	CLEANUP_FREE char *path = NULL;
	struct object_totals t;
	int rc;

	if (asprintf(&path, "%s/deriva.db", store_path(g->s)) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	rc = dooms_open(store_objects(g->s), path, &g->d, err);
	if (!rc && !g->o->dry)
		rc = ask_others(g);
	if (!rc)
		rc = gc_packs_new(g->s, g->d, g->o->dry, &g->packs);
	if (!rc)
		rc = gc_packs_number(g->packs);
	if (!rc)
		rc = totals(g, &t);
	if (rc)
		return rc;
	g->total = t.objects;
	return marker_new(g->s, t.objects, &g->marker);
}

/* What others have open counts as in step 5; what they are about to refer to
 * can only be guessed. */
static int count_dry(struct gc *g)
{
	struct gc_pack_totals t;
	const struct addr *after = NULL;
	struct addr last;
	int n = 0, i, rc = mark_all(g);

	if (!rc)
		rc = survey_new(store_holds(g->s), &g->survey);
	while (!rc && (n = dooms_page(g->d, after, false, g->rows, PAGE)) > 0) {
		for (i = 0; !rc && i < n; i++)
			if (!is_live(g, &g->rows[i]))
				rc = mark_kept(g, &g->rows[i].addr);
		last = g->rows[n - 1].addr;
		after = &last;
	}
	if (!rc)
		rc = n < 0 ? n : count_rows(g, true);
	if (rc)
		return rc;
	gc_packs_plan(g->packs, g->o->percent, &t);
	g->report.packs_removed = t.removed;
	g->report.packs_rewritten = t.rewritten;
	g->report.freed = t.freed;
	g->report.left = t.left;
	return 0;
}

static int collect(struct gc *g)
{
	int rc = set_state(g, COLLECTION_DOOMING);

	if (!rc)
		rc = mark_all(g);
	if (!rc)
		rc = doom_all(g);
	if (!rc)
		rc = wait_for_others(g);
	if (!rc)
		rc = look_again(g);
	if (rc) {
		/* all is as it was: nobody needs to put anything anew */
		g->finishing = true;
		if (rc != -EIO && each_doomed(g, remove_some, spare) < 0)
			log_debug("collection: objects stay doomed");
		return rc;
	}
	rc = set_state(g, COLLECTION_FINAL);
	if (!rc)
		rc = spare_open(g);
	if (!rc)
		rc = sweep(g);
	return rc ? rc : set_state(g, COLLECTION_NONE);
}

/* So that those who have packs open that are gone close them. */
static void ask_to_close(struct gc *g)
{
	CLEANUP(survey_freep) struct survey *s = NULL;

	if (!survey_new(store_holds(g->s), &s))
		survey_ask(s);
}

int gc_run(struct store *s, const struct gc_options *o, struct gc_report *ret,
	   struct err *err)
{
	CLEANUP(gc_freep) struct gc *g = calloc(1, sizeof(*g));
	struct err why = {{0}};
	int rc;

	if (!g)
		return err_set(err, -ENOMEM, "%s", err_name(-ENOMEM));
	g->s = s;
	g->o = o;
	g->lock_fd = -1;
	rc = take_lock(g);
	if (!rc)
		rc = prepare(g, &why);
	if (!rc)
		rc = expire(g);
	if (!rc)
		rc = o->dry ? count_dry(g) : collect(g);
	if (!rc || rc == -ECANCELED || rc == -ENOSPC)
		*ret = g->report;
	if (!rc && !o->dry && g->report.freed)
		ask_to_close(g);
	if (rc == -EUCLEAN)
		return err_set(err, rc,
			       "%s: a part of what is needed is damaged, so "
			       "that nobody knows what else is: nothing was "
			       "removed; run deriva fsck",
			       store_path(s));
	return rc ? err_set(err, rc, "%s: %s", store_path(s),
			    why.msg[0] ? why.msg : err_name(rc))
		  : 0;
}
