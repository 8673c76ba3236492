#include "core/db.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/clock.h"
#include "tests/lib/harness.h"

struct fixture {
	char *dir;
	char path[256];
	struct db *db;
};

static struct db *open_db(const char *path, int flags)
{
	struct err err = {{0}};
	struct db *db = NULL;
	int rc = db_open(path, flags, &db, &err);

	ck_assert_msg(rc == 0, "%s: %d", err.msg, rc);
	return db;
}

static void sql(struct db *db, const char *text)
{
	int rc = 0;
	struct stmt *s = db_prepare(db, text, &rc);

	ck_assert_msg(s != NULL, "%s: %d", text, rc);
	ck_assert_int_eq(stmt_run(s), 0);
	stmt_free(s);
}

static int64_t number(struct db *db, const char *text)
{
	int rc = 0;
	struct stmt *s = db_prepare(db, text, &rc);
	int64_t v;

	ck_assert_msg(s != NULL, "%s: %d", text, rc);
	rc = stmt_step(s);
	ck_assert_int_eq(rc, 1);
	v = stmt_col_int(s, 0);
	stmt_free(s);
	return v;
}

static int64_t rows(struct db *db)
{
	return number(db, "SELECT count(*) FROM t");
}

static int insert_rc(struct db *db, int64_t v)
{
	int rc = db_begin(db);
	struct stmt *s;

	if (rc < 0)
		return rc;
	s = db_prepare(db, "INSERT INTO t VALUES (?, ?)", &rc);
	if (!s)
		return rc;
	stmt_int(s, 1, v);
	stmt_blob(s, 2, "payload", 7);
	rc = stmt_run(s);
	stmt_free(s);
	return rc;
}

static void insert(struct db *db, int64_t v)
{
	ck_assert_int_eq(insert_rc(db, v), 0);
}

static void start(struct fixture *f)
{
	f->dir = test_dir();
	snprintf(f->path, sizeof(f->path), "%s/deriva.db", f->dir);
	f->db = open_db(f->path, DB_CREATE);
	sql(f->db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB) STRICT");
}

static void end(struct fixture *f)
{
	db_close(f->db);
	remove_tree(f->dir);
	free(f->dir);
}

static void reopen(struct fixture *f)
{
	db_close(f->db);
	f->db = open_db(f->path, 0);
}

/* Never -1, which would make a later kill() hit everybody. */
static pid_t checked_fork(void)
{
	pid_t pid = fork();

	if (pid < 0)
		ck_abort_msg("fork: %s", strerror(errno));
	return pid;
}

/* In a child nothing may be said to check, whose pipe is the parent's. */
static struct db *child_open(const char *path, int flags)
{
	struct err err = {{0}};
	struct db *db = NULL;

	if (db_open(path, flags, &db, &err) < 0) {
		fprintf(stderr, "# %s\n", err.msg);
		_exit(9);
	}
	return db;
}

static void child_must(int rc)
{
	if (rc < 0) {
		fprintf(stderr, "# child: %s\n", err_name(rc));
		_exit(10);
	}
}

static int run_rc(struct db *db, const char *text)
{
	int rc = 0;
	struct stmt *s = db_prepare(db, text, &rc);

	if (s)
		rc = stmt_run(s);
	stmt_free(s);
	return rc;
}

