#include "core/ns_internal.h"

#include <errno.h>
#include <sys/stat.h>

/* The tree at change N: the names with born <= N and (died is null or
 * died > N).
 *
 * One name is found by its newest interval born up to N. A whole directory is
 * harder: with one index on born or on died, a directory in which a million
 * names came and went is scanned from one side or the other. So the names that
 * died lie in a relational interval tree (Kriegel, Poetke, Seidl: "Managing
 * Intervals Efficiently in Object-Relational Databases", VLDB 2000): a binary
 * tree over the change numbers that exists only as arithmetic. A name that
 * lived in [born, died) lies at the topmost node within its interval, which is
 * the number in [born, died - 1] with the most trailing zeros. All intervals
 * that hold N lie at N's ancestors: at those left of N the ones with died > N,
 * at those right of N (or N itself) the ones with born <= N. Both are ranges
 * of an index, so a listing costs the logarithm of the number of changes, and
 * what it finds. Node 0 is for the living.
 *
 * What is found that way has to be sorted by name. A listing is asked for in
 * pieces, and the past does not change, so the last few sorted listings are
 * kept. Where no name came or went since N, the present is listed instead. */

struct past_name {
	size_t at; /* in names */
	size_t len;
	uint64_t ino;
};

struct past_list {
	uint64_t at, dir;
	struct buf names;
	struct past_name *items;
	size_t n, cap;
};

static int64_t moment(uint64_t at)
{
	return (int64_t)MIN(at, (uint64_t)INT64_MAX);
}

uint64_t ns_fork_node(uint64_t born, uint64_t died)
{
	uint64_t last = died - 1;
	unsigned bit = 63U - (unsigned)__builtin_clzll((born - 1) ^ last);

	return last >> bit << bit;
}

/* --- one name, one inode ------------------------------------------------- */

int ns_past_lookup(struct ns *ns, uint64_t at, uint64_t dir, const char *name,
		   size_t len, uint64_t *ret_ino, uint64_t *ret_born)
{
	uint64_t ino, born, died;
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_PAST_ENTRY, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_blob(st, 2, name, len);
	stmt_int(st, 3, moment(at));
	rc = stmt_step(st);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	ino = (uint64_t)stmt_col_int(st, 0);
	born = (uint64_t)stmt_col_int(st, 1);
	died = (uint64_t)stmt_col_int(st, 2);
	stmt_reset(st);
	if (died <= at)
		return -ENOENT;
	*ret_ino = ino;
	if (ret_born)
		*ret_born = born;
	return 0;
}

/* Whether an inode had a name then: 0, -ENOENT. */
static int had_name(struct ns *ns, uint64_t at, uint64_t ino)
{
	struct stmt *st;
	int64_t parent;
	uint64_t dir;
	int rc;

	if (ino == NS_ROOT)
		return 0;
	if (ns->base)
		return ns_parent(ns, at, ino, &dir);
	st = stmts_get(&ns->stmts, NS_PAST_ENTRY_OF_INO, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_int(st, 2, moment(at));
	rc = stmts_int(st, &parent);
	return rc > 0 ? 0 : rc < 0 ? rc : -ENOENT;
}

/* A directory's times are those of the last name that came or went in it,
 * where that was after its own last version. */
static int dir_times(struct ns *ns, uint64_t at, uint64_t version,
		     struct ns_attr *a)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_PAST_TOUCHED, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)a->ino);
	stmt_int(st, 2, moment(at));
	rc = stmt_step(st);
	if (rc == 0 && ns->base)
		return dir_times(ns->base, MIN(at, ns->fork), version, a);
	if (rc <= 0)
		return rc;
	if ((uint64_t)stmt_col_int(st, 0) > version)
		a->mtime_ns = a->atime_ns = a->ctime_ns = stmt_col_int(st, 1);
	stmt_reset(st);
	return 0;
}

/* Nothing came or went in a directory without a version here. */
static int past_inherited(struct ns *ns, uint64_t at, uint64_t ino,
			  struct ns_attr *ret)
{
	int rc = ns_owns(ns, ino);

	if (rc) /* its first version came later */
		return rc < 0 ? rc : -ENOENT;
	return ns_past_getattr(ns->base, ns->fork, ino, ret);
}

