/* cli/secluded.h - a command with a mount that only it sees.
 *
 * The command runs in a mount namespace of its own, in which a branch of the
 * store is mounted where others see another one: same paths, same working
 * directory. Where the system lets it have a process namespace too, whatever it
 * leaves running ends with it; the mount ends in any case, also when this
 * process is killed.
 *
 * As root, or in a user namespace of the user alone, where other users' files
 * appear to belong to nobody, and set-user-ID programs gain nothing.
 */
#ifndef CLI_SECLUDED_H
#define CLI_SECLUDED_H

#include "core/err.h"

struct secluded {
	const char *store, *branch; /* store: absolute */
	const char *root;	    /* where it is seen */
	const char *rel;	    /* the working directory below it */
	char **argv;
};

/* Before threads start. The command's exit status: 126, 127 when it cannot be
 * run, 128 + n when a signal ended it. -errno, with a message, when it was not
 * begun, or when what it wrote may not be all there. */
int secluded_run(const struct secluded *s, struct err *err) MUST_USE;

#endif
