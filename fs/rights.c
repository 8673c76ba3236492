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

#include "core/acl.h"

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

static bool in_group_cb(void *ctx, gid_t gid)
{
	return in_group(ctx, gid);
}

int may(struct fs *fs, struct node *n, int what)
{
	CLEANUP_FREE struct acl *a = NULL;
	struct stat st;
	unsigned bits;
	int r;

	if (!fs->checks || n->kind == NODE_VIEW || n->kind == NODE_CONTENT ||
	    n->kind == NODE_LIVE)
		return 0;
	r = node_attr(fs, n, &st);
	if (r < 0)
		return r;
	r = n->kind == NODE_SOURCE && st.st_uid != fs->uid
		    ? acl_of(fs, n, ACL_ACCESS, &a)
		    : -ENODATA;
	if (r >= 0)
		return acl_grants(a, fs->uid, st.st_gid, in_group_cb, fs,
				  (unsigned)what)
			       ? 0
			       : -EACCES;
	if (r != -ENODATA)
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

bool member(fuse_req_t req, gid_t gid)
{
	gid_t groups[256];
	int n, i;

	if (!fuse_req_ctx(req)->uid || fuse_req_ctx(req)->gid == gid)
		return true;
	n = fuse_req_getgroups(req, ARRAY_LEN(groups), groups);
	n = n < (int)ARRAY_LEN(groups) ? n : (int)ARRAY_LEN(groups);
	for (i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

int privileges_drop(fuse_req_t req, struct node *n, bool chowned)
{
	uint32_t uid = fuse_req_ctx(req)->uid;
	struct fs *fs = fs_of(req);
	struct ns_attr a = {0}, set, got;
	char program[32];
	struct ns_by by;
	int r;

	if (n->kind != NODE_SOURCE || (!chowned && !uid))
		return 0;
	db_lock(fs->db);
	r = ns_getattr(fs->ns, NS_NOW, n->ino, &a);
	set.mode = a.mode & ~(uint32_t)S_ISUID;
	if (r >= 0 && (a.mode & S_ISGID) &&
	    ((a.mode & S_IXGRP) || !member(req, a.gid)))
		set.mode &= ~(uint32_t)S_ISGID;
	if (r < 0 || !(S_ISREG(a.mode) || (chowned && !S_ISDIR(a.mode))))
		set.mode = a.mode;
	/* chown(2) of nothing is anybody's, unless it takes away something */
	if (set.mode != a.mode && chowned && uid && uid != a.uid) {
		fs_unlock(fs);
		return -EPERM;
	}
	if (r >= 0 && set.mode != a.mode) {
		by = by_of(req, program);
		r = ns_setattr(fs->ns, &by, n->ino, NS_SET_MODE, &set, &got);
		if (r >= 0)
			eval_inode_changed(fs->eval, n->ino);
		fuse_lowlevel_notify_inval_inode(fs->se, node_id(fs, n), -1, 0);
	}
	if (r < 0 && r != -ENOENT)
		log_error("setuid and setgid bits cannot be taken away: %s",
			  err_name(r));
	fs_unlock(fs);
	return 0;
}
