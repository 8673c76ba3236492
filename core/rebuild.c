/* Each effect is done again as its change did it; what follows from effects
 * (link counts, what has no name any more, totals) is made at the end. After a
 * gap rows may not be as an effect expects them: then what it says holds.
 */
#include "core/rebuild_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/branch.h"
#include "core/forgotten.h"
#include "core/journal.h"
#include "core/journal_format.h"
#include "core/keepsakes.h"
#include "core/merged.h"
#include "core/ns_internal.h"
#include "core/settings.h"

#define COMMIT_EVERY 100000 /* effects */

/* clang-format off */
const char *const rebuild_sql[RB_STMTS] = {
	[RB_CHANGE] =
		"INSERT OR IGNORE INTO change(seq, branch, time, op, uid, pid,"
		" program, message) VALUES (?1, #B, ?2, ?3, ?4, ?5, ?6, ?7)",
	[RB_CHANGE_DIRS] =
		"UPDATE change SET dir = ?2, dir2 = ?3 WHERE seq = ?1",
	[RB_CHANGE_MORE] =
		"INSERT OR IGNORE INTO change_more(branch, dir, seq)"
		" VALUES (#B, ?1, ?2)",
	[RB_ENTRY_FIND] =
		"SELECT id, born FROM entry INDEXED BY entry_present"
		" WHERE branch = #B AND parent = ?1 AND name = ?2"
		" AND died IS NULL",
	[RB_ENTRY_OF_INO] =
		"SELECT id, born FROM entry INDEXED BY entry_ino"
		" WHERE branch = #B AND ino = ?2 AND died IS NULL"
		" AND parent = ?1 LIMIT 1",
	[RB_ENTRY_ADD] =
		"INSERT INTO entry(branch, parent, name, ino, born, node)"
		" VALUES (#B, ?1, ?2, ?3, ?4, 0)",
	[RB_ENTRY_KILL] =
		"UPDATE entry SET died = ?2, node = ?3 WHERE id = ?1",
	[RB_TOUCH_DIR] =
		"UPDATE inode SET mtime = ?2, ctime = ?2"
		" WHERE branch = #B AND ino = ?1",
	[RB_TOUCH_INODE] =
		"UPDATE inode SET ctime = ?2 WHERE branch = #B AND ino = ?1",
	[RB_INODE_GET] =
		"SELECT version, address FROM inode"
		" WHERE branch = #B AND ino = ?1",
	[RB_INODE_PUT] =
		"INSERT INTO inode(branch, ino, mode, nlink, uid, gid, rdev,"
		" size, atime, mtime, ctime, address, version)"
		" VALUES (#B, ?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10)"
		" ON CONFLICT(branch, ino) DO UPDATE SET mode = ?2, uid = ?3,"
		" gid = ?4, rdev = ?5, size = ?6, mtime = ?7, ctime = ?8,"
		" address = ?9, version = ?10",
	[RB_VERSION_PUT] =
		"INSERT OR REPLACE INTO version(branch, ino, born, content,"
		" mode, uid, gid, rdev, size, mtime, address, target)"
		" VALUES (#B, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	[RB_XATTR_KILL] =
		"UPDATE xattr SET died = ?3 WHERE branch = #B AND ino = ?1"
		" AND name = ?2 AND died IS NULL AND born < ?3",
	[RB_XATTR_ADD] =
		"INSERT OR REPLACE INTO xattr(branch, ino, name, born, value)"
		" VALUES (#B, ?1, ?2, ?3, ?4)",
	[RB_GONE] =
		"UPDATE version SET gone = ?3 WHERE branch = 1 AND ino = ?1"
		" AND born = ?2",
};
/* clang-format on */

static void branch_free(struct rebuild_branch *b)
{
	if (!b)
		return;
	if (b->stmts.made)
		stmts_done(&b->stmts);
	results_close(b->results);
	ns_close(b->ns);
	free(b);
}
CLEANUP_FN(struct rebuild_branch, branch_free)

/* -ENOENT: its making is lost. */
static int open_branch(struct rebuild *r, uint64_t id,
		       struct rebuild_branch **ret)
{
	CLEANUP(branch_freep) struct rebuild_branch *b = calloc(1, sizeof(*b));
	int rc = b ? 0 : -ENOMEM;

