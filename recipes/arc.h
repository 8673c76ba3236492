/* recipes/arc.h - tar and zip files as streams of members, with libarchive.
 *
 * The only module that knows libarchive. What is written depends on the members
 * alone: no times, owners or modes but "executable or not", names as their
 * bytes. What is read may also be a compressed tar file (gzip, xz, zstd,
 * bzip2).
 *
 * Memory:  blocks, and of a zip file its table of members.
 * Threads: one at a time.
 * Errors:  -EILSEQ what is read is no such archive, -EINVAL a member that the
 *          format cannot hold, both with a message; what the callbacks
 *          returned; -ENOMEM.
 */
#ifndef RECIPES_ARC_H
#define RECIPES_ARC_H

#include "core/err.h"

#include <stdbool.h>
#include <sys/types.h>

enum arc_format { ARC_TAR, ARC_ZIP };
enum arc_type { ARC_FILE, ARC_EXEC, ARC_DIR, ARC_LINK, ARC_SAME, ARC_OTHER };

struct arc_member {
	enum arc_type type;
	const char *path;
	uint64_t size;	    /* of files; UINT64_MAX when read: not known */
	const char *target; /* of links; of ARC_SAME (a hard link) the path of
			     * the member whose content it has */
};

/* --- writing ---------------------------------------------------------------
 */

struct arc_writer;
typedef int (*arc_write_fn)(void *ctx, const void *p, size_t n);
/* level: of compression, 0: none; tar has none of its own. */
int arc_writer_new(enum arc_format format, int level, arc_write_fn fn,
		   void *ctx, struct arc_writer **ret) MUST_USE;
void arc_writer_free(struct arc_writer *w);
CLEANUP_FN(struct arc_writer, arc_writer_free)
/* Then as many bytes of arc_data() as it said. */
int arc_add(struct arc_writer *w, const struct arc_member *m,
	    struct err *err) MUST_USE;
int arc_data(struct arc_writer *w, const void *p, size_t n,
	     struct err *err) MUST_USE;
int arc_writer_end(struct arc_writer *w, struct err *err) MUST_USE;

/* --- reading ---------------------------------------------------------------
 */

struct arc_reader;
struct arc_source {
	/* Bytes from there on, valid until the next call; 0: the end. */
	ssize_t (*read)(void *ctx, uint64_t off, const void **ret);
	uint64_t size;
	void *ctx;
};
int arc_reader_new(enum arc_format format, const struct arc_source *source,
		   struct arc_reader **ret, struct err *err) MUST_USE;
void arc_reader_free(struct arc_reader *r);
CLEANUP_FN(struct arc_reader, arc_reader_free)
/* 1 a member, 0 the end. Its texts are valid until the next call. */
int arc_next(struct arc_reader *r, struct arc_member *ret,
	     struct err *err) MUST_USE;
/* The member's bytes; 0 at its end. */
ssize_t arc_read(struct arc_reader *r, void *p, size_t n,
		 struct err *err) MUST_USE;

#endif