/* Runs fn in a process that ends without closing anything. */
static void in_killed_child(void (*fn)(const char *path), const char *path)
{
	int status;
	pid_t pid = checked_fork();

	if (!pid) {
		fn(path);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

START_TEST(db_open_without_create_is_enoent_and_makes_nothing)
{
	char *dir = test_dir(), path[256];
	struct err err = {{0}};
	struct db *db = NULL;

	snprintf(path, sizeof(path), "%s/deriva.db", dir);
	ck_assert_int_eq(db_open(path, 0, &db, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, path));
	ck_assert_int_eq(db_open(path, DB_READONLY, &db, &err), -ENOENT);
	ck_assert_ptr_null(db);
	ck_assert_int_eq(rmdir(dir), 0);
	free(dir);
}
END_TEST

START_TEST(db_connection_has_the_promised_settings)
{
	struct fixture f;

	start(&f);
	ck_assert_int_eq(number(f.db, "PRAGMA page_size"), 4096);
	ck_assert_int_eq(number(f.db, "PRAGMA synchronous"), 1);
	ck_assert_int_eq(number(f.db, "PRAGMA foreign_keys"), 0);
	ck_assert_int_eq(number(f.db, "PRAGMA trusted_schema"), 0);
	ck_assert_int_eq(number(f.db, "PRAGMA temp_store"), 2);
	ck_assert_int_eq(number(f.db, "PRAGMA cache_spill"), 0);
	ck_assert_int_eq(number(f.db, "PRAGMA auto_vacuum"), 0);
	ck_assert_int_eq(number(f.db, "PRAGMA user_version"), DB_VERSION);
	ck_assert_int_eq(number(f.db, "PRAGMA mmap_size"), 0);
	end(&f);
}
END_TEST

START_TEST(db_committed_rows_survive_closing_and_others_do_not)
{
	struct fixture f;

	start(&f);
	insert(f.db, 1);
	ck_assert(db_in_batch(f.db));
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert(!db_in_batch(f.db));
	ck_assert_int_eq(db_commit(f.db), 0);
	insert(f.db, 2);
	reopen(&f);
	ck_assert_int_eq(rows(f.db), 1);
	end(&f);
}
END_TEST

static void commit_some(const char *path)
{
	struct db *db = child_open(path, 0);
	int i;

	for (i = 0; i < 50; i++) {
		child_must(insert_rc(db, i));
		child_must(db_commit(db));
	}
	child_must(insert_rc(db, 1000));
}

START_TEST(db_committed_rows_survive_kill)
{
	struct fixture f;
	int i;

	start(&f);
	db_close(f.db);
	in_killed_child(commit_some, f.path);
	f.db = open_db(f.path, 0);
	ck_assert_int_eq(rows(f.db), 50);
	ck_assert_int_eq(number(f.db, "SELECT max(a) FROM t"), 49);
	for (i = 50; i < 60; i++)
		insert(f.db, i);
	ck_assert_int_eq(db_commit(f.db), 0);
	reopen(&f);
	ck_assert_int_eq(rows(f.db), 60);
	end(&f);
}
END_TEST

struct seen {
	struct db *db;
	char *log;
	char name;
	int rc;
};

static int before(void *ctx)
{
	struct seen *s = ctx;

	strncat(s->log, &s->name, 1);
	if (s->db)
		insert(s->db, 500);
	return s->rc;
}

static void after(void *ctx, bool committed)
{
	struct seen *s = ctx;

	strcat(s->log, committed ? "+" : "-");
	strncat(s->log, &s->name, 1);
}

START_TEST(db_hooks_run_in_order_and_their_rows_are_of_the_batch)
{
	struct fixture f;
	char log[64] = "";
	struct seen a = {.log = log, .name = 'a'};
	struct seen b = {.log = log, .name = 'b'};

	start(&f);
	a.db = f.db;
	ck_assert_int_eq(db_add_hook(f.db, (struct db_hook){before, after, &a}),
			 0);
	ck_assert_int_eq(db_add_hook(f.db, (struct db_hook){before, after, &b}),
			 0);
	ck_assert_int_eq(db_add_hook(f.db, (struct db_hook){NULL, NULL, NULL}),
			 0);
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_str_eq(log, "");
	insert(f.db, 1);
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_str_eq(log, "ab+a+b");
	db_drop_hooks(f.db, &a);
	insert(f.db, 2);
	db_rollback(f.db);
	ck_assert_str_eq(log, "ab+a+b-b");
	reopen(&f);
	ck_assert_int_eq(rows(f.db), 2);
	end(&f);
}
END_TEST

START_TEST(db_failing_hook_rolls_everything_back)
{
	struct fixture f;
	char log[64] = "";
	struct seen a = {.log = log, .name = 'a'};
	struct seen b = {.log = log, .name = 'b', .rc = -EDQUOT};
	struct seen c = {.log = log, .name = 'c'};

	start(&f);
	a.db = f.db;
	ck_assert_int_eq(db_add_hook(f.db, (struct db_hook){before, after, &a}),
			 0);
	ck_assert_int_eq(db_add_hook(f.db, (struct db_hook){before, after, &b}),
			 0);
	ck_assert_int_eq(db_add_hook(f.db, (struct db_hook){before, after, &c}),
			 0);
	insert(f.db, 1);
	ck_assert_int_eq(db_commit(f.db), -EDQUOT);
	ck_assert_str_eq(log, "ab-a-b-c");
	ck_assert(!db_in_batch(f.db));
	ck_assert_int_eq(rows(f.db), 0);
	b.rc = 0;
	insert(f.db, 1);
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_int_eq(rows(f.db), 2);
	end(&f);
}
END_TEST

START_TEST(db_savepoints_nest_within_the_batch)
{
	struct fixture f;

	start(&f);
	ck_assert_int_eq(db_savepoint(f.db), 0);
	ck_assert(db_in_batch(f.db));
	insert(f.db, 1);
	ck_assert_int_eq(db_release(f.db), 0);
	ck_assert_int_eq(db_savepoint(f.db), 0);
	insert(f.db, 2);
	ck_assert_int_eq(db_savepoint(f.db), 0);
	insert(f.db, 3);
	db_revert(f.db);
	ck_assert_int_eq(rows(f.db), 2);
	insert(f.db, 4);
	ck_assert_int_eq(db_savepoint(f.db), 0);
	insert(f.db, 5);
	ck_assert_int_eq(db_release(f.db), 0);
	ck_assert_int_eq(rows(f.db), 4);
	db_revert(f.db);
	ck_assert_int_eq(rows(f.db), 1);
	ck_assert(db_in_batch(f.db));
	ck_assert_int_eq(db_commit(f.db), 0);
	reopen(&f);
	ck_assert_int_eq(rows(f.db), 1);
	end(&f);
}
END_TEST

static uint64_t random_below(uint64_t *state, uint64_t n)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (*state >> 33) % n;
}

/* A row of a random length, whose number the database chooses. */
static void put_random(struct db *db, struct stmt *s, uint64_t *state,
		       uint64_t *sum)
{
	static char bytes[4000];
	size_t n = random_below(state, sizeof(bytes));

	memset(bytes, 'a' + (int)(n % 26), sizeof(bytes));
	ck_assert_int_eq(db_begin(db), 0);
	stmt_blob(s, 1, bytes, n);
	stmt_text(s, 2, bytes, n % 5 ? 0 : 3);
	if (n % 3)
		stmt_int(s, 3, (int64_t)n);
	else
		stmt_null(s, 3);
	ck_assert_int_eq(stmt_step(s), 1);
	ck_assert_int_eq(stmt_col_int(s, 1), (int64_t)n);
	stmt_reset(s);
	*sum += n + (n % 3 ? n : 0);
}

/* A mutator of a few rows, perhaps with another inside, kept or not. */
static void mutate(struct db *db, struct stmt *s, uint64_t *state, int depth,
		   uint64_t *sum)
{
	uint64_t before = *sum, n = random_below(state, 4);

	ck_assert_int_eq(db_savepoint(db), 0);
	while (n--) {
		if (depth < 3 && !random_below(state, 4))
			mutate(db, s, state, depth + 1, sum);
		put_random(db, s, state, sum);
		if (!random_below(state, 5))
			sql(db, "UPDATE k SET n = n + 1");
	}
	if (random_below(state, 3)) {
		ck_assert_int_eq(db_release(db), 0);
		return;
	}
	db_revert(db);
	*sum = before;
}

START_TEST(db_reverted_mutators_leave_what_was_before_them)
{
	uint64_t state = 42, sum = 0;
	struct fixture f;
	struct stmt *s;
	int i, rc = 0;

	start(&f);
	sql(f.db, "CREATE TABLE r(id INTEGER PRIMARY KEY AUTOINCREMENT,"
		  " b BLOB, s TEXT, n INTEGER) STRICT");
	sql(f.db, "CREATE TABLE k(n INTEGER) STRICT");
	sql(f.db, "INSERT INTO k VALUES (0)");
	s = db_prepare(f.db,
		       "INSERT INTO r(b, s, n) VALUES (?, ?, ?)"
		       " RETURNING id, length(b)",
		       &rc);
	ck_assert(s != NULL);
	for (i = 0; i < 500; i++) {
		if (!random_below(&state, 4))
			put_random(f.db, s, &state, &sum);
		mutate(f.db, s, &state, 0, &sum);
		ck_assert_int_eq(number(f.db,
					"SELECT coalesce(sum(length(b)), 0)"
					" + coalesce(sum(n), 0) FROM r"),
				 (int64_t)sum);
		if (!random_below(&state, 100))
			ck_assert_int_eq(db_commit(f.db), 0);
	}
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_int_eq(number(f.db, "SELECT max(id) - count(*) FROM r"), 0);
	ck_assert_int_eq(number(f.db,
				"SELECT count(*) FROM r WHERE length(s) <>"
				" iif(length(b) % 5, 0, 3)"),
			 0);
	stmt_free(s);
	end(&f);
}
END_TEST

START_TEST(stmt_values_come_back_as_they_went_in)
{
	struct fixture f;
	struct stmt *s;
	size_t n = 9;
	int rc = 0;

	start(&f);
	s = db_prepare(f.db, "SELECT ?, ?, ?, ?, ?, typeof(?3), typeof(?4)",
		       &rc);
	ck_assert_ptr_nonnull(s);
	stmt_int(s, 1, INT64_MIN);
	stmt_blob(s, 2, "\0\xff", 2);
	stmt_blob(s, 3, NULL, 0);
	stmt_text(s, 4, NULL, 0);
	stmt_null(s, 5);
	ck_assert_int_eq(stmt_step(s), 1);
	ck_assert_int_eq(stmt_col_int(s, 0), INT64_MIN);
	ck_assert_mem_eq(stmt_col_blob(s, 1, &n), "\0\xff", 2);
	ck_assert_uint_eq(n, 2);
	ck_assert_ptr_nonnull(stmt_col_blob(s, 2, &n));
	ck_assert_uint_eq(n, 0);
	ck_assert(!stmt_col_is_null(s, 2));
	ck_assert(!stmt_col_is_null(s, 3));
	ck_assert(stmt_col_is_null(s, 4));
	ck_assert_mem_eq(stmt_col_blob(s, 5, &n), "blob", 4);
	ck_assert_mem_eq(stmt_col_blob(s, 6, &n), "text", 4);
	ck_assert_int_eq(stmt_step(s), 0);
	/* reset: everything is NULL again */
	ck_assert_int_eq(stmt_step(s), 1);
	ck_assert(stmt_col_is_null(s, 0));
	stmt_reset(s);
	stmt_int(s, 99, 1);
	ck_assert_int_lt(stmt_step(s), 0);
	stmt_free(s);
	ck_assert_int_eq(db_begin(f.db), 0);
	insert(f.db, 1);
	ck_assert_int_eq(insert_rc(f.db, 1), -EEXIST);
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_int_eq(rows(f.db), 1);
	s = db_prepare(f.db, "SELECT nonsense", &rc);
	ck_assert_ptr_null(s);
	ck_assert_int_eq(rc, -EINVAL);
	end(&f);
}
END_TEST

START_TEST(db_data_version_changes_with_commits_of_others_only)
{
	struct fixture f;
	struct db *other;
	uint64_t a, b;

	start(&f);
	other = open_db(f.path, 0);
	ck_assert_int_eq(db_data_version(f.db, &a), 0);
	insert(f.db, 1);
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_int_eq(db_data_version(f.db, &b), 0);
	ck_assert_uint_eq(a, b);
	insert(other, 2);
	ck_assert_int_eq(db_data_version(f.db, &b), 0);
	ck_assert_uint_eq(a, b);
	ck_assert_int_eq(db_commit(other), 0);
	ck_assert_int_eq(db_data_version(f.db, &b), 0);
	ck_assert_uint_ne(a, b);
	db_close(other);
	end(&f);
}
END_TEST

START_TEST(db_readonly_connection_reads_committed_rows_and_writes_nothing)
{
	struct fixture f;
	struct db *ro;

	start(&f);
	ro = open_db(f.path, DB_READONLY);
	insert(f.db, 1);
	ck_assert_int_eq(rows(ro), 0);
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_int_eq(rows(ro), 1);
	ck_assert_int_eq(db_begin(ro), -EROFS);
	db_close(ro);
	end(&f);
}
END_TEST

START_TEST(db_newer_schema_is_refused_with_both_numbers)
{
	struct fixture f;
	struct err err = {{0}};
	struct db *db = NULL;
	char want[512];

	start(&f);
	sql(f.db, "PRAGMA user_version = 1000");
	db_close(f.db);
	ck_assert_int_eq(db_open(f.path, 0, &db, &err), -EPROTONOSUPPORT);
	snprintf(want, sizeof(want),
		 "%s: written by a newer version of deriva (schema 1000, this "
		 "one knows %d): upgrade deriva",
		 f.path, DB_VERSION);
	ck_assert_str_eq(err.msg, want);
	ck_assert_int_eq(db_open(f.path, DB_CREATE, &db, NULL),
			 -EPROTONOSUPPORT);
	ck_assert_int_eq(db_open(f.path, DB_READONLY, &db, NULL),
			 -EPROTONOSUPPORT);
	f.db = NULL;
	end(&f);
}
END_TEST

static void write_file(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, p, n), (ssize_t)n);
	close(fd);
}

