#include "core/db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/clock.h"
#include "core/db_internal.h"
#include "core/vfs.h"

/* Turns. SQLite lets whoever asks at the right moment have the write lock, so
 * a mount that begins a batch as soon as it has ended one would starve
 * everybody else, who sleep between their attempts. Therefore a writer takes
 * the turn (a lock on the first byte of the -mark file) before it asks for the
 * write lock, and gives it back when it has that. Who waits for the write lock
 * holds the turn, and who has just had the lock queues behind. The turn is a
 * lock of an open file description: it goes with its process, and closing
 * other descriptors does no harm (as it would to SQLite's own locks: the
 * database itself is never opened a second time here).
 *
 * A batch that SQLite rolled back by itself (full disk, I/O error) leaves the
 * connection outside of any transaction, where the next statement would commit
 * on its own. So the failure is kept in `broken`, and nothing is written until
 * somebody has ended the batch.
 */

#define WAIT_NS (10 * NSEC_PER_SEC)

/* --- waiting -------------------------------------------------------------- */

/* Always as long: who has just come must not ask more often than who has been
 * waiting. */
static void nap(void)
{
	const struct timespec t = {.tv_nsec = 300000};

	nanosleep(&t, NULL);
}

int db_on_busy(void *ctx, int count)
{
	struct db *db = ctx;

	if (!count && !db->waiting)
		db->deadline_ns = clock_mono_ns() + WAIT_NS;
	if (clock_mono_ns() >= db->deadline_ns)
		return 0;
	nap();
	return 1;
}

