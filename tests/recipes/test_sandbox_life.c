/* Stops, ends and deaths: whatever happens, done is called once and no process
 * is left. And the same for commands without a sandbox. */
#include "recipes/sandbox.h"
#include "recipes/sandbox_wire.h"

#include "tests/lib/harness.h"
#include "tests/recipes/sandbox_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MSEC (NSEC_PER_SEC / 1000)

static char sh[] = "/bin/sh", opt_c[] = "-c";

/* A command with two processes that do not go by themselves, one of them out
 * of its session; `mark` finds them. */
static void stubborn(struct fixture *f, char mark[32], char script[256],
		     const char *base)
{
	static char *argv[4];

	snprintf(mark, 32, "%s.%d", base, (int)getpid());
	snprintf(script, 256,
		 "trap '' TERM HUP INT; (setsid sleep %s &); sleep %s", mark,
		 mark);
	argv[0] = sh;
	argv[1] = opt_c;
	argv[2] = script;
	f->run.argv = argv;
}

/* Until two of each are there. */
static void wait_for_start(const char *mark, unsigned runs)
{
	int i;

	for (i = 0; i < 500 && sleepers(mark) < 2 * runs; i++)
		usleep(10000);
	ck_assert_uint_eq(sleepers(mark), 2 * runs);
}

static void stop_ends_all_at_once_how(struct fixture *f)
{
	char mark[32], script[256];
	uint64_t id;

	stubborn(f, mark, script, "62001");
	id = fixture_start(f);
	usleep(50000);
	sandbox_stop(f->s, id);
	ck_assert(fixture_wait(f, 1));
	ck_assert_int_eq(f->st.error, -ECANCELED);
	ck_assert_int_eq(f->st.exit_code, -1);
	ck_assert_uint_eq(processes_with(mark), 0);
	sandbox_stop(f->s, id); /* too late, and harmless */
	sandbox_stop(f->s, 12345);
	fixture_sh(f, "exit 2");
	ck_assert_int_eq(f->st.exit_code, 2);
	ck_assert_uint_eq(f->ended, 2);
}

static void stop_at_any_moment_leaves_nothing_how(struct fixture *f)
{
	enum { N = 100 };
	char mark[32], script[256];
	uint64_t id;
	unsigned i;

	stubborn(f, mark, script, "62002");
	for (i = 0; i < N; i++) {
		id = fixture_start(f);
		usleep(i * 100);
		sandbox_stop(f->s, id);
	}
	ck_assert(fixture_wait(f, N));
	ck_assert_uint_eq(processes_with(mark), 0);
}

static void close_ends_all_and_calls_done_how(struct fixture *f)
{
	char mark[32], script[256];
	struct err e;

	stubborn(f, mark, script, "62003");
	fixture_start(f);
	fixture_start(f);
	wait_for_start(mark, 2);
	sandbox_close(f->s);
	ck_assert_uint_eq(f->ended, 2);
	ck_assert_int_eq(f->st.error, -ECANCELED);
	ck_assert_uint_eq(processes_with(mark), 0);
	ck_assert_int_eq(sandbox_open(&f->s, &e), 0);
}

/* The daemon is a child that is killed; what it leaves becomes ours. */
static void killed_daemon_leaves_nothing_how(struct fixture *f)
{
	char mark[32], script[256];
	unsigned i, gone = 0;
	struct err e;
	pid_t pid;

	stubborn(f, mark, script, "62004");
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	sandbox_close(f->s);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ck_assert_int_eq(sandbox_open(&f->s, &e), 0);
		fixture_start(f);
		fixture_start(f);
		pause();
	}
	wait_for_start(mark, 2);
	kill(pid, SIGKILL);
	ck_assert(processes_gone(mark, 1000));
	for (i = 0; i < 100 && gone < 2; i++) { /* daemon and helper */
		while (waitpid(-1, NULL, WNOHANG) > 0)
			gone++;
		usleep(10000);
	}
	ck_assert_uint_ge(gone, 2);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
	ck_assert_int_eq(sandbox_open(&f->s, &e), 0);
}

/* Also in the middle of a start, when bubblewrap's processes are not tied to
 * each other yet. */
static void daemon_killed_at_any_moment_leaves_nothing_how(struct fixture *f)
{
	char mark[32], script[256];
	struct err e;
	unsigned i;
	pid_t pid;

	stubborn(f, mark, script, "62007");
	sandbox_close(f->s);
	for (i = 0; i < 40; i++) {
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			ck_assert_int_eq(sandbox_open(&f->s, &e), 0);
			fixture_start(f);
			pause();
		}
		usleep(i * 250);
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	}
	ck_assert(processes_gone(mark, 1000));
	ck_assert_int_eq(sandbox_open(&f->s, &e), 0);
}

