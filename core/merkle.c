#include "core/merkle.h"

#include <assert.h>

#define LEAF_CONTEXT "deriva log leaf v1"
#define NODE_CONTEXT "deriva log node v1"

void merkle_leaf(const void *p, size_t n, struct addr *ret)
{
	addr_derive(LEAF_CONTEXT, p, n, ret);
}

void merkle_node(const struct addr *left, const struct addr *right,
		 struct addr *ret)
{
	struct addr both[2] = {*left, *right};

	addr_derive(NODE_CONTEXT, both, sizeof(both), ret);
}

/* The largest power of two below n, which is at least 2. */
static uint64_t split(uint64_t n)
{
	return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

static bool is_power(uint64_t n)
{
	return !(n & (n - 1));
}

/* MTH(D[from:from + n]); from is a multiple of a power of two not below n. */
static int hash(const struct merkle *m, uint64_t from, uint64_t n,
		struct addr *ret)
{
	struct addr left, right;
	uint64_t k;
	int rc;

	assert(n);
	if (is_power(n))
		return m->whole(m->ctx, (unsigned)__builtin_ctzll(n), from / n,
				ret);
	k = split(n);
	rc = hash(m, from, k, &left);
	if (rc >= 0)
		rc = hash(m, from + k, n - k, &right);
	if (rc >= 0)
		merkle_node(&left, &right, ret);
	return rc;
}

int merkle_root(const struct merkle *m, uint64_t size, struct addr *ret)
{
	return hash(m, 0, size, ret);
}

static int add_hash(const struct merkle *m, uint64_t from, uint64_t n,
		    struct buf *ret)
{
	struct addr a;
	int rc = hash(m, from, n, &a);

	if (rc < 0)
		return rc;
	buf_add(ret, a.b, ADDR_LEN);
	return buf_err(ret);
}

/* PATH(index, D[from:from + n]), section 2.1.3.1. */
static int path(const struct merkle *m, uint64_t index, uint64_t from,
		uint64_t n, struct buf *ret)
{
	uint64_t k;
	int rc;

	if (n == 1)
		return 0;
	k = split(n);
	if (index < k)
		rc = path(m, index, from, k, ret);
	else
		rc = path(m, index - k, from + k, n - k, ret);
	if (rc < 0)
		return rc;
	return index < k ? add_hash(m, from + k, n - k, ret)
			 : add_hash(m, from, k, ret);
}

int merkle_inclusion(const struct merkle *m, uint64_t leaf, uint64_t size,
		     struct buf *ret)
{
	assert(leaf < size);
	return path(m, leaf, 0, size, ret);
}

/* SUBPROOF(old, D[from:from + n], whole), section 2.1.4.1. */
static int subproof(const struct merkle *m, uint64_t old, uint64_t from,
		    uint64_t n, bool whole, struct buf *ret)
{
	uint64_t k;
	int rc;

	if (old == n)
		return whole ? 0 : add_hash(m, from, n, ret);
	k = split(n);
	if (old <= k)
		rc = subproof(m, old, from, k, whole, ret);
	else
		rc = subproof(m, old - k, from + k, n - k, false, ret);
	if (rc < 0)
		return rc;
	return old <= k ? add_hash(m, from + k, n - k, ret)
			: add_hash(m, from, k, ret);
}

int merkle_consistency(const struct merkle *m, uint64_t old, uint64_t size,
		       struct buf *ret)
{
	assert(old && old <= size);
	return subproof(m, old, 0, size, true, ret);
}

/* --- verifying: sections 2.1.3.2 and 2.1.4.2 ------------------------------ */

bool merkle_is_in(const struct addr *leaf, uint64_t index, uint64_t size,
		  const struct addr *p, size_t n, const struct addr *root)
{
	uint64_t fn = index, sn = size - 1;
	struct addr r = *leaf;
	size_t i;

	if (!size || index >= size)
		return false;
	for (i = 0; i < n; i++) {
		if (!sn)
			return false;
		if ((fn & 1) || fn == sn) {
			merkle_node(&p[i], &r, &r);
			for (; !(fn & 1) && fn; fn >>= 1, sn >>= 1)
				;
		} else {
			merkle_node(&r, &p[i], &r);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return !sn && addr_eq(&r, root);
}

bool merkle_is_before(uint64_t old, const struct addr *old_root, uint64_t size,
		      const struct addr *root, const struct addr *p, size_t n)
{
	uint64_t fn = old - 1, sn = size - 1;
	struct addr fr, sr;
	size_t i = 0;

	if (!old || old > size)
		return false;
	if (old == size)
		return !n && addr_eq(old_root, root);
	if (is_power(old))
		fr = *old_root;
	else if (n)
		fr = p[i++];
	else
		return false;
	sr = fr;
	for (; fn & 1; fn >>= 1, sn >>= 1)
		;
	for (; i < n; i++) {
		if (!sn)
			return false;
		if ((fn & 1) || fn == sn) {
			merkle_node(&p[i], &fr, &fr);
			merkle_node(&p[i], &sr, &sr);
			for (; !(fn & 1) && fn; fn >>= 1, sn >>= 1)
				;
		} else {
			merkle_node(&sr, &p[i], &sr);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return !sn && addr_eq(&fr, old_root) && addr_eq(&sr, root);
}
