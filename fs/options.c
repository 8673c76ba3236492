/* Mount options: ours, and those of mount(8) that are handed on. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/branch.h"
#include "core/buf.h"
#include "core/settings.h"
#include "fs/mount.h"

struct option_row {
	const char *name;
	size_t flag; /* offset of a bool, or 0 */
	bool value;
	bool kernel; /* handed on to mount(2) through libfuse */
};

#define FLAG(field) (offsetof(struct mount_options, field) + 1)

static const struct option_row option_rows[] = {
	{"ro", FLAG(read_only), true, true},
	{"rw", FLAG(read_only), false, true},
	{"allow_other", FLAG(allow_other), true, true},
	{"allow_root", FLAG(allow_root), true, false},
	{"auto_unmount", FLAG(auto_unmount), true, true},
	{"acl", FLAG(acl), true, false},
	{"noacl", FLAG(no_acl), true, false},
	{"default_permissions", FLAG(default_permissions), true, false},
	{"unsafe-no-sandbox", FLAG(no_sandbox), true, false},
	{"debug", FLAG(debug), true, false},
	{"stat=lazy", FLAG(stat_lazy), true, false},
	{"stat=exact", FLAG(stat_lazy), false, false},
	{"nosuid", 0, true, true},
	{"suid", 0, true, true},
	{"nodev", 0, true, true},
	{"dev", 0, true, true},
	{"noexec", 0, true, true},
	{"exec", 0, true, true},
	{"noatime", 0, true, true},
	{"atime", 0, true, true},
	{"sync", 0, true, true},
	{"async", 0, true, true},
	{"dirsync", 0, true, true},
};

/* What fstab says to others, and what other file systems need to be told and
 * this one does anyway. */
static const char *const idle[] = {
	"defaults",    "auto",	     "noauto",	       "nofail",
	"_netdev",     "user",	     "nouser",	       "users",
	"nousers",     "owner",	     "noowner",	       "group",
	"nogroup",     "relatime",   "norelatime",     "nostrictatime",
	"nodiratime",  "diratime",   "strictatime",    "lazytime",
	"nolazytime",  "big_writes", "kernel_cache",   "auto_cache",
	"hard_remove", "use_ino",    "readdir_ino",    "iversion",
	"noiversion",  "mand",	     "nomand",	       "silent",
	"loud",	       "intr",	     "subtype=deriva",
};

/* What other FUSE file systems know and this one does not do, and why. */
static const struct {
	const char *name; /* with "=": and a value */
	const char *why;
} refused[] = {
	{"uid=", "files have owners of their own here; chown(1) them"},
	{"gid=", "files have groups of their own here; chgrp(1) them"},
	{"umask=", "files have modes of their own here; chmod(1) them"},
	{"fmask=", "files have modes of their own here; chmod(1) them"},
	{"dmask=", "directories have modes of their own here; chmod(1) them"},
	{"idmap=", "owners are kept as they are"},
	{"subtype=", "the type of the mount is fuse.deriva, by which it is "
		     "known"},
	{"nonempty", "what is in the directory would be hidden; choose an "
		     "empty or a new one"},
	{"direct_io", "the kernel's cache is always right here"},
	{"entry_timeout=", "the kernel is told when a name changes"},
	{"attr_timeout=", "the kernel is told when a file changes"},
	{"negative_timeout=", "the kernel is told when a name appears"},
	{"ac_attr_timeout=", "the kernel is told when a file changes"},
	{"noforget", "inode numbers are never used again anyway"},
	{"remember=", "inode numbers are never used again anyway"},
	{"modules=", "libfuse's modules are not for this kind of file system"},
	{"max_read=", "requests are as large as the kernel allows"},
	{"max_write=", "requests are as large as the kernel allows"},
	{"fd=", "the kernel is asked for the mount here; name a directory"},
	{"remount", "unmount and mount again, or mount -i -o remount,ro DIR"},
};

static bool is_idle(const char *text)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(idle); i++)
		if (!strcmp(idle[i], text))
			return true;
	return !strncasecmp(text, "x-", 2) || !strncmp(text, "comment=", 8);
}

/* name: with "=" at its end, any value may follow. */
static bool is_named(const char *text, const char *name)
{
	size_t n = strlen(name);

	return name[n - 1] == '=' ? !strncmp(text, name, n)
				  : !strcmp(text, name);
}