	if (rc < 0)
		return rc;
	b->id = id;
	if (id != BRANCH_MAIN)
		rc = ns_open_view(r->db, id, &b->ns);
	if (rc == 0)
		rc = stmts_init(&b->stmts, r->db, rebuild_sql, RB_STMTS);
	if (rc == 0)
		rc = results_open(r->db, b->ns, &b->results);
	if (rc < 0)
		return rc;
	stmts_set_branch(&b->stmts, id);
	*ret = steal(&b);
	return 0;
}

static int on_branch(struct rebuild *r, uint64_t id)
{
	struct rebuild_branch *b;
	int rc;

	for (b = r->branches; b && b->id != id; b = b->next)
		;
	if (!b) {
		rc = open_branch(r, id, &b);
		if (rc < 0)
			return rc;
		b->next = r->branches;
		r->branches = b;
	}
	r->b = b;
	return 0;
}

int rebuild_new(struct db *db, struct rebuild **ret)
{
	CLEANUP(rebuild_freep) struct rebuild *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	r->db = db;
	rc = on_branch(r, BRANCH_MAIN);
	if (rc < 0)
		return rc;
	*ret = steal(&r);
	return 0;
}

void rebuild_free(struct rebuild *r)
{
	struct rebuild_branch *b;

	if (!r)
		return;
	while ((b = r->branches)) {
		r->branches = b->next;
		branch_free(b);
	}
	free(r);
}

/* --- names -----------------------------------------------------------------
 */

/* An inode gets rows of its own, where there is one. */
static int own(struct rebuild *r, uint64_t ino)
{
	int rc = r->b->ns ? ns_own(r->b->ns, ino) : 0;

	return rc == -ENOENT ? 0 : rc;
}

static int touch(struct rebuild *r, enum rebuild_stmt which, uint64_t ino)
{
	struct stmt *st;
	int rc = own(r, ino);

	if (rc < 0)
		return rc;
	st = stmts_get(&r->b->stmts, which, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_int(st, 2, r->time_ns);
	return stmt_run(st);
}

static int kill_entry(struct rebuild *r, uint64_t id, uint64_t born)
{
	struct stmt *st;
	int rc;

	if (!born || born >= r->seq) {
		r->sums.odd++;
		return 0;
	}
	st = stmts_get(&r->b->stmts, RB_ENTRY_KILL, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)id);
	stmt_int(st, 2, (int64_t)r->seq);
	stmt_int(st, 3, (int64_t)ns_fork_node(born, r->seq));
	return stmt_run(st);
}

/* 1 a row that is bound and stepped, 0 none. */
static int row(struct stmt *st, uint64_t *ret_id, uint64_t *ret_born)
{
	int rc = stmt_step(st);

	if (rc <= 0)
		return rc;
	*ret_id = (uint64_t)stmt_col_int(st, 0);
	*ret_born = (uint64_t)stmt_col_int(st, 1);
	stmt_reset(st);
	return 1;
}

/* The living name of an effect: by the name, or, when that is lost now or was
 * then, by what it leads to. */
static int find_entry(struct rebuild *r, const struct journal_effect *e,
		      bool any, uint64_t *ret_id, uint64_t *ret_born)
{
	struct stmt *st;
	int rc = 0;

	if (e->name.p) {
		st = stmts_get(&r->b->stmts, RB_ENTRY_FIND, &rc);
		if (!st)
			return rc;
		stmt_int(st, 1, (int64_t)e->dir);
		stmt_blob(st, 2, e->name.p, e->name.len);
		rc = row(st, ret_id, ret_born);
	}
	if (rc || !any)
		return rc;
	st = stmts_get(&r->b->stmts, RB_ENTRY_OF_INO, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)e->dir);
	stmt_int(st, 2, (int64_t)e->ino);
	return row(st, ret_id, ret_born);
}

/* A row that is there already by an effect of the same change stays. */
static int once(struct rebuild *r, int rc)
{
	if (rc != -EEXIST)
		return rc;
	r->sums.odd++;
	return 0;
}

