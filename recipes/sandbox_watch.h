/* recipes/sandbox_watch.h - see that a run stays within its limits.
 *
 * One thread a run that lasts (short runs have none): it counts processes 100
 * times a second, samples memory 20 to 100 times and walks the scratch up to
 * 10 times, less often where that is dear.
 *
 * What is not seen: memory in descriptors that nobody maps (memfd), bytes of
 * files under the scratch that were unlinked while open or lie in directories
 * that cannot be read.
 *
 * Owns: its thread.   Borrows: the strings of the spec, the wake descriptor.
 * Threads: start, stop and free from the helper's main thread.
 */
#ifndef RECIPES_SANDBOX_WATCH_H
#define RECIPES_SANDBOX_WATCH_H

#include "recipes/sandbox_disk.h"

#include <stdbool.h>
#include <sys/types.h>

#define WATCH_PROCESSES 2048 /* of one run; fork bombs end here */

struct watch_spec {
	pid_t top;		/* its descendants are the run */
	uint64_t memory;	/* 0: no limit */
	uint64_t bytes;		/* 0: no limit */
	struct written written; /* what counts */
	bool own_root; /* top has a /tmp, /dev/shm and /proc of its own */
	int wake;      /* eventfd: there is a verdict, or the end */
};

struct watch;

int watch_start(const struct watch_spec *spec, struct watch **ret) MUST_USE;
/* 0, or the error that the run is to end with; then the message too. */
int watch_verdict(struct watch *w, struct err *ret);
/* No further samples; with last_look, one more of the bytes written. The end
 * is told through wake. */
void watch_stop(struct watch *w, bool last_look);
bool watch_ended(struct watch *w);
void watch_free(struct watch *w); /* waits for the thread */

#endif
