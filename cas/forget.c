#include "cas/forget.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "cas/holds.h"
#include "core/clock.h"
#include "core/forgotten.h"
#include "core/journal.h"
#include "core/map.h"
#include "core/retention.h"
#include "core/tip.h"

#define JOURNALS 256  /* journals of a change */
#define VERSIONS 4096 /* versions of a change, about */
#define TODO	 64
#define TICK_NS	 (5 * NSEC_PER_SEC / 1000)

/* A journal that loses values. */
struct loss {
	struct addr journal, before, now;
};

struct forgetting {
	struct store *s;
	const struct forget_plan *plan;
	const struct forget_options *o;
	struct forget_report report;
	struct tips *tips;
	struct ns *ns;
	struct journal *journal;
	int lock_fd;

	struct buf bytes, clear, now; /* of the journal that is looked at */
	struct buf at;		      /* uint32_t: values to be dropped */
	struct journal_values values;
	uint64_t from;	    /* first change that was not looked at */
	struct map *looked; /* at these journals */
	bool lost_message;

	struct buf losses;   /* struct loss, of this change */
	struct buf versions; /* struct version_id */
};

static struct ns_by forgetter(void)
{
	return (struct ns_by){.uid = (uint32_t)geteuid(),
			      .pid = (uint32_t)getpid(),
			      .program = "deriva forget"};
}

static bool stopped(const struct forgetting *f)
{
	return f->o->stop && f->o->stop(f->o->ctx);
}

/* --- a journal ------------------------------------------------------------ */

static int get(struct forgetting *f, const struct addr *a, struct buf *ret)
{
	enum obj_kind kind;
	int rc = store_get(f->s, a, &kind, ret);

	if (!rc && kind != OBJ_JOURNAL)
		rc = -EUCLEAN;
	return rc == -ENOENT || rc == -EBADMSG ? -EUCLEAN : rc;
}

static int drop_value(struct forgetting *f, const struct journal_value *v)
{
	uint32_t at;

	if (!v->p)
		return 0; /* long forgotten, or there never was one */
	at = (uint32_t)((const uint8_t *)v->p - f->clear.data);
	buf_add(&f->at, &at, sizeof(at));
	return buf_err(&f->at);
}

static int on_effect(void *ctx, const struct journal_record *r,
		     const struct journal_effect *e)
{
	struct forgetting *f = ctx;
	struct version_id v = {e->ino, r->seq};
	int rc;

	if (forget_plan_has(f->plan, r->seq, NULL) && !f->lost_message) {
		/* the message stands before the first effect's values */
		rc = drop_value(f, &r->message);
		if (rc < 0)
			return rc;
	}
	f->lost_message = true;
	if (!forget_plan_has(f->plan, r->seq, e))
		return 0;
	if (e->type == JOURNAL_BORN || e->type == JOURNAL_DIED)
		return drop_value(f, &e->name);
	if (e->type == JOURNAL_INODE) {
		buf_add(&f->versions, &v, sizeof(v));
		if (buf_err(&f->versions) < 0)
			return -ENOMEM;
	}
	return drop_value(f, &e->value);
}

static int on_record(void *ctx, const void *record, size_t len)
{
	struct forgetting *f = ctx;
	struct journal_record r;
	int rc;

	f->lost_message = false;
	rc = journal_record(record, len, &f->values, &r, on_effect, f);
	f->from = MAX(f->from, r.seq + 1);
	return rc;
}

/* The values of one journal without those of the plan, as a new object. */
static int look_at(struct forgetting *f, const struct addr *journal)
{
	struct db *db = store_db(f->s);
	struct loss l = {.journal = *journal};
	struct journal_info info;
	int rc = journal_decode(f->bytes.data, f->bytes.len, &info, NULL, NULL);

	if (!rc) {
		db_lock(db);
		rc = forgotten_now(db, &info.clear, &l.before);
		db_unlock(db);
	}
	if (!rc)
		rc = get(f, &l.before, &f->clear);
	if (!rc)
		rc = journal_values(f->clear.data, f->clear.len, &f->values);
	buf_reset(&f->at);
	if (!rc)
		rc = journal_decode(f->bytes.data, f->bytes.len, &info,
				    on_record, f);
	if (rc < 0 || !f->at.len)
		return rc == -EBADMSG ? -EUCLEAN : rc;
	rc = journal_forget(f->clear.data, f->clear.len,
			    (const void *)f->at.data,
			    f->at.len / sizeof(uint32_t), &f->now);
	if (!rc)
		rc = store_put(f->s, OBJ_JOURNAL, f->now.data, f->now.len,
			       &l.now);
	if (rc < 0)
		return rc;
	f->report.values += f->at.len / sizeof(uint32_t);
	f->report.journals++;
	buf_add(&f->losses, &l, sizeof(l));
	return buf_err(&f->losses);
}

/* Back from a batch's last journal to the one that begins with a change at or
 * before seq: its address, and its bytes. A change may be in several. */
