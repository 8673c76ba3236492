/* cli/openers.h - computing files by opening them.
 *
 * The mount computes what is opened, once for all who wait, and in as many jobs
 * as it has. For what cannot be asked for in one question (cli/ask.h): moments
 * of the past, and mounts of other users.
 */
#ifndef CLI_OPENERS_H
#define CLI_OPENERS_H

#include "cli/walk.h"

#define OPENERS_MAX 256

/* Whether an item has to be computed. */
bool item_to_do(const struct item *it);
/* jobs: so many at a time; 0: twice as many as the mount has. What failed is
 * named; an exit status. */
int open_all(const struct items *items, unsigned jobs);

#endif
