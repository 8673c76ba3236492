/* What no query over the rows of one branch can say: its rows and those of what
 * it was made from, together. */
#include "core/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/ns_internal.h"

static int count_name(void *ctx, uint64_t dir, const char *name, size_t len)
{
	++*(uint64_t *)ctx;
	return 0;
}

static int count_dir(void *ctx, const struct ns_entry *e)
{
	*(uint64_t *)ctx += S_ISDIR(e->mode);
	return 0;
}

static int check_links(const struct check *c, struct ns *ns, uint64_t ino)
{
	struct ns_attr a;
	uint64_t n = 0;
	char text[128];
	int rc = ns_inode(ns, ino, &a);

	if (rc == 0 && S_ISDIR(a.mode) && a.nlink) {
		n = 2;
		rc = ns_list(ns, NS_NOW, ino, "", 0, count_dir, &n);
	} else if (rc == 0) {
		rc = ns_names(ns, NS_NOW, ino, count_name, &n);
	}
	if (rc < 0 || n == a.nlink)
		return rc;
	snprintf(text, sizeof(text),
		 "branch %" PRIu64 ": inode %" PRIu64 " has %" PRIu64
		 " links and counts %" PRIu32,
		 ns->branch, ino, n, a.nlink);
	c->found(c->ctx, text);
	return 0;
}

/* Inodes of its own: what is inherited is counted when it is asked for. */
static int check_own(const struct check *c, struct ns *ns)
{
	CLEANUP_BUF struct buf inodes = BUF_INIT;
	struct stmt *st;
	struct cur at;
	int rc;

	st = stmts_get(&ns->stmts, NS_OVER_INODES, &rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0)
		buf_u64(&inodes, (uint64_t)stmt_col_int(st, 0));
	if (rc == 0)
		rc = buf_err(&inodes);
	at = cur_of(inodes.data, inodes.len);
	while (rc == 0 && cur_left(&at))
		rc = check_links(c, ns, cur_u64(&at));
	return rc;
}

static int check_totals(const struct check *c, struct ns *ns)
{
	struct totals is, said;
	char text[160];
	int rc = ns_over_totals(ns, &is);

	if (rc == 0)
		rc = ns_totals(ns, &said);
	if (rc < 0 || (is.files == said.files && is.dirs == said.dirs &&
		       is.links == said.links && is.bytes == said.bytes))
		return rc;
	snprintf(text, sizeof(text),
		 "branch %" PRIu64 " says %" PRIu64 " files of %" PRIu64
		 " bytes, and there are %" PRIu64 " of %" PRIu64,
		 ns->branch, said.files, said.bytes, is.files, is.bytes);
	(c->total ? c->total : c->found)(c->ctx, text);
	return 0;
}

static int check_branch(const struct check *c, uint64_t id)
{
	struct ns *ns = NULL;
	char text[128];
	int rc = ns_open_view(c->db, id, &ns);

	if (rc == 0)
		rc = check_own(c, ns);
	if (rc == 0)
		rc = check_totals(c, ns);
	ns_close(ns);
	if (rc != -ENOENT && rc != -EUCLEAN && rc != -ENOTDIR)
		return rc;
	snprintf(text, sizeof(text), "branch %" PRIu64 " cannot be read: %s",
		 id, err_name(rc));
	c->found(c->ctx, text);
	return 0;
}

/* In the order of their numbers: what one was made from comes first. */
static int each_branch(struct db *db, int (*fn)(void *ctx, uint64_t id),
		       void *ctx)
{
	CLEANUP_BUF struct buf ids = BUF_INIT;
	struct stmt *st;
	struct cur at;
	int rc;

	st = db_prepare(db, "SELECT id FROM branch WHERE id <> 1 ORDER BY id",
			&rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0)
		buf_u64(&ids, (uint64_t)stmt_col_int(st, 0));
	stmt_free(st);
	if (rc == 0)
		rc = buf_err(&ids);
	at = cur_of(ids.data, ids.len);
	while (rc == 0 && cur_left(&at))
		rc = fn(ctx, cur_u64(&at));
	return rc;
}

static int check_one(void *ctx, uint64_t id)
{
	return check_branch(ctx, id);
}

int check_branches(const struct check *c)
{
	struct check copy = *c;

	return each_branch(c->db, check_one, &copy);
}

static int recount_one(void *ctx, uint64_t id)
{
	struct ns *ns = NULL;
	struct totals t;
	int rc = ns_open_view(ctx, id, &ns);

	if (rc == 0)
		rc = ns_over_totals(ns, &t);
	if (rc == 0)
		rc = ns_over_put_totals(ns, &t);
	ns_close(ns);
	return rc;
}

int check_recount_branches(struct db *db)
{
	return each_branch(db, recount_one, db);
}