static int find_journal(struct forgetting *f, uint64_t seq, struct buf *ret)
{
	struct db *db = store_db(f->s);
	struct journal_info info;
	struct tip tip;
	int rc;

	db_lock(db);
	rc = tips_after(f->tips, seq - 1, &tip);
	db_unlock(db);
	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	for (buf_reset(ret);; tip.head = info.prev) {
		rc = get(f, &tip.head, &f->bytes);
		if (!rc)
			rc = journal_decode(f->bytes.data, f->bytes.len, &info,
					    NULL, NULL);
		if (rc < 0)
			return rc == -EBADMSG ? -EUCLEAN : rc;
		buf_add(ret, tip.head.b, ADDR_LEN);
		if (info.first_seq < seq || addr_is_zero(&info.prev))
			return buf_err(ret);
	}
}

/* All journals that have the change, and what lies between. */
static int look_at_change(struct forgetting *f, uint64_t seq)
{
	CLEANUP_BUF struct buf list = BUF_INIT;
	struct addr a;
	int rc = find_journal(f, seq, &list);

	while (!rc && list.len) {
		list.len -= ADDR_LEN;
		memcpy(a.b, list.data + list.len, ADDR_LEN);
		if (map_get(f->looked, a.b, ADDR_LEN))
			continue;
		rc = map_put(f->looked, a.b, ADDR_LEN, f, NULL);
		if (rc >= 0)
			rc = get(f, &a, &f->bytes);
		if (rc >= 0)
			rc = look_at(f, &a);
	}
	return rc;
}

/* --- a change ------------------------------------------------------------- */

static int write_rows(void *ctx, uint64_t seq)
{
	struct forgetting *f = ctx;
	const struct loss *l = (const void *)f->losses.data;
	struct forgotten row = {.seq = seq};
	size_t i;
	int rc = 0;

	for (i = 0; rc >= 0 && i < f->losses.len / sizeof(*l); i++) {
		row.old = l[i].before;
		row.now = l[i].now;
		row.journal = l[i].journal;
		rc = forgotten_add(store_db(f->s), &row);
	}
	return rc < 0 ? rc : 1;
}

/* What was gathered becomes a change; the new objects are on the disk. */
static int say(struct forgetting *f)
{
	const struct version_id *v = (const void *)f->versions.data;
	const struct loss *l = (const void *)f->losses.data;
	const struct ns_by by = forgetter();
	struct db *db = store_db(f->s);
	size_t i, n = f->versions.len / sizeof(*v);
	int rc, end;

	if (!f->losses.len)
		return 0;
	rc = store_sync(f->s);
	if (rc < 0)
		return rc;
	db_lock(db);
	rc = retention_let_go(f->ns, &by, v, n);
	if (rc >= 0)
		rc = ns_change_rows(f->ns, &by, NS_OP_FORGET, write_rows, f);
	for (i = 0; rc > 0 && i < f->losses.len / sizeof(*l); i++)
		journal_values_now(ns_journal(f->ns), &l[i].journal,
				   &l[i].before, &l[i].now);
	if (rc < 0 && db_in_batch(db))
		db_rollback(db);
	end = db_commit(db);
	db_unlock(db);
	f->report.versions += n;
	buf_reset(&f->losses);
	buf_reset(&f->versions);
	return rc < 0 ? rc : end;
}

static int forget_all(struct forgetting *f)
{
	const struct forget_item *list = (const void *)f->plan->items.data;
	size_t n = f->plan->items.len / sizeof(*list), i;
	int rc = 0;

	for (i = 0; rc >= 0 && i < n; i++) {
		if (list[i].seq < f->from)
			continue;
		if (stopped(f)) {
			rc = say(f);
			return rc < 0 ? rc : -ECANCELED;
		}
		rc = look_at_change(f, list[i].seq);
		f->from = MAX(f->from, list[i].seq + 1);
		if (rc >= 0 &&
		    (f->losses.len >= JOURNALS * sizeof(struct loss) ||
		     f->versions.len >= VERSIONS * sizeof(struct version_id)))
			rc = say(f);
		if (f->o->progress)
			f->o->progress(f->o->ctx, i, n);
	}
	return rc < 0 ? rc : say(f);
}

/* --- the rows ------------------------------------------------------------- */

struct scrubbing {
	struct db *db;
	struct journal_values values;
};

static int scrub_effect(void *ctx, const struct journal_record *r,
			const struct journal_effect *e)
{
	struct scrubbing *g = ctx;
	int rc = forgotten_scrub(g->db, r, e);

	return MIN(rc, 0);
}

static int scrub_record(void *ctx, const void *record, size_t len)
{
	struct scrubbing *g = ctx;
	struct journal_record r;
	int rc;

	rc = journal_record(record, len, &g->values, &r, scrub_effect, g);
	if (rc >= 0)
		rc = forgotten_scrub_change(g->db, &r);
	return MIN(rc, 0);
}

