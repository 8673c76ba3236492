#include "core/ns.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/check.h"
#include "tests/core/fixture.h"

static struct fixture f;

static int create(uint64_t dir, const char *name, size_t len, uint32_t mode,
		  const char *target)
{
	struct ns_attr a;

	return ns_create(f.ns, &by, dir, name, len, mode, 7, 8, 5, target, &a);
}

static int unlink_rc(uint64_t dir, const char *name, bool is_dir)
{
	struct ns_attr gone;

	return ns_unlink(f.ns, &by, dir, name, strlen(name), is_dir, &gone);
}

START_TEST(ns_open_makes_the_root_once)
{
	struct ns_attr root;

	fixture_open(&f);
	root = attr_of(&f, NS_ROOT);
	ck_assert_uint_eq(root.mode, S_IFDIR | 0755);
	ck_assert_uint_eq(root.nlink, 2);
	ck_assert_uint_eq(root.uid, 7);
	ck_assert_uint_eq(root.gid, 8);
	ck_assert_uint_eq(root.size, 4096);
	ck_assert_uint_eq(ns_last_change(f.ns), 1);
	fixture_reopen(&f);
	ck_assert_uint_eq(ns_last_change(f.ns), 1);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_create_fills_the_attributes_of_every_kind)
{
	static const uint32_t kinds[] = {S_IFREG, S_IFDIR,  S_IFLNK, S_IFCHR,
					 S_IFBLK, S_IFSOCK, S_IFIFO};
	struct ns_attr a, b;
	struct addr empty, zero = {{0}};
	char name[8];
	size_t i;

	fixture_open(&f);
	addr_of(OBJ_CHUNK, "", 0, &empty);
	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		snprintf(name, sizeof(name), "n%zu", i);
		ck_assert_int_eq(ns_create(f.ns, &by, NS_ROOT, name, 2,
					   kinds[i] | 04751, 1, 2, 0x105,
					   S_ISLNK(kinds[i]) ? "some/where"
							     : NULL,
					   &a),
				 0);
		b = attr_of(&f, a.ino);
		ck_assert_uint_eq(a.ino, NS_ROOT + 1 + i);
		ck_assert_uint_eq(b.mode, kinds[i] | 04751);
		ck_assert_uint_eq(b.nlink, S_ISDIR(b.mode) ? 2 : 1);
		ck_assert_uint_eq(b.uid, 1);
		ck_assert_uint_eq(b.gid, 2);
		ck_assert_uint_eq(b.rdev, S_ISCHR(b.mode) || S_ISBLK(b.mode)
						  ? 0x105
						  : 0);
		ck_assert_uint_eq(b.size, S_ISLNK(b.mode)   ? 10
					  : S_ISDIR(b.mode) ? 4096
							    : 0);
		ck_assert(addr_eq(&b.addr, S_ISREG(b.mode) ? &empty : &zero));
		ck_assert_uint_eq(b.version, ns_last_change(f.ns));
		ck_assert_int_eq(b.mtime_ns, f.now);
		ck_assert_int_eq(b.ctime_ns, f.now);
		ck_assert_int_eq(b.atime_ns, f.now);
		ck_assert_uint_eq(a.size, b.size);
		ck_assert_uint_eq(a.rdev, b.rdev);
	}
	fixture_done(&f);
}
END_TEST

