/* core/retention.h - which versions are kept, and which are let go of.
 *
 * What a file holds now is always kept, and so is what a snapshot or a pin
 * shows. Of the rest, by setting: `all`; `last N`, the newest N contents that a
 * name had (what it holds now is one, and so is that it is gone); `for TIME`,
 * what it held at some moment since then.
 *
 * A setting may be a list of rules with patterns, "*.o: last 1; lib/: for 7d;
 * all": the first whose pattern matches a file's path says it, and where
 * none does all is kept. A file is called what it is called now, or what it was
 * called last; of several names each is asked, and what one keeps is kept.
 * Patterns are read and matched in retention_rules.c, and told of there.
 *
 * A version that is let go of stays as a row: its time, size and address are
 * known, its bytes are not kept. version.gone is the change that let go of it,
 * or 1 when that was before changes had it (core/untold.h).
 *
 * Threads: one; functions that read take a connection of the caller's alone,
 *          the one that writes wants db_lock() held.
 */
#ifndef CORE_RETENTION_H
#define CORE_RETENTION_H

#include "core/buf.h"
#include "core/ns.h"

#include <stdbool.h>

#define RETENTION_RULES 64
#define RETENTION_TEXT	2048 /* bytes of all patterns, with their NULs */

struct retention_rule {
	enum retention_kind { KEEP_ALL, KEEP_LAST, KEEP_FOR } kind;
	uint64_t count;	     /* KEEP_LAST, at least 1 */
	int64_t duration_ns; /* KEEP_FOR */
	uint16_t pattern;    /* where it stands in text */
	bool any;	     /* no pattern: it is for every file */
};
struct retention {
	struct retention_rule rules[RETENTION_RULES];
	unsigned n; /* 0: all is kept */
	char text[RETENTION_TEXT];
	size_t used;
};

/* "all", "last 5", "for 90d"; blanks, "_" or ":" between; or rules with
 * patterns, with ';' or a new line between. -EINVAL with a message that says
 * where. */
int retention_parse(const char *text, struct retention *ret,
		    struct err *err) MUST_USE;
void retention_format(const struct retention *r, struct buf *ret);
/* Whether nothing is ever let go of. */
bool retention_keeps_all(const struct retention *r);
/* The first rule for a path from the root without a slash in front; -1: none.
 * Where retention_needs_path() is not so, the last component will do. */
int retention_rule(const struct retention *r, const char *path);
bool retention_needs_path(const struct retention *r);

void duration_exact(int64_t ns, struct buf *ret); /* as it is read back: 90d */

/* The versions that are beyond it and whose rows do not say so yet; born is
 * the change of the row. fn returns 0 to go on. */
int retention_each(struct db *reader, const struct retention *r, int64_t now_ns,
		   int (*fn)(void *ctx, uint64_t ino, uint64_t born),
		   void *ctx) MUST_USE;
/* Who shows what a file was from one change to another (until 0: until now):
 * 1, with "snapshot NAME" or "pin PATH"; 0: nobody. */
struct shown;
int shown_open(struct db *db, struct shown **ret) MUST_USE;
void shown_close(struct shown *s);
int shown_by(struct shown *s, uint64_t ino, uint64_t from, uint64_t until,
	     struct buf *ret) MUST_USE;

/* A change that says so, unless there is nothing to say. */
struct version_id {
	uint64_t ino, born;
};
int retention_let_go(struct ns *ns, const struct ns_by *by,
		     const struct version_id *v, size_t n) MUST_USE;

#endif
