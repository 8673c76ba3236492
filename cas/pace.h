/* cas/pace.h - how many rows a transaction writes, so that nobody waits long
 * for it to end: whoever else writes to the store waits for each as a whole.
 *
 * The number follows from how long the last ones took.
 */
#ifndef CAS_PACE_H
#define CAS_PACE_H

#include "core/macros.h"

#define PACE_NS	   (4 * NSEC_PER_SEC / 1000) /* what it aims at */
#define PACE_LEAST 4
#define PACE_MOST  320

struct pace {
	size_t rows; /* of the next one; 0: the first */
};

static inline size_t pace_rows(struct pace *p, size_t left)
{
	if (!p->rows)
		p->rows = 64;
	return MIN(p->rows, left);
}

static inline void pace_took(struct pace *p, size_t rows, int64_t ns)
{
	if (ns > 2 * PACE_NS)
		p->rows = MAX(rows / 2, (size_t)PACE_LEAST);
	else if (ns > PACE_NS)
		p->rows = MAX(rows * 3 / 4, (size_t)PACE_LEAST);
	else if (rows == p->rows && ns < PACE_NS / 2)
		p->rows = MIN(rows * 3 / 2, (size_t)PACE_MOST);
}

#endif
