/* cli/ask.h - the question to a mount: compute all below some paths.
 *
 * One request through .deriva/build, however many files it is about; what the
 * answer consists of is said in fs/request.c. Closing it early gives the rest
 * up.
 *
 * Threads: one.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "core/buf.h"

struct ask {
	int fd;
	struct buf text; /* of the answer */
	size_t at;	 /* what of it was told */
};

#define ASK_FIELDS 6

/* One thing that came of it: the word that says what, and what belongs to it;
 * good until the next. */
struct answer {
	const char *field[ASK_FIELDS];
};

/* paths: from the mount's root, each ended by a NUL. -ENOENT, -EACCES: this
 * mount does not take such a question, or not from us. */
int ask_open(const char *root, const char *options, const struct buf *paths,
	     struct ask *ret) MUST_USE;
/* 1, or 0 at the end. */
int ask_next(struct ask *a, struct answer *ret) MUST_USE;
void ask_close(struct ask *a);

#endif
