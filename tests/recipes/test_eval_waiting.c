#include "tests/recipes/eval_fixture.h"

#include <errno.h>
#include <semaphore.h>

/* Evaluation that takes time: who waits, who leaves, and what happens
 * meanwhile. The sha256 of a terabyte of zeros takes longer than any test. */

#define FOR_EVER GIB(1024)

static void recipe(struct lab *l, const char *name, const char *text)
{
	char file[300];

	snprintf(file, sizeof(file), "%s.recipe", name);
	lab_write(l, NS_ROOT, file, text);
}

static void endless(struct lab *l, const char *name)
{
	lab_write_zeros(l, "zeros", FOR_EVER);
	recipe(l, name, "fn: sha256\nin: [zeros]\n");
}

START_TEST(eval_two_waiters_share_a_run)
{
	struct asked a, b;
	LAB l;

	lab_setup(&l);
	lab_write_zeros(&l, "zeros", MIB(64));
	recipe(&l, "s", "fn: sha256\nin: [zeros]\n");
	lab_ask(&l, &a, NS_NOW, "s", false);
	lab_ask(&l, &b, NS_NOW, "s", false);
	lab_await(&a);
	lab_await(&b);
	ck_assert(addr_eq(&a.value.addr, &b.value.addr));
	ck_assert_uint_eq(lab_runs(&l), 1);
}
END_TEST

START_TEST(eval_last_waiter_to_leave_stops_it)
{
	struct asked a, b;
	LAB l;

	lab_setup(&l);
	endless(&l, "s");
	recipe(&l, "t", "fn: concat\nin: [s]\n");
	lab_ask(&l, &a, NS_NOW, "s", false);
	lab_ask(&l, &b, NS_NOW, "t", false);
	lab_until_running(&l, 1);
	lab_cancel(&a);
	ck_assert_uint_eq(lab_running(&l), 1);
	lab_cancel(&b);
	lab_until_running(&l, 0);
}
END_TEST

START_TEST(eval_who_comes_after_it_was_stopped_gets_it_still)
{
	struct asked a, b;
	LAB l;

	lab_setup(&l);
	endless(&l, "s");
	lab_ask(&l, &a, NS_NOW, "s", false);
	lab_until_running(&l, 1);
	db_lock(l.db); /* so that the run cannot end in between */
	lab_cancel(&a);
	lab_write_zeros(&l, "zeros", 1);
	lab_ask(&l, &b, NS_NOW, "s", false);
	db_unlock(l.db);
	lab_await(&b);
	ck_assert_int_eq(b.rc, 0);
	ck_assert_int_eq(b.value.error, 0);
	ck_assert_uint_eq(lab_runs(&l), 2);
}
END_TEST

/* Two names with one computation: the second waits for the first, which is
 * stopped, and whose recipe then needs the second. That is no circle. */
START_TEST(eval_name_that_waits_for_the_same_outlives_its_stop)
{
	struct asked a, b;
	LAB l;

	lab_setup(&l);
	endless(&l, "s");
	recipe(&l, "t", "fn: sha256\nin: [zeros]\n");
	lab_ask(&l, &a, NS_NOW, "s", false);
	lab_until_running(&l, 1);
	lab_ask(&l, &b, NS_NOW, "t", false);
	lab_cancel(&a);
	db_lock(l.db);
	lab_write_zeros(&l, "zeros", 1);
	recipe(&l, "s", "fn: concat\nin: [t]\n");
	lab_ask(&l, &a, NS_NOW, "s", false);
	db_unlock(l.db);
	lab_cancel(&b);
	lab_await(&a);
	ck_assert_int_eq(a.rc, 0);
	ck_assert_int_eq(a.value.error, 0);
	ck_assert_int_eq(lab_value(&l, NS_NOW, "t", &b.value), 0);
	ck_assert(addr_eq(&a.value.addr, &b.value.addr));
}
END_TEST

START_TEST(eval_change_while_it_runs_is_for_those_who_ask_later)
{
	struct asked a, b;
	LAB l;

	lab_setup(&l);
	lab_write_zeros(&l, "zeros", MIB(256));
	lab_write(&l, NS_ROOT, "x", "one\n");
	recipe(&l, "s", "fn: sha256\nin: [zeros]\n");
	recipe(&l, "t", "fn: concat\nin: [s, x]\n");
	lab_ask(&l, &a, NS_NOW, "s", false);
	lab_until_running(&l, 1);
	lab_write_zeros(&l, "zeros", 1);
	lab_ask(&l, &b, NS_NOW, "s", false);
	lab_await(&a);
	lab_await(&b);
	ck_assert(!addr_eq(&a.value.addr, &b.value.addr));
	ck_assert(lab_current(&l, "s"));
	ck_assert_uint_eq(lab_runs(&l), 2);
}
END_TEST