static int turn_lock(const struct db *db, short type)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};

	return fcntl(db->turn_fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

int db_turn_take(struct db *db)
{
	int rc;

	db->deadline_ns = clock_mono_ns() + WAIT_NS;
	db->waiting = true;
	for (;; nap()) {
		rc = turn_lock(db, F_WRLCK);
		if (rc != -EAGAIN && rc != -EACCES && rc != -EINTR)
			break;
		if (clock_mono_ns() >= db->deadline_ns) {
			rc = -EBUSY;
			break;
		}
	}
	if (rc < 0)
		db->waiting = false;
	return rc;
}

void db_turn_give(struct db *db)
{
	int rc = turn_lock(db, F_UNLCK);

	if (rc < 0)
		log_error("%s" VFS_MARK_SUFFIX ": unlock: %s", db->path,
			  err_name(rc));
	db->waiting = false;
}

void db_lock(struct db *db)
{
	pthread_mutex_lock(&db->mutex);
}

bool db_trylock(struct db *db)
{
	return !pthread_mutex_trylock(&db->mutex);
}

void db_unlock(struct db *db)
{
	pthread_mutex_unlock(&db->mutex);
}

/* --- batches -------------------------------------------------------------- */

int db_add_hook(struct db *db, struct db_hook hook)
{
	struct db_hook *p;

	p = realloc(db->hooks, (db->n_hooks + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	p[db->n_hooks++] = hook;
	db->hooks = p;
	return 0;
}

int db_add_begun(struct db *db, void (*fn)(void *ctx), void *ctx)
{
	struct begun_hook *p;

	p = realloc(db->begun, (db->n_begun + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	p[db->n_begun++] = (struct begun_hook){fn, ctx};
	db->begun = p;
	return 0;
}

void db_drop_hooks(struct db *db, const void *ctx)
{
	size_t i, n = 0, m = 0;

	assert(!db->ending);
	for (i = 0; i < db->n_hooks; i++)
		if (db->hooks[i].ctx != ctx)
			db->hooks[n++] = db->hooks[i];
	db->n_hooks = n;
	for (i = 0; i < db->n_begun; i++)
		if (db->begun[i].ctx != ctx)
			db->begun[m++] = db->begun[i];
	db->n_begun = m;
}

void db_read_begin(struct db *db)
{
	if (!db->batch && !db->reading)
		db->reading = stmt_run(db->read) >= 0;
}

void db_read_end(struct db *db)
{
	if (!db->reading)
		return;
	db->reading = false;
	if (stmt_run(db->commit) < 0)
		log_error("%s: the end of reading: %s", db->path,
			  sqlite3_errmsg(db->sq));
}

int db_begin(struct db *db)
{
	size_t i;
	int rc;

	if (db->readonly)
		return -EROFS;
	if (db->batch)
		return db->broken;
	db_read_end(db);
	rc = db_turn_take(db);
	if (rc < 0)
		return rc;
	rc = stmt_run(db->begin);
	db_turn_give(db);
	if (rc < 0)
		return rc;
	db->batch = true;
	for (i = 0; i < db->n_begun; i++)
		db->begun[i].fn(db->begun[i].ctx);
	return db->broken;
}

bool db_in_batch(const struct db *db)
{
	return db->batch;
}

static void end_batch(struct db *db, bool committed)
{
	size_t i;

	if (!sqlite3_get_autocommit(db->sq)) {
		db->broken = 0; /* let it write */
		if (stmt_run(db->rollback) < 0)
			log_error("%s: cannot roll back: %s", db->path,
				  sqlite3_errmsg(db->sq));
	}
	db->batch = false;
	db->broken = 0;
	db->based = false;
	db->depth = 0;
	redo_clear(&db->redo);
	for (i = 0; i < db->n_hooks; i++)
		if (db->hooks[i].after)
			db->hooks[i].after(db->hooks[i].ctx, committed);
}

static int run_before(struct db *db)
{
	size_t i;
	int rc;

	for (i = 0; i < db->n_hooks; i++) {
		rc = db->broken;
		if (rc >= 0 && db->hooks[i].before)
			rc = db->hooks[i].before(db->hooks[i].ctx);
		if (rc < 0)
			return rc;
	}
	return db->broken;
}

int db_commit(struct db *db)
{
	int rc;

	assert(!db->ending);
	if (!db->batch)
		return 0;
	db->ending = true;
	rc = run_before(db);
	if (rc >= 0)
		rc = stmt_run(db->commit);
	if (rc >= 0 && db->reaching)
		__atomic_store_n(&db->reached, db->reaching, __ATOMIC_RELEASE);
	db->reaching = 0;
	end_batch(db, rc >= 0);
	db->ending = false;
	return rc < 0 ? rc : 0;
}

void db_rollback(struct db *db)
{
	assert(!db->ending);
	if (!db->batch)
		return;
	db->ending = true;
	end_batch(db, false);
	db->ending = false;
}

/* One savepoint for many mutators (core/db_redo.h). */
static int base(struct db *db)
{
	int rc = 0;

	if (db->based && !db->depth && redo_is_long(&db->redo)) {
		rc = stmt_run(db->release);
		db->based = false;
		redo_clear(&db->redo);
	}
	if (rc >= 0 && !db->based) {
		rc = stmt_run(db->save);
		db->based = rc >= 0;
	}
	return rc;
}

int db_savepoint(struct db *db)
{
	int rc = db_begin(db);

	assert(db->depth < DEPTH_MAX);
	if (rc >= 0)
		rc = base(db);
	if (rc >= 0)
		db->marks[db->depth++] = redo_mark(&db->redo);
	return rc;
}

int db_release(struct db *db)
{
	assert(db->depth);
	db->depth--;
	return db->broken;
}

void db_revert(struct db *db)
{
	int rc;

	assert(db->depth);
	db->depth--;
	if (db->broken)
		return; /* all of it is gone already */
	rc = stmt_run(db->revert);
	if (rc >= 0)
		rc = redo_replay(&db->redo, db->marks[db->depth]);
	if (rc < 0 && !db->broken)
		db->broken = rc; /* half of a mutator must not be committed */
}

int db_data_version(struct db *db, uint64_t *ret)
{
	int rc = stmt_step(db->data_version);

	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	*ret = (uint64_t)stmt_col_int(db->data_version, 0);
	stmt_reset(db->data_version);
	return 0;
}

/* --- durability ----------------------------------------------------------- */

struct sqlite3_file *db_main_file(struct db *db)
{
	sqlite3_file *f = NULL;

	sqlite3_file_control(db->sq, "main", SQLITE_FCNTL_FILE_POINTER, &f);
	return f;
}

static int sync_dir(const char *path)
{
	const char *slash = strrchr(path, '/');
	CLEANUP_FREE char *dir = NULL;
	CLEANUP_CLOSE int fd = -1;

	dir = slash ? strndup(path, (size_t)MAX(slash - path, 1)) : strdup(".");
	if (!dir)
		return -ENOMEM;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

/* The log, opened anew when the file of that name is another one. SQLite
 * holds no locks on it that closing the old descriptor would drop. */
static int open_log(struct db *db)
{
	CLEANUP_FREE char *path = NULL;
	struct stat now, then;

	if (asprintf(&path, "%s-wal", db->path) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (stat(path, &now) < 0)
		return -errno;
	if (db->log_fd >= 0 && fstat(db->log_fd, &then) == 0 &&
	    then.st_ino == now.st_ino && then.st_dev == now.st_dev)
		return 0;
	if (db->log_fd >= 0)
		close(db->log_fd);
	db->dir_synced = false;
	db->log_fd = open(path, O_RDWR | O_CLOEXEC);
	return db->log_fd < 0 ? -errno : 0;
}

/* Without a log, all that was committed is in the main file. */
static int sync_main(struct db *db)
{
	sqlite3_file *f = db_main_file(db);
	int code;

	code = f->pMethods->xSync(f, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
	return code == SQLITE_OK ? 0 : -EIO;
}

void db_reach(struct db *db, uint64_t n)
{
	db->reaching = n;
}

uint64_t db_reached(struct db *db)
{
	return vfs_last_reached(db_main_file(db));
}

/* Others may have come further meanwhile. */
static int keep_reached(struct db *db, uint64_t n)
{
	if (!n || n <= vfs_last_reached(db_main_file(db)))
		return 0;
	return vfs_reached(db_main_file(db), n);
}

static int sync_log(struct db *db)
{
	uint64_t n = __atomic_load_n(&db->reached, __ATOMIC_ACQUIRE);
	struct log_mark m;
	bool marked;
	int rc;

	marked = vfs_point(db_main_file(db), &m);
	rc = -vfs_unsynced(db_main_file(db));
	if (rc < 0)
		return rc;
	rc = open_log(db);
	if (rc == -ENOENT)
		rc = sync_main(db);
	else if (rc >= 0 && fdatasync(db->log_fd) < 0)
		rc = -errno;
	if (rc >= 0 && !db->dir_synced) {
		rc = sync_dir(db->path);
		db->dir_synced = rc >= 0;
	}
	if (rc >= 0 && marked)
		rc = vfs_durable(db_main_file(db), &m);
	return rc >= 0 ? keep_reached(db, n) : rc;
}

void db_sync_soon(struct db *db)
{
	/* who syncs just now has begun already */
	if (db->readonly || pthread_mutex_trylock(&db->sync_mutex))
		return;
	if (open_log(db) >= 0 &&
	    sync_file_range(db->log_fd, 0, 0, SYNC_FILE_RANGE_WRITE) < 0)
		log_debug("%s-wal: sync_file_range: %s", db->path,
			  err_name(errno));
	pthread_mutex_unlock(&db->sync_mutex);
}

int db_sync(struct db *db)
{
	int rc;

	if (db->readonly)
		return -EROFS;
	pthread_mutex_lock(&db->sync_mutex);
	rc = db->sync_failed;
	if (rc >= 0)
		rc = sync_log(db);
	db->sync_failed = rc;
	pthread_mutex_unlock(&db->sync_mutex);
	return rc;
}
