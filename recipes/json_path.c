#include "recipes/json_path.h"

#include <errno.h>
#include <string.h>

enum kind { NAME, INDEX, EACH };

struct step {
	enum kind kind;
	struct buf name;
	uint64_t index;
};

/* An open array or object on the way of the path: as many of them as steps
 * were taken. */
struct level {
	bool array;
	uint64_t index; /* of the element to come */
	bool matches;	/* the name that was read last */
};

struct json_path {
	json_fn fn;
	void *ctx;
	struct step *steps;
	size_t nsteps;
	struct level *levels;
	size_t depth;	 /* of levels */
	uint64_t inside; /* depth below a value that is given, or passed over */
	bool giving;
	bool key;	   /* a name on the way is being read, */
	struct buf name;   /* this much of it */
	bool name_differs; /* it is longer than all in the path */
	size_t longest;
};

void json_path_free(struct json_path *p)
{
	size_t i;

	if (!p)
		return;
	for (i = 0; i < p->nsteps; i++)
		buf_done(&p->steps[i].name);
	free(p->steps);
	free(p->levels);
	buf_done(&p->name);
	free(p);
}

/* --- the path ------------------------------------------------------------- */

static int wrong(const char *text, const char *at, struct err *err)
{
	return err_set(err, -EINVAL,
		       "`select` is a path such as `.`, `.name`, `.list[0]`, "
		       "`.list[].\"any name\"`; it is none from byte %zu on",
		       (size_t)(at - text) + 1);
}

static const char *take_quoted(const char *p, struct buf *ret)
{
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		buf_u8(ret, (uint8_t)*p);
	}
	return *p ? p + 1 : NULL;
}

static const char *take_name(const char *p, struct step *s)
{
	size_t n;

	s->kind = NAME;
	if (*p == '"')
		return take_quoted(p, &s->name);
	n = strcspn(p, ".[]\"\\ |,(){}:");
	buf_add(&s->name, p, n);
	return n ? p + n : NULL;
}

static const char *take_brackets(const char *p, struct step *s)
{
	char *end;

	if (*p == ']') {
		s->kind = EACH;
		return p + 1;
	}
	if (*p == '"') {
		s->kind = NAME;
		p = take_quoted(p, &s->name);
		return p && *p == ']' ? p + 1 : NULL;
	}
	s->kind = INDEX;
	if (*p < '0' || *p > '9')
		return NULL;
	errno = 0;
	s->index = strtoull(p, &end, 10);
	return errno || *end != ']' ? NULL : end + 1;
}

static int take_steps(struct json_path *path, const char *text, struct err *err)
{
	const char *p = text, *next;
	struct step *s;

	if (*p != '.' && *p != '[')
		return wrong(text, p, err);
	while (*p && strcmp(p, ".") != 0) {
		s = &path->steps[path->nsteps++];
		if (*p == '.' && p[1] != '[')
			next = take_name(p + 1, s);
		else if (*p == '[')
			next = take_brackets(p + 1, s);
		else if (*p == '.' && p == text) /* .[0] */
			next = take_brackets(p + 2, s);
		else
			next = NULL;
		if (buf_err(&s->name) < 0)
			return -ENOMEM;
		if (!next)
			return wrong(text, p, err);
		path->longest = MAX(path->longest, s->name.len);
		p = next;
	}
	return *p && p != text ? wrong(text, p, err) : 0;
}

int json_path_new(const char *text, json_fn fn, void *ctx,
		  struct json_path **ret, struct err *err)
{
	CLEANUP(json_path_freep) struct json_path *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return -ENOMEM;
	p->fn = fn;
	p->ctx = ctx;
	p->steps = calloc(strlen(text) + 1, sizeof(*p->steps));
	p->levels = calloc(strlen(text) + 1, sizeof(*p->levels));
	if (!p->steps || !p->levels)
		return -ENOMEM;
	rc = take_steps(p, text, err);
	if (rc >= 0)
		*ret = steal(&p);
	return rc;
}

/* --- events --------------------------------------------------------------- */

static int give(struct json_path *p, enum json_event e, const char *s, size_t n)
{
	return p->giving ? p->fn(p->ctx, e, s, n) : 0;
}

/* Whether the value that begins here is on the way: `levels` of its parents
 * are. */
static bool on_way(struct json_path *p)
{
	const struct step *s;
	struct level *l;
	uint64_t index;

	if (!p->depth)
		return true;
	l = &p->levels[p->depth - 1];
	s = &p->steps[p->depth - 1];
	if (!l->array)
		return s->kind == EACH || (s->kind == NAME && l->matches);
	index = l->index++;
	return s->kind == EACH || (s->kind == INDEX && s->index == index);
}

static int begin_value(struct json_path *p, enum json_event e, const char *s,
		       size_t n)
{
	bool way = on_way(p);

	p->giving = way && p->depth == p->nsteps;
	if (e == JSON_OBJECT || e == JSON_ARRAY) {
		if (way && !p->giving) {
			p->levels[p->depth++] =
				(struct level){.array = e == JSON_ARRAY};
			return 0;
		}
		p->inside = 1;
	}
	return give(p, e, s, n);
}

static int end_key(struct json_path *p)
{
	const struct step *s = &p->steps[p->depth - 1];

	p->key = false;
	p->levels[p->depth - 1].matches =
		!p->name_differs && s->kind == NAME &&
		s->name.len == p->name.len &&
		(!s->name.len ||
		 !memcmp(s->name.data, p->name.data, s->name.len));
	return buf_err(&p->name);
}

static int add_key(struct json_path *p, const char *s, size_t n)
{
	if (p->name.len + n > p->longest)
		p->name_differs = true;
	else
		buf_add(&p->name, s, n);
	return 0;
}

/* Within a value that is given or passed over. */
static int within(struct json_path *p, enum json_event e, const char *s,
		  size_t n)
{
	if (e == JSON_OBJECT || e == JSON_ARRAY)
		p->inside++;
	else if (e == JSON_OBJECT_END || e == JSON_ARRAY_END)
		p->inside--;
	return give(p, e, s, n);
}

int json_path_event(void *path, enum json_event e, const char *s, size_t n)
{
	struct json_path *p = path;

	if (p->inside)
		return within(p, e, s, n);
	switch (e) {
	case JSON_OBJECT_END:
	case JSON_ARRAY_END:
		p->depth--;
		return 0;
	case JSON_KEY:
		p->key = true;
		p->name_differs = false;
		buf_reset(&p->name);
		return 0;
	case JSON_TEXT:
		return p->key ? add_key(p, s, n) : give(p, e, s, n);
	case JSON_TEXT_END:
		return p->key ? end_key(p) : give(p, e, s, n);
	default:
		return begin_value(p, e, s, n);
	}
}
