/* recipes/sandbox_disk.h - how much a run has written.
 *
 * Not counted: files that were unlinked while open, and what lies in
 * directories that cannot be read.
 */
#ifndef RECIPES_SANDBOX_DISK_H
#define RECIPES_SANDBOX_DISK_H

#include "core/err.h"

#include <stdatomic.h>
#include <stdbool.h>

#define DISK_DEPTH_MAX 256

/* Bytes of all files below the directory, holes not counted. -EOVERFLOW
 * behind so many levels, -EINTR when *stop became true (NULL: never). */
int disk_used(const char *dir, const atomic_bool *stop, uint64_t *ret) MUST_USE;

/* Any of them may be NULL; out and err may be the same. */
struct written {
	const char *scratch, *out, *err;
};

/* disk_used of the scratch, and both files. */
int written_bytes(const struct written *w, const atomic_bool *stop,
		  uint64_t *ret) MUST_USE;

/* The message for -EFBIG. */
int written_too_much(uint64_t limit, struct err *err);

#endif
