#include "cas/attach.h"
#include "cas/store.h"

#include "tests/cas/util.h"
#include "tests/lib/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char *in(const char *dir, const char *name)
{
	char *path = NULL;

	ck_assert_int_gt(asprintf(&path, "%s/%s", dir, name), 0);
	return path;
}

static void write_file(const char *dir, const char *name, const char *text)
{
	CLEANUP_FREE char *path = in(dir, name);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

/* Opening fails with rc, and the message names the path and has the word. */
static void assert_refused(const char *path, int flags, int rc,
			   const char *word)
{
	struct store *s;
	struct err err = {""};

	ck_assert_int_eq(store_open(path, flags, &s, &err), rc);
	ck_assert_msg(strstr(err.msg, path), "%s", err.msg);
	ck_assert_msg(strstr(err.msg, word), "%s", err.msg);
}

START_TEST(store_open_makes_the_last_component_only)
{
	char *dir = test_dir();
	CLEANUP_FREE char *path = in(dir, "a.store");
	CLEANUP_FREE char *deep = in(dir, "no/such/b.store");
	struct store *s;
	struct stat st;

	assert_refused(path, 0, -ENOENT, "there is no store");
	assert_refused(deep, STORE_CREATE, -ENOENT, "above it does not exist");
	ck_assert_int_eq(store_open(path, STORE_CREATE, &s, NULL), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(store_close(s), 0);
	ck_assert_int_eq(store_open(path, 0, &s, NULL), 0);
	ck_assert_int_eq(store_close(s), 0);
	remove_tree(dir);
	free(dir);
}
END_TEST

START_TEST(store_open_path_is_absolute)
{
	char *dir = test_dir();
	struct store *s;
	CLEANUP_FREE char *real = realpath(dir, NULL);
	CLEANUP_FREE char *want = in(real, "x");

	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(store_open("x", STORE_CREATE, &s, NULL), 0);
	ck_assert_str_eq(store_path(s), want);
	ck_assert_int_eq(store_close(s), 0);
	ck_assert_int_eq(chdir("/"), 0);
	remove_tree(dir);
	free(dir);
}
END_TEST

START_TEST(store_open_refuses_what_is_no_store)
{
	char *dir = test_dir();
	CLEANUP_FREE char *file = in(dir, "file");

	write_file(dir, "file", "x");
	assert_refused(file, STORE_CREATE, -ENOTDIR, "is a file");
	assert_refused(dir, STORE_CREATE, -ENOTEMPTY, "not empty");
	assert_refused(dir, 0, -ENOTEMPTY, "not empty");
	ck_assert_int_eq(store_open("", STORE_CREATE, &(struct store *){NULL},
				    NULL),
			 -ENOENT);
	remove_tree(dir);
	free(dir);
}
END_TEST

START_TEST(store_open_refuses_a_newer_or_damaged_format)
{
	char *dir;
	struct store *s = new_store(&dir);

	ck_assert_int_eq(store_close(s), 0);
	write_file(dir, "format", "deriva store 2\n");
	assert_refused(dir, 0, -EPROTONOSUPPORT, "newer");
	write_file(dir, "format", "deriva store 999999\n");
	assert_refused(dir, STORE_CREATE, -EPROTONOSUPPORT, "newer");
	write_file(dir, "format", "deriva store 1");
	assert_refused(dir, 0, -EUCLEAN, "format");
	write_file(dir, "format", "");
	assert_refused(dir, 0, -EUCLEAN, "format");
	write_file(dir, "format", "deriva store 1\n");
	ck_assert_int_eq(store_open(dir, 0, &s, NULL), 0);
	drop_store(s, dir);
}
END_TEST

START_TEST(store_open_refuses_a_store_that_lost_a_part)
{
	static const char *const parts[] = {"packs", "drafts", "deriva.db"};
	struct store *s;
	struct err err;
	char *dir;
	size_t i;

	for (i = 0; i < ARRAY_LEN(parts); i++) {
		s = new_store(&dir);
		ck_assert_int_eq(store_close(s), 0);
		CLEANUP_FREE char *part = in(dir, parts[i]);
		ck_assert_int_eq(remove(part), 0);
		/* never a new, empty one in its place */
		ck_assert_int_lt(store_open(dir, STORE_CREATE, &s, &err), 0);
		ck_assert_msg(strstr(err.msg, parts[i]), "%s", err.msg);
		remove_tree(dir);
		free(dir);
	}
}
END_TEST

START_TEST(store_open_finishes_what_a_crash_left_of_making_one)
{
	char *dir = test_dir();
	CLEANUP_FREE char *packs = in(dir, "packs");
	struct store *s;

	ck_assert_int_eq(mkdir(packs, 0700), 0);
	write_file(dir, "format.tmp", "deri");
	assert_refused(dir, 0, -ENOENT, "there is no store");
	ck_assert_int_eq(store_open(dir, STORE_CREATE, &s, NULL), 0);
	drop_store(s, dir);
}
END_TEST

START_TEST(store_open_not_writable_says_so)
{
	char *dir;
	struct store *s = new_store(&dir);
	int status;
	pid_t pid;

	ck_assert_int_eq(store_close(s), 0);
	if (!geteuid()) { /* root may write everywhere */
		ck_assert_int_eq(chmod(dir, 0755), 0);
		pid = fork();
		if (!pid) {
			if (setuid(65534))
				_exit(1);
			assert_refused(dir, 0, -EACCES, "cannot be written");
			_exit(0);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	} else {
		ck_assert_int_eq(chmod(dir, 0500), 0);
		assert_refused(dir, 0, -EACCES, "cannot be written");
		ck_assert_int_eq(chmod(dir, 0700), 0);
	}
	remove_tree(dir);
	free(dir);
}
END_TEST

static void set_version(struct store *s, const char *sql)
{
	struct stmt *st;
	int rc;

	db_lock(store_db(s));
	st = db_prepare(store_db(s), sql, &rc);
	ck_assert_int_eq(st ? stmt_run(st) : rc, 0);
	stmt_free(st);
	db_unlock(store_db(s));
}

/* Tables are brought up to date by who is alone. */
START_TEST(store_open_of_older_tables_in_use_is_refused)
{
	struct store *s, *t;
	struct err err;
	char *dir;

	s = new_store(&dir);
	attach_say(store_attach(s), "process 12 has it mounted at /m");
	set_version(s, "PRAGMA user_version = 0");
	ck_assert_int_eq(store_open(dir, 0, &t, &err), -EBUSY);
	ck_assert_msg(strstr(err.msg, "end those first (process 12 has it "
				      "mounted at /m)"),
		      "%s", err.msg);
	ck_assert_int_eq(store_open(dir, 0, &t, NULL), -EBUSY);
	drop_store(s, dir);
}
END_TEST

START_TEST(store_open_by_several_at_once_makes_one)
{
	char *dir = test_dir();
	CLEANUP_FREE char *path = in(dir, "s");
	pid_t pids[6];
	struct store *s;
	struct err err;
	int status;
	size_t i;

	for (i = 0; i < ARRAY_LEN(pids); i++) {
		pids[i] = fork();
		if (!pids[i]) {
			if (store_open(path, STORE_CREATE, &s, &err)) {
				fprintf(stderr, "# %s\n", err.msg);
				_exit(1);
			}
			_exit(store_close(s) < 0);
		}
	}
	for (i = 0; i < ARRAY_LEN(pids); i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_int_eq(store_open(path, 0, &s, &err), 0);
	ck_assert_int_eq(store_close(s), 0);
	remove_tree(dir);
	free(dir);
}
END_TEST

TESTS("layout", store_open_makes_the_last_component_only,
      store_open_path_is_absolute, store_open_refuses_what_is_no_store,
      store_open_refuses_a_newer_or_damaged_format,
      store_open_refuses_a_store_that_lost_a_part,
      store_open_finishes_what_a_crash_left_of_making_one,
      store_open_not_writable_says_so,
      store_open_of_older_tables_in_use_is_refused,
      store_open_by_several_at_once_makes_one)
