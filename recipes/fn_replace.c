#include "recipes/fn.h"

#include <errno.h>
#include <stdio.h>

#include "recipes/regex.h"

/* The replacement, taken apart: texts and groups of the match by turns. `$1`,
 * `${1}`, `${name}` and `$0` stand for groups, `$$` for a dollar sign. With a
 * literal pattern it is all text. */

struct part {
	struct buf text; /* then */
	int group;	 /* -1: none */
};

struct replace {
	struct fn_call *call;
	struct regex *re;
	struct part *parts;
	size_t nparts;
	bool all;
};

static void replace_done(struct replace *r)
{
	size_t i;

	for (i = 0; i < r->nparts; i++)
		buf_done(&r->parts[i].text);
	free(r->parts);
	regex_free(r->re);
}

/* --- the replacement ------------------------------------------------------ */

static int group_of(const struct regex *re, const char *name, size_t n,
		    struct err *err)
{
	char text[64];
	long v;
	int i;

	if (!n || n >= sizeof(text))
		return err_set(err, -EINVAL,
			       "`with`: a name or number of a group stands "
			       "behind `$`; a dollar sign is `$$`");
	memcpy(text, name, n);
	text[n] = '\0';
	if (strspn(text, "0123456789") == n) {
		v = n > 6 ? 999999 : strtol(text, NULL, 10);
		if (v <= (long)regex_groups(re))
			return (int)v;
		return err_set(err, -EINVAL,
			       "`with`: the regular expression has %u group%s, "
			       "there is no `$%s`",
			       regex_groups(re),
			       regex_groups(re) == 1 ? "" : "s", text);
	}
	i = regex_named(re, text);
	return i > 0 ? i
		     : err_set(err, -EINVAL,
			       "`with`: the regular expression has no group "
			       "called `%s`",
			       text);
}

/* What stands behind a dollar sign; *p moves behind it. */
static int take_group(const struct regex *re, const char **p, struct err *err)
{
	const char *name = *p, *end;

	if (*name == '{') {
		end = strchr(++name, '}');
		if (!end)
			return err_set(err, -EINVAL,
				       "`with`: `${` without its `}`; a dollar "
				       "sign is `$$`");
		*p = end + 1;
		return group_of(re, name, (size_t)(end - name), err);
	}
	*p = name + (*name >= '0' && *name <= '9');
	return group_of(re, name, (size_t)(*p - name), err);
}

static int take_part(struct replace *r, const char **p, struct err *err)
{
	struct part *part = &r->parts[r->nparts++];
	size_t n;

	part->group = -1;
	for (;;) {
		n = strcspn(*p, "$");
		buf_add(&part->text, *p, n);
		*p += n;
		if (**p != '$' || (*p)[1] != '$')
			break;
		buf_u8(&part->text, '$');
		*p += 2;
	}
	if (**p == '$') {
		++*p;
		part->group = take_group(r->re, p, err);
		if (part->group < 0)
			return part->group;
	}
	return buf_err(&part->text);
}

static int take_with(struct replace *r, const char *with, bool literal,
		     struct err *err)
{
	size_t n = 1;
	const char *p;
	int rc = 0;

	for (p = with; *p; p++)
		n += *p == '$';
	r->parts = calloc(n + 1, sizeof(*r->parts));
	if (!r->parts)
		return -ENOMEM;
	if (literal) {
		r->nparts = 1;
		r->parts->group = -1;
		buf_str(&r->parts->text, with);
		return buf_err(&r->parts->text);
	}
	for (p = with; *p && rc >= 0;)
		rc = take_part(r, &p, err);
	return rc < 0 ? rc : 0;
}

static int prepare(const struct fn_call *call, struct replace *r,
		   struct err *err)
{
	bool literal = fn_given(call, "literal");
	int flags = (literal ? REGEX_LITERAL : 0) |
		    (fn_true(call, "ignore_case") ? REGEX_CASELESS : 0);
	int rc;

	r->all = fn_true(call, "all");
	rc = regex_new(fn_arg(call, literal ? "literal" : "regex"), flags,
		       &r->re, err);
	return rc < 0 ? rc : take_with(r, fn_arg(call, "with"), literal, err);
}

