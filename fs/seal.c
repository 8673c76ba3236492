#include "fs/seal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/addr.h"

#define MAGIC	  "DERIVSL1"
#define MAGIC_LEN 8
#define HEAD	  (MAGIC_LEN + 8)
#define TAIL	  (8 + 8 + MAGIC_LEN)
#define ALIGN	  4096
#define BODY_MAX  MIB(4)
#define CONTEXT	  "deriva seal v1"
#define BOOT_LEN  36

struct seal {
	struct seal *next;
	char name[64];
	int fd;
	uint64_t at; /* of the head */
	bool durable, taken;
};

struct seals {
	struct store *store;
	int drafts_fd;
	char boot[BOOT_LEN];   /* id of the machine's start; zeros: unknown */
	pthread_rwlock_t gate; /* shared by syncs, held by who seals */
	pthread_mutex_t lock;  /* these: */
	struct seal *list;
	unsigned next_name;
};

static void read_boot(char ret[BOOT_LEN])
{
	CLEANUP_CLOSE int fd =
		open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(ret, 0, BOOT_LEN);
	if (fd >= 0 && read(fd, ret, BOOT_LEN) != BOOT_LEN)
		memset(ret, 0, BOOT_LEN);
}

static int make_all_durable(void *ctx);

int seals_open(struct store *store, struct seals **ret)
{
	struct seals *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->store = store;
	s->drafts_fd = store_drafts_fd(store);
	read_boot(s->boot);
	pthread_rwlock_init(&s->gate, NULL);
	pthread_mutex_init(&s->lock, NULL);
	store_before_sync(store, make_all_durable, s);
	*ret = s;
	return 0;
}

static void seal_free(struct seals *s, struct seal *seal)
{
	if (seal->taken && unlinkat(s->drafts_fd, seal->name, 0) < 0)
		log_warn("drafts/%s: cannot be removed: %s", seal->name,
			 err_name(errno));
	close(seal->fd);
	free(seal);
}

void seals_close(struct seals *s)
{
	struct seal *seal;

	if (!s)
		return;
	store_before_sync(s->store, NULL, NULL);
	while ((seal = s->list)) {
		s->list = seal->next;
		seal->taken = false; /* nobody knows what is durable */
		seal_free(s, seal);
	}
	pthread_mutex_destroy(&s->lock);
	pthread_rwlock_destroy(&s->gate);
	free(s);
}

/* --- sealing -------------------------------------------------------------- */

static int write_all(int fd, const void *p, size_t n, uint64_t off)
{
	const uint8_t *b = p;
	ssize_t got;

	for (; n; b += got, n -= (size_t)got, off += (uint64_t)got) {
		got = pwrite(fd, b, n, (off_t)off);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			return got < 0 ? -errno : -EIO;
	}
	return 0;
}

static int read_all(int fd, void *p, size_t n, uint64_t off)
{
	uint8_t *b = p;
	ssize_t got;

	for (; n; b += got, n -= (size_t)got, off += (uint64_t)got) {
		got = pread(fd, b, n, (off_t)off);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			return got < 0 ? -errno : -EBADMSG;
	}
	return 0;
}

static int put_body(const struct seals *s, const struct seal_info *i,
		    const struct stat *st, const struct draft *d, struct buf *b)
{
	buf_add(b, s->boot, BOOT_LEN);
	buf_u64(b, st->st_dev);
	buf_u64(b, st->st_ino);
	buf_u64(b, i->ino);
	buf_u64(b, i->version);
	buf_u64(b, (uint64_t)i->mtime_ns);
	buf_u64(b, (uint64_t)i->row_mtime_ns);
	buf_u32(b, i->uid);
	buf_u32(b, i->pid);
	buf_add(b, i->program, sizeof(i->program));
	return draft_map(d, &i->base, b);
}

/* Behind all that the file has; returns where. */
static int write_behind(int fd, const struct stat *st, const struct buf *body,
			uint64_t *ret_at)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint64_t at = ((uint64_t)st->st_size + ALIGN - 1) / ALIGN * ALIGN;
	struct addr sum;
	int r;

	addr_derive(CONTEXT, body->data, body->len, &sum);
	buf_add(&b, MAGIC, MAGIC_LEN);
	buf_u64(&b, 0);
	buf_add(&b, body->data, body->len);
	buf_add(&b, sum.b, ADDR_LEN);
	buf_u64(&b, at);
	buf_u64(&b, body->len);
	buf_add(&b, MAGIC, MAGIC_LEN);
	r = buf_err(&b);
	if (r >= 0)
		r = write_all(fd, b.data, b.len, at);
	if (r >= 0)
		*ret_at = at;
	return r;
}

