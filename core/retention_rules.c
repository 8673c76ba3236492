/* Rules of what is kept, as people write them:
 *
 *	*.o: last 1; build/: for 7d; /doc/?.txt: all; last 5
 *
 * A pattern is a shell's glob. Without a slash it is matched with the last
 * component of a path, wherever that lies; with one, with the whole path from
 * the root; a slash in front only says that it is from the root. A star, a
 * question mark and a bracket never match a slash; a component of two stars is
 * any number of directories, none too. A slash at the end: all below a
 * directory of that name or path. A backslash takes away what a character
 * means, that of `:`, `;` and blanks at the ends too. The first rule that
 * matches holds.
 */
#include "core/retention.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>

#include "core/clock.h"

/* --- one rule ------------------------------------------------------------- */

static const char *word_after(const char *text, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(text, word, n) || !text[n] || !strchr(" _:", text[n]))
		return NULL;
	return text + n + strspn(text + n, " _:");
}

/* "all", "last N", "for TIME"; or not. */
static bool parse_kind(const char *text, struct retention_rule *ret)
{
	unsigned long long n;
	const char *rest;
	char *end;

	if (!strcmp(text, "all")) {
		ret->kind = KEEP_ALL;
		return true;
	}
	if ((rest = word_after(text, "last"))) {
		n = strtoull(rest, &end, 10);
		ret->kind = KEEP_LAST;
		ret->count = n;
		return isdigit((unsigned char)*rest) && !*end && n &&
		       n <= INT32_MAX;
	}
	if ((rest = word_after(text, "for"))) {
		ret->kind = KEEP_FOR;
		/* a bare number would be seconds, and was meant as days */
		return duration_parse(rest, &ret->duration_ns) >= 0 &&
		       ret->duration_ns > 0 &&
		       !isdigit((unsigned char)rest[strlen(rest) - 1]);
	}
	return false;
}

static void format_kind(const struct retention_rule *r, struct buf *ret)
{
	switch (r->kind) {
	case KEEP_ALL:
		buf_str(ret, "all");
		return;
	case KEEP_LAST:
		buf_fmt(ret, "last %llu", (unsigned long long)r->count);
		return;
	case KEEP_FOR:
		buf_str(ret, "for ");
		duration_exact(r->duration_ns, ret);
	}
}

/* As it is read back. */
void duration_exact(int64_t ns, struct buf *ret)
{
	static const struct unit {
		const char *name;
		int64_t ns;
	} units[] = {
		{"d", 86400 * NSEC_PER_SEC}, {"h", 3600 * NSEC_PER_SEC},
		{"m", 60 * NSEC_PER_SEC},    {"s", NSEC_PER_SEC},
		{"ms", NSEC_PER_SEC / 1000},
	};
	size_t i;

	for (i = 0; i + 1 < ARRAY_LEN(units); i++)
		if (!(ns % units[i].ns))
			break;
	buf_fmt(ret, "%lld%s", (long long)(ns / units[i].ns), units[i].name);
}

/* --- the list ------------------------------------------------------------- */

struct parser {
	const char *text;
	struct retention r;
	struct err *err;
};

/* Where in the text, for people: lines only where there are several. */
static int refuse(const struct parser *p, const char *at, const char *what)
{
	const char *line = p->text, *nl;
	unsigned n = 1;
	char where[64];

	while ((nl = strchr(line, '\n')) && nl < at) {
		line = nl + 1;
		n++;
	}
	if (strchr(p->text, '\n'))
		snprintf(where, sizeof(where), "line %u, column %td", n,
			 at - line + 1);
	else
		snprintf(where, sizeof(where), "column %td", at - line + 1);
	return err_set(
		p->err, -EINVAL,
		"retention `%.200s`: %s: %s. It is `all`, `last N` (versions "
		"of each file, from 1) or `for TIME` (as in 90d, 12h), or "
		"such rules behind patterns, as in `*.o: last 1; "
		"build/**: for 7d; all`",
		p->text, where, what);
}

