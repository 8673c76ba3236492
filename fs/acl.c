/* Access control lists of files: kept as the extended attributes that they are,
 * and what else goes with them.
 *
 * They can be had where the kernel checks rights, and then enforces them
 * (FUSE_POSIX_ACL comes with default_permissions). Where nobody else may enter
 * they are refused, unless asked for: `ls -l` asks after the list of each file,
 * and the kernel only remembers the answer where it checks. What a list says
 * still counts there (rights.c). Keeping list and mode in step,
 * and giving new files what their directory says, is ours in any case; that is
 * why the kernel leaves the umask to us (FUSE_DONT_MASK).
 *
 * That an inode has no list is remembered in its node: each file made asks its
 * directory.
 */
#include "fs/fs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/acl.h"

#define NO_ACCESS  1u
#define NO_DEFAULT 2u

static unsigned bit_of(const char *name)
{
	return strcmp(name, ACL_ACCESS) ? NO_DEFAULT : NO_ACCESS;
}

int acl_of(struct fs *fs, struct node *n, const char *name, struct acl **ret)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int r;

	if (n->acls & bit_of(name))
		return -ENODATA;
	r = ns_xattr_get(fs->ns, n->ino, name, &b);
	if (r == -ENODATA && n->kind == NODE_SOURCE)
		n->acls |= (uint8_t)bit_of(name);
	return r < 0 ? r : acl_parse(b.data, b.len, ret);
}

/* These return 1 when something changed. */
static int put(struct fs *fs, const struct ns_by *by, uint64_t ino,
	       const char *name, const struct acl *a, int flags)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct node *n = node_find_source(fs, ino);
	int r;

	acl_write(a, &b);
	r = buf_err(&b);
	if (r >= 0)
		r = ns_xattr_set(fs->ns, by, ino, name, b.data, b.len, flags);
	if (r >= 0 && n)
		n->acls &= (uint8_t)~bit_of(name);
	return r < 0 ? r : 1;
}

static int take_away(struct fs *fs, const struct ns_by *by, struct node *n,
		     const char *name)
{
	int r = n->acls & bit_of(name)
			? -ENODATA
			: ns_xattr_set(fs->ns, by, n->ino, name, NULL, 0, 0);

	if (r == -ENODATA)
		n->acls |= (uint8_t)bit_of(name);
	return r == -ENODATA ? 0 : r < 0 ? r : 1;
}

static int set_mode(struct fs *fs, const struct ns_by *by, struct node *n,
		    const struct ns_attr *was, uint32_t mode)
{
	const struct ns_attr set = {.mode = mode};
	struct ns_attr got;
	int r;

	if (mode == was->mode)
		return 0;
	r = ns_setattr(fs->ns, by, n->ino, NS_SET_MODE, &set, &got);
	if (r >= 0 && fs->checks && S_ISDIR(mode)) {
		fs->forget_names = true; /* see rights.c */
		derived_told(fs);
	}
	return r < 0 ? r : 1;
}

/* A list that says no more than the mode is none: what cp -p gives to each
 * file. */
static int set_access(fuse_req_t req, const struct ns_by *by, struct node *n,
		      const struct ns_attr *was, struct acl *a, int flags)
{
	struct fs *fs = fs_of(req);
	uint32_t mode = was->mode;
	bool minimal = acl_to_mode(a, &mode);
	int r, changed;

	if ((mode & S_ISGID) && !member(req, was->gid))
		mode &= ~(uint32_t)S_ISGID;
	changed = minimal ? take_away(fs, by, n, ACL_ACCESS)
			  : put(fs, by, n->ino, ACL_ACCESS, a, flags);
	if (changed < 0)
		return changed;
	r = set_mode(fs, by, n, was, mode);
	return r < 0 ? r : changed || r;
}

/* The kernel checks that, but for lists that it does not know (before 6.2). */
static int may_change(struct fs *fs, const struct ns_attr *was,
		      const char *name, const struct acl *a)
{
	if (S_ISLNK(was->mode))
		return -EOPNOTSUPP;
	if (fs->checks && was->uid != fs->uid)
		return -EPERM;
	return a && !S_ISDIR(was->mode) && !strcmp(name, ACL_DEFAULT) ? -EACCES
								      : 0;
}

int acl_set(fuse_req_t req, struct node *n, const char *name, const void *value,
	    size_t size, int flags)
{
	CLEANUP_FREE struct acl *a = NULL;
	struct fs *fs = fs_of(req);
	char program[32];
	struct ns_by by = by_of(req, program);
	struct ns_attr was;
	int r = ns_getattr(fs->ns, NS_NOW, n->ino, &was);

	/* a head without entries takes it away as well */
	if (r >= 0 && value && size > 4)
		r = acl_parse(value, size, &a);
	if (r >= 0)
		r = may_change(fs, &was, name, a);
	if (r < 0)
		return r;
	if (!a)
		r = take_away(fs, &by, n, name);
	else if (!strcmp(name, ACL_ACCESS))
		r = set_access(req, &by, n, &was, a, flags);
	else
		r = put(fs, &by, n->ino, name, a, flags);
	if (r <= 0)
		return r;
	eval_inode_changed(fs->eval, n->ino);
	fuse_lowlevel_notify_inval_inode(fs->se, node_id(fs, n), -1, 0);
	return 0;
}

int acl_follow(struct fs *fs, const struct ns_by *by, struct node *n,
	       uint32_t mode)
{
	CLEANUP_FREE struct acl *a = NULL;
	uint32_t now = mode;
	int r = acl_of(fs, n, ACL_ACCESS, &a);

	if (r < 0)
		return r == -ENODATA ? 0 : r;
	acl_to_mode(a, &now);
	if (now == mode)
		return 0;
	acl_chmod(a, mode);
	return put(fs, by, n->ino, ACL_ACCESS, a, 0);
}

int acl_begin(struct fs *fs, struct node *dir, mode_t umask, uint32_t *mode,
	      struct new_acl *ret)
{
	CLEANUP_FREE struct acl *a = NULL;
	struct acl *own;
	int r = S_ISLNK(*mode) ? -ENODATA : acl_of(fs, dir, ACL_DEFAULT, &a);

	*ret = (struct new_acl){0};
	if (r == -ENODATA) {
		if (!S_ISLNK(*mode))
			*mode &= ~(uint32_t)(umask & 0777);
		return 0;
	}
	if (r < 0)
		return r;
	own = acl_copy(a);
	if (!own)
		return -ENOMEM;
	acl_inherit(own, mode);
	ret->access = own;
	if (S_ISDIR(*mode))
		ret->fallback = steal(&a);
	return 0;
}

int acl_end(struct fs *fs, const struct ns_by *by, uint64_t ino,
	    const struct new_acl *a)
{
	uint32_t mode = 0;
	int r = 0;

	if (a->access && !acl_to_mode(a->access, &mode))
		r = put(fs, by, ino, ACL_ACCESS, a->access, 0);
	if (r >= 0 && a->fallback)
		r = put(fs, by, ino, ACL_DEFAULT, a->fallback, 0);
	return r;
}

void new_acl_done(struct new_acl *a)
{
	free(a->access);
	free(a->fallback);
}
