#include "tests/lib/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "cas/attach.h"

struct here {
	char *dir;
	int fd;
};

static void setup(struct here *h)
{
	h->dir = test_dir();
	h->fd = open(h->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(h->fd, 0);
}

static void teardown(struct here *h)
{
	close(h->fd);
	remove_tree(h->dir);
	free(h->dir);
}

static struct attach *come(struct here *h)
{
	struct attach *a;
	struct err err = {""};

	ck_assert_msg(!attach_open(h->fd, h->dir, &a, &err), "%s", err.msg);
	return a;
}

static void assert_others(const struct attach *a, const char *want)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	ck_assert_int_eq(attach_others(a, &b), 0);
	ck_assert_str_eq(buf_cstr(&b), want);
}

/* A process that comes, lets others in, and stays until it is killed. */
static pid_t guest(struct here *h, const char *text)
{
	int pipes[2];
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		struct attach *a;

		if (attach_open(h->fd, h->dir, &a, NULL) || attach_share(a))
			_exit(1);
		attach_say(a, text);
		if (write(pipes[1], "+", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(pipes[1]);
	ck_assert_int_eq(read(pipes[0], &c, 1), 1);
	close(pipes[0]);
	return pid;
}

static void kill_guest(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(attach_first_is_alone_until_it_shares)
{
	struct attach *a, *b;
	struct here h;

	setup(&h);
	a = come(&h);
	ck_assert(attach_alone(a));
	ck_assert_int_eq(attach_share(a), 0);
	ck_assert(!attach_alone(a));
	ck_assert(!attach_has_others(a));
	b = come(&h);
	ck_assert(attach_has_others(a));
	ck_assert(attach_has_others(b));
	ck_assert(!attach_alone(b));
	ck_assert(!attach_try_alone(a));
	ck_assert(!attach_try_alone(b));
	attach_close(a);
	ck_assert(!attach_has_others(b));
	ck_assert(attach_try_alone(b));
	ck_assert(attach_alone(b));
	attach_close(b);
	teardown(&h);
}
END_TEST

START_TEST(attach_others_wait_for_who_is_alone)
{
	struct attach *a;
	struct here h;
	int status;
	pid_t pid;

	setup(&h);
	a = come(&h);
	pid = fork();
	if (!pid) {
		struct attach *b;

		_exit(attach_open(h.fd, h.dir, &b, NULL) || attach_alone(b));
	}
	usleep(100000);
	ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	ck_assert_int_eq(attach_share(a), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	attach_close(a);
	teardown(&h);
}
END_TEST

START_TEST(attach_names_who_lives_and_nobody_else)
{
	struct attach *a;
	struct here h;
	pid_t one, two;

	setup(&h);
	a = come(&h);
	ck_assert_int_eq(attach_share(a), 0);
	assert_others(a, "");
	one = guest(&h, "one has it");
	two = guest(&h, "two has it, with many more words");
	assert_others(a, "one has it; two has it, with many more words");
	kill_guest(one);
	assert_others(a, "two has it, with many more words");
	one = guest(&h, "third"); /* where one was */
	assert_others(a, "third; two has it, with many more words");
	kill_guest(two);
	kill_guest(one);
	assert_others(a, "");
	/* nothing is left to clean up */
	ck_assert(attach_try_alone(a));
	attach_close(a);
	teardown(&h);
}
END_TEST

START_TEST(attach_to_what_an_older_version_has_is_refused)
{
	struct attach *a;
	struct err err = {""};
	struct here h;
	int fd;

	setup(&h);
	fd = openat(h.fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(write(fd, "process 7 has it\n", 17), 17);
	ck_assert_int_eq(attach_open(h.fd, h.dir, &a, &err), -EBUSY);
	ck_assert_msg(strstr(err.msg, "older version") &&
			      strstr(err.msg, "process 7 has it"),
		      "%s", err.msg);
	close(fd);
	a = come(&h);
	/* and the older version is refused */
	fd = openat(h.fd, "lock", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), -1);
	close(fd);
	attach_close(a);
	teardown(&h);
}
END_TEST

/* Twenty processes come and go; whoever is alone is so. */
static int come_and_go(struct here *h)
{
	int fd = openat(h->fd, "alone", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct attach *a;
	int i;

	for (i = 0; i < 50; i++) {
		if (attach_open(h->fd, h->dir, &a, NULL))
			return 1;
		if (attach_alone(a) && flock(fd, LOCK_EX | LOCK_NB))
			return 2;
		if (!attach_alone(a) && flock(fd, LOCK_SH | LOCK_NB))
			return 3;
		if (attach_alone(a)) {
			usleep(500);
			if (flock(fd, LOCK_SH | LOCK_NB) || attach_share(a))
				return 4;
		}
		usleep(200);
		flock(fd, LOCK_UN);
		attach_close(a);
	}
	return 0;
}

START_TEST(attach_of_many_at_once_leaves_one_alone)
{
	pid_t pids[20];
	struct here h;
	int status;
	size_t i;

	setup(&h);
	for (i = 0; i < ARRAY_LEN(pids); i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(come_and_go(&h));
	}
	for (i = 0; i < ARRAY_LEN(pids); i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(WEXITSTATUS(status), 0);
	}
	teardown(&h);
}
END_TEST

TESTS("attach", attach_first_is_alone_until_it_shares,
      attach_others_wait_for_who_is_alone,
      attach_names_who_lives_and_nobody_else,
      attach_to_what_an_older_version_has_is_refused,
      attach_of_many_at_once_leaves_one_alone)
