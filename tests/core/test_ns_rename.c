#include "core/ns.h"

#include <stdio.h>
#include <sys/stat.h>

#include "tests/core/fixture.h"

static struct fixture f;
static uint64_t da, db_, fa, fb; /* a/, b/, a/f, b/f */

static void setup(void)
{
	fixture_open(&f);
	da = make_dir(&f, NS_ROOT, "a");
	db_ = make_dir(&f, NS_ROOT, "b");
	fa = make_file(&f, da, "f");
	fb = make_file(&f, db_, "f");
}

static uint64_t at(uint64_t dir, const char *name)
{
	uint64_t ino;

	return try_lookup(&f, NS_NOW, dir, name, &ino) < 0 ? 0 : ino;
}

START_TEST(ns_rename_moves_a_file_and_sets_times)
{
	setup();
	ck_assert_int_eq(try_rename(&f, da, "f", db_, "g", 0), 0);
	ck_assert_uint_eq(at(da, "f"), 0);
	ck_assert_uint_eq(at(db_, "g"), fa);
	ck_assert_int_eq(attr_of(&f, da).mtime_ns, f.now);
	ck_assert_int_eq(attr_of(&f, db_).mtime_ns, f.now);
	ck_assert_int_eq(attr_of(&f, fa).ctime_ns, f.now);
	ck_assert_int_lt(attr_of(&f, fa).mtime_ns, f.now);
	ck_assert_uint_eq(attr_of(&f, fa).nlink, 1);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_rename_replaces_a_file)
{
	struct ns_attr gone;

	setup();
	ck_assert_int_eq(ns_rename(f.ns, &by, da, "f", 1, db_, "f", 1, 0,
				   &gone),
			 0);
	ck_assert_uint_eq(gone.ino, fb);
	ck_assert_uint_eq(gone.nlink, 0);
	ck_assert_int_eq(gone.ctime_ns, f.now);
	ck_assert_uint_eq(at(db_, "f"), fa);
	ck_assert_uint_eq(attr_of(&f, fb).nlink, 0);
	ck_assert_int_eq(ns_reap(f.ns, fb), 0);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_rename_keeps_the_link_counts_of_directories)
{
	uint64_t sub, other;

	setup();
	sub = make_dir(&f, da, "sub");
	ck_assert_uint_eq(attr_of(&f, da).nlink, 3);
	ck_assert_int_eq(try_rename(&f, da, "sub", db_, "sub", 0), 0);
	ck_assert_uint_eq(attr_of(&f, da).nlink, 2);
	ck_assert_uint_eq(attr_of(&f, db_).nlink, 3);
	/* over an empty directory, in another and in the same one */
	other = make_dir(&f, da, "other");
	ck_assert_int_eq(try_rename(&f, db_, "sub", da, "other", 0), 0);
	ck_assert_uint_eq(at(da, "other"), sub);
	ck_assert_uint_eq(attr_of(&f, da).nlink, 3);
	ck_assert_uint_eq(attr_of(&f, db_).nlink, 2);
	make_dir(&f, da, "third");
	ck_assert_int_eq(try_rename(&f, da, "third", da, "other", 0), 0);
	ck_assert_uint_eq(attr_of(&f, da).nlink, 3);
	/* a directory against a file */
	ck_assert_int_eq(try_rename(&f, da, "other", db_, "f", RENAME_EXCHANGE),
			 0);
	ck_assert_uint_eq(attr_of(&f, da).nlink, 2);
	ck_assert_uint_eq(attr_of(&f, db_).nlink, 3);
	ck_assert_uint_eq(at(da, "other"), fb);
	(void)other;
	fixture_done(&f);
}
END_TEST

