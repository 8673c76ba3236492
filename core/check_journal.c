#include "core/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/branch.h"
#include "core/journal.h"
#include "core/results.h"
#include "core/stmts.h"

enum {
	CHANGE,
	BORN_LIVING,
	BORN_DEAD,
	DIED,
	VERSION,
	XATTR,
	NOXATTR,
	DERIVED,
	GONE,
	VALUES,
	MERGED,
	COUNTS,
	N_STMTS,
};

/* What is not the copy that a branch has of what it was made from. */
#define OWN                                                   \
	"(branch = 1 OR born > (SELECT forked_at FROM branch" \
	" WHERE id = branch))"

/* clang-format off */
static const char *const sql[N_STMTS] = {
	[CHANGE] =
		"SELECT time, op, uid, pid, program, message FROM change"
		" WHERE seq = ?1",
	[BORN_LIVING] =
		"SELECT ino FROM entry INDEXED BY entry_present"
		" WHERE branch = ?8 AND parent = ?1 AND name = ?2"
		" AND died IS NULL AND born = ?3",
	[BORN_DEAD] =
		"SELECT ino FROM entry INDEXED BY entry_past"
		" WHERE branch = ?8 AND parent = ?1 AND name = ?2"
		" AND died IS NOT NULL AND born = ?3",
	[DIED] =
		"SELECT ino FROM entry INDEXED BY entry_ino WHERE branch = ?8"
		" AND ino = ?4 AND died = ?3 AND parent = ?1 AND name = ?2",
	[VERSION] =
		"SELECT mode, uid, gid, rdev, size, mtime,"
		" coalesce(address, target) FROM version"
		" WHERE branch = ?8 AND ino = ?1 AND born = ?2",
	[XATTR] =
		"SELECT value FROM xattr WHERE branch = ?8 AND ino = ?1"
		" AND name = ?2 AND born = ?3",
	[NOXATTR] =
		"SELECT value FROM xattr WHERE branch = ?8 AND ino = ?1"
		" AND name = ?2 AND died = ?3",
	[DERIVED] =
		"SELECT error, executable, size, address, recipe FROM derived"
		" WHERE branch = ?8 AND dir = ?1 AND name = ?2 AND seq = ?3",
	[GONE] =
		"SELECT gone FROM version WHERE branch = 1 AND ino = ?1"
		" AND born = ?2",
	[VALUES] = "SELECT 1 FROM forgotten WHERE old = ?1 AND now = ?2",
	[MERGED] =
		"SELECT 1 FROM merged WHERE seq = ?1 AND branch = ?2"
		" AND source = ?3 AND upto = ?4",
	[COUNTS] =
		"SELECT (SELECT count(*) FROM change),"
		" (SELECT count(*) FROM entry WHERE ino <> 0 AND " OWN "),"
		" (SELECT count(*) FROM entry WHERE died IS NOT NULL"
		"  AND ino <> 0),"
		" (SELECT count(*) FROM version WHERE " OWN "),"
		" (SELECT count(*) FROM xattr WHERE " OWN "),"
		" (SELECT count(*) FROM derived),"
		" (SELECT count(*) FROM version WHERE gone > 1"
		"  AND branch = 1)", /* others have copies */
};

enum { N_CHANGE, N_BORN, N_DIED, N_VERSION, N_XATTR, N_DERIVED, N_GONE, N_COUNTS };
static const char *const nouns[N_COUNTS] = {
	"changes", "names that came", "names that went", "versions",
	"extended attributes", "results of derived names",
	"versions that were let go of",
};
/* clang-format on */

struct journal_check {
	const struct check *check;
	struct stmts stmts;
	struct journal_values *values;
	uint64_t counts[N_COUNTS];
	uint64_t seq;	 /* of the record before */
	uint64_t branch; /* of the record */
	bool unknown;	 /* that branch is no more */
	unsigned said;
};

int journal_check_new(const struct check *c, struct journal_check **ret)
{
	struct journal_check *j = calloc(1, sizeof(*j));
	int rc;

	if (!j)
		return -ENOMEM;
	j->check = c;
	rc = stmts_init(&j->stmts, c->db, sql, N_STMTS);
	if (rc < 0) {
		free(j);
		return rc;
	}
	*ret = j;
	return 0;
}

void journal_check_free(struct journal_check *j)
{
	if (!j)
		return;
	stmts_done(&j->stmts);
	free(j);
}

static int differs(struct journal_check *j, uint64_t seq, const char *what)
{
	char text[160];

	if (j->said++ >= CHECK_MAX)
		return 0;
	snprintf(text, sizeof(text),
		 "change %" PRIu64 ": %s are not what its journal says", seq,
		 what);
	j->check->found(j->check->ctx, text);
	return 0;
}

static bool same_value(struct stmt *st, int i, const struct journal_value *v)
{
	const void *p;
	size_t n;

	if (addr_is_zero(&v->hash))
		return stmt_col_is_null(st, i);
	if (!v->p)
		return true; /* forgotten */
	p = stmt_col_blob(st, i, &n);
	return n == v->len && (!n || !memcmp(p, v->p, n));
}

