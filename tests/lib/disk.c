/* The calls are made with syscall(2), so that neither the C library's nor a
 * sanitizer's versions of them come back here. What a descriptor stands for is
 * asked of /proc each time: descriptors are passed around in ways that would
 * have to be watched as well. Files without a name are not written down: they
 * end with the machine. When one is given a name all that is in it is, as
 * written just then.
 */
#undef _FILE_OFFSET_BITS
#include "tests/lib/disk.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Not the headers' names of the same: fortified and redirected ones. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

static struct {
	char root[PATH_MAX];
	size_t root_len; /* 0: nothing is watched */
	int log_fd;
	struct disk_log *log;
	unsigned count, syncs, fail_at;
	enum disk_fault how;
	bool failed, lazy;
} disk = {.log_fd = -1};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* --- the log -------------------------------------------------------------- */

/* Processes take turns by a word in the log; whoever died with it is passed
 * over after a while. */
static void log_lock(void)
{
	struct timespec t = {.tv_nsec = 20000};
	unsigned tries;

	for (tries = 0; tries < 50000; tries++) {
		if (!__atomic_exchange_n(&disk.log->lock, 1, __ATOMIC_ACQUIRE))
			return;
		syscall(SYS_nanosleep, &t, NULL);
	}
}

static void log_unlock(void)
{
	__atomic_store_n(&disk.log->lock, 0, __ATOMIC_RELEASE);
}

static uint32_t log_now(void)
{
	return disk.log ? __atomic_load_n(&disk.log->count, __ATOMIC_ACQUIRE)
			: 0;
}

static uint64_t put(uint64_t at, const void *p, size_t n)
{
	if (syscall(SYS_pwrite64, disk.log_fd, p, n, at) != (long)n)
		abort();
	return at + n;
}

static void note(struct disk_record r, const char *path, const char *to,
		 const void *data)
{
	struct timespec now;
	uint64_t at;

	if (!disk.log)
		return;
	r.path = path ? (uint32_t)strlen(path) : 0;
	r.to = to ? (uint32_t)strlen(to) : 0;
	log_lock();
	clock_gettime(CLOCK_MONOTONIC, &now);
	r.time_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
	at = put(disk.log->end, &r, sizeof(r));
	if (r.path)
		at = put(at, path, r.path);
	if (r.to)
		at = put(at, to, r.to);
	if (r.data)
		at = put(at, data, r.data);
	disk.log->end = at;
	__atomic_fetch_add(&disk.log->count, 1, __ATOMIC_ACQ_REL);
	log_unlock();
}

/* All that a file holds, as just made and written. */
static void note_whole(int dir, const char *name, const char *path,
		       const struct stat *st)
{
	static uint8_t piece[1 << 16];
	off64_t at = 0;
	long n, fd;

	note((struct disk_record){.kind = DISK_CREATE,
				  .file = st->st_ino,
				  .off = st->st_mode & 07777},
	     path, NULL, NULL);
	if (!disk.log)
		return;
	fd = syscall(SYS_openat, dir, name, O_RDONLY | O_CLOEXEC);
	pthread_mutex_lock(&lock);
	while (fd >= 0 &&
	       (n = syscall(SYS_pread64, fd, piece, sizeof(piece), at)) > 0) {
		note((struct disk_record){.kind = DISK_WRITE,
					  .file = st->st_ino,
					  .off = (uint64_t)at,
					  .data = (uint32_t)n},
		     NULL, NULL, piece);
		at += n;
	}
	pthread_mutex_unlock(&lock);
	if (fd >= 0)
		syscall(SYS_close, fd);
}

/* What is there, and on the disk. */
static void note_tree(int dir, const char *path)
{
	char below[PATH_MAX];
	struct dirent *e;
	struct stat st;
	DIR *d = fdopendir(dir);

	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		snprintf(below, sizeof(below), "%s%s%s", path, *path ? "/" : "",
			 e->d_name);
		if (S_ISDIR(st.st_mode)) {
			note((struct disk_record){.kind = DISK_MKDIR}, below,
			     NULL, NULL);
			note_tree((int)syscall(SYS_openat, dir, e->d_name,
					       O_RDONLY | O_CLOEXEC),
				  below);
		} else if (S_ISREG(st.st_mode)) {
			note_whole(dir, e->d_name, below, &st);
			note((struct disk_record){.kind = DISK_SYNC,
						  .file = st.st_ino,
						  .since = log_now()},
			     NULL, NULL, NULL);
		}
	}
	if (d)
		closedir(d);
	note((struct disk_record){.kind = DISK_SYNC_DIR, .since = log_now()},
	     path, NULL, NULL);
}

