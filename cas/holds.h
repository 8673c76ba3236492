/* cas/holds.h - what the processes of a store are using, for collection to see.
 *
 * Rows say what is needed; between a look at a row and the next row, only the
 * process knows. Each one has a file in holds/, mapped by all, in which it
 * notes without any system call
 *
 *	how many of its threads are taking objects in whose rows are not
 *	committed yet, by generation (holds_enter, holds_leave),
 *	a set of the objects that they found or put (holds_hit),
 *	a counted set of what is open for reading (holds_keep).
 *
 * The sets are tables by hash: an object that is in none of them is not held;
 * one that seems to be may be another. Collection turns to the next generation
 * (RCU: McKenney and Slingwine 1998) and waits for the one before; whom it has
 * no patience to wait for, it takes by the word of the set.
 *
 * A process that died is known by the lock on its file, which went with it.
 *
 * Threads: any.
 */
#ifndef CAS_HOLDS_H
#define CAS_HOLDS_H

#include "core/addr.h"
#include "core/err.h"

struct holds;

/* In the directory holds/ of the store, made if need be. */
int holds_open(int store_fd, struct holds **ret) MUST_USE;
void holds_close(struct holds *h);
CLEANUP_FN(struct holds, holds_close)

/* From before the first look for an object, or its put, to the commit of the
 * rows that refer to it. Returns what holds_leave() wants. */
unsigned holds_enter(struct holds *h);
void holds_leave(struct holds *h, unsigned generation);
/* Before an object is looked for by somebody who will refer to it. */
void holds_hit(struct holds *h, const struct addr *a);

/* Before a content is looked for that will be read for some time. */
void holds_keep(struct holds *h, const struct addr *a);
void holds_release(struct holds *h, const struct addr *a);

/* Whether collection has asked, since the last call, that the pack being
 * written be finished and files that are gone be closed. */
bool holds_asked(struct holds *h);
/* Waits for that, for holds_wake(), or so long. */
void holds_wait(struct holds *h, int64_t timeout_ns);
void holds_wake(struct holds *h);

/* --- for collection ------------------------------------------------------- */

struct survey;

/* All processes that live now; the file of one that does not goes. */
int survey_new(struct holds *h, struct survey **ret) MUST_USE;
void survey_free(struct survey *s);
CLEANUP_FN(struct survey, survey_free)

/* Those who enter from now on are of another generation. */
void survey_turn(struct survey *s);
/* How many processes still take in what they began before survey_turn(). */
unsigned survey_busy(const struct survey *s);
/* The wait is over: of those who are still busy, what they have found by now
 * is kept in mind. */
int survey_settle(struct survey *s) MUST_USE;
/* Whether one of those may have found it. */
bool survey_found(const struct survey *s, const struct addr *a);
/* Whether anybody has it open now. */
bool survey_keeps(const struct survey *s, const struct addr *a);
/* Asks all for what holds_asked() says. */
void survey_ask(struct survey *s);

/* One collection at a time: -EAGAIN while another process is at it. Closing
 * the descriptor ends it, and so does death. */
int holds_lock(int store_fd, int *ret_fd) MUST_USE;

#endif
