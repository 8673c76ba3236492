/* core/ns_internal.h - what the files of the namespace share; for them only.
 *
 *   ns_open.c     opening, counters
 *   ns_sql.c      all statements
 *   ns.c          the present
 *   ns_past.c     the tree at a change number
 *   ns_over.c     a branch over what it was made from
 *   ns_history.c  changes, versions, intervals
 *   ns_diff.c     in what two moments differ (core/tree_diff.h)
 *   ns_trail.c    all that a path ever led to (core/trail.h)
 *   ns_change.c   the frame of a change; names that come and go
 *   ns_rows.c     the rows that a change writes
 *   ns_rename.c   names that move
 *   ns_attr.c     attributes, content, extended attributes
 *   ns_apply.c    many edits as one change (core/ns_apply.h)
 *   ns_orphan.c   inodes without a name, and whose they are
 *   ns_rollback.c back to an earlier change, after a power cut
 */
#ifndef CORE_NS_INTERNAL_H
#define CORE_NS_INTERNAL_H

#include "core/map.h"
#include "core/ns.h"
#include "core/stmts.h"

#define NS_DIR_SIZE 4096 /* what a directory's size is said to be */

enum ns_stmt {
	NS_COUNTERS_GET,
	NS_COUNTERS_PUT,
	NS_LAST_CHANGE,
	NS_SETTING_GET,
	NS_SETTING_PUT,

	NS_INODE_GET,
	NS_INODE_ADD,
	NS_INODE_PUT,
	NS_INODE_TOUCH,
	NS_INODE_DEL,
	NS_DIR_TOUCH,
	NS_TARGET,

	NS_ENTRY_GET,
	NS_ENTRY_ADD,
	NS_ENTRY_KILL,
	NS_ENTRY_LIST,
	NS_ENTRY_PERCENT,
	NS_ENTRY_RECIPE,
	NS_ENTRY_ANY,
	NS_ENTRY_OF_INO,
	NS_ENTRIES_OF_INO,

	NS_PAST_ENTRY,
	NS_PAST_LIVING,
	NS_PAST_DIED_AFTER,
	NS_PAST_BORN_UPTO,
	NS_PAST_ENTRY_OF_INO,
	NS_PAST_INODE,
	NS_PAST_MODE,
	NS_PAST_TOUCHED,
	NS_CHANGED_AFTER,

	NS_CHANGE_ADD,
	NS_CHANGE_MORE,
	NS_CHANGE_GET,
	NS_CHANGE_FLOOR,
	NS_VERSION_ADD,
	NS_VERSIONS,
	NS_VERSIONS_BETWEEN,
	NS_VERSIONS_AFTER,
	NS_NAME_HISTORY,

	NS_TRAIL_BORN,
	NS_TRAIL_NAMED,
	NS_TRAIL_LIVING,
	NS_TRAIL_DEAD,
	NS_TRAIL_OF_INO,

	NS_TOTALS_GET,
	NS_TOTALS_PUT,
	NS_COUNTERS_MOVE,
	NS_OVER_LIST,
	NS_OVER_OWNS,
	NS_OVER_DEAD,
	NS_OVER_INODES,
	NS_OVER_VERSIONS,
	NS_OVER_XATTRS,
	NS_OVER_DEL,
	NS_OVER_COPIED,
	NS_OVER_VERSION,
	NS_OVER_TRAIL,

	NS_DIFF_DIRS,
	NS_DIFF_DIED,
	NS_DIFF_LIVING,
	NS_DIFF_BORN,

	NS_XATTR_GET,
	NS_XATTR_LIST,
	NS_XATTR_ANY,
	NS_XATTR_AT,
	NS_XATTR_NEXT,
	NS_XATTR_ADD,
	NS_XATTR_KILL,
	NS_XATTR_KILL_ALL,

	NS_ORPHAN_ADD,
	NS_ORPHAN_DEL,
	NS_ORPHAN_LIST,

	NS_BACK_INODES,
	NS_BACK_CHANGES,
	NS_BACK_VERSIONS,
	NS_BACK_ENTRY_DEL,
	NS_BACK_ENTRY_REVIVE,
	NS_BACK_COPIES,
	NS_BACK_XATTR_DEL,
	NS_BACK_XATTR_REVIVE,
	NS_BACK_XATTR_KILL,
	NS_BACK_VERSION_DEL,
	NS_BACK_CHANGE_DEL,
	NS_BACK_MORE_DEL,
	NS_BACK_MERGED_DEL,
	NS_BACK_GONE,
	NS_BACK_FORGOTTEN,
	NS_BACK_LINKS,
	NS_BACK_SUBDIRS,
	NS_STMTS,
};
extern const char *const ns_sql[NS_STMTS];
extern const char ns_raise_sql[];