/* Bound to (a, name, seq); forgotten names cannot be looked up: NULL. */
static struct stmt *named(struct journal_check *j, int id, uint64_t a,
			  const struct journal_value *name, uint64_t seq,
			  int *ret_rc)
{
	struct stmt *st = stmts_get(&j->stmts, (unsigned)id, ret_rc);

	if (!st)
		return NULL;
	stmt_int(st, 1, (int64_t)a);
	stmt_blob(st, 2, name->p, name->len);
	stmt_int(st, 3, (int64_t)seq);
	stmt_int(st, 8, (int64_t)j->branch);
	return st;
}

static int check_name(struct journal_check *j, uint64_t seq,
		      const struct journal_effect *e)
{
	bool born = e->type == JOURNAL_BORN;
	struct stmt *st;
	int64_t ino;
	int rc;

	j->counts[born ? N_BORN : N_DIED]++;
	if (!e->name.p)
		return 0;
	st = named(j, born ? BORN_LIVING : DIED, e->dir, &e->name, seq, &rc);
	if (!st)
		return rc;
	if (!born)
		stmt_int(st, 4, (int64_t)e->ino);
	rc = stmts_int(st, &ino);
	if (!rc && born) {
		st = named(j, BORN_DEAD, e->dir, &e->name, seq, &rc);
		rc = st ? stmts_int(st, &ino) : rc;
	}
	if (rc < 0)
		return rc;
	return rc && (uint64_t)ino == e->ino ? 0 : differs(j, seq, "the names");
}

static int check_inode(struct journal_check *j, uint64_t seq,
		       const struct journal_effect *e)
{
	uint64_t size = S_ISDIR(e->mode) ? 0 : e->size;
	struct stmt *st;
	bool same;
	int rc;

	j->counts[N_VERSION]++;
	st = stmts_get(&j->stmts, VERSION, &rc);
	if (!st)
		return rc;
	stmt_int(st, 8, (int64_t)j->branch);
	stmt_int(st, 1, (int64_t)e->ino);
	stmt_int(st, 2, (int64_t)seq);
	rc = stmt_step(st);
	if (rc < 0)
		return rc;
	same = rc && (uint32_t)stmt_col_int(st, 0) == e->mode &&
	       (uint32_t)stmt_col_int(st, 1) == e->uid &&
	       (uint32_t)stmt_col_int(st, 2) == e->gid &&
	       (uint64_t)stmt_col_int(st, 3) == e->rdev &&
	       (uint64_t)stmt_col_int(st, 4) == size &&
	       stmt_col_int(st, 5) == e->mtime_ns &&
	       same_value(st, 6, &e->value);
	stmt_reset(st);
	return same ? 0 : differs(j, seq, "the attributes");
}

static int check_xattr(struct journal_check *j, uint64_t seq,
		       const struct journal_effect *e)
{
	bool set = e->type == JOURNAL_XATTR;
	struct stmt *st;
	bool same;
	int rc;

	j->counts[N_XATTR] += set;
	if (!e->name.p)
		return 0;
	st = named(j, set ? XATTR : NOXATTR, e->ino, &e->name, seq, &rc);
	if (!st)
		return rc;
	rc = stmt_step(st);
	if (rc < 0)
		return rc;
	same = rc && (!set || same_value(st, 0, &e->value));
	stmt_reset(st);
	return same ? 0 : differs(j, seq, "the extended attributes");
}

static int check_result(struct journal_check *j, uint64_t seq,
			const struct journal_effect *e)
{
	struct stmt *st;
	bool same;
	int rc;

	j->counts[N_DERIVED]++;
	if (!e->name.p)
		return 0;
	st = named(j, DERIVED, e->dir, &e->name, seq, &rc);
	if (!st)
		return rc;
	rc = stmt_step(st);
	if (rc < 0)
		return rc;
	same = rc && stmt_col_int(st, 0) == e->error &&
	       stmt_col_int(st, 1) ==
		       output_kind(e->executable, e->output_dir) &&
	       (uint64_t)stmt_col_int(st, 2) == e->size &&
	       same_value(st, 4, &e->recipe) && same_value(st, 3, &e->value);
	stmt_reset(st);
	return same ? 0 : differs(j, seq, "the results");
}

static int check_gone(struct journal_check *j, uint64_t seq,
		      const struct journal_effect *e)
{
	struct stmt *st;
	int64_t gone;
	int rc;

	j->counts[N_GONE]++;
	st = stmts_get(&j->stmts, GONE, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)e->ino);
	stmt_int(st, 2, (int64_t)e->seq);
	rc = stmts_int(st, &gone);
	if (rc < 0)
		return rc;
	return rc && (uint64_t)gone == seq
		       ? 0
		       : differs(j, seq, "the versions it let go of");
}

static int find_branch(struct journal_check *j, uint64_t id)
{
	struct branch b;
	int rc;

	if (j->branch == id)
		return 0;
	rc = branch_get(j->check->db, id, &b);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	j->branch = id;
	j->unknown = rc == -ENOENT;
	return 0;
}

