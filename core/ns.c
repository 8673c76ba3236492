#include "core/ns.h"

#include <errno.h>
#include <sys/stat.h>

#include "core/ns_internal.h"

/* Names and versions carry the change numbers between which they hold; what is
 * true now has its own partial indexes (died IS NULL) and its own table
 * (inode), so that the present is as fast with a long history as without.
 *
 * A directory's row changes with each name that comes or goes, and gets no
 * version for that: its times in the past follow from the change rows that name
 * it (change.dir). */

const char *ns_op_name(int op)
{
	static const char *const names[] = {
		[NS_OP_CREATE] = "create",     [NS_OP_WRITE] = "write",
		[NS_OP_SETATTR] = "setattr",   [NS_OP_LINK] = "link",
		[NS_OP_UNLINK] = "unlink",     [NS_OP_RENAME] = "rename",
		[NS_OP_XATTR] = "xattr",       [NS_OP_RESULT] = "result",
		[NS_OP_ROLLBACK] = "rollback", [NS_OP_FORGET] = "forget",
		[NS_OP_KEEP] = "keep",	       [NS_OP_BRANCH] = "branch",
		[NS_OP_MERGE] = "merge",       [NS_OP_RUN] = "run",
	};

	return op >= NS_OP_CREATE && op < (int)ARRAY_LEN(names) && names[op]
		       ? names[op]
		       : "unknown";
}

/* --- rows ---------------------------------------------------------------- */

int ns_name_check(const char *name, size_t len)
{
	if (len > NS_NAME_MAX)
		return -ENAMETOOLONG;
	if (!len || memchr(name, '/', len) || memchr(name, '\0', len))
		return -EINVAL;
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return -EINVAL;
	return 0;
}

int ns_column_attr(struct stmt *st, uint64_t ino, struct ns_attr *ret)
{
	ret->ino = ino;
	ret->mode = (uint32_t)stmt_col_int(st, 0);
	ret->nlink = (uint32_t)stmt_col_int(st, 1);
	ret->uid = (uint32_t)stmt_col_int(st, 2);
	ret->gid = (uint32_t)stmt_col_int(st, 3);
	ret->rdev = (uint64_t)stmt_col_int(st, 4);
	ret->size = (uint64_t)stmt_col_int(st, 5);
	ret->atime_ns = stmt_col_int(st, 6);
	ret->mtime_ns = stmt_col_int(st, 7);
	ret->ctime_ns = stmt_col_int(st, 8);
	ret->version = (uint64_t)stmt_col_int(st, 10);
	ret->gone = ret->forgotten = false;
	if (S_ISDIR(ret->mode))
		ret->size = NS_DIR_SIZE;
	return stmt_col_addr(st, 9, &ret->addr);
}

static struct ns_attr *kept(struct ns *ns, uint64_t ino)
{
	return &ns->kept[ino % NS_KEPT];
}

void ns_keep(struct ns *ns, const struct ns_attr *a)
{
	if (ns->fresh)
		*kept(ns, a->ino) = *a;
}

void ns_unkeep(struct ns *ns, uint64_t ino)
{
	if (!ino) {
		memset(ns->kept, 0, sizeof(ns->kept));
		memset(ns->absent, 0, sizeof(ns->absent));
	} else if (kept(ns, ino)->ino == ino)
		kept(ns, ino)->ino = 0;
}

void ns_kept_dir(struct ns *ns, uint64_t dir, int64_t time_ns, int nlink_by)
{
	struct ns_attr *a = kept(ns, dir);

	if (a->ino != dir)
		return;
	a->mtime_ns = a->ctime_ns = time_ns;
	a->nlink += (uint32_t)nlink_by;
}

/* An inode of a branch that has no row: inherited, or gone. */
static int not_in_rows(struct ns *ns, uint64_t ino, struct ns_attr *ret)
{
	int rc = ns_owns(ns, ino);

	if (rc)
		return rc < 0 ? rc : -ENOENT;
	return ns_inherited(ns, ino, ret);
}

