/* cas/blob_splice.h - a new content out of parts of others, in proportion to
 * what is new.
 *
 * The result has exactly the address that writing all its bytes would give.
 * Of what is taken over from a blob, only the entries around each border are
 * read and cut again, until the old cuts are met; between them chunks and
 * whole nodes are taken as they are. Runs of zeros that a border touches
 * belong to the border, since a hole is decided by all of its run. Data that
 * is periodic but not zero may never meet its old cuts, and is then read to
 * the end of its run.
 *
 * Threads: as cas/blob.h.
 * Errors:  those of reading and of writing a blob.
 */
#ifndef CAS_BLOB_SPLICE_H
#define CAS_BLOB_SPLICE_H

#include "cas/blob.h"

/* As blob_write() with those n bytes of a blob of the same store, which stays
 * the caller's, and open until the writer is finished or freed. -ERANGE when it
 * does not have them. */
int blob_write_blob(struct blob_writer *w, struct blob *from, uint64_t off,
		    uint64_t n) MUST_USE;

/* At an offset of the old content some bytes go (what is beyond its end is
 * none), and others come in their place. */
struct blob_edit {
	uint64_t off, remove, insert;
	/* what comes: bytes, or those of a blob at an offset, or zeros */
	const void *bytes;
	struct blob *from;
	uint64_t from_off;
};

/* Any number of edits at once, sorted by offset and apart; -EINVAL when they
 * are not. Behind the end of the old content, what is between is zeros. */
int blob_splice(struct store *s, struct blob *old,
		const struct blob_edit *edits, size_t count, struct addr *ret,
		uint64_t *ret_size) MUST_USE;

#endif
