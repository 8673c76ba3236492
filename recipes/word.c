#include "recipes/word.h"

#include <limits.h>
#include <string.h>

#define WORD_MAX 32

struct word_shown word_show(const char *text)
{
	struct word_shown w;
	size_t n = strlen(text), max = sizeof(w.s) - 4, i;

	if (n > max) {
		n = max;
		/* not in the middle of a character */
		while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	}
	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		w.s[i] = c < 0x20 || c == 0x7f ? '?' : text[i];
	}
	strcpy(w.s + n, text[n] ? "..." : "");
	return w;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool word_is_name(const char *text)
{
	if (!is_letter(*text))
		return false;
	while (is_letter(*text) || (*text >= '0' && *text <= '9'))
		text++;
	return !*text;
}

unsigned word_distance(const char *a, const char *b)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];
	size_t na = strlen(a), nb = strlen(b), i, j;

	if (na > WORD_MAX || nb > WORD_MAX)
		return UINT_MAX;
	for (i = 0; i <= na; i++)
		d[i][0] = (unsigned)i;
	for (j = 0; j <= nb; j++)
		d[0][j] = (unsigned)j;
	for (i = 1; i <= na; i++)
		for (j = 1; j <= nb; j++) {
			unsigned v = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			v = MIN(v, d[i - 1][j] + 1);
			v = MIN(v, d[i][j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				v = MIN(v, d[i - 2][j - 2] + 1);
			d[i][j] = v;
		}
	return d[na][nb];
}

const char *word_near(const char *word, const char *const *known, size_t n)
{
	size_t len = strlen(word), i;
	unsigned best = ((unsigned)MIN(len, (size_t)WORD_MAX) + 1) / 3 + 1;
	const char *near = NULL;

	if (len < 2)
		return NULL;
	for (i = 0; i < n; i++) {
		unsigned d = word_distance(word, known[i]);

		/* a word of which nothing is left was not meant; among
		 * equals, rather one with the same first letter */
		if (d >= strlen(known[i]) || d > best ||
		    (d == best &&
		     !(near && *word == *known[i] && *word != *near)))
			continue;
		best = d;
		near = known[i];
	}
	return near;
}
