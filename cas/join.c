#include "cas/join.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cas/blob.h"
#include "cas/diff3.h"
#include "core/branch.h"
#include "core/journal.h"
#include "core/merged.h"
#include "core/ns_touched.h"

#define ATTEMPTS 3 /* beside others who write, before they have to wait */

struct joining {
	struct store *s;
	struct db *db;
	const struct join *j;
	struct branch into, from;
	struct journal *journal;
	struct ns *ours, *theirs, *base;
	struct merge_job job;
	char label[BRANCH_NAME_MAX + 64];
	uint64_t upto; /* theirs is merged up to there */
};

/* --- texts --------------------------------------------------------------- */

/* 1 a text, 0 none that is merged. */
static int read_text(struct store *s, const struct ns_attr *a, struct buf *ret)
{
	CLEANUP(blob_closep) struct blob *b = NULL;
	ssize_t n;
	int rc;

	if (a->size > DIFF3_MAX || a->gone)
		return 0;
	rc = blob_open(s, &a->addr, &b);
	if (rc < 0)
		return rc;
	if (!buf_room(ret, blob_size(b) + 1))
		return -ENOMEM;
	n = blob_pread(b, ret->data, blob_size(b), 0);
	if (n < 0)
		return (int)n;
	ret->len = (size_t)n;
	return diff3_is_text(ret->data, ret->len);
}

static struct text text_of(const struct buf *b)
{
	return (struct text){(const char *)b->data, b->len};
}

static int merge_texts(void *ctx, const struct ns_attr *base,
		       const struct ns_attr *ours, const struct ns_attr *theirs,
		       struct addr *ret, uint64_t *ret_size)
{
	CLEANUP_BUF struct buf b = BUF_INIT, o = BUF_INIT, t = BUF_INIT;
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct joining *x = ctx;
	struct text tb, to, tt;
	int rc = read_text(x->s, base, &b);

	if (rc == -ENOENT || rc == -EBADMSG)
		return 0; /* what was before is not kept any more */
	if (rc > 0)
		rc = read_text(x->s, ours, &o);
	if (rc > 0)
		rc = read_text(x->s, theirs, &t);
	if (rc <= 0)
		return rc;
	tb = text_of(&b);
	to = text_of(&o);
	tt = text_of(&t);
	rc = diff3(&tb, &to, &tt, &out);
	if (rc <= 0)
		return rc;
	*ret_size = out.len;
	rc = blob_put(x->s, out.data, out.len, ret);
	return rc < 0 ? rc : 1;
}

/* --- where both began ---------------------------------------------------- */

static int find_base(struct joining *x)
{
	struct merge_job *job = &x->job;
	struct merged_base b;
	int rc = merged_base(x->db, x->into.id, x->from.id, &b);

	ns_close(steal(&x->base));
	if (rc == 0)
		rc = ns_open_view(x->db, b.branch, &x->base);
	if (rc < 0)
		return rc;
	job->since = b.since;
	job->base = (struct merge_side){x->base, b.at};
	job->ours = (struct merge_side){x->ours, NS_NOW};
	job->theirs = (struct merge_side){x->theirs, NS_NOW};
	return 0;
}

static int some_name(void *ctx, uint64_t dir, const char *name, size_t len)
{
	return 1;
}

static int some_inode(void *ctx, uint64_t ino)
{
	return 1;
}

/* Whether theirs has done anything that ours has to remember it has: 1, 0. */
static int is_news(struct joining *x, const struct ns_edits *e,
		   const struct join_result *ret)
{
	if (ret->notes.n || !ns_edits_empty(e))
		return 1;
	if (x->j->op != NS_OP_MERGE)
		return 0;
	return ns_touched(x->theirs, x->job.since, some_name, some_inode, NULL);
}

/* --- doing it ------------------------------------------------------------ */

static int put_journal(void *ctx, enum obj_kind kind, const void *p, size_t n,
		       struct addr *ret)
{
	return store_put(ctx, kind, p, n, ret);
}

static int remember(void *ctx, uint64_t seq)
{
	struct joining *x = ctx;

	return merged_note(x->db, seq, x->into.id, x->from.id, x->upto);
}

static int remember_alone(void *ctx, uint64_t seq)
{
	int rc = remember(ctx, seq);

	return rc < 0 ? rc : 1;
}

static struct ns_by author(const struct joining *x, char *text, size_t size)
{
	struct ns_by by = x->j->by;

	snprintf(text, size, "merge %s", x->from.name);
	by.message = x->j->message ? x->j->message : text;
	return by;
}

static int reap(struct joining *x, struct ns_edits *e)
{
	size_t i, n;
	const uint64_t *gone = ns_edits_gone(e, &n);
	int rc = 0;

	for (i = 0; rc == 0 && i < n; i++)
		rc = ns_reap(x->ours, gone[i]);
	return rc;
}