START_TEST(ns_rename_says_what_is_wrong)
{
	char longest[NS_NAME_MAX + 2];
	uint64_t sub;

	setup();
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	sub = make_dir(&f, da, "sub");
	sub = make_dir(&f, sub, "deep");
	ck_assert_int_eq(try_rename(&f, da, "no", db_, "x", 0), -ENOENT);
	ck_assert_int_eq(try_rename(&f, 999, "f", db_, "x", 0), -ENOENT);
	ck_assert_int_eq(try_rename(&f, da, "f", 999, "x", 0), -ENOENT);
	ck_assert_int_eq(try_rename(&f, fa, "f", db_, "x", 0), -ENOTDIR);
	ck_assert_int_eq(try_rename(&f, da, "f", fb, "x", 0), -ENOTDIR);
	ck_assert_int_eq(try_rename(&f, da, "f", NS_ROOT, "b", 0), -EISDIR);
	ck_assert_int_eq(try_rename(&f, NS_ROOT, "a", db_, "f", 0), -ENOTDIR);
	ck_assert_int_eq(try_rename(&f, NS_ROOT, "b", NS_ROOT, "a", 0),
			 -ENOTEMPTY);
	ck_assert_int_eq(try_rename(&f, NS_ROOT, "a", da, "x", 0), -EINVAL);
	ck_assert_int_eq(try_rename(&f, NS_ROOT, "a", sub, "x", 0), -EINVAL);
	ck_assert_int_eq(try_rename(&f, da, "f", da, "..", 0), -EINVAL);
	ck_assert_int_eq(try_rename(&f, da, "", da, "x", 0), -EINVAL);
	ck_assert_int_eq(try_rename(&f, da, "f", da, longest, 0),
			 -ENAMETOOLONG);
	ck_assert_int_eq(try_rename(&f, da, "f", db_, "f", RENAME_NOREPLACE),
			 -EEXIST);
	ck_assert_int_eq(try_rename(&f, da, "f", db_, "x", RENAME_EXCHANGE),
			 -ENOENT);
	ck_assert_int_eq(try_rename(&f, da, "f", db_, "x", RENAME_WHITEOUT),
			 -EINVAL);
	ck_assert_int_eq(try_rename(&f, da, "f", db_, "x",
				    RENAME_EXCHANGE | RENAME_NOREPLACE),
			 -EINVAL);
	/* an ancestor for one of its own, either way round */
	ck_assert_int_eq(try_rename(&f, NS_ROOT, "a", da, "sub",
				    RENAME_EXCHANGE),
			 -EINVAL);
	ck_assert_int_eq(try_rename(&f, da, "sub", NS_ROOT, "a",
				    RENAME_EXCHANGE),
			 -EINVAL);
	ck_assert_int_eq(try_rename(&f, da, "f", da, "g", RENAME_NOREPLACE), 0);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_rename_between_hard_links_does_nothing)
{
	struct ns_attr a;
	uint64_t seq;

	setup();
	ck_assert_int_eq(ns_link(f.ns, &by, fa, db_, "h", 1, &a), 0);
	seq = ns_last_change(f.ns);
	a.ino = 77;
	ck_assert_int_eq(ns_rename(f.ns, &by, da, "f", 1, db_, "h", 1, 0, &a),
			 0);
	ck_assert_uint_eq(a.ino, 0);
	ck_assert_int_eq(try_rename(&f, da, "f", da, "f", 0), 0);
	ck_assert_int_eq(try_rename(&f, NS_ROOT, "a", NS_ROOT, "a", 0), 0);
	ck_assert_uint_eq(at(da, "f"), fa);
	ck_assert_uint_eq(at(db_, "h"), fa);
	ck_assert_uint_eq(ns_last_change(f.ns), seq);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_rename_exchanges)
{
	struct ns_attr gone;

	setup();
	ck_assert_int_eq(ns_rename(f.ns, &by, da, "f", 1, db_, "f", 1,
				   RENAME_EXCHANGE, &gone),
			 0);
	ck_assert_uint_eq(gone.ino, 0);
	ck_assert_uint_eq(at(da, "f"), fb);
	ck_assert_uint_eq(at(db_, "f"), fa);
	ck_assert_int_eq(attr_of(&f, fa).ctime_ns, f.now);
	ck_assert_int_eq(attr_of(&f, fb).ctime_ns, f.now);
	ck_assert_int_eq(try_rename(&f, NS_ROOT, "a", NS_ROOT, "b",
				    RENAME_EXCHANGE),
			 0);
	ck_assert_uint_eq(at(NS_ROOT, "a"), db_);
	ck_assert_uint_eq(attr_of(&f, NS_ROOT).nlink, 4);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_rename_is_in_the_past_of_both_directories)
{
	int64_t then;
	uint64_t before, after, ino;
	struct ns_attr a;
	struct buf path = BUF_INIT;

	setup();
	before = ns_last_change(f.ns);
	ck_assert_int_eq(try_rename(&f, da, "f", db_, "g", 0), 0);
	after = ns_last_change(f.ns);
	then = f.now;
	remove_name(&f, db_, "g");
	ck_assert_int_eq(try_lookup(&f, before, da, "f", &ino), 0);
	ck_assert_uint_eq(ino, fa);
	ck_assert_int_eq(try_lookup(&f, before, db_, "g", &ino), -ENOENT);
	ck_assert_int_eq(try_lookup(&f, after, da, "f", &ino), -ENOENT);
	ck_assert_int_eq(try_lookup(&f, after, db_, "g", &ino), 0);
	ck_assert_int_eq(ns_getattr(f.ns, after, da, &a), 0);
	ck_assert_int_eq(a.mtime_ns, then);
	ck_assert_int_eq(ns_getattr(f.ns, after, db_, &a), 0);
	ck_assert_int_eq(a.mtime_ns, then);
	ck_assert_int_eq(ns_getattr(f.ns, before, db_, &a), 0);
	ck_assert_int_lt(a.mtime_ns, then);
	ck_assert_int_eq(ns_path(f.ns, before, fa, &path), 0);
	ck_assert_str_eq(buf_cstr(&path), "/a/f");
	buf_reset(&path);
	ck_assert_int_eq(ns_path(f.ns, after, fa, &path), 0);
	ck_assert_str_eq(buf_cstr(&path), "/b/g");
	ck_assert_int_eq(ns_path(f.ns, after + 1, fa, &path), -ENOENT);
	buf_done(&path);
	fixture_done(&f);
}
END_TEST

TESTS("ns_rename", ns_rename_moves_a_file_and_sets_times,
      ns_rename_replaces_a_file, ns_rename_keeps_the_link_counts_of_directories,
      ns_rename_says_what_is_wrong, ns_rename_between_hard_links_does_nothing,
      ns_rename_exchanges, ns_rename_is_in_the_past_of_both_directories)