/* The row `counter`: read when a batch begins, since other processes write it
 * too, and written when it ends. */
struct ns_counters {
	uint64_t next_seq, next_ino;
	struct totals totals;
	bool removed; /* the branch was: nobody may write to it any more */
};

struct past_list;
#define NS_PAST_LISTS 4
#define NS_KEPT	      64
#define NS_ABSENT     16
#define NS_ABSENT_LEN 48

struct ns {
	struct db *db;
	struct journal *journal;
	struct stmts stmts;
	uint64_t branch;
	/* Of a branch: the one it was made from, which is only read, and at no
	 * later change than `fork`. NULL: main. */
	struct ns *base;
	uint64_t fork;
	struct map *subdirs; /* links of base's directories at the fork, as
			      * pointers: that is counted once */
	bool view;	     /* only read: no hooks */
	int64_t (*now)(void *ctx);
	void *now_ctx;

	bool fresh; /* the fields below are those of the open batch */
	bool dirty; /* the counters were changed in it */
	bool lost;  /* a batch was, some time */
	struct ns_counters counters;
	uint64_t last_seq;
	int64_t last_time_ns;

	/* Never lower than what was given out, though a batch was lost. */
	uint64_t next_seq, next_ino;

	struct map *orphans; /* those that came to be in this batch */
	char *owner;	     /* this process, as in the table orphan */
	pid_t owner_pid;
	int64_t root_time_ns; /* root made, and not in the journal: when */
	struct ns_by root_by;

	struct past_list *lists[NS_PAST_LISTS]; /* newest first */

	/* Rows of inodes that the open batch has read or written, by number;
	 * ino 0: none. Outside of it nothing is kept, as others may write. */
	struct ns_attr kept[NS_KEPT];
	/* The directory whose names changed last: what its row has yet to be
	 * told. dir 0: nothing. */
	struct ns_late {
		uint64_t dir;
		int64_t time_ns;
		int64_t nlink_by;
	} late;
	/* The same of names that are not there: who makes a file asks for its
	 * name, and that of its recipe, several times. dir 0: none. */
	struct ns_absent {
		uint64_t dir;
		size_t len;
		char name[NS_ABSENT_LEN];
	} absent[NS_ABSENT];
};

/* --- rows ---------------------------------------------------------------- */

/* A present name: -ENOENT. */
struct ns_name {
	uint64_t id, ino, born;
};
int ns_find(struct ns *ns, uint64_t dir, const char *name, size_t len,
	    struct ns_name *ret) MUST_USE;
/* A present inode: -ENOENT. */
int ns_inode(struct ns *ns, uint64_t ino, struct ns_attr *ret) MUST_USE;
/* What ns_inode() need not read again: a row as it is now, that of a directory
 * whose names changed. Whatever else writes such a row, or takes back what was
 * written, has it forgotten (0: all). */
void ns_keep(struct ns *ns, const struct ns_attr *a);
void ns_kept_dir(struct ns *ns, uint64_t dir, int64_t time_ns, int nlink_by);
void ns_unkeep(struct ns *ns, uint64_t ino);
/* A name comes. */
void ns_unkeep_absent(struct ns *ns, uint64_t dir, const char *name,
		      size_t len);
/* A present inode that is a directory and has a name: -ENOENT, -ENOTDIR. */
int ns_dir(struct ns *ns, uint64_t ino, struct ns_attr *ret) MUST_USE;
/* -EINVAL, -ENAMETOOLONG: no name that a file may have. */
int ns_name_check(const char *name, size_t len) MUST_USE;
/* The columns mode .. version of an inode's queries, from column 0 on. */
int ns_column_attr(struct stmt *st, uint64_t ino, struct ns_attr *ret) MUST_USE;
/* Text that an inode's newest version up to a moment leads to. */
int ns_target(struct ns *ns, uint64_t at, uint64_t ino,
	      struct buf *ret) MUST_USE;

/* Steps from an inode to the directory of one of its names. -EUCLEAN when rows
 * lead in a circle (Brent, "An improved Monte Carlo factorization algorithm",
 * BIT 1980, has the way to see it). */
struct ns_climb {
	uint64_t seen, steps;
};
/* The name's bytes in reverse and "/" are added to `reversed`, which may be
 * NULL. -ENOENT: no name. */
int ns_climb(struct ns_climb *c, struct ns *ns, uint64_t at, uint64_t *ino,
	     struct buf *reversed) MUST_USE;

/* --- the past ------------------------------------------------------------ */

