/* core/untold.h - what a database from before version 9 keeps and let go of,
 * told to the journals.
 *
 * Until then snapshots, pins, settings and versions whose bytes are not kept
 * were rows alone, and lost with the database. The migration notes that there
 * may be some; whoever has the history open next records them once.
 *
 * Threads: db_lock() held.
 * Durable: commits, some at a time; cut short it goes on the next time.
 */
#ifndef CORE_UNTOLD_H
#define CORE_UNTOLD_H

#include "core/ns.h"

/* Nothing to do is the usual case, and costs one look. */
int untold_tell(struct ns *ns, const struct ns_by *by) MUST_USE;
/* Into the record that is being written: all snapshots, pins and settings. */
int untold_keeps(struct db *db, struct journal *j) MUST_USE;

#endif
