/* core/ns.h - the namespace: names, attributes and versions, by change number.
 *
 * A name is an interval: it lives from the change that made it to the one that
 * ended it. The present of an inode is a row of its own (its attributes);
 * what it was after each change that gave it another content, mode, owner or
 * mtime is a version row. So every moment of the past is read with the same
 * two questions as the present, at a change number.
 *
 * A branch has rows only of what differs from the branch that it was made from,
 * as that was then; all else is read there. Numbers of inodes and changes count
 * for all branches together.
 *
 * Owns:    the next inode and change numbers. Borrows: the db.
 * Threads: as core/db.h: db_lock() held around every call.
 * Units:   bytes, nanoseconds since 1970.
 * Errors:  the errno of the system call that the function is named after.
 */
#ifndef CORE_NS_H
#define CORE_NS_H

#include "core/addr.h"
#include "core/buf.h"
#include "core/db.h"

struct journal;

#define NS_ROOT	    UINT64_C(1)
#define NS_NOW	    UINT64_MAX /* as a moment: the present */
#define NS_NAME_MAX 255
#define NS_LINK_MAX INT32_MAX

struct ns;

/* What an inode is. For links, addr is zero and size the target's length. */
struct ns_attr {
	uint64_t ino;
	uint32_t mode; /* type and permissions, as in st_mode */
	uint32_t nlink;
	uint32_t uid, gid;
	uint64_t rdev;
	uint64_t size;
	int64_t atime_ns, mtime_ns, ctime_ns;
	struct addr addr; /* content of a regular file */
	uint64_t version; /* change that gave it this content */
	bool gone;	  /* in the past: its bytes are not kept any more */
	bool forgotten;	  /* and neither is its address, or target */
};

/* Who makes a change, and why; kept with it. Strings may be NULL; what is
 * longer than struct ns_change holds is cut. */
struct ns_by {
	uint32_t uid;
	uint32_t pid;
	const char *program;
	const char *message;
};

enum ns_op {
	NS_OP_CREATE = 1, /* a file, directory, link, device appears */
	NS_OP_WRITE,	  /* other content */
	NS_OP_SETATTR,	  /* mode, owner, times */
	NS_OP_LINK,
	NS_OP_UNLINK,
	NS_OP_RENAME,
	NS_OP_XATTR,
	NS_OP_RESULT,	/* a derived name took another content, or failed */
	NS_OP_ROLLBACK, /* what followed the last durable change is undone */
	NS_OP_FORGET,	/* old versions are not kept any more */
	NS_OP_KEEP,	/* a snapshot, a pin or a setting */
	NS_OP_BRANCH,	/* a branch was made, renamed or removed */
	NS_OP_MERGE,	/* another branch came in */
	NS_OP_RUN,	/* all that a command did */
};
const char *ns_op_name(int op);

/* Rows of the past are others than they were (forgotten): what is remembered of
 * listings goes. */
void ns_past_changed(struct ns *ns);

/* Makes the root (owner uid:gid, mode 0755) when there is none (read only,
 * there is just none). Forgets
 * inodes without a name that a crash left behind: those of processes that are
 * gone, not those that another process of this store has open. What it changes
 * is in a batch that the caller commits. */
int ns_open(struct db *db, uint32_t uid, uint32_t gid, struct ns **ret,
	    struct err *err) MUST_USE;
/* The same of a branch (core/branch.h); ns_open() is that of main. -ENOENT.
 * A branch that is open may not be removed. */
int ns_open_branch(struct db *db, uint64_t branch, uint32_t uid, uint32_t gid,
		   struct ns **ret, struct err *err) MUST_USE;
/* To be read only, beside another that is open on the same connection. */
int ns_open_view(struct db *db, uint64_t branch, struct ns **ret) MUST_USE;
uint64_t ns_branch(const struct ns *ns);
/* The branch that it was made from, as it was then; NULL: this is main. */
struct ns *ns_base(struct ns *ns);
/* The change that it was made from another branch at; 0: main. */
uint64_t ns_fork(const struct ns *ns);
void ns_close(struct ns *ns); /* a batch has been committed or rolled back */
CLEANUP_FN(struct ns, ns_close)

/* Where changes are recorded. Call it right after ns_open(), before anything
 * is committed: the root's making is recorded by it. NULL when there is none.
 */
void ns_set_journal(struct ns *ns, struct journal *j);
struct journal *ns_journal(struct ns *ns);
struct db *ns_db(struct ns *ns);
/* Another clock than clock_now_ns(). */
void ns_set_clock(struct ns *ns, int64_t (*now)(void *ctx), void *ctx);
/* No change gets a number at or below seq any more (journals that were written
 * and never committed have numbers too). */
int ns_raise(struct ns *ns, uint64_t seq) MUST_USE;
/* The same where no namespace is open. */
int ns_raise_stored(struct db *db, uint64_t seq) MUST_USE;
/* Whether the rows are as new as those that were synced last: -EUCLEAN, with a
 * message, where the database's file or its log are older ones. */
