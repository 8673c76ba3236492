#include "core/vfs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/err.h"

/* What SQLite cannot know: in recovery it takes the first frame that does not
 * match for the end of the log. After a power cut that is right. When a byte
 * of an older frame has changed it is a silent loss, and worse where a
 * checkpoint had copied later frames into the main file: old and new pages,
 * all valid, side by side. So before a checkpoint copies anything it puts a
 * durable mark of how far it will go; and when recovery begins, frames up to
 * the mark must be there and match. The second mark, made by vfs_durable(),
 * does the same for what somebody was told is safe.
 */

enum mark_slot {
	MARK_CHECKPOINT = 0,
	MARK_SYNC = 1,
	MARKS,
	/* The two logs begun last, which one being told by frames: twice the
	 * number of the log, and one more once its header is on the disk. The
	 * file's log is the newest, or while that is not on the disk the one
	 * before: any other one was put there, and would bring back pages that
	 * are long out of date. */
	MARK_LOG = 2,
	/* Not of a log: frames is how far the rows had come when they were
	 * last synced. A log that is gone leaves an older database behind,
	 * which is as valid as can be. In the salt's place: the upper half. */
	MARK_REACHED = 4,
	MARK_ALL,
};

/* Offsets in the log's index (https://sqlite.org/walformat.html, 2.1). */
enum index_at {
	INDEX_COPY = 48, /* size of the header, which is there twice */
	INDEX_INIT = 12,
	INDEX_FRAMES = 16,
	INDEX_SALT = 32,
	INDEX_CHECKPOINT = 128, /* how far the checkpoint under way goes */
};

