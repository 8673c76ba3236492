#include "tests/recipes/eval_fixture.h"

#include <errno.h>

/* Evaluation that comes to an end at once: what is found, what is run, what
 * fails, and what news does to it. */

static void recipe(struct lab *l, const char *name, const char *text)
{
	char file[300];

	snprintf(file, sizeof(file), "%s.recipe", name);
	lab_write(l, NS_ROOT, file, text);
}

static void concat(struct lab *l, const char *name, const char *inputs)
{
	char text[300];

	snprintf(text, sizeof(text), "fn: concat\nin: [%s]\n", inputs);
	recipe(l, name, text);
}

START_TEST(eval_computes_once_and_keeps_it)
{
	LAB l;

	lab_setup(&l);
	lab_write(&l, NS_ROOT, "x", "one\n");
	concat(&l, "a", "x, x");
	lab_expect(&l, NS_NOW, "a", "one\none\n");
	ck_assert(lab_current(&l, "a"));
	lab_expect(&l, NS_NOW, "a", "one\none\n");
	ck_assert_uint_eq(lab_runs(&l), 1);
}
END_TEST

START_TEST(eval_keeps_the_computation_as_an_object)
{
	CLEANUP_BUF struct buf row = BUF_INIT;
	CLEANUP_BUF struct buf object = BUF_INIT;
	struct eval_value v;
	enum obj_kind kind;
	LAB l;

	lab_setup(&l);
	lab_write(&l, NS_ROOT, "x", "one\n");
	concat(&l, "a", "x");
	ck_assert_int_eq(lab_value(&l, NS_NOW, "a", &v), 0);
	ck_assert_int_eq(store_get(l.store, &v.recipe, &kind, &object), 0);
	ck_assert_int_eq(kind, OBJ_RECIPE);
	db_lock(l.db);
	ck_assert_int_eq(results_get_recipe(l.results, &v.recipe, &row), 0);
	db_unlock(l.db);
	ck_assert_uint_eq(row.len, object.len);
	ck_assert_mem_eq(row.data, object.data, row.len);
}
END_TEST

START_TEST(eval_same_computation_is_found_under_another_name)
{
	LAB l;

	lab_setup(&l);
	lab_write(&l, NS_ROOT, "x", "one\n");
	lab_write(&l, NS_ROOT, "y", "one\n");
	concat(&l, "a", "x");
	concat(&l, "b", "y");
	lab_expect(&l, NS_NOW, "a", "one\n");
	lab_expect(&l, NS_NOW, "b", "one\n");
	ck_assert_uint_eq(lab_runs(&l), 1);
}
END_TEST

START_TEST(eval_change_is_seen_and_undone_for_nothing)
{
	LAB l;

	lab_setup(&l);
	lab_write(&l, NS_ROOT, "x", "one\n");
	concat(&l, "a", "x");
	lab_expect(&l, NS_NOW, "a", "one\n");
	lab_write(&l, NS_ROOT, "x", "two\n");
	ck_assert_uint_eq(l.stale, 2); /* the recipe's coming, the change */
	ck_assert(!lab_current(&l, "a"));
	lab_expect(&l, NS_NOW, "a", "two\n");
	lab_write(&l, NS_ROOT, "x", "one\n");
	lab_expect(&l, NS_NOW, "a", "one\n");
	ck_assert_uint_eq(lab_runs(&l), 2);
}
END_TEST

START_TEST(eval_stops_where_content_is_the_same)
{
	LAB l;

	lab_setup(&l);
	lab_write(&l, NS_ROOT, "x", "b\na\n");
	recipe(&l, "s", "fn: sort\nin: [x]\n");
	recipe(&l, "h", "fn: concat\nin: [s, s]\n");
	lab_expect(&l, NS_NOW, "h", "a\nb\na\nb\n");
	ck_assert_uint_eq(lab_runs(&l), 2);
	lab_write(&l, NS_ROOT, "x", "a\nb\n");
	lab_expect(&l, NS_NOW, "h", "a\nb\na\nb\n");
	ck_assert_uint_eq(lab_runs(&l), 3);
}
END_TEST