static int add_entry(struct rebuild *r, const struct journal_effect *e)
{
	char made_up[32];
	struct stmt *st;
	int rc;

	st = stmts_get(&r->b->stmts, RB_ENTRY_ADD, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)e->dir);
	if (e->name.p) {
		stmt_blob(st, 2, e->name.p, e->name.len);
	} else {
		snprintf(made_up, sizeof(made_up), "#%" PRIu64, e->ino);
		stmt_blob(st, 2, made_up, strlen(made_up));
		r->sums.unknown++;
	}
	stmt_int(st, 3, (int64_t)e->ino);
	stmt_int(st, 4, (int64_t)r->seq);
	return once(r, stmt_run(st)); /* a made-up name, twice */
}

/* A directory whose names the change touches; its row has room for two. */
static int note_dir(struct rebuild *r, uint64_t dir)
{
	struct stmt *st;
	int rc;

	if (!r->dir)
		r->dir = dir;
	else if (dir != r->dir && !r->dir2)
		r->dir2 = dir;
	if (dir == r->dir || dir == r->dir2)
		return 0;
	st = stmts_get(&r->b->stmts, RB_CHANGE_MORE, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_int(st, 2, (int64_t)r->seq);
	return stmt_run(st);
}

/* As the namespace does it, with what a branch hides. */
static int name_over(struct rebuild *r, const struct journal_effect *e)
{
	struct ns_work w = {.seq = r->seq};
	struct ns *ns = r->b->ns;
	struct ns_name found;
	int rc = ns_find(ns, e->dir, e->name.p, e->name.len, &found);

	if (rc == 0)
		rc = ns_kill_name(ns, &w, e->dir, e->name.p, e->name.len,
				  &found);
	else if (rc == -ENOENT)
		rc = e->type == JOURNAL_DIED ? -EUCLEAN : 0;
	if (rc == -EUCLEAN) {
		r->sums.odd++;
		rc = 0;
	}
	if (rc < 0 || e->type == JOURNAL_DIED)
		return rc;
	return once(r, ns_put_name(ns, &w, e->dir, e->name.p, e->name.len,
				   e->ino));
}

static int do_name(struct rebuild *r, const struct journal_effect *effect)
{
	struct journal_effect copy = *effect, *e = &copy;
	bool born = e->type == JOURNAL_BORN;
	uint64_t id = 0, since = 0;
	int rc;

	if (e->name.p && ns_name_check(e->name.p, e->name.len) < 0)
		e->name.p = NULL; /* nothing that a file can be called */
	if (r->b->ns && e->name.p)
		rc = name_over(r, e);
	else
		rc = find_entry(r, e, !born, &id, &since);
	if (r->b->ns && e->name.p)
		;
	else if (rc > 0)
		rc = kill_entry(r, id, since);
	else if (rc == 0 && !born)
		r->sums.odd++;
	if (rc == 0 && born && (!r->b->ns || !e->name.p))
		rc = add_entry(r, e);
	if (rc == 0)
		rc = touch(r, RB_TOUCH_DIR, e->dir);
	if (rc == 0)
		rc = touch(r, RB_TOUCH_INODE, e->ino);
	if (rc == 0)
		rc = note_dir(r, e->dir);
	r->ino = MAX(r->ino, e->ino);
	r->ino = MAX(r->ino, e->dir);
	return rc;
}

/* --- inodes ----------------------------------------------------------------
 */

/* Address or target as the rows have it. What is lost of a content becomes an
 * address that nothing has, so that reading it fails; what was forgotten is
 * none. */
static void bind_value(struct rebuild *r, struct stmt *st, int i,
		       const struct journal_value *v)
{
	if (addr_is_zero(&v->hash))
		stmt_null(st, i);
	else if (v->p)
		stmt_blob(st, i, v->p, v->len);
	else if (r->values)
		stmt_null(st, i);
	else
		stmt_blob(st, i, v->hash.b, ADDR_LEN);
}

/* The change that gave it its content. */
static int content_since(struct rebuild *r, const struct journal_effect *e,
			 uint64_t *ret)
{
	const struct journal_value *v = &e->value;
	const void *want = v->p ? v->p : v->hash.b;
	const void *p;
	struct stmt *st;
	size_t n;
	int rc;

	*ret = r->seq;
	st = stmts_get(&r->b->stmts, RB_INODE_GET, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)e->ino);
	rc = stmt_step(st);
	if (rc <= 0)
		return rc;
	p = stmt_col_blob(st, 1, &n);
	if (!S_ISREG(e->mode) || (n == ADDR_LEN && !memcmp(p, want, n)))
		*ret = (uint64_t)stmt_col_int(st, 0);
	stmt_reset(st);
	return 0;
}

