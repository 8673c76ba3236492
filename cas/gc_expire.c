/* What is let go of before anything is marked: versions beyond what the setting
 * keeps, and results over the budget. Rows only. */
#include "cas/gc_internal.h"

#include <errno.h>
#include <unistd.h>

#include "cas/evict.h"
#include "cas/forget.h"
#include "core/clock.h"
#include "core/forgotten.h"
#include "core/journal.h"
#include "core/settings.h"
#include "core/untold.h"

/* --- the history --------------------------------------------------------- */

static struct ns_by collector(void)
{
	return (struct ns_by){.uid = (uint32_t)geteuid(),
			      .pid = (uint32_t)getpid(),
			      .program = "deriva gc"};
}

static int put_journal(void *ctx, enum obj_kind kind, const void *p, size_t n,
		       struct addr *ret)
{
	return store_put(ctx, kind, p, n, ret);
}

static int open_own(struct gc *g)
{
	struct db *db = store_db(g->s);
	struct err err;
	int rc = ns_open(db, (uint32_t)geteuid(), (uint32_t)getegid(),
			 &g->own_ns, &err);

	if (!rc)
		rc = journal_open(db, &g->own_journal);
	if (rc)
		return rc;
	journal_set_put(g->own_journal, put_journal, g->s);
	ns_set_journal(g->own_ns, g->own_journal);
	g->ns = g->own_ns;
	return db_commit(db);
}

/* What is let go of is a change, whoever has the history open. */
static int open_history(struct gc *g)
{
	const struct ns_by by = collector();
	struct db *db = store_db(g->s);
	int rc = 0;

	db_lock(db);
	g->ns = g->o->ns;
	if (!g->ns)
		rc = open_own(g);
	if (!rc)
		rc = untold_tell(g->ns, &by);
	db_unlock(db);
	/* what was begun and not ended */
	return rc ? rc : forget_finish(g->s, g->ns);
}

void gc_history_close(struct gc *g)
{
	struct db *db = store_db(g->s);

	if (!g->own_ns)
		return;
	db_lock(db);
	if (db_in_batch(db))
		db_rollback(db);
	ns_close(steal(&g->own_ns));
	journal_close(steal(&g->own_journal));
	db_unlock(db);
	g->ns = NULL;
}

/* --- versions ------------------------------------------------------------ */

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
	const struct ns_by by = collector();
	struct db *db = store_db(g->s);
	int64_t began = clock_mono_ns();
	int rc, end;

	db_lock(db);
	rc = retention_let_go(g->ns, &by, g->let_go, g->nlet_go);
	end = db_commit(db);
	db_unlock(db);
	pace_took(&g->pace, g->nlet_go, clock_mono_ns() - began);
	g->nlet_go = 0;
	return rc ? rc : end;
}

static int on_expired(void *ctx, uint64_t ino, uint64_t born)
{
	struct gc *g = ctx;
	struct addr key;
	int rc;

	if (!(++g->report.versions & 255) && gc_stopped(g))
		return -ECANCELED;
	gc_tell(g, "letting go of versions", g->report.versions, 0);
	if (g->o->dry) {
		key = version_key(ino, born);
		rc = addrset_add(g->gone, &key);
		return MIN(rc, 0);
	}
	g->let_go[g->nlet_go++] = (struct version_id){ino, born};
	return g->nlet_go >= pace_rows(&g->pace, PACE_MOST) ? let_go_some(g)
							    : 0;
}

/* --- results ------------------------------------------------------------- */

static struct addr output_key(const struct addr *recipe,
			      const struct addr *output)
{
	struct addr a;
	size_t i;

	for (i = 0; i < ADDR_LEN; i++)
		a.b[i] = recipe->b[i] ^ output->b[i];
	return a;
}

bool gc_is_gone(const struct gc *g, const struct root *r)
{
	struct addr key = r->born ? version_key(r->ino, r->born)
				  : output_key(&r->recipe, &r->addr);

	return g->gone && addrset_has(g->gone, &key);
}

static int on_evicted(void *ctx, const struct budget_row *row)
{
	struct addr key = output_key(&row->recipe, &row->addr);
	struct gc *g = ctx;
	int rc;

	gc_tell(g, "dropping results", ++g->report.results, 0);
	if (!g->o->dry)
		return 0;
	rc = addrset_add(g->gone, &key);
	return MIN(rc, 0);
}

static int evict(struct gc *g, uint64_t budget)
{
	const struct evict_options o = {
		.budget = budget,
		.dry = g->o->dry,
		.stop = gc_stopped,
		.gone = on_evicted,
		.ctx = g,
		.ns = g->ns,
	};
	struct eviction e = {0};
	int rc = evict_measure(g->s, gc_stopped, g);

	if (!rc)
		rc = evict_run(g->s, dooms_reader(g->d), &o, &e);
	g->report.result_bytes = e.bytes;
	if (budget && e.kept > budget)
		g->report.over = e.kept - budget;
	return rc;
}

static int on_old(void *ctx, const struct addr *a)
{
	struct gc *g = ctx;
	int rc = addrset_add(g->forgotten, a);

	return MIN(rc, 0);
}

/* Values of journals that others have taken the place of. */
static int load_forgotten(struct gc *g)
{
	struct db *db = store_db(g->s);
	int rc = addrset_new(store_drafts_fd(g->s), 0, &g->forgotten);

	if (rc)
		return rc;
	db_lock(db);
	rc = forgotten_each_old(db, on_old, g);
	if (!rc)
		rc = forgotten_purge(db);
	db_unlock(db);
	/* who spares what is young cannot free everything */
	g->purge = rc > 0 && !g->o->spare_ns;
	return MIN(rc, 0);
}

int gc_expire(struct gc *g)
{
	struct db *db = store_db(g->s);
	struct settings settings;
	int rc;

	db_lock(db);
	rc = settings_load(db, &settings);
	db_unlock(db);
	if (!rc && g->o->dry)
		rc = addrset_new(store_drafts_fd(g->s), 0, &g->gone);
	else if (!rc)
		rc = open_history(g);
	if (!rc)
		rc = load_forgotten(g);
	if (!rc)
		rc = retention_each(dooms_reader(g->d), &settings.retention,
				    clock_now_ns(), on_expired, g);
	if (!rc && g->nlet_go)
		rc = let_go_some(g);
	return rc ? rc : evict(g, settings.budget);
}