int ns_inode(struct ns *ns, uint64_t ino, struct ns_attr *ret)
{
	struct ns_attr a;
	struct stmt *st;
	int rc;

	if (ns->fresh && ino && kept(ns, ino)->ino == ino) {
		*ret = *kept(ns, ino);
		return 0;
	}
	rc = ns->late.dir == ino ? ns_settle_dir(ns) : 0;
	if (rc < 0)
		return rc;
	st = stmts_get(&ns->stmts, NS_INODE_GET, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	rc = stmt_step(st);
	if (rc > 0) {
		rc = ns_column_attr(st, ino, &a);
		stmt_reset(st);
	} else if (rc == 0) {
		rc = ns->base ? not_in_rows(ns, ino, &a) : -ENOENT;
	}
	if (rc < 0)
		return rc;
	ns_keep(ns, &a);
	*ret = a;
	return 0;
}

int ns_dir(struct ns *ns, uint64_t ino, struct ns_attr *ret)
{
	struct ns_attr a;
	int rc = ns_inode(ns, ino, &a);

	if (rc < 0)
		return rc;
	if (!S_ISDIR(a.mode))
		return -ENOTDIR;
	if (!a.nlink)
		return -ENOENT;
	*ret = a;
	return 0;
}

/* NULL: too long to be kept. */
static struct ns_absent *absent(struct ns *ns, uint64_t dir, const char *name,
				size_t len)
{
	size_t hash = (size_t)dir * 31 + len, i;

	if (!len || len > NS_ABSENT_LEN)
		return NULL;
	for (i = 0; i < len; i++)
		hash = hash * 33 + (unsigned char)name[i];
	return &ns->absent[(hash ^ hash >> 16) % NS_ABSENT];
}

static bool is_absent(struct ns *ns, uint64_t dir, const char *name, size_t len)
{
	const struct ns_absent *a = absent(ns, dir, name, len);

	return ns->fresh && a && a->dir == dir && a->len == len &&
	       !memcmp(a->name, name, len);
}

static void keep_absent(struct ns *ns, uint64_t dir, const char *name,
			size_t len)
{
	struct ns_absent *a = absent(ns, dir, name, len);

	if (!ns->fresh || !a)
		return;
	a->dir = dir;
	a->len = len;
	memcpy(a->name, name, len);
}

void ns_unkeep_absent(struct ns *ns, uint64_t dir, const char *name, size_t len)
{
	if (is_absent(ns, dir, name, len))
		absent(ns, dir, name, len)->dir = 0;
}

static int find_over(struct ns *ns, uint64_t dir, const char *name, size_t len,
		     struct ns_name *ret)
{
	struct ns_name n = {0};
	int rc = ns_own_name(ns, NS_NOW, dir, name, len, &n);

	if (!rc)
		rc = ns_lookup(ns->base, ns->fork, dir, name, len, &n.ino,
			       &n.born);
	else if (rc > 0)
		rc = n.ino ? 0 : -ENOENT;
	if (rc == -ENOENT)
		keep_absent(ns, dir, name, len);
	if (rc == 0)
		*ret = n;
	return rc;
}

int ns_find(struct ns *ns, uint64_t dir, const char *name, size_t len,
	    struct ns_name *ret)
{
	struct stmt *st;
	int rc;

	if (is_absent(ns, dir, name, len))
		return -ENOENT;
	if (ns->base)
		return find_over(ns, dir, name, len, ret);
	st = stmts_get(&ns->stmts, NS_ENTRY_GET, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_blob(st, 2, name, len);
	rc = stmt_step(st);
	if (!rc)
		keep_absent(ns, dir, name, len);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	ret->id = (uint64_t)stmt_col_int(st, 0);
	ret->ino = (uint64_t)stmt_col_int(st, 1);
	ret->born = (uint64_t)stmt_col_int(st, 2);
	stmt_reset(st);
	return 0;
}

int ns_target(struct ns *ns, uint64_t at, uint64_t ino, struct buf *ret)
{
	const void *p;
	struct stmt *st;
	size_t n;
	int rc;

	if (ns_before(ns, at))
		return ns_target(ns->base, at, ino, ret);
	st = stmts_get(&ns->stmts, NS_TARGET, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_int(st, 2, (int64_t)MIN(at, (uint64_t)INT64_MAX));
	rc = stmt_step(st);
	if (rc == 0 && ns->base)
		return ns_target(ns->base, ns->fork, ino, ret);
	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	rc = stmt_col_is_null(st, 0) ? -EUCLEAN : 0;
	if (rc < 0 && stmt_col_int(st, 1))
		rc = -ENODATA; /* forgotten */
	p = stmt_col_blob(st, 0, &n);
	if (rc == 0)
		buf_add(ret, p, n);
	stmt_reset(st);
	return rc < 0 ? rc : buf_err(ret);
}

/* --- reading ------------------------------------------------------------- */

static int past_over(struct ns *ns, uint64_t at, uint64_t dir, const char *name,
		     size_t len, uint64_t *ret_ino, uint64_t *ret_born)
{
	struct ns_name n;
	int rc =
		ns_before(ns, at) ? 0 : ns_own_name(ns, at, dir, name, len, &n);

	if (rc < 0)
		return rc;
	if (!rc)
		return ns_lookup(ns->base, MIN(at, ns->fork), dir, name, len,
				 ret_ino, ret_born);
	if (!n.ino)
		return -ENOENT;
	*ret_ino = n.ino;
	if (ret_born)
		*ret_born = n.born;
	return 0;
}

int ns_lookup(struct ns *ns, uint64_t at, uint64_t dir, const char *name,
	      size_t len, uint64_t *ret_ino, uint64_t *ret_born)
{
	struct ns_name found;
	int rc;

	if (len > NS_NAME_MAX)
		return -ENAMETOOLONG;
	if (!len)
		return -ENOENT;
	if (ns->base && at != NS_NOW)
		return past_over(ns, at, dir, name, len, ret_ino, ret_born);
	rc = ns_find(ns, dir, name, len, &found);
	if (at != NS_NOW && (rc == -ENOENT || (rc == 0 && found.born > at)))
		return ns_past_lookup(ns, at, dir, name, len, ret_ino,
				      ret_born);
	if (rc < 0)
		return rc;
	*ret_ino = found.ino;
	if (ret_born)
		*ret_born = found.born;
	return 0;
}

int ns_getattr(struct ns *ns, uint64_t at, uint64_t ino, struct ns_attr *ret)
{
	return at == NS_NOW ? ns_inode(ns, ino, ret)
			    : ns_past_getattr(ns, at, ino, ret);
}

int ns_readlink(struct ns *ns, uint64_t at, uint64_t ino, struct buf *ret)
{
	struct ns_attr a;
	int rc = ns_getattr(ns, at, ino, &a);

	if (rc < 0)
		return rc;
	if (!S_ISLNK(a.mode))
		return -EINVAL;
	return ns_target(ns, at, ino, ret);
}

static bool is_dots(const char *name, size_t len)
{
	return (len == 1 && name[0] == '.') ||
	       (len == 2 && name[0] == '.' && name[1] == '.');
}

/* Names that could never have come to be are damage, and not for the kernel. */
int ns_column_entry(struct stmt *st, char *name, struct ns_entry *ret)
{
	const void *p = stmt_col_blob(st, 0, &ret->len);
	size_t len = ret->len;

	if (!len || len > NS_NAME_MAX || memchr(p, '/', len) ||
	    memchr(p, '\0', len) || is_dots(p, len))
		return -EUCLEAN;
	memcpy(name, p, len);
	name[len] = '\0';
	ret->name = name;
	ret->ino = (uint64_t)stmt_col_int(st, 1);
	ret->mode = (uint32_t)stmt_col_int(st, 2);
	return 0;
}

static int list_rows(struct ns *ns, uint64_t at, struct stmt *st,
		     int (*fn)(void *ctx, const struct ns_entry *e), void *ctx)
{
	char name[NS_NAME_MAX + 1];
	struct ns_entry e;
	int rc;

	while ((rc = stmt_step(st)) > 0) {
		rc = ns_column_entry(st, name, &e);
		if (rc >= 0 && at != NS_NOW)
			rc = ns_past_mode(ns, at, e.ino, &e.mode);
		if (rc >= 0)
			rc = fn(ctx, &e);
		if (rc != 0)
			return rc;
	}
	return rc;
}

/* The names as they are now; with what their inodes were at a moment. */
static int list_present(struct ns *ns, uint64_t at, uint64_t dir,
			const char *after, size_t len,
			int (*fn)(void *ctx, const struct ns_entry *e),
			void *ctx)
{
	struct stmt *st;
	int rc;

	st = stmts_take(&ns->stmts, NS_ENTRY_LIST, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_blob(st, 2, len ? after : "", len);
	rc = list_rows(ns, at, st, fn, ctx);
	stmts_give(&ns->stmts, NS_ENTRY_LIST, st);
	return rc;
}

int ns_list(struct ns *ns, uint64_t at, uint64_t dir, const char *after,
	    size_t len, int (*fn)(void *ctx, const struct ns_entry *e),
	    void *ctx)
{
	struct ns_attr a;
	int rc;

	if (ns_before(ns, at))
		return ns_list(ns->base, at, dir, after, len, fn, ctx);
	rc = ns_getattr(ns, at, dir, &a);
	if (rc < 0)
		return rc;
	if (!S_ISDIR(a.mode))
		return -ENOTDIR;
	if (ns->base)
		return ns_over_list(ns, at, dir, after, len, fn, ctx);
	if (at != NS_NOW) {
		rc = ns_changed_after(ns, dir, at);
		if (rc < 0)
			return rc;
		if (rc > 0)
			return ns_past_list(ns, at, dir, after, len, fn, ctx);
	}
	return list_present(ns, at, dir, after, len, fn, ctx);
}

static int list_special(struct ns *ns, enum ns_stmt which, uint64_t at,
			uint64_t dir,
			int (*fn)(void *ctx, const struct ns_entry *e),
			void *ctx)
{
	struct stmt *st;
	int rc;

	if (ns_before(ns, at))
		return list_special(ns->base, which, at, dir, fn, ctx);
	if (ns->base)
		return ns_over_special(ns, which, at, dir, fn, ctx);
	st = stmts_get(&ns->stmts, which, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_int(st, 2, at == NS_NOW ? INT64_MAX : (int64_t)at);
	rc = list_rows(ns, NS_NOW, st, fn, ctx);
	stmt_reset(st);
	return rc;
}

int ns_list_percent(struct ns *ns, uint64_t at, uint64_t dir,
		    int (*fn)(void *ctx, const struct ns_entry *e), void *ctx)
{
	return list_special(ns, NS_ENTRY_PERCENT, at, dir, fn, ctx);
}

int ns_list_recipes(struct ns *ns, uint64_t at, uint64_t dir,
		    int (*fn)(void *ctx, const struct ns_entry *e), void *ctx)
{
	return list_special(ns, NS_ENTRY_RECIPE, at, dir, fn, ctx);
}

static int any_entry(void *ctx, const struct ns_entry *e)
{
	return 1;
}

bool ns_dir_empty(struct ns *ns, uint64_t dir)
{
	struct stmt *st;
	int64_t one;
	int rc;

	if (ns->base)
		return ns_list(ns, NS_NOW, dir, "", 0, any_entry, NULL) == 0;
	st = stmts_get(&ns->stmts, NS_ENTRY_ANY, &rc);
	if (!st)
		return false;
	stmt_int(st, 1, (int64_t)dir);
	return stmts_int(st, &one) == 0;
}

static void add_reversed(struct buf *b, const uint8_t *p, size_t n)
{
	uint8_t *to = buf_room(b, n);

	if (!to)
		return;
	b->len += n;
	while (n--)
		*to++ = p[n];
	*to = '\0';
}

/* The first name that is inherited. */
struct step {
	struct buf *reversed;
	uint64_t dir;
};

static int on_step(void *ctx, uint64_t dir, const char *name, size_t len)
{
	struct step *s = ctx;

	s->dir = dir;
	if (!s->reversed)
		return 1;
	add_reversed(s->reversed, (const uint8_t *)name, len);
	buf_u8(s->reversed, '/');
	return buf_err(s->reversed) < 0 ? -ENOMEM : 1;
}

/* Adds "eman/" to what is there, which may be NULL; the parent's number comes
 * back. */
static int path_step(struct ns *ns, uint64_t at, uint64_t *ino, struct buf *b)
{
	struct step step = {.reversed = b};
	enum ns_stmt id = at == NS_NOW ? NS_ENTRY_OF_INO : NS_PAST_ENTRY_OF_INO;
	const void *p;
	struct stmt *st;
	size_t n;
	int rc;

	if (ns_before(ns, at))
		return path_step(ns->base, at, ino, b);
	st = stmts_get(&ns->stmts, id, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)*ino);
	if (at != NS_NOW)
		stmt_int(st, 2, (int64_t)MIN(at, (uint64_t)INT64_MAX));
	rc = stmt_step(st);
	if (rc == 0 && ns->base) {
		rc = ns_over_names(ns, at, *ino, on_step, &step);
		if (rc > 0)
			*ino = step.dir;
		return rc > 0 ? 0 : rc < 0 ? rc : -ENOENT;
	}
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	*ino = (uint64_t)stmt_col_int(st, 0);
	p = stmt_col_blob(st, 1, &n);
	if (b) {
		add_reversed(b, p, n);
		buf_u8(b, '/');
	}
	stmt_reset(st);
	return b ? buf_err(b) : 0;
}

int ns_climb(struct ns_climb *c, struct ns *ns, uint64_t at, uint64_t *ino,
	     struct buf *reversed)
{
	int rc = path_step(ns, at, ino, reversed);

	if (rc < 0)
		return rc;
	if (c->steps && *ino == c->seen)
		return -EUCLEAN;
	if (!(c->steps & (c->steps - 1)))
		c->seen = *ino;
	c->steps++;
	return 0;
}

int ns_parent(struct ns *ns, uint64_t at, uint64_t ino, uint64_t *ret)
{
	int rc = ino == NS_ROOT ? -ENOENT : path_step(ns, at, &ino, NULL);

	if (rc < 0)
		return rc;
	*ret = ino;
	return 0;
}

int ns_path(struct ns *ns, uint64_t at, uint64_t ino, struct buf *ret)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct ns_climb climb = {0};
	int rc = 0;

	while (rc == 0 && ino != NS_ROOT)
		rc = ns_climb(&climb, ns, at, &ino, &b);
	if (rc < 0)
		return rc;
	if (b.len)
		add_reversed(ret, b.data, b.len);
	else
		buf_u8(ret, '/');
	return buf_err(ret);
}

int ns_names(struct ns *ns, uint64_t at, uint64_t ino,
	     int (*fn)(void *ctx, uint64_t dir, const char *name, size_t len),
	     void *ctx)
{
	const char *name;
	struct stmt *st;
	size_t n;
	int rc;

	if (ns_before(ns, at))
		return ns_names(ns->base, at, ino, fn, ctx);
	rc = ns->base ? ns_over_names(ns, at, ino, fn, ctx) : 0;
	if (rc)
		return rc;
	st = stmts_take(&ns->stmts, NS_ENTRIES_OF_INO, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_int(st, 2, (int64_t)MIN(at, (uint64_t)INT64_MAX));
	while ((rc = stmt_step(st)) > 0) {
		name = stmt_col_blob(st, 1, &n);
		rc = fn(ctx, (uint64_t)stmt_col_int(st, 0), name, n);
		if (rc != 0)
			break;
	}
	stmts_give(&ns->stmts, NS_ENTRIES_OF_INO, st);
	return rc;
}

/* --- settings ------------------------------------------------------------ */

int ns_setting_get(struct ns *ns, const char *key, struct buf *ret)
{
	const void *p;
	struct stmt *st;
	size_t n;
	int rc;

	st = stmts_get(&ns->stmts, NS_SETTING_GET, &rc);
	if (!st)
		return rc;
	stmt_text(st, 1, key, strlen(key));
	rc = stmt_step(st);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	p = stmt_col_blob(st, 0, &n);
	buf_add(ret, p, n);
	stmt_reset(st);
	return buf_err(ret);
}

int ns_setting_set(struct ns *ns, const char *key, const char *value)
{
	struct stmt *st;
	int rc;

	rc = ns_enter(ns);
	if (rc < 0)
		return rc;
	st = stmts_get(&ns->stmts, NS_SETTING_PUT, &rc);
	if (!st)
		return rc;
	stmt_text(st, 1, key, strlen(key));
	stmt_text(st, 2, value, strlen(value));
	return stmt_run(st);
}
