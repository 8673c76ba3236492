/* cli/prover.h - what head and prove begin with: the store, synced, with its
 * log and a head of it that is signed. */
#ifndef CLI_PROVER_H
#define CLI_PROVER_H

#include "cas/proof.h"
#include "cli/command.h"

struct prover {
	char *store;
	struct store *s;
	struct peek *peek;
	struct mlog *log;
	struct tile_head head;
};

/* Of --store, else of path, else of the working directory. Messages are given.
 */
int prover_open(const struct cli *cli, const char *path,
		struct prover *ret) MUST_USE;
void prover_done(struct prover *p);

#endif
