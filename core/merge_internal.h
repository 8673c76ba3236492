/* core/merge_internal.h - what the files of the merge share; for them only.
 *
 *   merge.c        the order of things, notes
 *   merge_pair.c   which is which in the three trees
 *   merge_names.c  names: what goes where
 *   merge_files.c  what files are: content, attributes
 *
 * An entity is what was one file or directory in base, or is a new one of
 * theirs: its number is base's inode, or theirs. */
#ifndef CORE_MERGE_INTERNAL_H
#define CORE_MERGE_INTERNAL_H

#include "core/map.h"
#include "core/merge.h"

/* A name in the directory with that entity, and what it leads to. */
struct merge_key {
	uint64_t dir;
	char *name;
	size_t len;
	uint64_t base;	 /* inode, or 0 */
	uint64_t theirs; /* inode, or 0 */
	bool later;	 /* left until what lies below is settled */
	bool waits;	 /* not placed yet */
};

struct merge {
	const struct merge_job *job;
	struct ns_edits *edits;
	struct merge_notes notes;
	bool patient, waits; /* a directory's place may be free later; it was */
	void **keys;	     /* struct merge_key */
	size_t n_keys;
	struct map *by_key;
	struct map *inodes;  /* of theirs: touched */
	struct map *tried;   /* directories of theirs, to be paired by path */
	struct map *claims;  /* inode of theirs -> entity, + 1 */
	struct map *claimed; /* entity -> inode of theirs, + 1 */
	struct map *ours;    /* entity -> inode of ours, + 1 */
	struct map *taken;   /* inode of ours -> its entity, + 1 */
	struct map *made;    /* entity -> number of the inode to be made, + 1 */
	struct map *placed;  /* entities that have their name */
	struct map *filled;  /* directories of ours that get a name */
	struct map *parents; /* directory -> where it was moved to, + 1 */
	struct map *settled; /* entities whose conflict is told */
};

/* --- trees --- */

/* *ret 0 where there is none. */
int side_look(const struct merge_side *s, uint64_t dir, const char *name,
	      size_t len, uint64_t *ret) MUST_USE;
/* 1, or 0: it is not there (has no name). */
int side_attr(const struct merge_side *s, uint64_t ino,
	      struct ns_attr *ret) MUST_USE;
/* Whether two inodes are the same but for times and names: 1 or 0. */
int side_same(const struct merge_side *s, uint64_t a,
	      const struct merge_side *t, uint64_t b) MUST_USE;
int side_target(const struct merge_side *s, uint64_t ino,
		struct buf *ret) MUST_USE;
/* A path without a leading slash. */
int side_path(const struct merge_side *s, uint64_t dir, const char *name,
	      size_t len, struct buf *ret) MUST_USE;

/* --- pairing --- */

int merge_gather(struct merge *m) MUST_USE;
/* What an inode of theirs is; where an entity is in theirs. */
uint64_t merge_entity(const struct merge *m, uint64_t theirs);
uint64_t merge_theirs(const struct merge *m, uint64_t entity);
/* The inode of ours, 0: none. */
int merge_ours(struct merge *m, uint64_t entity, uint64_t *ret) MUST_USE;
/* Whether it has one of its names of base in that tree: 1 or 0. */
int merge_stayed(struct merge *m, uint64_t entity, bool in_ours) MUST_USE;
int merge_in_base(const struct merge *m, uint64_t entity) MUST_USE;
int merge_in_theirs(const struct merge *m, uint64_t entity) MUST_USE;

/* --- names, files --- */

int merge_place_names(struct merge *m) MUST_USE;
int merge_remove_names(struct merge *m) MUST_USE;
int merge_files(struct merge *m) MUST_USE;
/* What a name of ours leads to with the edits so far. */
int merge_effective(struct merge *m, uint64_t dir, const char *name, size_t len,
		    uint64_t *ret) MUST_USE;
/* One of the names in theirs (1), which is to be freed; 0: none. */
int merge_name_of(struct merge *m, uint64_t theirs,
		  struct merge_key *ret) MUST_USE;
/* The directory of ours that is that entity, made again if it is gone. */
int merge_dir(struct merge *m, uint64_t entity, uint64_t *ret) MUST_USE;
/* What is in theirs of that number comes into ours. beside: because of a
 * conflict; then a file gets another number, since it is not that file. */
int merge_copy(struct merge *m, uint64_t theirs, bool beside,
	       uint64_t *ret) MUST_USE;
/* A name beside that one, for the inode of ours or to be made; a conflict is
 * noted. */
int merge_beside(struct merge *m, const struct merge_key *k, uint64_t ino,
		 const char *why) MUST_USE;
int merge_note(struct merge *m, enum merge_what what, const char *why,
	       const struct merge_key *k, const char *beside) MUST_USE;

static inline int put_number(struct map *map, uint64_t key, uint64_t value)
{
	return map_put_u64(map, key, (void *)(uintptr_t)(value + 1));
}
/* value + 1, or 0 */
static inline uint64_t get_number(const struct map *map, uint64_t key)
{
	return (uint64_t)(uintptr_t)map_get_u64(map, key);
}

#endif
