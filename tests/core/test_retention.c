/* Why: what is let go of is gone for good, so each setting is held to the last
 * version and nanosecond on both sides of its boundary. */
#include "core/retention.h"

#include <errno.h>

#include "core/keepsakes.h"
#include "tests/core/fixture.h"

static struct fixture f;

struct list {
	struct version_id v[64];
	size_t n;
};

static int add(void *ctx, uint64_t ino, uint64_t born)
{
	struct list *l = ctx;

	ck_assert_uint_lt(l->n, ARRAY_LEN(l->v));
	l->v[l->n++] = (struct version_id){ino, born};
	return 0;
}

/* What would go, by a setting as a person writes it, at that time. */
static struct list expired_at(const char *setting, int64_t now)
{
	struct list l = {.n = 0};
	struct retention r;
	struct err err;

	commit(&f);
	ck_assert_msg(!retention_parse(setting, &r, &err), "%s", err.msg);
	ck_assert_int_eq(retention_each(f.db, &r, now, add, &l), 0);
	return l;
}

static struct list expired(const char *setting)
{
	return expired_at(setting, f.now);
}

static bool has(const struct list *l, uint64_t ino, uint64_t born)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (l->v[i].ino == ino && l->v[i].born == born)
			return true;
	return false;
}

static uint64_t last(void)
{
	return ns_last_change(f.ns);
}

/* Its content from now on; the change. */
static uint64_t put(uint64_t ino, const char *text)
{
	set_content(&f, ino, text);
	return last();
}

/* --- the words -------------------------------------------------------------
 */

START_TEST(retention_is_read_back_as_written)
{
	static const char *const good[][2] = {
		{"all", "all"},
		{"last 1", "last 1"},
		{"last_12", "last 12"},
		{"last:2147483647", "last 2147483647"},
		{"for 90d", "for 90d"},
		{"for 12h", "for 12h"},
		{"for 36h", "for 36h"},
		{"for 48h", "for 2d"},
		{"for_1500ms", "for 1500ms"},
		{"*.o: last 1", "*.o: last 1"},
		{" *.o:last_1 ;build/**:  for 48h;",
		 "*.o: last 1; build/**: for 2d"},
		{"*.o: last 1; build/**: for 48h; *: all",
		 "*.o: last 1; build/**: for 2d; *: all"},
		{"*.o: last 1\nbuild/: for 7d\n\nlast 3\n",
		 "*.o: last 1; build/: for 7d; last 3"},
		{"last: last 1", "last: last 1"},
		{"all: all; for 1d: last 2", "all: all; for 1d: last 2"},
		{"a\\: b\\; c\\ : last 4", "a\\: b\\; c\\ : last 4"},
		{"[a:]x: last 1;", "[a:]x: last 1"},
	};
	static const char *const bad[] = {
		"",
		"All",
		"last",
		"last 0",
		"last -1",
		"last 1x",
		"last 2147483648",
		"last 1.5",
		"for",
		"for 0s",
		"for -1d",
		"for ever",
		"for 90",
		"90d",
		"last5",
		"all 3",
		"last 99999999999999999999",
	};
	struct retention r;
	struct err err;
	size_t i;

	for (i = 0; i < ARRAY_LEN(good); i++) {
		CLEANUP_BUF struct buf b = BUF_INIT;

		ck_assert_msg(!retention_parse(good[i][0], &r, &err), "%s",
			      err.msg);
		retention_format(&r, &b);
		ck_assert_str_eq(buf_cstr(&b), good[i][1]);
	}
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(retention_parse(bad[i], &r, &err) == -EINVAL,
			      "`%s` is taken", bad[i]);
		ck_assert_ptr_nonnull(strstr(err.msg, "last N"));
	}
}
END_TEST

