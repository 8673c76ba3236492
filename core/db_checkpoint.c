#include "core/db_internal.h"

#include <errno.h>
#include <time.h>

#include "core/stmts.h"
#include "core/vfs.h"

/* SQLite's automatic checkpoint is made by the commit that finds the log long
 * enough: in a store of a million files that is 100 ms and more in which nobody
 * gets at the database. Here it is made through a connection of its own, in
 * rounds, while others commit; each leaves what was added during it, and the
 * last one is made with the lock held, when hardly anything is left. Only then
 * is all of the log in the main file, so that the next commit begins it anew:
 * that is what keeps it short. */

#define ROUNDS 6
#define LITTLE 200 /* frames: a moment's work */

void db_checkpoint_aside(struct db *db)
{
	sqlite3_wal_autocheckpoint(db->sq, LOG_PAGES_MOST);
}

static int open_side(struct db *db)
{
	struct err err = {{0}};
	int rc;

	if (db->side)
		return 0;
	rc = db_open(db->path, 0, &db->side, &err);
	if (rc < 0)
		return rc;
	sqlite3_wal_autocheckpoint(db->side->sq, 0);
	sqlite3_busy_handler(db->side->sq, NULL, NULL);
	return 0;
}

static uint32_t frames(struct db *db)
{
	struct log_mark m;

	return vfs_point(db_main_file(db), &m) ? m.frames : 0;
}

/* One round; how many frames it has left to copy. */
static int copy(struct db *db, uint32_t *ret_left)
{
	int log = 0, done = 0, code;
	uint32_t now;

	code = sqlite3_wal_checkpoint_v2(db->side->sq, NULL,
					 SQLITE_CHECKPOINT_PASSIVE, &log,
					 &done);
	if (code == SQLITE_BUSY)
		return -EBUSY;
	if (code != SQLITE_OK)
		return db_rc(db->side->sq,
			     sqlite3_extended_errcode(db->side->sq));
	now = frames(db);
	*ret_left = now > (uint32_t)done ? now - (uint32_t)done : 0;
	return 0;
}

static int copy_all(struct db *db)
{
	uint32_t left = UINT32_MAX, before, round;
	int rc = open_side(db);

	for (round = 0; rc >= 0 && round < ROUNDS && left > LITTLE; round++) {
		before = left;
		rc = copy(db, &left);
		if (left >= before)
			break; /* a reader holds it up, or it comes as fast */
	}
	if (rc < 0 || !left)
		return rc;
	db_lock(db);
	rc = copy(db, &left);
	db_unlock(db);
	return rc;
}

int db_checkpoint(struct db *db)
{
	int rc;

	if (db->readonly)
		return -EROFS;
	if (frames(db) < LOG_PAGES)
		return 0;
	rc = copy_all(db);
	return rc == -EBUSY ? 0 : rc;
}

/* --- nothing is left of what rows said ------------------------------------ */

#define TRIES	 50
#define TRY_NS	 20000000
#define ROW_MOST (16384 * 4096) /* of zeros */

static int free_pages(struct db *db, int64_t *ret)
{
	struct stmt *st;
	int rc;

	st = db_prepare(db, "PRAGMA freelist_count", &rc);
	if (!st)
		return rc;
	rc = stmts_int(st, ret);
	stmt_free(st);
	return MIN(rc, 0);
}

/* Pages that are not used hold what they held: they are used once, for zeros.
 */
static int fill_free(struct db *db)
{
	struct stmt *st;
	int64_t pages = 0, n;
	int rc = free_pages(db, &pages);

	if (rc < 0 || !pages)
		return rc;
	rc = db_begin(db);
	if (rc >= 0)
		rc = db_run(db, "CREATE TABLE zeros(b BLOB) STRICT");
	if (rc < 0)
		return rc;
	st = db_prepare(db, "INSERT INTO zeros VALUES (zeroblob(?1))", &rc);
	for (n = pages * 4096; st && rc >= 0 && n > 0; n -= ROW_MOST) {
		stmt_int(st, 1, MIN(n, (int64_t)ROW_MOST));
		rc = stmt_run(st);
	}
	stmt_free(st);
	return rc < 0 ? rc : db_run(db, "DROP TABLE zeros");
}

static int empty_log(struct db *db)
{
	int code = sqlite3_wal_checkpoint_v2(db->sq, NULL,
					     SQLITE_CHECKPOINT_TRUNCATE, NULL,
					     NULL);

	if (code == SQLITE_BUSY)
		return -EBUSY;
	return code == SQLITE_OK
		       ? 0
		       : db_rc(db->sq, sqlite3_extended_errcode(db->sq));
}

int db_purge(struct db *db)
{
	const struct timespec pause = {.tv_nsec = TRY_NS};
	int rc, i;

	db_lock(db);
	rc = fill_free(db);
	if (rc >= 0)
		rc = db_commit(db);
	else if (db_in_batch(db))
		db_rollback(db);
	db_unlock(db);
	if (rc >= 0)
		rc = db_sync(db);
	for (i = 0; rc >= 0 && i < TRIES; i++) {
		db_lock(db);
		rc = empty_log(db);
		db_unlock(db);
		if (rc != -EBUSY)
			return rc;
		nanosleep(&pause, NULL);
		rc = i + 1 < TRIES ? 0 : -EBUSY;
	}
	return rc;
}
