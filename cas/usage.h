/* cas/usage.h - what a store takes up on its disk, as du(1) counts it.
 *
 * Threads: any.  Cost: a look at every file of the store, of which there are as
 * many as packs and files being written.
 */
#ifndef CAS_USAGE_H
#define CAS_USAGE_H

#include "core/macros.h"

struct usage {
	uint64_t disk; /* all of it; of that: */
	uint64_t packs, database, drafts;
};

int usage_read(const char *store, struct usage *ret) MUST_USE;

#endif
