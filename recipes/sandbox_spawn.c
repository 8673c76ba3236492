#include "recipes/sandbox_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Programs that use select(2), or close every descriptor up to the limit, do
 * not survive the large soft limit that a daemon gives itself. */
#define FILES_SOFT 1024
#define FILES_HARD 524288
#define FILE_MIN   KIB(64)

uint64_t streams_file_limit(uint64_t scratch_max)
{
	return scratch_max ? MAX(scratch_max, FILE_MIN) : 0;
}

static int open_out(const char *path, int flags, int *ret, struct err *err)
{
	int fd;

	if (!path)
		path = "/dev/null";
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0666);
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", path, err_name(errno));
	*ret = fd;
	return 0;
}

/* Standard error is appended to: a script's `echo oops >/dev/stderr` opens it
 * anew and truncates it, and later lines would come behind a hole. Standard
 * output is not, since programs may seek back in it. */
static int open_err(const struct sandbox_run *run, struct streams *s,
		    struct err *err)
{
	const char *path = run->stderr_path;

	if (!path) {
		s->err = memfd_create("stderr", MFD_CLOEXEC);
		return s->err < 0 ? err_set(err, -errno, "memfd: %s",
					    err_name(errno))
				  : 0;
	}
	if (run->stdout_path && !strcmp(path, run->stdout_path)) {
		s->err = fcntl(s->out, F_DUPFD_CLOEXEC, 3);
		return s->err < 0 ? err_set(err, -errno, "%s: %s", path,
					    err_name(errno))
				  : 0;
	}
	return open_out(path, O_APPEND, &s->err, err);
}

int streams_open(const struct sandbox_run *run, struct streams *ret,
		 struct err *err)
{
	struct streams s = STREAMS_INIT;
	int rc = 0;

	s.in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (s.in < 0)
		rc = err_set(err, -errno, "/dev/null: %s", err_name(errno));
	if (!rc)
		rc = open_out(run->stdout_path, 0, &s.out, err);
	if (!rc)
		rc = open_err(run, &s, err);
	if (rc) {
		streams_close(&s);
		return rc;
	}
	*ret = s;
	return 0;
}

void streams_close(struct streams *s)
{
	close_fdp(&s->in);
	close_fdp(&s->out);
	close_fdp(&s->err);
	*s = (struct streams)STREAMS_INIT;
}

static int limit(__rlimit_resource_t what, rlim_t soft, rlim_t hard)
{
	struct rlimit now;

	if (getrlimit(what, &now) < 0)
		return -errno;
	now.rlim_max = MIN(hard, now.rlim_max);
	now.rlim_cur = MIN(soft, now.rlim_max);
	return setrlimit(what, &now) < 0 ? -errno : 0;
}

static int reset_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;
	int sig;

	for (sig = 1; sig < SIGRTMIN; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

int streams_enter(const struct streams *s, uint64_t scratch_max)
{
	uint64_t fsize = streams_file_limit(scratch_max);
	int rc;

	if (dup2(s->in, 0) < 0 || dup2(s->out, 1) < 0 || dup2(s->err, 2) < 0)
		return -errno;
	setpriority(PRIO_PROCESS, 0, s->nice); /* lowering always works */
	rc = limit(RLIMIT_CORE, 0, 0);
	if (!rc)
		rc = limit(RLIMIT_NOFILE, FILES_SOFT, FILES_HARD);
	if (!rc && fsize)
		rc = limit(RLIMIT_FSIZE, fsize, fsize);
	return rc ? rc : reset_signals();
}

/* Behind vfork: shares the helper's memory, so nothing but system calls. */
static NORETURN void become_bwrap(const char *path, char *const *argv,
				  const struct streams *s, uint64_t max,
				  const int *keep, size_t n_keep, pid_t parent,
				  volatile int *ret_errno)
{
	static char *const no_env[] = {NULL};
	size_t i;
	int rc;

	/* Before signals are let in: whoever kills the helper now must not
	 * leave this process behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	rc = streams_enter(s, max);
	for (i = 0; i < n_keep && !rc; i++)
		if (fcntl(keep[i], F_SETFD, 0) < 0)
			rc = -errno;
	if (!rc) {
		execve(path, argv, no_env);
		rc = -errno;
	}
	*ret_errno = -rc;
	_exit(127);
}

int spawn_bwrap(const char *path, char *const *argv, const struct streams *s,
		uint64_t scratch_max, const int *keep, size_t n_keep,
		pid_t *ret)
{
	volatile int failed = 0;
	pid_t self = getpid(), pid;
	sigset_t all, old;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = vfork();
	if (!pid)
		become_bwrap(path, argv, s, scratch_max, keep, n_keep, self,
			     &failed);
	if (pid < 0)
		failed = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (failed) {
		while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return -failed;
	}
	*ret = pid;
	return 0;
}
