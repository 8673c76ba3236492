/* tests/core/fixture.h - a namespace in a directory of its own, for tests. */
#ifndef TESTS_CORE_FIXTURE_H
#define TESTS_CORE_FIXTURE_H

#include "core/journal.h"
#include "core/map.h"
#include "core/ns.h"
#include "tests/lib/harness.h"

struct fixture {
	char *dir, *path;
	struct db *db;
	struct journal *journal;
	struct ns *ns;
	int64_t now; /* what the clock says; a nanosecond more at each look */
	struct map *objects; /* what the journal put: address to struct buf */
	uint64_t n_salts;
};

extern const struct ns_by by; /* whoever: uid 7, pid 42, "test" */

/* With the lock held, and the root committed. */
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f); /* what is not committed is lost */
void fixture_reopen(struct fixture *f);
void fixture_done(struct fixture *f); /* closes, and removes the directory */

void commit(struct fixture *f);
/* One statement of SQL, for damage and for failures on purpose. */
void run_sql(struct fixture *f, const char *sql);

/* Short forms, which want success. */
uint64_t make_file(struct fixture *f, uint64_t dir, const char *name);
uint64_t make_dir(struct fixture *f, uint64_t dir, const char *name);
struct ns_attr attr_of(struct fixture *f, uint64_t ino);
void set_content(struct fixture *f, uint64_t ino, const char *text);
void remove_name(struct fixture *f, uint64_t dir, const char *name);
int try_lookup(struct fixture *f, uint64_t at, uint64_t dir, const char *name,
	       uint64_t *ret_ino);
int try_rename(struct fixture *f, uint64_t dir, const char *name,
	       uint64_t to_dir, const char *to, unsigned flags);

/* The whole tree as text, a line a name, in order. */
void dump_tree(struct ns *ns, uint64_t at, struct buf *ret);
/* One line of it: what the model has to print as well. */
void dump_line(struct buf *b, const char *path, const struct ns_attr *a,
	       const char *target);

#endif