START_TEST(retention_what_is_wrong_in_rules_is_said_with_its_place)
{
	static const char *const wrong[][2] = {
		{"*.o: last 0", "column 6: this is no rule"},
		{"*.o: last 1; *.a", "column 14: this is no rule"},
		{"*.o: last 1; : all", "column 14: a pattern is missing"},
		{"x[: all", "column 2: `[` without"},
		{"*.o: last 1;; all", "column 13: a rule is missing"},
		{"*.o: last 1\n*.a: sometimes", "line 2, column 6: this"},
		{"a: all\n\nb\\: all", "line 3, column 1: this is no rule"},
	};
	char many[RETENTION_TEXT + 1];
	struct retention r;
	struct err err;
	size_t i;

	for (i = 0; i < ARRAY_LEN(wrong); i++) {
		ck_assert_int_eq(retention_parse(wrong[i][0], &r, &err),
				 -EINVAL);
		ck_assert_msg(strstr(err.msg, wrong[i][1]) != NULL, "%s",
			      err.msg);
	}
	memset(many, 'x', sizeof(many));
	memcpy(many + sizeof(many) - 6, ": all", 6);
	ck_assert_int_eq(retention_parse(many, &r, &err), -EINVAL);
	for (i = 0; i < RETENTION_RULES; i++)
		memcpy(many + 8 * i, "a: all; ", 8);
	many[8 * i - 2] = '\0';
	ck_assert_int_eq(retention_parse(many, &r, &err), 0);
	memcpy(many + 8 * i - 2, "; all", 6);
	ck_assert_int_eq(retention_parse(many, &r, &err), -EINVAL);
}
END_TEST

/* Which of the rules a path is under, by patterns alone. */
START_TEST(retention_patterns_match_as_they_are_told_to)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} list[] = {
		{"*.o", "a.o", true},
		{"*.o", "x/y/a.o", true},
		{"*.o", "a.o/b", false},
		{"*.o", "a.oo", false},
		{"*", "x/y", true},
		{"?", "x/y", true},
		{"[xy]", "a/y", true},
		{"/*.o", "a.o", true},
		{"/*.o", "x/a.o", false},
		{"x/*.o", "x/a.o", true},
		{"x/*.o", "y/x/a.o", false},
		{"x/*.o", "x/y/a.o", false},
		{"**/x/*.o", "y/x/a.o", true},
		{"**/x/*.o", "x/a.o", true},
		{"x/**", "x/a", true},
		{"x/**", "x/a/b/c", true},
		{"x/**", "x", false},
		{"x/**", "y/x/a", false},
		{"x/**/c", "x/c", true},
		{"x/**/c", "x/a/b/c", true},
		{"x/**/c", "x/a/b/cc", false},
		{"x/**/b/**/d", "x/b/b/c/d", true},
		{"**", "a/b", true},
		{"x/", "x/a", true},
		{"x/", "y/x/a/b", true},
		{"x/", "x", false},
		{"/x/", "x/a/b", true},
		{"/x/", "y/x/a", false},
		{"y/x/", "y/x/a", true},
		{"y/x/", "y/x", false},
		{"a\\*", "a*", true},
		{"a\\*", "ab", false},
		{"a\\:b", "a:b", true},
		{".*", ".x", true},
		{"*", ".x", true},
	};
	struct retention r;
	struct err err;
	char text[64];
	size_t i;

	for (i = 0; i < ARRAY_LEN(list); i++) {
		snprintf(text, sizeof(text), "%s: last 1", list[i].pattern);
		ck_assert_msg(!retention_parse(text, &r, &err), "%s", err.msg);
		ck_assert_msg((retention_rule(&r, list[i].path) == 0) ==
				      list[i].matches,
			      "%s, %s", list[i].pattern, list[i].path);
	}
}
END_TEST

