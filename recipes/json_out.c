#include "recipes/json_out.h"

#include <errno.h>

void json_out_done(struct json_out *o)
{
	free(o->used);
	buf_done(&o->text);
}

static void put(struct json_out *o, const void *p, size_t n)
{
	if (o->out)
		fn_put(o->out, p, n);
	else
		buf_add(o->to, p, n);
}

static void put_byte(struct json_out *o, uint8_t c)
{
	put(o, &c, 1);
}

static void new_line(struct json_out *o)
{
	size_t i;

	if (!o->pretty)
		return;
	put_byte(o, '\n');
	for (i = 0; i < o->depth + o->array; i++)
		put(o, "  ", 2);
}

/* Before a value or a name. */
static void begin(struct json_out *o)
{
	if (o->key) {
		o->key = false;
		return;
	}
	if (o->depth) {
		if (o->used[o->depth - 1])
			put_byte(o, ',');
		o->used[o->depth - 1] = true;
		new_line(o);
	} else if (o->array) {
		put_byte(o, o->any ? ',' : '[');
		o->any = true;
		new_line(o);
	}
}

/* Behind a value. */
static void end(struct json_out *o)
{
	if (!o->depth && !o->array && o->out)
		put_byte(o, '\n');
}

static int open_one(struct json_out *o, uint8_t c)
{
	size_t room = o->room ? o->room * 2 : 64;
	uint8_t *p;

	begin(o);
	put_byte(o, c);
	if (o->depth == o->room) {
		p = realloc(o->used, room);
		if (!p)
			return -ENOMEM;
		o->used = p;
		o->room = room;
	}
	o->used[o->depth++] = false;
	return 0;
}

static void close_one(struct json_out *o, uint8_t c)
{
	if (o->used[--o->depth])
		new_line(o);
	put_byte(o, c);
	end(o);
}

static int put_text(struct json_out *o, const char *p, size_t n)
{
	if (o->plain) {
		put(o, p, n);
		return 0;
	}
	buf_reset(&o->text);
	json_escape(&o->text, p, n);
	put(o, o->text.data, o->text.len);
	return buf_err(&o->text);
}

static void end_text(struct json_out *o)
{
	if (!o->plain)
		put_byte(o, '"');
	o->plain = false;
	if (o->key)
		put(o, ": ", o->pretty ? 2 : 1);
	else
		end(o);
}

int json_out_event(void *json_out, enum json_event e, const char *p, size_t n)
{
	struct json_out *o = json_out;
	int rc = 0;

	switch (e) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		rc = open_one(o, e == JSON_ARRAY ? '[' : '{');
		break;
	case JSON_OBJECT_END:
	case JSON_ARRAY_END:
		close_one(o, e == JSON_ARRAY_END ? ']' : '}');
		break;
	case JSON_KEY:
	case JSON_STRING:
		begin(o);
		o->key = e == JSON_KEY;
		o->plain = o->raw && !o->depth;
		if (!o->plain)
			put_byte(o, '"');
		break;
	case JSON_TEXT:
		rc = put_text(o, p, n);
		break;
	case JSON_TEXT_END:
		end_text(o);
		break;
	default:
		begin(o);
		put(o, p, n);
		end(o);
	}
	if (rc < 0)
		return rc;
	return o->out ? o->out->rc : buf_err(o->to);
}

int json_out_end(struct json_out *o)
{
	if (!o->array)
		return 0;
	if (!o->any)
		put_byte(o, '[');
	else if (o->pretty)
		put_byte(o, '\n');
	put(o, "]\n", 2);
	return o->out->rc;
}
