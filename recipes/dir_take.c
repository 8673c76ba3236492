#include "recipes/dir_take.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cas/blob.h"
#include "recipes/dir_out.h"

#define PATH_MAX_LEN 4095

struct taking {
	struct store *store;
	struct dir_out *out;
	struct buf path;
	struct err *err;
};

static int cannot(struct taking *t, const char *what)
{
	return err_set(t->err, -EINVAL,
		       "the command left %s in its directory, `%s`; a derived "
		       "directory holds files, directories and symbolic links",
		       what, buf_cstr(&t->path));
}

static int take_file(struct taking *t, int dir, const char *name,
		     const struct stat *st)
{
	CLEANUP_CLOSE int fd = -1;
	struct addr addr;
	uint64_t size;
	int r;

	if (!(st->st_mode & 0400) && fchmodat(dir, name, 0600, 0) < 0)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = blob_put_fd(t->store, fd, &addr, &size);
	return r < 0 ? r
		     : dir_out_file(t->out, buf_cstr(&t->path), &addr, size,
				    st->st_mode & 0100, t->err);
}

static int take_link(struct taking *t, int dir, const char *name)
{
	char target[PATH_MAX_LEN + 2];
	ssize_t n = readlinkat(dir, name, target, sizeof(target));

	if (n < 0)
		return -errno;
	target[MIN((size_t)n, sizeof(target) - 1)] = '\0';
	return dir_out_link(t->out, buf_cstr(&t->path), target, t->err);
}

static int take_dir(struct taking *t, int fd);

static int take_subdir(struct taking *t, int dir, const char *name)
{
	int r = dir_out_dir(t->out, buf_cstr(&t->path), t->err), fd;

	if (r < 0)
		return r;
	fchmodat(dir, name, 0700, 0);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : take_dir(t, fd);
}

static int take_one(struct taking *t, int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return take_file(t, dir, name, &st);
	case S_IFLNK:
		return take_link(t, dir, name);
	case S_IFDIR:
		return take_subdir(t, dir, name);
	case S_IFIFO:
		return cannot(t, "a pipe");
	case S_IFSOCK:
		return cannot(t, "a socket");
	default:
		return cannot(t, "a device");
	}
}

/* Takes the descriptor over; there is one for each level, some thousand at
 * most, as paths of more than 4095 bytes are refused. */
static int take_dir(struct taking *t, int fd)
{
	size_t len = t->path.len;
	DIR *d = fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		close(fd);
		return r;
	}
	while (r >= 0 && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (len)
			buf_u8(&t->path, '/');
		buf_str(&t->path, e->d_name);
		r = buf_err(&t->path);
		if (r >= 0 && t->path.len > PATH_MAX_LEN)
			r = cannot(t, "a path of more than 4095 bytes");
		if (r >= 0)
			r = take_one(t, fd, e->d_name);
		if (r >= 0) {
			t->path.len = len;
			t->path.data[len] = '\0';
		}
	}
	closedir(d);
	return r;
}

int dir_take(struct store *s, int fd, struct addr *ret, uint64_t *ret_count,
	     struct err *err)
{
	CLEANUP(dir_out_freep) struct dir_out *out = dir_out_new(s);
	struct taking t = {.store = s, .out = out, .err = err};
	int top = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = top < 0 ? -errno : 0;

	if (r >= 0)
		r = out ? take_dir(&t, top) : -ENOMEM;
	buf_done(&t.path);
	return r < 0 ? r : dir_out_finish(out, ret, ret_count);
}
