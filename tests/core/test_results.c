#include "core/results.h"

#include <stdio.h>

#include "tests/core/fixture.h"

static struct fixture f;
static struct results *r;

static void setup(void)
{
	fixture_open(&f);
	ck_assert_int_eq(results_open(f.db, f.ns, &r), 0);
}

static void reopen(void)
{
	commit(&f);
	results_close(r);
	fixture_reopen(&f);
	ck_assert_int_eq(results_open(f.db, f.ns, &r), 0);
}

static void teardown(void)
{
	results_close(r);
	fixture_done(&f);
}

static struct result sample(uint8_t recipe)
{
	return (struct result){.recipe = {{recipe}},
			       .executable = true,
			       .reproducible = true,
			       .addr = {{recipe, 1}},
			       .size = 1000u + recipe,
			       .wall_ns = 5,
			       .cpu_ns = 6,
			       .memory = 7,
			       .when_ns = 8,
			       .text = {{recipe, 2}},
			       .text_size = 9,
			       .uses = 2,
			       .last_use_ns = 11};
}

static struct result failure(uint8_t recipe)
{
	return (struct result){.recipe = {{recipe}},
			       .error = EIO,
			       .wall_ns = 3,
			       .message = "it said no"};
}

static struct derived put(uint64_t dir, const char *name,
			  const struct result *res)
{
	struct derived d = {.dir = dir,
			    .recipe = res->recipe,
			    .error = res->error,
			    .addr = res->addr,
			    .size = res->size,
			    .executable = res->executable,
			    .ran = true};

	snprintf(d.name, sizeof(d.name), "%s", name);
	ck_assert_int_eq(results_put_derived(r, &by, &d, res), 0);
	return d;
}

static struct derived get(uint64_t at, uint64_t dir, const char *name)
{
	struct derived d;

	ck_assert_int_eq(results_derived(r, at, dir, name, strlen(name), &d),
			 0);
	return d;
}

static bool same_result(const struct result *a, const struct result *b)
{
	return addr_eq(&a->recipe, &b->recipe) && a->error == b->error &&
	       a->executable == b->executable &&
	       a->reproducible == b->reproducible &&
	       addr_eq(&a->addr, &b->addr) && a->size == b->size &&
	       a->wall_ns == b->wall_ns && a->cpu_ns == b->cpu_ns &&
	       a->memory == b->memory && a->when_ns == b->when_ns &&
	       addr_eq(&a->text, &b->text) && a->text_size == b->text_size &&
	       a->uses == b->uses && a->last_use_ns == b->last_use_ns &&
	       !strcmp(a->message, b->message);
}

START_TEST(results_are_found_by_the_computation)
{
	struct result a = sample(1), b = failure(2), got;
	struct addr none = {{3}};

	setup();
	ck_assert_int_eq(results_put(r, &a), 0);
	ck_assert_int_eq(results_put(r, &b), 0);
	reopen();
	ck_assert_int_eq(results_get(r, &a.recipe, &got), 0);
	ck_assert(same_result(&a, &got));
	ck_assert_int_eq(results_get(r, &b.recipe, &got), 0);
	ck_assert(same_result(&b, &got));
	ck_assert_int_eq(results_get(r, &none, &got), -ENOENT);
	a.size = 5;
	ck_assert_int_eq(results_put(r, &a), 0);
	ck_assert_int_eq(results_get(r, &a.recipe, &got), 0);
	ck_assert(same_result(&a, &got));
	a.error = -EIO;
	ck_assert_int_eq(results_put(r, &a), -EINVAL);
	teardown();
}
END_TEST

START_TEST(results_long_message_is_kept_whole)
{
	struct result a = failure(1), got;

	setup();
	memset(a.message, 'm', sizeof(a.message) - 1);
	a.message[sizeof(a.message) - 1] = '\0';
	ck_assert_int_eq(results_put(r, &a), 0);
	ck_assert_int_eq(results_get(r, &a.recipe, &got), 0);
	ck_assert_str_eq(got.message, a.message);
	teardown();
}
END_TEST

