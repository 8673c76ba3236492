/* recipes/word.h - words that people wrote, in messages about them.
 *
 * Pure; any thread.
 */
#ifndef RECIPES_WORD_H
#define RECIPES_WORD_H

#include "core/macros.h"

#include <stdbool.h>

/* A text cut to a line's worth, control characters as '?', for a message:
 * `word_show(text).s`. */
struct word_shown {
	char s[72];
};
struct word_shown word_show(const char *text);

/* [A-Za-z_][A-Za-z0-9_]*: what a shell takes as a variable's name. */
bool word_is_name(const char *text);

/* How many letters have to be put in, taken out, exchanged or swapped with
 * their neighbour to make one of the other: the optimal string alignment
 * distance (Damerau 1964). Words over 32 bytes are far from everything. */
unsigned word_distance(const char *a, const char *b);

/* The word of the list that somebody may have meant, or NULL: at most one
 * slip in three letters. */
const char *word_near(const char *word, const char *const *known, size_t n);

#endif