/* db_lock is held. */
static int scrub(struct store *s, const struct forgotten *row)
{
	CLEANUP_BUF struct buf journal = BUF_INIT, clear = BUF_INIT;
	struct scrubbing g = {.db = store_db(s)};
	struct journal_info info;
	struct addr now;
	int rc = forgotten_now(g.db, &row->now, &now);

	if (rc >= 0)
		rc = store_get(s, &row->journal, NULL, &journal);
	if (rc >= 0)
		rc = store_get(s, &now, NULL, &clear);
	if (rc >= 0)
		rc = journal_values(clear.data, clear.len, &g.values);
	if (rc >= 0)
		rc = journal_decode(journal.data, journal.len, &info,
				    scrub_record, &g);
	if (rc >= 0)
		rc = forgotten_done(g.db, &row->old);
	return rc == -ENOENT || rc == -EBADMSG ? -EUCLEAN : rc;
}

static int nothing_more(void *ctx, uint64_t seq)
{
	(void)ctx;
	(void)seq;
	return 1;
}

static int scrub_some(struct store *s, struct ns *ns,
		      const struct forgotten *rows, int n)
{
	const struct ns_by by = forgetter();
	struct db *db = store_db(s);
	uint64_t seq = 0;
	int rc = 0, i, end;

	db_lock(db);
	for (i = 0; rc >= 0 && i < n; i++) {
		rc = scrub(s, &rows[i]);
		seq = MAX(seq, rows[i].seq);
	}
	if (rc >= 0)
		rc = ns_change_rows(ns, &by, NS_OP_FORGET, nothing_more, NULL);
	if (rc > 0)
		journal_scrubbed(ns_journal(ns), seq);
	if (rc < 0 && db_in_batch(db))
		db_rollback(db);
	end = db_commit(db);
	if (!end)
		ns_past_changed(ns);
	db_unlock(db);
	return rc < 0 ? rc : end;
}

int forget_finish(struct store *s, struct ns *ns)
{
	CLEANUP_FREE struct forgotten *rows = calloc(TODO, sizeof(*rows));
	struct db *db = store_db(s);
	int rc = rows ? 0 : -ENOMEM, n;
	bool synced = false;

	while (rc >= 0) {
		db_lock(db);
		n = forgotten_todo(db, rows, TODO);
		db_unlock(db);
		if (n <= 0)
			return n;
		/* what is done here cannot be taken back */
		if (!synced)
			rc = store_sync(s);
		synced = true;
		if (rc >= 0)
			rc = scrub_some(s, ns, rows, n);
	}
	return rc;
}

/* --- the whole ------------------------------------------------------------ */

static int put_journal(void *ctx, enum obj_kind kind, const void *p, size_t n,
		       struct addr *ret)
{
	return store_put(ctx, kind, p, n, ret);
}

static int open_all(struct forgetting *f, struct err *err)
{
	struct db *db = store_db(f->s);
	int rc;

	while ((rc = holds_lock(store_dir_fd(f->s), &f->lock_fd)) == -EAGAIN) {
		if (stopped(f))
			return -ECANCELED;
		nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
	}
	if (rc < 0)
		return rc;
	db_lock(db);
	rc = tips_open(db, &f->tips);
	if (!rc)
		rc = ns_open(db, (uint32_t)geteuid(), (uint32_t)getegid(),
			     &f->ns, err);
	if (!rc)
		rc = journal_open(db, &f->journal);
	if (!rc) {
		journal_set_put(f->journal, put_journal, f->s);
		ns_set_journal(f->ns, f->journal);
		rc = db_commit(db);
	}
	db_unlock(db);
	return rc;
}

static void close_all(struct forgetting *f)
{
	struct db *db = store_db(f->s);

	db_lock(db);
	if (db_in_batch(db))
		db_rollback(db);
	ns_close(f->ns);
	journal_close(f->journal);
	tips_close(f->tips);
	db_unlock(db);
	buf_done(&f->bytes);
	buf_done(&f->clear);
	buf_done(&f->now);
	buf_done(&f->at);
	buf_done(&f->losses);
	buf_done(&f->versions);
	close_fdp(&f->lock_fd);
}

int forget_run(struct store *s, const struct forget_plan *p,
	       const struct forget_options *o, struct forget_report *ret,
	       struct err *err)
{
	struct forgetting f = {.s = s, .plan = p, .o = o, .lock_fd = -1};
	struct err why = {{0}};
	int rc, end;

	f.looked = map_new();
	rc = f.looked ? open_all(&f, &why) : -ENOMEM;
	if (!rc)
		rc = forget_all(&f);
	if (!rc || rc == -ECANCELED) {
		end = forget_finish(s, f.ns);
		rc = end < 0 ? end : rc;
	}
	close_all(&f);
	map_free(f.looked);
	*ret = f.report;
	if (rc == -EUCLEAN)
		return err_set(err, rc,
			       "%s: the journals are not what the rows say: "
			       "run deriva fsck",
			       store_path(s));
	return rc ? err_set(err, rc, "%s: %s", store_path(s),
			    why.msg[0] ? why.msg : err_name(rc))
		  : 0;
}
