#include "core/db_internal.h"

#include <errno.h>
#include <string.h>

#include "core/vfs.h"

static int rc_of_io(sqlite3 *sq, int code)
{
	sqlite3_file *f = NULL;
	int e = 0;

	switch (code) {
	case SQLITE_IOERR_DATA:
	case SQLITE_IOERR_CORRUPTFS:
		return -EBADMSG;
	case SQLITE_IOERR_NOMEM:
		return -ENOMEM;
	}
	sqlite3_file_control(sq, "main", SQLITE_FCNTL_FILE_POINTER, &f);
	if (f)
		e = vfs_error(f);
	if (!e)
		e = sqlite3_system_errno(sq);
	return e > 0 ? -e : -EIO;
}

static int rc_of_constraint(int code)
{
	return code == SQLITE_CONSTRAINT_UNIQUE ||
			       code == SQLITE_CONSTRAINT_PRIMARYKEY ||
			       code == SQLITE_CONSTRAINT_ROWID
		       ? -EEXIST
		       : -EINVAL;
}

int db_rc(sqlite3 *sq, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return rc_of_io(sq, code);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CONSTRAINT:
		return rc_of_constraint(code);
	case SQLITE_TOOBIG:
		return -EFBIG;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_ABORT:
	case SQLITE_SCHEMA:
		return -EAGAIN;
	case SQLITE_INTERRUPT:
		return -EINTR;
	}
	log_error("database: %s", sqlite3_errmsg(sq));
	return -EINVAL; /* wrong SQL or wrong use: ours */
}

int db_failed(struct db *db, int code)
{
	int rc = db_rc(db->sq, code);

	if (rc < 0)
		log_debug("%s: %s (%d)", db->path, sqlite3_errmsg(db->sq),
			  code);
	if (rc < 0 && db->batch && !db->broken &&
	    sqlite3_get_autocommit(db->sq))
		db->broken = rc;
	return rc;
}

/* --- statements ----------------------------------------------------------- */

struct stmt *db_prepare(struct db *db, const char *sql, int *ret_rc)
{
	struct stmt *s = calloc(1, sizeof(*s));
	int code;

	if (!s) {
		*ret_rc = -ENOMEM;
		return NULL;
	}
	code = sqlite3_prepare_v3(db->sq, sql, -1, SQLITE_PREPARE_PERSISTENT,
				  &s->st, NULL);
	if (code != SQLITE_OK) {
		*ret_rc = db_failed(db, code);
		free(s);
		return NULL;
	}
	s->db = db;
	s->writes = !sqlite3_stmt_readonly(s->st);
	s->n_bound = s->writes ? sqlite3_bind_parameter_count(s->st) : 0;
	if (s->n_bound)
		s->bound = calloc((size_t)s->n_bound, sizeof(*s->bound));
	if (s->n_bound && !s->bound) {
		*ret_rc = -ENOMEM;
		stmt_free(s);
		return NULL;
	}
	return s;
}

void stmt_free(struct stmt *s)
{
	if (!s)
		return;
	if (s->named) {
		stmt_reset(s);
		s->dead = true;
		s->db->redo.dead++;
		return;
	}
	sqlite3_finalize(s->st);
	free(s->bound);
	free(s);
}

static void bound(struct stmt *s, int code, int i, struct bound v)
{
	if (code != SQLITE_OK && !s->failed)
		s->failed = code;
	if (i > 0 && i <= s->n_bound)
		s->bound[i - 1] = v;
}

void stmt_int(struct stmt *s, int i, int64_t v)
{
	bound(s, sqlite3_bind_int64(s->st, i, v), i,
	      (struct bound){.type = BOUND_INT, .v = v});
}

void stmt_blob(struct stmt *s, int i, const void *p, size_t n)
{
	bound(s,
	      n ? sqlite3_bind_blob64(s->st, i, p, n, SQLITE_STATIC)
		: sqlite3_bind_zeroblob(s->st, i, 0),
	      i, (struct bound){BOUND_BLOB, (int64_t)n, p});
}

void stmt_text(struct stmt *s, int i, const char *p, size_t n)
{
	bound(s,
	      sqlite3_bind_text64(s->st, i, n ? p : "", n, SQLITE_STATIC,
				  SQLITE_UTF8),
	      i, (struct bound){BOUND_TEXT, (int64_t)n, p});
}

void stmt_null(struct stmt *s, int i)
{
	bound(s, sqlite3_bind_null(s->st, i), i,
	      (struct bound){.type = BOUND_NULL});
}

void stmt_addr(struct stmt *s, int i, const struct addr *a)
{
	if (addr_is_zero(a))
		stmt_null(s, i);
	else
		stmt_blob(s, i, a->b, ADDR_LEN);
}

void stmt_reset(struct stmt *s)
{
	sqlite3_reset(s->st);
	sqlite3_clear_bindings(s->st);
	if (s->n_bound)
		memset(s->bound, 0, (size_t)s->n_bound * sizeof(*s->bound));
	s->failed = 0;
	s->noted = false;
}

int stmt_step(struct stmt *s)
{
	int code = s->failed, rc;

	if (s->writes && s->db->broken) {
		stmt_reset(s);
		return s->db->broken;
	}
	if (!code)
		code = sqlite3_step(s->st);
	if (s->writes && s->db->based && !s->noted &&
	    (code == SQLITE_ROW || code == SQLITE_DONE)) {
		redo_note(&s->db->redo, s);
		s->noted = true;
	}
	if (code == SQLITE_ROW)
		return 1;
	rc = code == SQLITE_DONE ? 0 : db_failed(s->db, code);
	stmt_reset(s);
	return rc;
}

int stmt_run(struct stmt *s)
{
	int rc;

	do
		rc = stmt_step(s);
	while (rc > 0);
	return rc;
}

int db_run(struct db *db, const char *sql)
{
	struct stmt *st;
	int rc;

	st = db_prepare(db, sql, &rc);
	if (!st)
		return rc;
	rc = stmt_run(st);
	stmt_free(st);
	return rc;
}

int64_t db_changes(struct db *db)
{
	return sqlite3_changes64(db->sq);
}

int64_t stmt_col_int(struct stmt *s, int i)
{
	return sqlite3_column_int64(s->st, i);
}

const void *stmt_col_blob(struct stmt *s, int i, size_t *ret_len)
{
	const void *p = sqlite3_column_blob(s->st, i);

	*ret_len = p ? (size_t)sqlite3_column_bytes(s->st, i) : 0;
	return p ? p : "";
}

bool stmt_col_is_null(struct stmt *s, int i)
{
	return sqlite3_column_type(s->st, i) == SQLITE_NULL;
}

int stmt_col_addr(struct stmt *s, int i, struct addr *ret)
{
	const void *p;
	size_t n;

	memset(ret, 0, sizeof(*ret));
	if (stmt_col_is_null(s, i))
		return 0;
	p = stmt_col_blob(s, i, &n);
	if (n != ADDR_LEN)
		return -EUCLEAN;
	memcpy(ret->b, p, ADDR_LEN);
	return 0;
}
