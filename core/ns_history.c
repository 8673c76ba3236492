#include "core/ns_internal.h"

#include <errno.h>
#include <string.h>

static void copy_text(struct stmt *st, int i, char *to, size_t size)
{
	const void *p;
	size_t n = 0;

	p = stmt_col_is_null(st, i) ? NULL : stmt_col_blob(st, i, &n);
	n = MIN(n, size - 1);
	if (p)
		memcpy(to, p, n);
	to[p ? n : 0] = '\0';
}

/* Columns seq, time, op, uid, pid, program, message from column i on. */
static void column_change(struct stmt *st, int i, struct ns_change *ret)
{
	ret->seq = (uint64_t)stmt_col_int(st, i);
	ret->time_ns = stmt_col_int(st, i + 1);
	ret->op = (int)stmt_col_int(st, i + 2);
	ret->uid = (uint32_t)stmt_col_int(st, i + 3);
	ret->pid = (uint32_t)stmt_col_int(st, i + 4);
	copy_text(st, i + 5, ret->program, sizeof(ret->program));
	copy_text(st, i + 6, ret->message, sizeof(ret->message));
}

int ns_change(struct ns *ns, uint64_t seq, struct ns_change *ret)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_CHANGE_GET, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)MIN(seq, (uint64_t)INT64_MAX));
	rc = stmt_step(st);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	column_change(st, 0, ret);
	stmt_reset(st);
	return 0;
}

/* The last change with a number up to seq; *ret_seq 0: none. */
static int change_floor(struct ns *ns, uint64_t seq, uint64_t *ret_seq,
			int64_t *ret_time_ns)
{
	struct stmt *st;
	int64_t found;
	int rc;

	st = stmts_get(&ns->stmts, NS_CHANGE_FLOOR, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)seq);
	rc = stmt_step(st);
	if (rc < 0)
		return rc;
	found = rc ? stmt_col_int(st, 0) : 0;
	*ret_time_ns = rc ? stmt_col_int(st, 1) : 0;
	stmt_reset(st);
	if (found < 0)
		return -EUCLEAN;
	*ret_seq = (uint64_t)found;
	return 0;
}

/* Times never fall with growing numbers, so that bisection needs no index. */
int ns_change_at(struct ns *ns, int64_t time_ns, uint64_t *ret_seq)
{
	uint64_t lo = 0, mid, seq = 0, best = 0;
	uint64_t hi = MIN(ns_last_change(ns), (uint64_t)INT64_MAX);
	int64_t t = 0;
	int rc;

	while (lo < hi) {
		mid = lo + (hi - lo + 1) / 2;
		rc = change_floor(ns, mid, &seq, &t);
		if (rc < 0)
			return rc;
		if (seq > lo && t > time_ns) {
			hi = seq - 1;
			continue;
		}
		if (seq > lo)
			best = seq;
		lo = mid;
	}
	*ret_seq = best;
	return 0;
}

static int version_rows(struct stmt *st,
			int (*fn)(void *ctx, const struct ns_version *v),
			void *ctx)
{
	struct ns_version v;
	int rc;

	while ((rc = stmt_step(st)) > 0) {
		rc = ns_column_attr(st, (uint64_t)stmt_col_int(st, 11),
				    &v.attr);
		column_change(st, 12, &v.change);
		v.attr.gone = stmt_col_int(st, 19);
		v.attr.forgotten = v.attr.gone && stmt_col_is_null(st, 9);
		if (rc == 0)
			rc = fn(ctx, &v);
		if (rc != 0)
			return rc;
	}
	return rc;
}

/* Base's, as long as they are of before the fork. */
struct upto {
	uint64_t fork;
	int (*fn)(void *ctx, const struct ns_version *v);
	void *ctx;
};

static int on_upto(void *ctx, const struct ns_version *v)
{
	const struct upto *u = ctx;

	return v->change.seq > u->fork ? 0 : u->fn(u->ctx, v);
}

