/* .deriva/history: every version of each path.
 *
 * A HISTORY node is a path below the root, whatever had it and whether anything
 * has it now. What is in it: versions, as NUMBER-TIME, and below what was a
 * directory every name that it ever had. A version is the PAST node of its
 * inode at the change that made it, so that it is never looked at before it is
 * asked for; one of a derived file is that name at that moment (derived.c).
 *
 * NUMBER is the change's, with zeros in front so that names sort as they came;
 * TIME is UTC. A version is found by its number alone: what belongs to a path
 * is found from the inode upwards (core/trail.h), in time of the path's depth.
 */
#include "fs/fs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/trail.h"

#define VERSION_NAME 64

static void version_name(const struct ns_change *c, char ret[VERSION_NAME])
{
	char time[48];

	time_format_utc(c->time_ns, time, sizeof(time));
	snprintf(ret, VERSION_NAME, "%010" PRIu64 "-%s", c->seq, time);
}

/* The number of a change whose version has that name; -ENOENT. */
static int version_seq(struct fs *fs, const char *name, uint64_t *ret)
{
	char text[VERSION_NAME];
	struct ns_change c;
	int r;

	if (strspn(name, "0123456789") < 10)
		return -ENOENT;
	r = ns_change(fs->ns, strtoull(name, NULL, 10), &c);
	if (r < 0)
		return r;
	version_name(&c, text);
	if (strcmp(text, name) != 0)
		return -ENOENT;
	*ret = c.seq;
	return 0;
}

/* "a/b" is "a" and "b"; "b" is "" and "b". */
static int split(const char *path, char **ret_dir, const char **ret_name)
{
	const char *slash = strrchr(path, '/');

	*ret_dir = strndup(path, slash ? (size_t)(slash - path) : 0);
	*ret_name = slash ? slash + 1 : path;
	return *ret_dir ? 0 : -ENOMEM;
}

/* --- derived names ---------------------------------------------------------
 */

/* Contents that a derived name had, in each of the directories of its path. */
struct derived_walk {
	struct fs *fs;
	const char *name;
	uint64_t until;
	int (*fn)(void *ctx, const struct derived *d);
	void *ctx;
};

static int on_derived(void *ctx, const struct derived *d)
{
	const struct derived_walk *w = ctx;

	return d->error || d->seq >= w->until ? 0 : w->fn(w->ctx, d);
}

static int on_derived_dir(void *ctx, const struct trail *t)
{
	struct derived_walk *w = ctx;

	w->until = t->until;
	return results_derived_history(w->fs->results, t->ino, w->name,
				       strlen(w->name), on_derived, w);
}

static int derived_each(struct fs *fs, const char *path,
			int (*fn)(void *ctx, const struct derived *d),
			void *ctx)
{
	CLEANUP_FREE char *dir = NULL;
	struct derived_walk w = {.fs = fs, .fn = fn, .ctx = ctx};
	int r = split(path, &dir, &w.name);

	return r < 0 ? r : trail_each(fs->ns, dir, on_derived_dir, &w);
}

/* The directory in which a name took a content by a change. */
struct derived_at {
	struct fs *fs;
	const char *name;
	uint64_t seq, dir;
};

static int on_dir_at(void *ctx, const struct trail *t)
{
	struct derived_at *w = ctx;
	struct derived d;
	int r;

	if (w->seq >= t->until)
		return 0;
	r = results_derived(w->fs->results, w->seq, t->ino, w->name,
			    strlen(w->name), &d);
	if (r == -ENOENT || (r >= 0 && (d.seq != w->seq || d.error)))
		return 0;
	w->dir = t->ino;
	return r < 0 ? r : 1;
}

/* --- look-up ---------------------------------------------------------------
 */

