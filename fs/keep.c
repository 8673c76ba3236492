/* What is kept by name: snapshots, pins, settings; and what is let go of. */
#include "fs/fs.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/keepsakes.h"
#include "core/settings.h"

struct pins_of {
	struct buf *text;
	uint64_t branch;
};

static int pin_line(void *ctx, const struct pin *p)
{
	struct pins_of *of = ctx;
	struct buf *b = of->text;

	if (p->branch != of->branch)
		return 0;
	buf_fmt(b, "{\"path\":");
	buf_json(b, p->path, strlen(p->path));
	buf_fmt(b, ",\"kind\":\"%s\",\"change\":%llu,\"time_ns\":%lld}\n",
		p->ino ? "source" : "derived", (unsigned long long)p->seq,
		(long long)p->time_ns);
	return buf_err(b);
}

int keep_text(struct fs *fs, enum control c, struct buf *ret)
{
	struct pins_of of = {ret, ns_branch(fs->ns)};
	struct settings s;
	int r;

	if (c == CTL_PINS)
		return pins_each(fs->db, pin_line, &of);
	r = settings_load(fs->db, &s);
	if (r < 0)
		return r;
	settings_format(&s, ret);
	return buf_err(ret);
}

/* A path without what does not change it. */
static void plain(const char *path, struct buf *ret)
{
	for (; *path; path++)
		if (*path != '/' || (ret->len && path[1] && path[1] != '/'))
			buf_add(ret, path, 1);
}

static struct ns_by mounter(const struct fs *fs)
{
	return (struct ns_by){.uid = (uint32_t)fs->uid,
			      .pid = (uint32_t)getpid(),
			      .program = "deriva"};
}

static int pin(struct fs *fs, const char *path)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct pin p = {.seq = ns_last_change(fs->ns),
			.time_ns = clock_now_ns()};
	struct ns_by by = mounter(fs);
	struct ns_attr recipe;
	const char *name;
	int r;

	plain(path, &b);
	if (buf_err(&b) < 0)
		return -ENOMEM;
	p.path = buf_cstr(&b);
	if (!b.len) { /* the whole tree */
		p.ino = p.dir = NS_ROOT;
		p.name = "";
		return pin_add(fs->ns, &by, &p);
	}
	r = lookup_path(fs, p.path, &p.dir, &name);
	if (r < 0)
		return r;
	p.name = name;
	r = ns_lookup(fs->ns, NS_NOW, p.dir, name, strlen(name), &p.ino, NULL);
	if (r == -ENOENT) {
		p.ino = 0;
		r = eval_defined(fs->eval, NS_NOW, p.dir, name, strlen(name),
				 &recipe);
	}
	return r < 0 ? r : pin_add(fs->ns, &by, &p);
}

static int unpin(struct fs *fs, const char *path)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct ns_by by = mounter(fs);

	plain(path, &b);
	return buf_err(&b) < 0 ? -ENOMEM
			       : pin_remove(fs->ns, &by, buf_cstr(&b));
}

/* Also one that lies below a pinned directory. */
static int is_pinned(struct fs *fs, uint64_t dir, const char *name)
{
	int r = pin_holds(fs->db, dir, name, strlen(name));

	while (!r) {
		r = pins_hold_dir(fs->db, dir);
		if (r || dir == NS_ROOT)
			break;
		r = ns_parent(fs->ns, NS_NOW, dir, &dir);
	}
	return r;
}

static int drop(struct fs *fs, const char *path)
{
	const char *name;
	uint64_t dir;
	int r = lookup_path(fs, path, &dir, &name);

	if (r >= 0)
		r = is_pinned(fs, dir, name);
	if (r > 0)
		return -EBUSY;
	return r < 0 ? r : eval_drop(fs->eval, dir, name, strlen(name));
}

static int set(struct fs *fs, const char *line)
{
	CLEANUP_BUF struct buf name = BUF_INIT;
	const char *colon = strchr(line, ':'), *value;
	struct ns_by by = mounter(fs);
	struct err err;
	int r;

	if (!colon)
		return -EINVAL;
	buf_add(&name, line, (size_t)(colon - line));
	value = colon + 1 + strspn(colon + 1, " ");
	r = settings_set(fs->ns, &by, buf_cstr(&name), value, &err);
	if (r < 0)
		log_warn(".deriva/settings: %s", err.msg);
	return r;
}

static int tell(struct fs *fs, enum control c, const char *line)
{
	struct ns_by by = mounter(fs);

	switch (c) {
	case CTL_DROP:
		return drop(fs, line);
	case CTL_PIN:
		return pin(fs, line);
	case CTL_UNPIN:
		return unpin(fs, line);
	case CTL_SNAPSHOT:
		return snapshot_add(fs->ns, &by, line, ns_last_change(fs->ns),
				    clock_now_ns());
	case CTL_SETTINGS:
		return set(fs, line);
	case CTL_BRANCH:
		return branches_told(fs, line);
	default:
		return -EPERM;
	}
}

/* It holds when the answer is given. */
int keep_told(struct fs *fs, enum control c, const char *line)
{
	int r = tell(fs, c, line);

	if (r >= 0 && c == CTL_SETTINGS)
		store_wake(fs->store); /* the keeper looks what holds now */
	return r < 0 ? r : store_sync(fs->store);
}

int keep_options(struct fs *fs, struct err *err)
{
	const struct {
		const char *name, *value;
	} list[] = {
		{"retention", fs->opt.retention},
		{"budget", fs->opt.budget},
		{"collect", fs->opt.collect},
		{"verify", fs->opt.verify},
	};
	struct ns_by by = mounter(fs);
	size_t i;
	int r = 0;

	db_lock(fs->db);
	for (i = 0; r >= 0 && i < ARRAY_LEN(list); i++)
		if (list[i].value[0])
			r = settings_set(fs->ns, &by, list[i].name,
					 list[i].value, err);
	if (r >= 0)
		r = db_commit(fs->db);
	db_unlock(fs->db);
	return r;
}
