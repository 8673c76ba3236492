#include "recipes/sandbox_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

/* What hangs in a mount is killed, and ends when that lets go of it: nobody
 * waits longer for that. */
#define PATIENCE (2 * NSEC_PER_SEC)

static void kill_children(void)
{
	FILE *f = fopen("/proc/thread-self/children", "re");
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	if (f)
		fclose(f);
}

/* Whose parent dies becomes a child of the guard: so killing children until
 * there are none ends every descendant. */
static void end_all(void)
{
	int64_t end = clock_mono_ns() + PATIENCE;
	const struct timespec nap = {.tv_nsec = NSEC_PER_SEC / 1000};
	pid_t pid;

	for (;;) {
		kill_children();
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if ((pid < 0 && errno == ECHILD) || clock_mono_ns() > end)
			return;
		nanosleep(&nap, NULL);
	}
}

static NORETURN void guard(pid_t child)
{
	int status = 0;
	pid_t pid;

	do
		pid = waitpid(-1, &status, 0);
	while (pid != child && (pid > 0 || errno == EINTR));
	end_all();
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int guard_start(int drop, int *ret)
{
	int life[2];
	pid_t pid;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || pipe2(life, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	close(life[pid ? 0 : 1]);
	if (pid) {
		close(drop);
		guard(pid);
	}
	*ret = life[0];
	return 0;
}
