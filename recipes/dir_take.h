/* recipes/dir_take.h - the directory that a command made, as an object.
 *
 * Private to execution.
 */
#ifndef RECIPES_DIR_TAKE_H
#define RECIPES_DIR_TAKE_H

#include "cas/store.h"
#include "core/err.h"

/* All that lies below an open directory: regular files are taken in, links
 * kept. *ret_count: names in the directory itself. What cannot be taken is
 * named in err, with its path: -EINVAL, -E2BIG. Modes may be changed on the
 * way, so that all can be read. */
int dir_take(struct store *s, int fd, struct addr *ret, uint64_t *ret_count,
	     struct err *err) MUST_USE;

#endif
