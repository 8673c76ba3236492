#include "cli/mountinfo.h"

#include "tests/lib/harness.h"

static const char text[] =
	"20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
	"30 20 0:40 / /home/u/my\\040files rw shared:2 master:1 - fuse.deriva "
	"/home/u/d.store rw,user_id=0\n"
	"31 20 0:40 /sub /mnt rw - fuse.deriva /home/u/d.store rw\n"
	"rubbish\n"
	"32 20 0:41 / /mnt/a\\134b rw - tmpfs none rw\n"
	"33 30 0:42 / /home/u/my\\040files rw - fuse.deriva other rw\n";

static struct mount_table parse(void)
{
	struct mount_table t;

	ck_assert_int_eq(mount_table_parse(strdup(text), &t), 0);
	return t;
}

START_TEST(mountinfo_fields_are_unescaped)
{
	struct mount_table t = parse();
	const struct mount_entry *e = mount_table_id(&t, 30);

	ck_assert_uint_eq(t.count, 5);
	ck_assert_str_eq(e->dir, "/home/u/my files");
	ck_assert_str_eq(e->source, "/home/u/d.store");
	ck_assert_int_eq(e->parent, 20);
	ck_assert_uint_eq(e->minor, 40);
	ck_assert(mount_is_deriva(e));
	ck_assert_str_eq(mount_table_id(&t, 32)->dir, "/mnt/a\\b");
	ck_assert(!mount_is_deriva(mount_table_id(&t, 32)));
	ck_assert_ptr_null(mount_table_id(&t, 99));
	mount_table_done(&t);
}
END_TEST

START_TEST(mountinfo_at_is_the_topmost)
{
	struct mount_table t = parse();

	ck_assert_int_eq(mount_table_at(&t, "/home/u/my files")->id, 33);
	ck_assert_ptr_null(mount_table_at(&t, "/home/u"));
	mount_table_done(&t);
}
END_TEST

START_TEST(mountinfo_finds_the_root_of_a_bound_directory)
{
	struct mount_table t = parse();
	const struct mount_entry *bound = mount_table_at(&t, "/mnt");

	ck_assert_int_eq(mount_table_root_of(&t, bound)->id, 30);
	mount_table_done(&t);
}
END_TEST

START_TEST(path_below_wants_whole_components)
{
	ck_assert_str_eq(path_below("/a/b/c", "/a"), "b/c");
	ck_assert_str_eq(path_below("/a", "/a"), "");
	ck_assert_str_eq(path_below("/a", "/"), "a");
	ck_assert_ptr_null(path_below("/ab", "/a"));
	ck_assert_ptr_null(path_below("/b", "/a"));
}
END_TEST

TESTS("mountinfo", mountinfo_fields_are_unescaped, mountinfo_at_is_the_topmost,
      mountinfo_finds_the_root_of_a_bound_directory,
      path_below_wants_whole_components)
