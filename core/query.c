#include "core/query.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/clock.h"

#define CACHE_KIB  "65536"
#define LENGTH_MAX (64 << 20) /* of a value */
#define STEPS	   1000	      /* of the machine between looks at stop */
#define NAME_ROOM  64

struct query {
	sqlite3 *sq;
	sqlite3_stmt *insert;
	size_t ncolumns;
	const bool *stop;
	int64_t deadline_ns;
	int scratch_fd;
	unsigned files;
	bool loading; /* what is done here, not what the query says */
	bool registered;
	bool refused;	    /* by allow(), anything else */
	char forbidden[64]; /* what the query may not use */
	char vfs_name[40];
	sqlite3_vfs vfs;
};

/* --- files ------------------------------------------------------------------
 *
 * SQLite asks for files without a name only: those for what does not fit into
 * memory. They get a name in scratch, which SQLite removes when it has opened
 * them; it lies behind the file's own structure, where it stays as long. */

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
		     int flags, int *ret_flags)
{
	struct query *q = vfs->pAppData;
	sqlite3_vfs *system = sqlite3_vfs_find(NULL);
	char *own = (char *)file + system->szOsFile;

	file->pMethods = NULL;
	if (name || q->scratch_fd < 0)
		return SQLITE_CANTOPEN;
	snprintf(own, NAME_ROOM, "/proc/self/fd/%d/sql-%u", q->scratch_fd,
		 q->files++);
	return system->xOpen(system, own, file,
			     flags | SQLITE_OPEN_DELETEONCLOSE, ret_flags);
}

static int no_file(sqlite3_vfs *vfs, const char *name, int arg, int *ret)
{
	*ret = 0;
	return SQLITE_OK;
}

/* 1980-01-01, as in the sandbox, in milliseconds of the Julian day. */
#define STILL (INT64_C(315532800) * 1000 + INT64_C(210866760000000))

static int still_ms(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
	*ret = STILL;
	return SQLITE_OK;
}

static int still_days(sqlite3_vfs *vfs, double *ret)
{
	*ret = (double)STILL / 86400000.0;
	return SQLITE_OK;
}

static int register_files(struct query *q)
{
	sqlite3_vfs *system;

	if (sqlite3_initialize() != SQLITE_OK)
		return -ENOMEM;
	system = sqlite3_vfs_find(NULL);
	if (!system)
		return -ENOSYS;
	snprintf(q->vfs_name, sizeof(q->vfs_name), "query-%p", (void *)q);
	q->vfs = *system;
	q->vfs.iVersion = 2;
	q->vfs.szOsFile = system->szOsFile + NAME_ROOM;
	q->vfs.pNext = NULL;
	q->vfs.zName = q->vfs_name;
	q->vfs.pAppData = q;
	q->vfs.xOpen = open_file;
	q->vfs.xAccess = no_file;
	q->vfs.xCurrentTime = still_days;
	q->vfs.xCurrentTimeInt64 = still_ms;
	if (sqlite3_vfs_register(&q->vfs, 0) != SQLITE_OK)
		return -ENOMEM;
	q->registered = true;
	return 0;
}

/* --- what is allowed --------------------------------------------------------
 */

static int allow(void *ctx, int action, const char *a, const char *b,
		 const char *c, const char *d)
{
	static const char *const no[] = {
		"random",
		"randomblob",
		"load_extension",
		"last_insert_rowid",
		"changes",
		"total_changes",
		"sqlite_version",
		"sqlite_source_id",
		"sqlite_compileoption_get",
		"sqlite_compileoption_used",
	};
	struct query *q = ctx;
	size_t i;

	if (q->loading)
		return SQLITE_OK;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		for (i = 0; i < ARRAY_LEN(no); i++)
			if (!sqlite3_stricmp(b, no[i])) {
				snprintf(q->forbidden, sizeof(q->forbidden),
					 "%s()", no[i]);
				return SQLITE_DENY;
			}
		return SQLITE_OK;
	default:
		q->refused = true;
		return SQLITE_DENY;
	}
}

/* Every so many steps: not 0 ends the statement. */
static int look(void *ctx)
{
	const struct query *q = ctx;

	if (q->stop && __atomic_load_n(q->stop, __ATOMIC_RELAXED))
		return 1;
	return q->deadline_ns && clock_mono_ns() >= q->deadline_ns;
}

/* --- errors ------------------------------------------------------------------
 */

static int failed(const struct query *q, int rc, struct err *err)
{
	const char *why = sqlite3_errmsg(q->sq);

	switch (sqlite3_errcode(q->sq)) {
	case SQLITE_INTERRUPT:
		return -ECANCELED;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return err_set(err, -ENOSPC, "scratch space: %s", why);
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return err_set(err, -EIO, "scratch space: %s", why);
	default:
		return err_set(err, rc, "%s", why);
	}
}

