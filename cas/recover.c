/* What may be missing after a power cut, and what follows from it.
 *
 * The database comes back by itself as it was after one of its commits (the
 * log is a prefix; core/vfs_mark.c). The packs do not: bytes that were not
 * synced may be there or not, in any order. What is older than the last sync is
 * there, in both; and as an object is put after what it refers to, what was
 * synced refers to nothing that was not. So three questions are left, and all
 * are about what came later:
 *
 *   which objects	rows of the index that lead into the tails of packs
 *			(cas/tails.h), to a place without their bytes
 *   which batches	those whose journals, or whose files' and results'
 *			contents, need one of these; and all that follow
 *   which results	those whose output needs one of these
 *
 * If no row leads to a place without its bytes, nothing was lost: that is the
 * usual case, and costs no more than reading the tails. Else tables are read
 * from end to end.
 *
 * Files that were closed and wait in drafts/ (cas/seal_file.h) have rows that
 * say behind which change they come. One that did not survive takes all with it
 * that came later; and one whose content is undone waits again.
 *
 * All of it is one transaction; then it is synced, and only then the packs are
 * cut. So it can be cut short at any moment, and is done again.
 */
#include "cas/recover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "cas/blob.h"
#include "cas/dir.h"
#include "cas/seal_file.h"
#include "cas/tails.h"
#include "core/journal.h"
#include "core/map.h"
#include "core/ns.h"
#include "core/results.h"
#include "core/sealed.h"

struct recovery {
	struct store *s;
	struct tips *tips;
	bool alone;
	struct tails tails;
	struct map *found; /* address -> struct found, of the tails */
	struct map *gone;  /* addresses of rows without their bytes */
	struct map *packs; /* row of a pack with a tail -> number + 1 */
	uint64_t numbered; /* the highest change in a tail's journals */

	struct ns *ns;
	struct journal *journal;
	struct results *results;

	struct tip newest, keep, before;
	uint64_t since;	    /* all up to that change was synced */
	uint64_t first_bad; /* change whose content is not whole; 0: none */
	struct buf pruned;  /* results that go */

	uint64_t lost_seal;   /* a file that waits is not whole; 0: none */
	uint64_t before_seal; /* the last change before it */
};

/* --- what is there -------------------------------------------------------- */

static int last_number(void *ctx, const void *record, size_t len)
{
	struct recovery *r = ctx;

	r->numbered = MAX(r->numbered, get_le64(record));
	return 0;
}

/* A journal may have been written and never committed; its numbers are used
 * all the same. */
static int note_found(void *ctx, const struct found *f, const void *p)
{
	struct recovery *r = ctx;
	struct journal_info info;
	struct found *copy;
	void *old = NULL;
	int rc;

	if (f->r.kind == OBJ_JOURNAL)
		(void)!journal_decode(p, f->r.raw, &info, last_number, r);
	copy = malloc(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *f;
	rc = map_put(r->found, f->r.addr.b, ADDR_LEN, copy, &old);
	if (rc)
		free(copy);
	free(old);
	return rc;
}

static struct tail *tail_of(struct recovery *r, uint32_t pack)
{
	uintptr_t number = (uintptr_t)map_get_u64(r->packs, pack);

	return number ? &r->tails.v[number - 1] : NULL;
}

static bool any_lost(const struct tails *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (t->v[i].pack && t->v[i].cut < t->v[i].extent)
			return true;
	return false;
}

/* --- the index ------------------------------------------------------------ */

struct moves {
	struct recovery *r;
	struct buf gone;  /* addresses */
	struct buf moved; /* struct found */
};

/* A row that leads into a tail: its object is where it says, or is elsewhere
 * in a tail, or is gone. What lies behind the cut moves. */
static int judge_row(void *ctx, const struct addr *a,
		     const struct object_loc *loc)
{
	struct moves *m = ctx;
	struct tail *t = tail_of(m->r, loc->pack);
	const struct found *f;

	if (!t || loc->offset < t->start || loc->offset < t->cut)
		return 0;
	f = map_get(m->r->found, a->b, ADDR_LEN);
	if (f)
		buf_add(&m->moved, f, sizeof(*f));
	else
		buf_add(&m->gone, a->b, ADDR_LEN);
	return 0;
}

static int move_object(struct recovery *r, const struct found *f)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct store_new o =
				 {
					 .kind = f->r.kind,
					 .addr = f->r.addr,
					 .raw = f->r.raw,
					 .replace = true,
					 .codec = f->r.codec,
					 .stored = f->r.stored,
				 },
			 *one = &o;
	int rc;

	o.payload = buf_room(&b, f->r.stored);
	if (!o.payload)
		return -ENOMEM;
	rc = tail_payload(&r->tails, f, b.data);
	return rc ? rc : store_append(r->s, &one, 1);
}

