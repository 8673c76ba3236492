/* core/merge.h - two lines of work that began as one tree, as one tree.
 *
 * Decides, by rows alone, what has to be changed in ours so that it has what
 * theirs changed since base; the bytes of texts that both changed are merged by
 * a function of the caller's. Method: three-way by path, as git merges: what is
 * called the same in base and theirs is the same file, whatever inode it is
 * (editors replace files); what is not is a rename when it is the same inode. A
 * directory is its inode, so that what is done below one that the other side
 * renamed finds it.
 *
 * What only theirs changed is taken: content, mode, owner, times, attributes,
 * names. Of a text that both changed the lines are merged; of all else that
 * both changed, each otherwise, ours stays and theirs lies beside it as
 * NAME.LABEL. A file that one changed and the other removed stays, under its
 * name or beside it. Where both gave it a name, or took the same name for
 * something else, ours stays. All of these but the first two are conflicts.
 *
 * A directory that theirs removed stays when something that ours made is in it;
 * one that ours removed comes back when theirs made something in it.
 *
 * Cost:    of what was changed in theirs, not of the trees.
 * Threads: as core/ns.h. Nothing may change while it runs.
 */
#ifndef CORE_MERGE_H
#define CORE_MERGE_H

#include "core/ns_apply.h"

struct merge_side {
	struct ns *ns;
	uint64_t at; /* change, or NS_NOW */
};

struct merge_job {
	struct merge_side base, ours, theirs;
	uint64_t
		since; /* what theirs changed after that may differ from base */
	const char *label; /* of names beside: NAME.LABEL */
	/* 1 and the content of both; 0: that cannot be. -errno. base is NULL
	 * where there was none. */
	int (*content)(void *ctx, const struct ns_attr *base,
		       const struct ns_attr *ours, const struct ns_attr *theirs,
		       struct addr *ret, uint64_t *ret_size);
	void *ctx;
};

enum merge_what { MERGE_TAKEN, MERGE_MERGED, MERGE_CONFLICT };

struct merge_note {
	enum merge_what what;
	const char *why; /* "added", "content", ... */
	char *path;	 /* below the root, without leading slash */
	char *beside;	 /* where theirs lies, or is called; NULL */
};

struct merge_notes {
	struct merge_note *list;
	size_t n, conflicts;
};

/* Adds to an empty set of edits what makes ours the merged tree. */
int merge_decide(const struct merge_job *job, struct ns_edits *edits,
		 struct merge_notes *ret) MUST_USE;
void merge_notes_done(struct merge_notes *n);

#endif
