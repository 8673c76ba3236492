/* cli/progress.h - one line on a terminal that says how far something is.
 *
 * Nothing is shown unless standard error is a terminal, before a second has
 * passed, and more often than ten times a second. Messages take the line away
 * first (progress_clear). Not thread-safe: the caller has a lock.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "core/macros.h"

#include <stdbool.h>

struct progress {
	bool terminal, shown;
	int64_t started_ns, drawn_ns;
	size_t total, done, failed, running;
	/* What the rest took the last time, of which `known` of all parts are
	 * known; 0: the average of what is done counts. */
	double rest_s;
	size_t known, jobs;
};

void progress_init(struct progress *p, size_t total);
/* The same for work in parts of another kind: what is being done, and how much
 * of it (total 0: not known). */
void progress_part(struct progress *p, const char *doing, uint64_t done,
		   uint64_t total);
void progress_draw(struct progress *p); /* if it is time to */
void progress_clear(struct progress *p);
/* The line as text, for a terminal of that many columns. */
void progress_format(const struct progress *p, int64_t elapsed_ns,
		     unsigned columns, char *ret, size_t size);

#endif
