/* cas/attach.h - which processes have a store open just now.
 *
 * Every process that opens a store takes part until it closes it, or ends in
 * whatever way: what says so is locks of the kernel on the store's file `lock`,
 * which go with the process. Nothing in the file itself has to be believed or
 * cleaned up.
 *
 * What must not happen under the eyes of another process (recovery after a
 * crash, an upgrade of the tables) is done by who is alone: the first to come
 * is, until it lets others in.
 *
 * Owns:    a descriptor of `lock`.  Borrows: nothing after return.
 * Threads: one at a time, but for attach_others(): any.
 * Errors:  -EBUSY who is alone does not let others in, or an older version of
 *          deriva, which cannot share, has the store.
 */
#ifndef CAS_ATTACH_H
#define CAS_ATTACH_H

#include "core/buf.h"
#include "core/err.h"

struct attach;

/* Takes part in the store of that directory; waits as long as another process
 * makes it ready (a minute, then -EBUSY names it). */
int attach_open(int dir_fd, const char *path, struct attach **ret,
		struct err *err) MUST_USE;
void attach_close(struct attach *a);
CLEANUP_FN(struct attach, attach_close)

/* No other process has the store open, and none can open it. */
bool attach_alone(const struct attach *a);
/* Lets others in. */
int attach_share(struct attach *a) MUST_USE;
/* Alone again, if no other process is there at this moment; else false, and
 * nothing has changed. For a short time: others wait. */
bool attach_try_alone(struct attach *a);

/* Whether any other process has it open at this moment. Any thread. */
bool attach_has_others(const struct attach *a);

/* What this process is to others, in a few words: "process 12 has it mounted
 * at /m". What does not fit is cut. Before, it is its number and program. */
void attach_say(struct attach *a, const char *text);
/* Tells whoever watches `lock` (inotify) that something was committed. Any
 * thread. */
void attach_ring(const struct attach *a);
/* The words of all other processes, "; " between. */
int attach_others(const struct attach *a, struct buf *ret) MUST_USE;

#endif
