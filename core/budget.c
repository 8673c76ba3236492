#include "core/budget.h"

#include <errno.h>

#include "core/clock.h"
#include "core/map.h"
#include "core/results.h"

#define PAGE 256

/* --- the setting --------------------------------------------------------- */

int budget_parse(const char *text, uint64_t *ret, struct err *err)
{
	uint64_t bytes = 0;

	if (strcmp(text, "none") &&
	    (size_parse(text, &bytes) < 0 || !bytes || bytes > INT64_MAX))
		return err_set(err, -EINVAL,
			       "budget `%s`: it is `none` or how many bytes of "
			       "derived files are kept (as in 500M, 10G)",
			       text);
	*ret = bytes;
	return 0;
}

/* As it is read back: nothing is rounded. */
void budget_format(uint64_t budget, struct buf *ret)
{
	static const char units[] = "KMGT";
	size_t i = 0;

	if (!budget) {
		buf_str(ret, "none");
		return;
	}
	while (i < sizeof(units) - 1 && !(budget & 1023)) {
		budget >>= 10;
		i++;
	}
	buf_fmt(ret, "%llu", (unsigned long long)budget);
	if (i)
		buf_add(ret, &units[i - 1], 1);
}

int budget_kept(struct db *db, uint64_t *ret)
{
	struct stmt *st;
	int rc;

	st = db_prepare(db, "SELECT kept FROM result_total WHERE id = 1", &rc);
	if (!st)
		return rc;
	rc = stmt_step(st);
	if (rc > 0)
		*ret = (uint64_t)MAX(stmt_col_int(st, 0), 0);
	stmt_free(st);
	return rc > 0 ? 0 : rc < 0 ? rc : -EUCLEAN;
}

/* --- pins ---------------------------------------------------------------- */

/* What pinned names hold, and what names below pinned directories do. A name
 * that is not pinned itself is looked at only when a directory is. */
struct pinned {
	struct db *reader;
	struct map *recipes;
	struct map *dirs;  /* pinned */
	struct map *known; /* of directories, whether they lie below one */
};

static char yes, no;

static void pinned_done(struct pinned *p)
{
	map_free(p->recipes);
	map_free(p->dirs);
	map_free(p->known);
}

static int load_recipes(struct pinned *p, const char *sql,
			bool (*wanted)(struct pinned *p, uint64_t dir, int *rc))
{
	const void *recipe;
	struct stmt *st;
	size_t n;
	int rc;

	st = db_prepare(p->reader, sql, &rc);
	while (st && (rc = stmt_step(st)) > 0) {
		recipe = stmt_col_blob(st, 0, &n);
		rc = n == ADDR_LEN ? 0 : -EUCLEAN;
		if (!rc &&
		    (!wanted || wanted(p, (uint64_t)stmt_col_int(st, 1), &rc)))
			rc = map_put(p->recipes, recipe, ADDR_LEN, &yes, NULL);
		if (rc < 0)
			break;
	}
	stmt_free(st);
	return rc;
}

static int load_dirs(struct pinned *p)
{
	struct stmt *st;
	int rc;

	st = db_prepare(p->reader, "SELECT ino FROM pin WHERE ino <> 0", &rc);
	while (st && (rc = stmt_step(st)) > 0) {
		rc = map_put_u64(p->dirs, (uint64_t)stmt_col_int(st, 0), &yes);
		if (rc < 0)
			break;
	}
	stmt_free(st);
	return rc;
}

