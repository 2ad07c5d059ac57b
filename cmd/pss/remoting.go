package main

import (
	"context"
	"os"
	"os/user"
	"strconv"

	"pss/config"
	"pss/remote/api"
	"pss/remote/host"
	"pss/remote/install"
	"pss/remote/planted"
	"pss/verbs"
)

// hostPaths finds the folders of a host: of its user, or of the system.
func hostPaths(in verbs.HostSettings) (config.Paths, error) {
	switch {
	case !in.System:
		return config.Find()
	case in.Embedded || in.Stdio:
		return config.Paths{}, api.Errorf(api.CodeUsage, "--system stands with neither --embedded nor --stdio").WithID("AmbiguousParameterSet")
	case os.Geteuid() != 0 && !planted.On("system-without-root"):
		return config.Paths{}, config.NotRoot("pss host --system, which serves all users,", "without --system it serves you; or: sudo pss enable-psremoting")
	}
	return config.System()
}

// installer prepares a call of Enable- or Disable-PSRemoting: root's is about the daemon
// for all users, anybody else's about their own.
func installer(in verbs.RemotingSettings) (*install.Installer, error) {
	if home := os.Getenv("PSS_HOME"); home != "" {
		return nil, api.Errorf(api.CodeInvalidArgument, "a service does not use PSS_HOME, which is set to %s", home).WithID("HomeIsSet").On(home).
			Hint("unset it; for trials run pss host in the foreground")
	}
	i := &install.Installer{
		System: os.Geteuid() == 0, UID: os.Geteuid(), User: strconv.Itoa(os.Geteuid()),
		Listen: in.Listen, Binary: in.Binary, Force: in.Force,
		Commands: install.Programs{}, Self: os.Executable, Fingerprint: host.Fingerprint,
		Should: in.Should, Ask: in.Ask, Note: in.Note, Warn: in.Warn,
	}
	if u, err := user.LookupId(i.User); err == nil {
		i.User, i.UserHome = u.Username, u.HomeDir
	}
	var err error
	if i.System {
		i.Paths, err = config.System()
	} else {
		i.Paths, err = config.Find()
	}
	return i, err
}

func enableRemoting(ctx context.Context, in verbs.RemotingSettings) (*verbs.PSRemoting, error) {
	i, err := installer(in)
	if err != nil {
		return nil, err
	}
	r, err := i.Enable(ctx)
	if err != nil || r == nil {
		return nil, err
	}
	o := verbs.PSRemoting(*r)
	return &o, nil
}

func disableRemoting(ctx context.Context, in verbs.RemotingSettings) error {
	i, err := installer(in)
	if err != nil {
		return err
	}
	if in.Purge {
		return i.Purge(ctx)
	}
	return i.Disable(ctx)
}
