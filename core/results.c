#include "core/results.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/budget.h"
#include "core/journal.h"
#include "core/stmts.h"

enum {
	RECIPE_PUT,
	RECIPE_GET,
	RESULT_PUT,
	RESULT_GET,
	RESULT_USED,
	RESULT_FORGET,
	RESULT_LET_GO,
	RESULT_KEEP,
	RESULT_JUDGE,
	MACHINE_ADD,
	MACHINE_SET,
	MACHINE_GET,
	OUTPUT_PUT,
	OUTPUT_GET,
	RESULT_TOTALS,
	DERIVED_PUT,
	DERIVED_GET,
	DERIVED_HISTORY,
	DERIVED_NAMES,
	RESULT_ALL,
	DERIVED_ALL,
	DERIVED_AFTER,
	DERIVED_BACK,
	RESULT_DROP,
	N_STMTS,
};

#define RESULT_COLUMNS                                                       \
	"error, executable, reproducible, address, size, wall, cpu, memory," \
	" time, text, text_size, uses, last_use, message, dropped, keep"

#define DERIVED_COLUMNS                                                    \
	"recipe, error, address, size, executable, ran, seq, since, last," \
	" before"

/* clang-format off */
static const char *const sql[N_STMTS] = {
	[RECIPE_PUT] =
		"INSERT OR IGNORE INTO recipe(address, bytes) VALUES (?1, ?2)",
	[RECIPE_GET] = "SELECT bytes FROM recipe WHERE address = ?1",

	[RESULT_PUT] =
		"INSERT INTO result(recipe, error, executable,"
		" reproducible, address, size, wall, cpu, memory, time, text,"
		" text_size, uses, last_use, message, bytes, keep,"
		" worth)"
		" VALUES (?1, ?2, ?3, ?4,"
		" ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,"
		" ?16, ?17, " BUDGET_WORTH("?7", "?13", "?16") ")"
		" ON CONFLICT(recipe) DO UPDATE SET error = ?2,"
		" executable = ?3, reproducible = ?4, address = ?5, size = ?6,"
		" wall = ?7, cpu = ?8, memory = ?9, time = ?10, text = ?11,"
		" text_size = ?12, uses = ?13, last_use = ?14, message = ?15,"
		" dropped = 0, bytes = ?16, keep = ?17,"
		" worth = excluded.worth",
	[RESULT_GET] =
		"SELECT " RESULT_COLUMNS " FROM result WHERE recipe = ?1",
	[RESULT_USED] =
		"UPDATE result SET uses = uses + 1, last_use = ?2,"
		" worth = " BUDGET_WORTH("wall", "uses + 1", "bytes")
		" WHERE recipe = ?1 RETURNING uses",
	[RESULT_FORGET] =
		"DELETE FROM result WHERE recipe = ?1 AND error <> 0",
	[RESULT_LET_GO] =
		"UPDATE result SET dropped = 1 WHERE recipe = ?1"
		" AND error = 0 AND address IS NOT NULL RETURNING 1",
	[RESULT_KEEP] = "UPDATE result SET keep = ?2 WHERE recipe = ?1",
	[RESULT_JUDGE] =
		"UPDATE result SET reproducible = ?2 WHERE recipe = ?1",
	[MACHINE_ADD] = "INSERT OR IGNORE INTO machine(text) VALUES (?1)",
	[MACHINE_SET] =
		"UPDATE result SET machine = (SELECT id FROM machine"
		" WHERE text = ?2) WHERE recipe = ?1",
	[MACHINE_GET] =
		"SELECT m.text FROM result r JOIN machine m ON m.id = r.machine"
		" WHERE r.recipe = ?1",
	[OUTPUT_PUT] = "INSERT OR IGNORE INTO output(address, recipe, name)"
		       " VALUES (?1, ?2, ?3)",
	[OUTPUT_GET] = "SELECT recipe, name FROM output WHERE address = ?1",
	[RESULT_TOTALS] =
		"SELECT results, failures, bytes, uses, wall, saved, kept"
		" FROM result_total WHERE id = 1",

	[DERIVED_PUT] =
		"INSERT INTO derived(branch, dir, name, recipe, error,"
		" address, size, executable, ran, seq, since, last, before)"
		" VALUES (#B, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
		" ?12)",
	[DERIVED_GET] =
		"SELECT " DERIVED_COLUMNS " FROM derived WHERE branch = #B"
		" AND dir = ?1 AND name = ?2 AND seq <= ?3"
		" ORDER BY seq DESC LIMIT 1",
	[DERIVED_HISTORY] =
		"SELECT " DERIVED_COLUMNS " FROM derived WHERE branch = #B"
		" AND dir = ?1 AND name = ?2 ORDER BY seq",
	[DERIVED_NAMES] =
		"WITH RECURSIVE line(id, upto) AS (SELECT #B, ?2 UNION ALL"
		" SELECT b.parent, min(b.forked_at, l.upto)"
		" FROM line AS l JOIN branch AS b ON b.id = l.id"
		" WHERE b.parent > 0)"
		" SELECT DISTINCT name FROM line AS l JOIN derived AS d"
		" ON d.branch = l.id WHERE d.dir = ?1 AND d.seq <= l.upto"
		" ORDER BY name",

	[RESULT_ALL] =
		"SELECT " RESULT_COLUMNS ", recipe FROM result ORDER BY recipe",
	[DERIVED_ALL] =
		"SELECT " DERIVED_COLUMNS ", dir, name FROM derived"
		" WHERE branch = #B ORDER BY dir, name, seq",
	[DERIVED_AFTER] = "SELECT " DERIVED_COLUMNS ", dir, name FROM derived"
			  " WHERE seq > ?1",
	[DERIVED_BACK] = "DELETE FROM derived WHERE seq > ?1",
	[RESULT_DROP] = "DELETE FROM result WHERE recipe = ?1",
};
/* clang-format on */

