#include "tests/lib/harness.h"

#include <errno.h>

#include "core/addr.h"
#include "recipes/view.h"

static struct addr content(const char *text)
{
	struct addr a;

	addr_of(OBJ_CHUNK, text, strlen(text), &a);
	return a;
}

static int add(struct view_node *v, const char *path, const char *text)
{
	struct addr a = content(text);

	return view_add(v, path, strlen(path), &a, strlen(text), false);
}

static const struct view_node *find(const struct view_node *v, const char *name)
{
	return view_find(v, name, strlen(name));
}

START_TEST(view_holds_what_was_added)
{
	CLEANUP(view_freep) struct view_node *v = view_new();
	const struct view_node *n;
	struct addr a = content("one");

	ck_assert_int_eq(add(v, "d/e/x", "one"), 0);
	ck_assert_int_eq(view_add(v, "d/y", 3, &a, 3, true), 0);
	ck_assert_int_eq(view_add_dir(v, "empty/below", 11), 0);
	ck_assert_uint_eq(v->count, 2);
	n = find(v, "d");
	ck_assert_ptr_nonnull(n);
	ck_assert(n->dir);
	ck_assert(find(n, "y")->executable);
	n = find(find(n, "e"), "x");
	ck_assert(!n->dir && !n->executable);
	ck_assert_str_eq(n->name, "x");
	ck_assert_uint_eq(n->size, 3);
	ck_assert(addr_eq(&n->addr, &a));
	ck_assert(find(find(v, "empty"), "below")->dir);
	ck_assert_ptr_null(find(v, "x"));
	ck_assert_ptr_null(find(v, ""));
	ck_assert_ptr_null(view_find(v, "dd", 2));
}
END_TEST

START_TEST(view_same_content_twice_is_fine)
{
	CLEANUP(view_freep) struct view_node *v = view_new();

	ck_assert_int_eq(add(v, "x", "one"), 0);
	ck_assert_int_eq(add(v, "x", "one"), 0);
	ck_assert_int_eq(view_add_dir(v, "d", 1), 0);
	ck_assert_int_eq(view_add_dir(v, "d", 1), 0);
	ck_assert_uint_eq(v->count, 2);
}
END_TEST

START_TEST(view_conflict_is_eexist_and_changes_nothing)
{
	CLEANUP(view_freep) struct view_node *v = view_new();
	struct addr a = content("one");

	ck_assert_int_eq(add(v, "x", "one"), 0);
	ck_assert_int_eq(add(v, "d/y", "one"), 0);
	ck_assert_int_eq(add(v, "x", "two"), -EEXIST);
	ck_assert_int_eq(view_add(v, "x", 1, &a, 3, true), -EEXIST);
	ck_assert_int_eq(add(v, "x/y", "two"), -EEXIST);
	ck_assert_int_eq(add(v, "d", "two"), -EEXIST);
	ck_assert_int_eq(view_add_dir(v, "x", 1), -EEXIST);
	ck_assert_int_eq(view_add_dir(v, "d/y/z", 5), -EEXIST);
	ck_assert_uint_eq(v->count, 2);
	ck_assert_uint_eq(find(v, "d")->count, 1);
	ck_assert(addr_eq(&find(v, "x")->addr, &a));
}
END_TEST

START_TEST(view_is_in_order_of_bytes)
{
	static const char *const order[] = {"B",  "a",	"a b", "a-",
					    "aa", "ab", "b",   "\xc3\xa4"};
	CLEANUP(view_freep) struct view_node *v = view_new();
	size_t i, n = ARRAY_LEN(order);

	for (i = 0; i < n; i++)
		ck_assert_int_eq(add(v, order[(i * 3 + 5) % n], "one"), 0);
	ck_assert_uint_eq(v->count, n);
	for (i = 0; i < n; i++)
		ck_assert_str_eq(v->children[i]->name, order[i]);
}
END_TEST

START_TEST(view_of_a_hundred_thousand)
{
	enum { N = 100000 };
	CLEANUP(view_freep) struct view_node *v = view_new();
	char path[32];
	unsigned i;

	for (i = 0; i < N; i++) {
		snprintf(path, sizeof(path), "d/%06u", i);
		ck_assert_int_eq(add(v, path, "one"), 0);
	}
	ck_assert_uint_eq(find(v, "d")->count, N);
	for (i = 0; i < N; i++) {
		snprintf(path, sizeof(path), "%06u", i);
		ck_assert_ptr_nonnull(find(find(v, "d"), path));
	}
}
END_TEST

TESTS("view", view_holds_what_was_added, view_same_content_twice_is_fine,
      view_conflict_is_eexist_and_changes_nothing, view_is_in_order_of_bytes,
      view_of_a_hundred_thousand)
