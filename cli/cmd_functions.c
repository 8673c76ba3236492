#include "cli/command.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/output.h"
#include "recipes/function.h"

static void print_indented(const char *text)
{
	size_t n;

	while (*text) {
		n = strcspn(text, "\n");
		printf("    %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static void print_inputs(const struct function *f)
{
	if (f->max_inputs == SIZE_MAX && f->min_inputs == 0)
		printf("Inputs: any number\n");
	else if (f->max_inputs == SIZE_MAX)
		printf("Inputs: %zu or more\n", f->min_inputs);
	else if (f->max_inputs == f->min_inputs)
		printf("Inputs: %zu\n", f->min_inputs);
	else
		printf("Inputs: %zu to %zu\n", f->min_inputs, f->max_inputs);
}

/* What it may be, and what it is when it is not given. */
static void print_param(const struct fn_param *p)
{
	printf("    %-14s %s (", p->name, p->help);
	if (p->type == FN_BOOL)
		printf("true or false; ");
	else if (p->type == FN_CHOICE)
		printf("one of: %s; ", p->choices);
	else if (p->type == FN_INT && p->min > -LONG_MAX && p->max < LONG_MAX)
		printf("%ld to %ld; ", p->min, p->max);
	else if (p->type == FN_INT && p->min > -LONG_MAX)
		printf("a number from %ld on; ", p->min);
	else if (p->type == FN_INT)
		printf("a number; ");
	if (!p->value)
		printf("required)\n");
	else if (!*p->value)
		printf("not set by default)\n");
	else
		printf("default: \"%s\")\n", p->value);
}

static void print_one(const struct function *f)
{
	const struct fn_param *p;

	printf("%s: %s\n\n", f->name, f->help);
	print_inputs(f);
	if (f->params && f->params->name)
		printf("Params:\n");
	for (p = f->params; p && p->name; p++)
		print_param(p);
	if (f->any_param)
		printf("    %-14s %s\n", "any other", "a text");
	if (f->example) {
		printf("\nExample:\n");
		print_indented(f->example);
	}
}

/* For people with headings; one line a function for who reads it otherwise. */
static void print_list(void)
{
	const struct fn_family *family;
	bool headings = isatty(STDOUT_FILENO);
	size_t i, k;

	for (i = 0; (family = fn_family_at(i)); i++) {
		if (headings)
			printf("%s%s:\n", i ? "\n" : "", family->name);
		for (k = 0; k < family->count; k++)
			printf("%s%-10s %s\n", headings ? "  " : "",
			       family->rows[k].name, family->rows[k].help);
	}
}

static void string_field(struct buf *b, const char *name, const char *value)
{
	buf_fmt(b, "\"%s\":", name);
	if (value)
		buf_json(b, value, strlen(value));
	else
		buf_str(b, "null");
}

static const char *type_name(const struct fn_param *p)
{
	static const char *const names[] = {
		[FN_TEXT] = "text",	[FN_BOOL] = "bool", [FN_INT] = "int",
		[FN_CHOICE] = "choice", [FN_BYTE] = "byte",
	};

	return names[p->type];
}

static void json_one(struct buf *b, const struct function *f)
{
	const struct fn_param *p;

	buf_str(b, "{");
	string_field(b, "name", f->name);
	buf_str(b, ",");
	string_field(b, "help", f->help);
	buf_fmt(b, ",\"min_inputs\":%zu,\"max_inputs\":", f->min_inputs);
	if (f->max_inputs == SIZE_MAX)
		buf_str(b, "null");
	else
		buf_fmt(b, "%zu", f->max_inputs);
	buf_fmt(b, ",\"version\":%u,\"makes_dir\":%s", f->version,
		f->makes_dir ? "true" : "false");
	buf_str(b, ",\"params\":[");
	for (p = f->params; p && p->name; p++) {
		buf_str(b, p == f->params ? "{" : ",{");
		string_field(b, "name", p->name);
		buf_str(b, ",");
		string_field(b, "help", p->help);
		buf_str(b, ",");
		string_field(b, "default", p->value);
		buf_str(b, ",");
		string_field(b, "type", type_name(p));
		if (p->type == FN_INT)
			buf_fmt(b, ",\"min\":%ld,\"max\":%ld", p->min, p->max);
		if (p->type == FN_CHOICE) {
			buf_str(b, ",");
			string_field(b, "choices", p->choices);
		}
		buf_str(b, "}");
	}
	buf_str(b, "],");
	string_field(b, "example", f->example);
	buf_str(b, "}");
}

static int print_json(const struct function *only)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	const struct function *f;
	size_t i;

	buf_str(&b, only ? "" : "[");
	if (only)
		json_one(&b, only);
	for (i = 0; !only && (f = function_at(i)); i++) {
		buf_str(&b, i ? ",\n" : "");
		json_one(&b, f);
	}
	buf_str(&b, only ? "\n" : "]\n");
	if (buf_err(&b))
		return fail("%s", err_name(-ENOMEM));
	print_buf(&b);
	return EXIT_SUCCESS;
}

static int run(struct cli *cli, int argc, char **argv)
{
	const struct function *f = NULL;
	const char *name = NULL, *near;

	while (next_option(&cmd_functions, cli, argc, argv) != -1)
		;
	if (count_operands(&cmd_functions, argc, 0, 1))
		name = argv[optind];
	if (name)
		f = function_find(name);
	if (name && !f) {
		near = function_near(name);
		return near ? fail("there is no function \"%s\"; did you mean "
				   "\"%s\"?",
				   name, near)
			    : fail("there is no function \"%s\" (deriva "
				   "functions lists them)",
				   name);
	}
	if (cli->json)
		return print_json(f);
	if (f)
		print_one(f);
	else
		print_list();
	return EXIT_SUCCESS;
}

static const struct option longs[] = {OPT_JSON, OPT_END};

const struct command cmd_functions = {
	.name = "functions",
	.args = "[--json] [NAME]",
	.summary = "the built-in functions of recipes",
	.help = "Lists the functions that a recipe can name with \"fn\"; "
		"with NAME, that one's\ninputs and params, and an example.\n\n"
		"  --json  for programs\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
