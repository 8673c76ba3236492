/* core/db.h - the SQLite database of a store: connection, batches, statements.
 *
 * One write connection a process. Every handler of that process reads through
 * it, under db_lock(), and so sees the batch that is not committed yet.
 *
 * Batch:   writes gather in one held write transaction (BEGIN IMMEDIATE) that
 *          db_commit() ends; a mount calls that within 20 ms, so that other
 *          processes get their turn: who waits goes before who has just been
 *          (10 s, then -EBUSY). What a batch changed is in memory until then.
 * Threads: db_lock() is recursive and the outermost lock of a process. All
 *          functions but db_open, db_close, db_sync, db_sync_soon want it
 *          held.
 * Files:   the database, -wal, -shm (SQLite's), and -mark (core/pages.h),
 *          which also is what waiting writers queue for. Pages carry sums:
 *          open it with this module alone.
 * Durable: WAL, synchronous=NORMAL: a commit survives the process, not the
 *          power. db_sync() makes what was committed survive that too.
 * Errors:  -EBUSY another process holds the lock, -EBADMSG a page fails its
 *          checksum, -EUCLEAN the file is no database or inconsistent,
 *          -EPROTONOSUPPORT written by a newer version, -ENOSPC, -EROFS, -EIO.
 */
#ifndef CORE_DB_H
#define CORE_DB_H

#include "core/addr.h"
#include "core/err.h"

#include <stdbool.h>

#define DB_VERSION 16 /* user_version of the newest schema */

struct db;
struct stmt;

enum db_flags {
	DB_CREATE = 1,	 /* make and migrate it if there is none */
	DB_READONLY = 2, /* a second connection, reads committed rows only */
	DB_SHARED = 4,	 /* other processes may have it open: tables of an
			  * older version stay as they are (-EBUSY) */
};

int db_open(const char *path, int flags, struct db **ret,
	    struct err *err) MUST_USE;
/* Before anything is opened or written: the user_version of the database of
 * that path, 0 when that cannot be told (db_open() does then).
 * -EPROTONOSUPPORT, with a message, when a newer version of deriva wrote it. */
int db_look(const char *path, int *ret_version, struct err *err) MUST_USE;
/* Rolls back what is not committed; hooks are not called any more. Statements
 * are freed before. */
void db_close(struct db *db);
CLEANUP_FN(struct db, db_close)

void db_lock(struct db *db);
/* False, and nothing taken, where that would have to wait. */
bool db_trylock(struct db *db) MUST_USE;
void db_unlock(struct db *db);

/* Called around the end of each batch, in order of registration. before may
 * write rows; its failure rolls the batch back. after learns whether the
 * batch is in the database. */
struct db_hook {
	int (*before)(void *ctx);
	void (*after)(void *ctx, bool committed);
	void *ctx;
};
int db_add_hook(struct db *db, struct db_hook hook) MUST_USE;
/* At the start of each batch, before anything of it is written: what other
 * processes committed is there, and no more of theirs comes until it ends. */
int db_add_begun(struct db *db, void (*fn)(void *ctx), void *ctx) MUST_USE;
void db_drop_hooks(struct db *db, const void *ctx); /* all with that ctx */

/* Opens the batch when none is open. Every mutator of core calls it. */
int db_begin(struct db *db) MUST_USE;
bool db_in_batch(const struct db *db);
/* Many look-ups under one db_lock(): rows are as of one moment, and the locks
 * of the database's files are taken once and not for each. Ends at
 * db_read_end(), or when a batch begins; in a batch it does nothing. No more
 * than a help: it cannot fail. */
void db_read_begin(struct db *db);
void db_read_end(struct db *db);
/* A failure such as a full disk may undo the whole batch at once. Then every
 * later write fails with it, until db_commit (which returns it) or db_rollback
 * ends the batch.
 * Ends the batch; 0 when there is none. On failure everything of the batch is
 * gone, as after a crash. */
int db_commit(struct db *db) MUST_USE;
void db_rollback(struct db *db);

/* A mutator of several statements is all or nothing within the batch, which
 * db_savepoint opens if need be. They nest. */
int db_savepoint(struct db *db) MUST_USE;
int db_release(struct db *db) MUST_USE;
void db_revert(struct db *db); /* back to the savepoint, and release it */

/* Makes what was committed before the call survive a power cut. Once it has
 * failed it keeps failing: what the system could not write it may have dropped.
 */
int db_sync(struct db *db) MUST_USE;
/* The disk begins to write what db_sync() will have to wait for, while its
 * caller waits for something else. No promise lies in it. */
void db_sync_soon(struct db *db);
/* A number that only rises with what rows say, from a hook before the commit.
 * db_sync() keeps it beside the database. */
void db_reach(struct db *db, uint64_t n);
/* As of the last db_sync() of whatever process; 0: not known. A database whose
 * rows do not say as much is an older one than what was there. */
uint64_t db_reached(struct db *db);

/* The log goes over into the main file by itself: with the commit that makes it
 * long, unless db_checkpoint() is called about once a second, as promised with
 * db_checkpoint_aside(). Then that only happens when the log is longer by far.
 * It takes as long as it takes; commits go on meanwhile, but for a moment at
 * its end, and db_lock() must not be held. Nothing to do, or somebody else who
 * does it: 0. */
void db_checkpoint_aside(struct db *db);
int db_checkpoint(struct db *db) MUST_USE;
/* Nothing stays in unused pages or in the log of what rows said and do not say
 * any more: in time of these. db_lock() not held. -EBUSY: somebody was reading
 * or writing all the while. */
int db_purge(struct db *db) MUST_USE;

/* Changes whenever another connection commits (PRAGMA data_version). */
int db_data_version(struct db *db, uint64_t *ret) MUST_USE;

/* Statements; core/stmts.h keeps those of a module. Parameters and columns
 * count from 1 and 0, as in SQLite. A bound blob or text must stay until the
 * statement is reset; then all are NULL. */
struct stmt *db_prepare(struct db *db, const char *sql, int *ret_rc) MUST_USE;
/* A statement without parameters, this once. */
int db_run(struct db *db, const char *sql) MUST_USE;
void stmt_free(struct stmt *s);
void stmt_int(struct stmt *s, int i, int64_t v);
void stmt_blob(struct stmt *s, int i, const void *p, size_t n);
void stmt_text(struct stmt *s, int i, const char *p, size_t n);
void stmt_null(struct stmt *s, int i);
/* The address of zeros is NULL, both ways. */
void stmt_addr(struct stmt *s, int i, const struct addr *a);
/* 1 a row, 0 done, -errno. After 0 or an error the statement is reset. */
int stmt_step(struct stmt *s) MUST_USE;
/* Runs to its end, rows ignored. */
int stmt_run(struct stmt *s) MUST_USE;
void stmt_reset(struct stmt *s);
/* Rows that the last INSERT, UPDATE or DELETE that ran to its end touched. */
int64_t db_changes(struct db *db);
int64_t stmt_col_int(struct stmt *s, int i);
const void *stmt_col_blob(struct stmt *s, int i, size_t *ret_len);
bool stmt_col_is_null(struct stmt *s, int i);
/* -EUCLEAN, and zeros, when what is there is no address. */
int stmt_col_addr(struct stmt *s, int i, struct addr *ret) MUST_USE;

#endif
