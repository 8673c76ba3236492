/* cas/seal_file.h - files in drafts/ that were closed and wait to be taken in,
 * as bytes, and which of them survive what.
 *
 * What their drafts consist of is fs/seal.h's; here is what opening a store
 * after a crash has to know: whether one is whole. A killed process leaves all
 * of it in the kernel's hands. After a power cut only one counts that was made
 * durable, since pages may be missing: it says so itself, or is still the same
 * file since the machine was started.
 *
 * Layout behind the draft's bytes, at a multiple of 4096:
 *	"DERIVSL2", u64 1 when durable, body, 32 bytes BLAKE3 of the body
 *	(context "deriva seal v1"); at the file's end u64 where this begins,
 *	u64 length of the body, "DERIVSL2"
 * The body begins with where it was written (the machine's start, device and
 * inode of the file; then u64 a change before it was closed). "DERIVSL1" is the
 *same, without sums of its bytes, by programs that had no rows for them. It is
 *no part of the store's format: a version that does not know one leaves it
 *alone.
 *
 * Threads: any.
 * Errors:  -EBADMSG not whole, or not to be relied on.
 */
#ifndef CAS_SEAL_FILE_H
#define CAS_SEAL_FILE_H

#include "cas/store.h"

struct seal_file {
	uint8_t *data; /* what was read */
	struct cur body;
	uint64_t at;	     /* the draft's bytes end before */
	bool durable, first; /* first: DERIVSL1 */
};

void seal_file_done(struct seal_file *f);

/* Behind all that the file has; not durable yet. Returns where. */
int seal_file_write(int fd, const struct buf *body, uint64_t *ret_at) MUST_USE;
int seal_file_read(int fd, struct seal_file *ret) MUST_USE;
/* Of that name: 1; 0: it is missing, or not whole. */
int seal_file_whole(int drafts_fd, const char *name) MUST_USE;

/* Adds the names (SEALED_NAME bytes each) of those behind that row's id which
 * wait; then *last is the last one's. db_lock() held, and no batch open: what
 * is taken in in one may wait again. */
int seal_files_waiting(struct db *db, uint64_t *last, struct buf *ret) MUST_USE;
/* Makes these durable, and says so in them. db_lock() not held. */
int seal_files_sync(struct store *s, const struct buf *names) MUST_USE;
/* For a database that was made anew, whose last change that is: rows for those
 * that are whole. db_lock() held. */
int seal_files_note(struct db *db, int drafts_fd, uint64_t last) MUST_USE;

#endif
