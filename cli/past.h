/* cli/past.h - a moment of a mount, held fast.
 *
 * What a moment's name means is decided once, when its directory is opened:
 * whatever is read through it is of one change.
 */
#ifndef CLI_PAST_H
#define CLI_PAST_H

#include "core/macros.h"

/* root/.deriva/at/WHEN, as a directory. A message is given, with the reason
 * where there is no such moment. */
int past_open(const char *root, const char *when, int *ret_fd) MUST_USE;

/* Makes `to` in to_dir what `from` in from_dir is: content (shared where both
 * lie in one mount), mode, owner, times, extended attributes, and all below a
 * directory, where what is not in `from` goes. What is alike already is left
 * alone, and so is what a recipe makes. A directory is replaced by what is none
 * and the other way round. Messages are given, `shown` before the names; what
 * can be done is done nevertheless. */
int past_restore(int from_dir, const char *from, int to_dir, const char *to,
		 const char *shown) MUST_USE;

#endif