START_TEST(eval_diamond_computes_its_base_once)
{
	LAB l;

	lab_setup(&l);
	lab_write(&l, NS_ROOT, "x", "2\n1\n");
	recipe(&l, "base", "fn: sort\nin: [x]\n");
	concat(&l, "left", "base, x");
	concat(&l, "right", "x, base");
	concat(&l, "top", "left, right");
	lab_expect(&l, NS_NOW, "top", "1\n2\n2\n1\n2\n1\n1\n2\n");
	ck_assert_uint_eq(lab_runs(&l), 4);
	lab_write(&l, NS_ROOT, "x", "3\n");
	ck_assert(!lab_current(&l, "top"));
	lab_expect(&l, NS_NOW, "top", "3\n3\n3\n3\n");
}
END_TEST

/* From its end, and once more after a change at the other; then all of them
 * fail, one because of the other. */
START_TEST(eval_chain_of_ten_thousand)
{
	enum { N = 10000 };
	char name[32], before[32], last[32];
	LAB l;
	int i;

	lab_setup(&l);
	lab_write(&l, NS_ROOT, "c0", "one\n");
	for (i = 1; i <= N; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		snprintf(before, sizeof(before), "c%d", i - 1);
		concat(&l, name, before);
	}
	snprintf(last, sizeof(last), "c%d", N);
	lab_expect(&l, NS_NOW, last, "one\n");
	ck_assert_uint_eq(lab_runs(&l), 1);
	lab_write(&l, NS_ROOT, "c0", "two\n");
	ck_assert(!lab_current(&l, last));
	lab_expect(&l, NS_NOW, last, "two\n");
	ck_assert_uint_eq(lab_runs(&l), 2);
	lab_unlink(&l, NS_ROOT, "c0");
	lab_expect_error(&l, last, EIO, "input `c9999` failed");
}
END_TEST

START_TEST(eval_glob_takes_in_thousands_of_derived)
{
	enum { N = 3000 };
	CLEANUP_BUF struct buf all = BUF_INIT;
	char name[32], file[32], text[64];
	LAB l;
	int i;

	lab_setup(&l);
	for (i = 0; i < N; i++) {
		snprintf(file, sizeof(file), "%04d.s", i);
		snprintf(name, sizeof(name), "%04d.d", i);
		snprintf(text, sizeof(text), "%d\n", i % 7);
		lab_write(&l, NS_ROOT, file, text);
		concat(&l, name, file);
		buf_str(&all, text);
	}
	recipe(&l, "all.d", "fn: concat\nin: [\"*.d\"]\n"); /* not itself */
	lab_expect(&l, NS_NOW, "all.d", buf_cstr(&all));
	ck_assert_uint_eq(lab_runs(&l), 8);
	lab_unlink(&l, NS_ROOT, "0000.d.recipe");
	lab_expect(&l, NS_NOW, "all.d", buf_cstr(&all) + 2);
}
END_TEST

START_TEST(eval_circle_is_eloop_for_all_and_is_mended)
{
	LAB l;

	lab_setup(&l);
	lab_write(&l, NS_ROOT, "x", "one\n");
	concat(&l, "a", "b");
	concat(&l, "b", "c");
	concat(&l, "c", "x, a");
	concat(&l, "outside", "b");
	concat(&l, "self", "self");
	lab_expect_error(&l, "self", ELOOP, "own input");
	lab_expect_error(&l, "outside", ELOOP, "needs itself");
	lab_expect_error(&l, "a", ELOOP, "needs itself");
	lab_expect_error(&l, "b", ELOOP, "needs itself");
	lab_expect_error(&l, "c", ELOOP, "needs itself");
	concat(&l, "c", "x");
	lab_expect(&l, NS_NOW, "outside", "one\n");
	lab_expect(&l, NS_NOW, "a", "one\n");
	concat(&l, "c", "a");
	lab_expect_error(&l, "c", ELOOP, "needs itself");
	concat(&l, "b", "x");
	lab_expect(&l, NS_NOW, "c", "one\n");
}
END_TEST

