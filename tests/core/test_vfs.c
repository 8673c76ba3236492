#include "core/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <sqlite3.h>

#include "core/clock.h"
#include "core/db.h"
#include "tests/lib/harness.h"

/* A history of commits whose every state can be told from every other: commit
 * k adds row k, stamps an older row with k and sets the counter to k. What is
 * read must be the state after one of them, whole. */

enum { PAGE = 4096, FRAME = PAGE + 24, MAX_ROWS = 4000 };

struct fixture {
	char *dir;
	char path[256], wal[300], mark[300];
};

static void start(struct fixture *f)
{
	f->dir = test_dir();
	snprintf(f->path, sizeof(f->path), "%s/deriva.db", f->dir);
	snprintf(f->wal, sizeof(f->wal), "%s-wal", f->path);
	snprintf(f->mark, sizeof(f->mark), "%s-mark", f->path);
}

static void end(struct fixture *f)
{
	remove_tree(f->dir);
	free(f->dir);
}

static size_t payload_len(int64_t k)
{
	return k % 10 == 3 ? 20000 : (size_t)(k * 37 % 900);
}

static void payload(int64_t k, uint8_t *p)
{
	size_t i;

	for (i = 0; i < payload_len(k); i++)
		p[i] = (uint8_t)((uint64_t)k * 131 + i * 7 + (i >> 8));
}

static int64_t stamped(int64_t k)
{
	return 1 + k * 7919 % k;
}

/* Children use what follows: nothing here may talk to check. */

static int run(struct db *db, const char *sql, int64_t a, int64_t b,
	       const void *p, size_t n)
{
	int rc = 0;
	struct stmt *s = db_prepare(db, sql, &rc);

	if (!s)
		return rc;
	if (strstr(sql, "?1"))
		stmt_int(s, 1, a);
	if (strstr(sql, "?2"))
		stmt_int(s, 2, b);
	if (strstr(sql, "?3"))
		stmt_blob(s, 3, p, n);
	rc = stmt_run(s);
	stmt_free(s);
	return rc;
}

static int simple(struct db *db, const char *sql)
{
	return run(db, sql, 0, 0, NULL, 0);
}

static int make(const char *path, struct db **ret)
{
	struct err err = {{0}};
	int rc = db_open(path, DB_CREATE, ret, &err);

	if (rc < 0)
		fprintf(stderr, "# %s\n", err.msg);
	if (rc >= 0)
		rc = simple(*ret, "CREATE TABLE t(a INTEGER PRIMARY KEY,"
				  " stamp INTEGER, b BLOB) STRICT");
	if (rc >= 0)
		rc = simple(*ret, "CREATE INDEX t_stamp ON t(stamp, b)");
	if (rc >= 0)
		rc = simple(*ret, "CREATE TABLE c(v INTEGER) STRICT");
	return rc < 0 ? rc : simple(*ret, "INSERT INTO c VALUES (0)");
}

static int commit_one(struct db *db, int64_t k)
{
	uint8_t p[20000];
	int rc = db_begin(db);

	payload(k, p);
	if (rc >= 0)
		rc = run(db, "INSERT INTO t VALUES (?1, ?2, ?3)", k, 0, p,
			 payload_len(k));
	if (rc >= 0)
		rc = run(db, "UPDATE t SET stamp = ?2 WHERE a = ?1", stamped(k),
			 k, NULL, 0);
	if (rc >= 0)
		rc = run(db, "UPDATE c SET v = ?1", k, 0, NULL, 0);
	if (rc < 0)
		return rc;
	return db_commit(db);
}

static int commit_range(struct db *db, int64_t from, int64_t to)
{
	int rc = 0;

	for (; from <= to && rc >= 0; from++)
		rc = commit_one(db, from);
	return rc;
}

static int one_number(struct db *db, const char *sql, int64_t *ret)
{
	int rc = 0;
	struct stmt *s = db_prepare(db, sql, &rc);

	if (!s)
		return rc;
	rc = stmt_step(s);
	if (rc > 0)
		*ret = stmt_col_int(s, 0);
	stmt_free(s);
	return rc < 0 ? rc : 0;
}