static int apply(struct joining *x, struct ns_edits *e, struct join_result *ret)
{
	struct ns_also also = {.fn = remember, .ctx = x};
	char text[BRANCH_NAME_MAX + 64];
	struct ns_by by = author(x, text, sizeof(text));
	int rc = ns_apply(x->ours, &by, x->j->op, e, also, &ret->seq);

	if (rc == 0) {
		/* conflicts alone, which are told once, or the same in both */
		rc = ns_change_rows(x->ours, &by, x->j->op, remember_alone, x);
		if (rc > 0)
			ret->seq = ns_last_change(x->ours);
	}
	if (rc > 0) {
		journal_merged(x->journal, x->from.id, x->upto);
		rc = reap(x, e);
	}
	return MIN(rc, 0);
}

/* 1 when somebody else wrote meanwhile. */
static int attempt(struct joining *x, bool alone, struct join_result *ret)
{
	CLEANUP(ns_edits_freep) struct ns_edits *e = ns_edits_new();
	uint64_t last;
	int rc = e ? 0 : -ENOMEM;

	if (rc == 0 && alone)
		rc = db_begin(x->db);
	if (rc < 0)
		return rc;
	if (!alone)
		db_read_begin(x->db);
	last = x->upto = ns_last_change(x->theirs);
	rc = find_base(x);
	if (rc == 0)
		rc = merge_decide(&x->job, e, &ret->notes);
	if (rc == 0)
		rc = is_news(x, e, ret);
	if (!alone)
		db_read_end(x->db);
	if (rc < 0)
		return rc;
	ret->known = !rc;
	if (x->j->dry || ret->known || (x->j->clean && ret->notes.conflicts))
		return 0;
	rc = db_begin(x->db);
	if (rc == 0 && ns_last_change(x->theirs) != last) {
		merge_notes_done(&ret->notes);
		return 1;
	}
	return rc < 0 ? rc : apply(x, e, ret);
}

static int join_locked(struct joining *x, struct join_result *ret)
{
	int i, rc = 1;

	for (i = 0; rc > 0 && i <= ATTEMPTS; i++) {
		rc = attempt(x, i == ATTEMPTS, ret);
		if (rc > 0 && !db_in_batch(x->db))
			continue;
		if (rc > 0)
			db_rollback(x->db);
	}
	if (rc == 0 && ret->seq)
		rc = db_commit(x->db);
	else if (db_in_batch(x->db))
		db_rollback(x->db);
	return rc;
}

static int find(struct joining *x, const char *name, struct branch *ret,
		struct err *err)
{
	int rc = branch_find(x->db, name, ret);

	if (rc == -ENOENT)
		return err_set(err, rc,
			       "%s: there is no such branch (deriva branch "
			       "lists them)",
			       name);
	return rc < 0 ? err_set(err, rc, "%s: %s", name, err_name(rc)) : 0;
}

static int open_all(struct joining *x, struct err *err)
{
	int rc = find(x, x->j->into, &x->into, err);

	if (rc == 0)
		rc = find(x, x->j->from, &x->from, err);
	if (rc == 0 && x->into.id == x->from.id)
		rc = err_set(err, -EINVAL,
			     "%s: that is the branch to merge into",
			     x->j->from);
	if (rc == 0)
		rc = ns_open_branch(x->db, x->into.id, (uint32_t)geteuid(),
				    (uint32_t)getegid(), &x->ours, err);
	if (rc < 0)
		return rc;
	rc = journal_open(x->db, &x->journal);
	if (rc == 0) {
		journal_set_put(x->journal, put_journal, x->s);
		ns_set_journal(x->ours, x->journal);
		rc = db_commit(x->db);
	}
	if (rc == 0)
		rc = ns_open_view(x->db, x->from.id, &x->theirs);
	return rc < 0 ? err_set(err, rc, "%s: %s", store_path(x->s),
				err_name(rc))
		      : 0;
}

static void close_all(struct joining *x)
{
	ns_close(x->base);
	ns_close(x->theirs);
	ns_close(x->ours);
	journal_close(x->journal);
}

/* A name that says whose and when: "work~1234". */
static void make_label(struct joining *x)
{
	char *p;

	snprintf(x->label, sizeof(x->label), "%s~%" PRIu64, x->from.name,
		 x->upto);
	for (p = x->label; *p; p++)
		if (*p == '/')
			*p = '-';
	x->label[NS_NAME_MAX / 2] = '\0';
}

int join_branches(struct store *s, const struct join *j,
		  struct join_result *ret, struct err *err)
{
	struct joining x = {.s = s, .db = store_db(s), .j = j};
	struct join_result r = {0};
	unsigned ticket = store_enter(s);
	int rc;

	db_lock(x.db);
	rc = open_all(&x, err);
	if (rc == 0) {
		x.job.content = merge_texts;
		x.job.ctx = &x;
		x.job.label = x.label;
		x.upto = ns_last_change(x.theirs);
		make_label(&x);
		rc = join_locked(&x, &r);
		if (rc < 0)
			err_set(err, rc, "%s into %s: %s", j->from, j->into,
				err_name(rc));
	}
	close_all(&x);
	db_unlock(x.db);
	store_leave(s, ticket);
	if (rc < 0) {
		merge_notes_done(&r.notes);
		return rc;
	}
	*ret = r;
	return 0;
}