static int refuse(const char *text, struct err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(refused); i++)
		if (is_named(text, refused[i].name))
			return err_set(err, -EINVAL,
				       "mount option `%s` is not for this file "
				       "system: %s",
				       text, refused[i].why);
	return 0;
}

static int add_extra(struct mount_options *o, const char *text)
{
	char *all;

	if (asprintf(&all, "%s%s%s", o->fuse_extra ? o->fuse_extra : "",
		     o->fuse_extra ? "," : "", text) < 0)
		return -ENOMEM;
	free(o->fuse_extra);
	o->fuse_extra = all;
	return 0;
}

static int parse_branch(const char *text, struct mount_options *o,
			struct err *err)
{
	if (!*text || strlen(text) >= sizeof(o->branch))
		return err_set(err, -EINVAL,
			       "option branch=%s: the name of a branch is "
			       "wanted (deriva branch lists them)",
			       text);
	strcpy(o->branch, text);
	return 0;
}

static int parse_jobs(const char *text, struct mount_options *o,
		      struct err *err)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || n < 1 || n > 1024)
		return err_set(err, -EINVAL,
			       "option jobs=%s: a number from 1 to 1024 is "
			       "needed",
			       text);
	o->jobs = (unsigned)n;
	return 0;
}

static int parse_fsname(const char *text, struct mount_options *o,
			struct err *err)
{
	char *copy = *text ? strdup(text) : NULL;

	if (!copy)
		return err_set(err, *text ? -ENOMEM : -EINVAL,
			       "option fsname=%s: a name is needed", text);
	free(o->fsname);
	o->fsname = copy;
	return 0;
}

/* A setting of the store: kept there, for all who use it. */
static int parse_setting(const char *name, const char *value, char *to,
			 size_t size, struct err *err)
{
	int r = settings_check(name, value, err);

	if (r >= 0)
		snprintf(to, size, "%s", value);
	return r;
}

static int parse_option(const char *text, struct mount_options *o,
			struct err *err)
{
	CLEANUP_BUF struct buf known = BUF_INIT;
	const struct option_row *row;
	size_t i;
	int r;

	if (is_idle(text))
		return 0;
	r = refuse(text, err);
	if (r < 0)
		return r;
	if (!strncmp(text, "branch=", 7))
		return parse_branch(text + 7, o, err);
	if (!strncmp(text, "fsname=", 7))
		return parse_fsname(text + 7, o, err);
	if (!strncmp(text, "jobs=", 5))
		return parse_jobs(text + 5, o, err);
	if (!strncmp(text, "retention=", 10))
		return parse_setting("retention", text + 10, o->retention,
				     sizeof(o->retention), err);
	if (!strncmp(text, "budget=", 7))
		return parse_setting("budget", text + 7, o->budget,
				     sizeof(o->budget), err);
	if (!strncmp(text, "collect=", 8))
		return parse_setting("collect", text + 8, o->collect,
				     sizeof(o->collect), err);
	if (!strncmp(text, "verify=", 7))
		return parse_setting("verify", text + 7, o->verify,
				     sizeof(o->verify), err);
	for (i = 0; i < ARRAY_LEN(option_rows); i++) {
		row = &option_rows[i];
		buf_fmt(&known, "%s, ", row->name);
		if (strcmp(row->name, text))
			continue;
		if (row->flag)
			*(bool *)((char *)o + row->flag - 1) = row->value;
		return row->kernel ? add_extra(o, text) : 0;
	}
	return err_set(
		err, -EINVAL,
		"unknown mount option `%s`; there are: %sfsname=NAME, "
		"branch=NAME, jobs=N, retention=..., budget=..., collect=..., "
		"verify=...",
		text, buf_cstr(&known));
}

int mount_parse_options(const char *text, struct mount_options *o,
			struct err *err)
{
	CLEANUP_FREE char *copy = strdup(text);
	char *rest = copy, *one;
	int r = copy ? 0 : -ENOMEM;

	while (r >= 0 && (one = strsep(&rest, ",")))
		if (*one)
			r = parse_option(one, o, err);
	return r;
}

void mount_options_done(struct mount_options *o)
{
	free(o->fuse_extra);
	free(o->fsname);
	o->fuse_extra = o->fsname = NULL;
}