static int lookup_version(struct fs *fs, const char *path, uint64_t seq,
			  int pid, struct node **ret)
{
	struct derived_at w = {.fs = fs, .seq = seq};
	CLEANUP_FREE char *dir = NULL;
	uint64_t ino;
	int r = trail_version(fs->ns, path, seq, &ino);

	if (r >= 0) {
		*ret = node_past(fs, seq, ino);
		return *ret ? 0 : -ENOMEM;
	}
	if (r == -ENOENT)
		r = split(path, &dir, &w.name);
	if (r >= 0)
		r = trail_each(fs->ns, dir, on_dir_at, &w);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	return derived_lookup(fs, seq, w.dir, w.name, strlen(w.name), pid, ret);
}

static int any_trail(void *ctx, const struct trail *t)
{
	(void)ctx;
	(void)t;
	return 1;
}

static int any_derived(void *ctx, const struct derived *d)
{
	(void)ctx;
	(void)d;
	return 1;
}

struct defined {
	struct fs *fs;
	const char *name;
};

/* One that was never computed has a history, too: an empty one. */
static int any_defined(void *ctx, const struct trail *t)
{
	const struct defined *d = ctx;
	struct ns_attr recipe;
	int r;

	if (t->until != TRAIL_NOW)
		return 0;
	r = eval_defined(d->fs->eval, NS_NOW, t->ino, d->name, strlen(d->name),
			 &recipe);
	return r == -ENOENT || r == -ENOTDIR ? 0
	       : r == -EEXIST		     ? 1
					     : r + (r >= 0);
}

/* 1: there is or was something of that path; 0: never. */
static int path_was(struct fs *fs, const char *path)
{
	CLEANUP_FREE char *dir = NULL;
	struct defined d = {.fs = fs};
	int r = trail_each(fs->ns, path, any_trail, NULL);

	if (r == 0)
		r = derived_each(fs, path, any_derived, NULL);
	if (r == 0)
		r = split(path, &dir, &d.name);
	if (r == 0)
		r = trail_each(fs->ns, dir, any_defined, &d);
	return r;
}

int history_lookup(struct fs *fs, struct node *dir, const char *name, int pid,
		   struct node **ret)
{
	CLEANUP_FREE char *path = NULL;
	const char *above = dir->target;
	uint64_t seq;
	int r = *above ? version_seq(fs, name, &seq) : -ENOENT;

