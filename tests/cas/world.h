/* tests/cas/world.h - a store with its namespace, history and results, as a
 * mount has it, to be written to and looked at. Ends the test when anything
 * fails that should not. */
#ifndef TESTS_CAS_WORLD_H
#define TESTS_CAS_WORLD_H

#include "cas/store.h"
#include "core/journal.h"
#include "core/ns.h"
#include "core/results.h"

struct world {
	struct store *store;
	struct ns *ns;
	struct journal *journal;
	struct results *results;
	uint64_t opened_at; /* the last change when it was opened */
};

/* Opens, or makes; with db_lock held until it is closed. */
void world_open(struct world *w, const char *dir);
/* The same with store_open()'s flags; what fails comes back. */
int world_try(struct world *w, const char *dir, int flags,
	      struct err *err) MUST_USE;
void world_close(struct world *w);
/* As world_close(), but what fails is no matter. */
void world_drop(struct world *w);

/* One change each (the names lie in the root), which may find nothing to do.
 * Nonzero: why it failed. */
int world_try_write(struct world *w, const char *name, const void *p,
		    size_t n) MUST_USE;
void world_write(struct world *w, const char *name, const void *p, size_t n);
void world_rename(struct world *w, const char *name, const char *to);
void world_unlink(struct world *w, const char *name);
void world_xattr(struct world *w, const char *name, unsigned i);
void world_mkdir(struct world *w, unsigned i);
void world_result(struct world *w, unsigned i);
void world_checkpoint(struct world *w);

/* All that can be seen, as text: names, contents, attributes, results. */
void world_dump(struct world *w, struct buf *ret);
/* Every row leads to its bytes, every pack is whole, every version and result
 * can be read, the journals form a chain that says the same. */
void world_check(struct world *w);
/* It can be written to, and no number is used again. */
void world_goes_on(struct world *w);
/* Whether the last change but those of this process undid others. */
bool world_rolled_back(struct world *w);

#endif
