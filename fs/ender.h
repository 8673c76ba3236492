/* fs/ender.h - SIGINT, SIGTERM and SIGHUP end a mount in good order.
 *
 * Blocks those signals in the calling thread, and so in all that it starts
 * later, until ender_stop(). The calling thread is the one that runs the
 * session's loop. Borrows both arguments.
 */
#ifndef FS_ENDER_H
#define FS_ENDER_H

#include "core/macros.h"

struct ender;
struct fuse_session;

int ender_start(struct fuse_session *se, const char *mountpoint,
		struct ender **ret) MUST_USE;
/* After the loop has ended, for whatever reason. NULL is fine. */
void ender_stop(struct ender *e);

#endif
