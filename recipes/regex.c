#include "recipes/regex.h"

#include <errno.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* About a second of a core; honest patterns stay below a thousandth of it. */
#define STEPS_MAX  10000000
#define MEMORY_MAX 20000 /* KiB, of the interpreter's backtracking */

struct regex {
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *context;
	bool jit;
	int found; /* groups of the last match, + 1 */

	/* a literal in one letter case needs no engine */
	char *literal;
	size_t literal_len, start;
};

void regex_free(struct regex *re)
{
	if (!re)
		return;
	pcre2_match_context_free(re->context);
	pcre2_match_data_free(re->match);
	pcre2_code_free(re->code);
	free(re->literal);
	free(re);
}

static int compile(struct regex *re, const char *pattern, int flags,
		   struct err *err)
{
	uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;
	PCRE2_UCHAR text[200];
	PCRE2_SIZE at;
	int code;

	options |= flags & REGEX_LITERAL ? PCRE2_LITERAL
					 : PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
	options |= flags & REGEX_CASELESS ? PCRE2_CASELESS : 0;
	options |= flags & REGEX_WHOLE ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0;
	re->code = pcre2_compile((PCRE2_SPTR)pattern, strlen(pattern), options,
				 &code, &at, NULL);
	if (re->code)
		return 0;
	if (pcre2_get_error_message(code, text, sizeof(text)) < 0)
		text[0] = 0;
	return err_set(err, -EINVAL,
		       "the regular expression is wrong at byte %zu: %s",
		       (size_t)at + 1, (const char *)text);
}

static int keep_literal(struct regex *re, const char *pattern)
{
	re->literal = strdup(pattern);
	re->literal_len = strlen(pattern);
	return re->literal ? 0 : -ENOMEM;
}

int regex_new(const char *pattern, int flags, struct regex **ret,
	      struct err *err)
{
	CLEANUP(regex_freep) struct regex *re = calloc(1, sizeof(*re));
	int rc;

	if (!re)
		return -ENOMEM;
	if (flags == REGEX_LITERAL) {
		rc = keep_literal(re, pattern);
		if (rc >= 0)
			*ret = steal(&re);
		return rc;
	}
	rc = compile(re, pattern, flags, err);
	if (rc < 0)
		return rc;
	re->match = pcre2_match_data_create_from_pattern(re->code, NULL);
	re->context = pcre2_match_context_create(NULL);
	if (!re->match || !re->context)
		return -ENOMEM;
	pcre2_set_match_limit(re->context, STEPS_MAX);
	pcre2_set_heap_limit(re->context, MEMORY_MAX);
	/* where there is none, or none is allowed, it goes without */
	re->jit = pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE) == 0;
	*ret = steal(&re);
	return 0;
}

static int find_literal(struct regex *re, const uint8_t *p, size_t n,
			size_t from, bool again)
{
	const uint8_t *at;

	if (again && !re->literal_len)
		from++;
	if (from > n)
		return 0;
	at = memmem(p + from, n - from, re->literal, re->literal_len);
	if (!at)
		return 0;
	re->start = (size_t)(at - p);
	return 1;
}

static int engine(struct regex *re, const void *p, size_t n, size_t from,
		  uint32_t options)
{
	int rc;

	rc = pcre2_match(re->code, p, n, from, options, re->match, re->context);
	/* the compiled form has a small stack: what it cannot do the
	 * interpreter decides */
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH && re->jit)
		rc = pcre2_match(re->code, p, n, from, options | PCRE2_NO_JIT,
				 re->match, re->context);
	return rc;
}

int regex_match(struct regex *re, const void *p, size_t n, size_t from,
		bool again, struct err *err)
{
	PCRE2_UCHAR text[200];
	int rc;

	p = p ? p : "";
	if (re->literal)
		return find_literal(re, p, n, from, again);
	rc = engine(re, p, n, from, again ? PCRE2_NOTEMPTY_ATSTART : 0);
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (rc == PCRE2_ERROR_NOMEMORY)
		return -ENOMEM;
	if (rc < 0) {
		if (pcre2_get_error_message(rc, text, sizeof(text)) < 0)
			text[0] = 0;
		return err_set(err, -E2BIG,
			       "the regular expression takes too many steps "
			       "here (%s)",
			       (const char *)text);
	}
	re->found = rc;
	return 1;
}

bool regex_group(const struct regex *re, unsigned i, size_t *ret_start,
		 size_t *ret_end)
{
	const PCRE2_SIZE *v;

	if (re->literal) {
		*ret_start = re->start;
		*ret_end = re->start + re->literal_len;
		return i == 0;
	}
	v = pcre2_get_ovector_pointer(re->match);
	if (i >= (unsigned)re->found || v[2 * i] == PCRE2_UNSET)
		return false;
	*ret_start = v[2 * i];
	/* \K in a look-ahead may put the start behind the end */
	*ret_end = MAX(v[2 * i + 1], v[2 * i]);
	return true;
}

unsigned regex_groups(const struct regex *re)
{
	uint32_t n = 0;

	if (re->code)
		pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &n);
	return n;
}

int regex_named(const struct regex *re, const char *name)
{
	int n = re->code ? pcre2_substring_number_from_name(re->code,
							    (PCRE2_SPTR)name)
			 : -1;

	return n > 0 ? n : -ENOENT;
}
