#include "core/budget.h"

#include <errno.h>

#include "core/keepsakes.h"
#include "core/results.h"
#include "core/settings.h"
#include "tests/core/fixture.h"

static struct fixture f;
static struct results *r;

static void setup(void)
{
	fixture_open(&f);
	ck_assert_int_eq(results_open(f.db, f.ns, &r), 0);
}

static void teardown(void)
{
	results_close(r);
	fixture_done(&f);
}

/* A result of so many bytes that took so many seconds. */
static struct result put(uint8_t recipe, uint64_t size, int64_t seconds)
{
	struct result res = {.recipe = {{recipe}},
			     .reproducible = true,
			     .addr = {{recipe, 1}},
			     .size = size,
			     .wall_ns = seconds * 1000000000};

	ck_assert_int_eq(results_put(r, &res), 0);
	return res;
}

struct order {
	struct budget_row row[8];
	size_t n;
};

static int add(void *ctx, const struct budget_row *row)
{
	struct order *o = ctx;

	ck_assert_uint_lt(o->n, ARRAY_LEN(o->row));
	o->row[o->n++] = *row;
	return 0;
}

/* As text: "213" when the result 2 goes first. */
static const char *order(struct order *o)
{
	static char text[9];
	size_t i;

	*o = (struct order){.n = 0};
	ck_assert_int_eq(budget_each(f.db, add, o), 0);
	for (i = 0; i < o->n; i++)
		text[i] = (char)('0' + o->row[i].recipe.b[0]);
	text[i] = '\0';
	return text;
}

static uint64_t kept(void)
{
	uint64_t n = 0;

	ck_assert_int_eq(budget_kept(f.db, &n), 0);
	return n;
}

START_TEST(budget_cheap_and_large_goes_first)
{
	struct order o;

	setup();
	put(1, 1000, 10);
	put(2, 1000, 1);
	put(3, 1000000, 10);
	ck_assert_str_eq(order(&o), "321");
	ck_assert_uint_eq(kept(), 1002000);
	teardown();
}
END_TEST

START_TEST(budget_what_is_used_is_worth_more)
{
	struct order o;

	setup();
	put(1, 1000, 10);
	put(2, 1000, 11);
	ck_assert_str_eq(order(&o), "12");
	ck_assert_int_eq(results_used(r, &(struct addr){{1}}, 5), 0);
	ck_assert_str_eq(order(&o), "21");
	teardown();
}
END_TEST

START_TEST(budget_age_overtakes_what_nobody_uses)
{
	struct order o;

	setup();
	put(1, 1000, 10);
	put(2, 1000, 15);
	ck_assert_str_eq(order(&o), "12");
	ck_assert_int_eq(budget_let_go(f.db, &o.row[0]), 1);
	ck_assert_uint_eq(kept(), 1000);
	put(3, 1000, 6); /* cheaper than 2, but of another age */
	ck_assert_str_eq(order(&o), "23");
	teardown();
}
END_TEST

START_TEST(budget_never_takes_irreproducible_failed_or_dropped)
{
	struct result res;
	struct order o;

	setup();
	res = put(1, 1000, 1);
	res.reproducible = false;
	ck_assert_int_eq(results_put(r, &res), 0);
	put(2, 1000, 1);
	ck_assert_int_eq(results_let_go(r, &(struct addr){{2}}), 0);
	res = put(3, 0, 1);
	ck_assert_str_eq(order(&o), "");
	ck_assert_uint_eq(kept(), 1000);
	teardown();
}
END_TEST

START_TEST(budget_what_was_used_meanwhile_stays)
{
	struct order o;

	setup();
	put(1, 1000, 1);
	ck_assert_str_eq(order(&o), "1");
	ck_assert_int_eq(results_used(r, &(struct addr){{1}}, 5), 0);
	ck_assert_int_eq(budget_let_go(f.db, &o.row[0]), 0);
	ck_assert_uint_eq(kept(), 1000);
	order(&o);
	ck_assert_int_eq(budget_let_go(f.db, &o.row[0]), 1);
	ck_assert_int_eq(budget_let_go(f.db, &o.row[0]), 0);
	ck_assert_uint_eq(kept(), 0);
	teardown();
}
END_TEST

