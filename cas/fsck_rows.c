/* Rows: pages and indexes, the namespace, and the chain of journals, from its
 * newest to its first. */
#include "cas/fsck_internal.h"

#include <errno.h>
#include <inttypes.h>

#include "cas/mlog.h"
#include "core/check.h"
#include "core/forgotten.h"
#include "core/journal.h"

static void found_row(void *ctx, const char *what)
{
	struct fsck *f = ctx;

	f->rows_bad = true;
	fsck_say(f, FSCK_ROWS, FSCK_DAMAGED, "deriva.db", "%s", what);
}

static void found_total(void *ctx, const char *what)
{
	struct fsck *f = ctx;

	f->totals_bad = true;
	fsck_say(f, FSCK_ROWS, FSCK_DAMAGED, "deriva.db", "%s", what);
}

int fsck_unreadable(struct fsck *f, int rc)
{
	if (rc != -EBADMSG && rc != -EUCLEAN && rc != -EIO)
		return rc;
	if (f->rows_bad)
		return 0; /* it is known by now */
	f->rows_bad = true;
	fsck_say(f, FSCK_ROWS, FSCK_DAMAGED, "deriva.db",
		 "cannot be read whole: %s",
		 rc == -EBADMSG ? "bytes on the disk have changed"
				: err_name(rc));
	return 0;
}

/* --- the chain -------------------------------------------------------------
 */

static int broken(struct fsck *f, const struct addr *a, uint64_t before,
		  const char *what)
{
	struct bad b;
	int rc;

	f->journal_bad = true;
	rc = fsck_probe(f, a, &b);
	b.excused = true;
	if (rc == -EBADMSG || rc == -ENOENT)
		rc = fsck_add_bad(f, &b);
	if (rc < 0)
		return rc;
	fsck_found(f, (struct fsck_finding){.kind = FSCK_JOURNAL,
					    .state = FSCK_DAMAGED,
					    .where = b.pack,
					    .what = what,
					    .addr = a,
					    .offset = b.offset,
					    .change = before});
	return 0;
}

/* 1: bytes; 0: told. */
static int get(struct fsck *f, const struct addr *a, uint64_t before,
	       const char *what, struct buf *ret)
{
	enum obj_kind kind = OBJ_JOURNAL;
	struct bad b;
	int rc = fsck_probe(f, a, &b); /* says nothing, as store_get does */

	if (!rc)
		rc = store_get(f->store, a, &kind, ret);
	if (!rc && kind == OBJ_JOURNAL)
		return 1;
	if (rc == 0 || rc == -ENOENT || rc == -EBADMSG || rc == -EIO)
		return broken(f, a, before, what);
	return rc;
}

/* One journal: 1 and *at moves to the one before, 0 the end of the chain. */
static int check_one(struct fsck *f, struct journal_check *j, struct addr *at,
		     uint64_t *before)
{
	CLEANUP_BUF struct buf journal = BUF_INIT, clear = BUF_INIT;
	struct addr clear_now;
	struct journal_info info;
	int rc;

	rc = get(f, at, *before,
		 "the journal of the changes up to here is damaged or missing, "
		 "and all before it are out of reach",
		 &journal);
	if (rc <= 0)
		return rc;
	rc = journal_decode(journal.data, journal.len, &info, NULL, NULL);
	if (rc == -EBADMSG)
		return broken(f, at, *before, "this is no journal");
	if (rc < 0)
		return rc;
	if (info.first_seq >= *before && *before)
		return broken(f, at, *before, "the chain runs in a circle");
	rc = forgotten_now(f->db, &info.clear, &clear_now);
	if (rc < 0)
		return rc;
	rc = get(f, &clear_now, info.first_seq,
		 "the values of a journal are damaged or missing", &clear);
	if (rc > 0) {
		rc = journal_check_add(j, journal.data, journal.len, clear.data,
				       clear.len);
		if (rc == -EBADMSG)
			rc = broken(f, &clear_now, info.first_seq,
				    "the values are not those of the journal");
	}
	if (rc < 0)
		return rc;
	*before = info.first_seq;
	*at = info.prev;
	return addr_is_zero(at) ? 0 : 1;
}

static int check_chain(struct fsck *f, const struct check *c)
{
	CLEANUP(journal_check_freep) struct journal_check *j = NULL;
	CLEANUP(journal_closep) struct journal *chain = NULL;
	uint64_t before = 0, total = ns_last_change(f->ns);
	struct addr at;
	int rc;

	rc = journal_check_new(c, &j);
	if (!rc)
		rc = journal_open(f->db, &chain);
	if (rc < 0)
		return rc;
	rc = journal_head(chain, &at, NULL);
	if (rc == -ENOENT)
		return total ? (found_row(f,
					  "there are changes, but no journal"),
				0)
			     : 0;
	if (rc < 0)
		return rc;
	do {
		fsck_progress(f, "journals", before ? total - before : 0,
			      total);
		rc = check_one(f, j, &at, &before);
	} while (rc > 0);
	return rc < 0 || f->journal_bad ? rc : journal_check_end(j);
}

/* What is remembered of the log, and the heads that were signed. */
static int check_log(struct fsck *f)
{
	CLEANUP(peek_closep) struct peek *p = NULL;
	struct err err = {{0}};
	int rc = peek_open(f->path, &p, &err);

	fsck_progress(f, "the log", 0, 0);
	return rc < 0 ? rc : mlog_check(p, found_row, f);
}

int fsck_check_rows(struct fsck *f)
{
	struct check c = {.db = f->db,
			  .found = found_row,
			  .total = found_total,
			  .ctx = f};
	int rc;

	f->journal_bad = f->totals_bad = false;
	db_lock(f->db);
	f->sums.changes = ns_last_change(f->ns);
	fsck_progress(f, "rows", 0, 0);
	rc = check_begin(&c);
	if (rc >= 0) {
		rc = check_pages(&c);
		if (rc >= 0)
			rc = check_namespace(&c);
		if (rc >= 0 && !f->rows_bad)
			rc = check_chain(f, &c);
		check_end(&c);
		if (rc >= 0 && !f->rows_bad && !f->journal_bad)
			rc = check_log(f);
	}
	db_unlock(f->db);
	return fsck_unreadable(f, rc);
}
