#include "recipes/yaml.h"

#include <errno.h>
#include <string.h>

#include <yaml.h>

#include "core/buf.h"
#include "core/map.h"
#include "recipes/slip.h"
#include "recipes/word.h"

/* libyaml's events are turned into the tree by a recursion of bounded depth.
 * Events, not libyaml's own document tree: that resolves aliases, lets keys
 * repeat and forgets what stood behind a scalar.
 *
 * Marks of libyaml count characters, not bytes; `seen` follows them through
 * the text, and since scalars come in order the whole costs one pass. */

struct reader {
	yaml_parser_t yaml;
	const char *text; /* UTF-8, LF only */
	size_t len;
	struct {
		size_t chars, bytes;
	} seen;
	unsigned cut_line; /* of the last plain text with a comment behind */
	unsigned depth;
	struct err *err;
};

void ynode_free(struct ynode *n)
{
	size_t i;

	if (!n)
		return;
	for (i = 0; i < n->count; i++)
		ynode_free(n->items[i]);
	free(n->items);
	free(n->text);
	free(n);
}

const char *ynode_what(const struct ynode *n)
{
	if (ynode_nothing(n))
		return "nothing";
	return n->type == Y_TEXT   ? "a text"
	       : n->type == Y_LIST ? "a list"
				   : "a map";
}

static unsigned line_at(const char *text, size_t off)
{
	unsigned line = 1;

	while (off-- > 0)
		line += text[off] == '\n';
	return line;
}

/* --- the text before YAML sees it --------------------------------------- */

/* CRLF becomes LF. What YAML takes for a line end or skips, and no editor
 * shows, is refused. */
static int clean(const char *text, size_t len, struct buf *to, struct err *err)
{
	unsigned line = 1;
	size_t i;

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	for (i = 0; i < len; i++) {
		const char *p = text + i;
		size_t left = len - i;

		if (*p == '\n')
			line++;
		if (!*p)
			return err_set(err, -EINVAL,
				       "line %u: a NUL byte: a recipe is a "
				       "text file",
				       line);
		if (*p == '\r' && (left < 2 || p[1] != '\n'))
			return err_set(err, -EINVAL,
				       "line %u: a carriage return inside a "
				       "line: end lines with LF or CRLF",
				       line);
		if ((left > 1 && !memcmp(p, "\xc2\x85", 2)) ||
		    (left > 2 && (!memcmp(p, "\xe2\x80\xa8", 3) ||
				  !memcmp(p, "\xe2\x80\xa9", 3) ||
				  !memcmp(p, "\xef\xbb\xbf", 3))))
			return err_set(err, -EINVAL,
				       "line %u: an invisible character "
				       "(U+0085, U+2028, U+2029 or U+FEFF): "
				       "remove it, or write it as \"\\u2028\" "
				       "in double quotes",
				       line);
		if (*p != '\r')
			buf_u8(to, (uint8_t)*p);
	}
	return buf_err(to);
}

/* --- libyaml ------------------------------------------------------------ */

/* Moves to a character that lies at or behind the last one. */
static size_t byte_of(struct reader *r, size_t chars)
{
	while (r->seen.chars < chars && r->seen.bytes < r->len) {
		do
			r->seen.bytes++;
		while (r->seen.bytes < r->len &&
		       ((unsigned char)r->text[r->seen.bytes] & 0xc0) == 0x80);
		r->seen.chars++;
	}
	return r->seen.bytes;
}

static int reader_error(struct reader *r)
{
	size_t at = MIN(r->yaml.problem_offset, r->len);
	const char *p = r->yaml.problem;

	if (p && strstr(p, "control characters"))
		return err_set(
			r->err, -EINVAL,
			"line %u: a control character (byte 0x%02x): "
			"remove it, or write it as \"\\x%02x\" in double "
			"quotes",
			line_at(r->text, at), r->yaml.problem_value,
			r->yaml.problem_value);
	return err_set(r->err, -EINVAL,
		       "line %u: not UTF-8: a file whose name is not UTF-8 is "
		       "reached through a glob",
		       line_at(r->text, at));
}

