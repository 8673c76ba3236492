#include "core/ns_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "core/branch.h"
#include "core/clock.h"
#include "core/journal.h"

/* --- counters ------------------------------------------------------------ */

/* What a branch holds is counted in its row. */
static int read_totals(struct ns *ns, struct totals *ret, bool *ret_removed)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_TOTALS_GET, &rc);
	if (!st)
		return rc;
	rc = stmt_step(st);
	if (rc <= 0)
		return rc < 0 ? rc : -ESTALE; /* its rows have gone */
	ret->files = (uint64_t)stmt_col_int(st, 0);
	ret->dirs = (uint64_t)stmt_col_int(st, 1);
	ret->links = (uint64_t)stmt_col_int(st, 2);
	ret->bytes = (uint64_t)stmt_col_int(st, 3);
	*ret_removed = stmt_col_int(st, 4) != 0;
	stmt_reset(st);
	return 0;
}

static int write_branch_counters(struct ns *ns)
{
	const struct totals *t = &ns->counters.totals;
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_COUNTERS_MOVE, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ns->next_seq);
	stmt_int(st, 2, (int64_t)ns->next_ino);
	stmt_int(st, 3, (int64_t)t->changes);
	stmt_int(st, 4, (int64_t)t->versions);
	rc = stmt_run(st);
	return rc < 0 ? rc : ns_over_put_totals(ns, t);
}

static int read_counters(struct ns *ns, struct ns_counters *ret)
{
	const uint64_t most = INT64_MAX;
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_COUNTERS_GET, &rc);
	if (!st)
		return rc;
	rc = stmt_step(st);
	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	ret->next_seq = (uint64_t)stmt_col_int(st, 0);
	ret->next_ino = (uint64_t)stmt_col_int(st, 1);
	ret->totals.files = (uint64_t)stmt_col_int(st, 2);
	ret->totals.dirs = (uint64_t)stmt_col_int(st, 3);
	ret->totals.links = (uint64_t)stmt_col_int(st, 4);
	ret->totals.bytes = (uint64_t)stmt_col_int(st, 5);
	ret->totals.changes = (uint64_t)stmt_col_int(st, 6);
	ret->totals.versions = (uint64_t)stmt_col_int(st, 7);
	stmt_reset(st);
	ret->removed = false;
	rc = ns->base ? read_totals(ns, &ret->totals, &ret->removed) : 0;
	if (rc < 0)
		return rc;
	return ret->next_seq < most && ret->next_ino < most ? 0 : -EUCLEAN;
}

static int write_counters(struct ns *ns)
{
	const struct totals *t = &ns->counters.totals;
	struct stmt *st;
	int rc;

	if (ns->base)
		return write_branch_counters(ns);
	st = stmts_get(&ns->stmts, NS_COUNTERS_PUT, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ns->next_seq);
	stmt_int(st, 2, (int64_t)ns->next_ino);
	stmt_int(st, 3, (int64_t)t->files);
	stmt_int(st, 4, (int64_t)t->dirs);
	stmt_int(st, 5, (int64_t)t->links);
	stmt_int(st, 6, (int64_t)t->bytes);
	stmt_int(st, 7, (int64_t)t->changes);
	stmt_int(st, 8, (int64_t)t->versions);
	return stmt_run(st);
}

static int last_change(struct ns *ns, uint64_t *ret_seq, int64_t *ret_time_ns)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_LAST_CHANGE, &rc);
	if (!st)
		return rc;
	rc = stmt_step(st);
	if (rc < 0)
		return rc;
	*ret_seq = rc ? (uint64_t)stmt_col_int(st, 0) : 0;
	*ret_time_ns = rc ? stmt_col_int(st, 1) : 0;
	stmt_reset(st);
	return *ret_seq < INT64_MAX ? 0 : -EUCLEAN;
}