/* Past a bracket expression; NULL: it does not end. */
static const char *bracket_end(const char *s, const char *end)
{
	s++;
	s += s < end && (*s == '!' || *s == '^');
	s += s < end && *s == ']';
	for (; s < end && *s != ']'; s++)
		s += *s == '\\' && s + 1 < end;
	return s < end ? s + 1 : NULL;
}

/* The first unescaped one of two characters outside of brackets, or the end. */
static const char *find(const char *s, const char *end, char a, char b)
{
	const char *after;

	while (s < end && *s != a && *s != b) {
		after = *s == '[' ? bracket_end(s, end) : NULL;
		if (after && !memchr(s, '\n', (size_t)(after - s)) &&
		    !memchr(s, ';', (size_t)(after - s)))
			s = after;
		else
			s += *s == '\\' && s + 1 < end ? 2 : 1;
	}
	return s;
}

static const char *skip_blanks(const char *s, const char *end)
{
	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	return s;
}

/* Before the blanks at the end that no backslash keeps. */
static const char *trim(const char *s, const char *end)
{
	while (end > s && (end[-1] == ' ' || end[-1] == '\t') &&
	       !(end - 1 > s && end[-2] == '\\'))
		end--;
	return end;
}

static int check_pattern(const struct parser *p, const char *s, const char *end)
{
	const char *at = s;

	if (s == end)
		return refuse(p, s, "a pattern is missing before the colon");
	while (s < end)
		if (*s == '[') {
			at = s;
			s = bracket_end(s, end);
			if (!s)
				return refuse(p, at, "`[` without its `]`");
		} else if (*s == '\\' && s + 1 == end) {
			return refuse(p, s, "nothing behind the backslash");
		} else {
			s += *s == '\\' ? 2 : 1;
		}
	return 0;
}

static int add_pattern(struct parser *p, const char *s, const char *end,
		       struct retention_rule *rule)
{
	size_t n = (size_t)(end - s);
	int rc = check_pattern(p, s, end);

	if (rc < 0)
		return rc;
	rule->pattern = (uint16_t)p->r.used;
	memcpy(p->r.text + p->r.used, s, n);
	p->r.used += n;
	p->r.text[p->r.used++] = '\0';
	return 0;
}

/* Between two separators. */
static int parse_rule(struct parser *p, const char *s, const char *end)
{
	struct retention_rule rule = {.any = true};
	char word[64] = "";
	const char *colon;
	int rc = 0;

	s = skip_blanks(s, end);
	end = trim(s, end);
	if (p->r.n == RETENTION_RULES)
		return refuse(p, s, "there are too many rules (64 at most)");
	if ((size_t)(end - s) < sizeof(word))
		memcpy(word, s, (size_t)(end - s));
	if (!parse_kind(word, &rule)) {
		colon = find(s, end, ':', ':');
		if (colon == end)
			return refuse(p, s, "this is no rule");
		rule = (struct retention_rule){.any = false};
		rc = add_pattern(p, s, trim(s, colon), &rule);
		s = skip_blanks(colon + 1, end);
		memset(word, 0, sizeof(word));
		if ((size_t)(end - s) < sizeof(word))
			memcpy(word, s, (size_t)(end - s));
		if (rc >= 0 && !parse_kind(word, &rule))
			return refuse(p, s, "this is no rule");
	}
	p->r.rules[p->r.n++] = rule;
	return rc;
}

