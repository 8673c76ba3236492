/* From a database that was put aside: table by table, row by row, up to the
 * first that cannot be read. What journals know better is not asked for. */
#include "core/rebuild_internal.h"

#include <errno.h>
#include <stdio.h>

/* Made from journals and packs. */
static bool is_rebuilt(const char *table)
{
	static const char *const tables[] = {
		"branch",	"change",	"inode",      "entry",
		"version",	"xattr",	"orphan",     "counter",
		"journal",	"derived",	"pack",	      "object",
		"object_total", "result_total", "collection", "batch",
		"tile",		"change_more",	"sealed",     "merged",
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(tables); i++)
		if (!strcmp(tables[i], table))
			return true;
	return !strncmp(table, "sqlite_", 7);
}

/* Columns of a table, each in quotes with a comma behind it. */
static int list_columns(struct db *db, const char *table, struct buf *ret)
{
	const char *p;
	struct stmt *st;
	size_t n;
	int rc;

	st = db_prepare(db, "SELECT name FROM pragma_table_info(?1)", &rc);
	if (!st)
		return rc;
	stmt_text(st, 1, table, strlen(table));
	while ((rc = stmt_step(st)) > 0) {
		p = stmt_col_blob(st, 0, &n);
		buf_fmt(ret, "\"%.*s\",", (int)n, p);
	}
	stmt_free(st);
	return rc < 0 ? rc : buf_err(ret);
}

/* Those that both have, by name: the old one may be of another version. */
static int shared_columns(struct db *db, struct db *old, const char *table,
			  struct buf *ret)
{
	CLEANUP_BUF struct buf mine = BUF_INIT, theirs = BUF_INIT;
	const char *p, *end;
	int rc;

	rc = list_columns(db, table, &mine);
	if (rc == 0)
		rc = list_columns(old, table, &theirs);
	if (rc < 0)
		return rc;
	for (p = buf_cstr(&mine); *p; p = end) {
		end = p + strcspn(p, ",") + 1;
		if (theirs.len &&
		    memmem(theirs.data, theirs.len, p, (size_t)(end - p)))
			buf_add(ret, p, (size_t)(end - p));
	}
	if (ret->len)
		ret->data[--ret->len] = '\0';
	return buf_err(ret);
}

static void copy_value(struct stmt *from, struct stmt *to, int i, int type)
{
	const void *p;
	size_t n;

	switch (type) {
	case 1:
		stmt_int(to, i + 1, stmt_col_int(from, i));
		break;
	case 2:
		p = stmt_col_blob(from, i, &n);
		stmt_text(to, i + 1, p, n);
		break;
	case 3:
		p = stmt_col_blob(from, i, &n);
		stmt_blob(to, i + 1, n ? p : "", n);
		break;
	default:
		stmt_null(to, i + 1);
	}
}

/* A row is copied by itself, so that those before a damaged page are kept. */
static int copy_rows(struct db *db, struct db *old, const char *select,
		     const char *insert, int columns, uint64_t *rows)
{
	struct stmt *from, *to = NULL;
	int rc, i;

	from = db_prepare(old, select, &rc);
	if (from)
		to = db_prepare(db, insert, &rc);
	while (to && (rc = stmt_step(from)) > 0) {
		for (i = 0; i < columns; i++)
			copy_value(from, to, i,
				   (int)stmt_col_int(from, columns + i));
		rc = stmt_run(to);
		if (rc < 0)
			break;
		++*rows;
	}
	stmt_free(from);
	stmt_free(to);
	return rc;
}

static int copy_table(struct db *db, struct db *old, const char *table,
		      uint64_t *rows)
{
	CLEANUP_BUF struct buf columns = BUF_INIT, select = BUF_INIT;
	CLEANUP_BUF struct buf insert = BUF_INIT;
	const char *p, *end;
	int n = 0, i, rc;

	rc = shared_columns(db, old, table, &columns);
	if (rc < 0 || !columns.len)
		return rc;
	buf_fmt(&select, "SELECT %s", buf_cstr(&columns));
	for (p = buf_cstr(&columns); *p; p = end + strspn(end, ", ")) {
		end = p + strcspn(p, ",");
		buf_fmt(&select,
			", CASE typeof(%.*s) WHEN 'integer' THEN 1"
			" WHEN 'text' THEN 2 WHEN 'blob' THEN 3 ELSE 0 END",
			(int)(end - p), p);
		n++;
	}
	buf_fmt(&select, " FROM \"%s\"", table);
	buf_fmt(&insert, "INSERT OR REPLACE INTO \"%s\"(%s) VALUES (", table,
		buf_cstr(&columns));
	for (i = 1; i <= n; i++)
		buf_fmt(&insert, "%s?%d", i > 1 ? ", " : "", i);
	buf_str(&insert, ")");
	if (buf_err(&select) < 0 || buf_err(&insert) < 0)
		return -ENOMEM;
	return copy_rows(db, old, buf_cstr(&select), buf_cstr(&insert), n,
			 rows);
}

/* Of the new one, which is whole; names first. */
static int list_tables(struct db *db, struct buf *ret)
{
	const char *p;
	struct stmt *st;
	size_t n;
	int rc;

	st = db_prepare(db,
			"SELECT name FROM sqlite_schema WHERE type = 'table'"
			" ORDER BY name",
			&rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0) {
		p = stmt_col_blob(st, 0, &n);
		buf_add(ret, p, n);
		buf_u8(ret, '\0');
	}
	stmt_free(st);
	return rc < 0 ? rc : buf_err(ret);
}

/* A row that takes another's place goes by the triggers that count. */
static const char *const totals[] = {
	"DELETE FROM result_total",
	"INSERT INTO result_total SELECT 1, count(*),"
	" coalesce(sum(error <> 0), 0), coalesce(sum(max(bytes, 0)), 0),"
	" coalesce(sum(max(bytes, 0) * (dropped = 0)), 0),"
	" coalesce(sum(uses), 0),"
	" coalesce(sum(wall), 0), coalesce(sum(uses * wall), 0) FROM result",
};

int rebuild_salvage(struct db *db, const char *path, uint64_t *ret_rows,
		    uint64_t *ret_failures)
{
	CLEANUP_BUF struct buf tables = BUF_INIT;
	CLEANUP(db_closep) struct db *old = NULL;
	uint64_t rows = 0, failures = 0;
	const char *p;
	size_t i;
	int rc;

	rc = list_tables(db, &tables);
	if (rc < 0)
		return rc;
	if (db_open(path, DB_READONLY, &old, NULL) < 0) {
		*ret_rows = 0;
		*ret_failures = 1;
		return 0;
	}
	rc = db_begin(db);
	db_lock(old);
	for (p = buf_cstr(&tables); rc == 0 && *p; p += strlen(p) + 1)
		if (!is_rebuilt(p))
			failures += copy_table(db, old, p, &rows) < 0;
	db_unlock(old);
	for (i = 0; rc >= 0 && i < ARRAY_LEN(totals); i++)
		rc = db_run(db, totals[i]);
	if (rc >= 0)
		rc = db_commit(db);
	*ret_rows = rows;
	*ret_failures = failures;
	return rc;
}