static int parent_of(struct db *reader, uint64_t dir, uint64_t *ret)
{
	struct stmt *st;
	int rc;

	st = db_prepare(reader,
			"SELECT parent FROM entry INDEXED BY entry_ino"
			" WHERE branch = 1 AND ino = ?1 AND died IS NULL",
			&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	rc = stmt_step(st);
	if (rc > 0)
		*ret = (uint64_t)stmt_col_int(st, 0);
	stmt_free(st);
	return rc;
}

static bool below_pinned(struct pinned *p, uint64_t dir, int *ret_rc)
{
	uint64_t at = dir;
	const char *known = map_get_u64(p->known, dir);
	int rc = 1, depth;

	if (known)
		return known == &yes;
	known = &no;
	for (depth = 0; rc > 0 && depth < 4096; depth++) {
		if (map_get_u64(p->dirs, at)) {
			known = &yes;
			break;
		}
		rc = at == NS_ROOT ? 0 : parent_of(p->reader, at, &at);
	}
	if (rc >= 0)
		rc = map_put_u64(p->known, dir, (void *)(uintptr_t)known);
	*ret_rc = rc;
	return known == &yes;
}

static int load_pinned(struct pinned *p)
{
	int rc;

	p->recipes = map_new();
	p->dirs = map_new();
	p->known = map_new();
	if (!p->recipes || !p->dirs || !p->known)
		return -ENOMEM;
	/* a branch shows what those show that it was made from */
	rc = load_recipes(
		p,
		"WITH RECURSIVE line(of, id) AS (SELECT DISTINCT branch, branch"
		" FROM pin UNION SELECT l.of, b.parent FROM line AS l"
		" JOIN branch AS b ON b.id = l.id WHERE b.parent > 0)"
		" SELECT (SELECT d.recipe FROM derived AS d"
		" WHERE d.branch = l.id AND d.dir = p.dir"
		" AND d.name = p.name ORDER BY d.seq DESC LIMIT 1)"
		" AS r FROM pin AS p JOIN line AS l ON l.of = p.branch"
		" WHERE p.ino = 0 AND r IS NOT NULL",
		NULL);
	if (!rc)
		rc = load_dirs(p);
	if (!rc && map_count(p->dirs))
		rc = load_recipes(p,
				  "SELECT recipe, dir, max(seq) FROM derived"
				  " WHERE branch = 1 GROUP BY dir, name",
				  below_pinned);
	return rc;
}

/* --- what may go --------------------------------------------------------- */

struct rows {
	struct budget_row row[PAGE];
	int64_t worth, id; /* of the last one */
};

static int take_row(struct stmt *st, struct budget_row *r)
{
	int rc = stmt_col_addr(st, 0, &r->recipe);

	r->bytes = (uint64_t)MAX(stmt_col_int(st, 2), 0);
	r->worth = stmt_col_int(st, 3);
	r->is_dir = stmt_col_int(st, 4) == OUTPUT_DIR;
	return rc ? rc : stmt_col_addr(st, 1, &r->addr);
}

static int read_page(struct db *reader, struct rows *p)
{
	struct stmt *st;
	int rc, n = 0;

	st = db_prepare(reader,
			"SELECT recipe, address, bytes, worth, executable,"
			" rowid FROM result INDEXED BY result_worth"
			" WHERE dropped = 0 AND error = 0"
			" AND reproducible <> 0 AND keep <> 1"
			" AND (worth, rowid) > (?1, ?2)"
			" AND bytes > 0 AND address IS NOT NULL"
			" ORDER BY worth, rowid LIMIT ?3",
			&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, p->worth);
	stmt_int(st, 2, p->id);
	stmt_int(st, 3, PAGE);
	while ((rc = stmt_step(st)) > 0) {
		rc = take_row(st, &p->row[n++]);
		p->worth = stmt_col_int(st, 3);
		p->id = stmt_col_int(st, 5);
		if (rc < 0)
			break;
	}
	stmt_free(st);
	return rc < 0 ? rc : n;
}

static int each_row(struct pinned *pins,
		    int (*fn)(void *ctx, const struct budget_row *row),
		    void *ctx)
{
	CLEANUP_FREE struct rows *p = calloc(1, sizeof(*p));
	int rc = p ? 0 : -ENOMEM, n, i;

	if (p)
		p->worth = INT64_MIN;
	do {
		db_lock(pins->reader);
		n = rc ? rc : read_page(pins->reader, p);
		db_unlock(pins->reader);
		rc = MIN(n, 0);
		for (i = 0; !rc && i < n; i++)
			if (!map_get(pins->recipes, p->row[i].recipe.b,
				     ADDR_LEN))
				rc = fn(ctx, &p->row[i]);
	} while (!rc && n == PAGE);
	return MIN(rc, 0);
}

int budget_each(struct db *reader,
		int (*fn)(void *ctx, const struct budget_row *row), void *ctx)
{
	struct pinned p = {.reader = reader};
	int rc;

	db_lock(reader);
	rc = load_pinned(&p);
	db_unlock(reader);
	if (!rc)
		rc = each_row(&p, fn, ctx);
	pinned_done(&p);
	return rc;
}

static int set_age(struct db *db, int64_t age)
{
	struct stmt *st;
	int rc;

	st = db_prepare(db,
			"UPDATE collection SET age = max(age, ?1)"
			" WHERE id = 1",
			&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, age);
	rc = stmt_run(st);
	stmt_free(st);
	return rc;
}

int budget_let_go(struct db *db, const struct budget_row *row)
{
	struct stmt *st;
	int rc = db_begin(db);

	if (rc < 0)
		return rc;
	st = db_prepare(db,
			"UPDATE result SET dropped = 1 WHERE recipe = ?1"
			" AND worth = ?2 AND address = ?3 AND dropped = 0"
			" AND reproducible <> 0",
			&rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, row->recipe.b, ADDR_LEN);
	stmt_int(st, 2, row->worth);
	stmt_blob(st, 3, row->addr.b, ADDR_LEN);
	rc = stmt_run(st);
	stmt_free(st);
	if (rc < 0 || !db_changes(db))
		return rc;
	rc = set_age(db, row->worth);
	return rc < 0 ? rc : 1;
}

/* --- bytes of directories ------------------------------------------------ */

int budget_unknown(struct db *reader, struct budget_row *ret, size_t max)
{
	struct stmt *st;
	size_t n = 0;
	int rc;

	st = db_prepare(reader,
			"SELECT recipe, address, 0, worth, executable"
			" FROM result INDEXED BY result_unknown"
			" WHERE bytes = -1 AND dropped = 0"
			" AND address IS NOT NULL LIMIT ?1",
			&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)max);
	while (n < max && (rc = stmt_step(st)) > 0) {
		rc = take_row(st, &ret[n++]);
		if (rc < 0)
			break;
	}
	stmt_free(st);
	return rc < 0 ? rc : (int)n;
}

int budget_known(struct db *db, const struct budget_row *row, uint64_t bytes)
{
	struct stmt *st;
	int rc = db_begin(db);

	if (rc < 0)
		return rc;
	st = db_prepare(db,
			"UPDATE result SET bytes = ?3, worth = " BUDGET_WORTH(
				"wall", "uses",
				"?3") " WHERE recipe = ?1 AND address = ?2 AND "
				      "bytes = -1",
			&rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, row->recipe.b, ADDR_LEN);
	stmt_blob(st, 2, row->addr.b, ADDR_LEN);
	stmt_int(st, 3, bytes > INT64_MAX ? -2 : (int64_t)bytes);
	rc = stmt_run(st);
	stmt_free(st);
	return rc;
}