int ns_enter(struct ns *ns)
{
	int rc = db_begin(ns->db);

	if (rc < 0 || ns->fresh)
		return rc;
	rc = read_counters(ns, &ns->counters);
	if (rc == 0 && ns->counters.removed && !ns->view)
		rc = -ESTALE;
	if (rc == 0)
		rc = last_change(ns, &ns->last_seq, &ns->last_time_ns);
	if (rc < 0)
		return rc;
	ns->next_seq = MAX(ns->next_seq, ns->counters.next_seq);
	ns->next_seq = MAX(ns->next_seq, ns->last_seq + 1);
	ns->next_ino = MAX(ns->next_ino, ns->counters.next_ino);
	if (ns->journal)
		journal_set_branch(ns->journal, ns->branch);
	ns->fresh = true;
	ns->dirty = false;
	ns->late.dir = 0;
	ns_unkeep(ns, 0);
	return 0;
}

int ns_reread(struct ns *ns)
{
	struct ns_counters c;
	int rc = read_counters(ns, &c);

	if (rc == 0)
		ns->counters.totals = c.totals;
	return rc;
}

static int64_t system_now(void *ctx)
{
	return clock_now_ns();
}

int64_t ns_time(const struct ns *ns)
{
	return MAX(ns->now(ns->now_ctx), ns->last_time_ns);
}

int64_t ns_stamp(const struct ns *ns, int64_t time_ns)
{
	return ns->now == system_now ? clock_tick_ns() : time_ns;
}

static int before_commit(void *ctx)
{
	struct ns *ns = ctx;
	int rc = ns_settle_dir(ns);

	if (rc == 0)
		rc = ns_orphans_write(ns);
	if (rc == 0 && ns->fresh && ns->dirty) {
		rc = write_counters(ns);
		db_reach(ns->db, ns->next_seq);
	}
	return rc;
}

static void after_commit(void *ctx, bool committed)
{
	struct ns *ns = ctx;
	struct map *none;

	ns->fresh = ns->dirty = false;
	ns->late.dir = 0;
	ns_unkeep(ns, 0);
	if (!committed)
		ns_past_forget(ns);
	ns->lost = ns->lost || !committed;
	none = map_count(ns->orphans) ? map_new() : NULL;
	if (!none)
		return; /* at worst they are written once more */
	map_free(ns->orphans);
	ns->orphans = none;
}

int ns_raise(struct ns *ns, uint64_t seq)
{
	int rc = ns_enter(ns);

	if (rc < 0)
		return rc;
	if (seq >= (uint64_t)INT64_MAX)
		return -EOVERFLOW;
	if (seq >= ns->next_seq) {
		ns->next_seq = seq + 1;
		ns->dirty = true;
	}
	return 0;
}

int ns_raise_stored(struct db *db, uint64_t seq)
{
	int rc = db_begin(db);
	struct stmt *st;

	if (rc < 0)
		return rc;
	if (seq >= (uint64_t)INT64_MAX)
		return -EOVERFLOW;
	st = db_prepare(db, ns_raise_sql, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)seq + 1);
	rc = stmt_run(st);
	stmt_free(st);
	return rc;
}

int ns_is_newest(struct db *db, struct err *err)
{
	uint64_t want = db_reached(db), have = 0;
	struct stmt *st;
	int rc;

	if (!want)
		return 0;
	st = db_prepare(db, "SELECT next_seq FROM counter", &rc);
	if (!st)
		return err_set(err, rc, "counters: %s", err_name(rc));
	rc = stmt_step(st);
	if (rc > 0)
		have = (uint64_t)stmt_col_int(st, 0);
	stmt_free(st);
	if (rc < 0)
		return err_set(err, rc, "counters: %s", err_name(rc));
	if (have >= want)
		return 0;
	return err_set(err, -EUCLEAN,
		       "the database is an older one than was there: its "
		       "changes end before number %" PRIu64 ", and those "
		       "before number %" PRIu64 " were on the disk; either "
		       "deriva.db-wal was removed, or deriva.db is a copy "
		       "from before: put the right ones back, or let deriva "
		       "fsck --repair make it anew from the packs",
		       have, want);
}

uint64_t ns_last_change(struct ns *ns)
{
	uint64_t seq;
	int64_t time_ns;

	if (ns->fresh)
		return ns->last_seq;
	return last_change(ns, &seq, &time_ns) < 0 ? ns->last_seq : seq;
}