static void open_log(const char *path, bool fresh)
{
	struct disk_log head = {0, 0, DISK_LOG_HEAD};
	long fd;

	fd = syscall(SYS_openat, AT_FDCWD, path,
		     O_RDWR | O_CLOEXEC | O_CREAT | (fresh ? O_TRUNC : 0),
		     0600);
	if (fd < 0)
		abort();
	/* out of the way of a program that closes all it does not know */
	disk.log_fd = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 200);
	syscall(SYS_close, fd);
	if (fresh || syscall(SYS_lseek, disk.log_fd, 0, SEEK_END) == 0) {
		syscall(SYS_ftruncate, disk.log_fd, DISK_LOG_HEAD);
		put(0, &head, sizeof(head));
	}
	disk.log = mmap(NULL, DISK_LOG_HEAD, PROT_READ | PROT_WRITE, MAP_SHARED,
			disk.log_fd, 0);
	if (disk.log == MAP_FAILED)
		abort();
}

static void set_root(const char *root)
{
	if (!realpath(root, disk.root))
		abort();
	disk.count = disk.syncs = 0;
	disk.failed = false;
	disk.root_len = strlen(disk.root);
}

void disk_watch(const char *root, const char *log)
{
	disk_rest();
	if (log)
		open_log(log, true);
	set_root(root);
	if (log)
		note_tree((int)syscall(SYS_openat, AT_FDCWD, disk.root,
				       O_RDONLY | O_CLOEXEC),
			  "");
}

void disk_rest(void)
{
	disk.root_len = 0;
	disk.fail_at = 0;
	if (disk.log)
		munmap(disk.log, DISK_LOG_HEAD);
	if (disk.log_fd >= 0)
		syscall(SYS_close, disk.log_fd);
	disk.log = NULL;
	disk.log_fd = -1;
}

void disk_fail(unsigned nth, enum disk_fault how)
{
	disk.failed = false;
	disk.how = how;
	disk.fail_at =
		!nth ? 0 : nth + (how == DISK_NOSYNC ? disk.syncs : disk.count);
}

unsigned disk_count(void)
{
	return disk.count;
}

unsigned disk_syncs(void)
{
	return disk.syncs;
}

bool disk_failed(void)
{
	return disk.failed;
}

void disk_mark(uint64_t value)
{
	note((struct disk_record){.kind = DISK_MARK, .off = value}, NULL, NULL,
	     NULL);
}

void disk_lazy(bool lazy)
{
	disk.lazy = lazy;
}

static enum disk_fault fault_of(const char *name)
{
	static const char *const names[] = {
		[DISK_EIO] = "EIO",	[DISK_ENOSPC] = "ENOSPC",
		[DISK_SHORT] = "short", [DISK_TORN] = "torn",
		[DISK_FULL] = "full",	[DISK_DEAD] = "dead",
		[DISK_KILL] = "kill",	[DISK_NOSYNC] = "nosync",
	};
	int i;

	for (i = DISK_EIO; i <= DISK_NOSYNC; i++)
		if (!strcmp(name, names[i]))
			return (enum disk_fault)i;
	abort();
}

__attribute__((constructor)) static void from_environment(void)
{
	const char *root = getenv("DISK_ROOT"), *log = getenv("DISK_LOG");
	const char *fail = getenv("DISK_FAIL");
	char how[16];
	unsigned nth;

	if (!root || !*root)
		return;
	if (log && *log)
		open_log(log, false);
	set_root(root);
	if (fail && sscanf(fail, "%u %15s", &nth, how) == 2)
		disk_fail(nth, fault_of(how));
	disk.lazy = getenv("DISK_LAZY") != NULL;
}

/* --- what is meant -------------------------------------------------------- */

