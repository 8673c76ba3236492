#include "core/ns_internal.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/core/fixture.h"

static struct fixture f;

static pid_t start_child(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0); /* -1 would be everybody, to kill(2) */
	return pid;
}

START_TEST(ns_numbers_are_never_used_again)
{
	uint64_t ino, seq;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "a");
	commit(&f);
	seq = ns_last_change(f.ns);
	ck_assert_uint_eq(make_file(&f, NS_ROOT, "b"), ino + 1);
	db_rollback(f.db);
	/* what was given out and lost is not given out again */
	ck_assert_uint_eq(make_file(&f, NS_ROOT, "b"), ino + 2);
	ck_assert_uint_eq(ns_last_change(f.ns), seq + 2);
	remove_name(&f, NS_ROOT, "b");
	remove_name(&f, NS_ROOT, "a");
	ck_assert_int_eq(ns_raise(f.ns, 100), 0);
	commit(&f);
	fixture_reopen(&f);
	ck_assert_uint_eq(make_file(&f, NS_ROOT, "a"), ino + 3);
	ck_assert_uint_eq(ns_last_change(f.ns), 101);
	ck_assert_int_eq(ns_raise(f.ns, 7), 0);
	make_file(&f, NS_ROOT, "c");
	ck_assert_uint_eq(ns_last_change(f.ns), 102);
	ck_assert_int_eq(ns_raise(f.ns, UINT64_MAX), -EOVERFLOW);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_two_processes_share_the_numbers)
{
	struct db *db;
	struct ns *ns;
	struct ns_attr a;
	struct err err;
	uint64_t ino, other;

	fixture_open(&f);
	make_file(&f, NS_ROOT, "a");
	commit(&f);
	ck_assert_int_eq(db_open(f.path, 0, &db, &err), 0);
	ck_assert_int_eq(ns_open(db, 0, 0, &ns, &err), 0);
	db_lock(db);
	ck_assert_int_eq(ns_create(ns, &by, NS_ROOT, "b", 1, S_IFREG, 0, 0, 0,
				   NULL, &a),
			 0);
	ck_assert_int_eq(db_commit(db), 0);
	ck_assert_int_eq(try_lookup(&f, NS_NOW, NS_ROOT, "b", &other), 0);
	ck_assert_uint_eq(other, a.ino);
	ck_assert_uint_eq(ns_last_change(f.ns), a.version);
	ino = make_file(&f, NS_ROOT, "c");
	ck_assert_uint_eq(ino, a.ino + 1);
	ck_assert_uint_eq(ns_last_change(f.ns), a.version + 1);
	db_unlock(db);
	ns_close(ns);
	db_close(db);
	fixture_done(&f);
}
END_TEST

static int mutate(int which, uint64_t file, uint64_t open)
{
	struct ns_attr a = {.mode = 0111};
	struct addr addr = {{1}};

	switch (which) {
	case 0:
		return ns_create(f.ns, &by, NS_ROOT, "new", 3, S_IFREG, 0, 0, 0,
				 NULL, &a);
	case 1:
		return ns_link(f.ns, &by, file, NS_ROOT, "new", 3, &a);
	case 2:
		return ns_unlink(f.ns, &by, NS_ROOT, "f", 1, false, &a);
	case 3:
		return ns_rename(f.ns, &by, NS_ROOT, "f", 1, NS_ROOT, "g", 1, 0,
				 &a);
	case 4:
		return ns_setattr(f.ns, &by, file, NS_SET_MODE, &a, &a);
	case 5:
		return ns_write(f.ns, &by, file, &addr, 1, 0, &a);
	case 6:
		return ns_xattr_set(f.ns, &by, file, "user.x", "2", 1, 0);
	case 7:
		return ns_reap(f.ns, open);
	}
	return 1;
}

