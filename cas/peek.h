/* cas/peek.h - a store read beside whoever uses it: rows and objects, as
 * committed.
 *
 * Nothing is locked, made, or made ready, and nobody waits for it or is told of
 * it, so that it can be held for as long as one likes. Objects may be moved or
 * collected at any time: who peeks has no right to them.
 *
 * Threads: one at a time.
 * Errors:  -ENOENT absent, -EBADMSG damaged, else what the system said.
 */
#ifndef CAS_PEEK_H
#define CAS_PEEK_H

#include "core/addr.h"
#include "core/buf.h"
#include "core/db.h"
#include "core/ns.h"
#include "core/results.h"
#include "core/tip.h"

struct peek;

/* The directory of a store; messages name it. */
int peek_open(const char *path, struct peek **ret, struct err *err) MUST_USE;
void peek_close(struct peek *p);
CLEANUP_FN(struct peek, peek_close)

struct db *peek_db(struct peek *p);
struct ns *peek_ns(struct peek *p); /* under db_lock(), as the next two */
struct results *peek_results(struct peek *p);
/* The two above become those of that branch; -ENOENT, with a message. */
int peek_set_branch(struct peek *p, const char *name, struct err *err) MUST_USE;
/* A branch by number, beside that one; NULL: there is none, or no memory. */
struct ns *peek_branch(struct peek *p, uint64_t id);
struct tips *peek_tips(struct peek *p);
/* Replaces the content of *ret. Under db_lock() or not. */
int peek_get(struct peek *p, const struct addr *a, enum obj_kind *ret_kind,
	     struct buf *ret) MUST_USE;
/* The values of a journal that names that clear object: of that, or of what
 * came in its place (core/forgotten.h). db_lock() is taken; not held already.
 */
int peek_clear(struct peek *p, const struct addr *clear,
	       struct buf *ret) MUST_USE;
/* Nothing is going to be read for some time: descriptors of packs are closed,
 * so that their bytes are free when they are collected. */
void peek_rest(struct peek *p);
/* Whether there is another database now in place of the one that was opened (it
 * was made anew): close, and open again. */
bool peek_replaced(const struct peek *p);

#endif