START_TEST(ns_create_says_what_is_wrong)
{
	char longest[NS_NAME_MAX + 1], target[PATH_MAX + 1];
	uint64_t file, gone;

	fixture_open(&f);
	memset(longest, 'x', sizeof(longest));
	memset(target, 't', sizeof(target));
	target[PATH_MAX] = '\0';
	file = make_file(&f, NS_ROOT, "file");
	gone = make_dir(&f, NS_ROOT, "gone");
	remove_name(&f, NS_ROOT, "gone");
	ck_assert_int_eq(create(NS_ROOT, "file", 4, S_IFREG, NULL), -EEXIST);
	ck_assert_int_eq(create(NS_ROOT, "", 0, S_IFREG, NULL), -EINVAL);
	ck_assert_int_eq(create(NS_ROOT, ".", 1, S_IFREG, NULL), -EINVAL);
	ck_assert_int_eq(create(NS_ROOT, "..", 2, S_IFREG, NULL), -EINVAL);
	ck_assert_int_eq(create(NS_ROOT, "a/b", 3, S_IFREG, NULL), -EINVAL);
	ck_assert_int_eq(create(NS_ROOT, "a\0b", 3, S_IFREG, NULL), -EINVAL);
	ck_assert_int_eq(create(NS_ROOT, longest, 256, S_IFREG, NULL),
			 -ENAMETOOLONG);
	ck_assert_int_eq(create(file, "x", 1, S_IFREG, NULL), -ENOTDIR);
	ck_assert_int_eq(create(gone, "x", 1, S_IFREG, NULL), -ENOENT);
	ck_assert_int_eq(create(999, "x", 1, S_IFREG, NULL), -ENOENT);
	ck_assert_int_eq(create(NS_ROOT, "x", 1, 0, NULL), -EINVAL);
	ck_assert_int_eq(create(NS_ROOT, "x", 1, S_IFREG, "t"), -EINVAL);
	ck_assert_int_eq(create(NS_ROOT, "x", 1, S_IFLNK, NULL), -EINVAL);
	ck_assert_int_eq(create(NS_ROOT, "x", 1, S_IFLNK, ""), -ENOENT);
	ck_assert_int_eq(create(NS_ROOT, "x", 1, S_IFLNK, target),
			 -ENAMETOOLONG);
	target[PATH_MAX - 1] = '\0';
	ck_assert_int_eq(create(NS_ROOT, "x", 1, S_IFLNK, target), 0);
	ck_assert_int_eq(create(NS_ROOT, longest, 255, S_IFREG, NULL), 0);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_names_are_any_bytes_and_listed_in_their_order)
{
	unsigned char name[2], last = 0;
	struct buf seen = BUF_INIT;
	uint64_t ino, found;
	int c;

	fixture_open(&f);
	for (c = 255; c > 0; c--) {
		if (c == '/' || c == '.')
			continue;
		name[0] = (unsigned char)c;
		name[1] = '\0';
		ino = make_file(&f, NS_ROOT, (char *)name);
		ck_assert_int_eq(try_lookup(&f, NS_NOW, NS_ROOT, (char *)name,
					    &found),
				 0);
		ck_assert_uint_eq(found, ino);
	}
	dump_tree(f.ns, NS_NOW, &seen);
	for (c = 1; c < 256; c++) {
		char line[4] = {'\n', '/', (char)c, ' '};
		const uint8_t *at = memmem(seen.data, seen.len, line, 4);

		if (c == '/' || c == '.')
			continue;
		ck_assert_msg(at, "no name %d", c);
		if (last)
			ck_assert(at >
				  (uint8_t *)memmem(seen.data, seen.len,
						    (char[]){'\n', '/',
							     (char)last, ' '},
						    4));
		last = (unsigned char)c;
	}
	buf_done(&seen);
	fixture_done(&f);
}
END_TEST

static int collect(void *ctx, const struct ns_entry *e)
{
	struct buf *b = ctx;

	ck_assert_uint_eq(strlen(e->name), e->len);
	buf_fmt(b, "%s ", e->name);
	return b->len > 30 ? 17 : 0;
}