int ns_versions(struct ns *ns, uint64_t ino,
		int (*fn)(void *ctx, const struct ns_version *v), void *ctx)
{
	struct upto up = {ns->fork, fn, ctx};
	struct stmt *st;
	int rc = ns->base ? ns_versions(ns->base, ino, on_upto, &up) : 0;

	if (rc)
		return rc;
	st = stmts_take(&ns->stmts, NS_VERSIONS, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_int(st, 2, (int64_t)ns->fork);
	rc = version_rows(st, fn, ctx);
	stmts_give(&ns->stmts, NS_VERSIONS, st);
	return rc;
}

int ns_versions_between(struct ns *ns, uint64_t after, uint64_t upto,
			int (*fn)(void *ctx, const struct ns_version *v),
			void *ctx)
{
	struct stmt *st;
	int rc = 0;

	if (ns_before(ns, after))
		rc = ns_versions_between(ns->base, after, MIN(upto, ns->fork),
					 fn, ctx);
	if (rc)
		return rc;
	after = MAX(after, ns->fork); /* copies are older */
	st = stmts_take(&ns->stmts, NS_VERSIONS_BETWEEN, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)MIN(after, (uint64_t)INT64_MAX));
	stmt_int(st, 2, (int64_t)MIN(upto, (uint64_t)INT64_MAX));
	rc = version_rows(st, fn, ctx);
	stmts_give(&ns->stmts, NS_VERSIONS_BETWEEN, st);
	return rc;
}

int ns_versions_after(struct ns *ns, uint64_t after,
		      int (*fn)(void *ctx, const struct ns_version *v),
		      void *ctx)
{
	struct stmt *st;
	int rc;

	st = stmts_take(&ns->stmts, NS_VERSIONS_AFTER, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)MIN(after, (uint64_t)INT64_MAX));
	rc = version_rows(st, fn, ctx);
	stmts_give(&ns->stmts, NS_VERSIONS_AFTER, st);
	return rc;
}

static int dead_intervals(struct stmt *st,
			  int (*fn)(void *ctx, const struct ns_interval *i),
			  void *ctx)
{
	struct ns_interval i;
	int rc;

	while ((rc = stmt_step(st)) > 0) {
		i.ino = (uint64_t)stmt_col_int(st, 0);
		if (!i.ino) /* of a branch: it was hidden */
			continue;
		i.born = (uint64_t)stmt_col_int(st, 1);
		i.died = (uint64_t)stmt_col_int(st, 2);
		rc = fn(ctx, &i);
		if (rc != 0)
			return rc;
	}
	return rc;
}

struct inherited {
	struct ns *ns;
	uint64_t dir;
	const char *name;
	size_t len;
	int (*fn)(void *ctx, const struct ns_interval *i);
	void *ctx;
};

/* What was there at the fork lives on, or its end is in rows here. */
static int on_inherited(void *ctx, const struct ns_interval *base)
{
	const struct inherited *h = ctx;
	struct ns_interval i = *base;
	int rc;

	if (i.born > h->ns->fork)
		return 0;
	if (!i.died || i.died > h->ns->fork) {
		rc = ns_name_copied(h->ns, h->dir, h->name, h->len);
		if (rc)
			return MIN(rc, 0);
		i.died = 0;
	}
	return h->fn(h->ctx, &i);
}

static int inherited_history(struct ns *ns, uint64_t dir, const char *name,
			     size_t len,
			     int (*fn)(void *ctx, const struct ns_interval *i),
			     void *ctx)
{
	struct inherited h = {ns, dir, name, len, fn, ctx};

	return ns_name_history(ns->base, dir, name, len, on_inherited, &h);
}

/* Of the intervals of one name, the living one is the last. */
int ns_name_history(struct ns *ns, uint64_t dir, const char *name, size_t len,
		    int (*fn)(void *ctx, const struct ns_interval *i),
		    void *ctx)
{
	struct ns_interval living = {0};
	struct ns_name found;
	struct stmt *st;
	int rc;

	if (!len)
		return -EINVAL;
	if (ns->base) {
		rc = inherited_history(ns, dir, name, len, fn, ctx);
		if (rc != 0)
			return rc;
	}
	st = stmts_take(&ns->stmts, NS_NAME_HISTORY, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_blob(st, 2, name, len);
	rc = dead_intervals(st, fn, ctx);
	stmts_give(&ns->stmts, NS_NAME_HISTORY, st);
	if (rc != 0)
		return rc;
	rc = ns_find(ns, dir, name, len, &found);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if (!found.id)
		return 0; /* inherited */
	living.ino = found.ino;
	living.born = found.born;
	return fn(ctx, &living);
}