/* The path below the root, or NULL. */
static const char *below(const char *path)
{
	if (strncmp(path, disk.root, disk.root_len))
		return NULL;
	path += disk.root_len;
	return *path == '/' ? path + 1 : *path ? NULL : path;
}

static bool path_of_fd(int fd, char path[PATH_MAX])
{
	char proc[64];
	long n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = syscall(SYS_readlinkat, AT_FDCWD, proc, path, PATH_MAX - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	return true;
}

/* Of a name that may not be there: not resolved further than its directory,
 * which nobody here links to in two ways. NULL: not below the root. */
static const char *name_at(int dir, const char *name, char buf[PATH_MAX])
{
	char at[PATH_MAX];
	int n;

	if (!disk.root_len)
		return NULL;
	while (!strncmp(name, "./", 2))
		name += 2;
	if (name[0] == '/') {
		n = snprintf(buf, PATH_MAX, "%s", name);
	} else if (dir == AT_FDCWD) {
		if (syscall(SYS_getcwd, at, sizeof(at)) < 0)
			return NULL;
		n = snprintf(buf, PATH_MAX, "%s/%s", at, name);
	} else {
		if (!path_of_fd(dir, at))
			return NULL;
		n = snprintf(buf, PATH_MAX, "%s/%s", at, name);
	}
	return n < PATH_MAX ? below(buf) : NULL;
}

/* What a descriptor stands for. */
struct what {
	char buf[PATH_MAX];
	const char *path; /* NULL: nothing below the root */
	struct stat st;
	bool named;
};

static bool look(int fd, struct what *w)
{
	w->path = NULL;
	if (!disk.root_len || !path_of_fd(fd, w->buf))
		return false;
	w->path = below(w->buf);
	if (!w->path || fstat(fd, &w->st) < 0)
		return false;
	w->named = w->st.st_nlink > 0;
	return true;
}

/* --- faults --------------------------------------------------------------- */

/* 0: go on; 1: do half of it and say so; 2: do half of it, and fail; -errno. */
static int trip(bool sync, bool needs_room)
{
	int rc = 0;

	pthread_mutex_lock(&lock);
	disk.count++;
	disk.syncs += sync;
	if (!disk.fail_at)
		goto out;
	if (disk.how == DISK_NOSYNC) {
		if (sync && disk.syncs == disk.fail_at)
			rc = -EIO;
	} else if (disk.count >= disk.fail_at) {
		bool now = disk.count == disk.fail_at;

		switch (disk.how) {
		case DISK_EIO:
			rc = now ? -EIO : 0;
			break;
		case DISK_ENOSPC:
			rc = now ? -ENOSPC : 0;
			break;
		case DISK_SHORT:
			rc = now ? 1 : 0;
			break;
		case DISK_TORN:
			rc = now ? 2 : 0;
			break;
		case DISK_FULL:
			rc = needs_room ? -ENOSPC : 0;
			break;
		case DISK_DEAD:
			rc = -EIO;
			break;
		case DISK_KILL:
			syscall(SYS_kill, getpid(), SIGKILL);
			break;
		case DISK_NOSYNC:
			break;
		}
	}
	if (rc)
		disk.failed = true;
out:
	pthread_mutex_unlock(&lock);
	return rc;
}

static int fail(int rc)
{
	errno = -rc;
	return -1;
}

/* What has no halves fails wholly. */
static int trip_whole(bool sync, bool needs_room)
{
	int rc = trip(sync, needs_room);

	return rc > 0 ? rc == 2 ? -EIO : 0 : rc;
}

/* --- writing -------------------------------------------------------------- */

/* What is not watched goes the usual way: TSan learns from it that who reads an
 * answer comes after who wrote it, though the kernel is between. */
static ssize_t pass_on(int fd, const struct iovec *iov, int count)
{
	static ssize_t (*next)(int, const struct iovec *, int);
	ssize_t (*fn)(int, const struct iovec *, int) =
		__atomic_load_n(&next, __ATOMIC_RELAXED);
	void *found;

	if (!fn && (found = dlsym(RTLD_NEXT, "writev"))) {
		memcpy(&fn, &found, sizeof(fn));
		__atomic_store_n(&next, fn, __ATOMIC_RELAXED);
	}
	return fn ? fn(fd, iov, count) : syscall(SYS_writev, fd, iov, count);
}

static ssize_t do_write(int fd, const struct iovec *iov, int count, off64_t off)
{
	struct what w;
	uint8_t *all = NULL;
	size_t n = 0, at = 0;
	long got;
	int i, rc;

	for (i = 0; i < count; i++)
		n += iov[i].iov_len;
	if (!look(fd, &w))
		return off < 0 ? pass_on(fd, iov, count)
			       : syscall(SYS_pwritev, fd, iov, count, off, 0);
	rc = trip(false, true);
	if (rc < 0)
		return fail(rc);
	all = malloc(n + 1);
	for (i = 0; i < count; i++) {
		memcpy(all + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	if (rc && n > 1)
		n /= 2;
	if (off < 0) {
		off = syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND
			      ? w.st.st_size
			      : syscall(SYS_lseek, fd, 0, SEEK_CUR);
		got = syscall(SYS_write, fd, all, n);
	} else {
		got = syscall(SYS_pwrite64, fd, all, n, off);
	}
	if (got > 0 && w.named)
		note((struct disk_record){.kind = DISK_WRITE,
					  .file = w.st.st_ino,
					  .off = (uint64_t)off,
					  .data = (uint32_t)got},
		     NULL, NULL, all);
	i = errno;
	free(all);
	errno = i;
	return rc == 2 ? fail(-EIO) : got;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t off)
{
	struct iovec iov = {(void *)(uintptr_t)p, n};

	return do_write(fd, &iov, 1, off);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t off)
{
	return pwrite64(fd, p, n, off);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int count, off64_t off)
{
	return do_write(fd, iov, count, off);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t off)
{
	return do_write(fd, iov, count, off);
}

ssize_t pwritev64v2(int fd, const struct iovec *iov, int count, off64_t off,
		    int flags)
{
	(void)flags;
	return do_write(fd, iov, count, off);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t off,
		 int flags)
{
	(void)flags;
	return do_write(fd, iov, count, off);
}

ssize_t write(int fd, const void *p, size_t n)
{
	struct iovec iov = {(void *)(uintptr_t)p, n};

	return disk.root_len ? do_write(fd, &iov, 1, -1)
			     : syscall(SYS_write, fd, p, n);
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
	return do_write(fd, iov, count, -1);
}

int ftruncate64(int fd, off64_t size)
{
	struct what w;
	int rc;

	if (!look(fd, &w))
		return (int)syscall(SYS_ftruncate, fd, size);
	rc = trip_whole(false, false);
	if (rc < 0)
		return fail(rc);
	rc = (int)syscall(SYS_ftruncate, fd, size);
	if (!rc && w.named)
		note((struct disk_record){.kind = DISK_TRUNCATE,
					  .file = w.st.st_ino,
					  .off = (uint64_t)size},
		     NULL, NULL, NULL);
	return rc;
}

int ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

/* Of which only the size is written down: what was there stays. */
int fallocate64(int fd, int mode, off64_t off, off64_t len)
{
	struct what w;
	int rc;

	if (!look(fd, &w))
		return (int)syscall(SYS_fallocate, fd, mode, off, len);
	rc = trip_whole(false, true);
	if (rc < 0)
		return fail(rc);
	if (mode && w.named)
		abort(); /* not known here */
	rc = (int)syscall(SYS_fallocate, fd, mode, off, len);
	if (!rc && w.named && off + len > w.st.st_size)
		note((struct disk_record){.kind = DISK_TRUNCATE,
					  .file = w.st.st_ino,
					  .off = (uint64_t)(off + len)},
		     NULL, NULL, NULL);
	return rc;
}

int fallocate(int fd, int mode, off_t off, off_t len)
{
	return fallocate64(fd, mode, off, len);
}

int posix_fallocate64(int fd, off64_t off, off64_t len)
{
	return fallocate64(fd, 0, off, len) < 0 ? errno : 0;
}

int posix_fallocate(int fd, off_t off, off_t len)
{
	return posix_fallocate64(fd, off, len);
}

int fchmod(int fd, mode_t mode)
{
	struct what w;
	int rc;

	if (!look(fd, &w))
		return (int)syscall(SYS_fchmod, fd, mode);
	rc = trip_whole(false, false);
	if (rc < 0)
		return fail(rc);
	rc = (int)syscall(SYS_fchmod, fd, mode);
	if (!rc && w.named && S_ISREG(w.st.st_mode))
		note((struct disk_record){.kind = DISK_CHMOD,
					  .file = w.st.st_ino,
					  .off = mode},
		     NULL, NULL, NULL);
	return rc;
}

int fchmodat(int dir, const char *name, mode_t mode, int flags)
{
	char buf[PATH_MAX];
	const char *path = name_at(dir, name, buf);
	struct stat st;
	int rc;

	(void)flags; /* the kernel has none */
	if (path) {
		rc = trip_whole(false, false);
		if (rc < 0)
			return fail(rc);
	}
	rc = (int)syscall(SYS_fchmodat, dir, name, mode);
	if (!rc && path && !fstatat(dir, name, &st, 0) && S_ISREG(st.st_mode))
		note((struct disk_record){.kind = DISK_CHMOD,
					  .file = st.st_ino,
					  .off = mode},
		     NULL, NULL, NULL);
	return rc;
}

/* --- syncing -------------------------------------------------------------- */

static int do_sync(int fd, long which)
{
	uint32_t since = log_now();
	struct what w;
	int rc;

	if (disk.lazy)
		return 0;
	if (!look(fd, &w))
		return (int)syscall(which, fd);
	rc = trip_whole(true, false);
	if (rc < 0)
		return fail(rc);
	/* nothing really has to reach a disk: the log says what would have */
	rc = disk.log ? 0 : (int)syscall(which, fd);
	if (rc || !w.named)
		return rc;
	if (S_ISDIR(w.st.st_mode))
		note((struct disk_record){.kind = DISK_SYNC_DIR,
					  .since = since},
		     w.path, NULL, NULL);
	else
		note((struct disk_record){.kind = DISK_SYNC,
					  .file = w.st.st_ino,
					  .since = since,
					  .off = which == SYS_fdatasync},
		     NULL, NULL, NULL);
	return 0;
}

int fsync(int fd)
{
	return do_sync(fd, SYS_fsync);
}

int fdatasync(int fd)
{
	return do_sync(fd, SYS_fdatasync);
}

/* Promises nothing. */
int sync_file_range(int fd, off64_t off, off64_t len, unsigned flags)
{
	return (int)syscall(SYS_sync_file_range, fd, off, len, flags);
}

/* --- names ---------------------------------------------------------------- */

static void opened(const char *path, int fd, int flags, bool was,
		   off_t was_size)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !st.st_nlink)
		return;
	if (!was)
		note((struct disk_record){.kind = DISK_CREATE,
					  .file = st.st_ino,
					  .off = st.st_mode & 07777},
		     path, NULL, NULL);
	else if ((flags & O_TRUNC) && was_size)
		note((struct disk_record){.kind = DISK_TRUNCATE,
					  .file = st.st_ino},
		     NULL, NULL, NULL);
}

/* As pass_on(). */
static int pass_on_open(int dir, const char *name, int flags, mode_t mode)
{
	static int (*next)(const char *, int, ...);
	int (*fn)(const char *, int, ...) =
		__atomic_load_n(&next, __ATOMIC_RELAXED);
	void *found;

	if (!fn && (found = dlsym(RTLD_NEXT, "open64"))) {
		memcpy(&fn, &found, sizeof(fn));
		__atomic_store_n(&next, fn, __ATOMIC_RELAXED);
	}
	return fn && dir == AT_FDCWD
		       ? fn(name, flags, mode)
		       : (int)syscall(SYS_openat, dir, name, flags, mode);
}

static int do_open(int dir, const char *name, int flags, mode_t mode)
{
	char buf[PATH_MAX];
	const char *path = NULL;
	struct stat st;
	bool was;
	int fd, rc;

	if (flags & (O_CREAT | O_TRUNC) || (flags & O_TMPFILE) == O_TMPFILE)
		path = name_at(dir, name, buf);
	if (!path)
		return pass_on_open(dir, name, flags, mode);
	was = fstatat(dir, name, &st, 0) == 0;
	if (!was || (flags & O_TRUNC) || (flags & O_TMPFILE) == O_TMPFILE) {
		rc = trip_whole(false, true);
		if (rc < 0)
			return fail(rc);
	}
	fd = (int)syscall(SYS_openat, dir, name, flags, mode);
	if (fd >= 0 && (flags & O_TMPFILE) != O_TMPFILE) {
		rc = errno;
		opened(path, fd, flags, was, was ? st.st_size : 0);
		errno = rc;
	}
	return fd;
}

#define OPEN(symbol)                                                        \
	int symbol(const char *name, int flags, ...)                        \
	{                                                                   \
		va_list args;                                               \
		mode_t mode;                                                \
                                                                            \
		va_start(args, flags);                                      \
		mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) \
						     : 0;                   \
		va_end(args);                                               \
		return do_open(AT_FDCWD, name, flags, mode);                \
	}
