/* cas/diff3.h - two texts that were made from one, as one, by lines.
 *
 * Method: Khanna, Kunal, Pierce, "A Formal Investigation of Diff3", FSTTCS
 * 2007: the lines that both have kept cut all three into stretches; what only
 * one has changed is taken, what both changed the same way, too. Changes that
 * touch each other without a line between them meet, as with git.
 *
 * Threads: one. Borrows: the texts.
 */
#ifndef CAS_DIFF3_H
#define CAS_DIFF3_H

#include "cas/lines.h"

#define DIFF3_MAX MIB(64) /* of a text; larger ones are not merged */

/* As git tells: no NUL in the first 8000 bytes. */
bool diff3_is_text(const void *p, size_t n);
/* 1 and the merged text; 0 when both changed the same place; -E2BIG. */
int diff3(const struct text *base, const struct text *ours,
	  const struct text *theirs, struct buf *ret) MUST_USE;

#endif
