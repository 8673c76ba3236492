/* One step of a path, for each kind of directory. */
#include "fs/fs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "recipes/view.h"

int lookup_at(struct fs *fs, uint64_t at, uint64_t dir, const char *name,
	      int pid, struct node **ret)
{
	size_t len = strlen(name);
	struct node *n;
	uint64_t ino;
	int r;

	if (len > NS_NAME_MAX)
		return -ENAMETOOLONG;
	r = ns_lookup(fs->ns, at, dir, name, len, &ino, NULL);
	if (r == -ENOENT)
		return derived_lookup(fs, at, dir, name, len, pid, ret);
	if (r < 0)
		return r;
	n = at == NS_NOW ? node_source(fs, ino) : node_past(fs, at, ino);
	if (!n)
		return -ENOMEM;
	*ret = n;
	return 0;
}

static int lookup_view(struct fs *fs, struct node *dir, const char *name,
		       struct node **ret)
{
	const struct view_node *v;

	if (!map_get_u64(fs->views, dir->ino))
		return -ESTALE; /* the run is over */
	v = view_find(dir->view, name, strlen(name));
	if (!v)
		return -ENOENT;
	view_saw(v);
	if (v->tree) {
		struct tree_at at;

		tree_at_view(fs, dir->ino, v, &at);
		return tree_top(fs, &at, ret);
	}
	*ret = v->dir ? node_view(fs, dir->ino, v)
		      : node_content(fs, &v->addr, v->size, v->executable);
	return *ret ? 0 : -ENOMEM;
}

/* -EAGAIN: it has to be computed first. */
static int lookup_dir(struct fs *fs, struct node *dir, const char *name,
		      struct node **ret)
{
	const struct name *nm = dir->name;
	const struct eval_value *v =
		eval_current(fs->eval, nm->at, nm->dir, nm->text, nm->len);
	struct tree_at at;
	int r = v && v->is_dir ? tree_at_value(fs, dir, v, &at) : -EAGAIN;

	if (r >= 0 &&
	    eval_is_dropped(fs->eval, nm->at, nm->dir, nm->text, nm->len))
		r = -EAGAIN;
	return r < 0 ? r : tree_child(fs, &at, name, ret);
}

int lookup_child(struct fs *fs, struct node *dir, const char *name, int pid,
		 struct node **ret)
{
	struct tree_at at;
	int r = may(fs, dir, X_OK);

	if (r < 0)
		return r;
	switch (dir->kind) {
	case NODE_SOURCE:
		if (dir == fs->root && !strcmp(name, CONTROL_NAME)) {
			*ret = node_control(fs, CTL_ROOT, 0);
			return *ret ? 0 : -ENOMEM;
		}
		return lookup_at(fs, NS_NOW, dir->ino, name, pid, ret);
	case NODE_PAST:
		return lookup_at(fs, dir->at, dir->ino, name, pid, ret);
	case NODE_DIR:
		return lookup_dir(fs, dir, name, ret);
	case NODE_TREE:
		if (!S_ISDIR(dir->mode))
			return -ENOTDIR;
		tree_at_node(dir, &at);
		return tree_child(fs, &at, name, ret);
	case NODE_LIVE:
		return live_lookup(fs, dir, name, ret);
	case NODE_VIEW:
		return lookup_view(fs, dir, name, ret);
	case NODE_HISTORY:
		return history_lookup(fs, dir, name, pid, ret);
	case NODE_CONTROL:
		return control_lookup(fs, dir, name, pid, ret);
	default:
		return -ENOTDIR;
	}
}

int lookup_path(struct fs *fs, const char *path, uint64_t *ret_dir,
		const char **ret_name)
{
	uint64_t dir = NS_ROOT;
	const char *slash;
	int r;

	for (;; path = slash + 1) {
		while (*path == '/')
			path++;
		slash = strchr(path, '/');
		if (!slash)
			break;
		r = ns_lookup(fs->ns, NS_NOW, dir, path, (size_t)(slash - path),
			      &dir, NULL);
		if (r < 0)
			return r;
	}
	if (!*path)
		return -ENOENT;
	*ret_dir = dir;
	*ret_name = path;
	return 0;
}
