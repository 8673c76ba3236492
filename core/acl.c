#include "core/acl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VERSION	  2u
#define HEAD_LEN  4
#define ENTRY_LEN 8

enum {
	USER_OBJ = 1,
	USER = 2,
	GROUP_OBJ = 4,
	GROUP = 8,
	MASK = 16,
	OTHER = 32
};

#define NO_ID UINT32_MAX

bool acl_is_name(const char *name)
{
	return !strcmp(name, ACL_ACCESS) || !strcmp(name, ACL_DEFAULT);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

/* In order, each of the three once, a mask where users or groups are named,
 * and nobody named twice. */
static bool is_valid(const struct acl *a)
{
	unsigned seen = 0;
	size_t i;

	for (i = 0; i < a->count; i++) {
		const struct acl_entry *e = &a->e[i];
		bool named = e->tag == USER || e->tag == GROUP;

		if (e->perm > 7 ||
		    (e->tag != USER_OBJ && !named && e->tag != GROUP_OBJ &&
		     e->tag != MASK && e->tag != OTHER))
			return false;
		if (i &&
		    (e->tag < e[-1].tag || (e->tag == e[-1].tag && !named)))
			return false;
		if (named && e->id == NO_ID)
			return false;
		seen |= e->tag;
	}
	if ((seen & (USER_OBJ | GROUP_OBJ | OTHER)) !=
	    (USER_OBJ | GROUP_OBJ | OTHER))
		return false;
	return !(seen & (USER | GROUP)) || (seen & MASK);
}

int acl_parse(const void *p, size_t n, struct acl **ret)
{
	CLEANUP_FREE struct acl *a = NULL;
	const uint8_t *from = p;
	size_t i, count;

	if (n < HEAD_LEN || (n - HEAD_LEN) % ENTRY_LEN ||
	    get32(from) != VERSION)
		return -EINVAL;
	count = (n - HEAD_LEN) / ENTRY_LEN;
	if (count > ACL_ENTRIES_MAX)
		return -EINVAL;
	a = malloc(sizeof(*a) + count * sizeof(a->e[0]));
	if (!a)
		return -ENOMEM;
	a->count = count;
	for (i = 0; i < count; i++) {
		from = (const uint8_t *)p + HEAD_LEN + i * ENTRY_LEN;
		a->e[i] = (struct acl_entry){get16(from), get16(from + 2),
					     get32(from + 4)};
		if (a->e[i].tag != USER && a->e[i].tag != GROUP)
			a->e[i].id = NO_ID;
	}
	if (!is_valid(a))
		return -EINVAL;
	*ret = steal(&a);
	return 0;
}

struct acl *acl_copy(const struct acl *a)
{
	size_t n = sizeof(*a) + a->count * sizeof(a->e[0]);
	struct acl *ret = malloc(n);

	if (ret)
		memcpy(ret, a, n);
	return ret;
}

static void put16(struct buf *b, uint16_t v)
{
	buf_u8(b, (uint8_t)v);
	buf_u8(b, (uint8_t)(v >> 8));
}

static void put32(struct buf *b, uint32_t v)
{
	put16(b, (uint16_t)v);
	put16(b, (uint16_t)(v >> 16));
}

void acl_write(const struct acl *a, struct buf *ret)
{
	size_t i;

	put32(ret, VERSION);
	for (i = 0; i < a->count; i++) {
		put16(ret, a->e[i].tag);
		put16(ret, a->e[i].perm);
		put32(ret, a->e[i].id);
	}
}

static struct acl_entry *find(struct acl *a, uint16_t tag)
{
	size_t i;

	for (i = 0; i < a->count; i++)
		if (a->e[i].tag == tag)
			return &a->e[i];
	return NULL;
}

/* The entry that stands for the group's bits of the mode. */
static struct acl_entry *group_class(struct acl *a)
{
	struct acl_entry *e = find(a, MASK);

	return e ? e : find(a, GROUP_OBJ);
}

bool acl_to_mode(const struct acl *list, uint32_t *mode)
{
	struct acl *a = (struct acl *)(uintptr_t)list;

	*mode = (*mode & ~0777u) | (uint32_t)find(a, USER_OBJ)->perm << 6 |
		(uint32_t)group_class(a)->perm << 3 | find(a, OTHER)->perm;
	return a->count == 3;
}

void acl_chmod(struct acl *a, uint32_t mode)
{
	find(a, USER_OBJ)->perm = mode >> 6 & 7;
	group_class(a)->perm = mode >> 3 & 7;
	find(a, OTHER)->perm = mode & 7;
}

void acl_inherit(struct acl *a, uint32_t *mode)
{
	find(a, USER_OBJ)->perm &= *mode >> 6 & 7;
	group_class(a)->perm &= *mode >> 3 & 7;
	find(a, OTHER)->perm &= *mode & 7;
	acl_to_mode(a, mode);
}

bool acl_grants(const struct acl *list, uid_t uid, gid_t group,
		bool (*in_group)(void *ctx, gid_t gid), void *ctx,
		unsigned what)
{
	struct acl *a = (struct acl *)(uintptr_t)list;
	const struct acl_entry *mask = find(a, MASK), *e;
	unsigned limit = mask ? mask->perm : 7;
	bool met = false;
	size_t i;

	for (i = 0; i < a->count; i++) {
		e = &a->e[i];
		if (e->tag == USER && e->id == uid)
			return (e->perm & limit & what) == what;
		if ((e->tag == GROUP_OBJ && in_group(ctx, group)) ||
		    (e->tag == GROUP && in_group(ctx, e->id))) {
			if ((e->perm & limit & what) == what)
				return true;
			met = true;
		}
	}
	return !met && (find(a, OTHER)->perm & what) == what;
}