int vfs_mark_open(const char *db, int sqlite_flags, int *ret_fd)
{
	bool readonly = sqlite_flags & SQLITE_OPEN_READONLY;
	CLEANUP_FREE char *path = NULL;
	int fd;

	if (asprintf(&path, "%s" VFS_MARK_SUFFIX, db) < 0) {
		path = NULL;
		return SQLITE_NOMEM;
	}
	fd = open(path, (readonly ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC,
		  0644);
	if (fd < 0 && !(readonly && errno == ENOENT))
		return SQLITE_CANTOPEN;
	*ret_fd = fd;
	return SQLITE_OK;
}

static int mark_write(const struct file *f, enum mark_slot slot,
		      const struct log_mark *m)
{
	uint8_t p[MARK_LEN];
	ssize_t n;

	log_mark_encode(m, p);
	n = pwrite(f->mark_fd, p, sizeof(p), (off_t)slot * MARK_LEN);
	if (n < 0)
		return -errno;
	return n == sizeof(p) ? 0 : -EIO;
}

/* How many frames of the log with that salt must be there. A mark that does
 * not read is none: it is a second witness, not the first. */
uint32_t vfs_marked_frames(const struct file *f, const uint8_t salt[8])
{
	uint8_t p[MARKS * MARK_LEN] = {0};
	struct log_mark m;
	uint32_t most = 0;
	int i;

	if (pread(f->mark_fd, p, sizeof(p), 0) < 0)
		return 0;
	for (i = 0; i < MARKS; i++)
		if (log_mark_decode(p + i * MARK_LEN, &m) &&
		    !memcmp(m.salt, salt, sizeof(m.salt)))
			most = MAX(most, m.frames);
	return most;
}

static uint32_t index_u32(const volatile uint8_t *p)
{
	return *(const volatile uint32_t *)p;
}

static void index_copy(const volatile uint8_t *from, uint8_t *to, size_t n)
{
	while (n--)
		*to++ = *from++;
}

/* A writer changes the second copy first, the first one last: where they are
 * equal, they are whole. */
bool vfs_point(struct sqlite3_file *main, struct log_mark *ret)
{
	const volatile uint8_t *index = file_of(main)->index;
	uint8_t a[INDEX_COPY], b[INDEX_COPY];
	struct log_mark m;

	if (!index)
		return false;
	index_copy(index, a, sizeof(a));
	__atomic_thread_fence(__ATOMIC_ACQ_REL);
	index_copy(index + INDEX_COPY, b, sizeof(b));
	if (memcmp(a, b, sizeof(a)) || !a[INDEX_INIT])
		return false;
	memcpy(&m.frames, a + INDEX_FRAMES, sizeof(m.frames));
	memcpy(m.salt, a + INDEX_SALT, sizeof(m.salt));
	if (!m.frames)
		return false;
	*ret = m;
	return true;
}

int vfs_durable(struct sqlite3_file *main, const struct log_mark *m)
{
	const struct file *f = file_of(main);

	return f->mark_fd < 0 ? -EROFS : mark_write(f, MARK_SYNC, m);
}

/* The log has been synced, nothing copied yet. */
void vfs_checkpoint_begins(struct file *f)
{
	struct log_mark m;

	f->refused = SQLITE_IOERR_WRITE;
	if (!f->index)
		return;
	m.frames = index_u32(f->index + INDEX_CHECKPOINT);
	index_copy(f->index + INDEX_SALT, m.salt, sizeof(m.salt));
	if (memcmp(m.salt, f->marked.salt, sizeof(m.salt)) ||
	    m.frames > f->marked.frames) {
		if (mark_write(f, MARK_CHECKPOINT, &m) < 0 ||
		    fdatasync(f->mark_fd) < 0) {
			log_error("%s" VFS_MARK_SUFFIX ": %s", f->path,
				  err_name(errno));
			return;
		}
		f->marked = m;
	}
	f->refused = SQLITE_OK;
}

/* --- which log it is --------------------------------------------------------
 */

/* 1 a mark, 0 never written, -EBADMSG. */
static int mark_read(int fd, int slot, struct log_mark *ret)
{
	uint8_t p[MARK_LEN] = {0}, none[MARK_LEN] = {0};
	ssize_t n = pread(fd, p, sizeof(p), (off_t)slot * MARK_LEN);

	if (n < 0)
		return -errno;
	if (!memcmp(p, none, sizeof(p)))
		return 0;
	return log_mark_decode(p, ret) ? 1 : -EBADMSG;
}

/* The logs begun last, the newest first; how many, 0 also when one of the marks
 * does not read: then nothing is said. */
static int logs_begun(int fd, struct log_mark ret[2], int *ret_slot)
{
	struct log_mark a, b;
	int first = fd < 0 ? 0 : mark_read(fd, MARK_LOG, &a);
	int second = fd < 0 ? 0 : mark_read(fd, MARK_LOG + 1, &b);

	*ret_slot = MARK_LOG;
	if (first < 0 || second < 0 || first + second == 0)
		return 0;
	if (first && (!second || a.frames > b.frames)) {
		ret[0] = a;
		if (second)
			ret[1] = b;
	} else {
		ret[0] = b;
		if (first)
			ret[1] = a;
		*ret_slot = MARK_LOG + 1;
	}
	return first + second;
}

/* One that does not read makes the other worthless, now and later. */
static void forget_logs(int fd)
{
	static const uint8_t none[2 * MARK_LEN];

	if (pwrite(fd, none, sizeof(none), (off_t)MARK_LOG * MARK_LEN) < 0)
		log_debug("mark: %s", err_name(errno));
}

int vfs_log_begins(struct file *main, const uint8_t salt[8])
{
	struct log_mark m[2], next = {.frames = 2};
	int slot, n = logs_begun(main->mark_fd, m, &slot), rc;

	if (!n)
		forget_logs(main->mark_fd);

	if (n) {
		next.frames = (m[0].frames | 1) + 1;
		slot = slot == MARK_LOG ? MARK_LOG + 1 : MARK_LOG;
	}
	memcpy(next.salt, salt, sizeof(next.salt));
	rc = mark_write(main, slot, &next);
	if (rc >= 0 && fdatasync(main->mark_fd) < 0)
		rc = -errno;
	if (rc < 0)
		log_error("%s" VFS_MARK_SUFFIX ": %s", main->path,
			  err_name(rc));
	return rc;
}

void vfs_log_begun(struct file *main)
{
	struct log_mark m[2];
	int slot;

	if (!logs_begun(main->mark_fd, m, &slot) || m[0].frames & 1)
		return;
	m[0].frames |= 1;
	if (mark_write(main, slot, &m[0]) < 0)
		log_debug("%s" VFS_MARK_SUFFIX ": %s", main->path,
			  err_name(errno));
}

bool vfs_log_known(const struct file *main, const uint8_t salt[8])
{
	struct log_mark m[2];
	int slot, n = logs_begun(main->mark_fd, m, &slot);

	if (!n || !memcmp(m[0].salt, salt, sizeof(m[0].salt)))
		return true;
	return !(m[0].frames & 1) &&
	       (n < 2 || !memcmp(m[1].salt, salt, sizeof(m[1].salt)));
}

/* --- how far the rows have come --------------------------------------------
 */

int vfs_reached(struct sqlite3_file *main, uint64_t n)
{
	struct log_mark m = {.frames = (uint32_t)n};

	if (file_of(main)->mark_fd < 0)
		return -EROFS;
	n >>= 32;
	put_be32(m.salt + 4, (uint32_t)n);
	return mark_write(file_of(main), MARK_REACHED, &m);
}

uint64_t vfs_last_reached(struct sqlite3_file *main)
{
	const struct file *f = file_of(main);
	struct log_mark m;
	uint64_t high;

	if (f->mark_fd < 0 || mark_read(f->mark_fd, MARK_REACHED, &m) <= 0)
		return 0;
	high = get_be32(m.salt + 4);
	return high << 32 | m.frames;
}

/* --- for whoever checks ----------------------------------------------------
 */

static int open_marks(const char *db, int flags)
{
	CLEANUP_FREE char *path = NULL;
	int fd;

	if (asprintf(&path, "%s" VFS_MARK_SUFFIX, db) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Somebody may be writing one just now. */
static bool mark_reads(int fd, int slot)
{
	struct log_mark m;
	int tries;

	for (tries = 0; tries < 3; tries++)
		if (mark_read(fd, slot, &m) >= 0)
			return true;
	return false;
}

int vfs_marks_damaged(const char *db)
{
	CLEANUP_CLOSE int fd = open_marks(db, O_RDONLY);
	struct stat st;
	int slot, n = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	for (slot = 0; slot < MARK_ALL; slot++)
		n += !mark_reads(fd, slot);
	return n + (st.st_size > MARK_ALL * MARK_LEN);
}

int vfs_marks_reset(const char *db)
{
	CLEANUP_CLOSE int fd = open_marks(db, O_RDWR);

	if (fd < 0)
		return fd;
	return ftruncate(fd, 0) < 0 || fsync(fd) < 0 ? -errno : 0;
}
