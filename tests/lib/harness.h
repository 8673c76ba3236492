/* tests/lib/harness.h - what every unit test program shares.
 *
 * One program a module; each test is forked by check, so that a crash or a
 * leak fails just that one. Output is TAP.
 */
#ifndef TESTS_LIB_HARNESS_H
#define TESTS_LIB_HARNESS_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A new empty directory; the path is the caller's to free. remove_tree takes
 * it away with all below it. */
char *test_dir(void);
void remove_tree(const char *path);

static inline int run_suite(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int failed;

	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* TESTS("store", a_test, another_test) makes main(). */
#define TESTS(name, ...)                                             \
	int main(void)                                               \
	{                                                            \
		const TTest *const tests[] = {__VA_ARGS__};          \
		Suite *s = suite_create(name);                       \
		TCase *tc = tcase_create(name);                      \
		size_t i;                                            \
                                                                     \
		for (i = 0; i < sizeof(tests) / sizeof(*tests); i++) \
			tcase_add_test(tc, tests[i]);                \
		tcase_set_timeout(tc, 120);                          \
		suite_add_tcase(s, tc);                              \
		return run_suite(s);                                 \
	}

#endif
