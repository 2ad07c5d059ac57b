package verbs

import (
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pss/remote/api"
)

// sshParams are those of computers that are reached through ssh, in the sets of hosts;
// named are also those in which config.toml may say that a computer is.
func sshParams(named []string, hosts ...string) []param {
	return []param{
		list("HostName", "computers that ssh reaches: [user@]host[:port], or a Host of the ssh configuration").in(hosts...).takes(sshHost()),
		value("UserName", "who logs in, where --host-name does not say").in(hosts...).takes(notEmpty("USER")).byDefault("as ssh says"),
		value("KeyFilePath", "identity file").alias("IdentityFilePath").in(hosts...).takes(notEmpty("FILE")).byDefault("as ssh says"),
		flag("SSHTransport", "reach the computers through ssh; --host-name says so already").in(hosts...),
		value("ConnectingTimeout", "how long ssh may take to connect").in(hosts...).takes(milliseconds(1, math.MaxInt32)).byDefault("15s, or open_timeout of config.toml"),
		list("Options", "options of ssh_config(5)").in(hosts...).takes(valueKind{shows: "NAME=VALUE"}).byDefault("those of the ssh configuration"),
		flag("CopyBinary", "copy this pss into your cache folder on a computer that ssh reaches, if it is not there").in(named...),
		value("Subsystem", "").in(hosts...).refused("pss is started there by your login shell: no subsystem of sshd is needed"),
		list("SSHConnection", "").in(hosts...).refused("give --host-name [user@]host[:port], --key-file-path and --options; what differs from computer to computer stands in the ssh configuration"),
	}
}

// sshHost takes [user@]host[:port].
func sshHost() valueKind {
	return valueKind{shows: "[USER@]HOST[:PORT]", check: func(text string) (string, *api.Error) {
		t, err := api.ParseSSHHost(strings.TrimPrefix(text, "ssh://"))
		if err != nil {
			return "", conversion("cannot be %q: it takes [user@]host[:port]", text)
		}
		return t.Destination(), nil
	}}
}

// readSSHHosts returns the computers after --host-name as the agent knows them. What
// the name itself says goes before --user-name and --port, as in PowerShell.
func readSSHHosts(in *input) ([]string, error) {
	hosts := in.StringSlice("host-name")
	if len(hosts) == 0 {
		return nil, nil
	}
	var base api.SSHTarget
	var err error
	if base.Options, err = sshOptions(in.StringSlice("options")); err != nil {
		return nil, err
	}
	if key := in.String("key-file-path"); key != "" {
		// ssh runs elsewhere.
		if base.KeyFile, err = filepath.Abs(key); err != nil {
			return nil, err
		}
	}
	if text := in.String("connecting-timeout"); text != "" {
		limit, err := api.ParseDuration(text, time.Millisecond)
		if err != nil {
			return nil, err
		}
		base.ConnectingTimeout = limit.Milliseconds()
	}
	refs := make([]string, len(hosts))
	for i, host := range hosts {
		t, err := api.ParseSSHHost(host)
		if err != nil {
			return nil, err
		}
		if t.User == "" {
			t.User = in.String("user-name")
		}
		if port, err := strconv.Atoi(in.String("port")); err == nil && t.Port == 0 {
			t.Port = port
		}
		t.KeyFile, t.Options, t.ConnectingTimeout = base.KeyFile, base.Options, base.ConnectingTimeout
		// A user name from its own parameter was not looked at yet.
		if _, err := api.ParseSSHHost(t.Destination()); err != nil {
			return nil, err
		}
		refs[i] = t.Ref()
	}
	return refs, nil
}

// sshOptions joins what a comma inside of a value has cut: ProxyJump=a,b.
func sshOptions(words []string) ([]string, error) {
	var options []string
	for _, word := range words {
		name, _, ok := strings.Cut(word, "=")
		switch {
		case ok && name != "" && !strings.ContainsAny(name, " \t,:"):
			options = append(options, word)
		case len(options) > 0:
			options[len(options)-1] += "," + word
		default:
			return nil, usage("CannotConvertArgument", "--options cannot be %q: it takes NAME=VALUE", word).Hint("ssh_config(5) has the names")
		}
	}
	return options, nil
}

// sshArguments name the computer on a command line.
func sshArguments(t api.SSHTarget) string {
	text := "--host-name " + t.Destination()
	if t.KeyFile != "" {
		text += " --key-file-path " + shellQuote(t.KeyFile)
	}
	for _, o := range t.Options {
		text += " --options " + shellQuote(o)
	}
	return text
}
