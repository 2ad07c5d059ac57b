package verbs

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"pss/remote/api"
)

func init() { register("New-PSSessionOption", nil, newNewPSSessionOption) }

func newNewPSSessionOption() *command {
	return &command{
		name:     "New-PSSessionOption",
		synopsis: "Makes an option object for --session-option, or for the variable PSSessionOption.",
		notes: "It prints the object as JSON text whatever PSS_OUTPUT says, so that a shell can keep it in a variable; --output list shows PowerShell's view. It asks no computer: " +
			"whether an idle timeout is within the bounds is found out where it is used. --session-option goes before PSSessionOption, each as a whole object, and both before the session configuration. " +
			"Times are milliseconds, or values with a unit.",
		params: newSessionOptionParams(),
		examples: []example{
			{command: "o=$(pss new-pssessionoption --idle-timeout-msec 172800000); pss new-pssession --computer-name server01 --session-option \"$o\"", says: "a session that is kept for 48 hours"},
			{command: "export PSSessionOption=$(pss new-pssessionoption --output-buffering-mode Drop)", says: "for every session that is made from now on"},
		},
		prints: PSSessionOption{},
		run:    runNewPSSessionOption,
	}
}

// newSessionOptionParams are in the order of PowerShell's documentation.
func newSessionOptionParams() []param {
	list := []param{
		value("IdleTimeout", "how long a disconnected session is kept; -1: as the session configuration says").alias("IdleTimeoutMSec").
			takes(idleMilliseconds()).byDefault("-1"),
		value("OutputBufferingMode", "what happens when the output buffer of a disconnected session is full; None: as the session configuration says").
			takes(oneOfThese(bufferingModes...)).byDefault("None"),
		value("OpenTimeout", "how long a computer may take to make or connect the session; pss itself gives up after less than a minute").
			alias("OpenTimeoutMSec").takes(milliseconds(0, maxInt32)).byDefault("180000"),
		value("OperationTimeout", "how long computers may take to answer Connect- and Receive-PSSession; 0: no limit").
			alias("OperationTimeoutMSec").takes(milliseconds(0, maxInt32)).byDefault("180000"),
		value("CancelTimeout", "how long Ctrl-C waits for the command to end before it leaves it behind; 0: no limit").
			alias("CancelTimeoutMSec").takes(milliseconds(0, maxInt32)).byDefault("60000"),
		value("MaxConnectionRetryCount", "how often a computer that is out of reach is asked again when a session is made").takes(wholeNumber(0, maxInt32)).byDefault("0"),
		value("MaximumReceivedDataSizePerCommand", "bytes of output that are taken from one command, 0 and less are no limit; the rest stays in the session").takes(wholeNumber(-maxInt32-1, maxInt32)).byDefault("no limit"),
		value("MaximumReceivedObjectSize", "likewise of one record of output").takes(wholeNumber(-maxInt32-1, maxInt32)).byDefault("no limit"),
		value("Culture", "how the session's commands write numbers and times: LC_NUMERIC, LC_TIME and the like").takes(cultureName()).byDefault("the client's locale"),
		value("UICulture", "the language of their messages: LC_MESSAGES").takes(cultureName()).byDefault("the client's locale"),
		value("ApplicationArguments", "a JSON object, or NAME=VALUE,…: the session's commands find it as JSON in "+argumentsVariable).takes(valueKind{shows: "JSON"}),
		flag("SkipCACheck", "it does not matter who signed the certificate of a host; where that makes a difference, a warning says so. A key that is expected or remembered is always checked"),
		flag("SkipCNCheck", "likewise for which name the certificate is"),
	}
	for _, p := range []param{
		value("MaximumRedirection", ""), flag("NoCompression", ""), flag("NoMachineProfile", ""), flag("UseUTF16", ""), flag("IncludePortInSPN", ""),
		flag("SkipRevocationCheck", ""),
	} {
		why := harmlessOptions[p.Name]
		if p.Name == "MaximumRedirection" {
			why, p = harmlessOptions["MaximumConnectionRedirectionCount"], p.takes(wholeNumber(-maxInt32-1, maxInt32))
		}
		list = append(list, p.ignored(why))
	}
	for _, p := range []param{
		value("ProxyAccessType", ""), value("ProxyAuthentication", ""), value("ProxyCredential", ""), flag("NoEncryption", ""),
	} {
		list = append(list, p.refused(unsupportedOptions[p.Name]))
	}
	return list
}

// idleMilliseconds takes what an idle timeout can be in an option object.
func idleMilliseconds() valueKind {
	times := duration("MILLISECONDS", 1e6, 0, maxInt32*1e6, true)
	return valueKind{shows: times.shows, says: func() string {
		return "-1 to " + strconv.Itoa(maxInt32) + ", a value with a unit such as 90s, 48h, 7d, or never"
	}, check: func(text string) (string, *api.Error) {
		if text == "-1" {
			return text, nil
		}
		return times.check(text)
	}}
}

// cultureName takes de-DE.
func cultureName() valueKind {
	return valueKind{shows: "CULTURE", check: func(text string) (string, *api.Error) {
		if localeOf(text) == "" {
			return "", conversion("cannot be %q: it takes a culture such as de-DE or zh-TW", text)
		}
		return text, nil
	}}
}

func runNewPSSessionOption(_ context.Context, rt *Runtime, in *input) error {
	o := defaultPSSessionOption()
	const from = "New-PSSessionOption"
	members := map[string]any{}
	for i := range in.cmd.params {
		p := &in.cmd.params[i]
		if p.Common || !in.given(p.FlagName()) {
			continue
		}
		switch text := in.String(p.FlagName()); {
		case p.Kind == KindSwitch:
			members[p.Name] = in.Bool(p.FlagName())
		case p.Name == "ApplicationArguments":
			arguments, err := applicationArguments(text)
			if err != nil {
				return err
			}
			members[p.Name] = arguments
		case p.kind.shows == "INT", isNumber(text):
			members[p.Name] = json.Number(text)
		default:
			members[p.Name] = text
		}
	}
	data, err := json.Marshal(members)
	if err != nil {
		return err
	}
	if err := parseOptionObject(string(data), from, o, optionAliases); err != nil {
		return err
	}
	if err := o.check(from); err != nil {
		return err
	}
	return rt.writeOption(in, o)
}

func isNumber(text string) bool {
	_, err := strconv.ParseInt(text, 10, 64)
	return err == nil
}

// applicationArguments reads a JSON object, or NAME=VALUE pairs.
func applicationArguments(text string) (map[string]any, error) {
	arguments := map[string]any{}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		if err := json.Unmarshal([]byte(text), &arguments); err != nil {
			return nil, usage("CannotConvertArgument", "--application-arguments is no JSON object: %v", err)
		}
		return arguments, nil
	}
	for _, pair := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, usage("CannotConvertArgument", "--application-arguments cannot be %q: it takes a JSON object or NAME=VALUE,…", pair)
		}
		arguments[name] = value
	}
	return arguments, nil
}