/* The row is that of the state after commit k. */
static bool row_right(struct stmt *s, int64_t a, const int64_t *stamps)
{
	uint8_t want[20000];
	const void *b;
	size_t n;

	payload(a, want);
	b = stmt_col_blob(s, 2, &n);
	return stmt_col_int(s, 0) == a && stmt_col_int(s, 1) == stamps[a] &&
	       n == payload_len(a) && !memcmp(b, want, n);
}

enum { WRONG = 1 };

static int check_rows(struct db *db, const char *sql, int64_t k, bool ordered,
		      const int64_t *stamps)
{
	int64_t a, seen = 0;
	int rc = 0;
	struct stmt *s = db_prepare(db, sql, &rc);

	if (!s)
		return rc;
	while ((rc = stmt_step(s)) > 0) {
		seen++;
		a = ordered ? seen : stmt_col_int(s, 0);
		if (a < 1 || a > k || !row_right(s, a, stamps)) {
			stmt_free(s);
			return WRONG;
		}
	}
	stmt_free(s);
	return rc < 0 ? rc : seen == k ? 0 : WRONG;
}

/* 0 and which state it is, WRONG for no state at all, -errno. */
static int state_of(struct db *db, int64_t *ret_k)
{
	int64_t stamps[MAX_ROWS + 1] = {0}, k = 0, i;
	int rc = one_number(db, "SELECT v FROM c", &k);

	if (rc < 0)
		return rc;
	if (k < 0 || k > MAX_ROWS)
		return WRONG;
	for (i = 1; i <= k; i++)
		stamps[stamped(i)] = i;
	rc = check_rows(db, "SELECT a, stamp, b FROM t ORDER BY a", k, true,
			stamps);
	if (rc == 0)
		rc = check_rows(db,
				"SELECT a, stamp, b FROM t INDEXED BY t_stamp"
				" ORDER BY stamp",
				k, false, stamps);
	*ret_k = k;
	return rc;
}

static int reopened_state(const char *path, int64_t *ret_k)
{
	struct db *db = NULL;
	int rc = db_open(path, 0, &db, NULL);

	if (rc < 0)
		return rc;
	rc = state_of(db, ret_k);
	db_close(db);
	return rc;
}

/* Never -1, which would make a later kill() hit everybody. */
static pid_t checked_fork(void)
{
	pid_t pid = fork();

	if (pid < 0)
		ck_abort_msg("fork: %s", strerror(errno));
	return pid;
}

/* What a child does before it dies: commits 1 to n; a checkpoint after
 * `checkpoint` of them, a sync after `sync`. */
struct plan {
	int n, checkpoint, sync;
};

static int follow(const char *path, const struct plan *p)
{
	struct db *db;
	int i, rc = make(path, &db);

	if (rc >= 0) { /* the tables go to the main file */
		db_close(db);
		rc = db_open(path, 0, &db, NULL);
	}
	for (i = 1; rc >= 0 && i <= p->n; i++) {
		rc = commit_one(db, i);
		if (rc >= 0 && i == p->checkpoint)
			rc = simple(db, "PRAGMA wal_checkpoint(PASSIVE)");
		if (rc >= 0 && i == p->sync)
			rc = db_sync(db);
	}
	return rc;
}

static void die_after(const char *path, const struct plan *p)
{
	int status, rc;
	pid_t pid = checked_fork();

	if (!pid) {
		rc = follow(path, p);
		if (rc < 0)
			fprintf(stderr, "# child: %s\n", err_name(rc));
		else
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* --- files as bytes ------------------------------------------------------- */

struct copy {
	uint8_t *p;
	size_t n;
};

static struct copy slurp(const char *path)
{
	struct copy c;
	struct stat st;
	int fd = open(path, O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	c.n = (size_t)st.st_size;
	c.p = malloc(c.n + 1);
	ck_assert_int_eq(read(fd, c.p, c.n), (ssize_t)c.n);
	close(fd);
	return c;
}

static void spill(const char *path, const struct copy *c)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, c->p, c->n), (ssize_t)c->n);
	close(fd);
}

static void flip(const char *path, size_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t b;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &b, 1, (off_t)at), 1);
	b ^= 0x10;
	ck_assert_int_eq(pwrite(fd, &b, 1, (off_t)at), 1);
	close(fd);
}