/* Everything that a change can touch, as text. */
static void dump_all(struct buf *b, uint64_t file)
{
	CLEANUP_BUF struct buf xattr = BUF_INIT;
	struct totals t;

	buf_reset(b);
	dump_tree(f.ns, NS_NOW, b);
	ck_assert_int_eq(ns_totals(f.ns, &t), 0);
	ck_assert_int_eq(ns_xattr_get(f.ns, file, "user.x", &xattr), 0);
	buf_fmt(b, "%ju %ju %ju %ju %ju %jd %s", (uintmax_t)t.files,
		(uintmax_t)t.bytes, (uintmax_t)t.changes, (uintmax_t)t.versions,
		(uintmax_t)ns_last_change(f.ns),
		(intmax_t)attr_of(&f, file).ctime_ns, buf_cstr(&xattr));
}

/* How many of the changes fail while that statement does. */
static int fail_each(uint64_t file, uint64_t open)
{
	CLEANUP_BUF struct buf before = BUF_INIT, after = BUF_INIT;
	int i, rc, failed = 0;

	for (i = 0; (rc = mutate(i, file, open)) <= 0; i++) {
		db_rollback(f.db);
		dump_all(&before, file);
		rc = mutate(i, file, open);
		dump_all(&after, file);
		if (rc < 0) {
			failed++;
			ck_assert_str_eq(buf_cstr(&before), buf_cstr(&after));
			commit(&f);
		}
		db_rollback(f.db);
	}
	return failed;
}

START_TEST(ns_a_change_that_fails_half_way_leaves_nothing)
{
	static const char *const booms[] = {
		"INSERT ON change",  "INSERT ON inode", "UPDATE ON inode",
		"DELETE ON inode",   "INSERT ON entry", "UPDATE ON entry",
		"INSERT ON version", "INSERT ON xattr", "UPDATE ON xattr",
	};
	struct ns_attr gone;
	uint64_t file, open, seq;
	struct addr head, same;
	char sql[200];
	size_t i;

	fixture_open(&f);
	file = make_file(&f, NS_ROOT, "f");
	make_file(&f, NS_ROOT, "g");
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, file, "user.x", "1", 1, 0), 0);
	open = make_file(&f, NS_ROOT, "o");
	ck_assert_int_eq(ns_unlink(f.ns, &by, NS_ROOT, "o", 1, false, &gone),
			 0);
	commit(&f);
	ck_assert_int_eq(journal_head(f.journal, &head, &seq), 0);
	for (i = 0; i < ARRAY_LEN(booms); i++) {
		snprintf(sql, sizeof(sql),
			 "CREATE TEMP TRIGGER boom AFTER %s BEGIN "
			 "SELECT RAISE(ABORT, 'boom'); END",
			 booms[i]);
		run_sql(&f, sql);
		ck_assert_int_gt(fail_each(file, open), 0);
		run_sql(&f, "DROP TRIGGER boom");
	}
	/* and nothing of it was journaled */
	ck_assert_int_eq(journal_head(f.journal, &same, &seq), 0);
	ck_assert(addr_eq(&head, &same));
	fixture_done(&f);
}
END_TEST

