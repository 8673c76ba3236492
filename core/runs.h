/* core/runs.h - branches that live no longer than a process.
 *
 * What a command does as one change is gathered in a branch of its own, whose
 * name says whose it is. When that process is gone without having removed it,
 * whoever comes next does.
 *
 * Threads: as core/db.h: db_lock() held.
 */
#ifndef CORE_RUNS_H
#define CORE_RUNS_H

#include "core/ns.h"

/* A name for a branch of this process; to be freed. */
int run_name(char **ret) MUST_USE;
/* Removes those of processes that are gone; the caller commits. */
int runs_sweep(struct ns *ns, const struct ns_by *by) MUST_USE;

#endif
