/* cas/tails.h - ends of packs that may not have reached the disk.
 *
 * A tail is what a pack holds behind the place up to which it is known to be on
 * the disk, when whoever wrote it is gone. After a power cut it may be missing,
 * torn, or full of holes; after any other crash it is whole but for its last
 * record.
 *
 * Threads: one; db_lock() held.
 */
#ifndef CAS_TAILS_H
#define CAS_TAILS_H

#include "cas/pack.h"

struct tail {
	uint8_t id[PACK_ID_LEN];
	uint32_t pack;	 /* its row; 0: none */
	uint64_t start;	 /* on the disk up to here */
	uint64_t extent; /* rows refer to it up to here */
	int fd;		 /* -1: there is no such file */
	uint64_t size;	 /* of the file */
	uint64_t cut;	 /* up to here it is whole */
};

struct tails {
	int packs_fd;
	struct tail *v;
	size_t n;
};

/* An object in a tail whose bytes are right. */
struct found {
	struct record r;
	size_t tail; /* number of it */
	uint64_t offset;
};

/* Which there are; none after a clean end. Their files are locked, shared,
 * until tails_done(). */
int tails_find(int packs_fd, struct objects *o, struct tails *ret) MUST_USE;
void tails_done(struct tails *t);
/* Reads them, from the disk and not from memory, and sets cut. Calls back for
 * each object with its bytes. */
int tails_read(struct tails *t,
	       int (*fn)(void *ctx, const struct found *f, const void *p),
	       void *ctx) MUST_USE;
/* The payload of one, as it is stored. */
int tail_payload(const struct tails *t, const struct found *f,
		 void *ret) MUST_USE;
/* Cuts off what is not whole, syncs and seals what is left; a pack of which
 * nothing is left, and no row is about, goes. */
int tails_cut(struct tails *t) MUST_USE;

#endif
