/* fs/flusher.h - brings in what the kernel has not written to a mount yet.
 *
 * That is a wait for the mount's own daemon to answer, and cannot be broken
 * off: a thread of the daemon that was killed in it would keep the connection
 * to the kernel open for ever, and the process could not end. So it is a
 * process of its own, which holds nothing of the daemon's and ends with it.
 *
 * Threads: one at a time.
 */
#ifndef FS_FLUSHER_H
#define FS_FLUSHER_H

#include "core/macros.h"

#include <stdbool.h>

struct flusher;

/* Forks: before there are threads, and before the connection is open. */
int flusher_open(struct flusher **ret) MUST_USE;
/* All that was written to the mount has arrived when this returns.
 * -ECANCELED: stop() said so meanwhile (it is asked ten times a second);
 * -EPIPE: the process was killed; else what the system said. */
int flusher_run(struct flusher *f, const char *mountpoint,
		bool (*stop)(void *ctx), void *ctx) MUST_USE;
/* When the connection is closed. */
void flusher_close(struct flusher *f);

#endif
