/* cas/gc_internal.h - what the files of cas/gc.h share, and they alone.
 *
 *   gc.c		the order of things, and why
 *   gc_expire.c	versions and results that are let go of before
 *   gc_doom.c		what is needed, and what is not: rows
 *   gc_sweep.c		rows and bytes that go
 */
#ifndef CAS_GC_INTERNAL_H
#define CAS_GC_INTERNAL_H

#include "cas/gc.h"
#include "cas/gc_mark.h"
#include "cas/gc_packs.h"
#include "cas/holds.h"
#include "cas/pace.h"
#include "core/retention.h"
#include "core/roots.h"

#define GC_PAGE 512 /* rows read at a time */

struct gc {
	struct store *s;
	const struct gc_options *o;
	struct gc_report report;
	struct dooms *d;
	struct gc_packs *packs;
	struct marker *marker;
	struct survey *survey;	   /* since all were doomed */
	struct addrset *gone;	   /* dry: versions and outputs that would go */
	struct addrset *forgotten; /* values of journals that go */
	bool purge;		   /* all that nothing needs has to go */
	uint64_t spared;	   /* doomed, and open somewhere */
	struct ns *ns;		   /* with its journal: the caller's, or */
	struct ns *own_ns;
	struct journal *own_journal;
	struct version_id let_go[PACE_MOST];
	size_t nlet_go;
	struct pace pace;
	int lock_fd;
	uint64_t roots, total;
	struct root root; /* that is being marked */
	struct object_row rows[GC_PAGE];
};

/* --- gc.c --- */

bool gc_stopped(void *g);
void gc_tell(const struct gc *g, const char *what, uint64_t done, uint64_t of);
void gc_nap(void);

/* --- gc_expire.c --- */

/* Lets go of versions and results, or notes which would go. */
int gc_expire(struct gc *g) MUST_USE;
void gc_history_close(struct gc *g);

/* --- gc_doom.c --- */

typedef int (*gc_row_fn)(struct gc *g, const struct object_row *r);
/* What is doomed, by pages; fn says (1) which rows `write` is for, in a
 * transaction of some; NULL: all. */
int gc_each_doomed(struct gc *g, gc_row_fn fn, gc_row_fn write) MUST_USE;
int gc_mark_all(struct gc *g) MUST_USE;
int gc_doom_all(struct gc *g) MUST_USE;
int gc_wait_for_others(struct gc *g) MUST_USE;
int gc_look_again(struct gc *g) MUST_USE;
int gc_spare_open(struct gc *g) MUST_USE;
/* Nothing is doomed any more. */
int gc_spare_all(struct gc *g) MUST_USE;
int gc_set_state(struct gc *g, enum collection state) MUST_USE;
/* Dry: whether that version or output would go. */
bool gc_is_gone(const struct gc *g, const struct root *r);
/* Whether a row stays: what is marked, records of what happened, and what was
 * put lately. */
bool gc_is_live(struct gc *g, const struct object_row *r);
/* Marks what others have open and is not needed by any row. */
int gc_mark_open(struct gc *g) MUST_USE;

/* --- gc_sweep.c --- */

int gc_sweep(struct gc *g) MUST_USE;
/* What it would do. */
int gc_count_dry(struct gc *g) MUST_USE;

#endif