static pid_t first_child(pid_t of)
{
	char path[64], *text;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)of,
		 (int)of);
	text = fixture_text(path);
	pid = atoi(text);
	free(text);
	return pid;
}

/* The guard; its child is the helper. */
static pid_t only_child(void)
{
	return first_child(getpid());
}

/* The process that starts commands, once it is there. */
static pid_t starter_of(pid_t guard)
{
	unsigned i;
	pid_t pid;

	ck_assert_int_gt(guard, 0);
	for (i = 0; !(pid = first_child(guard)) && i < 1000; i++)
		usleep(1000);
	ck_assert_int_gt(pid, 0);
	return pid;
}

/* Until it is gone: a run that is sent to it meanwhile fails. */
static void kill_one(pid_t pid)
{
	char path[32];
	unsigned i;

	ck_assert_int_gt(pid, 0);
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	kill(pid, SIGKILL);
	for (i = 0; i < 1000 && !access(path, F_OK); i++) {
		if (first_child(getpid()) == pid)
			return; /* a zombie of ours */
		usleep(1000);
	}
}

static void killed_helper_is_replaced(struct fixture *f)
{
	unsigned i, tries;

	for (i = 0; i < 4; i++) {
		tries = 0;
		do
			fixture_sh(f, "exit 7");
		while (f->st.error == -EPIPE && ++tries < 3);
		ck_assert_int_eq(f->st.error, 0);
		ck_assert_int_eq(f->st.exit_code, 7);
		kill_one(i % 2 ? only_child() : starter_of(only_child()));
	}
}

static void killed_helper_leaves_nothing_how(struct fixture *f)
{
	char mark[32], script[256];

	stubborn(f, mark, script, "62005");
	fixture_start(f);
	wait_for_start(mark, 1);
	kill_one(starter_of(only_child()));
	ck_assert(fixture_wait(f, 1));
	ck_assert_int_eq(f->st.error, -EPIPE);
	ck_assert_ptr_nonnull(strstr(f->st.message, "helper died"));
	/* at once: it was done when that was told */
	ck_assert_uint_eq(processes_with(mark), 0);
	killed_helper_is_replaced(f);
}

/* Within some seconds, without any help. */
static bool no_child_is_left(void)
{
	unsigned i;
	pid_t pid = 0;

	for (i = 0; i < 5000 && pid >= 0; i++) {
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		usleep(1000);
	}
	return pid < 0;
}

/* In the middle of a start too, when bubblewrap's inner process waits for a
 * word from the outer one, and is tied to nobody. What nobody ended would be
 * ours. */
static void helper_killed_at_any_moment_leaves_nothing_how(struct fixture *f)
{
	char mark[32], script[256];
	unsigned i;
	pid_t guard;

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	stubborn(f, mark, script, "62008");
	for (i = 0; i < 40; i++) {
		fixture_start(f);
		guard = only_child();
		usleep(i * 150);
		kill(i % 4 ? starter_of(guard) : guard, SIGKILL);
		ck_assert(fixture_wait(f, i + 1));
		ck_assert_msg(no_child_is_left(), "round %u", i);
	}
	ck_assert(processes_gone(mark, 1000));
}

