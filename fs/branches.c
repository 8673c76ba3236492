/* .deriva/branch and .deriva/branches: which branch this is, and all there are.
 * A line that is written makes, removes or renames one:
 *
 *   +NAME [MOMENT]   from this branch, as it is or was
 *   -NAME
 *   =NAME NEW
 */
#include "fs/fs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cas/attach.h"
#include "core/branch.h"

static int own_name(struct fs *fs, struct branch *ret)
{
	return branch_get(fs->db, ns_branch(fs->ns), ret);
}

int branch_text(struct fs *fs, struct buf *ret)
{
	struct branch b;
	int r = own_name(fs, &b);

	if (r < 0)
		return r;
	buf_fmt(ret, "%s\n", b.name);
	return buf_err(ret);
}

void branch_json(struct fs *fs, struct buf *ret)
{
	struct branch b;

	if (own_name(fs, &b) < 0)
		snprintf(b.name, sizeof(b.name), "#%llu",
			 (unsigned long long)ns_branch(fs->ns));
	buf_json(ret, b.name, strlen(b.name));
}

struct listing {
	struct fs *fs;
	struct buf *text;
};

static int line(void *ctx, const struct branch *b)
{
	const struct listing *l = ctx;
	struct branch from;
	uint64_t changes = 0;
	int r = b->parent ? branch_changes(l->fs->db, b, &changes) : 0;

	if (r < 0)
		return r;
	buf_str(l->text, "{\"branch\":");
	buf_json(l->text, b->name, strlen(b->name));
	if (b->id == ns_branch(l->fs->ns))
		buf_str(l->text, ",\"present\":true");
	if (b->parent && branch_get(l->fs->db, b->parent, &from) >= 0) {
		buf_str(l->text, ",\"from\":");
		buf_json(l->text, from.name, strcspn(from.name, "\n"));
		buf_fmt(l->text, ",\"fork\":%llu,\"changes\":%llu",
			(unsigned long long)b->forked_at,
			(unsigned long long)changes);
	}
	buf_str(l->text, "}\n");
	return buf_err(l->text);
}

int branches_text(struct fs *fs, struct buf *ret)
{
	struct listing l = {fs, ret};
	int r = db_commit(fs->db); /* of what follows, all is there */

	return r < 0 ? r : branches_each(fs->db, line, &l);
}

/* Whether some process has it mounted, by what each says of itself. */
static int is_mounted(struct fs *fs, const char *name)
{
	CLEANUP_BUF struct buf all = BUF_INIT, what = BUF_INIT;
	struct branch b;
	int r = branch_find(fs->db, name, &b);

	if (r < 0)
		return r;
	if (b.id == ns_branch(fs->ns))
		return 1;
	buf_fmt(&what, " has branch #%llu (", (unsigned long long)b.id);
	r = attach_others(store_attach(fs->store), &all);
	if (r < 0)
		return r;
	return strstr(buf_cstr(&all), buf_cstr(&what)) != NULL;
}

static int make(struct fs *fs, const struct ns_by *by, char *name)
{
	char *moment = strchr(name, ' ');
	uint64_t at = NS_NOW;
	struct branch b;
	bool fixed;
	int r = 0;

	if (moment) {
		*moment++ = '\0';
		r = past_find(fs, moment, &at, &fixed);
		if (r == -ENOENT)
			r = -ESTALE; /* no such moment */
	}
	return r < 0 ? r : branch_make(fs->ns, by, name, at, &b);
}

int branches_told(struct fs *fs, const char *text)
{
	const struct ns_by by = {.uid = (uint32_t)fs->uid,
				 .pid = (uint32_t)getpid(),
				 .program = "deriva"};
	CLEANUP_FREE char *copy = strdup(text);
	char *to;
	int r;

	if (!copy)
		return -ENOMEM;
	switch (*copy) {
	case '+':
		return make(fs, &by, copy + 1);
	case '-':
		r = is_mounted(fs, copy + 1);
		if (r)
			return r < 0 ? r : -EBUSY;
		return branch_remove(fs->ns, &by, copy + 1);
	case '=':
		to = strchr(copy, ' ');
		if (!to)
			return -EINVAL;
		*to++ = '\0';
		return branch_rename(fs->ns, &by, copy + 1, to);
	default:
		return -EINVAL;
	}
}
