/* Rows of what nothing needs go, then the bytes: step 6 of the essay in gc.c.
 */
#include "cas/gc_internal.h"

#include <errno.h>

static int remove_row(struct gc *g, const struct object_row *r)
{
	int rc = dooms_remove(g->d, &r->addr);

	if (rc > 0) {
		g->report.objects++;
		g->report.bytes += r->loc.stored;
	}
	return rc;
}

/* Counts what stays, by packs; dry: what would. What has come in since is
 * somebody's, and neither. */
static int count_rows(struct gc *g, bool dry)
{
	const struct addr *after = NULL;
	struct gc_report *r = &g->report;
	struct object_row *row;
	struct addr last;
	int n, i;

	r->live = 0;
	while ((n = dooms_page(g->d, after, false, g->rows, GC_PAGE)) > 0) {
		if (gc_stopped(g))
			return -ECANCELED;
		for (i = 0; i < n; i++) {
			row = &g->rows[i];
			if (!dry || gc_is_live(g, row)) {
				r->live += gc_packs_count(g->packs, &row->loc);
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

static void report_packs(struct gc *g, const struct gc_pack_totals *t)
{
	g->report.packs_removed = t->removed;
	g->report.packs_rewritten = t->rewritten;
	g->report.freed = t->freed;
	g->report.left = t->left;
}

static int sweep_packs(struct gc *g)
{
	struct gc_pack_totals t = {0};
	int rc = gc_packs_number(g->packs);

	if (!rc)
		rc = count_rows(g, false);
	if (rc)
		return rc;
	gc_packs_plan(g->packs, g->purge ? 0 : g->o->percent, &t);
	gc_tell(g, "rewriting packs", 0, 0);
	rc = gc_packs_sweep(g->packs, gc_stopped, g, &t);
	report_packs(g, &t);
	return rc;
}

int gc_sweep(struct gc *g)
{
	int rc = gc_each_doomed(g, NULL, remove_row);

	if (!rc)
		rc = store_sync(g->s);
	return rc ? rc : sweep_packs(g);
}

/* What others have open counts as in step 5; what they are about to refer to
 * can only be guessed. */
int gc_count_dry(struct gc *g)
{
	struct gc_pack_totals t;
	int rc = gc_mark_all(g);

	if (!rc)
		rc = gc_mark_open(g);
	if (!rc)
		rc = count_rows(g, true);
	if (rc)
		return rc;
	gc_packs_plan(g->packs, g->purge ? 0 : g->o->percent, &t);
	report_packs(g, &t);
	return 0;
}
