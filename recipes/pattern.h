/* recipes/pattern.h - names with a stem: "%.jpg.recipe", "../photos/%.png".
 *
 * In the name of a recipe file and in its inputs `%` stands for a stem, the
 * same wherever it stands, and `%%` for a percent sign. A stem is a part of one
 * name: one byte at least and no '/'; at the front of a name it does not begin
 * with a dot, as with globs.
 *
 * Pure: bytes in, bytes out.
 */
#ifndef RECIPES_PATTERN_H
#define RECIPES_PATTERN_H

#include "core/buf.h"

#define RECIPE_SUFFIX ".recipe"

/* Whether a name is a recipe's ("x.recipe", not ".recipe"), and the length of
 * what it defines, as it is written: a plain name or a pattern. */
bool recipe_name(const char *name, size_t len, size_t *ret_len);

/* How often the stem stands in it, and (may be NULL) how many bytes are left
 * without. 0: it is plain, but for its `%%`. */
size_t pattern_stems(const char *p, size_t n, size_t *ret_fixed);
/* Whether some stem makes the pattern that name: it points into name. */
bool pattern_match(const char *p, size_t n, const char *name, size_t len,
		   const char **ret_stem, size_t *ret_len);
/* Appends the pattern with the stem put in (none: len 0, for a plain one).
 * glob: the rest is for a glob, so that what is special to one in the stem is
 * put in brackets. */
void pattern_fill(const char *p, size_t n, const char *stem, size_t len,
		  bool glob, struct buf *ret);
/* Appends a name as it is written in a pattern. */
void pattern_quote(const char *name, size_t len, struct buf *ret);
/* Whether two patterns may have a name in common, by their ends alone. */
bool pattern_meet(const char *p, size_t n, const char *q, size_t m);

#endif
