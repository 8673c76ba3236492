#include "recipes/observe_why.h"

#include <errno.h>
#include <string.h>

#include "recipes/canon.h"
#include "recipes/observe.h"

struct trace {
	struct asked_step {
		struct buf question, answer;
	} * v; /* the last one first */
	size_t count, cap;
};

void trace_free(struct trace *t)
{
	if (!t)
		return;
	while (t->count) {
		t->count--;
		buf_done(&t->v[t->count].question);
		buf_done(&t->v[t->count].answer);
	}
	free(t->v);
	free(t);
}

static struct asked_step *add_step(struct trace *t)
{
	size_t cap = t->cap ? t->cap * 2 : 64;
	struct asked_step *p;

	if (t->count == t->cap) {
		p = realloc(t->v, cap * sizeof(*p));
		if (!p)
			return NULL;
		t->v = p;
		t->cap = cap;
	}
	t->v[t->count] = (struct asked_step){BUF_INIT, BUF_INIT};
	return &t->v[t->count++];
}

int trace_load(struct eval *ev, const struct addr *recipe, struct addr *ret_key,
	       struct trace **ret)
{
	CLEANUP(trace_freep) struct trace *t = calloc(1, sizeof(*t));
	struct addr state = *recipe;
	struct asked_step *s;
	int r = t ? 1 : -ENOMEM;

	while (r > 0) {
		s = add_step(t);
		if (!s)
			return -ENOMEM;
		r = observed_back(ev->observed, &state, &state, &s->question,
				  &s->answer);
		if (r > 0 && t->count > OBSERVE_MAX + 1)
			r = -EUCLEAN;
	}
	if (r < 0)
		return r;
	t->count--; /* the one that did not come */
	*ret_key = state;
	*ret = steal(&t);
	return 0;
}

/* --- telling ---------------------------------------------------------------
 */

/* "lw/d/../x" as a path from the recipe's directory, or from the root. */
static void add_path(const struct buf *question, unsigned depth,
		     struct buf *out)
{
	const char *p = buf_cstr(question) + 1, *end = p + question->len - 1;
	unsigned up = depth;

	if (*p == 'r') {
		buf_add(out, p + 1, (size_t)(end - p) - 1);
		if (end - p == 1)
			buf_u8(out, '/');
		return;
	}
	for (p++; up && end - p >= 2 && p[0] == '/' && p[1] == 'd' &&
		  (end - p == 2 || p[2] == '/');
	     p += 2)
		up--;
	for (; up; up--)
		buf_str(out, "../");
	if (p < end)
		buf_add(out, p + 1, (size_t)(end - p) - 1);
}

static void add_hash(const struct buf *answer, struct buf *out)
{
	struct addr a = {{0}};
	char hex[ADDR_HEX];

	if (answer->len == 1 + ADDR_LEN)
		memcpy(a.b, answer->data + 1, ADDR_LEN);
	addr_hex(&a, hex);
	buf_add(out, hex, 16);
}

static void add_answer(const struct buf *answer, struct buf *out)
{
	switch (answer->len ? answer->data[0] : 0) {
	case 'n':
		buf_str(out, " is not there");
		break;
	case 'x':
		buf_str(out, " may not be read by the recipe's owner");
		break;
	case 'l':
		buf_str(out, " is a link to ");
		buf_add(out, answer->data + 1, answer->len - 1);
		break;
	case 'b':
		buf_str(out, " failed");
		break;
	case 'd':
	case 'o':
	case 's':
		break;
	default:
		buf_str(out, "  ");
		add_hash(answer, out);
	}
}

static void add_question(const struct buf *question, unsigned depth,
			 struct buf *out)
{
	size_t before;

	if (question->data[0] == 'd')
		buf_str(out, "names in ");
	before = out->len;
	add_path(question, depth, out);
	if (question->data[0] != 'd')
		return;
	if (out->len == before)
		buf_u8(out, '.');
	if (out->len && out->data[out->len - 1] != '/')
		buf_u8(out, '/');
}

void trace_tell(const struct trace *t, unsigned depth, struct buf *out)
{
	const struct asked_step *s;
	size_t i;

	for (i = t->count; i-- > 0;) {
		s = &t->v[i];
		if (s->question.len < 2 ||
		    (s->answer.len && s->answer.data[0] == 'd'))
			continue; /* a directory on the way */
		buf_str(out, "observed: ");
		add_question(&s->question, depth, out);
		add_answer(&s->answer, out);
		buf_u8(out, '\n');
	}
}

int trace_files(const struct trace *t, unsigned depth,
		int (*fn)(void *ctx, const char *path, bool there), void *ctx)
{
	const struct asked_step *s;
	size_t i;
	int r = 0;

	for (i = t->count; r >= 0 && i-- > 0;) {
		CLEANUP_BUF struct buf path = BUF_INIT;

		s = &t->v[i];
		if (s->question.len < 2 || s->question.data[0] != 'l' ||
		    !s->answer.len || s->answer.data[0] == 'd')
			continue;
		add_path(&s->question, depth, &path);
		r = buf_err(&path);
		if (r >= 0)
			r = fn(ctx, buf_cstr(&path), s->answer.data[0] != 'n');
	}
	return r;
}

unsigned observe_depth_of(struct eval *ev, const struct addr *key)
{
	CLEANUP(canon_decoded_freep) struct canon_decoded *canon = NULL;
	CLEANUP_BUF struct buf bytes = BUF_INIT;

	if (results_get_recipe(ev->results, key, &bytes) < 0 ||
	    canon_decode(bytes.data, bytes.len, &canon) < 0)
		return 0;
	return canon_get(canon)->depth;
}

static void tell_change(const struct asked_step *now,
			const struct asked_step *then, unsigned depth,
			struct buf *out)
{
	uint8_t a = then->answer.len ? then->answer.data[0] : 0;
	uint8_t b = now->answer.len ? now->answer.data[0] : 0;

	buf_str(out, "because: ");
	add_question(&now->question, depth, out);
	if (a == 'n') {
		buf_str(out, " came\n");
	} else if (b == 'n') {
		buf_str(out, " went\n");
	} else if ((a == 'f' || a == 'e') && (b == 'f' || b == 'e')) {
		buf_str(out, " changed from ");
		add_hash(&then->answer, out);
		buf_str(out, " to ");
		add_hash(&now->answer, out);
		buf_u8(out, '\n');
	} else {
		buf_str(out, " changed\n");
	}
}

int trace_compare(const struct trace *now, const struct trace *then,
		  unsigned depth, struct buf *out, unsigned *told)
{
	CLEANUP(map_freep) struct map *m = map_new();
	const struct asked_step *s, *old;
	size_t i;
	int r = m ? 0 : -ENOMEM;

	for (i = 0; r >= 0 && i < then->count; i++) {
		s = &then->v[i];
		r = map_put(m, s->question.data, s->question.len,
			    (void *)(uintptr_t)s, NULL);
	}
	for (i = now->count; r >= 0 && i-- > 0;) {
		s = &now->v[i];
		old = map_get(m, s->question.data, s->question.len);
		if (!old ||
		    (old->answer.len == s->answer.len &&
		     !memcmp(old->answer.data, s->answer.data, s->answer.len)))
			continue;
		tell_change(s, old, depth, out);
		++*told;
	}
	return r < 0 ? r : buf_err(out);
}
