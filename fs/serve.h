/* fs/serve.h - the threads that take the kernel's requests, and answer them.
 *
 * One of them receives, and does at once what it received: the next request
 * mostly comes from who was just answered, and finds the same thread awake
 * with everything at hand. The others wait for their turn, which comes
 *
 *  - before something that takes long, when the one that does it says so;
 *  - when it takes longer than a few milliseconds, whatever it is: so a
 *    handler may wait for what another request brings.
 *
 * Threads: serve_long() and serve_busy() from any; from one that has not the
 *          turn, and without a crew, they do nothing.
 */
#ifndef FS_SERVE_H
#define FS_SERVE_H

#include "core/macros.h"

struct fuse_session;
struct crew;

int crew_new(struct fuse_session *se, struct crew **ret) MUST_USE;
void crew_free(struct crew *c); /* NULL is fine */
/* Serves until the session is over; 0, or what kept it from receiving. A
 * signal makes the calling thread look whether it is. */
int crew_serve(struct crew *c) MUST_USE;

/* What the caller does next may take long: another thread receives. */
void serve_long(struct crew *c);
/* The same for what takes no more than some ten microseconds: only if there
 * are requests that wait. */
void serve_busy(struct crew *c);

#endif