START_TEST(ns_list_goes_on_behind_a_name_and_ends_when_told)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	char name[16];
	int i;

	fixture_open(&f);
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "name%d", 9 - i);
		make_file(&f, NS_ROOT, name);
	}
	ck_assert_int_eq(ns_list(f.ns, NS_NOW, NS_ROOT, NULL, 0, collect, &b),
			 17);
	ck_assert_str_eq(buf_cstr(&b), "name0 name1 name2 name3 name4 name5 ");
	buf_reset(&b);
	ck_assert_int_eq(ns_list(f.ns, NS_NOW, NS_ROOT, "name5", 5, collect,
				 &b),
			 0);
	ck_assert_str_eq(buf_cstr(&b), "name6 name7 name8 name9 ");
	buf_reset(&b);
	ck_assert_int_eq(ns_list(f.ns, NS_NOW, NS_ROOT, "name75", 6, collect,
				 &b),
			 0);
	ck_assert_str_eq(buf_cstr(&b), "name8 name9 ");
	ck_assert_int_eq(ns_list(f.ns, NS_NOW, 999, NULL, 0, collect, &b),
			 -ENOENT);
	ck_assert_int_eq(ns_list(f.ns, NS_NOW, 2, NULL, 0, collect, &b),
			 -ENOTDIR);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_lookup_of_what_is_not_there_is_enoent)
{
	char name[NS_NAME_MAX + 2];
	uint64_t ino = 5;

	fixture_open(&f);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(try_lookup(&f, NS_NOW, NS_ROOT, "no", &ino), -ENOENT);
	ck_assert_int_eq(try_lookup(&f, NS_NOW, NS_ROOT, "", &ino), -ENOENT);
	ck_assert_int_eq(try_lookup(&f, NS_NOW, NS_ROOT, name, &ino),
			 -ENAMETOOLONG);
	ck_assert_uint_eq(ino, 5);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_names_that_come_and_go_set_times_as_posix_says)
{
	struct ns_attr d, a, before;
	uint64_t dir, ino, sub;

	fixture_open(&f);
	dir = make_dir(&f, NS_ROOT, "dir");
	ino = make_file(&f, dir, "file");
	d = attr_of(&f, dir);
	ck_assert_int_eq(d.mtime_ns, f.now);
	ck_assert_int_eq(d.ctime_ns, f.now);
	ck_assert_int_lt(d.atime_ns, f.now);
	set_content(&f, ino, "text");
	before = attr_of(&f, dir);
	ck_assert_int_eq(before.mtime_ns, d.mtime_ns);
	a = attr_of(&f, ino);
	ck_assert_int_eq(a.mtime_ns, f.now);
	ck_assert_int_eq(a.ctime_ns, f.now);
	ck_assert_int_eq(ns_link(f.ns, &by, ino, dir, "two", 3, &a), 0);
	ck_assert_uint_eq(a.nlink, 2);
	ck_assert_int_eq(a.ctime_ns, f.now);
	ck_assert_int_lt(a.mtime_ns, f.now);
	ck_assert_int_eq(attr_of(&f, dir).mtime_ns, f.now);
	ck_assert_int_eq(unlink_rc(dir, "two", false), 0);
	ck_assert_int_eq(attr_of(&f, ino).ctime_ns, f.now);
	ck_assert_int_eq(attr_of(&f, dir).ctime_ns, f.now);
	sub = make_dir(&f, dir, "sub");
	ck_assert_uint_eq(attr_of(&f, dir).nlink, 3);
	ck_assert_int_eq(unlink_rc(dir, "sub", true), 0);
	ck_assert_uint_eq(attr_of(&f, dir).nlink, 2);
	ck_assert_uint_eq(attr_of(&f, sub).nlink, 0);
	ck_assert_int_eq(attr_of(&f, dir).mtime_ns, f.now);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_link_says_what_is_wrong)
{
	uint64_t dir, ino, gone;
	struct ns_attr a;

	fixture_open(&f);
	dir = make_dir(&f, NS_ROOT, "dir");
	ino = make_file(&f, NS_ROOT, "file");
	gone = make_file(&f, NS_ROOT, "gone");
	ck_assert_int_eq(unlink_rc(NS_ROOT, "gone", false), 0);
	ck_assert_int_eq(ns_link(f.ns, &by, dir, NS_ROOT, "x", 1, &a), -EPERM);
	ck_assert_int_eq(ns_link(f.ns, &by, ino, NS_ROOT, "dir", 3, &a),
			 -EEXIST);
	ck_assert_int_eq(ns_link(f.ns, &by, ino, NS_ROOT, "..", 2, &a),
			 -EINVAL);
	ck_assert_int_eq(ns_link(f.ns, &by, ino, ino, "x", 1, &a), -ENOTDIR);
	ck_assert_int_eq(ns_link(f.ns, &by, ino, 999, "x", 1, &a), -ENOENT);
	ck_assert_int_eq(ns_link(f.ns, &by, 999, dir, "x", 1, &a), -ENOENT);
	ck_assert_int_eq(ns_link(f.ns, &by, gone, dir, "x", 1, &a), -ENOENT);
	ck_assert_int_eq(db_commit(f.db), 0);
	run_sql(&f, "UPDATE inode SET nlink = 2147483647 WHERE ino = 3");
	ck_assert_int_eq(ns_link(f.ns, &by, ino, dir, "x", 1, &a), -EMLINK);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_hard_links_share_everything_and_go_one_by_one)
{
	struct ns_attr a, b;
	uint64_t ino, one, two;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "a");
	ck_assert_int_eq(ns_link(f.ns, &by, ino, NS_ROOT, "b", 1, &a), 0);
	set_content(&f, ino, "shared");
	ck_assert_int_eq(try_lookup(&f, NS_NOW, NS_ROOT, "a", &one), 0);
	ck_assert_int_eq(try_lookup(&f, NS_NOW, NS_ROOT, "b", &two), 0);
	ck_assert_uint_eq(one, two);
	ck_assert_int_eq(unlink_rc(NS_ROOT, "a", false), 0);
	b = attr_of(&f, ino);
	ck_assert_uint_eq(b.nlink, 1);
	ck_assert_uint_eq(b.size, 6);
	ck_assert_int_eq(ns_reap(f.ns, ino), -EBUSY);
	ck_assert_int_eq(unlink_rc(NS_ROOT, "b", false), 0);
	ck_assert_uint_eq(attr_of(&f, ino).nlink, 0);
	ck_assert_int_eq(ns_reap(f.ns, ino), 0);
	ck_assert_int_eq(ns_getattr(f.ns, NS_NOW, ino, &a), -ENOENT);
	ck_assert_int_eq(ns_reap(f.ns, ino), -ENOENT);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_unlink_says_what_is_wrong)
{
	uint64_t dir, ino;

	fixture_open(&f);
	dir = make_dir(&f, NS_ROOT, "dir");
	ino = make_file(&f, dir, "file");
	ck_assert_int_eq(unlink_rc(NS_ROOT, "no", false), -ENOENT);
	ck_assert_int_eq(unlink_rc(NS_ROOT, "no", true), -ENOENT);
	ck_assert_int_eq(unlink_rc(NS_ROOT, "dir", false), -EISDIR);
	ck_assert_int_eq(unlink_rc(NS_ROOT, "dir", true), -ENOTEMPTY);
	ck_assert_int_eq(unlink_rc(dir, "file", true), -ENOTDIR);
	ck_assert_int_eq(unlink_rc(ino, "x", false), -ENOTDIR);
	ck_assert_int_eq(unlink_rc(999, "x", false), -ENOENT);
	ck_assert_int_eq(unlink_rc(NS_ROOT, "", false), -EINVAL);
	ck_assert_int_eq(unlink_rc(NS_ROOT, "..", true), -EINVAL);
	ck_assert_int_eq(unlink_rc(dir, "file", false), 0);
	ck_assert_int_eq(unlink_rc(NS_ROOT, "dir", true), 0);
	ck_assert_int_eq(create(dir, "x", 1, S_IFREG, NULL), -ENOENT);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_unlinked_and_open_keeps_its_content_and_gets_no_version)
{
	struct totals t, u;
	struct ns_attr a;
	struct addr addr;
	uint64_t ino, seq;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "a");
	set_content(&f, ino, "old");
	ck_assert_int_eq(unlink_rc(NS_ROOT, "a", false), 0);
	seq = ns_last_change(f.ns);
	ck_assert_int_eq(ns_totals(f.ns, &t), 0);
	addr_of(OBJ_CHUNK, "new!", 4, &addr);
	ck_assert_int_eq(ns_write(f.ns, &by, ino, &addr, 4, 0, &a), 0);
	a.mode = 0600;
	ck_assert_int_eq(ns_setattr(f.ns, &by, ino, NS_SET_MODE, &a, &a), 0);
	a = attr_of(&f, ino);
	ck_assert_uint_eq(a.size, 4);
	ck_assert(addr_eq(&a.addr, &addr));
	ck_assert_uint_eq(a.mode, S_IFREG | 0600);
	ck_assert_uint_eq(ns_last_change(f.ns), seq);
	ck_assert_int_eq(ns_totals(f.ns, &u), 0);
	ck_assert_mem_eq(&t, &u, sizeof(t));
	ck_assert_uint_eq(t.files, 0);
	ck_assert_uint_eq(t.bytes, 0);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_setattr_of_times_of_access_is_no_change)
{
	struct ns_attr a, set = {.atime_ns = 5, .ctime_ns = 6};
	uint64_t ino, seq;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "a");
	seq = ns_last_change(f.ns);
	ck_assert_int_eq(ns_setattr(f.ns, &by, ino, NS_SET_ATIME, &set, &a), 0);
	ck_assert_int_eq(attr_of(&f, ino).atime_ns, 5);
	ck_assert_int_eq(attr_of(&f, ino).ctime_ns, f.now);
	ck_assert_int_eq(ns_setattr(f.ns, &by, ino, NS_SET_CTIME, &set, &a), 0);
	ck_assert_int_eq(attr_of(&f, ino).ctime_ns, 6);
	a.mode = 0644;
	ck_assert_int_eq(ns_setattr(f.ns, &by, ino, NS_SET_MODE, &a, &a), 0);
	ck_assert_uint_eq(ns_last_change(f.ns), seq);
	ck_assert_uint_eq(a.version, seq);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_setattr_sets_what_is_named_and_keeps_the_type)
{
	struct ns_attr set = {.mode = S_IFDIR | 06111,
			      .uid = 3,
			      .gid = 4,
			      .mtime_ns = -7};
	struct ns_attr a, before;
	uint64_t ino;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "a");
	before = attr_of(&f, ino);
	ck_assert_int_eq(ns_setattr(f.ns, &by, ino, NS_SET_UID, &set, &a), 0);
	ck_assert_uint_eq(a.uid, 3);
	ck_assert_uint_eq(a.gid, 8);
	ck_assert_uint_eq(a.mode, before.mode);
	ck_assert_int_eq(a.ctime_ns, f.now);
	ck_assert_int_eq(ns_setattr(f.ns, &by, ino,
				    NS_SET_MODE | NS_SET_GID | NS_SET_MTIME,
				    &set, &a),
			 0);
	a = attr_of(&f, ino);
	ck_assert_uint_eq(a.mode, S_IFREG | 06111);
	ck_assert_uint_eq(a.gid, 4);
	ck_assert_int_eq(a.mtime_ns, -7);
	ck_assert_uint_eq(a.version, before.version);
	ck_assert_int_eq(ns_setattr(f.ns, &by, 999, NS_SET_UID, &set, &a),
			 -ENOENT);
	ck_assert_int_eq(ns_setattr(f.ns, &by, ino, 64, &set, &a), -EINVAL);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_write_gives_a_version_and_only_to_regular_files)
{
	struct addr addr;
	struct ns_attr a;
	uint64_t ino, seq;

	fixture_open(&f);
	addr_of(OBJ_CHUNK, "x", 1, &addr);
	ino = make_file(&f, NS_ROOT, "a");
	ck_assert_int_eq(ns_write(f.ns, &by, ino, &addr, 1, 77, &a), 0);
	seq = ns_last_change(f.ns);
	ck_assert_uint_eq(a.version, seq);
	ck_assert_int_eq(a.mtime_ns, 77);
	ck_assert_int_eq(a.ctime_ns, f.now);
	ck_assert_int_eq(ns_write(f.ns, &by, ino, &addr, 1, 0, &a), 0);
	ck_assert_uint_eq(a.version, seq); /* the same content */
	ck_assert_int_eq(a.mtime_ns, f.now);
	ck_assert_uint_eq(ns_last_change(f.ns), seq + 1);
	ck_assert_int_eq(ns_write(f.ns, &by, NS_ROOT, &addr, 1, 0, &a),
			 -EISDIR);
	ck_assert_int_eq(create(NS_ROOT, "fifo", 4, S_IFIFO, NULL), 0);
	ck_assert_int_eq(ns_write(f.ns, &by, ino + 1, &addr, 1, 0, &a),
			 -EINVAL);
	ck_assert_int_eq(ns_write(f.ns, &by, 999, &addr, 1, 0, &a), -ENOENT);
	ck_assert_int_eq(ns_write(f.ns, &by, ino, &addr, UINT64_MAX, 0, &a),
			 -EFBIG);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_rows_that_lead_in_a_circle_are_found_out)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint64_t a, inner, c;
	char sql[100];

	fixture_open(&f);
	a = make_dir(&f, NS_ROOT, "a");
	inner = make_dir(&f, a, "b");
	c = make_dir(&f, NS_ROOT, "c");
	ck_assert_int_eq(ns_path(f.ns, NS_NOW, inner, &b), 0);
	ck_assert_str_eq(buf_cstr(&b), "/a/b");
	snprintf(sql, sizeof(sql),
		 "UPDATE entry SET parent = %d WHERE ino = %d", (int)inner,
		 (int)a);
	run_sql(&f, sql);
	buf_reset(&b);
	ck_assert_int_eq(ns_path(f.ns, NS_NOW, inner, &b), -EUCLEAN);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_int_eq(try_rename(&f, NS_ROOT, "c", inner, "c", 0), -EUCLEAN);
	ck_assert_int_eq(try_lookup(&f, NS_NOW, NS_ROOT, "c", &a), 0);
	ck_assert_uint_eq(a, c);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_numbers_that_cannot_go_on_are_refused)
{
	static const char *const damage[] = {
		"UPDATE counter SET next_seq = -5",
		"UPDATE counter SET next_ino = 9223372036854775807",
		"INSERT INTO change(seq, branch, time, op, uid, pid)"
		" VALUES (9223372036854775807, 1, 0, 1, 0, 0)",
	};
	struct ns_attr a;
	size_t i;

	for (i = 0; i < ARRAY_LEN(damage); i++) {
		fixture_open(&f);
		make_file(&f, NS_ROOT, "a");
		commit(&f);
		run_sql(&f, damage[i]);
		ck_assert_int_eq(ns_create(f.ns, &by, NS_ROOT, "b", 1,
					   S_IFREG | 0644, 0, 0, 0, NULL, &a),
				 -EUCLEAN);
		db_rollback(f.db);
		fixture_done(&f);
	}
}
END_TEST

