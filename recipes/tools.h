/* recipes/tools.h - programs of the machine that computations name.
 *
 * A tool is found as a command finds it: in the directories of its PATH, by
 * way of links (also of /etc/alternatives), among what the sandbox shows. Its
 * address is the BLAKE3 sum of that file, which `b3sum` prints; neither the
 * libraries nor the other programs that it uses are in it.
 *
 * A file is read once and known by device, inode, size and times from then
 * on.
 *
 * Threads: any; nothing here waits but tools_read().
 */
#ifndef RECIPES_TOOLS_H
#define RECIPES_TOOLS_H

#include "core/addr.h"
#include "core/buf.h"

#include <limits.h>
#include <stdbool.h>

/* PATH of every command. */
#define TOOLS_PATH \
	"/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

struct tools;

/* anywhere: commands run without a sandbox, so that links may lead out of
 * what one shows. */
int tools_new(bool anywhere, struct tools **ret) MUST_USE;
void tools_free(struct tools *t);

struct tool {
	char path[PATH_MAX]; /* of the file itself */
	uint64_t size;
	int64_t mtime_ns;
	struct addr addr;
};

/* -ENOENT: there is none; -EAGAIN: it has to be read, by tools_read(); other
 * errors of reading it. The name is looked after from then on. */
int tools_get(struct tools *t, const char *name, struct tool *ret) MUST_USE;
/* Reads those that tools_get() asked for; waits for the disk. */
void tools_read(struct tools *t);
/* Where a program lies, without its address: -ENOENT. */
int tools_find(const struct tools *t, const char *name,
	       struct tool *ret) MUST_USE;
/* Whether any name was asked for yet. */
bool tools_any(struct tools *t);
/* Calls back for each name that was asked for and is another file now than
 * when it was last asked for, or came, or went. */
void tools_changed(struct tools *t, void (*fn)(void *ctx, const char *name),
		   void *ctx);

#endif
