/* cas/blob_spans.h - bytes of a file where they lie, without a copy.
 *
 * For who reads a file in order and in large pieces, and hands them on: the
 * kernel keeps what it gets. A chunk that was read to its end is not kept in
 * the store's cache, so that the memory of the next one is that of the last.
 *
 * Owns:    holds on chunks until blob_spans_done().
 * Threads: a set of spans from one; the blob from any number.
 */
#ifndef CAS_BLOB_SPANS_H
#define CAS_BLOB_SPANS_H

#include "cas/blob.h"

#include <sys/uio.h>

#define BLOB_SPANS_MAX 512

struct blob_spans {
	struct iovec iov[BLOB_SPANS_MAX];
	const void *held[BLOB_SPANS_MAX]; /* NULL: of a hole */
	bool ended[BLOB_SPANS_MAX];	  /* up to the chunk's end */
	int count;
	struct store *store;
};

/* n bytes from an offset, fewer only at the end. -E2BIG: that is more pieces
 * than can be held; blob_pread() reads it. Else errors as there, and nothing is
 * held. */
int blob_spans(struct blob *b, size_t n, uint64_t off,
	       struct blob_spans *ret) MUST_USE;
void blob_spans_done(struct blob_spans *s);

#endif
