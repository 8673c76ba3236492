/* cas/feed_event.h - one change of the journals as a line of JSON: for
 * cas/feed.c alone. */
#ifndef CAS_FEED_EVENT_H
#define CAS_FEED_EVENT_H

#include "cas/peek.h"
#include "core/journal.h"

struct feed_event;

struct feed_event *feed_event_new(
	struct peek *p) MUST_USE; /* NULL: no memory */
void feed_event_free(struct feed_event *e);
/* The first record of a change: what was gathered before is gone. */
void feed_event_begin(struct feed_event *e, const struct journal_record *r);
int feed_event_add(struct feed_event *e,
		   const struct journal_effect *effect) MUST_USE;
/* Appends the line, unless the change does not concern that path. db_lock held.
 */
int feed_event_line(struct feed_event *e, const char *path,
		    struct buf *ret) MUST_USE;

#endif