int ns_is_newest(struct db *db, struct err *err) MUST_USE;

/* Takes everything back that came after a change, rows and all, as if it had
 * never been: for changes whose bytes a power cut took away. Their numbers are
 * not used again. Nobody has the namespace open who remembers more of it. */
int ns_rollback(struct ns *ns, uint64_t to) MUST_USE;

/* --- reading; `at` is a change number or NS_NOW --------------------------- */

uint64_t ns_last_change(struct ns *ns);
/* -ENOENT; the name as bytes. ret_born (may be NULL): when the name came. */
int ns_lookup(struct ns *ns, uint64_t at, uint64_t dir, const char *name,
	      size_t len, uint64_t *ret_ino, uint64_t *ret_born) MUST_USE;
/* Size 0 and addr of the empty file for what has no content. In the past,
 * nlink is 1 and atime mtime. -ENOENT when it did not exist then. */
int ns_getattr(struct ns *ns, uint64_t at, uint64_t ino,
	       struct ns_attr *ret) MUST_USE;
int ns_readlink(struct ns *ns, uint64_t at, uint64_t ino,
		struct buf *ret) MUST_USE;
/* A directory's names in byte order, strictly after `after` (len 0: from the
 * start); the callback returns 0 to go on, anything else ends the listing and
 * is returned. It may read the namespace, not change it. */
struct ns_entry {
	const char *name; /* NUL behind it; gone after the callback */
	size_t len;
	uint64_t ino;
	uint32_t mode;
};
int ns_list(struct ns *ns, uint64_t at, uint64_t dir, const char *after,
	    size_t len, int (*fn)(void *ctx, const struct ns_entry *e),
	    void *ctx) MUST_USE;
/* Those of its names that hold a '%', in time of their number; mode is 0. The
 * callback may not list such names itself. */
int ns_list_percent(struct ns *ns, uint64_t at, uint64_t dir,
		    int (*fn)(void *ctx, const struct ns_entry *e),
		    void *ctx) MUST_USE;
/* The same for names that end in ".recipe". */
int ns_list_recipes(struct ns *ns, uint64_t at, uint64_t dir,
		    int (*fn)(void *ctx, const struct ns_entry *e),
		    void *ctx) MUST_USE;
bool ns_dir_empty(struct ns *ns, uint64_t dir);
/* A path below the root, "/" first, of one of the inode's names. -ENOENT. */
int ns_path(struct ns *ns, uint64_t at, uint64_t ino, struct buf *ret) MUST_USE;
/* All names of an inode, oldest first; a callback's non-zero ends it and is
 * returned. */
int ns_names(struct ns *ns, uint64_t at, uint64_t ino,
	     int (*fn)(void *ctx, uint64_t dir, const char *name, size_t len),
	     void *ctx) MUST_USE;
/* The directory that one of the inode's names lies in. -ENOENT for the root. */
int ns_parent(struct ns *ns, uint64_t at, uint64_t ino, uint64_t *ret) MUST_USE;
/* The last change at or before that time; 0 when there was none. */
int ns_change_at(struct ns *ns, int64_t time_ns, uint64_t *ret_seq) MUST_USE;

/* One change and one version, as `log` prints them. */
struct ns_change {
	uint64_t seq;
	int64_t time_ns;
	int op;
	uint32_t uid, pid;
	char program[64];
	char message[256];
};
struct ns_version {
	struct ns_change change;
	struct ns_attr attr;
};
int ns_change(struct ns *ns, uint64_t seq, struct ns_change *ret) MUST_USE;
/* Versions of an inode, oldest first, also of one that has no name now. */
int ns_versions(struct ns *ns, uint64_t ino,
		int (*fn)(void *ctx, const struct ns_version *v),
		void *ctx) MUST_USE;
/* Versions of any inode made by changes after `after` up to `upto`, in order.
 */
int ns_versions_between(struct ns *ns, uint64_t after, uint64_t upto,
			int (*fn)(void *ctx, const struct ns_version *v),
			void *ctx) MUST_USE;
/* The same up to the present, of all branches. */
int ns_versions_after(struct ns *ns, uint64_t after,
		      int (*fn)(void *ctx, const struct ns_version *v),
		      void *ctx) MUST_USE;
/* Inodes that ever had that name in that directory, with the intervals. died
 * 0: alive. */
struct ns_interval {
	uint64_t ino, born, died;
};
int ns_name_history(struct ns *ns, uint64_t dir, const char *name, size_t len,
		    int (*fn)(void *ctx, const struct ns_interval *i),
		    void *ctx) MUST_USE;

/* --- changing the present ------------------------------------------------
 * Each is one change (one change number), recorded in the journal, with the
 * times of the directories and inodes set as POSIX says. A failure leaves
 * nothing behind. An inode without a name (nlink 0) has no history any more:
 * setting its attributes or content is no change and makes no version. */

