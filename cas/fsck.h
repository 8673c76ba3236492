/* cas/fsck.h - checks a whole store, and heals it: every byte of every pack,
 * the index against the packs, the rows against each other and against the
 * journals, and what each damaged object is needed for.
 *
 * The packs are read once, in order, on all cores. What is needed is found
 * from the rows: the content of every version, past or present, of every
 * result, and the chain of journals; a shared part of two contents is looked
 * at once. What is damaged is led back to paths, versions and results.
 *
 * A check changes nothing and works beside mounts and commands that write: what
 * seems damaged is looked up again before it is called so. A repair wants the
 * store for itself.
 *
 * Not damage: a record that a writer left unfinished, an object that no row
 * knows, results whose bytes were dropped.
 *
 * Memory:  about 56 bytes an object of the packs checked at a time, at most 4
 *          million of them; 40 a node; what is damaged.
 * Threads: one at a time.
 */
#ifndef CAS_FSCK_H
#define CAS_FSCK_H

#include "core/addr.h"
#include "core/buf.h"
#include "core/err.h"

#include <stdbool.h>

enum fsck_kind {
	FSCK_OBJECT, /* addr, in where (a pack, or "") at offset */
	FSCK_FILE, /* a version of a file: where is a path, change its birth */
	FSCK_RESULT,  /* of a computation, addr its address, where a name or ""
		       */
	FSCK_PACK,    /* a pack as a file */
	FSCK_ROWS,    /* the database */
	FSCK_JOURNAL, /* of changes: addr */
	FSCK_STORE,   /* another file of the store */
};

enum fsck_state {
	FSCK_DAMAGED, /* found */
	FSCK_HEALED,
	FSCK_LEFT, /* after a repair */
	FSCK_NOTE, /* no damage, but worth a word */
};

struct fsck_finding {
	enum fsck_kind kind;
	enum fsck_state state;
	const char *where;
	const char *what;	 /* words for a person, without the place */
	const struct addr *addr; /* or NULL */
	uint64_t offset;
	uint64_t change;
	bool now; /* FSCK_FILE: it is what the path holds now */
	/* FSCK_FILE, FSCK_RESULT: the damaged objects it needs */
	const struct addr *objects;
	size_t nobjects;
};

struct fsck_host {
	void *ctx;
	void (*found)(void *ctx, const struct fsck_finding *f);
	/* Called often. total 0: not known. */
	void (*progress)(void *ctx, const char *doing, uint64_t done,
			 uint64_t total);
};

struct fsck_sums {
	uint64_t packs, bytes, objects, changes, versions, results;
	uint64_t damaged, healed, left, notes; /* findings */
};

struct fsck;

/* -ENOENT and so on, with a message, when there is nothing that could be
 * checked. The host stays the caller's. */
int fsck_open(const char *path, const struct fsck_host *host, struct fsck **ret,
	      struct err *err) MUST_USE;
/* Before that, for a repair: what keeps a directory that is a store from being
 * opened as one is put right; what was done, for fsck_tell_layout(). */
int fsck_heal_layout(const char *path, struct err *err) MUST_USE;
void fsck_tell_layout(const struct fsck_host *host, int done);
void fsck_close(struct fsck *f);
CLEANUP_FN(struct fsck, fsck_close)

/* Checks everything. Failures of the checking itself (memory) are returned;
 * what is wrong with the store is a finding. */
int fsck_check(struct fsck *f) MUST_USE;
/* Heals what fsck_check() found. -EBUSY with a message when somebody uses the
 * store. */
int fsck_repair(struct fsck *f, struct err *err) MUST_USE;
/* Names of derived files, from the root, each with its NUL, whose bytes were
 * dropped by the repair and that can be computed again. The store is let go
 * of until fsck_left(). */
const struct buf *fsck_derived(const struct fsck *f);
/* Looks again at all that was found, and reports what is left of it. */
int fsck_left(struct fsck *f) MUST_USE;
void fsck_sums(const struct fsck *f, struct fsck_sums *ret);

#endif
