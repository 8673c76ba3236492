#include "core/ns_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tests/core/fixture.h"

static struct fixture f;

static uint64_t naive_fork_node(uint64_t born, uint64_t died)
{
	uint64_t i, best = born;

	for (i = born; i < died; i++)
		if (__builtin_ctzll(i) > __builtin_ctzll(best))
			best = i;
	return best;
}

START_TEST(ns_fork_node_is_the_topmost_within_the_interval)
{
	uint64_t born, died;

	for (born = 1; born < 200; born++)
		for (died = born + 1; died < 260; died++)
			ck_assert_uint_eq(ns_fork_node(born, died),
					  naive_fork_node(born, died));
	ck_assert_uint_eq(ns_fork_node(1, INT64_MAX), UINT64_C(1) << 62);
	ck_assert_uint_eq(ns_fork_node(INT64_MAX - 1, INT64_MAX),
			  INT64_MAX - 1);
}
END_TEST

/* What the attribute user.a was, and the names, comma after each. */
static const char *xattrs_at(uint64_t at, uint64_t ino)
{
	CLEANUP_BUF struct buf names = BUF_INIT;
	CLEANUP_BUF struct buf value = BUF_INIT;
	static char said[200];
	size_t i;
	int rc;

	ck_assert_int_eq(ns_xattr_list_at(f.ns, at, ino, &names), 0);
	for (i = 0; i < names.len; i++)
		if (!names.data[i])
			names.data[i] = ',';
	rc = ns_xattr_get_at(f.ns, at, ino, "user.a", &value);
	ck_assert(rc == 0 || rc == -ENODATA);
	snprintf(said, sizeof(said), "%s%s", buf_cstr(&names),
		 rc ? "none" : buf_cstr(&value));
	return said;
}

static uint64_t set_xattr(uint64_t ino, const char *name, const char *value)
{
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, name, value,
				      value ? strlen(value) : 0, 0),
			 0);
	return ns_last_change(f.ns);
}

START_TEST(ns_past_has_the_extended_attributes_of_then)
{
	uint64_t ino, none, one, two, both, gone;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "a");
	none = ns_last_change(f.ns);
	one = set_xattr(ino, "user.a", "1");
	two = set_xattr(ino, "user.a", "2");
	both = set_xattr(ino, "user.b", "");
	gone = set_xattr(ino, "user.a", NULL);
	ck_assert_str_eq(xattrs_at(none, ino), "none");
	ck_assert_str_eq(xattrs_at(one, ino), "user.a,1");
	ck_assert_str_eq(xattrs_at(two, ino), "user.a,2");
	ck_assert_str_eq(xattrs_at(both, ino), "user.a,user.b,2");
	ck_assert_str_eq(xattrs_at(gone, ino), "user.b,none");
	ck_assert_str_eq(xattrs_at(NS_NOW, ino), "user.b,none");
	remove_name(&f, NS_ROOT, "a");
	ck_assert_str_eq(xattrs_at(both, ino), "user.a,user.b,2");
	ck_assert_str_eq(xattrs_at(ns_last_change(f.ns), ino), "none");
	fixture_done(&f);
}
END_TEST

static int count_entry(void *ctx, const struct ns_entry *e)
{
	(*(int *)ctx)++;
	return 0;
}

