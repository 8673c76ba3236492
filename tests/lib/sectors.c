/* tests/lib/sectors.c - a disk with places that cannot be read.
 *
 * Loaded before the C library (LD_PRELOAD), it has every call that reads fail
 * with EIO where what it asks for touches a bad place. SECTORS names them,
 * separated by spaces: PATH:FIRST:LENGTH, where PATH is the end of a file's
 * path
 * ("deriva.db-wal", "packs/ID.pack"), or a part of it in slashes ("/packs/"),
 * and FIRST and LENGTH are bytes. With SECTORS_FILE they stand in that file,
 * which is read anew each time, so that a disk may go bad while a program runs.
 */
#undef _FILE_OFFSET_BITS
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Not the headers' names of the same: fortified and redirected ones. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

static bool names(const char *path, const char *word, size_t n)
{
	char part[PATH_MAX];
	size_t all = strlen(path);

	if (n >= sizeof(part))
		return false;
	memcpy(part, word, n);
	part[n] = '\0';
	if (n > 1 && part[0] == '/' && part[n - 1] == '/')
		return strstr(path, part);
	return all >= n && !strcmp(path + all - n, part);
}

static bool path_of(int fd, char path[PATH_MAX])
{
	char proc[64];
	long n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = syscall(SYS_readlinkat, AT_FDCWD, proc, path, PATH_MAX - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	return path[0] == '/';
}

static const char *places(char text[4096])
{
	const char *file = getenv("SECTORS_FILE");
	long fd, n;

	if (!file)
		return getenv("SECTORS");
	fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	n = syscall(SYS_read, fd, text, 4095);
	syscall(SYS_close, fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static bool is_bad(int fd, uint64_t off, uint64_t len)
{
	char text[4096], path[PATH_MAX];
	const char *at = places(text), *colon;
	unsigned long long first, n;
	int used;

	if (!at || !*at || !len || !path_of(fd, path))
		return false;
	for (;; at = colon + used) {
		at += strspn(at, " \n");
		colon = strchr(at, ':');
		if (!colon ||
		    sscanf(colon, ":%llu:%llu%n", &first, &n, &used) != 2)
			return false;
		if (names(path, at, (size_t)(colon - at)) && off < first + n &&
		    first < off + len)
			return true;
	}
}

static uint64_t length(const struct iovec *iov, int count)
{
	uint64_t n = 0;

	while (count-- > 0)
		n += iov++->iov_len;
	return n;
}

static ssize_t fail(void)
{
	errno = EIO;
	return -1;
}

ssize_t pread64(int fd, void *p, size_t n, off64_t off)
{
	if (is_bad(fd, (uint64_t)off, n))
		return fail();
	return syscall(SYS_pread64, fd, p, n, off);
}

ssize_t pread(int fd, void *p, size_t n, off_t off)
{
	return pread64(fd, p, n, off);
}

ssize_t preadv64(int fd, const struct iovec *iov, int count, off64_t off)
{
	if (is_bad(fd, (uint64_t)off, length(iov, count)))
		return fail();
	return syscall(SYS_preadv, fd, iov, count, off, 0);
}

ssize_t preadv(int fd, const struct iovec *iov, int count, off_t off)
{
	return preadv64(fd, iov, count, off);
}

ssize_t read(int fd, void *p, size_t n)
{
	long off = syscall(SYS_lseek, fd, 0, SEEK_CUR);

	if (off >= 0 && is_bad(fd, (uint64_t)off, n))
		return fail();
	return syscall(SYS_read, fd, p, n);
}
