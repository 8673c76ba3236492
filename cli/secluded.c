/* Three processes: this one; the one that makes the namespaces, and waits (a
 * process namespace begins with the first child); and the first in there, which
 * mounts, starts the command, and when that has ended has the mount written
 * out. Each dies with the one above it, and with the first all in its process
 * namespace. */
#include "cli/secluded.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "cli/daemon.h"
#include "cli/mountpoint.h"

#define STATUS_SIGNAL 128

/* What the inner processes tell: an exit status, or why there is none. */
struct told {
	int rc; /* 0, -errno */
	int status;
	char msg[sizeof(((struct err *)0)->msg)];
};

/* --- signals ------------------------------------------------------------- */

static void block_signals(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, old);
}

static bool ended(pid_t pid, int *ret_status)
{
	pid_t p;
	int status;

	while ((p = waitpid(-1, &status, WNOHANG)) > 0)
		if (p == pid) {
			*ret_status = status;
			return true;
		}
	return false;
}

/* What a terminal sends to all of us the command has got already. */
static bool is_for_child(const siginfo_t *s)
{
	return s->si_signo == SIGTERM || s->si_signo == SIGHUP ||
	       s->si_code <= 0;
}

/* Signals are handed on until that child has ended: its wait status. */
static int await(pid_t pid)
{
	siginfo_t info;
	sigset_t set;
	int status = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	while (!ended(pid, &status)) {
		if (sigwaitinfo(&set, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD && is_for_child(&info))
			kill(pid, info.si_signo);
	}
	return status;
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

static void die_with_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
}

/* --- namespaces ---------------------------------------------------------- */

static int write_text(const char *path, const char *text)
{
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int map_ids(uid_t uid, gid_t gid)
{
	char text[64];
	int rc = write_text("/proc/self/setgroups", "deny");

	if (rc < 0 && rc != -ENOENT)
		return rc;
	snprintf(text, sizeof(text), "%u %u 1", uid, uid);
	rc = write_text("/proc/self/uid_map", text);
	if (rc < 0)
		return rc;
	snprintf(text, sizeof(text), "%u %u 1", gid, gid);
	return write_text("/proc/self/gid_map", text);
}

static int enter(bool pids, struct err *err)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int flags = CLONE_NEWNS | (pids ? CLONE_NEWPID : 0);
	int rc = 0;

	if (unshare(flags | (uid ? CLONE_NEWUSER : 0)) < 0)
		return err_set(err, -errno,
			       uid ? "a user namespace is needed and cannot be "
				     "had (%s): run it as root, or have "
				     "kernel.unprivileged_userns_clone and "
				     "user.max_user_namespaces allow it"
				   : "a mount namespace is needed and cannot "
				     "be had: %s",
			       err_name(errno));
	if (uid)
		rc = map_ids(uid, gid);
	if (rc < 0)
		return err_set(err, rc, "user namespace: %s", err_name(rc));
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_set(err, -errno, "mount namespace: %s",
			       err_name(errno));
	return 0;
}

/* --- in there ------------------------------------------------------------ */

/* Over the mount that others see there. */
static int mount_branch(const struct secluded *s, pid_t *ret_pid,
			struct err *err)
{
	CLEANUP(mount_options_done) struct mount_options o = {.over = true};
	CLEANUP_FREE char *text = NULL, *made = NULL;
	struct daemon_args a = {.store = s->store,
				.dir = s->root,
				.options = &o,
				.tied = true};
	int rc;

	if (asprintf(&text, "branch=%s", s->branch) < 0) {
		text = NULL;
		return err_set(err, -ENOMEM, "%s", err_name(-ENOMEM));
	}
	rc = mount_parse_options(text, &o, err);
	return rc < 0 ? rc : daemon_start(&a, ret_pid, &made, err);
}

static NORETURN void command(const struct secluded *s, const sigset_t *mask)
{
	CLEANUP_FREE char *dir = path_join(s->root, s->rel);
	int rc;

	sigprocmask(SIG_SETMASK, mask, NULL);
	if (!dir || chdir(dir) < 0) {
		rc = errno;
		dprintf(STDERR_FILENO, "deriva: %s: %s\n", dir ? dir : "",
			err_name(rc));
		_exit(126);
	}
	execvp(s->argv[0], s->argv);
	rc = errno;
	dprintf(STDERR_FILENO, "deriva: %s: %s\n", s->argv[0], err_name(rc));
	_exit(rc == ENOENT ? 127 : 126);
}

static int in_there(const struct secluded *s, bool pids, const sigset_t *mask,
		    int *ret_status, struct err *err)
{
	pid_t daemon = 0, pid;
	int rc, status = 0, end = 0;

	if (pids && mount("proc", "/proc", "proc",
			  MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return err_set(err, -ENOTSUP, "/proc: %s", err_name(errno));
	rc = mount_branch(s, &daemon, err);
	if (rc < 0)
		goto out;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		command(s, mask);
	if (pid < 0)
		rc = err_set(err, -errno, "fork: %s", err_name(errno));
	else
		status = await(pid);
out:
	if (!daemon)
		return rc;
	kill(daemon, SIGTERM);
	end = await(daemon);
	if (rc == 0 && end)
		return err_set(err, -EIO,
			       "what was written could not be kept (the "
			       "store's file \"log\" says why)");
	*ret_status = exit_status(status);
	return rc;
}

static void tell(int fd, int rc, int status, const struct err *err)
{
	struct told t = {.rc = rc, .status = status};

	snprintf(t.msg, sizeof(t.msg), "%s", err->msg);
	if (write(fd, &t, sizeof(t)) < 0)
		return; /* who asked has gone */
}

/* The process in between, and the first in the namespaces. */
static NORETURN void between(const struct secluded *s, bool pids,
			     const sigset_t *mask, int fd)
{
	struct err err = {{0}};
	int rc, status = 0;
	pid_t self, pid;

	rc = enter(pids, &err);
	if (rc < 0) {
		tell(fd, rc, 0, &err);
		_exit(EXIT_FAILURE);
	}
	self = getpid();
	pid = fork();
	if (pid == 0) {
		/* in a new process namespace the parent has no number */
		die_with_parent(pids ? 0 : self);
		rc = in_there(s, pids, mask, &status, &err);
		tell(fd, rc, status, &err);
		_exit(0);
	}
	if (pid > 0)
		await(pid);
	_exit(0);
}

static int attempt(const struct secluded *s, bool pids, const sigset_t *mask,
		   struct told *ret)
{
	pid_t self = getpid(), pid;
	int fds[2];
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		die_with_parent(self);
		between(s, pids, mask, fds[1]);
	}
	close(fds[1]);
	if (pid > 0)
		await(pid);
	do
		n = read(fds[0], ret, sizeof(*ret));
	while (n < 0 && errno == EINTR);
	close(fds[0]);
	return pid > 0 && n == (ssize_t)sizeof(*ret) ? 0 : -ECHILD;
}

int secluded_run(const struct secluded *s, struct err *err)
{
	struct told t = {0};
	sigset_t mask;
	int rc;

	block_signals(&mask);
	rc = attempt(s, true, &mask, &t);
	if (rc == 0 && t.rc == -ENOTSUP) /* a container that hides /proc */
		rc = attempt(s, false, &mask, &t);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (rc < 0)
		return err_set(err, rc,
			       "the command was killed with what ran it");
	if (t.rc < 0)
		return err_set(err, t.rc, "%s", t.msg);
	return t.status;
}
