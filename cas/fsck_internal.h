/* cas/fsck_internal.h - what the files of cas/fsck.h share, and they alone.
 *
 *   fsck.c		opening, order, findings
 *   fsck_packs.c	packs against the index
 *   fsck_need.c	what a content needs, and whether it is all there
 *   fsck_hurt.c	versions and results that need what is damaged
 *   fsck_rows.c	rows, and the chain of journals
 *   fsck_repair.c	healing the index and the packs
 *   fsck_rebuild.c	a new database from the packs
 */
#ifndef CAS_FSCK_INTERNAL_H
#define CAS_FSCK_INTERNAL_H

#include "cas/fsck.h"
#include "cas/layout.h"
#include "cas/pack_verify.h"
#include "cas/store.h"
#include "core/map.h"
#include "core/ns.h"
#include "core/results.h"

/* An object that is damaged, or missing although something needs it. */
struct bad {
	struct addr addr;
	bool missing; /* it has no row */
	bool excused; /* no loss by itself: a result can be computed again, a
		       * journal written; or nobody is known to need it */
	bool healed;
	char pack[PACK_NAME_LEN]; /* "" when there is none */
	uint64_t offset;
	enum obj_kind kind;
};

struct fsck {
	const struct fsck_host *host;
	char *path, *db_path;
	struct layout layout;
	bool quick; /* looking again: only at what is known */
	bool last;  /* findings are what is left */

	struct store *store; /* NULL: its database does not open */
	struct db *db;	     /* of its own, read only; with these: */
	struct ns *ns;
	struct results *results;
	bool rows_bad;	  /* the database has to be made anew */
	bool journal_bad; /* the chain is broken */
	bool totals_bad;  /* no more than counters */
	bool marks_bad;	  /* beside the database */
	bool rebuilt;	  /* the database was made anew */

	struct pack_list packs;
	uint64_t gone_through; /* bytes of packs; atomic */
	struct map *bad;       /* address to struct bad */
	struct map *nodes;     /* address to what is below: fsck_need.c */
	struct buf derived;    /* names to compute again */
	struct buf hurt;       /* addresses of the computations */
	struct fsck_sums sums;
};

/* --- fsck.c --- */

void fsck_found(struct fsck *f, struct fsck_finding finding);
/* A finding that is words only. */
void fsck_say(struct fsck *f, enum fsck_kind kind, enum fsck_state state,
	      const char *where, const char *fmt, ...) PRINTF(5, 6);
void fsck_progress(struct fsck *f, const char *doing, uint64_t done,
		   uint64_t total);
int fsck_open_store(struct fsck *f, struct err *err) MUST_USE;
void fsck_close_store(struct fsck *f);
/* Notes an object; -ENOMEM. Known ones stay as they are. */
int fsck_add_bad(struct fsck *f, const struct bad *b) MUST_USE;
struct bad *fsck_find_bad(struct fsck *f, const struct addr *a);

/* --- fsck_packs.c --- */

int fsck_check_packs(struct fsck *f) MUST_USE;
/* Reads an object by its row: 0, -EBADMSG, -EIO, -ENOENT (no row). */
int fsck_probe(struct fsck *f, const struct addr *a, struct bad *ret) MUST_USE;
/* Without an index: every record for itself. */
int fsck_verify_packs(struct fsck *f) MUST_USE;

/* --- fsck_need.c --- */

enum need {
	NEED_MISSING = 1, /* some of it is not in the index */
	NEED_DAMAGED = 2, /* some of it is there, and damaged */
};
/* What is wrong with a content: bits of the above. must: what is missing is
 * noted as such. */
int fsck_need(struct fsck *f, const struct addr *root, bool must) MUST_USE;
/* The bad objects of a content, each once, into a buf of addresses. */
int fsck_need_list(struct fsck *f, const struct addr *root,
		   struct buf *ret) MUST_USE;
void fsck_need_forget(struct fsck *f);

/* --- fsck_hurt.c --- */

int fsck_check_needs(struct fsck *f) MUST_USE;
/* Path of a derived name, from the root. */
int fsck_derived_path(struct fsck *f, const struct derived *d,
		      struct buf *ret) MUST_USE;

/* --- fsck_rows.c --- */

int fsck_check_rows(struct fsck *f) MUST_USE;
/* What is no more than damage of the database is told, and becomes 0. */
int fsck_unreadable(struct fsck *f, int rc) MUST_USE;

/* --- fsck_repair.c, fsck_rebuild.c --- */

int fsck_repair_objects(struct fsck *f) MUST_USE;
int fsck_rebuild_rows(struct fsck *f, struct err *err) MUST_USE;

#endif