int ns_past_lookup(struct ns *ns, uint64_t at, uint64_t dir, const char *name,
		   size_t len, uint64_t *ret_ino, uint64_t *ret_born) MUST_USE;
int ns_past_getattr(struct ns *ns, uint64_t at, uint64_t ino,
		    struct ns_attr *ret) MUST_USE;
int ns_past_mode(struct ns *ns, uint64_t at, uint64_t ino,
		 uint32_t *ret) MUST_USE;
/* Whether names came or went in a directory after a change: 0 or 1. */
int ns_changed_after(struct ns *ns, uint64_t dir, uint64_t at) MUST_USE;
int ns_past_list(struct ns *ns, uint64_t at, uint64_t dir, const char *after,
		 size_t len, int (*fn)(void *ctx, const struct ns_entry *e),
		 void *ctx) MUST_USE;
void ns_past_forget(struct ns *ns);
/* Where in the interval tree a name lies that lived in [born, died). */
uint64_t ns_fork_node(uint64_t born, uint64_t died);

/* --- the frame of a change ----------------------------------------------- */

/* Opens the batch, and reads the counters when it is new: the first thing a
 * mutator does, so that what it checks stays so. */
int ns_enter(struct ns *ns) MUST_USE;
/* Reads the counters again, which something else has written. */
int ns_reread(struct ns *ns) MUST_USE;
/* Now, and never before the last change. */
int64_t ns_time(const struct ns *ns);
/* The time of a change for the files that it touches: by the clock that the
 * kernel stamps with, which comes up to a tick behind. Were it the same as the
 * change's, a file would be older when the kernel has written to it than when
 * it was made. A clock of a test's is taken for both. */
int64_t ns_stamp(const struct ns *ns, int64_t time_ns);

/* Between begin and end all rows are written; end takes their outcome, and
 * keeps or reverts them. A change that failed has used up its number. */
struct ns_work {
	uint64_t seq;
	int64_t time_ns;
	int64_t stamp_ns; /* what files get as times, see ns_stamp() */
	enum ns_op op;
	struct ns_by by; /* strings cut, in text */
	char program[64];
	char message[256];
	struct totals totals; /* as they will be */
	struct ns_late late;  /* as it was */
};
int ns_begin(struct ns *ns, const struct ns_by *by, enum ns_op op, uint64_t dir,
	     uint64_t dir2, struct ns_work *ret) MUST_USE;
int ns_end(struct ns *ns, const struct ns_work *w, int rc) MUST_USE;

/* What a file counts for in the totals, by its type; by is 1 or -1. */
void ns_count(struct totals *t, const struct ns_attr *a, int by);
int ns_put_inode(struct ns *ns, enum ns_stmt add_or_put,
		 const struct ns_attr *a) MUST_USE;
int ns_put_version(struct ns *ns, struct ns_work *w, const struct ns_attr *a,
		   const char *target) MUST_USE;
int ns_put_name(struct ns *ns, const struct ns_work *w, uint64_t dir,
		const char *name, size_t len, uint64_t ino) MUST_USE;
int ns_kill_name(struct ns *ns, const struct ns_work *w, uint64_t dir,
		 const char *name, size_t len,
		 const struct ns_name *found) MUST_USE;
/* Times of a directory in which names came or went, and its link count. */
int ns_touch_dir(struct ns *ns, const struct ns_work *w, uint64_t dir,
		 int nlink_by) MUST_USE;
/* Its row is written when it is another's turn, or somebody wants it. */
int ns_settle_dir(struct ns *ns) MUST_USE;
/* ctime, and the link count as *a says. */
int ns_touch_inode(struct ns *ns, const struct ns_work *w,
		   const struct ns_attr *a) MUST_USE;
/* *gone has lost a name: the link count, and what follows from none left. */
int ns_drop_link(struct ns *ns, struct ns_work *w,
		 struct ns_attr *gone) MUST_USE;
/* One more directory whose names the change touches, from the third on. */
int ns_put_more(struct ns *ns, const struct ns_work *w, uint64_t dir) MUST_USE;
/* An extended attribute takes another value, or (NULL) goes, or is none. */
int ns_put_xattr(struct ns *ns, const struct ns_work *w, uint64_t ino,
		 const char *name, const void *value, size_t len) MUST_USE;
/* -EINVAL and so on: what no inode can be. */
int ns_kind_check(uint32_t mode, const char *target) MUST_USE;

/* --- branches (ns_over.c) -------------------------------------------------
 * Below, `ns` is a branch with a base, and `at` after its fork. */