START_TEST(results_uses_are_counted)
{
	struct result a = sample(1), got;
	struct addr none = {{3}};

	setup();
	ck_assert_int_eq(results_put(r, &a), 0);
	ck_assert_int_eq(results_used(r, &a.recipe, 77), 0);
	ck_assert_int_eq(results_used(r, &a.recipe, 88), 0);
	ck_assert_int_eq(results_get(r, &a.recipe, &got), 0);
	ck_assert_uint_eq(got.uses, 4);
	ck_assert_int_eq(got.last_use_ns, 88);
	ck_assert_int_eq(results_used(r, &none, 1), -ENOENT);
	teardown();
}
END_TEST

START_TEST(results_forget_only_failures)
{
	struct result a = sample(1), b = failure(2), got;
	struct addr none = {{3}};

	setup();
	ck_assert_int_eq(results_put(r, &a), 0);
	ck_assert_int_eq(results_put(r, &b), 0);
	ck_assert_int_eq(results_forget(r, &a.recipe), 0);
	ck_assert_int_eq(results_forget(r, &b.recipe), 0);
	ck_assert_int_eq(results_forget(r, &none), 0);
	ck_assert_int_eq(results_get(r, &a.recipe, &got), 0);
	ck_assert_int_eq(results_get(r, &b.recipe, &got), -ENOENT);
	teardown();
}
END_TEST

START_TEST(results_recipes_are_kept_as_they_are)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct addr a = {{1}}, empty = {{2}}, none = {{3}};

	setup();
	ck_assert_int_eq(results_put_recipe(r, &a, "by\0tes", 6), 0);
	ck_assert_int_eq(results_put_recipe(r, &a, "by\0tes", 6), 0);
	ck_assert_int_eq(results_put_recipe(r, &empty, "", 0), 0);
	reopen();
	ck_assert_int_eq(results_get_recipe(r, &a, &b), 0);
	ck_assert_uint_eq(b.len, 6);
	ck_assert_mem_eq(b.data, "by\0tes", 6);
	ck_assert_int_eq(results_get_recipe(r, &none, &b), -ENOENT);
	buf_reset(&b);
	ck_assert_int_eq(results_get_recipe(r, &empty, &b), 0);
	ck_assert_uint_eq(b.len, 0);
	teardown();
}
END_TEST

START_TEST(results_totals_add_up)
{
	struct result a = sample(1), b = failure(2);
	struct result_totals t;

	setup();
	ck_assert_int_eq(results_totals(r, &t), 0);
	ck_assert_uint_eq(t.results, 0);
	ck_assert_uint_eq(t.bytes, 0);
	ck_assert_int_eq(results_put(r, &a), 0);
	ck_assert_int_eq(results_put(r, &b), 0);
	ck_assert_int_eq(results_totals(r, &t), 0);
	ck_assert_uint_eq(t.results, 2);
	ck_assert_uint_eq(t.failures, 1);
	ck_assert_uint_eq(t.bytes, 1001);
	ck_assert_uint_eq(t.uses, 2);
	ck_assert_int_eq(t.wall_ns, 8);
	ck_assert_int_eq(t.saved_ns, 10);
	teardown();
}
END_TEST