START_TEST(eval_outdated_run_that_serves_nobody_is_stopped)
{
	struct asked a, b;
	LAB l;

	lab_setup(&l);
	endless(&l, "s");
	recipe(&l, "t", "fn: concat\nin: [s]\n");
	lab_ask(&l, &a, NS_NOW, "s", false);
	lab_until_running(&l, 1);
	lab_write_zeros(&l, "zeros", 1);
	lab_ask(&l, &b, NS_NOW, "t", false);
	lab_cancel(&a);
	lab_await(&b);
	ck_assert_int_eq(b.rc, 0);
	ck_assert_int_eq(b.value.error, 0);
}
END_TEST

START_TEST(eval_run_outdated_by_a_change_that_serves_nobody_is_stopped)
{
	struct asked a, b;
	LAB l;

	lab_setup(&l);
	endless(&l, "s");
	lab_ask(&l, &a, NS_NOW, "s", false);
	lab_until_running(&l, 1);
	lab_ask(&l, &b, NS_NOW, "s", false);
	lab_cancel(&a);
	ck_assert_uint_eq(lab_running(&l), 1);
	lab_write_zeros(&l, "zeros", 1);
	lab_await(&b);
	ck_assert_int_eq(b.rc, 0);
	ck_assert_int_eq(b.value.error, 0);
}
END_TEST

START_TEST(eval_dry_check_does_not_wait_for_a_run)
{
	struct asked a, b, c;
	LAB l;

	lab_setup(&l);
	endless(&l, "s");
	recipe(&l, "t", "fn: concat\nin: [s]\n");
	recipe(&l, "u", "fn: concat\nin: [t]\n");
	lab_ask(&l, &a, NS_NOW, "t", false);
	lab_until_running(&l, 1);
	lab_ask(&l, &b, NS_NOW, "s", true); /* it runs */
	lab_ask(&l, &c, NS_NOW, "t", true); /* waits for what runs */
	lab_await(&b);
	lab_await(&c);
	ck_assert_int_eq(b.rc, -EAGAIN);
	ck_assert_int_eq(c.rc, -EAGAIN);
	lab_ask(&l, &c, NS_NOW, "u", true); /* needs what waits */
	lab_await(&c);
	ck_assert_int_eq(c.rc, -EAGAIN);
	lab_cancel(&a);
	lab_until_running(&l, 0);
	ck_assert_uint_eq(lab_runs(&l), 1);
}
END_TEST

START_TEST(eval_dry_check_that_came_first_does_not_wait_for_a_run)
{
	struct asked a, b, c;
	LAB l;

	lab_setup(&l);
	endless(&l, "s");
	recipe(&l, "t", "fn: concat\nin: [s]\n");
	db_lock(l.db);
	lab_ask(&l, &b, NS_NOW, "t", true);
	lab_ask(&l, &c, NS_NOW, "s", true);
	lab_ask(&l, &a, NS_NOW, "s", false);
	db_unlock(l.db);
	lab_await(&b);
	lab_await(&c);
	ck_assert_int_eq(b.rc, -EAGAIN);
	ck_assert_int_eq(c.rc, -EAGAIN);
	lab_cancel(&a);
	lab_until_running(&l, 0);
}
END_TEST

START_TEST(eval_input_being_written_is_looked_at_each_time)
{
	LAB l;

	lab_setup(&l);
	l.writer.ino = lab_write(&l, NS_ROOT, "x", "one\n");
	recipe(&l, "a", "fn: concat\nin: [x]\n");
	recipe(&l, "b", "fn: concat\nin: [a]\n");
	lab_expect(&l, NS_NOW, "b", "one\n");
	ck_assert_uint_eq(l.writer.settled, 1);
	ck_assert(!lab_current(&l, "a"));
	ck_assert(!lab_current(&l, "b"));
	lab_expect(&l, NS_NOW, "b", "one\n");
	ck_assert_uint_eq(l.writer.settled, 2);
	lab_write(&l, NS_ROOT, "x", "two\n");
	lab_expect(&l, NS_NOW, "b", "two\n");
	ck_assert_uint_eq(l.writer.settled, 3);
	db_lock(l.db);
	l.writer.ino = 0;
	eval_inode_changed(l.ev, 0);
	db_unlock(l.db);
	lab_expect(&l, NS_NOW, "b", "two\n");
	ck_assert(lab_current(&l, "b"));
	ck_assert_uint_eq(l.writer.settled, 3);
}
END_TEST

/* --- what happens while it is being settled ------------------------------ */

struct meeting {
	sem_t reached, go;
};