START_TEST(ns_past_listing_holds_what_lived_then_among_many_dead)
{
	uint64_t moments[200], dir;
	char name[16];
	int i, n;

	fixture_open(&f);
	dir = make_dir(&f, NS_ROOT, "d");
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "%03d", i);
		make_file(&f, dir, name);
		if (i >= 5) {
			snprintf(name, sizeof(name), "%03d", i - 5);
			remove_name(&f, dir, name);
		}
		moments[i] = ns_last_change(f.ns);
	}
	for (i = 0; i < 200; i++) {
		n = 0;
		ck_assert_int_eq(ns_list(f.ns, moments[i], dir, NULL, 0,
					 count_entry, &n),
				 0);
		ck_assert_int_eq(n, MIN(i + 1, 5));
		snprintf(name, sizeof(name), "%03d", MAX(i - 4, 0));
		n = 0;
		ck_assert_int_eq(ns_list(f.ns, moments[i], dir, name, 3,
					 count_entry, &n),
				 0);
		ck_assert_int_eq(n, MIN(i, 4));
	}
	ck_assert_int_eq(ns_list(f.ns, 1, dir, NULL, 0, count_entry, &n),
			 -ENOENT);
	n = 0;
	ck_assert_int_eq(ns_list(f.ns, 0, NS_ROOT, NULL, 0, count_entry, &n),
			 -ENOENT);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_past_attributes_are_those_of_then)
{
	struct ns_attr a;
	struct addr addr;
	uint64_t ino, one, two;
	int64_t then;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "a");
	set_content(&f, ino, "one");
	one = ns_last_change(f.ns);
	then = f.now;
	set_content(&f, ino, "second");
	two = ns_last_change(f.ns);
	a.mode = 0600;
	ck_assert_int_eq(ns_setattr(f.ns, &by, ino, NS_SET_MODE, &a, &a), 0);
	remove_name(&f, NS_ROOT, "a");
	ck_assert_int_eq(ns_getattr(f.ns, one, ino, &a), 0);
	addr_of(OBJ_CHUNK, "one", 3, &addr);
	ck_assert(addr_eq(&a.addr, &addr));
	ck_assert_uint_eq(a.size, 3);
	ck_assert_uint_eq(a.version, one);
	ck_assert_uint_eq(a.nlink, 1);
	ck_assert_int_eq(a.mtime_ns, then);
	ck_assert_int_eq(a.atime_ns, then);
	ck_assert_int_eq(a.ctime_ns, then);
	ck_assert_int_eq(ns_getattr(f.ns, two + 1, ino, &a), 0);
	ck_assert_uint_eq(a.mode, S_IFREG | 0600);
	ck_assert_uint_eq(a.version, two);
	ck_assert_int_eq(ns_getattr(f.ns, two + 2, ino, &a), -ENOENT);
	ck_assert_int_eq(ns_getattr(f.ns, 1, ino, &a), -ENOENT);
	fixture_done(&f);
}
END_TEST

static int64_t stopped_clock(void *ctx)
{
	return *(int64_t *)ctx;
}

START_TEST(ns_time_never_falls_when_the_clock_jumps_back)
{
	int64_t clock, before;
	struct ns_change c;
	uint64_t seq;

	fixture_open(&f);
	make_file(&f, NS_ROOT, "a");
	before = f.now;
	clock = 1000;
	ns_set_clock(f.ns, stopped_clock, &clock);
	make_file(&f, NS_ROOT, "b");
	commit(&f);
	fixture_reopen(&f);
	ns_set_clock(f.ns, stopped_clock, &clock);
	make_file(&f, NS_ROOT, "c");
	ck_assert_int_eq(ns_change(f.ns, ns_last_change(f.ns), &c), 0);
	ck_assert_int_eq(c.time_ns, before);
	clock = before + 100;
	make_file(&f, NS_ROOT, "d");
	ck_assert_int_eq(ns_change_at(f.ns, before, &seq), 0);
	ck_assert_uint_eq(seq, c.seq);
	ck_assert_int_eq(ns_change_at(f.ns, before + 99, &seq), 0);
	ck_assert_uint_eq(seq, c.seq);
	ck_assert_int_eq(ns_change_at(f.ns, before + 100, &seq), 0);
	ck_assert_uint_eq(seq, c.seq + 1);
	ck_assert_int_eq(ns_change_at(f.ns, INT64_MAX, &seq), 0);
	ck_assert_uint_eq(seq, c.seq + 1);
	ck_assert_int_eq(ns_change_at(f.ns, 0, &seq), 0);
	ck_assert_uint_eq(seq, 0);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_change_at_finds_each_change_by_its_time_over_gaps)
{
	int64_t times[60];
	uint64_t seqs[60], seq;
	char name[8];
	int i;

	fixture_open(&f);
	for (i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "%d", i);
		make_file(&f, NS_ROOT, name);
		seqs[i] = ns_last_change(f.ns);
		times[i] = f.now;
		f.now += 10;
		if (i % 7 == 0)
			ck_assert_int_eq(ns_raise(f.ns, seqs[i] + 13 * i), 0);
	}
	for (i = 0; i < 60; i++) {
		ck_assert_int_eq(ns_change_at(f.ns, times[i], &seq), 0);
		ck_assert_uint_eq(seq, seqs[i]);
		ck_assert_int_eq(ns_change_at(f.ns, times[i] + 10, &seq), 0);
		ck_assert_uint_eq(seq, seqs[i]);
	}
	fixture_done(&f);
}
END_TEST

