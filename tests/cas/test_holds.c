/* Why: what a process is using between a look at a row and the next row is seen
 * by collection in a shared file alone. And the sets that marking is made of
 * hold all they were given, and nothing else, also when they lie on the disk.
 */
#include "cas/holds.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "cas/addrset.h"
#include "cas/pace.h"
#include "tests/cas/util.h"
#include "tests/lib/harness.h"

static struct {
	char *dir;
	int fd;
	struct holds *mine;
} t;

static struct addr address(uint64_t i)
{
	struct addr a;

	fill_random(a.b, ADDR_LEN, i);
	return a;
}

static void setup(void)
{
	t.dir = test_dir();
	t.fd = open(t.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(t.fd, 0);
	ck_assert_int_eq(holds_open(t.fd, &t.mine), 0);
}

static void teardown(void)
{
	holds_close(t.mine);
	close(t.fd);
	remove_tree(t.dir);
	free(t.dir);
}

static struct survey *look(void)
{
	struct survey *s;

	ck_assert_int_eq(survey_new(t.mine, &s), 0);
	return s;
}

/* --- what is being taken in ------------------------------------------------
 */

START_TEST(holds_waits_for_those_who_came_before_alone)
{
	struct survey *s;
	unsigned before, after;

	setup();
	before = holds_enter(t.mine);
	s = look();
	survey_turn(s);
	after = holds_enter(t.mine);
	ck_assert_uint_ne(before, after);
	ck_assert_uint_eq(survey_busy(s), 1);
	holds_leave(t.mine, before);
	ck_assert_uint_eq(survey_busy(s), 0);
	holds_leave(t.mine, after);
	survey_free(s);
	teardown();
}
END_TEST

START_TEST(holds_of_those_it_does_not_wait_for_it_keeps_what_they_found)
{
	struct addr found = address(1), other = address(2), late = address(3);
	struct survey *s;
	unsigned ticket;

	setup();
	ticket = holds_enter(t.mine);
	holds_hit(t.mine, &found);
	s = look();
	survey_turn(s);
	ck_assert_uint_eq(survey_busy(s), 1);
	ck_assert_int_eq(survey_settle(s), 0);
	ck_assert(survey_found(s, &found));
	ck_assert(!survey_found(s, &other));
	holds_hit(t.mine, &late); /* it finds it doomed */
	ck_assert(!survey_found(s, &late));
	holds_leave(t.mine, ticket);
	survey_free(s);
	/* who has left has nothing that anybody need keep */
	s = look();
	survey_turn(s);
	ck_assert_int_eq(survey_settle(s), 0);
	ck_assert(!survey_found(s, &found));
	survey_free(s);
	teardown();
}
END_TEST

START_TEST(holds_who_is_stuck_for_two_turns_is_not_forgotten)
{
	struct addr found = address(1);
	struct survey *s;
	unsigned ticket;

	setup();
	ticket = holds_enter(t.mine);
	holds_hit(t.mine, &found);
	s = look();
	survey_turn(s);
	survey_free(s);
	s = look();
	survey_turn(s);
	ck_assert_int_eq(survey_settle(s), 0);
	ck_assert(survey_found(s, &found));
	survey_free(s);
	holds_leave(t.mine, ticket);
	teardown();
}
END_TEST

/* --- what is open ----------------------------------------------------------
 */

START_TEST(holds_keep_counts)
{
	struct addr a = address(1), b = address(2);
	struct survey *s;

	setup();
	s = look();
	holds_keep(t.mine, &a);
	holds_keep(t.mine, &a);
	ck_assert(survey_keeps(s, &a) && !survey_keeps(s, &b));
	holds_release(t.mine, &a);
	ck_assert(survey_keeps(s, &a));
	holds_release(t.mine, &a);
	ck_assert(!survey_keeps(s, &a));
	survey_free(s);
	teardown();
}
END_TEST

/* --- other processes -------------------------------------------------------
 */

/* Another process, which holds and says so, until it is killed. */
static pid_t other(const struct addr *a)
{
	struct holds *h;
	int fds[2];
	char c;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		if (holds_open(t.fd, &h))
			_exit(1);
		holds_keep(h, a);
		(void)holds_enter(h);
		(void)!write(fds[1], "x", 1);
		for (;;)
			pause();
	}
	close(fds[1]);
	ck_assert_int_eq(read(fds[0], &c, 1), 1);
	close(fds[0]);
	return pid;
}

