#include "core/merged.h"

#include "core/stmts.h"

int merged_upto(struct db *db, uint64_t into, uint64_t from, uint64_t *ret)
{
	struct stmt *st;
	int64_t upto = 0;
	int rc;

	st = db_prepare(db,
			"SELECT coalesce(max(upto), 0) FROM merged"
			" WHERE branch = ?1 AND source = ?2",
			&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)into);
	stmt_int(st, 2, (int64_t)from);
	rc = stmts_int(st, &upto);
	stmt_free(st);
	if (rc < 0)
		return rc;
	*ret = (uint64_t)upto;
	return 0;
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
