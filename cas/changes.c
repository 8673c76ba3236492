#include "cas/changes.h"

#include <errno.h>

#include "core/forgotten.h"

/* One journal and its clear values; the chain is walked from its end. */
struct link {
	struct link *next;
	struct buf journal, clear;
};

struct changes {
	struct link *first;
	uint64_t bytes;
};

static void link_free(struct link *l)
{
	if (!l)
		return;
	buf_done(&l->journal);
	buf_done(&l->clear);
	free(l);
}
CLEANUP_FN(struct link, link_free)

void changes_free(struct changes *c)
{
	struct link *l;

	if (!c)
		return;
	while ((l = c->first)) {
		c->first = l->next;
		link_free(l);
	}
	free(c);
}

static int load_link(struct store *s, const struct addr *a, struct link *l,
		     struct journal_info *ret)
{
	struct addr clear;
	enum obj_kind kind;
	int rc = store_get(s, a, &kind, &l->journal);

	if (!rc && kind != OBJ_JOURNAL)
		rc = -EBADMSG;
	if (!rc)
		rc = journal_decode(l->journal.data, l->journal.len, ret, NULL,
				    NULL);
	if (rc)
		return rc == -ENOENT ? -EBADMSG : rc;
	db_lock(store_db(s));
	rc = forgotten_now(store_db(s), &ret->clear, &clear);
	db_unlock(store_db(s));
	if (rc < 0)
		return rc;
	rc = store_get(s, &clear, &kind, &l->clear);
	return rc == -ENOENT ? -ENODATA : rc;
}

/* Puts the journal of that address before those there are; *a becomes that of
 * the one before. */
static int add_link(struct changes *c, struct store *s, struct addr *a)
{
	CLEANUP(link_freep) struct link *l = calloc(1, sizeof(*l));
	struct journal_info info;
	int rc;

	if (!l)
		return -ENOMEM;
	rc = load_link(s, a, l, &info);
	if (rc)
		return rc;
	c->bytes += l->journal.len + l->clear.len;
	*a = info.prev;
	l->next = c->first;
	c->first = steal(&l);
	return 0;
}

int changes_load(struct store *s, const struct addr *from,
		 const struct addr *to, uint64_t max_bytes,
		 struct changes **ret)
{
	CLEANUP(changes_freep) struct changes *c = calloc(1, sizeof(*c));
	struct addr a = *to;
	int rc;

	if (!c)
		return -ENOMEM;
	while (!addr_eq(&a, from)) {
		if (addr_is_zero(&a))
			return -EBADMSG;
		rc = add_link(c, s, &a);
		if (rc)
			return rc;
		if (c->bytes > max_bytes)
			return -E2BIG;
	}
	*ret = steal(&c);
	return 0;
}

struct each {
	change_fn fn;
	void *ctx;
	struct journal_values values;
};

static int each_effect(void *ctx, const struct journal_record *r,
		       const struct journal_effect *e)
{
	struct each *each = ctx;

	return each->fn(each->ctx, r, e);
}

static int each_record(void *ctx, const void *record, size_t len)
{
	struct each *each = ctx;
	struct journal_record r;

	return journal_record(record, len, &each->values, &r, each_effect,
			      each);
}

int changes_each(struct changes *c, change_fn fn, void *ctx)
{
	struct each each = {.fn = fn, .ctx = ctx};
	struct journal_info info;
	struct link *l;
	int rc = 0;

	for (l = c->first; !rc && l; l = l->next) {
		rc = journal_values(l->clear.data, l->clear.len, &each.values);
		if (!rc)
			rc = journal_decode(l->journal.data, l->journal.len,
					    &info, each_record, &each);
	}
	return rc;
}