/* The files that a killed process left, to be put back before each try. */
struct crime {
	struct copy db, wal, mark;
};

static struct crime crime_of(const struct fixture *f)
{
	return (struct crime){slurp(f->path), slurp(f->wal), slurp(f->mark)};
}

static void put_back(const struct fixture *f, const struct crime *c)
{
	char shm[300];

	snprintf(shm, sizeof(shm), "%s-shm", f->path);
	unlink(shm);
	spill(f->path, &c->db);
	spill(f->wal, &c->wal);
	spill(f->mark, &c->mark);
}

static void crime_done(struct crime *c)
{
	free(c->db.p);
	free(c->wal.p);
	free(c->mark.p);
}

static bool damage(int rc)
{
	return rc == -EBADMSG || rc == -EUCLEAN;
}

/* Errors are expected by the hundred. */
static void quiet(void)
{
	int fd = open("/dev/null", O_WRONLY);

	dup2(fd, STDERR_FILENO);
	close(fd);
}

/* --- tests ---------------------------------------------------------------- */

START_TEST(page_sum_is_permanent)
{
	static const uint8_t want[PAGE_SUM] = {0x77, 0x2f, 0x31, 0x3f,
					       0x8a, 0xc0, 0x15, 0x2a};
	uint8_t page[PAGE];
	size_t i;

	for (i = 0; i < sizeof(page); i++)
		page[i] = (uint8_t)(i * 3);
	page_seal(page, sizeof(page), 5);
	ck_assert_mem_eq(page + PAGE - PAGE_SUM, want, PAGE_SUM);
	ck_assert(page_ok(page, sizeof(page), 5));
	ck_assert_mem_eq(page + PAGE - PAGE_SUM, want, PAGE_SUM);
	ck_assert(!page_ok(page, sizeof(page), 6));
	for (i = 0; i < sizeof(page); i++) {
		page[i] ^= 1;
		ck_assert(!page_ok(page, sizeof(page), 5));
		page[i] ^= 1;
	}
}
END_TEST

START_TEST(log_mark_is_permanent_and_any_flip_makes_it_none)
{
	static const uint8_t want[MARK_LEN] = {0x64, 0x72, 0x76, 0x6d, 0x61,
					       0x72, 0x6b, 0x01, 0x01, 0x02,
					       0x03, 0x04, 0x05, 0x06, 0x07,
					       0x08, 0x67, 0x12, 0x00, 0x00,
					       0x00, 0x00, 0x00, 0x00, 0x84,
					       0x75, 0x65, 0xc7, 0x09, 0x29,
					       0xd3, 0x49};
	struct log_mark m = {.salt = {1, 2, 3, 4, 5, 6, 7, 8}, .frames = 4711};
	struct log_mark got;
	uint8_t p[MARK_LEN];
	size_t i;

	log_mark_encode(&m, p);
	ck_assert_mem_eq(p, want, MARK_LEN);
	ck_assert(log_mark_decode(p, &got));
	ck_assert_mem_eq(got.salt, m.salt, 8);
	ck_assert_uint_eq(got.frames, 4711);
	for (i = 0; i < MARK_LEN; i++) {
		p[i] ^= 0x80;
		ck_assert(!log_mark_decode(p, &got));
		p[i] ^= 0x80;
	}
}
END_TEST

static void make_closed(const struct fixture *f, int n)
{
	struct db *db;

	ck_assert_int_eq(make(f->path, &db), 0);
	ck_assert_int_eq(commit_range(db, 1, n), 0);
	db_close(db);
}

START_TEST(vfs_every_page_on_disk_carries_its_sum)
{
	struct fixture f;
	struct copy c;
	size_t i;

	start(&f);
	make_closed(&f, 200);
	ck_assert_int_lt(access(f.wal, F_OK), 0);
	c = slurp(f.path);
	ck_assert_uint_eq(c.n % PAGE, 0);
	for (i = 0; i < c.n / PAGE; i++)
		ck_assert(page_ok(c.p + i * PAGE, PAGE, i + 1));
	free(c.p);
	end(&f);
}
END_TEST