static int put_inode(struct rebuild *r, const struct journal_effect *e,
		     uint64_t version)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&r->b->stmts, RB_INODE_PUT, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)e->ino);
	stmt_int(st, 2, e->mode);
	stmt_int(st, 3, e->uid);
	stmt_int(st, 4, e->gid);
	stmt_int(st, 5, (int64_t)e->rdev);
	stmt_int(st, 6, S_ISDIR(e->mode) ? 0 : (int64_t)e->size);
	stmt_int(st, 7, e->mtime_ns);
	stmt_int(st, 8, r->time_ns);
	if (S_ISREG(e->mode))
		bind_value(r, st, 9, &e->value);
	else
		stmt_null(st, 9);
	stmt_int(st, 10, (int64_t)version);
	return stmt_run(st);
}

static int put_version(struct rebuild *r, const struct journal_effect *e,
		       uint64_t version)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&r->b->stmts, RB_VERSION_PUT, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)e->ino);
	stmt_int(st, 2, (int64_t)r->seq);
	stmt_int(st, 3, (int64_t)version);
	stmt_int(st, 4, e->mode);
	stmt_int(st, 5, e->uid);
	stmt_int(st, 6, e->gid);
	stmt_int(st, 7, (int64_t)e->rdev);
	stmt_int(st, 8, S_ISDIR(e->mode) ? 0 : (int64_t)e->size);
	stmt_int(st, 9, e->mtime_ns);
	bind_value(r, st, S_ISREG(e->mode) ? 10 : 11, &e->value);
	stmt_null(st, S_ISREG(e->mode) ? 11 : 10);
	r->sums.versions++;
	return stmt_run(st);
}

static int do_inode(struct rebuild *r, const struct journal_effect *e)
{
	uint64_t version;
	int rc;

	if (S_ISREG(e->mode) && e->value.p && e->value.len != ADDR_LEN)
		return -EBADMSG;
	if (!e->value.p && !addr_is_zero(&e->value.hash))
		r->sums.unknown++;
	rc = own(r, e->ino);
	if (rc == 0)
		rc = content_since(r, e, &version);
	if (rc == 0)
		rc = put_inode(r, e, version);
	if (rc == 0)
		rc = put_version(r, e, version);
	r->ino = MAX(r->ino, e->ino);
	return rc;
}

static int do_xattr(struct rebuild *r, const struct journal_effect *e)
{
	struct stmt *st;
	int rc;

	if (!e->name.p ||
	    (e->type == JOURNAL_XATTR && !e->value.p && !r->values)) {
		r->sums.unknown++;
		return 0;
	}
	rc = own(r, e->ino);
	if (rc < 0)
		return rc;
	st = stmts_get(&r->b->stmts, RB_XATTR_KILL, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)e->ino);
	stmt_blob(st, 2, e->name.p, e->name.len);
	stmt_int(st, 3, (int64_t)r->seq);
	rc = stmt_run(st);
	if (rc < 0)
		return rc;
	if (e->type == JOURNAL_XATTR) {
		st = stmts_get(&r->b->stmts, RB_XATTR_ADD, &rc);
		if (!st)
			return rc;
		stmt_int(st, 1, (int64_t)e->ino);
		stmt_blob(st, 2, e->name.p, e->name.len);
		stmt_int(st, 3, (int64_t)r->seq);
		stmt_blob(st, 4, e->value.p ? e->value.p : "", e->value.len);
		rc = stmt_run(st);
	}
	return rc < 0 ? rc : touch(r, RB_TOUCH_INODE, e->ino);
}

/* --- results ---------------------------------------------------------------
 */

static bool value_addr(const struct journal_value *v, struct addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (addr_is_zero(&v->hash))
		return true;
	if (!v->p || v->len != ADDR_LEN)
		return false;
	memcpy(ret->b, v->p, ADDR_LEN);
	return true;
}

