/* core/vfs_internal.h - what the files of core/vfs.h share, and they alone. */
#ifndef CORE_VFS_INTERNAL_H
#define CORE_VFS_INTERNAL_H

#include <errno.h>

#include <sqlite3.h>

#include "core/vfs.h"

/* Frames, one behind the other, that are to be written together; and the sum
 * that the next one continues, as far as it is known. */
struct log_run {
	uint8_t *p;
	size_t len, room;
	int64_t at; /* where they go */
	bool summed;
	unsigned turn;	/* the sum holds while the lock does */
	int64_t sum_at; /* of which frame it is the sum before */
	uint32_t sum[2];
};

/* A file of SQLite's as this layer sees it; the system's follows behind. */
struct file {
	sqlite3_file base;
	const char *path; /* SQLite keeps it until close */
	uint8_t *scratch;
	size_t room;
	/* main */
	int mark_fd;
	const volatile uint8_t *index; /* the log's index in shared memory */
	struct log_mark marked;	       /* the last one of a checkpoint */
	int refused; /* a checkpoint without a mark must not write */
	uint32_t page_size;
	int error;	/* errno of the last failure, the log's too */
	int unsynced;	/* errno of the first sync that failed; atomic */
	unsigned turns; /* how often the lock to write was taken */
	/* log */
	struct file *main;
	bool native; /* the log's sums are in this machine's order */
	bool begun;  /* its header was written, and not synced */
	bool held;
	int64_t held_at;
	uint8_t head[LOG_FRAME];
	struct log_run run;
	/* the system's file follows */
};

static inline struct file *file_of(sqlite3_file *f)
{
	return CONTAINER_OF(f, struct file, base);
}

static inline sqlite3_file *real(struct file *f)
{
	return (sqlite3_file *)(f + 1);
}

/* What the system said goes to the main file, for vfs_error(). */
static inline int noted(struct file *f, int rc)
{
	if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)
		(f->main ? f->main : f)->error = errno;
	return rc;
}

static inline int real_read(struct file *f, void *p, int n, int64_t at)
{
	return noted(f, real(f)->pMethods->xRead(real(f), p, n, at));
}

static inline int real_write(struct file *f, const void *p, int n, int64_t at)
{
	return noted(f, real(f)->pMethods->xWrite(real(f), p, n, at));
}

static inline int real_truncate(struct file *f, int64_t size)
{
	return noted(f, real(f)->pMethods->xTruncate(real(f), size));
}

/* What the system could not write it may have dropped, and the next sync says
 * nothing of it: so none succeeds any more. */
static inline int real_sync(struct file *f, int flags)
{
	struct file *main = f->main ? f->main : f;
	int rc, failed = __atomic_load_n(&main->unsynced, __ATOMIC_ACQUIRE);

	if (failed) {
		errno = failed;
		return noted(f, SQLITE_IOERR_FSYNC);
	}
	rc = noted(f, real(f)->pMethods->xSync(real(f), flags));
	if (rc != SQLITE_OK)
		__atomic_store_n(&main->unsynced, errno ? errno : EIO,
				 __ATOMIC_RELEASE);
	return rc;
}

/* Room for n bytes until the next call; NULL when there is no memory. */
uint8_t *vfs_scratch(struct file *f, size_t n);
/* SQLITE_IOERR_DATA, and a line in the log, for a page that is damaged. */
int vfs_check_page(const struct file *f, uint8_t *page, int n, uint64_t pgno);

/* -1 where there is none and none may be made. */
int vfs_mark_open(const char *db, int sqlite_flags, int *ret_fd);
/* How many frames of the log with that salt must be there. */
uint32_t vfs_marked_frames(const struct file *main, const uint8_t salt[8]);
/* A log with that salt is about to be begun: noted durably. */
int vfs_log_begins(struct file *main, const uint8_t salt[8]) MUST_USE;
/* Its header is on the disk. */
void vfs_log_begun(struct file *main);
/* Whether a log of that salt can be the one that belongs to the file. */
bool vfs_log_known(const struct file *main, const uint8_t salt[8]);
/* The log has been synced, nothing copied yet: sets main->refused. */
void vfs_checkpoint_begins(struct file *main);

extern const sqlite3_io_methods vfs_log_methods;

/* Methods that are the system's, for both files. */
int vfs_file_close(sqlite3_file *file);
int vfs_file_size(sqlite3_file *file, sqlite3_int64 *ret);
int vfs_file_lock(sqlite3_file *file, int lock);
int vfs_file_unlock(sqlite3_file *file, int lock);
int vfs_file_check_lock(sqlite3_file *file, int *ret);
int vfs_file_control(sqlite3_file *file, int op, void *arg);
int vfs_file_sector(sqlite3_file *file);
int vfs_file_device(sqlite3_file *file);

#endif
