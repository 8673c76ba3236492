/* cas/newer.h - whether a newer version of deriva wrote to a store, found out
 * before anything in it is opened for writing or locked.
 *
 * The format file says it for a store as a whole (cas/layout.c). Here it is
 * what lies in the store: the tables, and the packs that were written last. Of
 * a store's packs the newest are of the newest version that has written to it,
 * so a few of them are enough.
 *
 * Errors: -EPROTONOSUPPORT with a message. What cannot be read is not newer:
 *         it is found damaged where it is needed.
 */
#ifndef CAS_NEWER_H
#define CAS_NEWER_H

#include "core/err.h"

int newer_check(const char *path, int dir_fd, struct err *err) MUST_USE;

#endif