START_TEST(vfs_flipped_byte_in_any_page_never_yields_wrong_data)
{
	static const size_t where[] = {0, 20, 100, 1999, PAGE - 9, PAGE - 1};
	struct fixture f;
	struct copy c;
	size_t page, i;
	int64_t k = 0;

	start(&f);
	make_closed(&f, 100);
	c = slurp(f.path);
	quiet();
	for (page = 0; page < c.n / PAGE; page++)
		for (i = 0; i < ARRAY_LEN(where); i++) {
			int rc;

			spill(f.path, &c);
			flip(f.path, page * PAGE + where[i]);
			rc = reopened_state(f.path, &k);
			/* a page of a table that this does not read */
			if (rc == 0)
				ck_assert_int_eq(k, 100);
			else
				ck_assert_msg(damage(rc), "page %zu: %d",
					      page + 1, rc);
		}
	spill(f.path, &c);
	ck_assert_int_eq(reopened_state(f.path, &k), 0);
	/* every page of the rows was among them */
	spill(f.path, &c);
	flip(f.path, c.n - 50);
	ck_assert_int_eq(reopened_state(f.path, &k), -EBADMSG);
	free(c.p);
	end(&f);
}
END_TEST

START_TEST(vfs_every_byte_of_the_first_page_counts)
{
	struct fixture f;
	struct copy c;
	int64_t k = 0;
	size_t i;

	start(&f);
	make_closed(&f, 3);
	c = slurp(f.path);
	quiet();
	for (i = 0; i < 200; i++) {
		spill(f.path, &c);
		flip(f.path, i);
		ck_assert_msg(damage(reopened_state(f.path, &k)), "byte %zu",
			      i);
	}
	free(c.p);
	end(&f);
}
END_TEST

START_TEST(vfs_swapped_zeroed_and_missing_pages_are_noticed)
{
	struct fixture f;
	struct copy c, d;
	size_t last;
	int64_t k = 0;

	start(&f);
	make_closed(&f, 100);
	c = slurp(f.path);
	d = slurp(f.path);
	last = c.n / PAGE - 1;
	quiet();
	memcpy(d.p + last * PAGE, c.p + (last - 1) * PAGE, PAGE);
	memcpy(d.p + (last - 1) * PAGE, c.p + last * PAGE, PAGE);
	spill(f.path, &d);
	ck_assert_int_eq(reopened_state(f.path, &k), -EBADMSG);
	memcpy(d.p, c.p, c.n);
	memset(d.p + last * PAGE, 0, PAGE);
	spill(f.path, &d);
	ck_assert_int_eq(reopened_state(f.path, &k), -EBADMSG);
	d.n -= PAGE;
	spill(f.path, &d);
	ck_assert(damage(reopened_state(f.path, &k)));
	d.n -= 100;
	spill(f.path, &d);
	ck_assert(damage(reopened_state(f.path, &k)));
	free(c.p);
	free(d.p);
	end(&f);
}
END_TEST

START_TEST(vfs_main_file_cut_short_is_noticed_beside_a_log)
{
	struct plan p = {.n = 60, .checkpoint = 50};
	struct fixture f;
	struct stat st;
	int64_t k = 0;

	start(&f);
	die_after(f.path, &p);
	quiet();
	ck_assert_int_eq(stat(f.path, &st), 0);
	ck_assert_int_eq(truncate(f.wal, 0), 0);
	ck_assert_int_eq(truncate(f.path, st.st_size - 5 * PAGE), 0);
	ck_assert(damage(reopened_state(f.path, &k)));
	end(&f);
}
END_TEST

START_TEST(vfs_log_of_a_killed_process_is_read_whole)
{
	struct plan plans[] = {
		{.n = 40},
		{.n = 40, .sync = 20},
		{.n = 40, .checkpoint = 20},
		{.n = 40, .checkpoint = 40, .sync = 40},
	};
	struct fixture f;
	struct crime c;
	struct log_head h;
	uint32_t sum[2];
	int64_t k;
	size_t i, at, pages;

	for (i = 0; i < ARRAY_LEN(plans); i++) {
		start(&f);
		die_after(f.path, &plans[i]);
		c = crime_of(&f);
		ck_assert(log_head_parse(c.wal.p, &h));
		memcpy(sum, h.sum, sizeof(sum));
		pages = 0;
		for (at = 32; at + FRAME <= c.wal.n; at += FRAME) {
			if (!log_frame_ok(&h, c.wal.p + at, sum))
				break;
			pages++;
			ck_assert(page_ok(c.wal.p + at + 24, PAGE,
					  get_be32(c.wal.p + at)));
		}
		ck_assert_uint_gt(pages, 20);
		ck_assert_int_eq(reopened_state(f.path, &k), 0);
		ck_assert_int_eq(k, 40);
		crime_done(&c);
		end(&f);
	}
}
END_TEST