START_TEST(db_open_refuses_what_is_no_database_of_deriva)
{
	char *dir = test_dir(), path[256], shell[600];
	struct err err = {{0}};
	struct db *db = NULL;
	char junk[8192];

	snprintf(path, sizeof(path), "%s/deriva.db", dir);
	memset(junk, 'x', sizeof(junk));
	write_file(path, junk, sizeof(junk));
	ck_assert_int_eq(db_open(path, DB_CREATE, &db, &err), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(err.msg, "not a database"));
	write_file(path, junk, 20);
	ck_assert_int_eq(db_open(path, DB_CREATE, &db, &err), -EUCLEAN);
	write_file(path, junk, 0);
	ck_assert_int_eq(db_open(path, 0, &db, &err), -EUCLEAN);
	ck_assert_int_eq(unlink(path), 0);
	snprintf(shell, sizeof(shell),
		 "python3 -c \"import sqlite3; c = sqlite3.connect('%s'); "
		 "c.execute('create table t(a)'); c.commit()\"",
		 path);
	if (system(shell) == 0) {
		ck_assert_int_eq(db_open(path, DB_CREATE, &db, &err), -EUCLEAN);
		ck_assert_ptr_nonnull(strstr(err.msg, "page checksums"));
	}
	remove_tree(dir);
	free(dir);
}
END_TEST