int ns_totals(struct ns *ns, struct totals *ret)
{
	struct ns_counters c;
	int rc;

	if (ns->fresh) {
		*ret = ns->counters.totals;
		return 0;
	}
	rc = read_counters(ns, &c);
	if (rc == 0)
		*ret = c.totals;
	return rc;
}

/* --- opening ------------------------------------------------------------- */

static int make_root(struct ns *ns, uint32_t uid, uint32_t gid)
{
	struct ns_attr a = {.ino = NS_ROOT,
			    .mode = S_IFDIR | 0755,
			    .nlink = 2,
			    .uid = uid,
			    .gid = gid};
	struct ns_work w;
	int rc;

	rc = ns_enter(ns);
	if (rc < 0)
		return rc;
	/* Another process may have made it while this one waited. */
	rc = ns_inode(ns, NS_ROOT, &a);
	if (rc != -ENOENT)
		return rc;
	ns->root_by = (struct ns_by){.uid = uid, .pid = (uint32_t)getpid()};
	rc = ns_begin(ns, &ns->root_by, NS_OP_CREATE, 0, 0, &w);
	if (rc < 0)
		return rc;
	a.atime_ns = a.mtime_ns = a.ctime_ns = w.time_ns;
	a.version = w.seq;
	rc = ns_put_inode(ns, NS_INODE_ADD, &a);
	if (rc == 0)
		rc = ns_put_version(ns, &w, &a, NULL);
	w.totals.dirs++;
	rc = ns_end(ns, &w, rc);
	if (rc < 0)
		return rc;
	ns->next_ino = MAX(ns->next_ino, NS_ROOT + 1);
	ns->root_time_ns = w.time_ns;
	return 0;
}

static int open_locked(struct ns *ns, uint32_t uid, uint32_t gid)
{
	struct ns_attr root;
	int rc;

	rc = db_add_hook(ns->db, (struct db_hook){.before = before_commit,
						  .after = after_commit,
						  .ctx = ns});
	if (rc < 0)
		return rc;
	rc = ns_inode(ns, NS_ROOT, &root);
	if (rc == -ENOENT && ns->base)
		return -EUCLEAN;
	if (rc == -ENOENT) {
		rc = make_root(ns, uid, gid);
		if (rc == -EROFS)
			return 0; /* nothing there to read */
	} else if (rc == 0 && !S_ISDIR(root.mode)) {
		rc = -EUCLEAN;
	}
	if (rc < 0)
		return rc;
	return ns_orphans_sweep(ns);
}

/* With its bases below it, which are views. */
static int new_ns(struct db *db, uint64_t branch, bool view, struct ns **ret)
{
	CLEANUP(ns_closep) struct ns *ns = calloc(1, sizeof(*ns));
	struct branch b = {.id = BRANCH_MAIN};
	int rc = 0;

	if (!ns)
		return -ENOMEM;
	ns->db = db;
	ns->branch = branch;
	ns->view = view;
	ns->now = system_now;
	ns->next_seq = 1;
	ns->next_ino = NS_ROOT;
	ns->orphans = map_new();
	ns->subdirs = map_new();
	if (!ns->orphans || !ns->subdirs)
		return -ENOMEM;
	rc = stmts_init(&ns->stmts, db, ns_sql, NS_STMTS);
	stmts_set_branch(&ns->stmts, branch);
	if (rc == 0 && branch != BRANCH_MAIN)
		rc = branch_get(db, branch, &b);
	ns->fork = b.forked_at;
	if (rc == 0 && b.id != BRANCH_MAIN)
		rc = b.parent < b.id ? new_ns(db, b.parent, true, &ns->base)
				     : -EUCLEAN;
	if (rc == 0)
		rc = ns_owner_self(&ns->owner);
	if (rc < 0)
		return rc;
	*ret = steal(&ns);
	return 0;
}

void ns_close_all(struct ns **all)
{
	struct ns **p;

	for (p = all; p && *p; p++)
		ns_close(*p);
	free(all);
}

