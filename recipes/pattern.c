#include "recipes/pattern.h"

#include <string.h>

bool recipe_name(const char *name, size_t len, size_t *ret_len)
{
	const size_t n = strlen(RECIPE_SUFFIX);

	if (len <= n || memcmp(name + len - n, RECIPE_SUFFIX, n) != 0)
		return false;
	*ret_len = len - n;
	return true;
}

/* A pattern piece by piece: a stem (0), or a byte that stands for itself. The
 * index goes behind it. */
static bool next_is_stem(const char *p, size_t n, size_t *i, char *ret)
{
	*ret = p[(*i)++];
	if (*ret != '%')
		return false;
	if (*i < n && p[*i] == '%') {
		++*i;
		return false;
	}
	return true;
}

size_t pattern_stems(const char *p, size_t n, size_t *ret_fixed)
{
	size_t i = 0, stems = 0, fixed = 0;
	char c;

	while (i < n)
		if (next_is_stem(p, n, &i, &c))
			stems++;
		else
			fixed++;
	if (ret_fixed)
		*ret_fixed = fixed;
	return stems;
}

bool pattern_match(const char *p, size_t n, const char *name, size_t len,
		   const char **ret_stem, size_t *ret_len)
{
	size_t fixed, stems = pattern_stems(p, n, &fixed), size;
	const char *stem = NULL, *s = name;
	size_t i = 0;
	char c;

	/* lengths alone say how long the stem is */
	if (!stems || len <= fixed || (len - fixed) % stems)
		return false;
	size = (len - fixed) / stems;
	while (i < n) {
		if (!next_is_stem(p, n, &i, &c)) {
			if (*s++ != c)
				return false;
			continue;
		}
		if (stem ? memcmp(stem, s, size) != 0
			 : memchr(s, '/', size) || (s == name && *s == '.'))
			return false;
		stem = s;
		s += size;
	}
	*ret_stem = stem;
	*ret_len = size;
	return true;
}

static void add_stem(const char *stem, size_t len, bool glob, struct buf *ret)
{
	size_t i;

	if (!glob) {
		buf_add(ret, stem, len);
		return;
	}
	for (i = 0; i < len; i++) {
		if (stem[i] == '*' || stem[i] == '?' || stem[i] == '[')
			buf_fmt(ret, "[%c]", stem[i]);
		else
			buf_u8(ret, (uint8_t)stem[i]);
	}
}

void pattern_fill(const char *p, size_t n, const char *stem, size_t len,
		  bool glob, struct buf *ret)
{
	size_t i = 0;
	char c;

	while (i < n)
		if (next_is_stem(p, n, &i, &c))
			add_stem(stem, len, glob, ret);
		else
			buf_u8(ret, (uint8_t)c);
}

void pattern_quote(const char *name, size_t len, struct buf *ret)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (name[i] == '%')
			buf_u8(ret, '%');
		buf_u8(ret, (uint8_t)name[i]);
	}
}

/* The plain bytes before the first stem, or all of it. */
static size_t head(const char *p, size_t n, char ret[static 256])
{
	size_t i = 0, len = 0;
	char c;

	while (i < n && len < 255 && !next_is_stem(p, n, &i, &c))
		ret[len++] = c;
	return len;
}

/* And those behind the last, the last byte first. */
static size_t tail(const char *p, size_t n, char ret[static 256])
{
	char all[256];
	size_t i = 0, len = 0, k;
	char c;

	while (i < n && len < 255) {
		if (next_is_stem(p, n, &i, &c))
			len = 0;
		else
			all[len++] = c;
	}
	for (k = 0; k < len; k++)
		ret[k] = all[len - 1 - k];
	return len;
}

bool pattern_meet(const char *p, size_t n, const char *q, size_t m)
{
	char a[256], b[256];
	size_t x = head(p, n, a), y = head(q, m, b);

	if (memcmp(a, b, MIN(x, y)) != 0)
		return false;
	x = tail(p, n, a);
	y = tail(q, m, b);
	return !memcmp(a, b, MIN(x, y));
}