/* Any kind of inode. mode carries the type; target for symlinks only. */
int ns_create(struct ns *ns, const struct ns_by *by, uint64_t dir,
	      const char *name, size_t len, uint32_t mode, uint32_t uid,
	      uint32_t gid, uint64_t rdev, const char *target,
	      struct ns_attr *ret) MUST_USE;
int ns_link(struct ns *ns, const struct ns_by *by, uint64_t ino, uint64_t dir,
	    const char *name, size_t len, struct ns_attr *ret) MUST_USE;
/* Unlink, or rmdir when is_dir. The inode stays, with nlink 0, until
 * ns_reap(). */
int ns_unlink(struct ns *ns, const struct ns_by *by, uint64_t dir,
	      const char *name, size_t len, bool is_dir,
	      struct ns_attr *ret_gone) MUST_USE;
/* flags of renameat2: RENAME_NOREPLACE, RENAME_EXCHANGE. What was replaced
 * goes to ret_gone (ino 0: nothing). -EINVAL for a directory into itself. */
int ns_rename(struct ns *ns, const struct ns_by *by, uint64_t dir,
	      const char *name, size_t len, uint64_t to_dir, const char *to,
	      size_t to_len, unsigned flags, struct ns_attr *ret_gone) MUST_USE;
/* Forgets the present row of an inode with nlink 0 that nobody has open. Its
 * versions stay. -EBUSY when it has a name. */
int ns_reap(struct ns *ns, uint64_t ino) MUST_USE;

enum ns_set {
	NS_SET_MODE = 1,
	NS_SET_UID = 2,
	NS_SET_GID = 4,
	NS_SET_ATIME = 8,
	NS_SET_MTIME = 16,
	NS_SET_CTIME = 32,
};
/* Sets the named fields from *set, and ctime to now unless given. A change
 * of nothing but atime or ctime is no change of its own (no version). */
int ns_setattr(struct ns *ns, const struct ns_by *by, uint64_t ino,
	       unsigned which, const struct ns_attr *set,
	       struct ns_attr *ret) MUST_USE;
/* Another content of a regular file; times from the caller (0: now). */
int ns_write(struct ns *ns, const struct ns_by *by, uint64_t ino,
	     const struct addr *addr, uint64_t size, int64_t mtime_ns,
	     struct ns_attr *ret) MUST_USE;
/* The same, and ctime is not now (0: it is), but what stat(2) has shown. */
int ns_write_at(struct ns *ns, const struct ns_by *by, uint64_t ino,
		const struct addr *addr, uint64_t size, int64_t mtime_ns,
		int64_t ctime_ns, struct ns_attr *ret) MUST_USE;

/* Extended attributes of the present; the _at ones of any moment. */
int ns_xattr_get(struct ns *ns, uint64_t ino, const char *name,
		 struct buf *ret) MUST_USE; /* -ENODATA */
int ns_xattr_list(struct ns *ns, uint64_t ino,
		  struct buf *ret) MUST_USE; /* names, each with its NUL */
int ns_xattr_get_at(struct ns *ns, uint64_t at, uint64_t ino, const char *name,
		    struct buf *ret) MUST_USE;
int ns_xattr_list_at(struct ns *ns, uint64_t at, uint64_t ino,
		     struct buf *ret) MUST_USE;
/* value NULL removes; flags XATTR_CREATE, XATTR_REPLACE, or both
 * (never succeeds: EEXIST, or ENODATA). */
int ns_xattr_set(struct ns *ns, const struct ns_by *by, uint64_t ino,
		 const char *name, const void *value, size_t len,
		 int flags) MUST_USE;

/* A change that other modules of core attach rows to (results). Returns its
 * number; the journal record is begun by it and ended by the next change. */
int ns_begin_change(struct ns *ns, const struct ns_by *by, enum ns_op op,
		    uint64_t *ret_seq, int64_t *ret_time_ns) MUST_USE;

/* Its rows were reverted (db_revert): takes back its count and its record. */
void ns_undo_change(struct ns *ns);
/* A change whose rows fn writes, with its number: all of them or none. fn
 * returns 1, or 0 when there is nothing to change: then there was no change.
 * The same comes back; the effects are the caller's to record then. */
int ns_change_rows(struct ns *ns, const struct ns_by *by, enum ns_op op,
		   int (*fn)(void *ctx, uint64_t seq), void *ctx) MUST_USE;

/* Settings and counters of the store, text by name. */
int ns_setting_get(struct ns *ns, const char *key, struct buf *ret) MUST_USE;
int ns_setting_set(struct ns *ns, const char *key, const char *value) MUST_USE;

struct totals {
	uint64_t files, dirs, links, bytes, changes, versions;
};
int ns_totals(struct ns *ns, struct totals *ret) MUST_USE;
/* Those of a moment; changes and versions are the present's. In time of the
 * store's history. */
int ns_totals_at(struct ns *ns, uint64_t at, struct totals *ret) MUST_USE;

#endif
