/* cli/daemon.h - start the process that serves a mount.
 *
 * The starter forks before it has threads. The child mounts, tells the starter
 * over a pipe how that went, and serves until somebody unmounts.
 */
#ifndef CLI_DAEMON_H
#define CLI_DAEMON_H

#include "core/err.h"
#include "fs/mount.h"

#include <sys/types.h>

struct daemon_args {
	const char *store; /* absolute, as dir */
	const char *dir;
	const struct mount_options *options;
	/* For this process alone: the mount ends with it. dir is NULL; a new
	 * directory is made, and taken away in the end. */
	bool private;
	bool tied; /* it ends with the starter, too, and dir is given */
};

/* Returns when the mount can be used, or with why it cannot. *ret_dir is the
 * directory, for the caller to free. */
int daemon_start(const struct daemon_args *a, pid_t *ret_pid, char **ret_dir,
		 struct err *err) MUST_USE;
/* The same without a process of its own; the exit status. */
int daemon_run(const struct daemon_args *a);

/* Whether a store lies there, without opening it. */
bool store_exists(const char *store);

#endif