int ns_past_getattr(struct ns *ns, uint64_t at, uint64_t ino,
		    struct ns_attr *ret)
{
	struct ns_attr a;
	struct stmt *st;
	uint64_t version;
	int rc;

	if (ns_before(ns, at))
		return ns_past_getattr(ns->base, at, ino, ret);
	st = stmts_get(&ns->stmts, NS_PAST_INODE, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_int(st, 2, moment(at));
	rc = stmt_step(st);
	if (rc == 0 && ns->base)
		return past_inherited(ns, at, ino, ret);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	rc = ns_column_attr(st, ino, &a);
	version = (uint64_t)stmt_col_int(st, 11);
	a.gone = stmt_col_int(st, 12);
	a.forgotten = a.gone && stmt_col_is_null(st, 9);
	stmt_reset(st);
	if (rc == 0)
		rc = had_name(ns, at, ino);
	if (rc == 0 && S_ISDIR(a.mode))
		rc = dir_times(ns, at, version, &a);
	if (rc == 0)
		*ret = a;
	return rc;
}

int ns_past_mode(struct ns *ns, uint64_t at, uint64_t ino, uint32_t *ret)
{
	struct stmt *st;
	int64_t mode;
	int rc;

	if (ns_before(ns, at))
		return ns_past_mode(ns->base, at, ino, ret);
	st = stmts_get(&ns->stmts, NS_PAST_MODE, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_int(st, 2, moment(at));
	rc = stmts_int(st, &mode);
	if (rc == 0 && ns->base)
		return ns_past_mode(ns->base, ns->fork, ino, ret);
	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	*ret = (uint32_t)mode;
	return 0;
}

int ns_changed_after(struct ns *ns, uint64_t dir, uint64_t at)
{
	struct stmt *st;
	int64_t changed;
	int rc;

	st = stmts_get(&ns->stmts, NS_CHANGED_AFTER, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_int(st, 2, moment(at));
	rc = stmts_int(st, &changed);
	return rc < 0 ? rc : changed != 0;
}

/* --- a directory --------------------------------------------------------- */

static void list_free(struct past_list *l)
{
	if (!l)
		return;
	buf_done(&l->names);
	free(l->items);
	free(l);
}
CLEANUP_FN(struct past_list, list_free)

void ns_past_forget(struct ns *ns)
{
	size_t i;

	for (i = 0; i < NS_PAST_LISTS; i++) {
		list_free(ns->lists[i]);
		ns->lists[i] = NULL;
	}
}

void ns_past_changed(struct ns *ns)
{
	for (; ns; ns = ns->base)
		ns_past_forget(ns);
}

static int list_add(struct past_list *l, const void *name, size_t len,
		    uint64_t ino)
{
	struct past_name *more;
	size_t cap;

	if (!len || len > NS_NAME_MAX)
		return -EUCLEAN;
	if (l->n == l->cap) {
		cap = l->cap ? l->cap * 2 : 64;
		more = reallocarray(l->items, cap, sizeof(*more));
		if (!more)
			return -ENOMEM;
		l->items = more;
		l->cap = cap;
	}
	l->items[l->n++] = (struct past_name){l->names.len, len, ino};
	buf_add(&l->names, name, len);
	buf_u8(&l->names, '\0');
	return buf_err(&l->names);
}

/* All rows (name, ino) of a statement that is bound. */
static int add_rows(struct past_list *l, struct stmt *st)
{
	const void *p;
	size_t len;
	int rc;

	while ((rc = stmt_step(st)) > 0) {
		p = stmt_col_blob(st, 0, &len);
		rc = list_add(l, p, len, (uint64_t)stmt_col_int(st, 1));
		if (rc < 0) {
			stmt_reset(st);
			return rc;
		}
	}
	return rc;
}

static int add_living(struct ns *ns, struct past_list *l)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_PAST_LIVING, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)l->dir);
	stmt_int(st, 2, moment(l->at));
	return add_rows(l, st);
}

static int add_node(struct ns *ns, struct past_list *l, uint64_t node)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts,
		       node < l->at ? NS_PAST_DIED_AFTER : NS_PAST_BORN_UPTO,
		       &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)l->dir);
	stmt_int(st, 2, (int64_t)node);
	stmt_int(st, 3, moment(l->at));
	return add_rows(l, st);
}

