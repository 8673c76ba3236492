#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/output.h"

void print_help(const struct command *c)
{
	printf("usage: deriva %s%s%s\n\n%s", c->name, *c->args ? " " : "",
	       c->args, c->help);
}

void usage_error(const struct command *c, const char *fmt, ...)
{
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	complain("%s: %s\nusage: deriva %s %s\nMore: deriva %s --help", c->name,
		 msg, c->name, c->args, c->name);
	exit(EXIT_USAGE);
}

static NORETURN void bad_option(const struct command *c, int found, char **argv)
{
	const char *arg = argv[optind - 1];
	bool is_long = !strncmp(arg, "--", 2);

	if (found == ':' && is_long)
		usage_error(c, "option %s needs an argument", arg);
	if (found == ':')
		usage_error(c, "option -%c needs an argument", optopt);
	if (is_long && optopt)
		usage_error(c, "option %.*s takes no value",
			    (int)strcspn(arg, "="), arg);
	if (is_long)
		usage_error(c, "%s is no option", arg);
	usage_error(c, "-%c is no option", optopt);
}

int next_option(const struct command *c, struct cli *cli, int argc, char **argv)
{
	bool first = *c->shorts == '+'; /* the first operand ends options */
	char shorts[64];
	int found;

	snprintf(shorts, sizeof(shorts), "%s:h%s", first ? "+" : "",
		 c->shorts + first);
	opterr = 0;
	for (;;) {
		found = getopt_long(argc, argv, shorts, c->longs, NULL);
		switch (found) {
		case 'h':
			print_help(c);
			exit(finish_output());
		case 'S':
			cli->store = optarg;
			break;
		case 'B':
			cli->branch = optarg;
			break;
		case 'J':
			cli->json = true;
			break;
		case '?':
		case ':':
			bad_option(c, found, argv);
		default:
			if (found == -1 && cli->branch && !cli->store)
				usage_error(c, "--branch goes with --store; a "
					       "mount is of one branch");
			return found;
		}
	}
}

int count_operands(const struct command *c, int argc, int min, int max)
{
	int n = argc - optind;

	if (n < min)
		usage_error(c, min == 1 && n == 0 ? "an operand is missing"
						  : "too few operands");
	if (max >= 0 && n > max)
		usage_error(c, max == 0 ? "it takes no operands"
					: "too many operands");
	return n;
}