/* Adds one to a counter in short batches, as a mount would. */
static void count_up(const char *path, int times)
{
	struct db *db = child_open(path, 0);
	int i;

	for (i = 0; i < times; i++) {
		child_must(db_begin(db));
		child_must(run_rc(db, "UPDATE t SET a = a + 1"));
		if (i % 8 == 0)
			usleep(300);
		child_must(db_commit(db));
	}
	db_close(db);
}

START_TEST(db_writers_in_several_processes_lose_nothing)
{
	enum { WRITERS = 4, TIMES = 300 };
	struct fixture f;
	int i, status;

	start(&f);
	insert(f.db, 0);
	ck_assert_int_eq(db_commit(f.db), 0);
	db_close(f.db);
	for (i = 0; i < WRITERS; i++)
		if (!checked_fork()) {
			count_up(f.path, TIMES);
			_exit(0);
		}
	for (i = 0; i < WRITERS; i++) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	f.db = open_db(f.path, 0);
	ck_assert_int_eq(number(f.db, "SELECT a FROM t"), WRITERS * TIMES);
	end(&f);
}
END_TEST

/* Begins the next batch as soon as one has ended, until somebody kills it. */
static void hog(const char *path)
{
	struct db *db = child_open(path, 0);
	int64_t v = 1000, until;

	for (;;) {
		child_must(insert_rc(db, v++));
		until = clock_mono_ns() + 20000000;
		while (clock_mono_ns() < until)
			;
		child_must(db_commit(db));
	}
}

