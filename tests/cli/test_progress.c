#include "cli/progress.h"

#include "tests/lib/harness.h"

START_TEST(progress_says_what_is_left)
{
	struct progress p = {.total = 40,
			     .done = 10,
			     .failed = 1,
			     .running = 2};
	char line[256];

	progress_format(&p, 10 * NSEC_PER_SEC, 100, line, sizeof(line));
	ck_assert_ptr_nonnull(
		strstr(line, "10/40 done, 1 failed, 2 running, 28 waiting"));
	ck_assert_ptr_nonnull(strstr(line, "about 30"));
	ck_assert_int_eq(line[0], '[');
}
END_TEST

START_TEST(progress_knows_what_things_took_the_last_time)
{
	struct progress p = {.total = 40,
			     .done = 10,
			     .running = 2,
			     .rest_s = 600,
			     .known = 30,
			     .jobs = 2};
	char line[256];

	progress_format(&p, 10 * NSEC_PER_SEC, 100, line, sizeof(line));
	ck_assert_ptr_nonnull(strstr(line, "about 5"));
	p.known = 3; /* too few to tell */
	progress_format(&p, 10 * NSEC_PER_SEC, 100, line, sizeof(line));
	ck_assert_ptr_nonnull(strstr(line, "about 30"));
}
END_TEST

START_TEST(progress_fits_any_terminal)
{
	struct progress p = {.total = SIZE_MAX, .done = SIZE_MAX, .failed = 7};
	char line[256];
	unsigned columns;

	p.total /= 64; /* the bar is a multiple of it */
	p.done /= 64;
	for (columns = 1; columns < 300; columns++) {
		progress_format(&p, 1, columns, line, sizeof(line));
		ck_assert_uint_lt(strlen(line), columns);
	}
}
END_TEST

START_TEST(progress_of_nothing_is_no_division_by_zero)
{
	struct progress p = {0};
	char line[256];

	progress_format(&p, 0, 80, line, sizeof(line));
	ck_assert_str_eq(line, "0/0 done, 0 running, 0 waiting");
}
END_TEST

TESTS("progress", progress_says_what_is_left,
      progress_knows_what_things_took_the_last_time, progress_fits_any_terminal,
      progress_of_nothing_is_no_division_by_zero)
