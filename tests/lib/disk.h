/* tests/lib/disk.h - every system call that writes, watched: it is written
 * down, or fails on purpose.
 *
 * disk.c defines open(2), pwrite(2), fsync(2), rename(2) and all their kin, so
 * that a program that it is linked into, and every library in it (SQLite too),
 * calls these instead of the C library's. Linked into a shared object it does
 * the same for a program that is started with LD_PRELOAD; then the environment
 * says what disk_watch() and disk_fail() would: DISK_ROOT, DISK_LOG,
 * DISK_FAIL="N HOW", DISK_LAZY=1.
 *
 * The log is in the manner of dm-log-writes: what was written to which file,
 * when which file or directory was synced. tests/lib/power.h reads it.
 *
 * Threads: any; several processes may write one log.
 */
#ifndef TESTS_LIB_DISK_H
#define TESTS_LIB_DISK_H

#include <stdbool.h>
#include <stdint.h>

enum disk_kind {
	DISK_CREATE = 1, /* path, file */
	DISK_MKDIR,	 /* path */
	DISK_UNLINK,	 /* path; also of a directory */
	DISK_RENAME,	 /* path, to */
	DISK_LINK,	 /* path, to */
	DISK_WRITE,	 /* file, off, data */
	DISK_TRUNCATE,	 /* file, off */
	DISK_CHMOD,	 /* file, off: the mode */
	DISK_SYNC,	 /* file; since: what was before that is on the disk */
	DISK_SYNC_DIR,	 /* path; since */
	DISK_MARK,	 /* off: a number of the test's */
};

/* As it stands in the log; path, to and data follow. Paths are relative to the
 * root, "" is the root itself. */
struct disk_record {
	uint32_t kind, since;
	uint64_t file, off;
	int64_t time_ns;	 /* of the monotonic clock */
	uint32_t path, to, data; /* lengths */
	uint32_t zero;
};

/* At the log's start. */
struct disk_log {
	uint32_t lock, count;
	uint64_t end; /* of the records, which begin at DISK_LOG_HEAD */
};
#define DISK_LOG_HEAD 4096

enum disk_fault {
	DISK_EIO = 1, /* that call fails with it, and has no effect */
	DISK_ENOSPC,
	DISK_SHORT,  /* a write does half of what it should, and says so */
	DISK_TORN,   /* a write does half of what it should, and fails: EIO */
	DISK_FULL,   /* ENOSPC from that call on, of all that needs room */
	DISK_DEAD,   /* EIO from that call on, of all */
	DISK_KILL,   /* the process is killed instead */
	DISK_NOSYNC, /* the nth fsync fails with EIO, once */
};

/* From now on what happens below root is counted, and written to a new file
 * `log` (NULL: not). What is there below root already goes into the log as
 * made, written and synced. */
void disk_watch(const char *root, const char *log);
/* Nothing is watched any more. */
void disk_rest(void);
/* The nth call from now on (from 1; 0: none) fails. */
void disk_fail(unsigned nth, enum disk_fault how);
/* How many calls, and how many syncs, since disk_watch(). */
unsigned disk_count(void);
unsigned disk_syncs(void);
/* Whether the fault has come up. */
bool disk_failed(void);
void disk_mark(uint64_t value);
/* Syncs do nothing, and are not watched: for what only reads a state. */
void disk_lazy(bool lazy);

/* How many times fewer cuts and faults a build with sanitizers makes. */
#if defined(__SANITIZE_THREAD__)
#define DISK_SPARSE 16
#elif defined(__SANITIZE_ADDRESS__)
#define DISK_SPARSE 5
#else
#define DISK_SPARSE 1
#endif

#endif
