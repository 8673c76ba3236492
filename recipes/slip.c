#include "recipes/slip.h"

#include <errno.h>
#include <string.h>

#define QUOTE                                                               \
	"quote the whole value, or, for a command, write `run: |` and the " \
	"command indented on the lines below"

/* Looked up from the top; context is a prefix, NULL fits all. */
static const struct known {
	const char *problem, *context;
	bool at_context; /* the line to name is where the context began */
	const char *say;
} known[] = {
	{"did not find expected alphabetic or numeric character",
	 "while scanning an alias", true,
	 "a value that begins with `*` is an alias to YAML: quote it, as in "
	 "\"*.csv\""},
	{"did not find expected alphabetic or numeric character",
	 "while scanning an anchor", true,
	 "a value that begins with `&` is an anchor to YAML: " QUOTE},
	{"found a tab character", NULL, false,
	 "YAML does not indent with tabs: use blanks"},
	{"block sequence entries are not allowed", NULL, false,
	 "`- ` begins an element of a list, which stands on a line of its own; "
	 "if it is part of a value, " QUOTE},
	{"mapping keys are not allowed", NULL, false,
	 "a value that begins with `? ` has a meaning of its own in "
	 "YAML: " QUOTE},
	{"did not find expected comment or line break",
	 "while scanning a block scalar", true,
	 "behind `|` or `>` the line must end: the text begins, indented, on "
	 "the next line; a command that holds `|` or `>` behind a quoted "
	 "text goes below `run: |` as a whole"},
	{"found an indentation indicator equal to 0", NULL, true,
	 "the digit behind `|` is the text's indentation, from 1 to 9; leave "
	 "it out"},
	{"found unexpected end of stream", "while scanning a quoted scalar",
	 true, "the quotation mark that is opened here is never closed"},
	{"found unexpected document indicator",
	 "while scanning a quoted scalar", true,
	 "the quotation mark that is opened here is not closed before a line "
	 "`---` or `...`"},
	{"found unknown escape character", NULL, false,
	 "there is no such `\\` escape inside double quotes: use single "
	 "quotes, "
	 "or, for a command, `run: |`"},
	{"did not find expected hexdecimal number", NULL, false,
	 "the `\\` escape needs hexadecimal digits: \\x41, \\u0041, "
	 "\\U00000041"},
	{"found invalid Unicode character escape code", NULL, false,
	 "the `\\` escape names no character of Unicode"},
	{"could not find expected ':'", NULL, true,
	 "expected `key: value`; the lines of a longer text have to be "
	 "indented "
	 "below `run: |`"},
	{"did not find expected ',' or ']'", NULL, true,
	 "the list that `[` opens here is not closed by `]`, or one of its "
	 "elements has to be quoted"},
	{"did not find expected ',' or '}'", NULL, true,
	 "the map that `{` opens here is not closed by `}`, or one of its "
	 "values "
	 "has to be quoted"},
	{"did not find expected '-' indicator", NULL, false,
	 "expected `- ` and an element of the list, indented as the ones "
	 "above"},
	{"did not find expected <document start>", NULL, false,
	 "this line is indented less than the first one, or stands behind the "
	 "end of the recipe"},
	{"did not find expected node content", "while parsing a flow node",
	 false,
	 "a `[` or `{` is opened and never closed, or a value is "
	 "missing: " QUOTE},
	{"did not find expected node content", NULL, false,
	 "a value cannot begin with `,`, `]` or `}`: " QUOTE},
	{"found undefined tag handle", NULL, false,
	 "a value that begins with `!` is a tag to YAML: " QUOTE},
	{NULL, "while scanning a tag", true,
	 "a value that begins with `!` is a tag to YAML: " QUOTE},
	{NULL, "while parsing a tag", true,
	 "a value that begins with `!` is a tag to YAML: " QUOTE},
	{NULL, "while scanning a directive", true,
	 "a line that begins with `%` is a directive to YAML: indent it below "
	 "its key, and quote it"},
	{NULL, "while scanning a %", true,
	 "a line that begins with `%` is a directive to YAML: a recipe has "
	 "none"},
};

static bool starts(const char *s, const char *prefix)
{
	return s && !strncmp(s, prefix, strlen(prefix));
}

/* The character that starts no value. */
static int bad_start(const struct slip *s, struct err *err)
{
	char c = s->at < s->len ? s->text[s->at] : '\0';

	if (c == '\t')
		return err_set(err, -EINVAL,
			       "line %u: YAML does not indent with tabs: use "
			       "blanks",
			       s->line);
	if (c == '%')
		return err_set(err, -EINVAL,
			       "line %u: a value cannot begin with `%%` in "
			       "YAML: quote it, as in \"%%.csv\"",
			       s->line);
	if (c == '`')
		return err_set(err, -EINVAL,
			       "line %u: a value cannot begin with a backtick "
			       "in YAML: " QUOTE,
			       s->line);
	return err_set(err, -EINVAL,
		       "line %u: a value cannot begin with `%c` in "
		       "YAML: " QUOTE,
		       s->line, c);
}

/* A `: ` where no key can be: behind a lone word at the start of the line it
 * was meant as one, so the line is indented wrongly. */
static int bad_colon(const struct slip *s, struct err *err)
{
	size_t from = MIN(s->at, s->len), to = from, i;

	while (from && s->text[from - 1] != '\n')
		from--;
	while (from < to && s->text[from] == ' ')
		from++;
	for (i = from; i < to; i++)
		if ((s->text[i] | 0x20) < 'a' || (s->text[i] | 0x20) > 'z')
			break;
	if (i == to && i > from)
		return err_set(err, -EINVAL,
			       "line %u: `%.*s:` is no key here: indent it as "
			       "the key above, and see whether that has a "
			       "blank behind its colon",
			       s->line, (int)MIN(to - from, (size_t)60),
			       s->text + from);
	return err_set(
		err, -EINVAL,
		"line %u: `: ` inside a value begins a map to YAML: " QUOTE,
		s->line);
}

/* A new key was expected and something else stands there. */
static int bad_key(const struct slip *s, struct err *err)
{
	if (s->cut_line && s->line > s->cut_line)
		return err_set(err, -EINVAL,
			       "line %u: the text ends where a comment (` #`) "
			       "begins on line %u: " QUOTE,
			       s->line, s->cut_line);
	return err_set(err, -EINVAL,
		       "line %u: expected a key here: either the line is "
		       "indented unlike the keys above, or something stands "
		       "behind the end of a quoted text, a list or a map; "
		       "then " QUOTE,
		       s->line);
}

int slip_explain(const struct slip *s, struct err *err)
{
	size_t i;

	if (!s->problem)
		return err_set(err, -EINVAL, "line %u: not readable as YAML",
			       s->line);
	if (starts(s->problem, "found character that cannot start"))
		return bad_start(s, err);
	if (starts(s->problem, "mapping values are not allowed"))
		return bad_colon(s, err);
	if (starts(s->problem, "did not find expected key"))
		return bad_key(s, err);
	for (i = 0; i < ARRAY_LEN(known); i++) {
		const struct known *k = &known[i];

		if (k->problem && !starts(s->problem, k->problem))
			continue;
		if (k->context && !starts(s->context, k->context))
			continue;
		return err_set(err, -EINVAL, "line %u: %s",
			       k->at_context && s->context ? s->context_line
							   : s->line,
			       k->say);
	}
	return err_set(err, -EINVAL, "line %u: not readable as YAML: %s%s%s",
		       s->line, s->context ? s->context : "",
		       s->context ? ", " : "", s->problem);
}