#define OPENAT(symbol)                                                      \
	int symbol(int dir, const char *name, int flags, ...)               \
	{                                                                   \
		va_list args;                                               \
		mode_t mode;                                                \
                                                                            \
		va_start(args, flags);                                      \
		mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) \
						     : 0;                   \
		va_end(args);                                               \
		return do_open(dir, name, flags, mode);                     \
	}
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int mkdirat(int dir, const char *name, mode_t mode)
{
	char buf[PATH_MAX];
	const char *path = name_at(dir, name, buf);
	int rc;

	if (path) {
		rc = trip_whole(false, true);
		if (rc < 0)
			return fail(rc);
	}
	rc = (int)syscall(SYS_mkdirat, dir, name, mode);
	if (!rc && path)
		note((struct disk_record){.kind = DISK_MKDIR}, path, NULL,
		     NULL);
	return rc;
}

int mkdir(const char *name, mode_t mode)
{
	return mkdirat(AT_FDCWD, name, mode);
}

int unlinkat(int dir, const char *name, int flags)
{
	char buf[PATH_MAX];
	const char *path = name_at(dir, name, buf);
	int rc;

	if (path && faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		rc = trip_whole(false, false);
		if (rc < 0)
			return fail(rc);
	}
	rc = (int)syscall(SYS_unlinkat, dir, name, flags);
	if (!rc && path)
		note((struct disk_record){.kind = DISK_UNLINK}, path, NULL,
		     NULL);
	return rc;
}

