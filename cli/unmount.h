/* cli/unmount.h - take a mount away, and say who is in the way. */
#ifndef CLI_UNMOUNT_H
#define CLI_UNMOUNT_H

#include "cli/mountinfo.h"
#include "core/buf.h"
#include "core/err.h"

/* umount2(2) as root, else fusermount3(1). lazy: it disappears at once and ends
 * with its last user. -EBUSY, -EPERM; the message has no path. */
int unmount(const char *dir, bool lazy, struct err *err) MUST_USE;

/* Processes that use the mount, as "vim (pid 123) has /d/x open; bash (pid 5)
 * works in /d", and what is mounted below it. Empty when none can be seen. */
int mount_users(const struct mount_table *t, const struct mount_entry *e,
		struct buf *ret) MUST_USE;

/* Processes of other mount namespaces that still have it, as "sleep (pid 7)".
 * Empty when there are none, or none can be seen. */
int mount_elsewhere(const struct mount_entry *e, struct buf *ret) MUST_USE;

#endif
