#include "recipes/order.h"

#include <string.h>

int line_compare(struct line a, struct line b)
{
	size_t n = MIN(a.n, b.n);
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* A decimal number of any length, as its digits: no leading zeros before the
 * point, no trailing ones behind it. */
struct number {
	bool negative;
	struct line whole, fraction;
};

static size_t digits(const uint8_t *p, const uint8_t *end)
{
	size_t n = 0;

	while (p + n < end && p[n] >= '0' && p[n] <= '9')
		n++;
	return n;
}

static struct number number_of(struct line l)
{
	const uint8_t *p = l.p, *end = p + l.n;
	struct number v = {0};

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p < end && *p == '-') {
		v.negative = true;
		p++;
	}
	v.whole = (struct line){p, digits(p, end)};
	p += v.whole.n;
	if (p < end && *p == '.')
		v.fraction = (struct line){p + 1, digits(p + 1, end)};
	for (; v.whole.n && *v.whole.p == '0'; v.whole.n--)
		v.whole.p++;
	while (v.fraction.n && v.fraction.p[v.fraction.n - 1] == '0')
		v.fraction.n--;
	if (!v.whole.n && !v.fraction.n)
		v.negative = false; /* -0 is 0 */
	return v;
}

int line_compare_numbers(struct line a, struct line b)
{
	struct number x = number_of(a), y = number_of(b);
	int c;

	if (x.negative != y.negative)
		return x.negative ? -1 : 1;
	c = (x.whole.n > y.whole.n) - (x.whole.n < y.whole.n);
	if (!c)
		c = line_compare(x.whole, y.whole);
	if (!c)
		c = line_compare(x.fraction, y.fraction);
	return x.negative ? -c : c;
}

int order_compare(const struct order *o, struct line a, struct line b)
{
	int c;

	if (o->compare)
		return o->compare(o->ctx, a, b);
	c = o->numeric ? line_compare_numbers(a, b) : 0;
	if (!c && !(o->numeric && o->unique))
		c = line_compare(a, b);
	c = (c > 0) - (c < 0);
	return o->reverse ? -c : c;
}
