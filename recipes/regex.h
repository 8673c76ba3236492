/* recipes/regex.h - regular expressions and literal texts, with PCRE2.
 *
 * The only module that knows PCRE2. Patterns are UTF-8, and so are subjects,
 * whose bytes that are not UTF-8 match nothing but are passed over. What a
 * match may cost is bounded, so that no pattern takes for ever.
 *
 * Threads: one at a time.
 * Errors:  -EINVAL a pattern that is none, -E2BIG a match that takes too many
 *          steps, -ENOMEM.
 */
#ifndef RECIPES_REGEX_H
#define RECIPES_REGEX_H

#include "core/err.h"

#include <stdbool.h>

struct regex;

enum regex_flags {
	REGEX_LITERAL = 1, /* no character has a meaning */
	REGEX_CASELESS = 2,
	REGEX_WHOLE = 4, /* matches all of a subject or nothing */
};

/* The message says at which character what is wrong. */
int regex_new(const char *pattern, int flags, struct regex **ret,
	      struct err *err) MUST_USE;
void regex_free(struct regex *re);
CLEANUP_FN(struct regex, regex_free)

/* The first match at `from` or behind it: 1, or 0. With `again` a match at
 * `from` itself is not empty: for the next one behind an empty match. */
int regex_match(struct regex *re, const void *p, size_t n, size_t from,
		bool again, struct err *err) MUST_USE;
/* Of the last match: group 0 is all of it. False: took no part. */
bool regex_group(const struct regex *re, unsigned i, size_t *ret_start,
		 size_t *ret_end);
/* Groups there are, without group 0; the number of a name, or -ENOENT. */
unsigned regex_groups(const struct regex *re);
int regex_named(const struct regex *re, const char *name) MUST_USE;

#endif
