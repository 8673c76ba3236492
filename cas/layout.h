/* cas/layout.h - the directory of a store: recognised and made. */
#ifndef CAS_LAYOUT_H
#define CAS_LAYOUT_H

#include "core/buf.h"
#include "core/err.h"

struct layout {
	char *path; /* absolute */
	int dir_fd, packs_fd, drafts_fd;
	bool fresh; /* not a store until layout_seal() */
};

#define LAYOUT_NONE ((struct layout){NULL, -1, -1, -1, false})

/* Whether it is one that this program understands, without touching it. */
int layout_look(const char *path, struct err *err) MUST_USE;
/* Opens the directories of a store, or with create makes them where there are
 * none. Messages name the path and the remedy. */
int layout_open(const char *path, bool create, struct layout *ret,
		struct err *err) MUST_USE;
void layout_done(struct layout *l);
/* Another process may have finished making it since. */
int layout_look_again(struct layout *l, struct err *err) MUST_USE;
/* Writes the format file, durably: from then on it is a store. */
int layout_seal(struct layout *l, struct err *err) MUST_USE;

/* Of a directory that is a store by what else lies in it: writes a format file
 * that is damaged or missing, makes directories that are missing. Bits of what
 * was done; a newer format is let be. */
enum layout_healed { HEALED_FORMAT = 1, HEALED_PACKS = 2, HEALED_DRAFTS = 4 };
int layout_heal(const char *path, struct err *err) MUST_USE;

#endif
