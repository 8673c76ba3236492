/* Batches are found by the number of their last change (core/tip.h). The chain
 * of journals is walked back from a batch's last journal to the first that
 * holds something new, and then read forwards, a journal at a time. */
#include "cas/feed.h"

#include <errno.h>

#include "cas/feed_event.h"

struct line {
	uint64_t seq;
	size_t end; /* in lines */
};

struct feed {
	struct peek *p;
	char *path;
	uint64_t after; /* up to there all was handed out or passed over */
	uint64_t ready; /* up to there it lies in lines */

	struct buf todo; /* addresses of the batch's journals, the first last */
	struct addr loaded; /* which journal is in the next two; zero: none */
	struct buf journal, clear;

	struct feed_event *event;
	uint64_t gathering; /* change of the event; 0: none */
	struct buf lines;
	struct buf ends; /* struct line */
	size_t next;	 /* of the ends */
	size_t given;	 /* bytes of lines */

	struct journal_values values; /* while a journal is read */
};

int feed_open(struct peek *p, uint64_t after, const char *path,
	      struct feed **ret)
{
	CLEANUP(feed_closep) struct feed *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->p = p;
	f->after = f->ready = after;
	f->path = strdup(path);
	f->event = feed_event_new(p);
	if (!f->path || !f->event)
		return -ENOMEM;
	*ret = steal(&f);
	return 0;
}

void feed_close(struct feed *f)
{
	if (!f)
		return;
	feed_event_free(f->event);
	buf_done(&f->todo);
	buf_done(&f->journal);
	buf_done(&f->clear);
	buf_done(&f->lines);
	buf_done(&f->ends);
	free(f->path);
	free(f);
}

uint64_t feed_at(const struct feed *f)
{
	return f->after;
}

/* --- journals ------------------------------------------------------------- */

static int load(struct feed *f, const struct addr *a, struct journal_info *ret)
{
	enum obj_kind kind;
	int rc;

	f->loaded = (struct addr){{0}};
	rc = peek_get(f->p, a, &kind, &f->journal);
	if (!rc && kind != OBJ_JOURNAL)
		rc = -EBADMSG;
	if (!rc)
		rc = journal_decode(f->journal.data, f->journal.len, ret, NULL,
				    NULL);
	if (!rc)
		f->loaded = *a;
	return rc;
}

/* The journals of the batch that ends with `tip`, and of what lies between it
 * and the batch before (a gap in the rows), down to the first that is not all
 * known. */
static int walk_back(struct feed *f, const struct tip *tip,
		     const struct addr *before)
{
	struct addr at = tip->head;
	struct journal_info info;
	int rc;

	buf_reset(&f->todo);
	do {
		rc = load(f, &at, &info);
		if (rc < 0)
			return rc;
		buf_add(&f->todo, at.b, ADDR_LEN);
		at = info.prev;
	} while (!addr_is_zero(&at) && !addr_eq(&at, before) &&
		 info.first_seq > f->ready);
	return buf_err(&f->todo);
}

static int end_event(struct feed *f)
{
	struct line l = {.seq = f->gathering};
	int rc;

	if (!f->gathering)
		return 0;
	f->gathering = 0;
	f->ready = l.seq;
	l.end = f->lines.len;
	rc = feed_event_line(f->event, f->path, &f->lines);
	if (rc < 0)
		return rc;
	if (f->lines.len > l.end) {
		l.end = f->lines.len;
		buf_add(&f->ends, &l, sizeof(l));
	}
	return buf_err(&f->ends);
}

struct reading {
	struct feed *f;
	bool begun; /* of this record */
};

static int one_effect(void *ctx, const struct journal_record *r,
		      const struct journal_effect *e)
{
	struct reading *g = ctx;
	struct feed *f = g->f;

	if (r->seq <= f->ready)
		return 0;
	if (!g->begun && f->gathering != r->seq) {
		feed_event_begin(f->event, r);
		f->gathering = r->seq;
	}
	g->begun = true;
	return feed_event_add(f->event, e);
}

static int one_record(void *ctx, const void *record, size_t len)
{
	struct reading g = {.f = ctx};
	struct feed *f = g.f;
	struct journal_record r;
	int rc = 0;

	if (len >= 8 && f->gathering && get_le64(record) != f->gathering)
		rc = end_event(f);
	if (rc >= 0)
		rc = journal_record(record, len, &f->values, &r, one_effect,
				    &g);
	if (rc < 0)
		return rc;
	if (!g.begun && r.seq > f->ready && f->gathering != r.seq) {
		feed_event_begin(f->event, &r); /* without effects */
		f->gathering = r.seq;
	}
	return 0;
}

/* Renders the next journal of todo. */
static int read_journal(struct feed *f)
{
	struct journal_info info;
	struct addr a;
	int rc = 0;

	f->todo.len -= ADDR_LEN;
	memcpy(a.b, f->todo.data + f->todo.len, ADDR_LEN);
	if (!addr_eq(&a, &f->loaded))
		rc = load(f, &a, &info);
	else
		rc = journal_decode(f->journal.data, f->journal.len, &info,
				    NULL, NULL);
	if (!rc)
		rc = peek_clear(f->p, &info.clear, &f->clear);
	if (!rc)
		rc = journal_values(f->clear.data, f->clear.len, &f->values);
	if (rc < 0)
		return rc;
	db_lock(peek_db(f->p));
	rc = journal_decode(f->journal.data, f->journal.len, &info, one_record,
			    f);
	if (!rc && info.last)
		rc = end_event(f);
	db_unlock(peek_db(f->p));
	return rc;
}

/* 1: there are journals to be read. */
static int next_batch(struct feed *f)
{
	struct tips *tips = peek_tips(f->p);
	struct tip tip, before = {0};
	int rc;

	db_lock(peek_db(f->p));
	rc = tips_after(tips, f->ready, &tip);
	if (rc > 0) {
		rc = tips_upto(tips, tip.seq - 1, &before);
		rc = rc < 0 ? rc : 1;
	}
	db_unlock(peek_db(f->p));
	if (rc <= 0)
		return rc;
	rc = walk_back(f, &tip, &before.head);
	return rc < 0 ? rc : 1;
}

int feed_next(struct feed *f, const char **ret, size_t *ret_len,
	      uint64_t *ret_seq)
{
	const struct line *l;
	int rc;

	while (f->next * sizeof(*l) >= f->ends.len) {
		f->after = f->ready;
		buf_reset(&f->lines);
		buf_reset(&f->ends);
		f->next = f->given = 0;
		rc = f->todo.len ? 1 : next_batch(f);
		if (rc > 0)
			rc = read_journal(f);
		else if (!rc)
			return 0;
		if (rc < 0)
			return rc;
	}
	l = (const struct line *)(const void *)f->ends.data + f->next++;
	*ret = (const char *)f->lines.data + f->given;
	*ret_len = l->end - f->given;
	*ret_seq = l->seq;
	f->given = l->end;
	f->after = l->seq;
	return 1;
}
