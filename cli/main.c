#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/output.h"

static const struct command *const commands[] = {
	&cmd_mount,  &cmd_umount,  &cmd_branch,	   &cmd_build,
	&cmd_status, &cmd_why,	   &cmd_output,	   &cmd_retry,
	&cmd_drop,   &cmd_log,	   &cmd_watch,	   &cmd_put,
	&cmd_cat,    &cmd_resolve, &cmd_restore,   &cmd_diff,
	&cmd_pin,    &cmd_unpin,   &cmd_pins,	   &cmd_snapshot,
	&cmd_gc,     &cmd_fsck,	   &cmd_functions, &cmd_graph,
	&cmd_verify, &cmd_head,	   &cmd_prove,	   &cmd_verify_proof,
	&cmd_merge,  &cmd_run,	   &cmd_forget,
};

static void print_overview(void)
{
	size_t i;

	printf("usage: deriva [--store DIR] COMMAND [ARGUMENT...]\n\n"
	       "A file system of computed files. Commands:\n\n");
	for (i = 0; i < ARRAY_LEN(commands); i++)
		printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
	printf("\nderiva COMMAND --help says more, deriva(1) everything; "
	       "deriva --version.\n\n"
	       "First steps:\n\n"
	       "  deriva mount ~/d.store ~/d\n"
	       "  cp access.log ~/d/\n"
	       "  printf 'in: [access.log]\\nrun: sort access.log\\n' "
	       ">~/d/sorted.txt.recipe\n"
	       "  cat ~/d/sorted.txt\n");
}

static const struct command *find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

/* Edit distance with swaps of neighbours (optimal string alignment; Damerau
 * 1964) of words up to 31 bytes; longer ones are far from everything. */
static unsigned distance(const char *a, const char *b)
{
	unsigned d[32][32];
	size_t n = strlen(a), m = strlen(b), i, j;

	if (n > 31 || m > 31)
		return 32;
	for (i = 0; i <= n; i++)
		d[i][0] = (unsigned)i;
	for (j = 0; j <= m; j++)
		d[0][j] = (unsigned)j;
	for (i = 1; i <= n; i++)
		for (j = 1; j <= m; j++) {
			unsigned differ = a[i - 1] != b[j - 1];

			d[i][j] = MIN(d[i - 1][j], d[i][j - 1]) + 1;
			d[i][j] = MIN(d[i][j], d[i - 1][j - 1] + differ);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				d[i][j] = MIN(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[n][m];
}

static const char *nearest(const char *name)
{
	unsigned best = 3, n;
	const char *ret = NULL;
	size_t i;

	for (i = 0; i < ARRAY_LEN(commands); i++) {
		n = distance(name, commands[i]->name);
		/* Of a short word little would be left. */
		if (n < best && n * 3 <= strlen(name)) {
			best = n;
			ret = commands[i]->name;
		}
	}
	return ret;
}

static int unknown(const char *name)
{
	const char *near = nearest(name);

	if (near)
		complain("there is no command \"%s\"; did you mean \"%s\"?",
			 name, near);
	else
		complain("there is no command \"%s\" (deriva --help lists "
			 "them)",
			 name);
	return EXIT_USAGE;
}

static int help(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		print_overview();
		return EXIT_SUCCESS;
	}
	if (argc > 2) {
		complain("help takes one command (usage: deriva help "
			 "[COMMAND])");
		return EXIT_USAGE;
	}
	c = find(argv[1]);
	if (!c)
		return unknown(argv[1]);
	print_help(c);
	return EXIT_SUCCESS;
}

/* Whether it is STORE DIR -o OPTIONS and no mistyped command. */
static bool is_helper_call(int argc, char **argv)
{
	return argc > 1 &&
	       (strchr(argv[0], '/') || (argc > 2 && !strcmp(argv[2], "-o")));
}

/* STORE DIR [-o OPTIONS], as mount.fuse3 calls for `mount -t fuse.deriva` and
 * a line of fstab. */
static int run_helper(struct cli *cli, int argc, char **argv)
{
	const struct command *c = find("mount");
	char **with = calloc((size_t)argc + 2, sizeof(*with));
	int status;

	if (!with || !c) {
		complain("out of memory");
		free(with);
		return EXIT_FAILURE;
	}
	with[0] = (char *)(uintptr_t) "mount";
	memcpy(with + 1, argv, (size_t)argc * sizeof(*with));
	status = c->run(cli, argc + 1, with);
	free(with);
	return status;
}

static int run_command(struct cli *cli, int argc, char **argv)
{
	const struct command *c;

	if (!strcmp(argv[0], "help"))
		return help(argc, argv);
	c = find(argv[0]);
	if (!c && is_helper_call(argc, argv))
		return run_helper(cli, argc, argv);
	if (!c)
		return unknown(argv[0]);
	return c->run(cli, argc, argv);
}

/* What stands before the command: *i moves on to the command. */
static int leading_options(struct cli *cli, int argc, char **argv, int *i)
{
	for (*i = 1; *i < argc && argv[*i][0] == '-'; ++*i) {
		const char *a = argv[*i];

		if (!strcmp(a, "--help") || !strcmp(a, "-h")) {
			argv[*i] = (char *)(uintptr_t) "help";
			return 0;
		}
		if (!strcmp(a, "--version") || !strcmp(a, "-V")) {
			puts("deriva " DERIVA_VERSION);
			return 1;
		}
		if (!strncmp(a, "--store=", 8)) {
			cli->store = a + 8;
		} else if (!strcmp(a, "--store") && *i + 1 < argc) {
			cli->store = argv[++*i];
		} else {
			complain(!strcmp(a, "--store")
					 ? "option %s needs an argument"
					 : "%s is no option (deriva --help "
					   "lists "
					   "the commands)",
				 a);
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct cli cli = {0};
	int i, rc, status;

	/* A reader that went away is an error of write(2), and an exit status
	 * of 1, not a death by signal. */
	signal(SIGPIPE, SIG_IGN);
	rc = leading_options(&cli, argc, argv, &i);
	if (rc < 0)
		return EXIT_USAGE;
	if (rc > 0)
		return finish_output();
	if (i == argc) {
		complain("a command is missing (deriva --help lists them)");
		return EXIT_USAGE;
	}
	status = run_command(&cli, argc - i, argv + i);
	return finish_output() ? EXIT_FAILURE : status;
}