START_TEST(holds_of_a_process_end_with_it)
{
	struct addr a = address(1);
	struct survey *s;
	pid_t pid;

	setup();
	pid = other(&a);
	s = look();
	survey_turn(s);
	ck_assert(survey_keeps(s, &a));
	ck_assert_uint_eq(survey_busy(s), 1);
	survey_free(s);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	s = look();
	ck_assert(!survey_keeps(s, &a));
	survey_turn(s);
	ck_assert_uint_eq(survey_busy(s), 0);
	survey_free(s);
	teardown();
}
END_TEST

START_TEST(holds_are_asked_once_each_time)
{
	struct survey *s;

	setup();
	s = look();
	ck_assert(!holds_asked(t.mine));
	survey_ask(s);
	holds_wait(t.mine, INT64_C(60000000000)); /* returns at once */
	ck_assert(holds_asked(t.mine));
	ck_assert(!holds_asked(t.mine));
	survey_free(s);
	teardown();
}
END_TEST

START_TEST(holds_lock_is_one_collections)
{
	int one, two;

	setup();
	ck_assert_int_eq(holds_lock(t.fd, &one), 0);
	ck_assert_int_eq(holds_lock(t.fd, &two), -EAGAIN);
	close(one);
	ck_assert_int_eq(holds_lock(t.fd, &two), 0);
	close(two);
	teardown();
}
END_TEST

/* A writer notes, then looks; collection writes, then reads the notes: one of
 * the two sees the other. Thousands of times, from both sides at once. */
static struct {
	struct holds *h;
	struct addr a;
	int doomed, go, round;
	bool found, ended;
} race;

static void *writer(void *arg)
{
	unsigned ticket;
	int round = 0;

	while (__atomic_load_n(&race.go, __ATOMIC_SEQ_CST) >= 0) {
		if (__atomic_load_n(&race.go, __ATOMIC_SEQ_CST) == round)
			continue;
		round++;
		ticket = holds_enter(race.h);
		holds_hit(race.h, &race.a);
		race.found = !__atomic_load_n(&race.doomed, __ATOMIC_SEQ_CST);
		__atomic_store_n(&race.round, round, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&race.go, __ATOMIC_SEQ_CST) == round &&
		       !__atomic_load_n(&race.ended, __ATOMIC_SEQ_CST))
			;
		holds_leave(race.h, ticket);
	}
	return arg;
}

