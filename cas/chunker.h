/* cas/chunker.h - where a file's content is cut: FastCDC, and runs of zeros.
 *
 * Cuts are permanent: they decide every address above one chunk. The rules
 * are in deriva-store(5); tests/cas/test_golden.c holds vectors.
 * Source: Xia et al., "FastCDC" (USENIX ATC 2016): gear hash, normalised
 * chunking, cut-point skipping.
 *
 * Threads: a chunker is constant once initialised; a cutter belongs to one.
 */
#ifndef CAS_CHUNKER_H
#define CAS_CHUNKER_H

#include "core/macros.h"

#include <stdbool.h>

#define CHUNK_MIN    KIB(16)
#define CHUNK_NORMAL KIB(64)
#define CHUNK_MAX    KIB(256)

/* A run of zeros longer than this is a hole. */
#define HOLE_MORE_THAN KIB(256)

/* With so many bytes in sight the next piece is always decided. */
#define CHUNKER_SIGHT (CHUNK_MAX + HOLE_MORE_THAN + 1)

struct chunker {
	uint64_t gear[256];
};

void chunker_init(struct chunker *c);

/* Length of the first chunk of the n > 0 bytes that are left of a segment (a
 * stretch between holes). Looks at no more than CHUNK_MAX of them. */
size_t chunker_cut(const struct chunker *c, const uint8_t *p,
		   size_t n) MUST_USE;

/* Divides a stream into chunks and holes. Starts zeroed. */
struct cutter {
	size_t settled; /* zeros in front that are known to be no hole */
};

enum piece {
	PIECE_MORE,  /* undecided: show more bytes, or say that these are all */
	PIECE_CHUNK, /* the first *ret_len bytes are a chunk */
	PIECE_HOLE, /* a hole; it starts with *ret_len zeros, and goes on if the
		     * bytes shown end with them */
};

/* The next piece of a stream whose next n bytes are at p; last: and there are
 * no others. */
enum piece cutter_next(struct cutter *t, const struct chunker *c,
		       const uint8_t *p, size_t n, bool last,
		       size_t *ret_len) MUST_USE;

/* How many zero bytes stand at the start (at the end) of the n bytes. */
size_t zeros_at(const uint8_t *p, size_t n);
size_t zeros_before(const uint8_t *p, size_t n);

#endif
