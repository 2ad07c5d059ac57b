package verbs

import (
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"pss/config"
	"pss/remote/api"
)

// The parameter sets of cmdlets that select sessions or computers.
const (
	setSession          = "Session"
	setID               = "Id"
	setName             = "Name"
	setInstance         = "InstanceId"
	setComputer         = "ComputerName"
	setComputerInstance = "ComputerInstanceId"
	setURI              = "ConnectionUri"
	setURIInstance      = "ConnectionUriInstanceId"
	setHost             = "SSHHost"
	setHostInstance     = "SSHHostInstanceId"
)

// queryingSets are those in which computers are asked.
var queryingSets = []string{setComputer, setComputerInstance, setURI, setURIInstance, setHost, setHostInstance}

// computerParams are those that say which computer is meant and how it is reached.
// Sets are those in which it is named, uris those in which its URI is given, hosts those
// in which it is reached through ssh.
func computerParams(help, def string, sets, uris, hosts []string) []param {
	both := slices.Concat(sets, uris)
	return append([]param{
		list("ComputerName", help+"; @GROUP of config.toml, @file:PATH for a list").alias("Cn").in(sets...).takes(computerName()).byDefault(def),
		value("Port", "of the host, where it is not the computer's own in config.toml; with --host-name that of its ssh server").
			in(sets...).in(hosts...).takes(wholeNumber(1, 65535)).byDefault("5986; ssh's own"),
		list("ConnectionUri", "computers by https://HOST[:PORT]; without a port it is 443").alias("URI", "CU").in(uris...).takes(connectionURI()),
		flag("UseSSL", "").in(sets...).ignored("the connection always uses TLS 1.3"),
		value("ApplicationName", "").in(sets...).ignored("a host of pss has one application"),
		flag("AllowRedirection", "").in(uris...).ignored("a host of pss never redirects"),
		acceptNewParam().in(both...),
	}, slices.Concat(credentialParams(both...), sshParams(slices.Concat(sets, hosts), hosts...))...)
}

// machineParams are those of PowerShell's sessions in virtual machines, containers and
// other processes of Windows.
func machineParams() []param {
	const why = "pss opens sessions on computers; start pss host inside of the machine or container to reach it"
	return []param{
		list("VMId", "").alias("VMGuid").refused(why),
		list("VMName", "").refused(why),
		list("ContainerId", "").refused(why),
	}
}

// connectionURI takes an absolute https URI of a host.
func connectionURI() valueKind {
	return valueKind{shows: "URI", check: func(text string) (string, *api.Error) {
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "" || u.Hostname() == "":
			return "", conversion("cannot be %q: it takes https://HOST[:PORT]", text)
		case !strings.EqualFold(u.Scheme, "https"):
			return "", conversion("cannot be %q: pss speaks HTTPS only", text).Hint("write https://%s", u.Host)
		case u.Path != "" && u.Path != "/" && !strings.EqualFold(u.Path, "/wsman") || u.RawQuery != "" || u.User != nil:
			return "", conversion("cannot be %q: a host has one application; it takes https://HOST[:PORT]", text)
		}
		port := u.Port()
		if port == "" {
			port = "443"
		}
		return "https://" + net.JoinHostPort(u.Hostname(), port), nil
	}}
}

// readComputers returns the computers that the command line names as the agent
// knows them: names, and URIs where a port was given. What several groups name counts
// once.
func readComputers(rt *Runtime, in *input) ([]string, error) {
	var names []string
	for _, word := range in.StringSlice("computer-name") {
		if !strings.HasPrefix(word, "@") {
			names = append(names, word)
			continue
		}
		more, err := rt.group(word)
		if err != nil {
			return nil, err
		}
		names = append(names, slices.DeleteFunc(once(more), func(n string) bool { return contains(names, n) })...)
	}
	if port := in.String("port"); port != "" {
		for i, name := range names {
			names[i] = "https://" + net.JoinHostPort(strings.Trim(name, "[]"), port)
		}
	}
	known, err := readCredential(in)
	if err != nil {
		return nil, err
	}
	hosts, err := readSSHHosts(in)
	if uris := in.StringSlice("connection-uri"); !known.IsBare() && len(names)+len(uris) == 0 {
		names = []string{"localhost"}
	}
	return slices.Concat(knownAs(known, slices.Concat(names, in.StringSlice("connection-uri"))), hosts), err
}

// once leaves each computer once.
func once(names []string) []string {
	var out []string
	for _, name := range names {
		if !contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func contains(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return api.SameComputer(n, name) })
}

// group returns the computers of @GROUP or @file:PATH.
func (rt *Runtime) group(word string) ([]string, error) {
	if path, ok := strings.CutPrefix(word, "@file:"); ok {
		return computersOfFile(path)
	}
	paths, err := rt.paths()
	if err != nil {
		return nil, err
	}
	conf, err := paths.LoadClient()
	if err != nil {
		return nil, err
	}
	var known []string
	for name, computers := range conf.Groups {
		if strings.EqualFold(name, word[1:]) {
			return checkedComputers("the group "+word, computers)
		}
		known = append(known, name)
	}
	return nil, unknownGroup(word, known, paths)
}

func unknownGroup(word string, known []string, paths config.Paths) error {
	slices.Sort(known)
	e := usage("PSSessionInvalidComputerName", "there is no group of computers %q", word[1:]).On(word)
	if near := nearest(word[1:], known, func(n string) []string { return []string{n} }); len(near) > 0 {
		return e.Hint("did you mean @%s?", strings.Join(near, " or @"))
	}
	return e.Hint("write it into %s: [groups] %s = [\"Server01\", \"Server02\"]; a list in a file is @file:PATH", paths.ClientFile(), word[1:])
}

// computersOfFile reads names separated by blanks, commas or line ends; # begins a
// comment.
func computersOfFile(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usage("FileReadError", "the list of computers could not be read: %v", err).On(path)
	}
	var names []string
	for i, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r,", r) })
		more, err := checkedComputers("line "+strconv.Itoa(i+1)+" of "+path, words)
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	if len(names) == 0 {
		return nil, usage("PSSessionInvalidComputerName", "%s names no computer", path).On(path)
	}
	return names, nil
}

func checkedComputers(where string, names []string) ([]string, error) {
	kind := computerName()
	out := make([]string, len(names))
	for i, name := range names {
		got, err := kind.check(name)
		if err != nil {
			return nil, usage(err.FullyQualifiedErrorID, "%s %s", where, err.Message)
		}
		out[i] = got
	}
	return out, nil
}
