/* Time, memory, bytes, processes: what a command may use up. */
#include "recipes/sandbox.h"
#include "recipes/sandbox_disk.h"

#include "tests/lib/harness.h"
#include "tests/recipes/sandbox_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define MSEC (NSEC_PER_SEC / 1000)

static void assert_error(struct fixture *f, int rc, const char *message)
{
	ck_assert_msg(f->st.error == rc, "error %d exit %d signal %d: %s",
		      f->st.error, f->st.exit_code, f->st.exit_signal,
		      f->st.message);
	ck_assert_int_eq(f->st.exit_code, -1);
	ck_assert_msg(strstr(f->st.message, message), "%s", f->st.message);
}

static void assert_ok(struct fixture *f)
{
	ck_assert_msg(!f->st.error && !f->st.exit_code,
		      "error %d exit %d signal %d: %s", f->st.error,
		      f->st.exit_code, f->st.exit_signal, f->st.message);
}

BOTH(time_limit_ends_a_command_that_ignores_signals)
{
	f->run.timeout_ns = 300 * MSEC;
	fixture_sh(f, "trap '' TERM INT HUP; while :; do sleep 63001.5; done");
	assert_error(f, -ETIMEDOUT, "ran longer than");
	ck_assert_int_ge(f->st.wall_ns, 300 * MSEC);
	ck_assert_uint_eq(processes_with("63001.5"), 0);
}

BOTH(time_limit_of_a_nanosecond_leaves_nothing)
{
	int i;

	f->run.timeout_ns = 1;
	for (i = 0; i < 20; i++) {
		fixture_sh(f, "sleep 63002.5");
		ck_assert_int_eq(f->st.error, -ETIMEDOUT);
	}
	ck_assert_uint_eq(processes_with("63002.5"), 0);
}

static const char hog[] = "perl -e '$x = \"a\" x $ARGV[0]; sleep 20' ";

BOTH(memory_limit_ends_one_large_process)
{
	char script[128];

	f->run.memory = MIB(200);
	snprintf(script, sizeof(script), "%s 150000000 & sleep 0.3; kill $!",
		 hog);
	fixture_sh(f, script);
	assert_ok(f);
	snprintf(script, sizeof(script), "%s 300000000", hog);
	fixture_sh(f, script);
	assert_error(f, -ENOMEM, "the limit is");
}

BOTH(memory_limit_counts_all_processes)
{
	char script[300];

	f->run.memory = MIB(300);
	snprintf(script, sizeof(script),
		 "for i in 1 2 3 4; do %s 100000000 & done; wait", hog);
	fixture_sh(f, script);
	assert_error(f, -ENOMEM, "the limit is");
}

BOTH(memory_that_processes_share_counts_once)
{
	f->run.memory = MIB(300);
	fixture_sh(f, "perl -e '$x = \"a\" x 150000000; "
		      "for (1 .. 4) { fork or do { sleep 1; exit } } "
		      "1 while wait > 0'");
	assert_ok(f);
}

BOTH(memory_limit_counts_files_in_memory)
{
	f->run.memory = MIB(100);
	fixture_sh(f, "head -c 60M /dev/zero >/tmp/a; "
		      "head -c 60M /dev/zero >/dev/shm/b; sleep 20");
	assert_error(f, -ENOMEM, "the limit is");
}

BOTH(tmp_is_bounded)
{
	f->run.memory = MIB(64);
	fixture_sh(f, "head -c 100M /dev/zero >/tmp/a");
	ck_assert(f->st.error == -ENOMEM || f->st.exit_code == 1);
	f->run.memory = 0;
	f->run.scratch_max = MIB(8);
	fixture_sh(f, "head -c 5M /dev/zero >/tmp/a; "
		      "! head -c 5M /dev/zero >/tmp/b");
	assert_ok(f);
}

BOTH(bytes_limit_ends_one_large_file)
{
	f->run.scratch_max = MIB(10);
	fixture_sh(f, "cat /dev/zero >/o/x");
	assert_error(f, -EFBIG, "wrote more than");
	fixture_sh(f, "truncate -s 1T /o/y");
	ck_assert_int_ne(f->st.exit_code, 0);
}