int retention_parse(const char *text, struct retention *ret, struct err *err)
{
	struct parser p = {.text = text, .err = err};
	const char *s = text, *end = text + strlen(text), *stop;
	bool more = true;
	int rc = 0;

	if (strlen(text) >= RETENTION_TEXT)
		return err_set(err, -EINVAL,
			       "retention: the rules are too long: %zu bytes, "
			       "and there is room for %d",
			       strlen(text), RETENTION_TEXT - 1);
	while (rc >= 0 && more) {
		stop = find(s, end, ';', '\n');
		more = stop < end;
		/* one at the end ends nothing */
		if (skip_blanks(s, stop) < stop || (!p.r.n && !more))
			rc = parse_rule(&p, s, stop);
		else if (more && *stop == ';')
			rc = refuse(&p, stop, "a rule is missing");
		s = stop + more;
	}
	if (rc >= 0)
		*ret = p.r;
	return rc;
}

void retention_format(const struct retention *r, struct buf *ret)
{
	unsigned i;

	if (!r->n)
		buf_str(ret, "all");
	for (i = 0; i < r->n; i++) {
		if (i)
			buf_str(ret, "; ");
		if (!r->rules[i].any)
			buf_fmt(ret, "%s: ", r->text + r->rules[i].pattern);
		format_kind(&r->rules[i], ret);
	}
}

bool retention_keeps_all(const struct retention *r)
{
	unsigned i;

	for (i = 0; i < r->n; i++)
		if (r->rules[i].kind != KEEP_ALL)
			return false;
	return true;
}

/* --- matching ------------------------------------------------------------- */

/* One component, both of them with their lengths. */
static bool match_name(const char *p, size_t n, const char *name, size_t len)
{
	char pattern[RETENTION_TEXT], text[NS_NAME_MAX + 1];

	if (n >= sizeof(pattern) || len >= sizeof(text))
		return false;
	memcpy(pattern, p, n);
	pattern[n] = '\0';
	memcpy(text, name, len);
	text[len] = '\0';
	return !fnmatch(pattern, text, 0);
}

/* The length of a component of a pattern: a slash in brackets is one, too. */
static size_t length(const char *s)
{
	return strcspn(s, "/");
}

static const char *next(const char *s)
{
	s += length(s);
	return *s ? s + 1 : s;
}

static bool is_any(const char *p)
{
	return length(p) == 2 && p[0] == '*' && p[1] == '*';
}

/* Components one by one; from the last `**` on it is tried again one component
 * later, as with the stars of a glob. below: what is left of the path behind
 * the pattern has to be something. */
static bool match_path(const char *p, const char *path, bool below)
{
	const char *again = NULL, *from = NULL;

	for (;;) {
		if (*p && is_any(p)) {
			p = next(p);
			/* at the end: something lies below */
			if (!*p)
				return *path;
			again = p;
			from = path;
		} else if (*p && *path &&
			   match_name(p, length(p), path, length(path))) {
			p = next(p);
			path = next(path);
		} else if (!*p && (below ? *path != '\0' : !*path)) {
			return true;
		} else if (from && *from) {
			p = again;
			from = path = next(from);
		} else {
			return false;
		}
	}
}

/* A directory of that name somewhere above. */
static bool match_above(const char *p, const char *path)
{
	const char *rest;

	for (; *(rest = next(path)); path = rest)
		if (match_name(p, length(p), path, length(path)))
			return true;
	return false;
}

static bool match(const char *p, const char *path)
{
	const char *slash = strchr(p, '/'), *last = strrchr(path, '/');
	bool below = *p && p[strlen(p) - 1] == '/';

	if (!slash)
		return match_name(p, strlen(p), last ? last + 1 : path,
				  strlen(last ? last + 1 : path));
	if (below && !slash[1] && slash > p)
		return match_above(p, path);
	return match_path(p + (slash == p), path, below);
}

int retention_rule(const struct retention *r, const char *path)
{
	unsigned i;

	for (i = 0; i < r->n; i++)
		if (r->rules[i].any ||
		    match(r->text + r->rules[i].pattern, path))
			return (int)i;
	return -1;
}

bool retention_needs_path(const struct retention *r)
{
	unsigned i;

	for (i = 0; i < r->n; i++)
		if (!r->rules[i].any &&
		    strchr(r->text + r->rules[i].pattern, '/'))
			return true;
	return false;
}
