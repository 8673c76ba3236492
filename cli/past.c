#include "cli/past.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "cli/output.h"
#include "core/addr.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/err.h"

int past_open(const char *root, const char *when, int *ret_fd)
{
	CLEANUP_FREE char *path = NULL;
	int64_t ns;
	uint64_t seq;
	struct err err;
	int fd, rc;

	if (!*when || strchr(when, '/'))
		return complain("\"%s\" is no moment", when), -EINVAL;
	if (asprintf(&path, "%s/.deriva/at/%s", root, when) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	rc = -errno;
	if (rc != -ENOENT)
		complain("%s: %s", path, err_name(rc));
	else if (time_parse(when, clock_now_ns(), &ns, &seq, &err) < 0)
		complain("there is no snapshot of that name, and %s", err.msg);
	else
		complain("%s: the store was not there then, or that moment has "
			 "not come yet",
			 when);
	return rc;
}

/* --- one file ----------------------------------------------------------------
 */

/* An end of what is restored. */
struct end {
	int dir;
	const char *name;
	struct stat st;
	bool there;
};

static int look(struct end *e)
{
	e->there = !fstatat(e->dir, e->name, &e->st, AT_SYMLINK_NOFOLLOW);
	return e->there || errno == ENOENT ? 0 : -errno;
}

/* Extended attributes of what need not be openable: through its directory. */
static void magic_path(const struct end *e, char ret[64 + NAME_MAX])
{
	snprintf(ret, 64 + NAME_MAX, "/proc/self/fd/%d/%s", e->dir, e->name);
}

static bool get_attr(const struct end *e, const char *name, char *ret,
		     size_t size)
{
	char path[64 + NAME_MAX];
	ssize_t n;

	magic_path(e, path);
	n = lgetxattr(path, name, ret, size - 1);
	ret[MAX(n, (ssize_t)0)] = '\0';
	return n > 0;
}

/* What a recipe makes follows from what it is made of. */
static bool is_derived(const struct end *e)
{
	char state[32];

	return get_attr(e, "user.deriva.state", state, sizeof(state)) &&
	       strcmp(state, "source") != 0 && strcmp(state, "blocked") != 0;
}

static bool same_content(const struct end *a, const struct end *b)
{
	char x[ADDR_HEX], y[ADDR_HEX];

	return a->st.st_size == b->st.st_size &&
	       get_attr(a, "user.deriva.addr", x, sizeof(x)) &&
	       get_attr(b, "user.deriva.addr", y, sizeof(y)) && !strcmp(x, y);
}

/* Where the kernel cannot share it: to another file system. */
static int copy_bytes(int in, int out)
{
	CLEANUP_FREE char *block = malloc(MIB(1));
	ssize_t n, w;
	size_t done;

	if (!block)
		return -ENOMEM;
	while ((n = read(in, block, MIB(1))) != 0) {
		if (n < 0)
			return -errno;
		for (done = 0; done < (size_t)n; done += (size_t)w) {
			w = write(out, block + done, (size_t)n - done);
			if (w < 0)
				return -errno;
		}
	}
	return 0;
}

static int copy_content(int in, int out, uint64_t size)
{
	uint64_t left = size;
	ssize_t n;

	while (left) {
		n = copy_file_range(in, NULL, out, NULL, left, 0);
		if (n < 0 && left == size &&
		    (errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
		     errno == EOPNOTSUPP)) {
			n = copy_bytes(in, out);
			if (n < 0)
				return (int)n;
			break;
		}
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO; /* shorter than it said */
		left -= (uint64_t)n;
	}
	return ftruncate(out, (off_t)size) < 0 ? -errno : 0;
}

/* In the file that is there, which keeps its links. */
static int restore_content(const struct end *from, const struct end *to)
{
	CLEANUP_CLOSE int in = -1, out = -1;
	int rc;

	in = openat(from->dir, from->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0)
		return -errno;
	out = openat(to->dir, to->name,
		     O_WRONLY | O_NOFOLLOW | O_CLOEXEC |
			     (to->there ? 0 : O_CREAT | O_EXCL),
		     0600);
	if (out < 0 && errno == EACCES && to->there &&
	    !fchmodat(to->dir, to->name, to->st.st_mode | 0200, 0))
		out = openat(to->dir, to->name,
			     O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return -errno;
	rc = copy_content(in, out, (uint64_t)from->st.st_size);
	if (rc >= 0 && close(steal_fd(&out)) < 0)
		rc = -errno;
	return rc;
}

/* --- what belongs to it
 * --------------------------------------------------------- */

static bool is_theirs(const char *name)
{
	return strncmp(name, "user.deriva.", 12) != 0;
}

static int list_attrs(const char *path, struct buf *ret)
{
	ssize_t n = llistxattr(path, NULL, 0);
	char *p;

	if (n <= 0)
		return n < 0 && errno != EOPNOTSUPP ? -errno : 0;
	p = (char *)buf_room(ret, (size_t)n);
	if (!p)
		return -ENOMEM;
	n = llistxattr(path, p, (size_t)n);
	if (n < 0)
		return -errno;
	ret->len += (size_t)n;
	return 0;
}

static bool has_attr(const struct buf *list, const char *name)
{
	const char *p = (const char *)list->data, *end = p + list->len;

	for (; p < end; p += strlen(p) + 1)
		if (!strcmp(p, name))
			return true;
	return false;
}

static int copy_attr(const char *from, const char *to, const char *name)
{
	CLEANUP_FREE char *a = malloc(65536), *b = malloc(65536);
	ssize_t n, m;

	if (!a || !b)
		return -ENOMEM;
	n = lgetxattr(from, name, a, 65536);
	if (n < 0)
		return -errno;
	m = lgetxattr(to, name, b, 65536);
	if (n == m && !memcmp(a, b, (size_t)n))
		return 0;
	return lsetxattr(to, name, a, (size_t)n, 0) < 0 ? -errno : 0;
}

static int restore_attrs(const struct end *from, const struct end *to)
{
	CLEANUP_BUF struct buf ours = BUF_INIT, theirs = BUF_INIT;
	char a[64 + NAME_MAX], b[64 + NAME_MAX];
	const char *p, *end;
	int rc;

	magic_path(from, a);
	magic_path(to, b);
	rc = list_attrs(a, &ours);
	if (rc >= 0)
		rc = list_attrs(b, &theirs);
	p = (const char *)ours.data;
	end = p + ours.len;
	for (; rc >= 0 && p < end; p += strlen(p) + 1)
		rc = copy_attr(a, b, p);
	p = (const char *)theirs.data;
	end = p + theirs.len;
	for (; rc >= 0 && p < end; p += strlen(p) + 1)
		if (is_theirs(p) && !has_attr(&ours, p) &&
		    lremovexattr(b, p) < 0)
			rc = -errno;
	return rc;
}

/* Owner before mode, which a change of the owner takes bits from; the time
 * last. Giving a file away is root's to do: others keep what they make. */
static int restore_meta(const struct end *from, struct end *to)
{
	const struct stat *st = &from->st;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};
	int rc = look(to);

	if (rc < 0 || !to->there)
		return rc < 0 ? rc : -ENOENT;
	if ((to->st.st_uid != st->st_uid || to->st.st_gid != st->st_gid) &&
	    fchownat(to->dir, to->name, st->st_uid, st->st_gid,
		     AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno != EPERM)
		return -errno;
	rc = restore_attrs(from, to);
	if (rc < 0)
		return rc;
	rc = look(to);
	if (rc >= 0 && !S_ISLNK(st->st_mode) && to->st.st_mode != st->st_mode &&
	    fchmodat(to->dir, to->name, st->st_mode & 07777, 0) < 0)
		rc = -errno;
	if (rc >= 0 &&
	    (to->st.st_mtim.tv_sec != st->st_mtim.tv_sec ||
	     to->st.st_mtim.tv_nsec != st->st_mtim.tv_nsec) &&
	    utimensat(to->dir, to->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		rc = -errno;
	return rc;
}

/* --- trees
 * -------------------------------------------------------------------------- */

static int restore(struct end *from, struct end *to, const char *shown);

static int complain_of(const char *shown, int rc)
{
	complain("%s: %s", shown, err_name(rc));
	return rc;
}

static int next_name(DIR *d, const char **ret)
{
	struct dirent *e;

	do {
		errno = 0;
		e = readdir(d);
	} while (e && (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")));
	*ret = e ? e->d_name : NULL;
	return e ? 1 : -errno;
}

static int open_list(int dir, const char *name, DIR **ret)
{
	int fd = openat(dir, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	*ret = fd < 0 ? NULL : fdopendir(fd);
	if (*ret)
		return 0;
	if (fd >= 0)
		close(fd);
	return -errno;
}

static void close_list(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int remove_end(const struct end *e, const char *shown);

/* All names of a directory that `keep` (NULL: none) has not. */
static int remove_others(const struct end *dir, int keep, const char *shown)
{
	CLEANUP(close_list) DIR *d = NULL;
	CLEANUP_BUF struct buf names = BUF_INIT;
	const char *name, *p;
	int rc = open_list(dir->dir, dir->name, &d), ret = 0;

	while (rc >= 0 && (rc = next_name(d, &name)) > 0) {
		buf_add(&names, name, strlen(name) + 1);
		rc = buf_err(&names);
	}
	if (rc < 0)
		return complain_of(shown, rc);
	p = (const char *)names.data;
	for (; p < (const char *)names.data + names.len; p += strlen(p) + 1) {
		CLEANUP_FREE char *full = NULL;
		struct end e = {.dir = dirfd(d), .name = p};
		struct stat st;

		if (keep >= 0 && !fstatat(keep, p, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (asprintf(&full, "%s/%s", shown, p) < 0) {
			full = NULL;
			return -ENOMEM;
		}
		rc = look(&e);
		if (rc >= 0 && e.there && !is_derived(&e))
			rc = remove_end(&e, full);
		ret = rc < 0 ? rc : ret;
	}
	return ret;
}

static int remove_end(const struct end *e, const char *shown)
{
	bool dir = S_ISDIR(e->st.st_mode);
	int rc = dir ? remove_others(e, -1, shown) : 0;

	if (rc >= 0 && unlinkat(e->dir, e->name, dir ? AT_REMOVEDIR : 0) < 0 &&
	    errno != ENOENT)
		rc = complain_of(shown, -errno);
	return rc;
}

static int restore_below(const struct end *from, const struct end *to,
			 const char *shown)
{
	CLEANUP(close_list) DIR *d = NULL;
	CLEANUP_CLOSE int fd = -1;
	const char *name;
	int rc, ret = 0, r;

	rc = open_list(from->dir, from->name, &d);
	if (rc < 0)
		return complain_of(shown, rc);
	fd = openat(to->dir, to->name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return complain_of(shown, -errno);
	ret = remove_others(to, dirfd(d), shown);
	while ((rc = next_name(d, &name)) > 0) {
		CLEANUP_FREE char *full = NULL;
		struct end a = {.dir = dirfd(d), .name = name};
		struct end b = {.dir = fd, .name = name};

		if (asprintf(&full, "%s/%s", shown, name) < 0) {
			full = NULL;
			return -ENOMEM;
		}
		if (is_derived(&a))
			continue;
		r = restore(&a, &b, full);
		ret = r < 0 ? r : ret;
	}
	return rc < 0 ? complain_of(shown, rc) : ret;
}

/* Something of that type that is nothing yet, but for a regular file. */
static int make(const struct end *from, const struct end *to)
{
	char target[4096];
	ssize_t n;

	if (S_ISDIR(from->st.st_mode))
		return mkdirat(to->dir, to->name, 0700) < 0 ? -errno : 0;
	if (!S_ISLNK(from->st.st_mode))
		return mknodat(to->dir, to->name, from->st.st_mode,
			       from->st.st_rdev) < 0
			       ? -errno
			       : 0;
	n = readlinkat(from->dir, from->name, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to->dir, to->name) < 0 ? -errno : 0;
}

static bool same_link(const struct end *a, const struct end *b)
{
	char x[4096], y[4096];
	ssize_t n = readlinkat(a->dir, a->name, x, sizeof(x));

	return n >= 0 && n == readlinkat(b->dir, b->name, y, sizeof(y)) &&
	       !memcmp(x, y, (size_t)n);
}

static bool fits(const struct end *from, const struct end *to)
{
	if ((from->st.st_mode & S_IFMT) != (to->st.st_mode & S_IFMT))
		return false;
	switch (from->st.st_mode & S_IFMT) {
	case S_IFLNK:
		return same_link(from, to);
	case S_IFBLK:
	case S_IFCHR:
		return from->st.st_rdev == to->st.st_rdev;
	default:
		return true;
	}
}

static int restore(struct end *from, struct end *to, const char *shown)
{
	int rc = look(from), below = 0;

	if (rc >= 0 && !from->there)
		rc = -ENOENT;
	if (rc >= 0)
		rc = look(to);
	if (rc < 0)
		return complain_of(shown, rc);
	if (to->there && !fits(from, to)) {
		rc = remove_end(to, shown);
		to->there = false;
	}
	if (rc < 0)
		return rc;
	if (S_ISREG(from->st.st_mode)) {
		if (!to->there || !same_content(from, to))
			rc = restore_content(from, to);
	} else if (!to->there) {
		rc = make(from, to);
	}
	if (rc >= 0 && S_ISDIR(from->st.st_mode))
		below = restore_below(from, to, shown);
	if (rc >= 0)
		rc = restore_meta(from, to);
	return rc < 0 ? complain_of(shown, rc) : below;
}

int past_restore(int from_dir, const char *from, int to_dir, const char *to,
		 const char *shown)
{
	struct end a = {.dir = from_dir, .name = from};
	struct end b = {.dir = to_dir, .name = to};

	return restore(&a, &b, shown);
}