static int do_result(struct rebuild *r, const struct journal_effect *e)
{
	struct derived d = {.dir = e->dir,
			    .error = e->error,
			    .size = e->size,
			    .executable = e->executable,
			    .is_dir = e->output_dir,
			    .seq = r->seq,
			    .last_ns = r->time_ns};

	if (!e->name.p || e->name.len > NS_NAME_MAX ||
	    !value_addr(&e->recipe, &d.recipe) ||
	    !value_addr(&e->value, &d.addr)) {
		r->sums.unknown++;
		return 0; /* it is computed again */
	}
	memcpy(d.name, e->name.p, e->name.len);
	r->sums.results++;
	return once(r, results_restore(r->b->results, &d, e->wall_ns));
}

/* --- what is kept ----------------------------------------------------------
 */

static int do_gone(struct rebuild *r, const struct journal_effect *e)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&r->b->stmts, RB_GONE, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)e->ino);
	stmt_int(st, 2, (int64_t)e->seq);
	stmt_int(st, 3, (int64_t)r->seq);
	rc = stmt_run(st);
	if (rc >= 0 && !db_changes(r->db))
		r->sums.odd++;
	return rc;
}

static int do_values(struct rebuild *r, const struct journal_effect *e)
{
	const struct forgotten f = {.old = e->before,
				    .now = e->now,
				    .journal = e->of,
				    .seq = r->seq,
				    .done = true};

	return forgotten_add(r->db, &f);
}

static int text_of(const struct journal_value *v, struct buf *ret)
{
	buf_add(ret, v->p, v->len);
	return buf_err(ret);
}

static int do_keep(struct rebuild *r, const struct journal_effect *e)
{
	CLEANUP_BUF struct buf name = BUF_INIT, value = BUF_INIT;
	struct pin p = {.branch = r->b->id,
			.dir = e->dir,
			.ino = e->ino,
			.seq = e->seq,
			.time_ns = e->when_ns};
	bool two = e->type == JOURNAL_PIN || e->type == JOURNAL_SETTING;
	int rc;

	if (!e->name.p || (two && !e->value.p)) {
		r->sums.unknown++;
		return 0;
	}
	rc = text_of(&e->name, &name);
	if (!rc && two)
		rc = text_of(&e->value, &value);
	if (rc < 0)
		return rc;
	p.name = buf_cstr(&name);
	p.path = buf_cstr(&value);
	switch (e->type) {
	case JOURNAL_SNAPSHOT:
		return snapshot_restore(r->db, p.name, e->seq, e->when_ns);
	case JOURNAL_PIN:
		return pin_restore(r->db, &p);
	case JOURNAL_UNPIN:
		return pin_unrestore(r->db, r->b->id, p.name);
	default:
		return settings_restore(r->db, p.name, p.path);
	}
}

static int do_branch(struct rebuild *r, const struct journal_effect *e)
{
	struct branch b = {.id = e->ino,
			   .parent = e->dir,
			   .forked_at = e->seq,
			   .born = r->seq};

	if (e->type == JOURNAL_UNBRANCH)
		return MIN(branch_unrestore(r->db, e->ino, r->seq), 0);
	if (e->name.p && e->name.len <= BRANCH_NAME_MAX)
		memcpy(b.name, e->name.p, e->name.len);
	if (branch_check_name(b.name, NULL) < 0) {
		r->sums.unknown++;
		snprintf(b.name, sizeof(b.name), "branch-%" PRIu64, b.id);
	}
	if (b.id <= b.parent || b.parent < BRANCH_MAIN ||
	    b.forked_at >= r->seq) {
		r->sums.odd++;
		return 0;
	}
	return once(r, branch_restore(r->db, &b));
}

static int do_merged(struct rebuild *r, const struct journal_effect *e)
{
	if (e->ino < BRANCH_MAIN || e->ino == r->b->id || e->seq >= r->seq) {
		r->sums.odd++;
		return 0;
	}
	return once(r, merged_note(r->db, r->seq, r->b->id, e->ino, e->seq));
}

/* --- records ---------------------------------------------------------------
 */

