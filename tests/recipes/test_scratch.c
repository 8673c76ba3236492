#include "tests/lib/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "recipes/eval.h"
#include "recipes/scratch.h"

static void setup(char **dir, struct store **store)
{
	struct err err = {""};
	char *path = NULL;

	*dir = test_dir();
	ck_assert_int_gt(asprintf(&path, "%s/store", *dir), 0);
	ck_assert_msg(store_open(path, STORE_CREATE, store, &err) == 0, "%s",
		      err.msg);
	free(path);
}

static void teardown(char *dir, struct store *store)
{
	ck_assert_int_eq(store_close(store), 0);
	remove_tree(dir);
	free(dir);
}

static unsigned drafts(struct store *s)
{
	int fd = openat(store_drafts_fd(s), ".", O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	struct dirent *e;
	unsigned n = 0;

	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* A tree as no tool can remove it: deeper than there are descriptors, with
 * directories that may not be entered, several on each level. */
static void fill(int top, unsigned depth)
{
	int fd = dup(top), next, file;

	while (depth--) {
		ck_assert_int_eq(mkdirat(fd, "a", 0700), 0);
		ck_assert_int_eq(mkdirat(fd, "b", 0), 0);
		ck_assert_int_eq(symlinkat("/etc", fd, "link"), 0);
		file = openat(fd, "f", O_CREAT | O_WRONLY, 0);
		ck_assert_int_ge(file, 0);
		close(file);
		next = openat(fd, "a", O_RDONLY | O_DIRECTORY);
		ck_assert_int_ge(next, 0);
		if (depth % 7 == 0)
			fchmod(fd, 0500);
		close(fd);
		fd = next;
	}
	close(fd);
}

START_TEST(scratch_goes_with_all_that_is_in_it)
{
	struct store *store;
	char *dir;

	setup(&dir, &store);
	{
		CLEANUP(scratch_done) struct scratch s = SCRATCH_INIT(store);
		struct stat st;

		ck_assert_int_eq(scratch_make(&s, 7), 0);
		ck_assert_int_eq(stat(s.path, &st), 0);
		ck_assert_uint_eq(drafts(store), 1);
		fill(s.fd, 1200);
	}
	ck_assert_uint_eq(drafts(store), 0);
	teardown(dir, store);
}
END_TEST

START_TEST(scratch_of_the_same_number_is_another)
{
	struct store *store;
	char *dir;

	setup(&dir, &store);
	{
		CLEANUP(scratch_done) struct scratch a = SCRATCH_INIT(store);
		CLEANUP(scratch_done) struct scratch b = SCRATCH_INIT(store);

		ck_assert_int_eq(scratch_make(&a, 1), 0);
		ck_assert_int_eq(scratch_make(&b, 1), 0);
		ck_assert_str_ne(a.path, b.path);
		ck_assert_uint_eq(drafts(store), 2);
	}
	teardown(dir, store);
}
END_TEST

START_TEST(scratch_of_a_crash_is_swept)
{
	struct store *store;
	char *dir;
	int fd;

	setup(&dir, &store);
	ck_assert_int_eq(mkdirat(store_drafts_fd(store), "run-1-1", 0700), 0);
	ck_assert_int_eq(mkdirat(store_drafts_fd(store), "gone-1-1", 0), 0);
	fd = openat(store_drafts_fd(store), "run-1-1", O_RDONLY | O_DIRECTORY);
	fill(fd, 50);
	close(fd);
	ck_assert_int_eq(eval_sweep(store), 0);
	ck_assert_uint_eq(drafts(store), 0);
	teardown(dir, store);
}
END_TEST

START_TEST(scratch_in_use_is_not_swept)
{
	struct store *store;
	char *dir;

	setup(&dir, &store);
	{
		CLEANUP(scratch_done) struct scratch a = SCRATCH_INIT(store);
		int file;

		ck_assert_int_eq(scratch_make(&a, 1), 0);
		file = openat(a.fd, "o/x", O_CREAT | O_WRONLY, 0600);
		ck_assert_int_ge(file, 0);
		close(file);
		file = openat(store_drafts_fd(store), "left", O_CREAT, 0600);
		ck_assert_int_ge(file, 0);
		close(file);
		ck_assert_uint_eq(drafts(store), 2);
		ck_assert_int_eq(eval_sweep(store), 0);
		ck_assert_uint_eq(drafts(store), 1);
		ck_assert_int_eq(faccessat(a.fd, "o/x", F_OK, 0), 0);
	}
	ck_assert_uint_eq(drafts(store), 0);
	teardown(dir, store);
}
END_TEST

TESTS("scratch", scratch_goes_with_all_that_is_in_it,
      scratch_of_the_same_number_is_another, scratch_of_a_crash_is_swept,
      scratch_in_use_is_not_swept)
