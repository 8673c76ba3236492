/* recipes/order.h - how lines compare: by bytes, or by a leading number.
 *
 * The order is that of sort(1) in the C locale with -n, -r, -u.
 */
#ifndef RECIPES_ORDER_H
#define RECIPES_ORDER_H

#include "core/macros.h"

#include <stdbool.h>

struct line {
	const uint8_t *p;
	size_t n; /* newline not counted */
};

struct order {
	bool numeric, reverse;
	bool unique; /* what has the same key is equal; else bytes decide */
	/* Instead of all that, when it is set. */
	int (*compare)(const void *ctx, struct line a, struct line b);
	const void *ctx;
};

/* By their bytes; the shorter one first. */
int line_compare(struct line a, struct line b);
/* By the number that each begins with, of any length; 0: the same number. */
int line_compare_numbers(struct line a, struct line b);

/* Below, above or equal to 0. */
int order_compare(const struct order *o, struct line a, struct line b);

#endif