static int change_rows(struct recovery *r, struct moves *m)
{
	struct found f;
	struct addr a;
	size_t at;
	int rc = 0;

	for (at = 0; !rc && at < m->gone.len; at += ADDR_LEN) {
		memcpy(a.b, m->gone.data + at, ADDR_LEN);
		rc = map_put(r->gone, a.b, ADDR_LEN, r, NULL);
		if (!rc)
			rc = objects_remove(store_objects(r->s), &a);
	}
	for (at = 0; !rc && at < m->moved.len; at += sizeof(f)) {
		memcpy(&f, m->moved.data + at, sizeof(f));
		rc = move_object(r, &f);
	}
	return rc;
}

static int clean_index(struct recovery *r)
{
	struct moves m = {r, BUF_INIT, BUF_INIT};
	int rc = objects_iterate(store_objects(r->s), judge_row, &m);

	if (!rc && (buf_err(&m.gone) < 0 || buf_err(&m.moved) < 0))
		rc = -ENOMEM;
	if (!rc)
		rc = change_rows(r, &m);
	buf_done(&m.gone);
	buf_done(&m.moved);
	return rc;
}

/* The packs' own rows, as the files will be. A pack that holds nothing any
 * more goes with its row. */
static int clean_packs(struct recovery *r)
{
	struct objects *o = store_objects(r->s);
	struct tail *t;
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < r->tails.n; i++) {
		t = &r->tails.v[i];
		if (!t->pack)
			continue;
		if (t->cut <= PACK_HEADER_LEN && t->start <= PACK_HEADER_LEN) {
			rc = packs_remove(o, t->pack);
			t->pack = 0;
		} else if (t->cut >= t->start) {
			rc = packs_cut(o, t->pack, t->cut);
		} /* else older bytes are gone as well: that is damage */
	}
	return rc;
}

/* --- what is whole -------------------------------------------------------- */

static bool is_gone(struct recovery *r, const struct addr *a)
{
	return map_get(r->gone, a->b, ADDR_LEN);
}

/* An object that is in no tail was synced, and so was all below it. */
static int part(void *ctx, enum obj_kind kind, const struct addr *a,
		uint64_t size)
{
	struct recovery *r = ctx;

	if (is_gone(r, a))
		return -ENODATA;
	return map_get(r->found, a->b, ADDR_LEN) ? 0 : 1;
}

static int whole(struct recovery *r, const struct addr *a);

static int whole_entry(void *ctx, const struct dir_entry *e)
{
	int rc;

	if (addr_is_zero(&e->addr))
		return 0;
	rc = whole(ctx, &e->addr);
	return rc > 0 ? 0 : rc < 0 ? rc : -ENODATA;
}

/* Whether all of an output or a content is there: 1 or 0. */
static int whole(struct recovery *r, const struct addr *a)
{
	const struct found *f = map_get(r->found, a->b, ADDR_LEN);
	int rc;

	if (is_gone(r, a))
		return 0;
	if (!f)
		return 1;
	if (f->r.kind == OBJ_DIR)
		rc = dir_each(r->s, a, whole_entry, r);
	else
		rc = blob_walk(r->s, a, part, r);
	if (rc == -ENODATA || rc == -ENOENT || rc == -EBADMSG)
		return 0;
	return rc < 0 ? rc : 1;
}

static int judge_version(void *ctx, const struct ns_version *v)
{
	struct recovery *r = ctx;
	int rc;

	if (addr_is_zero(&v->attr.addr))
		return 0;
	rc = whole(r, &v->attr.addr);
	if (rc)
		return rc < 0 ? rc : 0;
	r->first_bad = v->change.seq;
	return 1;
}

static int judge_derived(void *ctx, const struct derived *d)
{
	struct recovery *r = ctx;
	int rc;

	if (r->first_bad && d->seq >= r->first_bad)
		return 0;
	if (addr_is_zero(&d->addr))
		return 0;
	rc = whole(r, &d->addr);
	if (rc)
		return rc < 0 ? rc : 0;
	r->first_bad = d->seq;
	return 0;
}