START_TEST(ns_xattrs_are_set_listed_replaced_and_removed)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint64_t ino;
	char big[65537] = "";

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "a");
	ck_assert_int_eq(ns_xattr_get(f.ns, ino, "user.a", &b), -ENODATA);
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, "user.b", "two", 3, 0),
			 0);
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, "user.a", "", 0,
				      XATTR_CREATE),
			 0);
	ck_assert_int_eq(attr_of(&f, ino).ctime_ns, f.now);
	ck_assert_int_eq(ns_xattr_list(f.ns, ino, &b), 0);
	ck_assert_uint_eq(b.len, 14);
	ck_assert_mem_eq(b.data, "user.a\0user.b", 14);
	buf_reset(&b);
	ck_assert_int_eq(ns_xattr_get(f.ns, ino, "user.a", &b), 0);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, "user.b", "3", 1,
				      XATTR_REPLACE),
			 0);
	ck_assert_int_eq(ns_xattr_get(f.ns, ino, "user.b", &b), 0);
	ck_assert_str_eq(buf_cstr(&b), "3");
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, "user.a", NULL, 0, 0), 0);
	ck_assert_int_eq(ns_xattr_get(f.ns, ino, "user.a", &b), -ENODATA);
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, "user.a", big, 65536, 0),
			 0);
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, "user.b", big, 65537, 0),
			 -E2BIG);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_xattr_set_says_what_is_wrong)
{
	char name[257];
	uint64_t ino;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "a");
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, name, "v", 1, 0),
			 -ERANGE);
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, name + 1, "v", 1, 0), 0);
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, name + 1, "v", 1,
				      XATTR_CREATE),
			 -EEXIST);
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, "", "v", 1, 0), -ERANGE);
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, "x", "v", 1,
				      XATTR_REPLACE),
			 -ENODATA);
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, "x", NULL, 0, 0),
			 -ENODATA);
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, "x", "v", 1,
				      XATTR_CREATE | XATTR_REPLACE),
			 -ENODATA);
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, ino, "x", "v", 1, 4), -EINVAL);
	ck_assert_int_eq(ns_xattr_set(f.ns, &by, 999, "x", "v", 1, 0), -ENOENT);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_path_and_readlink_answer_and_say_what_is_wrong)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct ns_attr a;
	uint64_t dir, ino, found;

	fixture_open(&f);
	dir = make_dir(&f, NS_ROOT, "some");
	dir = make_dir(&f, dir, "dir");
	ino = make_file(&f, dir, "file");
	ck_assert_int_eq(ns_path(f.ns, NS_NOW, ino, &b), 0);
	ck_assert_str_eq(buf_cstr(&b), "/some/dir/file");
	buf_reset(&b);
	ck_assert_int_eq(ns_path(f.ns, NS_NOW, NS_ROOT, &b), 0);
	ck_assert_str_eq(buf_cstr(&b), "/");
	buf_reset(&b);
	ck_assert_int_eq(ns_create(f.ns, &by, dir, "link", 4, S_IFLNK | 0777, 0,
				   0, 0, "a b", &a),
			 0);
	ck_assert_int_eq(ns_readlink(f.ns, NS_NOW, a.ino, &b), 0);
	ck_assert_str_eq(buf_cstr(&b), "a b");
	a.uid = 99;
	ck_assert_int_eq(ns_setattr(f.ns, &by, a.ino, NS_SET_UID, &a, &a), 0);
	buf_reset(&b);
	ck_assert_int_eq(ns_readlink(f.ns, NS_NOW, a.ino, &b), 0);
	ck_assert_str_eq(buf_cstr(&b), "a b");
	ck_assert_int_eq(ns_readlink(f.ns, NS_NOW, ino, &b), -EINVAL);
	ck_assert_int_eq(ns_readlink(f.ns, NS_NOW, 999, &b), -ENOENT);
	ck_assert_int_eq(ns_path(f.ns, NS_NOW, 999, &b), -ENOENT);
	ck_assert_int_eq(ns_parent(f.ns, NS_NOW, ino, &found), 0);
	ck_assert_uint_eq(found, dir);
	ck_assert_int_eq(ns_parent(f.ns, 3, dir, &found), 0);
	ck_assert_uint_eq(found, NS_ROOT + 1);
	ck_assert_int_eq(ns_parent(f.ns, NS_NOW, NS_ROOT, &found), -ENOENT);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_settings_are_kept)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	fixture_open(&f);
	ck_assert_int_eq(ns_setting_get(f.ns, "budget", &b), -ENOENT);
	ck_assert_int_eq(ns_setting_set(f.ns, "budget", "1"), 0);
	ck_assert_int_eq(ns_setting_set(f.ns, "budget", "12G"), 0);
	ck_assert_int_eq(ns_setting_set(f.ns, "empty", ""), 0);
	commit(&f);
	fixture_reopen(&f);
	ck_assert_int_eq(ns_setting_get(f.ns, "budget", &b), 0);
	ck_assert_str_eq(buf_cstr(&b), "12G");
	buf_reset(&b);
	ck_assert_int_eq(ns_setting_get(f.ns, "empty", &b), 0);
	ck_assert_uint_eq(b.len, 0);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_totals_follow_what_is_there)
{
	struct totals t, u;
	struct ns_attr a;
	uint64_t ino;

	fixture_open(&f);
	make_dir(&f, NS_ROOT, "d");
	ino = make_file(&f, NS_ROOT, "f");
	set_content(&f, ino, "12345");
	ck_assert_int_eq(ns_link(f.ns, &by, ino, NS_ROOT, "g", 1, &a), 0);
	ck_assert_int_eq(create(NS_ROOT, "l", 1, S_IFLNK, "t"), 0);
	ck_assert_int_eq(ns_totals(f.ns, &t), 0);
	ck_assert_uint_eq(t.dirs, 2);
	ck_assert_uint_eq(t.files, 1);
	ck_assert_uint_eq(t.links, 1);
	ck_assert_uint_eq(t.bytes, 5);
	ck_assert_uint_eq(t.changes, 6);
	ck_assert_uint_eq(t.versions, 5);
	commit(&f);
	ck_assert_int_eq(ns_totals(f.ns, &u), 0);
	ck_assert_mem_eq(&t, &u, sizeof(t));
	remove_name(&f, NS_ROOT, "f");
	remove_name(&f, NS_ROOT, "g");
	remove_name(&f, NS_ROOT, "d");
	ck_assert_int_eq(ns_totals(f.ns, &t), 0);
	ck_assert_uint_eq(t.dirs, 1);
	ck_assert_uint_eq(t.files, 0);
	ck_assert_uint_eq(t.bytes, 0);
	db_rollback(f.db);
	ck_assert_int_eq(ns_totals(f.ns, &t), 0);
	ck_assert_mem_eq(&t, &u, sizeof(t));
	fixture_done(&f);
}
END_TEST

