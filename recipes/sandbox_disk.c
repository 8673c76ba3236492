#include "recipes/sandbox_disk.h"

#include "core/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static uint64_t data_bytes(const struct stat *st)
{
	uint64_t size = (uint64_t)st->st_size;
	uint64_t blocks = (uint64_t)st->st_blocks * 512;
	uint64_t bytes = MIN(size, blocks);

	return st->st_nlink > 1 ? bytes / st->st_nlink : bytes;
}

static int used_below(int fd, unsigned depth, const atomic_bool *stop,
		      uint64_t *sum)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	struct stat st;
	int rc = 0;

	if (!d) {
		close(fd);
		return -errno;
	}
	if (depth > DISK_DEPTH_MAX)
		rc = -EOVERFLOW;
	while (!rc && (e = readdir(d))) {
		if (stop && *stop)
			rc = -EINTR;
		if (rc || !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode))
			*sum += data_bytes(&st);
		if (!S_ISDIR(st.st_mode))
			continue;
		fd = openat(dirfd(d), e->d_name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0) /* else gone, or not readable */
			rc = used_below(fd, depth + 1, stop, sum);
	}
	closedir(d);
	return rc;
}

int disk_used(const char *dir, const atomic_bool *stop, uint64_t *ret)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;
	uint64_t sum = 0;

	if (fd < 0)
		return -errno;
	rc = used_below(fd, 0, stop, &sum);
	if (!rc)
		*ret = sum;
	return rc;
}

int written_bytes(const struct written *w, const atomic_bool *stop,
		  uint64_t *ret)
{
	uint64_t sum = 0;
	struct stat st;
	int rc = 0;

	if (w->scratch)
		rc = disk_used(w->scratch, stop, &sum);
	if (rc)
		return rc;
	if (w->out && !stat(w->out, &st) && S_ISREG(st.st_mode))
		sum += data_bytes(&st);
	if (w->err && !stat(w->err, &st) && S_ISREG(st.st_mode) &&
	    !(w->out && !strcmp(w->out, w->err)))
		sum += data_bytes(&st);
	*ret = sum;
	return 0;
}

int written_too_much(uint64_t limit, struct err *err)
{
	char text[32];

	size_format(limit, text, sizeof(text));
	return err_set(err, -EFBIG, "wrote more than %s", text);
}
