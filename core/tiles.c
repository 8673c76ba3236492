#include "core/tiles.h"

#include <errno.h>

#include "core/stmts.h"

enum { COUNT, GET, OF_CHANGE, PUT, HEAD, PUT_HEAD, HEADS, N_STMTS };

/* clang-format off */
static const char *const sql[N_STMTS] = {
	[COUNT] = "SELECT coalesce(max(pos) + 1, 0) FROM tile WHERE level = ?1",
	[GET] = "SELECT level, pos, hash, seq, journal, leaf FROM tile"
		" WHERE level = ?1 AND pos = ?2",
	[OF_CHANGE] = "SELECT level, pos, hash, seq, journal, leaf"
		      " FROM tile INDEXED BY tile_seq WHERE level = 1"
		      " AND seq >= ?1 ORDER BY seq, pos LIMIT 1",
	[PUT] = "INSERT OR REPLACE INTO tile(level, pos, hash, seq, journal,"
		" leaf) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[HEAD] = "SELECT size, root, seq, time, key, signature FROM head"
		 " WHERE size = ?1",
	[PUT_HEAD] = "INSERT OR REPLACE INTO head(size, root, seq, time, key,"
		     " signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[HEADS] = "SELECT size, root, seq, time, key, signature FROM head"
		  " ORDER BY size",
};
/* clang-format on */

struct tiles {
	struct db *db;
	struct stmts stmts;
};

int tiles_open(struct db *db, struct tiles **ret)
{
	struct tiles *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return -ENOMEM;
	t->db = db;
	rc = stmts_init(&t->stmts, db, sql, N_STMTS);
	if (rc < 0) {
		free(t);
		return rc;
	}
	*ret = t;
	return 0;
}

void tiles_close(struct tiles *t)
{
	if (!t)
		return;
	stmts_done(&t->stmts);
	free(t);
}

static int blob(struct stmt *st, int i, void *to, size_t want)
{
	size_t n;
	const void *p = stmt_col_blob(st, i, &n);

	if (n != want)
		return -EUCLEAN;
	memcpy(to, p, n);
	return 0;
}

int tiles_count(struct tiles *t, unsigned level, uint64_t *ret)
{
	struct stmt *st;
	int64_t n = 0;
	int rc;

	st = stmts_get(&t->stmts, COUNT, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, level);
	rc = stmts_int(st, &n);
	if (rc < 0)
		return rc;
	*ret = (uint64_t)n;
	return 0;
}

static int one_tile(struct stmt *st, struct tile *ret)
{
	struct tile tile;
	int rc = stmt_step(st);

	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	tile.level = (unsigned)stmt_col_int(st, 0);
	tile.pos = (uint64_t)stmt_col_int(st, 1);
	tile.seq = (uint64_t)stmt_col_int(st, 3);
	tile.leaf = (uint32_t)stmt_col_int(st, 5);
	rc = blob(st, 2, tile.hash.b, ADDR_LEN);
	if (rc >= 0)
		rc = blob(st, 4, tile.journal.b, ADDR_LEN);
	stmt_reset(st);
	if (rc >= 0)
		*ret = tile;
	return rc;
}

int tiles_get(struct tiles *t, unsigned level, uint64_t pos, struct tile *ret)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&t->stmts, GET, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, level);
	stmt_int(st, 2, (int64_t)pos);
	return one_tile(st, ret);
}

int tiles_of_change(struct tiles *t, uint64_t seq, struct tile *ret)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&t->stmts, OF_CHANGE, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)seq);
	return one_tile(st, ret);
}

int tiles_put(struct tiles *t, const struct tile *tile)
{
	struct stmt *st;
	int rc = db_begin(t->db);

	if (rc < 0)
		return rc;
	st = stmts_get(&t->stmts, PUT, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, tile->level);
	stmt_int(st, 2, (int64_t)tile->pos);
	stmt_blob(st, 3, tile->hash.b, ADDR_LEN);
	stmt_int(st, 4, (int64_t)tile->seq);
	stmt_blob(st, 5, tile->journal.b, ADDR_LEN);
	stmt_int(st, 6, tile->leaf);
	return stmt_run(st);
}

static int column_head(struct stmt *st, struct tile_head *ret)
{
	struct tile_head h = {
		.size = (uint64_t)stmt_col_int(st, 0),
		.seq = (uint64_t)stmt_col_int(st, 2),
		.time_ns = stmt_col_int(st, 3),
	};
	int rc = blob(st, 1, h.root.b, ADDR_LEN);

	if (rc >= 0)
		rc = blob(st, 4, h.key, sizeof(h.key));
	if (rc >= 0)
		rc = blob(st, 5, h.signature, sizeof(h.signature));
	if (rc >= 0)
		*ret = h;
	return rc;
}

int tiles_head(struct tiles *t, uint64_t size, struct tile_head *ret)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&t->stmts, HEAD, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)size);
	rc = stmt_step(st);
	if (rc <= 0)
		return rc;
	rc = column_head(st, ret);
	stmt_reset(st);
	return rc < 0 ? rc : 1;
}

int tiles_put_head(struct tiles *t, const struct tile_head *h)
{
	struct stmt *st;
	int rc = db_begin(t->db);

	if (rc < 0)
		return rc;
	st = stmts_get(&t->stmts, PUT_HEAD, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)h->size);
	stmt_blob(st, 2, h->root.b, ADDR_LEN);
	stmt_int(st, 3, (int64_t)h->seq);
	stmt_int(st, 4, h->time_ns);
	stmt_blob(st, 5, h->key, sizeof(h->key));
	stmt_blob(st, 6, h->signature, sizeof(h->signature));
	return stmt_run(st);
}

int tiles_each_head(struct tiles *t,
		    int (*fn)(void *ctx, const struct tile_head *h), void *ctx)
{
	struct tile_head h;
	struct stmt *st;
	int rc;

	st = stmts_take(&t->stmts, HEADS, &rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0) {
		rc = column_head(st, &h);
		if (rc == 0)
			rc = fn(ctx, &h);
		if (rc != 0)
			break;
	}
	stmts_give(&t->stmts, HEADS, st);
	return rc;
}
