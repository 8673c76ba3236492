/* cli/mountpoint.h - the mount that holds a path, and the path within it.
 *
 * The last component of a path is never stat'ed in a mount: asking a derived
 * file for its size computes it. It is opened with O_PATH at most.
 *
 * Errors: -ENOENT and so on for the path, -EXDEV when it lies in no Deriva
 *         mount, -ENOTCONN when the mount's daemon is gone; err says more.
 */
#ifndef CLI_MOUNTPOINT_H
#define CLI_MOUNTPOINT_H

#include "core/buf.h"
#include "core/err.h"

struct place {
	char *root; /* absolute path of the mount */
	char *rel;  /* below it, without leading slash; "" is the root */
	char *path; /* both joined */
	bool is_dir;
};

/* follow: a symlink as last component stands for what it points at. The last
 * component need not exist. */
int place_find(const char *path, bool follow, struct place *ret,
	       struct err *err) MUST_USE;
void place_done(struct place *p);
#define CLEANUP_PLACE CLEANUP(place_done)

/* An absolute path whose last component need not exist and is not touched,
 * unless it is "." or "..". */
int path_absolute(const char *path, char **ret, struct err *err) MUST_USE;
char *path_join(const char *dir, const char *name) MUST_USE; /* or NULL */

/* All of a control file of the mount: "status", "why/docs/a.txt". */
int ctl_read(const char *root, const char *name, struct buf *ret) MUST_USE;
int ctl_open(const char *root, const char *name, int flags) MUST_USE;

#endif