BOTH(bytes_limit_ends_endless_output)
{
	f->run.scratch_max = MIB(10);
	fixture_sh(f, "yes");
	assert_error(f, -EFBIG, "wrote more than");
	fixture_sh(f, "yes >&2");
	assert_error(f, -EFBIG, "wrote more than");
	fixture_sh(f, "trap '' XFSZ; yes");
	assert_error(f, -EFBIG, "wrote more than");
}

BOTH(bytes_limit_counts_all_files)
{
	f->run.scratch_max = MIB(10);
	fixture_sh(f, "mkdir -p /o/a/b; i=0; while :; do i=$((i + 1)); "
		      "head -c 1M /dev/zero >/o/a/b/$i; done");
	assert_error(f, -EFBIG, "wrote more than");
}

BOTH(bytes_limit_holds_for_what_is_quickly_done)
{
	f->run.scratch_max = 100000;
	fixture_sh(f, "head -c 60000 /dev/zero >/o/a; "
		      "head -c 60000 /dev/zero >/o/b");
	assert_error(f, -EFBIG, "wrote more than");
	fixture_sh(f, "sleep 0.3");
	assert_error(f, -EFBIG, "wrote more than");
	f->run.scratch = NULL;
	f->run.scratch_max = 10;
	fixture_sh(f, "echo 123456789");
	assert_ok(f);
	fixture_sh(f, "echo 1234567890");
	assert_error(f, -EFBIG, "wrote more than");
}

BOTH(bytes_limit_ends_directories_without_end)
{
	f->run.scratch_max = MIB(10);
	fixture_sh(f, "perl -e 'chdir \"/o\"; while (1) { mkdir \"d\"; "
		      "chdir \"d\" or last } sleep 20'");
	assert_error(f, -EFBIG, "deep");
}

/* Of a size that does no harm should the limit fail. */
BOTH(fork_bomb_is_ended)
{
	fixture_sh(f, "perl -e 'for (1 .. 4000) { my $p = fork; "
		      "last if !defined $p; $p or do { sleep 100; exit } } "
		      "sleep 100'");
	assert_error(f, -EAGAIN, "processes");
	fixture_sh(f, "perl -e 'fork for (1 .. 12); 1 while times < 20'");
	assert_error(f, -EAGAIN, "processes");
}

START_TEST(disk_used_counts_data_and_follows_no_links)
{
	char *dir = test_dir(), path[300], other[300];
	uint64_t used = 99;
	int fd;

	ck_assert_int_eq(disk_used("/no/such", NULL, &used), -ENOENT);
	ck_assert_uint_eq(used, 99);
	ck_assert_int_eq(disk_used(dir, NULL, &used), 0);
	ck_assert_uint_eq(used, 0);
	snprintf(path, sizeof(path), "%s/sub", dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/sub/a", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(pwrite(fd, "0123456789", 10, 0), 10);
	ck_assert_int_eq(fsync(fd), 0);
	snprintf(other, sizeof(other), "%s/b", dir);
	ck_assert_int_eq(link(path, other), 0);
	snprintf(other, sizeof(other), "%s/c", dir);
	ck_assert_int_eq(symlink("/usr", other), 0);
	ck_assert_int_eq(disk_used(dir, NULL, &used), 0);
	ck_assert_uint_eq(used, 10);
	ck_assert_int_eq(ftruncate(fd, 1 << 30), 0);
	ck_assert_int_eq(disk_used(dir, NULL, &used), 0);
	ck_assert_uint_lt(used, 65536);
	close(fd);
	remove_tree(dir);
	free(dir);
}
END_TEST

TESTS("sandbox_limits", PAIR(time_limit_ends_a_command_that_ignores_signals),
      PAIR(time_limit_of_a_nanosecond_leaves_nothing),
      PAIR(memory_limit_ends_one_large_process),
      PAIR(memory_limit_counts_all_processes),
      PAIR(memory_that_processes_share_counts_once),
      PAIR(memory_limit_counts_files_in_memory), PAIR(tmp_is_bounded),
      PAIR(bytes_limit_ends_one_large_file),
      PAIR(bytes_limit_ends_endless_output), PAIR(bytes_limit_counts_all_files),
      PAIR(bytes_limit_holds_for_what_is_quickly_done),
      PAIR(bytes_limit_ends_directories_without_end), PAIR(fork_bomb_is_ended),
      disk_used_counts_data_and_follows_no_links)
