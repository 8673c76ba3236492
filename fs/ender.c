/* A signal ends the mount as umount would: what the kernel still holds is
 * brought in while the session answers, then the directory is let go of. Who
 * has files open gets a few seconds; drafts are kept in any case.
 */
#include "fs/ender.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "core/err.h"

#define GRACE_SECONDS 5

struct ender {
	struct fuse_session *se;
	const char *mountpoint;
	sigset_t old_signals;
	pthread_t main, thread;
};

/* The kernel tells of a closing without waiting, and tells nothing any more
 * once it is unmounted: who has an answer to what was asked after it knows that
 * it has come. */
static void bring_in(const char *mountpoint)
{
	int fd = open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statvfs answer;

	if (fd < 0)
		return;
	if (syncfs(fd) < 0)
		log_warn("%s: %s", mountpoint, err_name(errno));
	close(fd);
	(void)statvfs(mountpoint, &answer);
}

static void let_go(const char *mountpoint)
{
	pid_t pid;

	if (geteuid() == 0) {
		umount2(mountpoint, MNT_DETACH);
		return;
	}
	pid = fork();
	if (pid == 0) {
		execlp("fusermount3", "fusermount3", "-u", "-z", "-q", "--",
		       mountpoint, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
}

static void noted(int sig)
{
	(void)sig; /* only interrupts the loop's wait */
}

static void *ender(void *arg)
{
	struct timespec second = {1, 0};
	struct ender *e = arg;
	sigset_t set;
	int sig, i;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR2);
	while (sigwait(&set, &sig))
		;
	if (sig == SIGUSR2)
		return NULL; /* the loop has ended by itself */
	log_info("%s: ending on signal %d", e->mountpoint, sig);
	bring_in(e->mountpoint);
	let_go(e->mountpoint);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	for (i = 0; i < GRACE_SECONDS; i++)
		if (sigtimedwait(&set, NULL, &second) == SIGUSR2)
			return NULL;
	fuse_session_exit(e->se);
	do
		pthread_kill(e->main, SIGUSR1);
	while (sigtimedwait(&set, NULL, &second) != SIGUSR2);
	return NULL;
}

int ender_start(struct fuse_session *se, const char *mountpoint,
		struct ender **ret)
{
	struct ender *e = calloc(1, sizeof(*e));
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction note = {.sa_handler = noted};
	sigset_t set;
	int r;

	if (!e)
		return -ENOMEM;
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGUSR1, &note, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, &e->old_signals);
	e->se = se;
	e->mountpoint = mountpoint;
	e->main = pthread_self();
	r = -pthread_create(&e->thread, NULL, ender, e);
	if (r < 0) {
		pthread_sigmask(SIG_SETMASK, &e->old_signals, NULL);
		free(e);
		return r;
	}
	*ret = e;
	return 0;
}

void ender_stop(struct ender *e)
{
	if (!e)
		return;
	pthread_kill(e->thread, SIGUSR2);
	pthread_join(e->thread, NULL);
	pthread_sigmask(SIG_SETMASK, &e->old_signals, NULL);
	free(e);
}
