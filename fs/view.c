/* What runs see: views as directories below .deriva/run/. */
#include "fs/fs.h"

#include <stdio.h>
#include <string.h>

/* Called without any lock, from a thread of the evaluation. */
int view_show(void *ctx, const struct view_node *view, char **ret_path,
	      uint64_t *ret_id)
{
	struct fs *fs = ctx;
	uint64_t id;
	char *path;
	int r;

	db_lock(fs->db);
	id = ++fs->next_id;
	r = map_put_u64(fs->views, id, (void *)(uintptr_t)view);
	db_unlock(fs->db);
	if (r < 0)
		return r;
	if (asprintf(&path, "%s/%s/run/%llu", fs->mountpoint, CONTROL_NAME,
		     (unsigned long long)id) < 0) {
		view_hide(fs, id);
		return -ENOMEM;
	}
	*ret_path = path;
	*ret_id = id;
	return 0;
}

void view_hide(void *ctx, uint64_t id)
{
	struct fs *fs = ctx;
	struct node *run;
	char name[24];
	fuse_ino_t parent;

	db_lock(fs->db);
	map_del_u64(fs->views, id);
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

	db_lock(fs->db);
	view = run ? map_get_u64(fs->views, run) : NULL;
	if (fs->eval)
		eval_damaged(fs->eval, view, a);
	db_unlock(fs->db);
}