	if (r >= 0)
		r = lookup_version(fs, above, seq, pid, ret);
	if (r != -ENOENT)
		return r;
	if (strlen(name) > NS_NAME_MAX)
		return -ENAMETOOLONG;
	if (asprintf(&path, "%s%s%s", above, *above ? "/" : "", name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = path_was(fs, path);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret = node_history(fs, path);
	return *ret ? 0 : -ENOMEM;
}

/* --- listing ---------------------------------------------------------------
 */

struct row {
	uint64_t seq;
	int64_t time_ns;
	uint32_t mode;
};

struct rows {
	struct fs *fs;
	struct row *list;
	size_t n, cap;
	struct map *inodes; /* that were seen -> until when */
	uint64_t until;
	struct map *names;
	struct buf text; /* names, each with its NUL */
};

static int add_row(struct rows *rs, uint64_t seq, int64_t time_ns,
		   uint32_t mode)
{
	struct row *more;
	size_t cap;

	if (rs->n == rs->cap) {
		cap = rs->cap ? rs->cap * 2 : 64;
		more = reallocarray(rs->list, cap, sizeof(*more));
		if (!more)
			return -ENOMEM;
		rs->list = more;
		rs->cap = cap;
	}
	rs->list[rs->n++] = (struct row){seq, time_ns, mode & S_IFMT};
	return 0;
}

static int on_version(void *ctx, const struct ns_version *v)
{
	struct rows *rs = ctx;

	return v->change.seq >= rs->until || S_ISDIR(v->attr.mode)
		       ? 0
		       : add_row(rs, v->change.seq, v->change.time_ns,
				 v->attr.mode);
}

static int on_content(void *ctx, const struct derived *d)
{
	struct rows *rs = ctx;
	struct ns_change c;
	int r = ns_change(rs->fs->ns, d->seq, &c);

	return r < 0 ? r
		     : add_row(rs, c.seq, c.time_ns,
			       d->is_dir ? S_IFDIR : S_IFREG);
}

static int add_name(void *ctx, const char *name, size_t len)
{
	struct rows *rs = ctx;
	int r;

	if (map_get(rs->names, name, len))
		return 0;
	r = map_put(rs->names, name, len, rs, NULL);
	if (r < 0)
		return r;
	buf_add(&rs->text, name, len);
	buf_u8(&rs->text, '\0');
	return buf_err(&rs->text);
}

static int on_defined(void *ctx, const char *name, size_t len, bool dir)
{
	(void)dir;
	return add_name(ctx, name, len);
}

static int add_names(struct rows *rs, const struct trail *t)
{
	struct ns_attr a;
	int r = trail_names(rs->fs->ns, t->ino, t->until, add_name, rs);

	if (r == 0)
		r = results_derived_names(rs->fs->results, t->ino, add_name,
					  rs);
	if (r < 0 || t->until != TRAIL_NOW ||
	    ns_getattr(rs->fs->ns, NS_NOW, t->ino, &a) < 0 || !S_ISDIR(a.mode))
		return r;
	return eval_list(rs->fs->eval, NS_NOW, t->ino, on_defined, rs);
}

/* An inode that had the path several times is looked at when it lost it last,
 * since all it was before is told then. */
static int note_inode(void *ctx, const struct trail *t)
{
	struct rows *rs = ctx;
	uint64_t until = (uint64_t)(uintptr_t)map_get_u64(rs->inodes, t->ino);

	return t->until <= until ? 0
				 : map_put_u64(rs->inodes, t->ino,
					       (void *)(uintptr_t)t->until);
}

static int by_seq(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

static int gather(struct rows *rs, const char *path)
{
	struct trail t = {0};
	const void *key;
	size_t it = 0, len;
	void *until;
	int r = trail_each(rs->fs->ns, path, note_inode, rs);

	while (r == 0 && map_next(rs->inodes, &it, &key, &len, &until)) {
		memcpy(&t.ino, key, sizeof(t.ino));
		t.until = rs->until = (uint64_t)(uintptr_t)until;
		if (*path)
			r = trail_versions(rs->fs->ns, t.ino, on_version, rs);
		if (r == 0)
			r = add_names(rs, &t);
	}
	if (r == 0 && *path)
		r = derived_each(rs->fs, path, on_content, rs);
	if (r == 0 && rs->n)
		qsort(rs->list, rs->n, sizeof(*rs->list), by_seq);
	return r;
}

static int tell(struct rows *rs,
		int (*fn)(void *ctx, const char *name, uint32_t mode),
		void *ctx)
{
	const char *p = (const char *)rs->text.data;
	const char *end = p + rs->text.len;
	char name[VERSION_NAME];
	struct ns_change c = {0};
	size_t i;
	int r = 0;

	for (; r >= 0 && p < end; p += strlen(p) + 1)
		r = fn(ctx, p, S_IFDIR);
	for (i = 0; r >= 0 && i < rs->n; i++) {
		c.seq = rs->list[i].seq;
		c.time_ns = rs->list[i].time_ns;
		version_name(&c, name);
		r = fn(ctx, name, rs->list[i].mode);
	}
	return r;
}

int history_list(struct fs *fs, const struct node *dir,
		 int (*fn)(void *ctx, const char *name, uint32_t mode),
		 void *ctx)
{
	struct rows rs = {.fs = fs, .inodes = map_new(), .names = map_new()};
	int r = rs.inodes && rs.names ? gather(&rs, dir->target) : -ENOMEM;

	if (r >= 0)
		r = tell(&rs, fn, ctx);
	map_free(rs.inodes);
	map_free(rs.names);
	buf_done(&rs.text);
	free(rs.list);
	return r;
}
