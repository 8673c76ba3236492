#include "fs/flusher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/err.h"

#define LOOK_MS 100

struct flusher {
	int sock;
	pid_t pid;
	bool waiting; /* for an answer that was given up */
};

/* --- the process ---------------------------------------------------------- */

static int flush(const char *mountpoint)
{
	CLEANUP_CLOSE int fd =
		open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return syncfs(fd) < 0 ? -errno : 0;
}

static NORETURN void serve(int sock)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT,
				      SIGPIPE};
	char path[PATH_MAX];
	ssize_t n;
	size_t i;
	int r;

	for (i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	for (i = 0; i < 3; i++)
		close((int)i);
	if (dup2(sock, 3) < 0 || close_range(4, ~0U, 0) < 0 || chdir("/") < 0)
		_exit(1);
	setsid();
	prctl(PR_SET_NAME, "deriva-flush");
	while ((n = recv(3, path, sizeof(path) - 1, 0)) > 0) {
		path[n] = '\0';
		r = flush(path);
		if (send(3, &r, sizeof(r), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

/* --- the daemon's side ---------------------------------------------------- */

int flusher_open(struct flusher **ret)
{
	struct flusher *f = calloc(1, sizeof(*f));
	int fds[2];

	if (!f)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		free(f);
		return -errno;
	}
	f->pid = fork();
	if (!f->pid)
		serve(fds[1]);
	close(fds[1]);
	f->sock = fds[0];
	if (f->pid < 0) {
		close(f->sock);
		free(f);
		return -errno;
	}
	*ret = f;
	return 0;
}

static int await(struct flusher *f, bool (*stop)(void *ctx), void *ctx)
{
	struct pollfd p = {.fd = f->sock, .events = POLLIN};
	int r;

	while (poll(&p, 1, LOOK_MS) <= 0)
		if (stop(ctx))
			return -ECANCELED;
	f->waiting = false;
	return recv(f->sock, &r, sizeof(r), 0) == sizeof(r) ? r : -EPIPE;
}

int flusher_run(struct flusher *f, const char *mountpoint,
		bool (*stop)(void *ctx), void *ctx)
{
	if (!f->waiting &&
	    send(f->sock, mountpoint, strlen(mountpoint), MSG_NOSIGNAL) < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	f->waiting = true;
	return await(f, stop, ctx);
}

void flusher_close(struct flusher *f)
{
	if (!f)
		return;
	close(f->sock);
	while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(f);
}
