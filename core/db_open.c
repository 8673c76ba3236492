#include "core/db_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/schema.h"
#include "core/vfs.h"

#define HEADER_MAGIC "SQLite format 3" /* with its NUL */
#define RESERVE_AT   20
#define VERSION_AT   60 /* user_version, big-endian */
#define PAGE_SIZE    4096

static int open_err(struct db *db, int rc, struct err *err)
{
	switch (rc) {
	case -EBADMSG:
		return err_set(err, rc,
			       "%s: bytes on the disk have changed: run "
			       "deriva fsck",
			       db->path);
	case -EUCLEAN:
		return err_set(err, rc,
			       "%s: no database of deriva, or damaged: run "
			       "deriva fsck",
			       db->path);
	case -ENOENT:
		if (!access(db->path, F_OK))
			return err_set(err, rc,
				       "%s: its log is not there and cannot be "
				       "made: make the disk writable first",
				       db->path);
		return err_set(err, rc,
			       "%s: is missing: deriva fsck --repair makes it "
			       "anew from the packs",
			       db->path);
	case -EBUSY:
		return err_set(err, rc,
			       "%s: another process has kept it locked for "
			       "10 s",
			       db->path);
	}
	return err_set(err, rc, "%s: %s", db->path, err_name(rc));
}

static int exec(struct db *db, const char *sql)
{
	return db_failed(db, sqlite3_exec(db->sq, sql, NULL, NULL, NULL));
}

/* A number that a statement yields. */
static int query_int(struct db *db, const char *sql, int64_t *ret)
{
	int rc;
	struct stmt *s = db_prepare(db, sql, &rc);

	if (!s)
		return rc;
	rc = stmt_step(s);
	if (rc > 0)
		*ret = stmt_col_int(s, 0);
	stmt_free(s);
	return rc < 0 ? rc : rc ? 0 : -EUCLEAN;
}

/* 1 a database with room for sums, 0 an empty file. */
static int check_header(struct db *db, struct err *err)
{
	sqlite3_file *f = db_main_file(db);
	uint8_t p[100];
	int code;

	code = f->pMethods->xRead(f, p, sizeof(p), 0);
	if (code == SQLITE_IOERR_SHORT_READ) {
		sqlite3_int64 size = 0;

		code = f->pMethods->xFileSize(f, &size);
		if (code == SQLITE_OK && !size)
			return 0;
		if (code == SQLITE_OK)
			code = SQLITE_NOTADB;
	}
	if (code != SQLITE_OK)
		return open_err(db, db_rc(db->sq, code), err);
	if (memcmp(p, HEADER_MAGIC, sizeof(HEADER_MAGIC)))
		return err_set(err, -EUCLEAN,
			       "%s: not a database: run deriva fsck", db->path);
	if (p[RESERVE_AT] != PAGE_SUM)
		return err_set(err, -EUCLEAN,
			       "%s: a database without page checksums, or its "
			       "header is damaged: not one of deriva",
			       db->path);
	return 1;
}

/* What is fixed when the first page is written, and means nothing later. */
static int set_format(struct db *db)
{
	int reserve = PAGE_SUM;
	int code;

	code = sqlite3_file_control(db->sq, "main", SQLITE_FCNTL_RESERVE_BYTES,
				    &reserve);
	if (code != SQLITE_OK)
		return db_failed(db, code);
	return exec(db, "PRAGMA page_size = 4096;" /* PAGE_SIZE */
			"PRAGMA auto_vacuum = NONE;"
			"PRAGMA encoding = 'UTF-8'");
}

/* No page goes to the log before its batch ends (cache_spill), so that a batch
 * is written once and in order. */
