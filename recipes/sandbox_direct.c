/* Two processes: the command, which changes its directory itself (that may
 * block in a mount, and the helper must not), and its supervisor, which does
 * nothing but wait. Both come from fork(2): this mode is for machines where
 * namespaces are forbidden, not for speed. */
#include "recipes/sandbox_direct.h"

#include "core/buf.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

enum { REPORT_FD = 3, CONTROL_FD, SIGNAL_FD, STREAM_FD };

static int enter_directory(const struct sandbox_run *run)
{
	const char *dir = run->inputs ? run->inputs : run->scratch;
	char cwd[4096];
	unsigned i;

	if (chdir(dir ? dir : "/") < 0)
		return -errno;
	for (i = 0; run->inputs && i < run->depth; i++)
		if (chdir("d") < 0)
			return -errno;
	if (!getcwd(cwd, sizeof(cwd)))
		return -errno;
	return setenv("PWD", cwd, 1) < 0 ? -errno : 0;
}

static int set_environment(char *const *envp)
{
	if (clearenv())
		return -ENOMEM;
	for (; envp && *envp; envp++)
		if (putenv(*envp))
			return -ENOMEM;
	return 0;
}

/* Failures go into memory that is shared with the supervisor. */
static NORETURN void be_command(const struct sandbox_run *run,
				const struct streams *s,
				struct direct_report *r)
{
	int rc = setsid() < 0 ? -errno : 0;

	if (!rc)
		rc = streams_enter(s, run->scratch_max);
	if (!rc)
		rc = set_environment(run->envp);
	if (!rc)
		rc = enter_directory(run);
	if (!rc) {
		execvp(run->argv[0], run->argv);
		r->exec_error = -errno;
	}
	r->error = rc;
	_exit(127);
}

/* Children whose parents died come here, so that killing children until there
 * are none ends every descendant. */
static void end_everything(void)
{
	FILE *f;
	int pid;

	for (;;) {
		f = fopen("/proc/thread-self/children", "re");
		while (f && fscanf(f, "%d", &pid) == 1)
			kill(pid, SIGKILL);
		if (f)
			fclose(f);
		if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
			return;
	}
}

/* 1 when the command itself has ended. */
static int reap(pid_t command, int *ret_status)
{
	struct signalfd_siginfo si;
	int status, ended = 0;
	pid_t pid;

	if (read(SIGNAL_FD, &si, sizeof(si)) < 0 && errno != EAGAIN)
		return 0;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == command) {
			*ret_status = status;
			ended = 1;
		}
	return ended;
}

/* 1 when the command has ended, 0 when the helper wants an end. */
static int wait_for(pid_t command, int *ret_status)
{
	struct pollfd p[2] = {{.fd = SIGNAL_FD, .events = POLLIN},
			      {.fd = CONTROL_FD, .events = POLLIN}};

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return 0;
		if (p[0].revents && reap(command, ret_status))
			return 1;
		if (p[1].revents)
			return 0;
	}
}

/* Keeps what it needs at known numbers and nothing else: a copy of another
 * run's control pipe would keep that run alive. */
static int arrange(int report_fd, int control_fd, int sig_fd,
		   const struct streams *s, struct streams *ret)
{
	const int from[] = {report_fd, control_fd, sig_fd,
			    s->in,     s->out,	   s->err};
	int high[ARRAY_LEN(from)];
	size_t i;

	for (i = 0; i < ARRAY_LEN(from); i++) {
		high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 64);
		if (high[i] < 0)
			return -errno;
	}
	for (i = 0; i < ARRAY_LEN(from); i++)
		if (dup3(high[i], REPORT_FD + (int)i, O_CLOEXEC) < 0)
			return -errno;
	if (close_range(STREAM_FD + 3, ~0U, 0) < 0)
		return -errno;
	*ret = (struct streams){.in = STREAM_FD,
				.out = STREAM_FD + 1,
				.err = STREAM_FD + 2,
				.nice = s->nice};
	return 0;
}

static int run_command(const struct sandbox_run *run, const struct streams *s,
		       struct direct_report *r)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		be_command(run, s, r);
	return wait_for(pid, &r->status) ? 0 : -ECANCELED;
}

static NORETURN void supervise(const struct sandbox_run *run,
			       const struct streams *given, int report_fd,
			       int control_fd)
{
	struct direct_report *r;
	struct streams s;
	sigset_t chld;
	int sig_fd, rc;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_SETMASK, &chld, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sig_fd = signalfd(-1, &chld, SFD_NONBLOCK | SFD_CLOEXEC);
	if (r == MAP_FAILED || sig_fd < 0 ||
	    arrange(report_fd, control_fd, sig_fd, given, &s))
		_exit(1);
	rc = run_command(run, &s, r);
	end_everything();
	if (rc)
		r->error = rc;
	getrusage(RUSAGE_CHILDREN, &r->usage);
	_exit(write(REPORT_FD, r, sizeof(*r)) == sizeof(*r) ? 0 : 1);
}

int direct_start(const struct sandbox_run *run, const struct streams *s,
		 struct direct *ret)
{
	int report[2] = {-1, -1}, control[2] = {-1, -1}, rc = 0;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0 || pipe2(control, O_CLOEXEC) < 0 ||
	    fcntl(report[0], F_SETFL, O_NONBLOCK) < 0)
		rc = -errno;
	pid = rc ? -1 : fork();
	if (!pid)
		supervise(run, s, report[1], control[0]);
	if (!rc && pid < 0)
		rc = -errno;
	close_fdp(&report[1]);
	close_fdp(&control[0]);
	if (rc) {
		close_fdp(&report[0]);
		close_fdp(&control[1]);
		return rc;
	}
	*ret = (struct direct){.pid = pid,
			       .report_fd = report[0],
			       .control_fd = control[1]};
	return 0;
}
