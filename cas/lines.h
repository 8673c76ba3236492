/* cas/lines.h - two texts as the lines in which they differ.
 *
 * Method: Myers, "An O(ND) Difference Algorithm and Its Variations",
 * Algorithmica 1986, section 4b (linear space). Where two stretches have so
 * little in common that looking for the fewest changes would take long, a good
 * split is taken for the best.
 *
 * Threads: one. Borrows: both texts.
 */
#ifndef CAS_LINES_H
#define CAS_LINES_H

#include "core/buf.h"

struct text {
	const char *p;
	size_t len;
};

/* Hunks of a unified diff with three lines of context, without the head; none
 * where the texts are alike. */
int lines_diff(const struct text *a, const struct text *b,
	       struct buf *ret) MUST_USE;

/* Which line of b each line of a is, in order. */
struct lines {
	long a_n, b_n;	 /* lines */
	size_t *a_start; /* where each begins, and behind the last its end */
	size_t *b_start;
	long *match; /* of a's lines: which one of b's, or -1 */
};
int lines_match(const struct text *a, const struct text *b,
		struct lines *ret) MUST_USE;
void lines_done(struct lines *l);

#endif
