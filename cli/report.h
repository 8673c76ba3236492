/* cli/report.h - telling of what could not be computed.
 *
 * Takes the progress away first, and counts there.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli/progress.h"

/* The file `shown`, which lies at rel in the mount, could not be computed; the
 * end of what its command printed is told, too. */
void report_failed(struct progress *p, const char *shown, const char *root,
		   const char *rel, const char *why);
/* An ordinary file lies where a recipe makes one. */
void report_blocked(struct progress *p, const char *shown);

#endif
