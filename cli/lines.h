/* cli/lines.h - two texts as the lines in which they differ.
 *
 * Method: Myers, "An O(ND) Difference Algorithm and Its Variations",
 * Algorithmica 1986, section 4b (linear space). Where two stretches have so
 * little in common that looking for the fewest changes would take long, a good
 * split is taken for the best.
 *
 * Threads: one. Borrows: both texts.
 */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include "core/buf.h"

struct text {
	const char *p;
	size_t len;
};

/* Hunks of a unified diff with three lines of context, without the head; none
 * where the texts are alike. */
int lines_diff(const struct text *a, const struct text *b,
	       struct buf *ret) MUST_USE;

#endif
