/* cas/addrset.h - a set of addresses, as large as a store has objects.
 *
 * Of each address the first 16 bytes are kept, which is enough to tell 2^60
 * objects apart, also those that somebody chose. At most 32 bytes of memory an
 * address; tables over 32 MiB lie in a file of the directory given, which has
 * no name, unless its disk is full.
 *
 * Threads: one.
 */
#ifndef CAS_ADDRSET_H
#define CAS_ADDRSET_H

#include "core/addr.h"

struct addrset;

/* dir_fd stays the caller's. expect: how many there may be. */
int addrset_new(int dir_fd, uint64_t expect, struct addrset **ret) MUST_USE;
void addrset_free(struct addrset *s);
CLEANUP_FN(struct addrset, addrset_free)

/* 1: it is new, 0: it was there, -errno. */
int addrset_add(struct addrset *s, const struct addr *a) MUST_USE;
bool addrset_has(const struct addrset *s, const struct addr *a);
uint64_t addrset_count(const struct addrset *s);

#endif
