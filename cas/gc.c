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
 * 5. All that was seen is made durable: a power cut must not take a change back
 *    when what it replaced is gone. Then the state says that readers who come
 *    only now to a doomed content come too late. What others have open is
 *    marked, too, with all it needs.
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
#include "cas/gc_internal.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "core/branch.h"
#include "core/clock.h"
#include "core/forgotten.h"
#include "core/stmts.h"

#define ASK_NS	(2 * NSEC_PER_SEC)
#define TICK_NS (5 * NSEC_PER_SEC / 1000)

static void gc_free(struct gc *g)
{
	if (!g)
		return;
	gc_history_close(g);
	survey_free(g->survey);
	addrset_free(g->gone);
	addrset_free(g->forgotten);
	marker_free(g->marker);
	gc_packs_free(g->packs);
	dooms_close(g->d);
	close_fdp(&g->lock_fd);
	free(g);
}
CLEANUP_FN(struct gc, gc_free)

bool gc_stopped(void *ctx)
{
	const struct gc *g = ctx;

	return g->o->stop && g->o->stop(g->o->ctx);
}

void gc_tell(const struct gc *g, const char *what, uint64_t done, uint64_t of)
{
	if (g->o->progress)
		g->o->progress(g->o->ctx, what, done, of);
}

void gc_nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
}

/* --- before -------------------------------------------------------------- */

static int take_lock(struct gc *g)
{
	int rc;

	while ((rc = holds_lock(store_dir_fd(g->s), &g->lock_fd)) == -EAGAIN) {
		if (gc_stopped(g))
			return -ECANCELED;
		gc_tell(g, "waiting for another collection", 0, 0);
		gc_nap();
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
		if (gc_stopped(g))
			return -ECANCELED;
		gc_nap();
	}
	return MIN(rc, 0);
}

static int count_all(struct gc *g)
{
	struct db *db = store_db(g->s);
	struct object_totals t;
	int rc;

	db_lock(db);
	rc = objects_totals(store_objects(g->s), &t);
	db_unlock(db);
	if (!rc)
		g->total = t.objects;
	return rc;
}

static int prepare(struct gc *g, struct err *err)
{
	CLEANUP_FREE char *path = NULL;
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
		rc = count_all(g);
	return rc ? rc : marker_new(g->s, g->total, gc_stopped, g, &g->marker);
}

/* --- the whole ----------------------------------------------------------- */

/* Rows of branches that were removed, once that is durable. */
static int sweep_branches(struct gc *g)
{
	struct db *db = store_db(g->s);
	struct stmt *st;
	int64_t last = 0;
	int rc = 0;

	if (g->o->dry)
		return 0;
	db_lock(db);
	st = db_prepare(db, "SELECT coalesce(max(seq), 0) FROM change", &rc);
	if (st)
		rc = MIN(stmts_int(st, &last), 0);
	stmt_free(st);
	db_unlock(db);
	if (!rc)
		rc = store_sync(g->s);
	db_lock(db);
	if (!rc)
		rc = branches_sweep(db, (uint64_t)last);
	if (rc > 0)
		rc = db_commit(db);
	db_unlock(db);
	return rc;
}

static int find_doomed(struct gc *g)
{
	int rc = sweep_branches(g);

	if (!rc)
		rc = gc_set_state(g, COLLECTION_DOOMING);
	if (!rc)
		rc = gc_mark_all(g);
	if (!rc)
		rc = gc_doom_all(g);
	if (!rc)
		rc = gc_wait_for_others(g);
	return rc ? rc : gc_look_again(g);
}

/* Everything went; else the next one has to free everything, too. */
static int end_purge(struct gc *g)
{
	struct db *db = store_db(g->s);
	int rc;

	if (!g->purge)
		return 0;
	rc = db_purge(db);
	if (rc < 0 && rc != -EBUSY)
		return rc;
	if (rc || g->spared || g->report.busy || g->report.left) {
		g->report.held = g->spared + g->report.busy + 1;
		return 0;
	}
	db_lock(db);
	rc = forgotten_set_purge(db, false);
	if (rc >= 0)
		rc = db_commit(db);
	db_unlock(db);
	return MIN(rc, 0);
}

/* What is doomed when this is stopped stays so until the next time: it can be
 * read, and who puts it puts it anew. */
static int collect(struct gc *g)
{
	int rc = find_doomed(g);

	if (rc) {
		if (rc == -EUCLEAN && gc_spare_all(g) < 0)
			log_debug("collection: objects stay doomed");
		return rc;
	}
	rc = store_sync(g->s);
	if (!rc)
		rc = gc_set_state(g, COLLECTION_FINAL);
	if (!rc)
		rc = gc_spare_open(g);
	if (!rc)
		rc = gc_sweep(g);
	if (!rc)
		rc = end_purge(g);
	return rc ? rc : gc_set_state(g, COLLECTION_NONE);
}

/* So that those who have packs open that are gone close them. */
static void ask_to_close(struct gc *g)
{
	CLEANUP(survey_freep) struct survey *s = NULL;

	if (!survey_new(store_holds(g->s), &s))
		survey_ask(s);
}

/* Whose content it is. */
static void name_root(struct gc *g, struct buf *ret)
{
	struct db *db = store_db(g->s);
	char hex[ADDR_HEX];
	int rc = -ENOENT;

	if (!addr_is_zero(&g->root.recipe)) {
		addr_hex(&g->root.recipe, hex);
		buf_fmt(ret, "the result of the computation %s", hex);
		return;
	}
	if (g->root.ino && g->ns) {
		db_lock(db);
		rc = ns_path(g->ns, g->root.born, g->root.ino, ret);
		db_unlock(db);
	}
	if (rc < 0) {
		buf_reset(ret);
		addr_hex(&g->root.addr, hex);
		buf_fmt(ret, "the content %s", hex);
	} else {
		buf_fmt(ret, " as of @%llu", (unsigned long long)g->root.born);
	}
}

static int tell_damage(struct gc *g, struct err *err)
{
	CLEANUP_BUF struct buf name = BUF_INIT;
	char hex[ADDR_HEX];

	name_root(g, &name);
	addr_hex(marker_damaged(g->marker), hex);
	return err_set(err, -EUCLEAN,
		       "%s: object %.16s is damaged or missing, a part of %s: "
		       "nobody can tell what else that needs, so nothing was "
		       "removed; run deriva fsck --repair, or deriva put with "
		       "the same content; if it is lost for good, collection "
		       "goes on when retention lets go of that version",
		       store_path(g->s), hex, buf_cstr(&name));
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
		rc = gc_expire(g);
	if (!rc)
		rc = o->dry ? gc_count_dry(g) : collect(g);
	if (!rc || rc == -ECANCELED || rc == -ENOSPC)
		*ret = g->report;
	if (!rc && !o->dry && g->report.freed)
		ask_to_close(g);
	if (rc == -EUCLEAN && g->marker &&
	    !addr_is_zero(marker_damaged(g->marker)))
		return tell_damage(g, err);
	return rc ? err_set(err, rc, "%s: %s", store_path(s),
			    why.msg[0] ? why.msg : err_name(rc))
		  : 0;
}
