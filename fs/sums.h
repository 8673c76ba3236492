/* fs/sums.h - what a draft's file must hold: sums of its bytes, so that damage
 * is noticed before they become content.
 *
 * A sum is 8 bytes of BLAKE3 over what of a piece of 64 KiB is the draft's. It
 * is made while the bytes are written where that is from one end of a piece to
 * the other, in any number of steps; for the rest they are read back at the
 * end.
 *
 * Threads: as fs/draft.h.
 */
#ifndef FS_SUMS_H
#define FS_SUMS_H

#include "core/addr.h"

#define SUMS_PIECE KIB(64)

struct sums;

struct sums *sums_new(void) MUST_USE;
void sums_free(struct sums *s);

/* Those bytes lie at off from now on. Where there is no memory less is known.
 */
void sums_wrote(struct sums *s, const void *p, size_t n, uint64_t off);
/* What lies there is another from now on. */
void sums_lose(struct sums *s, uint64_t start, uint64_t end);
/* Of piece number k, all of which was written: true, and its sum. */
bool sums_known(const struct sums *s, uint64_t k, uint64_t *ret);

/* All bytes of a draft that are in its file, in order, part by part; a sum for
 * each piece that has any. */
struct summer {
	struct hasher *h;
	uint64_t piece; /* of h */
	int (*fn)(void *ctx, uint64_t sum);
	void *ctx;
};
int summer_add(struct summer *s, const void *p, size_t n,
	       uint64_t off) MUST_USE;
int summer_end(struct summer *s) MUST_USE; /* the last one */
void summer_done(struct summer *s);

#endif
