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
};

/* Below, above or equal to 0. */
int order_compare(const struct order *o, struct line a, struct line b);

#endif