/* Five contents each, and the rules decide. */
START_TEST(retention_the_first_rule_that_matches_holds)
{
	uint64_t build, obj, src, deep, v[3][5];
	struct list l;
	char text[32];
	unsigned i;

	fixture_open(&f);
	build = make_dir(&f, NS_ROOT, "build");
	obj = make_file(&f, NS_ROOT, "a.o");
	src = make_file(&f, NS_ROOT, "a.c");
	deep = make_file(&f, build, "keep.o");
	for (i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "content %u", i);
		v[0][i] = put(obj, text);
		v[1][i] = put(src, text);
		v[2][i] = put(deep, text);
	}
	l = expired("build/keep.o: all; *.o: last 1");
	ck_assert_uint_eq(l.n, 5); /* and the empty one it was at first */
	for (i = 0; i < 4; i++)
		ck_assert(has(&l, obj, v[0][i]));
	l = expired("*.o: last 1; build/keep.o: all");
	ck_assert_uint_eq(l.n, 10);
	ck_assert(has(&l, deep, v[2][3]) && !has(&l, deep, v[2][4]));
	l = expired("*.o: all; last 2");
	ck_assert_uint_eq(l.n, 4);
	ck_assert(has(&l, src, v[1][2]) && !has(&l, src, v[1][3]));
	ck_assert_uint_eq(expired("*.o: all; *.c: all").n, 0);
	fixture_done(&f);
}
END_TEST

/* Of two names each rule is asked; what was removed is under its last name,
 * where it lay then. */
START_TEST(retention_a_file_is_under_the_rules_of_its_names)
{
	struct ns_attr a;
	uint64_t dir, ino;

	fixture_open(&f);
	dir = make_dir(&f, NS_ROOT, "tmp");
	ino = make_file(&f, dir, "x.o");
	put(ino, "one");
	put(ino, "two");
	ck_assert_uint_eq(expired("tmp/**: last 1").n, 2);
	ck_assert_int_eq(ns_link(f.ns, &by, ino, NS_ROOT, "kept", 4, &a), 0);
	ck_assert_uint_eq(expired("tmp/**: last 1").n, 0);
	ck_assert_uint_eq(expired("tmp/**: last 1; kept: last 2").n, 1);
	remove_name(&f, NS_ROOT, "kept");
	remove_name(&f, dir, "x.o");
	ck_assert_uint_eq(expired("tmp/*.o: last 1").n, 3);
	ck_assert_int_eq(try_rename(&f, NS_ROOT, "tmp", NS_ROOT, "t2", 0), 0);
	ck_assert_uint_eq(expired("tmp/*.o: last 1").n, 3);
	ck_assert_uint_eq(expired("t2/*.o: last 1").n, 0);
	fixture_done(&f);
}
END_TEST

/* --- last N ----------------------------------------------------------------
 */

START_TEST(retention_last_keeps_the_newest_n_to_the_one)
{
	char setting[32];
	uint64_t ino, born[6];
	struct list l;
	unsigned n, i;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "f");
	born[0] = last(); /* the empty file that it was at first */
	for (i = 1; i < 6; i++) {
		snprintf(setting, sizeof(setting), "content %u", i);
		born[i] = put(ino, setting);
	}
	ck_assert_uint_eq(expired("all").n, 0);
	for (n = 1; n < 9; n++) {
		snprintf(setting, sizeof(setting), "last %u", n);
		l = expired(setting);
		ck_assert_uint_eq(l.n, n < 6 ? 6 - n : 0);
		for (i = 0; i < 6; i++)
			ck_assert(has(&l, ino, born[i]) == (i + n < 6));
	}
	fixture_done(&f);
}
END_TEST

START_TEST(retention_versions_of_one_content_are_one)
{
	uint64_t ino, first, mode;
	struct ns_attr a = {.mode = 0600}, got;
	struct list l;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "f");
	first = put(ino, "one");
	ck_assert_int_eq(ns_setattr(f.ns, &by, ino, NS_SET_MODE, &a, &got), 0);
	mode = last();
	put(ino, "two");
	l = expired("last 2");
	ck_assert_uint_eq(l.n, 1); /* the empty one */
	l = expired("last 1");
	ck_assert_uint_eq(l.n, 3);
	ck_assert(has(&l, ino, first) && has(&l, ino, mode));
	fixture_done(&f);
}
END_TEST

