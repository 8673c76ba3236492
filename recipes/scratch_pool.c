#include "recipes/scratch_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define POOL_MAX 16
#define DIR_MAX	 KIB(64) /* a directory that was large stays large */

struct scratch_pool {
	struct store *store;
	pthread_mutex_t lock;
	struct scratch list[POOL_MAX];
	size_t count;
};

int scratch_pool_new(struct store *store, struct scratch_pool **ret)
{
	struct scratch_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->store = store;
	pthread_mutex_init(&p->lock, NULL);
	*ret = p;
	return 0;
}

void scratch_pool_free(struct scratch_pool *p)
{
	if (!p)
		return;
	while (p->count)
		scratch_done(&p->list[--p->count]);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int scratch_take(struct scratch_pool *p, uint64_t number, struct scratch *ret)
{
	bool found;
	int r;

	pthread_mutex_lock(&p->lock);
	found = p->count > 0;
	if (found)
		*ret = p->list[--p->count];
	pthread_mutex_unlock(&p->lock);
	if (found)
		return 0;
	*ret = (struct scratch)SCRATCH_INIT(p->store);
	r = scratch_make(ret, number);
	if (r < 0)
		scratch_done(ret);
	return r;
}

/* --- as new ----------------------------------------------------------------
 */

static long flags_of(int fd)
{
	long flags = 0;

	return ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 ? 0 : flags;
}

/* Made by us, with nothing that fchmod() and fsetxattr() could have left.
 * like: a directory that was given nothing. */
static bool is_plain(int fd, const struct stat *st, mode_t mode, int like)
{
	static const long own = FS_EXTENT_FL | FS_INLINE_DATA_FL | FS_INDEX_FL;

	return st->st_mode == mode && st->st_uid == geteuid() &&
	       flistxattr(fd, NULL, 0) <= 0 &&
	       (flags_of(fd) & ~own) == (flags_of(like) & ~own);
}

static bool renew_dir(const struct scratch *s)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat st;

	fchmodat(s->fd, "o", 0700, 0);
	fd = openat(s->fd, "o",
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > (off_t)DIR_MAX ||
	    !is_plain(fd, &st, S_IFDIR | 0700, s->fd))
		return false;
	return scratch_empty(fd);
}

/* What a command prints to: emptied, or removed, to be made anew. */
static bool renew_file(const struct scratch *s, const char *name)
{
	CLEANUP_CLOSE int fd =
		openat(s->fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd >= 0 && !fstat(fd, &st) && st.st_nlink == 1 &&
	    is_plain(fd, &st, S_IFREG | 0644, s->fd))
		return !st.st_size || !ftruncate(fd, 0);
	return !unlinkat(s->fd, name, 0);
}

void scratch_put_back(struct scratch_pool *p, struct scratch *s)
{
	bool taken;

	pthread_mutex_lock(&p->lock);
	taken = p->count < POOL_MAX;
	if (taken)
		p->list[p->count++] = *s;
	pthread_mutex_unlock(&p->lock);
	if (!taken)
		scratch_done(s);
}

void scratch_give(struct scratch_pool *p, struct scratch *s)
{
	if (renew_dir(s) && renew_file(s, "stdout") && renew_file(s, "stderr"))
		scratch_put_back(p, s);
	else
		scratch_done(s);
}