START_TEST(db_waiting_writer_goes_before_the_one_that_has_just_been)
{
	struct fixture f;
	int64_t began, worst = 0;
	pid_t pid;
	int i;

	start(&f);
	pid = checked_fork();
	if (!pid)
		hog(f.path);
	usleep(100000);
	for (i = 0; i < 10; i++) {
		began = clock_mono_ns();
		insert(f.db, i);
		worst = MAX(worst, clock_mono_ns() - began);
		ck_assert_int_eq(db_commit(f.db), 0);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	/* one batch of the other's, and what a busy machine adds */
	ck_assert_int_lt(worst, 1000000000);
	end(&f);
}
END_TEST

START_TEST(db_begin_gives_up_after_ten_seconds)
{
	struct fixture f;
	struct db *other;
	int64_t began;

	start(&f);
	other = open_db(f.path, 0);
	insert(f.db, 1);
	began = clock_mono_ns();
	ck_assert_int_eq(db_begin(other), -EBUSY);
	ck_assert_int_ge(clock_mono_ns() - began, 9 * NSEC_PER_SEC);
	ck_assert_int_lt(clock_mono_ns() - began, 14 * NSEC_PER_SEC);
	ck_assert(!db_in_batch(other));
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_int_eq(db_begin(other), 0);
	db_close(other);
	end(&f);
}
END_TEST

START_TEST(db_commit_on_a_full_disk_loses_the_batch_and_nothing_else)
{
	struct fixture f;
	char log[64] = "", wal[300];
	struct seen a = {.log = log, .name = 'a'};
	struct rlimit old, small;
	struct stat st;
	int i, rc;

	start(&f);
	insert(f.db, 1);
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_int_eq(db_add_hook(f.db, (struct db_hook){NULL, after, &a}),
			 0);
	snprintf(wal, sizeof(wal), "%s-wal", f.path);
	ck_assert_int_eq(stat(wal, &st), 0);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = (rlim_t)st.st_size + 6000;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (i = 10; i < 2000; i++)
		insert(f.db, i);
	rc = db_commit(f.db);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	ck_assert_int_eq(rc, -EFBIG);
	ck_assert_str_eq(log, "-a");
	ck_assert_int_eq(rows(f.db), 1);
	insert(f.db, 2);
	ck_assert_int_eq(db_commit(f.db), 0);
	reopen(&f);
	ck_assert_int_eq(rows(f.db), 2);
	end(&f);
}
END_TEST

START_TEST(db_batch_undone_midway_takes_no_more_writes)
{
	struct fixture f;
	char log[64] = "";
	struct seen a = {.log = log, .name = 'a'};
	struct stmt *s;
	int rc = 0;

	start(&f);
	insert(f.db, 1);
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_int_eq(db_add_hook(f.db, (struct db_hook){NULL, after, &a}),
			 0);
	sql(f.db, "PRAGMA max_page_count = 40");
	insert(f.db, 2);
	ck_assert_int_eq(db_savepoint(f.db), 0);
	/* OR ROLLBACK: SQLite ends the transaction, as for some I/O errors */
	s = db_prepare(f.db, "INSERT OR ROLLBACK INTO t VALUES (1, NULL)", &rc);
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(stmt_run(s), -EEXIST);
	stmt_free(s);
	ck_assert_int_eq(db_begin(f.db), -EEXIST);
	ck_assert_int_eq(db_savepoint(f.db), -EEXIST);
	s = db_prepare(f.db, "INSERT INTO t VALUES (9, NULL)", &rc);
	ck_assert_int_eq(stmt_run(s), -EEXIST);
	stmt_free(s);
	db_revert(f.db);
	ck_assert_str_eq(log, "");
	ck_assert_int_eq(db_commit(f.db), -EEXIST);
	ck_assert_str_eq(log, "-a");
	ck_assert_int_eq(rows(f.db), 1);
	insert(f.db, 3);
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_int_eq(rows(f.db), 2);
	end(&f);
}
END_TEST

static void *sync_often(void *arg)
{
	struct db *db = arg;
	int i;

	for (i = 0; i < 100; i++)
		if (db_sync(db) < 0)
			return db;
	return NULL;
}

START_TEST(db_sync_works_beside_writers_without_the_lock)
{
	struct fixture f;
	pthread_t thread;
	void *bad;
	int i;

	start(&f);
	ck_assert_int_eq(db_sync(f.db), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, sync_often, f.db), 0);
	for (i = 0; i < 500; i++) {
		db_lock(f.db);
		db_lock(f.db);
		insert(f.db, i);
		ck_assert_int_eq(db_commit(f.db), 0);
		db_unlock(f.db);
		db_unlock(f.db);
	}
	ck_assert_int_eq(pthread_join(thread, &bad), 0);
	ck_assert_ptr_null(bad);
	ck_assert_int_eq(db_sync(f.db), 0);
	reopen(&f);
	ck_assert_int_eq(rows(f.db), 500);
	end(&f);
}
END_TEST