/* Whether a moment lies before the branch began: it is base's. */
static inline bool ns_before(const struct ns *ns, uint64_t at)
{
	return ns->base && at <= ns->fork;
}
/* Whether rows of its own say what a name led to: 1, and the name (ino 0: gone
 * then), or 0. id is 0 for what is past. */
int ns_own_name(struct ns *ns, uint64_t at, uint64_t dir, const char *name,
		size_t len, struct ns_name *ret) MUST_USE;
/* Whether rows of its own say what an inode is, at all moments: 1 or 0. */
int ns_owns(struct ns *ns, uint64_t ino) MUST_USE;
/* What it is since the fork, with the link count; -ENOENT. */
int ns_inherited(struct ns *ns, uint64_t ino, struct ns_attr *ret) MUST_USE;
/* Before an inode's row is written: it gets rows of its own. Of main: nothing.
 */
int ns_own(struct ns *ns, uint64_t ino) MUST_USE;
/* Before a name gets a row, and when one has gone: the row that hides base's.
 */
int ns_unhide(struct ns *ns, const struct ns_work *w, uint64_t dir,
	      const char *name, size_t len) MUST_USE;
int ns_hide(struct ns *ns, const struct ns_work *w, uint64_t dir,
	    const char *name, size_t len, const struct ns_name *found) MUST_USE;
/* The names of a directory, own and inherited. */
int ns_over_list(struct ns *ns, uint64_t at, uint64_t dir, const char *after,
		 size_t len, int (*fn)(void *ctx, const struct ns_entry *e),
		 void *ctx) MUST_USE;
/* Those that `which` finds. */
int ns_over_special(struct ns *ns, enum ns_stmt which, uint64_t at,
		    uint64_t dir,
		    int (*fn)(void *ctx, const struct ns_entry *e),
		    void *ctx) MUST_USE;
/* Whether a name that was there at the fork has come to an end: 1 or 0. */
int ns_name_copied(struct ns *ns, uint64_t dir, const char *name,
		   size_t len) MUST_USE;
/* Every name that an inode ever had up to a change, with its interval as it is
 * seen here (died 0: it lives); also of main. */
int ns_rows_of_ino(struct ns *ns, uint64_t upto, uint64_t ino,
		   int (*fn)(void *ctx, uint64_t dir, const char *name,
			     size_t len, uint64_t born, uint64_t died),
		   void *ctx) MUST_USE;
/* The same for one name: three numbers each, directory, born, died. */
int ns_named_rows(struct ns *ns, uint64_t upto, uint64_t ino, const char *name,
		  size_t len, struct buf *ret) MUST_USE;
/* Inherited names of an inode that were not taken from it by then. */
int ns_over_names(struct ns *ns, uint64_t at, uint64_t ino,
		  int (*fn)(void *ctx, uint64_t dir, const char *name,
			    size_t len),
		  void *ctx) MUST_USE;

/* Link counts of its own inodes and what it holds, from its rows and its
 * base's: for a database that is made anew. */
int ns_over_recount(struct ns *ns) MUST_USE;
/* What it holds, counted; and that written to its row. */
int ns_over_totals(struct ns *ns, struct totals *ret) MUST_USE;
int ns_over_put_totals(struct ns *ns, const struct totals *t) MUST_USE;
/* Any branch, for what concerns all of them: views. NULL-terminated. */
int ns_open_all(struct ns *main_ns, struct ns ***ret) MUST_USE;
void ns_close_all(struct ns **all);

/* --- rows, for ns_over.c --- */

/* Fills e from the row of a listing; the name goes to `name`, of NS_NAME_MAX +
 * 1 bytes. -EUCLEAN. */
int ns_column_entry(struct stmt *st, char *name, struct ns_entry *ret) MUST_USE;
/* A listing of the past by its own rows alone, held by the caller. */
int ns_past_take(struct ns *ns, uint64_t at, uint64_t dir,
		 struct past_list **ret) MUST_USE;
void ns_past_give(struct ns *ns, struct past_list *l);
size_t ns_past_seek(const struct past_list *l, const char *after, size_t len);
/* The i-th, without its mode; false: there are not so many. */
bool ns_past_item(const struct past_list *l, size_t i, struct ns_entry *ret);

/* --- orphans ------------------------------------------------------------- */

/* This process, so that another can tell whether it lives. */
int ns_owner_self(char **ret) MUST_USE;
bool ns_owner_alive(const char *owner);
int ns_orphan_add(struct ns *ns, uint64_t ino) MUST_USE;
int ns_orphan_del(struct ns *ns, uint64_t ino) MUST_USE;
int ns_orphans_write(struct ns *ns) MUST_USE; /* before a commit */
int ns_orphans_sweep(struct ns *ns) MUST_USE; /* those of the dead */

#endif