static int set_connection(struct db *db)
{
	sqlite3_busy_handler(db->sq, db_on_busy, db);
	sqlite3_extended_result_codes(db->sq, 1);
	sqlite3_wal_autocheckpoint(db->sq, LOG_PAGES);
	sqlite3_db_config(db->sq, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(db->sq, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_db_config(db->sq, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return exec(db, "PRAGMA mmap_size = 0;"
			"PRAGMA trusted_schema = OFF;"
			"PRAGMA foreign_keys = OFF;"
			"PRAGMA recursive_triggers = OFF;"
			"PRAGMA temp_store = MEMORY;"
			"PRAGMA cache_size = -32768;"
			"PRAGMA cache_spill = OFF;"
			"PRAGMA secure_delete = FAST;"
			"PRAGMA locking_mode = NORMAL;"
			"PRAGMA synchronous = NORMAL;"
			"PRAGMA journal_size_limit = 67108864");
}

static int set_log(struct db *db)
{
	int rc;
	struct stmt *s = db_prepare(db, "PRAGMA journal_mode = WAL", &rc);
	const char *mode;
	size_t n;

	if (!s)
		return rc;
	rc = stmt_step(s);
	if (rc > 0) {
		mode = stmt_col_blob(s, 0, &n);
		rc = n == 3 && !memcmp(mode, "wal", 3) ? 0 : -EUCLEAN;
	}
	stmt_free(s);
	return rc;
}

static int run_migrations(struct db *db, int64_t from)
{
	char pragma[64];
	int64_t i;
	int rc;

	for (i = from; i < schema_version; i++) {
		rc = exec(db, schema_migrations[i]);
		if (rc < 0)
			return rc;
	}
	snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d",
		 schema_version);
	return exec(db, pragma);
}

static int newer_err(const char *path, int64_t v, struct err *err)
{
	return err_set(err, -EPROTONOSUPPORT,
		       "%s: written by a newer version of deriva (schema "
		       "%lld, this one knows %d): upgrade deriva",
		       path, (long long)v, schema_version);
}

int db_look(const char *path, int *ret_version, struct err *err)
{
	uint8_t page[PAGE_SIZE];
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint32_t v;

	*ret_version = 0;
	if (fd < 0 || pread(fd, page, sizeof(page), 0) != sizeof(page) ||
	    !page_ok(page, sizeof(page), 1))
		return 0;
	v = get_be32(page + VERSION_AT);
	if (v > INT32_MAX)
		return 0;
	*ret_version = (int)v;
	return *ret_version > schema_version ? newer_err(path, v, err) : 0;
}

static int check_version(struct db *db, int64_t *ret, struct err *err)
{
	int64_t v = 0;
	int rc = query_int(db, "PRAGMA user_version", &v);

	if (rc < 0)
		return open_err(db, rc, err);
	if (v < 0)
		return open_err(db, -EUCLEAN, err);
	if (v > schema_version)
		return newer_err(db->path, v, err);
	*ret = v;
	return 0;
}

/* Nobody else opens it for writing meanwhile: the caller holds the turn. But
 * somebody who has it open may hold a batch. */
static int migrate(struct db *db, int flags, struct err *err)
{
	int64_t v = 0;
	int rc = check_version(db, &v, err);

	if (rc < 0)
		return rc;
	if (v == schema_version)
		return 0;
	if (flags & DB_SHARED)
		return err_set(err, -EBUSY,
			       "%s: its tables are those of an older version "
			       "of deriva (schema %lld, this one has %d), and "
			       "cannot be brought up to date while other "
			       "processes use them: end those first",
			       db->path, (long long)v, schema_version);
	if ((!v && !(flags & DB_CREATE)) || db->readonly)
		return err_set(err, -EUCLEAN,
			       "%s: its tables are those of schema %lld, not "
			       "%d: open it for writing once",
			       db->path, (long long)v, schema_version);
	rc = exec(db, "BEGIN IMMEDIATE");
	if (rc < 0)
		return open_err(db, rc, err);
	rc = run_migrations(db, v);
	if (rc >= 0)
		rc = exec(db, "COMMIT");
	if (rc >= 0)
		return 0;
	open_err(db, rc, err);
	if (!sqlite3_get_autocommit(db->sq) && exec(db, "ROLLBACK") < 0)
		log_error("%s: cannot roll back a migration", db->path);
	return rc;
}

static int prepare_own(struct db *db)
{
	const struct {
		struct stmt **at;
		const char *sql;
	} own[] = {
		{&db->begin, "BEGIN IMMEDIATE"},
		{&db->read, "BEGIN"},
		{&db->commit, "COMMIT"},
		{&db->rollback, "ROLLBACK"},
		{&db->save, "SAVEPOINT mutator"},
		{&db->release, "RELEASE mutator"},
		{&db->revert, "ROLLBACK TO mutator"},
		{&db->data_version, "PRAGMA data_version"},
	};
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_LEN(own); i++) {
		*own[i].at = db_prepare(db, own[i].sql, &rc);
		if (!*own[i].at)
			return rc;
		(*own[i].at)->writes = false; /* they work when broken */
	}
	return 0;
}

static int connect(struct db *db, int flags, struct err *err)
{
	const char *vfs = NULL;
	int rc, code;
	int open_flags = SQLITE_OPEN_NOMUTEX;

	if (flags & DB_READONLY)
		open_flags |= SQLITE_OPEN_READONLY;
	else
		open_flags |= SQLITE_OPEN_READWRITE;
	if (flags & DB_CREATE)
		open_flags |= SQLITE_OPEN_CREATE;
	rc = vfs_register(&vfs);
	if (rc < 0)
		return open_err(db, rc, err);
	code = sqlite3_open_v2(db->path, &db->sq, open_flags, vfs);
	if (!db->sq)
		return open_err(db, -ENOMEM, err);
	sqlite3_extended_result_codes(db->sq, 1);
	if (code != SQLITE_OK)
		return open_err(db,
				db_rc(db->sq, sqlite3_extended_errcode(db->sq)),
				err);
	if (!(flags & DB_READONLY) && sqlite3_db_readonly(db->sq, "main"))
		return open_err(db, -EACCES, err);
	return 0;
}

static int set_up(struct db *db, int flags, struct err *err)
{
	int rc = connect(db, flags, err);

	if (rc < 0)
		return rc;
	rc = check_header(db, err);
	if (rc < 0)
		return rc;
	if (!rc && !(flags & DB_CREATE))
		return err_set(err, -EUCLEAN, "%s: the file is empty",
			       db->path);
	rc = set_connection(db);
	if (rc >= 0 && (flags & DB_CREATE))
		rc = set_format(db);
	if (rc >= 0 && !db->readonly)
		rc = set_log(db);
	if (rc < 0)
		return open_err(db, rc, err);
	rc = migrate(db, flags, err);
	if (rc < 0)
		return rc;
	rc = check_header(db, err);
	if (rc < 0)
		return rc;
	rc = prepare_own(db);
	return rc < 0 ? open_err(db, rc, err) : 0;
}

/* The file with the turn; only beside a database, or to make one. */
static int open_turn(struct db *db, int flags, struct err *err)
{
	CLEANUP_FREE char *path = NULL;

	if (!(flags & DB_CREATE) && access(db->path, F_OK) < 0)
		return open_err(db, -errno, err);
	if (asprintf(&path, "%s" VFS_MARK_SUFFIX, db->path) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	db->turn_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (db->turn_fd < 0)
		return err_set(err, -errno, "%s: %s", path, err_name(errno));
	return 0;
}

static struct db *db_new(const char *path, int flags)
{
	struct db *db = calloc(1, sizeof(*db));
	pthread_mutexattr_t attr;

	if (!db)
		return NULL;
	db->path = strdup(path);
	if (!db->path) {
		free(db);
		return NULL;
	}
	db->turn_fd = db->log_fd = -1;
	db->readonly = flags & DB_READONLY;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&db->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	pthread_mutex_init(&db->sync_mutex, NULL);
	return db;
}

int db_open(const char *path, int flags, struct db **ret, struct err *err)
{
	CLEANUP(db_closep) struct db *db = NULL;
	int rc;

	assert(!(flags & DB_CREATE) || !(flags & DB_READONLY));
	db = db_new(path, flags);
	if (!db)
		return err_set(err, -ENOMEM, "%s: %s", path, err_name(ENOMEM));
	if (!db->readonly) {
		rc = open_turn(db, flags, err);
		if (rc < 0)
			return rc;
		rc = db_turn_take(db);
		if (rc < 0)
			return open_err(db, rc, err);
	}
	rc = set_up(db, flags, err);
	if (!db->readonly)
		db_turn_give(db);
	if (rc < 0)
		return rc;
	*ret = steal(&db);
	return 0;
}

void db_close(struct db *db)
{
	int code;

	if (!db)
		return;
	if (db->batch && !sqlite3_get_autocommit(db->sq) &&
	    stmt_run(db->rollback) < 0)
		log_error("%s: cannot roll back: %s", db->path,
			  sqlite3_errmsg(db->sq));
	redo_done(&db->redo);
	db_close(db->side);
	stmt_free(db->begin);
	stmt_free(db->read);
	stmt_free(db->commit);
	stmt_free(db->rollback);
	stmt_free(db->save);
	stmt_free(db->release);
	stmt_free(db->revert);
	stmt_free(db->data_version);
	code = sqlite3_close(db->sq);
	assert(code == SQLITE_OK); /* a statement was not freed */
	if (db->turn_fd >= 0)
		close(db->turn_fd);
	if (db->log_fd >= 0)
		close(db->log_fd);
	pthread_mutex_destroy(&db->mutex);
	pthread_mutex_destroy(&db->sync_mutex);
	free(db->hooks);
	free(db->begun);
	free(db->path);
	free(db);
}