/* Said when the statement is prepared or, of what a table-valued function
 * prepares in its turn, when it runs: that depends on the library's version. */
static int not_allowed(const struct query *q, struct err *err)
{
	if (q->forbidden[0])
		return err_set(err, -EINVAL,
			       "%s is not for recipes: what it gives is not "
			       "the same each time",
			       q->forbidden);
	return err_set(err, -EINVAL, "the query may only read its tables (%s)",
		       sqlite3_errmsg(q->sq));
}

/* --- opening
 * ------------------------------------------------------------------ */

void query_close(struct query *q)
{
	if (!q)
		return;
	sqlite3_finalize(q->insert);
	sqlite3_close(q->sq);
	if (q->registered)
		sqlite3_vfs_unregister(&q->vfs);
	free(q);
}

static int set_up(struct query *q)
{
	/* a nameless database: in memory, until it is too large for that */
	if (sqlite3_open_v2("", &q->sq,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
				    SQLITE_OPEN_NOMUTEX,
			    q->vfs_name) != SQLITE_OK)
		return -ENOMEM;
	sqlite3_limit(q->sq, SQLITE_LIMIT_LENGTH, LENGTH_MAX);
	sqlite3_limit(q->sq, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(q->sq, SQLITE_LIMIT_WORKER_THREADS, 0);
	sqlite3_db_config(q->sq, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(q->sq, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_db_config(q->sq, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (sqlite3_exec(q->sq,
			 "PRAGMA page_size = 4096; PRAGMA journal_mode = OFF;"
			 "PRAGMA synchronous = OFF; PRAGMA temp_store = FILE;"
			 "PRAGMA cache_size = -" CACHE_KIB ";"
			 "BEGIN",
			 NULL, NULL, NULL) != SQLITE_OK)
		return -ENOMEM;
	sqlite3_set_authorizer(q->sq, allow, q);
	sqlite3_progress_handler(q->sq, STEPS, look, q);
	return 0;
}

int query_open(int scratch_fd, const bool *stop, int64_t deadline_ns,
	       struct query **ret)
{
	CLEANUP(query_closep) struct query *q = calloc(1, sizeof(*q));
	int rc;

	if (!q)
		return -ENOMEM;
	q->scratch_fd = scratch_fd;
	q->stop = stop;
	q->deadline_ns = deadline_ns;
	q->loading = true;
	rc = register_files(q);
	if (rc >= 0)
		rc = set_up(q);
	if (rc < 0)
		return rc;
	*ret = steal(&q);
	return 0;
}

/* --- tables
 * -------------------------------------------------------------------- */

/* A name in double quotes. NUL bytes end names for SQLite: refused before. */
static void add_name(struct buf *b, const char *p, size_t n)
{
	size_t i;

	buf_u8(b, '"');
	for (i = 0; i < n; i++) {
		if (p[i] == '"')
			buf_u8(b, '"');
		buf_u8(b, (uint8_t)p[i]);
	}
	buf_u8(b, '"');
}

static int prepare_insert(struct query *q, const char *name, size_t n,
			  struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t i;

	buf_str(&b, "INSERT INTO ");
	add_name(&b, name, strlen(name));
	buf_str(&b, " VALUES(");
	for (i = 0; i < n; i++)
		buf_str(&b, i ? ",?" : "?");
	buf_str(&b, ")");
	sqlite3_finalize(q->insert);
	q->insert = NULL;
	q->ncolumns = n;
	if (buf_err(&b) < 0)
		return -ENOMEM;
	if (sqlite3_prepare_v2(q->sq, buf_cstr(&b), -1, &q->insert, NULL))
		return failed(q, -EILSEQ, err);
	return 0;
}

int query_table(struct query *q, const char *name,
		const struct query_column *columns, size_t n, struct err *err)
{
	static const char *const types[] = {[QUERY_INT] = "INTEGER",
					    [QUERY_REAL] = "REAL",
					    [QUERY_TEXT] = "TEXT"};
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t i;

	buf_str(&b, "CREATE TABLE ");
	add_name(&b, name, strlen(name));
	for (i = 0; i < n; i++) {
		buf_str(&b, i ? ", " : " (");
		add_name(&b, columns[i].name.p, columns[i].name.n);
		buf_fmt(&b, " %s", types[columns[i].type]);
	}
	buf_str(&b, ")");
	if (buf_err(&b) < 0)
		return -ENOMEM;
	if (sqlite3_exec(q->sq, buf_cstr(&b), NULL, NULL, NULL) != SQLITE_OK)
		return failed(q, -EILSEQ, err);
	return prepare_insert(q, name, n, err);
}

int query_insert(struct query *q, const struct query_text *values,
		 struct err *err)
{
	size_t i;
	int rc = SQLITE_OK;

	for (i = 0; i < q->ncolumns && rc == SQLITE_OK; i++)
		rc = values[i].p
			     ? sqlite3_bind_text64(q->insert, (int)i + 1,
						   values[i].p, values[i].n,
						   SQLITE_STATIC, SQLITE_UTF8)
			     : sqlite3_bind_null(q->insert, (int)i + 1);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(q->insert);
	if (rc != SQLITE_DONE)
		return failed(q, -EILSEQ, err);
	sqlite3_reset(q->insert);
	return 0;
}

/* --- the query
 * -------------------------------------------------------------------- */

static int prepare(struct query *q, const char *sql, sqlite3_stmt **ret,
		   struct err *err)
{
	sqlite3_stmt *more = NULL;
	const char *tail = sql;
	int rc;

	rc = sqlite3_prepare_v2(q->sq, sql, -1, ret, &tail);
	if (rc != SQLITE_OK && (q->forbidden[0] || q->refused))
		return not_allowed(q, err);
	if (rc != SQLITE_OK)
		return failed(q, -EINVAL, err);
	if (!*ret)
		return err_set(err, -EINVAL, "the query is empty");
	rc = sqlite3_prepare_v2(q->sq, tail, -1, &more, NULL);
	sqlite3_finalize(more);
	if (rc != SQLITE_OK || more)
		return err_set(err, -EINVAL,
			       "a second statement stands behind the query");
	if (!sqlite3_column_count(*ret) || !sqlite3_stmt_readonly(*ret))
		return err_set(err, -EINVAL,
			       "the query may only read its tables: it is a "
			       "SELECT");
	return 0;
}

static void take_value(sqlite3_stmt *s, int i, struct query_value *ret)
{
	int type = sqlite3_column_type(s, i);

	ret->type = type == SQLITE_INTEGER ? QUERY_INT
		    : type == SQLITE_FLOAT ? QUERY_REAL
		    : type == SQLITE_TEXT  ? QUERY_TEXT
		    : type == SQLITE_BLOB  ? QUERY_BLOB
					   : QUERY_NULL;
	ret->text.p = type == SQLITE_BLOB ? sqlite3_column_blob(s, i)
					  : sqlite3_column_text(s, i);
	ret->text.n = (size_t)sqlite3_column_bytes(s, i);
	if (!ret->text.p)
		ret->text = (struct query_text){"", 0};
}

static int give_head(sqlite3_stmt *s, size_t n,
		     int (*head)(void *ctx, const struct query_text *names,
				 size_t n),
		     void *ctx)
{
	CLEANUP_FREE struct query_text *names = calloc(n, sizeof(*names));
	size_t i;

	if (!names)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		names[i].p = sqlite3_column_name(s, (int)i);
		if (!names[i].p)
			return -ENOMEM;
		names[i].n = strlen(names[i].p);
	}
	return head(ctx, names, n);
}

static int give_rows(struct query *q, sqlite3_stmt *s, size_t n,
		     int (*row)(void *ctx, const struct query_value *values,
				size_t n),
		     void *ctx, struct err *err)
{
	CLEANUP_FREE struct query_value *v = calloc(n, sizeof(*v));
	size_t i;
	int code, rc;

	if (!v)
		return -ENOMEM;
	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		if (look(q))
			return -ECANCELED;
		for (i = 0; i < n; i++)
			take_value(s, (int)i, &v[i]);
		rc = row(ctx, v, n);
		if (rc < 0)
			return rc;
	}
	if (code == SQLITE_DONE)
		return 0;
	return q->forbidden[0] || q->refused ? not_allowed(q, err)
					     : failed(q, -EILSEQ, err);
}

int query_run(struct query *q, const char *sql,
	      int (*head)(void *ctx, const struct query_text *names, size_t n),
	      int (*row)(void *ctx, const struct query_value *values, size_t n),
	      void *ctx, struct err *err)
{
	sqlite3_stmt *s = NULL;
	size_t n;
	int rc;

	sqlite3_finalize(q->insert);
	q->insert = NULL;
	q->loading = false;
	rc = prepare(q, sql, &s, err);
	n = rc < 0 ? 0 : (size_t)sqlite3_column_count(s);
	if (rc >= 0)
		rc = give_head(s, n, head, ctx);
	if (rc >= 0)
		rc = give_rows(q, s, n, row, ctx, err);
	sqlite3_finalize(s);
	q->loading = true;
	return rc;
}