START_TEST(ns_open_forgets_what_a_dead_process_left_nameless)
{
	struct ns_attr a;
	uint64_t ino, kept;
	int status;
	pid_t pid;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "a");
	kept = make_file(&f, NS_ROOT, "b");
	commit(&f);
	fixture_close(&f);
	pid = start_child();
	if (!pid) {
		fixture_reopen(&f);
		if (ns_unlink(f.ns, &by, NS_ROOT, "a", 1, false, &a) < 0)
			_exit(1);
		if (db_commit(f.db) < 0)
			_exit(2);
		raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	fixture_reopen(&f);
	ck_assert_int_eq(ns_getattr(f.ns, NS_NOW, ino, &a), -ENOENT);
	ck_assert_int_eq(ns_getattr(f.ns, NS_NOW, kept, &a), 0);
	ck_assert_int_eq(ns_getattr(f.ns, 3, ino, &a), 0);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_open_leaves_what_a_living_process_has_open)
{
	int ready[2], done[2], status;
	struct ns_attr a;
	uint64_t ino;
	char c = 0;
	pid_t pid;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "a");
	commit(&f);
	fixture_close(&f);
	ck_assert_int_eq(pipe(ready), 0);
	ck_assert_int_eq(pipe(done), 0);
	pid = start_child();
	if (!pid) {
		close(done[1]);
		fixture_reopen(&f);
		if (ns_unlink(f.ns, &by, NS_ROOT, "a", 1, false, &a) < 0 ||
		    db_commit(f.db) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		_exit(read(done[0], &c, 1) < 0 ? 2 : 0);
	}
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	fixture_reopen(&f);
	ck_assert_int_eq(ns_getattr(f.ns, NS_NOW, ino, &a), 0);
	ck_assert_uint_eq(a.nlink, 0);
	close(done[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	fixture_reopen(&f);
	ck_assert_int_eq(ns_getattr(f.ns, NS_NOW, ino, &a), -ENOENT);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_owner_of_another_boot_is_dead_of_another_namespace_alive)
{
	char *self = NULL, *other = NULL;

	ck_assert_int_eq(ns_owner_self(&self), 0);
	ck_assert(ns_owner_alive(self));
	ck_assert_int_gt(asprintf(&other, "%s", self), 0);
	other[0] = other[0] == '0' ? '1' : '0';
	ck_assert(!ns_owner_alive(other));
	free(other);
	ck_assert_int_gt(asprintf(&other, "%.*s 17 1 1",
				  (int)strcspn(self, " "), self),
			 0);
	ck_assert(ns_owner_alive(other));
	free(other);
	ck_assert_int_gt(asprintf(&other, "%s0", self), 0);
	ck_assert(!ns_owner_alive(other)); /* that pid, started later */
	ck_assert(!ns_owner_alive(""));
	free(self);
	free(other);
}
END_TEST

static void work_until_killed(int fd)
{
	struct ns_attr a;
	char name[16];
	int i;

	fixture_reopen(&f);
	for (i = 0; i < 1000000; i++) {
		snprintf(name, sizeof(name), "n%06d", i);
		if (ns_create(f.ns, &by, NS_ROOT, name, strlen(name), S_IFREG,
			      0, 0, 0, NULL, &a) < 0)
			_exit(1);
		if (i % 13)
			continue;
		if (db_commit(f.db) < 0 || write(fd, &i, sizeof(i)) < 0)
			_exit(2);
	}
	_exit(3);
}

struct prefix {
	int n;
	uint64_t max_ino;
};

static int check_prefix(void *ctx, const struct ns_entry *e)
{
	struct prefix *p = ctx;
	char name[16];

	snprintf(name, sizeof(name), "n%06d", p->n++);
	ck_assert_str_eq(e->name, name);
	p->max_ino = MAX(p->max_ino, e->ino);
	return 0;
}

START_TEST(ns_kill_loses_nothing_committed_and_leaves_a_prefix)
{
	struct prefix p = {0};
	uint64_t seq, ino;
	int fd[2], last = 0, seen, status;
	pid_t pid;

	fixture_open(&f);
	fixture_close(&f);
	ck_assert_int_eq(pipe(fd), 0);
	pid = start_child();
	if (!pid)
		work_until_killed(fd[1]);
	close(fd[1]);
	while (last < 1000 && read(fd[0], &seen, sizeof(seen)) > 0)
		last = seen;
	kill(pid, SIGKILL);
	while (read(fd[0], &seen, sizeof(seen)) > 0)
		last = seen;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	fixture_reopen(&f);
	ck_assert_int_eq(ns_list(f.ns, NS_NOW, NS_ROOT, NULL, 0, check_prefix,
				 &p),
			 0);
	ck_assert_int_gt(p.n, last);
	seq = ns_last_change(f.ns);
	ino = make_file(&f, NS_ROOT, "new");
	ck_assert_uint_gt(ino, p.max_ino);
	ck_assert_uint_gt(ns_last_change(f.ns), seq);
	fixture_done(&f);
}
END_TEST

TESTS("ns_crash", ns_numbers_are_never_used_again,
      ns_two_processes_share_the_numbers,
      ns_a_change_that_fails_half_way_leaves_nothing,
      ns_open_forgets_what_a_dead_process_left_nameless,
      ns_open_leaves_what_a_living_process_has_open,
      ns_owner_of_another_boot_is_dead_of_another_namespace_alive,
      ns_kill_loses_nothing_committed_and_leaves_a_prefix)