START_TEST(holds_either_sees_the_other)
{
	struct survey *s;
	pthread_t thread;
	bool kept;
	int i;

	setup();
	race.h = t.mine;
	race.a = address(1);
	ck_assert_int_eq(pthread_create(&thread, NULL, writer, NULL), 0);
	for (i = 1; i <= 300; i++) {
		__atomic_store_n(&race.ended, false, __ATOMIC_SEQ_CST);
		__atomic_store_n(&race.doomed, 0, __ATOMIC_SEQ_CST);
		s = look();
		__atomic_store_n(&race.go, i, __ATOMIC_SEQ_CST);
		__atomic_store_n(&race.doomed, 1, __ATOMIC_SEQ_CST);
		survey_turn(s);
		ck_assert_int_eq(survey_settle(s), 0);
		kept = survey_found(s, &race.a);
		while (__atomic_load_n(&race.round, __ATOMIC_SEQ_CST) != i)
			;
		ck_assert_msg(kept || !race.found, "round %d", i);
		__atomic_store_n(&race.ended, true, __ATOMIC_SEQ_CST);
		while (survey_busy(s))
			;
		survey_free(s);
	}
	__atomic_store_n(&race.go, -1, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	teardown();
}
END_TEST

/* --- sets of addresses -----------------------------------------------------
 */

static void fill_set(int fd, uint64_t expect, uint64_t n)
{
	struct addrset *s;
	struct addr a;
	uint64_t i;

	ck_assert_int_eq(addrset_new(fd, expect, &s), 0);
	for (i = 0; i < n; i++) {
		a = address(i);
		ck_assert_int_eq(addrset_add(s, &a), 1);
		if (!(i & 7))
			ck_assert_int_eq(addrset_add(s, &a), 0);
	}
	ck_assert_uint_eq(addrset_count(s), n);
	for (i = 0; i < n; i++) {
		a = address(i);
		ck_assert(addrset_has(s, &a));
		a = address(UINT64_C(1) << 40 | i);
		ck_assert(!addrset_has(s, &a));
	}
	addrset_free(s);
}

START_TEST(addrset_has_what_it_was_given_and_nothing_else)
{
	setup();
	fill_set(t.fd, 0, 0);
	fill_set(t.fd, 0, 1);
	fill_set(t.fd, 0, 100000); /* grows */
	fill_set(t.fd, 100000, 100000);
	teardown();
}
END_TEST

/* 32 MiB are passed, so that it lies in a file; or in memory where there is
 * no place for one. */
START_TEST(addrset_of_a_large_store_lies_in_a_file)
{
	setup();
	fill_set(t.fd, UINT64_C(1) << 21, 20000);
	fill_set(-1, UINT64_C(1) << 21, 20000);
	teardown();
}
END_TEST

START_TEST(addrset_addresses_that_begin_alike_are_told_apart)
{
	struct addrset *s;
	struct addr a = address(1), zero = {{0}};
	int i;

	setup();
	ck_assert_int_eq(addrset_new(t.fd, 0, &s), 0);
	for (i = 0; i < 2000; i++) { /* all of them look for the same slot */
		put_le64(a.b, (uint64_t)i);
		ck_assert_int_eq(addrset_add(s, &a), 1);
	}
	ck_assert(!addrset_has(s, &zero));
	ck_assert_int_eq(addrset_add(s, &zero), 1);
	ck_assert(addrset_has(s, &zero));
	ck_assert_uint_eq(addrset_count(s), 2001);
	addrset_free(s);
	teardown();
}
END_TEST

/* --- how many rows at once -------------------------------------------------
 */

START_TEST(pace_goes_down_when_it_takes_long_and_up_again)
{
	struct pace p = {0};
	int i;

	for (i = 0; i < 50; i++)
		pace_took(&p, pace_rows(&p, SIZE_MAX), 100 * PACE_NS);
	ck_assert_uint_eq(pace_rows(&p, SIZE_MAX), PACE_LEAST);
	ck_assert_uint_eq(pace_rows(&p, 1), 1);
	pace_took(&p, 1, 1); /* says nothing about more */
	ck_assert_uint_eq(pace_rows(&p, SIZE_MAX), PACE_LEAST);
	for (i = 0; i < 50; i++)
		pace_took(&p, pace_rows(&p, SIZE_MAX), 1);
	ck_assert_uint_eq(pace_rows(&p, SIZE_MAX), PACE_MOST);
}
END_TEST

TESTS("holds", holds_waits_for_those_who_came_before_alone,
      holds_of_those_it_does_not_wait_for_it_keeps_what_they_found,
      holds_who_is_stuck_for_two_turns_is_not_forgotten, holds_keep_counts,
      holds_of_a_process_end_with_it, holds_are_asked_once_each_time,
      holds_lock_is_one_collections, holds_either_sees_the_other,
      addrset_has_what_it_was_given_and_nothing_else,
      addrset_of_a_large_store_lies_in_a_file,
      addrset_addresses_that_begin_alike_are_told_apart,
      pace_goes_down_when_it_takes_long_and_up_again)