static int judge_result(void *ctx, const struct result *res)
{
	struct recovery *r = ctx;
	int rc = 1;

	if (!addr_is_zero(&res->addr))
		rc = whole(r, &res->addr);
	if (rc > 0 && !addr_is_zero(&res->text))
		rc = whole(r, &res->text);
	if (!rc)
		buf_add(&r->pruned, res->recipe.b, ADDR_LEN);
	return rc < 0 ? rc : 0;
}

static int prune_results(struct recovery *r)
{
	struct addr a;
	size_t at;
	int rc = results_each(r->results, judge_result, r);

	if (!rc && r->pruned.len)
		rc = buf_err(&r->pruned);
	for (at = 0; !rc && at < r->pruned.len; at += ADDR_LEN) {
		memcpy(a.b, r->pruned.data + at, ADDR_LEN);
		rc = results_drop(r->results, &a);
	}
	return rc;
}

/* --- the history ---------------------------------------------------------- */

/* Whether the journals of a batch are there, from its last back to the one
 * before the batch: 1 or 0. */
static int chain_whole(struct recovery *r, const struct tip *tip)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct addr a = tip->head;
	struct journal_info info;
	bool last = true;
	int rc;

	for (;; a = info.prev, last = false) {
		if (is_gone(r, &a))
			return 0;
		rc = store_get(r->s, &a, NULL, &b);
		if (rc == -ENOENT || rc == -EBADMSG)
			return 0;
		if (rc < 0)
			return rc;
		if (journal_decode(b.data, b.len, &info, NULL, NULL) < 0 ||
		    info.last != last || is_gone(r, &info.clear))
			return 0;
		if (addr_eq(&info.prev, &r->before.head))
			return 1;
		if (addr_is_zero(&info.prev))
			return 0;
	}
}

/* Called for the last durable batch first. 1: no further. */
static int judge_batch(void *ctx, const struct tip *tip)
{
	struct recovery *r = ctx;
	int rc;

	if (r->keep.seq == UINT64_MAX) { /* the base */
		r->keep = r->before = *tip;
		return 0;
	}
	if (r->first_bad && tip->seq >= r->first_bad)
		return 1;
	rc = chain_whole(r, tip);
	if (rc <= 0)
		return rc < 0 ? rc : 1;
	r->keep = r->before = *tip;
	return 0;
}

static int put_journal(void *ctx, enum obj_kind kind, const void *p, size_t n,
		       struct addr *ret)
{
	return store_put(ctx, kind, p, n, ret);
}

static int open_history(struct recovery *r, struct err *err)
{
	struct db *db = store_db(r->s);
	int rc;

	rc = ns_open(db, (uint32_t)geteuid(), (uint32_t)getegid(), &r->ns, err);
	if (!rc)
		rc = journal_open(db, &r->journal);
	if (rc)
		return rc;
	journal_set_put(r->journal, put_journal, r->s);
	ns_set_journal(r->ns, r->journal);
	return results_open(db, r->ns, &r->results);
}

static void close_history(struct recovery *r)
{
	results_close(r->results);
	ns_close(r->ns);
	journal_close(r->journal);
	r->results = NULL;
	r->ns = NULL;
	r->journal = NULL;
}

/* The last durable change is known from the first tip. */
static int durable_seq(void *ctx, const struct tip *tip)
{
	*(uint64_t *)ctx = tip->seq;
	return 1;
}

/* To the last batch before anything that is not whole. */
static int find_batch(struct recovery *r)
{
	int rc;

	r->keep = (struct tip){.seq = UINT64_MAX};
	rc = tips_each(r->tips, judge_batch, r);
	return rc < 0 ? rc : 0;
}

/* Files that wait if the history ends there, in the order they were closed. 1:
 * one that is not whole. */
static int judge_seal(void *ctx, const struct sealed *row)
{
	struct recovery *r = ctx;
	int rc;

	if (row->seq > r->keep.seq || (row->taken && row->taken <= r->keep.seq))
		return 0;
	rc = seal_file_whole(store_drafts_fd(r->s), row->name);
	if (rc)
		return rc < 0 ? rc : 0;
	r->lost_seal = row->id;
	r->before_seal = row->seq;
	return 1;
}