START_TEST(eval_missing_input_fails_until_it_is_there)
{
	LAB l;

	lab_setup(&l);
	concat(&l, "a", "x");
	concat(&l, "b", "a");
	lab_expect_error(&l, "b", EIO, "does not exist");
	ck_assert_uint_eq(lab_runs(&l), 0);
	lab_write(&l, NS_ROOT, "x", "one\n");
	lab_expect(&l, NS_NOW, "b", "one\n");
	lab_unlink(&l, NS_ROOT, "x");
	lab_expect_error(&l, "b", EIO, "does not exist");
	concat(&l, "x", "y");
	lab_write(&l, NS_ROOT, "y", "two\n");
	lab_expect(&l, NS_NOW, "b", "two\n");
}
END_TEST

START_TEST(eval_ordinary_file_blocks_a_recipe)
{
	struct ns_attr attr;
	struct eval_value v;
	LAB l;

	lab_setup(&l);
	lab_write(&l, NS_ROOT, "x", "one\n");
	concat(&l, "a", "x");
	concat(&l, "b", "a");
	lab_expect(&l, NS_NOW, "b", "one\n");
	lab_write(&l, NS_ROOT, "a", "mine\n");
	lab_expect(&l, NS_NOW, "b", "mine\n");
	ck_assert_int_eq(lab_value(&l, NS_NOW, "a", &v), 0);
	ck_assert_int_eq(v.error, ENOENT);
	db_lock(l.db);
	ck_assert_int_eq(eval_defined(l.ev, NS_NOW, NS_ROOT, "a", 1, &attr),
			 -EEXIST);
	db_unlock(l.db);
	lab_unlink(&l, NS_ROOT, "a");
	lab_expect(&l, NS_NOW, "a", "one\n");
	lab_expect(&l, NS_NOW, "b", "one\n");
}
END_TEST

START_TEST(eval_name_that_comes_again_is_new_before_it_is_asked_for)
{
	enum eval_state state;
	struct eval_value v;
	bool now;
	LAB l;

	lab_setup(&l);
	ck_assert_int_eq(lab_value(&l, NS_NOW, "a", &v), 0);
	ck_assert_int_eq(v.error, ENOENT);
	concat(&l, "a", "x");
	db_lock(l.db);
	ck_assert_int_eq(eval_peek(l.ev, NS_NOW, NS_ROOT, "a", 1, &state, &v,
				   &now, NULL),
			 0);
	db_unlock(l.db);
	ck_assert_int_eq(state, EVAL_NEW);
	ck_assert(!now);
}
END_TEST

START_TEST(eval_failure_is_remembered_until_retry)
{
	LAB l;

	lab_setup(&l);
	lab_write(&l, NS_ROOT, "x", "no gzip");
	recipe(&l, "a", "fn: gunzip\nin: [x]\n");
	concat(&l, "b", "a");
	lab_expect_error(&l, "b", EIO, "gunzip");
	lab_expect_error(&l, "a", EIO, "gunzip");
	ck_assert_uint_eq(lab_runs(&l), 1);
	db_lock(l.db);
	ck_assert_int_eq(eval_retry(l.ev, NS_ROOT, "a", 1), 0);
	ck_assert_int_eq(eval_retry(l.ev, NS_ROOT, "x", 1), -ENOENT);
	db_unlock(l.db);
	lab_expect_error(&l, "b", EIO, "gunzip");
	ck_assert_uint_eq(lab_runs(&l), 2);
}
END_TEST

START_TEST(eval_broken_recipe_is_einval)
{
	LAB l;

	lab_setup(&l);
	recipe(&l, "a", "nonsense: 1\n");
	lab_expect_error(&l, "a", EINVAL, "a.recipe:1: ");
	recipe(&l, "a", "fn: sorrt\nin: []\n");
	lab_expect_error(&l, "a", EINVAL, "did you mean `sort`");
}
END_TEST

START_TEST(eval_name_too_long_is_a_failure_like_any_other)
{
	char text[400], name[301];
	LAB l;

	lab_setup(&l);
	memset(name, 'n', 300);
	name[300] = '\0';
	snprintf(text, sizeof(text), "fn: concat\nin: [%s]\n", name);
	recipe(&l, "a", text);
	lab_expect_error(&l, "a", EIO, "longer than 255 bytes");
}
END_TEST