static void *checkpoint_often(void *arg)
{
	struct db *db = arg;
	int i;

	for (i = 0; i < 200; i++)
		if (db_checkpoint(db) < 0)
			return db;
	return NULL;
}

static void insert_large(struct fixture *f, int from, int n)
{
	static char bytes[20000];
	struct stmt *s;
	int i, rc = 0;

	db_lock(f->db);
	s = db_prepare(f->db, "INSERT INTO t VALUES (?, ?)", &rc);
	ck_assert_ptr_nonnull(s);
	for (i = from; i < from + n; i++) {
		ck_assert_int_eq(db_begin(f->db), 0);
		memset(bytes, i, sizeof(bytes));
		stmt_int(s, 1, i);
		stmt_blob(s, 2, bytes, sizeof(bytes));
		ck_assert_int_eq(stmt_run(s), 0);
	}
	stmt_free(s);
	ck_assert_int_eq(db_commit(f->db), 0);
	db_unlock(f->db);
}

static off_t log_size(const struct fixture *f)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "%s-wal", f->path);
	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_size;
}

/* Beside writers nothing is lost; and once it came to its end the log begins
 * anew. */
START_TEST(db_checkpoint_keeps_the_log_short_beside_writers)
{
	struct fixture f;
	pthread_t thread;
	off_t size;
	void *bad;
	int i;

	start(&f);
	db_checkpoint_aside(f.db);
	ck_assert_int_eq(db_checkpoint(f.db), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, checkpoint_often, f.db),
			 0);
	for (i = 0; i < 3000; i += 20)
		insert_large(&f, i, 20);
	ck_assert_int_eq(pthread_join(thread, &bad), 0);
	ck_assert_ptr_null(bad);
	insert_large(&f, 3000, 1000);
	ck_assert_int_eq(db_checkpoint(f.db), 0);
	size = log_size(&f);
	insert_large(&f, 4000, 20);
	ck_assert_int_le(log_size(&f), size);
	ck_assert_int_eq(rows(f.db), 4020);
	reopen(&f);
	ck_assert_int_eq(rows(f.db), 4020);
	end(&f);
}
END_TEST

