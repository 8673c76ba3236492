/* recipes/dir_out.h - a directory that a function makes, as an object.
 *
 * A function puts files (blobs it has written), links and directories under
 * paths, in any order; at the end all of it becomes a directory object (cas/
 * dir.h), which depends on what was put alone. A path is taken relative to the
 * directory: `/` and `./` at its front do not count, missing directories are
 * made, and what would lead out (`..`) is refused. What is put again replaces
 * what was there, as in an archive; only a directory is not replaced.
 *
 * Memory:  about 200 bytes and the name for each entry; no content.
 * Threads: one at a time.
 * Errors:  -EINVAL a path or a link that cannot be, -EEXIST a directory is in
 *          the way of another kind, or the reverse, -E2BIG deeper than
 *          DIR_OUT_DEPTH_MAX; all with a message; -ENOMEM, of the store.
 */
#ifndef RECIPES_DIR_OUT_H
#define RECIPES_DIR_OUT_H

#include "cas/dir.h"
#include "core/err.h"

#define DIR_OUT_DEPTH_MAX 200

struct dir_out;

struct dir_out *dir_out_new(struct store *s) MUST_USE;
void dir_out_free(struct dir_out *d);
CLEANUP_FN(struct dir_out, dir_out_free)

int dir_out_file(struct dir_out *d, const char *path, const struct addr *a,
		 uint64_t size, bool executable, struct err *err) MUST_USE;
int dir_out_link(struct dir_out *d, const char *path, const char *target,
		 struct err *err) MUST_USE;
int dir_out_dir(struct dir_out *d, const char *path, struct err *err) MUST_USE;
/* The file that `from` is, under another path, too. -ENOENT. */
int dir_out_same(struct dir_out *d, const char *path, const char *from,
		 struct err *err) MUST_USE;

/* Once. ret_count: entries of the directory itself, may be NULL. */
int dir_out_finish(struct dir_out *d, struct addr *ret,
		   uint64_t *ret_count) MUST_USE;

#endif
