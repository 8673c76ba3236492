/* cas/pack_list.h - the packs that lie in a store's directory, by name.
 *
 * Owns:    the list, sorted by id. Borrows: the directory's descriptor.
 * Errors:  what the system said.
 */
#ifndef CAS_PACK_LIST_H
#define CAS_PACK_LIST_H

#include "cas/pack.h"

struct pack_item {
	uint8_t id[PACK_ID_LEN];
	uint64_t size;
	int64_t mtime_ns;
};

struct pack_list {
	struct pack_item *items;
	size_t count, cap;
	uint64_t size;	  /* of all */
	struct buf stray; /* names of what is no pack, each with its NUL */
};

int pack_list_read(int packs_fd, struct pack_list *ret) MUST_USE;
void pack_list_done(struct pack_list *l);
/* NULL: not there. */
const struct pack_item *pack_list_find(const struct pack_list *l,
				       const uint8_t id[PACK_ID_LEN]);
/* For reading; -ENOENT when it has gone meanwhile. */
int pack_open(int packs_fd, const uint8_t id[PACK_ID_LEN],
	      int *ret_fd) MUST_USE;

#endif
