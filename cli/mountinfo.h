/* cli/mountinfo.h - what is mounted where, from /proc/self/mountinfo.
 *
 * The table tells which paths lie in a Deriva mount without touching the mount
 * itself, which may be dead or busy. See proc_pid_mountinfo(5).
 */
#ifndef CLI_MOUNTINFO_H
#define CLI_MOUNTINFO_H

#include "core/macros.h"

#include <stdbool.h>

#define DERIVA_FSTYPE "fuse.deriva"

struct mount_entry {
	int id, parent;
	unsigned major, minor;
	const char *root;   /* within the file system; "/" unless bound */
	const char *dir;    /* where it is mounted */
	const char *type;   /* "ext4" */
	const char *source; /* as given to mount(2) */
};

struct mount_table {
	struct mount_entry *entries; /* in order of mounting */
	size_t count;
	char *text; /* what the strings point into */
};

int mount_table_read(struct mount_table *ret) MUST_USE;
/* The same from a text, which it takes (and frees on failure). */
int mount_table_parse(char *text, struct mount_table *ret) MUST_USE;
void mount_table_done(struct mount_table *t);

const struct mount_entry *mount_table_id(const struct mount_table *t, int id);
/* The topmost mount at exactly that absolute path, or NULL. */
const struct mount_entry *mount_table_at(const struct mount_table *t,
					 const char *dir);
/* A mount of the same file system that shows its root, or NULL. */
const struct mount_entry *mount_table_root_of(const struct mount_table *t,
					      const struct mount_entry *e);
bool mount_is_deriva(const struct mount_entry *e);

/* What lies behind dir in path: "" for dir itself, without leading slash; NULL
 * when path does not lie in dir. */
const char *path_below(const char *path, const char *dir);

#endif