static int no_entry(void *ctx, const struct ns_entry *e)
{
	ck_assert_ptr_null(memchr(e->name, '/', e->len));
	return 0;
}

START_TEST(ns_rows_of_a_batch_are_not_remembered_after_it)
{
	struct ns_attr set = {.mode = 0600}, a, d;
	uint64_t ino;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "a");
	ck_assert_int_eq(ns_getattr(f.ns, NS_NOW, NS_ROOT, &d), 0);
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_int_eq(ns_setattr(f.ns, &by, ino, NS_SET_MODE, &set, &a), 0);
	make_dir(&f, NS_ROOT, "d");
	ck_assert_int_eq(ns_getattr(f.ns, NS_NOW, ino, &a), 0);
	ck_assert_uint_eq(a.mode & 07777, 0600);
	ck_assert_int_eq(ns_getattr(f.ns, NS_NOW, NS_ROOT, &a), 0);
	ck_assert_uint_eq(a.nlink, d.nlink + 1);
	db_rollback(f.db);
	ck_assert_int_eq(ns_getattr(f.ns, NS_NOW, ino, &a), 0);
	ck_assert_uint_ne(a.mode & 07777, 0600);
	ck_assert_int_eq(ns_getattr(f.ns, NS_NOW, NS_ROOT, &a), 0);
	ck_assert_uint_eq(a.nlink, d.nlink);
	/* as another process does between two batches */
	run_sql(&f, "UPDATE inode SET uid = 77 WHERE ino = 2");
	make_dir(&f, NS_ROOT, "d");
	ck_assert_int_eq(ns_getattr(f.ns, NS_NOW, ino, &a), 0);
	ck_assert_uint_eq(a.uid, 77);
	fixture_done(&f);
}
END_TEST