static void meet(void *ctx)
{
	struct meeting *m = ctx;

	sem_post(&m->reached);
	sem_wait(&m->go);
}

static void hold(struct lab *l, struct meeting *m, uint64_t ino)
{
	sem_init(&m->reached, 0, 0);
	sem_init(&m->go, 0, 0);
	l->writer = (struct writer){.ino = ino, .settle = meet, .ctx = m};
}

static void let_go(struct lab *l, struct meeting *m)
{
	db_lock(l->db);
	l->writer.ino = 0;
	db_unlock(l->db);
	sem_post(&m->go);
}

START_TEST(eval_what_is_written_in_while_settling_counts)
{
	struct meeting m;
	struct asked a;
	LAB l;

	lab_setup(&l);
	recipe(&l, "a", "fn: concat\nin: [x]\n");
	hold(&l, &m, lab_write(&l, NS_ROOT, "x", "one\n"));
	lab_ask(&l, &a, NS_NOW, "a", false);
	sem_wait(&m.reached);
	lab_write(&l, NS_ROOT, "x", "two\n");
	let_go(&l, &m);
	lab_await(&a);
	lab_expect(&l, NS_NOW, "a", "two\n");
	ck_assert(lab_current(&l, "a"));
	ck_assert_uint_eq(lab_runs(&l), 1);
}
END_TEST

START_TEST(eval_left_while_settling_ends_quietly)
{
	struct meeting m;
	struct asked a;
	LAB l;

	lab_setup(&l);
	recipe(&l, "a", "fn: concat\nin: [x]\n");
	hold(&l, &m, lab_write(&l, NS_ROOT, "x", "one\n"));
	lab_ask(&l, &a, NS_NOW, "a", false);
	sem_wait(&m.reached);
	lab_cancel(&a);
	let_go(&l, &m);
	lab_expect(&l, NS_NOW, "a", "one\n");
}
END_TEST

/* `a` waits for `b`; then `a` needs it no more, and `b` needs `a`. */
START_TEST(eval_turned_round_while_waiting_is_no_circle)
{
	struct meeting m;
	struct asked a;
	uint64_t ino;
	LAB l;

	lab_setup(&l);
	lab_write(&l, NS_ROOT, "x", "one\n");
	recipe(&l, "a", "fn: concat\nin: [b]\n");
	ino = lab_write(&l, NS_ROOT, "b.recipe", "fn: concat\nin: [x]\n");
	hold(&l, &m, ino);
	lab_ask(&l, &a, NS_NOW, "a", false);
	sem_wait(&m.reached);
	recipe(&l, "a", "fn: concat\nin: [x, x]\n");
	recipe(&l, "b", "fn: concat\nin: [a]\n");
	let_go(&l, &m);
	lab_await(&a);
	ck_assert_int_eq(a.value.error, 0);
	lab_expect(&l, NS_NOW, "a", "one\none\n");
	lab_expect(&l, NS_NOW, "b", "one\none\n");
}
END_TEST

START_TEST(eval_close_ends_what_runs_and_answers_all)
{
	struct asked a, b, c;
	LAB l;

	lab_setup(&l);
	endless(&l, "s");
	recipe(&l, "t", "fn: concat\nin: [s]\n");
	recipe(&l, "u", "fn: sha256\nin: [zeros]\n");
	lab_ask(&l, &a, NS_NOW, "s", false);
	lab_ask(&l, &b, NS_NOW, "t", false);
	lab_ask(&l, &c, NS_NOW, "u", false);
	lab_until_running(&l, 1);
	eval_close(steal(&l.ev));
	ck_assert(a.done && b.done && c.done);
	ck_assert_int_eq(a.rc, -ECANCELED);
	ck_assert_int_eq(b.rc, -ECANCELED);
	ck_assert_int_eq(c.rc, -ECANCELED);
}
END_TEST

TESTS("eval_waiting", eval_two_waiters_share_a_run,
      eval_last_waiter_to_leave_stops_it,
      eval_who_comes_after_it_was_stopped_gets_it_still,
      eval_name_that_waits_for_the_same_outlives_its_stop,
      eval_change_while_it_runs_is_for_those_who_ask_later,
      eval_outdated_run_that_serves_nobody_is_stopped,
      eval_run_outdated_by_a_change_that_serves_nobody_is_stopped,
      eval_dry_check_does_not_wait_for_a_run,
      eval_dry_check_that_came_first_does_not_wait_for_a_run,
      eval_input_being_written_is_looked_at_each_time,
      eval_what_is_written_in_while_settling_counts,
      eval_left_while_settling_ends_quietly,
      eval_turned_round_while_waiting_is_no_circle,
      eval_close_ends_what_runs_and_answers_all)