START_TEST(db_created_by_several_processes_at_once_is_one_database)
{
	enum { MAKERS = 4 };
	char *dir = test_dir(), path[256];
	struct db *db;
	int i, status;

	snprintf(path, sizeof(path), "%s/deriva.db", dir);
	for (i = 0; i < MAKERS; i++)
		if (!checked_fork()) {
			db = child_open(path, DB_CREATE);
			db_close(db);
			_exit(0);
		}
	for (i = 0; i < MAKERS; i++) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	db = open_db(path, 0);
	db_close(db);
	remove_tree(dir);
	free(dir);
}
END_TEST

TESTS("db", db_open_without_create_is_enoent_and_makes_nothing,
      db_connection_has_the_promised_settings,
      db_committed_rows_survive_closing_and_others_do_not,
      db_committed_rows_survive_kill,
      db_hooks_run_in_order_and_their_rows_are_of_the_batch,
      db_failing_hook_rolls_everything_back,
      db_savepoints_nest_within_the_batch,
      db_reverted_mutators_leave_what_was_before_them,
      stmt_values_come_back_as_they_went_in,
      db_data_version_changes_with_commits_of_others_only,
      db_readonly_connection_reads_committed_rows_and_writes_nothing,
      db_newer_schema_is_refused_with_both_numbers,
      db_open_refuses_what_is_no_database_of_deriva,
      db_writers_in_several_processes_lose_nothing,
      db_waiting_writer_goes_before_the_one_that_has_just_been,
      db_begin_gives_up_after_ten_seconds,
      db_commit_on_a_full_disk_loses_the_batch_and_nothing_else,
      db_batch_undone_midway_takes_no_more_writes,
      db_sync_works_beside_writers_without_the_lock,
      db_checkpoint_keeps_the_log_short_beside_writers,
      db_created_by_several_processes_at_once_is_one_database)