START_TEST(retention_that_a_name_is_gone_counts_as_a_state)
{
	uint64_t ino, born;
	struct list l;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "f");
	born = put(ino, "one");
	remove_name(&f, NS_ROOT, "f");
	l = expired("last 2");
	ck_assert(!has(&l, ino, born));
	l = expired("last 1");
	ck_assert(has(&l, ino, born));
	/* absent, and then another one: empty, two */
	put(make_file(&f, NS_ROOT, "f"), "two");
	l = expired("last 3");
	ck_assert(has(&l, ino, born));
	l = expired("last 4");
	ck_assert(!has(&l, ino, born));
	fixture_done(&f);
}
END_TEST

START_TEST(retention_a_save_by_rename_is_a_state_and_so_is_what_it_becomes)
{
	uint64_t old, new, born, took;
	struct list l;

	fixture_open(&f);
	old = make_file(&f, NS_ROOT, "f");
	born = put(old, "one");
	new = make_file(&f, NS_ROOT, "f.tmp");
	took = put(new, "two");
	ck_assert_int_eq(try_rename(&f, NS_ROOT, "f.tmp", NS_ROOT, "f", 0), 0);
	l = expired("last 1");
	ck_assert(has(&l, old, born) && !has(&l, new, took));
	l = expired("last 2");
	ck_assert(!has(&l, old, born));
	put(new, "three"); /* f had: one, two, three */
	l = expired("last 2");
	ck_assert(has(&l, old, born) && !has(&l, new, took));
	l = expired("last 3");
	ck_assert(!has(&l, old, born));
	fixture_done(&f);
}
END_TEST

/* --- for TIME --------------------------------------------------------------
 */

#define DAY (INT64_C(86400) * 1000000000)

START_TEST(retention_for_keeps_what_was_there_a_moment_since)
{
	uint64_t ino, one, two;
	int64_t ended;
	struct ns_change c;
	struct list l;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "f");
	one = put(ino, "one");
	f.now += 100 * DAY;
	two = put(ino, "two");
	ck_assert_int_eq(ns_change(f.ns, two, &c), 0);
	ended = c.time_ns; /* of the first */
	l = expired_at("for 90d", ended + 90 * DAY);
	ck_assert(!has(&l, ino, one));
	l = expired_at("for 90d", ended + 90 * DAY + 1);
	ck_assert(has(&l, ino, one) && !has(&l, ino, two));
	/* what it holds now stays, however old */
	l = expired_at("for 90d", ended + 10000 * DAY);
	ck_assert(!has(&l, ino, two));
	remove_name(&f, NS_ROOT, "f");
	ck_assert_int_eq(ns_change(f.ns, last(), &c), 0);
	l = expired_at("for 90d", c.time_ns + 90 * DAY);
	ck_assert(!has(&l, ino, two));
	l = expired_at("for 90d", c.time_ns + 90 * DAY + 1);
	ck_assert(has(&l, ino, two));
	fixture_done(&f);
}
END_TEST

/* --- what is kept by name --------------------------------------------------
 */

START_TEST(retention_snapshots_keep_what_they_show_and_nothing_else)
{
	uint64_t ino, one, two, three;
	struct list l;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "f");
	one = put(ino, "one");
	two = put(ino, "two");
	three = put(ino, "three");
	put(ino, "four");
	ck_assert_int_eq(snapshot_add(f.ns, &by, "s", two, 1), 0);
	l = expired("last 1");
	ck_assert(has(&l, ino, one) && !has(&l, ino, two) &&
		  has(&l, ino, three));
	ck_assert_int_eq(snapshot_add(f.ns, &by, "t", three - 1, 1), 0);
	l = expired("last 1");
	ck_assert(has(&l, ino, three));
	ck_assert_int_eq(snapshot_add(f.ns, &by, "u", three, 1), 0);
	l = expired("last 1");
	ck_assert(!has(&l, ino, three));
	fixture_done(&f);
}
END_TEST

