#include "core/db_redo.h"

#include "core/db_internal.h"

/* The log: for each statement its address, then for each parameter a type, a
 * number or a length, and the bytes. It never leaves the process. */

#define LONG	 KIB(256)
#define TOO_LONG MIB(16)
#define MANY	 100 /* statements that wait to be freed */
#define TOO_MANY 10000

static void name_it(struct redo *r, struct stmt *s)
{
	if (s->named)
		return;
	s->named = true;
	s->next_named = r->named;
	r->named = s;
}

static bool has_bytes(const struct bound *v)
{
	return v->type == BOUND_TEXT || v->type == BOUND_BLOB;
}

static size_t length_of(const struct stmt *s)
{
	size_t n = sizeof(s);
	int i;

	for (i = 0; i < s->n_bound; i++) {
		n += 1 + sizeof(s->bound[i].v);
		if (has_bytes(&s->bound[i]))
			n += (size_t)s->bound[i].v;
	}
	return n;
}

static uint8_t *add_bound(uint8_t *p, const struct bound *v)
{
	*p++ = v->type;
	memcpy(p, &v->v, sizeof(v->v));
	p += sizeof(v->v);
	if (has_bytes(v) && v->v) {
		memcpy(p, v->p, (size_t)v->v);
		p += v->v;
	}
	return p;
}

void redo_note(struct redo *r, struct stmt *s)
{
	size_t n = length_of(s);
	uint8_t *p = NULL;
	int i;

	if (r->incomplete)
		return;
	if (r->log.len + n <= TOO_LONG && r->dead <= TOO_MANY)
		p = buf_room(&r->log, n);
	if (!p) {
		r->incomplete = true;
		return;
	}
	memcpy(p, &s, sizeof(s));
	p += sizeof(s);
	for (i = 0; i < s->n_bound; i++)
		p = add_bound(p, &s->bound[i]);
	r->log.len += n;
	name_it(r, s);
}

size_t redo_mark(const struct redo *r)
{
	return r->incomplete ? SIZE_MAX : r->log.len;
}

bool redo_is_long(const struct redo *r)
{
	return r->incomplete || r->log.len > LONG || r->dead > MANY;
}

static int bind_again(struct stmt *s, int i, struct cur *c)
{
	enum bound_type type = (enum bound_type)cur_u8(c);
	const void *p = cur_bytes(c, sizeof(int64_t));
	int64_t v;

	memcpy(&v, p, sizeof(v));
	if (type == BOUND_NULL)
		return sqlite3_bind_null(s->st, i);
	if (type == BOUND_INT)
		return sqlite3_bind_int64(s->st, i, v);
	p = cur_bytes(c, (size_t)v);
	if (type == BOUND_TEXT)
		return sqlite3_bind_text64(s->st, i, v ? p : "", (uint64_t)v,
					   SQLITE_STATIC, SQLITE_UTF8);
	return v ? sqlite3_bind_blob64(s->st, i, p, (uint64_t)v, SQLITE_STATIC)
		 : sqlite3_bind_zeroblob(s->st, i, 0);
}

static int run_again(struct cur *c)
{
	struct stmt *s;
	int code = SQLITE_OK, i, rc;

	memcpy(&s, cur_bytes(c, sizeof(s)), sizeof(s));
	sqlite3_reset(s->st);
	for (i = 1; i <= s->n_bound && code == SQLITE_OK; i++)
		code = bind_again(s, i, c);
	if (code == SQLITE_OK)
		do
			code = sqlite3_step(s->st);
		while (code == SQLITE_ROW);
	rc = code == SQLITE_DONE ? 0 : db_failed(s->db, code);
	sqlite3_reset(s->st);
	sqlite3_clear_bindings(s->st);
	return rc;
}

int redo_replay(struct redo *r, size_t mark)
{
	struct cur c;
	int rc = 0;

	if (mark > r->log.len)
		return -ENOMEM;
	c = cur_of(r->log.data, mark);
	while (rc >= 0 && cur_left(&c))
		rc = run_again(&c);
	r->log.len = mark;
	r->incomplete = false;
	return rc;
}

void redo_clear(struct redo *r)
{
	struct stmt *s;

	buf_reset(&r->log);
	r->incomplete = false;
	r->dead = 0;
	while ((s = r->named)) {
		r->named = s->next_named;
		s->named = false;
		if (s->dead)
			stmt_free(s);
	}
}

void redo_done(struct redo *r)
{
	redo_clear(r);
	buf_done(&r->log);
}
