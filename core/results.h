/* core/results.h - what computations gave, and which names hold them.
 *
 * A result is found by the address of its computation alone and outlives the
 * bytes of its output. A derived name remembers which computation last gave
 * its content, and since when: mtime, `why` and `log` read it.
 *
 * Threads: db_lock() held.
 */
#ifndef CORE_RESULTS_H
#define CORE_RESULTS_H

#include "core/addr.h"
#include "core/buf.h"
#include "core/db.h"
#include "core/ns.h"

struct results;

struct result {
	struct addr recipe; /* the computation */
	int error;	    /* 0, or the errno a reader gets */
	bool executable;
	bool is_dir;	   /* the output is a directory object; size: entries */
	bool reproducible; /* built-in, declared, or seen equal twice */
	struct addr addr;  /* of the output; zero when it failed */
	uint64_t size;
	int64_t wall_ns, cpu_ns;
	uint64_t memory;  /* peak, bytes; 0 unknown */
	int64_t when_ns;  /* when it ended */
	struct addr text; /* what the command printed; zero: nothing */
	uint64_t text_size;
	uint64_t uses; /* times it was found instead of run */
	int64_t last_use_ns;
	char message[512]; /* why it failed; "" otherwise */
	bool dropped; /* its bytes are not kept; results_put() forgets it */
	int keep;     /* 0 as worth it, 1 always, 2 until its reader closes */
};

/* A derived name's last content or failure, and why it was computed. */
struct derived {
	uint64_t dir;
	char name[NS_NAME_MAX + 1];
	struct addr recipe;
	int error;
	struct addr addr;
	uint64_t size;
	bool executable, is_dir;
	bool ran;	    /* false: the result was found */
	uint64_t seq;	    /* change number of this row */
	int64_t since_ns;   /* when the name took this content: its mtime */
	int64_t last_ns;    /* when this row was made */
	struct addr before; /* recipe of the row it replaced; zero: none */
};

/* How rows and journals write what an output is. */
enum { OUTPUT_FILE, OUTPUT_EXECUTABLE, OUTPUT_DIR };
static inline int output_kind(bool executable, bool dir)
{
	return dir ? OUTPUT_DIR : executable ? OUTPUT_EXECUTABLE : OUTPUT_FILE;
}

int results_open(struct db *db, struct ns *ns, struct results **ret) MUST_USE;
void results_close(struct results *r);
CLEANUP_FN(struct results, results_close)

/* -ENOENT when it was never computed. */
int results_get(struct results *r, const struct addr *recipe,
		struct result *ret) MUST_USE;
/* Keeps canonical bytes, so that what ran can be read again. */
int results_put_recipe(struct results *r, const struct addr *recipe,
		       const void *bytes, size_t n) MUST_USE;
int results_get_recipe(struct results *r, const struct addr *recipe,
		       struct buf *ret) MUST_USE;
/* Inserts or replaces. */
int results_put(struct results *r, const struct result *result) MUST_USE;
int results_used(struct results *r, const struct addr *recipe,
		 int64_t now_ns) MUST_USE;
/* Lets go of the bytes of its output, unless it failed: -ENOENT. */
int results_let_go(struct results *r, const struct addr *recipe) MUST_USE;
/* The same as a change, of a name that holds it; no change where the bytes are
 * not kept already. */
int results_drop_bytes(struct results *r, uint64_t dir, const char *name,
		       size_t len, const struct addr *recipe) MUST_USE;
int results_keep(struct results *r, const struct addr *recipe,
		 int keep) MUST_USE;
/* It was made again, and came out the same or not. */
int results_judge(struct results *r, const struct addr *recipe,
		  bool reproducible) MUST_USE;
/* What of the machine it was made with, as lines for people; many results share
 * a text. -ENOENT: it is not known. */
int results_put_machine(struct results *r, const struct addr *recipe,
			const char *text, size_t len) MUST_USE;
int results_get_machine(struct results *r, const struct addr *recipe,
			struct buf *ret) MUST_USE;
/* Of several outputs of one run each is a result of its own, whose address
 * follows from the run's and the output's name; rows say which. */
void results_output_addr(const struct addr *recipe, const char *name,
			 struct addr *ret);
int results_put_output(struct results *r, const struct addr *recipe,
		       const char *name) MUST_USE;
/* Which run and (may be NULL) which output; -ENOENT: it is none of several. */
int results_output(struct results *r, const struct addr *output,
		   struct addr *ret_recipe, struct buf *ret_name) MUST_USE;
/* Forgets a failure (`retry`). 0 also when there was none. */
int results_forget(struct results *r, const struct addr *recipe) MUST_USE;

/* The newest row of a name, or the one that held after change `at`. */
int results_derived(struct results *r, uint64_t at, uint64_t dir,
		    const char *name, size_t len, struct derived *ret) MUST_USE;
/* Adds a row as a change of its own (NS_OP_RESULT) and journals it. since_ns
 * stays the former one when the content is the same. Fills seq and times. */
int results_put_derived(struct results *r, const struct ns_by *by,
			struct derived *d, const struct result *res) MUST_USE;
int results_derived_history(struct results *r, uint64_t dir, const char *name,
			    size_t len,
			    int (*fn)(void *ctx, const struct derived *d),
			    void *ctx) MUST_USE;
/* Names that were ever derived in a directory, in byte order. */
int results_derived_names(struct results *r, uint64_t dir,
			  int (*fn)(void *ctx, const char *name, size_t len),
			  void *ctx) MUST_USE;

/* A row of a derived name as a journal knows it, for rebuilding: what else
 * belongs to the row follows from the rows before it. The result of the
 * computation becomes known as well. */
int results_restore(struct results *r, struct derived *d,
		    int64_t wall_ns) MUST_USE;

/* Every result; every row of every derived name, by name, oldest first. A
 * callback's non-zero ends it and is returned. */
int results_each(struct results *r,
		 int (*fn)(void *ctx, const struct result *res),
		 void *ctx) MUST_USE;
int results_each_derived(struct results *r,
			 int (*fn)(void *ctx, const struct derived *d),
			 void *ctx) MUST_USE;
/* Of every branch those that came after a change, in any order. */
int results_derived_after(struct results *r, uint64_t after,
			  int (*fn)(void *ctx, const struct derived *d),
			  void *ctx) MUST_USE;
/* Takes the rows of derived names away that came after a change, as
 * ns_rollback() does. */
int results_rollback(struct results *r, uint64_t to) MUST_USE;
/* Forgets a result, whatever it was. */
int results_drop(struct results *r, const struct addr *recipe) MUST_USE;

struct result_totals {
	uint64_t results, failures, uses;
	uint64_t bytes;		   /* of outputs: core/budget.h */
	uint64_t kept;		   /* of the bytes, those not dropped */
	int64_t wall_ns, saved_ns; /* cost of all runs; uses times cost */
};
int results_totals(struct results *r, struct result_totals *ret) MUST_USE;

#endif
