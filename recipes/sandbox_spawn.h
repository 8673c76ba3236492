/* recipes/sandbox_spawn.h - a process for a run: streams, limits, exec.
 *
 * Threads: only the helper's main thread spawns. What it starts dies with
 * that thread.
 */
#ifndef RECIPES_SANDBOX_SPAWN_H
#define RECIPES_SANDBOX_SPAWN_H

#include "recipes/sandbox.h"

#include <sys/types.h>

/* The three standard streams of a run, and the file limit that goes with
 * them. */
struct streams {
	int in, out, err;
	int nice;
};
#define STREAMS_INIT                           \
	{                                      \
		.in = -1, .out = -1, .err = -1 \
	}

/* Makes or truncates the files. Standard error can be read back, also where
 * the run wants it nowhere. */
int streams_open(const struct sandbox_run *run, struct streams *ret,
		 struct err *err) MUST_USE;
void streams_close(struct streams *s);

/* In the process that will be the command: signals as a new process expects
 * them, streams, limits. Makes system calls only, so it may run behind vfork.
 * 0 or -errno. */
int streams_enter(const struct streams *s, uint64_t scratch_max) MUST_USE;

/* RLIMIT_FSIZE of a run: never so small that bubblewrap's own made-up files
 * do not fit. */
uint64_t streams_file_limit(uint64_t scratch_max);

/* vfork and exec of `path` with an empty environment; `keep` are descriptors
 * that stay open in it (all others are close-on-exec). */
int spawn_bwrap(const char *path, char *const *argv, const struct streams *s,
		uint64_t scratch_max, const int *keep, size_t n_keep,
		pid_t *ret) MUST_USE;

#endif