static int give_name(struct seals *s, struct seal *seal)
{
	char path[64];
	unsigned tries;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", seal->fd);
	for (tries = 0; tries < 1000; tries++) {
		snprintf(seal->name, sizeof(seal->name), DRAFTS_SEALED "%d-%u",
			 (int)getpid(), s->next_name++);
		if (!linkat(AT_FDCWD, path, s->drafts_fd, seal->name,
			    AT_SYMLINK_FOLLOW))
			return 0;
		if (errno != EEXIST)
			break;
	}
	/* a file system whose unnamed files stay so */
	return errno == ENOSPC || errno == EDQUOT ? -errno : -EOPNOTSUPP;
}

static int make(struct seals *s, struct draft *d, const struct seal_info *info,
		struct seal *seal)
{
	CLEANUP_BUF struct buf body = BUF_INIT;
	struct stat st;
	int r;

	if (fstat(seal->fd, &st) < 0)
		return -errno;
	/* as long as this process lives nobody else takes it in */
	if (flock(seal->fd, LOCK_EX | LOCK_NB) < 0)
		return -EOPNOTSUPP;
	r = put_body(s, info, &st, d, &body);
	if (r >= 0 && body.len > BODY_MAX)
		r = -EOPNOTSUPP;
	if (r >= 0)
		r = write_behind(seal->fd, &st, &body, &seal->at);
	if (r < 0)
		return r;
	pthread_mutex_lock(&s->lock);
	r = give_name(s, seal);
	if (r >= 0) {
		seal->next = s->list;
		s->list = seal;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

int seal_make(struct seals *s, struct draft *d, const struct seal_info *info,
	      struct seal **ret)
{
	struct seal *seal;
	int r, fd = draft_fd(d);

	if (fd < 0)
		return -EOPNOTSUPP;
	seal = calloc(1, sizeof(*seal));
	if (!seal)
		return -ENOMEM;
	seal->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (seal->fd < 0) {
		free(seal);
		return -errno;
	}
	pthread_rwlock_wrlock(&s->gate);
	r = make(s, d, info, seal);
	pthread_rwlock_unlock(&s->gate);
	if (r < 0) {
		close(seal->fd);
		free(seal);
		return r;
	}
	*ret = seal;
	return 0;
}

void seal_done(struct seals *s, struct seal *seal, bool taken)
{
	pthread_mutex_lock(&s->lock);
	seal->taken = taken;
	pthread_mutex_unlock(&s->lock);
}

/* --- syncing -------------------------------------------------------------- */

/* Under the lock. First the bytes, then the remark that they are there. */
static int make_durable(const struct seal *seal)
{
	uint8_t one[8];
	int r;

	put_le64(one, 1);
	if (fdatasync(seal->fd) < 0)
		return -errno;
	r = write_all(seal->fd, one, sizeof(one), seal->at + MAGIC_LEN);
	if (r >= 0 && fdatasync(seal->fd) < 0)
		r = -errno;
	return r;
}

/* Called by every sync of the store. A failure is its failure, and then the
 * store makes nothing durable any more: what the system could not write it may
 * have dropped, and asking again would not tell. */
static int make_all_durable(void *ctx)
{
	struct seals *s = ctx;
	struct seal *seal;
	bool any = false;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	for (seal = s->list; r >= 0 && seal; seal = seal->next) {
		if (seal->durable || seal->taken)
			continue;
		r = make_durable(seal);
		seal->durable = r >= 0;
		any = true;
	}
	if (r >= 0 && any && fsync(s->drafts_fd) < 0)
		r = -errno;
	pthread_mutex_unlock(&s->lock);
	return r;
}

static struct seal *take_taken(struct seals *s)
{
	struct seal **link = &s->list, *seal, *all = NULL;

	while ((seal = *link)) {
		if (!seal->taken) {
			link = &seal->next;
			continue;
		}
		*link = seal->next;
		seal->next = all;
		all = seal;
	}
	return all;
}

int seals_sync(struct seals *s)
{
	struct seal *gone, *next;
	int r;

	pthread_rwlock_rdlock(&s->gate);
	pthread_mutex_lock(&s->lock);
	gone = take_taken(s);
	pthread_mutex_unlock(&s->lock);
	r = store_sync(s->store);
	for (; gone; gone = next) {
		next = gone->next;
		gone->taken = r >= 0;
		seal_free(s, gone);
	}
	pthread_rwlock_unlock(&s->gate);
	return r;
}

/* --- after a crash -------------------------------------------------------- */

static int read_body(int fd, uint8_t **ret, uint64_t *ret_len, uint64_t *ret_at,
		     bool *ret_durable)
{
	uint8_t tail[TAIL], head[HEAD];
	CLEANUP_FREE uint8_t *body = NULL;
	uint64_t at, len;
	struct addr sum;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < HEAD + TAIL)
		return -EBADMSG;
	r = read_all(fd, tail, TAIL, (uint64_t)st.st_size - TAIL);
	if (r < 0)
		return r;
	at = get_le64(tail);
	len = get_le64(tail + 8);
	if (memcmp(tail + 16, MAGIC, MAGIC_LEN) || len > BODY_MAX ||
	    at > (uint64_t)st.st_size || at % ALIGN ||
	    at + HEAD + len + ADDR_LEN + TAIL != (uint64_t)st.st_size)
		return -EBADMSG;
	body = malloc(len + ADDR_LEN);
	if (!body)
		return -ENOMEM;
	r = read_all(fd, head, HEAD, at);
	if (r >= 0)
		r = read_all(fd, body, len + ADDR_LEN, at + HEAD);
	if (r < 0)
		return r;
	addr_derive(CONTEXT, body, len, &sum);
	if (memcmp(head, MAGIC, MAGIC_LEN) ||
	    memcmp(sum.b, body + len, ADDR_LEN))
		return -EBADMSG;
	*ret_durable = get_le64(head + MAGIC_LEN) == 1;
	*ret_at = at;
	*ret_len = len;
	*ret = steal(&body);
	return 0;
}

/* Pages of a file that was never on the disk are there as long as the machine
 * runs, if it is that file. */
static bool same_file(const struct seals *s, int fd, const void *boot,
		      uint64_t dev, uint64_t ino)
{
	struct stat st;

	return boot && s->boot[0] && !memcmp(s->boot, boot, BOOT_LEN) &&
	       !fstat(fd, &st) && st.st_dev == dev && st.st_ino == ino;
}

static int read_seal(struct seals *s, int fd, struct seal_info *ret,
		     struct draft **ret_draft)
{
	CLEANUP_FREE uint8_t *body = NULL;
	struct seal_info i = {0};
	const void *boot, *program;
	uint64_t len = 0, at = 0, dev, ino;
	bool durable = false;
	struct cur c;
	int r = read_body(fd, &body, &len, &at, &durable);