/* Flips bytes in every frame; calls for damage, or allows an older state. */
static void flip_log(const struct fixture *f, const struct crime *c, int last,
		     bool must_fail)
{
	static const size_t where[] = {0, 3, 7, 8, 15, 16, 23, 24, 2000, 4119};
	size_t at, i;
	int64_t k = -1;
	int rc;

	for (at = 32; at + FRAME <= c->wal.n; at += FRAME)
		for (i = 0; i < ARRAY_LEN(where); i++) {
			put_back(f, c);
			flip(f->wal, at + where[i]);
			rc = reopened_state(f->path, &k);
			ck_assert_msg(damage(rc) || (rc == 0 && !must_fail),
				      "frame at %zu + %zu: %d", at, where[i],
				      rc);
			ck_assert_int_le(k, last);
		}
}

START_TEST(vfs_flipped_byte_in_a_log_never_synced_ends_it_there)
{
	struct plan p = {.n = 25};
	struct fixture f;
	struct crime c;

	start(&f);
	die_after(f.path, &p);
	c = crime_of(&f);
	quiet();
	flip_log(&f, &c, 25, false);
	crime_done(&c);
	end(&f);
}
END_TEST

START_TEST(vfs_flipped_byte_in_a_synced_log_is_ebadmsg)
{
	struct plan p = {.n = 25, .sync = 25};
	struct fixture f;
	struct crime c;

	start(&f);
	die_after(f.path, &p);
	c = crime_of(&f);
	quiet();
	flip_log(&f, &c, 25, true);
	crime_done(&c);
	end(&f);
}
END_TEST

/* The main file is ahead of what recovery would make of a log with a hole. */
START_TEST(vfs_flipped_byte_in_a_checkpointed_log_is_no_mixture)
{
	struct plan p = {.n = 25, .checkpoint = 25};
	struct fixture f;
	struct crime c;

	start(&f);
	die_after(f.path, &p);
	c = crime_of(&f);
	quiet();
	flip_log(&f, &c, 25, true);
	crime_done(&c);
	end(&f);
}
END_TEST

START_TEST(vfs_header_of_the_log_damaged_or_missing_is_noticed)
{
	struct plan p = {.n = 10, .sync = 10};
	struct fixture f;
	struct crime c;
	int64_t k = 0;
	size_t i;

	start(&f);
	die_after(f.path, &p);
	c = crime_of(&f);
	quiet();
	for (i = 0; i < 32; i++) {
		put_back(&f, &c);
		flip(f.wal, i);
		ck_assert_msg(damage(reopened_state(f.path, &k)), "byte %zu",
			      i);
	}
	memset(c.wal.p, 0, 32);
	put_back(&f, &c);
	ck_assert(damage(reopened_state(f.path, &k)));
	crime_done(&c);
	end(&f);
}
END_TEST

START_TEST(vfs_damaged_mark_does_no_harm)
{
	struct plan p = {.n = 10, .checkpoint = 5, .sync = 10};
	struct fixture f;
	struct crime c;
	int64_t k = 0;
	size_t i;

	start(&f);
	die_after(f.path, &p);
	c = crime_of(&f);
	ck_assert_uint_ge(c.mark.n, 2 * MARK_LEN);
	for (i = 0; i < c.mark.n; i++) {
		put_back(&f, &c);
		flip(f.mark, i);
		ck_assert_int_eq(reopened_state(f.path, &k), 0);
		ck_assert_int_eq(k, 10);
	}
	crime_done(&c);
	end(&f);
}
END_TEST

