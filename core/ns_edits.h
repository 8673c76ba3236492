/* core/ns_edits.h - what a set of edits holds; for core/ns_edits.c and
 * core/ns_apply.c alone. */
#ifndef CORE_NS_EDITS_H
#define CORE_NS_EDITS_H

#include "core/map.h"
#include "core/ns_apply.h"
#include "core/ns_internal.h"

/* Numbers that stand for those of inodes to be made. */
#define EDIT_NEW (UINT64_C(1) << 62)

struct edit_name {
	uint64_t dir, ino;
	char *name;
	size_t len;
	/* found when it is applied */
	struct ns_name old; /* ino 0: none */
	bool same;
};

struct edit_inode {
	struct ns_attr a;
	char *target;
};

struct edit_xattr {
	uint64_t ino;
	char *name;
	void *value;
	size_t len;
	bool same;
};

/* An inode that gains or loses names, or is another. */
struct edit_file {
	struct ns_attr now, then;
	bool there;	 /* it has a row */
	int64_t by;	 /* names more */
	uint64_t parent; /* of a directory that got a name: where */
	int64_t subdirs; /* of a directory: how many more lie in it */
	bool touched;	 /* of a directory: names came or went */
	bool marked;	 /* an extended attribute is another */
	bool version;	 /* it gets one */
	const struct edit_inode *edit;
	struct buf target; /* of a link that gets a version */
};

struct ns_edits {
	void **names;
	void **inodes;
	void **xattrs;
	size_t n_names, n_inodes, n_xattrs;
	struct map *by_name;  /* dir and name -> struct edit_name */
	struct map *by_ino;   /* -> struct edit_inode */
	struct map *by_xattr; /* ino and name -> struct edit_xattr */
	uint64_t numbers;
	uint64_t first; /* the real number of the first */
	/* while it is applied */
	struct map *files; /* ino -> struct edit_file */
	void **list;
	size_t n_files;
	struct buf gone; /* uint64_t */
};

/* A new element, zeroed, that list and map have; NULL: no memory. */
void *edits_add(void ***list, size_t *n, size_t size, struct map *map,
		const void *key, size_t len) MUST_USE;
void edits_forget(struct ns_edits *e); /* what was found when it was applied */
const struct edit_name *edits_name(const struct ns_edits *e, uint64_t dir,
				   const char *name, size_t len);
static inline uint64_t edits_real(const struct ns_edits *e, uint64_t ino)
{
	return ino >= EDIT_NEW ? e->first + (ino - EDIT_NEW) : ino;
}

#endif
