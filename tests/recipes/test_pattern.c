#include "recipes/file.h"
#include "tests/lib/harness.h"

struct match {
	const char *pattern, *name, *stem; /* NULL: does not match */
};

START_TEST(match_takes_one_stem_everywhere)
{
	static const struct match table[] = {
		{"%.jpg", "cat.jpg", "cat"},
		{"%.jpg", "cat.png", NULL},
		{"%.jpg", ".jpg", NULL},
		{"%.jpg", ".hidden.jpg", NULL},
		{"x%", "x.hidden", ".hidden"},
		{"%", "a", "a"},
		{"%", ".a", NULL},
		{"%", "", NULL},
		{"a%b", "ab", NULL},
		{"a%b", "a%b", "%"},
		{"a%b", "aab", "a"},
		{"%%.txt", "%.txt", NULL},
		{"%%%.txt", "%a.txt", "a"},
		{"100%%-%", "100%-x", "x"},
		{"%-%", "a-a", "a"},
		{"%-%", "a-b", NULL},
		{"%-%", "a-ab", NULL},
		{"%/%.c", "m/m.c", "m"},
		{"%.c", "a/b.c", NULL},
		{"%.\xff", "\xfe.\xff", "\xfe"},
	};
	const char *stem;
	size_t len, i;

	for (i = 0; i < ARRAY_LEN(table); i++) {
		const struct match *m = &table[i];
		bool yes = pattern_match(m->pattern, strlen(m->pattern),
					 m->name, strlen(m->name), &stem, &len);

		ck_assert_msg(yes == (m->stem != NULL), "%s, %s", m->pattern,
			      m->name);
		if (yes)
			ck_assert_msg(len == strlen(m->stem) &&
					      !memcmp(stem, m->stem, len),
				      "%s, %s", m->pattern, m->name);
	}
}
END_TEST

START_TEST(fill_gives_the_name_back)
{
	static const struct {
		const char *pattern, *stem, *want;
		bool glob;
	} table[] = {
		{"../photos/%.png", "cat", "../photos/cat.png", false},
		{"%%-%-%", "a", "%-a-a", false},
		{"100%%", "", "100%", false},
		{"%-*.csv", "a*[?]", "a[*][[][?]]-*.csv", true},
		{"%", "a*", "a*", false},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(table); i++) {
		CLEANUP_BUF struct buf b = BUF_INIT;

		pattern_fill(table[i].pattern, strlen(table[i].pattern),
			     table[i].stem, strlen(table[i].stem),
			     table[i].glob, &b);
		ck_assert_str_eq(buf_cstr(&b), table[i].want);
	}
}
END_TEST

START_TEST(quote_is_undone_by_fill)
{
	static const char *const names[] = {"a", "50%", "%", "%%", "a%b%%c"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP_BUF struct buf b = BUF_INIT, back = BUF_INIT;

		pattern_quote(names[i], strlen(names[i]), &b);
		ck_assert_uint_eq(pattern_stems((char *)b.data, b.len, NULL),
				  0);
		pattern_fill((char *)b.data, b.len, "", 0, false, &back);
		ck_assert_str_eq(buf_cstr(&back), names[i]);
	}
}
END_TEST

START_TEST(meet_never_denies_a_common_name)
{
	static const struct {
		const char *a, *b;
		bool may;
	} table[] = {
		{"%.c", "%.o", false},	  {"%.c", "lib%.c", true},
		{"a%", "b%", false},	  {"a%", "%b", true},
		{"%", "anything%", true}, {"x.c", "%.c", true},
		{"%x", "%", true},	  {"%%%", "%.c", true},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(table); i++)
		ck_assert_msg(pattern_meet(table[i].a, strlen(table[i].a),
					   table[i].b,
					   strlen(table[i].b)) == table[i].may,
			      "%s, %s", table[i].a, table[i].b);
}
END_TEST

static struct recipe_def *parse(const char *text)
{
	struct recipe_def *d;
	struct err err;
	int r = recipe_parse(text, strlen(text), &d, &err);

	ck_assert_msg(r == 0, "%s: %s", text, err.msg);
	return d;
}

START_TEST(known_part_ends_before_the_first_glob)
{
	static const struct {
		const char *path, *known;
	} table[] = {
		{"../photos/%.png", "../photos/%.png"},
		{"%/*.csv", "%"},
		{"a/%/b*/c", "a/%"},
		{"%-*.csv", ""},
		{"a/%*/%", ""},
		{"plain", ""},
		{"/data/%", "/data/%"},
	};
	char text[100];
	size_t i, n;

	for (i = 0; i < ARRAY_LEN(table); i++) {
		CLEANUP(recipe_def_freep) struct recipe_def *d = NULL;

		snprintf(text, sizeof(text), "in: [\"%s\"]\nfn: concat\n",
			 table[i].path);
		d = parse(text);
		n = recipe_path_known(&d->inputs[0].paths[0]);
		ck_assert_uint_eq(n, strlen(table[i].known));
		ck_assert(
			!memcmp(d->inputs[0].paths[0].text, table[i].known, n));
	}
}
END_TEST

START_TEST(fill_puts_the_stem_into_all_inputs)
{
	CLEANUP(recipe_def_freep)
	struct recipe_def *d = parse("in:\n  a: \"%.a\"\n  b: [\"%-*\", c%%]\n"
				     "run: x\n");
	struct err err;

	ck_assert_int_eq(recipe_def_fill(d, "[s]", 3, &err), 0);
	ck_assert_str_eq(d->inputs[0].paths[0].text, "[s].a");
	ck_assert(!d->inputs[0].paths[0].glob);
	ck_assert_str_eq(d->inputs[1].paths[0].text, "[[]s]-*");
	ck_assert_str_eq(d->inputs[1].paths[1].text, "c%");
}
END_TEST

START_TEST(fill_wants_a_stem_where_there_is_one)
{
	CLEANUP(recipe_def_freep)
	struct recipe_def *plain = parse("run: x\nin: [a]\n");
	CLEANUP(recipe_def_freep)
	struct recipe_def *stem = parse("run: x\nin: [a,\n \"%.b\"]\n");
	CLEANUP(recipe_def_freep)
	struct recipe_def *glob = parse("run: x\nin:\n  - \"%*\"\n");
	struct err err;

	ck_assert_int_eq(recipe_def_fill(plain, "", 0, &err), 0);
	ck_assert_int_eq(recipe_def_fill(plain, "s", 1, &err), -EINVAL);
	ck_assert(!strncmp(err.msg, "line 2: the recipe's name is a pattern",
			   38));
	ck_assert_int_eq(recipe_def_fill(stem, "", 0, &err), -EINVAL);
	ck_assert(!strncmp(err.msg, "line 3: `%.b`: `%` is a stem", 28));
	ck_assert_int_eq(recipe_def_fill(glob, "s", 1, &err), -EINVAL);
}
END_TEST

TESTS("pattern", match_takes_one_stem_everywhere, fill_gives_the_name_back,
      quote_is_undone_by_fill, meet_never_denies_a_common_name,
      known_part_ends_before_the_first_glob, fill_puts_the_stem_into_all_inputs,
      fill_wants_a_stem_where_there_is_one)