	if (r < 0)
		return r;
	c = cur_of(body, len);
	boot = cur_bytes(&c, BOOT_LEN);
	dev = cur_u64(&c);
	ino = cur_u64(&c);
	i.ino = cur_u64(&c);
	i.version = cur_u64(&c);
	i.mtime_ns = (int64_t)cur_u64(&c);
	i.row_mtime_ns = (int64_t)cur_u64(&c);
	i.uid = cur_u32(&c);
	i.pid = cur_u32(&c);
	program = cur_bytes(&c, sizeof(i.program));
	if (c.bad)
		return -EBADMSG;
	if (!durable && !same_file(s, fd, boot, dev, ino))
		return -EBADMSG;
	memcpy(i.program, program, sizeof(i.program));
	i.program[sizeof(i.program) - 1] = '\0';
	r = draft_restore(s->store, fd, at, &c, ret_draft);
	if (r >= 0)
		*ret = i;
	return r;
}

static int recover(struct seals *s, const char *name, seal_fn fn, void *ctx)
{
	CLEANUP(draft_freep) struct draft *d = NULL;
	struct seal *seal = calloc(1, sizeof(*seal));
	struct seal_info info;
	int r;

	if (!seal)
		return -ENOMEM;
	snprintf(seal->name, sizeof(seal->name), "%s", name);
	seal->fd = openat(s->drafts_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (seal->fd < 0 || flock(seal->fd, LOCK_EX | LOCK_NB) < 0) {
		/* gone, or its process lives */
		if (seal->fd >= 0)
			close(seal->fd);
		free(seal);
		return 0;
	}
	r = read_seal(s, seal->fd, &info, &d);
	if (r >= 0)
		r = fn(ctx, &info, d);
	else if (r == -EBADMSG)
		log_warn("drafts/%s: a file that was closed in the last second "
			 "before a power cut is not whole: given up",
			 name);
	if (r < 0 && r != -EBADMSG)
		log_error("drafts/%s: cannot be taken in: %s", name,
			  err_name(r));
	seal->taken = r >= 0 || r == -EBADMSG;
	seal->durable = true;
	pthread_mutex_lock(&s->lock);
	seal->next = s->list;
	s->list = seal;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int seals_recover(struct seals *s, seal_fn fn, void *ctx)
{
	int fd = openat(s->drafts_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		close_fdp(&fd);
		return r;
	}
	while (r >= 0 && (e = readdir(d)))
		if (!strncmp(e->d_name, DRAFTS_SEALED, strlen(DRAFTS_SEALED)))
			r = recover(s, e->d_name, fn, ctx);
	closedir(d);
	return r;
}
