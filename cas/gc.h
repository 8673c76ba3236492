/* cas/gc.h - collection: objects that nothing needs go, while others write.
 *
 * Versions beyond what the store's setting keeps are let go of first, and bytes
 * of results over its budget (cas/evict.h). What is
 * needed is then: all that rows refer to (core/roots.h), journals, what some
 * process has open or is taking in (cas/holds.h), and what those need in turn.
 * The essay is in gc.c.
 *
 * Threads: one; db_lock() is taken for some rows at a time.
 * Errors:  -ECANCELED stopped, -EUCLEAN a damaged node stands in the way
 *          (nothing was removed), -ENOSPC, -EIO. It may be killed at any
 *          moment, and whoever is next begins anew.
 * Durable: what it says is gone is gone.
 */
#ifndef CAS_GC_H
#define CAS_GC_H

#include "cas/store.h"
#include "core/ns.h"

struct gc_options {
	bool dry;	  /* nothing goes: only counted */
	unsigned percent; /* a pack with that much waste is rewritten */
	int64_t spare_ns; /* packs written to since then keep all they have */
	int64_t patience_ns; /* for those who are taking something in */
	/* NULL: never. */
	bool (*stop)(void *ctx);
	/* What it does now, and how far it is (of 0: nobody knows). NULL. */
	void (*progress)(void *ctx, const char *what, uint64_t done,
			 uint64_t of);
	void *ctx;
	struct ns *ns; /* the history, where it is open; NULL: it is opened */
};

struct gc_report {
	uint64_t versions;	 /* that were let go of, by the setting */
	uint64_t results;	 /* that were dropped, over the budget */
	uint64_t result_bytes;	 /* of those */
	uint64_t over;		 /* bytes over it that cannot be dropped */
	uint64_t objects, bytes; /* that went; stored */
	uint64_t live;		 /* objects that stay */
	uint64_t packs_removed, packs_rewritten;
	uint64_t freed; /* bytes of pack files, less those written anew */
	uint64_t left;	/* bytes of waste that stay: not worth it yet */
	uint64_t held;	/* not 0: of what was forgotten something is left, as it
			 * is open, or was being written */
	unsigned busy;	/* processes it did not wait for any longer */
};

/* Waits while another process collects. */
int gc_run(struct store *s, const struct gc_options *o, struct gc_report *ret,
	   struct err *err) MUST_USE;

#endif
