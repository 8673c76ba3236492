#include "cas/bell.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "core/err.h"

#define GATHER_MS   3
#define FALLBACK_MS 30

/* Again so long after the last sign of life. */
static const int again_ms[] = {4, 10, 25};

static int watch_file(const char *store, int fd, const char *name)
{
	CLEANUP_FREE char *path = NULL;

	if (asprintf(&path, "%s/%s", store, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return inotify_add_watch(fd, path, IN_MODIFY) < 0 ? -errno : 0;
}

void bell_open(const char *store, struct bell *ret)
{
	CLEANUP_CLOSE int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int rc = fd < 0 ? -errno : 0;

	if (rc >= 0)
		rc = watch_file(store, fd, "lock");
	if (rc >= 0)
		rc = watch_file(store, fd, "deriva.db-wal");
	*ret = (struct bell){.fd = -1, .again = ARRAY_LEN(again_ms)};
	if (rc >= 0)
		ret->fd = steal_fd(&fd);
	else
		log_warn("%s: cannot be watched (%s): asking for changes of "
			 "other processes every %d ms",
			 store, err_name(rc), FALLBACK_MS);
}

void bell_close(struct bell *b)
{
	close_fdp(&b->fd);
}

/* Whether anything was there. */
static bool drain(int fd)
{
	char b[4096];
	bool any = false;

	while (fd >= 0 && read(fd, b, sizeof(b)) > 0)
		any = true;
	return any;
}

void bell_wait(struct bell *b, struct pollfd *other)
{
	const struct timespec gather = {.tv_nsec = GATHER_MS * 1000000};
	struct pollfd fds[2] = {{.fd = b->fd, .events = POLLIN}, {.fd = -1}};
	int idle = b->fd < 0 ? FALLBACK_MS : -1;
	bool written;

	if (other)
		fds[1] = *other;
	if (poll(fds, 2,
		 b->again < ARRAY_LEN(again_ms) ? again_ms[b->again] : idle) <
	    0)
		fds[0].revents = fds[1].revents = 0;
	if (other)
		other->revents = fds[1].revents;
	written = fds[0].revents && !fds[1].revents;
	if (written)
		nanosleep(&gather, NULL);
	if (drain(b->fd) || written)
		b->again = 0;
	else if (b->again < ARRAY_LEN(again_ms))
		b->again++;
}
