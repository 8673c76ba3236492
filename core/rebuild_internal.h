/* core/rebuild_internal.h - what the files of core/rebuild.h share. */
#ifndef CORE_REBUILD_INTERNAL_H
#define CORE_REBUILD_INTERNAL_H

#include "core/rebuild.h"
#include "core/results.h"
#include "core/stmts.h"

enum rebuild_stmt {
	RB_CHANGE,
	RB_CHANGE_DIRS,
	RB_CHANGE_MORE,
	RB_ENTRY_FIND,
	RB_ENTRY_OF_INO,
	RB_ENTRY_ADD,
	RB_ENTRY_KILL,
	RB_TOUCH_DIR,
	RB_TOUCH_INODE,
	RB_INODE_GET,
	RB_INODE_PUT,
	RB_VERSION_PUT,
	RB_XATTR_KILL,
	RB_XATTR_ADD,
	RB_GONE,
	RB_STMTS,
};
extern const char *const rebuild_sql[RB_STMTS];

struct rebuild_branch {
	struct rebuild_branch *next;
	uint64_t id;
	struct stmts stmts;
	struct results *results;
	struct ns *ns; /* NULL: main */
};

struct rebuild {
	struct db *db;
	struct rebuild_branch *b;	 /* of the record */
	struct rebuild_branch *branches; /* all that there were */
	struct rebuild_sums sums;
	struct journal_values *values; /* NULL: lost */
	bool gap;		       /* there was one */
	uint64_t effects;	       /* in the open batch */
	uint64_t seq, ino;	       /* the highest seen */
	int64_t time_ns;
	uint64_t dir, dir2; /* whose names the change touches */
	uint64_t dirs_of;   /* which change that is */
};

#endif