int unlink(const char *name)
{
	return unlinkat(AT_FDCWD, name, 0);
}

int rmdir(const char *name)
{
	return unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}

int renameat2(int from, const char *name, int to, const char *to_name,
	      unsigned flags)
{
	char buf[PATH_MAX], to_buf[PATH_MAX];
	const char *path = name_at(from, name, buf);
	const char *to_path = name_at(to, to_name, to_buf);
	int rc;

	if (path) {
		rc = trip_whole(false, true);
		if (rc < 0)
			return fail(rc);
	}
	rc = (int)syscall(SYS_renameat2, from, name, to, to_name, flags);
	if (!rc && path && to_path)
		note((struct disk_record){.kind = DISK_RENAME}, path, to_path,
		     NULL);
	return rc;
}

int renameat(int from, const char *name, int to, const char *to_name)
{
	return renameat2(from, name, to, to_name, 0);
}

int rename(const char *name, const char *to)
{
	return renameat2(AT_FDCWD, name, AT_FDCWD, to, 0);
}

int linkat(int from, const char *name, int to, const char *to_name, int flags)
{
	char buf[PATH_MAX], to_buf[PATH_MAX];
	const char *path = name_at(from, name, buf);
	const char *to_path = name_at(to, to_name, to_buf);
	struct stat st;
	int rc;

	if (to_path) {
		rc = trip_whole(false, true);
		if (rc < 0)
			return fail(rc);
	}
	rc = (int)syscall(SYS_linkat, from, name, to, to_name, flags);
	if (!rc && path && to_path)
		note((struct disk_record){.kind = DISK_LINK}, path, to_path,
		     NULL);
	else if (!rc && to_path && !fstatat(to, to_name, &st, 0) &&
		 st.st_nlink == 1)
		note_whole(to, to_name, to_path, &st);
	return rc;
}
