/* recipes/scratch.h - a private directory of one run, in the store's drafts/.
 *
 * Private to evaluation. Holds o/, where the command writes, and the files of
 * its two outputs.
 */
#ifndef RECIPES_SCRATCH_H
#define RECIPES_SCRATCH_H

#include "cas/store.h"

struct scratch {
	struct store *store;
	int fd;	       /* of the directory */
	char name[64]; /* in drafts/; "": none */
	char *path;    /* absolute */
};
#define SCRATCH_INIT(s)                \
	{                              \
		.store = (s), .fd = -1 \
	}

/* The number is different for each run of this process. Locked with flock(2) as
 * long as it is used, so that no other process sweeps it. */
int scratch_make(struct scratch *s, uint64_t number) MUST_USE;
/* Removes it with all that is in it, however deep and with whatever modes. */
void scratch_done(struct scratch *s);
/* Empties a directory, as far as that is possible: again and again while
 * something goes. Whether nothing is left. */
bool scratch_empty(int top);

#endif