/* Where nothing that came behind it can be undone any more: it was on the disk,
 * and is damaged. */
static int give_up_seal(struct recovery *r)
{
	int rc;

	log_error("%s/drafts: a file that was closed after change %" PRIu64
		  " and not taken in yet is missing or damaged: what was "
		  "written to it is lost",
		  store_path(r->s), r->before_seal);
	rc = sealed_drop(store_db(r->s), r->lost_seal);
	r->lost_seal = 0; /* what was closed later stays */
	return rc;
}

/* What is undone may bring back files that wait, which may be lost, too. */
static int find_seals(struct recovery *r)
{
	int rc;

	while ((rc = sealed_each(store_db(r->s), 0, judge_seal, r)) > 0) {
		if (r->before_seal >= r->keep.seq)
			return 0; /* nothing came behind it */
		if (r->before_seal < r->since) {
			rc = give_up_seal(r);
		} else {
			r->first_bad = r->before_seal + 1;
			rc = find_batch(r);
		}
		if (rc < 0)
			break;
	}
	return rc;
}

/* How far back. */
static int find_keep(struct recovery *r)
{
	int rc;

	rc = tips_each(r->tips, durable_seq, &r->since);
	if (rc >= 0)
		rc = ns_versions_after(r->ns, r->since, judge_version, r);
	if (rc >= 0)
		rc = results_derived_after(r->results, r->since, judge_derived,
					   r);
	if (rc >= 0)
		rc = find_batch(r);
	return rc < 0 ? rc : find_seals(r);
}

static void say_time(int64_t ns, char *to, size_t size)
{
	time_t s = (time_t)(ns / NSEC_PER_SEC);
	struct tm tm;

	localtime_r(&s, &tm);
	strftime(to, size, "%F %T", &tm);
}

/* One change more: for people, and so that nothing has the numbers of what was
 * undone. */
static int note_rollback(struct recovery *r)
{
	struct ns_by by = {
		.uid = (uint32_t)geteuid(),
		.pid = (uint32_t)getpid(),
		.program = "deriva",
	};
	char text[128];
	uint64_t seq;

	snprintf(text, sizeof(text),
		 "after a power cut: back to change %" PRIu64 ", %" PRIu64
		 " was the last",
		 r->keep.seq, r->newest.seq);
	by.message = text;
	return ns_begin_change(r->ns, &by, NS_OP_ROLLBACK, &seq, NULL);
}

static int go_back(struct recovery *r)
{
	struct ns_change last = {.time_ns = 0};
	char since[32] = "its beginning";
	int rc = 0;

	if (r->keep.seq)
		rc = ns_change(r->ns, r->keep.seq, &last);
	if (!rc && r->keep.seq)
		say_time(last.time_ns, since, sizeof(since));
	if (!rc)
		rc = ns_rollback(r->ns, r->keep.seq);
	if (!rc)
		rc = results_rollback(r->results, r->keep.seq);
	if (!rc)
		rc = tips_rewind(r->tips, &r->keep);
	if (!rc)
		rc = note_rollback(r);
	if (!rc)
		log_warn("%s: the machine stopped before everything was on "
			 "the disk: the store is as it was at change %" PRIu64
			 " (%s); changes up to %" PRIu64 " are lost",
			 store_path(r->s), r->keep.seq, since, r->newest.seq);
	return rc;
}

static int raise_numbers(struct recovery *r)
{
	return r->numbered ? ns_raise_stored(store_db(r->s), r->numbered) : 0;
}

/* Rows lead to bytes that are not there. */
static int mend(struct recovery *r, struct err *err)
{
	int rc = clean_index(r);

	if (!rc)
		rc = tips_newest(r->tips, &r->newest);
	if (rc || !r->newest.seq) /* objects alone, without a history */
		return rc ? rc : raise_numbers(r);
	rc = open_history(r, err);
	if (!rc)
		rc = ns_raise(r->ns, r->numbered);
	if (!rc)
		rc = find_keep(r);
	if (!rc && r->keep.seq < r->newest.seq)
		rc = go_back(r);
	if (!rc)
		rc = sealed_rewind(store_db(r->s), r->keep.seq,
				   r->lost_seal ? r->lost_seal : UINT64_MAX);
	if (!rc)
		rc = prune_results(r);
	return rc < 0 ? rc : 0;
}