int ns_open_all(struct ns *ns, struct ns ***ret)
{
	CLEANUP_BUF struct buf ids = BUF_INIT;
	struct ns **all;
	struct stmt *st;
	struct cur c;
	size_t n = 0;
	int rc;

	st = db_prepare(ns->db, "SELECT id FROM branch WHERE id <> 1", &rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0)
		buf_u64(&ids, (uint64_t)stmt_col_int(st, 0));
	stmt_free(st);
	if (rc == 0)
		rc = buf_err(&ids);
	all = rc < 0 ? NULL : calloc(ids.len / 8 + 1, sizeof(struct ns *));
	if (!all)
		return rc < 0 ? rc : -ENOMEM;
	c = cur_of(ids.data, ids.len);
	while (rc == 0 && cur_left(&c))
		rc = new_ns(ns->db, cur_u64(&c), true, &all[n++]);
	if (rc < 0)
		ns_close_all(all);
	else
		*ret = all;
	return rc;
}

int ns_open_view(struct db *db, uint64_t branch, struct ns **ret)
{
	return new_ns(db, branch, true, ret);
}

int ns_open(struct db *db, uint32_t uid, uint32_t gid, struct ns **ret,
	    struct err *err)
{
	return ns_open_branch(db, BRANCH_MAIN, uid, gid, ret, err);
}

int ns_open_branch(struct db *db, uint64_t branch, uint32_t uid, uint32_t gid,
		   struct ns **ret, struct err *err)
{
	struct ns *ns = NULL;
	int rc;

	db_lock(db);
	rc = new_ns(db, branch, false, &ns);
	if (rc == 0)
		rc = open_locked(ns, uid, gid);
	db_unlock(db);
	if (rc < 0) {
		ns_close(ns);
		return err_set(err, rc, "cannot open the namespace: %s%s",
			       err_name(rc),
			       rc == -EBADMSG ? ": run deriva fsck" : "");
	}
	*ret = ns;
	return 0;
}

/* Numbers that a batch took with it when it failed may stand in a journal that
 * was written all the same: nobody is to be given them again. */
static void keep_numbers(struct ns *ns)
{
	struct ns_counters c;
	int rc = read_counters(ns, &c);

	if (rc < 0 || db_in_batch(ns->db) || ns->next_seq <= c.next_seq)
		return;
	rc = ns_raise(ns, ns->next_seq - 1);
	ns->dirty = true;
	if (rc >= 0)
		rc = db_commit(ns->db);
	if (rc < 0)
		log_warn("numbers of changes that were lost may be used again: "
			 "%s",
			 err_name(rc));
}

void ns_close(struct ns *ns)
{
	if (!ns)
		return;
	db_lock(ns->db);
	if (ns->lost)
		keep_numbers(ns);
	if (!ns->view)
		db_drop_hooks(ns->db, ns);
	ns_past_forget(ns);
	stmts_done(&ns->stmts);
	db_unlock(ns->db);
	ns_close(ns->base);
	map_free(ns->orphans);
	map_free(ns->subdirs);
	free(ns->owner);
	free(ns);
}

void ns_set_clock(struct ns *ns, int64_t (*now)(void *ctx), void *ctx)
{
	ns->now = now;
	ns->now_ctx = ctx;
}

uint64_t ns_branch(const struct ns *ns)
{
	return ns->branch;
}

struct ns *ns_base(struct ns *ns)
{
	return ns->base;
}

uint64_t ns_fork(const struct ns *ns)
{
	return ns->fork;
}

struct db *ns_db(struct ns *ns)
{
	return ns->db;
}

struct journal *ns_journal(struct ns *ns)
{
	return ns->journal;
}

void ns_set_journal(struct ns *ns, struct journal *j)
{
	struct ns_attr root;

	ns->journal = j;
	if (!j || !ns->root_time_ns || ns_inode(ns, NS_ROOT, &root) < 0)
		return;
	journal_change(j, root.version, ns->root_time_ns, NS_OP_CREATE,
		       &ns->root_by);
	journal_inode(j, &root, NULL);
	ns->root_time_ns = 0;
}