START_TEST(ns_damaged_rows_are_euclean)
{
	struct ns_attr a;
	uint64_t ino;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "a");
	make_file(&f, NS_ROOT, "b");
	run_sql(&f, "UPDATE entry SET name = x'612f62' WHERE ino = 3");
	ck_assert_int_eq(ns_list(f.ns, NS_NOW, NS_ROOT, NULL, 0, no_entry,
				 NULL),
			 -EUCLEAN);
	run_sql(&f, "UPDATE entry SET name = x'610062' WHERE ino = 3");
	ck_assert_int_eq(ns_list(f.ns, NS_NOW, NS_ROOT, NULL, 0, no_entry,
				 NULL),
			 -EUCLEAN);
	run_sql(&f, "UPDATE entry SET name = x'2e2e' WHERE ino = 3");
	ck_assert_int_eq(ns_list(f.ns, NS_NOW, NS_ROOT, NULL, 0, no_entry,
				 NULL),
			 -EUCLEAN);
	run_sql(&f, "UPDATE entry SET name = x'62' WHERE ino = 3");
	ck_assert_int_eq(db_commit(f.db), 0);
	run_sql(&f, "UPDATE inode SET address = x'00' WHERE ino = 2");
	ck_assert_int_eq(ns_getattr(f.ns, NS_NOW, ino, &a), -EUCLEAN);
	run_sql(&f, "DELETE FROM inode WHERE ino = 3");
	ck_assert_int_eq(unlink_rc(NS_ROOT, "b", false), -EUCLEAN);
	run_sql(&f, "UPDATE version SET address = x'0000' WHERE ino = 2");
	ck_assert_int_eq(ns_getattr(f.ns, 2, ino, &a), -EUCLEAN);
	fixture_done(&f);
}
END_TEST

