#include "core/db_internal.h"

#include <errno.h>

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