static int print_version(void *ctx, const struct ns_version *v)
{
	buf_fmt(ctx, "%ju:%s:%ju ", (uintmax_t)v->attr.ino,
		ns_op_name(v->change.op), (uintmax_t)v->attr.size);
	return 0;
}

static int print_interval(void *ctx, const struct ns_interval *i)
{
	buf_fmt(ctx, "%ju[%ju,%ju) ", (uintmax_t)i->ino, (uintmax_t)i->born,
		(uintmax_t)i->died);
	return 0;
}

START_TEST(ns_history_tells_versions_and_intervals_in_order)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint64_t ino;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "a");
	set_content(&f, ino, "1");
	set_content(&f, ino, "22");
	remove_name(&f, NS_ROOT, "a");
	make_file(&f, NS_ROOT, "a");
	ck_assert_int_eq(ns_versions(f.ns, ino, print_version, &b), 0);
	ck_assert_str_eq(buf_cstr(&b), "2:create:0 2:write:1 2:write:2 ");
	buf_reset(&b);
	ck_assert_int_eq(ns_versions_between(f.ns, 3, 6, print_version, &b), 0);
	ck_assert_str_eq(buf_cstr(&b), "2:write:2 3:create:0 ");
	buf_reset(&b);
	ck_assert_int_eq(ns_name_history(f.ns, NS_ROOT, "a", 1, print_interval,
					 &b),
			 0);
	ck_assert_str_eq(buf_cstr(&b), "2[2,5) 3[6,0) ");
	fixture_done(&f);
}
END_TEST

START_TEST(ns_change_keeps_who_and_why_and_cuts_at_a_character)
{
	char program[80], message[300];
	struct ns_by who = {1, 2, program, message};
	struct ns_change c;
	struct ns_attr a;

	fixture_open(&f);
	memset(program, 'p', sizeof(program));
	program[sizeof(program) - 1] = '\0';
	memset(message, 'm', sizeof(message));
	message[sizeof(message) - 1] = '\0';
	memcpy(message + 253, "\xe2\x82\xac", 3); /* the euro sign */
	ck_assert_int_eq(ns_create(f.ns, &who, NS_ROOT, "a", 1, S_IFREG, 0, 0,
				   0, NULL, &a),
			 0);
	ck_assert_int_eq(ns_change(f.ns, a.version, &c), 0);
	ck_assert_int_eq(c.op, NS_OP_CREATE);
	ck_assert_uint_eq(c.uid, 1);
	ck_assert_uint_eq(c.pid, 2);
	ck_assert_uint_eq(strlen(c.program), 63);
	ck_assert_uint_eq(strlen(c.message), 253);
	make_file(&f, NS_ROOT, "b");
	ck_assert_int_eq(ns_change(f.ns, a.version + 1, &c), 0);
	ck_assert_str_eq(c.program, "test");
	ck_assert_str_eq(c.message, "");
	ck_assert_int_eq(ns_change(f.ns, 999, &c), -ENOENT);
	fixture_done(&f);
}
END_TEST

TESTS("ns_past", ns_past_has_the_extended_attributes_of_then,
      ns_fork_node_is_the_topmost_within_the_interval,
      ns_past_listing_holds_what_lived_then_among_many_dead,
      ns_past_attributes_are_those_of_then,
      ns_time_never_falls_when_the_clock_jumps_back,
      ns_change_at_finds_each_change_by_its_time_over_gaps,
      ns_history_tells_versions_and_intervals_in_order,
      ns_change_keeps_who_and_why_and_cuts_at_a_character)