/* name_how in the sandbox, there as an ordinary user, and without one. */
#define TRIPLE_TESTS(name)              \
	BOTH(name)                      \
	{                               \
		name##_how(f);          \
	}                               \
	START_TEST(name##_unsafe)       \
	{                               \
		struct fixture f;       \
                                        \
		fixture_init(&f, true); \
		f.run.unsafe = true;    \
		name##_how(&f);         \
		fixture_done(&f);       \
	}                               \
	END_TEST
#define TRIPLE(name) PAIR(name), name##_unsafe

TRIPLE_TESTS(stop_ends_all_at_once)
TRIPLE_TESTS(stop_at_any_moment_leaves_nothing)
TRIPLE_TESTS(close_ends_all_and_calls_done)
TRIPLE_TESTS(killed_daemon_leaves_nothing)
TRIPLE_TESTS(daemon_killed_at_any_moment_leaves_nothing)
TRIPLE_TESTS(killed_helper_leaves_nothing)
TRIPLE_TESTS(helper_killed_at_any_moment_leaves_nothing)

struct chain {
	struct fixture *f;
	unsigned left;
};

static void again(void *ctx, const struct sandbox_status *st)
{
	struct chain *c = ctx;
	uint64_t id;

	ck_assert_int_eq(st->error, 0);
	if (--c->left)
		ck_assert_int_eq(sandbox_start(c->f->s, &c->f->run, again, c,
					       &id),
				 0);
	pthread_mutex_lock(&c->f->lock);
	c->f->ended += !c->left;
	pthread_cond_broadcast(&c->f->cond);
	pthread_mutex_unlock(&c->f->lock);
}

START_TEST(done_may_start_the_next_run)
{
	char name[] = "true";
	char *argv[] = {name, NULL};
	struct fixture f;
	struct chain c = {.f = &f, .left = 10};
	uint64_t id;

	fixture_init(&f, false);
	f.run.argv = argv;
	ck_assert_int_eq(sandbox_start(f.s, &f.run, again, &c, &id), 0);
	ck_assert(fixture_wait(&f, 1));
	ck_assert_uint_eq(c.left, 0);
	fixture_done(&f);
}
END_TEST

START_TEST(helper_keeps_nothing_of_the_daemon_open)
{
	char *text, path[64];
	struct fixture f;
	int fd;

	fd = open("/", O_PATH);
	ck_assert_int_eq(dup2(fd, 200), 200);
	fixture_init(&f, false);
	fixture_sh(&f, "exit 0");
	snprintf(path, sizeof(path), "/proc/%d/fd/200", (int)only_child());
	ck_assert_int_lt(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/2", (int)only_child());
	text = realpath(path, NULL);
	ck_assert_str_eq(text, "/dev/null");
	free(text);
	fixture_done(&f);
}
END_TEST

START_TEST(unsafe_run_is_given_what_a_sandboxed_one_is)
{
	char a[] = "A=1", path[] = "PATH=/usr/bin:/bin";
	char *env[] = {a, path, NULL};
	char want[600], sub[300], none[] = "no-such-program";
	char *argv[] = {none, NULL}, *text;
	struct fixture f;

	fixture_init(&f, true);
	f.run.unsafe = true;
	f.run.inputs = f.inputs;
	f.run.depth = 1;
	f.run.envp = env;
	snprintf(sub, sizeof(sub), "%s/d", f.inputs);
	ck_assert_int_eq(mkdir(sub, 0755), 0);
	fixture_sh(&f, "env; cat; ls /proc/self/fd; echo oops >&2; exit 7");
	ck_assert_int_eq(f.st.error, 0);
	ck_assert_int_eq(f.st.exit_code, 7);
	text = fixture_text(f.out);
	snprintf(want, sizeof(want),
		 "A=1\nPATH=/usr/bin:/bin\nPWD=%s\n0\n1\n2\n3\n", sub);
	ck_assert_str_eq(text, want);
	free(text);
	text = fixture_text(f.err);
	ck_assert_str_eq(text, "oops\n");
	free(text);
	fixture_sh(&f, "exit 137");
	ck_assert_int_eq(f.st.exit_code, 137);
	fixture_sh(&f, "kill -9 $$");
	ck_assert_int_eq(f.st.exit_signal, 9);
	fixture_run(&f, argv);
	ck_assert_int_eq(f.st.error, 0);
	ck_assert_int_eq(f.st.exit_code, 127);
	f.run.depth = 2;
	fixture_sh(&f, "exit 0");
	ck_assert_int_eq(f.st.error, -ENOENT);
	fixture_done(&f);
}
END_TEST

START_TEST(unsafe_run_keeps_its_limits)
{
	struct fixture f;
	char script[128];

	fixture_init(&f, true);
	f.run.unsafe = true;
	f.run.timeout_ns = 200 * MSEC;
	fixture_sh(&f, "trap '' TERM; while :; do sleep 9; done");
	ck_assert_int_eq(f.st.error, -ETIMEDOUT);
	f.run.timeout_ns = 0;
	f.run.memory = MIB(100);
	fixture_sh(&f, "perl -e '$x = \"a\" x 150000000; sleep 20'");
	ck_assert_int_eq(f.st.error, -ENOMEM);
	f.run.scratch_max = MIB(1);
	fixture_sh(&f, "yes");
	ck_assert_int_eq(f.st.error, -EFBIG);
	snprintf(script, sizeof(script), "(setsid sleep 62006.%d &); exit 3",
		 (int)getpid());
	fixture_sh(&f, script);
	ck_assert_int_eq(f.st.exit_code, 3);
	snprintf(script, sizeof(script), "62006.%d", (int)getpid());
	ck_assert_uint_eq(processes_with(script), 0);
	fixture_done(&f);
}
END_TEST

START_TEST(wire_carries_a_run_and_refuses_what_is_torn)
{
	char a[] = "x", b[] = "", c[] = "K=v";
	char *argv[] = {a, b, NULL}, *envp[] = {c, NULL};
	struct sandbox_run run = {.inputs = "/i",
				  .depth = 3,
				  .argv = argv,
				  .envp = envp,
				  .memory = 77,
				  .network = true};
	CLEANUP_BUF struct buf frame = BUF_INIT;
	struct wire_run got;
	struct cur cur;
	size_t n;

	wire_put_start(&frame, 5, &run);
	cur = cur_of(frame.data + 13, frame.len - 13);
	ck_assert_int_eq(wire_get_run(&cur, &got), 0);
	ck_assert_str_eq(got.run.inputs, "/i");
	ck_assert_ptr_null(got.run.root);
	ck_assert_uint_eq(got.run.depth, 3);
	ck_assert_uint_eq(got.run.memory, 77);
	ck_assert(got.run.network && !got.run.unsafe);
	ck_assert_str_eq(got.run.argv[0], "x");
	ck_assert_str_eq(got.run.argv[1], "");
	ck_assert_ptr_null(got.run.argv[2]);
	ck_assert_str_eq(got.run.envp[0], "K=v");
	ck_assert_ptr_null(got.run.envp[1]);
	wire_run_done(&got);
	for (n = 0; n < frame.len - 13; n++) {
		cur = cur_of(frame.data + 13, n);
		ck_assert_int_eq(wire_get_run(&cur, &got), -EBADMSG);
	}
	frame.data[frame.len - 1] = 'x'; /* where a NUL must be */
	cur = cur_of(frame.data + 13, frame.len - 13);
	ck_assert_int_eq(wire_get_run(&cur, &got), -EBADMSG);
}
END_TEST

START_TEST(wire_gives_frames_whole_however_they_arrive)
{
	struct sandbox_status st = {.error = -5, .message = "hello"}, got;
	CLEANUP_BUF struct buf frame = BUF_INIT;
	struct wire_in in = {0};
	enum wire_kind kind;
	struct cur body;
	int fds[2];
	uint64_t id;
	size_t i;

	ck_assert_int_eq(pipe(fds), 0);
	wire_put_status(&frame, 9, &st);
	wire_put_stop(&frame, 10);
	for (i = 0; i + 1 < frame.len; i++) {
		ck_assert_int_eq(write(fds[1], frame.data + i, 1), 1);
		ck_assert_int_eq(wire_fill(&in, fds[0]), 1);
		if (wire_next(&in, &kind, &id, &body)) {
			ck_assert_uint_eq(kind, WIRE_STATUS);
			ck_assert_uint_eq(id, 9);
			ck_assert_int_eq(wire_get_status(&body, &got), 0);
			ck_assert_int_eq(got.error, -5);
			ck_assert_str_eq(got.message, "hello");
		}
	}
	ck_assert_int_eq(write(fds[1], frame.data + i, 1), 1);
	ck_assert_int_eq(write(fds[1], "\0\0\0\0", 4), 4);
	ck_assert_int_eq(wire_fill(&in, fds[0]), 5);
	ck_assert_int_eq(wire_next(&in, &kind, &id, &body), 1);
	ck_assert_uint_eq(kind, WIRE_STOP);
	ck_assert_uint_eq(id, 10);
	ck_assert_int_eq(wire_next(&in, &kind, &id, &body), -EBADMSG);
	wire_in_done(&in);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

TESTS("sandbox_life", TRIPLE(stop_ends_all_at_once),
      TRIPLE(stop_at_any_moment_leaves_nothing),
      TRIPLE(close_ends_all_and_calls_done),
      TRIPLE(killed_daemon_leaves_nothing),
      TRIPLE(daemon_killed_at_any_moment_leaves_nothing),
      TRIPLE(killed_helper_leaves_nothing),
      TRIPLE(helper_killed_at_any_moment_leaves_nothing),
      done_may_start_the_next_run, helper_keeps_nothing_of_the_daemon_open,
      unsafe_run_is_given_what_a_sandboxed_one_is, unsafe_run_keeps_its_limits,
      wire_carries_a_run_and_refuses_what_is_torn,
      wire_gives_frames_whole_however_they_arrive)