START_TEST(results_derived_name_has_its_content_since_it_took_it)
{
	struct result a = sample(1), same = sample(2), other = sample(3);
	struct derived one, two, three, got;

	setup();
	same.addr = a.addr;
	one = put(5, "out", &a);
	ck_assert_int_eq(one.since_ns, f.now);
	ck_assert_int_eq(one.last_ns, f.now);
	ck_assert_uint_eq(one.seq, ns_last_change(f.ns));
	ck_assert(addr_is_zero(&one.before));
	two = put(5, "out", &same);
	ck_assert_int_eq(two.since_ns, one.since_ns);
	ck_assert_int_eq(two.last_ns, f.now);
	ck_assert(addr_eq(&two.before, &a.recipe));
	three = put(5, "out", &other);
	ck_assert_int_eq(three.since_ns, f.now);
	ck_assert(addr_eq(&three.before, &same.recipe));
	reopen();
	got = get(NS_NOW, 5, "out");
	ck_assert_uint_eq(got.seq, three.seq);
	ck_assert_str_eq(got.name, "out");
	ck_assert_uint_eq(got.dir, 5);
	ck_assert(addr_eq(&got.addr, &other.addr));
	ck_assert(addr_eq(&got.recipe, &other.recipe));
	ck_assert(addr_eq(&got.before, &same.recipe));
	ck_assert_uint_eq(got.size, other.size);
	ck_assert(got.executable && got.ran);
	ck_assert_int_eq(got.since_ns, three.since_ns);
	ck_assert_uint_eq(get(three.seq - 1, 5, "out").seq, two.seq);
	ck_assert_uint_eq(get(one.seq, 5, "out").seq, one.seq);
	ck_assert_int_eq(results_derived(r, one.seq - 1, 5, "out", 3, &got),
			 -ENOENT);
	ck_assert_int_eq(results_derived(r, NS_NOW, 6, "out", 3, &got),
			 -ENOENT);
	teardown();
}
END_TEST

START_TEST(results_derived_failure_is_a_content_of_its_own)
{
	struct result a = sample(1), bad = failure(2);
	struct derived d;

	setup();
	put(5, "out", &a);
	d = put(5, "out", &bad);
	ck_assert_int_eq(d.since_ns, f.now);
	ck_assert_int_eq(d.error, EIO);
	d = put(5, "out", &bad);
	ck_assert_int_lt(d.since_ns, f.now);
	d = put(5, "out", &a);
	ck_assert_int_eq(d.since_ns, f.now);
	ck_assert_int_eq(get(NS_NOW, 5, "out").error, 0);
	teardown();
}
END_TEST

static int print_derived(void *ctx, const struct derived *d)
{
	buf_fmt(ctx, "%s:%d ", d->name, d->recipe.b[0]);
	return d->recipe.b[0] == 3 ? 33 : 0;
}

START_TEST(results_derived_history_is_in_order_and_ends_when_told)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct result res;
	uint8_t i;

	setup();
	for (i = 1; i < 3; i++) {
		res = sample(i);
		put(5, "out", &res);
		put(5, "other", &res);
	}
	ck_assert_int_eq(results_derived_history(r, 5, "out", 3, print_derived,
						 &b),
			 0);
	ck_assert_str_eq(buf_cstr(&b), "out:1 out:2 ");
	for (i = 3; i < 5; i++) {
		res = sample(i);
		put(5, "out", &res);
	}
	buf_reset(&b);
	ck_assert_int_eq(results_derived_history(r, 5, "out", 3, print_derived,
						 &b),
			 33);
	ck_assert_str_eq(buf_cstr(&b), "out:1 out:2 out:3 ");
	teardown();
}
END_TEST

START_TEST(results_derived_is_a_change_and_journaled)
{
	struct result a = sample(1);
	struct journal_info info;
	struct ns_change c;
	struct addr head;
	struct derived d;
	struct buf *b;
	uint64_t seq;

	setup();
	d = put(5, "out", &a);
	ck_assert_int_eq(ns_change(f.ns, d.seq, &c), 0);
	ck_assert_int_eq(c.op, NS_OP_RESULT);
	ck_assert_uint_eq(c.uid, by.uid);
	commit(&f);
	ck_assert_int_eq(journal_head(f.journal, &head, &seq), 0);
	ck_assert_uint_eq(seq, d.seq);
	b = map_get(f.objects, &head, sizeof(head));
	ck_assert_int_eq(journal_decode(b->data, b->len, &info, NULL, NULL), 0);
	ck_assert_uint_eq(info.count, 1);
	ck_assert_uint_eq(info.first_seq, d.seq);
	ck_assert_uint_eq(b->len, 79 + 4 + 98 + 126);
	teardown();
}
END_TEST