START_TEST(retention_pins_keep_a_file_by_any_of_its_names)
{
	uint64_t dir, other, ino, one;
	struct ns_attr a;
	struct pin p = {.path = "d", .name = "d", .dir = NS_ROOT};
	struct list l;

	fixture_open(&f);
	other = make_dir(&f, NS_ROOT, "a");
	dir = make_dir(&f, NS_ROOT, "d");
	ino = make_file(&f, other, "f");
	one = put(ino, "one");
	ck_assert_int_eq(ns_link(f.ns, &by, ino, make_dir(&f, dir, "e"), "g", 1,
				 &a),
			 0);
	p.ino = dir;
	p.seq = last();
	put(ino, "two");
	l = expired("last 1");
	ck_assert(has(&l, ino, one));
	ck_assert_int_eq(pin_add(f.ns, &by, &p), 0);
	l = expired("last 1");
	ck_assert(!has(&l, ino, one));
	ck_assert_int_eq(pin_remove(f.ns, &by, "d"), 0);
	ck_assert_int_eq(pin_remove(f.ns, &by, "d"), -ENOENT);
	p.seq = one - 1; /* before it had that content */
	ck_assert_int_eq(pin_add(f.ns, &by, &p), 0);
	l = expired("last 1");
	ck_assert(has(&l, ino, one));
	fixture_done(&f);
}
END_TEST

/* --- letting go ------------------------------------------------------------
 */

static bool is_gone(uint64_t at, uint64_t ino)
{
	struct ns_attr a;

	ck_assert_int_eq(ns_getattr(f.ns, at, ino, &a), 0);
	return a.gone;
}

START_TEST(retention_letting_go_is_a_change_that_can_be_rolled_back)
{
	uint64_t ino, one, two, before, changes;
	struct ns_change c;
	struct totals t;
	struct list l;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "f");
	one = put(ino, "one");
	two = put(ino, "two");
	before = last();
	l = expired("last 1");
	ck_assert_int_eq(retention_let_go(f.ns, &by, l.v, l.n), 0);
	ck_assert_uint_gt(last(), before);
	ck_assert_int_eq(ns_change(f.ns, last(), &c), 0);
	ck_assert_int_eq(c.op, NS_OP_FORGET);
	ck_assert(is_gone(one, ino) && !is_gone(two, ino));
	ck_assert_uint_eq(expired("last 1").n, 0);
	/* once more is no change */
	ck_assert_int_eq(ns_totals(f.ns, &t), 0);
	changes = t.changes;
	ck_assert_int_eq(retention_let_go(f.ns, &by, l.v, l.n), 0);
	ck_assert_int_eq(ns_totals(f.ns, &t), 0);
	ck_assert_uint_eq(t.changes, changes);
	commit(&f);
	ck_assert_int_eq(ns_rollback(f.ns, before), 0);
	commit(&f);
	ck_assert(!is_gone(one, ino) && !is_gone(two, ino));
	ck_assert_uint_eq(expired("last 1").n, l.n);
	fixture_done(&f);
}
END_TEST

TESTS("retention", retention_is_read_back_as_written,
      retention_what_is_wrong_in_rules_is_said_with_its_place,
      retention_patterns_match_as_they_are_told_to,
      retention_the_first_rule_that_matches_holds,
      retention_a_file_is_under_the_rules_of_its_names,
      retention_last_keeps_the_newest_n_to_the_one,
      retention_versions_of_one_content_are_one,
      retention_that_a_name_is_gone_counts_as_a_state,
      retention_a_save_by_rename_is_a_state_and_so_is_what_it_becomes,
      retention_for_keeps_what_was_there_a_moment_since,
      retention_snapshots_keep_what_they_show_and_nothing_else,
      retention_pins_keep_a_file_by_any_of_its_names,
      retention_letting_go_is_a_change_that_can_be_rolled_back)
