/* cas/bell.h - waiting until something may have been committed to a store, by
 * whatever process.
 *
 * Who commits says so on the store's file `lock` (attach_ring()); and the
 * database's log is written to, which tells of a process that was killed in
 * between. As the log is written before it counts, one is woken a few times
 * more then. Where nothing happens nobody wakes up. Without inotify (a user has
 * a limited number) it is 30 times a second.
 *
 * Threads: one at a time.
 */
#ifndef CAS_BELL_H
#define CAS_BELL_H

#include "core/macros.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

struct bell {
	int fd;	      /* inotify; -1: there is none to be had */
	size_t again; /* how often it rang by itself since the last sign */
};

/* Does not fail: says in the log why it asks instead of waiting. */
void bell_open(const char *store, struct bell *ret);
void bell_close(struct bell *b);
/* Also ends when other (may be NULL) is ready, which the caller then sees in
 * its revents. A look at the store should follow in any case. */
void bell_wait(struct bell *b, struct pollfd *other);

#endif
