/* cas/ingest.h - objects on their way into the store, by all cores at once.
 *
 * Hashing and compressing are done by a pool of threads that belongs to the
 * store (one a CPU; they start with the first work). A line is one writer's: it
 * gives pieces, and gets their addresses back in the same order. In that order,
 * too, objects are appended to the pack, several with one write, so that what
 * is read in order lies in order.
 *
 * Memory:  a line always has one buffer, and more as long as those of all lines
 *          together stay within INGEST_SHARED; without, it waits for its own.
 *          So a writer is slowed down to what the machine can take in.
 * Threads: a line from one thread (whose turn it is to wait, works meanwhile);
 *          lines of a store from any number. No lock of a caller is wanted, so
 *          that db_lock() may be held or not.
 * Errors:  of store_put(). The first of a line stays: every later call returns
 *          it, and nothing behind it is appended.
 * Durable: as store_put(): after store_sync().
 */
#ifndef CAS_INGEST_H
#define CAS_INGEST_H

#include "cas/store.h"

#define INGEST_BUFFER MIB(2)
#define INGEST_SHARED MIB(24)
#define INGEST_SLOTS  96 /* pieces of a line that are under way at most */

struct ingest;
struct ingest_line;

/* No thread is started before there is work. The store calls these two. */
struct ingest *ingest_new(struct store *s) MUST_USE;
void ingest_free(struct ingest *g); /* all lines are gone */

/* checked: what is there already is read back, and put anew when damaged. */
struct ingest_line *ingest_line_new(struct store *s, bool checked) MUST_USE;
/* Gives up what nobody has begun to work on, waits for the rest. */
void ingest_line_free(struct ingest_line *l);

/* INGEST_BUFFER bytes to put pieces' bytes into. Each line may have one that
 * the caller makes, and frees after the line. */
struct ingest_buffer;
int ingest_buffer_new(struct ingest_buffer **ret) MUST_USE;
void ingest_buffer_free(struct ingest_buffer *b);
uint8_t *ingest_bytes(struct ingest_buffer *b);
/* *b is used up but for n bytes at its rest: another one that begins with
 * these, or itself, as soon as no piece in it is under way. */
int ingest_turn(struct ingest_line *l, struct ingest_buffer **b,
		const uint8_t *rest, size_t n) MUST_USE;
/* One more piece, in that buffer; NULL: in memory that stays until the line's
 * last address was taken. Not when the line is full. */
int ingest_put(struct ingest_line *l, struct ingest_buffer *b, const void *p,
	       size_t n) MUST_USE;
/* One that is no object: only its place in the order is kept. */
int ingest_pass(struct ingest_line *l, uint64_t size) MUST_USE;
bool ingest_full(const struct ingest_line *l);
/* The oldest piece that was not taken yet: 1; wait: also when it is still being
 * worked on. 0: there is none. The address of what was passed is zero. */
int ingest_take(struct ingest_line *l, bool wait, struct addr *ret,
		uint64_t *ret_size) MUST_USE;

#endif
