#include "cli/mountpoint.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/mountinfo.h"

#define LINKS_MAX 40

char *path_join(const char *dir, const char *name)
{
	char *ret;
	int n;

	if (!*name || !*dir)
		return strdup(*dir ? dir : name);
	n = asprintf(&ret, "%s%s%s", dir,
		     dir[strlen(dir) - 1] == '/' ? "" : "/", name);
	return n < 0 ? NULL : ret;
}

/* realpath() of the directory, the last component apart; "" when the path as
 * a whole names a directory (a trailing slash, ".", ".."). */
static int split(const char *path, char **ret_dir, char **ret_name)
{
	CLEANUP_FREE char *dir = NULL, *name = NULL, *copy = NULL;
	const char *slash = strrchr(path, '/');
	const char *leaf = slash ? slash + 1 : path;

	if (!*path)
		return -ENOENT;
	if (!*leaf || !strcmp(leaf, ".") || !strcmp(leaf, "..")) {
		dir = realpath(path, NULL);
		leaf = "";
	} else if (slash) {
		copy = strndup(path, (size_t)(slash + 1 - path));
		dir = copy ? realpath(copy, NULL) : NULL;
	} else {
		dir = realpath(".", NULL);
	}
	if (!dir)
		return -errno;
	name = strdup(leaf);
	if (!name)
		return -ENOMEM;
	*ret_dir = steal(&dir);
	*ret_name = steal(&name);
	return 0;
}

int path_absolute(const char *path, char **ret, struct err *err)
{
	CLEANUP_FREE char *dir = NULL, *name = NULL, *cut = NULL;
	size_t n = strlen(path);
	char *joined;
	int rc;

	/* "d/" is d: what it names may not exist yet, or be dead. */
	while (n > 1 && path[n - 1] == '/')
		n--;
	cut = strndup(path, n);
	if (!cut)
		return -ENOMEM;
	rc = split(cut, &dir, &name);
	if (rc < 0)
		return err_set(err, rc, "%s: %s", path, err_name(rc));
	joined = path_join(dir, name);
	if (!joined)
		return -ENOMEM;
	*ret = joined;
	return 0;
}

/* The id of the mount that an object lies in; nothing is asked of a FUSE
 * daemon for it. */
static int mount_id(int fd, int *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID,
		  &st) < 0)
		return -errno;
	*ret = (int)st.stx_mnt_id;
	return 0;
}

static int read_link(const char *path, char **ret)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target));

	if (n < 0)
		return -errno;
	*ret = strndup(target, (size_t)n);
	return *ret ? 0 : -ENOMEM;
}

/* Replaces *path by what the symlink in dir points at. */
static int follow_link(const char *dir, const char *full, char **path)
{
	CLEANUP_FREE char *target = NULL;
	char *next;
	int rc;

	rc = read_link(full, &target);
	if (rc < 0)
		return rc;
	next = target[0] == '/' ? steal(&target) : path_join(dir, target);
	if (!next)
		return -ENOMEM;
	free(*path);
	*path = next;
	return 0;
}

static int place_make(const struct mount_table *t, int id, const char *dir,
		      const char *name, struct place *ret)
{
	const struct mount_entry *e = mount_table_id(t, id), *top;
	CLEANUP_FREE char *inner = NULL, *rel = NULL;
	const char *below;
	struct place p = {.is_dir = !*name};

	below = e ? path_below(dir, e->dir) : NULL;
	if (!below || !mount_is_deriva(e))
		return -EXDEV;
	top = mount_table_root_of(t, e);
	if (!top)
		return -EXDEV;
	inner = path_join(e->root, below);
	rel = inner ? path_join(inner, name) : NULL;
	if (!rel)
		return -ENOMEM;
	p.root = strdup(top->dir);
	p.rel = strdup(rel + 1);
	p.path = path_join(dir, name);
	if (!p.root || !p.rel || !p.path) {
		place_done(&p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

/* One step: 1 when *path became what a symlink points at. */
static int place_step(const struct mount_table *t, char **path, bool follow,
		      struct place *ret)
{
	CLEANUP_FREE char *dir = NULL, *name = NULL, *full = NULL;
	CLEANUP_CLOSE int fd = -1;
	const struct mount_entry *e;
	int id = -1, rc;

	rc = split(*path, &dir, &name);
	if (rc < 0)
		return rc;
	full = path_join(dir, name);
	if (!full)
		return -ENOMEM;
	fd = open(full, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		free(dir);
		dir = steal(&full);
		*name = '\0';
	} else if (errno == ENOTCONN) {
		return -ENOTCONN;
	} else {
		fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return -errno;
	rc = mount_id(fd, &id);
	if (rc < 0)
		return rc;
	if (*name) {
		/* Outside of mounts a link is but a way into one. */
		e = mount_table_id(t, id);
		if (follow || !e || !mount_is_deriva(e))
			rc = follow_link(dir, full, path);
		else
			rc = -EINVAL;
		if (rc != -EINVAL && rc != -ENOENT)
			return rc < 0 ? rc : 1;
	}
	return place_make(t, id, dir, name, ret);
}

int place_find(const char *path, bool follow, struct place *ret,
	       struct err *err)
{
	CLEANUP(mount_table_done) struct mount_table t = {0};
	CLEANUP_FREE char *p = strdup(path);
	int rc, i;

	rc = p ? mount_table_read(&t) : -ENOMEM;
	for (i = 0; rc >= 0 && i < LINKS_MAX; i++) {
		rc = place_step(&t, &p, follow, ret);
		if (rc == 0)
			return 0;
	}
	if (rc > 0)
		rc = -ELOOP;
	if (rc == -EXDEV && access(path, F_OK) < 0 && errno == ENOENT)
		rc = -ENOENT;
	switch (rc) {
	case -EXDEV:
		return err_set(err, rc,
			       "%s is not in a Deriva mount (mount its store "
			       "with deriva mount, or give --store DIR)",
			       path);
	case -ENOTCONN:
		return err_set(err, rc,
			       "%s: the mount's daemon is gone (deriva umount "
			       "clears the mount away; then mount it again)",
			       path);
	default:
		return err_set(err, rc, "%s: %s", path, err_name(rc));
	}
}

void place_done(struct place *p)
{
	free(p->root);
	free(p->rel);
	free(p->path);
	*p = (struct place){0};
}

int ctl_open(const char *root, const char *name, int flags)
{
	CLEANUP_FREE char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/.deriva/%s", root, name) < 0)
		return -ENOMEM;
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int ctl_read(const char *root, const char *name, struct buf *ret)
{
	CLEANUP_CLOSE int fd = ctl_open(root, name, O_RDONLY);
	ssize_t n;
	void *room;

	if (fd < 0)
		return fd;
	buf_reset(ret);
	do {
		room = buf_room(ret, 65536);
		if (!room)
			return -ENOMEM;
		n = read(fd, room, 65536);
		if (n < 0)
			return -errno;
		ret->len += (size_t)n;
	} while (n > 0);
	buf_u8(ret, 0); /* a C string for certain */
	if (buf_err(ret))
		return -ENOMEM;
	ret->len--;
	return 0;
}
