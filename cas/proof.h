/* cas/proof.h - proofs over the Merkle log as small texts (permanent;
 * deriva-proof(5)), which are checked without the store.
 *
 * A proof of a path holds a signed head, the records of the log that gave each
 * component of the path its name and the file its content, the hashes that lead
 * from them to the head's root, and the salts of just those values in the
 * records that matter: the other values stay hidden. A proof of consistency
 * shows that the log of one head begins with all of that of another.
 *
 * Threads: one at a time.
 * Errors:  -EBADMSG with a message: the text is no proof, or proves nothing.
 */
#ifndef CAS_PROOF_H
#define CAS_PROOF_H

#include "cas/head.h"

#define PROOF_MAX MIB(64) /* bytes of a text */

/* That the path (from the root, no slash in front) was there after change `at`
 * (NS_NOW: now), with what. -ENOENT: it was not, with a message. */
int proof_of_path(struct peek *p, struct mlog *log,
		  const struct tile_head *head, uint64_t at, const char *path,
		  struct buf *ret, struct err *err) MUST_USE;
/* From `old` to head. -EBADMSG: the log does not begin with it. */
int proof_of_consistency(struct mlog *log, const struct tile_head *head,
			 const struct tile_head *old, struct buf *ret,
			 struct err *err) MUST_USE;

struct proof_facts {
	enum proof_kind {
		PROOF_HEAD, /* nothing but the signature */
		PROOF_PATH,
		PROOF_CONSISTENCY,
	} kind;
	struct tile_head head;
	struct tile_head old; /* PROOF_CONSISTENCY */

	/* PROOF_PATH */
	char *path;    /* as it is written, with % for odd bytes */
	bool derived;  /* a computation gave it */
	uint32_t mode; /* of sources */
	uint64_t size;
	bool has_addr;
	struct addr addr;
	char *target; /* of a symbolic link, as path */
	uint64_t seq; /* change that gave the content */
	int64_t time_ns;
	uint64_t name_seq; /* the last that gave a component its name */
	int64_t name_time_ns;
};

int proof_check(const char *text, size_t len, struct proof_facts *ret,
		struct err *err) MUST_USE;
void proof_facts_done(struct proof_facts *f);

#endif