START_TEST(vfs_log_damaged_under_a_reader_is_ebadmsg)
{
	struct fixture f;
	struct db *db, *reader;
	struct copy c;
	int64_t k = 0;
	size_t at;
	int rc, failures = 0;

	start(&f);
	ck_assert_int_eq(make(f.path, &db), 0);
	ck_assert_int_eq(commit_range(db, 1, 30), 0);
	c = slurp(f.wal);
	quiet();
	for (at = 32; at + FRAME <= c.n; at += FRAME) {
		flip(f.wal, at + 24 + at % PAGE);
		rc = db_open(f.path, DB_READONLY, &reader, NULL);
		if (rc >= 0) {
			rc = state_of(reader, &k);
			db_close(reader);
		}
		ck_assert(rc == 0 || rc == -EBADMSG);
		if (rc == 0)
			ck_assert_int_eq(k, 30); /* an older image */
		failures += rc == -EBADMSG;
		flip(f.wal, at + 24 + at % PAGE);
	}
	ck_assert_int_gt(failures, 10);
	ck_assert_int_eq(state_of(db, &k), 0);
	db_close(db);
	free(c.p);
	end(&f);
}
END_TEST

START_TEST(vfs_damaged_log_is_not_copied_into_the_main_file)
{
	struct fixture f;
	struct db *db;
	struct copy c;
	size_t at;

	start(&f);
	ck_assert_int_eq(make(f.path, &db), 0);
	ck_assert_int_eq(commit_range(db, 1, 30), 0);
	c = slurp(f.wal);
	quiet();
	for (at = 32; at + FRAME <= c.n; at += FRAME)
		flip(f.wal, at + 24 + 99);
	ck_assert_int_eq(simple(db, "PRAGMA wal_checkpoint(PASSIVE)"),
			 -EBADMSG);
	for (at = 32; at + FRAME <= c.n; at += FRAME)
		flip(f.wal, at + 24 + 99);
	ck_assert_int_eq(simple(db, "PRAGMA wal_checkpoint(PASSIVE)"), 0);
	db_close(db);
	free(c.p);
	end(&f);
}
END_TEST

/* Writes pages of the log a second time within one transaction. */
static int spill_over(const char *path)
{
	struct db *db;
	int64_t k;
	int rc = make(path, &db);

	if (rc >= 0)
		rc = simple(db, "PRAGMA cache_spill = 5");
	if (rc >= 0)
		rc = simple(db, "PRAGMA cache_size = 5");
	if (rc >= 0)
		rc = commit_range(db, 1, 50);
	if (rc >= 0)
		rc = db_begin(db);
	for (k = 1; rc >= 0 && k <= 50; k++)
		rc = run(db, "UPDATE t SET stamp = -stamp WHERE a = ?1", k, 0,
			 NULL, 0);
	for (k = 1; rc >= 0 && k <= 50; k++)
		rc = run(db, "UPDATE t SET stamp = -stamp WHERE a = ?1", k, 0,
			 NULL, 0);
	if (rc >= 0)
		rc = state_of(db, &k);
	if (rc == 0)
		rc = db_commit(db);
	return rc ? rc : commit_range(db, 51, 60);
}