static void said(void *ctx, const char *what)
{
	++*(unsigned *)ctx;
}

static void not_said(void *ctx, const char *what)
{
	ck_abort_msg("%s", what);
}

START_TEST(ns_wrong_totals_are_told_apart_and_counted_anew)
{
	struct check c = {.found = not_said, .total = said};
	unsigned n = 0;

	fixture_open(&f);
	make_file(&f, NS_ROOT, "a");
	commit(&f);
	c.db = f.db;
	c.ctx = &n;
	ck_assert_int_eq(check_namespace(&c), 0);
	ck_assert_uint_eq(n, 0);
	run_sql(&f, "UPDATE counter SET files = 7, bytes = 9, changes = 100,"
		    " versions = 0");
	commit(&f);
	ck_assert_int_eq(check_namespace(&c), 0);
	ck_assert_uint_eq(n, 4);
	ck_assert_int_eq(check_recount(f.db), 0);
	ck_assert_int_eq(check_namespace(&c), 0);
	ck_assert_uint_eq(n, 4);
	fixture_done(&f);
}
END_TEST

TESTS("ns", ns_wrong_totals_are_told_apart_and_counted_anew,
      ns_open_makes_the_root_once, ns_create_fills_the_attributes_of_every_kind,
      ns_create_says_what_is_wrong,
      ns_names_are_any_bytes_and_listed_in_their_order,
      ns_list_goes_on_behind_a_name_and_ends_when_told,
      ns_lookup_of_what_is_not_there_is_enoent,
      ns_names_that_come_and_go_set_times_as_posix_says,
      ns_link_says_what_is_wrong,
      ns_hard_links_share_everything_and_go_one_by_one,
      ns_unlink_says_what_is_wrong,
      ns_unlinked_and_open_keeps_its_content_and_gets_no_version,
      ns_setattr_of_times_of_access_is_no_change,
      ns_setattr_sets_what_is_named_and_keeps_the_type,
      ns_write_gives_a_version_and_only_to_regular_files,
      ns_xattrs_are_set_listed_replaced_and_removed,
      ns_rows_that_lead_in_a_circle_are_found_out,
      ns_numbers_that_cannot_go_on_are_refused, ns_xattr_set_says_what_is_wrong,
      ns_path_and_readlink_answer_and_say_what_is_wrong, ns_settings_are_kept,
      ns_totals_follow_what_is_there,
      ns_rows_of_a_batch_are_not_remembered_after_it,
      ns_damaged_rows_are_euclean)
