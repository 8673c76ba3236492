#include "core/merged.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "core/branch.h"
#include "core/map.h"
#include "core/stmts.h"

#define TIP ((uint64_t)INT64_MAX - 1)

/* --- what a branch has ---------------------------------------------------- */

/* Branches, and up to which change each is had, + 1; and those whose own
 * ancestry has to be looked at still. */
struct known {
	struct db *db;
	struct map *upto;
	struct buf todo; /* branch, change */
	bool made;	 /* only by how branches were made */
};

static void known_done(struct known *k)
{
	map_free(k->upto);
	buf_done(&k->todo);
}

static uint64_t known_of(const struct known *k, uint64_t branch)
{
	return (uint64_t)(uintptr_t)map_get_u64(k->upto, branch);
}

static int have(struct known *k, uint64_t branch, uint64_t at)
{
	if (known_of(k, branch) > at)
		return 0;
	buf_u64(&k->todo, branch);
	buf_u64(&k->todo, at);
	if (buf_err(&k->todo) < 0)
		return -ENOMEM;
	return map_put_u64(k->upto, branch, (void *)(uintptr_t)(at + 1));
}

/* Merges that were made before a branch was are of another one, which had its
 * number. */
static int have_merged(struct known *k, const struct branch *b, uint64_t at)
{
	struct stmt *st;
	int rc;

	st = db_prepare(k->db,
			"SELECT m.source, max(m.upto) FROM merged AS m"
			" JOIN branch AS s ON s.id = m.source"
			" WHERE m.branch = ?1 AND m.seq <= ?2 AND m.seq > ?3"
			" AND m.seq > s.born GROUP BY m.source",
			&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)b->id);
	stmt_int(st, 2, (int64_t)at);
	stmt_int(st, 3, (int64_t)b->born);
	while ((rc = stmt_step(st)) > 0) {
		rc = have(k, (uint64_t)stmt_col_int(st, 0),
			  (uint64_t)stmt_col_int(st, 1));
		if (rc < 0)
			break;
	}
	stmt_free(st);
	return rc;
}

static int have_of(struct known *k, uint64_t branch, uint64_t at)
{
	struct branch b;
	int rc = branch_get(k->db, branch, &b);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc; /* its rows have gone */
	if (b.parent)
		rc = have(k, b.parent, MIN(at, b.forked_at));
	return rc < 0 || k->made ? rc : have_merged(k, &b, at);
}

static int find_known(struct db *db, uint64_t branch, uint64_t at,
		      struct known *k)
{
	struct cur c;
	size_t done;
	int rc;

	k->db = db;
	k->upto = map_new();
	rc = k->upto ? have(k, branch, at) : -ENOMEM;
	for (done = 0; rc == 0 && done < k->todo.len; done += 16) {
		c = cur_of(k->todo.data + done, 16);
		branch = cur_u64(&c);
		at = cur_u64(&c);
		if (known_of(k, branch) ==
		    at + 1) /* else more of it is known */
			rc = have_of(k, branch, at);
	}
	return rc;
}

/* --- where two begin ------------------------------------------------------ */

/* The last change that a branch had made by then, so that two can be compared:
 * who has the other's is the newer one. */
static int last_of(struct db *db, const struct branch *b, uint64_t at,
		   uint64_t *ret)
{
	int64_t last = 0;
	struct stmt *st;
	int rc;

	st = db_prepare(db,
			"SELECT seq FROM change WHERE branch = ?1"
			" AND seq <= ?2 ORDER BY seq DESC LIMIT 1",
			&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)b->id);
	stmt_int(st, 2, (int64_t)at);
	rc = stmts_int(st, &last);
	stmt_free(st);
	if (rc < 0)
		return rc;
	*ret = MIN(at, MAX((uint64_t)last, b->forked_at));
	return 0;
}

static int newest(const struct known *ours, const struct known *theirs,
		  struct merged_base *ret)
{
	const void *key;
	struct branch b;
	uint64_t id, at, last = 0, best = 0;
	size_t it = 0, len;
	bool any = false;
	int rc;

	while (map_next(ours->upto, &it, &key, &len, NULL)) {
		memcpy(&id, key, sizeof(id));
		at = MIN(known_of(ours, id), known_of(theirs, id));
		if (!at--)
			continue;
		rc = branch_get(ours->db, id, &b);
		if (rc == -ENOENT || (rc == 0 && b.removed))
			continue; /* cannot be read any more */
		if (rc == 0)
			rc = last_of(ours->db, &b, at, &last);
		if (rc < 0)
			return rc;
		if (any && last <= best)
			continue;
		best = last;
		ret->branch = id;
		ret->at = at;
		any = true;
	}
	return any ? 0 : -EUCLEAN; /* all come from main */
}

/* What the base has of `from`, or of what that was made from, whole. What it
 * has by merges may differ in what was kept against them. */
static int find_since(struct db *db, uint64_t from, const struct known *base,
		      uint64_t *ret)
{
	struct branch b = {.parent = from};
	uint64_t limit = TIP, since = 0;
	int rc = 0;

	while (rc == 0 && b.parent) {
		since = MAX(since, MIN(known_of(base, b.parent), limit + 1));
		rc = branch_get(db, b.parent, &b);
		limit = MIN(limit, b.forked_at);
	}
	*ret = since ? since - 1 : 0;
	return rc;
}

int merged_base(struct db *db, uint64_t into, uint64_t from,
		struct merged_base *ret)
{
	CLEANUP(known_done) struct known ours = {0}, theirs = {0};
	CLEANUP(known_done) struct known base = {.made = true};
	struct merged_base b = {0};
	int rc = find_known(db, into, TIP, &ours);

	if (rc == 0)
		rc = find_known(db, from, TIP, &theirs);
	if (rc == 0)
		rc = newest(&ours, &theirs, &b);
	if (rc == 0)
		rc = find_known(db, b.branch, b.at, &base);
	if (rc == 0)
		rc = find_since(db, from, &base, &b.since);
	if (rc == 0)
		*ret = b;
	return rc;
}

int merged_note(struct db *db, uint64_t seq, uint64_t into, uint64_t from,
		uint64_t upto)
{
	struct stmt *st;
	int rc;

	st = db_prepare(db,
			"INSERT INTO merged(seq, branch, source, upto)"
			" VALUES (?1, ?2, ?3, ?4)",
			&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)seq);
	stmt_int(st, 2, (int64_t)into);
	stmt_int(st, 3, (int64_t)from);
	stmt_int(st, 4, (int64_t)upto);
	rc = stmt_run(st);
	stmt_free(st);
	return rc;
}
