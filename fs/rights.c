/* Rights in a mount of an ordinary user that nobody else may enter.
 *
 * With default_permissions the kernel asks for the attributes of a file before
 * it opens it or reads an xattr, which cannot be told from stat(2) and would
 * compute what somebody merely asks about. So this mount goes without, and the
 * modes are checked here, for the one user there is. What the kernel answers
 * from its caches are look-ups below a directory: when its mode changes, names
 * are forgotten, and the next look-up comes here. That takes a kernel that can
 * forget names (see derived.c); older ones check themselves.
 */
#include "fs/fs.h"

#include <errno.h>
#include <grp.h>
#include <sys/stat.h>

static bool in_group(struct fs *fs, gid_t gid)
{
	gid_t groups[256];
	int n, i;

	if (gid == fs->gid)
		return true;
	n = getgroups(ARRAY_LEN(groups), groups);
	for (i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

int may(struct fs *fs, struct node *n, int what)
{
	struct stat st;
	unsigned bits;
	int r;

	if (!fs->checks || n->kind == NODE_VIEW || n->kind == NODE_CONTENT)
		return 0;
	r = node_attr(fs, n, &st);
	if (r < 0)
		return r;
	if (st.st_uid == fs->uid)
		bits = st.st_mode >> 6;
	else if (in_group(fs, st.st_gid))
		bits = st.st_mode >> 3;
	else
		bits = st.st_mode;
	return (bits & (unsigned)what) == (unsigned)what ? 0 : -EACCES;
}

int may_set(struct fs *fs, struct node *n, const struct stat *st, int valid)
{
	struct stat now;
	int r;

	if (!fs->checks)
		return 0;
	r = node_attr(fs, n, &now);
	if (r < 0)
		return r;
	if ((valid & FUSE_SET_ATTR_UID) && st->st_uid != now.st_uid)
		return -EPERM;
	if ((valid & FUSE_SET_ATTR_GID) && st->st_gid != now.st_gid &&
	    (now.st_uid != fs->uid || !in_group(fs, st->st_gid)))
		return -EPERM;
	if ((valid & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_ATIME |
		      FUSE_SET_ATTR_MTIME)) &&
	    now.st_uid != fs->uid)
		return -EPERM;
	return 0;
}
