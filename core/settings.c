#include "core/settings.h"

#include <errno.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/journal.h"

static int parse_collect(const char *text, int64_t *ret, struct err *err)
{
	int64_t ns = 0;

	if (strcmp(text, "never") &&
	    (duration_parse(text, &ns) < 0 || ns < NSEC_PER_SEC / 10))
		return err_set(err, -EINVAL,
			       "collect `%s`: it is `never` or how often at "
			       "most, from 100ms (as in 10m)",
			       text);
	*ret = ns;
	return 0;
}

static int parse_verify(const char *text, double *ret, struct err *err)
{
	double n = 0;
	int used = 0;

	if (strcmp(text, "never") &&
	    (text[0] < '0' || text[0] > '9' ||
	     sscanf(text, "%lf %%%n", &n, &used) != 1 || text[used] || !used ||
	     !(n <= 100)))
		return err_set(
			err, -EINVAL,
			"verify `%s`: it is `never` or how many of a "
			"hundred computations are made again (as in 1%%, "
			"0.5%%)",
			text);
	*ret = n / 100;
	return 0;
}

static int parse(struct settings *s, const char *name, const char *value,
		 struct err *err)
{
	if (!strcmp(name, "retention"))
		return retention_parse(value, &s->retention, err);
	if (!strcmp(name, "budget"))
		return budget_parse(value, &s->budget, err);
	if (!strcmp(name, "collect"))
		return parse_collect(value, &s->collect_ns, err);
	if (!strcmp(name, "verify"))
		return parse_verify(value, &s->verify, err);
	return err_set(err, -EINVAL,
		       "there is no setting `%s`: there are retention, budget, "
		       "collect, verify",
		       name);
}

int settings_check(const char *name, const char *value, struct err *err)
{
	struct settings s;

	return parse(&s, name, value, err);
}

/* A value that this version does not know is none that it acts on. */
static void take(struct settings *s, const char *name, const char *value)
{
	struct err err;

	if (parse(s, name, value, &err) < 0)
		log_warn("%s; it is passed over", err.msg);
}

int settings_load(struct db *db, struct settings *ret)
{
	static const char *const names[] = {"retention", "budget", "collect",
					    "verify"};
	struct settings s = {.collect_ns = 600 * NSEC_PER_SEC};
	struct stmt *st;
	const void *p;
	size_t i, n;
	int rc = 0;

	st = db_prepare(db, "SELECT value FROM setting WHERE key = ?1", &rc);
	if (!st)
		return rc;
	for (i = 0; rc >= 0 && i < ARRAY_LEN(names); i++) {
		CLEANUP_BUF struct buf value = BUF_INIT;

		stmt_text(st, 1, names[i], strlen(names[i]));
		rc = stmt_step(st);
		if (rc <= 0)
			continue;
		p = stmt_col_blob(st, 0, &n);
		buf_add(&value, p, n);
		stmt_reset(st);
		rc = buf_err(&value);
		if (!rc)
			take(&s, names[i], buf_cstr(&value));
	}
	stmt_free(st);
	if (rc >= 0)
		*ret = s;
	return MIN(rc, 0);
}

struct setting {
	struct db *db;
	const char *name, *value;
};

/* 1; 0: it is so already. */
static int put(struct db *db, const char *name, const char *value)
{
	struct stmt *st;
	int rc = db_begin(db);

	if (rc < 0)
		return rc;
	st = db_prepare(db,
			"INSERT INTO setting(key, value) VALUES (?1, ?2)"
			" ON CONFLICT(key) DO UPDATE SET value = ?2"
			" WHERE value <> ?2",
			&rc);
	if (!st)
		return rc;
	stmt_text(st, 1, name, strlen(name));
	stmt_text(st, 2, value, strlen(value));
	rc = stmt_run(st);
	stmt_free(st);
	return rc < 0 ? rc : db_changes(db) > 0;
}

int settings_restore(struct db *db, const char *name, const char *value)
{
	return MIN(put(db, name, value), 0);
}

static int setting_rows(void *ctx, uint64_t seq)
{
	const struct setting *s = ctx;

	(void)seq;
	return put(s->db, s->name, s->value);
}

int settings_set(struct ns *ns, const struct ns_by *by, const char *name,
		 const char *value, struct err *err)
{
	struct setting s = {ns_db(ns), name, value};
	int rc = settings_check(name, value, err);

	if (rc < 0)
		return rc;
	rc = ns_change_rows(ns, by, NS_OP_KEEP, setting_rows, &s);
	if (rc < 0)
		return err_set(err, rc, "%s: %s", name, err_name(rc));
	if (rc)
		journal_setting(ns_journal(ns), name, value);
	return 0;
}

void settings_format(const struct settings *s, struct buf *ret)
{
	buf_str(ret, "retention: ");
	retention_format(&s->retention, ret);
	buf_str(ret, "\nbudget: ");
	budget_format(s->budget, ret);
	buf_str(ret, "\ncollect: ");
	if (s->collect_ns)
		duration_exact(s->collect_ns, ret);
	else
		buf_str(ret, "never");
	if (s->verify > 0)
		buf_fmt(ret, "\nverify: %g%%\n", s->verify * 100);
	else
		buf_str(ret, "\nverify: never\n");
}