static int do_effect(void *ctx, const struct journal_record *rec,
		     const struct journal_effect *e)
{
	struct rebuild *r = ctx;

	if (r->dirs_of != rec->seq) /* else the record before goes on */
		r->dir = r->dir2 = 0;
	r->dirs_of = rec->seq;
	r->seq = rec->seq;
	r->time_ns = rec->time_ns;
	r->effects++;
	switch (e->type) {
	case JOURNAL_BORN:
	case JOURNAL_DIED:
		return do_name(r, e);
	case JOURNAL_INODE:
		return do_inode(r, e);
	case JOURNAL_XATTR:
	case JOURNAL_NOXATTR:
		return do_xattr(r, e);
	case JOURNAL_RESULT:
		return do_result(r, e);
	case JOURNAL_GONE:
		return do_gone(r, e);
	case JOURNAL_DROPPED:
	case JOURNAL_SCRUBBED:
		return 0; /* whose bytes are not there is seen from the packs */
	case JOURNAL_VALUES:
		return do_values(r, e);
	case JOURNAL_SNAPSHOT:
	case JOURNAL_PIN:
	case JOURNAL_UNPIN:
	case JOURNAL_SETTING:
		return do_keep(r, e);
	case JOURNAL_BRANCH:
	case JOURNAL_UNBRANCH:
		return do_branch(r, e);
	case JOURNAL_MERGED:
		return do_merged(r, e);
	}
	return -EBADMSG;
}

static void bind_text(struct stmt *st, int i, const struct journal_value *v)
{
	if (v->p)
		stmt_text(st, i, v->p, v->len);
	else
		stmt_null(st, i);
}

static int put_change(struct rebuild *r, const struct journal_record *rec)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&r->b->stmts, RB_CHANGE, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)rec->seq);
	stmt_int(st, 2, rec->time_ns);
	stmt_int(st, 3, rec->op);
	stmt_int(st, 4, rec->uid);
	stmt_int(st, 5, rec->pid);
	bind_text(st, 6, &rec->program);
	bind_text(st, 7, &rec->message);
	rc = stmt_run(st);
	if (rc < 0 || !r->dir || r->dirs_of != rec->seq)
		return rc;
	st = stmts_get(&r->b->stmts, RB_CHANGE_DIRS, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)rec->seq);
	stmt_int(st, 2, (int64_t)r->dir);
	if (r->dir2)
		stmt_int(st, 3, (int64_t)r->dir2);
	else
		stmt_null(st, 3);
	return stmt_run(st);
}

static int pass_over(void *ctx, const struct journal_record *rec,
		     const struct journal_effect *e)
{
	(void)rec;
	(void)e;
	(void)ctx;
	return 0;
}

static int do_record(void *ctx, const void *p, size_t n)
{
	struct rebuild *r = ctx;
	struct journal_record rec;
	uint64_t before = r->seq;
	struct cur branch;
	int rc;

	if (n < JOURNAL_RECORD)
		return -EBADMSG;
	branch = cur_of((const uint8_t *)p + JOURNAL_BRANCH_AT, 4);
	rc = on_branch(r, cur_u32(&branch));
	if (rc == -ENOENT) { /* a gap took it, and all that is on it */
		r->sums.odd++;
		rc = on_branch(r, BRANCH_MAIN);
		if (rc == 0)
			rc = journal_record(p, n, r->values, &rec, pass_over,
					    r);
		return rc < 0 ? rc : put_change(r, &rec);
	}
	if (rc == 0)
		rc = journal_record(p, n, r->values, &rec, do_effect, r);
	if (rc < 0)
		return rc;
	r->seq = MAX(r->seq, rec.seq);
	r->sums.changes += r->seq != before;
	return put_change(r, &rec);
}

int rebuild_add(struct rebuild *r, const void *journal, size_t n,
		const void *clear, size_t clear_n, bool gap)
{
	struct journal_values values;
	struct journal_info info;
	int rc = 0;

	r->values = NULL;
	r->gap = r->gap || gap;
	if (clear && !journal_check(journal, n, clear, clear_n)) {
		rc = journal_values(clear, clear_n, &values);
		r->values = &values;
	}
	if (rc == 0)
		rc = db_begin(r->db);
	if (rc == 0)
		rc = journal_decode(journal, n, &info, do_record, r);
	r->values = NULL;
	if (rc == 0 && r->effects >= COMMIT_EVERY) {
		r->effects = 0;
		rc = db_commit(r->db);
	}
	return rc;
}
