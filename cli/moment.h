/* cli/moment.h - moments as people name them, in the rows of a store. */
#ifndef CLI_MOMENT_H
#define CLI_MOMENT_H

#include "cli/history.h"

/* The change that a snapshot's name, a time or @N means: what was there then.
 * A message is given; -ENOENT when there was nothing then or it has not come.
 */
int moment_find(struct history *h, const char *text,
		uint64_t *ret_seq) MUST_USE;

#endif