START_TEST(eval_dry_check_runs_nothing)
{
	struct asked a;
	LAB l;

	lab_setup(&l);
	lab_write(&l, NS_ROOT, "x", "one\n");
	concat(&l, "a", "x");
	recipe(&l, "b", "fn: sha256\nin: [a]\n");
	lab_ask(&l, &a, NS_NOW, "b", true);
	lab_await(&a);
	ck_assert_int_eq(a.rc, -EAGAIN);
	ck_assert_uint_eq(lab_runs(&l), 0);
	ck_assert_int_eq(lab_value(&l, NS_NOW, "b", &a.value), 0);
	ck_assert(lab_ask(&l, &a, NS_NOW, "b", true));
	ck_assert_int_eq(a.rc, 0);
	/* the same content again: found, without a run */
	lab_write(&l, NS_ROOT, "x", "one\n");
	lab_ask(&l, &a, NS_NOW, "b", true);
	lab_await(&a);
	ck_assert_int_eq(a.rc, 0);
	ck_assert_uint_eq(lab_runs(&l), 2);
	lab_unlink(&l, NS_ROOT, "x");
	lab_ask(&l, &a, NS_NOW, "b", true);
	lab_await(&a);
	ck_assert_int_eq(a.rc, 0);
	ck_assert_int_eq(a.value.error, EIO);
}
END_TEST

START_TEST(eval_past_is_as_it_was)
{
	struct eval_value v;
	uint64_t before;
	LAB l;

	lab_setup(&l);
	lab_write(&l, NS_ROOT, "x", "one\n");
	concat(&l, "a", "x");
	db_lock(l.db);
	before = ns_last_change(l.ns);
	db_unlock(l.db);
	lab_write(&l, NS_ROOT, "x", "two\n");
	lab_expect(&l, NS_NOW, "a", "two\n");
	lab_expect(&l, before, "a", "one\n");
	lab_unlink(&l, NS_ROOT, "a.recipe");
	lab_expect(&l, before, "a", "one\n");
	ck_assert_int_eq(lab_value(&l, 1, "a", &v), 0);
	ck_assert_int_eq(v.error, ENOENT);
	ck_assert_uint_eq(lab_runs(&l), 2);
}
END_TEST

START_TEST(eval_many_moments_of_the_past_are_let_go_of)
{
	enum { N = 6000 };
	struct eval_value v;
	uint64_t then;
	LAB l;
	int i;

	lab_setup(&l);
	concat(&l, "a", "x");
	lab_write(&l, NS_ROOT, "x", "one\n");
	db_lock(l.db);
	then = ns_last_change(l.ns);
	db_unlock(l.db);
	for (i = 0; i < N; i++)
		lab_write(&l, NS_ROOT, "x", i % 2 ? "one\n" : "two\n");
	lab_expect(&l, NS_NOW, "a", "one\n");
	for (i = 0; i < N; i++)
		ck_assert_int_eq(lab_value(&l, then + (uint64_t)i, "a", &v), 0);
	lab_expect(&l, then, "a", "one\n");
	lab_expect(&l, then + 1, "a", "two\n");
	lab_write(&l, NS_ROOT, "x", "two\n");
	lab_expect(&l, NS_NOW, "a", "two\n");
}
END_TEST

/* --- paths --------------------------------------------------------------- */

START_TEST(eval_glob_looks_only_where_it_has_to)
{
	uint64_t d;
	LAB l;

	lab_setup(&l);
	d = lab_mkdir(&l, NS_ROOT, "d");
	lab_write(&l, d, "1.txt", "one\n");
	lab_symlink(&l, NS_ROOT, "down", "d/");
	lab_symlink(&l, d, "back", "..");
	recipe(&l, "a", "fn: concat\nin: [\"d/*.txt\"]\n");
	recipe(&l, "b", "fn: concat\nin: [\"down/*.txt\"]\n");
	recipe(&l, "c", "fn: concat\nin: [\"*/1.txt\"]\n");
	recipe(&l, "e", "fn: concat\nin: [\"d/back/*/1.tx?\"]\n");
	lab_expect(&l, NS_NOW, "a", "one\n");
	lab_expect(&l, NS_NOW, "b", "one\n");
	lab_expect(&l, NS_NOW, "c", "one\none\n");
	lab_expect(&l, NS_NOW, "e", "one\none\n");
	lab_write(&l, NS_ROOT, "elsewhere", "");
	ck_assert(lab_current(&l, "a"));
	ck_assert(lab_current(&l, "b"));
	ck_assert(!lab_current(&l, "c"));
	lab_write(&l, d, "2.txt", "two\n");
	lab_expect(&l, NS_NOW, "a", "one\ntwo\n");
	lab_expect(&l, NS_NOW, "b", "one\ntwo\n");
}
END_TEST

