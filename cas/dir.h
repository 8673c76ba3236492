/* cas/dir.h - directories as objects: Merkle trees of entries by name.
 *
 * Sorted by the bytes of the names, cut into pages by the hash of the names,
 * so that one change in a directory of a million entries costs a path of
 * pages. Only "executable or not" remains of a mode, as in git.
 */
#ifndef CAS_DIR_H
#define CAS_DIR_H

#include "cas/store.h"

enum dir_type {
	DIR_FILE = 1,
	DIR_EXEC,
	DIR_DIR,
	DIR_LINK,
	DIR_FIFO,
	DIR_SOCK,
	DIR_CHR,
	DIR_BLK,
};

struct dir_entry {
	const char *name; /* 1 to 255 bytes, no '/' and no NUL, not . or .. */
	size_t name_len;
	enum dir_type type;
	struct addr addr;   /* of files and directories; else zero */
	uint64_t size;	    /* of files; entries below a directory; else 0 */
	uint64_t rdev;	    /* of devices: major << 32 | minor */
	const char *target; /* of links, at most 4095 bytes */
	size_t target_len;
};

/* Entries in any order, added by copy. dir_add: -EINVAL for an entry that
 * cannot be (the rules above). dir_finish, once: -EEXIST for a name that was
 * added twice; ret_count may be NULL. */
struct dir_writer;
struct dir_writer *dir_writer_new(struct store *s) MUST_USE;
void dir_writer_free(struct dir_writer *w);
CLEANUP_FN(struct dir_writer, dir_writer_free)
int dir_add(struct dir_writer *w, const struct dir_entry *e) MUST_USE;
int dir_finish(struct dir_writer *w, struct addr *ret,
	       uint64_t *ret_count) MUST_USE;

/* In order of the names. The callback's non-zero ends it and is returned. The
 * entry's name and target have no NUL behind them, and are gone after the
 * callback. -EINVAL: the address is no directory; -ENOENT, also for a part;
 * -EBADMSG. */
int dir_each(struct store *s, const struct addr *a,
	     int (*fn)(void *ctx, const struct dir_entry *e),
	     void *ctx) MUST_USE;
/* Whether all that it holds, files and directories below, is there: 1 or 0. */
int dir_complete(struct store *s, const struct addr *a) MUST_USE;
/* One name, in time of the tree's height. ret_page owns the bytes that the
 * entry points into. -ENOENT: no such name; -ENODATA: a part is missing, as
 * when it was dropped. */
int dir_find(struct store *s, const struct addr *a, const char *name,
	     size_t len, struct buf *ret_page, struct dir_entry *ret) MUST_USE;

#endif