struct results {
	struct db *db;
	struct ns *ns;
	struct stmts stmts;
	struct results *base; /* of a branch: up to its fork */
};

int results_open(struct db *db, struct ns *ns, struct results **ret)
{
	struct results *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	r->db = db;
	r->ns = ns;
	rc = stmts_init(&r->stmts, db, sql, N_STMTS);
	if (rc < 0) {
		free(r);
		return rc;
	}
	if (ns)
		stmts_set_branch(&r->stmts, ns_branch(ns));
	if (ns && ns_base(ns))
		rc = results_open(db, ns_base(ns), &r->base);
	if (rc < 0) {
		results_close(r);
		return rc;
	}
	*ret = r;
	return 0;
}

void results_close(struct results *r)
{
	if (!r)
		return;
	db_lock(r->db);
	stmts_done(&r->stmts);
	db_unlock(r->db);
	results_close(r->base);
	free(r);
}

/* --- recipes ------------------------------------------------------------- */

int results_put_recipe(struct results *r, const struct addr *recipe,
		       const void *bytes, size_t n)
{
	struct stmt *st;
	int rc;

	rc = db_begin(r->db);
	if (rc < 0)
		return rc;
	st = stmts_get(&r->stmts, RECIPE_PUT, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	stmt_blob(st, 2, bytes, n);
	return stmt_run(st);
}

/* The one column of a row that goes by a recipe's address. */
static int get_bytes(struct results *r, unsigned which,
		     const struct addr *recipe, struct buf *ret)
{
	const void *p;
	struct stmt *st;
	size_t n;
	int rc;

	st = stmts_get(&r->stmts, which, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	rc = stmt_step(st);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	p = stmt_col_blob(st, 0, &n);
	buf_add(ret, p, n);
	stmt_reset(st);
	return buf_err(ret);
}

int results_get_recipe(struct results *r, const struct addr *recipe,
		       struct buf *ret)
{
	return get_bytes(r, RECIPE_GET, recipe, ret);
}

/* --- results ------------------------------------------------------------- */

static int column_result(struct stmt *st, struct result *ret)
{
	const void *p;
	size_t n;
	int rc;

	ret->error = (int)stmt_col_int(st, 0);
	ret->executable = stmt_col_int(st, 1) == OUTPUT_EXECUTABLE;
	ret->is_dir = stmt_col_int(st, 1) == OUTPUT_DIR;
	ret->reproducible = stmt_col_int(st, 2);
	ret->size = (uint64_t)stmt_col_int(st, 4);
	ret->wall_ns = stmt_col_int(st, 5);
	ret->cpu_ns = stmt_col_int(st, 6);
	ret->memory = (uint64_t)stmt_col_int(st, 7);
	ret->when_ns = stmt_col_int(st, 8);
	ret->text_size = (uint64_t)stmt_col_int(st, 10);
	ret->uses = (uint64_t)stmt_col_int(st, 11);
	ret->last_use_ns = stmt_col_int(st, 12);
	p = stmt_col_blob(st, 13, &n);
	n = MIN(n, sizeof(ret->message) - 1);
	memcpy(ret->message, p, n);
	ret->message[n] = '\0';
	ret->dropped = stmt_col_int(st, 14);
	ret->keep = (int)stmt_col_int(st, 15);
	rc = stmt_col_addr(st, 3, &ret->addr);
	return rc < 0 ? rc : stmt_col_addr(st, 9, &ret->text);
}

int results_get(struct results *r, const struct addr *recipe,
		struct result *ret)
{
	struct result res = {.recipe = *recipe};
	struct stmt *st;
	int rc;

	st = stmts_get(&r->stmts, RESULT_GET, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	rc = stmt_step(st);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	rc = column_result(st, &res);
	stmt_reset(st);
	if (rc == 0)
		*ret = res;
	return rc;
}

int results_put(struct results *r, const struct result *result)
{
	size_t len = strnlen(result->message, sizeof(result->message) - 1);
	struct stmt *st;
	int rc;

	if (result->error < 0)
		return -EINVAL;
	rc = db_begin(r->db);
	if (rc < 0)
		return rc;
	st = stmts_get(&r->stmts, RESULT_PUT, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, result->recipe.b, ADDR_LEN);
	stmt_int(st, 2, result->error);
	stmt_int(st, 3, output_kind(result->executable, result->is_dir));
	stmt_int(st, 4, result->reproducible);
	stmt_addr(st, 5, &result->addr);
	stmt_int(st, 6, (int64_t)result->size);
	stmt_int(st, 7, result->wall_ns);
	stmt_int(st, 8, result->cpu_ns);
	stmt_int(st, 9, (int64_t)result->memory);
	stmt_int(st, 10, result->when_ns);
	stmt_addr(st, 11, &result->text);
	stmt_int(st, 12, (int64_t)result->text_size);
	stmt_int(st, 13, (int64_t)result->uses);
	stmt_int(st, 14, result->last_use_ns);
	if (len)
		stmt_text(st, 15, result->message, len);
	else
		stmt_null(st, 15);
	stmt_int(st, 16, result->is_dir ? -1 : (int64_t)result->size);
	stmt_int(st, 17, result->keep);
	return stmt_run(st);
}

int results_keep(struct results *r, const struct addr *recipe, int keep)
{
	struct stmt *st;
	int rc;

	rc = db_begin(r->db);
	if (rc < 0)
		return rc;
	st = stmts_get(&r->stmts, RESULT_KEEP, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	stmt_int(st, 2, keep);
	return stmt_run(st);
}

int results_judge(struct results *r, const struct addr *recipe,
		  bool reproducible)
{
	struct stmt *st;
	int rc;

	rc = db_begin(r->db);
	if (rc < 0)
		return rc;
	st = stmts_get(&r->stmts, RESULT_JUDGE, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	stmt_int(st, 2, reproducible);
	return stmt_run(st);
}

/* --- the machine ---------------------------------------------------------- */

int results_put_machine(struct results *r, const struct addr *recipe,
			const char *text, size_t len)
{
	struct stmt *st;
	int rc;

	rc = db_begin(r->db);
	if (rc < 0)
		return rc;
	st = stmts_get(&r->stmts, MACHINE_ADD, &rc);
	if (!st)
		return rc;
	stmt_text(st, 1, text, len);
	rc = stmt_run(st);
	if (rc < 0)
		return rc;
	st = stmts_get(&r->stmts, MACHINE_SET, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	stmt_text(st, 2, text, len);
	return stmt_run(st);
}

int results_get_machine(struct results *r, const struct addr *recipe,
			struct buf *ret)
{
	return get_bytes(r, MACHINE_GET, recipe, ret);
}

/* --- several outputs ------------------------------------------------------ */

void results_output_addr(const struct addr *recipe, const char *name,
			 struct addr *ret)
{
	uint8_t b[ADDR_LEN + 256];
	size_t n = MIN(strlen(name), (size_t)256);

	memcpy(b, recipe->b, ADDR_LEN);
	memcpy(b + ADDR_LEN, name, n);
	addr_derive("deriva output v1", b, ADDR_LEN + n, ret);
}

int results_put_output(struct results *r, const struct addr *recipe,
		       const char *name)
{
	struct addr output;
	struct stmt *st;
	int rc = db_begin(r->db);

	if (rc < 0)
		return rc;
	st = stmts_get(&r->stmts, OUTPUT_PUT, &rc);
	if (!st)
		return rc;
	results_output_addr(recipe, name, &output);
	stmt_blob(st, 1, output.b, ADDR_LEN);
	stmt_blob(st, 2, recipe->b, ADDR_LEN);
	stmt_text(st, 3, name, strlen(name));
	return stmt_run(st);
}

int results_output(struct results *r, const struct addr *output,
		   struct addr *ret_recipe, struct buf *ret_name)
{
	const void *p;
	struct stmt *st;
	size_t n;
	int rc;

	st = stmts_get(&r->stmts, OUTPUT_GET, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, output->b, ADDR_LEN);
	rc = stmt_step(st);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	rc = stmt_col_addr(st, 0, ret_recipe);
	p = stmt_col_blob(st, 1, &n);
	if (ret_name)
		buf_add(ret_name, p, n);
	stmt_reset(st);
	return rc < 0 || !ret_name ? rc : buf_err(ret_name);
}

int results_used(struct results *r, const struct addr *recipe, int64_t now_ns)
{
	struct stmt *st;
	int64_t uses;
	int rc;

	rc = db_begin(r->db);
	if (rc < 0)
		return rc;
	st = stmts_get(&r->stmts, RESULT_USED, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	stmt_int(st, 2, now_ns);
	rc = stmts_int(st, &uses);
	return rc > 0 ? 0 : rc < 0 ? rc : -ENOENT;
}

int results_let_go(struct results *r, const struct addr *recipe)
{
	struct stmt *st;
	int64_t one;
	int rc;

	rc = db_begin(r->db);
	if (rc < 0)
		return rc;
	st = stmts_get(&r->stmts, RESULT_LET_GO, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	rc = stmts_int(st, &one);
	return rc > 0 ? 0 : rc < 0 ? rc : -ENOENT;
}

struct dropping {
	struct results *r;
	const struct addr *recipe;
};

static int drop_rows(void *ctx, uint64_t seq)
{
	const struct dropping *d = ctx;
	struct result res;
	int rc = results_get(d->r, d->recipe, &res);

	(void)seq;
	if (rc < 0 || res.dropped)
		return rc;
	rc = results_let_go(d->r, d->recipe);
	return rc < 0 ? rc : 1;
}

int results_drop_bytes(struct results *r, uint64_t dir, const char *name,
		       size_t len, const struct addr *recipe)
{
	const struct ns_by by = {.uid = (uint32_t)geteuid(),
				 .pid = (uint32_t)getpid(),
				 .program = "deriva"};
	struct dropping d = {r, recipe};
	int rc = ns_change_rows(r->ns, &by, NS_OP_FORGET, drop_rows, &d);

	if (rc > 0)
		journal_dropped(ns_journal(r->ns), dir, name, len, recipe);
	return MIN(rc, 0);
}

int results_forget(struct results *r, const struct addr *recipe)
{
	struct stmt *st;
	int rc;

	rc = db_begin(r->db);
	if (rc < 0)
		return rc;
	st = stmts_get(&r->stmts, RESULT_FORGET, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	return stmt_run(st);
}

int results_totals(struct results *r, struct result_totals *ret)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&r->stmts, RESULT_TOTALS, &rc);
	if (!st)
		return rc;
	rc = stmt_step(st);
	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	ret->results = (uint64_t)stmt_col_int(st, 0);
	ret->failures = (uint64_t)stmt_col_int(st, 1);
	ret->bytes = (uint64_t)stmt_col_int(st, 2);
	ret->uses = (uint64_t)stmt_col_int(st, 3);
	ret->wall_ns = stmt_col_int(st, 4);
	ret->saved_ns = stmt_col_int(st, 5);
	ret->kept = (uint64_t)stmt_col_int(st, 6);
	stmt_reset(st);
	return 0;
}

/* --- derived names ------------------------------------------------------- */

static int column_derived(struct stmt *st, uint64_t dir, const char *name,
			  size_t len, struct derived *ret)
{
	int rc;

	ret->dir = dir;
	memcpy(ret->name, name, len);
	ret->name[len] = '\0';
	ret->error = (int)stmt_col_int(st, 1);
	ret->size = (uint64_t)stmt_col_int(st, 3);
	ret->executable = stmt_col_int(st, 4) == OUTPUT_EXECUTABLE;
	ret->is_dir = stmt_col_int(st, 4) == OUTPUT_DIR;
	ret->ran = stmt_col_int(st, 5);
	ret->seq = (uint64_t)stmt_col_int(st, 6);
	ret->since_ns = stmt_col_int(st, 7);
	ret->last_ns = stmt_col_int(st, 8);
	rc = stmt_col_addr(st, 0, &ret->recipe);
	if (rc == 0)
		rc = stmt_col_addr(st, 2, &ret->addr);
	return rc < 0 ? rc : stmt_col_addr(st, 9, &ret->before);
}

int results_derived(struct results *r, uint64_t at, uint64_t dir,
		    const char *name, size_t len, struct derived *ret)
{
	struct derived d;
	struct stmt *st;
	int rc;

	if (len > NS_NAME_MAX)
		return -ENAMETOOLONG;
	if (r->base && at <= ns_fork(r->ns))
		return results_derived(r->base, at, dir, name, len, ret);
	st = stmts_get(&r->stmts, DERIVED_GET, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_blob(st, 2, name, len);
	stmt_int(st, 3, (int64_t)MIN(at, (uint64_t)INT64_MAX));
	rc = stmt_step(st);
	if (rc == 0 && r->base)
		return results_derived(r->base, ns_fork(r->ns), dir, name, len,
				       ret);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	rc = column_derived(st, dir, name, len, &d);
	stmt_reset(st);
	if (rc == 0)
		*ret = d;
	return rc;
}

static int put_row(struct results *r, const struct derived *d)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&r->stmts, DERIVED_PUT, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)d->dir);
	stmt_blob(st, 2, d->name, strlen(d->name));
	stmt_blob(st, 3, d->recipe.b, ADDR_LEN);
	stmt_int(st, 4, d->error);
	stmt_addr(st, 5, &d->addr);
	stmt_int(st, 6, (int64_t)d->size);
	stmt_int(st, 7, output_kind(d->executable, d->is_dir));
	stmt_int(st, 8, d->ran);
	stmt_int(st, 9, (int64_t)d->seq);
	stmt_int(st, 10, d->since_ns);
	stmt_int(st, 11, d->last_ns);
	stmt_addr(st, 12, &d->before);
	return stmt_run(st);
}

static bool same_content(const struct derived *a, const struct derived *b)
{
	return a->error == b->error && addr_eq(&a->addr, &b->addr);
}

int results_put_derived(struct results *r, const struct ns_by *by,
			struct derived *d, const struct result *res)
{
	struct derived row = *d, old;
	size_t len = strnlen(d->name, sizeof(d->name));
	int rc, had;

	if (!len || len > NS_NAME_MAX || d->error < 0)
		return -EINVAL;
	rc = db_savepoint(r->db);
	if (rc < 0)
		return rc;
	had = results_derived(r, NS_NOW, d->dir, d->name, len, &old);
	rc = had == -ENOENT ? 0 : had;
	if (rc == 0)
		rc = ns_begin_change(r->ns, by, NS_OP_RESULT, &row.seq,
				     &row.last_ns);
	if (rc < 0) {
		db_revert(r->db);
		return rc;
	}
	row.since_ns = had == 0 && same_content(&old, &row) ? old.since_ns
							    : row.last_ns;
	memset(&row.before, 0, sizeof(row.before));
	if (had == 0)
		row.before = old.recipe;
	rc = put_row(r, &row);
	if (rc < 0)
		db_revert(r->db);
	else
		rc = db_release(r->db);
	if (rc < 0) {
		ns_undo_change(r->ns);
		return rc;
	}
	journal_result(ns_journal(r->ns), row.dir, row.name, len, res);
	*d = row;
	return 0;
}

struct upto {
	const struct results *r;
	int (*fn)(void *ctx, const struct derived *d);
	void *ctx;
};

static int on_upto(void *ctx, const struct derived *d)
{
	const struct upto *u = ctx;

	return d->seq > ns_fork(u->r->ns) ? 0 : u->fn(u->ctx, d);
}

int results_derived_history(struct results *r, uint64_t dir, const char *name,
			    size_t len,
			    int (*fn)(void *ctx, const struct derived *d),
			    void *ctx)
{
	struct upto up = {r, fn, ctx};
	struct derived d;
	struct stmt *st;
	int rc = 0;

	if (len > NS_NAME_MAX)
		return -ENAMETOOLONG;
	if (r->base)
		rc = results_derived_history(r->base, dir, name, len, on_upto,
					     &up);
	if (rc)
		return rc;
	st = stmts_take(&r->stmts, DERIVED_HISTORY, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_blob(st, 2, name, len);
	while ((rc = stmt_step(st)) > 0) {
		rc = column_derived(st, dir, name, len, &d);
		if (rc == 0)
			rc = fn(ctx, &d);
		if (rc != 0)
			break;
	}
	stmts_give(&r->stmts, DERIVED_HISTORY, st);
	return rc;
}

int results_derived_names(struct results *r, uint64_t dir,
			  int (*fn)(void *ctx, const char *name, size_t len),
			  void *ctx)
{
	char name[NS_NAME_MAX + 1];
	const void *p;
	struct stmt *st;
	size_t len;
	int rc;

	st = stmts_take(&r->stmts, DERIVED_NAMES, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_int(st, 2, INT64_MAX);
	while ((rc = stmt_step(st)) > 0) {
		p = stmt_col_blob(st, 0, &len);
		if (!len || len > NS_NAME_MAX) {
			rc = -EUCLEAN;
			break;
		}
		memcpy(name, p, len);
		name[len] = '\0';
		rc = fn(ctx, name, len);
		if (rc != 0)
			break;
	}
	stmts_give(&r->stmts, DERIVED_NAMES, st);
	return rc;
}

int results_each(struct results *r,
		 int (*fn)(void *ctx, const struct result *res), void *ctx)
{
	struct result res;
	struct stmt *st;
	int rc;

	st = stmts_take(&r->stmts, RESULT_ALL, &rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0) {
		rc = column_result(st, &res);
		if (rc == 0)
			rc = stmt_col_addr(st, 16, &res.recipe);
		if (rc == 0)
			rc = fn(ctx, &res);
		if (rc != 0)
			break;
	}
	stmts_give(&r->stmts, RESULT_ALL, st);
	return rc;
}

static int derived_rows(struct stmt *st,
			int (*fn)(void *ctx, const struct derived *d),
			void *ctx)
{
	const char *name;
	struct derived d;
	size_t len;
	int rc;

	while ((rc = stmt_step(st)) > 0) {
		name = stmt_col_blob(st, 11, &len);
		rc = len && len <= NS_NAME_MAX
			     ? column_derived(st,
					      (uint64_t)stmt_col_int(st, 10),
					      name, len, &d)
			     : -EUCLEAN;
		if (rc == 0)
			rc = fn(ctx, &d);
		if (rc != 0)
			break;
	}
	return rc;
}

int results_each_derived(struct results *r,
			 int (*fn)(void *ctx, const struct derived *d),
			 void *ctx)
{
	struct stmt *st;
	int rc;

	st = stmts_take(&r->stmts, DERIVED_ALL, &rc);
	if (!st)
		return rc;
	rc = derived_rows(st, fn, ctx);
	stmts_give(&r->stmts, DERIVED_ALL, st);
	return rc;
}

int results_derived_after(struct results *r, uint64_t after,
			  int (*fn)(void *ctx, const struct derived *d),
			  void *ctx)
{
	struct stmt *st;
	int rc;

	st = stmts_take(&r->stmts, DERIVED_AFTER, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)MIN(after, (uint64_t)INT64_MAX));
	rc = derived_rows(st, fn, ctx);
	stmts_give(&r->stmts, DERIVED_AFTER, st);
	return rc;
}

/* --- rebuilding ---------------------------------------------------------- */

/* Of one result: journals that say more are damaged, and totals would not fit
 * into 64 bits. */
#define RESTORED_MAX (INT64_C(1) << 53)

/* A failure that never ran (a circle, a recipe that cannot be read) cost
 * nothing, and is no result. */
static int restore_result(struct results *r, struct derived *d, int64_t wall_ns)
{
	struct result res = {.recipe = d->recipe,
			     .error = d->error,
			     .executable = d->executable,
			     .is_dir = d->is_dir,
			     .addr = d->addr,
			     .size = MIN(d->size, (uint64_t)RESTORED_MAX),
			     .wall_ns = MAX(MIN(wall_ns, RESTORED_MAX), 0),
			     .when_ns = d->last_ns},
		      old;
	int rc = results_get(r, &d->recipe, &old);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	d->ran = rc == -ENOENT || old.error || !addr_eq(&old.addr, &d->addr);
	if (!d->ran || addr_is_zero(&d->recipe) || (d->error && !wall_ns))
		return 0;
	if (d->error)
		snprintf(res.message, sizeof(res.message),
			 "it failed; why was lost with the database (deriva "
			 "retry runs it again)");
	return results_put(r, &res);
}

int results_restore(struct results *r, struct derived *d, int64_t wall_ns)
{
	struct derived old;
	int rc;

	rc = results_derived(r, NS_NOW, d->dir, d->name, strlen(d->name), &old);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	d->since_ns =
		rc == 0 && same_content(&old, d) ? old.since_ns : d->last_ns;
	if (rc == 0)
		d->before = old.recipe;
	rc = restore_result(r, d, wall_ns);
	return rc < 0 ? rc : put_row(r, d);
}

/* --- after a power cut ---------------------------------------------------- */

int results_rollback(struct results *r, uint64_t to)
{
	struct stmt *st;
	int rc = db_begin(r->db);

	if (rc < 0)
		return rc;
	st = stmts_get(&r->stmts, DERIVED_BACK, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)to);
	return stmt_run(st);
}

int results_drop(struct results *r, const struct addr *recipe)
{
	struct stmt *st;
	int rc = db_begin(r->db);

	if (rc < 0)
		return rc;
	st = stmts_get(&r->stmts, RESULT_DROP, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	return stmt_run(st);
}