/* --- the whole ------------------------------------------------------------ */

static int is_waiting(void *ctx, const struct sealed *row)
{
	(void)ctx;
	return row->taken ? 0 : 1;
}

static int is_lost(void *ctx, const struct sealed *row)
{
	struct recovery *r = ctx;
	int rc = row->taken ? 1
			    : seal_file_whole(store_drafts_fd(r->s), row->name);

	return rc < 0 ? rc : !rc;
}

static int any_seal_lost(struct recovery *r, bool *ret)
{
	int rc = sealed_each(store_db(r->s), 0, is_lost, r);

	*ret = rc > 0;
	return rc < 0 ? rc : 0;
}

static int index_packs(struct recovery *r)
{
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < r->tails.n; i++)
		if (r->tails.v[i].pack)
			rc = map_put_u64(r->packs, r->tails.v[i].pack,
					 (void *)(uintptr_t)(i + 1));
	return rc;
}

/* In the batch, which is the caller's to end. */
static int look(struct recovery *r, struct err *err)
{
	bool lost;
	int rc;

	r->found = map_new();
	r->gone = map_new();
	r->packs = map_new();
	if (!r->found || !r->gone || !r->packs)
		return -ENOMEM;
	rc = tails_find(store_packs_fd(r->s), store_objects(r->s), &r->tails);
	if (!rc)
		rc = index_packs(r);
	if (!rc)
		rc = tails_read(&r->tails, note_found, r);
	lost = !rc && any_lost(&r->tails);
	if (!rc && !lost && r->alone)
		rc = any_seal_lost(r, &lost);
	if (lost && !r->alone)
		return -EAGAIN;
	if (lost)
		rc = mend(r, err);
	else if (!rc)
		rc = raise_numbers(r);
	return rc ? rc : clean_packs(r);
}

static int in_batch(struct recovery *r, struct err *err)
{
	struct db *db = store_db(r->s);
	int rc;

	db_lock(db);
	rc = db_begin(db);
	if (!rc)
		rc = look(r, err);
	if (!rc)
		rc = db_commit(db);
	if (rc < 0)
		db_rollback(db);
	close_history(r);
	db_unlock(db);
	return rc;
}

static void done(struct recovery *r)
{
	size_t it = 0;
	void *v;

	while (r->found && map_next(r->found, &it, NULL, NULL, &v))
		free(v);
	map_free(r->found);
	map_free(r->gone);
	map_free(r->packs);
	buf_done(&r->pruned);
	tails_done(&r->tails);
}

/* Whether there is anything to look at. What waits of processes that live is
 * theirs. */
static int needed(struct store *s, bool alone)
{
	struct tails t;
	int rc, waiting = 0;

	db_lock(store_db(s));
	rc = tails_find(store_packs_fd(s), store_objects(s), &t);
	if (!rc && alone)
		waiting = sealed_each(store_db(s), 0, is_waiting, NULL);
	db_unlock(store_db(s));
	if (rc)
		return rc;
	rc = waiting < 0 ? waiting : t.n || waiting;
	tails_done(&t);
	return rc;
}

/* What is wrong with bytes of packs is put in order. */
static bool is_damage(int rc)
{
	return rc == -EBADMSG || rc == -EUCLEAN || rc == -EIO;
}

int recover(struct store *s, struct tips *tips, bool alone, struct err *err)
{
	CLEANUP(done)
	struct recovery r = {
		.s = s,
		.tips = tips,
		.alone = alone,
	};
	struct err why = {{0}};
	int rc = needed(s, alone);

	if (rc > 0) {
		rc = in_batch(&r, &why);
		if (rc == -EAGAIN) /* whoever is alone next does it */
			return 0;
		/* who stops between these finds the packs as they are now */
		store_sealing(s, false);
		if (!rc)
			rc = store_sync(s);
		store_sealing(s, true);
		if (!rc)
			rc = tails_cut(&r.tails);
	}
	if (rc < 0)
		return err_set(err, rc,
			       "%s%s: what a crash left cannot be put in "
			       "order: %s%s",
			       store_path(s), is_damage(rc) ? "/deriva.db" : "",
			       why.msg[0] ? why.msg : err_name(rc),
			       rc == -ENOSPC   ? ": make room"
			       : is_damage(rc) ? ": run deriva fsck"
					       : "");
	return 0;
}
