/* cli/attrs.h - what a mount says about one file, in extended attributes.
 *
 * Reading the state, the cost and the error never computes anything.
 */
#ifndef CLI_ATTRS_H
#define CLI_ATTRS_H

#include "core/buf.h"

enum file_state {
	STATE_SOURCE,
	STATE_FRESH,
	STATE_STALE,
	STATE_NEW,
	STATE_RUNNING,
	STATE_FAILED,
	STATE_DROPPED,
	STATE_BLOCKED,
};
#define STATES 8

const char *state_name(enum file_state s);
/* -ENODATA: a directory, say; -EPROTO: a word that this version of the program
 * does not know. */
int attr_state(const char *path, enum file_state *ret) MUST_USE;
/* Text of user.deriva.NAME; -ENODATA. */
int attr_get(const char *path, const char *name, struct buf *ret) MUST_USE;
/* Seconds; -ENODATA when it was never computed. */
int attr_cost(const char *path, double *ret) MUST_USE;
/* Exact size of a derived file when it is known without computing it. */
int known_size(const char *path, enum file_state s, uint64_t *ret) MUST_USE;

#endif
