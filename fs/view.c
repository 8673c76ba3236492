/* What runs see: views as directories below .deriva/run/. */
#include "fs/fs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "recipes/observe.h"
#include "recipes/view.h"

/* The tree of a run whose inputs are observed, from one of its tops. */
struct live {
	struct observe *observe;
	size_t top;
};

static int name_view(struct fs *fs, uint64_t id, char **ret_path,
		     uint64_t *ret_id)
{
	char *path;

	if (asprintf(&path, "%s/%s/run/%llu", fs->mountpoint, CONTROL_NAME,
		     (unsigned long long)id) < 0) {
		view_hide(fs, id);
		return -ENOMEM;
	}
	*ret_path = path;
	*ret_id = id;
	return 0;
}

/* Called without any lock, from a thread of the evaluation. */
int view_show(void *ctx, const struct view_node *view, char **ret_path,
	      uint64_t *ret_id)
{
	struct fs *fs = ctx;
	uint64_t id;
	int r;

	db_lock(fs->db);
	id = ++fs->next_id;
	r = map_put_u64(fs->views, id, (void *)(uintptr_t)view);
	db_unlock(fs->db);
	if (r < 0)
		return r;
	return name_view(fs, id, ret_path, ret_id);
}

int view_show_live(void *ctx, struct observe *o, size_t top, char **ret_path,
		   uint64_t *ret_id)
{
	struct live *l = malloc(sizeof(*l));
	struct fs *fs = ctx;
	uint64_t id;
	int r;

	if (!l)
		return -ENOMEM;
	*l = (struct live){o, top};
	db_lock(fs->db);
	id = ++fs->next_id;
	r = map_put_u64(fs->lives, id, l);
	db_unlock(fs->db);
	if (r < 0) {
		free(l);
		return r;
	}
	return name_view(fs, id, ret_path, ret_id);
}

void view_hide(void *ctx, uint64_t id)
{
	struct fs *fs = ctx;
	struct node *run;
	char name[24];
	fuse_ino_t parent;

	db_lock(fs->db);
	map_del_u64(fs->views, id);
	free(map_del_u64(fs->lives, id));
	run = node_control(fs, CTL_RUN, 0);
	parent = run && run->lookups ? node_id(fs, run) : 0;
	if (run)
		node_drop(fs, run); /* unless the kernel knows it */
	db_unlock(fs->db);
	/* so that the kernel forgets the directories, and so do we */
	snprintf(name, sizeof(name), "%llu", (unsigned long long)id);
	if (parent && !fs->closing)
		fuse_lowlevel_notify_inval_entry(fs->se, parent, name,
						 strlen(name));
}

void damage_met(struct fs *fs, uint64_t run, const struct addr *a)
{
	const struct view_node *view;
	const struct live *live;

	db_lock(fs->db);
	view = run ? map_get_u64(fs->views, run) : NULL;
	live = run ? map_get_u64(fs->lives, run) : NULL;
	if (live)
		observe_damaged(live->observe);
	if (fs->eval)
		eval_damaged(fs->eval, view, a);
	db_unlock(fs->db);
}

/* --- observed ------------------------------------------------------------- */

struct node *view_live(struct fs *fs, uint64_t id)
{
	const struct live *l = map_get_u64(fs->lives, id);

	return l ? node_live(fs, id, l->top, false) : NULL;
}

static int node_seen(struct fs *fs, const struct live *l, uint64_t id,
		     const struct seen *s, struct node **ret)
{
	struct view_node view = {.addr = s->addr};
	struct tree_at at;

	switch (s->kind) {
	case SEEN_NOTHING:
		return -ENOENT;
	case SEEN_DENIED:
	case SEEN_OTHER: /* what a device holds is no input */
		return -EACCES;
	case SEEN_FAILED:
		return s->error == ENOENT ? -ENOENT : -EIO;
	case SEEN_TREE:
		tree_at_view(fs, id, &view, &at);
		return tree_top(fs, &at, ret);
	case SEEN_FILE:
		*ret = node_content(fs, &s->addr, s->size, s->executable);
		break;
	case SEEN_LINK:
	case SEEN_DIR:
		*ret = node_live(fs, id, s->place, s->kind == SEEN_LINK);
		if (*ret && s->kind == SEEN_LINK)
			(*ret)->size =
				strlen(observe_link(l->observe, s->place));
		break;
	}
	return *ret ? 0 : -ENOMEM;
}

int live_lookup(struct fs *fs, const struct node *dir, const char *name,
		struct node **ret)
{
	const struct live *l = map_get_u64(fs->lives, dir->at);
	size_t len = strlen(name);
	struct seen seen;
	int r;

	if (!l)
		return -ESTALE; /* the run is over */
	if (len > NS_NAME_MAX)
		return -ENAMETOOLONG;
	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	r = observe_lookup(l->observe, dir->ino, name, len, &seen);
	return r < 0 ? (r == -ECANCELED ? -EIO : r)
		     : node_seen(fs, l, dir->at, &seen, ret);
}

int live_list(struct fs *fs, const struct node *dir,
	      int (*fn)(void *ctx, const char *name, size_t len, uint32_t mode),
	      void *ctx)
{
	const struct live *l = map_get_u64(fs->lives, dir->at);
	int r = l ? observe_list(l->observe, dir->ino, fn, ctx) : -ESTALE;

	return r == -ECANCELED ? -EIO : r;
}

int live_link(struct fs *fs, const struct node *n, struct buf *ret)
{
	const struct live *l = map_get_u64(fs->lives, n->at);
	const char *target = l ? observe_link(l->observe, n->ino) : NULL;

	if (!target)
		return l ? -EINVAL : -ESTALE;
	buf_str(ret, target);
	return buf_err(ret);
}