START_TEST(vfs_transaction_larger_than_the_cache_survives_kill)
{
	struct fixture f;
	int64_t k = 0;
	int status;
	pid_t pid;

	start(&f);
	pid = checked_fork();
	if (!pid) {
		if (spill_over(f.path) == 0)
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(reopened_state(f.path, &k), 0);
	ck_assert_int_eq(k, 60);
	end(&f);
}
END_TEST

/* Without the layer: as the sqlite3 shell would. */
START_TEST(vfs_pages_checkpointed_by_another_program_carry_their_sums)
{
	struct plan p = {.n = 40, .checkpoint = 10};
	struct fixture f;
	sqlite3 *plain;
	int64_t k = 0;

	start(&f);
	die_after(f.path, &p);
	ck_assert_int_eq(sqlite3_open_v2(f.path, &plain, SQLITE_OPEN_READWRITE,
					 NULL),
			 SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(plain, "SELECT * FROM t", NULL, NULL,
				      NULL),
			 SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(plain), SQLITE_OK);
	ck_assert_int_lt(access(f.wal, F_OK), 0);
	ck_assert_int_eq(reopened_state(f.path, &k), 0);
	ck_assert_int_eq(k, 40);
	end(&f);
}
END_TEST

/* Commits until it is killed; often with checkpoints and new logs. */
static void commit_forever(const char *path, int64_t from)
{
	struct db *db;
	int rc = db_open(path, 0, &db, NULL);

	if (rc >= 0)
		rc = simple(db, "PRAGMA wal_autocheckpoint = 40");
	for (; rc >= 0 && from <= MAX_ROWS; from++) {
		rc = commit_one(db, from);
		if (rc >= 0 && from % 5 == 0)
			rc = db_sync(db);
	}
	_exit(rc < 0 ? 1 : 0);
}

START_TEST(vfs_kill_at_any_moment_leaves_one_state)
{
	struct fixture f;
	struct db *db;
	int64_t k = 0, before = 0;
	int i, status;
	pid_t pid;

	start(&f);
	ck_assert_int_eq(make(f.path, &db), 0);
	db_close(db);
	for (i = 0; i < 25; i++) {
		pid = checked_fork();
		if (!pid)
			commit_forever(f.path, k + 1);
		usleep(3000 + (useconds_t)(i * 1777 % 20000));
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status) || !WEXITSTATUS(status));
		before = k;
		ck_assert_int_eq(reopened_state(f.path, &k), 0);
		ck_assert_int_ge(k, before);
	}
	ck_assert_int_gt(k, 25);
	end(&f);
}
END_TEST

/* Several connections in turn: each continues the log of the others, starts
 * it over, and the last sees it all. */
START_TEST(vfs_connections_continue_one_log)
{
	struct fixture f;
	struct db *db[3];
	struct crime c;
	int64_t k = 0, i;

	start(&f);
	ck_assert_int_eq(make(f.path, &db[0]), 0);
	ck_assert_int_eq(db_open(f.path, 0, &db[1], NULL), 0);
	ck_assert_int_eq(db_open(f.path, 0, &db[2], NULL), 0);
	for (i = 1; i <= 300; i++) {
		ck_assert_int_eq(commit_one(db[i % 3], i), 0);
		if (i % 50 == 0)
			ck_assert_int_eq(
				simple(db[i / 50 % 3],
				       "PRAGMA wal_checkpoint(PASSIVE)"),
				0);
		if (i % 7 == 0) {
			ck_assert_int_eq(db_begin(db[i % 3]), 0);
			ck_assert_int_eq(simple(db[i % 3], "DELETE FROM t"), 0);
			db_rollback(db[i % 3]);
		}
	}
	ck_assert_int_eq(state_of(db[1], &k), 0);
	ck_assert_int_eq(k, 300);
	c = crime_of(&f); /* as if all had been killed now */
	for (i = 0; i < 3; i++)
		db_close(db[i]);
	put_back(&f, &c);
	ck_assert_int_eq(reopened_state(f.path, &k), 0);
	ck_assert_int_eq(k, 300);
	crime_done(&c);
	end(&f);
}
END_TEST

TESTS("vfs", page_sum_is_permanent,
      log_mark_is_permanent_and_any_flip_makes_it_none,
      vfs_every_page_on_disk_carries_its_sum,
      vfs_flipped_byte_in_any_page_never_yields_wrong_data,
      vfs_every_byte_of_the_first_page_counts,
      vfs_swapped_zeroed_and_missing_pages_are_noticed,
      vfs_main_file_cut_short_is_noticed_beside_a_log,
      vfs_log_of_a_killed_process_is_read_whole,
      vfs_flipped_byte_in_a_log_never_synced_ends_it_there,
      vfs_flipped_byte_in_a_synced_log_is_ebadmsg,
      vfs_flipped_byte_in_a_checkpointed_log_is_no_mixture,
      vfs_header_of_the_log_damaged_or_missing_is_noticed,
      vfs_damaged_mark_does_no_harm, vfs_log_damaged_under_a_reader_is_ebadmsg,
      vfs_damaged_log_is_not_copied_into_the_main_file,
      vfs_transaction_larger_than_the_cache_survives_kill,
      vfs_pages_checkpointed_by_another_program_carry_their_sums,
      vfs_kill_at_any_moment_leaves_one_state, vfs_connections_continue_one_log)
