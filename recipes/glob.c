#include "recipes/file.h"

#include <string.h>

/* Names are matched with one star to go back to: when what follows a star
 * does not fit, the last star takes one byte more. Earlier stars never have
 * to, so the time is at most the product of the lengths. */

/* Whether c is in the set that begins behind `[`; its end goes to *ret_next.
 * Without a closing bracket, `[` is itself. */
static bool in_set(const unsigned char *p, const unsigned char *end,
		   unsigned char c, const unsigned char **ret_next)
{
	const unsigned char *first;
	bool negated, found = false;

	negated = p < end && (*p == '!' || *p == '^');
	p += negated;
	for (first = p; p < end && (*p != ']' || p == first); p++) {
		if (p + 2 < end && p[1] == '-' && p[2] != ']') {
			found |= p[0] <= c && c <= p[2];
			p += 2;
		} else {
			found |= *p == c;
		}
	}
	if (p >= end)
		return false;
	*ret_next = p + 1;
	return found != negated;
}

static bool match_one(const unsigned char *p, const unsigned char *end,
		      unsigned char c, const unsigned char **ret_next)
{
	const unsigned char *next = NULL;
	bool found;

	*ret_next = p + 1;
	if (*p == '?')
		return true;
	if (*p != '[')
		return *p == c;
	found = in_set(p + 1, end, c, &next);
	if (!next)
		return c == '[';
	*ret_next = next;
	return found;
}

bool glob_match(const char *pattern, size_t plen, const char *name, size_t len)
{
	const unsigned char *p = (const unsigned char *)pattern, *pe = p + plen;
	const unsigned char *s = (const unsigned char *)name, *se = s + len;
	const unsigned char *star = NULL, *from = NULL, *next;

	if (len && *s == '.' && (!plen || *p != '.'))
		return false;
	while (s < se) {
		if (p < pe && *p == '*') {
			star = ++p;
			from = s;
		} else if (p < pe && match_one(p, pe, *s, &next)) {
			p = next;
			s++;
		} else if (star) {
			p = star;
			s = ++from;
		} else {
			return false;
		}
	}
	while (p < pe && *p == '*')
		p++;
	return p == pe;
}
