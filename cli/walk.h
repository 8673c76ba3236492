/* cli/walk.h - the derived files that paths name, without computing any.
 *
 * A directory stands for all derived files below it; symlinks and other file
 * systems on the way are left alone.
 */
#ifndef CLI_WALK_H
#define CLI_WALK_H

#include "cli/attrs.h"
#include "cli/where.h"

struct item {
	char *root;  /* of the mount; shared by all items of one place */
	char *rel;   /* below it */
	char *path;  /* to open */
	char *shown; /* as the user would write it */
	enum file_state state;
};

struct items {
	struct item *list;
	size_t count, cap;
	char **roots; /* owns what the items' root points at */
	size_t nroots;
};

/* Adds what `path` names, in order of the names. A path that is a source file
 * is added, too. 0, or -errno after a message: what could be read is there
 * nevertheless. */
int items_add(struct items *it, const struct where *w,
	      const char *path) MUST_USE;
void items_done(struct items *it);

#endif
