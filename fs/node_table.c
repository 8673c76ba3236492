#include "fs/node_table.h"

#include <errno.h>
#include <string.h>

#include "fs/fs.h"

/* Open addressing with linear probing; what is taken out is filled from behind,
 * so that there are no marks of the dead. The hash is kept with the node. */

struct node_table {
	struct node **slots;
	size_t cap, count; /* cap is a power of two */
};

struct node_table *node_table_new(void)
{
	struct node_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->cap = 64;
	t->slots = calloc(t->cap, sizeof(struct node *));
	if (!t->slots) {
		free(t);
		return NULL;
	}
	return t;
}

void node_table_free(struct node_table *t)
{
	if (!t)
		return;
	free(t->slots);
	free(t);
}

static bool is(const struct node *n, uint32_t hash, const void *key, size_t len)
{
	return n->hash == hash && n->key_len == len &&
	       !memcmp(n->key, key, len);
}

struct node *node_table_get(const struct node_table *t, const void *key,
			    size_t len)
{
	uint32_t hash = map_hash(key, len);
	size_t i = hash & (t->cap - 1);

	for (; t->slots[i]; i = (i + 1) & (t->cap - 1))
		if (is(t->slots[i], hash, key, len))
			return t->slots[i];
	return NULL;
}

static void place(struct node **slots, size_t cap, struct node *n)
{
	size_t i = n->hash & (cap - 1);

	while (slots[i])
		i = (i + 1) & (cap - 1);
	slots[i] = n;
}

static int grow(struct node_table *t)
{
	size_t cap = t->cap * 2, i;
	struct node **slots = calloc(cap, sizeof(struct node *));

	if (!slots)
		return -ENOMEM;
	for (i = 0; i < t->cap; i++)
		if (t->slots[i])
			place(slots, cap, t->slots[i]);
	free(t->slots);
	t->slots = slots;
	t->cap = cap;
	return 0;
}

int node_table_put(struct node_table *t, struct node *n)
{
	int r = 0;

	if ((t->count + 1) * 4 > t->cap * 3)
		r = grow(t);
	if (r < 0)
		return r;
	n->hash = map_hash(n->key, n->key_len);
	place(t->slots, t->cap, n);
	t->count++;
	return 0;
}

void node_table_del(struct node_table *t, struct node *n)
{
	size_t mask = t->cap - 1, i = n->hash & mask, k, home;

	while (t->slots[i] != n) {
		if (!t->slots[i])
			return;
		i = (i + 1) & mask;
	}
	for (k = (i + 1) & mask; t->slots[k]; k = (k + 1) & mask) {
		home = t->slots[k]->hash & mask;
		if (((k - home) & mask) < ((k - i) & mask))
			continue; /* it may not stand before its home */
		t->slots[i] = t->slots[k];
		i = k;
	}
	t->slots[i] = NULL;
	t->count--;
}

struct node *node_table_next(const struct node_table *t, size_t *it)
{
	while (*it < t->cap)
		if (t->slots[(*it)++])
			return t->slots[*it - 1];
	return NULL;
}