static int yaml_error(struct reader *r)
{
	const yaml_parser_t *y = &r->yaml;
	struct slip s = {
		.problem = y->problem,
		.context = y->context,
		.line = (unsigned)y->problem_mark.line + 1,
		.context_line = (unsigned)y->context_mark.line + 1,
		.text = r->text,
		.len = r->len,
		.cut_line = r->cut_line,
	};

	if (y->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (y->error == YAML_READER_ERROR)
		return reader_error(r);
	r->seen.chars = r->seen.bytes = 0; /* it may lie before */
	s.at = byte_of(r, y->problem_mark.index);
	/* at the end of the text: its last line, not the one behind */
	s.line = MIN(s.line, line_at(r->text, r->len - (r->len > 0)));
	return slip_explain(&s, r->err);
}

static void event_done(yaml_event_t *e)
{
	yaml_event_delete(e);
}
#define CLEANUP_EVENT CLEANUP(event_done)

static int next(struct reader *r, yaml_event_t *ret)
{
	if (!yaml_parser_parse(&r->yaml, ret))
		return yaml_error(r);
	return 0;
}

static int node(struct reader *r, const yaml_event_t *e, struct ynode **ret);

static int add(struct ynode *n, struct ynode *item)
{
	struct ynode **p;

	if (!(n->count & (n->count - 1))) { /* a power of two: full */
		p = reallocarray(n->items, n->count ? n->count * 2 : 1,
				 sizeof(*p));
		if (!p)
			return -ENOMEM;
		n->items = p;
	}
	n->items[n->count++] = item;
	return 0;
}

static int text_node(struct reader *r, const yaml_event_t *e, struct ynode *n)
{
	const char *value = (const char *)e->data.scalar.value;
	size_t i;

	if (memchr(value, '\0', e->data.scalar.length))
		return err_set(r->err, -EINVAL,
			       "line %u: \"\\0\" stands for a NUL byte, which "
			       "no text here can hold",
			       n->line);
	n->text = strdup(value);
	if (!n->text)
		return -ENOMEM;
	n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->block = e->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
		   e->data.scalar.style == YAML_FOLDED_SCALAR_STYLE;
	if (!n->plain)
		return 0;
	i = byte_of(r, e->end_mark.index);
	while (i < r->len && (r->text[i] == ' ' || r->text[i] == '\t'))
		i++;
	n->comment = i < r->len && r->text[i] == '#';
	r->cut_line = n->comment ? (unsigned)e->end_mark.line + 1 : 0;
	return 0;
}

static int list_node(struct reader *r, struct ynode *n)
{
	int rc;

	for (;;) {
		CLEANUP_EVENT yaml_event_t e = {0};
		CLEANUP(ynode_freep) struct ynode *item = NULL;

		rc = next(r, &e);
		if (rc < 0 || e.type == YAML_SEQUENCE_END_EVENT)
			return rc;
		rc = node(r, &e, &item);
		if (rc < 0)
			return rc;
		rc = add(n, item);
		if (rc < 0)
			return rc;
		item = NULL;
	}
}

static int check_key(struct reader *r, struct map *keys, struct ynode *key)
{
	void *old = NULL;
	int rc;

	if (key->type != Y_TEXT)
		return err_set(r->err, -EINVAL,
			       "line %u: %s cannot be a key: quote the value "
			       "that begins with `[`, `{` or `?`",
			       key->line, ynode_what(key));
	if (!*key->text)
		return err_set(r->err, -EINVAL,
			       "line %u: a key is missing before the colon",
			       key->line);
	rc = map_put(keys, key->text, strlen(key->text), key, &old);
	if (rc < 0)
		return rc;
	if (old)
		return err_set(r->err, -EINVAL,
			       "line %u: `%s` stands here a second time (first "
			       "on line %u)",
			       key->line, word_show(key->text).s,
			       ((struct ynode *)old)->line);
	return 0;
}

static int map_node(struct reader *r, struct ynode *n)
{
	CLEANUP(map_freep) struct map *keys = map_new();
	int rc;

	if (!keys)
		return -ENOMEM;
	for (;;) {
		CLEANUP_EVENT yaml_event_t e = {0};
		CLEANUP(ynode_freep) struct ynode *item = NULL;

		rc = next(r, &e);
		if (rc < 0 || e.type == YAML_MAPPING_END_EVENT)
			return rc;
		rc = node(r, &e, &item);
		if (rc < 0)
			return rc;
		if (n->count % 2 == 0) {
			rc = check_key(r, keys, item);
			if (rc < 0)
				return rc;
		}
		rc = add(n, item);
		if (rc < 0)
			return rc;
		item = NULL;
	}
}

/* Aliases, anchors and tags. */
static int refuse(struct reader *r, const yaml_event_t *e, unsigned line)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	if (e->type == YAML_ALIAS_EVENT)
		return err_set(
			r->err, -EINVAL,
			"line %u: `*%s` is an alias to YAML, and recipes "
			"have none: quote it: \"*%s\"",
			line, word_show((char *)e->data.alias.anchor).s,
			word_show((char *)e->data.alias.anchor).s);
	if (e->type == YAML_SCALAR_EVENT) {
		anchor = e->data.scalar.anchor;
		tag = e->data.scalar.tag;
	} else if (e->type == YAML_SEQUENCE_START_EVENT) {
		anchor = e->data.sequence_start.anchor;
		tag = e->data.sequence_start.tag;
	} else if (e->type == YAML_MAPPING_START_EVENT) {
		anchor = e->data.mapping_start.anchor;
		tag = e->data.mapping_start.tag;
	}
	if (anchor)
		return err_set(r->err, -EINVAL,
			       "line %u: `&%s` is an anchor to YAML, and "
			       "recipes have none: quote the whole value, or, "
			       "for a command, write `run: |`",
			       line, word_show((const char *)anchor).s);
	if (tag)
		return err_set(r->err, -EINVAL,
			       "line %u: `%s` is a tag to YAML, and recipes "
			       "have none: quote the whole value, or, for a "
			       "command, write `run: |`",
			       line, word_show((const char *)tag).s);
	return 0;
}

