/* recipes/sandbox_direct.h - run a command without bubblewrap.
 *
 * Each run has a supervisor, forked from the helper: a subreaper, so that
 * whatever the command leaves behind becomes its child and is killed before
 * it reports. It ends everything when the helper closes the control pipe, or
 * dies.
 */
#ifndef RECIPES_SANDBOX_DIRECT_H
#define RECIPES_SANDBOX_DIRECT_H

#include "recipes/sandbox_spawn.h"

#include <sys/resource.h>

struct direct_report {
	int error;	/* -errno: the command could not be started */
	int exec_error; /* -errno: argv[0] cannot be executed */
	int status;	/* as wait(2) tells */
	struct rusage usage;
};

struct direct {
	pid_t pid;     /* the supervisor */
	int report_fd; /* one direct_report when it has ended */
	int control_fd;
};

int direct_start(const struct sandbox_run *run, const struct streams *s,
		 struct direct *ret) MUST_USE;

#endif