/* The moment's ancestors, from itself up; none is above the last change. */
static int add_dead(struct ns *ns, struct past_list *l)
{
	uint64_t last = ns_last_change(ns), node;
	unsigned bit = (unsigned)__builtin_ctzll(l->at);
	int rc = 0;

	for (; rc == 0 && bit < 63 && UINT64_C(1) << bit <= last; bit++) {
		node = l->at >> bit >> 1 << 1 << bit | UINT64_C(1) << bit;
		if (node <= last)
			rc = add_node(ns, l, node);
	}
	return rc;
}

static int by_name(const void *a, const void *b, void *names)
{
	const struct past_name *x = a, *y = b;
	const char *base = names;
	int c = memcmp(base + x->at, base + y->at, MIN(x->len, y->len));

	return c ? c : (x->len > y->len) - (x->len < y->len);
}

static int list_make(struct ns *ns, uint64_t at, uint64_t dir,
		     struct past_list **ret)
{
	CLEANUP(list_freep) struct past_list *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return -ENOMEM;
	l->at = at;
	l->dir = dir;
	rc = add_living(ns, l);
	if (rc == 0 && at)
		rc = add_dead(ns, l);
	if (rc < 0)
		return rc;
	if (l->n)
		qsort_r(l->items, l->n, sizeof(*l->items), by_name,
			l->names.data);
	*ret = steal(&l);
	return 0;
}

/* Out of those kept: it is the caller's until list_keep(). */
static struct past_list *list_take(struct ns *ns, uint64_t at, uint64_t dir)
{
	struct past_list *l;
	size_t i;

	for (i = 0; i < NS_PAST_LISTS; i++) {
		l = ns->lists[i];
		if (l && l->at == at && l->dir == dir) {
			ns->lists[i] = NULL;
			return l;
		}
	}
	return NULL;
}

static void list_keep(struct ns *ns, struct past_list *l)
{
	size_t i;

	for (i = 0; i < NS_PAST_LISTS - 1 && ns->lists[i]; i++)
		;
	list_free(ns->lists[i]);
	memmove(ns->lists + 1, ns->lists, i * sizeof(ns->lists[0]));
	ns->lists[0] = l;
}

/* The first item whose name is behind `after`. */
size_t ns_past_seek(const struct past_list *l, const char *after, size_t len)
{
	size_t lo = 0, hi = l->n, mid;
	const struct past_name *item;
	int c;

	while (len && lo < hi) {
		mid = lo + (hi - lo) / 2;
		item = &l->items[mid];
		c = memcmp(l->names.data + item->at, after,
			   MIN(item->len, len));
		if (c > 0 || (c == 0 && item->len > len))
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

int ns_past_take(struct ns *ns, uint64_t at, uint64_t dir,
		 struct past_list **ret)
{
	*ret = list_take(ns, at, dir);
	return *ret ? 0 : list_make(ns, at, dir, ret);
}

void ns_past_give(struct ns *ns, struct past_list *l)
{
	list_keep(ns, l);
}

bool ns_past_item(const struct past_list *l, size_t i, struct ns_entry *ret)
{
	const struct past_name *item = &l->items[i];

	if (i >= l->n)
		return false;
	ret->name = (const char *)l->names.data + item->at;
	ret->len = item->len;
	ret->ino = item->ino;
	ret->mode = 0;
	return true;
}

int ns_past_list(struct ns *ns, uint64_t at, uint64_t dir, const char *after,
		 size_t len, int (*fn)(void *ctx, const struct ns_entry *e),
		 void *ctx)
{
	struct past_list *l;
	struct ns_entry e;
	size_t i;
	int rc = ns_past_take(ns, at, dir, &l);

	if (rc < 0)
		return rc;
	i = ns_past_seek(l, after, len);
	while (rc == 0 && ns_past_item(l, i++, &e)) {
		rc = ns_past_mode(ns, at, e.ino, &e.mode);
		if (rc == 0)
			rc = fn(ctx, &e);
	}
	list_keep(ns, l);
	return rc;
}