static int node(struct reader *r, const yaml_event_t *e, struct ynode **ret)
{
	unsigned line = (unsigned)e->start_mark.line + 1;
	CLEANUP(ynode_freep) struct ynode *n = NULL;
	int rc;

	rc = refuse(r, e, line);
	if (rc < 0)
		return rc;
	if (r->depth == YNODE_DEPTH_MAX)
		return err_set(r->err, -EINVAL,
			       "line %u: lists and maps lie more than %d deep",
			       line, YNODE_DEPTH_MAX);
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->line = line;
	r->depth++;
	if (e->type == YAML_SCALAR_EVENT) {
		n->type = Y_TEXT;
		rc = text_node(r, e, n);
	} else if (e->type == YAML_SEQUENCE_START_EVENT) {
		n->type = Y_LIST;
		rc = list_node(r, n);
	} else {
		n->type = Y_MAP;
		rc = map_node(r, n);
	}
	r->depth--;
	if (rc < 0)
		return rc;
	*ret = steal(&n);
	return 0;
}

/* The one document, or NULL when there is none. */
static int document(struct reader *r, struct ynode **ret)
{
	CLEANUP(ynode_freep) struct ynode *n = NULL;
	int rc;

	for (;;) {
		CLEANUP_EVENT yaml_event_t e = {0};

		rc = next(r, &e);
		if (rc < 0)
			return rc;
		if (e.type == YAML_STREAM_END_EVENT)
			break;
		if (e.type == YAML_STREAM_START_EVENT ||
		    e.type == YAML_DOCUMENT_END_EVENT)
			continue;
		if (e.type == YAML_DOCUMENT_START_EVENT && n)
			return err_set(r->err, -EINVAL,
				       "line %u: a second document begins "
				       "here: a recipe file is one recipe",
				       (unsigned)e.start_mark.line + 1);
		if (e.type == YAML_DOCUMENT_START_EVENT &&
		    (e.data.document_start.version_directive ||
		     e.data.document_start.tag_directives.start !=
			     e.data.document_start.tag_directives.end))
			return err_set(r->err, -EINVAL,
				       "line %u: a line that begins with `%%` "
				       "is a directive to YAML, and recipes "
				       "have none: remove it",
				       (unsigned)e.start_mark.line + 1);
		if (e.type == YAML_DOCUMENT_START_EVENT)
			continue;
		rc = node(r, &e, &n);
		if (rc < 0)
			return rc;
	}
	if (n && ynode_nothing(n))
		return 0; /* nothing behind `---` */
	*ret = steal(&n);
	return 0;
}

int ynode_parse(const char *text, size_t len, struct ynode **ret,
		struct err *err)
{
	CLEANUP_BUF struct buf clear = BUF_INIT;
	struct reader r = {.err = err};
	struct ynode *n = NULL;
	int rc;

	rc = clean(text, len, &clear, err);
	if (rc < 0)
		return rc;
	r.text = buf_cstr(&clear);
	r.len = clear.len;
	if (!yaml_parser_initialize(&r.yaml))
		return -ENOMEM;
	yaml_parser_set_encoding(&r.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.yaml, (const unsigned char *)r.text,
				     r.len);
	rc = document(&r, &n);
	yaml_parser_delete(&r.yaml);
	if (rc < 0)
		return rc;
	*ret = n;
	return 0;
}