START_TEST(eval_links_are_followed_inside_the_mount)
{
	uint64_t d;
	LAB l;

	lab_setup(&l);
	d = lab_mkdir(&l, NS_ROOT, "d");
	lab_write(&l, d, "x", "one\n");
	lab_symlink(&l, NS_ROOT, "l", "d/./../d//x");
	lab_symlink(&l, NS_ROOT, "dir", "d/.");
	lab_symlink(&l, NS_ROOT, "out", "/etc/passwd");
	lab_symlink(&l, NS_ROOT, "up", "../x");
	lab_symlink(&l, NS_ROOT, "round", "round");
	concat(&l, "a", "l, dir/x");
	lab_expect(&l, NS_NOW, "a", "one\none\n");
	concat(&l, "b", "out");
	lab_expect_error(&l, "b", EIO, "leads out of the mount");
	concat(&l, "b", "up");
	lab_expect_error(&l, "b", EIO, "leads out of the mount");
	concat(&l, "b", "round");
	lab_expect_error(&l, "b", EIO, "too many symbolic links");
	concat(&l, "b", "dir");
	lab_expect_error(&l, "b", EINVAL, "is a directory");
	concat(&l, "b", "l/x");
	lab_expect_error(&l, "b", EIO, "no directory");
}
END_TEST

START_TEST(eval_inputs_are_read_with_the_owners_rights)
{
	uint64_t d, x, a;
	LAB l;

	lab_setup(&l);
	d = lab_mkdir(&l, NS_ROOT, "d");
	x = lab_write(&l, d, "x", "one\n");
	concat(&l, "a", "d/x");
	db_lock(l.db);
	ck_assert_int_eq(ns_lookup(l.ns, NS_NOW, NS_ROOT, "a.recipe", 8, &a,
				   NULL),
			 0);
	db_unlock(l.db);
	lab_own(&l, a, 54321, 0100644);
	lab_expect(&l, NS_NOW, "a", "one\n");
	lab_own(&l, x, 12345, 0100600);
	lab_expect_error(&l, "a", EIO, "may not be read");
	lab_own(&l, x, 54321, 0100600);
	lab_expect(&l, NS_NOW, "a", "one\n");
	lab_own(&l, d, 0, 0040700);
	lab_expect_error(&l, "a", EIO, "may not be read");
	lab_own(&l, d, 0, 0040711);
	lab_expect(&l, NS_NOW, "a", "one\n");
}
END_TEST

TESTS("eval", eval_computes_once_and_keeps_it,
      eval_keeps_the_computation_as_an_object,
      eval_same_computation_is_found_under_another_name,
      eval_change_is_seen_and_undone_for_nothing,
      eval_stops_where_content_is_the_same, eval_diamond_computes_its_base_once,
      eval_chain_of_ten_thousand, eval_glob_takes_in_thousands_of_derived,
      eval_circle_is_eloop_for_all_and_is_mended,
      eval_missing_input_fails_until_it_is_there,
      eval_ordinary_file_blocks_a_recipe,
      eval_name_that_comes_again_is_new_before_it_is_asked_for,
      eval_failure_is_remembered_until_retry, eval_broken_recipe_is_einval,
      eval_name_too_long_is_a_failure_like_any_other,
      eval_dry_check_runs_nothing, eval_past_is_as_it_was,
      eval_many_moments_of_the_past_are_let_go_of,
      eval_glob_looks_only_where_it_has_to,
      eval_links_are_followed_inside_the_mount,
      eval_inputs_are_read_with_the_owners_rights)
