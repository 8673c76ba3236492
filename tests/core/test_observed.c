/* What runs saw, as rows that are walked from a computation to its result. */
#include "core/observed.h"

#include "tests/core/fixture.h"

static struct fixture f;
static struct observed *o;

static void setup(void)
{
	fixture_open(&f);
	ck_assert_int_eq(observed_open(f.db, &o), 0);
}

static void teardown(void)
{
	observed_close(o);
	fixture_done(&f);
}

static struct addr step(const struct addr *from, const char *q, const char *a)
{
	struct addr next;

	ck_assert_int_eq(observed_put(o, from, q, strlen(q), a, strlen(a)), 0);
	observed_step(from, q, strlen(q), a, strlen(a), &next);
	return next;
}

static const char *question(const struct addr *state, const char *after,
			    struct buf *b)
{
	int rc = observed_question(o, state, after, strlen(after), b);

	ck_assert_int_ge(rc, 0);
	return rc ? buf_cstr(b) : NULL;
}

START_TEST(observed_runs_that_begin_alike_share_their_rows)
{
	struct addr key = {{1}}, a, one, two;
	CLEANUP_BUF struct buf b = BUF_INIT;

	setup();
	a = step(&key, "la", "f1");
	one = step(&a, "lb", "n");
	ck_assert(!addr_is_zero(&a));
	a = step(&key, "la", "f1"); /* again */
	two = step(&a, "lb", "f2");
	ck_assert(!addr_eq(&one, &two));
	ck_assert_str_eq(question(&key, "", &b), "la");
	ck_assert_ptr_null(question(&key, "la", &b));
	ck_assert_str_eq(question(&a, "", &b), "lb");
	ck_assert_int_eq(observed_known(o, &one), 1);
	ck_assert_int_eq(observed_known(o, &two), 1);
	ck_assert_int_eq(observed_known(o, &key), 0);
	commit(&f);
	teardown();
}
END_TEST

START_TEST(observed_several_questions_come_in_byte_order)
{
	struct addr key = {{1}};
	CLEANUP_BUF struct buf b = BUF_INIT;

	setup();
	step(&key, "lb", "n");
	step(&key, "la", "n");
	step(&key, "la", "f");
	ck_assert_str_eq(question(&key, "", &b), "la");
	ck_assert_str_eq(question(&key, "la", &b), "lb");
	ck_assert_ptr_null(question(&key, "lb", &b));
	commit(&f);
	teardown();
}
END_TEST

START_TEST(observed_the_way_back_is_found)
{
	struct addr key = {{1}}, a, b, from;
	CLEANUP_BUF struct buf q = BUF_INIT, answer = BUF_INIT;

	setup();
	a = step(&key, "da", "s");
	b = step(&a, "lb", "n");
	ck_assert_int_eq(observed_back(o, &b, &from, &q, &answer), 1);
	ck_assert(addr_eq(&from, &a));
	ck_assert_str_eq(buf_cstr(&q), "lb");
	ck_assert_str_eq(buf_cstr(&answer), "n");
	ck_assert_int_eq(observed_back(o, &from, &from, &q, &answer), 1);
	ck_assert(addr_eq(&from, &key));
	ck_assert_int_eq(observed_back(o, &from, &from, &q, &answer), 0);
	commit(&f);
	teardown();
}
END_TEST

START_TEST(observed_a_question_and_an_answer_do_not_run_together)
{
	struct addr key = {{1}}, a, b;

	observed_step(&key, "la", 2, "bn", 2, &a);
	observed_step(&key, "lab", 3, "n", 1, &b);
	ck_assert(!addr_eq(&a, &b));
}
END_TEST

static int count(void *ctx, const char *path, size_t len)
{
	ck_assert_int_eq(len, 1);
	ck_assert_int_eq(path[0], 'a' + *(int *)ctx);
	++*(int *)ctx;
	return 0;
}

START_TEST(observed_unread_inputs_are_those_of_the_last_run)
{
	struct addr recipe = {{7}}, other = {{8}};
	int n = 0;

	setup();
	ck_assert_int_eq(observed_put_unread(o, &recipe, "b", 1), 0);
	ck_assert_int_eq(observed_put_unread(o, &recipe, "a", 1), 0);
	ck_assert_int_eq(observed_put_unread(o, &other, "z", 1), 0);
	ck_assert_int_eq(observed_each_unread(o, &recipe, count, &n), 0);
	ck_assert_int_eq(n, 2);
	ck_assert_int_eq(observed_clear_unread(o, &recipe), 0);
	n = 0;
	ck_assert_int_eq(observed_each_unread(o, &recipe, count, &n), 0);
	ck_assert_int_eq(n, 0);
	commit(&f);
	teardown();
}
END_TEST

TESTS("observed", observed_runs_that_begin_alike_share_their_rows,
      observed_several_questions_come_in_byte_order,
      observed_the_way_back_is_found,
      observed_a_question_and_an_answer_do_not_run_together,
      observed_unread_inputs_are_those_of_the_last_run)