START_TEST(budget_pinned_names_keep_what_they_hold)
{
	const struct pin pin = {.path = "a", .dir = NS_ROOT, .name = "a"};
	const struct pin all = {.path = "",
				.dir = NS_ROOT,
				.name = "",
				.ino = NS_ROOT};
	struct result res[2];
	struct order o;
	int i;

	setup();
	res[0] = put(1, 1000, 1);
	res[1] = put(2, 1000, 2);
	for (i = 0; i < 2; i++) {
		struct derived d = {.dir = NS_ROOT,
				    .name = {(char)('a' + i)},
				    .recipe = res[i].recipe,
				    .addr = res[i].addr,
				    .size = 1000};

		ck_assert_int_eq(results_put_derived(r, &by, &d, &res[i]), 0);
	}
	ck_assert_str_eq(order(&o), "12");
	ck_assert_int_eq(pin_add(f.ns, &by, &pin), 0);
	ck_assert_str_eq(order(&o), "2");
	ck_assert_int_eq(pin_remove(f.ns, &by, "a"), 0);
	ck_assert_str_eq(order(&o), "12");
	ck_assert_int_eq(pin_add(f.ns, &by, &all), 0);
	ck_assert_str_eq(order(&o), "");
	teardown();
}
END_TEST

START_TEST(budget_directories_count_when_measured)
{
	struct result res = {.recipe = {{1}},
			     .reproducible = true,
			     .addr = {{1, 1}},
			     .size = 3,
			     .is_dir = true,
			     .wall_ns = 1000000000};
	struct budget_row row[4];
	struct order o;

	setup();
	ck_assert_int_eq(results_put(r, &res), 0);
	ck_assert_uint_eq(kept(), 0);
	ck_assert_str_eq(order(&o), "");
	ck_assert_int_eq(budget_unknown(f.db, row, 4), 1);
	ck_assert_int_eq(budget_known(f.db, &row[0], 5000), 0);
	ck_assert_int_eq(budget_unknown(f.db, row, 4), 0);
	ck_assert_uint_eq(kept(), 5000);
	ck_assert_str_eq(order(&o), "1");
	ck_assert(o.row[0].is_dir);
	teardown();
}
END_TEST

START_TEST(budget_and_settings_are_read_back_as_written)
{
	static const char *const values[] = {"none", "1",     "1023",
					     "10G",  "1536M", "3T"};
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct settings s;
	struct err err;
	uint64_t n;
	size_t i;

	setup();
	for (i = 0; i < ARRAY_LEN(values); i++) {
		buf_reset(&b);
		ck_assert_int_eq(budget_parse(values[i], &n, &err), 0);
		budget_format(n, &b);
		ck_assert_str_eq(buf_cstr(&b), values[i]);
	}
	ck_assert_int_eq(budget_parse("0", &n, &err), -EINVAL);
	ck_assert_int_eq(budget_parse("-1", &n, &err), -EINVAL);
	ck_assert_int_eq(budget_parse("", &n, &err), -EINVAL);
	ck_assert_int_eq(settings_set(f.ns, &by, "collect", "never", &err), 0);
	ck_assert_int_eq(settings_set(f.ns, &by, "budget", "2K", &err), 0);
	ck_assert_int_eq(settings_set(f.ns, &by, "retention", "for 90d", &err),
			 0);
	ck_assert_int_eq(settings_load(f.db, &s), 0);
	buf_reset(&b);
	settings_format(&s, &b);
	ck_assert_str_eq(buf_cstr(&b),
			 "retention: for 90d\nbudget: 2K\ncollect: never\n"
			 "verify: never\n");
	teardown();
}
END_TEST

TESTS("budget", budget_cheap_and_large_goes_first,
      budget_what_is_used_is_worth_more, budget_age_overtakes_what_nobody_uses,
      budget_never_takes_irreproducible_failed_or_dropped,
      budget_what_was_used_meanwhile_stays,
      budget_pinned_names_keep_what_they_hold,
      budget_directories_count_when_measured,
      budget_and_settings_are_read_back_as_written)