START_TEST(results_derived_that_fails_leaves_nothing)
{
	struct derived d = {.dir = 5, .name = "out", .recipe = {{9}}};
	struct result a = sample(1);
	struct addr head, same;
	struct totals t, u;
	uint64_t seq;

	setup();
	put(5, "out", &a);
	commit(&f);
	ck_assert_int_eq(journal_head(f.journal, &head, &seq), 0);
	ck_assert_int_eq(ns_totals(f.ns, &t), 0);
	run_sql(&f, "CREATE TEMP TRIGGER boom AFTER INSERT ON derived BEGIN "
		    "SELECT RAISE(ABORT, 'boom'); END");
	ck_assert_int_lt(results_put_derived(r, &by, &d, &a), 0);
	ck_assert_uint_eq(d.seq, 0);
	ck_assert_int_eq(ns_totals(f.ns, &u), 0);
	ck_assert_mem_eq(&t, &u, sizeof(t));
	commit(&f);
	ck_assert_uint_eq(ns_last_change(f.ns), seq);
	ck_assert_int_eq(journal_head(f.journal, &same, &seq), 0);
	ck_assert(addr_eq(&head, &same));
	run_sql(&f, "DROP TRIGGER boom");
	d.name[0] = '\0';
	ck_assert_int_eq(results_put_derived(r, &by, &d, &a), -EINVAL);
	d.name[0] = 'x';
	ck_assert_int_eq(results_put_derived(r, &by, &d, &a), 0);
	commit(&f);
	teardown();
}
END_TEST

/* BLAKE3 of 01 00 ... 00 "html", as b3sum --derive-key prints it. */
START_TEST(results_outputs_of_one_run_have_addresses_of_their_own)
{
	static const char want[] = "9ce3e044f40cb8bcacaa13f165c1eb2b"
				   "42f7a629cefc3f6791b0d14ca881ca56";
	const struct addr run = {{1}};
	CLEANUP_BUF struct buf name = BUF_INIT;
	struct addr output, base;
	char hex[ADDR_HEX];

	setup();
	results_output_addr(&run, "html", &output);
	addr_hex(&output, hex);
	ck_assert_str_eq(hex, want);
	ck_assert_int_eq(results_output(r, &output, &base, &name), -ENOENT);
	ck_assert_int_eq(results_put_output(r, &run, "html"), 0);
	ck_assert_int_eq(results_put_output(r, &run, "html"), 0);
	reopen();
	ck_assert_int_eq(results_output(r, &output, &base, &name), 0);
	ck_assert(addr_eq(&base, &run));
	ck_assert_str_eq(buf_cstr(&name), "html");
	teardown();
}
END_TEST

START_TEST(results_damaged_rows_are_euclean)
{
	struct result a = sample(1), got;
	struct derived d;

	setup();
	ck_assert_int_eq(results_put(r, &a), 0);
	put(5, "out", &a);
	run_sql(&f, "UPDATE result SET address = x'01'");
	run_sql(&f, "UPDATE derived SET recipe = x'01'");
	ck_assert_int_eq(results_get(r, &a.recipe, &got), -EUCLEAN);
	ck_assert_int_eq(results_derived(r, NS_NOW, 5, "out", 3, &d), -EUCLEAN);
	teardown();
}
END_TEST

TESTS("results", results_are_found_by_the_computation,
      results_long_message_is_kept_whole, results_uses_are_counted,
      results_forget_only_failures, results_recipes_are_kept_as_they_are,
      results_totals_add_up,
      results_derived_name_has_its_content_since_it_took_it,
      results_derived_failure_is_a_content_of_its_own,
      results_derived_history_is_in_order_and_ends_when_told,
      results_derived_is_a_change_and_journaled,
      results_derived_that_fails_leaves_nothing,
      results_outputs_of_one_run_have_addresses_of_their_own,
      results_damaged_rows_are_euclean)