static int check(const struct fn_call *call, struct err *err)
{
	CLEANUP(replace_done) struct replace r = {0};
	int rc = fn_one_of(call, "literal", "regex", err);

	if (rc < 0)
		return rc;
	if (fn_given(call, "literal") && !*fn_arg(call, "literal"))
		return err_set(err, -EINVAL,
			       "`literal` of `replace` is empty: there is "
			       "nothing to look for");
	return prepare(call, &r, err);
}

/* --- lines ---------------------------------------------------------------- */

static void put_parts(const struct replace *r, struct line l,
		      struct fn_out *out)
{
	size_t i, start, end;

	for (i = 0; i < r->nparts; i++) {
		const struct part *part = &r->parts[i];

		fn_put(out, part->text.data, part->text.len);
		if (part->group >= 0 &&
		    regex_group(r->re, (unsigned)part->group, &start, &end))
			fn_put(out, l.p + start, end - start);
	}
}

/* One character further, or one byte of what is not UTF-8. */
static size_t next_char(struct line l, size_t at)
{
	for (at++; at < l.n && (l.p[at] & 0xc0) == 0x80; at++)
		;
	return at;
}

static int replace_line(const struct replace *r, struct line l,
			struct fn_out *out, struct err *err)
{
	size_t done = 0, from = 0, start = 0, end = 0;
	bool again = false;
	int rc;

	while (from <= l.n) {
		rc = regex_match(r->re, l.p, l.n, from, again, err);
		if (rc < 0)
			return rc;
		if (!rc || !regex_group(r->re, 0, &start, &end))
			break;
		if (start < done) { /* \K before what was replaced already */
			from = next_char(l, from);
			continue;
		}
		fn_put(out, l.p + done, start - done);
		put_parts(r, l, out);
		done = from = end;
		again = start == end;
		if (!r->all || fn_stopped(r->call))
			break;
	}
	fn_put(out, l.p + done, l.n - done);
	return 0;
}

static int replace(struct fn_call *call, struct err *err)
{
	CLEANUP(replace_done) struct replace r = {.call = call};
	CLEANUP_LINES struct fn_lines l;
	struct err why = {""};
	struct fn_out out;
	struct line line;
	int rc, failed;

	fn_lines_init(&l, call, 0, call->ninputs);
	fn_out_init(&out, call, err);
	rc = prepare(call, &r, err);
	if (rc < 0)
		return rc;
	while ((rc = fn_next_line(&l, &line, err)) > 0 && out.rc >= 0) {
		failed = replace_line(&r, line, &out, &why);
		if (failed < 0)
			return fn_line_error(&l, failed, err, "%s", why.msg);
		/* as it was: the last line of all may have none */
		if (l.newline || l.next < l.end)
			fn_put_byte(&out, '\n');
	}
	return rc < 0 ? rc : fn_out_end(&out);
}

static const struct fn_param params[] = {
	PARAM_TEXT("literal", "", "the text to look for"),
	PARAM_TEXT("regex", "",
		   "a regular expression (PCRE2) that matches what to look "
		   "for"),
	PARAM_TEXT("with", NULL,
		   "what to put there; with `regex`, $1, ${name} and $0 stand "
		   "for groups of the match and all of it, $$ for $"),
	PARAM_BOOL("all", "true", "all of a line, not only the first one"),
	PARAM_BOOL("ignore_case", "false", "upper and lower case are alike"),
	{0},
};

static const struct function rows[] = {
	{
		.name = "replace",
		.help = "the inputs with what matches a text or a regular "
			"expression replaced, line by line",
		.version = 1,
		.params = params,
		.min_inputs = 1,
		.max_inputs = SIZE_MAX,
		.example = "== people.txt\n"
			   "Lovelace, Ada\n"
			   "Hopper, Grace\n"
			   "== names.txt.recipe\n"
			   "in: [people.txt]\n"
			   "fn: replace\n"
			   "params: {regex: '(\\w+), (?<first>\\w+)', "
			   "with: '${first} $1'}\n"
			   "== names.txt\n"
			   "Ada Lovelace\n"
			   "Grace Hopper\n",
		.check = check,
		.run = replace,
	},
};

const struct fn_family family_replace = {"Changing lines", rows,
					 ARRAY_LEN(rows)};