/* Whether it is known which values a journal has now. */
static int check_values(struct journal_check *j, uint64_t seq,
			const struct journal_effect *e)
{
	struct stmt *st;
	int64_t one;
	int rc;

	st = stmts_get(&j->stmts, VALUES, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, e->before.b, ADDR_LEN);
	stmt_blob(st, 2, e->now.b, ADDR_LEN);
	rc = stmts_int(st, &one);
	return rc ? MIN(rc, 0) : differs(j, seq, "the values it forgot");
}

static int check_merged(struct journal_check *j, uint64_t seq,
			const struct journal_effect *e)
{
	struct stmt *st;
	int64_t one;
	int rc;

	st = stmts_get(&j->stmts, MERGED, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)seq);
	stmt_int(st, 2, (int64_t)j->branch);
	stmt_int(st, 3, (int64_t)e->ino);
	stmt_int(st, 4, (int64_t)e->seq);
	rc = stmts_int(st, &one);
	return rc ? MIN(rc, 0) : differs(j, seq, "what it merged");
}

static int check_effect(void *ctx, const struct journal_record *r,
			const struct journal_effect *e)
{
	struct journal_check *j = ctx;
	int rc = e->type == JOURNAL_GONE ? 0 : find_branch(j, r->branch);

	if (e->type == JOURNAL_GONE)
		return check_gone(j, r->seq, e); /* main's, whoever did it */
	if (rc < 0 || j->unknown)
		return rc; /* its rows went with it */
	switch (e->type) {
	case JOURNAL_BORN:
	case JOURNAL_DIED:
		return check_name(j, r->seq, e);
	case JOURNAL_INODE:
		return check_inode(j, r->seq, e);
	case JOURNAL_XATTR:
	case JOURNAL_NOXATTR:
		return check_xattr(j, r->seq, e);
	case JOURNAL_RESULT:
		return check_result(j, r->seq, e);
	case JOURNAL_GONE:
		return 0;
	case JOURNAL_VALUES:
		return check_values(j, r->seq, e);
	case JOURNAL_MERGED:
		return check_merged(j, r->seq, e);
	case JOURNAL_DROPPED:
	case JOURNAL_SCRUBBED:
	case JOURNAL_SNAPSHOT:
	case JOURNAL_PIN:
	case JOURNAL_UNPIN:
	case JOURNAL_SETTING:
	case JOURNAL_BRANCH:
	case JOURNAL_UNBRANCH:
		return 0; /* what holds now is not for one record to say */
	}
	return 0;
}

static int check_change(struct journal_check *j, const struct journal_record *r)
{
	struct stmt *st;
	bool same;
	int rc;

	if (r->seq == j->seq)
		return 0; /* it goes on */
	j->seq = r->seq;
	j->counts[N_CHANGE]++;
	st = stmts_get(&j->stmts, CHANGE, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)r->seq);
	rc = stmt_step(st);
	if (rc < 0)
		return rc;
	same = rc && stmt_col_int(st, 0) == r->time_ns &&
	       stmt_col_int(st, 1) == r->op &&
	       (uint32_t)stmt_col_int(st, 2) == r->uid &&
	       (uint32_t)stmt_col_int(st, 3) == r->pid &&
	       same_value(st, 4, &r->program) && same_value(st, 5, &r->message);
	stmt_reset(st);
	return same ? 0 : differs(j, r->seq, "its time and maker");
}

static int check_record(void *ctx, const void *record, size_t len)
{
	struct journal_check *j = ctx;
	struct journal_record r;
	int rc;

	rc = journal_record(record, len, j->values, &r, check_effect, j);
	return rc < 0 ? rc : check_change(j, &r);
}

int journal_check_add(struct journal_check *j, const void *journal, size_t n,
		      const void *clear, size_t clear_n)
{
	struct journal_values values;
	struct journal_info info;
	int rc;

	rc = journal_values(clear, clear_n, &values);
	if (rc < 0)
		return rc;
	j->values = &values;
	rc = journal_decode(journal, n, &info, check_record, j);
	j->values = NULL;
	if (!rc && values.left)
		rc = -EBADMSG;
	return rc;
}

int journal_check_end(struct journal_check *j)
{
	char text[160];
	uint64_t rows;
	struct stmt *st;
	int rc, i;

	if (j->said > CHECK_MAX) {
		snprintf(text, sizeof(text), "... and %u changes more",
			 j->said - CHECK_MAX);
		j->check->found(j->check->ctx, text);
	}
	st = stmts_get(&j->stmts, COUNTS, &rc);
	if (!st)
		return rc;
	rc = stmt_step(st);
	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	for (i = 0; i < N_COUNTS; i++) {
		rows = (uint64_t)stmt_col_int(st, i);
		if (rows <= j->counts[i])
			continue; /* fewer: said above, or let go of */
		snprintf(text, sizeof(text),
			 "%s: there are %" PRIu64 ", and the journals know of "
			 "%" PRIu64,
			 nouns[i], rows, j->counts[i]);
		j->check->found(j->check->ctx, text);
	}
	stmt_reset(st);
	return 0;
}
